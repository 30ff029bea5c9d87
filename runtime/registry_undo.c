/* registry_undo.c - states of registry resources become .reg edits (registry_undo.h). Must never guess: a key without a
 * root is an error, since regedit has no place for it. SPDX-License-Identifier: MIT */
#include "registry_undo.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "registry/patch.h"
#include "registry/place.h"
#include "registry/tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "undo", NULL, "not enough memory");
}

/* ---- edits ---- */

static enum stf_kind add_key(struct stf_reg_edits *edits, enum stf_reg_edit_kind kind, const char *key,
                             struct stf_err *err)
{
    const struct stf_reg_edit edit = {.kind = kind, .key = key, .value = {.name = ""}};
    return stf_reg_edits_add(edits, &edit, err);
}

/* The value as it was; `state` is null, or has "existing_keys", where there was none. */
static enum stf_kind add_value(struct stf_reg_edits *edits, const char *key, const char *name, const json_t *state,
                               struct stf_err *err)
{
    struct stf_reg_edit edit = {.kind = STF_REG_DELETE_VALUE, .key = key, .value = {.name = (char *)name}};
    const char *spelling = json_string_value(json_object_get(state, "name"));
    if (!json_object_get(state, "type"))
        return stf_reg_edits_add(edits, &edit, err);
    edit.kind = STF_REG_SET_VALUE;
    enum stf_kind kind = stf_registry_value_from_doc(state, spelling ? spelling : name, &edit.value, err);
    if (kind == STF_OK)
        kind = stf_reg_edits_add(edits, &edit, err);
    stf_registry_value_fini(&edit.value);
    return kind;
}

static char *join(const char *key, const char *name)
{
    char *joined;
    return asprintf(&joined, "%s%s%s", key, *key ? "\\" : "", name) < 0 ? NULL : joined;
}

/* A key with all that was in it: tree.h's document. */
static enum stf_kind add_tree(struct stf_reg_edits *edits, const char *key, const json_t *tree, struct stf_err *err)
{
    enum stf_kind kind = add_key(edits, STF_REG_CREATE_KEY, key, err);
    size_t index;
    const char *name;
    json_t *item;
    json_array_foreach (json_object_get(tree, "values"), index, item)
        if (kind == STF_OK)
            kind = add_value(edits, key, json_string_value(json_object_get(item, "name")), item, err);
    json_object_foreach (json_object_get(tree, "keys"), name, item) {
        char *below = kind == STF_OK ? join(key, name) : NULL;
        if (kind == STF_OK)
            kind = below ? add_tree(edits, below, item, err) : no_memory(err);
        free(below);
    }
    return kind;
}

/* ---- resources ---- */

/* One change with its key in full, the root by its long name. */
struct item {
    const struct stf_change *change;
    const struct stf_host *host;
    char *key;
    size_t mount_size; /* how much of the key is the root of its store */
};

static enum stf_kind item_init(struct item *item, const struct stf_change *change, const struct stf_host *host,
                               struct stf_err *err)
{
    const char *key = json_string_value(json_object_get(change->id, "key"));
    const char *rest, *below = NULL;
    struct stf_registry_location location;
    *item = (struct item){.change = change, .host = host};
    enum stf_kind kind = stf_registry_host_store(host, key, &location, &below, err);
    bool is_whole = location.is_whole;
    stf_registry_location_fini(&location);
    if (kind != STF_OK)
        return kind;
    const char *root = stf_registry_root_long_name(key, &rest);
    if (!root && !(is_whole && *key == '\0'))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "undo", key,
                           "the key '%s' of %s has no root for a .reg file: the run was made without a --mount", key,
                           host->name);
    if (asprintf(&item->key, "%s%s%s", root ? root : "", root && *rest ? "\\" : "", root ? rest : "") < 0)
        return no_memory(err);
    item->mount_size = strlen(item->key) - strlen(is_whole ? item->key : below);
    return STF_OK;
}

/* The key that has to go so that only `existing` below the store's root stand: the first one that the run made. */
static enum stf_kind delete_made_keys(struct stf_reg_edits *edits, const struct item *item, size_t existing,
                                      struct stf_err *err)
{
    char *key = strdup(item->key);
    char *end = key ? key + item->mount_size : NULL;
    if (!key)
        return no_memory(err);
    for (size_t i = 0; i <= existing && *end; i++)
        end += strcspn(end + (*end == '\\'), "\\") + (*end == '\\');
    *end = '\0';
    enum stf_kind kind = add_key(edits, STF_REG_DELETE_KEY, key, err);
    free(key);
    return kind;
}

static enum stf_kind undo_value(struct stf_reg_edits *edits, const struct item *item, struct stf_err *err)
{
    const json_t *before = item->change->before;
    const json_t *existing = json_object_get(before, "existing_keys");
    if (existing)
        return delete_made_keys(edits, item, (size_t)json_integer_value(existing), err);
    return add_value(edits, item->key, json_string_value(json_object_get(item->change->id, "name")), before, err);
}

static enum stf_kind undo_key(struct stf_reg_edits *edits, const struct item *item, struct stf_err *err)
{
    const json_t *before = item->change->before;
    const json_t *existing = json_object_get(before, "existing_keys");
    if (existing)
        return delete_made_keys(edits, item, (size_t)json_integer_value(existing), err);
    enum stf_kind kind = STF_OK;
    if (!json_is_true(json_object_get(before, "exists"))) /* a key's presence says nothing of what is in it */
        kind = add_key(edits, STF_REG_DELETE_KEY, item->key, err);
    return kind == STF_OK && json_is_object(before) ? add_tree(edits, item->key, before, err) : kind;
}

