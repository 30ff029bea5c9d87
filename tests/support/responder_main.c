/* responder_main.c - the lab's responder as a program of its own, for tests: responder_main BANNER PORT...
 * Ends with the test that started it. SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "../../lab/responder/responder.h"

int main(int argc, char **argv)
{
    uint16_t ports[16];
    struct stf_err err;
    size_t count = 0;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 2; i < argc && count < 16; i++)
        ports[count++] = (uint16_t)atoi(argv[i]);
    if (argc < 3 || stf_responder_run(argv[1], ports, count, &err)) {
        fprintf(stderr, "responder: %s\n", argc < 3 ? "usage: responder_main BANNER PORT..." : err.message);
        return 1;
    }
    return 0;
}
