/* traffic.h - lists of traffic as policies, connections and guards have them: [{"protocol": "tcp", "ports": [110,
 * "1025-5000"]}]. An entry always means both directions. Must never touch a host. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include <staffetta/err.h>

/* `low` to `high`, both included; one port when they are equal. */
struct stf_ports {
    uint16_t low, high;
};

/* 110 or "1025-5000"; false for everything else. */
bool stf_ports_parse(const json_t *value, struct stf_ports *ports);

/* The document that stf_ports_parse reads; a new reference, NULL when memory is out. */
json_t *stf_ports_document(struct stf_ports ports);

/* Whether it is an IPv4 or IPv6 address as inet_ntop prints it: one address has one spelling, so that states compare.
 */
bool stf_address_is_canonical(const json_t *value);

/* STF_INVALID_DATA, worded "WHAT 'MEMBER' is FOUND; expected EXPECTED". `found` may be NULL: nothing. */
enum stf_kind stf_traffic_invalid(struct stf_err *err, const char *what, const char *member, const json_t *found,
                                  const char *expected);

/* 1 to 64 entries of protocol tcp, udp, icmp or any; ports, each once, for tcp and udp only; left out: all. `what` and
 * `member` are for messages: "policy field", "traffic". */
enum stf_kind stf_traffic_validate(const json_t *traffic, const char *what, const char *member, struct stf_err *err);

/* The one spelling of valid lists that mean the same: an entry for each protocol, in the order tcp, udp, icmp; ports
 * rising, neighbours as one range; only {"protocol": "any"} where that is in it. A new reference, NULL when memory is
 * out. */
json_t *stf_traffic_canonical(const json_t *traffic);

/* Whether a valid entry and a valid list have traffic in common. */
bool stf_traffic_overlaps(const json_t *entry, const json_t *traffic);

/* " tcp/110,143 udp"; an empty list prints nothing. */
void stf_traffic_print(FILE *out, const json_t *traffic);
