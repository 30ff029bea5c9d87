/* journal_db.c - the journal's database on SQLite: opened, checked, written and read (journal_db.h).
 * Must never hand out a row that is not as it was written. SPDX-License-Identifier: MIT */
#include "journal_db.h"

#include "journal_sql.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/folder.h"

enum { BUSY_TIMEOUT_MS = 5000 };

/* ---- errors ---- */

enum stf_kind stf_db_damaged(struct stf_journal *journal, const char *what, struct stf_err *err)
{
    return stf_err_set(
        err, STF_INVALID_DATA, 0, "journal", journal->path,
        "the journal is damaged (%.300s), so nothing was done: copy the whole folder, then put back a backup "
        "of it, or move the folder away to begin anew without the means to roll back; "
        "`sqlite3 journal.db .recover` shows what can still be read",
        what);
}

enum stf_kind stf_db_no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "journal", NULL, "out of memory");
}

/* The error of a failed SQLite call, `code` being what it returned. */
static enum stf_kind sqlite_failed(struct stf_journal *journal, int code, struct stf_err *err)
{
    const char *text = journal->db ? sqlite3_errmsg(journal->db) : sqlite3_errstr(code);
    switch (code & 0xff) {
    case SQLITE_ERROR: /* our statements fit our tables: a table or column is missing */
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return stf_db_damaged(journal, text, err);
    case SQLITE_NOMEM:
        return stf_db_no_memory(err);
    case SQLITE_FULL:
        return stf_err_set(err, STF_IO, code, "journal", journal->path,
                           "the disk is full and the journal can not be written: make room, then try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return stf_err_set(err, STF_DENIED, code, "journal", journal->path, "the journal can not be written: %s", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return stf_err_set(err, STF_BUSY, code, "journal", journal->path, "another program uses the journal: %s", text);
    case SQLITE_CONSTRAINT:
        return stf_err_set(err, STF_NOT_FOUND, code, "journal", journal->path,
                           "the journal has no such run, or the run no such host: begin the run and add its hosts "
                           "first (%s)",
                           text);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
        int errnum = journal->db ? sqlite3_system_errno(journal->db) : 0;
        if (errnum != 0)
            return stf_err_errno(err, errnum, "journal", journal->path, "the journal can not be read or written");
        break;
    }
    }
    return stf_err_set(err, STF_IO, code, "journal", journal->path, "the journal can not be read or written: %s", text);
}

/* ---- statements; all of these hold the mutex, or run before anybody else has the journal ---- */

static enum stf_kind bind_value(struct stf_journal *journal, sqlite3_stmt *statement, int index,
                                const struct stf_value *value, struct stf_err *err)
{
    int code = SQLITE_OK;
    switch (value->type) {
    case VALUE_NULL:
        code = sqlite3_bind_null(statement, index);
        break;
    case VALUE_INT:
        code = sqlite3_bind_int64(statement, index, value->number);
        break;
    case VALUE_TEXT: {
        json_t *utf8 = json_string(value->text);
        if (!utf8)
            return stf_err_set(err, STF_INVALID_DATA, 0, "journal", value->text, "this text is not UTF-8");
        json_decref(utf8);
        code = sqlite3_bind_text(statement, index, value->text, -1, SQLITE_TRANSIENT);
        break;
    }
    case VALUE_JSON:
        if (!value->document)
            return stf_db_no_memory(err);
        code = sqlite3_bind_text(statement, index, value->document, -1, SQLITE_STATIC);
        break;
    }
    return code == SQLITE_OK ? STF_OK : sqlite_failed(journal, code, err);
}

static enum stf_kind start(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                           size_t count, struct stf_err *err)
{
    sqlite3_stmt **statement = &journal->statements[which];
    if (!*statement) {
        int code =
            sqlite3_prepare_v3(journal->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
        if (code != SQLITE_OK)
            return sqlite_failed(journal, code, err);
    }
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; kind == STF_OK && i < count; i++)
        kind = bind_value(journal, *statement, (int)i + 1, &values[i], err);
    return kind;
}

