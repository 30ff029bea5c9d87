/* wire.h - a capture on one interface that counts protected traffic and traffic that should have been protected.
 * Keeps headers of a few packets as evidence, never a payload. SPDX-License-Identifier: MIT */
#pragma once

#include <net/if.h>
#include <stdint.h>

#include <staffetta/binding.h>

#include "decode.h"
#include "trace.h"

enum { STF_WIRE_MAX_EVIDENCE = 16 };

struct stf_wire_options {
    const char *netns;     /* or NULL */
    const char *interface; /* "eth0" */
    struct stf_wire_target target;
    bool has_trace; /* notes when packets came, too */
};

struct stf_wire_count {
    uint64_t to, from; /* the target's address */
};

struct stf_wire_clear {
    uint64_t packets;
    uint64_t payload_bytes;
    uint64_t attempts; /* those of the packets that are a lone SYN: nobody needs to have answered */
};

struct stf_wire_evidence {
    int64_t time_unix_ns;
    struct stf_wire_packet packet;
};

struct stf_wire_report {
    struct stf_wire_count esp, esp_in_udp, ike;
    struct stf_wire_clear clear_to[STF_WIRE_MAX_PORTS], clear_from[STF_WIRE_MAX_PORTS];
    struct stf_wire_evidence evidence[STF_WIRE_MAX_EVIDENCE]; /* the first clear packets */
    size_t evidence_count;
    uint64_t captured;  /* packets of all classes but OTHER */
    uint64_t malformed; /* those of them that could not be decoded */
    uint64_t lost;      /* by the capture and by the interface while it ran */
    int64_t duration_ms;
};

struct stf_wire;

/* Returns when the capture is live: a packet sent afterwards is counted. Stop and free it, in this order. */
enum stf_kind stf_wire_start(const struct stf_wire_options *options, struct stf_wire **out, struct stf_err *err);

/* Ends the capture; every packet seen by the interface before the call is in the report. STF_IO when the capture
 * broke off before (its interface was removed): it has not seen all, so there is no report. */
enum stf_kind stf_wire_stop(struct stf_wire *wire, struct stf_wire_report *report, struct stf_err *err);

/* What the capture was started for, and its trace or NULL; valid until it is freed. */
const struct stf_wire_target *stf_wire_target_of(const struct stf_wire *wire);
const struct stf_wire_trace *stf_wire_trace_of(const struct stf_wire *wire);

/* Stops it when nobody did. NULL is legal. */
void stf_wire_free(struct stf_wire *wire);

extern const struct stf_binding stf_wire_binding;
