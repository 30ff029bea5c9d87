/* bytes.c - the growing and the bounded buffer of the remote registry's messages. Knows no message.
 * SPDX-License-Identifier: MIT */
#include "registry/bytes.h"

#include <stdlib.h>
#include <string.h>

/* Room for `size` more bytes at a multiple of `alignment`; NULL when memory is out. Never by realloc, which would leave
 * copies of a password behind. */
static uint8_t *reserve(struct stf_bytes_out *out, size_t size, size_t alignment)
{
    size_t start = (out->size + alignment - 1) / alignment * alignment;

    if (out->has_failed)
        return NULL;
    if (start + size > out->capacity) {
        size_t capacity = 2 * (start + size) + 64;
        uint8_t *bytes = malloc(capacity);
        if (bytes == NULL) {
            out->has_failed = true;
            return NULL;
        }
        if (out->size > 0) {
            memcpy(bytes, out->bytes, out->size);
            explicit_bzero(out->bytes, out->size);
        }
        free(out->bytes);
        out->bytes = bytes;
        out->capacity = capacity;
    }
    memset(out->bytes + out->size, 0, start - out->size);
    out->size = start + size;
    return out->bytes + start;
}

void stf_bytes_put_u16(struct stf_bytes_out *out, uint16_t value)
{
    uint8_t *at = reserve(out, 2, 2);

    if (at != NULL) {
        at[0] = (uint8_t)value;
        at[1] = (uint8_t)(value >> 8);
    }
}

void stf_bytes_put_u32(struct stf_bytes_out *out, uint32_t value)
{
    uint8_t *at = reserve(out, 4, 4);

    for (int i = 0; at != NULL && i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void stf_bytes_put(struct stf_bytes_out *out, const void *bytes, size_t size)
{
    uint8_t *at = reserve(out, size, 1);

    if (at != NULL && size > 0)
        memcpy(at, bytes, size);
}

void stf_bytes_out_fini(struct stf_bytes_out *out)
{
    if (out->bytes != NULL) {
        explicit_bzero(out->bytes, out->size);
        free(out->bytes);
    }
    *out = (struct stf_bytes_out){0};
}

static const uint8_t *take(struct stf_bytes_in *in, size_t size, size_t alignment)
{
    size_t start = (in->at + alignment - 1) / alignment * alignment;

    if (in->is_short || start > in->size || size > in->size - start) {
        in->is_short = true;
        return NULL;
    }
    in->at = start + size;
    return in->bytes + start;
}

uint16_t stf_bytes_get_u16(struct stf_bytes_in *in)
{
    const uint8_t *at = take(in, 2, 2);

    return at != NULL ? (uint16_t)(at[0] | at[1] << 8) : 0;
}

uint32_t stf_bytes_get_u32(struct stf_bytes_in *in)
{
    const uint8_t *at = take(in, 4, 4);

    return at != NULL ? (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24 : 0;
}

const uint8_t *stf_bytes_get(struct stf_bytes_in *in, size_t size)
{
    return take(in, size, 1);
}
