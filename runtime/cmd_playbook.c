/* cmd_playbook.c - the commands that run a playbook: plan, rollout, verify, drill, rollback, run.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "ndjson.h"
#include "whole_file.h"

/* Of a rollback that was only planned: as the rollback would end. */
static int exit_code_of_undo(const json_t *undo)
{
    if (json_integer_value(json_object_get(undo, "conflict")) + json_integer_value(json_object_get(undo, "unknown")) >
        0)
        return STF_EXIT_NEEDS_HUMAN;
    return json_integer_value(json_object_get(undo, "undo")) > 0 ? STF_EXIT_PENDING : STF_EXIT_OK;
}

static int exit_code_of_plan(const json_t *report)
{
    if (json_is_true(json_object_get(report, "is_interrupted")))
        return STF_EXIT_INTERRUPTED;
    if (strcmp(stf_cli_text(report, "state"), "done") != 0)
        return STF_EXIT_ERROR;
    if (json_object_get(report, "rollback"))
        return exit_code_of_undo(json_object_get(report, "rollback"));
    const json_t *changes = json_object_get(json_object_get(report, "plan"), "changes");
    return json_array_size(changes) ? STF_EXIT_PENDING : STF_EXIT_OK;
}

int stf_cli_exit_code(const json_t *report)
{
    const char *state = stf_cli_text(report, "state");
    if (strcmp(stf_cli_text(report, "mode"), "plan") == 0)
        return exit_code_of_plan(report);
    bool is_conflict = strcmp(stf_cli_text(json_object_get(report, "error"), "kind"), stf_kind_name(STF_CONFLICT)) == 0;
    const json_t *counts = json_object_get(report, "counts");
    if (strcmp(state, "needs_human") == 0 || strcmp(state, "held") == 0 ||
        (is_conflict && strcmp(state, "failed") == 0))
        return STF_EXIT_NEEDS_HUMAN;
    if (json_is_true(json_object_get(report, "is_interrupted")))
        return STF_EXIT_INTERRUPTED;
    if (strcmp(state, "refused") == 0)
        return STF_EXIT_ERROR;
    bool has_failed_hosts = json_integer_value(json_object_get(counts, "failed")) +
                                json_integer_value(json_object_get(counts, "unreachable")) >
                            0;
    if (strcmp(state, "done") != 0 || has_failed_hosts || strcmp(stf_cli_text(report, "verdict"), "fail") == 0)
        return STF_EXIT_FAILED;
    bool has_checks = json_array_size(json_object_get(report, "checks")) > 0;
    return has_checks && strcmp(stf_cli_text(report, "verdict"), "unknown") == 0 ? STF_EXIT_UNKNOWN : STF_EXIT_OK;
}

/* Keeps the plan of `report`, unless there is none because planning failed. */
static enum stf_kind keep_plan(const char *path, const json_t *report, struct stf_err *err)
{
    const json_t *plan = json_object_get(report, "plan");
    if (!plan || json_object_get(report, "error"))
        return STF_OK;
    char *text = json_dumps(plan, JSON_INDENT(2) | JSON_SORT_KEYS);
    enum stf_kind kind = text ? stf_whole_file_write(path, text, strlen(text), err)
                              : stf_err_set(err, STF_NO_MEMORY, 0, "plan", path, "not enough memory");
    free(text);
    return kind;
}

static void tick(void *output)
{
    stf_progress_tick(((struct stf_output *)output)->progress);
}

/* Who is told what happens: nobody before the end, a program, or a person. */
static void choose_listener(const struct stf_cli *cli, struct stf_output *output, struct stf_run_options *options)
{
    options->user = output;
    if (cli->is_json)
        return;
    if (cli->is_ndjson) {
        options->on_event = stf_ndjson_event;
        return;
    }
    options->on_question = stf_cli_asker();
    if (cli->is_quiet)
        return;
    options->on_event = stf_output_event;
    options->on_tick = tick;
}

static void tell_next_of_plan(const struct stf_cli *cli, const char *playbook)
{
    bool is_own = strcmp(playbook, "rollout") == 0;
    if (strcmp(playbook, "rollback") == 0)
        stf_cli_next(cli, (const char *[]){"rollback", cli->operands[0], NULL}, NULL);
    else if (cli->out_path)
        stf_cli_next(cli, (const char *[]){is_own ? "rollout" : "run", "--plan", cli->out_path, NULL}, NULL);
    else
        stf_cli_next(cli, is_own ? (const char *[]){"rollout", NULL} : (const char *[]){"run", playbook, NULL},
                     cli->params);
}

/* What a plan would do, whether what a rollout did stands, or what went wrong. */
static void tell_next(const struct stf_cli *cli, const json_t *report, int exit_code)
{
    char run[24];
    const char *playbook = stf_cli_text(report, "playbook");
    snprintf(run, sizeof run, "%lld", (long long)json_integer_value(json_object_get(report, "run")));
    if (strcmp(stf_cli_text(report, "mode"), "plan") == 0) {
        if (exit_code == STF_EXIT_PENDING)
            tell_next_of_plan(cli, playbook);
    } else if (exit_code == STF_EXIT_OK) {
        if (strcmp(playbook, "rollout") == 0)
            stf_cli_next(cli, (const char *[]){"verify", NULL}, cli->params);
    } else if (strcmp(stf_cli_text(report, "state"), "held") == 0) {
        stf_cli_next(cli, (const char *[]){"resume", run, NULL}, NULL);
    } else if (json_object_get(report, "run") && exit_code != STF_EXIT_ERROR) {
        stf_cli_next(cli, (const char *[]){"show", run, NULL}, NULL);
    }
}

