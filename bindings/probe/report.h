/* report.h - what a probe's log says: losses, outages as intervals with an error bound, latency, our own jitter.
 * Pure functions of the log; README.md beside this file has the definitions. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/err.h>

#include "sample.h"

enum { STF_PROBE_OUTAGES_MAX = 1000 }; /* listed in a report; further ones are counted */

/* One loss period: attempts lost in a row, between two that were answered. Times are intended times. */
struct stf_probe_outage {
    bool is_open_at_start;    /* no attempt before it was answered: it may have begun before the probe did */
    bool is_open;             /* no attempt after it was answered: it still lasted when the probe ended */
    int64_t last_answered_ns; /* not when is_open_at_start */
    int64_t first_lost_ns;
    int64_t first_answered_ns; /* not when is_open */
    int64_t first_answer_ns;   /* when the answer of that one came */
    uint64_t lost;
    int64_t duration_us;          /* the middle of what is possible; open at either end: at least this long */
    int64_t error_us;             /* the true length is within duration_us +- error_us; -1: open, no upper bound */
    int64_t timestamp_derived_us; /* between the answers of the first and the last answered; -1: open at either end */
    int64_t loss_derived_us;      /* lost x interval */
};

struct stf_probe_quantiles {
    int64_t p50_us, p90_us, p99_us, max_us;
};

/* Which clock took the times of what was answered. */
enum stf_probe_clock { STF_PROBE_CLOCK_PROGRAM, STF_PROBE_CLOCK_KERNEL, STF_PROBE_CLOCK_MIXED };

/* How the losses lie, in the words of RFC 3357. A distance is counted in attempts. */
struct stf_probe_loss_pattern {
    uint64_t periods;
    uint64_t longest_period; /* attempts */
    uint64_t shortest_gap;   /* attempts between the ends of two periods, at least; 0: fewer than two periods */
    uint64_t noticeable;     /* attempts lost at most STF_PROBE_NOTICEABLE after the loss before them */
};
enum { STF_PROBE_NOTICEABLE = 99 }; /* two losses nearer than that are more than 1 % of what was sent there */

struct stf_probe_report {
    uint64_t sent, answered, lost, unfinished;
    uint64_t outcomes[STF_PROBE_OUTCOMES]; /* of the attempts sent, by verdict */
    uint64_t shed;                         /* places of the schedule at which nothing was sent */
    int64_t longest_blind_us; /* longest time in which nothing was sent, beyond the interval; an outage hides in it */
    struct stf_probe_quantiles latency;    /* of the answered, from the intended time; zero when there are none */
    struct stf_probe_quantiles jitter;     /* how late the prober got to run; zero when nothing was sent */
    struct stf_probe_quantiles round_trip; /* of the answered, from when they had left at the earliest */
    enum stf_probe_clock sent_clock, answer_clock;
    struct stf_probe_loss_pattern pattern;
    int64_t loss_derived_us; /* all lost x interval */
    bool has_longest;
    struct stf_probe_outage longest;
    struct stf_probe_outage *outages; /* the first STF_PROBE_OUTAGES_MAX, in order */
    size_t outage_count;
};

/* The report owns its outages: fini it after STF_OK. Fails with STF_NO_MEMORY only. */
enum stf_kind stf_probe_report_make(const struct stf_probe_log *log, struct stf_probe_report *report,
                                    struct stf_err *err);
void stf_probe_report_fini(struct stf_probe_report *report);
