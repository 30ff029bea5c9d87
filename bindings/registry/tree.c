/* tree.c - a registry subtree to and from a document: snapshot, comparison, exact restore.
 * Knows nodes, not backends; never changes what is already as it should be. SPDX-License-Identifier: MIT */
#include "registry/tree.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "registry/rights.h"
#include "registry/spelling.h"
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
    if (kind == STF_OK)
        kind = stf_doc_string(doc, "data", &hex, err);
    if (kind == STF_OK)
        kind = stf_hex_to_bytes(hex, &data, &size, err);
    if (kind == STF_OK)
        kind = stf_registry_value_init(value, name, (uint32_t)type, data, size, err);
    free(data);
    return kind;
}

/* ---- reading ---- */

static enum stf_kind read_values(struct stf_registry *registry, stf_registry_node node, json_t *into,
                                 struct stf_err *err)
{
    struct stf_registry_values values = {0};
    enum stf_kind kind = registry->backend->values(registry->store, node, &values, err);

    if (kind != STF_OK)
        return kind;
    stf_registry_values_sort(&values);
    for (size_t i = 0; i < values.count && kind == STF_OK; i++) {
        json_t *value;
        kind = stf_registry_value_to_doc(&values.items[i], &value, err);
        if (kind == STF_OK && (json_object_set_new(value, "name", json_string(values.items[i].name)) != 0 ||
                               json_array_append(into, value) != 0))
            kind = no_memory(err);
        json_decref(value);
    }
    stf_registry_values_fini(&values);
    return kind;
}

void stf_registry_extras_fini(struct stf_registry_extras *extras)
{
    free(extras->class_name);
    free(extras->security);
    *extras = (struct stf_registry_extras){0};
}

static bool is_same_class(const struct stf_registry_extras *a, const struct stf_registry_extras *b)
{
    return a->class_size == b->class_size &&
           (a->class_size == 0 || memcmp(a->class_name, b->class_name, a->class_size) == 0);
}

enum stf_kind stf_registry_extras_check_live(const char *name, const struct stf_registry_extras *have,
                                             const struct stf_registry_extras *want, struct stf_err *err)
{
    const char *what = !is_same_class(have, want) ? "another class name: a key has one from when it is made"
                       : want->flags != 0 || want->access != 0 ? "flags, which only hives have"
                       : want->security == NULL && have->security != NULL
                           ? "the rights of the key above: it has rights of its own, which can not be taken away"
                       : want->security != NULL && !stf_rights_are_whole(want->security, want->security_size)
                           ? "rights that are damaged"
                       : want->security != NULL && !stf_rights_are_all(want->security, want->security_size)
                           ? "an owner, a group or a list of what is audited"
                           : NULL;

    return what == NULL
               ? STF_OK
               : stf_err_set(err, STF_UNSUPPORTED, 0, "write", name, "the key %s can not be given %s", name, what);
}

static bool set_hex(json_t *doc, const char *name, const uint8_t *bytes, size_t size)
{
    char *hex = stf_hex_from_bytes(bytes, size);
    bool is_set = hex != NULL && json_object_set_new(doc, name, json_string(hex)) == 0;

    free(hex);
    return is_set;
}

static bool extras_to_doc(const struct stf_registry_extras *extras, json_t *doc)
{
    return (extras->class_size == 0 || set_hex(doc, "class", extras->class_name, extras->class_size)) &&
           (extras->security == NULL || set_hex(doc, "security", extras->security, extras->security_size)) &&
           (extras->flags == 0 || json_object_set_new(doc, "flags", json_integer(extras->flags)) == 0) &&
           (extras->access == 0 || json_object_set_new(doc, "access", json_integer(extras->access)) == 0) &&
           (extras->written == 0 ||
            json_object_set_new(doc, "written", json_integer((json_int_t)extras->written)) == 0);
}

/* A tree on its way into a document. */
struct reading {
    struct stf_registry *registry;
    bool has_times;
};

