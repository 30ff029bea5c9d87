/* journal.h - the durable record of every run: who ran what on which hosts, each change with before and after, each
 * check with its evidence. Never acts on a host, never holds a secret. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include <staffetta/binding.h>
#include <staffetta/err.h>

/* One SQLite database, <state_dir>/journal.db. All functions may be called from any thread at any time; a call that
 * says "durable" returns only when a power cut can no longer lose what it wrote, nor anything written before it. */
struct stf_journal;

/* Opens for writing and makes the folder (0700) and the database (0600) where missing. One controller at a time: as
 * long as another process has the folder open for writing the answer is STF_BUSY, naming it. `what` is what that
 * message says of us: "rollout --site /etc/staffetta/site". A damaged or foreign database is STF_INVALID_DATA, one of
 * a newer program STF_UNSUPPORTED. Runs that a dead controller left behind as running become interrupted. */
enum stf_kind stf_journal_open(const char *state_dir, const char *what, struct stf_journal **journal,
                               struct stf_err *err);

/* Opens for looking only, also while a controller works; STF_NOT_FOUND where there is no journal. */
enum stf_kind stf_journal_open_read(const char *state_dir, struct stf_journal **journal, struct stf_err *err);

/* No call may be under way. Closing NULL is legal. */
void stf_journal_close(struct stf_journal *journal);

/* ---- runs ---- */

enum stf_run_state {
    STF_RUN_RUNNING,
    STF_RUN_DONE,
    STF_RUN_FAILED,
    STF_RUN_ROLLED_BACK,
    STF_RUN_INTERRUPTED,
    STF_RUN_HELD, /* ended at a gate, for a person to decide; nothing was put back */
};

/* "rolled_back"; never NULL. */
const char *stf_run_state_name(enum stf_run_state state);

struct stf_run_data {
    const char *playbook;
    const char *mode; /* "apply", "plan", "rollback": the caller's words */
    const char *site_name;
    const char *site_dir;
    const json_t *params; /* may be NULL */
    const char *operator_name;
    const char *program_version;
};

/* Runs count from 1. Durable with the first change that is intended, or the end of the run. */
enum stf_kind stf_journal_run_begin(struct stf_journal *journal, const struct stf_run_data *data, int64_t *run,
                                    struct stf_err *err);
/* Durable. A run that ended, or was cut short, is running again. */
enum stf_kind stf_journal_run_resume(struct stf_journal *journal, int64_t run, struct stf_err *err);
/* Durable. `summary` is the run's verdict as a document, or NULL. */
enum stf_kind stf_journal_run_end(struct stf_journal *journal, int64_t run, enum stf_run_state state,
                                  const json_t *summary, struct stf_err *err);
/* Says, before the first change is put back, that `run` rolls `undoes` back. */
enum stf_kind stf_journal_run_undoes(struct stf_journal *journal, int64_t run, int64_t undoes, struct stf_err *err);
/* Durable. Says that run `by` has undone `run` wholly: `run` shows as rolled_back from now on, and a run that `run`
 * itself had rolled back shows as it ended again. */
enum stf_kind stf_journal_run_rolled_back(struct stf_journal *journal, int64_t run, int64_t by, struct stf_err *err);

/* Must be there before the host's first change: rollback takes the host from here, not from the site as it is then.
 * A host that the run already has stays as it was first recorded. */
enum stf_kind stf_journal_add_host(struct stf_journal *journal, int64_t run, const struct stf_host *host,
                                   struct stf_err *err);

struct stf_script_data {
    const char *kind; /* "playbook" */
    const char *name;
    const char *origin; /* the file, or "bundled" */
    const char *sha256; /* of its text, in hex */
};
enum stf_kind stf_journal_add_script(struct stf_journal *journal, int64_t run, const struct stf_script_data *script,
                                     struct stf_err *err);

