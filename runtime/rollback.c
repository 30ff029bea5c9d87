/* rollback.c - judging and undoing what a run has changed, from the journal alone (change.h).
 * Must never overwrite what it did not write unless forced. SPDX-License-Identifier: MIT */
#include "engine.h"

#include "common/offer.h"
#include "fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const verdict_names[] = {
    [STF_UNDO_UNDO] = "undo",
    [STF_UNDO_NOTHING] = "nothing",
    [STF_UNDO_CONFLICT] = "conflict",
    [STF_UNDO_UNKNOWN] = "unknown",
};
enum { VERDICT_COUNT = sizeof verdict_names / sizeof verdict_names[0] };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "rollback", NULL, "out of memory");
}

/* `origin` is what stood there before the run's first change of the thing: with that there is nothing left to undo, and
 * a thing that was changed and changed back is not taken through all of it once more. */
static enum stf_undo_verdict judge(const struct stf_thing *thing, const struct stf_change *change, const json_t *origin,
                                   const json_t *now)
{
    if (json_equal(now, origin))
        return STF_UNDO_NOTHING;
    const struct stf_recorded recorded = {thing->resource, change->id, change->before, change->after};
    return stf_undo_judge(&recorded, now);
}

/* The thing that a change was of. What was granted to the run that made it is granted to its undoing. */
static enum stf_kind init_changed(struct stf_thing *thing, const struct stf_engine *engine, const struct stf_host *host,
                                  const struct stf_change *change, struct stf_err *err)
{
    enum stf_kind kind = stf_thing_init(thing, engine, host, change->resource, change->id, err);
    return kind == STF_OK ? stf_fleet_grant(engine->fleet, thing->resource->need, err) : kind;
}

/* "HKLM\...\NLBSFlags on fe1: was absent, the run wrote dword 1, now dword 2"; malloc'ed. */
static char *three_way(const json_t *item)
{
    const json_t *describe = json_object_get(item, "describe");
    const char *now = json_string_value(json_object_get(describe, "now"));
    char *text;
    int size = asprintf(
        &text, "%s on %s: was %s, the run wrote %s, now %s", json_string_value(json_object_get(describe, "what")),
        json_string_value(json_object_get(item, "host")), json_string_value(json_object_get(describe, "before")),
        json_string_value(json_object_get(describe, "ours")),
        now ? now : json_string_value(json_object_get(item, "reason")));
    return size < 0 ? NULL : text;
}

static json_t *new_item(const struct stf_thing *thing, const struct stf_change *change)
{
    return json_pack("{s:I, s:I, s:s, s:s, s:s, s:O, s:O, s:O, s:{s:o, s:o, s:o}}", "item", (json_int_t)change->seq,
                     "change", (json_int_t)change->change, "step", change->step, "host", change->host, "resource",
                     change->resource, "id", change->id, "before", change->before, "ours", change->after, "describe",
                     "what", stf_thing_describe_doc(thing, NULL), "before",
                     stf_thing_describe_doc(thing, change->before), "ours",
                     stf_thing_describe_doc(thing, change->after));
}

static enum stf_kind set_now(const struct stf_thing *thing, json_t *item, json_t *now, struct stf_err *err)
{
    json_t *describe = json_object_get(item, "describe");
    return json_object_set(item, "now", now) < 0 ||
                   json_object_set_new(describe, "now", stf_thing_describe_doc(thing, now)) < 0
               ? no_memory(err)
               : STF_OK;
}

