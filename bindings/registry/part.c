/* part.c - values and keys as a state of a key above them has them (part.h). Says nothing of a key that is absent
 * there: how many of those above it stand, only its own state has. SPDX-License-Identifier: MIT */
#include "registry/part.h"

#include <stdlib.h>
#include <string.h>

#include "registry/registry.h"
#include "registry/spelling.h"

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
    while (tree != NULL && (name = strsep(&rest, "\\")) != NULL)
        tree = find_key(tree, name, stored);
    free(names);
    return tree;
}

static json_t *value_state(const json_t *tree, const char *name)
{
    size_t i;
    json_t *value;

    json_array_foreach (json_object_get(tree, "values"), i, value) {
        const char *stored = json_string_value(json_object_get(value, "name"));
        if (stf_registry_name_compare(stored, name) == 0)
            return stf_registry_spelled_state(value, stored, name);
    }
    return json_null();
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

    if (whole_key == NULL || key == NULL || !stf_registry_key_is_below(key, whole_key, &below, &depth))
        return NULL;
    stored = stored != NULL ? stored : stf_registry_last_name(whole_key);
    tree = json_object_get(state, "keys") != NULL ? find_tree(state, below, &stored) : NULL;
    if (tree == NULL)
        return NULL;
    if (strcmp(part, "registry.value") == 0)
        return value_state(tree, name != NULL ? name : "");
    if (strcmp(part, "registry.presence") == 0)
        return json_pack("{s:b}", "exists", 1);
    has_times = json_is_true(json_object_get(id, "times"));
    wants_times = json_is_true(json_object_get(part_id, "times"));
    return strcmp(part, "registry.key") == 0 && has_times == wants_times
               ? stf_registry_spelled_state(tree, stored, stf_registry_last_name(key))
               : NULL;
}

/* ---- the reverse ---- */

/* What a part of a tree is to become. */
struct wish {
    const char *name;    /* of a value; NULL: the part is a key */
    const json_t *state; /* as a state of its own */
    bool is_absent;
    bool takes_keys; /* keys above it were not there either */
};

static bool is_empty(const json_t *tree)
{
    return json_array_size(json_object_get(tree, "values")) == 0 &&
           json_object_size(json_object_get(tree, "keys")) == 0;
}

/* Values are in the order of their names. */
static bool set_value(json_t *tree, const struct wish *wish)
{
    json_t *values = json_object_get(tree, "values");
    json_t *wanted;
    size_t i = 0;
    int order = -1;

    while (i < json_array_size(values)) {
        const json_t *value = json_array_get(values, i);
        order = stf_registry_name_compare(json_string_value(json_object_get(value, "name")), wish->name);
        if (order >= 0)
            break;
        i++;
    }
    if (wish->is_absent)
        return order != 0 || json_array_remove(values, i) == 0;
    wanted = json_copy((json_t *)wish->state);
    if (json_object_get(wanted, "name") == NULL)
        json_object_set_new(wanted, "name", json_string(wish->name));
    return order == 0 ? json_array_set_new(values, i, wanted) == 0 : json_array_insert_new(values, i, wanted) == 0;
}

/* False where that can not be told: a key whose content no state has, or that lies in none. */
static bool set_key(json_t *tree, const char *name, const struct wish *wish)
{
    json_t *keys = json_object_get(tree, "keys");
    const char *stored = NULL;
    const json_t *there = find_key(tree, name, &stored);

    if (wish->is_absent)
        return there == NULL || json_object_del(keys, stored) == 0;
    if (json_object_get(wish->state, "keys") == NULL)
        return there != NULL;
    json_t *wanted = json_copy((json_t *)wish->state);
    const char *spelling = json_string_value(json_object_get(wanted, "name"));
    char *own = strdup(spelling != NULL ? spelling : name);
    if (there != NULL)
        json_object_del(keys, stored);
    json_object_del(wanted, "name");
    bool is_set = own != NULL && json_object_set_new(keys, own, wanted) == 0;
    free(own);
    return is_set;
}

/* `path` leads from the tree to the value's key, or to the key that is the part. */
static bool set_part(json_t *tree, const char *path, const struct wish *wish)
{
    size_t size = strcspn(path, "\\");
    const char *rest = path[size] != '\0' ? path + size + 1 : path + size;
    char *name;
    const char *stored = NULL;
    json_t *child;
    bool is_set;

    if (*path == '\0')
        return wish->name != NULL && set_value(tree, wish);
    name = strndup(path, size);
    if (name == NULL)
        return false;
    if (*rest == '\0' && wish->name == NULL) {
        is_set = set_key(tree, name, wish);
    } else {
        child = (json_t *)find_key(tree, name, &stored);
        is_set = child != NULL ? set_part(child, rest, wish) : wish->is_absent;
        if (is_set && child != NULL && wish->takes_keys && is_empty(child))
            json_object_del(json_object_get(tree, "keys"), stored);
    }
    free(name);
    return is_set;
}

json_t *stf_registry_with_part(const json_t *id, const json_t *state, const char *part, const json_t *part_id,
                               const json_t *part_state)
{
    const char *whole_key = json_string_value(json_object_get(id, "key"));
    const char *key = json_string_value(json_object_get(part_id, "key"));
    const char *name = json_string_value(json_object_get(part_id, "name"));
    bool is_value = strcmp(part, "registry.value") == 0;
    bool takes_keys = json_object_get(part_state, "existing_keys") != NULL;
    const struct wish wish = {
        .name = is_value ? (name != NULL ? name : "") : NULL,
        .state = part_state,
        .is_absent = json_is_null(part_state) || takes_keys,
        .takes_keys = takes_keys,
    };
    const char *below;
    size_t depth;
    json_t *tree;
    bool is_set;

    if (strcmp(part, "registry.patch") == 0 || json_object_get(state, "keys") == NULL || whole_key == NULL ||
        key == NULL || !stf_registry_key_is_below(key, whole_key, &below, &depth))
        return NULL;
    if (*below == '\0' && !is_value) { /* the whole key itself: with its times or without, or that it is there */
        bool is_gone = wish.is_absent && (strcmp(part, "registry.key") == 0 || is_empty(state));
        return is_gone ? json_null() : NULL;
    }
    tree = json_deep_copy(state);
    is_set = tree != NULL && set_part(tree, below, &wish);
    if (is_set && !(wish.takes_keys && is_empty(tree)))
        return tree;
    json_decref(tree);
    return is_set ? json_null() : NULL;
}
