/* binding.c - the registry as the runtime sees it: two verbs to look, two resources to change, and where a host's
 * stores are (host.registry in site.lua). Each call opens the store, does one thing, commits once.
 * SPDX-License-Identifier: MIT */
#include <staffetta/binding.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "registry/diff.h"
#include "registry/import.h"
#include "registry/part.h"
#include "registry/patch.h"
#include "registry/place.h"
#include "registry/registry.h"
#include "registry/snapshot.h"
#include "registry/spelling.h"
#include "registry/tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "memory is out");
}

/* ---- what a call is about ---- */

struct target {
    const char *key;   /* these point into the arguments or the id */
    const char *below; /* the key under the store's root */
    struct stf_registry *registry;
};

static enum stf_kind target_open(struct target *target, const struct stf_host *host, const json_t *doc,
                                 enum stf_registry_mode mode, struct stf_err *err)
{
    struct stf_registry_location location = {0};
    enum stf_kind kind = stf_doc_string(doc, "key", &target->key, err);

    if (kind == STF_OK)
        kind = stf_registry_host_store(host, target->key, &location, &target->below, err);
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, mode, &target->registry, err);
    stf_registry_location_fini(&location);
    return kind;
}

/* The members of `doc`, which are those that are in `known`, and the store of its key. */
static enum stf_kind open_for(struct target *target, const struct stf_host *host, const json_t *doc,
                              const char *const known[], const char *what, enum stf_registry_mode mode,
                              struct stf_err *err)
{
    enum stf_kind kind = stf_doc_check_keys(doc, known, what, err);

    *target = (struct target){0};
    return kind == STF_OK ? target_open(target, host, doc, mode, err) : kind;
}

static const char *const key_members[] = {"key", NULL};
static const char *const key_id_members[] = {"key", "times", NULL};
static const char *const value_members[] = {"key", "name", NULL};

static enum stf_kind open_value(struct target *target, const struct stf_host *host, const json_t *id,
                                enum stf_registry_mode mode, const char **name, struct stf_err *err)
{
    enum stf_kind kind = stf_doc_check_keys(id, value_members, "registry.value", err);

    *target = (struct target){0};
    if (kind == STF_OK)
        kind = stf_doc_string(id, "name", name, err);
    return kind == STF_OK ? target_open(target, host, id, mode, err) : kind;
}

static void target_close(struct target *target)
{
    stf_registry_close(target->registry);
}

/* Commits what was done, if it was. */
static enum stf_kind target_finish(struct target *target, enum stf_kind kind, struct stf_err *err)
{
    if (kind == STF_OK)
        kind = stf_registry_commit(target->registry, err);
    target_close(target);
    return kind;
}

/* ---- verbs ---- */

/* An absent key is an answer, not a failure: JSON null. */
static enum stf_kind absent_is_null(enum stf_kind kind, json_t **result)
{
    if (kind == STF_NOT_FOUND) {
        *result = json_null();
        return STF_OK;
    }
    return kind;
}

static enum stf_kind listing_to_doc(const struct stf_registry_listing *listing, json_t **result, struct stf_err *err)
{
    json_t *doc = json_pack("{s:[], s:[]}", "keys", "values");
    enum stf_kind kind = doc != NULL ? STF_OK : no_memory(err);

    for (size_t i = 0; i < listing->key_count && kind == STF_OK; i++) {
        kind = json_array_append_new(json_object_get(doc, "keys"), json_string(listing->keys[i])) == 0 ? STF_OK
                                                                                                       : no_memory(err);
    }
    for (size_t i = 0; i < listing->value_count && kind == STF_OK; i++) {
        json_t *value;
        kind = stf_registry_value_to_doc(&listing->values[i], &value, err);
        if (kind == STF_OK && (json_object_set_new(value, "name", json_string(listing->values[i].name)) != 0 ||
                               json_array_append(json_object_get(doc, "values"), value) != 0))
            kind = no_memory(err);
        json_decref(value);
    }
    if (kind != STF_OK) {
        json_decref(doc);
        return kind;
    }
    *result = doc;
    return STF_OK;
}

