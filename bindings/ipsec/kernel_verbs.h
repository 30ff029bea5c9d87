/* kernel_verbs.h - the verbs that ask a host's kernel instead of its daemon (drv_kernel.h, kernel_watch.h); verb
 * signatures (binding.h). Internal to bindings/ipsec. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#define STF_KERNEL_VERB(name)                                                                                          \
    enum stf_kind stf_kernel_verb_##name(void *self, const struct stf_host *host, const json_t *args, json_t **result, \
                                         struct stf_err *err)

STF_KERNEL_VERB(policies);
STF_KERNEL_VERB(sas);
STF_KERNEL_VERB(stats);
STF_KERNEL_VERB(snapshot);
STF_KERNEL_VERB(compare);
STF_KERNEL_VERB(watch_start);
STF_KERNEL_VERB(watch_stop);

/* Ends a watch that nobody has stopped (stf_handles_new). */
void stf_kernel_watch_end(void *watch);
