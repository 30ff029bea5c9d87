/* canonical.h - documents as canonical text: members sorted by name, no blanks, so equal documents have equal text.
 * What json_dump_callback writes with JSON_SORT_KEYS, JSON_COMPACT and JSON_ENCODE_ANY, but long strings cost little,
 * and no member is left out where memory is short. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Gives the text to `sink` in pieces. False when memory is out, or a piece was refused (the sink returned not 0). */
bool stf_canonical_write(const json_t *doc, json_dump_callback_t sink, void *context);
