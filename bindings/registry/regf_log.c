/* regf_log.c - replays transaction logs (regf_log.h). Must stop, not guess, where an entry is torn or out of order:
 * that is where the writer died. SPDX-License-Identifier: MIT */
#include "registry/regf_log.h"

#include <stdlib.h>
#include <string.h>

enum {
    SECTOR = 512,
    TYPE_OLD_LOG = 1,
    TYPE_OLDEST_LOG = 2,
    TYPE_NEW_LOG = 6,
    ENTRY_SIZE = 4,
    ENTRY_FLAGS = 8,
    ENTRY_SEQUENCE = 12,
    ENTRY_BINS_SIZE = 16,
    ENTRY_PAGE_COUNT = 20,
    ENTRY_HASH_1 = 24, /* of the bytes from ENTRY_PAGES on */
    ENTRY_HASH_2 = 32, /* of the bytes before it */
    ENTRY_PAGES = 40,
};

/* ---- hash ---- */

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word << bits | word >> (32 - bits);
}

static void mix(uint32_t *a, uint32_t *b)
{
    *b ^= *a;
    *a = rotate(*a, 20) + *b;
    *b = rotate(*b, 9) ^ *a;
    *a = rotate(*a, 27) + *b;
    *b = rotate(*b, 19);
}

/* The seed is as observed in the logs of Windows 8.1 and 10. */
uint64_t stf_regf_log_hash(const uint8_t *bytes, size_t size)
{
    uint32_t a = 0x7a4e55c5;
    uint32_t b = 0x82ef4d88;
    uint8_t last[4] = {0};
    size_t whole = size & ~(size_t)3;

    for (size_t i = 0; i < whole; i += 4) {
        a += stf_regf_u32(bytes + i);
        mix(&a, &b);
    }
    memcpy(last, bytes + whole, size - whole);
    last[size - whole] = 0x80;
    a += stf_regf_u32(last);
    mix(&a, &b);
    mix(&a, &b);
    return a | (uint64_t)b << 32;
}

/* ---- logs and their entries ---- */

struct log {
    const uint8_t *bytes;
    size_t size;
    uint32_t sequence; /* of its first entry */
};

static bool is_base_of(const uint8_t *bytes, size_t size, uint32_t type)
{
    return size >= SECTOR && memcmp(bytes, "regf", 4) == 0 && stf_regf_u32(bytes + STF_REGF_AT_TYPE) == type &&
           stf_regf_checksum(bytes) == stf_regf_u32(bytes + STF_REGF_AT_CHECKSUM);
}

/* The entry at `at` when it is whole, untorn and could be applied, else NULL. */
static const uint8_t *entry_at(const struct log *log, size_t at, uint32_t *size)
{
    const uint8_t *entry = log->bytes + at;
    uint64_t needed;

    if (at > log->size || log->size - at < ENTRY_PAGES || memcmp(entry, "HvLE", 4) != 0)
        return NULL;
    *size = stf_regf_u32(entry + ENTRY_SIZE);
    if (*size < ENTRY_PAGES || *size % SECTOR != 0 || *size > log->size - at)
        return NULL;
    if (stf_regf_log_hash(entry, ENTRY_HASH_2) != stf_regf_u64(entry + ENTRY_HASH_2) ||
        stf_regf_log_hash(entry + ENTRY_PAGES, *size - ENTRY_PAGES) != stf_regf_u64(entry + ENTRY_HASH_1))
        return NULL;
    needed = ENTRY_PAGES + 8 * (uint64_t)stf_regf_u32(entry + ENTRY_PAGE_COUNT);
    for (uint32_t i = 0; needed <= *size && i < stf_regf_u32(entry + ENTRY_PAGE_COUNT); i++)
        needed += stf_regf_u32(entry + ENTRY_PAGES + 8 * (size_t)i + 4);
    return needed <= *size ? entry : NULL;
}

