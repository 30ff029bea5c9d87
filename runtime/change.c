/* change.c - reading, changing and planning through the journal (change.h). Must never write to a host before the
 * intent is durable, nor in a plan. SPDX-License-Identifier: MIT */
#include "engine.h"

#include "common/offer.h"
#include "fault.h"

#include <stdlib.h>
#include <string.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "change", NULL, "out of memory");
}

void stf_engine_close(struct stf_engine *engine)
{
    if (!engine)
        return;
    json_decref(engine->held);
    json_decref(engine->known);
    json_decref(engine->planned);
    json_decref(engine->plan);
    json_decref(engine->expected);
    free(engine->bindings);
    pthread_cond_destroy(&engine->released);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

/* ---- things ---- */

static json_t *new_name(const char *host, const char *resource, const json_t *id)
{
    return json_pack("[ssO]", host, resource, id);
}

static char *new_change_key(const json_t *change)
{
    json_t *name = new_name(json_string_value(json_object_get(change, "host")),
                            json_string_value(json_object_get(change, "resource")), json_object_get(change, "id"));
    char *key = name ? stf_journal_text(name) : NULL;
    json_decref(name);
    return key;
}

bool stf_is_same_state(const json_t *one, const char *one_words, const json_t *other, const char *other_words)
{
    bool is_absent = one_words && other_words && strcmp(one_words, STF_ABSENT_WORDS) == 0 &&
                     strcmp(other_words, STF_ABSENT_WORDS) == 0;
    return is_absent || json_equal(one, other);
}

json_t *stf_changes_by_thing(const json_t *changes)
{
    size_t index;
    json_t *change;
    json_t *by_thing = json_object();
    bool is_ok = by_thing != NULL;
    json_array_foreach ((json_t *)changes, index, change) {
        char *key = is_ok ? new_change_key(change) : NULL;
        is_ok = key && (json_object_get(by_thing, key) || json_object_set_new(by_thing, key, json_array()) == 0) &&
                json_array_append(json_object_get(by_thing, key), change) == 0;
        free(key);
    }
    if (!is_ok) {
        json_decref(by_thing);
        return NULL;
    }
    return by_thing;
}

json_t *stf_changes_take(json_t *by_thing, const json_t *change)
{
    char *key = new_change_key(change);
    json_t *left = key ? json_object_get(by_thing, key) : NULL;
    json_t *next = json_incref(json_array_get(left, 0));
    json_array_remove(left, 0);
    free(key);
    return next;
}

static bool find_resource(struct stf_thing *thing, const struct stf_engine *engine, const char *name)
{
    for (size_t i = 0; i < engine->binding_count && !thing->resource; i++) {
        thing->resource = stf_binding_resource(engine->bindings[i].binding, name);
        thing->binding = engine->bindings[i].binding;
        thing->self = engine->bindings[i].self;
    }
    return thing->resource;
}

/* The thing with everything but its name. */
static enum stf_kind find_thing(struct stf_thing *thing, const struct stf_engine *engine, const struct stf_host *host,
                                const char *resource, const json_t *id, struct stf_err *err)
{
    *thing = (struct stf_thing){.host = host, .id = id, .asked = id, .fleet = engine->fleet};
    if (!find_resource(thing, engine, resource))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "change", resource, "this program has no resource %s", resource);
    return STF_OK;
}

static enum stf_kind name_thing(struct stf_thing *thing, struct stf_err *err)
{
    thing->name = new_name(thing->host->name, thing->resource->name, thing->id);
    return thing->name ? STF_OK : no_memory(err);
}

enum stf_kind stf_thing_init(struct stf_thing *thing, const struct stf_engine *engine, const struct stf_host *host,
                             const char *resource, const json_t *id, struct stf_err *err)
{
    enum stf_kind kind = find_thing(thing, engine, host, resource, id, err);
    return kind == STF_OK ? name_thing(thing, err) : kind;
}

enum stf_kind stf_thing_make_key(struct stf_thing *thing, struct stf_err *err)
{
    thing->key = stf_journal_text(thing->name);
    return thing->key ? STF_OK : no_memory(err);
}

void stf_thing_fini(struct stf_thing *thing)
{
    json_decref(thing->name);
    thing->name = NULL;
    free(thing->key);
    thing->key = NULL;
}

/* Where it is among the things held; their count when it is not. */
static size_t find_held(const struct stf_engine *engine, const struct stf_thing *thing)
{
    size_t at = 0;
    while (at < json_array_size(engine->held) && !json_equal(json_array_get(engine->held, at), thing->name))
        at++;
    return at;
}

