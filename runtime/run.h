/* run.h - one execution of a playbook, from the inside: its Lua state, its coroutines on the loop, its hosts and its
 * change engine. Internal to runtime/. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>
#include <uv.h>

#include "change.h"
#include "journal.h"
#include "prompt.h"
#include "runtime.h"

enum { STF_RUN_SIGNALS = 3 }; /* SIGINT, SIGTERM, SIGHUP */

/* One coroutine: the playbook itself, or its step on one host. */
struct stf_task {
    struct stf_task *next;  /* in stf_run.tasks */
    struct stf_task *ready; /* in the ready queue */
    lua_State *co;
    int ref; /* anchors co in the registry until the run ends */
    bool is_done;
    bool is_ok;
    bool is_queued;
    bool is_over; /* its time is: it makes no further step, nor do the tasks that it has spawned */
    struct stf_task *parent;
    int argument_count; /* on co's stack, for the next resume */
    char *step;         /* the step it belongs to; changes are only made inside one */
    struct stf_task *waiter;
};

struct stf_run_host {
    struct stf_host host;
    int64_t change_count;        /* changes made, or planned, so far */
    int64_t failed_change_count; /* that may or may not stand: a rollback looks */
};

struct stf_run {
    struct stf_runtime *rt;
    const struct stf_run_options *options;
    bool is_planning;
    bool has_begun;  /* parameters were right; from here on there is a report */
    bool is_undoing; /* a rollback was asked for: its failure is not rolled back in turn */
    bool is_undone;  /* what it changed is put back: no change may follow */
    json_t *undo;    /* what that did, or would do */
    int64_t id;      /* in the journal; 0: not journalled (a plan) */
    struct stf_journal *journal;
    struct stf_engine *engine;
    struct stf_fleet *fleet;
    lua_State *L;
    bool has_loop;
    uv_loop_t loop;
    uv_signal_t signals[STF_RUN_SIGNALS];
    int pending_calls; /* on worker threads */
    struct stf_task *tasks;
    struct stf_task *ready_head, *ready_tail;
    struct stf_task *current;
    struct stf_task *line; /* of a prompt: its statement under way */
    struct stf_run_host *hosts;
    size_t host_count;
    json_t *limit; /* { NAME: true } of the hosts that it may touch; NULL: all */
    const char *needs[STF_MAX_NEEDS];
    size_t need_count;
    const json_t *recorded;
    json_t *scripts;  /* all that were loaded, in order */
    json_t *checks;   /* results, in order */
    json_t *measures; /* what the playbook reported: name -> document */
    json_t *outcomes; /* host -> {"outcome","step","reason"} */
    bool is_interrupted;
};

static inline struct stf_run *stf_run_of(lua_State *L)
{
    return stf_sandbox_owner(L);
}

/* sched.c: coroutines. A task starts, or goes on, when the loop next turns. */
struct stf_task *stf_task_new(struct stf_run *run, lua_State *from, int function_and_arguments);
void stf_task_wake(struct stf_run *run, struct stf_task *task);
void stf_task_end(struct stf_run *run, struct stf_task *task); /* its time is over: sys.limit */
void stf_sched_drive(struct stf_run *run, struct stf_task *until);
void stf_sched_drain(struct stf_run *run);
bool stf_sched_tick(struct stf_run *run); /* begins to call on_tick, where there is one; false: memory is out */
void stf_sched_wake_sleepers(struct stf_run *run); /* their sleep is over now */
void stf_sched_end_timers(struct stf_run *run);    /* nobody waits any more; the loop is about to end */
void stf_sched_free(struct stf_run *run);
int l_task_spawn(lua_State *L);
int l_task_join(lua_State *L);
int l_task_limit(lua_State *L);
int l_sleep_ms(lua_State *L);

/* lua_host.c: what waits for a host. sys.hold(name) -> true | nil, err: keeps other controllers from it until the run
 * ends. */