enum stf_kind stf_db_execute(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                             size_t count, struct stf_err *err)
{
    enum stf_kind kind = start(journal, which, values, count, err);
    if (kind == STF_OK) {
        int code = sqlite3_step(journal->statements[which]);
        if (code != SQLITE_DONE)
            kind = sqlite_failed(journal, code, err);
    }
    sqlite3_reset(journal->statements[which]);
    return kind;
}

enum stf_kind stf_db_execute_text(struct stf_journal *journal, const char *sql, struct stf_err *err)
{
    int code = sqlite3_exec(journal->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? STF_OK : sqlite_failed(journal, code, err);
}

static enum stf_kind wait_for_disk(struct stf_journal *journal, bool is_waiting, struct stf_err *err)
{
    if (journal->is_waiting_for_disk == is_waiting)
        return STF_OK;
    enum stf_kind kind =
        stf_db_execute_text(journal, is_waiting ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
    if (kind == STF_OK)
        journal->is_waiting_for_disk = is_waiting;
    return kind;
}

static enum stf_kind check_writer(const struct stf_journal *journal, struct stf_err *err)
{
    return journal->is_writer
               ? STF_OK
               : stf_err_set(err, STF_DENIED, 0, "journal", journal->path, "the journal is open for looking only");
}

static json_t *column_to_doc(sqlite3_stmt *statement, int index)
{
    const char *type = sqlite3_column_decltype(statement, index);
    if (sqlite3_column_type(statement, index) == SQLITE_NULL)
        return json_null();
    if (sqlite3_column_type(statement, index) == SQLITE_INTEGER)
        return json_integer(sqlite3_column_int64(statement, index));
    const char *text = (const char *)sqlite3_column_text(statement, index);
    size_t size = (size_t)sqlite3_column_bytes(statement, index);
    if (type && strcmp(type, "JSON TEXT") == 0)
        return json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return json_stringn(text, size);
}

static enum stf_kind row_to_doc(struct stf_journal *journal, sqlite3_stmt *statement, json_t **doc, struct stf_err *err)
{
    *doc = json_object();
    for (int i = 0; *doc && i < sqlite3_column_count(statement); i++) {
        if (json_object_set_new(*doc, sqlite3_column_name(statement, i), column_to_doc(statement, i)) < 0) {
            json_decref(*doc);
            *doc = NULL;
            return stf_db_damaged(journal, sqlite3_column_name(statement, i), err);
        }
    }
    return *doc ? STF_OK : stf_db_no_memory(err);
}

enum stf_kind stf_db_query(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                           size_t count, json_t **rows, struct stf_err *err)
{
    *rows = json_array();
    enum stf_kind kind = *rows ? start(journal, which, values, count, err) : stf_db_no_memory(err);
    while (kind == STF_OK) {
        int code = sqlite3_step(journal->statements[which]);
        if (code == SQLITE_DONE)
            break;
        json_t *row = NULL;
        kind = code == SQLITE_ROW ? row_to_doc(journal, journal->statements[which], &row, err)
                                  : sqlite_failed(journal, code, err);
        if (kind == STF_OK && json_array_append_new(*rows, row) < 0)
            kind = stf_db_no_memory(err);
    }
    sqlite3_reset(journal->statements[which]);
    if (kind != STF_OK) {
        json_decref(*rows);
        *rows = NULL;
    }
    return kind;
}

/* ---- writing ---- */

/* One thread's job in the queue, on that thread's stack. */
struct stf_waiting {
    const struct stf_job *job;
    enum stf_kind kind;
    struct stf_err err;
    bool is_done;
    pthread_cond_t wake; /* it is done, or the first of those that wait, who now commits */
    struct stf_waiting *next;
};

/* A job that fails is taken back by itself; an error is one that has ended the transaction, and with it all jobs. */
static enum stf_kind do_one(struct stf_journal *journal, struct stf_waiting *one, struct stf_err *err)
{
    enum stf_kind kind = stf_db_execute(journal, JOB_BEGIN, NULL, 0, err);
    if (kind != STF_OK)
        return kind;
    one->kind = one->job->work(journal, one->job->data, &one->err);
    if (one->kind != STF_OK && sqlite3_get_autocommit(journal->db)) {
        *err = one->err;
        return one->kind;
    }
    if (one->kind != STF_OK)
        kind = stf_db_execute(journal, JOB_UNDO, NULL, 0, err);
    return kind == STF_OK ? stf_db_execute(journal, JOB_KEEP, NULL, 0, err) : kind;
}

/* One transaction; it waits for the disk when one of its jobs does. */
static void do_batch(struct stf_journal *journal, struct stf_waiting *batch)
{
    struct stf_err err;
    bool is_durable = false;
    for (const struct stf_waiting *one = batch; one; one = one->next)
        is_durable = is_durable || one->job->durability == STF_DURABLE;
    enum stf_kind kind = wait_for_disk(journal, is_durable, &err);
    if (kind == STF_OK)
        kind = stf_db_execute(journal, BEGIN, NULL, 0, &err);
    for (struct stf_waiting *one = batch; kind == STF_OK && one; one = one->next)
        kind = do_one(journal, one, &err);
    if (kind == STF_OK)
        kind = stf_db_execute(journal, COMMIT, NULL, 0, &err);
    if (kind == STF_OK)
        return;
    if (!sqlite3_get_autocommit(journal->db))
        sqlite3_exec(journal->db, "ROLLBACK", NULL, NULL, NULL); /* the first error is the one to report */
    for (struct stf_waiting *one = batch; one; one = one->next) {
        if (one->kind == STF_OK) {
            one->kind = kind;
            one->err = err;
        }
    }
}

/* Does all jobs that wait. Has the queue's mutex, and lets go of it meanwhile: the next ones gather. */
static void lead(struct stf_journal *journal)
{
    struct stf_waiting *batch = journal->queue;
    journal->queue = NULL;
    journal->queue_end = &journal->queue;
    journal->is_committing = true;
    pthread_mutex_unlock(&journal->queue_mutex);
    pthread_mutex_lock(&journal->mutex);
    do_batch(journal, batch);
    pthread_mutex_unlock(&journal->mutex);
    pthread_mutex_lock(&journal->queue_mutex);
    journal->is_committing = false;
    for (; batch; batch = batch->next) {
        batch->is_done = true;
        pthread_cond_signal(&batch->wake);
    }
    if (journal->queue)
        pthread_cond_signal(&journal->queue->wake);
}

enum stf_kind stf_db_do(struct stf_journal *journal, const struct stf_job *job, struct stf_err *err)
{
    struct stf_waiting own = {.job = job, .wake = PTHREAD_COND_INITIALIZER};
    enum stf_kind kind = check_writer(journal, err);
    if (kind != STF_OK)
        return kind;
    stf_fault(job->fault);
    pthread_mutex_lock(&journal->queue_mutex);
    *journal->queue_end = &own;
    journal->queue_end = &own.next;
    while (!own.is_done && journal->is_committing)
        pthread_cond_wait(&own.wake, &journal->queue_mutex);
    if (!own.is_done)
        lead(journal);
    pthread_mutex_unlock(&journal->queue_mutex);
    pthread_cond_destroy(&own.wake);
    stf_fault((enum stf_fault_point)(job->fault + 1));
    if (own.kind != STF_OK && err)
        *err = own.err;
    return own.kind;
}

struct row {
    enum statement statement;
    const struct stf_value *values;
    size_t count;
    int64_t id;
};

static enum stf_kind write_row(struct stf_journal *journal, void *data, struct stf_err *err)
{
    struct row *row = data;
    enum stf_kind kind = stf_db_execute(journal, row->statement, row->values, row->count, err);
    row->id = sqlite3_last_insert_rowid(journal->db);
    return kind;
}

enum stf_kind stf_db_write(struct stf_journal *journal, const struct stf_write *write, const struct stf_value *values,
                           size_t count, int64_t *id, struct stf_err *err)
{
    struct row row = {write->statement, values, count, 0};
    const struct stf_job job = {write->fault, write->durability, write_row, &row};
    enum stf_kind kind = stf_db_do(journal, &job, err);
    for (size_t i = 0; i < count; i++)
        free(values[i].document);
    if (kind == STF_OK && id)
        *id = row.id;
    return kind;
}

/* ---- opening ---- */

/* One step of FNV-1a, on eight bytes. A sum that differs in one step differs after all that follow. */
static uint64_t add_to_sum(uint64_t sum, uint64_t word)
{
    return (sum ^ word) * 0x100000001b3u;
}

/* stf_sum(...): over the types, sizes and bytes of all arguments. It guards against damage, not against a person with a
 * mind to it. */
static void sum_function(sqlite3_context *context, int count, sqlite3_value **values)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (int i = 0; i < count; i++) {
        int type = sqlite3_value_type(values[i]);
        const unsigned char *bytes = type == SQLITE_NULL ? NULL : sqlite3_value_text(values[i]);
        size_t size = bytes ? (size_t)sqlite3_value_bytes(values[i]) : 0;
        uint64_t word = 0;
        sum = add_to_sum(add_to_sum(sum, (uint64_t)type), size);
        for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
            memcpy(&word, bytes, sizeof word);
            sum = add_to_sum(sum, word);
        }
        for (; size > 0; bytes++, size--)
            sum = add_to_sum(sum, *bytes);
    }
    sqlite3_result_int64(context, (sqlite3_int64)sum);
}

