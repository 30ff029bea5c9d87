#!/bin/bash
# 1,000 connections into a charon: as the program loads them again after a restart (files read, checked, rendered; all
# in flight on one connection), against `swanctl --load-conns` of the same files in the same run. Before each measure
# charon is started anew. Its own CPU time is the floor of both. Usage: vici_load.sh BUILD [RUNS [CONNECTIONS]]
set -euo pipefail
bench=$(realpath "$1")/tests/bench/bench_vici_load
runs=${2:-7}
count=${3:-1000}
charon=/usr/sbin/charon-systemd
[[ $(id -u) = 0 && -x $charon ]] || { echo "SKIP: needs root and charon-systemd"; exit 0; }
netns=stf-bench-$$
work=$(mktemp -d)
pid=
trap '{ [[ -z $pid ]] || kill -9 $pid; wait; } 2>/dev/null; ip netns del "$netns"; rm -rf "$work"' EXIT
ip netns add "$netns"
mkdir "$work/conf.d" "$work/etc"
cat >"$work/strongswan.conf" <<CONF
charon {
  load_modular = no
  load = random nonce openssl kdf pem x509 pubkey kernel-netlink socket-default vici
  plugins { vici { socket = unix://$work/vici } }
  syslog { daemon { default = -1 } }
}
charon-systemd { journal { default = -1 } }
swanctl { load = random nonce openssl pem x509 pubkey }
CONF
echo "include $work/conf.d/*.conf" >"$work/swanctl.conf"
export STRONGSWAN_CONF=$work/strongswan.conf SWANCTL_DIR=$work/etc
"$bench" write "$work/conf.d" "$count"

start() {
    [[ -z $pid ]] || { kill -9 "$pid"; wait "$pid" || true; } 2>/dev/null
    rm -f "$work/vici"
    ip netns exec "$netns" "$charon" >/dev/null 2>&1 &
    pid=$!
    until swanctl --stats --uri "unix://$work/vici" >/dev/null 2>&1; do sleep 0.02; done
}

# CPU time of charon's threads, in ns
cpu() { awk '{ sum += $1 } END { print sum }' /proc/"$pid"/task/*/schedstat; }

# measure NAME COMMAND...: one line of wall time and of charon's CPU time, in ms, into a file of that name
measure() {
    local name=$1 from to cpu_from
    shift
    start
    cpu_from=$(cpu)
    from=$(date +%s%N)
    "$@" >"$work/out" 2>&1 || { cat "$work/out"; exit 1; }
    to=$(date +%s%N)
    echo "$(((to - from) / 1000)) $((($(cpu) - cpu_from) / 1000))" >>"$work/$name"
    local found
    found=$(swanctl --list-conns --uri "unix://$work/vici" | grep -c '^staffetta-bench-.*: IKE')
    [[ $found = "$count" ]] || { echo "$name loaded $found of $count"; exit 1; }
}

for ((i = 0; i < runs; i++)); do
    measure swanctl swanctl --load-conns --file "$work/swanctl.conf" --uri "unix://$work/vici"
    measure reload "$bench" reload "$work/vici" "$work/conf.d"
    measure pipeline "$bench" pipeline "$work/vici" "$count"
    measure serial "$bench" serial "$work/vici" "$count"
done

start
"$bench" round-trips "$work/vici" 2000
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.1f", v[int((NR + 1) / 2)] / 1000 }'; }
base=$(cut -d' ' -f1 "$work/swanctl" | median)
echo "$count connections, whole process, median of $runs:"
for each in "swanctl swanctl --load-conns" "reload the program's reload of the same files" \
    "pipeline the commands alone, in flight" "serial the commands alone, one by one"; do
    name=${each%% *}
    wall=$(cut -d' ' -f1 "$work/$name" | median)
    printf '  %-40s %8s ms  %5.2f of swanctl  (charon itself %s ms)\n' "${each#* }" "$wall" \
        "$(awk "BEGIN { print $wall / $base }")" "$(cut -d' ' -f2 "$work/$name" | median)"
done
