/* guard.h - the clear-text guard: nftables rules that drop protected traffic which did not come, or would not go,
 * through IPsec, whatever the daemons do. Must never touch IKE, ESP, or a table that is not a guard.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* Resource "ipsec.guard". id {"name": "staffetta-mail"}; every other name than ^staffetta-[a-z0-9-]+$ is STF_DENIED.
 * state null (no guard), or
 *   {"side": "server"|"client", "engine": "kernel"|"userland", "address": "10.9.0.100", "interface": "eth0",
 *    "traffic": [{"protocol": "tcp"|"udp"|"icmp", "ports": [110, "1025-5000"]}],   ports left out: all of the protocol
 *    "peer": "10.9.0.31",  may be left out; only what comes from, or goes to, this address, of the same family
 *    "exempt": [..]}       may be left out; the same, ports of either side: passes before anything is dropped
 * Of ICMP only echo requests and answers are guarded. UDP without ports leaves IKE's ports out; with ports that hold
 * IKE's, those must be exempt.
 * or, when the table is there but is not, or no longer, what such a state makes: {"ruleset": [...]}, its content in
 * nft's own JSON, which can be written back.
 * STF_UNSUPPORTED when nft is not installed or the kernel lacks a match. */
enum stf_kind stf_guard_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                             struct stf_err *err);

/* One nft transaction: there is no moment without the old or the new guard. A guard that stands already is left alone,
 * and keeps its counters. */
enum stf_kind stf_guard_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                              struct stf_err *err);

char *stf_guard_describe(const json_t *id, const json_t *state);

/* Verb: args as the id, result {"packets": n, "bytes": n}: what the guard has dropped since it was written.
 * STF_NOT_FOUND when there is no such guard. */
enum stf_kind stf_guard_counters(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err);
