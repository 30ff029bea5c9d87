/* cmd_registry_snapshot.c - `staffetta registry snapshot` and `restore`. Must never leave half a file, nor restore from
 * one that is not as it was taken. SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <stdlib.h>
#include <string.h>

#include "registry/snapshot.h"
#include "registry/tree.h"
#include "whole_file.h"

/* ---- snapshot ---- */

static enum stf_kind take(const struct stf_registry_target *target, json_t **snapshot, struct stf_err *err)
{
    struct stf_registry *registry = NULL;
    const char *below;
    json_t *tree = NULL;
    char program[64];
    enum stf_kind kind = stf_registry_target_open(target, &registry, &below, err);
    if (kind == STF_OK)
        kind = stf_registry_tree_read(registry, below, &tree, err);
    if (kind == STF_OK) {
        snprintf(program, sizeof program, "staffetta %s", stf_version());
        const struct stf_registry_snapshot data = {
            .store = target->name, .key = target->key, .program = program, .tree = tree};
        kind = stf_registry_snapshot_make(&data, snapshot, err);
    }
    json_decref(tree);
    stf_registry_close(registry);
    return kind;
}

static enum stf_kind save(const json_t *snapshot, const char *path, struct stf_err *err)
{
    char *text = json_dumps(snapshot, JSON_INDENT(1) | JSON_SORT_KEYS);
    if (!text)
        return stf_err_set(err, STF_NO_MEMORY, 0, "snapshot", path, "not enough memory");
    enum stf_kind kind = stf_whole_file_write(path, text, strlen(text), err);
    free(text);
    return kind;
}

int stf_registry_cmd_snapshot(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_err err;
    json_t *snapshot = NULL;
    int exit_code = stf_registry_cli_target(rc, &target);
    const char *path = stf_registry_cli_next(rc);
    if (exit_code == -1 && (!path || rc->used < rc->cli.operand_count))
        exit_code = stf_registry_cli_usage(rc, "STORE PATH FILE");
    if (exit_code != -1)
        goto out;
    enum stf_kind kind = take(&target, &snapshot, &err);
    if (kind == STF_OK)
        kind = save(snapshot, path, &err);
    if (kind != STF_OK) {
        exit_code = stf_registry_cli_fail(rc, &err);
        goto out;
    }
    const char *hash = json_string_value(json_object_get(snapshot, "sha256"));
    if (rc->cli.is_json)
        printf("{\"sha256\": \"%s\"}\n", hash);
    else
        printf("%s\n", hash);
    exit_code = STF_EXIT_OK;
out:
    json_decref(snapshot);
    stf_registry_target_fini(&target);
    return exit_code;
}

/* ---- restore ---- */

/* The state that the key is to have: the tree, and the spelling that the key has now; of a tree that has no security
 * and the like at all, what the keys have now. */
static enum stf_kind state_of(const struct stf_registry_target *target, const json_t *id, const json_t *tree,
                              json_t **state, struct stf_err *err)
{
    json_t *now = NULL;
    enum stf_kind kind = stf_registry_target_state(target, "registry.key", id, &now, err);
    json_t *name = json_object_get(now, "name");
    *state = json_deep_copy(tree);
    if (kind == STF_OK && *state)
        kind = stf_registry_tree_keep_extras(*state, now, err);
    if (kind == STF_OK && (!*state || (name && json_object_set(*state, "name", name) != 0)))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "restore", NULL, "not enough memory");
    json_decref(now);
    return kind;
}

static int restore(struct stf_registry_cli *rc, const char *file, const char *store, const char *path)
{
    struct stf_registry_target target = {0};
    struct stf_registry_wish wish = {.resource = "registry.key"};
    struct stf_err err;
    char *text = NULL;
    size_t size;
    json_t *snapshot = NULL;
    const json_t *tree;
    const char *key;
    int exit_code = STF_EXIT_ERROR;
    enum stf_kind kind = stf_whole_file_read(file, &text, &size, &err);
    if (kind == STF_OK)
        kind = stf_registry_snapshot_parse(text, size, file, &snapshot, &key, &tree, &err);
    if (kind == STF_OK)
        kind = stf_registry_target_init(&target, rc, store, path ? path : key, &err);
    if (kind == STF_OK) {
        wish.id = json_pack("{s:s}", "key", target.key);
        kind = state_of(&target, wish.id, tree, &wish.after, &err);
    }
    if (kind == STF_OK) {
        exit_code = stf_registry_cli_change(rc, &target, &wish, 1);
    } else {
        stf_cli_error(&rc->cli, &err);
        json_decref(wish.id);
        json_decref(wish.after);
    }
    json_decref(snapshot);
    free(text);
    stf_registry_target_fini(&target);
    return exit_code;
}

int stf_registry_cmd_restore(struct stf_registry_cli *rc)
{
    const char *file = stf_registry_cli_next(rc);
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc);
    const char *path = stf_registry_cli_next(rc);
    if (!file || (!store && !rc->host_name) || rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, rc->host_name ? "FILE [PATH]" : "FILE STORE [PATH]");
    return restore(rc, file, store, path);
}
