/* patch.c - edits as one change: what they touch, and what they make of a state. Writes no store: scope.c does.
 * SPDX-License-Identifier: MIT */
#include "registry/patch.h"

#include <stdlib.h>

#include "registry/reg_tree.h"
#include "registry/tree.h"

struct stf_registry_patch {
    struct stf_keytree_key *root;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "patch", NULL, "memory is out");
}

enum stf_kind stf_registry_patch_new(const struct stf_reg_edits *edits, const char *mount,
                                     struct stf_registry *registry, struct stf_registry_patch **patch,
                                     struct stf_err *err)
{
    struct stf_registry_patch *made = calloc(1, sizeof(*made));
    enum stf_kind kind = made != NULL ? stf_reg_tree_new(edits, mount, registry, &made->root, err) : no_memory(err);

    *patch = NULL;
    if (kind != STF_OK) {
        free(made);
        return kind;
    }
    *patch = made;
    return STF_OK;
}

void stf_registry_patch_free(struct stf_registry_patch *patch)
{
    if (patch != NULL) {
        stf_keytree_key_free(patch->root);
        free(patch);
    }
}

static enum stf_kind scope_of(const struct stf_keytree_key *key, json_t **scope, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    *scope = key->is_reset ? json_true() : json_pack("{s:[], s:{}}", "values", "keys");
    if (*scope == NULL) {
        return no_memory(err);
    }
    if (key->is_reset) {
        return STF_OK;
    }
    for (size_t i = 0; i < key->values.count && kind == STF_OK; i++) {
        json_t *name = json_string(stf_keytree_value_at(key, i)->item.name);
        kind = json_array_append_new(json_object_get(*scope, "values"), name) == 0 ? STF_OK : no_memory(err);
    }
    for (size_t i = 0; i < key->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(key, i);
        json_t *below;
        kind = scope_of(subkey, &below, err);
        if (kind == STF_OK && json_object_set_new(json_object_get(*scope, "keys"), subkey->item.name, below) != 0) {
            kind = no_memory(err);
        }
    }
    if (kind != STF_OK) {
        json_decref(*scope);
        *scope = NULL;
    }
    return kind;
}

enum stf_kind stf_registry_patch_scope(const struct stf_registry_patch *patch, json_t **scope, struct stf_err *err)
{
    return scope_of(patch->root, scope, err);
}

/* Borrows name and data. */
static struct stf_registry_value value_of(const struct stf_keytree_value *value)
{
    return (struct stf_registry_value){value->item.name, value->type, value->data, value->size};
}

/* The values that are to stand, sorted as tree.h has them. */
static enum stf_kind list_values(const struct stf_keytree_key *key, json_t *list, struct stf_err *err)
{
    struct stf_registry_values sorted = {.items = calloc(key->values.count + 1, sizeof(sorted.items[0]))};
    enum stf_kind kind = sorted.items != NULL ? STF_OK : no_memory(err);

    for (size_t i = 0; i < key->values.count && kind == STF_OK; i++) {
        if (stf_keytree_value_at(key, i)->data != NULL) {
            sorted.items[sorted.count++] = value_of(stf_keytree_value_at(key, i));
        }
    }
    stf_registry_values_sort(&sorted);
    for (size_t i = 0; i < sorted.count && kind == STF_OK; i++) {
        json_t *value = NULL;
        kind = stf_registry_value_to_doc(&sorted.items[i], &value, err);
        if (kind == STF_OK && (json_object_set_new(value, "name", json_string(sorted.items[i].name)) != 0 ||
                               json_array_append(list, value) != 0)) {
            kind = no_memory(err);
        }
        json_decref(value);
    }
    free(sorted.items);
    return kind;
}

/* The document of tree.h of a key that is made anew. */
static enum stf_kind tree_of(const struct stf_keytree_key *key, json_t **doc, struct stf_err *err)
{
    json_t *tree = json_pack("{s:[], s:{}}", "values", "keys");
    enum stf_kind kind = tree != NULL ? list_values(key, json_object_get(tree, "values"), err) : no_memory(err);

    for (size_t i = 0; i < key->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(key, i);
        json_t *below = NULL;
        if (subkey->is_wanted) {
            kind = tree_of(subkey, &below, err);
        }
        if (below != NULL && json_object_set_new(json_object_get(tree, "keys"), subkey->item.name, below) != 0) {
            kind = no_memory(err);
        }
    }
    if (kind != STF_OK) {
        json_decref(tree);
        return kind;
    }
    *doc = tree;
    return STF_OK;
}

static enum stf_kind after_of(const struct stf_keytree_key *key, const json_t *before, json_t **after,
                              struct stf_err *err);

static enum stf_kind part_of(const struct stf_keytree_key *key, const json_t *before, json_t *part, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < key->values.count && kind == STF_OK; i++) {
        const struct stf_registry_value each = value_of(stf_keytree_value_at(key, i));
        json_t *value = json_null();
        if (each.data != NULL) {
            kind = stf_registry_value_to_doc(&each, &value, err);
        }
        if (kind == STF_OK && json_object_set_new(json_object_get(part, "values"), each.name, value) != 0) {
            kind = no_memory(err);
        }
    }
    for (size_t i = 0; i < key->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(key, i);
        const char *name = subkey->item.name;
        json_t *below = NULL;
        kind = after_of(subkey, json_object_get(json_object_get(before, "keys"), name), &below, err);
        if (kind == STF_OK && json_object_set_new(json_object_get(part, "keys"), name, below) != 0) {
            kind = no_memory(err);
        }
    }
    return kind;
}

/* `before` is NULL or JSON null where the key is absent. */
static enum stf_kind after_of(const struct stf_keytree_key *key, const json_t *before, json_t **after,
                              struct stf_err *err)
{
    bool stands = key->is_wanted || (!key->is_reset && json_is_object(before));
    enum stf_kind kind;
    json_t *part;

    if (!stands) {
        *after = json_null();
        return STF_OK;
    }
    if (key->is_reset) {
        return tree_of(key, after, err);
    }
    part = json_pack("{s:{}, s:{}}", "values", "keys");
    kind = part != NULL ? part_of(key, before, part, err) : no_memory(err);
    if (kind != STF_OK) {
        json_decref(part);
        return kind;
    }
    *after = part;
    return STF_OK;
}

enum stf_kind stf_registry_patch_after(const struct stf_registry_patch *patch, const json_t *before, json_t **after,
                                       struct stf_err *err)
{
    return after_of(patch->root, before, after, err);
}

struct stf_registry_scope_size stf_registry_scope_count(const json_t *doc)
{
    struct stf_registry_scope_size size = {0, 0};
    const json_t *values = json_object_get(doc, "values");
    const char *name;
    json_t *item;

    size.values = json_array_size(values);
    json_object_foreach ((json_t *)values, name, item) {
        size.values += !json_is_null(item);
    }
    json_object_foreach (json_object_get(doc, "keys"), name, item) {
        struct stf_registry_scope_size below = stf_registry_scope_count(item);
        size.values += below.values;
        size.keys += below.keys + !json_is_null(item);
    }
    return size;
}
