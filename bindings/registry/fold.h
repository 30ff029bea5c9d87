/* fold.h - the case of registry names: what makes two spellings one name.
 * fold.c where there is a Unicode locale, fold_windows.c on Windows. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* For code points beyond ASCII. */
uint32_t stf_registry_fold_wide(uint32_t code);

/* The upper-case code point that stands for `code` when names are compared. */
static inline uint32_t stf_registry_fold(uint32_t code)
{
    if (code >= 0x80)
        return stf_registry_fold_wide(code);
    return code >= 'a' && code <= 'z' ? code - 'a' + 'A' : code;
}
