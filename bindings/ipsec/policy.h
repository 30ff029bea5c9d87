/* policy.h - the policy: what traffic is protected and how, independent of any engine. Checks it, fills it in,
 * compares. Must never touch a host, nor know an engine. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

/* A policy is a JSON object. All members but `traffic` may be left out; the normal form has all of them, in one
 * spelling: equal policies are equal documents.
 *
 * "traffic": [{"protocol": "tcp"|"udp"|"icmp"|"any", "ports": [110, "1025-5000"]}]
 *     What is protected: the ports of the side that is `to` in "between". Ports left out: all. Both directions, always;
 *     "direction": "both" may be said. Normal: traffic.h.
 * "between": [{"from": GROUP, "to": GROUP}]
 *     Between whom. Groups: "front_ends", "nodes" and "domain_controllers" with their own addresses, "virtual_ip"
 *     (whichever node holds it), or one IPv4 or IPv6 address, a peer that Staffetta does not manage. `from` is the
 *     client. Default: front_ends to virtual_ip.
 * "exempt": like "traffic"
 *     What is never touched, neither protected nor dropped, towards these peers; ports of either side. IKE (UDP 500 and
 *     4500) is always in it. The rest is the management channel, which a policy of its own may state: default TCP 22
 *     (SSH), 3389 (RDP), 5985 and 5986 (WinRM). Not SMB, which carries what a policy is to protect. {}: IKE only.
 * "action": "require" (default) | "permit" | "pass" | "drop"
 *     require: protected or not at all. permit: accept and offer protection, insist on nothing. pass: leave alone.
 *     drop: let nothing through. The last two are for exceptions from another policy and involve no IKE.
 * "clear_text": "refuse" | "allow"
 *     Whether guards (guard.h) drop what is unprotected: towards the virtual IP from anybody, between other ends what
 *     travels between the two. Default and only choice but for require: refuse with drop, allow with permit and pass.
 *     With require, default: refuse.
 * "mode": "transport" (default) | "tunnel"
 * "auth": {"method": "psk"} (default): the cluster's secret.
 *     {"method": "certificate", "certificate": PATH, "key": PATH, "ca": PATH}: files on the host; "{id}" in a path is
 *     the identity, as each has its own. {"method": "kerberos"}: Windows only; where domain controllers are in
 *     "between", "exempt" must have TCP and UDP 88.
 * "ike_proposals", "esp_proposals": ["aes128gcm16-prfsha256-x25519", ..] in strongSwan's words (proposal.h), best first
 *     Default: AES-GCM, then AES-CBC with SHA-256; groups x25519, ecp256, modp2048.
 * "allow_weak": [{"algorithm": "3des", "peers": ["win-fe1"]}]
 *     A proposal with a weak algorithm is refused unless this names the algorithm; only connections from or to the
 *     named hosts get that proposal. At least one proposal must do for everybody else. Default: none.
 * "ike_rekey_ms" (default 4 h), "esp_rekey_ms" (1 h): whole seconds, to 86400000; 0: never
 * "esp_rekey_bytes": 1048576 to 2^50; 0 (default): never
 * "dpd_delay_ms": how long a peer may be silent before it is asked for a sign of life; 0: not asked. Default 1000.
 * "dpd_action": what a client does about a dead peer: "trap" (default): the next packet negotiates; "restart":
 *     negotiate at once; "clear": forget it. A server always forgets: two sides that both act fight over the peer.
 * "failover": what decides how long a move or a crash costs; docs/failover.md has the figures
 *     "initiator": "new_holder" (default) | "front_end": who negotiates after the virtual IP has moved
 *     "retransmit_timeout_ms" (default 300; 50 to 60000), "retransmit_base" (1.0; to 5.0), "retransmit_tries" (4; 1 to
 *     20): an unanswered request is repeated after the timeout, then after base times as long, and so on; when the last
 *     of the tries is not answered either, the peer is given up. Altogether at most an hour.
 *     "acquire_expires_ms": whole seconds, default 1000: how long the kernel, having asked for an SA, asks no more.
 *     All but the initiator hold for a host's whole daemon or kernel.
 * "asks": [{"port": 110, "send": TEXT, "expect": TEXT}]: what checks and drills ask through the virtual IP, and how a
 *     right answer begins. Only the port is needed. Default: none.
 * "name": ignored, and not in the normal form. */

/* Checks everything and fills in the rest. STF_INVALID_DATA names the field, what stood there and what was expected.
 * `*normal` is a new reference. The normal form of a normal form is itself. */
enum stf_kind stf_policy_normalize(const json_t *policy, json_t **normal, struct stf_err *err);

/* A JSON array of lines such as "esp_rekey_ms: 3600000 -> 1800000", empty for equal policies; a new reference. */
enum stf_kind stf_policy_diff(const json_t *before, const json_t *after, json_t **lines, struct stf_err *err);

/* How long a peer that does not answer is tried, of an object with the three members "retransmit_.." of "failover". */
double stf_policy_give_up_ms(const json_t *failover);

enum { STF_FINGERPRINT_SIZE = 65 };

/* SHA-256 of the normal form's canonical text (sorted members, no blanks), in hex. */
enum stf_kind stf_policy_fingerprint(const json_t *policy, char fingerprint[static STF_FINGERPRINT_SIZE],
                                     struct stf_err *err);
