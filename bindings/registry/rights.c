/* rights.c - the DACL in security descriptors of keys. Trusts nothing in them, nor reads beyond their end.
 * SPDX-License-Identifier: MIT */
#include "registry/rights.h"

#include <stdlib.h>
#include <string.h>

#include "registry/bytes.h"

enum { DACL_AT = 16 };
enum { DACL_PRESENT = 0x0004, DACL_PROTECTED = 0x1000, SELF_RELATIVE = 0x8000, ACE_INHERITED = 0x10 };

/* The DACL with its entries; NULL when there is none. */
static const uint8_t *get_dacl(const uint8_t *descriptor, size_t size, uint16_t *control, struct stf_bytes_in *entries,
                               size_t *dacl_size)
{
    struct stf_bytes_in in = {.bytes = descriptor, .size = size, .at = 2};
    uint32_t start;

    *dacl_size = 0;
    *control = stf_bytes_get_u16(&in);
    in.at = DACL_AT;
    start = stf_bytes_get_u32(&in);
    if (in.is_short || start == 0 || start > size || size - start < 8)
        return NULL;
    *dacl_size = (size_t)descriptor[start + 2] | (size_t)descriptor[start + 3] << 8;
    if (*dacl_size < 8 || *dacl_size > size - start)
        return NULL;
    *entries = (struct stf_bytes_in){.bytes = descriptor + start, .size = *dacl_size, .at = 8};
    return descriptor + start;
}

bool stf_rights_are_own(const uint8_t *descriptor, size_t size, const uint8_t *above, size_t above_size)
{
    struct stf_bytes_in entries;
    struct stf_bytes_in above_entries;
    uint16_t control;
    uint16_t above_control;
    size_t dacl_size;
    size_t above_dacl_size;
    const uint8_t *dacl = get_dacl(descriptor, size, &control, &entries, &dacl_size);
    const uint8_t *above_dacl = get_dacl(above, above_size, &above_control, &above_entries, &above_dacl_size);

    if (dacl == NULL)
        return above_dacl != NULL;
    if (dacl_size == above_dacl_size && memcmp(dacl, above_dacl, dacl_size) == 0)
        return false;
    if ((control & DACL_PROTECTED) != 0)
        return true;
    while (entries.at < entries.size) {
        const uint8_t *header = stf_bytes_get(&entries, 4);
        size_t entry_size = header != NULL ? (size_t)header[2] | (size_t)header[3] << 8 : 0;
        if (entry_size < 4 || stf_bytes_get(&entries, entry_size - 4) == NULL || (header[1] & ACE_INHERITED) == 0)
            return true;
    }
    return false;
}

bool stf_rights_are_whole(const uint8_t *descriptor, size_t size)
{
    struct stf_bytes_in in = {.bytes = descriptor, .size = size, .at = DACL_AT};
    struct stf_bytes_in entries;
    uint32_t start = stf_bytes_get_u32(&in);
    uint16_t control;
    size_t dacl_size;

    return !in.is_short && (start == 0 || get_dacl(descriptor, size, &control, &entries, &dacl_size) != NULL);
}

bool stf_rights_are_all(const uint8_t *descriptor, size_t size)
{
    struct stf_bytes_in in = {.bytes = descriptor, .size = size, .at = 4};
    uint32_t owner = stf_bytes_get_u32(&in);
    uint32_t group = stf_bytes_get_u32(&in);
    uint32_t auditing = stf_bytes_get_u32(&in);

    return !in.is_short && owner == 0 && group == 0 && auditing == 0;
}

uint8_t *stf_rights_put(const uint8_t *descriptor, size_t size, const uint8_t *rights, size_t rights_size,
                        size_t *out_size)
{
    struct stf_bytes_in entries;
    uint16_t control;
    size_t dacl_size;
    const uint8_t *dacl = get_dacl(rights, rights_size, &control, &entries, &dacl_size);
    size_t start = (size + 3) / 4 * 4;
    uint8_t *bytes = calloc(1, start + dacl_size);

    if (bytes == NULL)
        return NULL;
    memcpy(bytes, descriptor, size);
    control = (control & DACL_PROTECTED) | DACL_PRESENT | SELF_RELATIVE;
    bytes[2] = (uint8_t)((bytes[2] & ~DACL_PRESENT) | (control & 0xff));
    bytes[3] = (uint8_t)((bytes[3] & ~(DACL_PROTECTED >> 8)) | control >> 8);
    if (dacl != NULL)
        memcpy(bytes + start, dacl, dacl_size);
    for (int i = 0; i < 4; i++)
        bytes[DACL_AT + i] = (uint8_t)(dacl != NULL ? start >> (8 * i) : 0);
    *out_size = start + dacl_size;
    return bytes;
}

uint8_t *stf_rights_only(const uint8_t *descriptor, size_t size, size_t *out_size)
{
    static const uint8_t empty[STF_RIGHTS_HEADER_SIZE] = {1};

    return stf_rights_put(empty, sizeof(empty), descriptor, size, out_size);
}