int l_hold_host(lua_State *L);
/* Pushes host.<binding> for `host`, allowed the needs of the mask. */
void stf_lua_push_power(lua_State *L, const struct stf_host *host, const struct stf_bound *bound, uint64_t grants);
/* Pushes nil and the error table. */
int stf_lua_push_err(lua_State *L, const struct stf_err *err);

/* trusted.c: loads runtime/lua/ and pushes the module ctx, or with a prompt repl; false: an error message is on the
 * stack instead. */
bool stf_trusted_push_ctx(lua_State *L);
/* Runs site.lua and its check in a state of its own, and sets rt->site and rt->inventory. */
enum stf_kind stf_trusted_load_site(struct stf_runtime *rt, struct stf_err *err);
/* What `scripts` shows of one script: a new reference. */
enum stf_kind stf_trusted_describe(struct stf_runtime *rt, const char *kind, const char *name, json_t **description,
                                   struct stf_err *err);
/* Calls the function that the trusted file `name` ("rehearsal.luac") gives with a document; a new reference. */
enum stf_kind stf_trusted_tool(struct stf_runtime *rt, const char *name, const json_t *input, json_t **output,
                               struct stf_err *err);
/* Fills `err` from the error value at `index`: an error table, {error, traceback}, or text. */
enum stf_kind stf_trusted_error(lua_State *L, int index, struct stf_err *err);
/* All powers that the bindings offer, for run->needs. */
void stf_run_collect_needs(struct stf_run *run);

/* lua_sys.c: the private functions of the trusted Lua in runtime/lua/. */
void stf_lua_push_sys(lua_State *L);
/* lua_prompt.c: those of repl.lua alone. */
void stf_lua_push_prompt(lua_State *L);

/* run.c: what happens is told, kept for the report, and journalled. All steal the document. */
void stf_run_emit(struct stf_run *run, json_t *event);
enum stf_kind stf_run_begin(struct stf_run *run, struct stf_err *err);
/* All gates are passed: what hosts would undo by themselves may stay. */
enum stf_kind stf_run_confirm(struct stf_run *run, struct stf_err *err);
/* One run, whatever came before. `recorded`: the scripts that the journal has of it already; NULL: none. */
enum stf_kind stf_run_once(struct stf_runtime *rt, const struct stf_run_options *options, const json_t *recorded,
                           json_t **report, struct stf_err *err);
/* The mode of a journal's run that applies a plan which was kept; its first event, "plan", is that plan. */
extern const char stf_run_mode_of_plan[];
/* The mode of one that has a limit; its first event, "limit", says which. */
extern const char stf_run_mode_of_limit[];
enum stf_kind stf_run_record_script(struct stf_run *run, json_t *script, struct stf_err *err); /* borrows */
enum stf_kind stf_run_record_check(struct stf_run *run, const char *step, json_t *result, struct stf_err *err);
enum stf_kind stf_run_record_measure(struct stf_run *run, const char *name, json_t *figures, struct stf_err *err);
struct stf_run_host *stf_run_find_host(struct stf_run *run, const char *name); /* NULL: there is none */
/* Whether a limit keeps the run from touching the host. */
bool stf_run_is_outside(const struct stf_run *run, const char *name);
/* Makes sure that the journal has the run *id; 0 becomes the last one: the newest that changed something, has not been
 * rolled back, and is no rollback itself. */
enum stf_kind stf_run_find(struct stf_run *run, int64_t *id, struct stf_err *err);
/* Rolls back with what run, host and force say, telling each item. `*summary` as of stf_engine_rollback. */
enum stf_kind stf_run_roll_back(struct stf_run *run, const struct stf_rollback *wanted, json_t **summary,
                                struct stf_err *err);
/* `step` and `reason` may be NULL. The worst outcome of a host stays. */
enum stf_kind stf_run_set_outcome(struct stf_run *run, const char *host, const char *outcome, const char *step,
                                  const char *reason, struct stf_err *err);
