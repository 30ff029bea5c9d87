/* reach.h - from what site.lua says of a host to a transport. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#include "fleet/transport.h"

/* An agent, by `host->config`: "transport" is "agent" (this program as a child), "libssh" (a session of this program's
 * own) or "openssh" (the operator's ssh), the latter two with "ssh":
 *   { "host": the name for ssh, default the host's address, "user", "port", "config": a file instead of the operator's,
 *     "key": the file of a private key, "args": more words for the operator's ssh, with "openssh" only,
 *     "program": the agent's path on the far side; left out, any of `version` that can be found there (install.h),
 *     "system": "windows" where OpenSSH for Windows runs, with cmd.exe as its shell }
 * STF_INVALID_DATA for anything else. */
enum stf_kind stf_reach_host(const struct stf_host *host, const char *version, struct stf_transport **transport,
                             struct stf_err *err);

/* The same way, to any `command` for the shell there. STF_INVALID_DATA where "transport" is not by ssh. */
enum stf_kind stf_reach_command(const struct stf_host *host, const char *command, struct stf_transport **transport,
                                struct stf_err *err);

/* Where the agent of such a host with "system" is, for cmd.exe; NULL for all other hosts. Lives as long as the host. */
const char *stf_reach_windows_program(const struct stf_host *host);
