/* process.c - runs one program, collects what it prints, and ends it when its time is up.
 * Must never touch another child: it waits for its own pid only, beside a libuv loop. SPDX-License-Identifier: MIT */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "netns.h"

enum { MAX_OUTPUT = 8 << 20, MAX_ERRORS = 64 << 10, READ_STEP = 16 << 10, MAX_PIPE = 1 << 20 };

/* One stream of the child. `bytes` always has room for a NUL after `size`. */
struct stream {
    int fd; /* -1 after the end of the file */
    char *bytes;
    size_t size;
    size_t capacity;
    size_t limit;
    bool is_over_limit;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static bool stream_grow(struct stream *stream)
{
    if (stream->capacity - stream->size > READ_STEP)
        return true;
    size_t capacity = stream->capacity ? 2 * stream->capacity : 2 * READ_STEP;
    char *bytes = realloc(stream->bytes, capacity);
    if (!bytes)
        return false;
    stream->bytes = bytes;
    stream->capacity = capacity;
    return true;
}

/* Reads what is there now, without waiting; at most what a pipe can hold, for a writer may never pause. */
static enum stf_kind stream_read(struct stream *stream, const char *program, struct stf_err *err)
{
    for (size_t done = 0; stream->fd >= 0 && done < MAX_PIPE;) {
        if (!stream_grow(stream))
            return stf_err_set(err, STF_NO_MEMORY, 0, "run", program, "no memory for the output of %s", program);
        ssize_t got = read(stream->fd, stream->bytes + stream->size, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return STF_OK;
        if (got < 0)
            return stf_err_errno(err, errno, "run", program, "cannot read what the program prints");
        if (got == 0)
            close_fd(&stream->fd);
        done += (size_t)got;
        stream->size += (size_t)got;
        if (stream->size > stream->limit) {
            stream->size = stream->limit;
            stream->is_over_limit = true;
        }
    }
    return STF_OK;
}

/* ---------- starting ---------- */

/* The input as a file in memory: no pipe that the child might close early (SIGPIPE) or that could fill up. */
static enum stf_kind open_input(const struct stf_process_id *id, int *fd, struct stf_err *err)
{
    if (!id->input) {
        *fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return *fd < 0 ? stf_err_errno(err, errno, "run", id->argv[0], "cannot open /dev/null") : STF_OK;
    }
    *fd = memfd_create("input", MFD_CLOEXEC);
    for (size_t done = 0; *fd >= 0 && done < id->input_size;) {
        ssize_t put = write(*fd, id->input + done, id->input_size - done);
        if (put < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "run", id->argv[0], "cannot keep the program's input");
        done += put > 0 ? (size_t)put : 0;
    }
    if (*fd < 0 || lseek(*fd, 0, SEEK_SET) < 0)
        return stf_err_errno(err, errno, "run", id->argv[0], "cannot keep the program's input");
    return STF_OK;
}

/* A pipe from the child; only our end does not block. */
static enum stf_kind open_pipe(struct stream *stream, int *child_fd, const char *program, struct stf_err *err)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return stf_err_errno(err, errno, "run", program, "cannot make a pipe");
    stream->fd = fds[0];
    *child_fd = fds[1];
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
        return stf_err_errno(err, errno, "run", program, "cannot prepare a pipe");
    return STF_OK;
}

int stf_process_spawn(const char *const *argv, const int fds[3], pid_t *pid)
{
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);

    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawn_file_actions_init(&actions);
    int errnum = 0;
    for (int i = 0; i < 3 && !errnum; i++)
        errnum = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (!errnum)
        errnum = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!errnum)
        errnum = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return errnum;
}

/* A child is born into the network namespace of the thread that starts it, so the thread goes there for a moment. */
static enum stf_kind start(const struct stf_process_id *id, const int fds[3], pid_t *pid, struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, id->netns, err);
    if (kind)
        return kind;
    int errnum = stf_process_spawn(id->argv, fds, pid);
    stf_netns_leave(&guard);
    if (errnum == ENOENT)
        return stf_err_set(err, STF_NOT_FOUND, errnum, "run", id->argv[0], "%s is not installed (looked for in PATH)",
                           id->argv[0]);
    return errnum ? stf_err_errno(err, errnum, "run", id->argv[0], "cannot start the program") : STF_OK;
}

