/* output.c - a run as a person reads it: one line per thing that happened, colour only on a terminal.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "timeline.h"

void stf_output_init(struct stf_output *output, FILE *stream)
{
    *output = (struct stf_output){.stream = stream, .terminal = stf_terminal_look(stream)};
}

static const char *on(const struct stf_output *output, enum stf_colour colour)
{
    return stf_terminal_colour(&output->terminal, colour);
}

static const char *off(const struct stf_output *output)
{
    return stf_terminal_colour(&output->terminal, STF_PLAIN);
}

static long long number(const json_t *doc, const char *key)
{
    return (long long)json_integer_value(json_object_get(doc, key));
}

/* The words of `doc` for one line: its "summary" where it has one. */
static void print_words(const struct stf_output *output, const json_t *doc)
{
    const char *summary = json_string_value(json_object_get(doc, "summary"));
    if (!summary)
        summary = json_string_value(json_object_get(doc, "reason"));
    if (summary) {
        fprintf(output->stream, "%s", summary);
        return;
    }
    char *line = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    fprintf(output->stream, "%s", line ? line : "");
    free(line);
}

static void print_begin(struct stf_output *output, const json_t *event)
{
    fprintf(output->stream, "%s%s%s", on(output, STF_BOLD), stf_cli_text(event, "playbook"), off(output));
    if (number(event, "run"))
        fprintf(output->stream, "  run %lld", number(event, "run"));
    fprintf(output->stream, "%s\n",
            json_is_true(json_object_get(event, "is_plan")) ? "  (plan: nothing is changed)" : "");
}

static void print_host(struct stf_output *output, const json_t *event)
{
    bool is_ok = json_is_true(json_object_get(event, "ok"));
    long long changes = number(event, "changes");
    fprintf(output->stream, "    %s%-10s%s ", on(output, is_ok ? STF_PLAIN : STF_RED), stf_cli_text(event, "host"),
            off(output));
    if (!is_ok)
        fprintf(output->stream, "FAILED: %s\n", stf_cli_text(event, "message"));
    else if (changes)
        fprintf(output->stream, "%lld change%s\n", changes, changes == 1 ? "" : "s");
    else
        fprintf(output->stream, "%sok%s\n", on(output, STF_DIM), off(output));
}

/* "    label      host  text" */
static void print_about_host(struct stf_output *output, const json_t *event, const char *label, const char *key)
{
    fprintf(output->stream, "    %s%-10s%s %s: %s\n", on(output, STF_YELLOW), stf_cli_text(event, "host"), off(output),
            label, stf_cli_text(event, key));
}

static void print_check(struct stf_output *output, const json_t *event)
{
    const json_t *result = json_object_get(event, "result");
    const char *verdict = stf_cli_text(result, "verdict");
    fprintf(output->stream, "    %s%-7s%s %-10s %-20s ", stf_terminal_verdict(&output->terminal, verdict), verdict,
            off(output), stf_cli_text(result, "host"), stf_cli_text(result, "check"));
    print_words(output, json_object_get(result, "evidence"));
    fputc('\n', output->stream);
    if (!output->is_verbose)
        return;
    char *line = json_dumps(json_object_get(result, "evidence"), JSON_COMPACT | JSON_SORT_KEYS);
    fprintf(output->stream, "            %s\n", line ? line : "");
    free(line);
}

static void print_undo(struct stf_output *output, const json_t *event)
{
    const json_t *item = json_object_get(event, "item");
    const json_t *words = json_object_get(item, "describe");
    fprintf(output->stream, "    %-8s %-10s %s: %s", stf_cli_text(item, "outcome"), stf_cli_text(item, "host"),
            stf_cli_text(words, "what"), stf_cli_text(words, "before"));
    const char *error = json_string_value(json_object_get(item, "error"));
    fprintf(output->stream, "%s%s\n", error ? "  " : "", error ? error : "");
}

static void print_measure(struct stf_output *output, const json_t *event)
{
    fprintf(output->stream, "    %s%s%s  ", on(output, STF_BOLD), stf_cli_text(event, "name"), off(output));
    print_words(output, json_object_get(event, "figures"));
    fputc('\n', output->stream);
    const json_t *timeline = json_object_get(json_object_get(event, "figures"), "timeline");
    if (timeline)
        stf_timeline_print(timeline, output->stream);
}

