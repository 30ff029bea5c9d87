/* engine.h - what change.c and rollback.c share of the change engine. Must not be included by anything else.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "change.h"
#include "fleet/judge.h"

#include <pthread.h>

struct stf_engine {
    enum stf_engine_mode mode;
    struct stf_journal *journal;
    int64_t run;
    struct stf_engine_binding *bindings;
    size_t binding_count;
    struct stf_fleet *fleet;

    pthread_mutex_t mutex; /* guards all below; never held while a binding or the journal works */
    pthread_cond_t released;
    json_t *held;     /* things that somebody is changing: their names */
    json_t *known;    /* [host, resource, identity] as text -> the id by which the run has changed it first */
    json_t *planned;  /* key -> planned state */
    json_t *plan;     /* the changes planned, in order */
    json_t *expected; /* by thing, those still to be made; NULL: any may be made */
    int64_t unchanged_count;
};

/* One thing on one host, with the resource it is an instance of. */
struct stf_thing {
    const struct stf_host *host;
    const json_t *id;
    const json_t *asked; /* the id that the caller has for it, and its states; mostly the same */
    const struct stf_resource *resource;
    const struct stf_binding *binding;
    struct stf_fleet *fleet;
    void *self;
    json_t *name; /* [host, resource, id] */
    char *key;    /* the same as one text, NULL until stf_thing_make_key: an id may be large */
};

/* STF_UNSUPPORTED for a resource that no binding has. Fini the thing in either case. */
enum stf_kind stf_thing_init(struct stf_thing *thing, const struct stf_engine *engine, const struct stf_host *host,
                             const char *resource, const json_t *id, struct stf_err *err);
void stf_thing_fini(struct stf_thing *thing);
enum stf_kind stf_thing_make_key(struct stf_thing *thing, struct stf_err *err);

/* Keeps others from changing the thing until it is released; waits for them. */
enum stf_kind stf_thing_hold(struct stf_engine *engine, const struct stf_thing *thing, struct stf_err *err);
void stf_thing_release(struct stf_engine *engine, const struct stf_thing *thing);

/* What stands on the host now. */
enum stf_kind stf_thing_read(const struct stf_thing *thing, json_t **state, struct stf_err *err);

/* One line for a person: what the thing is (state NULL), or a state of it. A new JSON string; NULL when memory is out.
 */
json_t *stf_thing_describe_doc(const struct stf_thing *thing, const json_t *state);

struct stf_alteration {
    const char *step;
    const json_t *before;
    const json_t *after;
    int64_t undoes; /* change, or 0 */
};

/* Journals the intent, writes, reads back, journals the outcome. The thing must be held. */
enum stf_kind stf_thing_alter(struct stf_engine *engine, const struct stf_thing *thing,
                              const struct stf_alteration *alteration, struct stf_err *err);

/* The result documents of stf_engine_change. */
enum stf_kind stf_result_unchanged(json_t **result, struct stf_err *err);
enum stf_kind stf_result_changed(const json_t *before, const json_t *after, json_t **result, struct stf_err *err);
