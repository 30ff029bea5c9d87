/* cmd_registry_diff.c - `staffetta registry diff` and `watch`, and what a plan changes, line by line. Reads only.
 * SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "registry/diff.h"
#include "registry/patch.h"
#include "registry/snapshot.h"
#include "registry/tree.h"
#include "registry/watch.h"
#include "whole_file.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "not enough memory");
}

/* ---- trees in memory ---- */

static const char memory_key[] = "tree"; /* where a tree is in its store: a tree that is absent has no such key */

/* A store of just that tree; NULL or null: of none. */
static enum stf_kind memory_of(const json_t *tree, struct stf_registry_memory **memory, struct stf_err *err)
{
    struct stf_registry *registry = NULL;
    *memory = stf_registry_memory_new();
    if (!*memory)
        return no_memory(err);
    const struct stf_registry_place place = {.memory = *memory};
    enum stf_kind kind = stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &registry, err);
    if (kind == STF_OK && json_is_object(tree))
        kind = stf_registry_tree_write(registry, memory_key, tree, err);
    if (kind == STF_OK)
        kind = stf_registry_commit(registry, err);
    stf_registry_close(registry);
    return kind;
}

/* One of two trees to compare: a key of a store, or a tree in memory. */
struct side {
    struct stf_registry_target target;
    struct stf_registry_memory *memory;
    struct stf_registry_side open;
};

static enum stf_kind open_memory(struct side *side, const json_t *tree, struct stf_err *err)
{
    enum stf_kind kind = memory_of(tree, &side->memory, err);
    const struct stf_registry_place place = {.memory = side->memory};
    side->open.key = memory_key;
    return kind == STF_OK
               ? stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_READ, &side->open.registry, err)
               : kind;
}

static void side_fini(struct side *side)
{
    stf_registry_close(side->open.registry);
    stf_registry_memory_free(side->memory);
    stf_registry_target_fini(&side->target);
}

/* ---- diff ---- */

static bool is_snapshot(const char *path)
{
    FILE *file = fopen(path, "rb");
    int first = file ? fgetc(file) : EOF;
    if (file)
        fclose(file);
    return first == '{';
}

static enum stf_kind open_snapshot(struct side *side, const char *path, struct stf_err *err)
{
    char *text = NULL;
    size_t size;
    json_t *snapshot = NULL;
    const json_t *tree;
    const char *key;
    enum stf_kind kind = stf_whole_file_read(path, &text, &size, err);
    if (kind == STF_OK)
        kind = stf_registry_snapshot_parse(text, size, path, &snapshot, &key, &tree, err);
    if (kind == STF_OK)
        kind = open_memory(side, tree, err);
    json_decref(snapshot);
    free(text);
    return kind;
}

/* Fini the side in either case. */
static enum stf_kind open_side(struct side *side, const struct stf_registry_cli *rc, const char *store,
                               const char *path, struct stf_err *err)
{
    *side = (struct side){0};
    if (store && is_snapshot(store))
        return open_snapshot(side, store, err);
    enum stf_kind kind = stf_registry_target_init(&side->target, rc, store, path, err);
    return kind == STF_OK ? stf_registry_target_open(&side->target, &side->open.registry, &side->open.key, err) : kind;
}

static enum stf_kind print_reg(const struct stf_registry_cli *rc, const struct stf_registry_diff *diff,
                               const char *root, struct stf_err *err)
{
    struct stf_reg_edits edits = {0};
    enum stf_kind kind = stf_registry_diff_to_edits(diff, root, &edits, err);
    if (kind == STF_OK)
        kind = stf_registry_print_edits(rc, &edits, "-", err);
    stf_reg_edits_fini(&edits);
    return kind;
}

static enum stf_kind print_diff(const struct stf_registry_cli *rc, const char *format,
                                const struct stf_registry_diff *diff, const char *root, struct stf_err *err)
{
    if (strcmp(format, "reg") == 0)
        return print_reg(rc, diff, root, err);
    if (strcmp(format, "json") == 0) {
        json_t *doc;
        enum stf_kind kind = stf_registry_diff_to_doc(diff, root, &doc, err);
        if (kind == STF_OK) {
            stf_output_json(doc);
            json_decref(doc);
        }
        return kind;
    }
    char *text = stf_registry_diff_text(diff, root);
    if (!text)
        return no_memory(err);
    stf_output_text(stdout, text, true);
    free(text);
    return STF_OK;
}

static bool is_remote(const char *store)
{
    static const char prefix[] = "remote:";
    return store && strncmp(store, prefix, sizeof prefix - 1) == 0;
}