static enum stf_kind connect(struct stf_journal *journal, const char *name, int flags, struct stf_err *err)
{
    int code = sqlite3_open_v2(name, &journal->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code == SQLITE_OK) {
        code =
            sqlite3_create_function(journal->db, "stf_sum", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                                    NULL, sum_function, NULL, NULL);
    }
    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(journal->db, BUSY_TIMEOUT_MS);
    if (code != SQLITE_OK)
        return sqlite_failed(journal, code, err);
    return stf_db_execute_text(journal, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", err);
}

static void disconnect(struct stf_journal *journal)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(journal->statements[i]);
        journal->statements[i] = NULL;
    }
    sqlite3_close(journal->db);
    journal->db = NULL;
}

/* The first column of the first row, "" where there is none or it is NULL; malloc'ed. */
static enum stf_kind query_text(struct stf_journal *journal, const char *sql, char **text, struct stf_err *err)
{
    sqlite3_stmt *statement = NULL;
    *text = NULL;
    int code = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    enum stf_kind kind = code == SQLITE_ROW || code == SQLITE_DONE ? STF_OK : sqlite_failed(journal, code, err);
    if (kind == STF_OK) {
        const char *found = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        *text = strdup(found ? found : "");
        kind = *text ? STF_OK : stf_db_no_memory(err);
    }
    sqlite3_finalize(statement);
    return kind;
}