static enum stf_kind undo(struct stf_engine *engine, const struct stf_change *change, const json_t *origin,
                          const struct stf_host *host, bool is_forced, json_t **result, struct stf_err *err)
{
    struct stf_thing thing;
    json_t *now = NULL;
    json_t *item = NULL;
    bool is_held = false;
    *result = NULL;
    enum stf_kind kind = init_changed(&thing, engine, host, change, err);
    if (kind == STF_OK && engine->mode != STF_ENGINE_APPLY)
        kind = stf_err_set(err, STF_DENIED, 0, "undo", change->resource, "a plan undoes nothing");
    if (kind == STF_OK) {
        kind = stf_thing_hold(engine, &thing, err);
        is_held = kind == STF_OK;
    }
    if (kind == STF_OK)
        kind = stf_thing_read(&thing, &now, err);
    if (kind != STF_OK)
        goto out;
    enum stf_undo_verdict verdict = judge(&thing, change, origin, now);
    if (verdict == STF_UNDO_NOTHING) {
        kind = stf_result_unchanged(result, err);
        goto out;
    }
    if (verdict == STF_UNDO_CONFLICT && !is_forced) {
        item = new_item(&thing, change);
        kind = item ? set_now(&thing, item, now, err) : no_memory(err);
        char *text = kind == STF_OK ? three_way(item) : NULL;
        kind = stf_err_set(err, STF_CONFLICT, 0, "undo", host->name, "not undone, somebody has changed it since: %s",
                           text ? text : change->resource);
        free(text);
        goto out;
    }
    const struct stf_alteration alteration = {
        .step = change->step, .before = now, .after = change->before, .undoes = change->change};
    kind = stf_thing_alter(engine, &thing, &alteration, err);
    if (kind == STF_OK)
        kind = stf_result_changed(now, change->before, result, err);
out:
    if (is_held)
        stf_thing_release(engine, &thing);
    json_decref(item);
    json_decref(now);
    stf_thing_fini(&thing);
    return kind;
}

/* ---- a whole run ---- */

/* What one look at a run found. */
struct survey {
    struct stf_change_list list;
    const struct stf_change **changes; /* of the plan's items, in their order */
    json_t *origins;                   /* key -> what stood there before the run's first change of it */
    json_t *hosts;
    json_t *items;
    json_t *standing; /* key -> [number of items so far, what will stand there once they are undone] */
    json_t *wholes;   /* the items so far, by their index, whose undoing brings back other things too */
    int64_t counts[VERDICT_COUNT];
    bool is_partial;           /* there are changes on other hosts, which are to stay */
    struct stf_err unreadable; /* of the first item that could not be read */
};

static void survey_fini(struct survey *survey)
{
    stf_change_list_fini(&survey->list);
    free(survey->changes);
    json_decref(survey->hosts);
    json_decref(survey->items);
    json_decref(survey->origins);
    json_decref(survey->standing);
    json_decref(survey->wholes);
}

static enum stf_kind find_host(const struct survey *survey, const char *name, struct stf_host *host,
                               struct stf_err *err)
{
    size_t index;
    json_t *row;
    json_array_foreach (survey->hosts, index, row) {
        const json_t *config = json_object_get(row, "config");
        *host = (struct stf_host){
            .name = json_string_value(json_object_get(row, "name")),
            .netns = json_string_value(json_object_get(config, "netns")),
            .config = config,
            .site_dir = json_string_value(json_object_get(row, "site_dir")),
        };
        if (strcmp(host->name, name) == 0)
            return STF_OK;
    }
    return stf_err_set(err, STF_NOT_FOUND, 0, "rollback", name, "the run has no record of the host %s", name);
}

/* What will stand there once a whole that it is part of is back, by the last of the items from `*since` on, which then
 * is the one after it; a new reference, NULL when none says it. */
static json_t *look_into_wholes(const struct survey *survey, const struct stf_thing *thing, size_t *since)
{
    const struct stf_binding *binding = thing->binding;
    for (size_t i = json_array_size(survey->wholes); binding->whole && i > 0; i--) {
        size_t index = (size_t)json_integer_value(json_array_get(survey->wholes, i - 1));
        const struct stf_change *change = survey->changes[index];
        if (index < *since)
            return NULL;
        if (strcmp(change->host, thing->host->name) == 0 && strcmp(change->resource, binding->whole) == 0) {
            json_t *state = binding->part(change->id, change->before, thing->resource->name, thing->id);
            if (state) {
                *since = index + 1;
                return state;
            }
        }
    }
    return NULL;
}

