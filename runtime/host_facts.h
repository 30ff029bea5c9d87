/* host_facts.h - what the site's hosts are, asked of them or remembered for a while. For looking at: whoever changes a
 * host asks it (host.system:facts()). SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "runtime.h"

/* Of each host that `limit` has (NULL: all of the site): { NAME: {"facts", "age_ms"} }, or {"error"} in place of
 * both. Facts that are older than max_age_ms, or of another description of the host, are asked for, all hosts at once,
 * and kept in the state folder. */
enum stf_kind stf_host_facts(struct stf_runtime *rt, const json_t *limit, int64_t max_age_ms, json_t **facts,
                             struct stf_err *err);
