/* timeline.h - the timeline of a failover (docs/timeline.md) for a person: a table, and a picture.
 * Pure: a document in, text out. Must never show what the document does not say. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include <staffetta/err.h>

/* The phases with their times, and whether they add up. */
void stf_timeline_print(const json_t *timeline, FILE *stream);

/* One picture of all `cases`, [{"case":"planned_move","timeline":{..}}], one below the other: SVG, malloc'ed. */
enum stf_kind stf_timeline_svg(const json_t *cases, char **svg, size_t *size, struct stf_err *err);

/* "SAs deleted" for a phase with "name":"sas_deleted". Borrowed. */
const char *stf_timeline_phase_words(const json_t *phase);
