/* reg_edits.h - how the strings and data of a list of edits are kept: in chunks that are freed as one.
 * Only reg_*.c include it. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/reg_text.h"

/* Room for `most` bytes, of which the next call of keep takes some; NULL when memory is out. */
void *stf_reg_edits_reserve(struct stf_reg_edits *edits, size_t most);
void stf_reg_edits_keep(struct stf_reg_edits *edits, size_t size);
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
