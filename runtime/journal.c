/* journal.c - runs, changes, checks and events in the journal (journal.h). Must never act on a host.
 * SPDX-License-Identifier: MIT */
#include "journal_db.h"

#include "common/canonical.h"
#include "common/clock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const run_state_names[] = {
    [STF_RUN_RUNNING] = "running",         [STF_RUN_DONE] = "done",
    [STF_RUN_FAILED] = "failed",           [STF_RUN_ROLLED_BACK] = "rolled_back",
    [STF_RUN_INTERRUPTED] = "interrupted", [STF_RUN_HELD] = "held",
};

static const char *const change_state_names[] = {
    [STF_CHANGE_INTENT] = "intent",
    [STF_CHANGE_DONE] = "done",
    [STF_CHANGE_FAILED] = "failed",
    [STF_CHANGE_UNDONE] = "undone",
};
enum { CHANGE_STATE_COUNT = sizeof change_state_names / sizeof change_state_names[0] };

const char *stf_run_state_name(enum stf_run_state state)
{
    return run_state_names[state];
}

const char *stf_change_state_name(enum stf_change_state state)
{
    return change_state_names[state];
}

struct text {
    char *bytes;
    size_t size;
    size_t room;
};

static int append(const char *bytes, size_t size, void *data)
{
    struct text *text = data;
    if (text->size + size >= text->room) {
        size_t room = 2 * (text->size + size) + 64;
        char *more = realloc(text->bytes, room);
        if (!more)
            return -1;
        text->bytes = more;
        text->room = room;
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return 0;
}

char *stf_journal_text(const json_t *doc)
{
    struct text text = {0};
    if (!stf_canonical_write(doc, append, &text) || append("", 1, &text)) {
        free(text.bytes);
        return NULL;
    }
    return text.bytes;
}

/* ---- runs ---- */

enum stf_kind stf_journal_run_begin(struct stf_journal *journal, const struct stf_run_data *data, int64_t *run,
                                    struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_RUN_BEGIN_BEFORE, STF_SOON, RUN_BEGIN};
    return stf_db_write(journal, &write,
                        VALUES(string(data->playbook), string(data->mode), string(data->site_name),
                               string(data->site_dir), document(data->params), string(data->operator_name),
                               string(data->program_version), integer(stf_clock_unix_ms())),
                        run, err);
}

enum stf_kind stf_journal_run_resume(struct stf_journal *journal, int64_t run, struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_RUN_RESUME_BEFORE, STF_DURABLE, RUN_RESUME};
    return stf_db_write(journal, &write, VALUES(integer(run)), NULL, err);
}

enum stf_kind stf_journal_run_undoes(struct stf_journal *journal, int64_t run, int64_t undoes, struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_RUN_UNDOES_BEFORE, STF_SOON, RUN_UNDOES};
    return stf_db_write(journal, &write, VALUES(integer(run), integer(undoes)), NULL, err);
}

enum stf_kind stf_journal_run_end(struct stf_journal *journal, int64_t run, enum stf_run_state state,
                                  const json_t *summary, struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_RUN_END_BEFORE, STF_DURABLE, RUN_END};
    return stf_db_write(
        journal, &write,
        VALUES(integer(run), string(run_state_names[state]), document(summary), integer(stf_clock_unix_ms())), NULL,
        err);
}

/* Follows a chain of rows each of which undoes the next. The first is undone by `by`; what it had undone therefore
 * stands again, what that had undone does not, and so on. `set` writes one row's end of it. */
