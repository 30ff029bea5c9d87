#!/bin/sh
# The Windows program as a person uses it, under Wine: program.sh WINE.SH PREFIX STAFFETTA.EXE. Wine's own `reg` is the
# second reader.
set -eu
wine=$1 prefix=$2 exe=$3
name=staffetta-program-$$
key="HKCU\\Software\\$name"
work=$(mktemp -d)
run() { "$wine" "$prefix" run "$@"; }
staffetta() { run "$exe" "$@"; }
watcher=
trap '[ -z "$watcher" ] || kill $watcher 2>/dev/null || true; run reg delete "$key" /f >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
# contains WHAT TEXT PART
contains() { case $2 in *"$3"*) ;; *) fail "$1: '$3' is not in: $2" ;; esac }
# exits WHAT CODE COMMAND...: what it prints is in $output
exits() {
    what=$1 wanted=$2 code=0
    shift 2
    output=$("$@" 2>&1) || code=$?
    [ "$code" = "$wanted" ] || fail "$what: exit code $code, not $wanted: $output"
}

exits "version" 0 staffetta version
contains "version" "$output" "staffetta 0."
exits "scripts list" 0 staffetta scripts list
contains "scripts list" "$output" "tuning-set"
case $output in *"staffetta:"*) fail "a bundled script does not load: $output" ;; esac

# help lists the commands that there are, and no others
exits "help" 0 staffetta --help
commands=$(printf '%s\n' "$output" | tr -d '\r' | sed -n 's/^  \([a-z]*\) .*/\1/p')
contains "help" "$commands" registry
for command in $commands; do
    exits "$command --help" 0 staffetta "$command" --help
    contains "$command --help" "$output" "Usage: staffetta $command"
done
for command in new doctor rehearse rollout verify drill test docs probe lab takeover completion; do
    exits "$command" 64 staffetta "$command"
    contains "$command" "$output" "there is no command '$command'"
done
exits "scripts" 64 staffetta scripts eject playbook/rollback
exits "scripts --help" 0 staffetta scripts --help
case $output in *eject*) fail "help of scripts tells of eject: $output" ;; esac

# the registry command, and its undo
exits "plan" 2 staffetta registry set windows: "$key\\Grüße" Имя sz 'a b' --plan --state "$work/state"
exits "absent" 6 staffetta registry get windows: "$key\\Grüße" Имя
exits "set" 0 staffetta registry set windows: "$key\\Grüße" Имя sz 'a b' --state "$work/state"
exits "get" 0 staffetta registry get windows: "$key\\GRÜßE" имя --json
contains "get" "$output" '"value": "a b"'
exits "set" 0 staffetta registry set windows: "$key" plain dword 7 --state "$work/state"
exits "reg query" 0 run reg query "$key" /v plain
contains "reg query" "$output" "0x7"
exits "runs" 0 staffetta runs --state "$work/state"
contains "runs" "$output" "registry set"
exits "rollback" 0 staffetta rollback --state "$work/state"
exits "reg query" 1 run reg query "$key" /v plain
exits "32-bit view" 0 staffetta registry list windows32: 'HKLM\Software'

# .reg text, with Wine's own reader and writer
exits "set" 0 staffetta registry set windows: "$key\\Text" list multi_sz one two --state "$work/state"
exits "set" 0 staffetta registry set windows: "$key\\Text" data 0x1234 00ff80 --state "$work/state"
exits "export" 0 staffetta registry export windows: "$key" "$work/ours.reg"
exits "delete" 0 staffetta registry delete windows: "$key" --recursive --state "$work/state"
exits "reg import" 0 run reg import "$work/ours.reg"
exits "diff" 0 staffetta registry diff windows: "$key" "reg:$work/ours.reg"
exits "reg export" 0 run reg export "$key" "$work/wine.reg" /y
exits "delete" 0 staffetta registry delete windows: "$key" --recursive --state "$work/state"
exits "import" 0 staffetta registry import windows: "$work/wine.reg" --state "$work/state"
exits "diff" 0 staffetta registry diff windows: "$key" "reg:$work/ours.reg"
exits "rollback" 0 staffetta rollback --state "$work/state"
exits "reg query" 1 run reg query "$key"

exits "about" 0 staffetta registry about windows: 'HKCU\Software'
contains "about" "$output" "takes away no rights of a key's own"
contains "about" "$output" "written: "

# snapshots, differences, and the two ways back
exits "set" 0 staffetta registry set windows: "$key\\Tree" a dword 1 --state "$work/state"
exits "set" 0 staffetta registry set windows: "$key\\Tree\\Below" '' multi_sz one two --state "$work/state"
exits "snapshot" 0 staffetta registry snapshot windows: "$key\\Tree" "$work/snap.json"
hash=$output
exits "set" 0 staffetta registry set windows: "$key\\Tree" A sz other --state "$work/state"
exits "delete" 0 staffetta registry delete windows: "$key\\Tree\\Below" --state "$work/state"
exits "diff" 2 staffetta registry diff windows: "$key\\Tree" "$work/snap.json"
contains "diff" "$output" "+ [$key\\Tree\\Below]"
exits "restore, planned" 2 staffetta registry restore "$work/snap.json" windows: --plan --state "$work/state"
exits "restore" 0 staffetta registry restore "$work/snap.json" windows: --state "$work/state"
number=$(printf '%s' "$output" | sed -n 's/.*, run \([0-9]*\):.*/\1/p')
exits "snapshot" 0 staffetta registry snapshot windows: "$key\\Tree" "$work/snap2.json"
[ "$output" = "$hash" ] || fail "restore: the tree is not as it was"
exits "undo as .reg text" 0 staffetta registry export --undo "$number" "$work/undo.reg" --state "$work/state"
exits "import of the undo" 0 staffetta registry import windows: "$work/undo.reg" --state "$work/state"
exits "get" 0 staffetta registry get windows: "$key\\Tree" a
contains "get" "$output" 'sz "other"'

