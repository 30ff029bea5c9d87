/* scope.c - reads and writes the part of a store that a patch alters, its scope, with one list of subkeys and one of
 * values for each key that has something to do. Must never touch what is outside it. SPDX-License-Identifier: MIT */

#include <stdlib.h>
#include <string.h>

#include "registry/patch_tree.h"
#include "registry/tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "patch", NULL, "memory is out");
}

static enum stf_kind bad_doc(const char *name, struct stf_err *err)
{
    return stf_err_set(
        err, STF_INVALID_DATA, 0, "patch", name,
        "the registry patch, or its state, is wrong at %s: a patch names control sets themselves, and a state is "
        "true or has what its patch names",
        *name != '\0' ? name : "the root");
}

/* ---- finding ---- */

/* A key of the store with its lists, the subkeys sorted by name. */
struct contents {
    struct stf_registry *registry;
    stf_registry_node node;
    bool is_root;
    bool has_subkeys; /* else they are asked for one by one */
    struct stf_registry_subkeys subkeys;
    struct stf_registry_values values;
};

static void contents_fini(struct contents *contents)
{
    stf_registry_subkeys_fini(&contents->subkeys);
    stf_registry_values_fini(&contents->values);
}

/* To look up so many subkeys costs more than to list all. */
enum { LISTED_FROM = 16 };

