/* windows_verbs.h - the verbs that write scripts for Windows hosts and read their answers. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* The request of windows_render.h -> {"apply", "undo", "show", "language", "left_out"}. */
enum stf_kind stf_windows_verb_scripts(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                       struct stf_err *err);

/* {"name", "document"}, those of ipsec.connection on a host with the driver "windows" -> {"left_out"}; the same errors
 * as setting it would give, without asking the host. */
enum stf_kind stf_windows_verb_check(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                     struct stf_err *err);

/* {"generation"} -> what it can do, with sources. */
enum stf_kind stf_windows_verb_capabilities(void *self, const struct stf_host *host, const json_t *args,
                                            json_t **result, struct stf_err *err);

/* {"language": "netsh" | "netsh_static" | "powershell", "text"} -> the rules in what a host's "show" script printed:
 * windows_read.h. */
enum stf_kind stf_windows_verb_read(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                    struct stf_err *err);
