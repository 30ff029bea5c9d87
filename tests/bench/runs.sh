#!/bin/bash
# runs.sh PROGRAM [N] - time of plan, rollout, verify and rollback of the example site on a lab of its own: wall clock
# of the whole command, median and worst of N rounds, without and with undo armed on the hosts; `true` is what starting
# a process costs in the same run. Needs root. SPDX-License-Identifier: MIT
set -eu
program=$(realpath "$1") n=${2:-10}
example=$(dirname "$0")/../../scripts/site.example/site.lua
dir=$(mktemp -d)

down() {
    "$program" lab down --site "$dir/site" >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap down EXIT

timed() { # label, exit code that is right, command...
    local began ended code=0
    began=$(date +%s%N)
    "${@:3}" >"$dir/out" 2>&1 || code=$?
    ended=$(date +%s%N)
    [ "$code" = "$2" ] || { echo "$1: exit code $code" >&2; cat "$dir/out" >&2; exit 1; }
    echo $((ended - began)) >>"$dir/times/$1"
}

round() {
    local command=("--site" "$dir/site" "--state" "$dir/state")
    timed true 0 true
    timed plan 2 "$program" plan "${command[@]}"
    timed rollout 0 "$program" rollout "${command[@]}"
    timed verify 0 "$program" verify "${command[@]}"
    timed rollback 0 "$program" rollback "${command[@]}"
}

row() { # label, words
    sort -n "$dir/times/$1" | awk -v label="$1" -v words="$2" '{ all[NR] = $1 / 1e6 } END {
        printf "%-10s %-14s median %8.1f ms   worst %8.1f ms   n = %d\n", label, words, all[int((NR + 1) / 2)], all[NR], NR
    }'
}

series() { # words
    rm -rf "$dir/times" "$dir/state"
    mkdir "$dir/times"
    for ((i = 0; i < n; i++)); do round; done
    for each in true plan rollout verify rollback; do row $each "$1"; done
}

mkdir "$dir/site"
sed "s/local name = \"example\"/local name = \"bench-$$\"/; s/servers = \"real\"/servers = \"responder\"/" \
    "$example" >"$dir/site/site.lua"
"$program" lab up --site "$dir/site" --with-pid $$ >/dev/null 2>&1
series "not armed"
sed -i 's/^  api = 1,/  api = 1, confirm_within_ms = 60000,/' "$dir/site/site.lua"
grep -q confirm_within_ms "$dir/site/site.lua"
series "undo armed"
