/* run.c - one run from the first line to the report: opens the journal and the engine, drives the playbook, and puts
 * everything back when it failed. Never leaves a run without a recorded end. SPDX-License-Identifier: MIT */
#include "run.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "fault.h"
#include "plan.h"

const char stf_run_mode_of_plan[] = "apply a plan";
const char stf_run_mode_of_limit[] = "apply to some hosts";

/* ---- telling ---- */

void stf_run_emit(struct stf_run *run, json_t *event)
{
    if (event && run->options->on_event)
        run->options->on_event(run->options->user, event);
    json_decref(event);
}

/* A plan is applied by the scripts that made it. */
static enum stf_kind check_planned_script(const struct stf_run *run, const json_t *script, struct stf_err *err)
{
    const char *name = json_string_value(json_object_get(script, "name"));
    const char *planned = stf_plan_script_hash(json_object_get(run->options->plan, "scripts"),
                                               json_string_value(json_object_get(script, "folder")), name);
    if (planned && strcmp(planned, json_string_value(json_object_get(script, "sha256"))) == 0)
        return STF_OK;
    return stf_err_set(err, STF_CONFLICT, 0, "load", name, "the plan was not made with this %s",
                       json_string_value(json_object_get(script, "origin")));
}

enum stf_kind stf_run_record_script(struct stf_run *run, json_t *script, struct stf_err *err)
{
    size_t index;
    json_t *known;
    if (!run->scripts) /* not a run: somebody only looks at a script */
        return STF_OK;
    json_array_foreach (run->scripts, index, known)
        if (json_equal(known, script))
            return STF_OK;
    if (run->options->plan && check_planned_script(run, script, err) != STF_OK)
        return err->kind;
    if (json_array_append(run->scripts, script) != 0)
        return stf_err_set(err, STF_NO_MEMORY, 0, "record script", NULL, "not enough memory");
    const char *folder = json_string_value(json_object_get(script, "folder"));
    const char *name = json_string_value(json_object_get(script, "name"));
    bool is_recorded = stf_plan_script_hash(run->recorded, folder, name) != NULL;
    if (!run->has_begun || !run->id || is_recorded)
        return STF_OK;
    struct stf_script_data data = {
        .kind = folder,
        .name = name,
        .origin = json_string_value(json_object_get(script, "origin")),
        .sha256 = json_string_value(json_object_get(script, "sha256")),
    };
    return stf_journal_add_script(run->journal, run->id, &data, err);
}

enum stf_kind stf_run_record_check(struct stf_run *run, const char *step, json_t *result, struct stf_err *err)
{
    json_array_append(run->checks, result);
    stf_run_emit(run, json_pack("{s:s, s:s, s:O}", "event", "check", "step", step, "result", result));
    enum stf_kind kind = STF_OK;
    if (run->id) {
        struct stf_check_data data = {
            .step = step,
            .host = json_string_value(json_object_get(result, "host")),
            .name = json_string_value(json_object_get(result, "check")),
            .verdict = json_string_value(json_object_get(result, "verdict")),
            .evidence = json_object_get(result, "evidence"),
        };
        kind = stf_journal_add_check(run->journal, run->id, &data, err);
    }
    json_decref(result);
    return kind;
}

enum stf_kind stf_run_record_measure(struct stf_run *run, const char *name, json_t *figures, struct stf_err *err)
{
    json_object_set(run->measures, name, figures);
    stf_run_emit(run, json_pack("{s:s, s:s, s:O}", "event", "measure", "name", name, "figures", figures));
    enum stf_kind kind = STF_OK;
    if (run->id) {
        json_t *data = json_pack("{s:s, s:O}", "name", name, "figures", figures);
        kind = stf_journal_add_event(run->journal, run->id, "measure", data, err);
        json_decref(data);
    }
    json_decref(figures);
    return kind;
}

struct stf_run_host *stf_run_find_host(struct stf_run *run, const char *name)
{
    for (size_t i = 0; i < run->host_count; i++)
        if (strcmp(run->hosts[i].host.name, name) == 0)
            return &run->hosts[i];
    return NULL;
}

bool stf_run_is_outside(const struct stf_run *run, const char *name)
{
    return run->limit && !json_object_get(run->limit, name);
}

/* ---- beginning ---- */

