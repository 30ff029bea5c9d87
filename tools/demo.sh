#!/bin/bash
# The main job once, on real parts: lab up, plan, rollout, verify, a planned move, rollback, and a comparison of every
# host with what it was before. Usage: tools/demo.sh PROGRAM. KEEP=1 leaves the lab up.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
program=$(realpath "$1")
work=$(mktemp -d)
site=$work/site
# a site is loaded only when nobody else owns or may write it
cp -r "$root/scripts/site.example" "$site"
chmod -R go-w "$site"
started=$SECONDS
hosts="fe1 node-a node-b witness"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n== %s\n' "$*"; }

staffetta() {
    local command=$1
    shift
    "$program" "$command" --site "$site" --state "$work/state" "$@"
}

finish() {
    local code=$?
    if [ -n "${KEEP:-}" ]; then
        echo
        echo "The lab is still up. Look with: $program lab status --site $site"
        echo "End it with:                    $program lab down --site $site"
        echo "Journal:                        $program runs --state $work/state"
    else
        "$program" lab down --site "$site" >/dev/null || code=1
        rm -rf "$work"
    fi
    exit $code
}

# What other programs than ours say of every host: swanctl, ip, nft and reglookup.
snapshot() {
    local host
    for host in $hosts; do
        echo "## $host"
        ip -n "stf-example-$host" -o addr | awk '{print $2, $4}' | sort
        ip netns exec "stf-example-$host" nft -s list ruleset
        ip -n "stf-example-$host" xfrm policy | grep -v '^\s*socket' || true
        [ -d "/run/staffetta-lab/example/$host/conf.d" ] || continue
        ls "/run/staffetta-lab/example/$host/conf.d"
        swanctl --list-conns --uri "unix:///run/staffetta-lab/example/$host/charon.vici"
        swanctl --list-sas --uri "unix:///run/staffetta-lab/example/$host/charon.vici"
    done
    echo "## win-fe1"
    reglookup /run/staffetta-lab/example/win-fe1/SYSTEM | cut -d, -f1-3 # path, type, data; not the times of writing
}

trap finish EXIT
trap 'exit 130' INT TERM

say "lab: a front end, two nodes, a virtual IP, a Windows front end's registry hive"
if [ -n "${KEEP:-}" ]; then
    "$program" lab up --site "$site"
else
    "$program" lab up --site "$site" --with-pid $$
fi
snapshot >"$work/before"

say "plan: what a rollout of mail-passwords would change"
staffetta plan || [ $? = 2 ]
snapshot >"$work/planned"
cmp "$work/before" "$work/planned" && echo "compared: the plan has changed nothing on any host"

say "rollout: mail-passwords, stage by stage, proved on the wire"
staffetta rollout
rollout=$(staffetta show --output json | jq .run.run)

say "verify"
staffetta verify

say "drill: a planned move of the virtual IP, measured from the front end every 5 ms"
staffetta drill
staffetta show --output json >"$work/drill.json"

say "rollback of run $rollout"
staffetta rollback "$rollout"

say "comparison with the state before"
snapshot >"$work/after"
if ! diff -u "$work/before" "$work/after"; then
    echo "a host is not as it was before" >&2
    exit 1
fi
echo "swanctl, ip, nft and reglookup see $(echo $hosts | wc -w) hosts and the hive exactly as before"

say "summary"
figure() { jq -r ".events[] | select(.kind == \"measure\" and .data.name == \"$1\") | .data.figures.summary" "$work/drill.json"; }
changes=$(staffetta show "$rollout" --output json | jq '.changes | length')
echo "rollout        $changes changes on 4 hosts, all journalled before they were made"
echo "planned move   $(figure planned_move)"
echo "failback       $(figure failback)"
echo "               (Windows Server 2003: 3 to 6 s for a planned move, KB 821839)"
echo "rollback       $changes changes put back, every host and the hive as before"
echo "wall time      $((SECONDS - started)) s"
