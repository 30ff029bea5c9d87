/* cmd_probe_report.c - a probe's figures as a person reads them. Must never print a figure without what bounds it.
 * SPDX-License-Identifier: MIT */
#include "cmd_probe.h"

enum { OUTAGES_SHOWN = 20 };

static long long number(const json_t *doc, const char *key)
{
    return (long long)json_integer_value(json_object_get(doc, key));
}

static double ms(const json_t *doc, const char *key)
{
    return (double)number(doc, key) / 1000;
}

void stf_probe_live_show(FILE *stream, const struct stf_probe_progress *progress)
{
    fprintf(stream, "\r\033[Ksent %llu  answered %llu  lost %llu  shed %llu  last answer after %.3f ms",
            (unsigned long long)progress->sent, (unsigned long long)progress->answered,
            (unsigned long long)progress->lost, (unsigned long long)progress->shed, (double)progress->latency_ns / 1e6);
    fflush(stream);
}

void stf_probe_live_end(FILE *stream)
{
    fputs("\r\033[K", stream);
    fflush(stream);
}

static void print_counts(FILE *stream, const json_t *report)
{
    const char *cause;
    const json_t *count;
    fprintf(stream, "  sent %lld, answered %lld, lost %lld", number(report, "sent"), number(report, "answered"),
            number(report, "lost"));
    json_object_foreach (json_object_get(report, "failures"), cause, count)
        fprintf(stream, ", %s %lld", cause, (long long)json_integer_value(count));
    static const struct {
        const char *key, *words;
    } rare[] = {{"unfinished", "unfinished"},
                {"late", "answered too late"},
                {"duplicates", "answered twice"},
                {"from_elsewhere", "answered from another address"},
                {"socket_dropped", "dropped by this machine's socket"},
                {"unrecorded", "not sent, as no more samples are kept"}};
    for (size_t i = 0; i < sizeof rare / sizeof *rare; i++)
        if (number(report, rare[i].key))
            fprintf(stream, ", %s %lld", rare[i].words, number(report, rare[i].key));
    fputc('\n', stream);
    const json_t *shed = json_object_get(report, "shed_by");
    if (number(report, "shed"))
        fprintf(stream, "  shed %lld: missed %lld, too many in flight %lld, no resources %lld; longest blind %.3f ms\n",
                number(report, "shed"), number(shed, "missed"), number(shed, "in_flight"), number(shed, "no_resources"),
                ms(report, "longest_blind_us"));
}

static void print_quantiles(FILE *stream, const char *name, const json_t *quantiles, const char *words)
{
    if (!json_is_object(quantiles))
        return;
    fprintf(stream, "  %-10s p50 %.3f  p90 %.3f  p99 %.3f  max %.3f ms  %s\n", name, ms(quantiles, "p50_us"),
            ms(quantiles, "p90_us"), ms(quantiles, "p99_us"), ms(quantiles, "max_us"), words);
}

static void print_outage(FILE *stream, const json_t *report, const json_t *outage)
{
    double at_s = (double)(number(outage, "first_lost_ns") - number(report, "first_tick_ns")) / 1e9;
    fprintf(stream, "  outage     at %.3f s: ", at_s);
    if (json_is_null(json_object_get(outage, "error_us")))
        fprintf(stream, "%.3f ms at least, %s", ms(outage, "duration_us"),
                json_is_true(json_object_get(outage, "is_open")) ? "not over" : "begun before");
    else
        fprintf(stream, "%.3f ms +- %.3f", ms(outage, "duration_us"), ms(outage, "error_us"));
    fprintf(stream, ", %lld lost (RFC 6201: by loss %.3f", number(outage, "lost"), ms(outage, "loss_derived_us"));
    if (!json_is_null(json_object_get(outage, "timestamp_derived_us")))
        fprintf(stream, ", by time stamps %.3f", ms(outage, "timestamp_derived_us"));
    fputs(" ms)\n", stream);
}

static void print_end(FILE *stream, const json_t *report)
{
    const json_t *ended = json_object_get(report, "ended");
    if (json_is_object(ended))
        fprintf(stream, "  connection ended at %.3f s: %s\n",
                (double)(number(ended, "at_ns") - number(report, "first_tick_ns")) / 1e9, stf_cli_text(ended, "how"));
}

static void print_outages(FILE *stream, const json_t *report)
{
    const json_t *outages = json_object_get(report, "outages");
    const json_t *pattern = json_object_get(report, "loss_pattern");
    for (size_t i = 0; i < json_array_size(outages) && i < OUTAGES_SHOWN; i++)
        print_outage(stream, report, json_array_get(outages, i));
    long long periods = number(report, "loss_periods");
    if (periods > OUTAGES_SHOWN)
        fprintf(stream, "  and %lld more; the longest: %.3f ms\n", periods - OUTAGES_SHOWN,
                ms(json_object_get(report, "longest"), "duration_us"));
    if (periods > 1)
        fprintf(stream,
                "  losses     %lld periods (RFC 3357), the longest of %lld, the nearest two %lld attempts apart\n",
                periods, number(pattern, "longest_period"), number(pattern, "shortest_gap"));
}

void stf_probe_report_print(FILE *stream, const json_t *report)
{
    char clock[64];
    fputs(stf_cli_text(report, "target"), stream);
    if (number(report, "port"))
        fprintf(stream, " port %lld", number(report, "port"));
    fprintf(stream, ", %s every %.3f ms\n", stf_cli_text(report, "method"), ms(report, "interval_us"));
    print_counts(stream, report);
    snprintf(clock, sizeof clock, "clocks: sent %s, answered %s", stf_cli_text(report, "sent_clock"),
             stf_cli_text(report, "answer_clock"));
    print_quantiles(stream, "latency", json_object_get(report, "latency"), "from the intended time");
    print_quantiles(stream, "round trip", json_object_get(report, "round_trip"), clock);
    print_quantiles(stream, "jitter", json_object_get(report, "jitter"), "of this machine's schedule");
    print_outages(stream, report);
    print_end(stream, report);
}
