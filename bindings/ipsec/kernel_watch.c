/* kernel_watch.c - listens to a kernel's IPsec events on one socket, which keeps the order that the kernel told them
 * in. Must never lose an event silently: what could not be kept or read is counted. SPDX-License-Identifier: MIT */
#include "ipsec/kernel_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/mnl.h"
#include "common/netns.h"
#include "ipsec/xfrm.h"

enum {
    EVENTS_MAX = 50000,
    DEFAULT_BUFFER_BYTES = 16 << 20,
    LAST_DRAIN_NS = 1000000000, /* where events never pause, the end comes after this time */
    QUIET_GROUPS = XFRMGRP_EXPIRE | XFRMGRP_SA | XFRMGRP_POLICY | XFRMGRP_REPORT | 1 << (XFRMNLGRP_MIGRATE - 1),
};

struct noted {
    int64_t at_ns;
    struct stf_xfrm_event event;
};

struct stf_kernel_watch {
    const struct stf_mnl *mnl;
    struct mnl_socket *socket;
    int wake_fd;
    pthread_t thread;
    char *netns; /* NULL: the program's own */
    struct stat namespace;
    bool hears_acquires;
    /* the thread's until it has been joined */
    struct noted *events;
    size_t count;
    size_t capacity;
    int64_t now_ns; /* when the messages under way were received */
    json_int_t dropped;
    json_int_t overruns;
    json_int_t undecoded;
    bool has_ended; /* listening ended early, and `err` says why */
    struct stf_err err;
};

/* ---------- events ---------- */

/* The next place for an event; NULL, and counted, when there is none. */
static struct noted *next_place(struct stf_kernel_watch *watch)
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
    watch->events[watch->count].at_ns = watch->now_ns;
    return &watch->events[watch->count];
}

static int keep(const struct nlmsghdr *message, void *data)
{
    struct stf_kernel_watch *watch = data;
    struct noted *place = next_place(watch);
    if (!place)
        return MNL_CB_OK;
    if (stf_xfrm_decode_event(message, &place->event, NULL))
        watch->undecoded++;
    else
        watch->count++;
    return MNL_CB_OK;
}

/* The kernel had no room for messages: how many is not known, but where in the order. */
static void keep_overrun(struct stf_kernel_watch *watch)
{
    struct noted *place = next_place(watch);
    watch->overruns++;
    if (place) {
        place->event.type = STF_XFRM_OVERRUN;
        watch->count++;
    }
}

/* ---------- the thread ---------- */

/* Reads until nothing is left, or until `deadline_ns`; false when listening is over. */
static bool drain(struct stf_kernel_watch *watch, int64_t deadline_ns)
{
    _Alignas(struct nlmsghdr) char buffer[STF_MNL_BUFFER_SIZE];
    bool is_left = true;
    while (is_left && !watch->has_ended) {
        ssize_t size = watch->mnl->socket_recvfrom(watch->socket, buffer, sizeof buffer);
        watch->now_ns = stf_clock_ns();
        if (size >= 0) {
            watch->mnl->cb_run(buffer, (size_t)size, 0, 0, keep, watch);
            is_left = watch->now_ns < deadline_ns;
        } else if (errno == EAGAIN) {
            is_left = false;
        } else if (errno == ENOBUFS) {
            keep_overrun(watch);
        } else if (errno == ENOSPC) { /* longer than any message of the kernel's */
            watch->undecoded++;
        } else if (errno != EINTR) {
            stf_err_errno(&watch->err, errno, "kernel_watch", NULL, "cannot listen to the kernel");
            watch->has_ended = true;
        }
    }
    explicit_bzero(buffer, sizeof buffer); /* a new SA is told with its keys */
    return !watch->has_ended;
}

static void *listen_until_woken(void *argument)
{
    struct stf_kernel_watch *watch = argument;
    struct pollfd polled[] = {{.fd = watch->mnl->socket_get_fd(watch->socket), .events = POLLIN},
                              {.fd = watch->wake_fd, .events = POLLIN}};
    while (!(polled[1].revents & POLLIN)) {
        while (poll(polled, 2, -1) < 0 && errno == EINTR)
            ;
        if (!drain(watch, stf_clock_ns() + LAST_DRAIN_NS))
            break;
    }
    return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct stf_kernel_watch *watch)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(&watch->thread, NULL, listen_until_woken, watch);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum;
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

