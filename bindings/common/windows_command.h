/* windows_command.h - netsh and PowerShell of a Windows host, by the words that site.lua names for them.
 * Must never have a secret in an argument list or an error. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#include "common/process.h"

struct stf_windows_command {
    const struct stf_host *host;
    const char *part; /* the member of the host's table that may name it: "ipsec" */
    const char *name; /* "netsh" or "powershell": the member of that part, a list of words */
};

/* Runs its words, or the usual ones, and `extra` behind them (ended by NULL). `input` may be NULL. Fini the result also
 * after an error. */
enum stf_kind stf_windows_command_run(const struct stf_windows_command *command, const char *const extra[],
                                      const char *input, struct stf_process_result *result, struct stf_err *err);

/* Runs commands by the PowerShell of `part`: all of them, or those up to the first that fails. */
enum stf_kind stf_powershell_run(const struct stf_host *host, const char *part, const char *script,
                                 struct stf_process_result *result, struct stf_err *err);

/* The error of a script that ended with another exit code than 0, with the first lines that it printed, but for those
 * that have the secret ("": none) in them. */
enum stf_kind stf_windows_command_failed(const struct stf_host *host, const struct stf_process_result *result,
                                         const char *secret, struct stf_err *err);
