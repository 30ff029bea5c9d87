/* offer.c - walks the tables of a binding (offer.h). SPDX-License-Identifier: MIT */
#include "common/offer.h"

#include <string.h>

const struct stf_verb *stf_binding_verb(const struct stf_binding *binding, const char *name)
{
    const struct stf_verb *verb = binding->verbs;
    while (verb && verb->name && strcmp(verb->name, name) != 0)
        verb++;
    return verb && verb->name ? verb : NULL;
}

const struct stf_resource *stf_binding_resource(const struct stf_binding *binding, const char *name)
{
    const struct stf_resource *resource = binding->resources;
    while (resource && resource->name && strcmp(resource->name, name) != 0)
        resource++;
    return resource && resource->name ? resource : NULL;
}

bool stf_need_only_looks(const char *need)
{
    size_t length = strlen(need);
    return length > 5 && strcmp(need + length - 5, ".read") == 0;
}

const char *stf_binding_read_need(const struct stf_binding *binding, const struct stf_resource *resource)
{
    for (const struct stf_verb *verb = binding->verbs; verb && verb->name; verb++)
        if (stf_need_only_looks(verb->need))
            return verb->need;
    return resource->need;
}
