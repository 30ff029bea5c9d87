/* fuzz_hive.c - any bytes as a hive: refused, or a tree. What opens for writing reads the same bit by bit, and what is
 * written of it reads and writes the same again. The base block is put right, so that the fuzzer need not guess its
 * checksum. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "regf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static enum stf_kind read_tree(const uint8_t *bytes, size_t size, struct stf_hivetree *tree)
{
    struct stf_regf_image image;
    uint8_t *copy = malloc(size);
    enum stf_kind kind;

    if (copy == NULL)
        abort();
    memcpy(copy, bytes, size);
    kind = stf_regf_image_init_whole(&image, copy, "hive", NULL);
    if (kind == STF_OK) {
        kind = stf_hivetree_init_from(tree, &image, NULL);
        stf_regf_image_fini(&image);
    }
    return kind;
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
        memcmp(first, second, first_size) != 0)
        abort();
    free(first);
    free(second);
    stf_hivetree_fini(&again);
}

static void check_hive(const uint8_t *bytes, size_t size)
{
    struct stf_hivetree tree = {0};
    struct regf_counts walked = {0};
    enum stf_kind kind = regf_walk_all(bytes, size, &walked, NULL);

    if (read_tree(bytes, size, &tree) == STF_OK) {
        struct regf_counts counted = regf_count_tree(tree.root);
        if (kind != STF_OK || memcmp(&counted, &walked, sizeof(counted)) != 0)
            abort();
        check_rewrite(&tree);
    }
    stf_hivetree_fini(&tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t bins_size = size > STF_REGF_BASE_SIZE ? (uint32_t)(size - STF_REGF_BASE_SIZE) & ~0xfffu : 0;
    uint8_t *hive;

    if (bins_size == 0 || (hive = malloc(STF_REGF_BASE_SIZE + bins_size)) == NULL)
        return 0;
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