static enum stf_kind check_version(struct stf_journal *journal, struct stf_err *err)
{
    char *text = NULL;
    enum stf_kind kind = query_text(journal, "PRAGMA user_version", &text, err);
    if (kind == STF_OK) {
        int version = atoi(text);
        if (version == 0) {
            kind = stf_db_damaged(journal, "it is a database, but not one of this program", err);
        } else if (version != SCHEMA_VERSION) {
            kind = stf_err_set(err, STF_UNSUPPORTED, version, "journal", journal->path,
                               "the journal is of version %d and this program knows %d: use the program that wrote it",
                               version, SCHEMA_VERSION);
        }
    }
    free(text);
    return kind;
}

static enum stf_kind check_whole(struct stf_journal *journal, struct stf_err *err)
{
    char *text = NULL;
    enum stf_kind kind = query_text(journal, "PRAGMA integrity_check(1)", &text, err);
    if (kind == STF_OK && strcmp(text, "ok") != 0)
        kind = stf_db_damaged(journal, text, err);
    free(text);
    if (kind != STF_OK)
        return kind;
    kind = query_text(journal, tables_sql, &text, err);
    if (kind == STF_OK && strcmp(text, tables) != 0)
        kind = stf_db_damaged(journal, "its tables are not those of this program", err);
    free(text);
    if (kind != STF_OK)
        return kind;
    kind = query_text(journal, bad_sums, &text, err);
    if (kind == STF_OK && text[0] != '\0') {
        char what[64];
        snprintf(what, sizeof what, "a row of %s is not as it was written", text);
        kind = stf_db_damaged(journal, what, err);
    }
    free(text);
    return kind;
}

