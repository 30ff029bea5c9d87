/* verbs.h - what can be asked of, and started in, a host's charon. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

struct stf_handles;

/* The binding's `self`: the watches that run. */
struct stf_ipsec {
    struct stf_handles *watches;        /* of a charon: struct stf_ipsec_watch */
    struct stf_handles *kernel_watches; /* of a kernel: struct stf_kernel_watch */
};

void *stf_ipsec_open(void);
void stf_ipsec_close(void *self);

extern const struct stf_verb stf_ipsec_verbs[];
