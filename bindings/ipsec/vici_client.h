/* vici_client.h - a blocking VICI client over charon's Unix socket, with a deadline on everything.
 * Must never hold what it was told: a message's bytes are the caller's. SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "ipsec/vici.h"

struct stf_vici_client;

/* One client belongs to one thread at a time. After a failed call the connection is out of step with the daemon and
 * every further call fails: close it and open another. Answers are new references. */

/* STF_UNREACHABLE, with what to do, when nothing listens at `socket_path` ("unix://" in front of it is allowed). */
enum stf_kind stf_vici_open(const char *socket_path, int64_t timeout_ms, struct stf_vici_client **client,
                            struct stf_err *err);
void stf_vici_close(struct stf_vici_client *client); /* NULL is fine */

/* The process that listens on the socket. STF_UNSUPPORTED when it is in a process namespace that is not visible. */
enum stf_kind stf_vici_peer(const struct stf_vici_client *client, pid_t *pid, struct stf_err *err);

/* Sends a command and waits for its answer. `message` may be NULL: no arguments. STF_UNSUPPORTED when the daemon does
 * not know the command. An answer with success = no is STF_OK here: see stf_vici_check_success. */
enum stf_kind stf_vici_request(struct stf_vici_client *client, const char *command,
                               const struct stf_vici_message *message, int64_t timeout_ms, json_t **answer,
                               struct stf_err *err);

/* The same for a command that streams its result as events: `*events` is the array of their documents. */
enum stf_kind stf_vici_stream(struct stf_vici_client *client, const char *command, const char *event,
                              const struct stf_vici_message *message, int64_t timeout_ms, json_t **events,
                              json_t **answer, struct stf_err *err);

/* One command among several in flight. */
struct stf_vici_call {
    const char *command;                    /* NULL: nothing is sent */
    const struct stf_vici_message *message; /* NULL: no arguments */
    json_t *answer;                         /* the result: a new reference; NULL where none has come */
};

/* Called once for each call, in order, not long before it is sent: may fill it in, so that making the later commands
 * overlaps with charon's work on the earlier ones. Another kind than STF_OK ends the pipeline. */
typedef enum stf_kind (*stf_vici_prepare)(void *user, size_t index, struct stf_err *err);

/* Sends the calls without waiting for each answer. charon answers in their order; each answer has `timeout_ms` from the
 * one before it. On failure the calls that were answered have their answer; whether charon has done any of the others
 * is not known. A command that the daemon does not know fails with STF_UNSUPPORTED after all others are through.
 * `prepare` may be NULL. */
enum stf_kind stf_vici_pipeline(struct stf_vici_client *client, struct stf_vici_call *calls, size_t count,
                                stf_vici_prepare prepare, void *user, int64_t timeout_ms, struct stf_err *err);

/* STF_OK unless the answer says success = no; then the kind that fits the daemon's errmsg. `subject`: on what. */
enum stf_kind stf_vici_check_success(const json_t *answer, const char *command, const char *subject,
                                     struct stf_err *err);

/* Asks for the events named (ended by NULL). The connection can only listen from then on. */
enum stf_kind stf_vici_listen(struct stf_vici_client *client, const char *const events[], int64_t timeout_ms,
                              struct stf_err *err);

/* Waits for the next event, or until `wake_fd` can be read: STF_OK with `*event` NULL then. `name` gets the event's
 * name. Never times out by itself. */
enum stf_kind stf_vici_next_event(struct stf_vici_client *client, int wake_fd, char name[static STF_VICI_NAME_MAX + 1],
                                  json_t **event, struct stf_err *err);
