/* drv_kernel.h - what the kernel of a host says of IPsec: its policies, associations, default actions and counters.
 * Needs no daemon. Must never alter any of it. Internal to bindings/ipsec. SPDX-License-Identifier: MIT */
#pragma once

#include "ipsec/xfrm.h"

enum stf_kernel_parts {
    STF_KERNEL_POLICIES = 1 << 0,
    STF_KERNEL_SAS = 1 << 1,
    STF_KERNEL_DEFAULTS = 1 << 2,
};

struct stf_kernel_state {
    struct stf_xfrm_policy *policies; /* in the kernel's order */
    size_t policy_count;
    size_t policy_capacity;
    struct stf_xfrm_sa *sas;
    size_t sa_count;
    size_t sa_capacity;
    bool has_defaults; /* false: the kernel is older than 5.14 and has none */
    struct xfrm_userpolicy_default defaults;
    unsigned repeats; /* reads thrown away because something changed while they ran */
};

/* Reads the `parts` in the network namespace `netns` (NULL: the program's own) as they stood at one moment: a read
 * during which something was added, altered or removed is repeated. STF_BUSY when it goes on changing; STF_DENIED
 * without CAP_NET_ADMIN; STF_UNSUPPORTED on a kernel without IPsec. Fini the state in any case. */
enum stf_kind stf_kernel_read(const char *netns, unsigned parts, struct stf_kernel_state *state, struct stf_err *err);
void stf_kernel_state_fini(struct stf_kernel_state *state);

/* The document that README.md describes under kernel_stats. */
enum stf_kind stf_kernel_stats(const char *netns, json_t **stats, struct stf_err *err);
