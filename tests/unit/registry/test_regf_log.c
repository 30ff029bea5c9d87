/* test_regf_log.c - transaction logs made here, as Windows writes them, replayed onto a dirty hive: what is applied, in
 * which order, and where replaying must stop. Windows' own logs: test_registry_foreign.c. SPDX-License-Identifier: MIT
 */
#include "regf_test.h"

#include "registry/regf_log.h"

enum { SECTOR = 512, STATES = 6, FIRST_SEQUENCE = 7 };

/* One hive at STATES points in time, as bytes: number i has the dword i, and from 3 on more data. A log entry leads
 * from one to the next. Only the first is ever in the file. */
struct history {
    uint8_t *bytes[STATES];
    size_t sizes[STATES];
};

static int setup(void **state)
{
    static uint8_t more[9000];
    struct history *history = calloc(1, sizeof(*history));

    for (uint32_t i = 0; i < STATES; i++) {
        struct stf_hivetree tree;
        init_tree(&tree);
        add_value(add_key(tree.root, "Key"), "step", STF_REG_DWORD, &i, 4);
        memset(more, (int)i, sizeof(more));
        if (i >= 3)
            add_value(tree.root, "more", STF_REG_BINARY, more, sizeof(more));
        history->bytes[i] = write_tree(&tree, &history->sizes[i]);
        stf_hivetree_fini(&tree);
    }
    *state = history;
    return 0;
}

static int teardown(void **state)
{
    struct history *history = *state;

    for (size_t i = 0; i < STATES; i++)
        free(history->bytes[i]);
    free(history);
    return 0;
}

/* The hive in its first state, with a write begun that was never ended. */
static struct stf_regf_bytes dirty_hive(const struct history *history)
{
    struct stf_regf_bytes hive = {malloc(history->sizes[0]), history->sizes[0]};

    assert_non_null(hive.bytes);
    memcpy(hive.bytes, history->bytes[0], hive.size);
    stf_regf_put_u32(hive.bytes + STF_REGF_AT_SEQUENCE_1, FIRST_SEQUENCE + 1);
    stf_regf_put_u32(hive.bytes + STF_REGF_AT_SEQUENCE_2, FIRST_SEQUENCE);
    stf_regf_put_checksum(hive.bytes);
    return hive;
}

static struct stf_regf_bytes new_log(const struct history *history, uint32_t sequence)
{
    struct stf_regf_bytes log = {calloc(1, SECTOR), SECTOR};

    assert_non_null(log.bytes);
    memcpy(log.bytes, history->bytes[0], SECTOR);
    stf_regf_put_u32(log.bytes + STF_REGF_AT_TYPE, 6);
    stf_regf_put_u32(log.bytes + STF_REGF_AT_SEQUENCE_1, sequence);
    stf_regf_put_u32(log.bytes + STF_REGF_AT_SEQUENCE_2, sequence);
    stf_regf_put_checksum(log.bytes);
    return log;
}

static void put_hashes(uint8_t *entry)
{
    uint32_t size = stf_regf_u32(entry + 4);

    stf_regf_put_u64(entry + 24, stf_regf_log_hash(entry + 40, size - 40));
    stf_regf_put_u64(entry + 32, stf_regf_log_hash(entry, 32));
}

/* Appends the entry that leads to state number `to` from the one before it; returns where it stands. */
static size_t add_entry(struct stf_regf_bytes *log, const struct history *history, size_t to, uint32_t sequence)
{
    const uint8_t *before = history->bytes[to - 1];
    const uint8_t *after = history->bytes[to];
    size_t bins = history->sizes[to] - STF_REGF_BASE_SIZE;
    uint8_t *entry = calloc(1, 2 * history->sizes[to] + 4096);
    uint32_t *pages = calloc(bins / SECTOR, sizeof(*pages));
    size_t at = log->size;
    size_t count = 0;
    size_t size;

    assert_non_null(entry);
    assert_non_null(pages);
    for (size_t page = 0; page < bins; page += SECTOR) {
        size_t place = STF_REGF_BASE_SIZE + page;
        if (place >= history->sizes[to - 1] || memcmp(before + place, after + place, SECTOR) != 0)
            pages[count++] = (uint32_t)page;
    }
    size = 40 + 8 * count;
    for (size_t i = 0; i < count; i++) {
        stf_regf_put_u32(entry + 40 + 8 * i, pages[i]);
        stf_regf_put_u32(entry + 44 + 8 * i, SECTOR);
        memcpy(entry + size, after + STF_REGF_BASE_SIZE + pages[i], SECTOR);
        size += SECTOR;
    }
    size = (size + SECTOR - 1) / SECTOR * SECTOR;
    memcpy(entry, "HvLE", 4);
    stf_regf_put_u32(entry + 4, (uint32_t)size);
    stf_regf_put_u32(entry + 12, sequence);
    stf_regf_put_u32(entry + 16, (uint32_t)bins);
    stf_regf_put_u32(entry + 20, (uint32_t)count);
    put_hashes(entry);
    log->bytes = realloc(log->bytes, at + size);
    assert_non_null(log->bytes);
    memcpy(log->bytes + at, entry, size);
    log->size = at + size;
    free(entry);
    free(pages);
    return at;
}

