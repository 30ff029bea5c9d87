/* transport_process.c - an agent as a child process: the program itself, or the operator's ssh. Must never let the
 * child outlive the close. SPDX-License-Identifier: MIT */
#include "fleet/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "fleet/said.h"

enum { PATIENCE_MS = 2000 };

struct process {
    struct stf_transport base;
    pid_t pid;
    int channel; /* its standard input and output: a socket, whose writer no signal can end */
    int errors;  /* its standard error; -1: it has ended */
    char *subject;
    struct stf_said said;
};

extern char **environ;

/* ---------- reading ---------- */

static void drain_errors(struct process *process)
{
    char bytes[1024];
    ssize_t size = read(process->errors, bytes, sizeof bytes);
    if (size > 0) {
        stf_said_add(&process->said, bytes, (size_t)size);
    } else if (size == 0 || errno != EAGAIN) {
        close(process->errors);
        process->errors = -1;
    }
}

/* How the child ended, which it does soon after it has closed its output; 0 when that is not known. */
static int await_exit_status(const struct process *process)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < PATIENCE_MS / 10 && (ended = waitpid(process->pid, &status, WNOHANG)) == 0; i++)
        nanosleep(&pause, NULL);
    return ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

/* The child has closed its output: what it said on the way out is why. */
static enum stf_kind ended(struct process *process, struct stf_err *err)
{
    struct pollfd fd = {.fd = process->errors, .events = POLLIN};
    while (process->errors >= 0 && poll(&fd, 1, PATIENCE_MS / 10) > 0) {
        drain_errors(process);
        fd.fd = process->errors;
    }
    stf_err_set(err, STF_UNREACHABLE, await_exit_status(process), "connect", process->subject, "%s: %s",
                process->subject, stf_said_text(&process->said, "the agent ended without a word"));
    return STF_OK;
}

static enum stf_kind process_read(struct stf_transport *base, char *bytes, size_t room, int64_t deadline_ns,
                                  size_t *got, struct stf_err *err)
{
    struct process *process = (struct process *)base;
    *got = 0;
    for (;;) {
        struct pollfd fds[] = {{.fd = process->channel, .events = POLLIN}, {.fd = process->errors, .events = POLLIN}};
        int ready = poll(fds, 2, stf_clock_left_ms(deadline_ns));
        if (ready == 0)
            return stf_err_set(err, STF_TIMEOUT, 0, "read", process->subject, "%s does not answer", process->subject);
        if (ready > 0 && fds[1].revents)
            drain_errors(process);
        if (ready < 0 || !fds[0].revents)
            continue;
        ssize_t size = read(process->channel, bytes, room);
        if (size > 0) {
            *got = (size_t)size;
            return STF_OK;
        }
        if (size == 0 || errno == ECONNRESET)
            return ended(process, err);
        if (errno != EAGAIN && errno != EINTR)
            return stf_err_errno(err, errno, "read", process->subject, "can not read from the agent");
    }
}

/* ---------- writing ---------- */

static enum stf_kind process_write(struct stf_transport *base, const char *bytes, size_t size, int64_t deadline_ns,
                                   struct stf_err *err)
{
    struct process *process = (struct process *)base;
    while (size > 0) {
        ssize_t written = send(process->channel, bytes, size, MSG_NOSIGNAL);
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return STF_UNREACHABLE;
        if (errno != EAGAIN && errno != EINTR)
            return stf_err_errno(err, errno, "write", process->subject, "can not write to the agent");
        struct pollfd fd = {.fd = process->channel, .events = POLLOUT};
        if (poll(&fd, 1, stf_clock_left_ms(deadline_ns)) == 0)
            return stf_err_set(err, STF_TIMEOUT, 0, "write", process->subject, "%s does not read", process->subject);
    }
    return STF_OK;
}

/* ---------- beginning and end ---------- */

static void process_close(struct stf_transport *base)
{
    struct process *process = (struct process *)base;
    const struct timespec pause = {.tv_nsec = 1000000};
    shutdown(process->channel, SHUT_WR);
    int64_t ends_ns = stf_clock_ns() + (int64_t)PATIENCE_MS * 1000000;
    bool is_over = waitpid(process->pid, NULL, WNOHANG) != 0;
    while (!is_over && stf_clock_ns() < ends_ns) {
        nanosleep(&pause, NULL);
        is_over = waitpid(process->pid, NULL, WNOHANG) != 0;
    }
    if (!is_over) {
        kill(-process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
    }
    close(process->channel);
    if (process->errors >= 0)
        close(process->errors);
    free(process->subject);
    free(process);
}

static const struct stf_transport_ops process_ops = {process_read, process_write, process_close};

static int start(struct process *process, const char *const *argv, int channel, int errors)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, channel, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, channel, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawnp(&process->pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static void close_pair(const int pair[2])
{
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
}

enum stf_kind stf_transport_process(const char *const *argv, const char *subject, struct stf_transport **transport,
                                    struct stf_err *err)
{
    int channel[2] = {-1, -1}, errors[2] = {-1, -1};
    struct process *process = calloc(1, sizeof *process);
    *transport = NULL;
    if (!process || !(process->subject = strdup(subject))) {
        free(process);
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", subject, "not enough memory");
    }
    int failed = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) || pipe2(errors, O_CLOEXEC) ? errno : 0;
    if (!failed)
        failed = start(process, argv, channel[1], errors[1]);
    if (failed) {
        close_pair(channel);
        close_pair(errors);
        free(process->subject);
        free(process);
        return failed == ENOENT
                   ? stf_err_set(err, STF_NOT_FOUND, failed, "connect", subject, "there is no program %s", argv[0])
                   : stf_err_errno(err, failed, "connect", subject, "can not start the agent");
    }
    close(channel[1]);
    close(errors[1]);
    process->base.ops = &process_ops;
    process->channel = channel[0];
    process->errors = errors[0];
    fcntl(process->channel, F_SETFL, O_NONBLOCK);
    fcntl(process->errors, F_SETFL, O_NONBLOCK);
    *transport = &process->base;
    return STF_OK;
}
