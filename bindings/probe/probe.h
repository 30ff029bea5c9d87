/* probe.h - a running probe: one thread that starts an attempt at each place of a fixed schedule.
 * Never waits for an earlier answer and never catches up a place it missed. SPDX-License-Identifier: MIT */
#pragma once

#include "exchange.h"

enum {
    STF_PROBE_INTERVAL_MIN_US = 200,
    STF_PROBE_INTERVAL_MAX_US = 10 * 1000 * 1000,
    STF_PROBE_INTERVAL_US = 1000,
    /* Linux repeats a lost SYN after 1 s. An answer to the repetition would hide the loss, so attempts end before. */
    STF_PROBE_TIMEOUT_MAX_MS = 900,
    STF_PROBE_TIMEOUT_MS = 500,
    STF_PROBE_IN_FLIGHT_MAX = 4096,
    STF_PROBE_SAMPLES_MAX = 4 * 1000 * 1000, /* 96 MB; 66 minutes at 1 kHz */
};

struct stf_probe_options {
    struct stf_probe_target target; /* the strings are copied by stf_probe_start */
    int64_t interval_us;
    size_t samples_max; /* 0: STF_PROBE_SAMPLES_MAX */
};

struct stf_probe;

/* The first attempt leaves one interval after this call. Raises the process's soft limit of open files when it is low:
 * an outage keeps timeout / interval attempts open. */
enum stf_kind stf_probe_start(const struct stf_probe_options *options, struct stf_probe **probe, struct stf_err *err);

/* Sends no more, waits at most linger_ms for attempts in flight (negative: their whole timeout) and ends the thread.
 * STF_IO when the thread had to end by itself before; its log then covers the time until that. Once per probe. */
enum stf_kind stf_probe_stop(struct stf_probe *probe, int64_t linger_ms, struct stf_err *err);

/* Valid after stf_probe_stop, until stf_probe_free. */
const struct stf_probe_log *stf_probe_get_log(const struct stf_probe *probe);

const struct stf_probe_options *stf_probe_get_options(const struct stf_probe *probe);

/* Stops first, without waiting for answers, when it still runs. */
void stf_probe_free(struct stf_probe *probe);
