/* opened.h - the bindings of a process that serves a host by itself: opened together, found by what they offer.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

enum { STF_OPENED_MAX = 32 }; /* as in the runtime */

struct stf_opened {
    const struct stf_binding *const *bindings; /* ended by NULL */
    void *selves[STF_OPENED_MAX];
};

void stf_opened_init(struct stf_opened *opened, const struct stf_binding *const *bindings);
void stf_opened_fini(struct stf_opened *opened);

/* `*index` is that of the binding it belongs to. NULL: none has it. */
const struct stf_verb *stf_opened_verb(const struct stf_opened *opened, const char *name, size_t *index);
const struct stf_resource *stf_opened_resource(const struct stf_opened *opened, const char *name, size_t *index);