/* Whether undoing the item will put its `before` there. */
static bool is_to_undo(const json_t *item)
{
    return strcmp(json_string_value(json_object_get(item, "verdict")), verdict_names[STF_UNDO_UNDO]) == 0;
}

/* Of a whole: what it will be once the items from `since` on, changes in it, are undone. */
static void look_past_parts(const struct survey *survey, const struct stf_thing *thing, size_t since, json_t **now)
{
    const struct stf_binding *binding = thing->binding;
    bool is_whole = binding->with_part && strcmp(thing->resource->name, binding->whole) == 0;
    for (size_t i = since; is_whole && i < json_array_size(survey->items); i++) {
        const struct stf_change *change = survey->changes[i];
        bool is_inside =
            strcmp(change->host, thing->host->name) == 0 && stf_binding_resource(binding, change->resource);
        json_t *state = is_inside && is_to_undo(json_array_get(survey->items, i))
                            ? binding->with_part(thing->id, *now, change->resource, change->id, change->before)
                            : NULL;
        if (state) {
            json_decref(*now);
            *now = state;
        }
    }
}

/* What stands there, or will once the newer changes of the thing, of those that it is part of, and of its own parts,
 * are undone. */
static enum stf_kind look(struct survey *survey, const struct stf_thing *thing, json_t **now, struct stf_err *err)
{
    const json_t *entry = json_object_get(survey->standing, thing->key);
    size_t since = (size_t)json_integer_value(json_array_get(entry, 0));
    *now = look_into_wholes(survey, thing, &since);
    if (!*now)
        *now = json_incref(json_array_get(entry, 1));
    enum stf_kind kind = *now ? STF_OK : stf_thing_read(thing, now, err);
    if (kind == STF_OK)
        look_past_parts(survey, thing, since, now);
    return kind;
}

/* The next item leaves the thing in `state`. */
static bool note_standing(struct survey *survey, const struct stf_thing *thing, json_t *state, bool is_undone)
{
    json_int_t index = (json_int_t)json_array_size(survey->items);
    const char *whole = thing->binding->whole;
    bool is_whole = is_undone && whole && strcmp(thing->resource->name, whole) == 0;
    return json_object_set_new(survey->standing, thing->key, json_pack("[I, O]", index + 1, state)) == 0 &&
           (!is_whole || json_array_append_new(survey->wholes, json_integer(index)) == 0);
}

static enum stf_kind judge_item(struct survey *survey, const struct stf_thing *thing, const struct stf_change *change,
                                json_t *item, struct stf_err *err)
{
    enum stf_undo_verdict verdict = STF_UNDO_NOTHING;
    enum stf_kind kind = STF_OK;
    json_t *now = NULL;
    struct stf_err why = {0};
    char reason[64] = "";

    if (change->state == STF_CHANGE_UNDONE) {
        snprintf(reason, sizeof reason, "undone by run %" PRId64 " already", change->undone_by_run);
    } else if (look(survey, thing, &now, &why) != STF_OK) {
        verdict = STF_UNDO_UNKNOWN;
        if (survey->counts[STF_UNDO_UNKNOWN] == 0)
            survey->unreadable = why;
    } else {
        verdict = judge(thing, change, json_object_get(survey->origins, thing->key), now);
        bool is_undone = verdict != STF_UNDO_NOTHING;
        kind = note_standing(survey, thing, is_undone ? (json_t *)change->before : now, is_undone)
                   ? set_now(thing, item, now, err)
                   : no_memory(err);
    }
    survey->counts[verdict]++;
    const char *because = verdict == STF_UNDO_UNKNOWN   ? why.message
                          : reason[0]                   ? reason
                          : verdict == STF_UNDO_NOTHING ? "what was there before stands there now"
                                                        : NULL;
    if (kind == STF_OK && (json_object_set_new(item, "verdict", json_string(verdict_names[verdict])) < 0 ||
                           (because && json_object_set_new(item, "reason", json_string(because)) < 0)))
        kind = no_memory(err);
    json_decref(now);
    return kind;
}

