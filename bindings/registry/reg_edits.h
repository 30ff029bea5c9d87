/* reg_edits.h - what makes up a list of edits, and the words and code page of .reg text.
 * Only reg_*.c include it. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/reg_text.h"

/* Room for so many items, more than there are. False when memory is out, and the list is as it was. */
bool stf_reg_edits_reserve(struct stf_reg_edits *edits, size_t room);
/* The list's next item, not filled in; NULL when memory is out. */
struct stf_reg_edit *stf_reg_edits_next(struct stf_reg_edits *edits);

/* The code point of a byte in cp1252, and the byte of a code point, or -1 when it has none. */
uint32_t stf_reg_cp1252_code(uint8_t byte);
int stf_reg_cp1252_byte(uint32_t code);

#define STF_REG_HEADER_5 "Windows Registry Editor Version 5.00"
#define STF_REG_HEADER_4 "REGEDIT4"

/* Types whose hex data is text, and so 8-bit in REGEDIT4. */
static inline bool stf_reg_is_text(uint32_t type)
{
    return type == STF_REG_SZ || type == STF_REG_EXPAND_SZ || type == STF_REG_MULTI_SZ;
}
