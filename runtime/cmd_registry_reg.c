/* cmd_registry_reg.c - .reg text and `staffetta registry`: export, import, and a run's undo for regedit.
 * Must never write to a store but through the change engine. SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <stdlib.h>
#include <string.h>

#include "registry/patch.h"
#include "registry/reg_text.h"
#include "registry_undo.h"
#include "whole_file.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "not enough memory");
}

/* ---- writing text ---- */

/* What regedit writes into a file; on a terminal, and for pipes, what people read. */
static struct stf_reg_format format_of(const struct stf_registry_cli *rc, const char *file)
{
    struct stf_reg_format format = {STF_REG_VERSION_5, strcmp(file, "-") == 0 ? STF_REG_UTF8 : STF_REG_UTF16};
    if (rc->is_reg4)
        format = (struct stf_reg_format){STF_REG_VERSION_4, STF_REG_CP1252};
    return format;
}

enum stf_kind stf_registry_print_edits(const struct stf_registry_cli *rc, const struct stf_reg_edits *edits,
                                       const char *file, struct stf_err *err)
{
    struct stf_reg_printer printer = {.format = format_of(rc, file)};
    uint8_t *bytes = NULL;
    size_t size;
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; kind == STF_OK && i < edits->count; i++)
        kind = stf_reg_print_edit(&printer, &edits->items[i], err);
    if (kind == STF_OK)
        kind = stf_reg_printer_take(&printer, &bytes, &size, err);
    stf_reg_printer_fini(&printer);
    if (kind == STF_OK)
        kind = stf_whole_file_write(file, bytes, size, err);
    free(bytes);
    return kind;
}

/* ---- export ---- */

static int export_key(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_registry_location location = {0};
    struct stf_registry *registry = NULL;
    const char *below;
    uint8_t *bytes = NULL;
    size_t size;
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    const char *file = stf_registry_cli_next(rc);
    if (exit_code == -1 && rc->used < rc->cli.operand_count)
        exit_code = stf_registry_cli_usage(rc, NULL);
    if (exit_code != -1)
        goto out;
    file = file ? file : "-";
    const struct stf_reg_format format = format_of(rc, file);
    enum stf_kind kind = stf_registry_host_store(&target.host, target.key, &location, &below, &err);
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, &registry, &err);
    if (kind == STF_OK)
        kind = stf_registry_export_reg(registry, location.is_whole ? NULL : location.mount, below, &format, &bytes,
                                       &size, &err);
    if (kind == STF_OK)
        kind = stf_whole_file_write(file, bytes, size, &err);
    exit_code = kind == STF_OK ? STF_EXIT_OK : stf_registry_cli_fail(rc, &err);
out:
    free(bytes);
    stf_registry_close(registry);
    stf_registry_location_fini(&location);
    stf_registry_target_fini(&target);
    return exit_code;
}

/* ---- the undo of a run ---- */

static int export_undo(struct stf_registry_cli *rc)
{
    const char *state_dir = rc->cli.state_dir ? rc->cli.state_dir : STF_DEFAULT_STATE_DIR;
    const char *file = stf_registry_cli_next(rc);
    struct stf_journal *journal = NULL;
    struct stf_reg_edits edits = {0};
    struct stf_err err;
    char *end;
    long long run = strtoll(rc->undo, &end, 10);
    if (rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, NULL);
    if (*end != '\0' || run <= 0)
        return stf_cli_usage_error("registry", "--undo expects the number of a run, found '%s'", rc->undo);
    enum stf_kind kind = stf_journal_open_read(state_dir, &journal, &err);
    if (kind == STF_OK)
        kind = stf_registry_undo_edits(journal, run, rc->host_name, &edits, &err);
    if (kind == STF_OK)
        kind = stf_registry_print_edits(rc, &edits, file ? file : "-", &err);
    stf_reg_edits_fini(&edits);
    stf_journal_close(journal);
    if (kind == STF_OK)
        return STF_EXIT_OK;
    stf_cli_error(&rc->cli, &err);
    return STF_EXIT_ERROR;
}

int stf_registry_cmd_export(struct stf_registry_cli *rc)
{
    return rc->undo ? export_undo(rc) : export_key(rc);
}

/* ---- import ---- */

