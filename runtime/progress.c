/* progress.c - how far a batch of hosts has come (progress.h). Must never print more often than a log can bear.
 * SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common/clock.h"

enum {
    FEW_HOSTS = 16, /* so many have a line each, and none as a batch */
    QUICK_MS = 1000,
    LOG_EVERY_MS = 10 * 1000,
    LINE_SIZE = 1024,
};

struct line {
    char text[LINE_SIZE];
    size_t size;
};

STF_PRINTF(2, 3) static void add(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line->text + line->size, sizeof line->text - line->size, format, arguments);
    va_end(arguments);
    if (size > 0)
        line->size += (size_t)size < sizeof line->text - line->size ? (size_t)size : sizeof line->text - line->size - 1;
}

static int64_t ms_since(int64_t since_ns)
{
    return (stf_clock_ns() - since_ns) / 1000000;
}

static double seconds(int64_t duration_ms)
{
    return (double)duration_ms / 1000;
}

/* ---- what is known ---- */

void stf_progress_init(struct stf_progress *progress, FILE *stream, const struct stf_terminal *terminal,
                       bool is_verbose)
{
    *progress = (struct stf_progress){
        .stream = stream, .terminal = terminal, .is_verbose = is_verbose, .working = json_object()};
}

static void forget_slowest(struct stf_progress *progress)
{
    for (size_t i = 0; i < STF_PROGRESS_SLOWEST; i++) {
        free(progress->slowest[i].name);
        progress->slowest[i] = (struct stf_progress_host){0};
    }
}

void stf_progress_fini(struct stf_progress *progress)
{
    forget_slowest(progress);
    json_decref(progress->working);
}

static int64_t number(const json_t *doc, const char *key)
{
    return json_integer_value(json_object_get(doc, key));
}

static void begin(struct stf_progress *progress, const json_t *event, bool is_locking)
{
    progress->is_going = true;
    progress->is_locking = is_locking;
    progress->batch = number(event, "batch");
    progress->batches = number(event, "batches");
    progress->total = number(event, "hosts");
    progress->done = progress->failed = 0;
    progress->began_ns = progress->shown_ns = stf_clock_ns();
    json_object_clear(progress->working);
    forget_slowest(progress);
}

static void add_done(struct stf_progress *progress, const json_t *event)
{
    const char *name = stf_cli_text(event, "host");
    struct stf_progress_host host = {strdup(name), number(event, "duration_ms")};
    progress->done++;
    progress->failed += json_is_false(json_object_get(event, "ok"));
    json_object_del(progress->working, name);
    for (size_t i = 0; host.name && i < STF_PROGRESS_SLOWEST; i++)
        if (!progress->slowest[i].name || host.duration_ms > progress->slowest[i].duration_ms) {
            struct stf_progress_host faster = progress->slowest[i];
            progress->slowest[i] = host;
            host = faster;
        }
    free(host.name);
}

/* ---- how it is shown ---- */

static bool has_line(const struct stf_progress *progress)
{
    return progress->total > FEW_HOSTS && !progress->is_verbose;
}

static void add_figures(struct line *line, const struct stf_progress *progress)
{
    double spent_s = seconds(ms_since(progress->began_ns));
    double rate = spent_s > 0 ? (double)progress->done / spent_s : 0;
    add(line, "   %s", progress->is_locking ? "locking: " : "");
    if (progress->batches > 1)
        add(line, "batch %lld of %lld: ", (long long)progress->batch, (long long)progress->batches);
    add(line, "%lld/%lld hosts", (long long)progress->done, (long long)progress->total);
    if (progress->failed > 0)
        add(line, ", %lld failed", (long long)progress->failed);
    add(line, ", %.1f/s", rate);
    if (progress->done > 0 && progress->done < progress->total)
        add(line, ", %.0f s left", (double)(progress->total - progress->done) / rate);
}