static enum stf_kind flip_chain(struct stf_journal *journal, enum statement link, int64_t row, int64_t by,
                                enum stf_kind (*set)(struct stf_journal *, int64_t, int64_t, struct stf_err *),
                                struct stf_err *err)
{
    bool is_undone = true;
    enum stf_kind kind = STF_OK;
    while (kind == STF_OK && row != 0) {
        json_t *rows = NULL;
        kind = set(journal, row, is_undone ? by : 0, err);
        if (kind == STF_OK)
            kind = stf_db_query(journal, link, VALUES(integer(row)), &rows, err);
        const json_t *found = json_array_get(rows, 0);
        row = json_integer_value(json_object_get(found, "undoes"));
        by = json_integer_value(json_object_get(found, "run"));
        is_undone = !is_undone;
        json_decref(rows);
    }
    return kind;
}

static enum stf_kind settle_run(struct stf_journal *journal, int64_t run, int64_t by, struct stf_err *err)
{
    return stf_db_execute(journal, RUN_ROLLED_BACK, VALUES(integer(run), reference(by)), err);
}

/* A change that stands, or, when `by` is a run, one that this run has undone. */
static enum stf_kind settle_change(struct stf_journal *journal, int64_t change, int64_t by, struct stf_err *err)
{
    const char *state = change_state_names[by ? STF_CHANGE_UNDONE : STF_CHANGE_DONE];
    return stf_db_execute(journal, CHANGE_OUTCOME, VALUES(integer(change), string(state), string(NULL), reference(by)),
                          err);
}

struct undone_run {
    int64_t run;
    int64_t by;
};

static enum stf_kind note_undone_run(struct stf_journal *journal, void *data, struct stf_err *err)
{
    const struct undone_run *undone = data;
    return flip_chain(journal, RUN_LINK, undone->run, undone->by, settle_run, err);
}

enum stf_kind stf_journal_run_rolled_back(struct stf_journal *journal, int64_t run, int64_t by, struct stf_err *err)
{
    struct undone_run undone = {run, by};
    const struct stf_job job = {STF_FAULT_RUN_ROLLED_BACK_BEFORE, STF_DURABLE, note_undone_run, &undone};
    return stf_db_do(journal, &job, err);
}

enum stf_kind stf_journal_add_host(struct stf_journal *journal, int64_t run, const struct stf_host *host,
                                   struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_HOST_BEFORE, STF_SOON, HOST_ADD};
    return stf_db_write(journal, &write,
                        VALUES(integer(run), string(host->name), string(host->site_dir), document(host->config)), NULL,
                        err);
}

enum stf_kind stf_journal_add_script(struct stf_journal *journal, int64_t run, const struct stf_script_data *script,
                                     struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_SCRIPT_BEFORE, STF_SOON, SCRIPT_ADD};
    return stf_db_write(journal, &write,
                        VALUES(integer(run), string(script->kind), string(script->name), string(script->origin),
                               string(script->sha256)),
                        NULL, err);
}

enum stf_kind stf_journal_add_check(struct stf_journal *journal, int64_t run, const struct stf_check_data *check,
                                    struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_CHECK_BEFORE, STF_SOON, CHECK_ADD};
    return stf_db_write(journal, &write,
                        VALUES(integer(run), string(check->step), string(check->host), string(check->name),
                               string(check->verdict), document(check->evidence), integer(stf_clock_unix_ms())),
                        NULL, err);
}

enum stf_kind stf_journal_add_event(struct stf_journal *journal, int64_t run, const char *kind, const json_t *data,
                                    struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_EVENT_BEFORE, STF_SOON, EVENT_ADD};
    return stf_db_write(journal, &write,
                        VALUES(integer(run), string(kind), document(data), integer(stf_clock_unix_ms())), NULL, err);
}

/* ---- changes ---- */

enum stf_kind stf_journal_change_intent(struct stf_journal *journal, const struct stf_change_id *id,
                                        const struct stf_change_data *data, int64_t *change, struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_INTENT_BEFORE, STF_DURABLE, CHANGE_INTENT};
    enum stf_kind kind = stf_db_write(journal, &write,
                                      VALUES(integer(id->run), string(id->step), string(id->host), string(id->resource),
                                             document(id->id), document(data->before), document(data->after),
                                             integer(stf_clock_unix_ms()), reference(id->undoes)),
                                      change, err);
    if (kind != STF_OK)
        return kind;
    pthread_mutex_lock(&journal->queue_mutex);
    kind = stf_statelock_mark(&journal->lock, *change, err);
    pthread_mutex_unlock(&journal->queue_mutex);
    return kind;
}