/* Which hosts a run with a limit is about: `resume` and a reader of the journal need it. */
static enum stf_kind record_limit(const struct stf_run *run, struct stf_err *err)
{
    json_t *names = json_array();
    for (size_t i = 0; i < run->host_count; i++)
        if (!stf_run_is_outside(run, run->hosts[i].host.name))
            json_array_append_new(names, json_string(run->hosts[i].host.name));
    json_t *data = json_pack("{s:s, s:o}", "pattern", run->options->limit, "hosts", names);
    enum stf_kind kind = stf_journal_add_event(run->journal, run->id, "limit", data, err);
    json_decref(data);
    return kind;
}

/* What a resumed run has changed before it was cut short counts as its own: it is confirmed, or put back, with the
 * rest. */
static enum stf_kind count_earlier_changes(struct stf_run *run, struct stf_err *err)
{
    struct stf_change_list list;
    enum stf_kind kind = stf_journal_changes(run->journal, run->id, &list, err);
    for (size_t i = 0; i < list.count; i++) {
        struct stf_run_host *host = stf_run_find_host(run, list.items[i].host);
        if (host && list.items[i].state != STF_CHANGE_UNDONE)
            host->change_count++;
    }
    stf_change_list_fini(&list);
    return kind;
}

static enum stf_kind begin_new(struct stf_run *run, struct stf_err *err)
{
    const struct stf_run_data data = {
        .playbook = run->options->playbook,
        .mode = run->options->plan ? stf_run_mode_of_plan
                : run->limit       ? stf_run_mode_of_limit
                                   : "apply",
        .site_name = run->rt->site ? json_string_value(json_object_get(run->rt->site, "name")) : "",
        .site_dir = run->rt->site_dir ? run->rt->site_dir : "",
        .params = run->options->params,
        .operator_name = stf_operator_name(),
        .program_version = stf_version(),
    };
    enum stf_kind kind = stf_journal_run_begin(run->journal, &data, &run->id, err);
    if (kind == STF_OK && run->options->plan)
        return stf_journal_add_event(run->journal, run->id, "plan", run->options->plan, err);
    return kind == STF_OK && run->limit ? record_limit(run, err) : kind;
}

static enum stf_kind begin_again(struct stf_run *run, struct stf_err *err)
{
    run->id = run->options->resume;
    enum stf_kind kind = stf_journal_run_resume(run->journal, run->id, err);
    return kind == STF_OK ? count_earlier_changes(run, err) : kind;
}

/* Those that were loaded before there was a run to record them for. */
static enum stf_kind record_loaded_scripts(struct stf_run *run, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    size_t index;
    json_t *script, *loaded = run->scripts;
    run->scripts = json_array();
    json_array_foreach (loaded, index, script)
        if (kind == STF_OK)
            kind = stf_run_record_script(run, script, err);
    json_decref(loaded);
    return kind;
}

static enum stf_kind begin_journal(struct stf_run *run, struct stf_err *err)
{
    enum stf_kind kind = run->options->resume ? begin_again(run, err) : begin_new(run, err);
    for (size_t i = 0; kind == STF_OK && i < run->host_count; i++)
        if (!stf_run_is_outside(run, run->hosts[i].host.name))
            kind = stf_journal_add_host(run->journal, run->id, &run->hosts[i].host, err);
    return kind == STF_OK ? record_loaded_scripts(run, err) : kind;
}

static enum stf_kind open_engine(struct stf_run *run, struct stf_err *err)
{
    struct stf_engine_binding bindings[STF_MAX_BINDINGS];
    for (size_t i = 0; i < run->rt->bound_count; i++)
        bindings[i] = (struct stf_engine_binding){run->rt->bound[i].binding, run->rt->bound[i].self};
    const struct stf_engine_config config = {
        .mode = run->is_planning ? STF_ENGINE_PLAN : STF_ENGINE_APPLY,
        .journal = run->journal,
        .run = run->id,
        .bindings = bindings,
        .binding_count = run->rt->bound_count,
        .fleet = run->fleet,
        .expected = json_object_get(run->options->plan, "changes"),
    };
    return stf_engine_open(&config, &run->engine, err);
}

