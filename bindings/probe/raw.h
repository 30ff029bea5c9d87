/* raw.h - every sample of a stopped probe, for programs that count for themselves. SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

#include "probe.h"

/* CSV has a header line; NDJSON is one JSON object a line. Both have the fields of struct stf_probe_sample. */
enum stf_probe_raw_form { STF_PROBE_RAW_CSV, STF_PROBE_RAW_NDJSON };

/* STF_IO when not all was written; the file stays open. */
enum stf_kind stf_probe_write_raw(const struct stf_probe *probe, enum stf_probe_raw_form form, FILE *file,
                                  struct stf_err *err);
