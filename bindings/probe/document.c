/* document.c - a probe's report as JSON. Must never leave a figure out because it is unknown: null says so.
 * SPDX-License-Identifier: MIT */
#include "document.h"

#include <stdbool.h>

#include "report.h"
#include "session.h"

static json_t *quantiles_doc(const struct stf_probe_quantiles *quantiles)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "p50_us", (json_int_t)quantiles->p50_us, "p90_us",
                     (json_int_t)quantiles->p90_us, "p99_us", (json_int_t)quantiles->p99_us, "max_us",
                     (json_int_t)quantiles->max_us);
}

static json_t *int_or_null(bool is_known, int64_t value)
{
    return is_known ? json_integer(value) : json_null();
}

static json_t *outage_doc(const struct stf_probe_outage *outage)
{
    return json_pack(
        "{s:b, s:b, s:o, s:I, s:o, s:o, s:I, s:I, s:o, s:o, s:I}", "is_open", outage->is_open, "is_open_at_start",
        outage->is_open_at_start, "last_answered_ns", int_or_null(!outage->is_open_at_start, outage->last_answered_ns),
        "first_lost_ns", (json_int_t)outage->first_lost_ns, "first_answered_ns",
        int_or_null(!outage->is_open, outage->first_answered_ns), "first_answer_ns",
        int_or_null(!outage->is_open, outage->first_answer_ns), "lost", (json_int_t)outage->lost, "duration_us",
        (json_int_t)outage->duration_us, "error_us", int_or_null(outage->error_us >= 0, outage->error_us),
        "timestamp_derived_us", int_or_null(outage->timestamp_derived_us >= 0, outage->timestamp_derived_us),
        "loss_derived_us", (json_int_t)outage->loss_derived_us);
}

static json_t *outages_doc(const struct stf_probe_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < report->outage_count; i++) {
        if (json_array_append_new(list, outage_doc(&report->outages[i])) == 0)
            continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static json_t *failures_doc(const struct stf_probe_report *report)
{
    json_t *doc = json_object();
    for (int i = STF_PROBE_ANSWERED + 1; doc && i < STF_PROBE_OUTCOMES; i++) {
        if (report->outcomes[i] == 0 ||
            json_object_set_new(doc, stf_probe_outcome_name(i), json_integer((json_int_t)report->outcomes[i])) == 0)
            continue;
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

static const char *clock_name(enum stf_probe_clock clock)
{
    static const char *const names[] = {
        [STF_PROBE_CLOCK_PROGRAM] = "program", [STF_PROBE_CLOCK_KERNEL] = "kernel", [STF_PROBE_CLOCK_MIXED] = "mixed"};
    return names[clock];
}

static json_t *shed_doc(const struct stf_probe_log *log)
{
    return json_pack("{s:I, s:I, s:I}", "missed", (json_int_t)log->shed_missed, "in_flight",
                     (json_int_t)log->shed_in_flight, "no_resources", (json_int_t)log->shed_no_resources);
}

static json_t *pattern_doc(const struct stf_probe_loss_pattern *pattern)
{
    return json_pack("{s:I, s:o, s:I}", "longest_period", (json_int_t)pattern->longest_period, "shortest_gap",
                     int_or_null(pattern->shortest_gap > 0, (json_int_t)pattern->shortest_gap), "noticeable",
                     (json_int_t)pattern->noticeable);
}

/* What was sent and what became of it. */
static json_t *counts_doc(const struct stf_probe_log *log, const struct stf_probe_report *report)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:I, s:I, s:I, s:I}", "sent", (json_int_t)report->sent,
                     "answered", (json_int_t)report->answered, "lost", (json_int_t)report->lost, "unfinished",
                     (json_int_t)report->unfinished, "failures", failures_doc(report), "shed", (json_int_t)report->shed,
                     "shed_by", shed_doc(log), "unrecorded", (json_int_t)log->unrecorded, "late", (json_int_t)log->late,
                     "duplicates", (json_int_t)log->duplicates, "from_elsewhere", (json_int_t)log->from_elsewhere);
}

