/* fuzz_hive_logs.c - any bytes as a dirty hive with its transaction logs: refused, or replayed to a clean hive, which
 * may be refused then. The input: a byte that says what is put right, the number of the hive's bytes in pages and of
 * the first log's in sectors, then hive, first log, second log. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "registry/regf_log.h"
#include "registry/regf_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { SECTOR = 512, HEADER_SIZE = 3, FIX_HIVE = 1, FIX_BASES = 2, FIX_ENTRIES = 4 };

static void fix_hive(uint8_t *hive)
{
    memcpy(hive, "regf", 4);
    stf_regf_put_u32(hive + STF_REGF_AT_SEQUENCE_1, stf_regf_u32(hive + STF_REGF_AT_SEQUENCE_2) + 1);
    stf_regf_put_checksum(hive);
}

/* Checksum and hashes are put right, which a fuzzer would hardly find. */
static void fix_log(uint8_t *log, size_t size, unsigned what)
{
    if (size >= SECTOR && (what & FIX_BASES) != 0) {
        memcpy(log, "regf", 4);
        stf_regf_put_checksum(log);
    }
    for (size_t at = SECTOR; (what & FIX_ENTRIES) != 0 && at + SECTOR <= size;) {
        uint8_t *entry = log + at;
        uint32_t entry_size = stf_regf_u32(entry + 4);
        if (entry_size < SECTOR || entry_size % SECTOR != 0 || entry_size > size - at)
            break;
        stf_regf_put_u64(entry + 24, stf_regf_log_hash(entry + 40, entry_size - 40));
        stf_regf_put_u64(entry + 32, stf_regf_log_hash(entry, 32));
        at += entry_size;
    }
}

static uint8_t *take(const uint8_t **bytes, size_t *left, size_t size, size_t *taken)
{
    uint8_t *copy = malloc(size + 1);

    *taken = size < *left ? size : *left;
    if (copy == NULL)
        abort();
    memcpy(copy, *bytes, *taken);
    *bytes += *taken;
    *left -= *taken;
    return copy;
}

static void check_replayed(struct stf_regf_bytes *hive)
{
    struct stf_regf_image image;
    struct stf_hivetree tree = {0};

    if (stf_regf_is_dirty(hive->bytes))
        abort();
    if (stf_regf_check_format(hive->bytes, "hive", NULL) != STF_OK ||
        stf_regf_check_size(hive->bytes, hive->size, "hive", NULL) != STF_OK)
        return;
    if (stf_regf_image_init_whole(&image, hive->bytes, "hive", NULL) == STF_OK) {
        enum stf_kind kind = stf_hivetree_init_from(&tree, &image, NULL);
        (void)kind; /* either is well */
        stf_hivetree_fini(&tree);
        stf_regf_image_fini(&image);
    }
    hive->bytes = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct stf_regf_bytes hive;
    struct stf_regf_bytes logs[STF_REGF_LOG_COUNT];
    unsigned what;
    size_t log_size;

    if (size < HEADER_SIZE + STF_REGF_BASE_SIZE)
        return 0;
    what = bytes[0];
    hive.size = (1 + bytes[1] % 8u) * STF_REGF_BASE_SIZE;
    log_size = bytes[2] * (size_t)SECTOR;
    bytes += HEADER_SIZE;
    size -= HEADER_SIZE;
    hive.bytes = take(&bytes, &size, hive.size, &hive.size);
    logs[0].bytes = take(&bytes, &size, log_size, &logs[0].size);
    logs[1].bytes = take(&bytes, &size, size, &logs[1].size);
    if ((what & FIX_HIVE) != 0)
        fix_hive(hive.bytes);
    for (size_t i = 0; i < STF_REGF_LOG_COUNT; i++)
        fix_log(logs[i].bytes, logs[i].size, what);
    if (stf_regf_replay(&hive, logs, "hive", NULL) == STF_OK)
        check_replayed(&hive);
    free(hive.bytes);
    free(logs[0].bytes);
    free(logs[1].bytes);
    return 0;
}
