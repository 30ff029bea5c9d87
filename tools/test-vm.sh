#!/bin/bash
# Tests `staffetta lab vm` itself, and in it what needs a kernel with ESP. Usage: tools/test-vm.sh BUILD. Changes nothing
# on this machine but the cache folder of the kernel; takes minutes where the processor is emulated, 15 at most.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=$(realpath "$1")
work=$(mktemp -d "$build/test-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

fail() {
    echo "lab vm: $1" >&2
    exit 1
}

echo "== the machine: output, exit code, no file changed, no machine left"
code=0
(cd "$work" && "$build/staffetta" lab vm sh -c \
    'echo out; echo err >/dev/stderr; touch "$0"; ls "$0"; exit 7' 'a file' >out 2>err) || code=$?
[ $code = 7 ] || fail "exit code $code instead of 7: $(cat "$work/err")"
[ "$(cat "$work/out")" = $'out\na file' ] || fail "the command printed: $(cat "$work/out")"
grep -qx err "$work/err" || fail "standard error was: $(cat "$work/err")"
[ ! -e "$work/a file" ] || fail "a file of the host was changed"

"$build/staffetta" lab vm --accel tcg sh -c 'echo running; sleep 600' >"$work/out" &
vm=$!
until grep -qs running "$work/out"; do kill -0 $vm && sleep 0.1; done
machine=$(pgrep -P $vm -x qemu-system-x86)
kill -KILL $vm
wait $vm 2>/dev/null || true
for _ in {1..100}; do [ -e "/proc/$machine/exe" ] || break; sleep 0.05; done
[ ! -e "/proc/$machine/exe" ] || fail "the machine outlives a killed staffetta"
echo passed

echo "== ESP in the kernel, transport mode"
timeout --foreground 900 "$build/staffetta" lab vm "$root/tests/lab/vm.sh" "$build"
echo "wall time $SECONDS s"
