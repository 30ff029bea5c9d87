/* binding.c - shows the ipsec binding to the runtime: its verbs and resources. SPDX-License-Identifier: MIT */
#include "ipsec/binding.h"

#include "ipsec/guard.h"
#include "ipsec/policy.h"
#include "ipsec/strongswan.h"
#include "ipsec/verbs.h"

static const struct stf_resource resources[] = {
    {"ipsec.connection", "ipsec.write", stf_ipsec_connection_read, stf_ipsec_connection_write,
     stf_ipsec_connection_describe},
    {"ipsec.secret", "ipsec.write", stf_ipsec_secret_read, stf_ipsec_secret_write, stf_ipsec_secret_describe},
    {"ipsec.guard", "ipsec.write", stf_guard_read, stf_guard_write, stf_guard_describe},
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
