#!/bin/bash
# Run by tools/test-vm.sh inside the virtual machine: the tests that are about ESP in the kernel, in transport mode.
# Usage: tests/lab/vm.sh BUILD. A test that is skipped there has failed.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
export STAFFETTA=$build/staffetta STAFFETTA_EXAMPLE=$root/scripts/site.example/site.lua
export LUA_PATH="$root/tests/lab/e2e/?.lua;;" STAFFETTA_TEST_SLOWNESS=10
log=$(mktemp)
failed=0

passes() {
    "$@" >"$log" 2>&1 && ! grep -q '^SKIP:' "$log"
}

# A lab test has a second try, and it shows: charon's own timers (it gives a peer up after 1.5 s) can not be stretched,
# and on an emulated processor beside other work a handshake may take longer.
check() {
    local tries=$1 name=$2 started=$SECONDS verdict=passed try=1
    shift 2
    until passes "$@"; do
        cat "$log"
        [ $try -lt $tries ] || { verdict=FAILED; break; }
        try=$((try + 1))
    done
    [ $verdict = passed ] || failed=$((failed + 1))
    printf '%-62s %s  %3d s  %d. try\n' "$name" $verdict $((SECONDS - started)) $try
}

lab() {
    check 2 "$1 $2" lua5.4 "$root/tests/script/run.lua" "test_$1" "test_$1.test_$2"
}

echo "kernel $(uname -r), $(nproc) processors"
check 1 "unit xfrm_esp" "$build/tests/unit/ipsec/test_xfrm_esp"
lab takeover a_drill_leaves_one_fresh_sa
lab takeover crash_and_the_new_holder_initiates
lab faults latency_and_loss
lab main_job mail_passwords_on_real_servers
lab takeover crash_and_dead_peer_detection_alone
echo "$failed failed"
[ $failed = 0 ]
