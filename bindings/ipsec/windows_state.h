/* windows_state.h - what stands of one policy on a Windows host, told by what its own tools print.
 * Must never touch a host. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "ipsec/windows_capabilities.h"

struct stf_windows_state {
    json_t *standing; /* [{"kind": "rule", "name": TEXT}]: what must go to remove it all */
    json_t *facts;    /* [TEXT], sorted: what holds; equal to those of stf_windows_commands where a policy stands */
    json_t *assigned; /* the name of the policy of netsh ipsec that is assigned, or NULL; it may be another's */
};

/* Of the text that the script "show" printed. `name` is the policy's on the host: "staffetta-mail". What other names
 * have is not looked at. Fini also after an error. */
enum stf_kind stf_windows_state_read(struct stf_windows_state *state, enum stf_windows_tool tool, const char *name,
                                     const char *text, struct stf_err *err);
void stf_windows_state_fini(struct stf_windows_state *state);

/* Puts a text into a sorted list, in small letters: Windows tells names and words in its own. */
void stf_windows_facts_add(json_t *facts, char *fact);

/* The first line that one list has and the other has not, or NULL; `*is_missing`: whether it is one of `wanted`. */
const char *stf_windows_facts_differ(const json_t *wanted, const json_t *found, bool *is_missing);
