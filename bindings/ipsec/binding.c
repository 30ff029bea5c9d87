/* binding.c - shows the ipsec binding to the runtime: its verbs and resources. SPDX-License-Identifier: MIT */
#include "ipsec/binding.h"

#include "ipsec/daemon_resource.h"
#include "ipsec/guard.h"
#include "ipsec/policy.h"
#include "ipsec/strongswan.h"
#include "ipsec/timers.h"
#include "ipsec/verbs.h"
#include "ipsec/windows_host.h"
#include "ipsec/windows_resource.h"

/* ---------- ipsec.connection, by the host's driver ---------- */

static enum stf_kind read_connection(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                     struct stf_err *err)
{
    return stf_windows_is_driver(host) ? stf_windows_policy_read(self, host, id, state, err)
                                       : stf_ipsec_connection_read(self, host, id, state, err);
}

static enum stf_kind write_connection(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                      struct stf_err *err)
{
    return stf_windows_is_driver(host) ? stf_windows_policy_write(self, host, id, state, err)
                                       : stf_ipsec_connection_write(self, host, id, state, err);
}

static char *describe_connection(const json_t *id, const json_t *state)
{
    return stf_windows_policy_is(state) ? stf_windows_policy_describe(state) : stf_ipsec_connection_describe(id, state);
}

/* ---------- the binding ---------- */

static const struct stf_resource resources[] = {
    {"ipsec.connection", "ipsec.write", read_connection, write_connection, describe_connection},
    {"ipsec.secret", "ipsec.write", stf_ipsec_secret_read, stf_ipsec_secret_write, stf_ipsec_secret_describe},
    {"ipsec.daemon", "ipsec.fail", stf_ipsec_daemon_read, stf_ipsec_daemon_write, stf_ipsec_daemon_describe},
    {"ipsec.guard", "ipsec.write", stf_guard_read, stf_guard_write, stf_guard_describe},
    {"ipsec.timers", "ipsec.write", stf_timers_read, stf_timers_write, stf_timers_describe},
    {"ipsec.acquire_expires", "ipsec.write", stf_acquire_expires_read, stf_acquire_expires_write,
     stf_acquire_expires_describe},
    {NULL, NULL, NULL, NULL, NULL},
};

static const struct stf_document_kind kinds[] = {
    {"policy", stf_policy_normalize, stf_policy_fingerprint},
    {NULL, NULL, NULL},
};

const struct stf_binding stf_ipsec_binding = {
    .name = "ipsec",
    .open = stf_ipsec_open,
    .close = stf_ipsec_close,
    .verbs = stf_ipsec_verbs,
    .resources = resources,
    .kinds = kinds,
    .settles = "vip.address",
    .settle = "ipsec.settle",
};
