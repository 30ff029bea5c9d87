/* watch.h - a thread that listens to charon's events and times each one. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "ipsec/vici_client.h"

struct stf_ipsec_watch;

/* Takes over `client`, also on failure. When it returns, every later event is caught; `with_log`: charon's log lines
 * too. */
enum stf_kind stf_ipsec_watch_start(struct stf_vici_client *client, bool with_log, struct stf_ipsec_watch **watch,
                                    struct stf_err *err);

/* Ends the thread and gives what it saw, as README.md describes it under watch_stop. Frees the watch in any case. */
enum stf_kind stf_ipsec_watch_stop(struct stf_ipsec_watch *watch, json_t **result, struct stf_err *err);
