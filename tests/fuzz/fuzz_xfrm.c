/* fuzz_xfrm.c - any bytes as a datagram of the kernel's: each message refused, or a document of valid text, and the
 * same one again. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "ipsec/xfrm.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Takes over the document. */
static void check(json_t *document)
{
    char *text = json_dumps(document, 0);
    json_t *again = text ? json_loads(text, 0, NULL) : NULL;
    if (!again || !json_equal(document, again))
        abort();
    json_decref(document);
    json_decref(again);
    free(text);
}

static void decode(const struct nlmsghdr *message)
{
    struct stf_xfrm_policy policy;
    struct stf_xfrm_sa sa;
    struct stf_xfrm_event event;
    struct xfrm_userpolicy_default defaults;
    struct xfrmu_spdinfo policy_count;
    uint32_t sa_count;
    if (stf_xfrm_decode_policy(message, &policy, NULL) == STF_OK) {
        check(stf_xfrm_policy_document(&policy, STF_XFRM_ALL));
        check(stf_xfrm_policy_document(&policy, STF_XFRM_STABLE));
    }
    if (stf_xfrm_decode_sa(message, &sa, NULL) == STF_OK) {
        check(stf_xfrm_sa_document(&sa, STF_XFRM_ALL));
        check(stf_xfrm_sa_document(&sa, STF_XFRM_STABLE));
    }
    if (stf_xfrm_decode_event(message, &event, NULL) == STF_OK)
        check(stf_xfrm_event_document(&event, 1));
    if (stf_xfrm_decode_defaults(message, &defaults, NULL) == STF_OK)
        check(stf_xfrm_defaults_document(&defaults));
    stf_xfrm_decode_policy_count(message, &policy_count, NULL);
    stf_xfrm_decode_sa_count(message, &sa_count, NULL);
}

/* Each message is copied to where it alone is, so that a read beyond its end shows. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct nlmsghdr header;
    while (size >= sizeof header) {
        memcpy(&header, bytes, sizeof header);
        struct nlmsghdr *message =
            header.nlmsg_len >= sizeof header && header.nlmsg_len <= size ? malloc(header.nlmsg_len) : NULL;
        if (!message)
            break;
        memcpy(message, bytes, header.nlmsg_len);
        decode(message);
        free(message);
        size_t step = NLMSG_ALIGN((size_t)header.nlmsg_len);
        bytes += step < size ? step : size;
        size -= step < size ? step : size;
    }
    return 0;
}
