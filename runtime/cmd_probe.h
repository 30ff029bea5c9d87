/* cmd_probe.h - the two halves of `staffetta probe`: what was asked for, and how it is told to a person.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "cli.h"
#include "probe/probe.h"

/* The live line on `stream`, over itself; end takes it away. */
void stf_probe_live_show(FILE *stream, const struct stf_probe_progress *progress);
void stf_probe_live_end(FILE *stream);

/* One target's report (bindings/probe/document.h). */
void stf_probe_report_print(FILE *stream, const json_t *report);
