#!/bin/bash
# Hives against hivexregedit, hivexget and C on libhivex in the same run, whole processes in turns: import of 100,000
# values into a new hive, export, one value; file sizes and peak memory. Usage: registry_hive.sh BUILD [RUNS], BUILD with
# `staffetta` and bench_registry_hive
set -euo pipefail
build=$(realpath "$1")
runs=${2:-5}
here=$(cd "$(dirname "$0")" && pwd)
for program in hivexregedit hivexget; do
    command -v $program >/dev/null || { echo "SKIP: $program is not installed"; exit 0; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cc -O2 -o spawn_bench "$here/spawn_bench.c"
cc -O2 -o registry_hivex "$here/registry_hivex.c" -lhivex 2>/dev/null || echo "without C on libhivex: no libhivex-dev"
ours=$build/tests/bench/bench_registry_hive
staffetta=$build/staffetta
echo 'Windows Registry Editor Version 5.00' >none.reg
"$ours" import none.reg empty >/dev/null

# Each import starts from an empty hive.
for shape in flat wide; do
    "$ours" text $shape $shape.reg
    echo "import of 100,000 values, $shape:"
    peers=()
    if [ -x registry_hivex ]; then
        peers=(-- "C on libhivex" ./registry_hivex $shape empty by-c)
    fi
    ./spawn_bench "$runs" \
        "hivexregedit --merge" sh -c "cp empty by-perl; exec hivexregedit --merge --prefix 'HKEY_LOCAL_MACHINE\\X' by-perl $shape.reg" \
        "${peers[@]}" -- \
        "the .reg and hive code alone" "$ours" import $shape.reg $shape -- \
        "staffetta registry import" sh -c "rm -rf run state; exec '$staffetta' registry import --create --mount 'HKLM\\X' --state state hive:run $shape.reg"
    "$ours" import $shape.reg $shape
    for file in by-perl by-c $shape run; do
        if [ -f $file ]; then
            printf '  %-10s %9d bytes\n' $file "$(stat -c %s $file)"
        fi
    done
    cmp $shape run >/dev/null && echo "  the program's file is the code's, byte for byte" || true
    echo "export of it:"
    ./spawn_bench "$runs" \
        "hivexregedit --export" hivexregedit --export $shape '\' -- \
        "staffetta registry export" "$staffetta" registry export hive:$shape ''
done

"$ours" text large large.reg
"$ours" import large.reg large >/dev/null
echo "one value from a hive of $(($(stat -c %s large) / 1048576)) MiB:"
./spawn_bench 51 \
    "hivexget" hivexget large '\Many\Key 777' 'Value 77' -- \
    "staffetta registry get" "$staffetta" registry get hive:large 'Many\Key 777' 'Value 77'
echo "one value, its key among 5,000 siblings:"
./spawn_bench 51 \
    "hivexget" hivexget wide '\Many\Key 4321' 'Value 7' -- \
    "staffetta registry get" "$staffetta" registry get hive:wide 'Many\Key 4321' 'Value 7'

"$ours" text siblings siblings.reg
"$ours" import siblings.reg siblings >/dev/null
echo "one value, its key among 10,000 siblings:"
./spawn_bench 51 \
    "hivexget" hivexget siblings '\Many\Key 8765' 'Value 7' -- \
    "staffetta registry get" "$staffetta" registry get hive:siblings 'Many\Key 8765' 'Value 7'