static enum stf_kind note_done(struct stf_journal *journal, void *data, struct stf_err *err)
{
    int64_t change = *(const int64_t *)data;
    json_t *rows = NULL;
    enum stf_kind kind = stf_db_query(journal, CHANGE_LINK, VALUES(integer(change)), &rows, err);
    const json_t *row = json_array_get(rows, 0);
    if (kind == STF_OK && !row)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "journal", journal->path, "there is no change %" PRId64, change);
    if (kind == STF_OK)
        kind = settle_change(journal, change, 0, err);
    if (kind == STF_OK) {
        int64_t undoes = json_integer_value(json_object_get(row, "undoes"));
        int64_t by = json_integer_value(json_object_get(row, "run"));
        kind = flip_chain(journal, CHANGE_LINK, undoes, by, settle_change, err);
    }
    json_decref(rows);
    return kind;
}

enum stf_kind stf_journal_change_done(struct stf_journal *journal, int64_t change, struct stf_err *err)
{
    const struct stf_job job = {STF_FAULT_DONE_BEFORE, STF_SOON, note_done, &change};
    return stf_db_do(journal, &job, err);
}

enum stf_kind stf_journal_change_failed(struct stf_journal *journal, int64_t change, const char *error,
                                        struct stf_err *err)
{
    static const struct stf_write write = {STF_FAULT_FAILED_BEFORE, STF_SOON, CHANGE_OUTCOME};
    const char *state = change_state_names[STF_CHANGE_FAILED];
    return stf_db_write(journal, &write, VALUES(integer(change), string(state), string(error), reference(0)), NULL,
                        err);
}

int64_t stf_journal_run_of(int64_t change)
{
    return change >> 32;
}

/* ---- reading ---- */

static enum stf_kind query_locked(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                                  size_t count, json_t **rows, struct stf_err *err)
{
    pthread_mutex_lock(&journal->mutex);
    enum stf_kind kind = stf_db_query(journal, which, values, count, rows, err);
    pthread_mutex_unlock(&journal->mutex);
    return kind;
}

static struct stf_value is_live(const struct stf_journal *journal)
{
    return integer(journal->is_writer || stf_statelock_is_held(journal->state_dir));
}

enum stf_kind stf_journal_list(struct stf_journal *journal, json_t **runs, struct stf_err *err)
{
    return query_locked(journal, LIST_RUNS, VALUES(is_live(journal)), runs, err);
}

static enum stf_kind load_run(struct stf_journal *journal, int64_t run, json_t **doc, struct stf_err *err)
{
    json_t *rows = NULL;
    enum stf_kind kind = stf_db_query(journal, LOAD_RUN, VALUES(is_live(journal), integer(run)), &rows, err);
    if (kind == STF_OK && json_array_size(rows) == 0) {
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "journal", journal->path, "the journal has no run %" PRId64, run);
        stf_err_remedy(err, "staffetta runs");
    }
    *doc = kind == STF_OK ? json_incref(json_array_get(rows, 0)) : NULL;
    json_decref(rows);
    return kind;
}

static enum stf_kind load_parts(struct stf_journal *journal, int64_t run, json_t *doc, struct stf_err *err)
{
    static const struct {
        const char *key;
        enum statement statement;
    } parts[] = {
        {"hosts", LOAD_HOSTS},   {"scripts", LOAD_SCRIPTS}, {"changes", LOAD_CHANGES},
        {"checks", LOAD_CHECKS}, {"events", LOAD_EVENTS},
    };
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; kind == STF_OK && i < sizeof parts / sizeof parts[0]; i++) {
        json_t *rows = NULL;
        kind = stf_db_query(journal, parts[i].statement, VALUES(integer(run)), &rows, err);
        if (kind == STF_OK && json_object_set_new(doc, parts[i].key, rows) < 0)
            kind = stf_db_no_memory(err);
    }
    return kind;
}

