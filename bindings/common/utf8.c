/* utf8.c - decodes strictly: no over-long forms, no surrogates, nothing beyond Unicode. Must never read past a NUL.
 * SPDX-License-Identifier: MIT */
#include "utf8.h"

#include <stdbool.h>
#include <stdint.h>

static size_t length_from_first(unsigned char byte)
{
    if (byte < 0x80)
        return 1;
    if ((byte & 0xe0) == 0xc0)
        return 2;
    if ((byte & 0xf0) == 0xe0)
        return 3;
    return (byte & 0xf8) == 0xf0 ? 4 : 0;
}

size_t stf_utf8_length(const char *text)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* smaller ones are over-long forms */
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = length_from_first(bytes[0]);
    if (length <= 1)
        return length;
    uint32_t point = bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (bytes[i] & 0x3fu);
    }
    bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[length] || point > 0x10ffff || is_surrogate ? 0 : length;
}
