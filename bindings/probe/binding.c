/* binding.c - the probe binding's verbs: documents in, documents out. It only looks at hosts, so it has no resources.
 * Must never turn a target that does not answer into an error: that is a result. SPDX-License-Identifier: MIT */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/handles.h"
#include "once.h"
#include "probe.h"
#include "report.h"

enum { LINE_MAX_BYTES = 256 };

struct timeouts {
    int64_t max_ms, default_ms;
};

static void destroy_probe(void *probe)
{
    stf_probe_free(probe);
}

static void *binding_open(void)
{
    return stf_handles_new(destroy_probe);
}

static void binding_close(void *self)
{
    stf_handles_free(self);
}

static enum stf_kind check_line(const char *verb, const char *key, const char *line, struct stf_err *err)
{
    if (!line || (line[0] && strlen(line) <= LINE_MAX_BYTES))
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, verb, key, "'%s' has %zu bytes: expected 1 to %d", key, strlen(line),
                       LINE_MAX_BYTES);
}

static enum stf_kind read_target(const char *verb, const struct stf_host *host, const json_t *args,
                                 struct timeouts timeouts, struct stf_probe_target *target, struct stf_err *err)
{
    int64_t port = 0;
    enum stf_kind kind = stf_doc_string(args, "target", &target->address, err);

    target->netns = host->netns;
    if (kind == STF_OK)
        kind = stf_doc_int(args, "port", 1, UINT16_MAX, &port, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "send", NULL, &target->send, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "expect", NULL, &target->expect, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "timeout_ms", 1, timeouts.max_ms, timeouts.default_ms, &target->timeout_ms, err);
    if (kind == STF_OK)
        kind = check_line(verb, "send", target->send, err);
    if (kind == STF_OK)
        kind = check_line(verb, "expect", target->expect, err);
    target->port = (uint16_t)port;
    return kind;
}

static enum stf_kind check_method(const struct stf_probe_target *target, const char *method, struct stf_err *err)
{
    if (strcmp(method, "tcp") == 0) {
        if (!target->send && !target->expect)
            return STF_OK;
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", method,
                           "method 'tcp' only connects: use 'tcp_line' with 'send' and 'expect'");
    }
    if (strcmp(method, "tcp_line") == 0) {
        if (target->expect)
            return STF_OK;
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", method,
                           "method 'tcp_line' needs 'expect', the text that a good answer contains");
    }
    return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", method,
                       "method '%s' is unknown: expected 'tcp' or 'tcp_line'", method);
}

static enum stf_kind verb_start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                struct stf_err *err)
{
    static const char *const keys[] = {"target", "port", "method", "send", "expect", "interval_us", "timeout_ms", NULL};
    static const struct timeouts timeouts = {STF_PROBE_TIMEOUT_MAX_MS, STF_PROBE_TIMEOUT_MS};
    struct stf_probe_options options = {0};
    struct stf_probe *probe = NULL;
    const char *method = NULL;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.start", err);
    if (kind == STF_OK)
        kind = read_target("probe.start", host, args, timeouts, &options.target, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "method", "tcp", &method, err);
    if (kind == STF_OK)
        kind = check_method(&options.target, method, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "interval_us", STF_PROBE_INTERVAL_MIN_US, STF_PROBE_INTERVAL_MAX_US,
                               STF_PROBE_INTERVAL_US, &options.interval_us, err);
    if (kind == STF_OK)
        kind = stf_probe_start(&options, &probe, err);
    if (kind)
        return kind;
    json_t *number = json_integer(0);
    int64_t handle = number && (*result = json_pack("{s:O}", "handle", number)) ? stf_handles_put(self, probe) : 0;
    json_integer_set(number, handle);
    json_decref(number);
    if (handle)
        return STF_OK;
    json_decref(*result);
    *result = NULL;
    stf_probe_free(probe);
    return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", options.target.address, "no memory for the handle");
}

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
        "{s:b, s:b, s:o, s:I, s:o, s:I, s:I, s:o, s:o, s:I}", "is_open", outage->is_open, "is_open_at_start",
        outage->is_open_at_start, "last_answered_ns", int_or_null(!outage->is_open_at_start, outage->last_answered_ns),
        "first_lost_ns", (json_int_t)outage->first_lost_ns, "first_answered_ns",
        int_or_null(!outage->is_open, outage->first_answered_ns), "lost", (json_int_t)outage->lost, "duration_us",
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
        if (report->outcomes[i])
            json_object_set_new(doc, stf_probe_outcome_name(i), json_integer((json_int_t)report->outcomes[i]));
    }
    return doc;
}

