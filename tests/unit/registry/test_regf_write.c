/* test_regf_write.c - whole hives in memory to bytes and back: lossless, canonical, and sound by the format's own
 * rules, which are checked here without the reader. SPDX-License-Identifier: MIT */
#include "regf_test.h"

/* ---- the format, looked at without the reader ---- */

/* Counts the keys of each descriptor, and checks lists: sizes, order of the hashes' names, largest sizes. */
static void walk_node(const uint8_t *bytes, uint32_t offset, uint32_t parent, uint32_t *users, uint32_t *keys)
{
    const uint8_t *node = cell_at(bytes, offset);
    uint32_t list = stf_regf_u32(node + STF_REGF_NK_SUBKEYS);
    uint32_t count = stf_regf_u32(node + STF_REGF_NK_SUBKEY_COUNT);
    uint32_t leaf_count = 1;
    uint32_t largest = 0;
    uint32_t seen = 0;

    assert_memory_equal(node, "nk", 2);
    assert_int_equal(stf_regf_u32(node + STF_REGF_NK_PARENT), parent);
    users[stf_regf_u32(node + STF_REGF_NK_SECURITY) / 8]++;
    ++*keys;
    if (count == 0) {
        assert_int_equal(list, STF_REGF_NOTHING);
        return;
    }
    if (count > 507) {
        assert_memory_equal(cell_at(bytes, list), "ri", 2);
        leaf_count = stf_regf_u16(cell_at(bytes, list) + 2);
        assert_int_equal(leaf_count, (count + 506) / 507);
    }
    for (uint32_t i = 0; i < leaf_count; i++) {
        uint32_t leaf = count > 507 ? stf_regf_u32(cell_at(bytes, list) + 4 + 4 * i) : list;
        const uint8_t *items = cell_at(bytes, leaf) + 4;
        assert_memory_equal(items - 4, "lh", 2);
        for (uint32_t j = 0; j < stf_regf_u16(items - 2); j++, seen++) {
            uint32_t subkey = stf_regf_u32(items + 8 * j);
            const uint8_t *record = cell_at(bytes, subkey);
            uint32_t bytes_wide = stf_regf_u16(record + STF_REGF_NK_NAME_SIZE) *
                                  ((stf_regf_u16(record + STF_REGF_NK_FLAGS) & STF_REGF_KEY_LATIN1) != 0 ? 2 : 1);
            largest = bytes_wide > largest ? bytes_wide : largest;
            walk_node(bytes, subkey, offset, users, keys);
        }
    }
    assert_int_equal(seen, count);
    assert_int_equal(stf_regf_u16(node + STF_REGF_NK_MAX_SUBKEY_NAME), largest);
}

static void check_format(const uint8_t *bytes, size_t size)
{
    uint32_t bins_size = stf_regf_u32(bytes + STF_REGF_AT_BINS_SIZE);
    uint32_t *users = calloc(size / 8, sizeof(*users));
    uint32_t keys = 0;
    uint32_t ring = 0;
    uint32_t first;
    uint32_t at;

    assert_non_null(users);
    assert_int_equal(size, bins_size + STF_REGF_BASE_SIZE);
    assert_int_equal(stf_regf_u32(bytes + STF_REGF_AT_CHECKSUM), stf_regf_checksum(bytes));
    assert_int_equal(stf_regf_u32(bytes + STF_REGF_AT_ROOT), 0x20);
    assert_memory_equal(bytes + STF_REGF_AT_WRITTEN, bytes + STF_REGF_BASE_SIZE + 20, 8);
    walk_node(bytes, 0x20, STF_REGF_NOTHING, users, &keys);

    first = stf_regf_u32(cell_at(bytes, 0x20) + STF_REGF_NK_SECURITY);
    at = first;
    do {
        const uint8_t *record = cell_at(bytes, at);
        uint32_t next = stf_regf_u32(record + STF_REGF_SK_NEXT);
        assert_memory_equal(record, "sk", 2);
        assert_int_equal(stf_regf_u32(record + STF_REGF_SK_USERS), users[at / 8]);
        assert_true(users[at / 8] > 0);
        assert_int_equal(stf_regf_u32(cell_at(bytes, next) + STF_REGF_SK_PREVIOUS), at);
        ring += users[at / 8];
        at = next;
    } while (at != first);
    assert_int_equal(ring, keys); /* every descriptor that a key names is in the ring */
    free(users);
}

