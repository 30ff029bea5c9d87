#!/bin/bash
# What a probe costs beside fping, at 100 targets, and how many one thread sustains before it sheds.
# Usage: probe_load.sh BUILD, BUILD with staffetta. PROBE_SECONDS (5) for each line.
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
command -v fping >/dev/null || { echo "SKIP: needs fping"; exit 0; }
seconds=${PROBE_SECONDS:-5}
. "$here/probe_link.sh"
TIMEFORMAT='%U %S %R'

# cpu NAME PROBES COMMAND...: CPU time of the command per probe that it has sent, by its own count.
cpu() {
    local name=$1 count=$2 times
    shift 2
    times=$( { time ip netns exec "$client" "$@" >"$work/out" 2>"$work/err"; } 2>&1 || true)
    [ "$count" != json ] || count=$(jq '[.reports[].sent] | add' "$work/out")
    awk -v name="$name" -v count="$count" '{ printf "%-34s %9d probes in %5.1f s, %6.2f us of CPU each\n",
        name, count, $3, ($1 + $2) * 1e6 / count }' <<<"$times"
}

echo "CPU, ICMP to 100 targets, every 10 ms and every 1 ms:"
cpu "staffetta probe --interval 10ms" json "$build/staffetta" probe "${targets[@]}" --interval 10ms \
    --duration "${seconds}s" --output json
cpu "staffetta probe --interval 1ms" json "$build/staffetta" probe "${targets[@]}" --duration "${seconds}s" \
    --output json
cpu "fping -i 0 -p 10" $((seconds * 10000)) fping -q -i 0 -p 10 -c $((seconds * 100)) "${targets[@]}"

# sustain METHOD TARGETS INTERVAL
sustain() {
    ip netns exec "$client" "$build/staffetta" probe "${targets[@]:0:$2}" --method "$1" --interval "$3" \
        --timeout 200ms --duration "${seconds}s" --output json >"$work/out" || true
    jq -r --arg name "$1, $2 targets every $3" --argjson seconds "$seconds" '.reports
        | "\($name): \((map(.sent) | add) / $seconds | floor) sent a second, \((map(.shed) | add) * 100
        / (map(.sent + .shed) | add) | floor) % shed, \(map(.lost) | add) lost, latency p99 \(map(.latency.p99_us)
        | max / 1000) ms, jitter p99 \(map(.jitter.p99_us) | max / 1000) ms"' "$work/out"
}

echo "one thread, what it was asked for and what it did:"
sustain icmp 1 200us
sustain icmp 100 1ms
sustain icmp 100 500us
sustain icmp 100 200us
