/* transport_here.h - an agent in a thread of this program: for hosts that need no other one. It serves the bindings
 * that the program has open, those that an embedder has added too. SPDX-License-Identifier: MIT */
#pragma once

#include "fleet/agent.h"

/* `agent` lacks its transport; what it points to must outlive the transport. Close waits for the calls under way. */
enum stf_kind stf_transport_here(const struct stf_agent_config *agent, const char *subject,
                                 struct stf_transport **transport, struct stf_err *err);
