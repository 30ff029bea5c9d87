/* once.c - one probe, now. Must never wait longer than the target's timeout. SPDX-License-Identifier: MIT */
#include "once.h"

#include <errno.h>
#include <poll.h>

#include "common/clock.h"
#include "common/netns.h"
#include "exchange.h"

static enum stf_probe_outcome wait_for_verdict(struct stf_exchange *exchange, const struct stf_ask *ask,
                                               int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - stf_clock_ns();
        if (left_ns <= 0)
            return stf_exchange_expire(exchange);
        uint32_t events = exchange->is_connected ? POLLIN : stf_exchange_events(ask);
        struct pollfd poll_fd = {.fd = exchange->fd, .events = (short)events};
        if (poll(&poll_fd, 1, (int)(left_ns / 1000000 + 1)) <= 0)
            continue;
        enum stf_probe_outcome outcome = stf_exchange_advance(exchange, ask, (uint32_t)poll_fd.revents);
        if (outcome != STF_PROBE_PENDING)
            return outcome;
    }
}

enum stf_kind stf_probe_once(const struct stf_probe_question *question, struct stf_probe_answer *answer,
                             struct stf_err *err)
{
    char received[STF_ASK_RECEIVED_MAX];
    struct stf_exchange exchange = {.fd = -1, .received = received};
    const struct stf_probe_target *target = &question->target;
    struct stf_netns guard;

    if (question->ask.method->transport != STF_ASK_TCP)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "probe.once", target->name,
                           "a single probe speaks TCP only, method '%s' does not: start a probe with count = 1",
                           question->ask.method->name);
    enum stf_kind kind = stf_netns_enter(&guard, question->netns, err);
    if (kind)
        return kind;
    int64_t start_ns = stf_clock_ns();
    int errnum = stf_exchange_start(&exchange, target);
    stf_netns_leave(&guard);

    if (errnum == 0 || errnum == EINPROGRESS)
        answer->outcome = wait_for_verdict(&exchange, &question->ask, start_ns + question->timeout_ms * 1000000);
    else
        answer->outcome = stf_probe_outcome_of(errnum);
    answer->latency_us = (stf_clock_ns() - start_ns) / 1000;
    stf_exchange_close(&exchange);
    stf_exchange_first_line(received, exchange.received_size, answer->received, sizeof answer->received);
    if (answer->outcome == STF_PROBE_PENDING)
        return stf_err_errno(err, errnum, "probe", target->name, "this machine could not open another connection");
    return STF_OK;
}
