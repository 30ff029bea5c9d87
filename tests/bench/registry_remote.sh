#!/bin/bash
# The registry of another host, on one connection, against `net rpc registry`, which connects for each call: an smbd in
# a network namespace of its own, medians, in one run. Usage: registry_remote.sh BUILD-FOLDER
set -euo pipefail
build=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -x "$build/staffetta-winreg" ]; then
    echo "SKIP: staffetta-winreg was not built (samba-dev)"
    exit 0
fi
if [ -z "${SMB_FOLDER-}" ]; then
    exec "$here/../support/with_smbd.sh" "$0" "$build"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
credentials=$SMB_FOLDER/root.cred
key='HKLM\SOFTWARE\Bench'

# Median milliseconds of 11 runs of a `net rpc registry` command.
net_ms() {
    for _ in $(seq 11); do
        start=$(date +%s%N)
        net rpc registry "$@" -S 127.0.0.1 -s "$SMB_CONF_PATH" --authentication-file="$credentials" >/dev/null
        echo $((($(date +%s%N) - start) / 1000))
    done | sort -n | awk '{ at[NR] = $1 } END { printf "%.4f", at[int((NR + 1) / 2)] / 1000 }'
}

"$build/tests/bench/bench_registry_remote" 127.0.0.1 "$credentials" "$build/staffetta-winreg" >"$work/ours"
net_get=$(net_ms getvalue "$key" v)
net_set=$(net_ms setvalue "$key" v dword 7)
net_list=$(net_ms enumerate "$key\\Large")
awk -v get="$net_get" -v set="$net_set" -v list="$net_list" '
    { ms[$1] = $2 }
    function line(name, net) {
        printf "%-18s %9.3f ms  %8.0f/s  net rpc registry %9.3f ms  %6.1f times\n", name, ms[name], 1000 / ms[name], \
            net, net / ms[name]
    }
    END {
        line("get", get)
        line("set", set)
        line("list-1000-values", list)
        printf "%-18s %9.3f ms\n", "connect", ms["connect"]
    }' "$work/ours"