static json_t *report_doc(const struct stf_probe *probe, const struct stf_probe_report *report)
{
    const struct stf_probe_options *options = stf_probe_get_options(probe);
    const struct stf_probe_log *log = stf_probe_get_log(probe);
    return json_pack(
        "{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:{s:I, s:I, s:I}, s:I, s:I, s:o, s:o, s:I, "
        "s:I, s:o, s:o}",
        "target", options->target.address, "port", options->target.port, "method",
        options->target.expect ? "tcp_line" : "tcp", "interval_us", (json_int_t)options->interval_us, "timeout_ms",
        (json_int_t)options->target.timeout_ms, "first_tick_ns", (json_int_t)log->first_tick_ns, "last_tick_ns",
        (json_int_t)log->last_tick_ns, "sent", (json_int_t)report->sent, "answered", (json_int_t)report->answered,
        "lost", (json_int_t)report->lost, "unfinished", (json_int_t)report->unfinished, "failures",
        failures_doc(report), "shed", (json_int_t)report->shed, "shed_by", "missed", (json_int_t)log->shed_missed,
        "in_flight", (json_int_t)log->shed_in_flight, "no_resources", (json_int_t)log->shed_no_resources, "unrecorded",
        (json_int_t)log->unrecorded, "longest_blind_us", (json_int_t)report->longest_blind_us, "jitter",
        report->sent ? quantiles_doc(&report->jitter) : json_null(), "latency",
        report->answered ? quantiles_doc(&report->latency) : json_null(), "loss_periods",
        (json_int_t)report->loss_periods, "loss_derived_us", (json_int_t)report->loss_derived_us, "longest",
        report->has_longest ? outage_doc(&report->longest) : json_null(), "outages", outages_doc(report));
}

static enum stf_kind verb_stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const keys[] = {"handle", "linger_ms", NULL};
    struct stf_probe_report report = {0};
    int64_t handle = 0, linger_ms = 0;
    void *probe = NULL;
    (void)host;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.stop", err);
    if (kind == STF_OK)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &handle, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "linger_ms", 0, STF_PROBE_TIMEOUT_MAX_MS, -1, &linger_ms, err);
    if (kind == STF_OK)
        kind = stf_handles_take(self, handle, &probe, err);
    if (kind == STF_OK)
        kind = stf_probe_stop(probe, linger_ms, err);
    if (kind == STF_OK)
        kind = stf_probe_report_make(stf_probe_get_log(probe), &report, err);
    if (kind == STF_OK && !(*result = report_doc(probe, &report)))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "probe.stop", NULL, "no memory for the report");
    stf_probe_report_fini(&report);
    stf_probe_free(probe);
    return kind;
}

static enum stf_kind verb_once(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const keys[] = {"target", "port", "send", "expect", "timeout_ms", NULL};
    static const struct timeouts timeouts = {STF_PROBE_ONCE_TIMEOUT_MAX_MS, STF_PROBE_ONCE_TIMEOUT_MS};
    struct stf_probe_target target = {0};
    struct stf_probe_answer answer = {0};
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.once", err);
    if (kind == STF_OK)
        kind = read_target("probe.once", host, args, timeouts, &target, err);
    if (kind == STF_OK)
        kind = stf_probe_once(&target, &answer, err);
    if (kind)
        return kind;
    bool is_answered = answer.outcome == STF_PROBE_ANSWERED;
    *result = json_pack("{s:b, s:I, s:s*, s:s*}", "answered", is_answered, "latency_us", (json_int_t)answer.latency_us,
                        "received", answer.received[0] ? answer.received : NULL, "failure",
                        is_answered ? NULL : stf_probe_outcome_name(answer.outcome));
    if (!*result)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.once", target.address, "no memory for the answer");
    return STF_OK;
}

static const struct stf_verb verbs[] = {
    {"probe.start", "probe", verb_start},
    {"probe.stop", "probe", verb_stop},
    {"probe.once", "probe", verb_once},
    {NULL, NULL, NULL},
};

const struct stf_binding stf_probe_binding = {
    .name = "probe", .open = binding_open, .close = binding_close, .verbs = verbs};
