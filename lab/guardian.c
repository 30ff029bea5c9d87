/* guardian.c - the process that builds a lab, holds it, and takes it down: told so, or left by its owner or its maker.
 * Must never end before the lab is gone, unless it is killed. SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "parts.h"

enum { MAX_LINE = 512, MAX_LOG_LINE = 400, LOCK_TIMEOUT_MS = 20000, LOCK_PAUSE_MS = 10 };

/* ---------- telling the process that ordered the lab ---------- */

static void tell(const struct stf_lab *lab, json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    json_decref(message);
    if (text && lab->up_fd >= 0)
        send(lab->up_fd, text, strlen(text), MSG_NOSIGNAL); /* a reader that is gone is noticed by poll */
    free(text);
}

__attribute__((format(printf, 2, 3))) static void tell_step(const struct stf_lab *lab, const char *format, ...)
{
    char line[MAX_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    tell(lab, json_pack("{s:s}", "step", line));
}

static void tell_error(const struct stf_lab *lab, const struct stf_err *err)
{
    tell(lab, json_pack("{s:o}", "error", stf_doc_from_err(err)));
}

/* ---------- waiting ---------- */

/* The last line of a daemon's log: most daemons say there why they ended. */
static void read_last_line(const char *path, char line[MAX_LOG_LINE])
{
    char next[MAX_LOG_LINE];
    line[0] = '\0';
    FILE *log = fopen(path, "re");
    while (log && fgets(next, sizeof next, log))
        if (next[0] != '\n')
            strcpy(line, next);
    if (log)
        fclose(log);
    line[strcspn(line, "\n")] = '\0';
}

static enum stf_kind daemon_ended(const json_t *daemon, int status, struct stf_err *err)
{
    char line[MAX_LOG_LINE];
    read_last_line(stf_lab_text(daemon, "log"), line);
    return stf_err_set(err, STF_IO, status, "lab", stf_lab_text(daemon, "host"), "%s on %s ended (%s %d)%s%s",
                       stf_lab_text(daemon, "name"), stf_lab_text(daemon, "host"),
                       WIFSIGNALED(status) ? "signal" : "exit code",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), line[0] ? ": " : "", line);
}

/* Reaps what has ended: daemons, and orphans of theirs. Reports the last daemon among them. */
static enum stf_kind reap(const struct stf_lab *lab, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        size_t i;
        json_t *daemon;
        json_array_foreach (json_object_get(lab->state, "daemons"), i, daemon)
            if (json_integer_value(json_object_get(daemon, "pid")) == pid)
                kind = daemon_ended(daemon, status, err);
    }
    return kind;
}

static enum stf_kind must_end(struct stf_lab *lab, const char *why, struct stf_err *err)
{
    lab->must_end = true;
    return stf_err_set(err, STF_IO, 0, "lab", stf_lab_text(lab->state, "name"), "%s", why);
}

static enum stf_kind read_signals(struct stf_lab *lab, struct stf_err *err)
{
    struct signalfd_siginfo info;
    bool has_child_ended = false;
    while (read(lab->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            has_child_ended = true;
            continue;
        }
        if (info.ssi_signo == SIGUSR1) {
            lab->must_restart = true;
            continue;
        }
        lab->asker = (pid_t)info.ssi_pid;
        return must_end(lab, "told to end", err);
    }
    return has_child_ended ? reap(lab, err) : STF_OK;
}

