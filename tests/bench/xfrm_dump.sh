#!/bin/bash
# The kernel driver's dump of 10,000 policies against `ip xfrm policy` in the same run: whole processes in turns, in a
# network namespace of its own. Usage: xfrm_dump.sh BUILD [RUNS], BUILD with bench_xfrm_dump
set -euo pipefail
build=$(realpath "$1")
runs=${2:-21}
here=$(cd "$(dirname "$0")" && pwd)
netns=stf-bench-$$
ip netns add "$netns" 2>/dev/null || { echo "SKIP: needs root and ip, to make a network namespace"; exit 0; }
work=$(mktemp -d)
trap 'ip netns del "$netns"; rm -rf "$work"' EXIT
cc -O2 -o "$work/spawn_bench" "$here/spawn_bench.c"
for i in $(seq 0 9999); do
    peer=10.$((i / 250)).0.$((i % 250 + 1))
    echo "xfrm policy add src 10.9.0.1/32 dst $peer/32 proto tcp dport 143 dir out priority 100" \
        "tmpl src 10.9.0.1 dst $peer proto esp reqid $((i + 1)) mode transport"
done | ip -n "$netns" -batch -
echo "whole processes, dump of $("$build/tests/bench/bench_xfrm_dump" "$netns" structures) policies:"
"$work/spawn_bench" "$runs" \
    "ip xfrm policy" ip -n "$netns" xfrm policy -- \
    "ip -s xfrm policy (all fields)" ip -n "$netns" -s xfrm policy -- \
    "kernel driver, all fields" "$build/tests/bench/bench_xfrm_dump" "$netns" structures -- \
    "the same as documents for scripts" "$build/tests/bench/bench_xfrm_dump" "$netns" documents
