/* watch.c - notes when addresses and links come and go, as the kernel tells it.
 * Must never lose an event silently: what could not be kept or read is counted. SPDX-License-Identifier: MIT */
#include "watch.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "be_address.h"
#include "common/doc.h"
#include "common/handles.h"
#include "common/netlink_watch.h"

enum { EVENTS_MAX = 10000 };

struct stf_vip_watch {
    const struct stf_mnl *mnl;
    struct stf_netlink_watch *netlink;
    /* the thread's until it has been joined */
    json_t *events;
    json_int_t dropped;
    json_int_t overruns;
};

/* ---------- events ---------- */

static json_t *address_event(const struct stf_vip_watch *watch, const struct nlmsghdr *message, int64_t at_ns)
{
    struct stf_address address;
    char text[INET6_ADDRSTRLEN];
    if (!stf_address_decode(watch->mnl, message, &address))
        return NULL;
    inet_ntop(address.family, address.bytes, text, sizeof text);
    return json_pack("{s:I, s:s, s:s, s:i, s:s}", "at_ns", (json_int_t)at_ns, "event",
                     message->nlmsg_type == RTM_NEWADDR ? "address-added" : "address-removed", "address", text,
                     "prefix_length", address.prefix_length, "interface", address.interface);
}

/* Whether the newest event of the interface's link tells the same: the kernel tells a link for many reasons. */
static bool is_known(const json_t *events, const char *event, const char *interface)
{
    for (size_t i = json_array_size(events); i-- > 0;) {
        const json_t *known = json_array_get(events, i);
        const char *name = json_string_value(json_object_get(known, "event"));
        if (strncmp(name, "link-", 5) == 0 &&
            strcmp(json_string_value(json_object_get(known, "interface")), interface) == 0)
            return strcmp(name, event) == 0;
    }
    return false;
}

static json_t *link_event(const struct stf_vip_watch *watch, const struct nlmsghdr *message, int64_t at_ns)
{
    const struct ifinfomsg *header = watch->mnl->nlmsg_get_payload(message);
    const char *event = header->ifi_flags & IFF_RUNNING ? "link-up" : "link-down";
    char interface[IF_NAMESIZE];
    if (!if_indextoname((unsigned)header->ifi_index, interface) || is_known(watch->events, event, interface))
        return NULL;
    return json_pack("{s:I, s:s, s:s}", "at_ns", (json_int_t)at_ns, "event", event, "interface", interface);
}

static void keep(void *user, const struct nlmsghdr *message, int64_t at_ns)
{
    struct stf_vip_watch *watch = user;
    json_t *event = NULL;
    if (message->nlmsg_type == RTM_NEWADDR || message->nlmsg_type == RTM_DELADDR)
        event = address_event(watch, message, at_ns);
    else if (message->nlmsg_type == RTM_NEWLINK)
        event = link_event(watch, message, at_ns);
    if (!event)
        return;
    if (json_array_size(watch->events) >= EVENTS_MAX || json_array_append(watch->events, event) < 0)
        watch->dropped++;
    json_decref(event);
}

static void count_overrun(void *user, bool is_too_long, int64_t at_ns)
{
    struct stf_vip_watch *watch = user;
    (void)is_too_long;
    (void)at_ns;
    watch->overruns++;
}

/* ---------- start and stop ---------- */

static void watch_free(struct stf_vip_watch *watch)
{
    json_decref(watch->events);
    free(watch);
}

static enum stf_kind start(const struct stf_host *host, struct stf_vip_watch **watch, struct stf_err *err)
{
    struct stf_vip_watch *started = calloc(1, sizeof *started);
    if (started)
        started->events = json_array();
    if (!started || !started->events) {
        free(started);
        return stf_err_set(err, STF_NO_MEMORY, 0, "watch", host->name, "no memory for a watch");
    }
    struct stf_netlink_watch_options options = {
        .op = "watch",
        .netns = host->netns,
        .bus = NETLINK_ROUTE,
        .groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
        .listener = {keep, count_overrun, started},
    };
    enum stf_kind kind = stf_mnl_get(&started->mnl, err);
    if (!kind)
        kind = stf_netlink_watch_start(&options, &started->netlink, err);
    if (kind)
        watch_free(started);
    else
        *watch = started;
    return kind;
}

static json_t *stop(struct stf_vip_watch *watch)
{
    struct stf_err end;
    bool has_ended = stf_netlink_watch_stop(watch->netlink, &end) != STF_OK;
    json_t *result = json_pack("{s:O, s:I, s:I, s:s*}", "events", watch->events, "dropped", watch->dropped, "overruns",
                               watch->overruns, "ended_early", has_ended ? end.message : NULL);
    watch_free(watch);
    return result;
}

static void destroy(void *watch)
{
    json_decref(stop(watch));
}

void *stf_vip_watches_new(void)
{
    return stf_handles_new(destroy);
}

void stf_vip_watches_free(void *handles)
{
    stf_handles_free(handles);
}

/* ---------- verbs ---------- */

enum stf_kind stf_vip_watch_start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    static const char *const known[] = {NULL};
    struct stf_vip_watch *watch = NULL;
    enum stf_kind kind = stf_doc_check_keys(args, known, "vip.watch_start", err);
    if (!kind)
        kind = start(host, &watch, err);
    if (kind)
        return kind;
    int64_t handle = stf_handles_put(self, watch);
    if (!handle)
        destroy(watch);
    else
        *result = json_pack("{s:I}", "handle", (json_int_t)handle);
    return handle && *result
               ? STF_OK
               : stf_err_set(err, STF_NO_MEMORY, 0, "watch", host->name, "no memory for a watch's handle");
}

enum stf_kind stf_vip_watch_stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    static const char *const known[] = {"handle", NULL};
    void *watch = NULL;
    int64_t handle = 0;
    enum stf_kind kind = stf_doc_check_keys(args, known, "vip.watch_stop", err);
    if (!kind)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &handle, err);
    if (!kind)
        kind = stf_handles_take(self, handle, &watch, err);
    if (kind)
        return kind;
    *result = stop(watch);
    return *result ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "watch", host->name, "no memory for the events");
}
