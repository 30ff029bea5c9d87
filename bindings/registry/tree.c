/* tree.c - a registry subtree to and from a document: snapshot, comparison, exact restore.
 * Knows nodes, not backends; never changes what is already as it should be. SPDX-License-Identifier: MIT */
#include "registry/tree.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "registry/store.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "tree", NULL, "memory is out");
}

enum stf_kind stf_registry_value_to_doc(const struct stf_registry_value *value, json_t **doc, struct stf_err *err)
{
    char *hex = stf_hex_from_bytes(value->data, value->size);

    *doc = hex != NULL ? json_pack("{s:I, s:s}", "type", (json_int_t)value->type, "data", hex) : NULL;
    free(hex);
    return *doc != NULL ? STF_OK : no_memory(err);
}

enum stf_kind stf_registry_value_from_doc(const json_t *doc, const char *name, struct stf_registry_value *value,
                                          struct stf_err *err)
{
    int64_t type = 0;
    const char *hex = NULL;
    uint8_t *data = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_doc_int(doc, "type", 0, UINT32_MAX, &type, err);

    *value = (struct stf_registry_value){0};
    if (kind == STF_OK) {
        kind = stf_doc_string(doc, "data", &hex, err);
    }
    if (kind == STF_OK) {
        kind = stf_hex_to_bytes(hex, &data, &size, err);
    }
    if (kind == STF_OK) {
        kind = stf_registry_value_init(value, name, (uint32_t)type, data, size, err);
    }
    free(data);
    return kind;
}

/* ---- reading ---- */

static enum stf_kind read_values(struct stf_registry *registry, stf_registry_node node, json_t *into,
                                 struct stf_err *err)
{
    struct stf_registry_values values = {0};
    enum stf_kind kind = registry->backend->values(registry->store, node, &values, err);

    if (kind != STF_OK) {
        return kind;
    }
    stf_registry_values_sort(&values);
    for (size_t i = 0; i < values.count && kind == STF_OK; i++) {
        json_t *value;
        kind = stf_registry_value_to_doc(&values.items[i], &value, err);
        if (kind == STF_OK && (json_object_set_new(value, "name", json_string(values.items[i].name)) != 0 ||
                               json_array_append(into, value) != 0)) {
            kind = no_memory(err);
        }
        json_decref(value);
    }
    stf_registry_values_fini(&values);
    return kind;
}

static enum stf_kind read_key(struct stf_registry *registry, stf_registry_node node, size_t depth, json_t **doc,
                              struct stf_err *err);

static enum stf_kind read_subkeys(struct stf_registry *registry, stf_registry_node node, size_t depth, json_t *into,
                                  struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, &subkeys, err);

    if (kind != STF_OK) {
        return kind;
    }
    stf_registry_subkeys_sort(&subkeys);
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        const char *name = subkeys.items[i].name;
        json_t *subkey = NULL;
        if (json_object_get(into, name) != NULL) {
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "tree", name, "a key has two subkeys of the name %s", name);
        } else {
            kind = read_key(registry, subkeys.items[i].node, depth + 1, &subkey, err);
        }
        if (kind == STF_OK && json_object_set_new(into, name, subkey) != 0) {
            kind = no_memory(err);
        }
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind read_key(struct stf_registry *registry, stf_registry_node node, size_t depth, json_t **doc,
                              struct stf_err *err)
{
    json_t *key = json_pack("{s:[], s:{}}", "values", "keys");
    enum stf_kind kind = key != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK && depth > STF_REGISTRY_DEPTH_MAX) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "tree", NULL, "the tree is more than %d levels deep",
                           STF_REGISTRY_DEPTH_MAX);
    }
    if (kind == STF_OK) {
        kind = read_values(registry, node, json_object_get(key, "values"), err);
    }
    if (kind == STF_OK) {
        kind = read_subkeys(registry, node, depth, json_object_get(key, "keys"), err);
    }
    if (kind != STF_OK) {
        json_decref(key);
        return kind;
    }
    *doc = key;
    return STF_OK;
}

enum stf_kind stf_registry_node_read(struct stf_registry *registry, stf_registry_node node, json_t **doc,
                                     struct stf_err *err)
{
    return read_key(registry, node, 0, doc, err);
}

