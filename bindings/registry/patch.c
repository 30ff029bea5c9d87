/* patch.c - collects alterations into a sparse tree, and says what it makes of a state. Knows no store: scope.c reads
 * and writes those. SPDX-License-Identifier: MIT */
#include "registry/patch.h"

#include <stdlib.h>
#include <string.h>

#include "registry/store.h"
#include "registry/tree.h"

/* Both lists are sorted by name regardless of case, so that thousands of siblings stay cheap. */
struct patch_key {
    char *name;
    bool is_made;     /* it stands afterwards */
    bool is_replaced; /* all that was in it goes first */
    struct patch_key **keys;
    size_t key_count;
    struct patch_value *values;
    size_t value_count;
};

struct patch_value {
    struct stf_registry_value value; /* without data when it is to go */
    bool is_gone;
};

struct stf_registry_patch {
    struct patch_key root;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "patch", NULL, "memory is out");
}

/* ---- the sparse tree ---- */

static void key_free(struct patch_key *key);

static void key_clear(struct patch_key *key)
{
    for (size_t i = 0; i < key->key_count; i++) {
        key_free(key->keys[i]);
    }
    for (size_t i = 0; i < key->value_count; i++) {
        stf_registry_value_fini(&key->values[i].value);
    }
    free(key->keys);
    free(key->values);
    key->keys = NULL;
    key->values = NULL;
    key->key_count = 0;
    key->value_count = 0;
}

static void key_free(struct patch_key *key)
{
    key_clear(key);
    free(key->name);
    free(key);
}

struct stf_registry_patch *stf_registry_patch_new(void)
{
    struct stf_registry_patch *patch = calloc(1, sizeof(*patch));

    if (patch != NULL) {
        patch->root.is_made = true;
    }
    return patch;
}

void stf_registry_patch_free(struct stf_registry_patch *patch)
{
    if (patch != NULL) {
        key_clear(&patch->root);
        free(patch);
    }
}

/* The index of `name` in a sorted list, or where it belongs. `name_at` gives the name of an item. */
static size_t search(const void *list, size_t count, const char *(*name_at)(const void *, size_t), const char *name,
                     bool *is_found)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stf_registry_name_compare(name_at(list, middle), name);
        if (order == 0) {
            *is_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *is_found = false;
    return low;
}

static const char *key_name_at(const void *list, size_t i)
{
    return ((struct patch_key *const *)list)[i]->name;
}

static const char *value_name_at(const void *list, size_t i)
{
    return ((const struct patch_value *)list)[i].value.name;
}

/* A gap at `at`: lists grow when their count is 0 or a power of two. */
static bool make_gap(void **list, size_t count, size_t item_size, size_t at)
{
    if (count == 0 || (count & (count - 1)) == 0) {
        void *more = realloc(*list, (count > 0 ? 2 * count : 1) * item_size);
        if (more == NULL) {
            return false;
        }
        *list = more;
    }
    memmove((char *)*list + (at + 1) * item_size, (char *)*list + at * item_size, (count - at) * item_size);
    return true;
}

static enum stf_kind child_of(struct patch_key *parent, const char *name, struct patch_key **child, struct stf_err *err)
{
    bool is_found;
    size_t at = search(parent->keys, parent->key_count, key_name_at, name, &is_found);
    void *list = parent->keys;
    struct patch_key *made;
    enum stf_kind kind;

    if (is_found) {
        *child = parent->keys[at];
        return STF_OK;
    }
    kind = stf_registry_check_key_name(name, err);
    if (kind != STF_OK) {
        return kind;
    }
    made = calloc(1, sizeof(*made));
    if (made == NULL || (made->name = strdup(name)) == NULL ||
        !make_gap(&list, parent->key_count, sizeof(parent->keys[0]), at)) {
        free(made != NULL ? made->name : NULL);
        free(made);
        return no_memory(err);
    }
    parent->keys = list;
    parent->keys[at] = made;
    parent->key_count++;
    *child = made;
    return STF_OK;
}