struct stf_check_data {
    const char *step; /* may be NULL, like host */
    const char *host;
    const char *name;
    const char *verdict;    /* "pass", "fail", "unknown" */
    const json_t *evidence; /* may be NULL */
};
enum stf_kind stf_journal_add_check(struct stf_journal *journal, int64_t run, const struct stf_check_data *check,
                                    struct stf_err *err);

/* What happened besides changes: an action such as "ipsec.initiate", a measurement. `data` may be NULL. */
enum stf_kind stf_journal_add_event(struct stf_journal *journal, int64_t run, const char *kind, const json_t *data,
                                    struct stf_err *err);

/* ---- changes ---- */

enum stf_change_state {
    STF_CHANGE_INTENT, /* about to be written, or cut short: only the host knows */
    STF_CHANGE_DONE,   /* written and read back */
    STF_CHANGE_FAILED, /* the write failed or reads back differently: only the host knows */
    STF_CHANGE_UNDONE, /* a later run has put `before` back, and no run has undone that */
};

/* "intent"; never NULL. */
const char *stf_change_state_name(enum stf_change_state state);

struct stf_change_id {
    int64_t run;
    const char *step;
    const char *host;
    const char *resource;
    const json_t *id;
    int64_t undoes; /* the change that this one puts back, or 0 */
};
struct stf_change_data {
    const json_t *before;
    const json_t *after;
};

/* Durable: act only after this has returned STF_OK. `*change` is unique over all runs. */
enum stf_kind stf_journal_change_intent(struct stf_journal *journal, const struct stf_change_id *id,
                                        const struct stf_change_data *data, int64_t *change, struct stf_err *err);

/* Not durable by themselves: a change that falls back to "intent" by a power cut is undone all the same, since rollback
 * looks at what stands. done also marks the change that this one undoes, and all that follows from it. */
enum stf_kind stf_journal_change_done(struct stf_journal *journal, int64_t change, struct stf_err *err);
enum stf_kind stf_journal_change_failed(struct stf_journal *journal, int64_t change, const char *error,
                                        struct stf_err *err);

/* The run that a change belongs to. */
int64_t stf_journal_run_of(int64_t change);

/* ---- reading ---- */

/* All runs, newest first: [{"run":3,"playbook":..,"state":..,"changes":12,..}]. A run shows as interrupted when it
 * never ended and no controller has the folder open. */
enum stf_kind stf_journal_list(struct stf_journal *journal, json_t **runs, struct stf_err *err);

/* {"run":{..},"hosts":[..],"scripts":[..],"changes":[..],"checks":[..],"events":[..]}, each list in order. */
enum stf_kind stf_journal_load(struct stf_journal *journal, int64_t run, json_t **doc, struct stf_err *err);

/* The hosts of a run as recorded: [{"name":..,"site_dir":..,"config":{..}}]. */
enum stf_kind stf_journal_hosts(struct stf_journal *journal, int64_t run, json_t **hosts, struct stf_err *err);

/* One recorded change; everything in it lives as long as its list. */
struct stf_change {
    int64_t change;
    int64_t run;
    int64_t seq; /* 1, 2, ... within the run */
    const char *step;
    const char *host;
    const char *resource;
    const json_t *id;
    const json_t *before;
    const json_t *after;
    enum stf_change_state state;
    const char *error; /* NULL: none */
    int64_t at_unix_ms;
    int64_t undoes;        /* change, or 0 */
    int64_t undone_by_run; /* or 0 */
};

struct stf_change_list {
    struct stf_change *items; /* newest first: the order of undoing */
    size_t count;
    json_t *rows; /* what the items point into */
};

/* The changes of a run; STF_NOT_FOUND when there is no such run. Fini the list in either case. */
enum stf_kind stf_journal_changes(struct stf_journal *journal, int64_t run, struct stf_change_list *list,
                                  struct stf_err *err);
void stf_change_list_fini(struct stf_change_list *list);

/* The text that the journal keeps of a document: sorted keys, no spaces. malloc'ed; NULL when memory is out. */
char *stf_journal_text(const json_t *doc);