/* The thing of a change of the run, with its key, on `*host`. Fini the thing in either case. */
static enum stf_kind init_surveyed(struct stf_thing *thing, struct stf_host *host, const struct survey *survey,
                                   const struct stf_engine *engine, const struct stf_change *change,
                                   struct stf_err *err)
{
    *thing = (struct stf_thing){0};
    enum stf_kind kind = find_host(survey, change->host, host, err);
    if (kind == STF_OK)
        kind = init_changed(thing, engine, host, change, err);
    return kind == STF_OK ? stf_thing_make_key(thing, err) : kind;
}

static enum stf_kind survey_change(struct survey *survey, const struct stf_engine *engine,
                                   const struct stf_change *change, struct stf_err *err)
{
    struct stf_host host;
    struct stf_thing thing;
    json_t *item = NULL;
    enum stf_kind kind = init_surveyed(&thing, &host, survey, engine, change, err);
    if (kind == STF_OK) {
        item = new_item(&thing, change);
        kind = item ? judge_item(survey, &thing, change, item, err) : no_memory(err);
    }
    if (kind == STF_OK) {
        survey->changes[json_array_size(survey->items)] = change;
        kind = json_array_append(survey->items, item) < 0 ? no_memory(err) : STF_OK;
    }
    json_decref(item);
    stf_thing_fini(&thing);
    return kind;
}

/* Sets `*origin` (borrowed) to what stood there before the run changed it, noting it when this is the first change. */
static enum stf_kind find_origin(struct survey *survey, const struct stf_engine *engine,
                                 const struct stf_change *change, const json_t **origin, struct stf_err *err)
{
    struct stf_host host;
    struct stf_thing thing;
    enum stf_kind kind = init_surveyed(&thing, &host, survey, engine, change, err);
    if (kind == STF_OK)
        *origin = json_object_get(survey->origins, thing.key);
    if (kind == STF_OK && !*origin) {
        *origin = change->before;
        kind = json_object_set(survey->origins, thing.key, (json_t *)*origin) < 0 ? no_memory(err) : STF_OK;
    }
    stf_thing_fini(&thing);
    return kind;
}

/* Fini the survey in either case. */
static enum stf_kind survey_run(struct survey *survey, struct stf_engine *engine, int64_t run, const json_t *only_hosts,
                                struct stf_err *err)
{
    *survey = (struct survey){0};
    if (!engine->journal)
        return stf_err_set(err, STF_NOT_FOUND, 0, "rollback", NULL, "there is no journal, so nothing to roll back");
    enum stf_kind kind = stf_journal_changes(engine->journal, run, &survey->list, err);
    if (kind == STF_OK)
        kind = stf_journal_hosts(engine->journal, run, &survey->hosts, err);
    if (kind != STF_OK)
        return kind;
    survey->items = json_array();
    survey->origins = json_object();
    survey->standing = json_object();
    survey->wholes = json_array();
    survey->changes = calloc(survey->list.count + 1, sizeof *survey->changes);
    if (!survey->items || !survey->origins || !survey->standing || !survey->wholes || !survey->changes)
        return no_memory(err);
    for (size_t i = survey->list.count; kind == STF_OK && i > 0; i--) {
        const json_t *origin;
        kind = find_origin(survey, engine, &survey->list.items[i - 1], &origin, err);
    }
    for (size_t i = 0; kind == STF_OK && i < survey->list.count; i++) {
        const struct stf_change *change = &survey->list.items[i];
        /* A run that has rolled itself back: its undoing is no change to undo, the change it undid says what stands. */
        bool is_own_undo = change->undoes != 0 && stf_journal_run_of(change->undoes) == run;
        bool is_elsewhere = only_hosts && !json_object_get(only_hosts, change->host);
        survey->is_partial = survey->is_partial || (is_elsewhere && change->state != STF_CHANGE_UNDONE);
        if (!is_own_undo && !is_elsewhere)
            kind = survey_change(survey, engine, change, err);
    }
    return kind;
}

