/* windows_render.h - a policy as scripts for one Windows host: to put it on, to take it off again, to show what stands.
 * Must never touch a host, nor have a pre-shared key in a text. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

#include "ipsec/windows_capabilities.h"

/* `request` is an object:
 * - "policy": the policy (policy.h); normalized here.
 * - "name": "staffetta-mail", the prefix of all that is made. Letters, digits, '-'; at most 64.
 * - "generation": "2000", "2003", "2008", "2008r2", "2012", "2012r2", "2016", "2019" or "2022".
 * - "pairs": [{"local_address", "remote_address", "side": "client" | "server", "peer": NAME}], all that this host has
 *   under the policy: only one policy of netsh ipsec can be assigned. The ports are the server's. `peer`, which may be
 *   left out, is the other host's name in the site, for allow_weak.
 * - "host": this host's name in the site, for allow_weak; may be left out.
 * - "tool": "ipsec_static" | "consec" | "powershell"; default: the newest that the generation has.
 * - "ike_version": 1 (default) or 2, which PowerShell has with certificates only.
 * - "secret_file", with "psk": the path on the host of a file whose first line is the key. No `"` may be in the key.
 * - "ca_name", with "certificate": the CA's distinguished name, as the certificate stores of Windows know it.
 * - "before": what undo brings back where only one can be. With ipsec_static the policy that was assigned (left out:
 *   none was); with consec on Server 2008, where it is needed, the host's main mode methods.
 * - "is_plan": true: `apply` changes nothing: -WhatIf in PowerShell, comments in netsh.
 *
 * `*scripts` is a new reference: {"apply": TEXT, "undo": TEXT, "show": TEXT, "language": "netsh" | "powershell",
 * "left_out": [TEXT]}. netsh scripts are for cmd.exe. `left_out` has the proposals that this host can not or may not
 * use. STF_UNSUPPORTED names the policy's field, what was asked and what that Windows has. */
enum stf_kind stf_windows_scripts(const json_t *request, json_t **scripts, struct stf_err *err);

/* What the Windows driver runs: the request without "is_plan", and what stands of it now (windows_state.h). The same
 * scripts, but those in netsh's language are for `netsh -f FILE`, a command a line, and remove only what stands;
 * STF_WINDOWS_KEY is where the pre-shared key belongs, "secret_file" is a path where the driver runs. One member more:
 * "facts", the sorted lines that stf_windows_state gives once the script "apply" has done its work. */
#define STF_WINDOWS_KEY "!STAFFETTA_PSK!"
enum stf_kind stf_windows_commands(const json_t *request, const json_t *standing, json_t **scripts,
                                   struct stf_err *err);

/* The script "show" of stf_windows_commands, which needs only the name; malloc'ed. */
enum stf_kind stf_windows_show_script(const char *name, enum stf_windows_generation generation,
                                      enum stf_windows_tool tool, char **script, struct stf_err *err);
