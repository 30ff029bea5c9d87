/* process.h - start a program, or run it to its end, with a deadline, and keep what it printed. Never goes through a
 * shell. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <staffetta/err.h>

struct stf_process_id {
    const char *const *argv; /* argv[0] is looked up in PATH; ended by NULL */
    const char *netns;       /* namespace to run in, or NULL */
    const char *input;       /* bytes for its standard input, or NULL for /dev/null */
    size_t input_size;
    int64_t timeout_ms; /* killed (SIGKILL, with its process group) after that */
};

struct stf_process_result {
    int exit_code; /* -1 when a signal ended it */
    int signal;    /* that signal, or 0 */
    char *output;  /* standard output, NUL added; at most 8 MiB, more is an error */
    size_t output_size;
    char *errors; /* standard error, NUL added, cut at 64 KiB */
};

/* STF_OK when the program ran and ended by itself, whatever its exit code; STF_NOT_FOUND when it is not installed;
 * STF_TIMEOUT when the deadline ended it. Fini the result in either case. */
enum stf_kind stf_process_run(const struct stf_process_id *id, struct stf_process_result *result, struct stf_err *err);
void stf_process_result_fini(struct stf_process_result *result);

/* Starts a program, argv[0] being looked up in PATH: in a process group of its own, no signal blocked or ignored, and
 * nothing open but `fds`, its standard input, output and error. 0, or the errno of what failed. */
int stf_process_spawn(const char *const *argv, const int fds[3], pid_t *pid);
