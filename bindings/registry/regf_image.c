/* regf_image.c - cells of a hive, bounds and ownership (regf_image.h). Each byte of the bins is claimed at most once,
 * so whatever a reader does that follows references is linear in the size of the file. SPDX-License-Identifier: MIT */
#include "registry/regf_image.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16384, UNIT = 8 };

/* A claim is the position in the file of the reference, which is a multiple of 4; or the cell itself, when it may be
 * shared. Its lowest bits say which. */
enum { CLAIM_IS_START = 1, CLAIM_IS_SHARED = 2 };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "hive", NULL, "memory is out");
}

enum stf_kind stf_regf_damaged(const struct stf_regf_image *image, uint32_t offset, const char *what,
                               struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "read", image->path,
                       "the hive %s is damaged at 0x%llx: %s; restore it from a backup", image->path,
                       (unsigned long long)offset + STF_REGF_BASE_SIZE, what);
}

static enum stf_kind init(struct stf_regf_image *image, struct stf_err *err)
{
    image->bins_size = stf_regf_u32(image->bytes + STF_REGF_AT_BINS_SIZE);
    image->claims = calloc(image->bins_size / UNIT, sizeof(image->claims[0]));
    return image->claims != NULL ? STF_OK : no_memory(err);
}

enum stf_kind stf_regf_image_init_whole(struct stf_regf_image *image, uint8_t *bytes, const char *path,
                                        struct stf_err *err)
{
    enum stf_kind kind;

    *image = (struct stf_regf_image){.path = path, .bytes = bytes};
    kind = init(image, err);
    if (kind != STF_OK)
        stf_regf_image_fini(image);
    return kind;
}

enum stf_kind stf_regf_image_init(struct stf_regf_image *image, const uint8_t base[STF_REGF_BASE_SIZE],
                                  stf_regf_read_at read_at, void *context, const char *path, struct stf_err *err)
{
    size_t size = STF_REGF_BASE_SIZE + (size_t)stf_regf_u32(base + STF_REGF_AT_BINS_SIZE);
    enum stf_kind kind = STF_NO_MEMORY;

    *image = (struct stf_regf_image){.path = path, .read_at = read_at, .context = context};
    image->bytes = calloc(size, 1); /* pages that are never read cost nothing */
    image->loaded = calloc(size / BLOCK_SIZE / 8 + 1, 1);
    if (image->bytes == NULL || image->loaded == NULL) {
        kind = no_memory(err);
    } else {
        memcpy(image->bytes, base, STF_REGF_BASE_SIZE);
        kind = init(image, err);
    }
    if (kind != STF_OK)
        stf_regf_image_fini(image);
    return kind;
}

void stf_regf_image_fini(struct stf_regf_image *image)
{
    free(image->bytes);
    free(image->loaded);
    free(image->claims);
    free(image->cell_bits);
    *image = (struct stf_regf_image){0};
}

static bool bit_is_set(const uint8_t *bits, size_t i)
{
    return (bits[i / 8] >> (i % 8) & 1) != 0;
}

static void set_bit(uint8_t *bits, size_t i)
{
    bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << (i % 8));
}

/* ---- loading ---- */

/* Makes [offset, offset + size) of the bins be there, reading neighbouring blocks in one go. */
static enum stf_kind load(struct stf_regf_image *image, uint32_t offset, uint32_t size, struct stf_err *err)
{
    uint64_t end = STF_REGF_BASE_SIZE + (uint64_t)image->bins_size;
    size_t block = (STF_REGF_BASE_SIZE + (size_t)offset) / BLOCK_SIZE;
    size_t last = (STF_REGF_BASE_SIZE + (size_t)offset + size - 1) / BLOCK_SIZE;

    if (image->read_at == NULL)
        return STF_OK;
    while (block <= last) {
        size_t first = block;
        uint64_t from;
        uint64_t to;
        enum stf_kind kind;
        if (bit_is_set(image->loaded, block)) {
            block++;
            continue;
        }
        while (block <= last && !bit_is_set(image->loaded, block))
            block++;
        from = first > 0 ? (uint64_t)first * BLOCK_SIZE : STF_REGF_BASE_SIZE;
        to = (uint64_t)block * BLOCK_SIZE < end ? (uint64_t)block * BLOCK_SIZE : end;
        kind = image->read_at(image->context, from, image->bytes + from, (size_t)(to - from), err);
        if (kind != STF_OK)
            return kind;
        for (size_t i = first; i < block; i++)
            set_bit(image->loaded, i);
    }
    return STF_OK;
}

/* ---- bins ---- */

