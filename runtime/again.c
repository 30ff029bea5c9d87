/* again.c - runs that follow from an earlier look: a plan that was kept is applied, a run that was cut short goes on.
 * Must touch nothing where that look no longer holds. SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/doc.h"
#include "plan.h"
#include "run.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "run", NULL, "not enough memory");
}

/* Makes `report` that of a run which was refused for `drift`. */
static enum stf_kind refuse(json_t *report, const char *what, const char *remedy, json_t *drift, struct stf_err *err)
{
    size_t count = json_array_size(drift);
    json_object_set_new(report, "mode", json_string("apply"));
    json_object_set_new(report, "state", json_string("refused"));
    if (!json_object_get(report, "error")) {
        stf_err_set(err, STF_CONFLICT, 0, "run", NULL, "%s, and nothing was touched: %zu thing%s changed since", what,
                    count, count == 1 ? " has" : "s have");
        stf_err_remedy(err, "%s", remedy);
        json_object_set_new(report, "error", stf_doc_from_err(err));
    }
    return json_object_set(report, "drift", drift) == 0 ? STF_OK : no_memory(err);
}

/* ---- a plan ---- */

/* What the plan would be now, without a word to anybody. STF_OK: *fresh is the report. */
static enum stf_kind plan_again(struct stf_runtime *rt, const struct stf_run_options *options, json_t **fresh,
                                struct stf_err *err)
{
    struct stf_run_options silent = *options;
    silent.mode = STF_RUN_PLAN;
    silent.plan = NULL;
    silent.on_event = NULL;
    return stf_run_once(rt, &silent, NULL, fresh, err);
}

static enum stf_kind apply_plan(struct stf_runtime *rt, const struct stf_run_options *given, json_t **report,
                                struct stf_err *err)
{
    json_t *fresh = NULL, *drift = NULL;
    struct stf_run_options options = *given;
    options.playbook = json_string_value(json_object_get(given->plan, "playbook"));
    options.params = json_object_get(given->plan, "params");
    options.limit = json_string_value(json_object_get(given->plan, "limit"));
    enum stf_kind kind = plan_again(rt, &options, &fresh, err);
    if (kind != STF_OK)
        goto out;
    drift = stf_plan_drift(given->plan, json_object_get(fresh, "plan"));
    if (!drift) {
        kind = no_memory(err);
    } else if (json_array_size(drift) > 0 || json_object_get(fresh, "error")) {
        json_object_del(fresh, "plan");
        kind = refuse(fresh, "the plan is not applied", "staffetta plan --out FILE", drift, err);
        *report = kind == STF_OK ? json_incref(fresh) : NULL;
    } else {
        kind = stf_run_once(rt, &options, NULL, report, err);
    }
out:
    json_decref(drift);
    json_decref(fresh);
    return kind;
}

/* ---- a run that was cut short ---- */

/* The scripts of a journal's run as entries of a plan. */
static json_t *recorded_scripts(const json_t *run)
{
    size_t index;
    json_t *row, *list = json_array();
    json_array_foreach (json_object_get(run, "scripts"), index, row) {
        json_array_append_new(list, json_pack("{s:O, s:O, s:O}", "folder", json_object_get(row, "kind"), "name",
                                              json_object_get(row, "name"), "sha256", json_object_get(row, "sha256")));
    }
    return list;
}

