/* spelling.h - what is the same of a key or value however an id spells it, and its state as each spelling has it.
 * Looks at no store: other names of a key, such as CurrentControlSet, are other keys here. SPDX-License-Identifier: MIT
 */
#pragma once

#include <jansson.h>

/* What follows the last backslash of a key's path. */
const char *stf_registry_last_name(const char *key);

/* A copy of the state of something that is stored as `stored`, for an id that has it as `asked`: it tells the stored
 * spelling only where that is another. NULL: memory is out. */
json_t *stf_registry_spelled_state(const json_t *state, const char *stored, const char *asked);

/* The `identity` and the `respell` of struct stf_binding. */
json_t *stf_registry_identity(const char *resource, const json_t *id);
json_t *stf_registry_respell(const char *resource, const json_t *state, const json_t *from, const json_t *to);
