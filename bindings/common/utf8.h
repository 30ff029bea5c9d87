/* utf8.h - tells text from bytes: what goes into documents and errors is UTF-8. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Length of the character at `text`, 1 to 4 bytes, or 0 when the byte there starts no valid one. `text` ends with a
 * NUL, which counts as a character of one byte. */
size_t stf_utf8_length(const char *text);
