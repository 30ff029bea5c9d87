/* opened.c - opens, finds and closes bindings (opened.h). SPDX-License-Identifier: MIT */
#include "fleet/opened.h"

#include "common/offer.h"

void stf_opened_init(struct stf_opened *opened, const struct stf_binding *const *bindings)
{
    *opened = (struct stf_opened){.bindings = bindings};
    for (size_t i = 0; bindings[i] && i < STF_OPENED_MAX; i++)
        opened->selves[i] = bindings[i]->open ? bindings[i]->open() : NULL;
}

void stf_opened_fini(struct stf_opened *opened)
{
    for (size_t i = 0; opened->bindings[i] && i < STF_OPENED_MAX; i++)
        if (opened->bindings[i]->close)
            opened->bindings[i]->close(opened->selves[i]);
}

const struct stf_verb *stf_opened_verb(const struct stf_opened *opened, const char *name, size_t *index)
{
    const struct stf_verb *verb = NULL;
    for (size_t i = 0; opened->bindings[i] && !verb; i++) {
        verb = stf_binding_verb(opened->bindings[i], name);
        *index = i;
    }
    return verb;
}

const struct stf_resource *stf_opened_resource(const struct stf_opened *opened, const char *name, size_t *index)
{
    const struct stf_resource *resource = NULL;
    for (size_t i = 0; opened->bindings[i] && !resource; i++) {
        resource = stf_binding_resource(opened->bindings[i], name);
        *index = i;
    }
    return resource;
}