static enum stf_kind survey_doc(const struct survey *survey, int64_t run, json_t **doc, struct stf_err *err)
{
    *doc = json_pack("{s:I, s:O}", "run", (json_int_t)run, "items", survey->items);
    for (int i = 0; *doc && i < VERDICT_COUNT; i++) {
        if (json_object_set_new(*doc, verdict_names[i], json_integer(survey->counts[i])) < 0) {
            json_decref(*doc);
            *doc = NULL;
        }
    }
    return *doc ? STF_OK : no_memory(err);
}

enum stf_kind stf_engine_rollback_plan(struct stf_engine *engine, int64_t run, const json_t *only_hosts, json_t **plan,
                                       struct stf_err *err)
{
    struct survey survey;
    *plan = NULL;
    enum stf_kind kind = survey_run(&survey, engine, run, only_hosts, err);
    if (kind == STF_OK)
        kind = survey_doc(&survey, run, plan, err);
    survey_fini(&survey);
    return kind;
}

static bool may_overwrite(const struct stf_rollback *rollback, const json_t *item)
{
    size_t index;
    json_t *number;
    bool is_named = false;
    json_array_foreach ((json_t *)rollback->forced, index, number)
        is_named = is_named || json_equal(number, json_object_get(item, "item"));
    return rollback->is_forced || is_named;
}

static bool is_blocking(const struct stf_rollback *rollback, const json_t *item)
{
    if (may_overwrite(rollback, item))
        return false;
    const char *verdict = json_string_value(json_object_get(item, "verdict"));
    return strcmp(verdict, verdict_names[STF_UNDO_CONFLICT]) == 0 ||
           strcmp(verdict, verdict_names[STF_UNDO_UNKNOWN]) == 0;
}

static bool is_blocked(const struct survey *survey, const struct stf_rollback *rollback)
{
    size_t index;
    json_t *item;
    json_array_foreach (survey->items, index, item)
        if (is_blocking(rollback, item))
            return true;
    return false;
}

/* The three-way view of what is in the way, as far as it fits into a message. */
static void list_blocking(const struct survey *survey, const struct stf_rollback *rollback, char *text, size_t size)
{
    size_t index;
    json_t *item;
    size_t used = 0;
    size_t left = 0;
    text[0] = '\0';
    json_array_foreach (survey->items, index, item) {
        if (!is_blocking(rollback, item))
            continue;
        char *line = three_way(item);
        if (line && used + strlen(line) + sizeof "; and 1234567890 more" < size)
            used += (size_t)sprintf(text + used, "%s%s", used ? "; " : "", line);
        else
            left++;
        free(line);
    }
    if (left > 0)
        sprintf(text + used, "%sand %zu more", used ? "; " : "", left);
}

static enum stf_kind refuse(const struct survey *survey, const struct stf_rollback *rollback, struct stf_err *err)
{
    char text[560];
    int64_t run = rollback->run;
    list_blocking(survey, rollback, text, sizeof text);
    if (survey->counts[STF_UNDO_CONFLICT] == 0) {
        return stf_err_set(
            err, survey->unreadable.kind, survey->unreadable.code, "rollback", survey->unreadable.subject,
            "run %" PRId64 " is not rolled back, nothing was touched: what stands could not be read: %s", run, text);
    }
    stf_err_set(err, STF_CONFLICT, 0, "rollback", NULL,
                "run %" PRId64 " is not rolled back, nothing was touched: hosts no longer have what it wrote: %s", run,
                text);
    stf_err_remedy(err, "staffetta rollback %" PRId64 " --force overwrites what others have put there", run);
    return STF_CONFLICT;
}

