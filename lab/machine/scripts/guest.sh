#!/bin/sh
# Process 1 of the machine, on the host's files: runs the command, tells its exit code, and switches the machine off.
# Reaps orphans by waiting, as a shell does. KERNEL_DIR and TERMINAL come from the kernel's command line.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
here=/run/staffetta-machine
mkdir -p /dev/pts /dev/shm /run/netns /run/lock /lib/modules
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sfn "$KERNEL_DIR/lib/modules/$(uname -r)" "/lib/modules/$(uname -r)" # the kernel loads ESP and others by itself
for file in "fd fd" "stdin fd/0" "stdout fd/1" "stderr fd/2"; do
    ln -s "/proc/self/${file#* }" "/dev/${file% *}"
done
ip link set lo up
echo 3 >/proc/sys/kernel/printk

unset KERNEL_DIR
if [ "$TERMINAL" = yes ]; then
    setsid --ctty --wait sh $here/command.sh </dev/hvc0 >/dev/hvc0 2>&1
    code=$?
else
    # A port can be opened once only, and scripts may open /dev/stderr: the command has pipes, which can.
    mkfifo $here/output $here/errors
    { cat $here/output >/dev/vport0p1 & cat $here/errors >/dev/vport0p2; wait; } &
    setsid --wait sh $here/command.sh </dev/null >$here/output 2>$here/errors
    code=$?
    timeout 5 tail --pid=$! -s 0.1 -f /dev/null # longer only if something left in the background holds the pipes
fi
echo "exit $code" >/dev/vport0p3
echo o >/proc/sysrq-trigger
while :; do sleep 1; done
