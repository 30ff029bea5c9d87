/* session.c - a stream of answers over one connection. Must never take half an answer for one.
 * SPDX-License-Identifier: MIT */
#include "session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "exchange.h"

const char *stf_session_end_name(enum stf_session_end end)
{
    static const char *const names[] = {[STF_SESSION_OPEN] = NULL,
                                        [STF_SESSION_FIN] = "fin",
                                        [STF_SESSION_RESET] = "reset",
                                        [STF_SESSION_TIMEOUT] = "timeout",
                                        [STF_SESSION_FAILED] = "failed"};
    return names[end];
}

enum stf_session_end stf_session_end_of(int errnum)
{
    switch (errnum) {
    case ECONNRESET:
    case EPIPE:
        return STF_SESSION_RESET;
    case ETIMEDOUT:
        return STF_SESSION_TIMEOUT;
    default:
        return STF_SESSION_FAILED;
    }
}

/* 0, or why the connection does not stand. */
static int wait_until_connected(int fd, int64_t timeout_ms)
{
    int64_t deadline_ns = stf_clock_ns() + timeout_ms * 1000000;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int errnum = ETIMEDOUT, ready;
    socklen_t size = sizeof errnum;
    do
        ready = poll(&poll_fd, 1, stf_clock_left_ms(deadline_ns));
    while (ready < 0 && errno == EINTR);
    if (ready > 0)
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size);
    return errnum;
}

enum stf_kind stf_session_open(const struct stf_probe_target *target, int64_t timeout_ms, int64_t give_up_ms,
                               struct stf_session *session, struct stf_err *err)
{
    const unsigned give_up = (unsigned)give_up_ms;
    const int yes = 1;
    struct stf_exchange exchange = {.fd = -1};
    int errnum = stf_exchange_start(&exchange, target);
    if (errnum == EINPROGRESS)
        errnum = wait_until_connected(exchange.fd, timeout_ms);
    if (errnum == 0 && (setsockopt(exchange.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &give_up, sizeof give_up) < 0 ||
                        setsockopt(exchange.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0))
        errnum = errno;
    session->fd = exchange.fd;
    session->received_size = 0;
    if (errnum == 0)
        return STF_OK;
    stf_session_close(session);
    return stf_err_errno(err, errnum, "probe.start", target->name, "the connection to measure could not be made");
}

int stf_session_send(struct stf_session *session, const struct stf_ask *ask)
{
    ssize_t sent = send(session->fd, ask->request, ask->request_size, MSG_NOSIGNAL);
    if (sent == (ssize_t)ask->request_size)
        return 0;
    return sent < 0 ? errno : EPROTO; /* what follows half a request means something else */
}

/* Counts the whole answers in what was received, and keeps what may be the beginning of the next. */
static size_t take_answers(struct stf_session *session, const struct stf_ask *ask)
{
    size_t answers = 0, length = strlen(ask->expect), used = 0;
    const char *found;
    while ((found = memmem(session->received + used, session->received_size - used, ask->expect, length))) {
        used = (size_t)(found - session->received) + length;
        answers++;
    }
    size_t left = session->received_size - used;
    if (left >= length) {
        used += left - (length - 1);
        left = length - 1;
    }
    memmove(session->received, session->received + used, left);
    session->received_size = left;
    return answers;
}

enum stf_session_end stf_session_receive(struct stf_session *session, const struct stf_ask *ask, size_t *answers)
{
    for (;;) {
        ssize_t n = recv(session->fd, session->received + session->received_size,
                         sizeof session->received - session->received_size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return STF_SESSION_OPEN;
        if (n <= 0)
            return n == 0 ? STF_SESSION_FIN : stf_session_end_of(errno);
        session->received_size += (size_t)n;
        *answers += take_answers(session, ask);
    }
}

void stf_session_close(struct stf_session *session)
{
    if (session->fd >= 0)
        close(session->fd);
    session->fd = -1;
}
