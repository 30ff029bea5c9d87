/* report.c - reduces a probe's log to figures. Must never guess: where the log does not bound a figure, the report says
 * so. SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdlib.h>
#include <string.h>

/* The samples around a run of lost ones; NULL where there is none. */
struct loss_run {
    const struct stf_probe_sample *last_answered, *first_lost, *last_lost, *first_answered;
    uint64_t lost;
};

static int64_t us_from_ns(int64_t ns)
{
    return (ns + 500) / 1000;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t sent_early_ns(const struct stf_probe_sample *sample)
{
    return sample->intended_ns + sample->sent_early_ns;
}

static int64_t answered_ns(const struct stf_probe_sample *sample)
{
    return sample->intended_ns + sample->latency_ns;
}

/* The path was down from when the first lost attempt passed to when the last lost one did, at least: the first had left
 * and was at most one exchange under way. It was up when the last answered attempt left, and again when the first
 * answer after the outage came. */
static struct stf_probe_outage outage_of(const struct loss_run *run, int64_t interval_ns, int64_t exchange_ns)
{
    int64_t down_ns = run->first_lost->intended_ns + run->first_lost->sent_late_ns + exchange_ns;
    int64_t min_ns = max_of(0, sent_early_ns(run->last_lost) - down_ns);
    struct stf_probe_outage outage = {
        .is_open_at_start = !run->last_answered,
        .is_open = !run->first_answered,
        .last_answered_ns = run->last_answered ? run->last_answered->intended_ns : 0,
        .first_lost_ns = run->first_lost->intended_ns,
        .first_answered_ns = run->first_answered ? run->first_answered->intended_ns : 0,
        .first_answer_ns = run->first_answered ? answered_ns(run->first_answered) : 0,
        .lost = run->lost,
        .duration_us = min_ns / 1000,
        .error_us = -1,
        .timestamp_derived_us = -1,
        .loss_derived_us = us_from_ns((int64_t)run->lost * interval_ns),
    };
    if (outage.is_open || outage.is_open_at_start)
        return outage;
    int64_t max_ns = answered_ns(run->first_answered) - sent_early_ns(run->last_answered);
    outage.timestamp_derived_us = us_from_ns(answered_ns(run->first_answered) - answered_ns(run->last_answered));
    outage.duration_us = us_from_ns((max_ns + min_ns) / 2);
    outage.error_us = (max_ns - min_ns) / 2000 + 1;
    return outage;
}

static enum stf_kind add_outage(struct stf_probe_report *report, const struct loss_run *run, int64_t interval_ns,
                                struct stf_err *err)
{
    struct stf_probe_outage outage = outage_of(run, interval_ns, report->round_trip.p99_us * 1000);

    if (!report->has_longest || outage.duration_us > report->longest.duration_us)
        report->longest = outage;
    report->has_longest = true;
    if (report->outage_count == STF_PROBE_OUTAGES_MAX)
        return STF_OK;
    if (!report->outages)
        report->outages = malloc(STF_PROBE_OUTAGES_MAX * sizeof *report->outages);
    if (!report->outages)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.report", NULL, "no memory for the list of outages");
    report->outages[report->outage_count++] = outage;
    return STF_OK;
}

/* Uses report->round_trip. */
static enum stf_kind find_outages(const struct stf_probe_log *log, struct stf_probe_report *report, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct loss_run run = {0};

    for (size_t i = 0; i < log->count && kind == STF_OK; i++) {
        const struct stf_probe_sample *sample = &log->samples[i];
        if (sample->outcome == STF_PROBE_PENDING)
            continue;
        if (sample->outcome != STF_PROBE_ANSWERED) {
            run.first_lost = run.first_lost ? run.first_lost : sample;
            run.last_lost = sample;
            run.lost++;
            continue;
        }
        run.first_answered = sample;
        if (run.lost)
            kind = add_outage(report, &run, log->interval_ns, err);
        run = (struct loss_run){.last_answered = sample};
    }
    if (kind == STF_OK && run.lost)
        kind = add_outage(report, &run, log->interval_ns, err);
    return kind;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* The smallest value that at least `percent` of the values do not exceed (nearest rank); `values` are sorted, count >
 * 0. */
static int64_t rank_us(const uint32_t *values, size_t count, unsigned percent)
{
    size_t rank = (count * percent + 99) / 100;
    return us_from_ns(values[rank - 1]);
}

static struct stf_probe_quantiles quantiles_of(uint32_t *values, size_t count)
{
    if (count == 0)
        return (struct stf_probe_quantiles){0};
    qsort(values, count, sizeof *values, compare_u32);
    return (struct stf_probe_quantiles){
        .p50_us = rank_us(values, count, 50),
        .p90_us = rank_us(values, count, 90),
        .p99_us = rank_us(values, count, 99),
        .max_us = rank_us(values, count, 100),
    };
}

static enum stf_probe_clock clock_of(uint64_t stamped, uint64_t all)
{
    if (stamped == 0)
        return STF_PROBE_CLOCK_PROGRAM;
    return stamped == all ? STF_PROBE_CLOCK_KERNEL : STF_PROBE_CLOCK_MIXED;
}

static enum stf_kind measure_times(const struct stf_probe_log *log, struct stf_probe_report *report,
                                   struct stf_err *err)
{
    uint32_t *values = malloc(log->count ? log->count * sizeof *values : 1);
    uint64_t sent_stamps = 0, answer_stamps = 0;
    size_t answered = 0;

    if (!values)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.report", NULL, "no memory to sort %zu samples", log->count);
    for (size_t i = 0; i < log->count; i++) {
        values[i] = log->samples[i].woken_late_ns;
        sent_stamps += (log->samples[i].stamps & STF_PROBE_STAMP_SENT) != 0;
        answer_stamps += (log->samples[i].stamps & STF_PROBE_STAMP_ANSWER) != 0;
    }
    report->jitter = quantiles_of(values, log->count);
    for (size_t i = 0; i < log->count; i++)
        if (log->samples[i].outcome == STF_PROBE_ANSWERED)
            values[answered++] = log->samples[i].latency_ns;
    report->latency = quantiles_of(values, answered);
    answered = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct stf_probe_sample *sample = &log->samples[i];
        if (sample->outcome == STF_PROBE_ANSWERED)
            values[answered++] = sample->latency_ns - sample->sent_early_ns;
    }
    report->round_trip = quantiles_of(values, answered);
    report->sent_clock = clock_of(sent_stamps, log->count);
    report->answer_clock = clock_of(answer_stamps, report->answered);
    free(values);
    return STF_OK;
}

static struct stf_probe_loss_pattern pattern_of(const struct stf_probe_log *log)
{
    struct stf_probe_loss_pattern pattern = {0};
    uint64_t place = 0, last_lost = 0, period = 0; /* places are counted from 1 */
    for (size_t i = 0; i < log->count; i++) {
        if (log->samples[i].outcome == STF_PROBE_PENDING)
            continue;
        place++;
        if (log->samples[i].outcome == STF_PROBE_ANSWERED) {
            period = 0;
            continue;
        }
        uint64_t distance = last_lost ? place - last_lost : 0;
        pattern.noticeable += distance > 0 && distance <= STF_PROBE_NOTICEABLE;
        if (period == 0) {
            pattern.periods++;
            if (distance && (!pattern.shortest_gap || distance < pattern.shortest_gap))
                pattern.shortest_gap = distance;
        }
        period++;
        pattern.longest_period = period > pattern.longest_period ? period : pattern.longest_period;
        last_lost = place;
    }
    return pattern;
}

static int64_t longest_blind_ns(const struct stf_probe_log *log)
{
    int64_t longest_ns = 0, previous_ns = log->first_tick_ns - log->interval_ns;
    for (size_t i = 0; i < log->count; i++) {
        longest_ns = max_of(longest_ns, log->samples[i].intended_ns - previous_ns - log->interval_ns);
        previous_ns = log->samples[i].intended_ns;
    }
    return max_of(longest_ns, log->last_tick_ns - previous_ns);
}

enum stf_kind stf_probe_report_make(const struct stf_probe_log *log, struct stf_probe_report *report,
                                    struct stf_err *err)
{
    memset(report, 0, sizeof *report);
    report->sent = log->count;
    for (size_t i = 0; i < log->count; i++)
        report->outcomes[log->samples[i].outcome]++;
    report->answered = report->outcomes[STF_PROBE_ANSWERED];
    report->unfinished = report->outcomes[STF_PROBE_PENDING];
    report->lost = report->sent - report->answered - report->unfinished;
    report->shed = log->shed_missed + log->shed_in_flight + log->shed_no_resources;
    report->loss_derived_us = us_from_ns((int64_t)report->lost * log->interval_ns);
    report->pattern = pattern_of(log);
    report->longest_blind_us = us_from_ns(longest_blind_ns(log));

    enum stf_kind kind = measure_times(log, report, err);
    if (kind == STF_OK)
        kind = find_outages(log, report, err);
    if (kind)
        stf_probe_report_fini(report);
    return kind;
}

void stf_probe_report_fini(struct stf_probe_report *report)
{
    free(report->outages);
    report->outages = NULL;
    report->outage_count = 0;
}
