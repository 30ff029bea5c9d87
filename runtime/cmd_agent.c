/* cmd_agent.c - the far side of a channel: the bindings of this program, on the host where it runs.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"
#include "fleet/agent.h"
#include "runtime.h"

int stf_cmd_agent(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1 && isatty(STDIN_FILENO))
        exit_code = stf_cli_usage_error("agent", "a controller speaks to it, not a person; expected a pipe as input");
    if (exit_code == -1) {
        const struct stf_binding *bindings[STF_MAX_BINDINGS + 1] = {NULL};
        for (size_t i = 0; stf_builtin_bindings[i].binding; i++)
            bindings[i] = stf_builtin_bindings[i].binding;
        const struct stf_agent_config config = {STDIN_FILENO, STDOUT_FILENO, bindings, stf_version()};
        struct stf_err err;
#ifdef SIGPIPE                    /* Windows has none */
        signal(SIGPIPE, SIG_IGN); /* a controller that is gone ends the input too */
#endif
        exit_code = stf_agent_serve(&config, &err) == STF_OK ? STF_EXIT_OK : STF_EXIT_ERROR;
        if (exit_code != STF_EXIT_OK)
            stf_cli_error(&cli, &err);
    }
    stf_cli_fini(&cli);
    return exit_code;
}