/* False when the log holds no entry that its base block leads to. */
static bool log_init(struct log *log, const struct stf_regf_bytes *bytes)
{
    uint32_t size;
    const uint8_t *entry;

    *log = (struct log){bytes->bytes, bytes->size, 0};
    if (!is_base_of(log->bytes, log->size, TYPE_NEW_LOG))
        return false;
    entry = entry_at(log, SECTOR, &size);
    if (entry == NULL)
        return false;
    log->sequence = stf_regf_u32(entry + ENTRY_SEQUENCE);
    return log->sequence == stf_regf_u32(log->bytes + STF_REGF_AT_SEQUENCE_1);
}

static uint32_t last_sequence(const struct log *log)
{
    uint32_t sequence = log->sequence;
    uint32_t size;

    for (size_t at = SECTOR;; at += size) {
        const uint8_t *entry = entry_at(log, at, &size);
        if (entry == NULL || (at > SECTOR && stf_regf_u32(entry + ENTRY_SEQUENCE) != sequence + 1))
            return sequence;
        sequence = stf_regf_u32(entry + ENTRY_SEQUENCE);
    }
}

/* ---- applying ---- */

struct replay {
    struct stf_regf_bytes *hive;
    const char *path;
    uint32_t sequence; /* of the last entry applied; before that, the lowest that may be the first */
    bool has_applied;
};

static enum stf_kind resize(struct replay *replay, uint32_t bins_size, struct stf_err *err)
{
    struct stf_regf_bytes *hive = replay->hive;
    size_t size = STF_REGF_BASE_SIZE + (size_t)bins_size;
    uint8_t *more;

    stf_regf_put_u32(hive->bytes + STF_REGF_AT_BINS_SIZE, bins_size);
    if (size <= hive->size)
        return STF_OK;
    more = realloc(hive->bytes, size);
    if (more == NULL)
        return stf_err_set(err, STF_NO_MEMORY, 0, "replay", NULL, "memory is out");
    memset(more + hive->size, 0, size - hive->size);
    *hive = (struct stf_regf_bytes){more, size};
    return STF_OK;
}

static enum stf_kind bad_entry(const struct replay *replay, uint32_t sequence, const char *what, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "replay", replay->path,
                       "entry %u in the transaction logs of %s can not be applied: %s; restore a backup", sequence,
                       replay->path, what);
}

static enum stf_kind apply_entry(struct replay *replay, const uint8_t *entry, struct stf_err *err)
{
    uint32_t sequence = stf_regf_u32(entry + ENTRY_SEQUENCE);
    uint32_t bins_size = stf_regf_u32(entry + ENTRY_BINS_SIZE);
    uint32_t count = stf_regf_u32(entry + ENTRY_PAGE_COUNT);
    const uint8_t *page = entry + ENTRY_PAGES + 8 * (size_t)count;
    uint8_t *flags;
    enum stf_kind kind;

    if (bins_size == 0 || bins_size % STF_REGF_BIN_ALIGN != 0 || bins_size > STF_REGF_SIZE_MAX)
        return bad_entry(replay, sequence, "it makes the hive a size that no hive has", err);
    kind = resize(replay, bins_size, err);
    for (uint32_t i = 0; kind == STF_OK && i < count; i++) {
        uint32_t offset = stf_regf_u32(entry + ENTRY_PAGES + 8 * (size_t)i);
        uint32_t size = stf_regf_u32(entry + ENTRY_PAGES + 8 * (size_t)i + 4);
        if (size > bins_size || offset > bins_size - size)
            return bad_entry(replay, sequence, "it writes beyond the end of the hive", err);
        memcpy(replay->hive->bytes + STF_REGF_BASE_SIZE + offset, page, size);
        page += size;
    }
    if (kind == STF_OK) {
        flags = replay->hive->bytes + STF_REGF_AT_FLAGS;
        stf_regf_put_u32(flags, (stf_regf_u32(flags) & ~1u) | (stf_regf_u32(entry + ENTRY_FLAGS) & 1));
        replay->sequence = sequence;
        replay->has_applied = true;
    }
    return kind;
}

