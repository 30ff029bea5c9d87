/* timers.h - how long a host's charon repeats a request, and how long its kernel waits for an SA: the settings of a
 * whole daemon and kernel that a failover depends on. Internal to bindings/ipsec. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* ipsec.timers, id {}: null, or {"retransmit_timeout_ms", "retransmit_base", "retransmit_tries", "acquire_expires_ms"},
 * all as in a policy's "failover" (policy.h). The state is the file `ipsec.charon_conf` of the host, which the daemon's
 * strongswan.conf has to include; charon reads it again at once. It does not tell what it has read. */
enum stf_kind stf_timers_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                              struct stf_err *err);
enum stf_kind stf_timers_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                               struct stf_err *err);
char *stf_timers_describe(const json_t *id, const json_t *state);

/* ipsec.acquire_expires, id {}: {"acquire_expires_ms"}, net.core.xfrm_acq_expires of the host's kernel, which is never
 * absent. charon sets it from its own settings when it starts, and only then. */
enum stf_kind stf_acquire_expires_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                       struct stf_err *err);
enum stf_kind stf_acquire_expires_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                        struct stf_err *err);
char *stf_acquire_expires_describe(const json_t *id, const json_t *state);
