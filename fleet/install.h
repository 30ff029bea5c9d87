/* install.h - the agent on hosts that have none: this program, sent over the same way, in a private folder of the user
 * there. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

enum {
    STF_INSTALL_MISSING = 90, /* the exit status of the command below: there is no agent of this version */
    STF_INSTALL_COMMAND_SIZE = 1024,
};

/* For the shell there: starts the agent of `version` in its PATH, else one that was sent before and is still whole. */
enum stf_kind stf_install_command(const char *version, char command[STF_INSTALL_COMMAND_SIZE], struct stf_err *err);

/* Sends this program to the host, which checks that it is whole and runs before it is put in place. STF_UNSUPPORTED
 * where it does not run, with what to do. */
enum stf_kind stf_install_agent(const struct stf_host *host, const char *version, struct stf_err *err);

/* Removes all that were ever sent there. */
enum stf_kind stf_install_remove(const struct stf_host *host, struct stf_err *err);
