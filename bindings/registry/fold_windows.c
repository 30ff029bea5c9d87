/* fold_windows.c - Windows' case rules by Windows itself: the table that its registry compares names by.
 * SPDX-License-Identifier: MIT */
#include "registry/fold.h"

#include <windows.h>

/* From ntdll; documented for drivers, and no header for programs declares it. */
WCHAR WINAPI RtlUpcaseUnicodeChar(WCHAR unit);

uint32_t stf_registry_fold_wide(uint32_t code)
{
    return code <= 0xffff ? RtlUpcaseUnicodeChar((WCHAR)code) : code;
}
