/* document.h - what a stopped probe says, as a document: the same for scripts and for the command line.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "probe.h"

/* The reports of all targets, in their order, as an array: a new reference. */
enum stf_kind stf_probe_reports(const struct stf_probe *probe, json_t **reports, struct stf_err *err);

enum { STF_PROBE_TOLD_SAMPLES_MAX = 2000 };

/* What became of the attempts of one log that were to leave from `from_ns` to `to_ns`; of more than
 * STF_PROBE_TOLD_SAMPLES_MAX each n-th one. As probe.meta.lua describes it; NULL when memory is out. */
json_t *stf_probe_samples_doc(const struct stf_probe_log *log, int64_t from_ns, int64_t to_ns);