enum stf_kind stf_registry_tree_read(struct stf_registry *registry, const char *key, json_t **doc, struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    return kind == STF_OK ? read_key(registry, node, 0, doc, err) : kind;
}

/* ---- writing ---- */

static enum stf_kind bad_doc(struct stf_err *err, const char *what)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "tree", NULL, "the document of a registry key is wrong: %s", what);
}

static enum stf_kind values_from_doc(const json_t *array, struct stf_registry_values *values, struct stf_err *err)
{
    static const char *const known[] = {"name", "type", "data", NULL};
    enum stf_kind kind = STF_OK;
    size_t i;
    json_t *item;

    json_array_foreach (array, i, item) {
        struct stf_registry_value value = {0};
        const char *name = NULL;
        kind = stf_doc_check_keys(item, known, "a value of a registry key", err);
        if (kind == STF_OK) {
            kind = stf_doc_string(item, "name", &name, err);
        }
        if (kind == STF_OK) {
            kind = stf_registry_check_value_name(name, err);
        }
        if (kind == STF_OK) {
            kind = stf_registry_value_from_doc(item, name, &value, err);
        }
        if (kind == STF_OK) {
            kind = stf_registry_values_add(values, &value, err);
        }
        stf_registry_value_fini(&value);
        if (kind != STF_OK) {
            return kind;
        }
    }
    return STF_OK;
}

static enum stf_kind sort_unique(struct stf_registry_values *values, struct stf_err *err)
{
    stf_registry_values_sort(values);
    for (size_t i = 1; i < values->count; i++) {
        if (stf_registry_name_compare(values->items[i - 1].name, values->items[i].name) == 0) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "tree", values->items[i].name,
                               "a key has two values of the name %s", values->items[i].name);
        }
    }
    return STF_OK;
}

/* Both lists are sorted, so one pass finds what is gone (a name, or its spelling) and what is to be set. */
static enum stf_kind write_values(struct stf_registry *registry, stf_registry_node node, const json_t *array,
                                  struct stf_err *err)
{
    struct stf_registry_values have = {0};
    struct stf_registry_values want = {0};
    struct stf_registry_values set = {0}; /* borrows from want */
    const char **gone = NULL;             /* borrows from have */
    size_t gone_count = 0;
    size_t h = 0;
    enum stf_kind kind = registry->backend->values(registry->store, node, &have, err);

    if (kind == STF_OK) {
        kind = values_from_doc(array, &want, err);
    }
    if (kind == STF_OK) {
        kind = sort_unique(&have, err);
    }
    if (kind == STF_OK) {
        kind = sort_unique(&want, err);
    }
    if (kind != STF_OK) {
        goto out;
    }
    gone = calloc(have.count + 1, sizeof(*gone));
    set.items = calloc(want.count + 1, sizeof(set.items[0]));
    if (gone == NULL || set.items == NULL) {
        kind = no_memory(err);
        goto out;
    }
    for (size_t w = 0; w < want.count; w++) {
        int order = -1;
        while (h < have.count && (order = stf_registry_name_compare(have.items[h].name, want.items[w].name)) < 0) {
            gone[gone_count++] = have.items[h++].name;
        }
        bool is_there = h < have.count && order == 0;
        if (!is_there || !stf_registry_value_equal(&have.items[h], &want.items[w])) {
            set.items[set.count++] = want.items[w];
        }
        h += is_there;
    }
    while (h < have.count) {
        gone[gone_count++] = have.items[h++].name;
    }
    if (gone_count > 0 || set.count > 0) {
        struct stf_registry_edit edit = {gone, gone_count, set.items, set.count};
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK) {
            kind = registry->backend->edit_values(registry->store, node, &edit, err);
        }
    }
out:
    free(set.items);
    free(gone);
    stf_registry_values_fini(&want);
    stf_registry_values_fini(&have);
    return kind;
}

static enum stf_kind check_subkey_names(const json_t *keys, struct stf_err *err)
{
    struct stf_registry_subkeys sorted = {0};
    enum stf_kind kind = STF_OK;
    const char *name;
    json_t *item;

