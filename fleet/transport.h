/* transport.h - a way for bytes to an agent and back: a child process here, or a channel of an SSH session.
 * Knows no message. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include <staffetta/err.h>

/* One thread may read while another writes. */
struct stf_transport {
    const struct stf_transport_ops *ops;
};

struct stf_transport_ops {
    /* At least one byte, waiting for it until `deadline_ns` of the monotonic clock; `*got` is 0 at the end, and `err`
     * then says why the other side ended, as far as is known; its code is the exit status. */
    enum stf_kind (*read)(struct stf_transport *transport, char *bytes, size_t room, int64_t deadline_ns, size_t *got,
                          struct stf_err *err);
    /* All of them, or an error after which nothing more can be written. STF_UNREACHABLE: the other side has ended, and
     * a read will say why. */
    enum stf_kind (*write)(struct stf_transport *transport, const char *bytes, size_t size, int64_t deadline_ns,
                           struct stf_err *err);
    /* A controller's: ends the agent, and frees all. An agent's: there will be no answer any more, as memory is out,
     * and the controller learns it by the end of what it reads. */
    void (*close)(struct stf_transport *transport);
};

/* What a parent speaks with over this process's standard input and output. Closing it ends the process. */
struct stf_transport *stf_transport_stdio(void);

/* A child process that speaks on its standard input and output, in a process group of its own: Ctrl-C on the terminal
 * is for the controller, which then still needs it to put things back. What it says on standard error becomes part of
 * the error when it ends. Close ends it: first by the end of its input, after 2 s by SIGKILL. */
enum stf_kind stf_transport_process(const char *const *argv, const char *subject, struct stf_transport **transport,
                                    struct stf_err *err);
