/* cmd_agent.c - the far side of a channel: the bindings of this program, on the host where it runs.
 * SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "fleet/agent.h"
#include "fleet/armed.h"
#include "fleet/install.h"
#include "runtime.h"

static int serve(const struct stf_cli *cli)
{
    const struct stf_binding *bindings[STF_MAX_BINDINGS + 1] = {NULL};
    for (size_t i = 0; stf_builtin_bindings[i].binding; i++)
        bindings[i] = stf_builtin_bindings[i].binding;
    struct stf_opened opened;
    const struct stf_agent_config config = {stf_transport_stdio(), &opened, stf_version(), STF_ARMED_DIR};
    struct stf_err err;
#ifdef SIGPIPE                /* Windows has none */
    signal(SIGPIPE, SIG_IGN); /* a controller that is gone ends the input too */
#endif
    stf_opened_init(&opened, bindings);
    enum stf_kind kind = stf_agent_serve(&config, &err);
    stf_opened_fini(&opened);
    if (kind == STF_OK)
        return STF_EXIT_OK;
    stf_cli_error(cli, &err);
    return STF_EXIT_ERROR;
}

/* Takes the agents away that were sent to a host of the site. */
static int remove_agent(const struct stf_cli *cli, const char *name)
{
    struct stf_runtime *runtime;
    const json_t *site;
    struct stf_err err;
    if (!stf_cli_open(cli, &runtime))
        return STF_EXIT_ERROR;
    enum stf_kind kind = stf_runtime_site(runtime, &site, &err);
    struct stf_host host = {.name = name, .site_dir = cli->site_dir};
    host.config = kind == STF_OK ? json_object_get(json_object_get(site, "hosts"), name) : NULL;
    if (kind == STF_OK && !host.config)
        kind = stf_err_set(&err, STF_NOT_FOUND, 0, "agent", name, "there is no host '%s' in the site", name);
    if (kind == STF_OK)
        kind = stf_install_remove(&host, &err);
    if (kind != STF_OK)
        stf_cli_error(cli, &err);
    stf_runtime_close(runtime);
    return kind == STF_OK ? STF_EXIT_OK : STF_EXIT_ERROR;
}

int stf_cmd_agent(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 2);
    bool is_removal = exit_code == -1 && cli.operand_count == 2 && strcmp(cli.operands[0], "remove") == 0;
    if (exit_code == -1 && cli.operand_count > 0 && !is_removal)
        exit_code = stf_cli_usage_value("agent", "what to do", "nothing, or remove HOST", cli.operands[0]);
    if (exit_code == -1 && !is_removal && isatty(STDIN_FILENO))
        exit_code = stf_cli_usage_value("agent", "standard input", "a pipe: a controller speaks to it", "a terminal");
    if (exit_code == -1)
        exit_code = is_removal ? remove_agent(&cli, cli.operands[1]) : serve(&cli);
    stf_cli_fini(&cli);
    return exit_code;
}
