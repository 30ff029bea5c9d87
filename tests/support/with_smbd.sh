#!/bin/sh
# with_smbd.sh COMMAND... - for tests and benchmarks: runs the command beside a real smbd (smbd.sh), in network and
# process namespaces of their own, so that nothing is left of either. For the command, SMB_FOLDER has the server's files
# and SMB_CONF_PATH its smb.conf; the server is 127.0.0.1. Must never leave its folder behind.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1-}" != --inside ]; then
    if ! unshare --net --pid --fork true 2>/dev/null; then
        echo "SKIP: this machine gives no network namespace"
        exit 0
    fi
    exec unshare --net --pid --fork --kill-child --mount-proc "$0" --inside "$@"
fi
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 143' TERM INT HUP
chmod 711 "$work" # the server reads its files as the user who asks
ip link set lo up
export SMB_FOLDER="$work/smb" SMB_CONF_PATH="$work/smb/smb.conf"
"$here/smbd.sh" "$SMB_FOLDER" >/dev/null 2>&1 &
server=$!
tries=0
until net rpc registry enumerate HKLM -S 127.0.0.1 --authentication-file="$SMB_FOLDER/root.cred" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ] || ! kill -0 $server 2>/dev/null; then
        echo "SKIP: no smbd runs here"
        exit 0
    fi
    sleep 0.1
done
code=0
"$@" || code=$?
exit $code