/* Who is being waited for, the longest first. */
static void add_working(struct line *line, const struct stf_progress *progress)
{
    const char *name, *separator = ", waiting for ";
    json_t *since_ns;
    int count = 0;
    json_object_foreach (progress->working, name, since_ns) {
        if (count++ == STF_PROGRESS_SLOWEST)
            break;
        add(line, "%s%s (%.1f s)", separator, name, seconds(ms_since(json_integer_value(since_ns))));
        separator = ", ";
    }
}

static void add_slowest(struct line *line, const struct stf_progress *progress)
{
    const char *separator = ", slowest ";
    for (size_t i = 0; i < STF_PROGRESS_SLOWEST && progress->slowest[i].name; i++) {
        add(line, "%s%s (%.1f s)", separator, progress->slowest[i].name, seconds(progress->slowest[i].duration_ms));
        separator = ", ";
    }
}

static void erase(struct stf_progress *progress)
{
    if (progress->is_shown)
        fputs("\r\033[K", progress->stream);
    progress->is_shown = false;
}

/* The last column stays free: some terminals go on in the next line when it is written. */
static void show(struct stf_progress *progress, const struct line *line)
{
    bool is_live = progress->terminal->is_live;
    stf_terminal_print(progress->terminal, progress->stream, line->text,
                       is_live ? progress->terminal->width_columns - 1 : 0);
    if (!is_live)
        fputc('\n', progress->stream);
    progress->is_shown = is_live;
    progress->shown_ns = stf_clock_ns();
    fflush(progress->stream);
}

void stf_progress_tick(struct stf_progress *progress)
{
    struct line line = {.size = 0};
    if (!progress->is_going || ms_since(progress->began_ns) < QUICK_MS ||
        (!progress->terminal->is_live && ms_since(progress->shown_ns) < LOG_EVERY_MS))
        return;
    erase(progress);
    add_figures(&line, progress);
    add_working(&line, progress);
    show(progress, &line);
}

static void end(struct stf_progress *progress)
{
    struct line line = {.size = 0};
    progress->is_going = false;
    if (!has_line(progress))
        return;
    add_figures(&line, progress);
    add_slowest(&line, progress);
    fprintf(progress->stream, "%s\n", line.text);
    fflush(progress->stream);
}

/* The heading of a batch, and the hosts in which nothing is wrong: the line of the batch is enough for many. */
static bool is_summed_up(const struct stf_progress *progress, const char *name, const json_t *event)
{
    bool is_ok_host = strcmp(name, "host") == 0 && json_is_true(json_object_get(event, "ok"));
    return has_line(progress) && (is_ok_host || strcmp(name, "batch") == 0);
}

/* Other controllers are kept from the hosts: nothing is told of it but, where it takes long, how far that is. */
static bool is_of_locking(struct stf_progress *progress, const char *name, const json_t *event)
{
    bool is_end = strcmp(name, "hold_end") == 0;
    if (strcmp(name, "hold") == 0)
        begin(progress, event, true);
    else if (strcmp(name, "held") == 0)
        add_done(progress, event);
    else if (!is_end)
        return false;
    if (is_end)
        erase(progress);
    progress->is_going = !is_end;
    return true;
}

bool stf_progress_event(struct stf_progress *progress, const json_t *event)
{
    const char *name = stf_cli_text(event, "event");
    if (is_of_locking(progress, name, event))
        return true;
    if (strcmp(name, "host_begun") == 0 || strcmp(name, "hold_begun") == 0) {
        json_object_set_new(progress->working, stf_cli_text(event, "host"), json_integer(stf_clock_ns()));
        return true;
    }
    if (strcmp(name, "batch") == 0)
        begin(progress, event, false);
    if (strcmp(name, "host") == 0)
        add_done(progress, event);
    if (is_summed_up(progress, name, event))
        return true;
    erase(progress);
    if (strcmp(name, "batch_end") != 0)
        return false;
    end(progress);
    return true;
}
