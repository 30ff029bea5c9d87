/* document.h - what a stopped probe says, as a document: the same for scripts and for the command line.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "probe.h"

/* The reports of all targets, in their order, as an array: a new reference. */
enum stf_kind stf_probe_reports(const struct stf_probe *probe, json_t **reports, struct stf_err *err);