static enum stf_kind list_keys(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    struct stf_registry_listing listing = {0};
    struct target target;
    enum stf_kind kind = open_for(&target, host, args, key_members, "registry.list", STF_REGISTRY_READ, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    kind = stf_registry_list(target.registry, target.below, &listing, err);
    if (kind == STF_OK)
        kind = listing_to_doc(&listing, result, err);
    stf_registry_listing_fini(&listing);
    target_close(&target);
    return absent_is_null(kind, result);
}

static enum stf_kind read_tree(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    struct target target;
    enum stf_kind kind = open_for(&target, host, args, key_members, "registry.tree", STF_REGISTRY_READ, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    kind = stf_registry_tree_read(target.registry, target.below, result, err);
    target_close(&target);
    return absent_is_null(kind, result);
}

/* Text that snapshot_parse reads; null when the key is absent. */
static enum stf_kind snapshot_key(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    struct stf_registry_snapshot data = {.store = host->name, .program = "staffetta"};
    json_t *tree = NULL;
    json_t *snapshot = NULL;
    char *text = NULL;
    enum stf_kind kind = read_tree(self, host, args, &tree, err);

    if (kind != STF_OK || json_is_null(tree)) {
        *result = tree;
        return kind;
    }
    data.key = json_string_value(json_object_get(args, "key"));
    data.tree = tree;
    kind = stf_registry_snapshot_make(&data, &snapshot, err);
    if (kind == STF_OK) {
        text = json_dumps(snapshot, JSON_COMPACT | JSON_SORT_KEYS);
        *result = text != NULL ? json_string(text) : NULL;
        kind = *result != NULL ? STF_OK : no_memory(err);
    }
    free(text);
    json_decref(snapshot);
    json_decref(tree);
    return kind;
}

/* A store in memory that has `tree` at its key "tree". */
static enum stf_kind open_tree(const json_t *tree, struct stf_registry_memory *memory, struct stf_registry **registry,
                               struct stf_err *err)
{
    const struct stf_registry_place place = {.memory = memory};
    enum stf_kind kind =
        memory != NULL ? stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, registry, err)
                       : no_memory(err);

    return kind == STF_OK ? stf_registry_tree_write(*registry, "tree", tree, err) : kind;
}

/* What is different now from what a snapshot has: diff.h's list, the snapshot being the first. */
static enum stf_kind diff_key(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                              struct stf_err *err)
{
    static const char *const known[] = {"key", "snapshot", NULL};
    struct stf_registry_side first = {.key = "tree"};
    struct stf_registry_side second = {0};
    struct stf_registry_memory *memory = NULL;
    struct stf_registry_diff diff = {0};
    struct target target;
    const char *text = NULL;
    const char *taken_at;
    const json_t *tree;
    json_t *snapshot = NULL;
    enum stf_kind kind = open_for(&target, host, args, known, "registry.diff", STF_REGISTRY_READ, err);

    (void)self;
    if (kind == STF_OK)
        kind = stf_doc_string(args, "snapshot", &text, err);
    if (kind == STF_OK)
        kind = stf_registry_snapshot_parse(text, strlen(text), "the snapshot", &snapshot, &taken_at, &tree, err);
    if (kind == STF_OK) {
        memory = stf_registry_memory_new();
        kind = open_tree(tree, memory, &first.registry, err);
    }
    if (kind == STF_OK) {
        second = (struct stf_registry_side){target.registry, target.below};
        kind = stf_registry_diff(&first, &second, &diff, err);
    }
    if (kind == STF_OK)
        kind = stf_registry_diff_to_doc(&diff, target.key, result, err);
    stf_registry_diff_fini(&diff);
    target_close(&target);
    stf_registry_close(first.registry);
    stf_registry_memory_free(memory);
    json_decref(snapshot);
    return kind;
}

/* .reg text (its bytes as hex) as the one change that it is: {"id", "state"} of registry.patch. */
static enum stf_kind import_text(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    static const char *const known[] = {"data", NULL};
    struct stf_reg_edits edits = {0};
    const char *hex = NULL;
    uint8_t *bytes = NULL;
    size_t size = 0;
    json_t *changes = NULL;
    enum stf_kind kind = stf_doc_check_keys(args, known, "registry.import", err);

    if (kind == STF_OK)
        kind = stf_doc_string(args, "data", &hex, err);
    if (kind == STF_OK)
        kind = stf_hex_to_bytes(hex, &bytes, &size, err);
    if (kind == STF_OK)
        kind = stf_reg_parse(bytes, size, "the .reg text", &edits, err);
    if (kind == STF_OK)
        kind = stf_registry_import(self, host, &edits, &changes, err);
    if (kind == STF_OK && json_array_size(changes) > 1) {
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "apply_reg", host->name,
                           "the .reg text is for %zu stores of the host %s, and a change is of one: apply it in parts",
                           json_array_size(changes), host->name);
    }
    if (kind == STF_OK)
        *result = json_array_size(changes) > 0 ? json_incref(json_array_get(changes, 0)) : json_null();
    json_decref(changes);
    stf_reg_edits_fini(&edits);
    free(bytes);
    return kind;
}

