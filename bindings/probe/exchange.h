/* exchange.h - one attempt: connect, say a line, wait for the line that is expected.
 * Never blocks; the prober and the single probe drive it from their own loops. SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <staffetta/err.h>

#include "sample.h"

enum { STF_EXCHANGE_RECEIVED_MAX = 512 }; /* bytes of an answer that are looked at */

struct stf_probe_target {
    const char *netns;   /* namespace to send from, or NULL */
    const char *address; /* IPv4 or IPv6 literal */
    uint16_t port;
    const char *send;   /* sent once connected, or NULL */
    const char *expect; /* answered when this was received; NULL: when anything was, or, without send, when connected */
    int64_t timeout_ms;
};

struct stf_exchange_peer {
    struct sockaddr_storage address;
    socklen_t address_size;
};

struct stf_exchange {
    int fd; /* -1: none */
    bool is_connected;
    char *received; /* STF_EXCHANGE_RECEIVED_MAX bytes of the owner's, or NULL when nothing is read */
    size_t received_size;
};

/* STF_INVALID_DATA when `address` is no literal: names are never looked up, a resolver's delay is not the target's. */
enum stf_kind stf_exchange_resolve(const char *address, uint16_t port, struct stf_exchange_peer *peer,
                                   struct stf_err *err);

/* Opens a socket in the thread's namespace and starts to connect. 0 or EINPROGRESS: under way; else an errno, and
 * exchange->fd is -1. */
int stf_exchange_start(struct stf_exchange *exchange, const struct stf_exchange_peer *peer);

/* The poll(2) events to wait for; the same bits serve epoll. */
uint32_t stf_exchange_events(const struct stf_probe_target *target);

/* Goes on after `events`; STF_PROBE_PENDING while there is no verdict. Reads until nothing is left, so it may be driven
 * edge-triggered. */
enum stf_probe_outcome stf_exchange_advance(struct stf_exchange *exchange, const struct stf_probe_target *target,
                                            uint32_t events);

/* The verdict when the time is up. */
enum stf_probe_outcome stf_exchange_expire(const struct stf_exchange *exchange);

/* Ends the connection with RST: at a thousand a second, TIME-WAIT would use up the local ports in half a minute. */
void stf_exchange_close(struct stf_exchange *exchange);

/* The verdict on what was received so far. */
enum stf_probe_outcome stf_exchange_judge(const struct stf_probe_target *target, const char *received, size_t size);

/* What an errno says about the target; STF_PROBE_PENDING when it says nothing, because this machine failed. */
enum stf_probe_outcome stf_exchange_outcome(int errnum);

/* The first line of `received` with everything but printable ASCII as '.'; always ends `text`. */
void stf_exchange_first_line(const char *received, size_t size, char *text, size_t text_size);
