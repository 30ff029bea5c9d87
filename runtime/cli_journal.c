/* cli_journal.c - how a command looks into the journal, and which run it is told to look at. Reads only.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "journal.h"

int stf_cli_look(const struct stf_cli *cli,
                 enum stf_kind (*look)(void *user, struct stf_journal *journal, struct stf_err *err), void *user)
{
    struct stf_journal *journal = NULL;
    struct stf_err err;
    const char *state_dir = cli->state_dir ? cli->state_dir : STF_DEFAULT_STATE_DIR;
    enum stf_kind kind = stf_journal_open_read(state_dir, &journal, &err);
    if (kind == STF_OK)
        kind = look(user, journal, &err);
    if (kind != STF_OK)
        stf_cli_error(cli, &err);
    stf_journal_close(journal);
    return kind == STF_OK ? STF_EXIT_OK : STF_EXIT_ERROR;
}

bool stf_cli_read_run_number(const char *text, int64_t *number)
{
    char *end;
    *number = strtoll(text, &end, 10);
    return *end == '\0' && *number > 0;
}

enum stf_kind stf_cli_run_number(const struct stf_cli *cli, struct stf_journal *journal, int64_t *number,
                                 struct stf_err *err)
{
    if (cli->operand_count && strcmp(cli->operands[0], "last") != 0) {
        if (stf_cli_read_run_number(cli->operands[0], number))
            return STF_OK;
        return stf_err_set(err, STF_INVALID_DATA, 0, cli->command, cli->operands[0],
                           "'%s' is no run: expected a number or 'last'", cli->operands[0]);
    }
    json_t *runs = NULL;
    enum stf_kind kind = stf_journal_list(journal, &runs, err);
    *number = json_integer_value(json_object_get(json_array_get(runs, 0), "run"));
    if (!kind && !*number)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, cli->command, "last", "there is no run in the journal yet");
    json_decref(runs);
    return kind;
}
