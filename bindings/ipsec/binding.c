/* binding.c - shows the ipsec binding to the runtime: its verbs and resources. SPDX-License-Identifier: MIT */
#include "ipsec/binding.h"

#include "ipsec/guard.h"
#include "ipsec/policy.h"
#include "ipsec/strongswan.h"
#include "ipsec/timers.h"
#include "ipsec/verbs.h"

static const struct stf_resource resources[] = {
    {"ipsec.connection", "ipsec.write", stf_ipsec_connection_read, stf_ipsec_connection_write,
     stf_ipsec_connection_describe},
    {"ipsec.secret", "ipsec.write", stf_ipsec_secret_read, stf_ipsec_secret_write, stf_ipsec_secret_describe},
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
};