/* ---- what the two resources share ---- */

/* Of an absent thing: JSON null when all keys above it stand, else {"existing_keys": n}, how many of them do. So
 * undoing its creation deletes exactly the keys that were made. `missing` is how many of the key's last components can
 * not stand while it is absent: 1 when the thing is the key itself. */
static enum stf_kind absent_to_doc(struct target *target, size_t missing, json_t **state, struct stf_err *err)
{
    size_t existing = 0;
    size_t components = 0;
    enum stf_kind kind = stf_registry_existing(target->registry, target->below, &existing, &components, NULL, err);

    if (kind != STF_OK)
        return kind;
    *state = existing + missing == components ? json_null() : json_pack("{s:I}", "existing_keys", (json_int_t)existing);
    return *state != NULL ? STF_OK : no_memory(err);
}

static bool is_absent(const json_t *state)
{
    return json_is_null(state) || json_object_get(state, "existing_keys") != NULL;
}

/* Brings the keys to what such a state says. */
static enum stf_kind write_absent(struct target *target, const json_t *state, size_t missing, struct stf_err *err)
{
    static const char *const known[] = {"existing_keys", NULL};
    size_t existing = 0;
    size_t components = 0;
    int64_t wanted = 0;
    enum stf_kind kind = stf_registry_existing(target->registry, target->below, &existing, &components, NULL, err);

    if (kind != STF_OK)
        return kind;
    if (components < missing)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "delete", NULL, "the root of a registry store can not be deleted");
    wanted = (int64_t)(components - missing);
    if (!json_is_null(state)) {
        kind = stf_doc_check_keys(state, known, "the state of something absent in a registry", err);
        if (kind == STF_OK)
            kind = stf_doc_int(state, "existing_keys", 0, wanted, &wanted, err);
    }
    return kind == STF_OK ? stf_registry_trim(target->registry, target->below, (size_t)wanted, err) : kind;
}

/* The state has the stored spelling of the name where the id has another: deleting and putting back keeps it. */
static enum stf_kind add_spelling(json_t *state, const char *asked, const char *stored, struct stf_err *err)
{
    if (stored == NULL || strcmp(asked, stored) == 0)
        return STF_OK;
    return json_object_set_new(state, "name", json_string(stored)) == 0 ? STF_OK : no_memory(err);
}

/* The spelling that a state asks for. It must be the same name: anything else would be another thing than the id's. */
static enum stf_kind get_spelling(const json_t *state, const char *asked, const char **spelling, struct stf_err *err)
{
    enum stf_kind kind;

    *spelling = asked;
    if (json_object_get(state, "name") == NULL)
        return STF_OK;
    kind = stf_doc_string(state, "name", spelling, err);
    if (kind == STF_OK && stf_registry_name_compare(*spelling, asked) != 0) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry", asked,
                           "the state is of %s, which is not another spelling of %s", *spelling, asked);
    }
    return kind;
}

/* ---- registry.value ---- */

static enum stf_kind read_value(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                struct stf_err *err)
{
    struct stf_registry_value value = {0};
    struct target target;
    const char *name = NULL;
    json_t *doc = NULL;
    enum stf_kind kind = open_value(&target, host, id, STF_REGISTRY_READ, &name, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    kind = stf_registry_get(target.registry, target.below, name, &value, err);
    if (kind == STF_OK) {
        kind = stf_registry_value_to_doc(&value, &doc, err);
        if (kind == STF_OK)
            kind = add_spelling(doc, name, value.name, err);
    } else if (kind == STF_NOT_FOUND) {
        kind = absent_to_doc(&target, 0, &doc, err);
    }
    stf_registry_value_fini(&value);
    target_close(&target);
    if (kind != STF_OK) {
        json_decref(doc);
        return kind;
    }
    *state = doc;
    return STF_OK;
}

static enum stf_kind set_value(struct target *target, const char *name, const json_t *state, struct stf_err *err)
{
    static const char *const known[] = {"type", "data", "name", NULL};
    struct stf_registry_value value = {0};
    const char *spelling = NULL;
    enum stf_kind kind = stf_doc_check_keys(state, known, "the state of registry.value", err);

