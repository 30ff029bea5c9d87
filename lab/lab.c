/* lab.c - the lab's commands as functions: up starts a guardian and follows it, down ends it, exec goes inside.
 * Must never take over what a living guardian holds. SPDX-License-Identifier: MIT */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "parts.h"

enum {
    MAX_RUN_DIR = 64,
    MAX_MESSAGE = 4096,
    PAUSE_MS = 5,
    SWEEP_TRIES = 200,
    GUARDIAN_TIMEOUT_MS = 10000, /* then it is killed */
    DOWN_TIMEOUT_MS = 30000,
};

/* ---------- up ---------- */

/* Forks twice, so that the guardian is nobody's child who would have to reap it. */
static enum stf_kind fork_guardian(json_t *state, const struct stf_lab_options *options, int up_fd, int owner_fd,
                                   struct stf_err *err)
{
    pid_t child = fork();
    if (child < 0)
        return stf_err_errno(err, errno, "lab", NULL, "cannot make a process");
    if (child == 0) {
        pid_t guardian = setsid() < 0 ? -1 : fork();
        if (guardian == 0)
            stf_lab_guard(state, options->self_path, up_fd, owner_fd);
        _exit(guardian < 0 ? 1 : 0);
    }
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return stf_err_set(err, STF_IO, 0, "lab", NULL, "cannot make the guardian process");
    return STF_OK;
}

enum news { NEWS_NONE, NEWS_FAILED, NEWS_READY, NEWS_WAS_UP };

static enum news read_message(const struct stf_lab_options *options, const char *text, size_t size, struct stf_err *err)
{
    enum news news = NEWS_NONE;
    json_t *message = json_loadb(text, size, 0, NULL);
    const char *step = stf_lab_text(message, "step");
    const json_t *error = json_object_get(message, "error");
    if (step && options->progress)
        options->progress(options->context, step);
    if (error) {
        stf_doc_to_err(error, err);
        news = NEWS_FAILED;
    }
    if (json_object_get(message, "ready"))
        news = NEWS_READY;
    if (json_object_get(message, "was_up"))
        news = NEWS_WAS_UP;
    json_decref(message);
    return news;
}

/* Follows the guardian's messages: until the lab is complete, or until it has failed and is gone again. */
static enum stf_kind follow(const struct stf_lab_options *options, const char *name, int fd, bool *was_up,
                            struct stf_err *err)
{
    char text[MAX_MESSAGE];
    struct stf_err told;
    enum news news, last = NEWS_NONE;
    for (ssize_t size; (size = recv(fd, text, sizeof text, 0)) != 0;) {
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return stf_err_errno(err, errno, "lab", name, "cannot hear the guardian");
        news = read_message(options, text, (size_t)size, &told);
        last = news == NEWS_NONE ? last : news;
        if (last == NEWS_READY && send(fd, "", 1, MSG_NOSIGNAL) == 1)
            return STF_OK;
    }
    *was_up = last == NEWS_WAS_UP;
    if (last == NEWS_FAILED)
        return stf_err_set(err, told.kind, told.code, told.op, told.subject, "%s", told.message);
    if (*was_up)
        return STF_OK;
    for (int i = 0; i < SWEEP_TRIES && stf_lab_sweep_dead(name, NULL, NULL) == STF_BUSY; i++)
        usleep(PAUSE_MS * 1000); /* a helper of the guardian is just being killed too */
    return stf_err_set(err, STF_IO, 0, "lab", name, "the guardian was killed while it was building the lab");
}

static enum stf_kind watch_owner(json_t *state, pid_t owner_pid, int *owner_fd, struct stf_err *err)
{
    if (!owner_pid)
        return STF_OK;
    *owner_fd = pidfd_open(owner_pid, 0);
    if (*owner_fd < 0)
        return stf_err_errno(err, errno, "watch", stf_lab_text(state, "name"),
                             "the process that is to own the lab can not be watched");
    return json_object_set_new(state, "owner_pid", json_integer((json_int_t)owner_pid)) < 0
               ? stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory")
               : STF_OK;
}

enum stf_kind stf_lab_up(const struct stf_lab_options *options, bool *was_up, struct stf_err *err)
{
    json_t *state = NULL;
    int fds[2] = {-1, -1}, owner_fd = -1;
    bool is_there = false;