enum stf_kind stf_thing_hold(struct stf_engine *engine, const struct stf_thing *thing, struct stf_err *err)
{
    pthread_mutex_lock(&engine->mutex);
    while (find_held(engine, thing) < json_array_size(engine->held))
        pthread_cond_wait(&engine->released, &engine->mutex);
    int failed = json_array_append(engine->held, thing->name);
    pthread_mutex_unlock(&engine->mutex);
    return failed ? no_memory(err) : STF_OK;
}

void stf_thing_release(struct stf_engine *engine, const struct stf_thing *thing)
{
    pthread_mutex_lock(&engine->mutex);
    json_array_remove(engine->held, find_held(engine, thing));
    pthread_cond_broadcast(&engine->released);
    pthread_mutex_unlock(&engine->mutex);
}

enum stf_kind stf_thing_read(const struct stf_thing *thing, json_t **state, struct stf_err *err)
{
    *state = NULL;
    enum stf_kind kind = stf_fleet_read(thing->fleet, thing->host, thing->resource, thing->self, thing->id, state, err);
    if (kind == STF_OK && !*state)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "read", thing->resource->name, "the binding gave no state");
    return kind;
}

/* The text of stf_thing_describe_doc, malloc'ed. */
static char *describe(const struct stf_thing *thing, const json_t *state)
{
    char *text = NULL;
    if (json_is_null(state))
        return strdup(STF_ABSENT_WORDS);
    if (thing->resource->describe)
        text = thing->resource->describe(thing->id, state);
    return text ? text : stf_journal_text(state ? state : thing->id);
}

json_t *stf_thing_describe_doc(const struct stf_thing *thing, const json_t *state)
{
    char *text = describe(thing, state);
    json_t *doc = text ? json_string(text) : NULL;
    free(text);
    return doc;
}

static enum stf_kind check_written(const struct stf_thing *thing, const json_t *after, struct stf_err *err)
{
    json_t *now = NULL;
    enum stf_kind kind = stf_thing_read(thing, &now, err);
    if (kind == STF_OK && !json_equal(now, after)) {
        char *what = describe(thing, NULL);
        char *wanted = describe(thing, after);
        char *found = describe(thing, now);
        kind = stf_err_set(err, STF_CONFLICT, 0, "change", what, "%s on %s was written but reads back as %s, not as %s",
                           what ? what : thing->resource->name, thing->host->name, found ? found : "something else",
                           wanted ? wanted : "written");
        free(what);
        free(wanted);
        free(found);
    }
    json_decref(now);
    return kind;
}

/* The host itself puts back what is about to be made, unless it is confirmed. Undoing needs no undo. */
static enum stf_kind arm(struct stf_engine *engine, const struct stf_thing *thing,
                         const struct stf_alteration *alteration, struct stf_err *err)
{
    if (alteration->undoes != 0)
        return STF_OK;
    json_t *change = json_pack("{s:s, s:O, s:O, s:O}", "resource", thing->resource->name, "id", thing->id, "before",
                               alteration->before, "after", alteration->after);
    stf_fault(STF_FAULT_ARM_BEFORE);
    enum stf_kind kind = change ? stf_fleet_arm(engine->fleet, engine->run, thing->host, change, err) : no_memory(err);
    stf_fault(STF_FAULT_ARM_AFTER);
    json_decref(change);
    return kind;
}

enum stf_kind stf_thing_alter(struct stf_engine *engine, const struct stf_thing *thing,
                              const struct stf_alteration *alteration, struct stf_err *err)
{
    const struct stf_change_id id = {
        .run = engine->run,
        .step = alteration->step,
        .host = thing->host->name,
        .resource = thing->resource->name,
        .id = thing->id,
        .undoes = alteration->undoes,
    };
    const struct stf_change_data data = {.before = alteration->before, .after = alteration->after};
    int64_t change;
    enum stf_kind kind = stf_journal_change_intent(engine->journal, &id, &data, &change, err);
    if (kind != STF_OK)
        return kind;
    struct stf_err why = {0};
    kind = arm(engine, thing, alteration, &why);
    stf_fault(STF_FAULT_WRITE_BEFORE);
    if (kind == STF_OK) {
        kind = stf_fleet_write(thing->fleet, thing->host, thing->resource, thing->self, thing->id, alteration->after,
                               &why);
    }
    stf_fault(STF_FAULT_WRITE_AFTER);
    if (kind == STF_OK)
        kind = check_written(thing, alteration->after, &why);
    if (kind == STF_OK)
        return stf_journal_change_done(engine->journal, change, err);
    if (err)
        *err = why;
    /* When this can not be noted either, the change stays an intent, which means the same; the cause is the news. */
    struct stf_err unnoted;
    enum stf_kind noted = stf_journal_change_failed(engine->journal, change, why.message, &unnoted);
    (void)noted;
    return kind;
}

