/* daemon_resource.h - the resource ipsec.daemon. Internal to bindings/ipsec. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* Resource signatures (binding.h). */
enum stf_kind stf_ipsec_daemon_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err);
enum stf_kind stf_ipsec_daemon_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err);
char *stf_ipsec_daemon_describe(const json_t *id, const json_t *state);