int stf_cli_run(const struct stf_cli *cli, struct stf_run_options *options)
{
    struct stf_runtime *runtime;
    if (!stf_cli_open(cli, &runtime))
        return STF_EXIT_ERROR;
    struct stf_output output;
    struct stf_progress progress;
    stf_output_init(&output, stdout);
    stf_progress_init(&progress, stdout, &output.terminal, cli->is_verbose);
    output.is_verbose = cli->is_verbose;
    output.progress = &progress;
    choose_listener(cli, &output, options);
    options->forks = cli->forks;
    options->handles_signals = true;
    json_t *report = NULL;
    struct stf_err err;
    int exit_code = STF_EXIT_ERROR;
    enum stf_kind kind = stf_runtime_run(runtime, options, &report, &err);
    if (kind == STF_OK) {
        exit_code = stf_cli_exit_code(report);
        if (cli->is_json)
            stf_output_json(report);
        else if (cli->is_ndjson)
            stf_ndjson_end(report, exit_code);
        else
            stf_output_report(&output, report);
        if (cli->out_path)
            kind = keep_plan(cli->out_path, report, &err);
        if (kind == STF_OK)
            tell_next(cli, report, exit_code);
    }
    if (kind != STF_OK) {
        stf_cli_error(cli, &err);
        exit_code = STF_EXIT_ERROR;
    }
    json_decref(report);
    stf_progress_fini(&progress);
    stf_runtime_close(runtime);
    return exit_code;
}

static int run_playbook(const struct stf_cli *cli, const char *playbook, enum stf_run_mode mode)
{
    struct stf_run_options options = {.playbook = playbook, .mode = mode, .params = cli->params, .limit = cli->limit};
    return stf_cli_run(cli, &options);
}

/* `command` and the file are what to do about it. */
static int fail_plan(const struct stf_cli *cli, const char *message, const char *expected, const char *found,
                     const char *command)
{
    struct stf_err err;
    stf_err_set(&err, STF_INVALID_DATA, 0, "plan", cli->plan_path, "%s", message);
    stf_err_expected(&err, expected, found);
    stf_err_remedy(&err, "%s %s", command, cli->plan_path);
    stf_cli_error(cli, &err);
    return STF_EXIT_ERROR;
}

/* Applies the plan of --plan; `playbook`, unless NULL, is the one that it must be of. */
static int run_plan(const struct stf_cli *cli, const char *playbook)
{
    json_error_t why;
    if (cli->limit)
        return stf_cli_usage_error(cli->command, "--limit and --plan exclude each other: the plan has its hosts");
    if (json_object_size(cli->params) > 0)
        return stf_cli_usage_error(cli->command, "--param and --plan exclude each other: the plan has its parameters");
    json_t *plan = json_load_file(cli->plan_path, JSON_REJECT_DUPLICATES, &why);
    if (!plan)
        return fail_plan(cli, "the plan can not be read", "what `staffetta plan --out FILE` wrote", why.text,
                         "staffetta plan --out");
    const char *planned = stf_cli_text(plan, "playbook");
    int exit_code = STF_EXIT_ERROR;
    if (playbook && strcmp(playbook, planned) != 0) {
        exit_code = fail_plan(cli, "the plan is of another playbook", playbook, planned, "staffetta run --plan");
    } else {
        struct stf_run_options options = {.mode = STF_RUN_APPLY, .plan = plan};
        exit_code = stf_cli_run(cli, &options);
    }
    json_decref(plan);
    return exit_code;
}

int stf_cmd_plan(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1)
        exit_code = run_playbook(&cli, cli.operand_count ? cli.operands[0] : "rollout", STF_RUN_PLAN);
    stf_cli_fini(&cli);
    return exit_code;
}

int stf_cmd_playbook(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1)
        exit_code = cli.plan_path ? run_plan(&cli, cli.command) : run_playbook(&cli, cli.command, STF_RUN_APPLY);
    stf_cli_fini(&cli);
    return exit_code;
}

int stf_cmd_run(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1 && cli.plan_path)
        exit_code = run_plan(&cli, cli.operands[0]);
    if (exit_code == -1 && cli.operand_count == 0)
        exit_code = stf_cli_usage_value("run", "PLAYBOOK", "a name that `staffetta scripts list` shows", NULL);
    if (exit_code == -1)
        exit_code = run_playbook(&cli, cli.operands[0], STF_RUN_APPLY);
    stf_cli_fini(&cli);
    return exit_code;
}

int stf_cmd_rollback(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1 && cli.host && cli.limit)
        exit_code = stf_cli_usage_error("rollback", "--host and --limit exclude each other");
    if (exit_code == -1) {
        if (cli.operand_count)
            json_object_set_new(cli.params, "run", json_string(cli.operands[0]));
        if (cli.is_forced)
            json_object_set_new(cli.params, cli.items ? "items" : "force",
                                cli.items ? json_string(cli.items) : json_true());
        if (cli.host)
            json_object_set_new(cli.params, "host", json_string(cli.host));
        exit_code = run_playbook(&cli, "rollback", cli.is_planning ? STF_RUN_PLAN : STF_RUN_APPLY);
    }
    stf_cli_fini(&cli);
    return exit_code;
}