enum stf_kind stf_result_unchanged(json_t **result, struct stf_err *err)
{
    *result = json_pack("{s:b}", "changed", 0);
    return *result ? STF_OK : no_memory(err);
}

enum stf_kind stf_result_changed(const json_t *before, const json_t *after, json_t **result, struct stf_err *err)
{
    *result = json_pack("{s:b, s:O, s:O}", "changed", 1, "before", before, "after", after);
    return *result ? STF_OK : no_memory(err);
}

/* ---- what the run knows a thing as ---- */

/* Gives the thing the id that the run has changed it by, when that was another; the first one that changes it is it. */
static enum stf_kind use_known_id(struct stf_engine *engine, struct stf_thing *thing, bool is_changing,
                                  struct stf_err *err)
{
    if (!thing->binding->identity)
        return STF_OK;
    json_t *identity = thing->binding->identity(thing->resource->name, thing->id);
    if (identity == thing->id) {
        json_decref(identity);
        return STF_OK;
    }
    json_t *name = identity ? new_name(thing->host->name, thing->resource->name, identity) : NULL;
    char *key = name ? stf_journal_text(name) : NULL;
    pthread_mutex_lock(&engine->mutex);
    const json_t *known = key ? json_object_get(engine->known, key) : NULL;
    bool is_first = key && !known && is_changing;
    int failed = !key || (is_first && json_object_set_new(engine->known, key, json_deep_copy(thing->id)) < 0);
    pthread_mutex_unlock(&engine->mutex);
    if (known && !json_equal(known, thing->id))
        thing->id = known;
    json_decref(identity);
    json_decref(name);
    free(key);
    return failed ? no_memory(err) : STF_OK;
}

static enum stf_kind know_change(struct stf_engine *engine, const char *host_name, const char *resource,
                                 const json_t *id, struct stf_err *err)
{
    struct stf_thing thing;
    struct stf_err unknown; /* will be said when it is changed */
    const struct stf_host host = {.name = host_name};
    if (find_thing(&thing, engine, &host, resource, id, &unknown) != STF_OK)
        return STF_OK;
    return use_known_id(engine, &thing, true, err);
}

/* The changes that the run made before it was cut short, and those that it is held to. */
static enum stf_kind know_changes(struct stf_engine *engine, const json_t *expected, struct stf_err *err)
{
    size_t index;
    json_t *change;
    struct stf_change_list list = {0};
    enum stf_kind kind = STF_OK;
    if (engine->mode == STF_ENGINE_APPLY && engine->journal)
        kind = stf_journal_changes(engine->journal, engine->run, &list, err);
    for (size_t i = list.count; kind == STF_OK && i > 0; i--) {
        const struct stf_change *made = &list.items[i - 1];
        kind = know_change(engine, made->host, made->resource, made->id, err);
    }
    stf_change_list_fini(&list);
    json_array_foreach ((json_t *)expected, index, change) {
        const char *host = json_string_value(json_object_get(change, "host"));
        const char *resource = json_string_value(json_object_get(change, "resource"));
        if (kind == STF_OK)
            kind = know_change(engine, host, resource, json_object_get(change, "id"), err);
    }
    return kind;
}

/* The caller's state of the thing as its own id has it, or the reverse; takes the state. */
static enum stf_kind respell(const struct stf_thing *thing, json_t **state, const json_t *from, const json_t *to,
                             struct stf_err *err)
{
    if (from == to)
        return STF_OK;
    json_t *given = *state;
    *state = thing->binding->respell(thing->resource->name, given, from, to);
    json_decref(given);
    return *state ? STF_OK : no_memory(err);
}