/* A maker that has answered may be gone already; one that is gone without an answer has given up on the lab. */
static bool has_answer(const struct stf_lab *lab)
{
    char answer;
    return recv(lab->up_fd, &answer, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

enum stf_kind stf_lab_pause(struct stf_lab *lab, int wait_ms, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)wait_ms * 1000000;
    for (;;) {
        int64_t left_ms = (deadline_ns - stf_clock_ns() + 999999) / 1000000;
        struct pollfd polled[3] = {{lab->signal_fd, POLLIN, 0}, {lab->up_fd, POLLIN, 0}, {lab->owner_fd, POLLIN, 0}};
        int ready = poll(polled, 3, wait_ms < 0 ? -1 : left_ms > 0 ? (int)left_ms : 0);
        if (ready < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "lab", NULL, "cannot wait");
        if (ready == 0)
            return STF_OK;
        enum stf_kind kind = polled[0].revents ? read_signals(lab, err) : STF_OK;
        if (kind || lab->must_restart)
            return kind;
        if (polled[1].revents)
            return has_answer(lab)
                       ? STF_OK
                       : must_end(lab, "the process that ordered the lab ended before it was complete", err);
        if (polled[2].revents)
            return must_end(lab, "the lab's owner has ended", err);
    }
}

/* ---------- building ---------- */

static enum stf_kind choose_esp(struct stf_lab *lab, struct stf_err *err)
{
    bool has;
    enum stf_kind kind = stf_lab_has_kernel_esp(&has, err);
    if (kind)
        return kind;
    if (json_object_set_new(lab->state, "esp", json_string(has ? "kernel" : "userland")) < 0)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    tell_step(lab, "%s",
              has ? "ESP in the kernel, transport mode"
                  : "ESP in userland (kernel-libipsec, tunnel in UDP): this kernel has no ESP for XFRM");
    return STF_OK;
}

static enum stf_kind network_up(struct stf_lab *lab, struct stf_err *err)
{
    tell_step(lab, "%zu hosts as network namespaces on one switch",
              json_array_size(json_object_get(lab->state, "hosts")));
    return stf_lab_network_up(lab, err);
}

static enum stf_kind hosts_up(struct stf_lab *lab, struct stf_err *err)
{
    tell_step(lab, "IPsec daemons and servers");
    return stf_lab_hosts_up(lab, err);
}

static enum stf_kind virtual_ips_up(struct stf_lab *lab, struct stf_err *err)
{
    return stf_lab_virtual_ips_up(lab, err);
}

static enum stf_kind build(struct stf_lab *lab, struct stf_err *err)
{
    static enum stf_kind (*const steps[])(struct stf_lab *, struct stf_err *) = {
        choose_esp, network_up,     stf_lab_secrets_make, stf_lab_hives_make,
        hosts_up,   virtual_ips_up, stf_lab_keepalived_up};
    enum stf_kind kind = stf_lab_state_save(lab->state, err);
    for (size_t i = 0; i < sizeof steps / sizeof *steps && !kind; i++) {
        kind = steps[i](lab, err);
        if (!kind)
            kind = stf_lab_pause(lab, 0, err);
    }
    if (!kind && json_object_set_new(lab->state, "phase", json_string("up")) < 0)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    return kind ? kind : stf_lab_state_save(lab->state, err);
}

/* The lab is complete only when its maker has heard so: a maker killed a moment earlier leaves nothing. */
static enum stf_kind hand_over(struct stf_lab *lab, struct stf_err *err)
{
    char answer;
    tell(lab, json_pack("{s:b}", "ready", 1));
    while (recv(lab->up_fd, &answer, 1, MSG_DONTWAIT) != 1) {
        enum stf_kind kind = stf_lab_pause(lab, -1, err);
        if (kind)
            return kind;
    }
    close(lab->up_fd);
    lab->up_fd = -1;
    return STF_OK;
}

/* ---------- the guardian's life ---------- */

/* Closes what the maker had open; it may have been much. */
static void close_foreign_files(const struct stf_lab *lab)
{
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        int fd = atoi(entry->d_name);
        if (fd > STDERR_FILENO && fd != lab->up_fd && fd != lab->owner_fd && fd != dirfd(folder))
            close(fd);
    }
    if (folder)
        closedir(folder);
}

/* Lets go of the maker's terminal, folder, files and signals. */
static enum stf_kind settle(struct stf_lab *lab, struct stf_err *err)
{
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGUSR1);
    close_foreign_files(lab);
    umask(022);
    prctl(PR_SET_NAME, "staffetta-lab");
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    lab->signal_fd = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
    if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(null_fd, 2) < 0 || lab->signal_fd < 0 ||
        sigprocmask(SIG_SETMASK, &handled, NULL) < 0 || chdir("/") < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return stf_err_errno(err, errno, "lab", lab->run_dir, "cannot prepare the guardian");
    return STF_OK;
}

static bool is_up(const char *name)
{
    json_t *state;
    bool is = stf_lab_state_load(name, &state, NULL) == STF_OK && strcmp(stf_lab_text(state, "phase"), "up") == 0 &&
              stf_lab_process_is(json_object_get(state, "guardian"));
    json_decref(state);
    return is;
}

/* Waits while another `up` builds the same lab, or the last of a killed one dies. `*was_up`: the lab stands. */
static enum stf_kind take_lock(struct stf_lab *lab, bool *was_up, struct stf_err *err)
{
    const char *name = stf_lab_text(lab->state, "name");
    int64_t deadline_ns = stf_clock_ns() + (int64_t)LOCK_TIMEOUT_MS * 1000000;
    enum stf_kind kind;
    *was_up = false;
    while ((kind = stf_lab_lock(name, true, &lab->lock_fd, err)) == STF_BUSY && stf_clock_ns() < deadline_ns) {
        *was_up = is_up(name);
        kind = *was_up ? STF_OK : stf_lab_pause(lab, LOCK_PAUSE_MS, err);
        if (kind || *was_up)
            break;
    }
    return kind;
}

