/* part.c - values and keys as a state of a key above them has them (part.h). Says nothing of a key that is absent
 * there: how many of those above it stand, only its own state has. SPDX-License-Identifier: MIT */
#include "registry/part.h"

#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"

static const json_t *find_key(const json_t *tree, const char *name, const char **stored)
{
    const char *each;
    json_t *key;

    json_object_foreach (json_object_get(tree, "keys"), each, key) {
        if (stf_registry_name_compare(each, name) == 0) {
            *stored = each;
            return key;
        }
    }
    return NULL;
}

/* The key `path` below the one that `tree` is of; NULL when it is absent. *stored is the spelling of its last name, and
 * stays as it is when there is none. */
static const json_t *find_tree(const json_t *tree, const char *path, const char **stored)
{
    char *names = strdup(path);
    char *rest = *path != '\0' ? names : NULL;
    const char *name;

    tree = names != NULL ? tree : NULL;
    while (tree != NULL && (name = strsep(&rest, "\\")) != NULL) {
        tree = find_key(tree, name, stored);
    }
    free(names);
    return tree;
}

/* As a state of its own, which has the stored spelling only where it is not the one that was asked for. */
static json_t *make_state(const json_t *doc, const char *stored, const char *asked)
{
    json_t *state = json_copy((json_t *)doc);

    if (strcmp(stored, asked) == 0) {
        json_object_del(state, "name");
    } else {
        json_object_set_new(state, "name", json_string(stored));
    }
    return state;
}

static json_t *value_state(const json_t *tree, const char *name)
{
    size_t i;
    json_t *value;

    json_array_foreach (json_object_get(tree, "values"), i, value) {
        const char *stored = json_string_value(json_object_get(value, "name"));
        if (stf_registry_name_compare(stored, name) == 0) {
            return make_state(value, stored, name);
        }
    }
    return json_null();
}

static const char *last_name(const char *key)
{
    const char *slash = strrchr(key, '\\');

    return slash != NULL ? slash + 1 : key;
}

json_t *stf_registry_part(const json_t *id, const json_t *state, const char *part, const json_t *part_id)
{
    const char *whole_key = json_string_value(json_object_get(id, "key"));
    const char *key = json_string_value(json_object_get(part_id, "key"));
    const char *name = json_string_value(json_object_get(part_id, "name"));
    const char *stored = json_string_value(json_object_get(state, "name"));
    const char *below;
    const json_t *tree;
    bool has_times;
    bool wants_times;
    size_t depth;

    if (whole_key == NULL || key == NULL || !stf_registry_key_is_below(key, whole_key, &below, &depth)) {
        return NULL;
    }
    stored = stored != NULL ? stored : last_name(whole_key);
    tree = json_object_get(state, "keys") != NULL ? find_tree(state, below, &stored) : NULL;
    if (tree == NULL) {
        return NULL;
    }
    if (strcmp(part, "registry.value") == 0) {
        return value_state(tree, name != NULL ? name : "");
    }
    if (strcmp(part, "registry.presence") == 0) {
        return json_pack("{s:b}", "exists", 1);
    }
    has_times = json_is_true(json_object_get(id, "times"));
    wants_times = json_is_true(json_object_get(part_id, "times"));
    return strcmp(part, "registry.key") == 0 && has_times == wants_times ? make_state(tree, stored, last_name(key))
                                                                         : NULL;
}
