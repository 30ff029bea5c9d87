/* cmd_registry_reg.c - .reg text and `staffetta registry`: export, import, and a run's undo for regedit.
 * Must never write to a store but through the change engine. SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <stdlib.h>
#include <string.h>

#include "registry/import.h"
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
    int64_t run;
    if (rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, NULL);
    if (!stf_cli_read_run_number(rc->undo, &run))
        return stf_cli_usage_value("registry", "--undo", "the number of a run", rc->undo);
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

/* Takes the changes' documents over. */
static int change_stores(struct stf_registry_cli *rc, const struct stf_registry_target *target, const json_t *changes)
{
    struct stf_err err;
    size_t count = json_array_size(changes), index;
    json_t *change;
    struct stf_registry_wish *wishes = calloc(count + 1, sizeof *wishes);
    if (!wishes) {
        no_memory(&err);
        stf_cli_error(&rc->cli, &err);
        return STF_EXIT_ERROR;
    }
    json_array_foreach (changes, index, change) {
        wishes[index] = (struct stf_registry_wish){
            .resource = "registry.patch",
            .id = json_incref(json_object_get(change, "id")),
            .after = json_incref(json_object_get(change, "state")),
        };
    }
    int exit_code = stf_registry_cli_change(rc, target, wishes, count);
    free(wishes);
    return exit_code;
}

int stf_registry_cmd_import(struct stf_registry_cli *rc)
{
    const char *store = rc->host_name ? NULL : stf_registry_cli_next(rc);
    const char *file = stf_registry_cli_next(rc);
    struct stf_registry_target target = {0};
    struct stf_reg_edits edits = {0};
    struct stf_err err;
    char *text = NULL;
    size_t size;
    json_t *changes = NULL;
    int exit_code = STF_EXIT_ERROR;
    if (!file || rc->used < rc->cli.operand_count)
        return stf_registry_cli_usage(rc, rc->host_name ? "FILE.reg" : "STORE FILE.reg");
    enum stf_kind kind = stf_whole_file_read(file, &text, &size, &err);
    if (kind == STF_OK)
        kind = stf_reg_parse(text, size, file, &edits, &err);
    if (kind == STF_OK)
        kind = stf_registry_target_init(&target, rc, store, "", &err);
    if (kind == STF_OK)
        kind = stf_registry_import(target.binding, &target.host, &edits, &changes, &err);
    stf_reg_edits_fini(&edits);
    free(text);
    if (kind == STF_OK)
        exit_code = change_stores(rc, &target, changes);
    else
        stf_cli_error(&rc->cli, &err);
    json_decref(changes);
    stf_registry_target_fini(&target);
    return exit_code;
}
