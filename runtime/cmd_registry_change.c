/* cmd_registry_change.c - the verbs of `staffetta registry` that change something. Each is a run like any other: it is
 * planned or journalled by the change engine, read back, and put back when it fails. Must never write to a store but
 * through the engine. SPDX-License-Identifier: MIT */
#include "cmd_registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "common/doc.h"
#include "common/offer.h"
#include "registry/tree.h"
#include "runtime.h"

/* ---- the run ---- */

struct session {
    const struct stf_registry_cli *rc;
    const struct stf_registry_target *target;
    struct stf_journal *journal;
    struct stf_engine *engine;
    int64_t run;
    json_t *changes; /* what was done, for the report */
    int64_t failed_count;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "not enough memory");
}

static enum stf_kind open_engine(struct session *session, enum stf_engine_mode mode, struct stf_err *err)
{
    const struct stf_engine_binding bindings[] = {{&stf_registry_binding, session->target->binding}};
    const struct stf_engine_config config = {
        .mode = mode,
        .journal = session->journal,
        .run = session->run,
        .bindings = bindings,
        .binding_count = 1,
    };
    return stf_engine_open(&config, &session->engine, err);
}

static void session_fini(struct session *session)
{
    stf_engine_close(session->engine);
    stf_journal_close(session->journal);
    json_decref(session->changes);
}

enum stf_kind stf_registry_target_state(const struct stf_registry_target *target, const char *resource,
                                        const json_t *id, json_t **state, struct stf_err *err)
{
    *state = NULL;
    return stf_binding_resource(&stf_registry_binding, resource)->read(target->binding, &target->host, id, state, err);
}

static enum stf_kind begin_run(struct session *session, struct stf_err *err)
{
    char playbook[64];
    const char *state_dir = session->rc->cli.state_dir ? session->rc->cli.state_dir : STF_DEFAULT_STATE_DIR;
    snprintf(playbook, sizeof playbook, "registry %s", session->rc->verb);
    enum stf_kind kind = stf_journal_open(state_dir, playbook, &session->journal, err);
    if (kind != STF_OK)
        return kind;
    const struct stf_run_data data = {
        .playbook = playbook,
        .mode = "apply",
        .site_name = session->target->site_name,
        .site_dir = session->target->site_dir,
        .operator_name = stf_operator_name(),
        .program_version = stf_version(),
    };
    kind = stf_journal_run_begin(session->journal, &data, &session->run, err);
    if (kind == STF_OK)
        kind = stf_journal_add_host(session->journal, session->run, &session->target->host, err);
    return kind == STF_OK ? open_engine(session, STF_ENGINE_APPLY, err) : kind;
}

static json_t *described(const struct stf_resource *resource, const json_t *id, const json_t *state)
{
    char *text = json_is_null(state) ? strdup("absent") : resource->describe(id, state);
    json_t *doc = json_string(text ? text : "?");
    free(text);
    return doc;
}

/* What was changed, in words: the states themselves are in the journal, and may be large. */
static void note_change(struct session *session, const struct stf_registry_wish *wish, const json_t *result)
{
    const struct stf_resource *resource = stf_binding_resource(&stf_registry_binding, wish->resource);
    json_array_append_new(session->changes,
                          json_pack("{s:s, s:o, s:o, s:o}", "resource", wish->resource, "what",
                                    described(resource, wish->id, NULL), "before",
                                    described(resource, wish->id, json_object_get(result, "before")), "after",
                                    described(resource, wish->id, json_object_get(result, "after"))));
}

static enum stf_kind change_all(struct session *session, const struct stf_registry_wish *wishes, size_t count,
                                struct stf_err *err)
{
    for (size_t i = 0; i < count; i++) {
        json_t *result = NULL;
        enum stf_kind kind = stf_engine_change(session->engine, session->rc->verb, &session->target->host,
                                               wishes[i].resource, wishes[i].id, wishes[i].after, &result, err);
        if (kind == STF_OK && session->run && json_is_true(json_object_get(result, "changed")))
            note_change(session, &wishes[i], result);
        json_decref(result);
        if (kind != STF_OK)
            return kind;
    }
    return STF_OK;
}

/* ---- telling ---- */

static const char *text_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text ? text : "";
}

