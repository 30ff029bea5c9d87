/* reach.h - from what site.lua says of a host to a transport. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#include "fleet/transport.h"

/* By `host->config`: "transport" is "agent" (this program as a child) or "openssh" (the operator's ssh), with "ssh":
 *   { "host": the name for ssh, default the host's address, "user", "port", "config": a file for ssh -F,
 *     "program": the agent's path on the far side, default "staffetta" }
 * STF_INVALID_DATA for anything else. */
enum stf_kind stf_reach_host(const struct stf_host *host, struct stf_transport **transport, struct stf_err *err);