enum stf_kind stf_journal_load(struct stf_journal *journal, int64_t run, json_t **doc, struct stf_err *err)
{
    json_t *head = NULL;
    *doc = NULL;
    pthread_mutex_lock(&journal->mutex);
    enum stf_kind kind = stf_db_execute_text(journal, "BEGIN", err); /* one moment, also while a controller works */
    if (kind == STF_OK) {
        kind = load_run(journal, run, &head, err);
        if (kind == STF_OK) {
            *doc = json_pack("{s:o}", "run", head);
            kind = *doc ? load_parts(journal, run, *doc, err) : stf_db_no_memory(err);
        }
        sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL); /* nothing was written: it has nothing to fail at */
    }
    pthread_mutex_unlock(&journal->mutex);
    if (kind != STF_OK) {
        json_decref(*doc);
        *doc = NULL;
    }
    return kind;
}

enum stf_kind stf_journal_hosts(struct stf_journal *journal, int64_t run, json_t **hosts, struct stf_err *err)
{
    return query_locked(journal, LOAD_HOSTS, VALUES(integer(run)), hosts, err);
}

static const char *text_of(const json_t *row, const char *key)
{
    return json_string_value(json_object_get(row, key));
}

static int64_t int_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

static enum stf_kind change_of(struct stf_journal *journal, const json_t *row, struct stf_change *change,
                               struct stf_err *err)
{
    *change = (struct stf_change){
        .change = int_of(row, "change"),
        .run = int_of(row, "run"),
        .seq = int_of(row, "seq"),
        .step = text_of(row, "step"),
        .host = text_of(row, "host"),
        .resource = text_of(row, "resource"),
        .id = json_object_get(row, "id"),
        .before = json_object_get(row, "before"),
        .after = json_object_get(row, "after"),
        .error = text_of(row, "error"),
        .at_unix_ms = int_of(row, "at_unix_ms"),
        .undoes = int_of(row, "undoes"),
        .undone_by_run = int_of(row, "undone_by_run"),
    };
    const char *state = text_of(row, "state");
    for (int i = 0; state && i < CHANGE_STATE_COUNT; i++) {
        if (strcmp(state, change_state_names[i]) == 0) {
            change->state = (enum stf_change_state)i;
            return STF_OK;
        }
    }
    return stf_db_damaged(journal, "a change has a state that is none", err);
}

enum stf_kind stf_journal_changes(struct stf_journal *journal, int64_t run, struct stf_change_list *list,
                                  struct stf_err *err)
{
    json_t *head = NULL;
    *list = (struct stf_change_list){0};
    pthread_mutex_lock(&journal->mutex);
    enum stf_kind kind = load_run(journal, run, &head, err);
    if (kind == STF_OK)
        kind = stf_db_query(journal, LOAD_CHANGES, VALUES(integer(run)), &list->rows, err);
    pthread_mutex_unlock(&journal->mutex);
    json_decref(head);
    if (kind != STF_OK)
        return kind;
    size_t count = json_array_size(list->rows);
    list->items = calloc(count ? count : 1, sizeof *list->items);
    if (!list->items)
        return stf_db_no_memory(err);
    for (list->count = 0; kind == STF_OK && list->count < count; list->count++)
        kind = change_of(journal, json_array_get(list->rows, count - 1 - list->count), &list->items[list->count], err);
    return kind;
}

void stf_change_list_fini(struct stf_change_list *list)
{
    json_decref(list->rows);
    free(list->items);
    *list = (struct stf_change_list){0};
}