static enum stf_kind read_extras(const struct reading *reading, stf_registry_node node, json_t *key,
                                 struct stf_err *err)
{
    const struct stf_registry *registry = reading->registry;
    struct stf_registry_extras extras = {0};
    json_t *doc;
    enum stf_kind kind;

    if (registry->backend->read_extras == NULL)
        return STF_OK;
    kind = registry->backend->read_extras(registry->store, node, &extras, err);
    if (kind != STF_OK)
        return kind;
    extras.written = reading->has_times && registry->backend->sets_times ? extras.written : 0;
    doc = json_object();
    if (doc == NULL || !extras_to_doc(&extras, doc) ||
        (json_object_size(doc) > 0 && json_object_set(key, "extras", doc) != 0))
        kind = no_memory(err);
    json_decref(doc);
    stf_registry_extras_fini(&extras);
    return kind;
}

static enum stf_kind read_key(const struct reading *reading, stf_registry_node node, size_t depth, json_t **doc,
                              struct stf_err *err);

static enum stf_kind read_subkeys(const struct reading *reading, stf_registry_node node, size_t depth, json_t *into,
                                  struct stf_err *err)
{
    struct stf_registry *registry = reading->registry;
    struct stf_registry_subkeys subkeys = {0};
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, &subkeys, err);

    if (kind != STF_OK)
        return kind;
    stf_registry_subkeys_sort(&subkeys);
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        const char *name = subkeys.items[i].name;
        json_t *subkey = NULL;
        if (json_object_get(into, name) != NULL)
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "tree", name, "a key has two subkeys of the name %s", name);
        else
            kind = read_key(reading, subkeys.items[i].node, depth + 1, &subkey, err);
        if (kind == STF_OK && json_object_set_new(into, name, subkey) != 0)
            kind = no_memory(err);
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind read_key(const struct reading *reading, stf_registry_node node, size_t depth, json_t **doc,
                              struct stf_err *err)
{
    json_t *key = json_pack("{s:[], s:{}}", "values", "keys");
    enum stf_kind kind = key != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK && depth > STF_REGISTRY_DEPTH_MAX) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "tree", NULL, "the tree is more than %d levels deep",
                           STF_REGISTRY_DEPTH_MAX);
    }
    if (kind == STF_OK)
        kind = read_values(reading->registry, node, json_object_get(key, "values"), err);
    if (kind == STF_OK)
        kind = read_extras(reading, node, key, err);
    if (kind == STF_OK)
        kind = read_subkeys(reading, node, depth, json_object_get(key, "keys"), err);
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
    return read_key(&(struct reading){.registry = registry}, node, 0, doc, err);
}

enum stf_kind stf_registry_node_is_plain(struct stf_registry *registry, stf_registry_node node, bool *is_plain,
                                         struct stf_err *err)
{
    json_t *key = json_object();
    enum stf_kind kind =
        key != NULL ? read_extras(&(struct reading){.registry = registry}, node, key, err) : no_memory(err);

    *is_plain = json_object_size(key) == 0;
    json_decref(key);
    return kind;
}

static enum stf_kind read_tree(const struct reading *reading, const char *key, json_t **doc, struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(reading->registry, key, &node, err);

    return kind == STF_OK ? read_key(reading, node, 0, doc, err) : kind;
}

enum stf_kind stf_registry_tree_read(struct stf_registry *registry, const char *key, json_t **doc, struct stf_err *err)
{
    return read_tree(&(struct reading){.registry = registry}, key, doc, err);
}

enum stf_kind stf_registry_tree_read_times(struct stf_registry *registry, const char *key, json_t **doc,
                                           struct stf_err *err)
{
    return read_tree(&(struct reading){.registry = registry, .has_times = true}, key, doc, err);
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
        if (kind == STF_OK)
            kind = stf_doc_string(item, "name", &name, err);
        if (kind == STF_OK)
            kind = stf_registry_check_value_name(name, err);
        if (kind == STF_OK)
            kind = stf_registry_value_from_doc(item, name, &value, err);
        if (kind == STF_OK)
            kind = stf_registry_values_add(values, &value, err);
        stf_registry_value_fini(&value);
        if (kind != STF_OK)
            return kind;
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

