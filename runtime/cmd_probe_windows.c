/* cmd_probe_windows.c - says that the probe is not part of the Windows program. SPDX-License-Identifier: MIT */
#include "cli.h"

const char stf_probe_help[] = "Not part of the Windows program.\n";

int stf_cmd_probe(int argc, char **argv)
{
    (void)argc;
    fprintf(stderr, "staffetta: %s: it needs Linux's sockets and timers; run it with the program for Linux\n", argv[0]);
    return STF_EXIT_ERROR;
}
