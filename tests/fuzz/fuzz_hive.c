/* fuzz_hive.c - any bytes as a hive: refused, or a tree. What opens for writing reads the same bit by bit, and what is
 * written of it reads and writes the same again. The base block is put right, so that the fuzzer need not guess its
 * checksum. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "registry/regf_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct counts {
    size_t keys;
    size_t values;
    size_t bytes;
};

static enum stf_kind walk(struct stf_regf_image *image, const struct stf_regf_key *key, size_t depth,
                          struct counts *counts)
{
    struct stf_regf_offsets values = {0};
    struct stf_regf_offsets subkeys = {0};
    enum stf_kind kind =
        depth <= STF_REGISTRY_DEPTH_MAX ? stf_regf_values(image, key, &values, NULL) : STF_INVALID_DATA;

    counts->keys++;
    for (size_t i = 0; i < values.count && kind == STF_OK; i++) {
        struct stf_registry_value value;
        kind = stf_regf_value(image, values.items[i], &value, NULL);
        counts->values++;
        counts->bytes += value.size;
        stf_registry_value_fini(&value);
    }
    free(values.items);
    if (kind == STF_OK) {
        kind = stf_regf_subkeys(image, key, &subkeys, NULL);
    }
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        struct stf_regf_key subkey = stf_regf_key_known(image, subkeys.items[i]);
        char *name = NULL;
        kind = stf_regf_key_name(&subkey, &name, NULL);
        free(name);
        if (kind == STF_OK) {
            kind = walk(image, &subkey, depth + 1, counts);
        }
    }
    free(subkeys.items);
    return kind;
}

struct source {
    const uint8_t *bytes;
    size_t size;
};

static enum stf_kind read_at(void *context, uint64_t offset, void *into, size_t size, struct stf_err *err)
{
    const struct source *source = context;

    (void)err;
    if (offset > source->size || size > source->size - offset) {
        abort();
    }
    memcpy(into, source->bytes + offset, size);
    return STF_OK;
}

static enum stf_kind walk_all(const uint8_t *bytes, size_t size, struct counts *counts)
{
    struct source source = {bytes, size};
    struct stf_regf_image image;
    struct stf_regf_key root;
    enum stf_kind kind = stf_regf_image_init(&image, bytes, read_at, &source, "hive", NULL);

    if (kind == STF_OK) {
        kind = stf_regf_root(&image, &root, NULL);
        if (kind == STF_OK) {
            kind = walk(&image, &root, 0, counts);
        }
        stf_regf_image_fini(&image);
    }
    return kind;
}

static enum stf_kind read_tree(const uint8_t *bytes, size_t size, struct stf_hivetree *tree)
{
    struct stf_regf_image image;
    uint8_t *copy = malloc(size);
    enum stf_kind kind;

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, size);
    kind = stf_regf_image_init_whole(&image, copy, "hive", NULL);
    if (kind == STF_OK) {
        kind = stf_hivetree_init_from(tree, &image, NULL);
        stf_regf_image_fini(&image);
    }
    return kind;
}

static struct counts count_tree(const struct stf_keytree_key *key)
{
    struct counts counts = {.keys = 1, .values = key->values.count};

    for (size_t i = 0; i < key->values.count; i++) {
        counts.bytes += stf_keytree_value_at(key, i)->size;
    }
    for (size_t i = 0; i < key->keys.count; i++) {
        struct counts below = count_tree(stf_keytree_key_at(key, i));
        counts.keys += below.keys;
        counts.values += below.values;
        counts.bytes += below.bytes;
    }
    return counts;
}

/* Writes the tree, reads that and writes it again. */
static void check_rewrite(struct stf_hivetree *tree)
{
    struct stf_hivetree again = {0};
    uint8_t *first = NULL;
    uint8_t *second = NULL;
    size_t first_size = 0;
    size_t second_size = 0;

    if (stf_regf_write(tree, &first, &first_size, NULL) != STF_OK || read_tree(first, first_size, &again) != STF_OK ||
        stf_regf_write(&again, &second, &second_size, NULL) != STF_OK || first_size != second_size ||
        memcmp(first, second, first_size) != 0) {
        abort();
    }
    free(first);
    free(second);
    stf_hivetree_fini(&again);
}

static void check_hive(const uint8_t *bytes, size_t size)
{
    struct stf_hivetree tree = {0};
    struct counts walked = {0};
    enum stf_kind kind = walk_all(bytes, size, &walked);

    if (read_tree(bytes, size, &tree) == STF_OK) {
        struct counts counted = count_tree(tree.root);
        if (kind != STF_OK || memcmp(&counted, &walked, sizeof(counted)) != 0) {
            abort();
        }
        check_rewrite(&tree);
    }
    stf_hivetree_fini(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t bins_size = size > STF_REGF_BASE_SIZE ? (uint32_t)(size - STF_REGF_BASE_SIZE) & ~0xfffu : 0;
    uint8_t *hive;

    if (bins_size == 0 || (hive = malloc(STF_REGF_BASE_SIZE + bins_size)) == NULL) {
        return 0;
    }
    memcpy(hive, bytes, STF_REGF_BASE_SIZE + bins_size);
    memcpy(hive, "regf", 4);
    stf_regf_put_u32(hive + STF_REGF_AT_SEQUENCE_2, stf_regf_u32(hive + STF_REGF_AT_SEQUENCE_1));
    stf_regf_put_u32(hive + STF_REGF_AT_MAJOR, 1);
    stf_regf_put_u32(hive + STF_REGF_AT_MINOR, 3 + stf_regf_u32(hive + STF_REGF_AT_MINOR) % 4);
    stf_regf_put_u32(hive + STF_REGF_AT_TYPE, 0);
    stf_regf_put_u32(hive + STF_REGF_AT_FORMAT, 1);
    stf_regf_put_u32(hive + STF_REGF_AT_BINS_SIZE, bins_size);
    stf_regf_put_checksum(hive);
    check_hive(hive, STF_REGF_BASE_SIZE + bins_size);
    free(hive);
    return 0;
}
