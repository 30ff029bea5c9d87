/* windows_capabilities.h - what the IPsec of each Windows Server can do, as far as Microsoft has published it.
 * Must never guess: what no source says is not in the table. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "ipsec/proposal.h"

enum stf_windows_generation {
    STF_WINDOWS_2000,
    STF_WINDOWS_2003,
    STF_WINDOWS_2008,
    STF_WINDOWS_2008R2,
    STF_WINDOWS_2012,
    STF_WINDOWS_2012R2,
    STF_WINDOWS_2016,
    STF_WINDOWS_2019,
    STF_WINDOWS_2022,
    STF_WINDOWS_COUNT, /* no generation */
};

enum stf_windows_tool {
    STF_WINDOWS_STATIC,     /* netsh ipsec static */
    STF_WINDOWS_CONSEC,     /* netsh advfirewall consec and mainmode */
    STF_WINDOWS_POWERSHELL, /* the NetSecurity module */
    STF_WINDOWS_TOOL_COUNT, /* no tool */
};

enum stf_windows_phase { STF_WINDOWS_MAIN_MODE, STF_WINDOWS_QUICK_MODE };

/* An algorithm, from which generation on Windows has it in each phase (STF_WINDOWS_COUNT: in none), and what each tool
 * calls it (NULL: that tool does not). */
struct stf_windows_algorithm {
    const char *word; /* strongSwan's, as in policies */
    enum stf_algorithm_role role;
    enum stf_windows_generation since[2];     /* by phase */
    const char *name[STF_WINDOWS_TOOL_COUNT]; /* by tool */
};

/* "2003" -> STF_WINDOWS_2003; the COUNT for anything else. */
enum stf_windows_generation stf_windows_generation_of(const char *text);
const char *stf_windows_generation_name(enum stf_windows_generation generation); /* "Windows Server 2003" */
extern const char *const stf_windows_generations[];                              /* "2000", .., ended by NULL */

/* "ipsec_static", "consec", "powershell". */
enum stf_windows_tool stf_windows_tool_of(const char *text);
bool stf_windows_has_tool(enum stf_windows_generation generation, enum stf_windows_tool tool);

/* The newest tool that the generation has; the COUNT on Windows 2000, which has none of them. */
enum stf_windows_tool stf_windows_default_tool(enum stf_windows_generation generation);

/* NULL when this generation, with this tool and in this phase, does not have the algorithm. Windows 2000 has no tool,
 * so STF_WINDOWS_TOOL_COUNT asks what its IPsec itself has. */
const struct stf_windows_algorithm *stf_windows_algorithm(enum stf_windows_generation generation,
                                                          enum stf_windows_tool tool, enum stf_windows_phase phase,
                                                          const char *word);

/* "des, 3des": what it has in that role, for messages. */
void stf_windows_list(enum stf_windows_generation generation, enum stf_windows_tool tool, enum stf_windows_phase phase,
                      enum stf_algorithm_role role, char *text, size_t size);

bool stf_windows_has_ikev2(enum stf_windows_generation generation, enum stf_windows_tool tool);

/* All of it for one generation as a document, with the titles of the sources; a new reference, NULL when memory is out.
 */
json_t *stf_windows_capabilities(enum stf_windows_generation generation);
