/* cmd_resume.c - goes on with a run that was cut short or held, by the scripts and on the site that it was begun with.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli.h"
#include "journal.h"

static bool can_go_on(const json_t *run)
{
    const char *state = stf_cli_text(run, "state");
    return strcmp(state, stf_run_state_name(STF_RUN_INTERRUPTED)) == 0 ||
           strcmp(state, stf_run_state_name(STF_RUN_HELD)) == 0;
}

/* The run with the number, or the newest one that can go on when it is 0; NULL when there is none. Borrowed. */
static const json_t *find_run(const json_t *runs, int64_t number)
{
    size_t index;
    json_t *run;
    json_array_foreach ((json_t *)runs, index, run)
        if (number ? json_integer_value(json_object_get(run, "run")) == number : can_go_on(run))
            return run;
    return NULL;
}

static int resume(struct stf_cli *cli, const json_t *runs, int64_t number)
{
    const json_t *run = find_run(runs, number);
    if (!run) {
        struct stf_err err;
        stf_err_set(&err, STF_NOT_FOUND, 0, "resume", NULL,
                    number ? "the journal has no such run" : "no run was interrupted or is held");
        stf_err_remedy(&err, "staffetta runs");
        stf_cli_error(cli, &err);
        return STF_EXIT_ERROR;
    }
    if (!cli->site_dir && *stf_cli_text(run, "site_dir"))
        cli->site_dir = stf_cli_text(run, "site_dir");
    struct stf_run_options options = {.mode = STF_RUN_APPLY, .resume = json_integer_value(json_object_get(run, "run"))};
    return stf_cli_run(cli, &options);
}

static enum stf_kind list(void *runs, struct stf_journal *journal, struct stf_err *err)
{
    return stf_journal_list(journal, runs, err);
}

int stf_cmd_resume(int argc, char **argv)
{
    struct stf_cli cli;
    json_t *runs = NULL;
    int64_t number = 0; /* the last one */
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    bool is_named = exit_code == -1 && cli.operand_count > 0 && strcmp(cli.operands[0], "last") != 0;
    if (is_named && !stf_cli_read_run_number(cli.operands[0], &number))
        exit_code = stf_cli_usage_value("resume", "RUN", "a run's number, or last", cli.operands[0]);
    if (exit_code == -1)
        exit_code = stf_cli_look(&cli, list, &runs);
    if (exit_code == STF_EXIT_OK && runs)
        exit_code = resume(&cli, runs, number);
    json_decref(runs);
    stf_cli_fini(&cli);
    return exit_code;
}