/* Bytes and back, and the same bytes again. */
static void check_round_trip(struct stf_hivetree *tree)
{
    struct stf_hivetree again;
    size_t size;
    size_t size_again;
    uint8_t *bytes = write_tree(tree, &size);
    uint8_t *bytes_again;

    check_format(bytes, size);
    read_tree(bytes, size, &again);
    check_equal_keys(tree->root, again.root);
    bytes_again = write_tree(&again, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, bytes_again, size);
    free(bytes_again);
    free(bytes);
    stf_hivetree_fini(&again);
}

static void test_empty(void **state)
{
    struct stf_hivetree tree;
    size_t size;
    uint8_t *bytes;

    (void)state;
    init_tree(&tree);
    check_round_trip(&tree);
    bytes = write_tree(&tree, &size);
    assert_int_equal(size, 8192);
    free(bytes);
    stf_hivetree_fini(&tree);
}

/* Units that a name may be made of: ASCII, Latin-1, beyond; a NUL, surrogates without their other half, pairs. */
static void random_name(char *name, unsigned *seed)
{
    static const char *const parts[] = {"a",
                                        "Zz",
                                        "ÿ",
                                        "Ключ",
                                        "日",
                                        "𐐷",
                                        "\uFDD0"
                                        "0000",
                                        "\uFDD0"
                                        "D800",
                                        "\uFDD0"
                                        "DFFF",
                                        "\uFDD0"
                                        "FDD0",
                                        "\uE000",
                                        "\uFFFF",
                                        ".",
                                        " ",
                                        "ß",
                                        "µ"};
    size_t count = (size_t)(rand_r(seed) % 6 + 1);

    *name = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(name, parts[(size_t)rand_r(seed) % (sizeof(parts) / sizeof(parts[0]))]);
    /* an upper and a lower surrogate side by side are a pair, and no such spelling */
    if (stf_registry_name_units(name) == SIZE_MAX)
        strcpy(name, "x");
}

static void random_extras(struct stf_hivetree *tree, struct stf_keytree_key *key, unsigned *seed)
{
    struct stf_hivetree_extras extras = {.written = (uint64_t)rand_r(seed) << 32 | (uint32_t)rand_r(seed),
                                         .access = (uint32_t)rand_r(seed),
                                         .flags = (uint16_t)(rand_r(seed) & 0x1398),
                                         .control = (uint16_t)rand_r(seed)};
    uint8_t bytes[200];
    size_t size = (size_t)(rand_r(seed) % 100 + 20);
    struct stf_err err = {0};

    fill(bytes, sizeof(bytes), seed);
    bytes[0] = (uint8_t)(bytes[0] % 4); /* some are used twice */
    memset(bytes + 1, 7, size - 1);
    extras.security = stf_hivetree_intern(tree, bytes, rand_r(seed) % 3 == 0 ? size : 40);
    assert_non_null(extras.security);
    assert_ok(stf_hivetree_attach(key, &extras, bytes, rand_r(seed) % 3 == 0 ? size : 0, &err), &err);
}

static void random_key(struct stf_hivetree *tree, struct stf_keytree_key *key, int depth, unsigned *seed)
{
    static const size_t sizes[] = {0, 1, 3, 4, 5, 8, 100, 4000, 16344, 16345, 40000};
    static uint8_t data[40000];
    char name[128];

    random_extras(tree, key, seed);
    for (int i = rand_r(seed) % 8; i > 0; i--) {
        size_t size = sizes[(size_t)rand_r(seed) % (sizeof(sizes) / sizeof(sizes[0]))];
        random_name(name, seed);
        fill(data, size, seed);
        add_value(key, rand_r(seed) % 8 == 0 ? "" : name, (uint32_t)rand_r(seed) % 14, data, size);
    }
    for (int i = depth > 0 ? rand_r(seed) % 7 : 0; i > 0; i--) {
        random_name(name, seed);
        if (stf_keytree_find_key(key, name) == NULL)
            random_key(tree, add_key(key, name), depth - 1, seed);
    }
}

static void test_random_trees(void **state)
{
    (void)state;
    for (unsigned round = 1; round <= 40; round++) {
        unsigned seed = round * 821839;
        struct stf_hivetree tree;
        init_tree(&tree);
        random_key(&tree, tree.root, 4, &seed);
        check_round_trip(&tree);
        stf_hivetree_fini(&tree);
    }
}

