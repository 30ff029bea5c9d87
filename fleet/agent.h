/* agent.h - the far side of a channel: carries out what a controller asks on the host where it runs, and nothing that
 * was not granted. Never listens on a port; ends when its input ends. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

struct stf_agent_config {
    int in, out;                               /* file descriptors of the channel */
    const struct stf_binding *const *bindings; /* ended by NULL */
    const char *program_version;
};

/* Serves one controller until the input ends: STF_OK. STF_INVALID_DATA when the controller breaks the protocol, which
 * it is told before. Blocks. */
enum stf_kind stf_agent_serve(const struct stf_agent_config *config, struct stf_err *err);
