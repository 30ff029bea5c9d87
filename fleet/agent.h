/* agent.h - the far side of a channel: carries out what a controller asks on the host where it runs, and nothing that
 * was not granted. Never listens on a port; ends when its input ends. SPDX-License-Identifier: MIT */
#pragma once

#include "fleet/opened.h"
#include "fleet/transport.h"

struct stf_agent_config {
    struct stf_transport *transport; /* to the controller; stays the caller's */
    const struct stf_opened *opened; /* what it can do */
    const char *program_version;
    const char *undo_dir; /* of armed undos, where the host's part of site.lua names none */
};

/* Serves one controller until the input ends: STF_OK. STF_INVALID_DATA when the controller breaks the protocol, which
 * it is told before. Blocks. */
enum stf_kind stf_agent_serve(const struct stf_agent_config *config, struct stf_err *err);
