/* report.h - one run as people and other programs read it: made from the journal alone, the same bytes each time.
 * Never looks at a host. SPDX-License-Identifier: MIT */
#pragma once

#include "journal.h"

/* The run as one document: {"run", "outcome", "measures", "changes", "checks", "events", "scripts", "hosts"}; each
 * change says in words what it was ("describe"). docs/reports.md has its members. A new reference. */
enum stf_kind stf_report_load(struct stf_journal *journal, int64_t run, json_t **report, struct stf_err *err);

/* What a report has from elsewhere. */
struct stf_report_extras {
    const char *state_dir; /* named in the commands that the report gives; NULL: the default, which needs no naming */
    const char *timeline;  /* markup of our own: SVG of the drills' timelines; NULL: there are none */
};

/* The forms that a report has as text: "html", "junit", "markdown", "prometheus". *text is malloc'ed. */
enum stf_kind stf_report_text(const json_t *report, const char *form, const struct stf_report_extras *extras,
                              char **text, size_t *size, struct stf_err *err);