/* Who one is counts for another host only, when the other side of the comparison is one. */
static struct stf_registry_cli without_login(const struct stf_registry_cli *rc, const char *store, const char *other)
{
    struct stf_registry_cli own = *rc;
    if (is_remote(other) && !is_remote(store)) {
        own.words.credentials = NULL;
        own.words.is_kerberos = false;
    }
    return own;
}

int stf_registry_cmd_diff(struct stf_registry_cli *rc)
{
    const char *format = rc->format ? rc->format : rc->cli.is_json ? "json" : "text";
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc);
    const char *path = stf_registry_cli_next(rc);
    const char *other_store = stf_registry_cli_next(rc), *other_path = stf_registry_cli_next(rc);
    struct side first, second = {0};
    struct stf_registry_diff diff = {0};
    struct stf_err err;
    if (!other_store || rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, rc->host_name ? "PATH STORE2 [PATH2]" : "STORE PATH STORE2 [PATH2]");
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0 && strcmp(format, "reg") != 0)
        return stf_cli_usage_value("registry", "--format", "text, json or reg", format);
    const struct stf_registry_cli first_rc = without_login(rc, store, other_store);
    const struct stf_registry_cli second_rc = without_login(rc, other_store, store);
    enum stf_kind kind = open_side(&first, &first_rc, store, path, &err);
    if (kind == STF_OK)
        kind = open_side(&second, &second_rc, other_store, other_path ? other_path : path, &err);
    int exit_code = STF_EXIT_ERROR;
    if (kind != STF_OK) {
        stf_cli_error(&rc->cli, &err);
    } else {
        kind = stf_registry_diff(&first.open, &second.open, &diff, &err);
        if (kind == STF_OK)
            kind = print_diff(rc, format, &diff, first.target.key ? first.target.key : path, &err);
        exit_code = kind != STF_OK ? stf_registry_cli_fail(rc, &err) : diff.count ? STF_EXIT_PENDING : STF_EXIT_OK;
    }
    stf_registry_diff_fini(&diff);
    side_fini(&first);
    side_fini(&second);
    return exit_code;
}

/* ---- what a plan changes ---- */

/* A key as a state of registry.key says. */
static enum stf_kind open_key_state(struct side *side, const json_t *state, struct stf_err *err)
{
    bool is_absent = !json_is_object(state) || json_object_get(state, "existing_keys");
    json_t *tree = is_absent ? NULL : json_copy((json_t *)state);
    json_object_del(tree, "name");
    enum stf_kind kind = open_memory(side, tree, err);
    json_decref(tree);
    return kind;
}

/* What a patch alters, as it is in one state after the other. */
static enum stf_kind open_patch_states(struct side *side, const char *text, const json_t *const states[],
                                       struct stf_err *err)
{
    struct stf_registry_patch *patch = NULL;
    side->memory = stf_registry_memory_new();
    side->open.key = "";
    if (!side->memory)
        return no_memory(err);
    const struct stf_registry_place place = {.memory = side->memory};
    enum stf_kind kind =
        stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &side->open.registry, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_parse(text, &patch, err);
    for (; kind == STF_OK && *states; states++)
        kind = stf_registry_patch_write(side->open.registry, patch, *states, err);
    stf_registry_patch_free(patch);
    return kind;
}

static enum stf_kind open_planned(const json_t *change, struct side *first, struct side *second, struct stf_err *err)
{
    const json_t *before = json_object_get(change, "before"), *after = json_object_get(change, "after");
    const char *text = json_string_value(json_object_get(json_object_get(change, "id"), "patch"));
    enum stf_kind kind = text ? open_patch_states(first, text, (const json_t *const[]){before, NULL}, err)
                              : open_key_state(first, before, err);
    if (kind == STF_OK)
        kind = text ? open_patch_states(second, text, (const json_t *const[]){before, after, NULL}, err)
                    : open_key_state(second, after, err);
    return kind;
}

enum { SHOWN_LINES_MAX = 200 };

static void print_lines(char *text)
{
    size_t count = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (++count <= SHOWN_LINES_MAX) {
            fputs("    ", stdout);
            stf_output_text(stdout, line, false);
            putchar('\n');
        }
    if (count > SHOWN_LINES_MAX)
        printf("    ... and %zu lines more; --json has them all\n", count - SHOWN_LINES_MAX);
}

void stf_registry_print_planned(const json_t *change)
{
    const char *resource = json_string_value(json_object_get(change, "resource"));
    const char *key = json_string_value(json_object_get(json_object_get(change, "id"), "key"));
    struct side first = {0}, second = {0};
    struct stf_registry_diff diff = {0};
    struct stf_err err;
    if (strcmp(resource, "registry.key") != 0 && strcmp(resource, "registry.patch") != 0)
        return;
    if (open_planned(change, &first, &second, &err) == STF_OK &&
        stf_registry_diff(&first.open, &second.open, &diff, &err) == STF_OK) {
        char *text = stf_registry_diff_text(&diff, key);
        if (text)
            print_lines(text);
        free(text);
    }
    stf_registry_diff_fini(&diff);
    side_fini(&first);
    side_fini(&second);
}

