/* netlink_watch.c - listens on one socket, which keeps the order that the kernel told things in.
 * Must never lose a message silently. SPDX-License-Identifier: MIT */
#include "netlink_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/netns.h"
#include "common/thread.h"

enum {
    DEFAULT_BUFFER_BYTES = 16 << 20,
    LAST_DRAIN_NS = 1000000000, /* where messages never pause, the end comes after this time */
};

struct stf_netlink_watch {
    const struct stf_mnl *mnl;
    struct mnl_socket *socket;
    int wake_fd;
    pthread_t thread;
    const char *op;
    char *netns; /* NULL: the program's own */
    struct stat namespace;
    /* the thread's until it has been joined */
    struct stf_netlink_listener listener;
    int64_t now_ns;    /* when the messages under way were received */
    enum stf_kind end; /* not STF_OK: listening ended early, and why */
    struct stf_err err;
};

/* ---------- the thread ---------- */

static int hand_over(const struct nlmsghdr *message, void *data)
{
    struct stf_netlink_watch *watch = data;
    watch->listener.on_message(watch->listener.user, message, watch->now_ns);
    return MNL_CB_OK;
}

/* Reads until nothing is left, or until `deadline_ns`; false when listening is over. */
static bool drain(struct stf_netlink_watch *watch, int64_t deadline_ns)
{
    _Alignas(struct nlmsghdr) char buffer[STF_MNL_BUFFER_SIZE];
    bool is_left = true;
    while (is_left && !watch->end) {
        ssize_t size = watch->mnl->socket_recvfrom(watch->socket, buffer, sizeof buffer);
        watch->now_ns = stf_clock_ns();
        if (size >= 0) {
            watch->mnl->cb_run(buffer, (size_t)size, 0, 0, hand_over, watch);
            is_left = watch->now_ns < deadline_ns;
        } else if (errno == EAGAIN) {
            is_left = false;
        } else if (errno == ENOBUFS || errno == ENOSPC) {
            watch->listener.on_overrun(watch->listener.user, errno == ENOSPC, watch->now_ns);
        } else if (errno != EINTR) {
            watch->end = stf_err_errno(&watch->err, errno, watch->op, NULL, "cannot listen to the kernel");
        }
    }
    explicit_bzero(buffer, sizeof buffer); /* a new SA is told with its keys */
    return !watch->end;
}

static void *listen_until_woken(void *argument)
{
    struct stf_netlink_watch *watch = argument;
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

/* ---------- start and stop ---------- */

static enum stf_kind open_socket(struct stf_netlink_watch *watch, const struct stf_netlink_watch_options *options,
                                 struct stf_err *err)
{
    int bytes = options->buffer_bytes ? options->buffer_bytes : DEFAULT_BUFFER_BYTES;
    watch->socket = watch->mnl->socket_open2(options->bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!watch->socket && errno == EPROTONOSUPPORT)
        return stf_err_set(err, STF_UNSUPPORTED, errno, options->op, options->netns,
                           "this kernel does not tell these events (netlink bus %d)", options->bus);
    if (!watch->socket)
        return stf_err_errno(err, errno, options->op, options->netns, "cannot open a netlink socket");
    setsockopt(watch->mnl->socket_get_fd(watch->socket), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    if (watch->mnl->socket_bind(watch->socket, options->groups, MNL_SOCKET_AUTOPID) < 0)
        return stf_err_errno(err, errno, options->op, options->netns, "cannot listen to the kernel's events");
    return STF_OK;
}

/* The thread is born in the namespace, so that the listener finds the names of its interfaces. */
static enum stf_kind start_in(struct stf_netlink_watch *watch, const struct stf_netlink_watch_options *options,
                              struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, options->netns, err);
    if (kind)
        return kind;
    if (stat("/proc/thread-self/ns/net", &watch->namespace) < 0)
        kind = stf_err_errno(err, errno, options->op, options->netns, "cannot tell the network namespace");
    else
        kind = open_socket(watch, options, err);
    int errnum = kind ? 0 : stf_thread_start(&watch->thread, listen_until_woken, watch);
    if (errnum)
        kind = stf_err_errno(err, errnum, options->op, options->netns, "start a thread");
    stf_netns_leave(&guard);
    return kind;
}

static void watch_free(struct stf_netlink_watch *watch)
{
    if (watch->socket)
        watch->mnl->socket_close(watch->socket);
    if (watch->wake_fd >= 0)
        close(watch->wake_fd);
    free(watch->netns);
    free(watch);
}

enum stf_kind stf_netlink_watch_start(const struct stf_netlink_watch_options *options, struct stf_netlink_watch **watch,
                                      struct stf_err *err)
{
    struct stf_netlink_watch *started = calloc(1, sizeof *started);
    if (!started)
        return stf_err_set(err, STF_NO_MEMORY, 0, options->op, options->netns, "no memory for a watch");
    started->op = options->op;
    started->listener = options->listener;
    started->wake_fd = eventfd(0, EFD_CLOEXEC);
    started->netns = options->netns ? strdup(options->netns) : NULL;
    enum stf_kind kind = started->wake_fd < 0 || (options->netns && !started->netns)
                             ? stf_err_errno(err, errno, options->op, options->netns, "prepare a watch")
                             : stf_mnl_get(&started->mnl, err);
    if (!kind)
        kind = start_in(started, options, err);
    if (kind)
        watch_free(started);
    else
        *watch = started;
    return kind;
}

/* The socket keeps a namespace alive that has lost its name, and hears nothing of one that has taken the name since. */
static bool is_namespace_gone(const struct stf_netlink_watch *watch)
{
    char path[320];
    struct stat now;
    if (!watch->netns)
        return false;
    snprintf(path, sizeof path, "/run/netns/%s", watch->netns);
    return stat(path, &now) < 0 || now.st_ino != watch->namespace.st_ino || now.st_dev != watch->namespace.st_dev;
}

enum stf_kind stf_netlink_watch_stop(struct stf_netlink_watch *watch, struct stf_err *err)
{
    eventfd_write(watch->wake_fd, 1);
    pthread_join(watch->thread, NULL);
    enum stf_kind kind = watch->end;
    if (kind && err)
        *err = watch->err;
    else if (!kind && is_namespace_gone(watch))
        kind = stf_err_set(err, STF_NOT_FOUND, 0, watch->op, watch->netns,
                           "the network namespace was removed or replaced");
    watch_free(watch);
    return kind;
}