/* The lock file remembers the newest change that was durable. A journal that does not reach it has lost its end. */
static enum stf_kind check_end(struct stf_journal *journal, struct stf_err *err)
{
    json_t *rows = NULL;
    enum stf_kind kind = stf_db_query(journal, NEWEST_CHANGE, NULL, 0, &rows, err);
    if (kind != STF_OK)
        return kind;
    int64_t newest = json_integer_value(json_object_get(json_array_get(rows, 0), "newest"));
    json_decref(rows);
    int64_t witness = journal->lock.newest_change;
    if (newest < witness) {
        char what[160];
        snprintf(what, sizeof what,
                 "changes up to %" PRId64 " of run %" PRId64 " were recorded, and its end is missing; remove the file "
                 "`lock` if an older copy was put back on purpose",
                 witness & UINT32_MAX, witness >> 32);
        return stf_db_damaged(journal, what, err);
    }
    return stf_statelock_mark(&journal->lock, newest, err);
}

/* What can not be looked at is there: a journal is made only where there is none for certain. */
static bool is_there(const char *path, const char *suffix)
{
    char *name;
    struct stat status;
    if (asprintf(&name, "%s%s", path, suffix) < 0)
        return true;
    bool is_there = stat(name, &status) == 0 ? suffix[0] == '\0' || status.st_size > 0 : errno != ENOENT;
    free(name);
    return is_there;
}

/* Makes the database under the given name; what a crash left there before is replaced. It has no other name yet, so it
 * needs no journal of its own, and is synced once. */
static enum stf_kind create_as(struct stf_journal *journal, const char *name, struct stf_err *err)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return stf_err_errno(err, errno, "journal", name, "can not make the journal");
    enum stf_kind kind = connect(journal, name, SQLITE_OPEN_READWRITE, err);
    const char *const parts[] = {"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", tables,
                                 SET_VERSION(SCHEMA_VERSION), "COMMIT", "PRAGMA journal_mode = WAL"};
    for (size_t i = 0; kind == STF_OK && i < sizeof parts / sizeof parts[0]; i++)
        kind = stf_db_execute_text(journal, parts[i], err);
    disconnect(journal);
    if (kind == STF_OK && fsync(fd) < 0)
        kind = stf_err_errno(err, errno, "journal", name, "can not make the journal");
    close(fd);
    return kind;
}

/* A new journal is complete before it gets its name, so one that is empty or has no tables was damaged. */
static enum stf_kind create(struct stf_journal *journal, struct stf_err *err)
{
    char *name = NULL;

    if (journal->lock.newest_change != 0 || is_there(journal->path, "-wal"))
        return stf_db_damaged(journal, "journal.db is gone from a folder that has had one", err);
    if (asprintf(&name, "%s.new", journal->path) < 0)
        return stf_db_no_memory(err);
    stf_fault(STF_FAULT_CREATE_BEFORE);
    enum stf_kind kind = create_as(journal, name, err);
    stf_fault(STF_FAULT_CREATE_AFTER);
    if (kind == STF_OK && rename(name, journal->path) < 0)
        kind = stf_err_errno(err, errno, "journal", journal->path, "can not make the journal");
    if (kind == STF_OK)
        kind = stf_folder_sync(journal->state_dir, err);
    free(name);
    return kind;
}

static enum stf_kind open_writer(struct stf_journal *journal, struct stf_err *err)
{
    static const struct stf_write interrupt = {STF_FAULT_INTERRUPT_BEFORE, STF_DURABLE, RUNS_INTERRUPT};
    char *mode = NULL;
    enum stf_kind kind = connect(journal, journal->path, SQLITE_OPEN_READWRITE, err);
    if (kind == STF_OK)
        kind = check_version(journal, err);
    if (kind == STF_OK && sqlite3_db_readonly(journal->db, "main") != 0) {
        kind = stf_err_set(err, STF_DENIED, 0, "journal", journal->path,
                           "the journal can not be written, and nothing is done without it: check its permissions");
    }
    if (kind == STF_OK)
        kind = query_text(journal, "PRAGMA journal_mode = WAL", &mode, err);
    if (kind == STF_OK && strcmp(mode, "wal") != 0) {
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "journal", journal->path,
                           "this file system can not keep a write-ahead log: use a state folder on a local disk");
    }
    free(mode);
    if (kind == STF_OK) {
        kind = stf_db_execute_text(
            journal, "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY", err);
        journal->is_waiting_for_disk = true;
    }
    if (kind == STF_OK)
        kind = check_whole(journal, err);
    if (kind == STF_OK)
        kind = check_end(journal, err);
    if (kind == STF_OK)
        kind = stf_db_write(journal, &interrupt, NULL, 0, NULL, err);
    return kind;
}