# what is refused, and what others have changed
exits "no key" 6 staffetta registry list windows: "$key\\None"
exits "no root" 1 staffetta registry get windows: 'Software' x
contains "no root" "$output" "does not start with a root"
exits "no such type" 1 staffetta registry set windows: "$key" x dwrd 1 --state "$work/state"
exits "a key with subkeys" 1 staffetta registry delete windows: "$key" --state "$work/state"
contains "a key with subkeys" "$output" "--recursive"
exits "no other host" 1 staffetta registry list remote:127.0.0.1 HKLM
contains "no other host" "$output" "has no remote: stores"
exits "set" 0 staffetta registry set windows: "$key\\Tree" a dword 2 --state "$work/state"
exits "reg add" 0 run reg add "$key\\Tree" /v a /t REG_DWORD /d 3 /f
exits "rollback over another's change" 5 staffetta rollback --state "$work/state"
exits "reg query" 0 run reg query "$key\\Tree" /v a
contains "reg query" "$output" "0x3"
exits "delete" 0 staffetta registry delete windows: "$key" --recursive --state "$work/state"

# notices: the watcher is ready at some moment, so the value is changed until it tells
exits "set" 0 staffetta registry set windows: "$key" watched dword 0 --state "$work/state"
"$wine" "$prefix" run "$exe" registry watch windows: "$key" >"$work/notices" 2>&1 &
watcher=$!
tries=0
until grep -q watched "$work/notices"; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "watch told nothing of a change: $(cat "$work/notices")"
    run reg add "$key" /v watched /t REG_DWORD /d $tries /f >/dev/null
    sleep 0.1
done
kill $watcher
wait $watcher 2>/dev/null || true
watcher=
exits "delete" 0 staffetta registry delete windows: "$key" --recursive --state "$work/state"

# a hive that the program makes, which other readers read on this side
hive="$work/SYSTEM"
exits "hive" 0 staffetta registry set "hive:$hive" 'HKLM\SYSTEM\Services\Grüße' limit dword 60 --create --state "$work/state"
exits "hive" 0 staffetta registry set "hive:$hive" 'HKLM\SYSTEM\Services\Plain' text sz 'a b' --state "$work/state"
[ "$(hivexget "$hive" 'Services\Plain' text)" = "a b" ] || fail "hivexget reads another value"
contains "reglookup" "$(reglookup -p /Services -t DWORD "$hive")" "limit,DWORD,0x0000003C"
exits "hive, seen from the program" 0 staffetta registry get "hive:$hive" 'Services\GRÜßE' LIMIT --json
contains "hive" "$output" '"value": 60'
exits "rollback in a hive" 0 staffetta rollback --state "$work/state"
exits "rollback in a hive" 6 staffetta registry get "hive:$hive" 'Services\Plain' text
case $(reglookup "$hive") in *Plain*) fail "the key that was made stands after the rollback" ;; esac
[ "$(ls -A "$work" | grep -c staffetta)" = 0 ] || fail "files are left beside the hive: $(ls -A "$work")"
exits "export of a hive" 0 staffetta registry export "hive:$hive" '' "$work/hive.reg"
exits "hive against its text" 0 staffetta registry diff "hive:$hive" '' "reg:$work/hive.reg" 'HKLM\SYSTEM'

# a site's playbook, on this host's registry
mkdir -p "$work/site/playbooks"
cat >"$work/site/site.lua" <<'LUA'
return { api = 1, name = "here", clusters = {},
  hosts = { here = { role = "front_end", windows = "2003", registry = { [""] = "windows:" } } } }
LUA
cat >"$work/site/playbooks/tune.lua" <<LUA
return { api = 1, name = "tune", kind = "playbook", summary = "Set values", needs = { "registry.read", "registry.write" },
  run = function(ctx)
    ctx:step("tune", ctx.site.hosts("front_end"), function(host)
      assert(host.registry:set("$(printf '%s' "$key" | sed 's/\\/\\\\/g')", "Tuned", "dword", 60))
      assert(host.registry:get("$(printf '%s' "$key" | sed 's/\\/\\\\/g')", "Tuned").value == 60)
    end)
  end }
LUA
chmod -R go-w "$work/site"
exits "run plan" 2 staffetta plan tune --site "$work/site" --state "$work/state"
exits "run" 0 staffetta run tune --site "$work/site" --state "$work/state"
exits "reg query" 0 run reg query "$key" /v Tuned
contains "reg query" "$output" "0x3c"
exits "rollback" 0 staffetta rollback --site "$work/site" --state "$work/state"
exits "reg query" 1 run reg query "$key" /v Tuned
chmod go+w "$work/site/playbooks/tune.lua"
exits "a playbook that others can write" 1 staffetta run tune --site "$work/site" --state "$work/state"
contains "a playbook that others can write" "$output" "can be written by others"