    if (kind == STF_OK)
        kind = get_spelling(state, name, &spelling, err);
    if (kind == STF_OK)
        kind = stf_registry_value_from_doc(state, spelling, &value, err);
    if (kind == STF_OK)
        kind = stf_registry_set(target->registry, target->below, &value, err);
    stf_registry_value_fini(&value);
    return kind;
}

static enum stf_kind write_value(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                 struct stf_err *err)
{
    struct target target;
    const char *name = NULL;
    enum stf_kind kind = open_value(&target, host, id, STF_REGISTRY_WRITE, &name, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    if (is_absent(state)) {
        kind = stf_registry_delete_value(target.registry, target.below, name, err);
        if (kind == STF_OK)
            kind = write_absent(&target, state, 0, err);
    } else {
        kind = set_value(&target, name, state, err);
    }
    return target_finish(&target, kind, err);
}

/* "HKLM\SYSTEM\Select": the root by its short name, the rest as given. malloc'ed. */
static char *shorten_key(const char *key, const char *name)
{
    const char *rest = key;
    const char *root = stf_registry_root_name(key, &rest);
    char *line = NULL;

    if (asprintf(&line, "%s%s%s%s%s", root != NULL ? root : "", root != NULL && *rest != '\0' ? "\\" : "", rest,
                 name != NULL ? "\\" : "", name != NULL ? name : "") < 0)
        return NULL;
    return line;
}

static char *describe_value(const json_t *id, const json_t *state)
{
    const char *key = json_string_value(json_object_get(id, "key"));
    const char *name = json_string_value(json_object_get(id, "name"));
    struct stf_registry_value value = {0};
    char *line;

    if (state == NULL)
        return shorten_key(key != NULL ? key : "?", name == NULL || *name == '\0' ? "(default)" : name);
    if (is_absent(state))
        return strdup("absent");
    if (stf_registry_value_from_doc(state, "", &value, NULL) != STF_OK)
        return json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    line = stf_registry_value_describe(value.type, value.data, value.size);
    stf_registry_value_fini(&value);
    return line;
}

/* ---- registry.key ---- */

static enum stf_kind read_key(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                              struct stf_err *err)
{
    struct target target;
    char *stored = NULL;
    size_t existing;
    size_t components;
    json_t *doc = NULL;
    enum stf_kind kind = open_for(&target, host, id, key_id_members, "registry.key", STF_REGISTRY_READ, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    /* With "times": true the state has the last-write times of its keys, in stores that keep them. */
    kind = json_is_true(json_object_get(id, "times"))
               ? stf_registry_tree_read_times(target.registry, target.below, &doc, err)
               : stf_registry_tree_read(target.registry, target.below, &doc, err);
    if (kind == STF_NOT_FOUND) {
        kind = absent_to_doc(&target, 1, &doc, err);
    } else if (kind == STF_OK) {
        kind = stf_registry_existing(target.registry, target.below, &existing, &components, &stored, err);
        if (kind == STF_OK)
            kind = add_spelling(doc, stf_registry_last_name(target.below), stored, err);
    }
    free(stored);
    target_close(&target);
    if (kind != STF_OK) {
        json_decref(doc);
        return kind;
    }
    *state = doc;
    return STF_OK;
}

/* Makes the key stand in the spelling that is asked for; one that stands in another is made anew. */
static enum stf_kind create_spelled(struct target *target, const char *spelling, struct stf_err *err)
{
    char *stored = NULL;
    char *spelled = NULL;
    size_t existing;
    size_t components;
    const char *last = stf_registry_last_name(target->below);
    enum stf_kind kind = stf_registry_existing(target->registry, target->below, &existing, &components, &stored, err);

    if (kind == STF_OK && stored != NULL && strcmp(stored, spelling) != 0)
        kind = stf_registry_delete_key(target->registry, target->below, err);
    if (kind == STF_OK) {
        if (asprintf(&spelled, "%.*s%s", (int)(last - target->below), target->below, spelling) < 0) {
            spelled = NULL;
            kind = no_memory(err);
        } else {
            kind = stf_registry_create_key(target->registry, spelled, err);
        }
    }
    free(spelled);
    free(stored);
    return kind;
}

static enum stf_kind restore_key(struct target *target, const json_t *state, struct stf_err *err)
{
    const char *spelling = NULL;
    json_t *tree = json_copy((json_t *)state); /* jansson drops what it has no memory for */
    enum stf_kind kind = json_object_size(tree) == json_object_size(state) ? STF_OK : no_memory(err);

