/* exchange.c - one attempt as a small state machine over a non-blocking socket.
 * Must never wait, and never leave a socket behind that lingers. SPDX-License-Identifier: MIT */
#include "exchange.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR && EPOLLHUP == POLLHUP,
               "events of poll serve epoll");

static const char *const outcome_names[STF_PROBE_OUTCOMES] = {
    [STF_PROBE_PENDING] = "pending",         [STF_PROBE_ANSWERED] = "answered",
    [STF_PROBE_TIMEOUT] = "timeout",         [STF_PROBE_REFUSED] = "refused",
    [STF_PROBE_UNREACHABLE] = "unreachable", [STF_PROBE_DENIED] = "denied",
    [STF_PROBE_CLOSED] = "closed",           [STF_PROBE_UNEXPECTED] = "unexpected_answer",
};

const char *stf_probe_outcome_name(enum stf_probe_outcome outcome)
{
    return outcome_names[outcome];
}

int stf_exchange_start(struct stf_exchange *exchange, const struct stf_probe_target *target)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};

    exchange->is_connected = false;
    exchange->received_size = 0;
    exchange->fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (exchange->fd < 0)
        return errno;
    if (setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 &&
        connect(exchange->fd, (const struct sockaddr *)&target->address, target->address_size) == 0)
        return 0;
    int errnum = errno;
    if (errnum != EINPROGRESS)
        stf_exchange_close(exchange);
    return errnum;
}

uint32_t stf_exchange_events(const struct stf_ask *ask)
{
    if (!ask->method->judge)
        return POLLOUT;
    return ask->request_size ? POLLIN | POLLOUT : POLLIN;
}

static enum stf_probe_outcome finish_connect(struct stf_exchange *exchange, const struct stf_ask *ask, uint32_t events)
{
    if (events & (POLLERR | POLLHUP)) {
        int errnum = 0;
        socklen_t size = sizeof errnum;
        getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &errnum, &size);
        if (errnum)
            return stf_probe_outcome_of(errnum);
    }
    exchange->is_connected = true;
    if (!ask->method->judge)
        return STF_PROBE_ANSWERED;
    if (ask->request_size == 0)
        return STF_PROBE_PENDING;
    ssize_t sent = send(exchange->fd, ask->request, ask->request_size, MSG_NOSIGNAL);
    return sent == (ssize_t)ask->request_size ? STF_PROBE_PENDING : STF_PROBE_CLOSED;
}

static enum stf_probe_outcome receive(struct stf_exchange *exchange, const struct stf_ask *ask)
{
    enum stf_probe_outcome outcome = STF_PROBE_PENDING;
    while (outcome == STF_PROBE_PENDING) {
        ssize_t n = recv(exchange->fd, exchange->received + exchange->received_size,
                         STF_ASK_RECEIVED_MAX - exchange->received_size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0)
            return exchange->received_size ? STF_PROBE_UNEXPECTED : STF_PROBE_CLOSED;
        exchange->received_size += (size_t)n;
        outcome = stf_ask_judge(ask, exchange->received, exchange->received_size);
    }
    return outcome;
}

enum stf_probe_outcome stf_exchange_advance(struct stf_exchange *exchange, const struct stf_ask *ask, uint32_t events)
{
    if (!exchange->is_connected) {
        enum stf_probe_outcome outcome = finish_connect(exchange, ask, events);
        if (outcome != STF_PROBE_PENDING)
            return outcome;
    }
    return events & (POLLIN | POLLERR | POLLHUP) ? receive(exchange, ask) : STF_PROBE_PENDING;
}

enum stf_probe_outcome stf_exchange_expire(const struct stf_exchange *exchange)
{
    return exchange->received_size ? STF_PROBE_UNEXPECTED : STF_PROBE_TIMEOUT;
}

void stf_exchange_close(struct stf_exchange *exchange)
{
    if (exchange->fd >= 0)
        close(exchange->fd);
    exchange->fd = -1;
}

enum stf_probe_outcome stf_probe_outcome_of(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return STF_PROBE_REFUSED;
    case ETIMEDOUT:
        return STF_PROBE_TIMEOUT;
    case ECONNRESET:
    case EPIPE:
        return STF_PROBE_CLOSED;
    case EPERM:
    case EACCES:
        return STF_PROBE_DENIED;
    case EAGAIN:
    case EADDRNOTAVAIL: /* no local port is left (or, with IPv6, no source address) */
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return STF_PROBE_PENDING;
    default:
        return STF_PROBE_UNREACHABLE;
    }
}

void stf_exchange_first_line(const char *received, size_t size, char *text, size_t text_size)
{
    size_t length = 0;
    while (length < size && length + 1 < text_size && received[length] != '\r' && received[length] != '\n') {
        unsigned char byte = (unsigned char)received[length];
        text[length++] = byte >= 0x20 && byte < 0x7f ? (char)byte : '.';
    }
    text[length] = '\0';
}