enum stf_kind stf_engine_open(const struct stf_engine_config *config, struct stf_engine **engine, struct stf_err *err)
{
    *engine = NULL;
    struct stf_engine *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(err);
    made->mode = config->mode;
    made->journal = config->journal;
    made->run = config->run;
    made->fleet = config->fleet;
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->released, NULL);
    made->held = json_array();
    made->known = json_object();
    made->planned = json_object();
    made->plan = json_array();
    made->bindings = calloc(config->binding_count + 1, sizeof *made->bindings);
    if (config->expected)
        made->expected = stf_changes_by_thing(config->expected);
    bool has_expected = made->expected || !config->expected;
    if (!made->held || !made->known || !made->planned || !made->plan || !made->bindings || !has_expected) {
        stf_engine_close(made);
        return no_memory(err);
    }
    for (; made->binding_count < config->binding_count; made->binding_count++)
        made->bindings[made->binding_count] = config->bindings[made->binding_count];
    enum stf_kind kind = know_changes(made, config->expected, err);
    if (kind != STF_OK) {
        stf_engine_close(made);
        return kind;
    }
    *engine = made;
    return STF_OK;
}

/* ---- reading and changing ---- */

/* As the run knows it, and with its key where a plan is made, or applied. */
static enum stf_kind init_thing(struct stf_thing *thing, struct stf_engine *engine, const struct stf_host *host,
                                const char *resource, const json_t *id, bool is_changing, struct stf_err *err)
{
    bool is_planned = engine->mode == STF_ENGINE_PLAN || engine->expected;
    enum stf_kind kind = find_thing(thing, engine, host, resource, id, err);
    if (kind == STF_OK)
        kind = use_known_id(engine, thing, is_changing, err);
    if (kind == STF_OK)
        kind = name_thing(thing, err);
    return kind == STF_OK && is_planned ? stf_thing_make_key(thing, err) : kind;
}

static enum stf_kind read_thing(struct stf_engine *engine, const struct stf_thing *thing, json_t **state,
                                struct stf_err *err)
{
    if (engine->mode == STF_ENGINE_PLAN) {
        pthread_mutex_lock(&engine->mutex);
        *state = json_incref(json_object_get(engine->planned, thing->key));
        pthread_mutex_unlock(&engine->mutex);
        if (*state)
            return STF_OK;
    }
    return stf_thing_read(thing, state, err);
}

enum stf_kind stf_engine_read(struct stf_engine *engine, const struct stf_host *host, const char *resource,
                              const json_t *id, json_t **state, struct stf_err *err)
{
    struct stf_thing thing;
    *state = NULL;
    enum stf_kind kind = init_thing(&thing, engine, host, resource, id, false, err);
    if (kind == STF_OK)
        kind = read_thing(engine, &thing, state, err);
    if (kind == STF_OK)
        kind = respell(&thing, state, thing.id, thing.asked, err);
    stf_thing_fini(&thing);
    return kind;
}

static json_t *plan_entry(const struct stf_thing *thing, const struct stf_alteration *alteration)
{
    return json_pack("{s:s, s:s, s:s, s:O, s:O, s:O, s:{s:o, s:o, s:o}}", "step", alteration->step, "host",
                     thing->host->name, "resource", thing->resource->name, "id", thing->id, "before",
                     alteration->before, "after", alteration->after, "describe", "what",
                     stf_thing_describe_doc(thing, NULL), "before", stf_thing_describe_doc(thing, alteration->before),
                     "after", stf_thing_describe_doc(thing, alteration->after));
}

static enum stf_kind plan_thing(struct stf_engine *engine, const struct stf_thing *thing,
                                const struct stf_alteration *alteration, struct stf_err *err)
{
    json_t *entry = plan_entry(thing, alteration);
    json_t *after = json_deep_copy(alteration->after); /* the caller's may change */
    int failed = !entry || !after;
    pthread_mutex_lock(&engine->mutex);
    failed =
        failed || json_array_append(engine->plan, entry) < 0 || json_object_set(engine->planned, thing->key, after) < 0;
    pthread_mutex_unlock(&engine->mutex);
    json_decref(entry);
    json_decref(after);
    return failed ? no_memory(err) : STF_OK;
}

/* Drops what is not this change and may stand from before the run was cut short, for it is not made again. */
static const json_t *next_expected(json_t *left, const json_t *after)
{
    while (json_object_get(json_array_get(left, 0), "may_stand") &&
           !json_equal(json_object_get(json_array_get(left, 0), "after"), after))
        json_array_remove(left, 0);
    return json_array_get(left, 0);
}