static enum stf_kind open_reader(struct stf_journal *journal, struct stf_err *err)
{
    enum stf_kind kind = connect(journal, journal->path, SQLITE_OPEN_READONLY, err);
    if (kind == STF_OK)
        kind = check_version(journal, err);
    if (kind == STF_OK)
        kind = check_whole(journal, err);
    return kind;
}

/* On a read-only file system SQLite can not share the write-ahead log. Where none is left, the file is all there is. */
static enum stf_kind open_immutable(struct stf_journal *journal, struct stf_err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    char *uri = malloc(3 * strlen(journal->path) + sizeof "file:?immutable=1");
    if (!uri)
        return stf_db_no_memory(err);
    char *end = stpcpy(uri, "file:");
    for (const char *c = journal->path; *c; c++)
        end += strchr(plain, *c) ? sprintf(end, "%c", *c) : sprintf(end, "%%%02x", (unsigned char)*c);
    strcpy(end, "?immutable=1");
    enum stf_kind kind = connect(journal, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    free(uri);
    if (kind == STF_OK)
        kind = check_version(journal, err);
    return kind == STF_OK ? check_whole(journal, err) : kind;
}

static struct stf_journal *journal_new(const char *state_dir)
{
    struct stf_journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return NULL;
    pthread_mutex_init(&journal->mutex, NULL);
    pthread_mutex_init(&journal->queue_mutex, NULL);
    journal->queue_end = &journal->queue;
    journal->lock.fd = -1;
    journal->state_dir = strdup(state_dir);
    if (!journal->state_dir || asprintf(&journal->path, "%s/journal.db", state_dir) < 0) {
        journal->path = NULL;
        stf_journal_close(journal);
        return NULL;
    }
    return journal;
}

enum stf_kind stf_journal_open(const char *state_dir, const char *what, struct stf_journal **journal,
                               struct stf_err *err)
{
    struct stf_journal *made = journal_new(state_dir);
    *journal = NULL;
    if (!made)
        return stf_db_no_memory(err);
    made->is_writer = true;
    enum stf_kind kind = stf_folder_make(state_dir, err);
    if (kind == STF_OK)
        kind = stf_statelock_take(&made->lock, state_dir, what, err);
    if (kind == STF_OK && !is_there(made->path, ""))
        kind = create(made, err);
    if (kind == STF_OK)
        kind = open_writer(made, err);
    if (kind != STF_OK) {
        stf_journal_close(made);
        return kind;
    }
    *journal = made;
    return STF_OK;
}

enum stf_kind stf_journal_open_read(const char *state_dir, struct stf_journal **journal, struct stf_err *err)
{
    struct stf_journal *made = journal_new(state_dir);
    *journal = NULL;
    if (!made)
        return stf_db_no_memory(err);
    enum stf_kind kind;
    if (access(made->path, F_OK) < 0) {
        kind = stf_err_errno(err, errno, "journal", made->path, "there is no journal to read");
        if (kind == STF_NOT_FOUND)
            stf_err_remedy(err, "the first run makes it; --state names the folder of another one");
    } else {
        kind = open_reader(made, err);
        bool is_closed = !is_there(made->path, "-wal");
        if (kind != STF_OK && kind != STF_INVALID_DATA && kind != STF_UNSUPPORTED && is_closed) {
            disconnect(made);
            kind = open_immutable(made, err);
        }
    }
    if (kind != STF_OK) {
        stf_journal_close(made);
        return kind;
    }
    *journal = made;
    return STF_OK;
}

void stf_journal_close(struct stf_journal *journal)
{
    if (!journal)
        return;
    disconnect(journal);
    stf_statelock_release(&journal->lock);
    pthread_mutex_destroy(&journal->queue_mutex);
    pthread_mutex_destroy(&journal->mutex);
    free(journal->state_dir);
    free(journal->path);
    free(journal);
}
