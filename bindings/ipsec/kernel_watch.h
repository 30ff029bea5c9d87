/* kernel_watch.h - a thread that listens to a kernel's IPsec events and times each one. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

struct stf_kernel_watch;

/* A listener to acquires counts as a key manager: where none runs, the kernel then makes a larval SA and waits for it,
 * instead of failing the packet at once. */
enum stf_kernel_acquires {
    STF_KERNEL_ACQUIRES_IF_HEARD, /* where somebody listens to them already, so that nothing changes */
    STF_KERNEL_ACQUIRES_ALWAYS,
    STF_KERNEL_ACQUIRES_NEVER,
};

struct stf_kernel_watch_options {
    const char *netns; /* NULL: the program's own */
    enum stf_kernel_acquires acquires;
    int buffer_bytes; /* of the socket, for what the thread has not yet read; 0: the default, 16 MiB */
};

/* When it returns, every later event is caught. */
enum stf_kind stf_kernel_watch_start(const struct stf_kernel_watch_options *options, struct stf_kernel_watch **watch,
                                     struct stf_err *err);

/* Ends the thread and gives what it saw, as README.md describes it under kernel_watch_stop: all that the kernel told
 * before this call. Frees the watch in any case. */
enum stf_kind stf_kernel_watch_stop(struct stf_kernel_watch *watch, json_t **result, struct stf_err *err);
