/* fuzz_windows.c - any bytes as what netsh or PowerShell print about rules: refused, or a list of rules with names.
 * SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>

#include "ipsec/windows_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(json_t *rules)
{
    for (size_t i = 0; i < json_array_size(rules); i++) {
        if (!json_is_string(json_object_get(json_array_get(rules, i), "name")))
            abort();
    }
    json_decref(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *rules = NULL;
    if (!stf_windows_read_consec((const char *)bytes, size, &rules, NULL))
        check(rules);
    if (!stf_windows_read_powershell((const char *)bytes, size, &rules, NULL))
        check(rules);
    return 0;
}