/* After replaying, the hive is in state number `reached`, clean, with the sequence number after the last entry's. */
static void check_replay(const struct history *history, struct stf_regf_bytes hive, struct stf_regf_bytes log1,
                         struct stf_regf_bytes log2, size_t reached, uint32_t sequence)
{
    const struct stf_regf_bytes logs[STF_REGF_LOG_COUNT] = {log1, log2};
    struct stf_hivetree tree;
    struct stf_hivetree wanted;
    struct stf_err err = {0};

    assert_ok(stf_regf_replay(&hive, logs, "hive", &err), &err);
    assert_int_equal(stf_regf_u32(hive.bytes + STF_REGF_AT_SEQUENCE_1), sequence);
    assert_int_equal(stf_regf_u32(hive.bytes + STF_REGF_AT_SEQUENCE_2), sequence);
    assert_false(stf_regf_is_dirty(hive.bytes));
    read_tree(hive.bytes, hive.size, &tree);
    read_tree(history->bytes[reached], history->sizes[reached], &wanted);
    check_equal_keys(tree.root, wanted.root);
    assert_memory_equal(hive.bytes + STF_REGF_BASE_SIZE, history->bytes[reached] + STF_REGF_BASE_SIZE,
                        history->sizes[reached] - STF_REGF_BASE_SIZE);
    stf_hivetree_fini(&tree);
    stf_hivetree_fini(&wanted);
    free(hive.bytes);
    free(log1.bytes);
    free(log2.bytes);
}

static void check_refused(struct stf_regf_bytes hive, struct stf_regf_bytes log1, struct stf_regf_bytes log2,
                          enum stf_kind kind, const char *message)
{
    const struct stf_regf_bytes logs[STF_REGF_LOG_COUNT] = {log1, log2};
    struct stf_err err = {0};

    assert_int_equal(stf_regf_replay(&hive, logs, "hive", &err), kind);
    assert_contains(err.message, message);
    free(hive.bytes);
    free(log1.bytes);
    free(log2.bytes);
}

static const struct stf_regf_bytes no_log = {NULL, 0};

/* The reference value is the second hash of an entry that Windows wrote, of the same 32 bytes (SYSTEM_B.LOG1 of
 * regipy's test data, MIT). */
static void test_hash(void **state)
{
    static const uint8_t header[32] = {0x48, 0x76, 0x4c, 0x45, 0x0,  0x3e, 0x0,  0x0,  0x1,  0x0, 0x0,
                                       0x0,  0x3b, 0x8,  0x0,  0x0,  0x0,  0x30, 0xbd, 0x0,  0x3, 0x0,
                                       0x0,  0x0,  0xc4, 0x81, 0x2c, 0xbe, 0xa1, 0xb6, 0x70, 0x4b};

    (void)state;
    assert_true(stf_regf_log_hash(header, sizeof(header)) == 0xdd88c5d7df48f30a);
    assert_true(stf_regf_log_hash(header, 31) != stf_regf_log_hash(header, 30));
}

static void test_one_log(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes log = new_log(history, FIRST_SEQUENCE);

    for (size_t i = 1; i < STATES; i++)
        add_entry(&log, history, i, (uint32_t)(FIRST_SEQUENCE + i - 1));
    check_replay(history, dirty_hive(history), log, no_log, 5, FIRST_SEQUENCE + 5);
}

/* Whichever of them has the earlier entries. */
static void test_two_logs(void **state)
{
    const struct history *history = *state;

    for (int is_second_first = 0; is_second_first < 2; is_second_first++) {
        struct stf_regf_bytes early = new_log(history, FIRST_SEQUENCE);
        struct stf_regf_bytes late = new_log(history, FIRST_SEQUENCE + 2);
        add_entry(&early, history, 1, FIRST_SEQUENCE);
        add_entry(&early, history, 2, FIRST_SEQUENCE + 1);
        add_entry(&late, history, 3, FIRST_SEQUENCE + 2);
        add_entry(&late, history, 4, FIRST_SEQUENCE + 3);
        check_replay(history, dirty_hive(history), is_second_first ? late : early, is_second_first ? early : late, 4,
                     FIRST_SEQUENCE + 4);
    }
}

/* The file was last written whole with the number 7, so a log that begins earlier is an old one. */
static void test_stale_log_is_passed_over(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes stale = new_log(history, FIRST_SEQUENCE - 2);
    struct stf_regf_bytes log = new_log(history, FIRST_SEQUENCE);

    add_entry(&stale, history, 4, FIRST_SEQUENCE - 2);
    add_entry(&stale, history, 5, FIRST_SEQUENCE - 1);
    add_entry(&log, history, 1, FIRST_SEQUENCE);
    check_replay(history, dirty_hive(history), stale, log, 1, FIRST_SEQUENCE + 1);
}

