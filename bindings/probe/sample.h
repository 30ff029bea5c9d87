/* sample.h - what a running probe writes down: one sample per attempt, and what it did not send.
 * Plain data between the prober (probe.c) and the report (report.c); must never hold a descriptor or a pointer to a
 * running thing. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum stf_probe_outcome {
    STF_PROBE_PENDING, /* no verdict yet; in a finished log: stopped before its time was up, so neither good nor lost */
    STF_PROBE_ANSWERED,
    STF_PROBE_TIMEOUT,     /* no answer within the timeout */
    STF_PROBE_REFUSED,     /* the host is there, nobody listens */
    STF_PROBE_UNREACHABLE, /* no way there, said by our kernel or by a router */
    STF_PROBE_DENIED,      /* a policy or filter of the sending host */
    STF_PROBE_CLOSED,      /* connected, then closed or reset without an answer */
    STF_PROBE_UNEXPECTED,  /* something else than what was expected was received */
    STF_PROBE_OUTCOMES,
};

/* "unexpected_answer" for STF_PROBE_UNEXPECTED and so on. Never NULL. */
const char *stf_probe_outcome_name(enum stf_probe_outcome outcome);

/* What an errno says about the target; STF_PROBE_PENDING when it says nothing, because this machine failed. */
enum stf_probe_outcome stf_probe_outcome_of(int errnum);

/* Which of a sample's times the kernel took when the packet passed. The others are read by the program: before and
 * after it hands over, and when it comes to see an answer. */
enum stf_probe_stamp { STF_PROBE_STAMP_SENT = 1, STF_PROBE_STAMP_ANSWER = 2 };

/* Times are CLOCK_MONOTONIC. The attempt was handed to the network between sent_early_ns and sent_late_ns after its
 * intended time; a timer is never early, so neither is negative. */
struct stf_probe_sample {
    int64_t intended_ns;    /* its place in the schedule; all durations count from here */
    uint32_t woken_late_ns; /* how late the prober got to run */
    uint32_t sent_early_ns;
    uint32_t sent_late_ns;
    uint32_t latency_ns; /* intended_ns to the verdict */
    uint8_t outcome;     /* enum stf_probe_outcome */
    uint8_t stamps;      /* enum stf_probe_stamp */
};

struct stf_probe_log {
    struct stf_probe_sample *samples; /* in the order of intended_ns; all intended times lie on the interval's grid */
    size_t count;
    int64_t interval_ns;
    int64_t first_tick_ns;      /* the schedule's first place */
    int64_t last_tick_ns;       /* the last place that came due, sent or shed; one interval before the first: none */
    uint64_t shed_missed;       /* places that had passed when the prober got to run, or to this target */
    uint64_t shed_in_flight;    /* too many attempts waited for their answer */
    uint64_t shed_no_resources; /* this machine had no descriptor, local port or memory for another attempt */
    uint64_t unrecorded;        /* not sent, because no further sample could be kept */
    uint64_t late;              /* answers after the timeout: their attempts are lost */
    uint64_t duplicates;        /* further answers to an attempt */
    uint64_t from_elsewhere;    /* answers from another address than was asked */
    int64_t ended_ns;           /* method session: when its connection ended; 0: it has not. Nothing is sent then */
    uint8_t end;                /* and how: enum stf_session_end */
};
