/* channel.h - requests to one agent and their answers, several under way at once, from any thread. Whoever waits reads
 * for all: there is no thread of the channel's own. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "fleet/transport.h"

struct stf_channel;

/* Says hello over `transport`, which becomes the channel's, and waits for the answer. `hello` is the first message
 * without its "protocol". STF_UNSUPPORTED when the agent speaks another protocol. `*answer` is what the agent says of
 * itself; may be NULL. */
enum stf_kind stf_channel_open(struct stf_transport *transport, const char *subject, const json_t *hello,
                               int64_t timeout_ms, struct stf_channel **channel, json_t **answer, struct stf_err *err);

/* Ends the agent. Nobody may be waiting. NULL is legal. */
void stf_channel_close(struct stf_channel *channel);

/* Sends `request`, an object to which the channel adds its "id", and gives the answer's "result": a new reference. The
 * agent's own error comes back as it was there. When there is no answer in time, or one that breaks the protocol, the
 * channel is lost: this and all later requests fail with STF_TIMEOUT, STF_UNREACHABLE or STF_INVALID_DATA. */
enum stf_kind stf_channel_request(struct stf_channel *channel, json_t *request, int64_t timeout_ms, json_t **result,
                                  struct stf_err *err);

/* No request will be answered any more. */
bool stf_channel_is_lost(struct stf_channel *channel);