    if (kind == STF_OK)
        kind = get_spelling(state, stf_registry_last_name(target->below), &spelling, err);
    if (kind == STF_OK)
        kind = stf_registry_tree_check_extras(target->registry, tree, err);
    if (kind == STF_OK)
        kind = create_spelled(target, spelling, err);
    if (kind == STF_OK) {
        json_object_del(tree, "name");
        kind = stf_registry_tree_write(target->registry, target->below, tree, err);
    }
    json_decref(tree);
    return kind;
}

static enum stf_kind write_key(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                               struct stf_err *err)
{
    struct target target;
    enum stf_kind kind = open_for(&target, host, id, key_id_members, "registry.key", STF_REGISTRY_WRITE, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    if (is_absent(state)) {
        kind = stf_registry_delete_key(target.registry, target.below, err);
        if (kind == STF_OK)
            kind = write_absent(&target, state, 1, err);
    } else {
        kind = restore_key(&target, state, err);
    }
    return target_finish(&target, kind, err);
}

static char *describe_key(const json_t *id, const json_t *state)
{
    const char *key = json_string_value(json_object_get(id, "key"));
    size_t values;
    size_t keys;
    char *line = NULL;

    if (state == NULL)
        return shorten_key(key != NULL ? key : "?", NULL);
    if (is_absent(state))
        return strdup("absent");
    values = json_array_size(json_object_get(state, "values"));
    keys = json_object_size(json_object_get(state, "keys"));
    if (asprintf(&line, "key with %zu value%s and %zu subkey%s", values, values == 1 ? "" : "s", keys,
                 keys == 1 ? "" : "s") < 0)
        return NULL;
    return line;
}

/* ---- registry.presence: that a key stands, whatever is in it. Its undo deletes empty keys only. ---- */

static enum stf_kind read_presence(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                   struct stf_err *err)
{
    struct target target;
    size_t existing = 0;
    size_t components = 0;
    enum stf_kind kind = open_for(&target, host, id, key_members, "registry.presence", STF_REGISTRY_READ, err);

    (void)self;
    if (kind != STF_OK)
        return kind;
    kind = stf_registry_existing(target.registry, target.below, &existing, &components, NULL, err);
    if (kind == STF_OK && existing < components) {
        kind = absent_to_doc(&target, 1, state, err);
    } else if (kind == STF_OK) {
        *state = json_pack("{s:b}", "exists", 1);
        kind = *state != NULL ? STF_OK : no_memory(err);
    }
    target_close(&target);
    return kind;
}

static enum stf_kind write_presence(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                    struct stf_err *err)
{
    struct target target;
    enum stf_kind kind;

    (void)self;
    if (!is_absent(state) && !json_is_true(json_object_get(state, "exists"))) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "registry.presence", NULL,
                           "the state of a key's presence is {\"exists\": true}, null or {\"existing_keys\": n}");
    }
    kind = open_for(&target, host, id, key_members, "registry.presence", STF_REGISTRY_WRITE, err);
    if (kind != STF_OK)
        return kind;
    kind = is_absent(state) ? write_absent(&target, state, 1, err)
                            : stf_registry_create_key(target.registry, target.below, err);
    return target_finish(&target, kind, err);
}

static char *describe_presence(const json_t *id, const json_t *state)
{
    return state == NULL ? describe_key(id, NULL) : strdup(is_absent(state) ? "absent" : "present");
}

/* ---- registry.patch: many keys and values all over a store, in one commit. Its id has what is to be done. ---- */

/* What the calls share: the patch that was used last, for the change engine asks several times about one. */
struct registry_binding {
    pthread_mutex_t mutex;
    json_t *id; /* of the patch */
    struct stf_registry_patch *patch;
};

static void *open_binding(void)
{
    struct registry_binding *binding = calloc(1, sizeof(*binding));

    if (binding != NULL)
        pthread_mutex_init(&binding->mutex, NULL);
    return binding;
}

/* Nobody else has the kept patch until it is given back with stf_registry_keep_patch. */
static enum stf_kind take_patch(struct registry_binding *binding, const json_t *id, struct stf_registry_patch **patch,
                                struct stf_err *err)
{
    static const char *const known[] = {"key", "patch", NULL};
    const char *text = NULL;
    enum stf_kind kind = stf_doc_check_keys(id, known, "registry.patch", err);

