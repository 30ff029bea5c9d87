/* change.h - the change engine: the only way to alter a host. Reads before, journals the intent, writes, reads back;
 * in a plan it only remembers; and it puts back what a run wrote. Knows no binding by name, no Lua, no event loop.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "journal.h"

#include <stdbool.h>

#include <staffetta/binding.h>

#include "fleet/fleet.h"

enum stf_engine_mode {
    STF_ENGINE_PLAN,  /* nothing is written; reads see what is planned */
    STF_ENGINE_APPLY, /* each change is journalled, written and read back */
};

struct stf_engine_binding {
    const struct stf_binding *binding;
    void *self;
};

struct stf_engine_config {
    enum stf_engine_mode mode;
    struct stf_journal *journal; /* may be NULL in a plan */
    int64_t run;                 /* the run that changes are recorded in; 0 in a plan */
    const struct stf_engine_binding *bindings;
    size_t binding_count;
    struct stf_fleet *fleet; /* how hosts are reached; NULL: bindings are called at once */
    /* Changes of a plan: these are made, each once, and no others; those that "may_stand" need not be. NULL: any. */
    const json_t *expected;
};

/* All functions block and may be called from many threads at once; two changes of the same thing wait for each other.
 * The journal and the bindings stay the caller's and must outlive the engine. */
struct stf_engine;
enum stf_kind stf_engine_open(const struct stf_engine_config *config, struct stf_engine **engine, struct stf_err *err);
void stf_engine_close(struct stf_engine *engine); /* NULL is legal */

/* The state of one thing: as planned when there is a plan for it, else as it stands. */
enum stf_kind stf_engine_read(struct stf_engine *engine, const struct stf_host *host, const char *resource,
                              const json_t *id, json_t **state, struct stf_err *err);

/* Makes the thing's state equal `after`. `*result` is {"changed":false}, or {"changed":true,"before":..,"after":..}.
 * In apply mode the host must have been recorded with stf_journal_add_host.
 * STF_CONFLICT when it was written but reads back differently. After an error the change may or may not stand on the
 * host; it is in the journal and rollback looks at what stands. */
enum stf_kind stf_engine_change(struct stf_engine *engine, const char *step, const struct stf_host *host,
                                const char *resource, const json_t *id, const json_t *after, json_t **result,
                                struct stf_err *err);

/* What was planned: {"changes":[{"step","host","resource","id","before","after","describe":{"what","before","after"}}],
 * "unchanged":n}, in the order of planning. */
enum stf_kind stf_engine_plan(struct stf_engine *engine, json_t **plan, struct stf_err *err);

/* STF_CONFLICT, naming one, when an expected change has not been made. */
enum stf_kind stf_engine_check_complete(struct stf_engine *engine, struct stf_err *err);

/* Whether two states of a thing, given with their words, are the same. Two absent ones are: such a state may tell how
 * much of the path to the thing there is, which the changes of other things alter. */
bool stf_is_same_state(const json_t *one, const char *one_words, const json_t *other, const char *other_words);

/* A list of changes (each with "host", "resource" and "id") as {thing: [changes in order]}; NULL: memory is out. */
json_t *stf_changes_by_thing(const json_t *changes);
/* Takes the next change of the same thing as `change` out of it: a new reference, or NULL when none is left. */
json_t *stf_changes_take(json_t *by_thing, const json_t *change);

/* ---- rollback ---- */

/* What rolling `run` back would do, in that order; writes nothing, and works in either mode:
 * {"run":n,"items":[{"item","change","step","host","resource","id","verdict","before","ours","now","describe":{"what",
 * "before","ours","now"},"reason"}],"undo":n,"nothing":n,"conflict":n,"unknown":n}. "now" of an older change of
 * something is what will stand when the newer ones are undone. "now" is missing where it could not be read, and
 * "reason" says why; it also tells why there is nothing to do. */
enum stf_kind stf_engine_rollback_plan(struct stf_engine *engine, int64_t run, const json_t *only_hosts, json_t **plan,
                                       struct stf_err *err);

struct stf_rollback {
    int64_t run;              /* the run to undo; may be the engine's own */
    const json_t *only_hosts; /* an object with their names as keys; NULL: all that the run has changed */
    bool is_forced;           /* every item */
    const json_t *forced;     /* or those of these numbers ("item"); may be NULL */
    /* Called after each item, with the plan's item and its added "outcome" ("undone", "nothing", "failed") and
     * "error"; may be NULL. */
    void (*progress)(void *data, const json_t *item);
    void *data;
};

/* Undoes a run in reverse order, hosts as recorded. First every item is judged: a single conflict or unknown that is
 * not forced refuses the whole (STF_CONFLICT, or the error of reading; nothing touched) and `*summary` is the plan.
 * Then all are undone, over failures; an error is returned when one failed. `*summary` is the plan with outcomes, and
 * "undone" and "failed" counted; it may be set on errors too, so release it in either case. */
enum stf_kind stf_engine_rollback(struct stf_engine *engine, const struct stf_rollback *rollback, json_t **summary,
                                  struct stf_err *err);
