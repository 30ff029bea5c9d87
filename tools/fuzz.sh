#!/bin/sh
# Runs every fuzz target of the build folder $1 for $2 seconds, from its corpus; what it finds stays in $1/findings.
set -eu
build=$1
seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)
found=0
for target in "$build"/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target" | sed 's/^fuzz_//')
    work="$build/findings/$name"
    mkdir -p "$work/corpus"
    if [ "$name" = hive ] && [ -n "${STAFFETTA_HIVES:-}" ]; then # hives of others, as further seeds; large ones are slow
        for hive in $(find "$STAFFETTA_HIVES" -name '*.xz' -size -200k); do
            xz -dc "$hive" >"$work/corpus/$(basename "$hive" .xz)"
        done
    fi
    echo "fuzz $name, $seconds s"
    "$target" -max_total_time="$seconds" -artifact_prefix="$work/" -print_final_stats=1 -verbosity=0 \
        "$work/corpus" "$root/tests/fuzz/corpus/$name" 2>&1 | grep -E 'number_of_executed_units|ERROR|SUMMARY' || true
    if ls "$work" | grep -qE '^(crash|leak|oom|timeout)-'; then
        echo "fuzz $name: findings in $work" >&2
        exit 1
    fi
    found=$((found + 1))
done
[ "$found" -gt 0 ] || { echo "no fuzz target in $build/tests/fuzz" >&2; exit 1; }
echo "$found fuzz targets, no finding"