static enum stf_kind check_cells(struct stf_regf_image *image, uint32_t bin, uint32_t bin_size, struct stf_err *err)
{
    uint32_t end = bin + bin_size;

    for (uint32_t at = bin + STF_REGF_BIN_HEADER_SIZE; at < end;) {
        uint32_t word = stf_regf_u32(image->bytes + STF_REGF_BASE_SIZE + at);
        bool is_allocated = (word & 0x80000000u) != 0;
        uint32_t size = is_allocated ? 0u - word : word;
        if (size < UNIT || size % UNIT != 0 || size > end - at)
            return stf_regf_damaged(image, at, "a cell is larger than what is left of its bin, or has no size", err);
        if (is_allocated)
            set_bit(image->cell_bits, at / UNIT);
        at += size;
    }
    return STF_OK;
}

enum stf_kind stf_regf_image_check(struct stf_regf_image *image, struct stf_err *err)
{
    enum stf_kind kind = load(image, 0, image->bins_size, err);

    if (kind == STF_OK && image->cell_bits == NULL) {
        image->cell_bits = calloc(image->bins_size / UNIT / 8 + 1, 1);
        kind = image->cell_bits != NULL ? STF_OK : no_memory(err);
    }
    for (uint32_t bin = 0; kind == STF_OK && bin < image->bins_size;) {
        const uint8_t *header = image->bytes + STF_REGF_BASE_SIZE + bin;
        uint32_t size = stf_regf_u32(header + 8);
        if (memcmp(header, "hbin", 4) != 0 || stf_regf_u32(header + 4) != bin || size == 0 ||
            size % STF_REGF_BIN_ALIGN != 0 || size > image->bins_size - bin)
            return stf_regf_damaged(image, bin, "no bin of cells starts here, or it ends beyond the file", err);
        kind = check_cells(image, bin, size, err);
        bin += size;
    }
    return kind;
}

/* ---- cells ---- */

static enum stf_kind claim(struct stf_regf_image *image, uint32_t offset, uint32_t size, uint32_t by,
                           struct stf_err *err)
{
    uint32_t *claims = image->claims + offset / UNIT;

    if (claims[0] == (by | CLAIM_IS_START))
        return STF_OK;
    for (uint32_t i = 0; i < size / UNIT; i++)
        if (claims[i] != 0)
            return stf_regf_damaged(image, offset + i * UNIT, "two things are said to be in the same place", err);
    for (uint32_t i = 1; i < size / UNIT; i++)
        claims[i] = by;
    claims[0] = by | CLAIM_IS_START;
    return STF_OK;
}

static enum stf_kind follow(struct stf_regf_image *image, uint32_t by, uint32_t offset, struct stf_regf_cell *cell,
                            struct stf_err *err)
{
    const uint8_t *header;
    uint32_t size;
    enum stf_kind kind;

    if (offset < STF_REGF_BIN_HEADER_SIZE || offset % UNIT != 0 || offset > image->bins_size - UNIT)
        return stf_regf_damaged(image, offset, "something is said to be where no cell can be", err);
    header = image->bytes + STF_REGF_BASE_SIZE + offset;
    kind = load(image, offset, UNIT, err);
    if (kind != STF_OK)
        return kind;
    size = 0u - stf_regf_u32(header);
    if (size < UNIT || size % UNIT != 0 || size > image->bins_size - offset ||
        (image->cell_bits != NULL && !bit_is_set(image->cell_bits, offset / UNIT)))
        return stf_regf_damaged(image, offset, "something is said to be in a cell that is free or cut short", err);
    kind = load(image, offset, size, err);
    if (kind == STF_OK)
        kind = claim(image, offset, size, by, err);
    *cell = (struct stf_regf_cell){header + 4, size - 4};
    return kind;
}

enum stf_kind stf_regf_cell_follow(struct stf_regf_image *image, const uint8_t *from, uint32_t offset,
                                   struct stf_regf_cell *cell, struct stf_err *err)
{
    return follow(image, (uint32_t)(from - image->bytes), offset, cell, err);
}

enum stf_kind stf_regf_cell_share(struct stf_regf_image *image, uint32_t offset, struct stf_regf_cell *cell,
                                  struct stf_err *err)
{
    return follow(image, offset | CLAIM_IS_SHARED, offset, cell, err);
}

struct stf_regf_cell stf_regf_cell_known(const struct stf_regf_image *image, uint32_t offset)
{
    const uint8_t *header = image->bytes + STF_REGF_BASE_SIZE + offset;

    return (struct stf_regf_cell){header + 4, 0u - stf_regf_u32(header) - 4};
}