/* The same scripts as they are found now. */
static json_t *present_scripts(struct stf_runtime *rt, const json_t *recorded)
{
    size_t index;
    json_t *entry, *list = json_array();
    if (rt->site)
        json_array_append_new(list, stf_plan_site_entry(rt));
    json_array_foreach ((json_t *)recorded, index, entry) {
        struct stf_script script;
        struct stf_err ignored; /* one that is not found any more is missing in the list */
        const char *folder = json_string_value(json_object_get(entry, "folder"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (strcmp(folder, "site") == 0)
            continue;
        if (stf_loader_find(rt->loader, folder, name, &script, &ignored) == STF_OK)
            json_array_append_new(
                list, json_pack("{s:s, s:s, s:s}", "folder", folder, "name", name, "sha256", script.sha256));
        stf_script_fini(&script);
    }
    return list;
}

static enum stf_kind load_run(const struct stf_runtime *rt, int64_t run, json_t **doc, struct stf_err *err)
{
    struct stf_journal *journal;
    enum stf_kind kind = stf_journal_open_read(rt->state_dir, &journal, err);
    if (kind != STF_OK)
        return kind;
    kind = stf_journal_load(journal, run, doc, err);
    stf_journal_close(journal);
    if (kind != STF_OK)
        return kind;
    const char *state = json_string_value(json_object_get(json_object_get(*doc, "run"), "state"));
    if (strcmp(state, stf_run_state_name(STF_RUN_INTERRUPTED)) == 0 ||
        strcmp(state, stf_run_state_name(STF_RUN_HELD)) == 0)
        return STF_OK;
    return stf_err_set(err, STF_CONFLICT, 0, "resume", NULL,
                       "run %lld is %s: only a run that was interrupted or held can go on", (long long)run, state);
}

/* A rollback that was cut short goes on with the run that it was undoing, whatever "last" would mean now. */
static json_t *params_of(const json_t *head)
{
    json_t *params = json_copy(json_object_get(head, "params"));
    json_t *undoes = json_object_get(head, "undoes_run");
    params = params ? params : json_object();
    if (json_is_integer(undoes))
        json_object_set(params, "run", undoes);
    return params;
}

/* What is left to be made of a kept plan, as a plan. A change that was cut short, or failed, may stand: "may_stand". */
static json_t *rest_of_plan(const json_t *plan, const json_t *made)
{
    size_t index;
    json_t *planned, *rest = json_copy((json_t *)plan), *left = json_array(), *by_thing = stf_changes_by_thing(made);
    bool is_ok = rest && left && by_thing;
    json_array_foreach (json_object_get(plan, "changes"), index, planned) {
        json_t *change = is_ok ? stf_changes_take(by_thing, planned) : NULL;
        const char *state = json_string_value(json_object_get(change, "state"));
        json_t *copy = json_copy(planned);
        if (change && copy)
            is_ok = is_ok && json_object_set_new(copy, "may_stand", json_true()) == 0;
        if (!state || strcmp(state, stf_change_state_name(STF_CHANGE_DONE)) != 0)
            is_ok = is_ok && json_array_append(left, copy) == 0;
        json_decref(copy);
        json_decref(change);
    }
    is_ok = is_ok && json_object_set(rest, "changes", left) == 0;
    json_decref(by_thing);
    json_decref(left);
    if (!is_ok) {
        json_decref(rest);
        rest = NULL;
    }
    return rest;
}

/* The data of the first event of a run of that mode, which is of that name; `*data` stays NULL for any other run. */
static enum stf_kind find_kept(const json_t *run, const char *mode, const char *name, const json_t **data,
                               struct stf_err *err)
{
    const json_t *head = json_object_get(run, "run");
    const json_t *first = json_array_get(json_object_get(run, "events"), 0);
    const char *event = json_string_value(json_object_get(first, "kind"));
    if (strcmp(json_string_value(json_object_get(head, "mode")), mode) != 0)
        return STF_OK;
    if (!event || strcmp(event, name) != 0)
        return stf_err_set(err, STF_CONFLICT, 0, "resume", NULL,
                           "the run was cut short before it had kept its %s, and has changed nothing: begin it again",
                           name);
    *data = json_object_get(first, "data");
    return STF_OK;
}

/* A run that applied a plan is held to what is left of it, a run with a limit to its hosts. */
static enum stf_kind find_bounds(const json_t *run, struct stf_run_options *options, json_t **plan, struct stf_err *err)
{
    const json_t *kept_plan = NULL, *limit = NULL;
    enum stf_kind kind = find_kept(run, stf_run_mode_of_plan, "plan", &kept_plan, err);
    if (kind == STF_OK)
        kind = find_kept(run, stf_run_mode_of_limit, "limit", &limit, err);
    options->limit = json_string_value(json_object_get(kept_plan ? kept_plan : limit, kept_plan ? "limit" : "pattern"));
    if (kind == STF_OK && kept_plan && !(*plan = rest_of_plan(kept_plan, json_object_get(run, "changes"))))
        kind = no_memory(err);
    options->plan = *plan;
    return kind;
}

static enum stf_kind resume(struct stf_runtime *rt, const struct stf_run_options *given, json_t **report,
                            struct stf_err *err)
{
    const json_t *site;
    json_t *doc = NULL, *recorded = NULL, *present = NULL, *params = NULL, *plan = NULL, *drift = json_array();
    struct stf_run_options options = *given;
    enum stf_kind kind = load_run(rt, given->resume, &doc, err);
    if (kind == STF_OK)
        kind = stf_runtime_site(rt, &site, err);
    if (kind == STF_OK)
        kind = find_bounds(doc, &options, &plan, err);
    if (kind != STF_OK)
        goto out;
    const json_t *head = json_object_get(doc, "run");
    recorded = recorded_scripts(doc);
    present = present_scripts(rt, recorded);
    params = params_of(head);
    options.playbook = json_string_value(json_object_get(head, "playbook"));
    options.params = params;
    if (!stf_plan_add_script_drift(recorded, present, drift)) {
        kind = no_memory(err);
    } else if (json_array_size(drift) > 0) {
        *report = json_pack("{s:s, s:I}", "playbook", options.playbook, "run", (json_int_t)given->resume);
        kind = refuse(*report, "the run does not go on", "staffetta rollback", drift, err);
    } else {
        kind = stf_run_once(rt, &options, recorded, report, err);
    }
out:
    json_decref(drift);
    json_decref(plan);
    json_decref(params);
    json_decref(present);
    json_decref(recorded);
    json_decref(doc);
    return kind;
}

enum stf_kind stf_runtime_run(struct stf_runtime *rt, const struct stf_run_options *options, json_t **report,
                              struct stf_err *err)
{
    *report = NULL;
    if (options->resume)
        return resume(rt, options, report, err);
    if (!options->plan)
        return stf_run_once(rt, options, NULL, report, err);
    enum stf_kind kind = stf_plan_check(options->plan, err);
    return kind == STF_OK ? apply_plan(rt, options, report, err) : kind;
}
