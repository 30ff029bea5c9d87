/* pty_test.h - for tests of what is asked at a terminal: a child on a pseudo-terminal, what it shows, what is typed.
 * Header only. Must never leave the child behind. SPDX-License-Identifier: MIT */
#pragma once

#include "registry_test.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

enum { PTY_WAIT_MS = 30000 };

struct pty_child {
    pid_t pid;
    int fd;           /* the terminal's other side */
    char shown[4096]; /* all that the child has shown */
    size_t size;
};

/* The child goes on with *child zeroed. */
static inline bool pty_fork(struct pty_child *child)
{
    *child = (struct pty_child){.fd = -1};
    child->pid = forkpty(&child->fd, NULL, NULL, NULL);
    assert_true(child->pid >= 0);
    return child->pid == 0;
}

/* Takes what is shown; false at the terminal's end. */
static inline bool pty_take(struct pty_child *child)
{
    struct pollfd polled = {child->fd, POLLIN, 0};
    ssize_t got = 0;

    if (poll(&polled, 1, PTY_WAIT_MS) == 1)
        got = read(child->fd, child->shown + child->size, sizeof(child->shown) - 1 - child->size);
    child->size += got > 0 ? (size_t)got : 0;
    child->shown[child->size] = '\0';
    return got > 0;
}

/* Waits until the text is the last that is shown. */
static inline void pty_expect(struct pty_child *child, const char *text)
{
    size_t size = strlen(text);

    while (child->size < size || strcmp(child->shown + child->size - size, text) != 0)
        if (!pty_take(child))
            fail_msg("'%s' was not shown, but '%s'", text, child->shown);
}

static inline void pty_type(const struct pty_child *child, const char *text)
{
    assert_int_equal(write(child->fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline bool pty_shows_what_is_typed(const struct pty_child *child)
{
    struct termios mode;

    assert_int_equal(tcgetattr(child->fd, &mode), 0);
    return (mode.c_lflag & ECHO) != 0;
}

/* Waits for the child's end: its status, as of waitpid. The terminal stays open. */
static inline int pty_finish(struct pty_child *child)
{
    int status = 0;

    while (pty_take(child)) {
    }
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    return status;
}