static enum stf_kind open_log(const struct stf_lab *lab, struct stf_err *err)
{
    char path[128];
    snprintf(path, sizeof path, "%s/guardian.log", lab->run_dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        return stf_err_errno(err, errno, "lab", path, "cannot make the guardian's log");
    close(fd);
    return STF_OK;
}

static enum stf_kind note_guardian(struct stf_lab *lab, struct stf_err *err)
{
    int64_t start_ticks = 0;
    stf_lab_process_start(getpid(), &start_ticks);
    json_t *guardian = json_pack("{s:i, s:I}", "pid", (int)getpid(), "start_ticks", (json_int_t)start_ticks);
    return json_object_set_new(lab->state, "guardian", guardian) < 0
               ? stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory")
               : STF_OK;
}

/* With the lock held: an empty run folder, and nobody else's namespaces in the way. */
static enum stf_kind clear_the_ground(struct stf_lab *lab, struct stf_err *err)
{
    bool was_there;
    enum stf_kind kind = stf_lab_sweep_locked(stf_lab_text(lab->state, "name"), &was_there, err);
    if (kind)
        return kind;
    if (was_there)
        tell_step(lab, "swept what a killed lab of this name had left");
    kind = stf_lab_network_check(lab->state, err);
    if (!kind)
        kind = open_log(lab, err);
    return kind ? kind : note_guardian(lab, err);
}

static enum stf_kind restart(struct stf_lab *lab, struct stf_err *err)
{
    json_int_t count = json_integer_value(json_object_get(lab->state, "restarts"));
    lab->must_restart = false;
    enum stf_kind kind = stf_lab_hosts_up(lab, err);
    if (!kind && json_object_set_new(lab->state, "restarts", json_integer(count + 1)) < 0)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    return kind ? kind : stf_lab_state_save(lab->state, err);
}

/* A daemon that ends while the lab is up is a fact of the drill: it is reaped and shows in the status. */
static void hold(struct stf_lab *lab)
{
    struct stf_err err;
    while (!lab->must_end)
        if (lab->must_restart ? restart(lab, &err) : stf_lab_pause(lab, -1, &err))
            fprintf(stderr, "staffetta lab: %s\n", err.message);
}

/* Builds and holds; when that ends, everything goes. Fails when the lab was never complete. */
static enum stf_kind live(struct stf_lab *lab, struct stf_err *err)
{
    struct stf_err sweep_err;
    enum stf_kind kind = build(lab, err);
    if (!kind)
        kind = hand_over(lab, err);
    if (!kind)
        hold(lab);
    if (stf_lab_sweep(lab->state, lab->asker, &sweep_err))
        fprintf(stderr, "staffetta lab: %s\n", sweep_err.message);
    return kind;
}

_Noreturn void stf_lab_guard(json_t *state, const char *self_path, int up_fd, int owner_fd)
{
    const char *name = stf_lab_text(state, "name");
    struct stf_lab lab = {.state = state,
                          .run_dir = stf_lab_text(state, "run_dir"),
                          .self_path = self_path,
                          .lock_fd = -1,
                          .up_fd = up_fd,
                          .owner_fd = owner_fd,
                          .signal_fd = -1};
    struct stf_err err;
    bool was_up = false;
    enum stf_kind kind = settle(&lab, &err);
    if (!kind)
        kind = take_lock(&lab, &was_up, &err);
    if (was_up) {
        tell(&lab, json_pack("{s:b}", "was_up", 1));
        _exit(0);
    }
    if (!kind)
        kind = clear_the_ground(&lab, &err);
    if (!kind)
        kind = live(&lab, &err);
    if (lab.lock_fd >= 0)
        stf_lab_remove_run_dir(name); /* stays when sweeping failed, for `lab down` to try again */
    if (kind)
        tell_error(&lab, &err);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    _exit(kind ? 1 : 0);
}

enum stf_kind stf_lab_sweep(const json_t *state, pid_t spared, struct stf_err *err)
{
    size_t i;
    json_t *path;
    enum stf_kind kind = stf_lab_end_processes(state, spared, err);
    if (!kind)
        kind = stf_lab_network_down(state, err);
    json_array_foreach (json_object_get(state, "made"), i, path)
        if (!kind)
            kind = stf_lab_remove_tree(json_string_value(path), false, err);
    return kind ? kind : stf_lab_remove_tree(stf_lab_text(state, "run_dir"), true, err);
}
