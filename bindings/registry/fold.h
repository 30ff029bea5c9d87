/* fold.h - the case of registry names: what makes two spellings one name.
 * fold.c where there is a Unicode locale, fold_windows.c on Windows. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

/* The upper-case code point that stands for `code` when names are compared. */
uint32_t stf_registry_fold(uint32_t code);