/* The key stands afterwards; one that was deleted comes again in this spelling. */
static enum stf_kind make(struct patch_key *key, const char *name, struct stf_err *err)
{
    if (key->is_replaced && !key->is_made && strcmp(key->name, name) != 0) {
        char *copy = strdup(name);
        if (copy == NULL) {
            return no_memory(err);
        }
        free(key->name);
        key->name = copy;
    }
    key->is_made = true;
    return STF_OK;
}

/* The node of `key`. `is_made`: it is to stand afterwards, like those above it. */
static enum stf_kind walk(struct stf_registry_patch *patch, const char *path, bool is_made, struct patch_key **key,
                          struct stf_err *err)
{
    char *text = strdup(path);
    char *rest = *path != '\0' ? text : NULL;
    enum stf_kind kind = text != NULL ? STF_OK : no_memory(err);
    size_t depth = 0;

    *key = &patch->root;
    while (kind == STF_OK && rest != NULL) {
        if (++depth > STF_REGISTRY_DEPTH_MAX) {
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "key", path, "a key is at most %d levels deep",
                               STF_REGISTRY_DEPTH_MAX);
            break;
        }
        const char *name = strsep(&rest, "\\");
        kind = child_of(*key, name, key, err);
        if (kind == STF_OK && is_made) {
            kind = make(*key, name, err);
        }
    }
    free(text);
    return kind;
}

enum stf_kind stf_registry_patch_create_key(struct stf_registry_patch *patch, const char *key, struct stf_err *err)
{
    struct patch_key *node;

    return walk(patch, key, true, &node, err);
}

enum stf_kind stf_registry_patch_delete_key(struct stf_registry_patch *patch, const char *key, struct stf_err *err)
{
    struct patch_key *node;
    enum stf_kind kind;

    if (*key == '\0') {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "delete", NULL, "the root of a registry store can not be deleted");
    }
    kind = walk(patch, key, false, &node, err);
    if (kind == STF_OK) {
        key_clear(node);
        node->is_replaced = true;
        node->is_made = false;
    }
    return kind;
}

/* The place of the value `name`, emptied; its spelling is the new one. */
static enum stf_kind value_of(struct patch_key *key, const char *name, struct patch_value **value, struct stf_err *err)
{
    bool is_found;
    size_t at = search(key->values, key->value_count, value_name_at, name, &is_found);
    void *list = key->values;
    char *copy = NULL;
    enum stf_kind kind = stf_registry_check_value_name(name, err);

    if (kind != STF_OK) {
        return kind;
    }
    copy = strdup(name);
    if (copy == NULL || (!is_found && !make_gap(&list, key->value_count, sizeof(key->values[0]), at))) {
        free(copy);
        return no_memory(err);
    }
    key->values = list;
    *value = &key->values[at];
    if (is_found) {
        stf_registry_value_fini(&(*value)->value);
    } else {
        key->value_count++;
    }
    **value = (struct patch_value){.value = {.name = copy}, .is_gone = true};
    return STF_OK;
}

enum stf_kind stf_registry_patch_set(struct stf_registry_patch *patch, const char *key,
                                     const struct stf_registry_value *value, struct stf_err *err)
{
    struct stf_registry_value copy;
    struct patch_value *place;
    struct patch_key *node;
    enum stf_kind kind = walk(patch, key, true, &node, err);

    if (kind == STF_OK) {
        kind = value_of(node, value->name, &place, err);
    }
    if (kind == STF_OK) {
        kind = stf_registry_value_init(&copy, value->name, value->type, value->data, value->size, err);
    }
    if (kind == STF_OK) {
        stf_registry_value_fini(&place->value);
        *place = (struct patch_value){.value = copy};
    }
    return kind;
}

