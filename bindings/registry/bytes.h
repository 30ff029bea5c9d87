/* bytes.h - little-endian integers and bytes into a growing buffer, and out of a bounded one. Each integer starts at a
 * multiple of its size, counted from the start of the buffer, as NDR has it. Never reads or writes outside its buffer.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts as {0}. When memory runs out `has_failed` is set and stays so; nothing more is written. */
struct stf_bytes_out {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    bool has_failed;
};

void stf_bytes_put_u16(struct stf_bytes_out *out, uint16_t value);
void stf_bytes_put_u32(struct stf_bytes_out *out, uint32_t value);
void stf_bytes_put(struct stf_bytes_out *out, const void *bytes, size_t size);
/* Overwrites what was in it first: it may have held a password. */
void stf_bytes_out_fini(struct stf_bytes_out *out);

/* Starts as {bytes, size}. A read beyond the end gives 0 or NULL, sets `is_short`, and so does each later one. */
struct stf_bytes_in {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool is_short;
};

uint16_t stf_bytes_get_u16(struct stf_bytes_in *in);
uint32_t stf_bytes_get_u32(struct stf_bytes_in *in);
/* Points into the buffer. */
const uint8_t *stf_bytes_get(struct stf_bytes_in *in, size_t size);
