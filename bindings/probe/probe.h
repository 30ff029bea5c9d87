/* probe.h - a running probe: one thread that starts an attempt at each target at each place of a fixed schedule.
 * Never waits for an earlier answer and never catches up a place it missed. SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "sample.h"
#include "target.h"

enum {
    STF_PROBE_INTERVAL_MIN_US = 200,
    STF_PROBE_INTERVAL_MAX_US = 10 * 1000 * 1000,
    STF_PROBE_INTERVAL_US = 1000,
    /* Linux repeats a lost SYN after 1 s. An answer to the repetition would hide the loss, so attempts end before. */
    STF_PROBE_TIMEOUT_MAX_MS = 900,
    STF_PROBE_TIMEOUT_MS = 500,
    STF_PROBE_GIVE_UP_MAX_MS = 10 * 60 * 1000,
    STF_PROBE_GIVE_UP_MS = 30 * 1000,
    STF_PROBE_IN_FLIGHT_MAX = 4096, /* connections of one target */
    STF_PROBE_TARGETS_MAX = 1000,
    STF_PROBE_SAMPLES_MAX = 4 * 1000 * 1000, /* of all targets together: 128 MB; 66 minutes of one at 1 kHz */
};

struct stf_probe_options {
    struct stf_ask ask;
    const char *netns;                      /* to send from, or NULL */
    const struct stf_probe_target *targets; /* copied by stf_probe_start */
    size_t target_count;
    bool is_list; /* the script has given a list, also if of one: it gets a list of reports */
    int64_t interval_us;
    int64_t timeout_ms;
    int64_t give_up_ms; /* method session: the connection ends when nothing was acknowledged for so long */
    uint64_t places;    /* ends by itself after that many places of the schedule; 0: when it is stopped */
    size_t samples_max; /* of all targets together; 0: STF_PROBE_SAMPLES_MAX */
};

struct stf_probe;

/* With method session the connections are made first, each within timeout_ms. The first attempts leave one interval
 * after this call. With TCP it raises the process's soft limit of open files when that is low: an outage keeps timeout
 * / interval attempts at each target open. */
enum stf_kind stf_probe_start(const struct stf_probe_options *options, struct stf_probe **probe, struct stf_err *err);

/* Sends no more, waits at most linger_ms for attempts in flight (negative: their whole timeout) and ends the thread.
 * STF_IO when the thread had to end by itself before; its log then covers the time until that. Once per probe. */
enum stf_kind stf_probe_stop(struct stf_probe *probe, int64_t linger_ms, struct stf_err *err);

/* How it goes, of all targets together; from any thread, at any time. */
struct stf_probe_progress {
    uint64_t sent, answered, lost, shed;
    int64_t latency_ns; /* of the last answer; 0: none yet */
    bool is_finished;   /* the schedule's places are done and all attempts have their verdict */
};
struct stf_probe_progress stf_probe_progress(const struct stf_probe *probe);

/* Valid after stf_probe_stop, until stf_probe_free. The log of target i. */
const struct stf_probe_log *stf_probe_get_log(const struct stf_probe *probe, size_t i);

/* Answers that came and that the kernel threw away, since this machine read too slowly. */
uint64_t stf_probe_dropped(const struct stf_probe *probe);

/* With the probe's own copy of the targets. */
const struct stf_probe_options *stf_probe_get_options(const struct stf_probe *probe);

/* Stops first, without waiting for answers, when it still runs. */
void stf_probe_free(struct stf_probe *probe);