    json_object_foreach ((json_t *)keys, name, item) {
        char *copy = strdup(name);
        kind = stf_registry_check_key_name(name, err);
        if (kind == STF_OK) {
            kind = copy != NULL ? stf_registry_subkeys_add(&sorted, copy, 0, err) : no_memory(err);
        }
        if (kind != STF_OK) {
            free(copy);
            break;
        }
    }
    stf_registry_subkeys_sort(&sorted);
    for (size_t i = 1; i < sorted.count && kind == STF_OK; i++) {
        if (stf_registry_name_compare(sorted.items[i - 1].name, sorted.items[i].name) == 0) {
            kind = bad_doc(err, "it has two subkeys of one name");
        }
    }
    stf_registry_subkeys_fini(&sorted);
    return kind;
}

static enum stf_kind write_key(struct stf_registry *registry, stf_registry_node node, size_t depth, const json_t *doc,
                               struct stf_err *err);

/* Deletes the subkeys that `keys` has not in the same spelling, and collects the nodes of those that stay. */
static enum stf_kind delete_others(struct stf_registry *registry, stf_registry_node node, const json_t *keys,
                                   json_t *staying, struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, &subkeys, err);

    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        const struct stf_registry_subkey *subkey = &subkeys.items[i];
        if (json_object_get(keys, subkey->name) != NULL) {
            bool is_kept = json_object_set_new(staying, subkey->name, json_integer((json_int_t)subkey->node)) == 0;
            kind = is_kept ? STF_OK : no_memory(err);
            continue;
        }
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK) {
            kind = registry->backend->delete_key(registry->store, subkey->node, err);
        }
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind write_subkeys(struct stf_registry *registry, stf_registry_node node, size_t depth,
                                   const json_t *keys, struct stf_err *err)
{
    json_t *staying = json_object();
    enum stf_kind kind = staying != NULL ? check_subkey_names(keys, err) : no_memory(err);
    const char *name;
    json_t *item;

    if (kind == STF_OK) {
        kind = delete_others(registry, node, keys, staying, err);
    }
    if (kind != STF_OK) {
        json_decref(staying);
        return kind;
    }
    json_object_foreach ((json_t *)keys, name, item) {
        const json_t *known = json_object_get(staying, name);
        stf_registry_node subkey = known != NULL ? (stf_registry_node)json_integer_value(known) : 0;
        if (known == NULL) {
            kind = stf_registry_begin_change(registry, err);
            if (kind == STF_OK) {
                kind = registry->backend->create_key(registry->store, node, name, &subkey, err);
            }
        }
        if (kind == STF_OK) {
            kind = write_key(registry, subkey, depth + 1, item, err);
        }
        if (kind != STF_OK) {
            break;
        }
    }
    json_decref(staying);
    return kind;
}

static enum stf_kind write_key(struct stf_registry *registry, stf_registry_node node, size_t depth, const json_t *doc,
                               struct stf_err *err)
{
    static const char *const known[] = {"values", "keys", NULL};
    const json_t *values = json_object_get(doc, "values");
    const json_t *keys = json_object_get(doc, "keys");
    enum stf_kind kind = stf_doc_check_keys(doc, known, "a registry key", err);

    if (kind != STF_OK) {
        return kind;
    }
    if (!json_is_array(values) || !json_is_object(keys)) {
        return bad_doc(err, "it needs a list `values` and an object `keys`");
    }
    if (depth > STF_REGISTRY_DEPTH_MAX) {
        return bad_doc(err, "it is too deep");
    }
    kind = write_values(registry, node, values, err);
    return kind == STF_OK ? write_subkeys(registry, node, depth, keys, err) : kind;
}

enum stf_kind stf_registry_node_write(struct stf_registry *registry, stf_registry_node node, const json_t *doc,
                                      struct stf_err *err)
{
    return write_key(registry, node, 0, doc, err);
}

enum stf_kind stf_registry_tree_write(struct stf_registry *registry, const char *key, const json_t *doc,
                                      struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find_or_create(registry, key, &node, err);

    return kind == STF_OK ? write_key(registry, node, 0, doc, err) : kind;
}
