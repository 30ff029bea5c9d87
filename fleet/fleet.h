/* fleet.h - a site's hosts, each behind an agent: in a thread of this program, a child of it, or on another machine.
 * Channels open when they are first needed and stay open. The rest of the program asks here and does not care.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include <staffetta/binding.h>

struct stf_fleet;

struct stf_fleet_config {
    const char *version; /* the program's */
    const char *machine; /* the controller's: its host name */
    const char *operator_name;
    const char *state_dir; /* the controller's: undos of hosts that are reached in this program lie in its "armed" */
    size_t host_count;     /* that may be opened at once: there must be room for their files */
    int64_t confirm_within_ms; /* how long an armed undo waits after the newest change; 0: none is armed */
};

/* `version` must live as long as the fleet. */
enum stf_kind stf_fleet_open(const struct stf_fleet_config *config, struct stf_fleet **fleet, struct stf_err *err);
/* Ends all agents. Nobody may be asking. NULL is legal. */
void stf_fleet_close(struct stf_fleet *fleet);

/* Adds one of the bindings that serve hosts without "transport", in this program; `self` is what it was opened to. Both
 * must outlive the fleet. Before the first call. */
enum stf_kind stf_fleet_add_binding(struct stf_fleet *fleet, const struct stf_binding *binding, void *self,
                                    struct stf_err *err);

/* Adds a need that agents may serve from now on; repeating it changes nothing. Agents refuse all others. */
enum stf_kind stf_fleet_grant(struct stf_fleet *fleet, const char *need, struct stf_err *err);

/* A verb or a resource of `host`. The fleet may be NULL, where there is no site but one thing to work on: then the
 * binding that `self` was opened to is called at once. Thread-safe; errors are the binding's, or STF_UNREACHABLE,
 * STF_TIMEOUT and STF_INVALID_DATA of the way to it. After such an error the next call tries to reach the host anew. */
enum stf_kind stf_fleet_call(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_verb *verb,
                             void *self, const json_t *args, json_t **result, struct stf_err *err);
enum stf_kind stf_fleet_read(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_resource *resource,
                             void *self, const json_t *id, json_t **state, struct stf_err *err);
enum stf_kind stf_fleet_write(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_resource *resource,
                              void *self, const json_t *id, const json_t *state, struct stf_err *err);

/* From now on, until it is said again, what is asked of the host's agent must be answered by this time of the monotonic
 * clock (0: each in its own time). What is not is STF_TIMEOUT, and the channel is given up. */
void stf_fleet_limit(struct stf_fleet *fleet, const char *host, int64_t deadline_ns);

/* Keeps other controllers from the host until the fleet closes (hold.h). STF_BUSY, naming it, when another one is at
 * work on it. A host that can not be reached now is held when it is, before anything else is asked of it. */
enum stf_kind stf_fleet_hold(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, struct stf_err *err);

/* Arms the undo of a change, {"resource","id","before","after"}, that `run` is about to make on `host` (armed.h). */
enum stf_kind stf_fleet_arm(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, const json_t *change,
                            struct stf_err *err);
/* What `run` has changed on `host` may stay, or has been put back. STF_CONFLICT when the host was faster. */
enum stf_kind stf_fleet_confirm(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, struct stf_err *err);