    enum stf_kind kind = stf_lab_plan(options->site, options->site_dir, &state, err);
    if (!kind)
        kind = watch_owner(state, options->owner_pid, &owner_fd, err);
    if (!kind && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        kind = stf_err_errno(err, errno, "lab", NULL, "cannot make a socket");
    if (!kind)
        kind = fork_guardian(state, options, fds[1], owner_fd, err);
    if (fds[1] >= 0)
        close(fds[1]); /* or the guardian's end would not be noticed */
    if (!kind)
        kind = follow(options, stf_lab_text(state, "name"), fds[0], &is_there, err);
    if (was_up)
        *was_up = is_there;
    if (fds[0] >= 0)
        close(fds[0]);
    if (owner_fd >= 0)
        close(owner_fd);
    json_decref(state);
    return kind;
}

/* ---------- down ---------- */

/* Signals the guardian and waits for its end. False when there was none, or it is still there. */
static bool end_guardian(const char *name, int signal_number, int timeout_ms)
{
    json_t *state;
    int fd = -1;
    if (stf_lab_state_load(name, &state, NULL) == STF_OK)
        fd = stf_lab_process_open(json_object_get(state, "guardian"));
    json_decref(state);
    if (fd < 0)
        return false;
    struct pollfd polled = {fd, POLLIN, 0};
    bool has_ended = pidfd_send_signal(fd, signal_number, NULL, 0) == 0 && poll(&polled, 1, timeout_ms) == 1;
    close(fd);
    return has_ended;
}

enum stf_kind stf_lab_down(const char *name, bool *was_up, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)DOWN_TIMEOUT_MS * 1000000;
    bool has_ended = false, was_there = false;
    enum stf_kind kind = stf_lab_check_name(name, "site name", err);
    if (kind)
        return kind;
    /* Busy without a guardian in the state: one that has only just begun, or a helper that is just being killed. */
    while ((kind = stf_lab_sweep_dead(name, &was_there, err)) == STF_BUSY && stf_clock_ns() < deadline_ns)
        if (end_guardian(name, SIGTERM, GUARDIAN_TIMEOUT_MS) || end_guardian(name, SIGKILL, GUARDIAN_TIMEOUT_MS))
            has_ended = true;
        else
            usleep(PAUSE_MS * 1000);
    if (was_up)
        *was_up = has_ended || was_there;
    return kind;
}

/* ---------- exec ---------- */

/* `ip netns exec NETNS ARGV...`: it gives the command its own view of /sys too. */
static enum stf_kind exec_in_netns(const char *netns, const char *const argv[], struct stf_err *err)
{
    size_t count = 0;
    while (argv[count])
        count++;
    const char **command = calloc(count + 5, sizeof *command);
    if (!command)
        return stf_err_set(err, STF_NO_MEMORY, 0, "exec", netns, "no memory");
    const char *const prefix[] = {"ip", "netns", "exec", netns};
    memcpy(command, prefix, sizeof prefix);
    memcpy(command + 4, argv, count * sizeof *argv);
    execvp(command[0], (char *const *)command);
    int errnum = errno;
    free(command);
    return stf_err_errno(err, errnum, "exec", netns, "cannot run `ip netns exec`");
}

enum stf_kind stf_lab_exec(const char *name, const char *host_name, const char *const argv[], struct stf_err *err)
{
    json_t *state;
    char conf[2 * MAX_RUN_DIR];
    enum stf_kind kind = stf_lab_state_load(name, &state, err);
    if (kind)
        return kind;
    const json_t *host = stf_lab_host(state, host_name);
    if (!host) {
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "exec", host_name, "the lab '%s' has no host '%s'", name, host_name);
        goto out;
    }
    snprintf(conf, sizeof conf, "%s/%s/strongswan.conf", stf_lab_text(state, "run_dir"), host_name);
    if (setenv("STAFFETTA_LAB", name, 1) < 0 || setenv("STAFFETTA_LAB_HOST", host_name, 1) < 0 ||
        (stf_lab_text(host, "vici") && setenv("STRONGSWAN_CONF", conf, 1) < 0))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "exec", host_name, "no memory");
    else
        kind = exec_in_netns(stf_lab_text(host, "netns"), argv, err);
out:
    json_decref(state);
    return kind;
}

enum stf_kind stf_lab_list(json_t **names, struct stf_err *err)
{
    *names = json_array();
    if (!*names)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    DIR *folder = opendir(STF_LAB_ROOT);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            json_array_append_new(*names, json_string(entry->d_name));
    if (folder)
        closedir(folder);
    return STF_OK;
}
