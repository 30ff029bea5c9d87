/* ndjson.h - a run for a program: --output ndjson (docs/events.md). SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#define STF_NDJSON_API 1 /* of the lines; docs/events.md says what may change without a new number */

/* As on_event of a run wants it; `user` is not used. */
void stf_ndjson_event(void *user, const json_t *event);
/* The last line of a run that has a report, and of one that has none. */
void stf_ndjson_end(const json_t *report, int exit_code);
void stf_ndjson_error(const json_t *error);
