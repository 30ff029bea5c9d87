#!/bin/sh
# smbd.sh FOLDER - for tests: a real smbd that serves a registry of its own on this network namespace's loopback, until
# it is killed. All that it keeps is in FOLDER. Users: root, who may write, and nobody, who may not; the password of each
# is "pass-" and the name. Must never run where there is a network: in a namespace of the test's own only.
set -eu
folder=$1
if ip -o addr show | grep -qv '^[0-9]*: lo '; then
    echo "smbd.sh: this network namespace has more than loopback" >&2
    exit 1
fi
mkdir -p "$folder/private" "$folder/state" "$folder/lock" "$folder/cache" "$folder/pid" "$folder/ncalrpc"
cat >"$folder/smb.conf" <<CONF
[global]
    workgroup = STAFFETTA
    netbios name = WINTEST
    server role = standalone server
    interfaces = lo
    bind interfaces only = yes
    smb ports = 445
    disable netbios = yes
    passdb backend = tdbsam
    load printers = no
    disable spoolss = yes
    private dir = $folder/private
    state directory = $folder/state
    lock directory = $folder/lock
    cache directory = $folder/cache
    pid directory = $folder/pid
    ncalrpc dir = $folder/ncalrpc
    log file = $folder/log.%m
    log level = 0
CONF
for user in root nobody; do
    printf 'pass-%s\npass-%s\n' $user $user | pdbedit -s "$folder/smb.conf" -a -t -u $user >/dev/null
    printf 'username = %s\npassword = pass-%s\ndomain = WINTEST\n' $user $user >"$folder/$user.cred"
    chmod 600 "$folder/$user.cred"
done
exec smbd --foreground --no-process-group --configfile="$folder/smb.conf" --debug-stdout
