/* cmd_lab_windows.c - says that the lab is not part of the Windows program. SPDX-License-Identifier: MIT */
#include "cli.h"

int stf_cmd_lab(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "staffetta: %s: the lab needs network namespaces; run it with the program for Linux\n", argv[0]);
    return STF_EXIT_ERROR;
}
