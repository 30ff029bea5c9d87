#!/bin/sh
# Runs every fuzz target of the build folder $1 for $2 seconds, from its corpus; what it finds stays in $1/findings.
# $3 is the seed of its chances: 0, another each time; else the same commit tries the same inputs again.
set -eu
build=$1
seconds=$2
seed=${3:-0}
root=$(cd "$(dirname "$0")/.." && pwd)
found=0
# What is freed is kept for a while; by default so much of it that long runs meet libFuzzer's limit of memory.
export ASAN_OPTIONS="quarantine_size_mb=64:${ASAN_OPTIONS:-}"
for target in "$build"/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target" | sed 's/^fuzz_//')
    work="$build/findings/$name"
    mkdir -p "$work/corpus"
    echo "fuzz $name, $seconds s"
    if ! "$target" -max_total_time="$seconds" -seed="$seed" -artifact_prefix="$work/" -print_final_stats=1 -verbosity=0 \
        "$work/corpus" "$root/tests/fuzz/corpus/$name" >"$work/log" 2>&1; then
        tail -n 30 "$work/log" >&2
        echo "fuzz $name: failed; findings and log are in $work" >&2
        exit 1
    fi
    grep 'number_of_executed_units' "$work/log"
    found=$((found + 1))
done
[ "$found" -gt 0 ] || { echo "no fuzz target in $build/tests/fuzz" >&2; exit 1; }
echo "$found fuzz targets, no finding"