enum stf_kind stf_run_begin(struct stf_run *run, struct stf_err *err)
{
    run->has_begun = true;
    enum stf_kind kind = run->is_planning ? STF_OK : begin_journal(run, err);
    if (kind == STF_OK)
        kind = open_engine(run, err);
    if (kind == STF_OK)
        stf_run_emit(run, json_pack("{s:s, s:s, s:I, s:b}", "event", "begin", "playbook", run->options->playbook, "run",
                                    (json_int_t)run->id, "is_plan", run->is_planning));
    return kind;
}

/* ---- rolling back ---- */

/* Whether a rollback that names no run means this one. */
static bool is_last(const struct stf_run *run, const json_t *each)
{
    const char *state = json_string_value(json_object_get(each, "state"));
    return json_integer_value(json_object_get(each, "run")) != run->id &&
           strcmp(state, stf_run_state_name(STF_RUN_ROLLED_BACK)) != 0 &&
           json_integer_value(json_object_get(each, "undoes_run")) == 0 &&
           json_integer_value(json_object_get(each, "changes")) > 0;
}

enum stf_kind stf_run_find(struct stf_run *run, int64_t *id, struct stf_err *err)
{
    json_t *runs = NULL;
    int64_t wanted = *id;
    enum stf_kind kind = run->journal ? stf_journal_list(run->journal, &runs, err) : STF_OK;
    if (kind != STF_OK)
        return kind;
    size_t index;
    json_t *each;
    *id = 0;
    json_array_foreach (runs, index, each) {
        int64_t number = json_integer_value(json_object_get(each, "run"));
        if (wanted ? number == wanted : is_last(run, each)) {
            *id = number;
            break;
        }
    }
    json_decref(runs);
    if (*id)
        return STF_OK;
    if (wanted)
        stf_err_set(err, STF_NOT_FOUND, 0, "roll back", NULL, "the journal in %s has no run %lld", run->rt->state_dir,
                    (long long)wanted);
    else
        stf_err_set(err, STF_NOT_FOUND, 0, "roll back", "last", "no run in this journal has changes that still stand");
    stf_err_remedy(err, "staffetta runs");
    return STF_NOT_FOUND;
}

/* The worst of what happened to a host is its outcome; of two equally bad things the first. */
static int rank_of(const char *outcome)
{
    static const char *const ranked[] = {"unchanged", "done", "rolled_back", "failed", "unreachable"};
    int rank = 0;
    while (outcome && rank < 4 && strcmp(ranked[rank], outcome) != 0)
        rank++;
    return outcome ? (rank < 4 ? rank : 3) : -1;
}

enum stf_kind stf_run_set_outcome(struct stf_run *run, const char *host, const char *outcome, const char *step,
                                  const char *reason, struct stf_err *err)
{
    const json_t *before = json_object_get(run->outcomes, host);
    if (rank_of(outcome) <= rank_of(json_string_value(json_object_get(before, "outcome"))))
        return STF_OK;
    json_t *entry = json_pack("{s:s, s:s*, s:s*}", "outcome", outcome, "step", step, "reason", reason);
    return json_object_set_new(run->outcomes, host, entry) == 0
               ? STF_OK
               : stf_err_set(err, STF_NO_MEMORY, 0, "run", host, "not enough memory");
}

static void tell_undo(void *user, const json_t *item)
{
    struct stf_err ignored; /* an outcome that is missing does not stop a rollback */
    const char *outcome = json_string_value(json_object_get(item, "outcome"));
    const char *of_host = strcmp(outcome, "undone") == 0   ? "rolled_back"
                          : strcmp(outcome, "failed") == 0 ? "failed"
                                                           : "unchanged";
    stf_run_set_outcome(user, json_string_value(json_object_get(item, "host")), of_host, NULL,
                        json_string_value(json_object_get(item, "error")), &ignored);
    stf_run_emit(user, json_pack("{s:s, s:O}", "event", "undo", "item", (json_t *)item));
}

enum stf_kind stf_run_roll_back(struct stf_run *run, const struct stf_rollback *wanted, json_t **summary,
                                struct stf_err *err)
{
    struct stf_rollback rollback = *wanted;
    rollback.progress = tell_undo;
    rollback.data = run;
    return stf_engine_rollback(run->engine, &rollback, summary, err);
}

/* ---- the run ---- */