/* Lists what the scope asks for; all when it is NULL. Fini in either case. */
static enum stf_kind contents_init(struct contents *contents, struct stf_registry *registry, stf_registry_node node,
                                   bool is_root, const struct stf_keytree_key *scope, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    *contents = (struct contents){.registry = registry, .node = node, .is_root = is_root};
    contents->has_subkeys = scope == NULL || registry->backend->find_key == NULL || scope->keys.count >= LISTED_FROM;
    if (contents->has_subkeys && (scope == NULL || scope->keys.count > 0))
        kind = registry->backend->subkeys(registry->store, node, &contents->subkeys, err);
    if (kind == STF_OK && (scope == NULL || scope->values.count > 0))
        kind = registry->backend->values(registry->store, node, &contents->values, err);
    stf_registry_subkeys_sort(&contents->subkeys);
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

/* A patch names the control set itself: what CurrentControlSet stands for may change until it is undone. */
static bool is_name(const struct contents *contents, const char *name)
{
    return !contents->is_root || !stf_registry_is_control_set(contents->registry, name);
}

/* *spelling is NULL when the key is absent, else malloc'ed. */
static enum stf_kind find_subkey(const struct contents *contents, const char *name, stf_registry_node *node,
                                 char **spelling, struct stf_err *err)
{
    struct stf_registry *registry = contents->registry;
    const struct stf_registry_subkey *found;
    enum stf_kind kind;

    *spelling = NULL;
    if (!is_name(contents, name))
        return bad_doc(name, err);
    if (!contents->has_subkeys) {
        kind = registry->backend->find_key(registry->store, contents->node, name, node, spelling, err);
        return kind == STF_NOT_FOUND ? STF_OK : kind;
    }
    found = contents->subkeys.count > 0 ? bsearch(name, contents->subkeys.items, contents->subkeys.count,
                                                  sizeof(contents->subkeys.items[0]), compare_subkey)
                                        : NULL;
    if (found == NULL)
        return STF_OK;
    *node = found->node;
    *spelling = strdup(found->name);
    return *spelling != NULL ? STF_OK : no_memory(err);
}

/* The values must have been sorted. */
static const struct stf_registry_value *find_value(const struct contents *contents, const char *name)
{
    return contents->values.count > 0 ? bsearch(name, contents->values.items, contents->values.count,
                                                sizeof(contents->values.items[0]), compare_value)
                                      : NULL;
}

/* ---- comparing ---- */

static size_t count_set(const struct stf_keytree_key *scope)
{
    size_t count = 0;

    for (size_t i = 0; i < scope->values.count; i++)
        count += stf_keytree_value_at(scope, i)->data != NULL;
    return count;
}

/* What the patch has for the value. It is at `likely` where the patch made the key, for stores keep the order. */
static const struct stf_keytree_value *find_named(const struct stf_keytree_key *scope, size_t likely, const char *name)
{
    const struct stf_keytree_value *value = likely < scope->values.count ? stf_keytree_value_at(scope, likely) : NULL;

    return value != NULL && strcmp(value->item.name, name) == 0 ? value : stf_keytree_find_value(scope, name);
}

/* Whether all values that the patch sets stand so, and none that it deletes. */
static bool are_values(const struct contents *contents, const struct stf_keytree_key *scope)
{
    size_t count = 0;

    for (size_t i = 0; i < contents->values.count; i++) {
        const struct stf_registry_value *found = &contents->values.items[i];
        const struct stf_keytree_value *named = find_named(scope, i, found->name);
        if (named != NULL) {
            const struct stf_registry_value wanted = stf_keytree_borrow(named);
            if (wanted.data == NULL || !stf_registry_value_equal(found, &wanted))
                return false;
            count++;
        }
    }
    return count == count_set(scope);
}

/* Whether there is nothing in the key but what the patch puts there. */
static enum stf_kind check_nothing_more(const struct contents *contents, const struct stf_keytree_key *scope,
                                        bool *is_so, struct stf_err *err)
{
    size_t keys = 0;

    for (size_t i = 0; i < scope->keys.count; i++)
        keys += stf_keytree_key_at(scope, i)->is_wanted;
    *is_so = count_set(scope) == contents->values.count && keys == contents->subkeys.count;
    return *is_so ? stf_registry_node_is_plain(contents->registry, contents->node, is_so, err) : STF_OK;
}

static enum stf_kind check_key(struct stf_registry *registry, stf_registry_node node, bool is_new,
                               const struct stf_keytree_key *scope, bool *is_so, struct stf_err *err);

static enum stf_kind check_subkey(const struct contents *contents, bool is_new, const struct stf_keytree_key *scope,
                                  bool *is_so, struct stf_err *err)
{
    stf_registry_node node = 0;
    char *spelling = NULL;
    enum stf_kind kind = find_subkey(contents, scope->item.name, &node, &spelling, err);

    is_new = is_new || scope->is_reset;
    if (kind == STF_OK && spelling == NULL) {
        *is_so = !scope->is_wanted;
    } else if (kind == STF_OK) {
        *is_so = !is_new || (scope->is_wanted && strcmp(spelling, scope->item.name) == 0);
        kind = *is_so ? check_key(contents->registry, node, is_new, scope, is_so, err) : STF_OK;
    }
    free(spelling);
    return kind;
}

/* Whether the key is as the patch says; `is_new`: one that it makes anew. */
static enum stf_kind check_key(struct stf_registry *registry, stf_registry_node node, bool is_new,
                               const struct stf_keytree_key *scope, bool *is_so, struct stf_err *err)
{
    struct contents contents;
    enum stf_kind kind = contents_init(&contents, registry, node, scope->parent == NULL, is_new ? NULL : scope, err);

    *is_so = kind == STF_OK && are_values(&contents, scope);
    if (*is_so && is_new)
        kind = check_nothing_more(&contents, scope, is_so, err);
    for (size_t i = 0; i < scope->keys.count && kind == STF_OK && *is_so; i++)
        kind = check_subkey(&contents, is_new, stf_keytree_key_at(scope, i), is_so, err);
    contents_fini(&contents);
    return kind;
}

/* ---- reading ---- */

static enum stf_kind add_name(json_t *doc, const char *asked, const char *stored, struct stf_err *err)
{
    return strcmp(asked, stored) == 0 || json_object_set_new(doc, "name", json_string(stored)) == 0 ? STF_OK
                                                                                                    : no_memory(err);
}

static enum stf_kind read_value(const struct contents *contents, const char *name, json_t *into, struct stf_err *err)
{
    const struct stf_registry_value *value = find_value(contents, name);
    json_t *doc = json_null();
    enum stf_kind kind = STF_OK;

    if (value != NULL) {
        kind = stf_registry_value_to_doc(value, &doc, err);
        if (kind == STF_OK)
            kind = add_name(doc, name, value->name, err);
    }
    if (kind == STF_OK && json_object_set(into, name, doc) != 0)
        kind = no_memory(err);
    json_decref(doc);
    return kind;
}

static enum stf_kind read_part(struct stf_registry *registry, stf_registry_node node,
                               const struct stf_keytree_key *scope, json_t **state, struct stf_err *err);

static enum stf_kind read_subkey(const struct contents *contents, const struct stf_keytree_key *scope, json_t *into,
                                 struct stf_err *err)
{
    const char *name = scope->item.name;
    stf_registry_node node = 0;
    char *spelling = NULL;
    json_t *doc = json_null();
    enum stf_kind kind = find_subkey(contents, name, &node, &spelling, err);

    if (kind == STF_OK && spelling != NULL && scope->is_reset) {
        kind = stf_registry_node_read(contents->registry, node, &doc, err);
        if (kind == STF_OK)
            kind = add_name(doc, name, spelling, err);
    } else if (kind == STF_OK && spelling != NULL) {
        kind = read_part(contents->registry, node, scope, &doc, err);
    }
    if (kind == STF_OK && json_object_set(into, name, doc) != 0)
        kind = no_memory(err);
    json_decref(doc);
    free(spelling);
    return kind;
}

static enum stf_kind read_part(struct stf_registry *registry, stf_registry_node node,
                               const struct stf_keytree_key *scope, json_t **state, struct stf_err *err)
{
    json_t *part = json_pack("{s:{}, s:{}}", "values", "keys");
    struct contents contents;
    enum stf_kind kind = contents_init(&contents, registry, node, scope->parent == NULL, scope, err);

    stf_registry_values_sort(&contents.values);
    if (kind == STF_OK && part == NULL)
        kind = no_memory(err);
    for (size_t i = 0; i < scope->values.count && kind == STF_OK; i++)
        kind = read_value(&contents, stf_keytree_value_at(scope, i)->item.name, json_object_get(part, "values"), err);
    for (size_t i = 0; i < scope->keys.count && kind == STF_OK; i++)
        kind = read_subkey(&contents, stf_keytree_key_at(scope, i), json_object_get(part, "keys"), err);
    contents_fini(&contents);
    if (kind != STF_OK) {
        json_decref(part);
        return kind;
    }
    *state = part;
    return STF_OK;
}

enum stf_kind stf_registry_patch_read(struct stf_registry *registry, const struct stf_registry_patch *patch,
                                      json_t **state, struct stf_err *err)
{
    stf_registry_node root = registry->backend->root(registry->store);
    bool is_so = false;
    enum stf_kind kind = check_key(registry, root, false, patch->root, &is_so, err);

    if (kind == STF_OK && is_so) {
        *state = json_true();
        return STF_OK;
    }
    return kind == STF_OK ? read_part(registry, root, patch->root, state, err) : kind;
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
        if (have != NULL)
            edit->gone[edit->gone_count++] = name;
        return STF_OK;
    }
    kind = json_is_object(state) ? spelling_of(state, name, &spelling, err) : bad_doc(name, err);
    if (kind == STF_OK)
        kind = stf_registry_check_value_name(spelling, err);
    if (kind == STF_OK)
        kind = stf_registry_value_from_doc(state, spelling, &want, err);
    if (kind == STF_OK && have != NULL && strcmp(have->name, spelling) != 0)
        edit->gone[edit->gone_count++] = have->name;
    if (kind == STF_OK && (have == NULL || !stf_registry_value_equal(have, &want)))
        kind = stf_registry_values_add(&edit->set, &want, err);
    stf_registry_value_fini(&want);
    return kind;
}

