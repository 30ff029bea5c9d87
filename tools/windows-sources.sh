#!/bin/sh
# Unpacks the libraries of the Windows program into FOLDER, from Debian's source packages. The first run downloads them
# (apt checks what it gets); later runs need no network. Touches nothing of the machine's own apt.
set -eu
folder=${1:?usage: windows-sources.sh FOLDER}
packages="lua5.4 lua-filesystem jansson libuv1 sqlite3 libmd cmocka"
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial"
folder=$(cd "$folder" && pwd)
missing=""
for package in $packages; do
    [ -e "$folder/$package" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# The machine has binary entries only, so the source entries are made of them.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
list_entries() {
    apt-get indextargets --format "deb-src [signed-by=$keyring] \$(REPO_URI) \$(RELEASE) \$(COMPONENT)" \
        'Created-By: Packages' 'Origin: Debian' | awk '!seen[$0]++'
}
entries=$(list_entries)
if [ -z "$entries" ]; then
    apt-get update -qq
    entries=$(list_entries)
fi
printf '%s\n' "$entries" >"$folder/apt/sources.list"
source_apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$folder/apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o APT::Sandbox::User="$(id -un)" "$@"
}

log=$folder/apt/log
cd "$folder"
echo "Fetching Debian's sources of:$missing"
if ! { source_apt update && source_apt source --download-only $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "The sources can not be fetched; the whole log is in $log" >&2
    exit 1
fi
for package in $missing; do
    rm -rf "$package.new"
    dpkg-source --no-check -x "$package"_*.dsc "$package.new" >>"$log" 2>&1 || { tail "$log" >&2; exit 1; }
    mv "$package.new" "$package"
done