/* They are ours alone from now on, and recorded so that this rollback can be rolled back from the journal alone. */
static enum stf_kind claim_hosts(struct stf_engine *engine, const struct survey *survey, const json_t *only_hosts,
                                 struct stf_err *err)
{
    size_t index;
    json_t *row;
    enum stf_kind kind = STF_OK;
    json_array_foreach (survey->hosts, index, row) {
        struct stf_host host;
        const char *name = json_string_value(json_object_get(row, "name"));
        if (only_hosts && !json_object_get(only_hosts, name))
            continue;
        kind = find_host(survey, name, &host, err);
        stf_fault(STF_FAULT_HOLD_BEFORE);
        if (kind == STF_OK)
            kind = stf_fleet_hold(engine->fleet, engine->run, &host, err);
        stf_fault(STF_FAULT_HOLD_AFTER);
        if (kind == STF_OK)
            kind = stf_journal_add_host(engine->journal, engine->run, &host, err);
        if (kind != STF_OK)
            break;
    }
    return kind;
}

static enum stf_kind undo_item(struct stf_engine *engine, struct survey *survey, size_t index, bool is_forced,
                               bool *is_changed, struct stf_err *err)
{
    const struct stf_change *change = survey->changes[index];
    struct stf_host host;
    json_t *result = NULL;
    *is_changed = false;
    /* One that needed nothing is judged again: undoing a newer change of a thing around it may have brought it back. */
    if (change->state == STF_CHANGE_UNDONE)
        return STF_OK;
    const json_t *origin;
    enum stf_kind kind = find_origin(survey, engine, change, &origin, err);
    if (kind == STF_OK)
        kind = find_host(survey, change->host, &host, err);
    if (kind == STF_OK)
        kind = undo(engine, change, origin, &host, is_forced, &result, err);
    *is_changed = json_is_true(json_object_get(result, "changed"));
    json_decref(result);
    return kind;
}

struct tally {
    int64_t undone;
    int64_t failed;
    struct stf_err first;
};

static enum stf_kind undo_all(struct stf_engine *engine, const struct stf_rollback *rollback, struct survey *survey,
                              struct tally *tally, struct stf_err *err)
{
    size_t index;
    json_t *item;
    json_array_foreach (survey->items, index, item) {
        struct stf_err why = {0};
        bool is_changed;
        enum stf_kind kind = undo_item(engine, survey, index, may_overwrite(rollback, item), &is_changed, &why);
        tally->undone += kind == STF_OK && is_changed;
        if (kind != STF_OK && tally->failed++ == 0)
            tally->first = why;
        const char *outcome = kind != STF_OK ? "failed" : is_changed ? "undone" : "nothing";
        if (json_object_set_new(item, "outcome", json_string(outcome)) < 0 ||
            (kind != STF_OK && json_object_set_new(item, "error", json_string(why.message)) < 0))
            return no_memory(err);
        if (rollback->progress)
            rollback->progress(rollback->data, item);
    }
    return STF_OK;
}

/* Asks the binding to restore what the thing's state does not hold. */
static enum stf_kind settle_by(struct stf_engine *engine, const struct stf_engine_binding *bound,
                               const struct stf_host *host, const struct stf_change *change, struct stf_err *err)
{
    json_t *args;
    json_t *result = NULL;
    const struct stf_verb *verb = stf_binding_verb(bound->binding, bound->binding->settle);
    enum stf_kind kind = stf_fleet_grant(engine->fleet, verb->need, err);
    if (kind != STF_OK)
        return kind;
    args = json_pack("{s:O, s:O}", "id", change->id, "state", change->before);
    kind = args ? stf_fleet_call(engine->fleet, host, verb, bound->self, args, &result, err) : no_memory(err);
    json_decref(args);
    json_decref(result);
    return kind;
}

/* Each thing once: by the run's first change of it, whose `before` stands now. What can not be settled is told with the
 * item, and is no failure: all states are back. */
