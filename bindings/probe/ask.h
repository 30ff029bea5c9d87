/* ask.h - the methods: what an attempt says, and what a good answer to it is.
 * Pure functions of bytes, which may come from anybody; must never open anything. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

#include "sample.h"

enum {
    STF_ASK_REQUEST_MAX = 512,
    STF_ASK_TEXT_MAX = 256,     /* of send, expect, path and host each */
    STF_ASK_RECEIVED_MAX = 512, /* bytes of an answer that are looked at */
};

/* TCP: a connection an attempt; SESSION: one connection for all. */
enum stf_ask_transport { STF_ASK_TCP, STF_ASK_SESSION, STF_ASK_ICMP, STF_ASK_UDP };

struct stf_ask;

struct stf_ask_method {
    const char *name;
    enum stf_ask_transport transport;
    uint16_t port; /* where such a service listens by default; 0: none */
    /* The verdict on what was received so far: STF_PROBE_PENDING asks for more. NULL: being connected is enough. */
    enum stf_probe_outcome (*judge)(const struct stf_ask *ask, const char *received, size_t size);
};

struct stf_ask {
    const struct stf_ask_method *method;
    char request[STF_ASK_REQUEST_MAX]; /* sent as soon as the connection stands */
    size_t request_size;
    char expect[STF_ASK_TEXT_MAX + 1]; /* "": anything */
    int status;                        /* of HTTP, the only good one; 0: any from 200 to 399 */
};

struct stf_ask_options {
    const char *method;
    const char *send, *expect; /* of tcp_line and session; NULL: none */
    const char *path, *host;   /* of http; NULL: "/" and no Host line */
    bool is_head;
    int64_t status; /* 0: any from 200 to 399 */
};

/* STF_INVALID_DATA, naming the option, when the method is unknown or does not take an option that is set. */
enum stf_kind stf_ask_make(const struct stf_ask_options *options, struct stf_ask *ask, struct stf_err *err);

/* The verdict on what was received so far, at most STF_ASK_RECEIVED_MAX bytes; when that many were not enough, there
 * is one nevertheless. */
enum stf_probe_outcome stf_ask_judge(const struct stf_ask *ask, const char *received, size_t size);