/* ---- watch ---- */

struct watcher {
    const struct stf_registry_cli *rc;
    const struct stf_registry_target *target;
    json_t *tree; /* as it was when last looked at; NULL: absent */
};

static enum stf_kind read_tree(const struct stf_registry_target *target, json_t **tree, struct stf_err *err)
{
    struct stf_registry *registry = NULL;
    const char *below;
    *tree = NULL;
    enum stf_kind kind = stf_registry_target_open(target, &registry, &below, err);
    if (kind == STF_OK) {
        kind = stf_registry_tree_read(registry, below, tree, err);
        kind = kind == STF_NOT_FOUND ? STF_OK : kind;
    }
    stf_registry_close(registry);
    return kind;
}

static enum stf_kind print_event(const struct watcher *watcher, const struct stf_registry_diff *diff,
                                 struct stf_err *err)
{
    int64_t now = stf_clock_unix_ms();
    if (watcher->rc->cli.is_json) {
        json_t *changes = NULL;
        enum stf_kind kind = stf_registry_diff_to_doc(diff, watcher->target->key, &changes, err);
        json_t *event =
            kind == STF_OK ? json_pack("{s:I, s:o}", "at_unix_ms", (json_int_t)now, "changes", changes) : NULL;
        if (event) {
            json_dumpf(event, stdout, JSON_COMPACT | JSON_SORT_KEYS);
            putchar('\n');
        }
        json_decref(event);
        return kind;
    }
    char at[32];
    time_t seconds = (time_t)(now / 1000);
    const struct tm *local = localtime(&seconds);
    if (!local || strftime(at, sizeof at, "%Y-%m-%d %H:%M:%S", local) == 0)
        at[0] = '\0';
    printf("%s\n", at);
    return print_diff(watcher->rc, "text", diff, watcher->target->key, err);
}

/* Compares with what was there when last looked. */
static enum stf_kind look(struct watcher *watcher, struct stf_err *err)
{
    struct side before = {0}, after = {0};
    struct stf_registry_diff diff = {0};
    json_t *tree;
    enum stf_kind kind = read_tree(watcher->target, &tree, err);
    if (kind != STF_OK)
        return kind;
    kind = open_memory(&before, watcher->tree, err);
    if (kind == STF_OK)
        kind = open_memory(&after, tree, err);
    if (kind == STF_OK && (tree || watcher->tree))
        kind = stf_registry_diff(&before.open, &after.open, &diff, err);
    if (kind == STF_OK && diff.count)
        kind = print_event(watcher, &diff, err);
    fflush(stdout);
    json_decref(watcher->tree);
    watcher->tree = tree;
    stf_registry_diff_fini(&diff);
    side_fini(&before);
    side_fini(&after);
    return kind;
}

static enum stf_kind watch_store(struct watcher *watcher, struct stf_err *err)
{
    struct stf_registry_location location;
    struct stf_registry_watch *watch = NULL;
    const char *below;
    const struct stf_registry_target *target = watcher->target;
    enum stf_kind kind = stf_registry_host_store(&target->host, target->key, &location, &below, err);
    if (kind == STF_OK)
        kind = stf_registry_watch_open(location.backend, &location.place, below, &watch, err);
    if (kind == STF_OK)
        kind = read_tree(target, &watcher->tree, err);
    while (kind == STF_OK) {
        kind = stf_registry_watch_wait(watch, 60000, err);
        if (kind == STF_TIMEOUT)
            kind = STF_OK;
        else if (kind == STF_OK)
            kind = look(watcher, err);
        if (kind == STF_BUSY)
            kind = STF_OK; /* a writer has it: the next event tells that it is done */
    }
    stf_registry_watch_close(watch);
    stf_registry_location_fini(&location);
    return kind;
}

int stf_registry_cmd_watch(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct watcher watcher = {.rc = rc, .target = &target};
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    if (exit_code == -1 && rc->used < rc->cli.operand_count)
        exit_code = stf_registry_cli_usage(rc, NULL);
    if (exit_code == -1 && watch_store(&watcher, &err) != STF_OK) {
        stf_cli_error(&rc->cli, &err);
        exit_code = STF_EXIT_ERROR;
    }
    json_decref(watcher.tree);
    stf_registry_target_fini(&target);
    return exit_code;
}