static enum stf_kind open_socket(struct stf_kernel_watch *watch, const struct stf_kernel_watch_options *options,
                                 struct stf_err *err)
{
    int bytes = options->buffer_bytes ? options->buffer_bytes : DEFAULT_BUFFER_BYTES;
    watch->hears_acquires = options->acquires == STF_KERNEL_ACQUIRES_ALWAYS ||
                            (options->acquires == STF_KERNEL_ACQUIRES_IF_HEARD && is_acquire_heard());
    watch->socket = watch->mnl->socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!watch->socket && errno == EPROTONOSUPPORT)
        return stf_err_set(err, STF_UNSUPPORTED, errno, "kernel_watch", options->netns,
                           "this kernel has no IPsec (XFRM over netlink)");
    if (!watch->socket)
        return stf_err_errno(err, errno, "kernel_watch", options->netns, "cannot open a netlink socket");
    setsockopt(watch->mnl->socket_get_fd(watch->socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    unsigned groups = QUIET_GROUPS | (watch->hears_acquires ? XFRMGRP_ACQUIRE : 0);
    if (watch->mnl->socket_bind(watch->socket, groups, MNL_SOCKET_AUTOPID) < 0)
        return stf_err_errno(err, errno, "kernel_watch", options->netns, "cannot listen to the kernel's IPsec events");
    return STF_OK;
}

static enum stf_kind open_socket_in(struct stf_kernel_watch *watch, const struct stf_kernel_watch_options *options,
                                    struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, options->netns, err);
    if (kind)
        return kind;
    if (stat("/proc/thread-self/ns/net", &watch->namespace) < 0)
        kind = stf_err_errno(err, errno, "kernel_watch", options->netns, "cannot tell the network namespace");
    else
        kind = open_socket(watch, options, err);
    stf_netns_leave(&guard);
    return kind;
}

static void watch_free(struct stf_kernel_watch *watch)
{
    if (watch->socket)
        watch->mnl->socket_close(watch->socket);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    free(watch->netns);
    free(watch->events);
    free(watch);
}

enum stf_kind stf_kernel_watch_start(const struct stf_kernel_watch_options *options, struct stf_kernel_watch **watch,
                                     struct stf_err *err)
{
    struct stf_kernel_watch *started = calloc(1, sizeof *started);
    if (!started)
        return stf_err_set(err, STF_NO_MEMORY, 0, "kernel_watch", options->netns, "no memory for a watch");
    started->wake_fd = eventfd(0, EFD_CLOEXEC);
    started->netns = options->netns ? strdup(options->netns) : NULL;
    enum stf_kind kind = started->wake_fd < 0 || (options->netns && !started->netns)
                             ? stf_err_errno(err, errno, "kernel_watch", options->netns, "prepare a watch")
                             : stf_mnl_get(&started->mnl, err);
    if (!kind)
        kind = open_socket_in(started, options, err);
    int errnum = kind ? 0 : start_thread(started);
    if (errnum)
        kind = stf_err_errno(err, errnum, "kernel_watch", options->netns, "start a thread");
    if (kind)
        watch_free(started);
    else
        *watch = started;
    return kind;
}

/* The socket keeps a namespace alive that has lost its name, and hears nothing of one that has taken the name since. */
static bool is_namespace_gone(const struct stf_kernel_watch *watch)
{
    char path[320];
    struct stat now;
    if (!watch->netns)
        return false;
    snprintf(path, sizeof path, "/run/netns/%s", watch->netns);
    return stat(path, &now) < 0 || now.st_ino != watch->namespace.st_ino || now.st_dev != watch->namespace.st_dev;
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
    eventfd_write(watch->wake_fd, 1);
    pthread_join(watch->thread, NULL);
    const char *ended_early = watch->has_ended           ? watch->err.message
                              : is_namespace_gone(watch) ? "the network namespace was removed or replaced"
                                                         : NULL;
    *result = json_pack("{s:o, s:I, s:I, s:I, s:b, s:s*}", "events", event_list(watch), "dropped", watch->dropped,
                        "overruns", watch->overruns, "undecoded", watch->undecoded, "hears_acquires",
                        (int)watch->hears_acquires, "ended_early", ended_early);
    watch_free(watch);
    return *result ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "kernel_watch", NULL, "no memory for the events");
}