static enum stf_kind write_values(const struct contents *contents, const struct stf_keytree_key *scope,
                                  const json_t *states, struct stf_err *err)
{
    size_t count = scope->values.count;
    struct value_edit edit = {.gone = calloc(count + 1, sizeof(edit.gone[0]))};
    enum stf_kind kind = edit.gone != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK && json_object_size(states) != count)
        kind = bad_doc("values", err);
    for (size_t i = 0; i < count && kind == STF_OK; i++) {
        const char *name = stf_keytree_value_at(scope, i)->item.name;
        kind = plan_value(contents, name, json_object_get(states, name), &edit, err);
    }
    if (kind == STF_OK && edit.gone_count + edit.set.count > 0) {
        const struct stf_registry_edit change = {edit.gone, edit.gone_count, edit.set.items, edit.set.count};
        struct stf_registry *registry = contents->registry;
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK)
            kind = registry->backend->edit_values(registry->store, contents->node, &change, err);
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
static enum stf_kind check_nothing_else(struct stf_registry *registry, stf_registry_node node,
                                        const struct stf_keytree_key *scope, struct stf_err *err)
{
    struct contents contents;
    size_t value_count = 0;
    size_t key_count = 0;
    enum stf_kind kind = contents_init(&contents, registry, node, false, NULL, err);

    stf_registry_values_sort(&contents.values);
    for (size_t i = 0; i < scope->values.count; i++)
        value_count += find_value(&contents, stf_keytree_value_at(scope, i)->item.name) != NULL;
    for (size_t i = 0; i < scope->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(scope, i);
        char *spelling = NULL;
        stf_registry_node below = 0;
        kind = find_subkey(&contents, subkey->item.name, &below, &spelling, err);
        key_count += spelling != NULL;
        if (kind == STF_OK && spelling != NULL && !subkey->is_reset)
            kind = check_nothing_else(registry, below, subkey, err);
        free(spelling);
    }
    if (kind == STF_OK && (value_count < contents.values.count || key_count < contents.subkeys.count)) {
        kind = something_else(scope->item.name, contents.values.count - value_count, contents.subkeys.count - key_count,
                              err);
    }
    contents_fini(&contents);
    return kind;
}

