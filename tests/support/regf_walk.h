/* regf_walk.h - for tests and fuzzing of hives: reads one bit by bit, as the store's reader does, and counts what is
 * there. Header only; aborts where the reader breaks its promises. SPDX-License-Identifier: MIT */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "registry/regf_write.h"

struct regf_counts {
    size_t keys;
    size_t values;
    size_t bytes; /* of the values' data */
};

/* The hive as an image's context, with regf_read_at. */
struct regf_source {
    const uint8_t *bytes;
    size_t size;
    size_t bytes_read;
};

static inline enum stf_kind regf_read_at(void *context, uint64_t offset, void *into, size_t size, struct stf_err *err)
{
    struct regf_source *source = context;

    (void)err;
    if (offset > source->size || size > source->size - offset)
        abort();
    memcpy(into, source->bytes + offset, size);
    source->bytes_read += size;
    return STF_OK;
}

/* Names, then data, key by key. */
static inline enum stf_kind regf_walk(struct stf_regf_image *image, const struct stf_regf_key *key, size_t depth,
                                      struct regf_counts *counts, struct stf_err *err)
{
    struct stf_regf_offsets values = {0};
    struct stf_regf_offsets subkeys = {0};
    enum stf_kind kind = depth <= STF_REGISTRY_DEPTH_MAX ? stf_regf_values(image, key, &values, err) : STF_INVALID_DATA;

    counts->keys++;
    for (size_t i = 0; i < values.count && kind == STF_OK; i++) {
        struct stf_registry_value value;
        kind = stf_regf_value(image, values.items[i], &value, err);
        counts->values++;
        counts->bytes += value.size;
        stf_registry_value_fini(&value);
    }
    free(values.items);
    if (kind == STF_OK)
        kind = stf_regf_subkeys(image, key, &subkeys, err);
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        struct stf_regf_key subkey = stf_regf_key_known(image, subkeys.items[i]);
        char *name = NULL;
        kind = stf_regf_key_name(&subkey, &name, err);
        free(name);
        if (kind == STF_OK)
            kind = regf_walk(image, &subkey, depth + 1, counts, err);
    }
    free(subkeys.items);
    return kind;
}

/* Twice: what was read once reads the same again. */
static inline enum stf_kind regf_walk_all(const uint8_t *bytes, size_t size, struct regf_counts *counts,
                                          struct stf_err *err)
{
    struct regf_source source = {bytes, size, 0};
    struct stf_regf_image image;
    struct stf_regf_key root;
    struct regf_counts again = {0};
    enum stf_kind kind = stf_regf_image_init(&image, bytes, regf_read_at, &source, "hive", err);

    *counts = (struct regf_counts){0};
    if (kind != STF_OK)
        return kind;
    kind = stf_regf_root(&image, &root, err);
    if (kind == STF_OK)
        kind = regf_walk(&image, &root, 0, counts, err);
    if (kind == STF_OK &&
        (regf_walk(&image, &root, 0, &again, err) != STF_OK || memcmp(counts, &again, sizeof(again)) != 0))
        abort();
    stf_regf_image_fini(&image);
    return kind;
}

/* The same of a hive that was read whole. */
static inline struct regf_counts regf_count_tree(const struct stf_keytree_key *key)
{
    struct regf_counts counts = {.keys = 1, .values = key->values.count};

    for (size_t i = 0; i < key->values.count; i++)
        counts.bytes += stf_keytree_value_at(key, i)->size;
    for (size_t i = 0; i < key->keys.count; i++) {
        struct regf_counts below = regf_count_tree(stf_keytree_key_at(key, i));
        counts.keys += below.keys;
        counts.values += below.values;
        counts.bytes += below.bytes;
    }
    return counts;
}
