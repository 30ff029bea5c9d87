/* kernel_watch.c - keeps a kernel's IPsec events, in the order that the kernel told them in.
 * Must never lose an event silently: what could not be kept or read is counted. SPDX-License-Identifier: MIT */
#include "ipsec/kernel_watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/netlink_watch.h"
#include "common/netns.h"
#include "ipsec/xfrm.h"

enum {
    EVENTS_MAX = 50000,
    QUIET_GROUPS = XFRMGRP_EXPIRE | XFRMGRP_SA | XFRMGRP_POLICY | XFRMGRP_REPORT | 1 << (XFRMNLGRP_MIGRATE - 1),
};

struct noted {
    int64_t at_ns;
    struct stf_xfrm_event event;
};

struct stf_kernel_watch {
    struct stf_netlink_watch *netlink;
    bool hears_acquires;
    /* the thread's until it has been joined */
    struct noted *events;
    size_t count;
    size_t capacity;
    json_int_t dropped;
    json_int_t overruns;
    json_int_t undecoded;
};

/* ---------- events ---------- */

/* The next place for an event; NULL, and counted, when there is none. */
static struct noted *next_place(struct stf_kernel_watch *watch, int64_t at_ns)
{
    if (watch->count == watch->capacity && watch->count < EVENTS_MAX) {
        size_t capacity = watch->capacity ? 2 * watch->capacity : 64;
        struct noted *grown = realloc(watch->events, capacity * sizeof *grown);
        if (grown) {
            watch->events = grown;
            watch->capacity = capacity;
        }
    }
    if (watch->count == watch->capacity || watch->count >= EVENTS_MAX) {
        watch->dropped++;
        return NULL;
    }
    watch->events[watch->count].at_ns = at_ns;
    return &watch->events[watch->count];
}

static void keep(void *user, const struct nlmsghdr *message, int64_t at_ns)
{
    struct stf_kernel_watch *watch = user;
    struct noted *place = next_place(watch, at_ns);
    if (!place)
        return;
    if (stf_xfrm_decode_event(message, &place->event, NULL))
        watch->undecoded++;
    else
        watch->count++;
}

/* What is too long is longer than any message of the kernel's. */
static void keep_overrun(void *user, bool is_too_long, int64_t at_ns)
{
    struct stf_kernel_watch *watch = user;
    if (is_too_long) {
        watch->undecoded++;
        return;
    }
    struct noted *place = next_place(watch, at_ns);
    watch->overruns++;
    if (place) {
        place->event.type = STF_XFRM_OVERRUN;
        watch->count++;
    }
}

/* ---------- start and stop ---------- */

/* Whether a socket in the thread's namespace listens to acquires. */
static bool is_acquire_heard(void)
{
    char line[256];
    int bus;
    unsigned groups;
    bool is_heard = false;
    FILE *file = fopen("/proc/thread-self/net/netlink", "re");
    while (file && fgets(line, sizeof line, file))
        is_heard |=
            sscanf(line, "%*s %d %*u %x", &bus, &groups) == 2 && bus == NETLINK_XFRM && groups & XFRMGRP_ACQUIRE;
    if (file)
        fclose(file);
    return is_heard;
}

static enum stf_kind decide_acquires(struct stf_kernel_watch *watch, const struct stf_kernel_watch_options *options,
                                     struct stf_err *err)
{
    struct stf_netns guard;
    watch->hears_acquires = options->acquires == STF_KERNEL_ACQUIRES_ALWAYS;
    if (options->acquires != STF_KERNEL_ACQUIRES_IF_HEARD)
        return STF_OK;
    enum stf_kind kind = stf_netns_enter(&guard, options->netns, err);
    if (kind)
        return kind;
    watch->hears_acquires = is_acquire_heard();
    stf_netns_leave(&guard);
    return STF_OK;
}

static void watch_free(struct stf_kernel_watch *watch)
{
    free(watch->events);
    free(watch);
}

enum stf_kind stf_kernel_watch_start(const struct stf_kernel_watch_options *options, struct stf_kernel_watch **watch,
                                     struct stf_err *err)
{
    struct stf_kernel_watch *started = calloc(1, sizeof *started);
    if (!started)
        return stf_err_set(err, STF_NO_MEMORY, 0, "kernel_watch", options->netns, "no memory for a watch");
    enum stf_kind kind = decide_acquires(started, options, err);
    struct stf_netlink_watch_options netlink = {
        .op = "kernel_watch",
        .netns = options->netns,
        .bus = NETLINK_XFRM,
        .groups = QUIET_GROUPS | (started->hears_acquires ? XFRMGRP_ACQUIRE : 0),
        .buffer_bytes = options->buffer_bytes,
        .listener = {keep, keep_overrun, started},
    };
    if (!kind)
        kind = stf_netlink_watch_start(&netlink, &started->netlink, err);
    if (kind)
        watch_free(started);
    else
        *watch = started;
    return kind;
}

static json_t *event_list(const struct stf_kernel_watch *watch)
{
    json_t *list = json_array();
    for (size_t i = 0; i < watch->count; i++) {
        const struct noted *noted = &watch->events[i];
        if (json_array_append_new(list, stf_xfrm_event_document(&noted->event, noted->at_ns)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

enum stf_kind stf_kernel_watch_stop(struct stf_kernel_watch *watch, json_t **result, struct stf_err *err)
{
    struct stf_err end;
    bool has_ended = stf_netlink_watch_stop(watch->netlink, &end) != STF_OK;
    *result = json_pack("{s:o, s:I, s:I, s:I, s:b, s:s*}", "events", event_list(watch), "dropped", watch->dropped,
                        "overruns", watch->overruns, "undecoded", watch->undecoded, "hears_acquires",
                        (int)watch->hears_acquires, "ended_early", has_ended ? end.message : NULL);
    watch_free(watch);
    return *result ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "kernel_watch", NULL, "no memory for the events");
}
