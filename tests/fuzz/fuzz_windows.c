/* fuzz_windows.c - any bytes as what netsh or PowerShell print about rules: refused, or a list of rules with names, of
 * which the facts of a policy are told.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipsec/windows_read.h"
#include "ipsec/windows_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++)
        if (!json_is_string(json_object_get(json_array_get(rules, i), "name")))
            abort();
    json_decref(rules);
}

static void check_state(enum stf_windows_tool tool, const char *text)
{
    struct stf_windows_state state;
    if (!stf_windows_state_read(&state, tool, "staffetta-mail", text, NULL) &&
        json_array_size(state.standing) > json_array_size(state.facts))
        abort();
    stf_windows_state_fini(&state);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *rules = NULL;
    char *text = strndup((const char *)bytes, size);
    if (!stf_windows_read_consec((const char *)bytes, size, &rules, NULL))
        check(rules);
    if (!stf_windows_read_static((const char *)bytes, size, &rules, NULL))
        check(rules);
    if (!stf_windows_read_powershell((const char *)bytes, size, &rules, NULL))
        check(rules);
    for (int tool = 0; text && tool < STF_WINDOWS_TOOL_COUNT; tool++)
        check_state((enum stf_windows_tool)tool, text);
    free(text);
    return 0;
}
