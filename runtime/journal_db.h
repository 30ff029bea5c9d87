/* journal_db.h - the journal's database: its connection, its prepared statements, its transactions. Included by
 * journal*.c only; knows no run and no change. SPDX-License-Identifier: MIT */
#pragma once

#include "fault.h"
#include "journal.h"
#include "statedir.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>

enum statement {
    RUN_BEGIN,
    RUN_UNDOES,
    RUN_END,
    RUN_ROLLED_BACK,
    RUN_RESUME,
    RUN_LINK,
    RUNS_INTERRUPT,
    HOST_ADD,
    SCRIPT_ADD,
    CHECK_ADD,
    EVENT_ADD,
    CHANGE_INTENT,
    CHANGE_OUTCOME,
    CHANGE_LINK,
    NEWEST_CHANGE,
    BEGIN,
    COMMIT,
    JOB_BEGIN,
    JOB_KEEP,
    JOB_UNDO,
    LIST_RUNS,
    LOAD_RUN,
    LOAD_HOSTS,
    LOAD_SCRIPTS,
    LOAD_CHANGES,
    LOAD_CHECKS,
    LOAD_EVENTS,
    STATEMENT_COUNT,
};

/* Whoever uses `db` has the mutex. Writers queue, and the first of them commits for all that wait by then: changes of
 * many hosts share one wait for the disk. */
struct stf_journal {
    pthread_mutex_t mutex;
    pthread_mutex_t queue_mutex; /* of the queue and the lock's witness; never waits for the disk */
    struct stf_waiting *queue;
    struct stf_waiting **queue_end;
    bool is_committing;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char *state_dir;
    char *path;
    bool is_writer;
    bool is_waiting_for_disk; /* SQLite's synchronous is FULL now, not NORMAL */
    struct stf_statelock lock;
};

struct stf_value {
    enum { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_JSON } type;
    int64_t number;
    const char *text;
    char *document; /* malloc'ed text; NULL when memory is out */
};

static inline struct stf_value integer(int64_t number)
{
    return (struct stf_value){.type = VALUE_INT, .number = number};
}

/* A reference to another row: 0 is none. */
static inline struct stf_value reference(int64_t number)
{
    return (struct stf_value){.type = number ? VALUE_INT : VALUE_NULL, .number = number};
}

static inline struct stf_value string(const char *text)
{
    return (struct stf_value){.type = text ? VALUE_TEXT : VALUE_NULL, .text = text};
}

/* For stf_db_write() only, which frees it. */
static inline struct stf_value document(const json_t *json)
{
    return (struct stf_value){.type = json ? VALUE_JSON : VALUE_NULL, .document = json ? stf_journal_text(json) : NULL};
}

/* The arguments (values, count) of the functions below. */
#define VALUES(...)                                                                                                    \
    (const struct stf_value[]){__VA_ARGS__}, sizeof((const struct stf_value[]){__VA_ARGS__}) / sizeof(struct stf_value)

enum stf_kind stf_db_no_memory(struct stf_err *err);
/* STF_INVALID_DATA: what is wrong with the file, and what a person can do. */
enum stf_kind stf_db_damaged(struct stf_journal *journal, const char *what, struct stf_err *err);

/* A commit that does not wait for the disk is lost in a power cut only together with all that follow it, and becomes
 * durable with the next one that waits: SQLite's log keeps the order. */
enum stf_durability { STF_SOON, STF_DURABLE };

struct stf_write {
    enum stf_fault_point fault; /* the point before; the one after follows it */
    enum stf_durability durability;
    enum statement statement;
};

/* A job that writes one row; gives its row id when `row` is not NULL. */
enum stf_kind stf_db_write(struct stf_journal *journal, const struct stf_write *write, const struct stf_value *values,
                           size_t count, int64_t *row, struct stf_err *err);

/* `work` is called in a transaction, with the mutex, by whichever thread commits; all that it did is taken back when it
 * fails. Gives its error, or that of committing. */
struct stf_job {
    enum stf_fault_point fault;
    enum stf_durability durability;
    enum stf_kind (*work)(struct stf_journal *journal, void *data, struct stf_err *err);
    void *data;
};
enum stf_kind stf_db_do(struct stf_journal *journal, const struct stf_job *job, struct stf_err *err);

/* These three need the mutex. query gives all rows as an array of objects, keys being the columns' names. */
enum stf_kind stf_db_execute(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                             size_t count, struct stf_err *err);
enum stf_kind stf_db_execute_text(struct stf_journal *journal, const char *sql, struct stf_err *err);
enum stf_kind stf_db_query(struct stf_journal *journal, enum statement which, const struct stf_value *values,
                           size_t count, json_t **rows, struct stf_err *err);