/* The same tree, made in another order and with things that have gone again. */
static void test_history_does_not_show(void **state)
{
    enum { COUNT = 1500 };
    struct stf_hivetree trees[2];
    uint8_t *bytes[2];
    size_t sizes[2];

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        init_tree(&trees[t]);
        for (uint32_t i = 0; i < COUNT; i++) {
            uint32_t number = t == 0 ? i : (i * 7919 + 13) % COUNT;
            struct stf_keytree_key *key;
            char name[32];
            snprintf(name, sizeof(name), "Key %u", number);
            key = add_key(trees[t].root, name);
            add_value(key, "one", STF_REG_DWORD, &number, 4);
            add_value(key, t == 0 ? "two" : "gone", STF_REG_BINARY, "22222222", 8);
            add_value(key, "", STF_REG_NONE, NULL, 0);
            stf_keytree_unset(key, "gone");
            add_value(key, "two", STF_REG_BINARY, "22222222", 8);
            if (t == 1)
                stf_keytree_key_free(add_key(trees[t].root, "gone"));
        }
        bytes[t] = write_tree(&trees[t], &sizes[t]);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    for (size_t t = 0; t < 2; t++) {
        free(bytes[t]);
        stf_hivetree_fini(&trees[t]);
    }
}

static void test_many_siblings(void **state)
{
    static const uint32_t counts[] = {1, 506, 507, 508, 1014, 1015, 10000};

    (void)state;
    for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct stf_hivetree tree;
        init_tree(&tree);
        for (uint32_t i = 0; i < counts[c]; i++) {
            char name[32];
            snprintf(name, sizeof(name), "%c%u", "abKZ_"[i % 5], i);
            add_value(add_key(tree.root, name), "n", STF_REG_DWORD, &i, 4);
        }
        check_round_trip(&tree);
        stf_hivetree_fini(&tree);
    }
}

static void test_many_values(void **state)
{
    struct stf_hivetree tree;

    (void)state;
    init_tree(&tree);
    for (uint32_t i = 0; i < 20000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "value %u", i);
        add_value(tree.root, name, STF_REG_DWORD, &i, 4);
    }
    check_round_trip(&tree);
    stf_hivetree_fini(&tree);
}

static void test_large_data(void **state)
{
    static const size_t sizes[] = {16344, 16345, 2 * 16344, 2 * 16344 + 1, 1000000, 1048577, 5000000};
    struct stf_hivetree tree;
    unsigned seed = 3;

    (void)state;
    init_tree(&tree);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *data = malloc(sizes[i]);
        char name[32];
        assert_non_null(data);
        fill(data, sizes[i], &seed);
        memcpy(data, "db", 2); /* looks like a record of segments */
        snprintf(name, sizeof(name), "%zu", sizes[i]);
        add_value(tree.root, name, STF_REG_BINARY, data, sizes[i]);
        free(data);
    }
    check_round_trip(&tree);
    stf_hivetree_fini(&tree);
}

static void test_deep(void **state)
{
    struct stf_hivetree tree;
    struct stf_keytree_key *key;
    struct stf_hivetree again;
    struct stf_regf_image image;
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;

    (void)state;
    init_tree(&tree);
    key = tree.root;
    for (int i = 0; i < STF_REGISTRY_DEPTH_MAX; i++)
        key = add_key(key, "deep");
    check_round_trip(&tree);
    add_key(key, "too deep");
    bytes = write_tree(&tree, &size);
    assert_ok(stf_regf_image_init_whole(&image, bytes, "hive", &err), &err);
    assert_int_equal(stf_hivetree_init_from(&again, &image, &err), STF_INVALID_DATA);
    assert_contains(err.message, "deeper");
    stf_hivetree_fini(&again);
    stf_regf_image_fini(&image);
    stf_hivetree_fini(&tree);
}