static enum stf_kind add_hosts(struct stf_run *run, struct stf_err *err)
{
    const json_t *hosts = json_object_get(run->rt->site, "hosts");
    run->hosts = calloc(json_object_size(hosts) + 1, sizeof *run->hosts);
    if (!run->hosts)
        return stf_err_set(err, STF_NO_MEMORY, 0, "run", NULL, "not enough memory");
    const char *name;
    json_t *config;
    json_object_foreach ((json_t *)hosts, name, config) {
        run->hosts[run->host_count++].host = (struct stf_host){
            .name = name,
            .netns = json_string_value(json_object_get(config, "netns")),
            .config = config,
            .site_dir = run->rt->site_dir,
        };
    }
    return stf_runtime_limit(run->rt, run->options->limit, &run->limit, err);
}

static enum stf_kind open_journal(struct stf_run *run, struct stf_err *err)
{
    if (run->is_planning) {
        struct stf_err ignored; /* a plan works without a journal; only a plan of a rollback would read it */
        if (stf_journal_open_read(run->rt->state_dir, &run->journal, &ignored) != STF_OK)
            run->journal = NULL;
        return STF_OK;
    }
    char what[256];
    snprintf(what, sizeof what, "%s%s%s", run->options->playbook, run->rt->site_dir ? " --site " : "",
             run->rt->site_dir ? run->rt->site_dir : "");
    return stf_journal_open(run->rt->state_dir, what, &run->journal, err);
}

/* (the table of ctx.lua, the name of a function there): begins its coroutine, which it returns. */
static int l_start(lua_State *L)
{
    struct stf_run *run = stf_run_of(L);
    lua_getfield(L, 1, luaL_checkstring(L, 2));
    lua_pushstring(L, run->options->playbook);
    if (run->options->params)
        stf_lua_push_doc(L, run->options->params);
    else
        lua_newtable(L);
    lua_pushlightuserdata(L, stf_task_new(run, L, 3));
    return 1;
}

/* Ctrl-C before a prompt is for the statement under way, or for nobody; a second one, while its call is still waited
 * for, is for the session. */
static bool end_line(struct stf_run *run)
{
    const struct stf_prompt *prompt = run->options->prompt;
    if (!prompt || !prompt->is_interactive || (run->line && run->line->is_over))
        return false;
    if (run->line)
        stf_task_end(run, run->line);
    return true;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct stf_run *run = handle->data;
    if (number == SIGINT && end_line(run))
        return;
    if (run->is_interrupted) {
        fprintf(stderr, "staffetta: stopped at once; run %lld is not finished: `staffetta rollback` puts it back\n",
                (long long)run->id);
        _exit(130);
    }
    run->is_interrupted = true;
    stf_sandbox_stop(run->L, number == SIGINT ? "interrupted (SIGINT)" : "ended from outside (signal)");
    stf_sched_wake_sleepers(run);
    stf_run_emit(run, json_pack("{s:s, s:i}", "event", "interrupted", "signal", number));
}

