#!/bin/bash
# .reg text against hivexregedit in the same run: the export of a hive with 100,000 values as a whole process, and what
# parse and export cost inside one. Usage: registry_reg.sh BUILD [RUNS], BUILD with `staffetta` and bench_registry_reg
set -euo pipefail
build=$(realpath "$1")
runs=${2:-9}
here=$(cd "$(dirname "$0")" && pwd)
command -v hivexregedit >/dev/null || { echo "SKIP: hivexregedit is not installed"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -o "$work/spawn_bench" "$here/spawn_bench.c"
"$build/tests/bench/bench_registry_reg"
"$build/tests/bench/bench_registry_reg" hive "$work/SOFTWARE"
echo "whole processes, export of $(($(stat -c %s "$work/SOFTWARE") / 1024)) KiB of hive:"
"$work/spawn_bench" "$runs" \
    "hivexregedit --export" hivexregedit --export "$work/SOFTWARE" '\' -- \
    "staffetta registry export" "$build/staffetta" registry export "$work/SOFTWARE" ''
