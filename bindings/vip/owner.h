/* owner.h - the resource vip.owner: which node a cluster manager lets have the virtual IP. Internal to bindings/vip.
 * Must never touch the address itself. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

enum stf_kind stf_vip_owner_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                 struct stf_err *err);
enum stf_kind stf_vip_owner_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                  struct stf_err *err);
char *stf_vip_owner_describe(const json_t *id, const json_t *state);