static enum stf_kind settle_all(struct stf_engine *engine, struct survey *survey, struct stf_err *err)
{
    size_t index;
    json_t *item;
    json_array_foreach (survey->items, index, item) {
        const struct stf_change *change = survey->changes[index];
        const json_t *origin;
        struct stf_host host;
        struct stf_err why;
        enum stf_kind kind = find_origin(survey, engine, change, &origin, err);
        if (kind == STF_OK)
            kind = find_host(survey, change->host, &host, err);
        if (kind != STF_OK)
            return kind;
        bool is_back = origin == change->before && !json_object_get(item, "error");
        for (size_t i = 0; is_back && i < engine->binding_count; i++) {
            const struct stf_engine_binding *bound = &engine->bindings[i];
            bool is_for = bound->binding->settles && strcmp(bound->binding->settles, change->resource) == 0;
            if (is_for && settle_by(engine, bound, &host, change, &why) != STF_OK &&
                json_object_set_new(item, "unsettled", json_string(why.message)) < 0)
                return no_memory(err);
        }
    }
    return STF_OK;
}

static enum stf_kind summarize(const struct survey *survey, const struct stf_rollback *rollback,
                               const struct tally *tally, json_t **summary, struct stf_err *err)
{
    enum stf_kind kind = survey_doc(survey, rollback->run, summary, err);
    if (kind == STF_OK && (json_object_set_new(*summary, "undone", json_integer(tally->undone)) < 0 ||
                           json_object_set_new(*summary, "failed", json_integer(tally->failed)) < 0))
        kind = no_memory(err);
    if (kind == STF_OK && tally->failed > 0) {
        kind = stf_err_set(err, tally->first.kind, tally->first.code, "rollback", tally->first.subject,
                           "%" PRId64 " of %zu changes of run %" PRId64 " could not be undone; the rest was. Roll it "
                           "back again when the cause is gone: %s",
                           tally->failed, json_array_size(survey->items), rollback->run, tally->first.message);
    }
    return kind;
}

/* Everything is back, so nothing is left for the hosts' own armed undos. One that came first is as good; one that can
 * not be reached will find nothing to do. */
static void disarm(struct stf_engine *engine, const struct survey *survey, int64_t run)
{
    size_t index;
    json_t *item;
    json_array_foreach (survey->items, index, item) {
        struct stf_host host;
        struct stf_err ignored;
        if (find_host(survey, json_string_value(json_object_get(item, "host")), &host, &ignored) == STF_OK) {
            stf_fault(STF_FAULT_CONFIRM_BEFORE);
            stf_fleet_confirm(engine->fleet, run, &host, &ignored);
            stf_fault(STF_FAULT_CONFIRM_AFTER);
        }
    }
}

enum stf_kind stf_engine_rollback(struct stf_engine *engine, const struct stf_rollback *rollback, json_t **summary,
                                  struct stf_err *err)
{
    struct survey survey;
    struct tally tally = {0};
    *summary = NULL;
    if (engine->mode != STF_ENGINE_APPLY)
        return stf_err_set(err, STF_DENIED, 0, "rollback", NULL, "a plan undoes nothing");
    enum stf_kind kind = survey_run(&survey, engine, rollback->run, rollback->only_hosts, err);
    if (kind != STF_OK)
        goto out;
    if (is_blocked(&survey, rollback)) {
        kind = survey_doc(&survey, rollback->run, summary, err);
        if (kind == STF_OK)
            kind = refuse(&survey, rollback, err);
        goto out;
    }
    kind = claim_hosts(engine, &survey, rollback->only_hosts, err);
    if (kind == STF_OK && rollback->run != engine->run)
        kind = stf_journal_run_undoes(engine->journal, engine->run, rollback->run, err);
    if (kind == STF_OK)
        kind = undo_all(engine, rollback, &survey, &tally, err);
    if (kind == STF_OK)
        kind = settle_all(engine, &survey, err);
    if (kind == STF_OK && tally.failed == 0)
        disarm(engine, &survey, rollback->run);
    if (kind == STF_OK)
        kind = summarize(&survey, rollback, &tally, summary, err);
    if (kind == STF_OK && rollback->run != engine->run && !survey.is_partial)
        kind = stf_journal_run_rolled_back(engine->journal, rollback->run, engine->run, err);
out:
    survey_fini(&survey);
    return kind;
}
