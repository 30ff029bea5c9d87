/* arena.h - memory that is taken in small pieces and given back as one. Never frees a piece; one thread only.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

struct stf_arena_chunk;

/* Starts as {0}. */
struct stf_arena {
    struct stf_arena_chunk *last;
};

/* A piece, aligned for any pointer or 64-bit integer, not cleared; NULL when memory is out. */
void *stf_arena_alloc(struct stf_arena *arena, size_t size);
/* The same in two steps, where the size is not known before the piece is filled: room for `most` bytes, of which the
 * next call of keep takes some. */
void *stf_arena_reserve(struct stf_arena *arena, size_t most);
void stf_arena_keep(struct stf_arena *arena, size_t size);
void stf_arena_fini(struct stf_arena *arena);
