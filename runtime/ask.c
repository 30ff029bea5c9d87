/* ask.c - the question to the person at the terminal. Must never wait where nobody can answer.
 * SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli.h"

/* When nobody answers (the terminal is gone, or Ctrl-C), everything is put back. */
static enum stf_answer ask(void *user, const json_t *question)
{
    char line[64];
    struct pollfd terminal = {.fd = STDIN_FILENO, .events = POLLIN};
    (void)user;
    for (;;) {
        fputc('\n', stderr);
        stf_output_text(stderr, stf_cli_text(question, "reason"), false);
        fputs("\ngo on (g), put everything back (b), or hold as it is (h)? ", stderr);
        if (poll(&terminal, 1, -1) < 0 || !fgets(line, sizeof line, stdin) || line[0] == 'b')
            return STF_ANSWER_ROLLBACK;
        if (line[0] == 'g' || line[0] == 'h')
            return line[0] == 'g' ? STF_ANSWER_CONTINUE : STF_ANSWER_HOLD;
    }
}

stf_cli_asking stf_cli_asker(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) ? ask : NULL;
}
