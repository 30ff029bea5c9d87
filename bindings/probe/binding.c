/* binding.c - the probe binding's verbs: documents in, documents out. It only looks at hosts, so it has no resources.
 * Must never turn a target that does not answer into an error: that is a result. SPDX-License-Identifier: MIT */
#include "binding.h"

#include <string.h>

#include "common/doc.h"
#include "common/handles.h"
#include "document.h"
#include "once.h"

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

/* The method is "tcp" when nothing is said or expected, "tcp_line" when something is, unless it is named. */
static enum stf_kind read_ask(const json_t *args, struct stf_ask *ask, struct stf_err *err)
{
    struct stf_ask_options options = {0};
    enum stf_kind kind = stf_doc_opt_string(args, "send", NULL, &options.send, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "expect", NULL, &options.expect, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "method", NULL, &options.method, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "path", NULL, &options.path, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(args, "host", NULL, &options.host, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_bool(args, "head", false, &options.is_head, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "status", 100, 599, 0, &options.status, err);
    if (!options.method)
        options.method = options.send || options.expect ? "tcp_line" : "tcp";
    return kind == STF_OK ? stf_ask_make(&options, ask, err) : kind;
}

/* The method's own when left out. ICMP has none. */
static enum stf_kind read_port(const json_t *args, const struct stf_ask_method *method, uint16_t *port,
                               struct stf_err *err)
{
    int64_t number = 0;
    if (method->transport == STF_ASK_ICMP && json_object_get(args, "port"))
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe", method->name, "method 'icmp' has no port");
    bool is_optional = method->port || method->transport == STF_ASK_ICMP;
    enum stf_kind kind = is_optional ? stf_doc_opt_int(args, "port", 1, UINT16_MAX, method->port, &number, err)
                                     : stf_doc_int(args, "port", 1, UINT16_MAX, &number, err);
    *port = (uint16_t)number;
    return kind;
}

/* "target", or the list "targets"; *targets is malloc'ed. */
static enum stf_kind read_targets(const json_t *args, uint16_t port, struct stf_probe_target **targets, size_t *count,
                                  struct stf_err *err)
{
    const json_t *one = json_object_get(args, "target"), *many = json_object_get(args, "targets");
    if ((one != NULL) == (many != NULL))
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", NULL, "expected either 'target' or 'targets'");
    *count = many ? json_array_size(many) : 1;
    if (*count == 0 || *count > STF_PROBE_TARGETS_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", NULL, "'targets' is no list of 1 to %d addresses",
                           STF_PROBE_TARGETS_MAX);
    *targets = calloc(*count, sizeof **targets);
    if (!*targets)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", NULL, "no memory for %zu targets", *count);
    for (size_t i = 0; i < *count; i++) {
        const char *address = json_string_value(many ? json_array_get(many, i) : one);
        if (!address)
            return stf_err_set(err, STF_INVALID_DATA, 0, "probe.start", NULL, "a target is no string");
        enum stf_kind kind = stf_probe_target_make(address, port, &(*targets)[i], err);
        if (kind)
            return kind;
    }
    return STF_OK;
}

/* Gives the probe to the script, as {handle}, or ends it. */
static enum stf_kind hand_over(void *self, struct stf_probe *probe, json_t **result, struct stf_err *err)
{
    json_t *number = json_integer(0);
    int64_t handle = number && (*result = json_pack("{s:O}", "handle", number)) ? stf_handles_put(self, probe) : 0;
    json_integer_set(number, handle);
    json_decref(number);
    if (handle)
        return STF_OK;
    json_decref(*result);
    *result = NULL;
    stf_probe_free(probe);
    return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", NULL, "no memory for the handle");
}

static enum stf_kind verb_start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                struct stf_err *err)
{
    static const char *const keys[] = {"target",      "targets",    "port",       "method", "send",
                                       "expect",      "path",       "host",       "head",   "status",
                                       "interval_us", "timeout_ms", "give_up_ms", "count",  NULL};
    struct stf_probe_options options = {.netns = host->netns};
    struct stf_probe_target *targets = NULL;
    struct stf_probe *probe = NULL;
    int64_t places = 0;
    uint16_t port = 0;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.start", err);
    if (kind == STF_OK)
        kind = read_ask(args, &options.ask, err);
    if (kind == STF_OK)
        kind = read_port(args, options.ask.method, &port, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "interval_us", STF_PROBE_INTERVAL_MIN_US, STF_PROBE_INTERVAL_MAX_US,
                               STF_PROBE_INTERVAL_US, &options.interval_us, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "timeout_ms", 1, STF_PROBE_TIMEOUT_MAX_MS, STF_PROBE_TIMEOUT_MS,
                               &options.timeout_ms, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "give_up_ms", 1, STF_PROBE_GIVE_UP_MAX_MS, STF_PROBE_GIVE_UP_MS,
                               &options.give_up_ms, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "count", 1, STF_PROBE_SAMPLES_MAX, 0, &places, err);
    if (kind == STF_OK)
        kind = read_targets(args, port, &targets, &options.target_count, err);
    options.targets = targets;
    options.is_list = json_object_get(args, "targets") != NULL;
    options.places = (uint64_t)places;
    if (kind == STF_OK)
        kind = stf_probe_start(&options, &probe, err);
    free(targets);
    return kind == STF_OK ? hand_over(self, probe, result, err) : kind;
}

/* The part of the schedule whose samples are wanted, too. */
struct span {
    bool is_wanted;
    int64_t from_ns;
    int64_t to_ns;
};

static enum stf_kind read_span(const json_t *args, struct span *span, struct stf_err *err)
{
    static const char *const keys[] = {"from_ns", "to_ns", NULL};
    const json_t *samples = json_object_get(args, "samples");
    span->is_wanted = samples != NULL;
    if (!samples)
        return STF_OK;
    enum stf_kind kind = stf_doc_check_keys(samples, keys, "probe.stop", err);
    if (kind == STF_OK)
        kind = stf_doc_int(samples, "from_ns", 0, INT64_MAX, &span->from_ns, err);
    if (kind == STF_OK)
        kind = stf_doc_int(samples, "to_ns", span->from_ns, INT64_MAX, &span->to_ns, err);
    return kind;
}

static bool add_samples(json_t *reports, const struct stf_probe *probe, const struct span *span)
{
    size_t i;
    json_t *report;
    json_array_foreach (reports, i, report) {
        const struct stf_probe_log *log = stf_probe_get_log(probe, i);
        if (json_object_set_new(report, "samples", stf_probe_samples_doc(log, span->from_ns, span->to_ns)) < 0)
            return false;
    }
    return true;
}

/* A probe of "target" is told as one report, one of "targets" as {reports}. */
static enum stf_kind tell(const struct stf_probe *probe, const struct span *span, json_t **result, struct stf_err *err)
{
    bool is_list = stf_probe_get_options(probe)->is_list;
    json_t *reports = NULL;
    enum stf_kind kind = stf_probe_reports(probe, &reports, err);
    if (kind)
        return kind;
    if (!span->is_wanted || add_samples(reports, probe, span))
        *result = is_list ? json_pack("{s:O}", "reports", reports) : json_incref(json_array_get(reports, 0));
    json_decref(reports);
    if (*result)
        return STF_OK;
    return stf_err_set(err, STF_NO_MEMORY, 0, "probe.stop", NULL, "no memory for the reports");
}

static enum stf_kind verb_stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const keys[] = {"handle", "linger_ms", "samples", NULL};
    int64_t handle = 0, linger_ms = 0;
    struct span span;
    void *probe = NULL;
    (void)host;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.stop", err);
    if (kind == STF_OK)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &handle, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "linger_ms", 0, STF_PROBE_TIMEOUT_MAX_MS, -1, &linger_ms, err);
    if (kind == STF_OK)
        kind = read_span(args, &span, err);
    if (kind == STF_OK)
        kind = stf_handles_take(self, handle, &probe, err);
    if (kind == STF_OK)
        kind = stf_probe_stop(probe, linger_ms, err);
    if (kind == STF_OK)
        kind = tell(probe, &span, result, err);
    stf_probe_free(probe);
    return kind;
}

