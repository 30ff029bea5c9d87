/* windows_host.h - the way to a Windows host: which tool it has, and programs that run it. Internal to bindings/ipsec.
 * Must never have a pre-shared key in an argument list, an error or a document. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

#include "ipsec/durable.h"
#include "ipsec/windows_capabilities.h"

/* Whether site.lua says ipsec = { driver = "windows" } for the host. */
bool stf_windows_is_driver(const struct stf_host *host);

/* STF_UNSUPPORTED for a host with that driver, which has no `what` ("charon", "a guard"); STF_OK for all others. */
enum stf_kind stf_windows_refuse(const struct stf_host *host, const char *what, struct stf_err *err);

struct stf_windows_host {
    const struct stf_host *host;
    enum stf_windows_generation generation;
    enum stf_windows_tool tool;
    char *conf_dir;
};

/* Reads `windows` and `ipsec` of the host's table. Close also after an error. */
enum stf_kind stf_windows_host_open(struct stf_windows_host *windows, const struct stf_host *host, struct stf_err *err);
void stf_windows_host_close(struct stf_windows_host *windows);

/* Runs a script that looks; `*output` is what it printed, malloc'ed, and to be freed also after an error. */
enum stf_kind stf_windows_look(const struct stf_windows_host *windows, enum stf_windows_tool tool, const char *script,
                               char **output, struct stf_err *err);

/* Runs a script that changes something. In netsh's language STF_WINDOWS_KEY is replaced by what is in `secret_file`
 * (NULL: no key), in a file of conf_dir that only the owner can read and that is gone afterwards. `files`: conf_dir,
 * open for a writer. */
enum stf_kind stf_windows_run(const struct stf_windows_host *windows, const struct stf_durable *files,
                              enum stf_windows_tool tool, const char *script, const char *secret_file,
                              struct stf_err *err);

/* Removes the file with the key that a killed run has left; for writers, before they do anything. */
enum stf_kind stf_windows_sweep(const struct stf_durable *files, struct stf_err *err);