/* By UTF-16 units in upper case: a surrogate pair comes before U+E000, "_" after "Z" and before "a" is "A". */
static void test_order_of_names(void **state)
{
    static const char *const names[] = {"\uE000", "𐐷", "_", "b", "A", "C", "\uFFFF", "é", "É1", "z", "a1"};
    static const char *const sorted_names[] = {"A", "a1", "b", "C", "z", "_", "é", "É1", "𐐷", "\uE000", "\uFFFF"};
    struct stf_hivetree tree;
    struct stf_regf_image image;
    struct stf_regf_key root;
    struct stf_regf_offsets offsets;
    struct stf_err err = {0};
    size_t size;

    (void)state;
    init_tree(&tree);
    for (size_t i = 0; i < 11; i++)
        add_key(tree.root, names[i]);
    assert_ok(stf_regf_image_init_whole(&image, write_tree(&tree, &size), "hive", &err), &err);
    assert_ok(stf_regf_root(&image, &root, &err), &err);
    assert_ok(stf_regf_subkeys(&image, &root, &offsets, &err), &err);
    assert_int_equal(offsets.count, 11);
    for (size_t i = 0; i < 11; i++) {
        struct stf_regf_key key = stf_regf_key_known(&image, offsets.items[i]);
        struct stf_regf_key found;
        char *name = NULL;
        assert_ok(stf_regf_key_name(&key, &name, &err), &err);
        assert_string_equal(name, sorted_names[i]);
        free(name);
        assert_ok(stf_regf_find_subkey(&image, &root, sorted_names[i], &found, &err), &err);
        assert_int_equal(found.offset, key.offset);
    }
    assert_int_equal(stf_regf_find_subkey(&image, &root, "nothing", &root, &err), STF_NOT_FOUND);
    free(offsets.items);
    stf_regf_image_fini(&image);
    stf_hivetree_fini(&tree);
}

/* The hash as the format's description has it, of a name worked out by hand: ((0 * 37 + 'A') * 37 + 'B'). */
static void test_hash_of_names(void **state)
{
    struct stf_hivetree tree;
    size_t size;
    uint8_t *bytes;
    const uint8_t *list;

    (void)state;
    init_tree(&tree);
    add_key(tree.root, "aB");
    bytes = write_tree(&tree, &size);
    list = cell_at(bytes, stf_regf_u32(cell_at(bytes, 0x20) + STF_REGF_NK_SUBKEYS));
    assert_memory_equal(list, "lh", 2);
    assert_int_equal(stf_regf_u32(list + 8), 65 * 37 + 66);
    free(bytes);
    stf_hivetree_fini(&tree);
}

/* Version 1.3: lists with the first letters, no segments, less data. */
static void test_old_version(void **state)
{
    static uint8_t data[100000];
    struct stf_hivetree tree;
    struct stf_hivetree again;
    size_t size;
    uint8_t *bytes;
    const uint8_t *list;

    (void)state;
    init_tree(&tree);
    stf_regf_put_u32(tree.base + STF_REGF_AT_MINOR, 3);
    assert_int_equal(stf_regf_data_max(&tree), 1048576);
    add_value(add_key(tree.root, "Abcdef"), "large", STF_REG_BINARY, data, sizeof(data));
    add_key(tree.root, "x");
    add_key(tree.root, "Ключ");
    bytes = write_tree(&tree, &size);
    list = cell_at(bytes, stf_regf_u32(cell_at(bytes, 0x20) + STF_REGF_NK_SUBKEYS));
    assert_memory_equal(list, "lf", 2);
    assert_memory_equal(list + 8, "Abcd", 4);
    assert_memory_equal(list + 16, "x\0\0\0", 4);
    assert_memory_equal(list + 24, "\0\0\0\0", 4);
    assert_null(memmem(bytes, size, "db", 2));
    read_tree(bytes, size, &again);
    check_equal_keys(tree.root, again.root);
    free(bytes);
    stf_hivetree_fini(&again);
    stf_hivetree_fini(&tree);
}

static void test_no_security(void **state)
{
    struct stf_hivetree tree;
    struct stf_hivetree again;
    size_t size;
    uint8_t *bytes;

    (void)state;
    init_tree(&tree);
    stf_hivetree_extras_of(tree.root)->security = NULL;
    add_key(tree.root, "a");
    bytes = write_tree(&tree, &size);
    read_tree(bytes, size, &again);
    check_equal_keys(tree.root, again.root);
    free(bytes);
    stf_hivetree_fini(&again);
    stf_hivetree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_random_trees),
        cmocka_unit_test(test_history_does_not_show),
        cmocka_unit_test(test_many_siblings),
        cmocka_unit_test(test_many_values),
        cmocka_unit_test(test_large_data),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_order_of_names),
        cmocka_unit_test(test_hash_of_names),
        cmocka_unit_test(test_old_version),
        cmocka_unit_test(test_no_security),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
