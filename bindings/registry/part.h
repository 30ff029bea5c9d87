/* part.h - what a thing in a registry key is, by a state of that key. Looks at no store. SPDX-License-Identifier: MIT
 */
#pragma once

#include <jansson.h>

/* The `part` of struct stf_binding: `id` and `state` are of a registry.key. */
json_t *stf_registry_part(const json_t *id, const json_t *state, const char *part, const json_t *part_id);

/* The `with_part`. A key that the part's absence empties, and that its state says was not there either, goes too, and
 * so do those above it as long as they are empty: JSON null where that takes the whole key. */
json_t *stf_registry_with_part(const json_t *id, const json_t *state, const char *part, const json_t *part_id,
                               const json_t *part_state);
