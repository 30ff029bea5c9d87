/* scratch.h - what a test makes on the machine, and a guard process that removes it even when the test is killed.
 * Must never name anything that another test could have made: names carry the test's pid. SPDX-License-Identifier: MIT
 */
#pragma once

#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int scratch_pipe = -1;
static pid_t scratch_guard_pid;

static inline void scratch_end(void)
{
    close(scratch_pipe);
    waitpid(scratch_guard_pid, NULL, 0);
}

/* When this process has ended, however it ended, `cleanup` is given to the shell. Once a process. */
__attribute__((format(printf, 1, 2))) static inline void scratch_start(const char *cleanup, ...)
{
    char command[1024];
    int fds[2];
    va_list args;
    va_start(args, cleanup);
    vsnprintf(command, sizeof command, cleanup, args);
    va_end(args);
    if (pipe2(fds, O_CLOEXEC) < 0 || (scratch_guard_pid = fork()) < 0)
        abort();
    if (scratch_guard_pid == 0) {
        char byte;
        setsid();
        close(fds[1]);
        while (read(fds[0], &byte, 1) < 0)
            ;
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    scratch_pipe = fds[1];
    atexit(scratch_end);
}

/* Runs a shell command; true when it succeeded. */
__attribute__((format(printf, 1, 2))) static inline bool scratch_sh(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

/* The JSON that a shell command prints; NULL when it prints none. */
__attribute__((format(printf, 1, 2))) static inline json_t *scratch_json(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    FILE *output = popen(command, "re");
    if (!output)
        return NULL;
    json_t *doc = json_loadf(output, JSON_DECODE_ANY, NULL);
    pclose(output);
    return doc;
}
