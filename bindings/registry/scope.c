/* scope.c - reads and writes the part of a store that a patch touches (patch.h), one list of subkeys and one of values
 * for each key that has something to do. Must never touch what is outside the scope. SPDX-License-Identifier: MIT */
#include "registry/patch.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "registry/store.h"
#include "registry/tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "patch", NULL, "memory is out");
}

static enum stf_kind bad_doc(const char *name, struct stf_err *err)
{
    return stf_err_set(
        err, STF_INVALID_DATA, 0, "patch", name,
        "the document of a registry patch is wrong at %s: a scope is true or {values, keys}, and a state "
        "has what its scope has",
        *name != '\0' ? name : "the root");
}

/* ---- finding ---- */

/* A key of the store with its lists, sorted by name. */
struct contents {
    struct stf_registry *registry;
    stf_registry_node node;
    bool is_root;
    struct stf_registry_subkeys subkeys;
    struct stf_registry_values values;
};

static void contents_fini(struct contents *contents)
{
    stf_registry_subkeys_fini(&contents->subkeys);
    stf_registry_values_fini(&contents->values);
}

/* Lists what the scope asks for and the store can not look up by name; all when it is NULL. Fini in either case. */
static enum stf_kind contents_init(struct contents *contents, struct stf_registry *registry, stf_registry_node node,
                                   bool is_root, const json_t *scope, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    *contents = (struct contents){.registry = registry, .node = node, .is_root = is_root};
    if (scope == NULL ||
        (registry->backend->find_key == NULL && json_object_size(json_object_get(scope, "keys")) > 0)) {
        kind = registry->backend->subkeys(registry->store, node, &contents->subkeys, err);
    }
    if (kind == STF_OK && (scope == NULL || json_array_size(json_object_get(scope, "values")) > 0)) {
        kind = registry->backend->values(registry->store, node, &contents->values, err);
    }
    if (kind == STF_OK) {
        stf_registry_subkeys_sort(&contents->subkeys);
        stf_registry_values_sort(&contents->values);
    }
    return kind;
}

static int compare_subkey(const void *name, const void *subkey)
{
    return stf_registry_name_compare(name, ((const struct stf_registry_subkey *)subkey)->name);
}

static int compare_value(const void *name, const void *value)
{
    return stf_registry_name_compare(name, ((const struct stf_registry_value *)value)->name);
}

/* *spelling is NULL when the key is absent, else malloc'ed. */
static enum stf_kind find_subkey(const struct contents *contents, const char *name, stf_registry_node *node,
                                 char **spelling, struct stf_err *err)
{
    struct stf_registry *registry = contents->registry;
    const struct stf_registry_subkey *found;
    enum stf_kind kind;

    *spelling = NULL;
    if (registry->backend->find_key != NULL) {
        kind = registry->backend->find_key(registry->store, contents->node, name, node, spelling, err);
        return kind == STF_NOT_FOUND ? STF_OK : kind;
    }
    found = contents->subkeys.count > 0 ? bsearch(name, contents->subkeys.items, contents->subkeys.count,
                                                  sizeof(contents->subkeys.items[0]), compare_subkey)
                                        : NULL;
    if (found == NULL) {
        return STF_OK;
    }
    *node = found->node;
    *spelling = strdup(found->name);
    return *spelling != NULL ? STF_OK : no_memory(err);
}

static const struct stf_registry_value *find_value(const struct contents *contents, const char *name)
{
    return contents->values.count > 0 ? bsearch(name, contents->values.items, contents->values.count,
                                                sizeof(contents->values.items[0]), compare_value)
                                      : NULL;
}

/* A patch names the control set itself: what CurrentControlSet stands for may change until it is undone. */
static bool is_name(const struct contents *contents, const char *name)
{
    return !contents->is_root || !stf_registry_is_control_set(contents->registry, name);
}

static bool is_scope(const json_t *scope)
{
    return json_is_true(scope) || (json_object_size(scope) == 2 && json_is_array(json_object_get(scope, "values")) &&
                                   json_is_object(json_object_get(scope, "keys")));
}

/* ---- reading ---- */

static enum stf_kind add_name(json_t *doc, const char *asked, const char *stored, struct stf_err *err)
{
    return strcmp(asked, stored) == 0 || json_object_set_new(doc, "name", json_string(stored)) == 0 ? STF_OK
                                                                                                    : no_memory(err);
}