static json_t *times_doc(const struct stf_probe_log *log, const struct stf_probe_report *report)
{
    return json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:s, s:s}", "first_tick_ns", (json_int_t)log->first_tick_ns,
                     "last_tick_ns", (json_int_t)log->last_tick_ns, "longest_blind_us",
                     (json_int_t)report->longest_blind_us, "jitter",
                     report->sent ? quantiles_doc(&report->jitter) : json_null(), "latency",
                     report->answered ? quantiles_doc(&report->latency) : json_null(), "round_trip",
                     report->answered ? quantiles_doc(&report->round_trip) : json_null(), "sent_clock",
                     clock_name(report->sent_clock), "answer_clock", clock_name(report->answer_clock));
}

static json_t *losses_doc(const struct stf_probe_report *report)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o}", "loss_periods", (json_int_t)report->pattern.periods,
                     "loss_derived_us", (json_int_t)report->loss_derived_us, "loss_pattern",
                     pattern_doc(&report->pattern), "longest",
                     report->has_longest ? outage_doc(&report->longest) : json_null(), "outages", outages_doc(report));
}

/* Moves the members of `part` into `doc`. */
static bool merge(json_t *doc, json_t *part)
{
    bool is_merged = part && json_object_update(doc, part) == 0;
    json_decref(part);
    return is_merged;
}

/* How the connection ended, or null. */
static json_t *end_doc(const struct stf_probe_log *log)
{
    if (!log->ended_ns)
        return json_null();
    return json_pack("{s:s, s:I}", "how", stf_session_end_name(log->end), "at_ns", (json_int_t)log->ended_ns);
}

static json_t *report_doc(const struct stf_probe *probe, size_t i, const struct stf_probe_report *report)
{
    const struct stf_probe_options *options = stf_probe_get_options(probe);
    const struct stf_probe_log *log = stf_probe_get_log(probe, i);
    json_t *doc = json_pack("{s:s, s:o, s:s, s:I, s:I, s:I, s:o}", "target", options->targets[i].name, "port",
                            int_or_null(options->targets[i].port > 0, options->targets[i].port), "method",
                            options->ask.method->name, "interval_us", (json_int_t)options->interval_us, "timeout_ms",
                            (json_int_t)options->timeout_ms, "socket_dropped", (json_int_t)stf_probe_dropped(probe),
                            "ended", end_doc(log));
    bool is_whole = doc && merge(doc, counts_doc(log, report)) && merge(doc, times_doc(log, report)) &&
                    merge(doc, losses_doc(report));
    if (is_whole)
        return doc;
    json_decref(doc);
    return NULL;
}

enum stf_kind stf_probe_reports(const struct stf_probe *probe, json_t **reports, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    json_t *list = json_array();
    for (size_t i = 0; list && i < stf_probe_get_options(probe)->target_count && kind == STF_OK; i++) {
        struct stf_probe_report report;
        kind = stf_probe_report_make(stf_probe_get_log(probe, i), &report, err);
        if (kind)
            break;
        if (json_array_append_new(list, report_doc(probe, i, &report)) < 0) {
            json_decref(list);
            list = NULL;
        }
        stf_probe_report_fini(&report);
    }
    if (kind == STF_OK && !list)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "probe.report", NULL, "no memory for the report");
    if (kind == STF_OK)
        *reports = list;
    else
        json_decref(list);
    return kind;
}

/* Adds to a list, which is freed and NULL once memory is out. */
static void add_int(json_t **list, int64_t value)
{
    if (*list && json_array_append_new(*list, json_integer(value)) == 0)
        return;
    json_decref(*list);
    *list = NULL;
}

json_t *stf_probe_samples_doc(const struct stf_probe_log *log, int64_t from_ns, int64_t to_ns)
{
    size_t first = 0, end = log->count;
    while (first < end && log->samples[first].intended_ns < from_ns)
        first++;
    while (end > first && log->samples[end - 1].intended_ns > to_ns)
        end--;
    size_t every = (end - first) / STF_PROBE_TOLD_SAMPLES_MAX + 1;
    json_t *answered = json_array(), *latency = json_array(), *lost = json_array();
    for (size_t i = first; i < end; i += every) {
        const struct stf_probe_sample *sample = &log->samples[i];
        if (sample->outcome == STF_PROBE_ANSWERED) {
            add_int(&answered, sample->intended_ns);
            add_int(&latency, sample->latency_ns / 1000);
        } else if (sample->outcome != STF_PROBE_PENDING) {
            add_int(&lost, sample->intended_ns);
        }
    }
    return json_pack("{s:I, s:o, s:o, s:o}", "every", (json_int_t)every, "answered_ns", answered, "latency_us", latency,
                     "lost_ns", lost);
}
