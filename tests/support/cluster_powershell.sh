#!/bin/sh
# cluster_powershell.sh GOLDEN DIR - stands in for the PowerShell of a Windows cluster in tests: takes the scripts that
# the golden files have, as one block, and no other; says what a cluster with that owner would. What a real Windows
# would do with them it can not tell. DIR has `node`, and `broken`, what it fails with. SPDX-License-Identifier: MIT
golden=$1 dir=$2
cat >"$dir/input"
is() {
    { echo '& {' && cat "$golden/$1" && printf '}\n\n'; } | cmp -s - "$dir/input"
}
if [ -e "$dir/broken" ]; then
    cat "$dir/broken" >&2
    exit 1
fi
if is find.ps1; then
    printf 'node=%s\r\nstate=Online\r\naddress=10.9.0.99\r\naddress=10.9.0.100\r\n' "$(cat "$dir/node")"
elif is move.ps1; then
    echo NODE2 >"$dir/node"
else
    echo 'cluster_powershell.sh does not know this script' >&2
    exit 87
fi
