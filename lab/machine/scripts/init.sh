#!/bin/busybox sh
# The machine's first program, from its initial memory disk: the host's files, read-only, below a layer in memory that
# takes all writes; then guest.sh on top of them.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
exec >/dev/console 2>&1
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
for module in /modules/*.ko; do $b insmod "$module"; done
until [ -c /dev/vport0p1 ] && [ -c /dev/vport0p2 ] && [ -c /dev/vport0p3 ]; do $b usleep 10000; done
echo up >/dev/vport0p3

fail() {
    echo "machine: $1"
    $b poweroff -f
}
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /host || fail "no files of the host"
$b mount -t tmpfs -o size=1g writes /writes
$b mkdir /writes/upper /writes/work
$b mount -t overlay -o lowerdir=/host,upperdir=/writes/upper,workdir=/writes/work root /new || fail "no overlay"
$b mkdir -p /new/dev /new/proc /new/sys /new/run
$b mount -t tmpfs run /new/run
$b mkdir /new/run/staffetta-machine
$b cp /guest.sh /command.sh /new/run/staffetta-machine/
for place in dev proc sys; do $b mount --move /$place /new/$place; done
exec $b switch_root /new /bin/sh /run/staffetta-machine/guest.sh