static enum stf_kind read_values(const struct contents *contents, const json_t *names, json_t *into,
                                 struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    size_t i;
    json_t *item;

    json_array_foreach (names, i, item) {
        const char *name = json_string_value(item);
        const struct stf_registry_value *value = name != NULL ? find_value(contents, name) : NULL;
        json_t *doc = json_null();
        if (name == NULL) {
            return bad_doc("values", err);
        }
        if (value != NULL) {
            kind = stf_registry_value_to_doc(value, &doc, err);
            if (kind == STF_OK) {
                kind = add_name(doc, name, value->name, err);
            }
        }
        if (kind == STF_OK && json_object_set(into, name, doc) != 0) {
            kind = no_memory(err);
        }
        json_decref(doc);
        if (kind != STF_OK) {
            break;
        }
    }
    return kind;
}

static enum stf_kind read_part(struct stf_registry *registry, stf_registry_node node, bool is_root, const json_t *scope,
                               json_t **state, struct stf_err *err);

static enum stf_kind read_subkey(const struct contents *contents, const char *name, const json_t *scope, json_t **state,
                                 struct stf_err *err)
{
    stf_registry_node node = 0;
    char *spelling = NULL;
    enum stf_kind kind = is_scope(scope) && is_name(contents, name) ? find_subkey(contents, name, &node, &spelling, err)
                                                                    : bad_doc(name, err);

    if (kind != STF_OK || spelling == NULL) {
        *state = json_null();
        return kind;
    }
    if (json_is_true(scope)) {
        kind = stf_registry_node_read(contents->registry, node, state, err);
        if (kind == STF_OK) {
            kind = add_name(*state, name, spelling, err);
        }
    } else {
        kind = read_part(contents->registry, node, false, scope, state, err);
    }
    free(spelling);
    return kind;
}

static enum stf_kind read_part(struct stf_registry *registry, stf_registry_node node, bool is_root, const json_t *scope,
                               json_t **state, struct stf_err *err)
{
    json_t *part = json_pack("{s:{}, s:{}}", "values", "keys");
    struct contents contents;
    const char *name;
    json_t *below;
    enum stf_kind kind = contents_init(&contents, registry, node, is_root, scope, err);

    if (kind == STF_OK && part == NULL) {
        kind = no_memory(err);
    }
    if (kind == STF_OK) {
        kind = read_values(&contents, json_object_get(scope, "values"), json_object_get(part, "values"), err);
    }
    if (kind != STF_OK) {
        goto out;
    }
    json_object_foreach (json_object_get(scope, "keys"), name, below) {
        json_t *doc = NULL;
        kind = read_subkey(&contents, name, below, &doc, err);
        if (kind == STF_OK && json_object_set(json_object_get(part, "keys"), name, doc) != 0) {
            kind = no_memory(err);
        }
        json_decref(doc);
        if (kind != STF_OK) {
            break;
        }
    }
out:
    contents_fini(&contents);
    if (kind != STF_OK) {
        json_decref(part);
        return kind;
    }
    *state = part;
    return STF_OK;
}

static enum stf_kind check_root_scope(const json_t *scope, struct stf_err *err)
{
    return is_scope(scope) && !json_is_true(scope) ? STF_OK : bad_doc("", err);
}

enum stf_kind stf_registry_scope_read(struct stf_registry *registry, const json_t *scope, json_t **state,
                                      struct stf_err *err)
{
    enum stf_kind kind = check_root_scope(scope, err);

    return kind == STF_OK ? read_part(registry, registry->backend->root(registry->store), true, scope, state, err)
                          : kind;
}

/* ---- writing ---- */

/* The spelling that a document asks for: its "name", which must be another spelling of `name`. */
static enum stf_kind spelling_of(const json_t *doc, const char *name, const char **spelling, struct stf_err *err)
{
    const json_t *given = json_object_get(doc, "name");

    *spelling = given != NULL ? json_string_value(given) : name;
    return *spelling != NULL && stf_registry_name_compare(*spelling, name) == 0 ? STF_OK : bad_doc(name, err);
}

/* What has to be done to the values of one key. */
struct value_edit {
    const char **gone;
    size_t gone_count;
    struct stf_registry_values set;
};

static enum stf_kind plan_value(const struct contents *contents, const char *name, const json_t *state,
                                struct value_edit *edit, struct stf_err *err)
{
    const struct stf_registry_value *have = find_value(contents, name);
    struct stf_registry_value want = {0};
    const char *spelling = NULL;
    enum stf_kind kind;

