#!/bin/sh
# Lists what the last ctest of the build folder $1 skipped, and why. With CI=true a skip fails unless this machine really
# can not run it: the reason is then looked at again here, in another way than the test did.
set -eu
log=$1/Testing/Temporary/LastTest.log

kernel_has_esp() {
    ip netns add stf-skips-$$
    ip -n stf-skips-$$ xfrm state add src 127.0.0.1 dst 127.0.0.1 proto esp spi 0x100 mode transport \
        aead 'rfc4106(gcm(aes))' 0x0001020304050607080910111213141516171819 128 2>/dev/null
    code=$?
    ip netns del stf-skips-$$
    return $code
}

status=0
skips=$(awk '/ Testing: / { name = $3 } /^SKIP: / { sub(/^SKIP: /, ""); print name "\t" $0 }' "$log")
[ -n "$skips" ] || exit 0
tab=$(printf '\t')
while IFS=$tab read -r name reason; do
    echo "skipped $name: $reason"
    case $reason in
    'this kernel has no ESP')
        kernel_has_esp || { echo "  (make test-vm runs it on Debian's kernel)"; continue; }
        ;;
    esac
    [ "${CI:-}" != true ] || status=1
done <<END
$skips
END
[ $status = 0 ] || echo "check-skips: this machine can run a test that was skipped" >&2
exit $status
