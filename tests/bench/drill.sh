#!/bin/bash
# drill.sh PROGRAM [N] - the outage of N drills of each kind in labs of its own, beside what FACTS.md's Windows and a
# strongSwan with its defaults need. Needs root, keepalived, and some minutes. SPDX-License-Identifier: MIT
set -eu
program=$1 n=${2:-20} steady_ms=300 watch_s=${WATCH_S:-30}
example=$(dirname "$0")/../../scripts/site.example/site.lua
dir=$(mktemp -d) name=bench-$$

down() {
    for site in "$dir"/*/; do
        [ ! -f "$site/site.lua" ] || "$program" lab down --site "$site" >/dev/null 2>&1 || true
    done
    rm -rf "$dir"
}
trap down EXIT

# A lab with the site of that name, changed by a sed script, and the policy on it.
up() {
    local site=$dir/$1
    mkdir -p "$site"
    sed "s/local name = \"example\"/local name = \"$name-$1\"/; s/servers = \"real\"/servers = \"responder\"/; $2" \
        "$example" >"$site/site.lua"
    "$program" lab up --site "$site" --with-pid $$ >/dev/null 2>&1
    "$program" rollout --site "$site" --state "$dir/state-$1" "${@:3}" >/dev/null
}

row() {
    printf '%-44s %-16s %-18s %s\n' "$@"
}

# Median, worst and count of a case's repetitions, as three lines.
figures() {
    jq -r --arg case "$2" '.measures[$case] | (.median_us, .outage_us, .repetitions, .median_after_takeover_us // 0,
        .clear_packets)' "$1"
}

ours() { # lab, drill, measured as, words, what Windows Server 2003 needs
    local report=$dir/report-$1-$2.json
    [ -f "$report" ] || "$program" drill --site "$dir/$1" --state "$dir/state-$1" --output json --param case="$2" \
        --param repetitions="$n" --param steady_ms=$steady_ms --param interval_us=1000 >"$report" ||
        jq -r '"drill: " + .error.message' "$report" >&2
    figures "$report" "$3" | { read -r median && read -r worst && read -r count && read -r after && read -r clear
        row "$4" "$5" "$6" "$(awk -v m="$median" -v w="$worst" -v n="$count" -v a="$after" -v c="$clear" 'BEGIN {
            printf "median %.1f ms, worst %.1f ms, n = %d", m / 1000, w / 1000, n
            if (a > 0) printf ", after detection %.1f ms", a / 1000
            printf ", %d clear packets", c }')"
    }
}

# The address moves and nobody gives orders: charon's own timers, and no dead-peer detection, which is its default.
defaults() {
    mkdir -p "$dir/defaults/policies" "$dir/defaults/playbooks"
    cat >"$dir/defaults/policies/defaults.lua" <<'END'
return { api = 1, name = "defaults", kind = "policy", summary = "as strongSwan comes", extends = "mail-passwords",
  policy = { dpd_delay_ms = 0 } }
END
    cat >"$dir/defaults/playbooks/move.lua" <<END
return { api = 1, name = "move", kind = "playbook", summary = "only the address moves",
  needs = { "vip.read", "vip.move", "probe" }, params = { cluster = { type = "cluster", doc = "the only one" } },
  run = function(ctx, p)
    local address = { address = p.cluster.virtual_ip, prefix_length = p.cluster.prefix_length }
    local from, others = assert(p.cluster:holder())
    ctx:step("move", { from, others[1] }, function(node)
      if node == from then assert(node.vip:release(address)) else assert(node.vip:take(address)) end
    end)
    ctx:act("ask", { ctx.site.host("fe1") }, function(host)
      local began_ns = ctx.now_ns()
      local is_back = ctx:wait_until($watch_s * 1000, function()
        return assert(host.probe:once { target = p.cluster.virtual_ip, port = 110, timeout_ms = 200 }).answered
      end)
      ctx:measure("outage", { ms = (ctx.now_ns() - began_ns) // 1000000, is_back = is_back })
    end)
  end }
END
    up defaults "/charon_conf =/d" --param policy=defaults
    "$program" run move --site "$dir/defaults" --state "$dir/state-defaults" --output json |
        jq -r '.measures.outage | if .is_back then "\(.ms) ms" else "not in \(.ms / 1000 | floor) s" end'
}

row failover "Windows 2003" "strongSwan as is" "Staffetta"
naive=$(defaults)
up address ""
ours address move planned_move "planned move" "3 to 6 s" "$naive"
ours address move failback "failback" "3 to 6 s" "$naive"
ours address crash crash "crash, noticed at once" "2 or 6 min" "$naive"
ours address restart restart "daemon restarted" "-" "-"
up keepalived 's/manager = "address"/manager = "keepalived"/'
ours keepalived move planned_move "planned move, keepalived" "3 to 6 s" "$naive"
ours keepalived crash crash "crash, keepalived, adverts of 100 ms" "2 or 6 min" "$naive"
ours keepalived crash failback "failback after it, keepalived" "3 to 6 s" "$naive"