    if (json_is_null(state)) {
        if (have != NULL) {
            edit->gone[edit->gone_count++] = name;
        }
        return STF_OK;
    }
    kind = json_is_object(state) ? spelling_of(state, name, &spelling, err) : bad_doc(name, err);
    if (kind == STF_OK) {
        kind = stf_registry_check_value_name(spelling, err);
    }
    if (kind == STF_OK) {
        kind = stf_registry_value_from_doc(state, spelling, &want, err);
    }
    if (kind == STF_OK && (have == NULL || !stf_registry_value_equal(have, &want))) {
        kind = stf_registry_values_add(&edit->set, &want, err);
    }
    stf_registry_value_fini(&want);
    return kind;
}

static enum stf_kind write_values(const struct contents *contents, const json_t *names, const json_t *states,
                                  struct stf_err *err)
{
    struct value_edit edit = {.gone = calloc(json_array_size(names) + 1, sizeof(edit.gone[0]))};
    enum stf_kind kind = edit.gone != NULL ? STF_OK : no_memory(err);
    size_t i;
    json_t *name;

    if (kind == STF_OK && json_object_size(states) != json_array_size(names)) {
        kind = bad_doc("values", err);
    }
    for (i = 0; kind == STF_OK && (name = json_array_get(names, i)) != NULL; i++) {
        kind = json_is_string(name) ? plan_value(contents, json_string_value(name),
                                                 json_object_get(states, json_string_value(name)), &edit, err)
                                    : bad_doc("values", err);
    }
    if (kind == STF_OK && edit.gone_count + edit.set.count > 0) {
        const struct stf_registry_edit change = {edit.gone, edit.gone_count, edit.set.items, edit.set.count};
        struct stf_registry *registry = contents->registry;
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK) {
            kind = registry->backend->edit_values(registry->store, contents->node, &change, err);
        }
    }
    free(edit.gone);
    stf_registry_values_fini(&edit.set);
    return kind;
}

static enum stf_kind something_else(const char *name, size_t values, size_t keys, struct stf_err *err)
{
    return stf_err_set(err, STF_CONFLICT, 0, "delete", name,
                       "the key %s would have to go, but something else was put there since (%zu values, %zu subkeys); "
                       "look at it and delete it by hand",
                       name, values, keys);
}

/* A key that the patch made goes again only when there is nothing in it but what the patch put there. */
static enum stf_kind check_nothing_else(struct stf_registry *registry, stf_registry_node node, const char *name,
                                        const json_t *scope, struct stf_err *err)
{
    const json_t *names = json_object_get(scope, "values");
    struct contents contents;
    size_t value_count = 0;
    size_t key_count = 0;
    const char *key;
    json_t *item;
    enum stf_kind kind = contents_init(&contents, registry, node, false, NULL, err);

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *value = json_string_value(json_array_get(names, i));
        value_count += value != NULL && find_value(&contents, value) != NULL;
    }
    json_object_foreach (json_object_get(scope, "keys"), key, item) {
        char *spelling = NULL;
        stf_registry_node below = 0;
        if (kind == STF_OK) {
            kind = find_subkey(&contents, key, &below, &spelling, err);
        }
        key_count += spelling != NULL;
        if (kind == STF_OK && spelling != NULL && !json_is_true(item)) {
            kind = check_nothing_else(registry, below, key, item, err);
        }
        free(spelling);
    }
    if (kind == STF_OK && (value_count < contents.values.count || key_count < contents.subkeys.count)) {
        kind = something_else(name, contents.values.count - value_count, contents.subkeys.count - key_count, err);
    }
    contents_fini(&contents);
    return kind;
}

static enum stf_kind delete_subkey(struct stf_registry *registry, stf_registry_node node, const char *name,
                                   const json_t *scope, struct stf_err *err)
{
    enum stf_kind kind = json_is_true(scope) ? STF_OK : check_nothing_else(registry, node, name, scope, err);

    if (kind == STF_OK) {
        kind = stf_registry_begin_change(registry, err);
    }
    return kind == STF_OK ? registry->backend->delete_key(registry->store, node, err) : kind;
}

static enum stf_kind create_subkey(const struct contents *contents, const char *name, stf_registry_node *node,
                                   struct stf_err *err)
{
    struct stf_registry *registry = contents->registry;
    enum stf_kind kind;

