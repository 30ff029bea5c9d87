/* netlink_watch.h - a thread that listens to groups of a netlink bus and times what the kernel tells.
 * Must keep no message: what is worth keeping is the listener's business. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/mnl.h"

/* Both are called on the watch's thread, which lives in the network namespace, in the kernel's order, with the time
 * (CLOCK_MONOTONIC) of the receipt. */
struct stf_netlink_listener {
    void (*on_message)(void *user, const struct nlmsghdr *message, int64_t at_ns);
    /* Messages were lost here: how many is not known. Called too for one that was too long to be read. */
    void (*on_overrun)(void *user, bool is_too_long, int64_t at_ns);
    void *user;
};

struct stf_netlink_watch_options {
    const char *op;    /* of errors: "kernel_watch" */
    const char *netns; /* NULL: the program's own */
    int bus;           /* NETLINK_XFRM */
    unsigned groups;
    int buffer_bytes; /* of the socket, for what the thread has not yet read; 0: the default, 16 MiB */
    struct stf_netlink_listener listener;
};

struct stf_netlink_watch;

/* When it returns, every later message is caught. STF_UNSUPPORTED: the kernel has no such bus. */
enum stf_kind stf_netlink_watch_start(const struct stf_netlink_watch_options *options, struct stf_netlink_watch **watch,
                                      struct stf_err *err);

/* Ends the thread, after all that the kernel told before this call; then the listener is not called any more. STF_OK:
 * it has listened to the end; else why not. Frees the watch in any case. */
enum stf_kind stf_netlink_watch_stop(struct stf_netlink_watch *watch, struct stf_err *err);
