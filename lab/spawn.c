/* spawn.c - starts a child of the guardian that can not outlive it, and runs short helpers to their end.
 * Must never leave a helper at work once the lab's lock is free. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/netns.h"
#include "parts.h"

enum { HELPER_TIMEOUT_MS = 10000, MAX_ERRORS = 600 };

/* In the child: what differs from the guardian. Gives the errno of what failed. */
static int become(const struct stf_lab *lab, const struct stf_lab_child *child, pid_t guardian)
{
    sigset_t none;
    sigemptyset(&none);
    int input_fd = child->input_fd >= 0 ? child->input_fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input_fd < 0 || setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || dup2(input_fd, 0) < 0 ||
        dup2(child->output_fd, 1) < 0 || dup2(child->output_fd, 2) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0 ||
        (child->keeps_lock && fcntl(lab->lock_fd, F_SETFD, 0) < 0))
        return errno;
    for (const char *const *pair = child->environment; pair && pair[0]; pair += 2)
        if (setenv(pair[0], pair[1], 1) < 0)
            return errno;
    if (getppid() != guardian)
        return ESRCH; /* it died before the death signal was armed */
    execvp(child->argv[0], (char *const *)child->argv);
    return errno;
}

/* The pipe closes by itself when the exec has worked, and brings the reason when it has not. */
static enum stf_kind start(const struct stf_lab *lab, const struct stf_lab_child *child, pid_t *pid,
                           struct stf_err *err)
{
    const char *program = child->argv[0];
    pid_t guardian = getpid();
    int fds[2], errnum = 0;
    if (pipe2(fds, O_CLOEXEC) < 0)
        return stf_err_errno(err, errno, "start", program, "cannot make a pipe");
    *pid = fork();
    if (*pid == 0) {
        errnum = become(lab, child, guardian);
        ssize_t put = write(fds[1], &errnum, sizeof errnum);
        _exit(put == sizeof errnum ? 126 : 127);
    }
    int fork_errnum = errno;
    close(fds[1]);
    ssize_t got = *pid < 0 ? 0 : read(fds[0], &errnum, sizeof errnum);
    close(fds[0]);
    if (*pid < 0)
        return stf_err_errno(err, fork_errnum, "start", program, "cannot make a process");
    if (got == 0)
        return STF_OK;
    waitpid(*pid, NULL, 0);
    if (errnum == ENOENT)
        return stf_err_set(err, STF_NOT_FOUND, errnum, "start", program,
                           "%s is not installed: packaging/debian-packages.txt lists what the lab needs", program);
    return stf_err_errno(err, errnum, "start", program, "cannot start the program");
}

enum stf_kind stf_lab_spawn(const struct stf_lab *lab, const struct stf_lab_child *child, pid_t *pid,
                            struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, child->netns, err);
    if (kind)
        return kind;
    kind = start(lab, child, pid, err);
    stf_netns_leave(&guard);
    return kind;
}

/* ---------- helpers ---------- */

static enum stf_kind await_end(pid_t pid, const char *program, int *status, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    int pidfd = pidfd_open(pid, 0);
    struct pollfd polled = {pidfd, POLLIN, 0};
    int ready;
    do
        ready = pidfd < 0 ? -1 : poll(&polled, 1, HELPER_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        kind = ready < 0 ? stf_err_errno(err, errno, "run", program, "cannot watch the program")
                         : stf_err_set(err, STF_TIMEOUT, 0, "run", program, "%s did not end within %d ms", program,
                                       HELPER_TIMEOUT_MS);
        kill(pid, SIGKILL); /* not reaped yet, so it is still ours */
    }
    if (pidfd >= 0)
        close(pidfd);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    return kind;
}

enum stf_kind stf_lab_run_helper(const struct stf_lab *lab, const char *const argv[], const char *netns, int input_fd,
                                 struct stf_err *err)
{
    char errors[MAX_ERRORS + 1];
    pid_t pid;
    int status = 0;
    int output_fd = memfd_create("output", MFD_CLOEXEC);
    if (output_fd < 0)
        return stf_err_errno(err, errno, "run", argv[0], "cannot keep what the program prints");
    enum stf_kind kind = stf_lab_spawn(
        lab,
        &(struct stf_lab_child){
            .argv = argv, .netns = netns, .input_fd = input_fd, .output_fd = output_fd, .keeps_lock = true},
        &pid, err);
    if (!kind)
        kind = await_end(pid, argv[0], &status, err);
    if (!kind && status != 0) {
        ssize_t size = pread(output_fd, errors, MAX_ERRORS, 0);
        errors[size > 0 ? size : 0] = '\0';
        kind = stf_err_set(err, STF_IO, status, "run", argv[0], "%s failed%s%s: %s", argv[0], netns ? " in " : "",
                           netns ? netns : "", errors);
    }
    close(output_fd);
    return kind;
}
