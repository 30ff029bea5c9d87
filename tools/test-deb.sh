#!/bin/sh
# test-deb.sh FOLDER - the packages of FOLDER in a Debian 12 that has nothing else: installed with what they depend on,
# used, taken out again. Everything is in a folder of its own, which goes with the test.
set -eu
for tool in debootstrap lintian; do
    command -v $tool >/dev/null || { echo "test-deb needs $tool: apt-get install $tool" >&2; exit 1; }
done
packages=$1
mirror=${MIRROR:-http://deb.debian.org/debian}
place=$(mktemp -d)
root=$place/root
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

inside() { chroot "$root" env LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
expect() { # TEXT COMMAND...: its output has the text
    wanted=$1
    shift
    inside "$@" >"$place/out" 2>&1 || { cat "$place/out" >&2; return 1; }
    grep -qF -- "$wanted" "$place/out" || { echo "expected '$wanted' of: $*" >&2; cat "$place/out" >&2; return 1; }
}

lintian --fail-on error --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$packages"/*.deb
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$place/log" 2>&1 || { tail "$place/log" >&2; exit 1; }
mkdir "$root/packages"
cp "$packages"/*.deb "$root/packages/"
inside sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /packages/staffetta_*.deb' \
    >"$place/log" 2>&1 || { tail "$place/log" >&2; exit 1; }

expect "staffetta $(sed -n 's/^project(staffetta VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)" staffetta version
expect rollout staffetta scripts list
expect "registry.read" staffetta scripts show check/tuning-set
inside cp -r /usr/share/doc/staffetta/examples/site.example /srv/site
expect fingerprint staffetta scripts show policy/mail-passwords --site /srv/site
test -s "$root/usr/share/man/man1/staffetta.1.gz"
test -s "$root/usr/share/bash-completion/completions/staffetta"
test -f "$root/lib/systemd/system/staffetta-undo.service"
test -s "$root/usr/share/staffetta/staffetta.spdx.json"
test -s "$root/usr/share/staffetta/luacats/ctx.meta.lua" # the folder that a new site's .luarc.json names
test -z "$(inside ldd /usr/bin/staffetta | grep 'not found')"

inside sh -c 'mkdir -p /var/lib/staffetta && touch /var/lib/staffetta/journal.db && dpkg --purge staffetta' >/dev/null
test ! -e "$root/usr/bin/staffetta"
test -e "$root/var/lib/staffetta/journal.db" # the operator's
echo "installed, used and purged on a fresh Debian $(cat "$root/etc/debian_version")"