static enum stf_kind apply_log(struct replay *replay, const struct log *log, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    uint32_t size = 0;

    for (size_t at = SECTOR; kind == STF_OK; at += size) {
        const uint8_t *entry = entry_at(log, at, &size);
        uint32_t sequence = entry != NULL ? stf_regf_u32(entry + ENTRY_SEQUENCE) : 0;
        if (entry == NULL || (replay->has_applied ? sequence != replay->sequence + 1 : sequence < replay->sequence))
            break;
        kind = apply_entry(replay, entry, err);
    }
    return kind;
}

/* Only from the log with the latest entries; the others are not looked at then. */
static bool recover_base(struct stf_regf_bytes *hive, struct log *logs, size_t *count)
{
    size_t latest = 0;

    if (*count == 0)
        return false;
    if (*count > 1 && last_sequence(&logs[1]) > last_sequence(&logs[0]))
        latest = 1;
    logs[0] = logs[latest];
    *count = 1;
    memcpy(hive->bytes, logs[0].bytes, SECTOR);
    stf_regf_put_u32(hive->bytes + STF_REGF_AT_TYPE, 0);
    stf_regf_put_checksum(hive->bytes);
    return true;
}

static enum stf_kind nothing_to_apply(const struct stf_regf_bytes *given, const char *path, struct stf_err *err)
{
    for (size_t i = 0; i < STF_REGF_LOG_COUNT; i++) {
        if (is_base_of(given[i].bytes, given[i].size, TYPE_OLD_LOG) ||
            is_base_of(given[i].bytes, given[i].size, TYPE_OLDEST_LOG)) {
            return stf_err_set(err, STF_UNSUPPORTED, 0, "replay", path,
                               "%s is dirty, and its transaction logs have the format of Windows before 8.1 (DIRT), "
                               "which this program does not replay; let Windows load the hive once (reg load, reg "
                               "unload)",
                               path);
        }
    }
    return stf_err_set(
        err, STF_INVALID_DATA, 0, "replay", path,
        "%s is dirty, and its transaction logs (.LOG1, .LOG2 beside it) are missing or hold nothing that "
        "follows what is in it; get the logs that belong to it, or restore a backup",
        path);
}

enum stf_kind stf_regf_replay(struct stf_regf_bytes *hive, const struct stf_regf_bytes given[STF_REGF_LOG_COUNT],
                              const char *path, struct stf_err *err)
{
    struct replay replay = {.hive = hive, .path = path};
    struct log logs[STF_REGF_LOG_COUNT];
    size_t count = 0;
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < STF_REGF_LOG_COUNT; i++)
        count += log_init(&logs[count], &given[i]);
    if (stf_regf_checksum(hive->bytes) != stf_regf_u32(hive->bytes + STF_REGF_AT_CHECKSUM) &&
        !recover_base(hive, logs, &count))
        return nothing_to_apply(given, path, err);
    if (count > 1 && logs[1].sequence < logs[0].sequence) {
        struct log later = logs[0];
        logs[0] = logs[1];
        logs[1] = later;
    }
    replay.sequence = stf_regf_u32(hive->bytes + STF_REGF_AT_SEQUENCE_2);
    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = apply_log(&replay, &logs[i], err);
    if (kind == STF_OK && !replay.has_applied)
        kind = nothing_to_apply(given, path, err);
    if (kind == STF_OK) { /* one more than any entry, so that the logs can not be taken to follow this */
        stf_regf_put_u32(hive->bytes + STF_REGF_AT_SEQUENCE_1, replay.sequence + 1);
        stf_regf_put_u32(hive->bytes + STF_REGF_AT_SEQUENCE_2, replay.sequence + 1);
        stf_regf_put_checksum(hive->bytes);
    }
    return kind;
}