static void print_event(struct stf_output *output, const json_t *event)
{
    const char *name = stf_cli_text(event, "event");
    if (strcmp(name, "begin") == 0)
        print_begin(output, event);
    else if (strcmp(name, "step") == 0)
        fprintf(output->stream, "  %s\n", stf_cli_text(event, "step"));
    else if (strcmp(name, "batch") == 0 && number(event, "batches") > 1)
        fprintf(output->stream, "   batch %lld of %lld\n", number(event, "batch"), number(event, "batches"));
    else if (strcmp(name, "host") == 0)
        print_host(output, event);
    else if (strcmp(name, "retry") == 0)
        print_about_host(output, event, "once more", "message");
    else if (strcmp(name, "skipped") == 0)
        print_about_host(output, event, "skipped", "reason");
    else if (strcmp(name, "check") == 0)
        print_check(output, event);
    else if (strcmp(name, "measure") == 0)
        print_measure(output, event);
    else if (strcmp(name, "note") == 0)
        fprintf(output->stream, "    %s\n", stf_cli_text(event, "text"));
    else if (strcmp(name, "would_act") == 0)
        fprintf(output->stream, "  %s  (not in a plan)\n", stf_cli_text(event, "step"));
    else if (strcmp(name, "would_check") == 0)
        fprintf(output->stream, "  %s  (%lld checks, not in a plan)\n", stf_cli_text(event, "step"),
                number(event, "checks"));
    else if (strcmp(name, "rolling_back") == 0)
        fprintf(output->stream, "  %sputting back what run %lld has changed%s\n", on(output, STF_YELLOW),
                number(event, "run"), off(output));
    else if (strcmp(name, "undo") == 0)
        print_undo(output, event);
    else if (strcmp(name, "interrupted") == 0)
        fprintf(output->stream, "  interrupted: finishing the change under way, then putting everything back "
                                "(once more: stop at once)\n");
    fflush(output->stream);
}

void stf_output_event(void *output, const json_t *event)
{
    struct stf_output *to = output;
    json_t *printable = stf_output_printable(event);
    if (!to->progress || !stf_progress_event(to->progress, printable))
        print_event(to, printable);
    json_decref(printable);
}

/* The changes of one host, in order; nothing when an earlier change has named that host already. */
static void print_host_plan(struct stf_output *output, const json_t *changes, size_t first)
{
    const char *host = stf_cli_text(json_array_get(changes, first), "host");
    for (size_t i = 0; i < first; i++)
        if (strcmp(stf_cli_text(json_array_get(changes, i), "host"), host) == 0)
            return;
    fprintf(output->stream, "\n%s%s%s\n", on(output, STF_BOLD), host, off(output));
    for (size_t i = first; i < json_array_size(changes); i++) {
        const json_t *change = json_array_get(changes, i);
        const json_t *words = json_object_get(change, "describe");
        if (strcmp(stf_cli_text(change, "host"), host) != 0)
            continue;
        fprintf(output->stream, "  %s: %s\n", stf_cli_text(change, "resource"), stf_cli_text(words, "what"));
        fprintf(output->stream, "    %s- %s%s\n", on(output, STF_RED), stf_cli_text(words, "before"), off(output));
        fprintf(output->stream, "    %s+ %s%s\n", on(output, STF_GREEN), stf_cli_text(words, "after"), off(output));
    }
}

static void print_plan(struct stf_output *output, const json_t *plan)
{
    const json_t *changes = json_object_get(plan, "changes");
    size_t count = json_array_size(changes);
    for (size_t i = 0; i < count; i++)
        print_host_plan(output, changes, i);
    fprintf(output->stream, "\n%zu change%s planned, %lld thing%s already as wanted\n", count, count == 1 ? "" : "s",
            number(plan, "unchanged"), number(plan, "unchanged") == 1 ? "" : "s");
}

static void print_error(struct stf_output *output, const json_t *error)
{
    fflush(output->stream);
    stf_cli_print_error(error);
    const char *traceback = json_string_value(json_object_get(error, "traceback"));
    if (traceback && traceback[0] && strcmp(stf_cli_text(error, "kind"), "invalid_data") == 0)
        fprintf(stderr, "%s\n", traceback);
}

static void print_drift(const json_t *drift)
{
    size_t index;
    json_t *each;
    json_array_foreach ((json_t *)drift, index, each)
        fprintf(stderr, "  %s\n", stf_cli_text(each, "message"));
}