static void print_done(const struct session *session, const char *state)
{
    if (session->rc->cli.is_json) {
        json_t *report =
            json_pack("{s:s, s:s, s:I, s:b, s:O}", "mode", "apply", "state", state, "run", (json_int_t)session->run,
                      "changed", json_array_size(session->changes) > 0, "changes", session->changes);
        stf_output_json(report);
        json_decref(report);
        return;
    }
    size_t index;
    json_t *change, *changes = stf_output_printable(session->changes);
    json_array_foreach (changes, index, change)
        printf("%s\n  - %s\n  + %s\n", text_of(change, "what"), text_of(change, "before"), text_of(change, "after"));
    json_decref(changes);
    const char *state_dir = session->rc->cli.state_dir;
    printf("%s, run %" PRId64 ": `staffetta rollback %" PRId64 "%s", state, session->run, session->run,
           state_dir ? " --state" : "");
    if (state_dir)
        stf_cli_word(state_dir);
    puts("` puts it back");
}

static int print_unchanged(const struct stf_registry_cli *rc)
{
    if (rc->cli.is_json)
        puts("{\"changed\": false}");
    else
        puts("nothing to change");
    return STF_EXIT_OK;
}

static int print_plan(const struct session *session, const json_t *plan)
{
    if (session->rc->cli.is_json) {
        json_t *report = json_pack("{s:s, s:O}", "mode", "plan", "plan", (json_t *)plan);
        stf_output_json(report);
        json_decref(report);
    } else {
        struct stf_output output;
        stf_output_init(&output, stdout);
        stf_output_plan(&output, plan);
        size_t index;
        json_t *change;
        json_array_foreach (json_object_get(plan, "changes"), index, change)
            stf_registry_print_planned(change);
    }
    return json_array_size(json_object_get(plan, "changes")) ? STF_EXIT_PENDING : STF_EXIT_OK;
}

/* ---- plan and apply ---- */

static int plan_wishes(struct session *session, const struct stf_registry_wish *wishes, size_t count)
{
    struct stf_err err;
    json_t *plan = NULL;
    int exit_code = STF_EXIT_ERROR;
    enum stf_kind kind = open_engine(session, STF_ENGINE_PLAN, &err);
    if (kind == STF_OK)
        kind = change_all(session, wishes, count, &err);
    if (kind == STF_OK)
        kind = stf_engine_plan(session->engine, &plan, &err);
    if (kind == STF_OK)
        exit_code = print_plan(session, plan);
    else
        stf_cli_error(&session->rc->cli, &err);
    json_decref(plan);
    return exit_code;
}

/* A run that failed is put back, as those of playbooks are. */
static int undo_failed(struct session *session, enum stf_run_state *state)
{
    const struct stf_rollback rollback = {.run = session->run};
    struct stf_err err;
    json_t *summary = NULL;
    enum stf_kind kind = stf_engine_rollback(session->engine, &rollback, &summary, &err);
    json_decref(summary);
    if (kind == STF_OK) {
        *state = STF_RUN_ROLLED_BACK;
        return STF_EXIT_FAILED;
    }
    *state = STF_RUN_FAILED;
    stf_cli_error(&session->rc->cli, &err);
    return STF_EXIT_NEEDS_HUMAN;
}

static int apply_wishes(struct session *session, const struct stf_registry_wish *wishes, size_t count)
{
    struct stf_err err, end_err;
    enum stf_run_state state = STF_RUN_DONE;
    int exit_code = STF_EXIT_OK;
    session->changes = json_array();
    if (begin_run(session, &err) != STF_OK) {
        stf_cli_error(&session->rc->cli, &err);
        return STF_EXIT_ERROR;
    }
    if (change_all(session, wishes, count, &err) != STF_OK) {
        stf_cli_error(&session->rc->cli, &err);
        exit_code = undo_failed(session, &state);
    } else {
        print_done(session, "done");
    }
    json_t *summary = json_pack("{s:s, s:O}", "state", stf_run_state_name(state), "changes", session->changes);
    if (stf_journal_run_end(session->journal, session->run, state, summary, &end_err) != STF_OK) {
        stf_cli_error(&session->rc->cli, &end_err);
        exit_code = exit_code == STF_EXIT_OK ? STF_EXIT_NEEDS_HUMAN : exit_code;
    }
    json_decref(summary);
    return exit_code;
}

