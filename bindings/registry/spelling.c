/* spelling.c - two spellings of one thing in a registry (spelling.h). Never guesses what a store has.
 * SPDX-License-Identifier: MIT */
#include "registry/spelling.h"

#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

const char *stf_registry_last_name(const char *key)
{
    const char *slash = strrchr(key, '\\');

    return slash != NULL ? slash + 1 : key;
}

json_t *stf_registry_spelled_state(const json_t *state, const char *stored, const char *asked)
{
    json_t *copy = json_copy((json_t *)state);

    json_object_del(copy, "name");
    if (strcmp(stored, asked) == 0 || json_object_set_new(copy, "name", json_string(stored)) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}

/* Roots go by either of their names. */
static json_t *fold_key(const char *key)
{
    const char *root = stf_registry_root_name(key, &key);
    char *folded = stf_registry_name_fold(key);
    json_t *doc = folded != NULL ? json_sprintf("%s\\%s", root != NULL ? root : "", folded) : NULL;

    free(folded);
    return doc;
}

static json_t *fold_name(const char *name)
{
    char *folded = stf_registry_name_fold(name);
    json_t *doc = folded != NULL ? json_string(folded) : NULL;

    free(folded);
    return doc;
}

json_t *stf_registry_identity(const char *resource, const json_t *id)
{
    const char *key = json_string_value(json_object_get(id, "key"));
    const char *name = json_string_value(json_object_get(id, "name"));
    json_t *identity;

    if (key == NULL || strcmp(resource, "registry.patch") == 0) /* which is what its text says */
        return json_incref((json_t *)id);
    identity = json_copy((json_t *)id);
    if (json_object_set_new(identity, "key", fold_key(key)) == 0 &&
        (name == NULL || json_object_set_new(identity, "name", fold_name(name)) == 0))
        return identity;
    json_decref(identity);
    return NULL;
}

static const char *spelling_of(const json_t *id)
{
    const char *name = json_string_value(json_object_get(id, "name"));
    const char *key = json_string_value(json_object_get(id, "key"));

    return name != NULL ? name : stf_registry_last_name(key != NULL ? key : "");
}

/* Only values and whole keys have a spelling in their state. */
json_t *stf_registry_respell(const char *resource, const json_t *state, const json_t *from, const json_t *to)
{
    const char *stored = json_string_value(json_object_get(state, "name"));
    bool is_value = json_object_get(state, "type") != NULL;

    if (!is_value && (json_object_get(state, "keys") == NULL || strcmp(resource, "registry.key") != 0))
        return json_incref((json_t *)state);
    return stf_registry_spelled_state(state, stored != NULL ? stored : spelling_of(from), spelling_of(to));
}
