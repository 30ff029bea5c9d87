/* fuzz_winreg.c - any bytes as what another host answers: every reader of results, and the names in them.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "registry/rights.h"
#include "registry/value.h"
#include "registry/winreg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A name that was read is written again as it was. */
static void check_name(struct stf_winreg_name name)
{
    char *text = NULL;
    uint8_t *data = NULL;
    size_t units = 0;

    if (stf_registry_name_from_utf16(name.data, name.units, &text, NULL) != STF_OK ||
        stf_registry_name_to_utf16(text, &data, &units, NULL) != STF_OK || units != name.units)
        abort();
    free(data);
    free(text);
}

/* What is kept of a descriptor says the same as the descriptor. */
static void check_rights(const uint8_t *descriptor, size_t descriptor_size, const uint8_t *above, size_t above_size)
{
    size_t size;
    uint8_t *only = stf_rights_only(descriptor, descriptor_size, &size);

    if (only == NULL || !stf_rights_are_all(only, size) ||
        stf_rights_are_own(only, size, above, above_size) !=
            stf_rights_are_own(descriptor, descriptor_size, above, above_size))
        abort();
    free(only);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct stf_bytes_in whole = {.bytes = bytes, .size = size};
    struct stf_bytes_in in = whole;
    struct stf_winreg_handle handle;
    struct stf_winreg_info info;
    struct stf_winreg_name name;
    struct stf_winreg_value value;
    const uint8_t *descriptor;
    size_t descriptor_size;
    uint32_t type;
    uint32_t code;

    stf_winreg_get_created(&in, &handle, &code);
    in = whole;
    stf_winreg_get_info(&in, &info, &code);
    in = whole;
    stf_winreg_get_query_value(&in, &type, &code);
    in = whole;
    if (stf_winreg_get_enum_key(&in, &name, &code))
        check_name(name);
    in = whole;
    if (stf_winreg_get_enum_value(&in, &value, &code))
        check_name(value.name);
    in = whole;
    if (stf_winreg_get_security(&in, &descriptor, &descriptor_size, &code))
        check_rights(descriptor, descriptor_size, bytes, size);
    check_rights(bytes, size, NULL, 0);
    return 0;
}