/* Whether the plan that is being applied has this as the thing's next change; it counts as made from now on. */
static enum stf_kind take_expected(struct stf_engine *engine, const struct stf_thing *thing,
                                   const struct stf_alteration *alteration, struct stf_err *err)
{
    char *what = describe(thing, NULL);
    char *before = describe(thing, alteration->before);
    char *after = describe(thing, alteration->after);
    enum stf_kind kind = STF_OK;
    pthread_mutex_lock(&engine->mutex);
    json_t *left = json_object_get(engine->expected, thing->key);
    const json_t *next = next_expected(left, alteration->after);
    const char *planned = json_string_value(json_object_get(json_object_get(next, "describe"), "before"));
    if (json_equal(json_object_get(next, "after"), alteration->after) &&
        stf_is_same_state(json_object_get(next, "before"), planned, alteration->before, before)) {
        json_array_remove(left, 0);
    } else {
        kind = stf_err_set(err, STF_CONFLICT, 0, "change", what,
                           "%s on %s would be changed from %s to %s, which the plan does not have",
                           what ? what : thing->resource->name, thing->host->name, before ? before : "something",
                           after ? after : "something else");
    }
    pthread_mutex_unlock(&engine->mutex);
    free(what);
    free(before);
    free(after);
    return kind;
}

static enum stf_kind apply_thing(struct stf_engine *engine, const struct stf_thing *thing,
                                 const struct stf_alteration *alteration, struct stf_err *err)
{
    enum stf_kind kind = engine->expected ? take_expected(engine, thing, alteration, err) : STF_OK;
    return kind == STF_OK ? stf_thing_alter(engine, thing, alteration, err) : kind;
}

static enum stf_kind change_thing(struct stf_engine *engine, const struct stf_thing *thing, const char *step,
                                  const json_t *after, json_t **result, struct stf_err *err)
{
    json_t *before = NULL;
    enum stf_kind kind = read_thing(engine, thing, &before, err);
    if (kind != STF_OK)
        return kind;
    if (json_equal(before, after)) {
        pthread_mutex_lock(&engine->mutex);
        engine->unchanged_count++;
        pthread_mutex_unlock(&engine->mutex);
        kind = stf_result_unchanged(result, err);
    } else {
        const struct stf_alteration alteration = {.step = step, .before = before, .after = after};
        kind = engine->mode == STF_ENGINE_PLAN ? plan_thing(engine, thing, &alteration, err)
                                               : apply_thing(engine, thing, &alteration, err);
        if (kind == STF_OK)
            kind = stf_result_changed(before, after, result, err);
    }
    json_decref(before);
    return kind;
}

enum stf_kind stf_engine_change(struct stf_engine *engine, const char *step, const struct stf_host *host,
                                const char *resource, const json_t *id, const json_t *after, json_t **result,
                                struct stf_err *err)
{
    struct stf_thing thing;
    json_t *wanted = json_incref((json_t *)after);
    *result = NULL;
    enum stf_kind kind = init_thing(&thing, engine, host, resource, id, true, err);
    if (kind == STF_OK)
        kind = respell(&thing, &wanted, thing.asked, thing.id, err);
    if (kind == STF_OK)
        kind = stf_thing_hold(engine, &thing, err);
    if (kind == STF_OK) {
        kind = change_thing(engine, &thing, step, wanted, result, err);
        stf_thing_release(engine, &thing);
    }
    json_decref(wanted);
    stf_thing_fini(&thing);
    return kind;
}

enum stf_kind stf_engine_plan(struct stf_engine *engine, json_t **plan, struct stf_err *err)
{
    pthread_mutex_lock(&engine->mutex);
    *plan =
        json_pack("{s:o, s:I}", "changes", json_copy(engine->plan), "unchanged", (json_int_t)engine->unchanged_count);
    pthread_mutex_unlock(&engine->mutex);
    return *plan ? STF_OK : no_memory(err);
}

enum stf_kind stf_engine_check_complete(struct stf_engine *engine, struct stf_err *err)
{
    const char *key;
    json_t *left;
    const json_t *first = NULL;
    size_t count = 0;
    json_object_foreach (engine->expected, key, left) {
        size_t index;
        json_t *change;
        json_array_foreach (left, index, change) {
            if (!json_object_get(change, "may_stand")) {
                count++;
                first = first ? first : change;
            }
        }
    }
    if (count == 0)
        return STF_OK;
    const char *what = json_string_value(json_object_get(json_object_get(first, "describe"), "what"));
    return stf_err_set(err, STF_CONFLICT, 0, "change", what,
                       "%zu changes of the plan were not made, because they were not needed any more: %s on %s", count,
                       what ? what : "one", json_string_value(json_object_get(first, "host")));
}