/* Does what stands differ from what is wanted? Asked before a run is begun. */
static enum stf_kind is_pending(struct session *session, const struct stf_registry_wish *wishes, size_t count,
                                bool *is_any, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    *is_any = false;
    for (size_t i = 0; kind == STF_OK && i < count && !*is_any; i++) {
        json_t *now = NULL;
        kind = stf_registry_target_state(session->target, wishes[i].resource, wishes[i].id, &now, err);
        *is_any = kind == STF_OK && !json_equal(now, wishes[i].after);
        json_decref(now);
    }
    return kind;
}

int stf_registry_cli_change(const struct stf_registry_cli *rc, const struct stf_registry_target *target,
                            struct stf_registry_wish *wishes, size_t count)
{
    struct session session = {.rc = rc, .target = target};
    struct stf_err err;
    bool is_any = false;
    int exit_code = STF_EXIT_ERROR;
    if (is_pending(&session, wishes, count, &is_any, &err) != STF_OK)
        stf_cli_error(&rc->cli, &err);
    else if (!is_any)
        exit_code = print_unchanged(rc);
    else
        exit_code = rc->is_plan ? plan_wishes(&session, wishes, count) : apply_wishes(&session, wishes, count);
    session_fini(&session);
    for (size_t i = 0; i < count; i++) {
        json_decref(wishes[i].id);
        json_decref(wishes[i].after);
    }
    return exit_code;
}

/* ---- set ---- */

static enum stf_kind parse_type(const char *text, uint32_t *type, struct stf_err *err)
{
    char *end;
    errno = 0;
    unsigned long long code = strtoull(text, &end, 0);
    if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && code <= UINT32_MAX) {
        *type = (uint32_t)code;
        return STF_OK;
    }
    return stf_registry_type_from_name(text, type, err);
}

/* Signed or not: the 64 bits are what counts for a qword, and the encoder says what a dword may be. */
static enum stf_kind parse_integer(const char *text, int64_t *integer, struct stf_err *err)
{
    char *end;
    errno = 0;
    *integer = *text == '-' ? strtoll(text, &end, 0) : (int64_t)strtoull(text, &end, 0);
    if (end != text && *end == '\0' && errno == 0)
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "set", text,
                       "'%s' is no integer: expected digits, or 0x and hexadecimal digits", text);
}

/* "01,02 ff" as regedit and people write it. */
static enum stf_kind parse_hex(const char *text, uint8_t **data, size_t *size, struct stf_err *err)
{
    char *digits = strdup(text);
    size_t used = 0;
    if (!digits)
        return no_memory(err);
    for (const char *at = text; *at; at++)
        if (!strchr(" ,:", *at))
            digits[used++] = *at;
    digits[used] = '\0';
    enum stf_kind kind = stf_hex_to_bytes(digits, data, size, err);
    free(digits);
    return kind;
}

static bool has_form(uint32_t type, enum stf_registry_form form)
{
    switch (type) {
    case STF_REG_DWORD:
    case STF_REG_DWORD_BIG_ENDIAN:
    case STF_REG_QWORD:
        return form == STF_REGISTRY_FORM_INTEGER;
    case STF_REG_SZ:
    case STF_REG_EXPAND_SZ:
    case STF_REG_LINK:
        return form == STF_REGISTRY_FORM_STRING;
    case STF_REG_MULTI_SZ:
        return form == STF_REGISTRY_FORM_LIST;
    default:
        return false;
    }
}

/* The bytes of a value from the operands that are left. */
static enum stf_kind parse_data(const struct stf_registry_cli *rc, uint32_t type, uint8_t **data, size_t *size,
                                struct stf_err *err)
{
    char **words = rc->cli.operands + rc->used;
    size_t count = (size_t)(rc->cli.operand_count - rc->used);
    struct stf_registry_string items[256];
    struct stf_registry_plain plain = {0};
    bool is_list = has_form(type, STF_REGISTRY_FORM_LIST) && !rc->is_hex;
    if (is_list && count > sizeof items / sizeof *items)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "set", NULL, "at most %zu strings; use a .reg file and import",
                           sizeof items / sizeof *items);
    if (!is_list && count != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "set", NULL, "expected one VALUE, found %zu", count);
    if (rc->is_hex ||
        !(is_list || has_form(type, STF_REGISTRY_FORM_INTEGER) || has_form(type, STF_REGISTRY_FORM_STRING)))
        return parse_hex(words[0], data, size, err);
    if (is_list) {
        for (size_t i = 0; i < count; i++)
            items[i] = (struct stf_registry_string){words[i], strlen(words[i])};
        plain = (struct stf_registry_plain){.form = STF_REGISTRY_FORM_LIST, .items = items, .count = count};
    } else if (has_form(type, STF_REGISTRY_FORM_STRING)) {
        plain.form = STF_REGISTRY_FORM_STRING;
        plain.string = (struct stf_registry_string){words[0], strlen(words[0])};
    } else {
        plain.form = STF_REGISTRY_FORM_INTEGER;
        enum stf_kind kind = parse_integer(words[0], &plain.integer, err);
        if (kind != STF_OK)
            return kind;
    }
    return stf_registry_value_encode(type, &plain, data, size, err);
}

