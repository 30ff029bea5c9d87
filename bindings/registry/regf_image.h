/* regf_image.h - the bytes of a hive, cell by cell: each is checked when it is followed, and each may be pointed at
 * from one place only, so that no damage makes a reader run away. Does its reading through a call that it is given;
 * never changes a byte. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/regf.h"

/* How an image gets its bytes: all of [offset, offset + size), or an error. */
typedef enum stf_kind (*stf_regf_read_at)(void *context, uint64_t offset, void *into, size_t size, struct stf_err *err);

struct stf_regf_image {
    const char *path; /* for messages; the caller's */
    uint8_t *bytes;   /* the base block and the bins */
    uint32_t bins_size;
    stf_regf_read_at read_at; /* NULL: all bytes are there */
    void *context;
    uint8_t *loaded;    /* one bit for each block that is there */
    uint32_t *claims;   /* for each 8 bytes of the bins, what points at the cell that they belong to */
    uint8_t *cell_bits; /* one bit for each 8 bytes where an allocated cell starts; NULL until all bins are checked */
};

/* An image whose bytes come block by block, as they are needed. `base` is a checked base block. */
enum stf_kind stf_regf_image_init(struct stf_regf_image *image, const uint8_t base[STF_REGF_BASE_SIZE],
                                  stf_regf_read_at read_at, void *context, const char *path, struct stf_err *err);
/* The same of bytes that are there; takes them over (also on failure), frees them with free. */
enum stf_kind stf_regf_image_init_whole(struct stf_regf_image *image, uint8_t *bytes, const char *path,
                                        struct stf_err *err);
void stf_regf_image_fini(struct stf_regf_image *image);

/* Loads all, and checks that bins and cells fill the file without gap or overlap. From then on a cell can only be
 * followed to where one starts. */
enum stf_kind stf_regf_image_check(struct stf_regf_image *image, struct stf_err *err);

/* A cell without its header. `bytes` stays valid as long as the image. */
struct stf_regf_cell {
    const uint8_t *bytes;
    uint32_t size;
};

/* Follows the reference that stands at `from` to the cell at `offset`. STF_INVALID_DATA, saying where, when no cell is
 * there, or one that something else has been seen to point at. */
enum stf_kind stf_regf_cell_follow(struct stf_regf_image *image, const uint8_t *from, uint32_t offset,
                                   struct stf_regf_cell *cell, struct stf_err *err);
/* The same for security descriptors, which many keys share. */
enum stf_kind stf_regf_cell_share(struct stf_regf_image *image, uint32_t offset, struct stf_regf_cell *cell,
                                  struct stf_err *err);
/* A cell that was followed before. */
struct stf_regf_cell stf_regf_cell_known(const struct stf_regf_image *image, uint32_t offset);

/* "the hive PATH is damaged at 0x1234: WHAT; restore it from a backup"; `offset` counts from the end of the base block,
 * the message from the start of the file. */
enum stf_kind stf_regf_damaged(const struct stf_regf_image *image, uint32_t offset, const char *what,
                               struct stf_err *err);
