#!/bin/bash
# How far the outage that `staffetta probe` tells is from an imposed one, beside fping and ping that look at the same
# outages at the same time. Usage: probe_error.sh BUILD, BUILD with staffetta and bench_probe_truth.
# PROBE_REPETITIONS (30) outages of each of PROBE_OUTAGES_MS ("50 250 1000").
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
command -v fping >/dev/null || { echo "SKIP: needs fping"; exit 0; }
. "$here/probe_link.sh"
target=10.99.8.1
printf '%-8s %-22s %28s %28s %12s\n' outage tool "error of the duration, ms" "error by losses, ms" "above bound"
for outage_ms in ${PROBE_OUTAGES_MS:-50 250 1000}; do
    ip netns exec "$client" "$build/staffetta" probe "$target" --timeout 400ms --output json >"$work/staffetta" &
    ours=$!
    ip netns exec "$client" fping -D -l -i 1 -p 1 -t 400 "$target" >"$work/fping" 2>&1 &
    fping=$!
    ip netns exec "$client" ping -D -n -i 0.01 "$target" >"$work/ping" &
    ping=$!
    sleep 0.5
    ip netns exec "$server" "$build/tests/bench/bench_probe_truth" "$outage_ms" 500 "${PROBE_REPETITIONS:-30}" \
        >"$work/truth"
    kill -INT "$ours" "$fping" "$ping"
    wait "$ours" "$fping" "$ping" || true
    lua5.4 "$here/probe_error.lua" "$outage_ms" "$work"
done