static enum stf_kind parse_value(const struct stf_registry_cli *rc, const char *type_text, json_t **state,
                                 struct stf_err *err)
{
    struct stf_registry_value value = {0};
    enum stf_kind kind = parse_type(type_text, &value.type, err);
    if (kind == STF_OK)
        kind = parse_data(rc, value.type, &value.data, &value.size, err);
    if (kind == STF_OK)
        kind = stf_registry_value_to_doc(&value, state, err);
    free(value.data);
    return kind;
}

static json_t *value_id(const struct stf_registry_target *target, const char *name)
{
    return json_pack("{s:s, s:s}", "key", target->key, "name", name);
}

/* With the keys' times, so that the undo of a deletion gives back the same hive. */
static json_t *key_id(const struct stf_registry_target *target)
{
    return json_pack("{s:s, s:b}", "key", target->key, "times", 1);
}

int stf_registry_cmd_set(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    const char *name = stf_registry_cli_next(rc), *type = stf_registry_cli_next(rc);
    struct stf_registry_wish wish = {.resource = "registry.value"};
    if (exit_code == -1 && !type)
        exit_code = stf_registry_cli_usage(rc, "STORE PATH NAME TYPE VALUE");
    if (exit_code == -1 && parse_value(rc, type, &wish.after, &err) != STF_OK) {
        stf_cli_error(&rc->cli, &err);
        exit_code = STF_EXIT_ERROR;
    }
    if (exit_code == -1) {
        wish.id = value_id(&target, name);
        exit_code = stf_registry_cli_change(rc, &target, &wish, 1);
    }
    stf_registry_target_fini(&target);
    return exit_code;
}

/* ---- delete ---- */

/* What is absent already stays as it is: {"existing_keys"} says so, or null. */
static bool is_absent(const json_t *state)
{
    return json_is_null(state) || json_object_get(state, "existing_keys");
}

static int delete_standing(const struct stf_registry_cli *rc, const struct stf_registry_target *target,
                           struct stf_registry_wish *wish, const json_t *now)
{
    size_t subkeys = json_object_size(json_object_get(now, "keys"));
    if (subkeys && !rc->is_recursive) {
        struct stf_err err;
        stf_err_set(&err, STF_CONFLICT, 0, "delete", target->key,
                    "the key %s has %zu subkey%s; --recursive deletes it with all that is below", target->key, subkeys,
                    subkeys == 1 ? "" : "s");
        stf_cli_error(&rc->cli, &err);
        return STF_EXIT_ERROR;
    }
    wish->id = json_incref(wish->id);
    wish->after = json_null();
    return stf_registry_cli_change(rc, target, wish, 1);
}

int stf_registry_cmd_delete(struct stf_registry_cli *rc)
{
    struct stf_registry_target target;
    struct stf_err err;
    int exit_code = stf_registry_cli_target(rc, &target);
    const char *name = stf_registry_cli_next(rc);
    struct stf_registry_wish wish = {.resource = name ? "registry.value" : "registry.key"};
    json_t *id = NULL, *now = NULL;
    if (exit_code == -1 && rc->used < rc->cli.operand_count)
        exit_code = stf_registry_cli_usage(rc, NULL);
    if (exit_code != -1)
        goto out;
    id = name ? value_id(&target, name) : key_id(&target);
    if (stf_registry_target_state(&target, wish.resource, id, &now, &err) != STF_OK) {
        stf_cli_error(&rc->cli, &err);
        exit_code = STF_EXIT_ERROR;
    } else if (is_absent(now)) {
        exit_code = print_unchanged(rc);
    } else {
        wish.id = id;
        exit_code = delete_standing(rc, &target, &wish, now);
    }
out:
    json_decref(id);
    json_decref(now);
    stf_registry_target_fini(&target);
    return exit_code;
}