enum stf_kind stf_registry_patch_delete_value(struct stf_registry_patch *patch, const char *key, const char *name,
                                              struct stf_err *err)
{
    struct patch_value *place;
    struct patch_key *node;
    enum stf_kind kind = walk(patch, key, true, &node, err);

    return kind == STF_OK ? value_of(node, name, &place, err) : kind;
}

/* ---- documents ---- */

static enum stf_kind scope_of(const struct patch_key *key, json_t **scope, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    *scope = key->is_replaced ? json_true() : json_pack("{s:[], s:{}}", "values", "keys");
    if (*scope == NULL) {
        return no_memory(err);
    }
    if (key->is_replaced) {
        return STF_OK;
    }
    for (size_t i = 0; i < key->value_count && kind == STF_OK; i++) {
        json_t *name = json_string(key->values[i].value.name);
        kind = json_array_append_new(json_object_get(*scope, "values"), name) == 0 ? STF_OK : no_memory(err);
    }
    for (size_t i = 0; i < key->key_count && kind == STF_OK; i++) {
        json_t *below;
        kind = scope_of(key->keys[i], &below, err);
        if (kind == STF_OK && json_object_set_new(json_object_get(*scope, "keys"), key->keys[i]->name, below) != 0) {
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
    return scope_of(&patch->root, scope, err);
}

/* The document of tree.h of a key that is made anew. */
static enum stf_kind tree_of(const struct patch_key *key, json_t **doc, struct stf_err *err)
{
    json_t *tree = json_pack("{s:[], s:{}}", "values", "keys");
    enum stf_kind kind = tree != NULL ? STF_OK : no_memory(err);

    for (size_t i = 0; i < key->value_count && kind == STF_OK; i++) {
        const struct patch_value *each = &key->values[i];
        json_t *value = NULL;
        if (each->is_gone) {
            continue;
        }
        kind = stf_registry_value_to_doc(&each->value, &value, err);
        if (kind == STF_OK && (json_object_set_new(value, "name", json_string(each->value.name)) != 0 ||
                               json_array_append(json_object_get(tree, "values"), value) != 0)) {
            kind = no_memory(err);
        }
        json_decref(value);
    }
    for (size_t i = 0; i < key->key_count && kind == STF_OK; i++) {
        json_t *below = NULL;
        if (key->keys[i]->is_made) {
            kind = tree_of(key->keys[i], &below, err);
        }
        if (below != NULL && json_object_set_new(json_object_get(tree, "keys"), key->keys[i]->name, below) != 0) {
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

static enum stf_kind after_of(const struct patch_key *key, const json_t *before, json_t **after, struct stf_err *err);

static enum stf_kind part_of(const struct patch_key *key, const json_t *before, json_t *part, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < key->value_count && kind == STF_OK; i++) {
        const struct patch_value *each = &key->values[i];
        json_t *value = json_null();
        if (!each->is_gone) {
            kind = stf_registry_value_to_doc(&each->value, &value, err);
        }
        if (kind == STF_OK && json_object_set_new(json_object_get(part, "values"), each->value.name, value) != 0) {
            kind = no_memory(err);
        }
    }
    for (size_t i = 0; i < key->key_count && kind == STF_OK; i++) {
        const char *name = key->keys[i]->name;
        json_t *below = NULL;
        kind = after_of(key->keys[i], json_object_get(json_object_get(before, "keys"), name), &below, err);
        if (kind == STF_OK && json_object_set_new(json_object_get(part, "keys"), name, below) != 0) {
            kind = no_memory(err);
        }
    }
    return kind;
}

/* `before` is NULL or JSON null where the key is absent. */
static enum stf_kind after_of(const struct patch_key *key, const json_t *before, json_t **after, struct stf_err *err)
{
    bool stands = key->is_made || (!key->is_replaced && json_is_object(before));
    enum stf_kind kind;
    json_t *part;

    if (!stands) {
        *after = json_null();
        return STF_OK;
    }
    if (key->is_replaced) {
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
    return after_of(&patch->root, before, after, err);
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