/* A state of a patch, which is a tree where its values are a list: the patch has made that key anew. */
static enum stf_kind undo_part(struct stf_reg_edits *edits, const char *key, const json_t *before, struct stf_err *err)
{
    const json_t *values = json_object_get(before, "values");
    bool is_tree = json_is_array(values);
    enum stf_kind kind = STF_OK;
    const char *name;
    json_t *item;
    if (json_is_null(before) || is_tree)
        kind = add_key(edits, STF_REG_DELETE_KEY, key, err);
    if (kind != STF_OK || json_is_null(before))
        return kind;
    if (is_tree)
        return add_tree(edits, key, before, err);
    json_object_foreach ((json_t *)values, name, item)
        if (kind == STF_OK)
            kind = add_value(edits, key, name, item, err);
    json_object_foreach (json_object_get(before, "keys"), name, item) {
        char *below = kind == STF_OK ? join(key, name) : NULL;
        if (kind == STF_OK)
            kind = below ? undo_part(edits, below, item, err) : no_memory(err);
        free(below);
    }
    return kind;
}

static enum stf_kind undo_patch(struct stf_reg_edits *edits, const struct item *item, struct stf_err *err)
{
    const char *mount = item->mount_size > 0 ? item->key : "";
    const char *text = json_string_value(json_object_get(item->change->id, "patch"));
    struct stf_registry_patch *patch = NULL;
    if (!json_is_true(item->change->before))
        return undo_part(edits, mount, item->change->before, err);
    enum stf_kind kind = stf_registry_patch_parse(text ? text : "", &patch, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_edits(patch, mount, edits, err);
    stf_registry_patch_free(patch);
    return kind;
}

static const struct {
    const char *resource;
    enum stf_kind (*undo)(struct stf_reg_edits *edits, const struct item *item, struct stf_err *err);
} undoers[] = {
    {"registry.value", undo_value},
    {"registry.key", undo_key},
    {"registry.presence", undo_key},
    {"registry.patch", undo_patch},
};

/* ---- the run ---- */

static enum stf_kind find_host(const json_t *hosts, const char *name, struct stf_host *host, struct stf_err *err)
{
    size_t index;
    json_t *row;
    json_array_foreach (hosts, index, row) {
        *host = (struct stf_host){
            .name = json_string_value(json_object_get(row, "name")),
            .config = json_object_get(row, "config"),
            .site_dir = json_string_value(json_object_get(row, "site_dir")),
        };
        if (strcmp(host->name, name) == 0)
            return STF_OK;
    }
    return stf_err_set(err, STF_NOT_FOUND, 0, "undo", name, "the run has no record of the host %s", name);
}

/* NULL for a resource of another binding. */
static enum stf_kind (*undoer_of(const char *resource))(struct stf_reg_edits *, const struct item *, struct stf_err *)
{
    for (size_t i = 0; i < sizeof undoers / sizeof *undoers; i++)
        if (strcmp(undoers[i].resource, resource) == 0)
            return undoers[i].undo;
    return NULL;
}

static bool is_to_undo(const struct stf_change *change, int64_t run)
{
    bool is_own_undo = change->undoes != 0 && stf_journal_run_of(change->undoes) == run;
    return change->state != STF_CHANGE_UNDONE && !is_own_undo && undoer_of(change->resource);
}

static enum stf_kind undo_change(struct stf_reg_edits *edits, const struct stf_change *change, const json_t *hosts,
                                 struct stf_err *err)
{
    struct stf_host host;
    struct item item = {0};
    enum stf_kind kind = find_host(hosts, change->host, &host, err);
    if (kind == STF_OK)
        kind = item_init(&item, change, &host, err);
    if (kind == STF_OK)
        kind = undoer_of(change->resource)(edits, &item, err);
    free(item.key);
    return kind;
}

static enum stf_kind undo_all(const struct stf_change_list *list, const json_t *hosts, int64_t run, const char *only,
                              struct stf_reg_edits *edits, struct stf_err *err)
{
    const char *host = only;
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; kind == STF_OK && i < list->count; i++) {
        const struct stf_change *change = &list->items[i];
        if (!is_to_undo(change, run) || (only && strcmp(change->host, only) != 0))
            continue;
        host = host ? host : change->host;
        if (strcmp(host, change->host) != 0)
            return stf_err_set(err, STF_INVALID_DATA, 0, "undo", change->host,
                               "run %" PRId64 " has changed the registries of several hosts, %s and %s among them: "
                               "--host names one",
                               run, host, change->host);
        kind = undo_change(edits, change, hosts, err);
    }
    if (kind == STF_OK && edits->count == 0)
        return stf_err_set(err, STF_NOT_FOUND, 0, "undo", only,
                           "run %" PRId64 " has changed nothing in a registry%s%s that is not undone already", run,
                           only ? " of " : "", only ? only : "");
    return kind;
}

enum stf_kind stf_registry_undo_edits(struct stf_journal *journal, int64_t run, const char *host,
                                      struct stf_reg_edits *edits, struct stf_err *err)
{
    struct stf_change_list list;
    json_t *hosts = NULL;
    enum stf_kind kind = stf_journal_changes(journal, run, &list, err);
    if (kind == STF_OK)
        kind = stf_journal_hosts(journal, run, &hosts, err);
    if (kind == STF_OK)
        kind = undo_all(&list, hosts, run, host, edits, err);
    stf_change_list_fini(&list);
    json_decref(hosts);
    return kind;
}
