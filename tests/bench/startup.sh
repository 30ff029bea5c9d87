#!/bin/bash
# Start-up of the program against plain Lua in the same run: each command RUNS times in turns, wall clock of the whole
# process, median. Usage: startup.sh PROGRAM [RUNS]
set -euo pipefail
program=$(realpath "$1")
runs=${2:-200}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/site/playbooks"
cat >"$work/site/site.lua" <<'LUA'
return { api = 1, name = "bench", hosts = {}, clusters = {} }
LUA
cat >"$work/site/playbooks/empty.lua" <<'LUA'
return { api = 1, name = "empty", kind = "playbook", summary = "nothing", run = function() end }
LUA
chmod -R go-w "$work"
cc -O2 -o "$work/spawn_bench" "$here/spawn_bench.c"
"$work/spawn_bench" "$runs" \
    "lua5.4 -e ''" lua5.4 -e "" -- \
    "staffetta version" "$program" version -- \
    "staffetta plan of an empty script" "$program" plan empty --site "$work/site" --state "$work/state"