static void watch_signals(struct stf_run *run)
{
    static const int numbers[STF_RUN_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < STF_RUN_SIGNALS; i++) {
        uv_signal_init(&run->loop, &run->signals[i]);
        run->signals[i].data = run;
        if (run->options->handles_signals)
            uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
}

static void close_loop(struct stf_run *run)
{
    for (size_t i = 0; i < STF_RUN_SIGNALS; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    stf_sched_end_timers(run);
    uv_run(&run->loop, UV_RUN_DEFAULT);
    uv_loop_close(&run->loop);
}

/* The worst verdict of all checks; "unknown" when there was none to look. */
static const char *overall_verdict(const struct stf_run *run)
{
    const char *worst = json_array_size(run->checks) ? "pass" : "unknown";
    size_t index;
    json_t *check;
    json_array_foreach (run->checks, index, check) {
        const char *verdict = json_string_value(json_object_get(check, "verdict"));
        if (strcmp(verdict, "fail") == 0)
            worst = verdict;
        else if (strcmp(verdict, "unknown") == 0 && strcmp(worst, "pass") == 0)
            worst = verdict;
    }
    return worst;
}

/* A run that failed after it had changed something puts it all back; one that was itself a rollback does not. */
static const char *undo_failed_run(struct stf_run *run, json_t *report)
{
    struct stf_err err;
    json_t *summary = NULL;
    int64_t changes = 0;
    for (size_t i = 0; i < run->host_count; i++)
        changes += run->hosts[i].change_count + run->hosts[i].failed_change_count;
    if (run->is_undoing || changes == 0)
        return "failed";
    stf_run_emit(run, json_pack("{s:s, s:I}", "event", "rolling_back", "run", (json_int_t)run->id));
    enum stf_kind kind = stf_run_roll_back(run, &(struct stf_rollback){.run = run->id}, &summary, &err);
    if (summary)
        json_object_set_new(report, "rollback", summary);
    if (kind == STF_OK)
        return "rolled_back";
    json_object_set_new(report, "rollback_error", stf_doc_from_err(&err));
    return "needs_human";
}

static enum stf_run_state journal_state(const char *state)
{
    if (strcmp(state, "done") == 0)
        return STF_RUN_DONE;
    if (strcmp(state, "rolled_back") == 0)
        return STF_RUN_ROLLED_BACK;
    return strcmp(state, "held") == 0 ? STF_RUN_HELD : STF_RUN_FAILED;
}

/* Sets doc[key] to the text in the field `key` of the table on top, where that is one. */
static void copy_text(lua_State *L, const char *key, json_t *doc)
{
    size_t size;
    lua_pushstring(L, key);
    if (lua_rawget(L, -2) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, -1, &size);
        json_object_set_new(doc, key, stf_doc_text(text, size));
    }
    lua_pop(L, 1);
}

/* (document, {error, traceback}): adds what only the report tells, the traceback and the kind as it was raised (that of
 * a gate or a step is none of the world's). An error of a host's coroutine brings a traceback of its own. */
static int l_tell_error(lua_State *L)
{
    json_t *doc = lua_touserdata(L, 1);
    lua_settop(L, 2);
    if (!lua_istable(L, 2))
        return 0;
    copy_text(L, "traceback", doc);
    lua_pushliteral(L, "error");
    if (lua_rawget(L, 2) == LUA_TTABLE) {
        copy_text(L, "traceback", doc);
        copy_text(L, "kind", doc);
    }
    return 0;
}

/* What the task raised: {error, traceback}, or a bare value when there was no memory for more. */
static void take_error(struct stf_run *run, struct stf_task *task, struct stf_err *err, json_t *report)
{
    lua_State *L = run->L;
    lua_settop(task->co, 1);
    lua_xmove(task->co, L, 1);
    stf_trusted_error(L, -1, err);
    json_t *doc = stf_doc_from_err(err);
    lua_pushcfunction(L, l_tell_error);
    lua_pushlightuserdata(L, doc);
    lua_pushvalue(L, -3);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1); /* no memory: the message alone has to do */
    lua_pop(L, 1);
    if (run->is_interrupted)
        json_object_del(doc, "traceback"); /* where the signal met the script is no fault of that */
    json_object_set_new(report, "error", doc);
}

/* A gate that was not passed, where the site or the person who was asked wants everything to stay as it is. */
static bool is_held(const json_t *report)
{
    const char *kind = json_string_value(json_object_get(json_object_get(report, "error"), "kind"));
    return kind && strcmp(kind, "gate_held") == 0;
}

/* Every host of the site, or of the limit, has an outcome in the end, and the counts add up to their number. */
static json_t *count_outcomes(struct stf_run *run, bool is_done)
{
    for (size_t i = 0; i < run->host_count; i++) {
        const char *name = run->hosts[i].host.name;
        if (!stf_run_is_outside(run, name) && !json_object_get(run->outcomes, name))
            json_object_set_new(run->outcomes, name,
                                json_pack("{s:s, s:s}", "outcome", "skipped", "reason",
                                          is_done ? "no step was for it" : "the run ended before a step for it"));
    }
    json_t *counts = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "done", 0, "unchanged", 0, "failed", 0, "rolled_back",
                               0, "unreachable", 0, "skipped", 0);
    const char *host;
    json_t *entry;
    json_object_foreach (run->outcomes, host, entry) {
        json_t *count = json_object_get(counts, json_string_value(json_object_get(entry, "outcome")));
        json_integer_set(count, json_integer_value(count) + 1);
    }
    json_object_set_new(counts, "total", json_integer((json_int_t)json_object_size(run->outcomes)));
    return counts;
}

