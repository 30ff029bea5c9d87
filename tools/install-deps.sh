#!/bin/sh
# Installs what packaging/debian-packages.txt lists and is missing. Starts no service: what a package brings runs only
# inside the lab, never on this machine itself.
set -eu
list=$(dirname "$0")/../packaging/debian-packages.txt
packages=$(sed 's/#.*//' "$list" | tr -s ' \n' ' ')
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "These Debian packages are missing:$missing" >&2
    echo "Run as root (sudo make ...), or install them with: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing:$missing"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "Installing failed; the whole log is in $log" >&2
    exit 1
fi
rm -f "$log"