static enum stf_kind verb_once(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const keys[] = {"target", "port", "method", "send",       "expect", "path",
                                       "host",   "head", "status", "timeout_ms", NULL};
    struct stf_probe_question question = {.netns = host->netns};
    struct stf_probe_answer answer = {0};
    const char *address = NULL;
    uint16_t port = 0;
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, keys, "probe.once", err);
    if (kind == STF_OK)
        kind = read_ask(args, &question.ask, err);
    if (kind == STF_OK)
        kind = read_port(args, question.ask.method, &port, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(args, "timeout_ms", 1, STF_PROBE_ONCE_TIMEOUT_MAX_MS, STF_PROBE_ONCE_TIMEOUT_MS,
                               &question.timeout_ms, err);
    if (kind == STF_OK)
        kind = stf_doc_string(args, "target", &address, err);
    if (kind == STF_OK)
        kind = stf_probe_target_make(address, port, &question.target, err);
    if (kind == STF_OK)
        kind = stf_probe_once(&question, &answer, err);
    if (kind)
        return kind;
    bool is_answered = answer.outcome == STF_PROBE_ANSWERED;
    *result = json_pack("{s:b, s:I, s:s*, s:s*}", "answered", is_answered, "latency_us", (json_int_t)answer.latency_us,
                        "received", answer.received[0] ? answer.received : NULL, "failure",
                        is_answered ? NULL : stf_probe_outcome_name(answer.outcome));
    if (!*result)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.once", address, "no memory for the answer");
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