static void finish_report(struct stf_run *run, json_t *report, const char *state, int64_t started_ns)
{
    struct stf_err err;
    json_object_set_new(report, "state", json_string(state));
    json_object_set_new(report, "verdict", json_string(overall_verdict(run)));
    json_object_set_new(report, "counts", count_outcomes(run, strcmp(state, "done") == 0));
    json_object_set(report, "hosts", run->outcomes);
    if (run->undo)
        json_object_set(report, "rollback", run->undo);
    json_object_set(report, "checks", run->checks);
    json_object_set(report, "measures", run->measures);
    json_object_set_new(report, "duration_ms", json_integer((stf_clock_ns() - started_ns) / 1000000));
    json_t *plan = NULL;
    if (run->is_planning && stf_engine_plan(run->engine, &plan, &err) == STF_OK &&
        stf_plan_complete(run, plan, &err) == STF_OK)
        json_object_set(report, "plan", plan);
    json_decref(plan);
}

/* Runs a function of the table of ctx.lua, which is at `ctx`, to its end; NULL, with an error on the stack, when it did
 * not even begin. */
static struct stf_task *drive(struct stf_run *run, int ctx, const char *function)
{
    lua_State *L = run->L;
    lua_pushcfunction(L, l_start);
    lua_pushvalue(L, ctx);
    lua_pushstring(L, function);
    stf_sandbox_arm(L);
    if (lua_pcall(L, 2, 1, 0) != LUA_OK)
        return NULL;
    struct stf_task *task = lua_touserdata(L, -1);
    stf_sched_drive(run, task);
    stf_sched_drain(run);
    return task;
}

/* Also after an interruption: that has stopped what the scripts did, and this only looks. */
static void look_after_undo(struct stf_run *run, int ctx)
{
    run->is_undone = true;
    stf_sandbox_let_go(run->L);
    drive(run, ctx, "undone");
    lua_pop(run->L, 1);
}

enum stf_kind stf_run_confirm(struct stf_run *run, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; !run->is_planning && i < run->host_count; i++) {
        struct stf_err why;
        stf_fault(STF_FAULT_CONFIRM_BEFORE);
        enum stf_kind confirmed = run->hosts[i].change_count == 0
                                      ? STF_OK
                                      : stf_fleet_confirm(run->fleet, run->id, &run->hosts[i].host, &why);
        stf_fault(STF_FAULT_CONFIRM_AFTER);
        if (confirmed != STF_OK && kind == STF_OK) {
            kind = confirmed;
            *err = why;
        }
    }
    return kind;
}

/* What is held stays: no host may put itself back. */
static const char *end_failed_run(struct stf_run *run, json_t *report)
{
    struct stf_err ignored; /* a host that can not be confirmed puts itself back, and so everything is */
    return is_held(report) && stf_run_confirm(run, &ignored) == STF_OK ? "held" : undo_failed_run(run, report);
}

/* Drives the playbook. STF_OK: `report` is filled. */
static enum stf_kind execute(struct stf_run *run, json_t *report, struct stf_err *err)
{
    int64_t started_ns = stf_clock_ns();
    if (!stf_trusted_push_ctx(run->L))
        return stf_trusted_error(run->L, -1, err);
    int ctx = lua_gettop(run->L);
    struct stf_task *main_task = drive(run, ctx, "main");
    if (!main_task)
        return stf_trusted_error(run->L, -1, err);
    const char *state = "done";
    struct stf_err failure = {.kind = STF_OK};
    if (!main_task->is_ok) {
        take_error(run, main_task, &failure, report);
        if (!run->has_begun || !run->engine) {
            *err = failure;
            return failure.kind;
        }
    } else if (run->options->plan && stf_engine_check_complete(run->engine, &failure) != STF_OK) {
        json_object_set_new(report, "error", stf_doc_from_err(&failure));
    }
    if (failure.kind == STF_OK && stf_run_confirm(run, &failure) != STF_OK)
        json_object_set_new(report, "error", stf_doc_from_err(&failure));
    if (failure.kind != STF_OK)
        state = run->is_planning ? "failed" : end_failed_run(run, report);
    if (strcmp(state, "rolled_back") == 0)
        look_after_undo(run, ctx);
    finish_report(run, report, state, started_ns);
    if (run->is_interrupted)
        json_object_set_new(report, "is_interrupted", json_true());
    if (!run->id)
        return STF_OK;
    json_object_set_new(report, "run", json_integer(run->id));
    return stf_journal_run_end(run->journal, run->id, journal_state(state), report, err);
}