    if (kind == STF_OK)
        kind = values_from_doc(array, &want, err);
    if (kind == STF_OK)
        kind = sort_unique(&have, err);
    if (kind == STF_OK)
        kind = sort_unique(&want, err);
    if (kind != STF_OK)
        goto out;
    gone = calloc(have.count + 1, sizeof(*gone));
    set.items = calloc(want.count + 1, sizeof(set.items[0]));
    if (gone == NULL || set.items == NULL) {
        kind = no_memory(err);
        goto out;
    }
    for (size_t w = 0; w < want.count; w++) {
        int order = -1;
        while (h < have.count && (order = stf_registry_name_compare(have.items[h].name, want.items[w].name)) < 0)
            gone[gone_count++] = have.items[h++].name;
        bool is_there = h < have.count && order == 0;
        if (is_there && strcmp(have.items[h].name, want.items[w].name) != 0)
            gone[gone_count++] = have.items[h].name;
        if (!is_there || !stf_registry_value_equal(&have.items[h], &want.items[w]))
            set.items[set.count++] = want.items[w];
        h += is_there;
    }
    while (h < have.count)
        gone[gone_count++] = have.items[h++].name;
    if (gone_count > 0 || set.count > 0) {
        struct stf_registry_edit edit = {gone, gone_count, set.items, set.count};
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK)
            kind = registry->backend->edit_values(registry->store, node, &edit, err);
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
        if (kind == STF_OK)
            kind = copy != NULL ? stf_registry_subkeys_add(&sorted, copy, 0, err) : no_memory(err);
        if (kind != STF_OK) {
            free(copy);
            break;
        }
    }
    stf_registry_subkeys_sort(&sorted);
    for (size_t i = 1; i < sorted.count && kind == STF_OK; i++)
        if (stf_registry_name_compare(sorted.items[i - 1].name, sorted.items[i].name) == 0)
            kind = bad_doc(err, "it has two subkeys of one name");
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
        if (kind == STF_OK)
            kind = registry->backend->delete_key(registry->store, subkey->node, err);
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind get_hex(const json_t *doc, const char *name, uint8_t **bytes, size_t *size, struct stf_err *err)
{
    const char *hex = NULL;
    enum stf_kind kind = STF_OK;

    if (json_object_get(doc, name) != NULL) {
        kind = stf_doc_string(doc, name, &hex, err);
        if (kind == STF_OK)
            kind = stf_hex_to_bytes(hex, bytes, size, err);
    }
    return kind;
}

enum stf_kind stf_registry_node_create(struct stf_registry *registry, stf_registry_node node, const char *name,
                                       const json_t *doc, stf_registry_node *subkey, struct stf_err *err)
{
    const struct stf_registry_backend *backend = registry->backend;
    const json_t *extras = json_object_get(doc, "extras");
    uint8_t *class_name = NULL;
    size_t class_size = 0;
    enum stf_kind kind = stf_registry_begin_change(registry, err);

    if (kind == STF_OK && backend->create_key_of_class != NULL)
        kind = get_hex(extras, "class", &class_name, &class_size, err);
    if (kind == STF_OK) {
        kind = class_size > 0
                   ? backend->create_key_of_class(registry->store, node, name, class_name, class_size, subkey, err)
                   : backend->create_key(registry->store, node, name, subkey, err);
    }
    free(class_name);
    return kind;
}

