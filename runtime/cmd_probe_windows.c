/* cmd_probe_windows.c - says that the probe is not part of the Windows program. SPDX-License-Identifier: MIT */
#include "cli.h"

const char stf_probe_help[] = "Not part of the Windows program.\n";

int stf_cmd_probe(int argc, char **argv)
{
    (void)argc;
    struct stf_err err;
    stf_err_set(&err, STF_UNSUPPORTED, 0, argv[0], "staffetta probe", "the probe needs Linux's sockets and timers");
    stf_err_remedy(&err, "run it with the program for Linux");
    stf_cli_error(NULL, &err);
    return STF_EXIT_ERROR;
}
