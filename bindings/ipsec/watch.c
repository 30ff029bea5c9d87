/* watch.c - listens to charon's events on a thread and connection of its own.
 * Must never lose an event silently: what could not be kept is counted, and an early end is told.
 * SPDX-License-Identifier: MIT */
#include "ipsec/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/thread.h"

enum { EVENTS_MAX = 100000, REGISTER_MS = 5000 };

struct stf_ipsec_watch {
    struct stf_vici_client *client;
    int wake_fd;
    pthread_t thread;
    /* the thread's until it has been joined */
    json_t *events;
    json_int_t dropped;
    enum stf_kind end; /* not STF_OK: listening ended early, and why and when */
    int64_t ended_ns;
    struct stf_err err;
};

/* ---------- events ---------- */

/* An event is { up = yes, <connection> { .. child-sas { <child> { .. } } } }. */
static const char *first_section(const json_t *document, const json_t **section)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)document, key, value) {
        if (json_is_object(value)) {
            *section = value;
            return key;
        }
    }
    return NULL;
}

/* A section "mail-7" of an updown names itself "mail" inside; one of a rekey is called "mail". */
static const char *child_name(const json_t *connection)
{
    const json_t *child = NULL;
    const char *key = first_section(json_object_get(connection, "child-sas"), &child);
    const char *name = json_string_value(json_object_get(child, "name"));
    return name ? name : key;
}

static json_t *typed_event(const char *name, const json_t *document, int64_t at_ns)
{
    const json_t *section = NULL;
    const char *connection = first_section(document, &section);
    bool is_rekey = strstr(name, "rekey") != NULL;
    bool is_up = is_rekey || json_object_get(document, "up");
    return json_pack("{s:I, s:s, s:s?, s:s?, s:b}", "at_ns", (json_int_t)at_ns, "event", name, "connection", connection,
                     "child", child_name(section), "is_up", (int)is_up);
}

static const char *text(const json_t *document, const char *key)
{
    return json_string_value(json_object_get(document, key));
}

/* { group = IKE, level = 1, thread = 9, ikesa-name = .., msg = .. } */
static json_t *log_event(const json_t *document, int64_t at_ns)
{
    const char *level = text(document, "level");
    return json_pack("{s:I, s:s, s:s?, s:s?, s:I, s:s?}", "at_ns", (json_int_t)at_ns, "event", "log", "connection",
                     text(document, "ikesa-name"), "group", text(document, "group"), "level",
                     (json_int_t)(level ? strtoll(level, NULL, 10) : 0), "text", text(document, "msg"));
}

static void keep(struct stf_ipsec_watch *watch, const char *name, const json_t *document, int64_t at_ns)
{
    if (json_array_size(watch->events) >= EVENTS_MAX ||
        json_array_append_new(watch->events, strcmp(name, "log") == 0 ? log_event(document, at_ns)
                                                                      : typed_event(name, document, at_ns)) < 0)
        watch->dropped++;
}

/* ---------- the thread ---------- */

static void *listen_until_woken(void *argument)
{
    struct stf_ipsec_watch *watch = argument;
    for (;;) {
        char name[STF_VICI_NAME_MAX + 1];
        json_t *event = NULL;
        watch->end = stf_vici_next_event(watch->client, watch->wake_fd, name, &event, &watch->err);
        if (watch->end)
            watch->ended_ns = stf_clock_ns();
        if (watch->end || !event)
            return NULL;
        keep(watch, name, event, stf_clock_ns());
        json_decref(event);
    }
}

static void watch_free(struct stf_ipsec_watch *watch)
{
    stf_vici_close(watch->client);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    json_decref(watch->events);
    free(watch);
}

enum stf_kind stf_ipsec_watch_start(struct stf_vici_client *client, bool with_log, struct stf_ipsec_watch **watch,
                                    struct stf_err *err)
{
    const char *const events[] = {"ike-updown",  "child-updown",          "ike-rekey",
                                  "child-rekey", with_log ? "log" : NULL, NULL};
    enum stf_kind kind;

    struct stf_ipsec_watch *started = calloc(1, sizeof *started);
    if (!started) {
        stf_vici_close(client);
        return stf_err_set(err, STF_NO_MEMORY, 0, "watch", NULL, "no memory for a watch");
    }
    started->client = client;
    started->events = json_array();
    started->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (!started->events || started->wake_fd < 0) {
        kind = stf_err_errno(err, started->events ? errno : ENOMEM, "watch", NULL, "prepare a watch");
        goto out;
    }
    kind = stf_vici_listen(client, events, REGISTER_MS, err);
    if (kind)
        goto out;
    int errnum = stf_thread_start(&started->thread, listen_until_woken, started);
    if (errnum)
        kind = stf_err_errno(err, errnum, "watch", NULL, "start a thread");
out:
    if (kind)
        watch_free(started);
    else
        *watch = started;
    return kind;
}

enum stf_kind stf_ipsec_watch_stop(struct stf_ipsec_watch *watch, json_t **result, struct stf_err *err)
{
    eventfd_write(watch->wake_fd, 1);
    pthread_join(watch->thread, NULL);
    *result = json_pack("{s:O, s:I, s:s?, s:o}", "events", watch->events, "dropped", watch->dropped, "ended_early",
                        watch->end ? watch->err.message : NULL, "ended_ns",
                        watch->end ? json_integer((json_int_t)watch->ended_ns) : json_null());
    watch_free(watch);
    return *result ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "watch", NULL, "no memory for the events");
}