static enum stf_kind write_subkeys(struct stf_registry *registry, stf_registry_node node, size_t depth,
                                   const json_t *keys, struct stf_err *err)
{
    json_t *staying = json_object();
    enum stf_kind kind = staying != NULL ? check_subkey_names(keys, err) : no_memory(err);
    const char *name;
    json_t *item;

    if (kind == STF_OK)
        kind = delete_others(registry, node, keys, staying, err);
    if (kind != STF_OK) {
        json_decref(staying);
        return kind;
    }
    json_object_foreach ((json_t *)keys, name, item) {
        const json_t *known = json_object_get(staying, name);
        stf_registry_node subkey = known != NULL ? (stf_registry_node)json_integer_value(known) : 0;
        if (known == NULL)
            kind = stf_registry_node_create(registry, node, name, item, &subkey, err);
        if (kind == STF_OK)
            kind = write_key(registry, subkey, depth + 1, item, err);
        if (kind != STF_OK)
            break;
    }
    json_decref(staying);
    return kind;
}

static enum stf_kind get_u32(const json_t *doc, const char *name, uint32_t *number, struct stf_err *err)
{
    int64_t found = 0;
    enum stf_kind kind = STF_OK;

    if (json_object_get(doc, name) != NULL)
        kind = stf_doc_int(doc, name, 0, UINT32_MAX, &found, err);
    *number = (uint32_t)found;
    return kind;
}

/* Fini the extras in either case. */
static enum stf_kind extras_from_doc(const json_t *doc, struct stf_registry_extras *extras, struct stf_err *err)
{
    static const char *const known[] = {"class", "security", "flags", "access", "written", NULL};
    enum stf_kind kind = doc != NULL ? stf_doc_check_keys(doc, known, "the extras of a registry key", err) : STF_OK;

    *extras = (struct stf_registry_extras){.written = (uint64_t)json_integer_value(json_object_get(doc, "written"))};
    if (kind == STF_OK)
        kind = get_hex(doc, "class", &extras->class_name, &extras->class_size, err);
    if (kind == STF_OK)
        kind = get_hex(doc, "security", &extras->security, &extras->security_size, err);
    if (kind == STF_OK)
        kind = get_u32(doc, "flags", &extras->flags, err);
    return kind == STF_OK ? get_u32(doc, "access", &extras->access, err) : kind;
}

static bool extras_are(const struct stf_registry_extras *have, const struct stf_registry_extras *want)
{
    return is_same_class(have, want) && have->security_size == want->security_size &&
           (have->security_size == 0 || memcmp(have->security, want->security, have->security_size) == 0) &&
           have->flags == want->flags && have->access == want->access &&
           (want->written == 0 || have->written == want->written);
}

static enum stf_kind write_extras(struct stf_registry *registry, stf_registry_node node, const json_t *doc,
                                  struct stf_err *err)
{
    struct stf_registry_extras have = {0};
    struct stf_registry_extras want = {0};
    enum stf_kind kind = extras_from_doc(doc, &want, err);

    if (kind == STF_OK && registry->backend->write_extras != NULL && node != registry->backend->root(registry->store)) {
        kind = registry->backend->read_extras(registry->store, node, &have, err);
        if (kind == STF_OK && !extras_are(&have, &want)) {
            kind = stf_registry_begin_change(registry, err);
            if (kind == STF_OK)
                kind = registry->backend->write_extras(registry->store, node, &want, err);
        }
    }
    stf_registry_extras_fini(&have);
    stf_registry_extras_fini(&want);
    return kind;
}

static enum stf_kind write_key(struct stf_registry *registry, stf_registry_node node, size_t depth, const json_t *doc,
                               struct stf_err *err)
{
    static const char *const known[] = {"values", "keys", "extras", NULL};
    const json_t *values = json_object_get(doc, "values");
    const json_t *keys = json_object_get(doc, "keys");
    enum stf_kind kind = stf_doc_check_keys(doc, known, "a registry key", err);

