/* priority.h - the resource vip.priority: how much a node wants a virtual IP that keepalived moves. Internal to
 * bindings/vip. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

/* Resource signatures (binding.h). */
enum stf_kind stf_vip_priority_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err);
enum stf_kind stf_vip_priority_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err);
char *stf_vip_priority_describe(const json_t *id, const json_t *state);