    kind = stf_registry_check_key_name(name, err);
    if (kind == STF_OK) {
        kind = stf_registry_begin_change(registry, err);
    }
    return kind == STF_OK ? registry->backend->create_key(registry->store, contents->node, name, node, err) : kind;
}

static enum stf_kind write_whole(struct stf_registry *registry, stf_registry_node node, const json_t *state,
                                 struct stf_err *err)
{
    json_t *tree = json_copy((json_t *)state);
    enum stf_kind kind;

    if (tree == NULL ||
        json_object_size(tree) != json_object_size(state)) { /* jansson drops what it has no memory for */
        json_decref(tree);
        return no_memory(err);
    }
    json_object_del(tree, "name");
    kind = stf_registry_node_write(registry, node, tree, err);
    json_decref(tree);
    return kind;
}

static enum stf_kind write_part(struct stf_registry *registry, stf_registry_node node, bool is_root, size_t depth,
                                const json_t *scope, const json_t *state, struct stf_err *err);

/* Brings one subkey that is `stored` so (NULL: absent) to `state`. */
static enum stf_kind write_found(const struct contents *contents, stf_registry_node node, const char *stored,
                                 size_t depth, const char *name, const json_t *scope, const json_t *state,
                                 struct stf_err *err)
{
    struct stf_registry *registry = contents->registry;
    const char *wanted = name;
    bool is_whole = json_is_true(scope);
    bool is_absent = json_is_null(state);
    enum stf_kind kind = is_whole && !is_absent ? spelling_of(state, name, &wanted, err) : STF_OK;

    if (kind == STF_OK && stored != NULL && (is_absent || (is_whole && strcmp(stored, wanted) != 0))) {
        kind = delete_subkey(registry, node, name, scope, err);
        stored = NULL;
    }
    if (kind != STF_OK || is_absent) {
        return kind;
    }
    if (stored == NULL) {
        kind = create_subkey(contents, wanted, &node, err);
    }
    if (kind != STF_OK) {
        return kind;
    }
    return is_whole ? write_whole(registry, node, state, err)
                    : write_part(registry, node, false, depth + 1, scope, state, err);
}

static enum stf_kind write_subkey(const struct contents *contents, size_t depth, const char *name, const json_t *scope,
                                  const json_t *state, struct stf_err *err)
{
    bool is_sound = is_scope(scope) && is_name(contents, name) && (json_is_null(state) || json_is_object(state));
    stf_registry_node node = 0;
    char *stored = NULL;
    enum stf_kind kind = is_sound ? find_subkey(contents, name, &node, &stored, err) : bad_doc(name, err);

    if (kind == STF_OK) {
        kind = write_found(contents, node, stored, depth, name, scope, state, err);
    }
    free(stored);
    return kind;
}

static enum stf_kind write_part(struct stf_registry *registry, stf_registry_node node, bool is_root, size_t depth,
                                const json_t *scope, const json_t *state, struct stf_err *err)
{
    const json_t *keys = json_object_get(scope, "keys");
    const json_t *states = json_object_get(state, "keys");
    struct contents contents;
    const char *name;
    json_t *below;
    enum stf_kind kind = contents_init(&contents, registry, node, is_root, scope, err);

    if (kind == STF_OK && (depth > STF_REGISTRY_DEPTH_MAX || json_object_size(keys) != json_object_size(states))) {
        kind = bad_doc("keys", err);
    }
    if (kind == STF_OK) {
        kind = write_values(&contents, json_object_get(scope, "values"), json_object_get(state, "values"), err);
    }
    if (kind == STF_OK) {
        json_object_foreach ((json_t *)keys, name, below) {
            kind = write_subkey(&contents, depth, name, below, json_object_get(states, name), err);
            if (kind != STF_OK) {
                break;
            }
        }
    }
    contents_fini(&contents);
    return kind;
}

enum stf_kind stf_registry_scope_write(struct stf_registry *registry, const json_t *scope, const json_t *state,
                                       struct stf_err *err)
{
    enum stf_kind kind = check_root_scope(scope, err);

    if (kind == STF_OK && !json_is_object(state)) {
        kind = bad_doc("", err);
    }
    return kind == STF_OK ? write_part(registry, registry->backend->root(registry->store), true, 0, scope, state, err)
                          : kind;
}
