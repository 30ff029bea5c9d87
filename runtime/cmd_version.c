/* cmd_version.c - the version; touches no Lua, no site, no journal. SPDX-License-Identifier: MIT */
#include "cli.h"

int stf_cmd_version(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1) {
        if (cli.is_json)
            printf("{\"name\": \"staffetta\", \"script_api\": %d, \"version\": \"%s\"}\n", STF_API_VERSION,
                   stf_version());
        else
            printf("staffetta %s (script api %d)\n", stf_version(), STF_API_VERSION);
        exit_code = STF_EXIT_OK;
    }
    stf_cli_fini(&cli);
    return exit_code;
}
