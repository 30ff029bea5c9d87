/* registry_undo.h - what a run has changed in registries, as .reg edits that put it back by hand.
 * Reads the journal only. SPDX-License-Identifier: MIT */
#pragma once

#include "journal.h"
#include "registry/reg_text.h"

/* Appends to `edits`, which starts as {0}, what puts back all that `run` has changed and nobody has undone, newest
 * first. `host` picks one host; NULL when the run has changed the registry of one only, else STF_INVALID_DATA.
 * STF_NOT_FOUND when there is nothing to put back. Keys that the run made are deleted, with all that is in them. */
enum stf_kind stf_registry_undo_edits(struct stf_journal *journal, int64_t run, const char *host,
                                      struct stf_reg_edits *edits, struct stf_err *err);
