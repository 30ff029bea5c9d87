/* arena.c - pieces out of chunks that double in size (arena.h). SPDX-License-Identifier: MIT */
#include "registry/arena.h"

#include <stdint.h>
#include <stdlib.h>

enum { CHUNK_MIN = 4 * 1024, CHUNK_MAX = 256 * 1024, ALIGNMENT = 8 };

struct stf_arena_chunk {
    struct stf_arena_chunk *before;
    size_t used;
    size_t size;
    uint8_t bytes[];
};

static size_t next_size(const struct stf_arena_chunk *last)
{
    size_t size = last != NULL ? 2 * last->size : CHUNK_MIN;

    return size < CHUNK_MAX ? size : CHUNK_MAX;
}

void *stf_arena_reserve(struct stf_arena *arena, size_t most)
{
    struct stf_arena_chunk *chunk = arena->last;

    if (chunk == NULL || chunk->size - chunk->used < most) {
        size_t size = next_size(chunk);
        size = most > size ? most : size;
        chunk = malloc(sizeof(*chunk) + size);
        if (chunk == NULL)
            return NULL;
        *chunk = (struct stf_arena_chunk){.before = arena->last, .size = size};
        arena->last = chunk;
    }
    return chunk->bytes + chunk->used;
}

void stf_arena_keep(struct stf_arena *arena, size_t size)
{
    struct stf_arena_chunk *chunk = arena->last;
    size_t aligned = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

    chunk->used = aligned < chunk->size - chunk->used ? chunk->used + aligned : chunk->size;
}

void *stf_arena_alloc(struct stf_arena *arena, size_t size)
{
    void *piece = stf_arena_reserve(arena, size);

    if (piece != NULL)
        stf_arena_keep(arena, size);
    return piece;
}

void stf_arena_fini(struct stf_arena *arena)
{
    while (arena->last != NULL) {
        struct stf_arena_chunk *before = arena->last->before;
        free(arena->last);
        arena->last = before;
    }
}