/* ---------- waiting ---------- */

/* Until the child has ended. What a grandchild that stays in the background prints later is not waited for. */
static enum stf_kind collect(const struct stf_process_id *id, int pidfd, struct stream streams[2], struct stf_err *err)
{
    const char *program = id->argv[0];
    int64_t deadline_ns = stf_clock_ns() + id->timeout_ms * 1000000;
    for (;;) {
        int64_t left_ms = (deadline_ns - stf_clock_ns() + 999999) / 1000000;
        if (left_ms <= 0)
            return stf_err_set(err, STF_TIMEOUT, 0, "run", program, "%s did not end within %lld ms and was killed",
                               program, (long long)id->timeout_ms);
        struct pollfd polled[3] = {{pidfd, POLLIN, 0}, {streams[0].fd, POLLIN, 0}, {streams[1].fd, POLLIN, 0}};
        if (poll(polled, 3, left_ms > 60000 ? 60000 : (int)left_ms) < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "run", program, "cannot wait for the program");
        bool has_ended = polled[0].revents != 0;
        for (int i = 0; i < 2; i++) {
            enum stf_kind kind = stream_read(&streams[i], program, err);
            if (kind)
                return kind;
        }
        if (streams[0].is_over_limit)
            return stf_err_set(err, STF_INVALID_DATA, 0, "run", program, "%s printed more than %d MiB and was killed",
                               program, MAX_OUTPUT >> 20);
        if (has_ended)
            return STF_OK;
    }
}

static enum stf_kind wait_for(const struct stf_process_id *id, pid_t pid, struct stream streams[2],
                              struct stf_process_result *result, struct stf_err *err)
{
    int pidfd = pidfd_open(pid, 0);
    enum stf_kind kind = pidfd < 0 ? stf_err_errno(err, errno, "run", id->argv[0], "cannot watch the program")
                                   : collect(id, pidfd, streams, err);
    close_fd(&pidfd);
    if (kind)
        kill(-pid, SIGKILL); /* not reaped yet, so the group is still ours */

    int status = 0;
    pid_t ended;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0 && errno == EINTR);
    if (ended < 0 && !kind)
        return stf_err_errno(err, errno, "run", id->argv[0], "cannot learn how the program ended");
    result->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return kind;
}

enum stf_kind stf_process_run(const struct stf_process_id *id, struct stf_process_result *result, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct stream streams[2] = {{.fd = -1, .limit = MAX_OUTPUT}, {.fd = -1, .limit = MAX_ERRORS}};
    int fds[3] = {-1, -1, -1};
    pid_t pid;

    *result = (struct stf_process_result){.exit_code = -1};
    kind = open_input(id, &fds[0], err);
    if (!kind)
        kind = open_pipe(&streams[0], &fds[1], id->argv[0], err);
    if (!kind)
        kind = open_pipe(&streams[1], &fds[2], id->argv[0], err);
    if (!kind)
        kind = start(id, fds, &pid, err);
    for (int i = 0; i < 3; i++)
        close_fd(&fds[i]);
    if (kind)
        goto out;
    kind = wait_for(id, pid, streams, result, err);

    for (int i = 0; i < 2; i++)
        if (!streams[i].bytes && !(streams[i].bytes = malloc(1)))
            kind = stf_err_set(err, STF_NO_MEMORY, 0, "run", id->argv[0], "no memory for the output");
        else
            streams[i].bytes[streams[i].size] = '\0';
    result->output = streams[0].bytes;
    result->output_size = streams[0].size;
    result->errors = streams[1].bytes;
    streams[0].bytes = streams[1].bytes = NULL;
out:
    for (int i = 0; i < 2; i++) {
        close_fd(&streams[i].fd);
        free(streams[i].bytes);
    }
    return kind;
}

void stf_process_result_fini(struct stf_process_result *result)
{
    free(result->output);
    free(result->errors);
    *result = (struct stf_process_result){.exit_code = -1};
}
