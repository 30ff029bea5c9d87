# A thin front: `make demo` shows the main job on real parts, `make test` proves it. Both install what they need.
.PHONY: help demo test test-vm build deb test-deb test-reproducible deps need-root lint windows test-windows test-asan test-clang fuzz bench clean

PRESET ?= debug
CTEST_FLAGS ?= --output-on-failure --parallel 3

help:
	@echo "make demo        the whole job on real parts, in network namespaces (KEEP=1 leaves the lab up)"
	@echo "make test        all tests"
	@echo "make test-vm     real ESP in transport mode: in a virtual machine with Debian's kernel, 15 minutes at most"
	@echo "make build       the program, as build/release/staffetta"
	@echo "make windows     the program for Windows, as build/windows/staffetta.exe"
	@echo "make deb         packages for Debian 12, in build/deb"
	@echo "make test-deb    installs them in a fresh Debian 12 made for it, uses them, takes them out again"
	@echo "make test-reproducible  two builds in different folders give the same bytes"
	@echo "make lint        formatting and scripts"
	@echo "make test-windows the tests of the Windows program, under Wine"
	@echo "make test-asan   all tests but the lab's under AddressSanitizer and UBSan"
	@echo "make test-clang  builds with clang, warnings are errors"
	@echo "make fuzz        each fuzz target for FUZZ_SECONDS (default 20)"
	@echo "make bench       start-up against plain Lua, .reg text against hivexregedit, kernel policies against ip"

need-root:
	@test "$$(id -u)" = 0 || { echo "This needs root: it installs Debian packages and makes network namespaces." >&2; \
	  echo "Run: sudo make $(MAKECMDGOALS)" >&2; exit 1; }

deps:
	@tools/install-deps.sh

build: deps
	@cmake --preset release >/dev/null
	@cmake --build --preset release

deb: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
deb: deps
	@cmake --preset deb >/dev/null
	@cmake --build --preset deb
	@cd build/deb && cpack -G DEB

test-deb: need-root deb
	@tools/test-deb.sh build/deb

test-reproducible: deps
	@tools/test-reproducible.sh

demo: need-root build
	@KEEP=$(KEEP) tools/demo.sh build/release/staffetta

windows: deps
	@tools/windows-sources.sh build/windows-sources
	@cmake --preset windows >/dev/null
	@cmake --build --preset windows

test-windows: windows
	@ctest --preset windows $(CTEST_FLAGS)
	@tools/check-skips.sh build/windows

test: need-root deps lint test-windows
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)
	@ctest --preset $(PRESET) $(CTEST_FLAGS)
	@tools/check-skips.sh build/$(PRESET)

test-vm: need-root deps
	@cmake --preset $(PRESET) >/dev/null
	@cmake --build --preset $(PRESET)
	@tools/test-vm.sh build/$(PRESET)

# Without the lab's suites: those wait for real clocks, and what they run is the code that the others run.
test-asan: need-root deps
	@$(MAKE) --no-print-directory test PRESET=asan CTEST_FLAGS="$(CTEST_FLAGS) --exclude-regex ^lab/"

test-clang: deps
	@cmake --preset debug-clang >/dev/null
	@cmake --build --preset debug-clang

lint: deps
	@tools/lint.sh

FUZZ_SECONDS ?= 20
FUZZ_SEED ?= 0
fuzz: deps
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz
	@tools/fuzz.sh build/fuzz $(FUZZ_SECONDS) $(FUZZ_SEED)

BENCH_PROGRAMS = registry_reg registry_hive registry_remote journal xfrm_dump vici_load probe_truth
bench: build
	@cmake --build --preset release --target $(addprefix bench_,$(BENCH_PROGRAMS)) make_hive
	@tests/bench/startup.sh build/release/staffetta
	@for name in registry_reg registry_hive registry_remote journal xfrm_dump vici_load probe_load probe_error; do \
	  tests/bench/$$name.sh build/release || exit; done
	@tests/bench/runs.sh build/release/staffetta
	@tests/bench/fleet.sh build/release
	@tests/bench/drill.sh build/release/staffetta

clean:
	rm -rf build
