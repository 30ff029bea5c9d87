/* cmd_lab_windows.c - says that the lab is not part of the Windows program. SPDX-License-Identifier: MIT */
#include "cli.h"

int stf_cmd_lab(int argc, char **argv)
{
    (void)argc;
    struct stf_err err;
    stf_err_set(&err, STF_UNSUPPORTED, 0, argv[0], "staffetta lab", "the lab needs network namespaces");
    stf_err_remedy(&err, "run it with the program for Linux");
    stf_cli_error(NULL, &err);
    return STF_EXIT_ERROR;
}
