/* plan.h - a plan as a document that can be kept and applied later: what it was made from, and how it differs from what
 * would be planned now. Never acts on a host. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

struct stf_run;
struct stf_runtime;

/* Adds to the engine's plan what it was made from: {"format","version","program_version","made_unix_ms","playbook",
 * "params","scripts":[{"folder","name","origin","sha256"}]} beside "changes" and "unchanged". The site counts as a
 * script, in the folder "site". */
enum stf_kind stf_plan_complete(const struct stf_run *run, json_t *plan, struct stf_err *err);

/* STF_INVALID_DATA, naming what is wrong, for a document that is no plan; STF_UNSUPPORTED for one of another version.
 */
enum stf_kind stf_plan_check(const json_t *plan, struct stf_err *err);

/* Every way in which two complete plans differ, as [{"kind","subject","message"}]; empty when they are the same. Kinds:
 * "script" (a script or the site has changed), "state" (a host has something else than the saved plan begins with),
 * "not_planned" and "not_needed" (a change that only the fresh, or only the saved plan has). NULL: memory is out. */
json_t *stf_plan_drift(const json_t *saved, const json_t *fresh);

/* The part of the above about scripts: `recorded` against `found`, both lists of {"folder","name","sha256"}. Adds to
 * `drift`, and tells whether there was memory for it. */
bool stf_plan_add_script_drift(const json_t *recorded, const json_t *found, json_t *drift);

/* The site as an entry of such a list; NULL: memory is out. */
json_t *stf_plan_site_entry(const struct stf_runtime *rt);

/* The "sha256" of a list's script, or NULL when it has none of that folder and name. */
const char *stf_plan_script_hash(const json_t *scripts, const char *folder, const char *name);