    if (kind != STF_OK)
        return kind;
    if (!json_is_array(values) || !json_is_object(keys))
        return bad_doc(err, "it needs a list `values` and an object `keys`");
    if (depth > STF_REGISTRY_DEPTH_MAX)
        return bad_doc(err, "it is too deep");
    kind = write_values(registry, node, values, err);
    if (kind == STF_OK) /* before the subkeys, whose security it may be */
        kind = write_extras(registry, node, json_object_get(doc, "extras"), err);
    return kind == STF_OK ? write_subkeys(registry, node, depth, keys, err) : kind;
}

enum stf_kind stf_registry_node_write(struct stf_registry *registry, stf_registry_node node, const json_t *doc,
                                      struct stf_err *err)
{
    return write_key(registry, node, 0, doc, err);
}

/* A key that is absent, of the class that its document says; those above it that are missing have none. */
static enum stf_kind create_key(struct stf_registry *registry, const char *key, const json_t *doc,
                                stf_registry_node *node, struct stf_err *err)
{
    const char *name = stf_registry_last_name(key);
    stf_registry_node parent;
    char *above;
    enum stf_kind kind;

    if (registry->backend->create_key_of_class == NULL)
        return stf_registry_find_or_create(registry, key, node, err);
    above = strndup(key, name > key ? (size_t)(name - key) - 1 : 0);
    kind = above != NULL ? stf_registry_check_key_name(name, err) : no_memory(err);
    if (kind == STF_OK)
        kind = stf_registry_find_or_create(registry, above, &parent, err);
    free(above);
    return kind == STF_OK ? stf_registry_node_create(registry, parent, name, doc, node, err) : kind;
}

enum stf_kind stf_registry_tree_write(struct stf_registry *registry, const char *key, const json_t *doc,
                                      struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    if (kind == STF_NOT_FOUND)
        kind = create_key(registry, key, doc, &node, err);
    return kind == STF_OK ? write_key(registry, node, 0, doc, err) : kind;
}

static bool has_extras(const json_t *doc)
{
    const char *name;
    json_t *subkey;

    if (json_object_get(doc, "extras") != NULL)
        return true;
    json_object_foreach (json_object_get(doc, "keys"), name, subkey)
        if (has_extras(subkey))
            return true;
    return false;
}

static bool copy_extras(json_t *doc, const json_t *now)
{
    const char *name;
    json_t *subkey;
    json_t *extras = json_object_get(now, "extras");
    bool is_copied = extras == NULL || json_object_set(doc, "extras", extras) == 0;

    json_object_foreach (json_object_get(doc, "keys"), name, subkey)
        is_copied = is_copied && copy_extras(subkey, json_object_get(json_object_get(now, "keys"), name));
    return is_copied;
}

enum stf_kind stf_registry_tree_keep_extras(json_t *doc, const json_t *now, struct stf_err *err)
{
    return has_extras(doc) || copy_extras(doc, now) ? STF_OK : no_memory(err);
}

enum stf_kind stf_registry_tree_check_extras(const struct stf_registry *registry, const json_t *doc,
                                             struct stf_err *err)
{
    if (registry->backend->write_extras != NULL || !has_extras(doc))
        return STF_OK;
    return stf_err_set(err, STF_UNSUPPORTED, 0, "write", registry->backend->name,
                       "the keys have class names, security descriptors or flags of their own, which a store of the "
                       "kind %s does not keep",
                       registry->backend->name);
}

enum stf_kind stf_registry_extras_read(struct stf_registry *registry, const char *key, json_t **doc,
                                       struct stf_err *err)
{
    struct stf_registry_extras extras = {0};
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    *doc = NULL;
    if (kind == STF_OK && registry->backend->read_extras != NULL)
        kind = registry->backend->read_extras(registry->store, node, &extras, err);
    if (kind == STF_OK) {
        *doc = json_object();
        kind = *doc != NULL && extras_to_doc(&extras, *doc) ? STF_OK : no_memory(err);
    }
    if (kind != STF_OK) {
        json_decref(*doc);
        *doc = NULL;
    }
    stf_registry_extras_fini(&extras);
    return kind;
}
