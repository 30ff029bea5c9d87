/* documents.h - connection documents for the tests of bindings/ipsec. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

/* Front end fe1 (10.9.0.1) towards the cluster's address 10.9.0.2, seen from `side`. */
static inline json_t *connection_document(const char *side)
{
    int is_client = side[0] == 'c';
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:[i, i]}], s:s, s:s, s:[s], s:[s], s:s, s:i}", "version",
                     2, "local_address", is_client ? "10.9.0.1" : "10.9.0.2", "remote_address",
                     is_client ? "10.9.0.2" : "10.9.0.1", "local_id", is_client ? "fe1" : "mail", "remote_id",
                     is_client ? "mail" : "fe1", "side", side, "traffic", "protocol", "tcp", "ports", 110, 143, "mode",
                     "transport", "action", "require", "ike_proposals", "aes128gcm16-prfsha256-x25519", "esp_proposals",
                     "aes128gcm16", "initiate", "on_demand", "dpd_delay_ms", 1000);
}
