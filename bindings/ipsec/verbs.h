/* verbs.h - what can be asked of, and started in, a host's charon. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* The binding's `self`: the watches that run. */
void *stf_ipsec_open(void);
void stf_ipsec_close(void *self);

extern const struct stf_verb stf_ipsec_verbs[];