/* The edits of one store of the host, as the change that they make. `key` is the entry of the host's table. */
static enum stf_kind wish_for(const struct stf_registry_target *target, const char *key,
                              const struct stf_reg_edits *edits, struct stf_registry_wish *wish, struct stf_err *err)
{
    struct stf_registry_location location;
    struct stf_registry *registry = NULL;
    struct stf_registry_patch *patch = NULL;
    json_t *scope = NULL, *before = NULL;
    const char *below;
    *wish = (struct stf_registry_wish){.resource = "registry.patch"};
    enum stf_kind kind = stf_registry_host_store(&target->host, key, &location, &below, err);
    if (kind == STF_OK && !location.is_whole && *location.mount == '\0')
        kind =
            stf_err_set(err, STF_INVALID_DATA, 0, "import", location.path,
                        "nothing says which key the root of %s is: give --mount, such as HKLM\\SYSTEM", location.path);
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, &registry, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_new(edits, location.is_whole ? NULL : location.mount, registry, &patch, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_scope(patch, &scope, err);
    if (kind == STF_OK)
        kind = stf_registry_scope_read(registry, scope, &before, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_after(patch, before, &wish->after, err);
    if (kind == STF_OK) {
        wish->id = json_pack("{s:s, s:O}", "key", key, "scope", scope);
        kind = wish->id ? STF_OK : no_memory(err);
    }
    json_decref(scope);
    json_decref(before);
    stf_registry_patch_free(patch);
    stf_registry_close(registry);
    stf_registry_location_fini(&location);
    return kind;
}

/* Edits sorted by the stores that they are for. */
struct share {
    const char *key; /* the entry of the host's table */
    struct stf_reg_edits edits;
};

enum { MAX_SHARES = 32 };

static enum stf_kind share_of(struct share *shares, size_t *count, const char *key, struct share **share,
                              struct stf_err *err)
{
    for (size_t i = 0; i < *count; i++) {
        if (shares[i].key == key) {
            *share = &shares[i];
            return STF_OK;
        }
    }
    if (*count == MAX_SHARES)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "import", key, "at most %d stores at once", MAX_SHARES);
    *share = &shares[(*count)++];
    (*share)->key = key;
    return STF_OK;
}

static enum stf_kind share_out(const struct stf_registry_target *target, const struct stf_reg_edits *edits,
                               struct share *shares, size_t *count, struct stf_err *err)
{
    const char *last = NULL; /* edits of one key share theirs */
    struct share *share = NULL;
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; kind == STF_OK && i < edits->count; i++) {
        if (edits->items[i].key != last) {
            const char *name;
            kind = stf_registry_host_entry(&target->host, edits->items[i].key, &name, err);
            if (kind == STF_OK)
                kind = share_of(shares, count, name, &share, err);
            last = edits->items[i].key;
        }
        if (kind == STF_OK)
            kind = stf_reg_edits_add(&share->edits, &edits->items[i], err);
    }
    return kind;
}

/* A STORE gets all edits, and says itself which are none of its; a host has a store for each. */
static enum stf_kind wishes_for(const struct stf_registry_target *target, bool is_host,
                                const struct stf_reg_edits *edits, struct stf_registry_wish *wishes, size_t *count,
                                struct stf_err *err)
{
    struct share shares[MAX_SHARES] = {0};
    size_t share_count = 0;
    *count = 0;
    if (!is_host) {
        *count = 1;
        return wish_for(target, target->key, edits, &wishes[0], err);
    }
    enum stf_kind kind = share_out(target, edits, shares, &share_count, err);
    for (size_t i = 0; kind == STF_OK && i < share_count; i++)
        kind = wish_for(target, shares[i].key, &shares[i].edits, &wishes[(*count)++], err);
    for (size_t i = 0; i < share_count; i++)
        stf_reg_edits_fini(&shares[i].edits);
    return kind;
}

int stf_registry_cmd_import(struct stf_registry_cli *rc)
{
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc);
    const char *file = stf_registry_cli_next(rc);
    struct stf_registry_target target = {0};
    struct stf_registry_wish wishes[MAX_SHARES] = {0};
    struct stf_reg_edits edits = {0};
    struct stf_err err;
    char *text = NULL;
    size_t size, count = 0;
    int exit_code = STF_EXIT_ERROR;
    if (!file || rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, rc->host_name ? "FILE.reg" : "STORE FILE.reg");
    enum stf_kind kind = stf_whole_file_read(file, &text, &size, &err);
    if (kind == STF_OK)
        kind = stf_reg_parse(text, size, file, &edits, &err);
    if (kind == STF_OK)
        kind = stf_registry_target_init(&target, rc, store, "", &err);
    if (kind == STF_OK)
        kind = wishes_for(&target, rc->host_name != NULL, &edits, wishes, &count, &err);
    stf_reg_edits_fini(&edits);
    free(text);
    if (kind == STF_OK)
        exit_code = stf_registry_cli_change(rc, &target, wishes, count);
    else {
        stf_cli_error(&rc->cli, &err);
        stf_registry_wishes_fini(wishes, count);
    }
    stf_registry_target_fini(&target);
    return exit_code;
}
