/* exchange.h - one attempt over TCP: connect, say what the method says, wait for the answer that it expects.
 * Never blocks; the prober and the single probe drive it from their own loops. SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "target.h"

struct stf_exchange {
    int fd; /* -1: none */
    bool is_connected;
    char *received; /* STF_ASK_RECEIVED_MAX bytes of the owner's, or NULL when nothing is read */
    size_t received_size;
};

/* Opens a socket in the thread's namespace and starts to connect. 0 or EINPROGRESS: under way; else an errno, and
 * exchange->fd is -1. */
int stf_exchange_start(struct stf_exchange *exchange, const struct stf_probe_target *target);

/* The poll(2) events to wait for; the same bits serve epoll. */
uint32_t stf_exchange_events(const struct stf_ask *ask);

/* Goes on after `events`; STF_PROBE_PENDING while there is no verdict. Reads until nothing is left, so it may be driven
 * edge-triggered. */
enum stf_probe_outcome stf_exchange_advance(struct stf_exchange *exchange, const struct stf_ask *ask, uint32_t events);

/* The verdict when the time is up. */
enum stf_probe_outcome stf_exchange_expire(const struct stf_exchange *exchange);

/* Ends the connection with RST: at a thousand a second, TIME-WAIT would use up the local ports in half a minute. */
void stf_exchange_close(struct stf_exchange *exchange);

/* The first line of `received` with everything but printable ASCII as '.'; always ends `text`. */
void stf_exchange_first_line(const char *received, size_t size, char *text, size_t text_size);