static void test_stops_at_a_gap(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes log = new_log(history, FIRST_SEQUENCE);
    struct stf_regf_bytes other = new_log(history, FIRST_SEQUENCE + 5);

    add_entry(&log, history, 1, FIRST_SEQUENCE);
    add_entry(&log, history, 2, FIRST_SEQUENCE + 2); /* left from an earlier round */
    add_entry(&other, history, 2, FIRST_SEQUENCE + 5);
    check_replay(history, dirty_hive(history), log, other, 1, FIRST_SEQUENCE + 1);
}

/* Every byte of the second entry damaged in turn, and the log cut at every sector: the first entry counts, the second
 * not. */
static void test_stops_at_a_torn_entry(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes log = new_log(history, FIRST_SEQUENCE);
    size_t second;

    add_entry(&log, history, 1, FIRST_SEQUENCE);
    second = add_entry(&log, history, 2, FIRST_SEQUENCE + 1);
    for (size_t at = second; at < log.size; at++) {
        struct stf_regf_bytes torn = {malloc(log.size), log.size};
        assert_non_null(torn.bytes);
        memcpy(torn.bytes, log.bytes, log.size);
        torn.bytes[at] ^= 0x40;
        check_replay(history, dirty_hive(history), torn, no_log, 1, FIRST_SEQUENCE + 1);
    }
    for (size_t size = second; size < log.size; size += SECTOR) {
        struct stf_regf_bytes cut = {malloc(size), size};
        assert_non_null(cut.bytes);
        memcpy(cut.bytes, log.bytes, size);
        check_replay(history, dirty_hive(history), cut, no_log, 1, FIRST_SEQUENCE + 1);
    }
    check_replay(history, dirty_hive(history), log, no_log, 2, FIRST_SEQUENCE + 2);
}

/* The base block was being written when the machine died: it comes from the log with the latest entries, which is the
 * only one that is used. */
static void test_recovers_the_base_block(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes hive = dirty_hive(history);
    struct stf_regf_bytes early = new_log(history, FIRST_SEQUENCE - 2);
    struct stf_regf_bytes late = new_log(history, FIRST_SEQUENCE);

    memset(hive.bytes + 4, 0xee, 100);
    add_entry(&early, history, 4, FIRST_SEQUENCE - 2);
    add_entry(&early, history, 5, FIRST_SEQUENCE - 1);
    add_entry(&late, history, 1, FIRST_SEQUENCE);
    add_entry(&late, history, 2, FIRST_SEQUENCE + 1);
    check_replay(history, hive, early, late, 2, FIRST_SEQUENCE + 2);
}

static void test_refusals(void **state)
{
    const struct history *history = *state;
    struct stf_regf_bytes log;
    struct stf_regf_bytes hive;
    uint8_t *entry;

    check_refused(dirty_hive(history), no_log, no_log, STF_INVALID_DATA, "missing or hold nothing");
    check_refused(dirty_hive(history), new_log(history, FIRST_SEQUENCE), no_log, STF_INVALID_DATA, "hold nothing");

    log = new_log(history, FIRST_SEQUENCE - 1); /* a log of an earlier round */
    add_entry(&log, history, 1, FIRST_SEQUENCE - 1);
    check_refused(dirty_hive(history), log, no_log, STF_INVALID_DATA, "hold nothing");

    log = new_log(history, FIRST_SEQUENCE); /* the base block does not lead to the entry */
    add_entry(&log, history, 1, FIRST_SEQUENCE + 1);
    check_refused(dirty_hive(history), log, no_log, STF_INVALID_DATA, "hold nothing");

    hive = dirty_hive(history); /* nothing to take the base block from */
    hive.bytes[20] = 9;
    check_refused(hive, no_log, no_log, STF_INVALID_DATA, "hold nothing");

    log = new_log(history, FIRST_SEQUENCE);
    stf_regf_put_u32(log.bytes + STF_REGF_AT_TYPE, 1);
    stf_regf_put_checksum(log.bytes);
    check_refused(dirty_hive(history), log, no_log, STF_UNSUPPORTED, "DIRT");

    log = new_log(history, FIRST_SEQUENCE);
    add_entry(&log, history, 1, FIRST_SEQUENCE);
    entry = log.bytes + SECTOR;
    stf_regf_put_u32(entry + 40, 0x7ffffe00); /* beyond the hive, with right hashes */
    put_hashes(entry);
    check_refused(dirty_hive(history), log, no_log, STF_INVALID_DATA, "beyond the end");

    log = new_log(history, FIRST_SEQUENCE);
    add_entry(&log, history, 1, FIRST_SEQUENCE);
    entry = log.bytes + SECTOR;
    stf_regf_put_u32(entry + 16, 0x1001);
    put_hashes(entry);
    check_refused(dirty_hive(history), log, no_log, STF_INVALID_DATA, "a size that no hive has");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_one_log),
        cmocka_unit_test(test_two_logs),
        cmocka_unit_test(test_stale_log_is_passed_over),
        cmocka_unit_test(test_stops_at_a_gap),
        cmocka_unit_test(test_stops_at_a_torn_entry),
        cmocka_unit_test(test_recovers_the_base_block),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
