/* trace.h - when packets came: how many in each millisecond, and each message of IKE. Internal to bindings/wire.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "decode.h"

struct stf_wire_trace;

/* NULL when memory is out. */
struct stf_wire_trace *stf_wire_trace_new(int64_t begun_ns);
/* NULL is legal. */
void stf_wire_trace_free(struct stf_wire_trace *trace);

/* `at_ns` is CLOCK_MONOTONIC. What there is no room for is counted. */
void stf_wire_trace_add(struct stf_wire_trace *trace, const struct stf_wire_packet *packet, int64_t at_ns);

/* As README.md describes it; NULL when memory is out. */
json_t *stf_wire_trace_doc(const struct stf_wire_trace *trace);
