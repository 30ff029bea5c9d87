/* netns.h - run a piece of code inside a network namespace. Affects the calling thread only, and always comes back.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

struct stf_netns {
    int home_fd; /* where to come back to; -1: nowhere was left */
};

/* Moves the calling thread into the namespace /run/netns/`name`; with NULL it stays where it is. Sockets opened until
 * stf_netns_leave belong to that namespace for good. STF_NOT_FOUND when there is no such namespace. */
enum stf_kind stf_netns_enter(struct stf_netns *guard, const char *name, struct stf_err *err);

/* Moves back. Aborts the program if that fails: going on in a foreign namespace would act on the wrong host. */
void stf_netns_leave(struct stf_netns *guard);
