/* transport_stdio.c - the agent's own standard input and output, which whoever started it reads and writes. Has no
 * deadlines: an agent waits for its controller as long as there is one. SPDX-License-Identifier: MIT */
#include "fleet/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static enum stf_kind stdio_read(struct stf_transport *transport, char *bytes, size_t room, int64_t deadline_ns,
                                size_t *got, struct stf_err *err)
{
    ssize_t size;
    (void)transport;
    (void)deadline_ns;
    do {
        size = read(STDIN_FILENO, bytes, room);
    } while (size < 0 && errno == EINTR);
    *got = size > 0 ? (size_t)size : 0;
    return size < 0 ? stf_err_errno(err, errno, "read", NULL, "can not read from the controller") : STF_OK;
}

static enum stf_kind stdio_write(struct stf_transport *transport, const char *bytes, size_t size, int64_t deadline_ns,
                                 struct stf_err *err)
{
    (void)transport;
    (void)deadline_ns;
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "write", NULL, "can not write to the controller");
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        }
    }
    return STF_OK;
}

static void stdio_close(struct stf_transport *transport)
{
    (void)transport;
    _exit(EXIT_FAILURE);
}

static const struct stf_transport_ops stdio_ops = {stdio_read, stdio_write, stdio_close};

struct stf_transport *stf_transport_stdio(void)
{
    static struct stf_transport stdio = {&stdio_ops};
    return &stdio;
}