/* The site counts as a script of the run: what a run does follows from both. */
static enum stf_kind record_site(struct stf_run *run, struct stf_err *err)
{
    if (!run->rt->site)
        return STF_OK;
    json_t *entry = stf_plan_site_entry(run->rt);
    enum stf_kind kind = entry ? stf_run_record_script(run, entry, err)
                               : stf_err_set(err, STF_NO_MEMORY, 0, "run", NULL, "not enough memory");
    json_decref(entry);
    return kind;
}

static enum stf_kind open_fleet(struct stf_run *run, struct stf_err *err)
{
    char machine[UV_MAXHOSTNAMESIZE] = "";
    size_t size = sizeof machine;
    uv_os_gethostname(machine, &size);
    const struct stf_fleet_config config = {
        .version = stf_version(),
        .machine = machine,
        .operator_name = stf_operator_name(),
        .state_dir = run->rt->state_dir,
        .confirm_within_ms = json_integer_value(json_object_get(run->rt->site, "confirm_within_ms")),
    };
    return stf_runtime_open_fleet(run->rt, &config, &run->fleet, err);
}

static enum stf_kind open_loop(struct stf_run *run, struct stf_err *err)
{
    stf_run_collect_needs(run);
    run->L = stf_sandbox_open(&run->rt->limits, run);
    run->has_loop = run->L && uv_loop_init(&run->loop) == 0;
    if (!run->has_loop)
        return stf_err_set(err, STF_NO_MEMORY, 0, "run", run->options->playbook, "not enough memory for a Lua state");
    watch_signals(run);
    return stf_sched_tick(run) ? STF_OK
                               : stf_err_set(err, STF_NO_MEMORY, 0, "run", run->options->playbook, "not enough memory");
}

/* All that the playbook needs to be driven. close_run, in either case. */
static enum stf_kind open_run(struct stf_run *run, struct stf_err *err)
{
    const json_t *site;
    enum stf_kind kind = stf_runtime_site(run->rt, &site, err);
    if (kind == STF_OK)
        kind = add_hosts(run, err);
    if (kind == STF_OK)
        kind = open_journal(run, err);
    run->scripts = json_array();
    run->checks = json_array();
    run->measures = json_object();
    run->outcomes = json_object();
    if (kind == STF_OK)
        kind = record_site(run, err);
    if (kind == STF_OK)
        kind = open_fleet(run, err);
    return kind == STF_OK ? open_loop(run, err) : kind;
}

static void close_run(struct stf_run *run)
{
    if (run->has_loop)
        close_loop(run);
    stf_sandbox_close(run->L);
    stf_sched_free(run);
    stf_engine_close(run->engine);
    stf_fleet_close(run->fleet);
    stf_journal_close(run->journal);
    json_decref(run->scripts);
    json_decref(run->checks);
    json_decref(run->measures);
    json_decref(run->outcomes);
    json_decref(run->undo);
    json_decref(run->limit);
    free(run->hosts);
}

enum stf_kind stf_run_once(struct stf_runtime *rt, const struct stf_run_options *options, const json_t *recorded,
                           json_t **report, struct stf_err *err)
{
    struct stf_run run = {
        .rt = rt, .options = options, .recorded = recorded, .is_planning = options->mode == STF_RUN_PLAN};
    json_t *result = NULL;
    enum stf_kind kind = open_run(&run, err);
    if (kind == STF_OK) {
        result = json_pack("{s:s, s:s, s:s?, s:s*}", "playbook", options->playbook, "mode",
                           run.is_planning ? "plan" : "apply", "site",
                           json_string_value(json_object_get(rt->site, "name")), "limit", options->limit);
        kind = execute(&run, result, err);
    }
    close_run(&run);
    *report = kind == STF_OK ? json_incref(result) : NULL;
    json_decref(result);
    return kind;
}
