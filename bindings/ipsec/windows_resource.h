/* windows_resource.h - ipsec.connection on a Windows host: a whole policy of that host. Internal to bindings/ipsec.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* Resource signatures (binding.h). The id is {"name": "staffetta-mail"}; the state is the request of windows_render.h
 * without "name", "before" and "is_plan", or null. */
enum stf_kind stf_windows_policy_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                      struct stf_err *err);
enum stf_kind stf_windows_policy_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                       struct stf_err *err);

/* Whether a state of ipsec.connection is one of these. */
bool stf_windows_policy_is(const json_t *state);

/* "Windows Server 2003, netsh: 10.9.0.1 -> 10.9.0.100 tcp/110,143 require, IKEv1"; malloc'ed, NULL when memory is out.
 */
char *stf_windows_policy_describe(const json_t *state);