static enum stf_kind delete_subkey(struct stf_registry *registry, stf_registry_node node,
                                   const struct stf_keytree_key *scope, struct stf_err *err)
{
    enum stf_kind kind = scope->is_reset ? STF_OK : check_nothing_else(registry, node, scope, err);

    if (kind == STF_OK)
        kind = stf_registry_begin_change(registry, err);
    return kind == STF_OK ? registry->backend->delete_key(registry->store, node, err) : kind;
}

static enum stf_kind create_subkey(const struct contents *contents, const char *name, const json_t *state,
                                   stf_registry_node *node, struct stf_err *err)
{
    enum stf_kind kind = stf_registry_check_key_name(name, err);

    return kind == STF_OK ? stf_registry_node_create(contents->registry, contents->node, name, state, node, err) : kind;
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

static enum stf_kind write_part(struct stf_registry *registry, stf_registry_node node,
                                const struct stf_keytree_key *scope, const json_t *state, struct stf_err *err);

/* Brings one subkey that is `stored` so (NULL: absent) to `state`. */
static enum stf_kind write_found(const struct contents *contents, stf_registry_node node, const char *stored,
                                 const struct stf_keytree_key *scope, const json_t *state, struct stf_err *err)
{
    struct stf_registry *registry = contents->registry;
    const char *wanted = scope->item.name;
    bool is_absent = json_is_null(state);
    enum stf_kind kind = scope->is_reset && !is_absent ? spelling_of(state, scope->item.name, &wanted, err) : STF_OK;

    if (kind == STF_OK && stored != NULL && (is_absent || (scope->is_reset && strcmp(stored, wanted) != 0))) {
        kind = delete_subkey(registry, node, scope, err);
        stored = NULL;
    }
    if (kind != STF_OK || is_absent)
        return kind;
    if (stored == NULL)
        kind = create_subkey(contents, wanted, state, &node, err);
    if (kind != STF_OK)
        return kind;
    return scope->is_reset ? write_whole(registry, node, state, err) : write_part(registry, node, scope, state, err);
}

static enum stf_kind write_subkey(const struct contents *contents, const struct stf_keytree_key *scope,
                                  const json_t *state, struct stf_err *err)
{
    const char *name = scope->item.name;
    bool is_sound = json_is_null(state) || json_is_object(state);
    stf_registry_node node = 0;
    char *stored = NULL;
    enum stf_kind kind = is_sound ? find_subkey(contents, name, &node, &stored, err) : bad_doc(name, err);

    if (kind == STF_OK)
        kind = write_found(contents, node, stored, scope, state, err);
    free(stored);
    return kind;
}

static enum stf_kind write_part(struct stf_registry *registry, stf_registry_node node,
                                const struct stf_keytree_key *scope, const json_t *state, struct stf_err *err)
{
    const json_t *states = json_object_get(state, "keys");
    struct contents contents;
    enum stf_kind kind = contents_init(&contents, registry, node, scope->parent == NULL, scope, err);

    stf_registry_values_sort(&contents.values);
    if (kind == STF_OK && json_object_size(states) != scope->keys.count)
        kind = bad_doc("keys", err);
    if (kind == STF_OK)
        kind = write_values(&contents, scope, json_object_get(state, "values"), err);
    for (size_t i = 0; i < scope->keys.count && kind == STF_OK; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(scope, i);
        kind = write_subkey(&contents, subkey, json_object_get(states, subkey->item.name), err);
    }
    contents_fini(&contents);
    return kind;
}

enum stf_kind stf_registry_patch_write(struct stf_registry *registry, const struct stf_registry_patch *patch,
                                       const json_t *state, struct stf_err *err)
{
    if (json_is_true(state))
        return stf_reg_tree_apply(registry, patch->root, err);
    return json_is_object(state)
               ? write_part(registry, registry->backend->root(registry->store), patch->root, state, err)
               : bad_doc("", err);
}