    *patch = NULL;
    if (kind == STF_OK)
        kind = stf_doc_string(id, "patch", &text, err);
    if (kind != STF_OK)
        return kind;
    pthread_mutex_lock(&binding->mutex);
    if (binding->id != NULL && json_equal(binding->id, id)) {
        *patch = binding->patch;
        binding->patch = NULL;
    }
    pthread_mutex_unlock(&binding->mutex);
    return *patch != NULL ? STF_OK : stf_registry_patch_parse(text, patch, err);
}

void stf_registry_keep_patch(void *self, const json_t *id, struct stf_registry_patch *patch)
{
    struct registry_binding *binding = self;

    pthread_mutex_lock(&binding->mutex);
    stf_registry_patch_free(binding->patch);
    json_decref(binding->id);
    binding->patch = patch;
    binding->id = json_incref((json_t *)id);
    pthread_mutex_unlock(&binding->mutex);
}

static void close_binding(void *self)
{
    struct registry_binding *binding = self;

    stf_registry_patch_free(binding->patch);
    json_decref(binding->id);
    pthread_mutex_destroy(&binding->mutex);
    free(binding);
}

/* The key must be the root of its store, or any in a store that has all roots: a patch starts at the store's own. */
static enum stf_kind open_patch(struct target *target, const struct stf_host *host, const json_t *id,
                                enum stf_registry_mode mode, struct stf_err *err)
{
    struct stf_registry_location location = {0};
    enum stf_kind kind;

    *target = (struct target){0};
    kind = stf_doc_string(id, "key", &target->key, err);
    if (kind == STF_OK)
        kind = stf_registry_host_store(host, target->key, &location, &target->below, err);
    if (kind == STF_OK && *target->below != '\0' && !location.is_whole) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "registry.patch", target->key,
                           "the key of a patch must be the root of its store, and %s is not", target->key);
    }
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, mode, &target->registry, err);
    stf_registry_location_fini(&location);
    return kind;
}

static enum stf_kind read_patch(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                struct stf_err *err)
{
    struct target target;
    struct stf_registry_patch *patch;
    enum stf_kind kind = take_patch(self, id, &patch, err);

    if (kind != STF_OK)
        return kind;
    kind = open_patch(&target, host, id, STF_REGISTRY_READ, err);
    if (kind == STF_OK) {
        kind = stf_registry_patch_read(target.registry, patch, state, err);
        target_close(&target);
    }
    stf_registry_keep_patch(self, id, patch);
    return kind;
}

static enum stf_kind write_patch(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                 struct stf_err *err)
{
    struct target target;
    struct stf_registry_patch *patch;
    enum stf_kind kind = take_patch(self, id, &patch, err);

    if (kind != STF_OK)
        return kind;
    kind = open_patch(&target, host, id, STF_REGISTRY_WRITE, err);
    if (kind == STF_OK)
        kind = target_finish(&target, stf_registry_patch_write(target.registry, patch, state, err), err);
    stf_registry_keep_patch(self, id, patch);
    return kind;
}

static char *describe_patch(const json_t *id, const json_t *state)
{
    const char *key = state == NULL ? json_string_value(json_object_get(id, "key")) : NULL;
    const char *text = json_string_value(json_object_get(id, "patch"));
    struct stf_registry_patch_size size = stf_registry_patch_count_state(state);
    char *line = NULL;

    if (text != NULL && !json_is_object(state))
        size = state == NULL ? stf_registry_patch_count_named(text) : stf_registry_patch_count_after(text);
    if (asprintf(&line, "%s%s%zu value%s in %zu key%s", key != NULL ? key : "", key != NULL && *key != '\0' ? ": " : "",
                 size.values, size.values == 1 ? "" : "s", size.keys, size.keys == 1 ? "" : "s") < 0)
        return NULL;
    return line;
}

static const struct stf_verb verbs[] = {
    {"registry.list", "registry.read", list_keys},        {"registry.tree", "registry.read", read_tree},
    {"registry.snapshot", "registry.read", snapshot_key}, {"registry.diff", "registry.read", diff_key},
    {"registry.import", "registry.read", import_text},    {NULL, NULL, NULL},
};

static const struct stf_resource resources[] = {
    {"registry.value", "registry.write", read_value, write_value, describe_value},
    {"registry.key", "registry.write", read_key, write_key, describe_key},
    {"registry.presence", "registry.write", read_presence, write_presence, describe_presence},
    {"registry.patch", "registry.write", read_patch, write_patch, describe_patch},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct stf_binding stf_registry_binding = {
    .name = "registry",
    .open = open_binding,
    .close = close_binding,
    .verbs = verbs,
    .resources = resources,
    .whole = "registry.key",
    .part = stf_registry_part,
    .with_part = stf_registry_with_part,
    .identity = stf_registry_identity,
    .respell = stf_registry_respell,
};