/* "hosts: 3 done, 1 failed, 1 skipped", and why those failed that did. Nothing for a playbook that has no step. */
static void print_outcomes(struct stf_output *output, const json_t *report)
{
    static const char *const names[] = {"done", "unchanged", "rolled_back", "failed", "unreachable", "skipped"};
    const json_t *counts = json_object_get(report, "counts");
    const char *separator = "hosts: ", *host;
    if (strcmp(stf_cli_text(report, "state"), "done") == 0 && number(counts, "skipped") == number(counts, "total"))
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (number(counts, names[i]) == 0)
            continue;
        fprintf(output->stream, "%s%lld %s", separator, number(counts, names[i]), names[i]);
        separator = ", ";
    }
    if (number(counts, "total"))
        fputc('\n', output->stream);
    json_t *outcome;
    json_object_foreach ((json_t *)json_object_get(report, "hosts"), host, outcome) {
        const char *name = stf_cli_text(outcome, "outcome");
        if (strcmp(name, "failed") == 0 || strcmp(name, "unreachable") == 0)
            fprintf(output->stream, "  %s%-10s%s %s: %s\n", on(output, STF_RED), host, off(output), name,
                    stf_cli_text(outcome, "reason"));
    }
}

/* The items of a rollback that was planned or refused, with the three states where something is in the way. */
static void print_undo_plan(struct stf_output *output, const json_t *undo)
{
    size_t index;
    json_t *item;
    json_array_foreach ((json_t *)json_object_get(undo, "items"), index, item) {
        const json_t *words = json_object_get(item, "describe");
        const char *verdict = stf_cli_text(item, "verdict"), *now = stf_cli_text(words, "now");
        bool is_blocking = strcmp(verdict, "conflict") == 0 || strcmp(verdict, "unknown") == 0;
        if (json_object_get(item, "outcome") || strcmp(verdict, "nothing") == 0)
            continue;
        fprintf(output->stream, "  %s%-8s%s item %lld  %s  %s\n", on(output, is_blocking ? STF_RED : STF_PLAIN),
                verdict, off(output), number(item, "item"), stf_cli_text(item, "host"), stf_cli_text(words, "what"));
        fprintf(output->stream, "    before  %s\n", stf_cli_text(words, "before"));
        if (is_blocking)
            fprintf(output->stream, "    ours    %s\n", stf_cli_text(words, "ours"));
        fprintf(output->stream, "    now     %s\n", *now ? now : stf_cli_text(item, "reason"));
    }
}

static void print_report(struct stf_output *output, const json_t *report)
{
    const char *state = stf_cli_text(report, "state");
    const json_t *error = json_object_get(report, "error");
    print_undo_plan(output, json_object_get(report, "rollback"));
    if (json_object_get(report, "plan") && !error && !json_object_get(report, "rollback"))
        print_plan(output, json_object_get(report, "plan"));
    if (error)
        print_error(output, error);
    print_drift(json_object_get(report, "drift"));
    if (json_object_get(report, "rollback_error"))
        print_error(output, json_object_get(report, "rollback_error"));
    if (strcmp(stf_cli_text(report, "mode"), "plan") == 0)
        return;
    bool is_done = strcmp(state, "done") == 0;
    bool has_passed = strcmp(stf_cli_text(report, "verdict"), "pass") == 0;
    /* checks that passed before a run was put back prove nothing */
    bool has_verdict = json_array_size(json_object_get(report, "checks")) > 0 && (is_done || !has_passed);
    print_outcomes(output, report);
    fprintf(output->stream, "%s%s%s%s%s", on(output, is_done && (has_passed || !has_verdict) ? STF_GREEN : STF_RED),
            state, has_verdict ? ", " : "", has_verdict ? stf_cli_text(report, "verdict") : "", off(output));
    fprintf(output->stream, "  (%lld.%03lld s)\n", number(report, "duration_ms") / 1000,
            number(report, "duration_ms") % 1000);
    if (strcmp(state, "held") == 0)
        fprintf(stderr,
                "staffetta: run %lld is held, nothing was put back: `staffetta resume` goes on where it can, "
                "`staffetta rollback` puts everything back\n",
                number(report, "run"));
    if (strcmp(state, "needs_human") == 0)
        fprintf(stderr, "staffetta: not everything could be put back: `staffetta show %lld` lists what stands where\n",
                number(report, "run"));
}

void stf_output_report(struct stf_output *output, const json_t *report)
{
    json_t *printable = stf_output_printable(report);
    print_report(output, printable);
    json_decref(printable);
}

void stf_output_plan(struct stf_output *output, const json_t *plan)
{
    json_t *printable = stf_output_printable(plan);
    print_plan(output, printable);
    json_decref(printable);
}
