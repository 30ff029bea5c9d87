/* datagram.h - echoes over one socket for all targets of a family: ICMP and UDP, with the kernel's own timestamps.
 * Never blocks. Each packet carries a secret of the socket and the sample it belongs to; whatever has not the secret is
 * not ours. SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "target.h"

enum { STF_DATAGRAM_BATCH = 32 };

/* Which attempt a packet is: the sample of a target. */
struct stf_datagram_key {
    uint32_t target, sample;
};

struct stf_datagram_packet {
    struct stf_datagram_key key;
    const struct stf_probe_target *to;
    int errnum; /* why it did not leave, or 0; set by stf_datagram_send */
};

enum stf_datagram_event_kind { STF_DATAGRAM_SENT, STF_DATAGRAM_ANSWERED, STF_DATAGRAM_FAILED };

struct stf_datagram_event {
    enum stf_datagram_event_kind kind;
    struct stf_datagram_key key;
    int64_t at_ns;                /* CLOCK_MONOTONIC; 0: the kernel did not stamp it. Always there for SENT */
    int errnum;                   /* of FAILED */
    struct sockaddr_storage from; /* of ANSWERED */
};

struct stf_datagram;

/* Opens it in the thread's network namespace. STF_DENIED when this user may not send echoes here. */
enum stf_kind stf_datagram_open(enum stf_ask_transport transport, int family, struct stf_datagram **datagram,
                                struct stf_err *err);
void stf_datagram_free(struct stf_datagram *datagram);

/* To wait at with poll(2). */
int stf_datagram_fd(const struct stf_datagram *datagram);

/* At most STF_DATAGRAM_BATCH packets. */
void stf_datagram_send(struct stf_datagram *datagram, struct stf_datagram_packet *packets, size_t count);

/* Up to STF_DATAGRAM_BATCH things that have happened; what is left keeps the socket readable, or in error. Answers are
 * in one queue, stamps of what was sent and errors in the other. */
enum stf_datagram_queue { STF_DATAGRAM_ANSWERS, STF_DATAGRAM_ERRORS };
size_t stf_datagram_receive(struct stf_datagram *datagram, enum stf_datagram_queue queue,
                            struct stf_datagram_event events[STF_DATAGRAM_BATCH]);

/* Packets that came and that the kernel threw away, since nobody had read the earlier ones: their attempts count as
 * lost, though the network did not lose them. */
uint64_t stf_datagram_dropped(const struct stf_datagram *datagram);
