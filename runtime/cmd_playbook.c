/* cmd_playbook.c - the commands that run a playbook: plan, rollout, verify, drill, rollback, run.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static int exit_code_of_plan(const json_t *report)
{
    if (json_is_true(json_object_get(report, "is_interrupted")))
        return STF_EXIT_INTERRUPTED;
    if (strcmp(stf_cli_text(report, "state"), "done") != 0)
        return STF_EXIT_ERROR;
    const json_t *changes = json_object_get(json_object_get(report, "plan"), "changes");
    return json_array_size(changes) ? STF_EXIT_PENDING : STF_EXIT_OK;
}

static int exit_code_of(const json_t *report)
{
    const char *state = stf_cli_text(report, "state");
    if (strcmp(stf_cli_text(report, "mode"), "plan") == 0)
        return exit_code_of_plan(report);
    if (strcmp(state, "needs_human") == 0 ||
        strcmp(stf_cli_text(json_object_get(report, "error"), "kind"), stf_kind_name(STF_CONFLICT)) == 0)
        return STF_EXIT_NEEDS_HUMAN;
    if (json_is_true(json_object_get(report, "is_interrupted")))
        return STF_EXIT_INTERRUPTED;
    if (strcmp(state, "done") != 0 || strcmp(stf_cli_text(report, "verdict"), "fail") == 0)
        return STF_EXIT_FAILED;
    bool has_checks = json_array_size(json_object_get(report, "checks")) > 0;
    return has_checks && strcmp(stf_cli_text(report, "verdict"), "unknown") == 0 ? STF_EXIT_UNKNOWN : STF_EXIT_OK;
}

static int run_playbook(const struct stf_cli *cli, const char *playbook, enum stf_run_mode mode)
{
    struct stf_runtime *runtime;
    if (!stf_cli_open(cli, &runtime))
        return STF_EXIT_ERROR;
    struct stf_output output;
    stf_output_init(&output, stdout);
    struct stf_run_options options = {
        .playbook = playbook,
        .mode = mode,
        .params = cli->params,
        .on_event = cli->is_json ? NULL : stf_output_event,
        .user = &output,
        .handles_signals = true,
    };
    json_t *report;
    struct stf_err err;
    int exit_code = STF_EXIT_ERROR;
    if (stf_runtime_run(runtime, &options, &report, &err) != STF_OK) {
        stf_cli_error(cli, &err);
    } else {
        if (cli->is_json)
            stf_output_json(report);
        else
            stf_output_report(&output, report);
        exit_code = exit_code_of(report);
        json_decref(report);
    }
    stf_runtime_close(runtime);
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
        exit_code = run_playbook(&cli, cli.command, STF_RUN_APPLY);
    stf_cli_fini(&cli);
    return exit_code;
}

int stf_cmd_run(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1 && cli.operand_count == 0)
        exit_code =
            stf_cli_usage_error("run", "run expects the name of a playbook; `staffetta scripts list` shows them");
    if (exit_code == -1)
        exit_code = run_playbook(&cli, cli.operands[0], STF_RUN_APPLY);
    stf_cli_fini(&cli);
    return exit_code;
}

int stf_cmd_rollback(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1) {
        if (cli.operand_count)
            json_object_set_new(cli.params, "run", json_string(cli.operands[0]));
        if (cli.is_forced)
            json_object_set_new(cli.params, "force", json_true());
        exit_code = run_playbook(&cli, "rollback", STF_RUN_APPLY);
    }
    stf_cli_fini(&cli);
    return exit_code;
}
