/* reg_tree.c - edits in their order become alterations that no longer depend on it: a later one replaces an earlier
 * one. Never changes a store. SPDX-License-Identifier: MIT */
#include "registry/reg_tree.h"

#include <stdlib.h>
#include <string.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reg", NULL, "memory is out");
}

static enum stf_kind outside(const struct stf_reg_edit *edit, const char *mount, struct stf_err *err)
{
    char line[32] = "";

    if (edit->line > 0)
        snprintf(line, sizeof(line), " (line %zu)", edit->line);
    return stf_err_set(err, STF_INVALID_DATA, 0, "reg", edit->key,
                       "the key %s%s is not in this store, whose root is %s", edit->key, line, mount);
}

/* The path below the store's root. */
static enum stf_kind path_below(const struct stf_reg_edit *edit, const char *mount, const char **below,
                                struct stf_err *err)
{
    size_t depth;

    *below = edit->key;
    if (mount != NULL && *mount != '\0' && !stf_registry_key_is_below(edit->key, mount, below, &depth))
        return outside(edit, mount, err);
    return STF_OK;
}

/* A key that is not to stand yet, or no longer, takes the spelling that it is now made with. */
static bool respell(struct stf_keytree_key *key, const char *name)
{
    return key->is_wanted || strcmp(key->item.name, name) == 0 || stf_keytree_respell(key, name);
}

static enum stf_kind step(struct stf_keytree_key **at, const char *name, bool is_wanted, struct stf_err *err)
{
    struct stf_keytree_key *key = stf_keytree_find_key(*at, name);

    if (key == NULL) {
        enum stf_kind kind = stf_registry_check_key_name(name, err);
        if (kind != STF_OK)
            return kind;
        key = stf_keytree_key_new(*at, name);
        if (key != NULL)
            key->is_implied = true;
    }
    if (key == NULL || (is_wanted && !respell(key, name)))
        return no_memory(err);
    key->is_wanted = key->is_wanted || is_wanted;
    *at = key;
    return STF_OK;
}

/* The alterations of one key, made where there are none yet. */
static enum stf_kind find(struct stf_keytree_key *root, const char *path, struct stf_registry *registry, bool is_wanted,
                          struct stf_keytree_key **key, struct stf_err *err)
{
    char control_set[STF_REGISTRY_CONTROL_SET_SIZE];
    char *copy = strdup(path);
    char *rest = copy;
    size_t depth = 0;
    enum stf_kind kind = copy != NULL ? STF_OK : no_memory(err);

    *key = root;
    while (kind == STF_OK && rest != NULL && *path != '\0') {
        const char *name = strsep(&rest, "\\");
        if (depth == 0 && registry != NULL && stf_registry_is_control_set(registry, name)) {
            kind = stf_registry_control_set(registry, control_set, err);
            name = control_set;
        }
        if (++depth > STF_REGISTRY_DEPTH_MAX) {
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "key", path, "a key is at most %d levels deep",
                               STF_REGISTRY_DEPTH_MAX);
        }
        if (kind == STF_OK)
            kind = step(key, name, is_wanted, err);
    }
    (*key)->is_implied = (*key)->is_implied && !is_wanted;
    free(copy);
    return kind;
}

static enum stf_kind alter(struct stf_keytree_key *key, const struct stf_reg_edit *edit, struct stf_err *err)
{
    const struct stf_registry_value *value = &edit->value;
    enum stf_kind kind = STF_OK;

    switch (edit->kind) {
    case STF_REG_CREATE_KEY:
        break;
    case STF_REG_DELETE_KEY:
        if (key->parent == NULL) {
            return stf_err_set(err, STF_UNSUPPORTED, 0, "delete", edit->key,
                               "the key %s is the root of the store, which can not be deleted", edit->key);
        }
        while (key->keys.count > 0)
            stf_keytree_key_free(stf_keytree_key_at(key, key->keys.count - 1));
        stf_keytree_unset_all(key);
        key->is_reset = true;
        key->is_wanted = false;
        key->is_implied = true;
        break;
    case STF_REG_SET_VALUE:
    case STF_REG_DELETE_VALUE:
        kind = stf_registry_check_value_name(value->name, err);
        if (kind == STF_OK && !stf_keytree_set(key, value->name, value->type,
                                               edit->kind == STF_REG_SET_VALUE ? value->data : NULL, value->size))
            kind = no_memory(err);
        break;
    }
    return kind;
}

enum stf_kind stf_reg_tree_new(const struct stf_reg_edits *edits, const char *mount, struct stf_registry *registry,
                               struct stf_keytree_key **root, struct stf_err *err)
{
    struct stf_keytree_key *key = NULL;
    const char *last = NULL; /* the path of `key`; edits of one key share theirs */
    enum stf_kind kind = STF_OK;

    *root = stf_keytree_key_new(NULL, "");
    if (*root == NULL)
        return no_memory(err);
    (*root)->is_wanted = true;
    for (size_t i = 0; i < edits->count && kind == STF_OK; i++) {
        const struct stf_reg_edit *edit = &edits->items[i];
        bool is_wanted = edit->kind == STF_REG_CREATE_KEY || edit->kind == STF_REG_SET_VALUE;
        const char *below;
        if (edit->key != last || (is_wanted && !key->is_wanted)) {
            kind = path_below(edit, mount, &below, err);
            if (kind == STF_OK)
                kind = find(*root, below, registry, is_wanted, &key, err);
        }
        if (kind == STF_OK)
            kind = alter(key, edit, err);
        last = edit->key;
    }
    if (kind != STF_OK) {
        stf_keytree_key_free(*root);
        *root = NULL;
    }
    return kind;
}

void stf_reg_tree_prune(struct stf_keytree_key *root)
{
    for (size_t i = root->values.count; i > 0; i--)
        if (stf_keytree_value_at(root, i - 1)->data == NULL)
            stf_keytree_unset(root, stf_keytree_value_at(root, i - 1)->item.name);
    for (size_t i = root->keys.count; i > 0; i--) {
        struct stf_keytree_key *key = stf_keytree_key_at(root, i - 1);
        if (key->is_wanted)
            stf_reg_tree_prune(key);
        else
            stf_keytree_key_free(key);
    }
}
