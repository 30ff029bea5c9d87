/* test_regf_read.c - hives that are not as our writer makes them: other kinds of lists and cells, and damage of every
 * sort. Whatever stands in a file, reading ends with a tree or with an error. SPDX-License-Identifier: MIT */
#include "regf_test.h"
#include "regf_walk.h"

/* ---- damage ---- */

/* Both ways of reading end. What opens for writing reads the same bit by bit, and survives being written. */
static bool check_bytes(const uint8_t *bytes, size_t size)
{
    struct stf_hivetree tree;
    struct stf_hivetree again;
    struct regf_counts counts;
    struct regf_counts counts_tree;
    struct stf_err err = {0};
    size_t written_size;
    uint8_t *written;
    enum stf_kind walked = regf_walk_all(bytes, size, &counts, &err);
    enum stf_kind kind;

    assert_true(walked == STF_OK || err.message[0] != '\0');
    kind = try_read_tree(bytes, size, &tree, &err);
    if (kind == STF_OK) {
        assert_int_equal(walked, STF_OK);
        counts_tree = regf_count_tree(tree.root);
        assert_memory_equal(&counts, &counts_tree, sizeof(counts));
        written = write_tree(&tree, &written_size);
        assert_ok(try_read_tree(written, written_size, &again, &err), &err);
        check_equal_keys(tree.root, again.root);
        stf_hivetree_fini(&again);
        free(written);
    } else {
        assert_true(kind == STF_INVALID_DATA || kind == STF_UNSUPPORTED);
        assert_true(err.message[0] != '\0');
    }
    stf_hivetree_fini(&tree);
    return kind == STF_OK;
}

/* A bit of everything. */
static uint8_t *make_bytes(size_t *size)
{
    static uint8_t large[40000];
    struct stf_hivetree tree;
    struct stf_hivetree_extras extras = {.written = 77, .access = 3};
    struct stf_keytree_key *key;
    struct stf_err err = {0};
    uint8_t *bytes;

    init_tree(&tree);
    key = add_key(tree.root, "Alpha");
    add_value(key, "", STF_REG_SZ, "t\0e\0x\0t\0\0", 10);
    add_value(key, "dword", STF_REG_DWORD, "\1\0\0\0", 4);
    add_value(key, "Имя", STF_REG_BINARY, "12345678", 8);
    add_value(add_key(key, "Below"), "large", STF_REG_BINARY, large, 20000);
    key = add_key(tree.root, "Ключ");
    extras.security = stf_hivetree_intern(&tree, large, 64);
    assert_ok(stf_hivetree_attach(key, &extras, (const uint8_t *)"c\0l\0", 4, &err), &err);
    add_key(key, "x");
    add_key(key, "y");
    bytes = write_tree(&tree, size);
    stf_hivetree_fini(&tree);
    return bytes;
}

static void test_damaged_words(void **state)
{
    static const uint32_t words[] = {0, 1, 0xffffffff, 0x80000000, 0x20, 0x1000, 0x7ffffff8, 0xfffffff8};
    size_t opened = 0;
    size_t refused = 0;
    size_t size;
    uint8_t *bytes = make_bytes(&size);

    (void)state;
    for (size_t at = STF_REGF_BASE_SIZE; at + 4 <= size; at += 4) {
        uint32_t was = stf_regf_u32(bytes + at);
        for (size_t i = 0; was != 0 && i < sizeof(words) / sizeof(words[0]); i++) {
            stf_regf_put_u32(bytes + at, words[i]);
            *(check_bytes(bytes, size) ? &opened : &refused) += 1;
        }
        stf_regf_put_u32(bytes + at, was);
    }
    free(bytes);
    assert_true(opened > 100);
    assert_true(refused > 500);
}

static void test_damaged_halves_and_bytes(void **state)
{
    size_t size;
    uint8_t *bytes = make_bytes(&size);

    (void)state;
    for (size_t at = STF_REGF_BASE_SIZE; at < size; at++) {
        uint8_t was = bytes[at];
        if (was == 0)
            continue;
        bytes[at] = (uint8_t)(was ^ 1);
        check_bytes(bytes, size);
        bytes[at] = (uint8_t)(was + 8);
        check_bytes(bytes, size);
        bytes[at] = was;
    }
    free(bytes);
}

static void test_random_damage(void **state)
{
    size_t size;
    uint8_t *bytes = make_bytes(&size);
    uint8_t *damaged = malloc(size);
    unsigned seed = 4711;

    (void)state;
    assert_non_null(damaged);
    for (int round = 0; round < 3000; round++) {
        memcpy(damaged, bytes, size);
        for (int i = rand_r(&seed) % 6; i >= 0; i--) {
            size_t from = STF_REGF_BASE_SIZE + (size_t)rand_r(&seed) % (size - STF_REGF_BASE_SIZE - 4) / 4 * 4;
            size_t to = STF_REGF_BASE_SIZE + (size_t)rand_r(&seed) % 2000 / 4 * 4;
            memcpy(damaged + to, damaged + from, 4); /* often a reference to another cell */
        }
        check_bytes(damaged, size);
    }
    free(damaged);
    free(bytes);
}

/* ---- by hand ---- */

static void check_damaged(const uint8_t *bytes, size_t size, const char *message)
{
    struct stf_hivetree tree;
    struct stf_err err = {0};

    assert_int_equal(try_read_tree(bytes, size, &tree, &err), STF_INVALID_DATA);
    assert_contains(err.message, "hive is damaged");
    assert_contains(err.message, message);
    stf_hivetree_fini(&tree);
}

static uint32_t reference(const uint8_t *bytes, uint32_t cell, size_t at)
{
    return stf_regf_u32(cell_at(bytes, cell) + at);
}

/* The only subkey of a key. */
static uint32_t only_subkey(const uint8_t *bytes, uint32_t node)
{
    return reference(bytes, reference(bytes, node, STF_REGF_NK_SUBKEYS), 4);
}

static uint8_t *make_small(size_t *size)
{
    struct stf_hivetree tree;
    struct stf_keytree_key *key;
    uint8_t *bytes;

    init_tree(&tree);
    key = add_key(tree.root, "Key");
    add_value(key, "value", STF_REG_BINARY, "12345678", 8);
    bytes = write_tree(&tree, size);
    stf_hivetree_fini(&tree);
    return bytes;
}

static void test_says_what_is_wrong(void **state)
{
    size_t size;
    uint8_t *bytes = make_small(&size);
    uint32_t key = only_subkey(bytes, 0x20);
    uint8_t *node = cell_at(bytes, key);
    uint8_t *list = cell_at(bytes, reference(bytes, 0x20, STF_REGF_NK_SUBKEYS));
    uint32_t value = reference(bytes, reference(bytes, key, STF_REGF_NK_VALUES), 0);
    uint8_t *record = cell_at(bytes, value);

    (void)state;
#define BROKEN(place, number, message)                                                                                 \
    do {                                                                                                               \
        uint32_t was = stf_regf_u32(place);                                                                            \
        stf_regf_put_u32(place, number);                                                                               \
        check_damaged(bytes, size, message);                                                                           \
        stf_regf_put_u32(place, was);                                                                                  \
    } while (0)
    BROKEN(bytes + 4096, 0, "no bin of cells starts here");
    BROKEN(bytes + 4096 + 4, 0x1000, "no bin of cells starts here");
    BROKEN(bytes + 4096 + 8, 0x2000, "no bin of cells starts here");
    BROKEN(node - 4, 0, "a cell is larger than what is left");
    BROKEN(node - 4, 0xffffffff, "a cell is larger than what is left");
    BROKEN(node - 4, 0x80000000, "a cell is larger than what is left");
    BROKEN(node - 4, 0u - stf_regf_u32(node - 4), "free or cut short");
    BROKEN(list + 4, 0x20, "two things are said to be in the same place");
    BROKEN(list + 4, value, "a key is said to be here, and is not");
    BROKEN(list + 4, key + 8, "free or cut short");
    BROKEN(list + 4, key + 4, "where no cell can be");
    BROKEN(list + 4, 0xffffffff, "where no cell can be");
    BROKEN(list, stf_regf_u32(list) + 0x10000, "a list of subkeys is none, or has too many");
    BROKEN(list, 'r' | 'i' << 8 | 1 << 16, "a list of subkeys is none"); /* a list of lists, one of which is a key */
    BROKEN(cell_at(bytes, 0x20) + STF_REGF_NK_SUBKEY_COUNT, 2, "fewer subkeys than it says");
    BROKEN(node + STF_REGF_NK_PARENT, key, "does not name the key above it");
    BROKEN(node + STF_REGF_NK_NAME_SIZE, 0, "name is empty");
    BROKEN(node + STF_REGF_NK_NAME_SIZE, 0x100, "a key is said to be here, and is not");
    BROKEN(node + STF_REGF_NK_NAME, 'K' | '\\' << 8 | 'y' << 16, "has a backslash");
    BROKEN(node + STF_REGF_NK_VALUES, key, "two things");
    BROKEN(node + STF_REGF_NK_VALUE_COUNT, 100, "a list of values is longer than its cell");
    BROKEN(node + STF_REGF_NK_SECURITY, value, "a security descriptor is said to be here");
    BROKEN(record + STF_REGF_VK_DATA_SIZE, 100, "a value's data is shorter");
    BROKEN(record + STF_REGF_VK_DATA_SIZE, 0x80000005, "a value's data is shorter");
    BROKEN(record + STF_REGF_VK_DATA_SIZE, 20000, "a value's data is shorter");
    BROKEN(record + STF_REGF_VK_DATA, value, "two things");
#undef BROKEN
    free(bytes);
}

/* As a list of lists with one list in it, and as lists without hashes. */
static void test_other_lists(void **state)
{
    size_t size;
    uint8_t *bytes = make_small(&size);
    uint8_t *list = cell_at(bytes, reference(bytes, 0x20, STF_REGF_NK_SUBKEYS));
    static const char *const kinds[] = {"lf", "li", "lh"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct stf_regf_image image;
        struct stf_regf_key root;
        struct stf_regf_key found;
        struct stf_err err = {0};
        memcpy(list, kinds[i], 2);
        assert_true(check_bytes(bytes, size));
        init_image(&image, bytes, size);
        assert_ok(stf_regf_root(&image, &root, &err), &err);
        assert_ok(stf_regf_find_subkey(&image, &root, "KEY", &found, &err), &err);
        stf_regf_image_fini(&image);
    }
    free(bytes);
}

static void check_unsupported(const uint8_t *bytes, size_t size, const char *message)
{
    struct stf_hivetree tree;
    struct regf_counts counts;
    struct stf_err err = {0};

    assert_int_equal(try_read_tree(bytes, size, &tree, &err), STF_UNSUPPORTED);
    assert_contains(err.message, message);
    stf_hivetree_fini(&tree);
    assert_int_equal(regf_walk_all(bytes, size, &counts, &err), STF_UNSUPPORTED);
}

static void test_unsupported(void **state)
{
    size_t size;
    uint8_t *bytes = make_small(&size);
    uint32_t key = only_subkey(bytes, 0x20);
    uint8_t *node = cell_at(bytes, key);
    uint8_t *record = cell_at(bytes, reference(bytes, reference(bytes, key, STF_REGF_NK_VALUES), 0));

    (void)state;
    node[STF_REGF_NK_FLAGS] |= STF_REGF_KEY_PREDEFINED;
    check_unsupported(bytes, size, "predefined");
    node[STF_REGF_NK_FLAGS] &= (uint8_t)~STF_REGF_KEY_PREDEFINED;
    record[STF_REGF_VK_FLAGS] |= STF_REGF_VALUE_TOMBSTONE;
    check_unsupported(bytes, size, "a layer over another");
    free(bytes);
}

/* What libhivex writes, and Windows wrote before version 1.4: all data in one cell. */
static void test_large_data_in_one_cell(void **state)
{
    enum { SIZE = 50000 };
    struct stf_hivetree tree;
    size_t size;
    uint8_t *bytes;
    uint8_t *data = malloc(SIZE);
    struct regf_counts counts;
    struct stf_err err = {0};

    (void)state;
    assert_non_null(data);
    memset(data, 'd', SIZE);
    memcpy(data, "db\1\0", 4);
    init_tree(&tree);
    stf_regf_put_u32(tree.base + STF_REGF_AT_MINOR, 3);
    add_value(tree.root, "v", STF_REG_BINARY, data, SIZE);
    bytes = write_tree(&tree, &size);
    stf_regf_put_u32(bytes + STF_REGF_AT_MINOR, 5);
    assert_true(check_bytes(bytes, size));
    assert_ok(regf_walk_all(bytes, size, &counts, &err), &err);
    assert_int_equal(counts.bytes, SIZE);
    free(bytes);
    free(data);
    stf_hivetree_fini(&tree);
}

/* ---- how much of a file is read ---- */

static void test_reads_only_what_it_needs(void **state)
{
    struct stf_hivetree tree;
    struct regf_source source = {0};
    struct stf_regf_image image;
    struct stf_regf_key key;
    struct stf_registry_value value;
    struct stf_err err = {0};
    uint8_t *bytes;

    (void)state;
    init_tree(&tree);
    for (uint32_t i = 0; i < 10000; i++) {
        char name[32];
        struct stf_keytree_key *sibling;
        snprintf(name, sizeof(name), "Sibling %u", i);
        sibling = add_key(tree.root, name);
        for (int j = 0; j < 10; j++) {
            snprintf(name, sizeof(name), "value %d", j);
            add_value(sibling, name, STF_REG_BINARY, &i, 4);
        }
    }
    bytes = write_tree(&tree, &source.size);
    source.bytes = bytes;
    stf_hivetree_fini(&tree);

    assert_ok(stf_regf_image_init(&image, bytes, regf_read_at, &source, "hive", &err), &err);
    assert_ok(stf_regf_root(&image, &key, &err), &err);
    assert_ok(stf_regf_find_subkey(&image, &key, "SIBLING 7777", &key, &err), &err);
    assert_ok(stf_regf_find_value(&image, &key, "Value 7", &value, &err), &err);
    assert_int_equal(stf_regf_u32(value.data), 7777);
    stf_registry_value_fini(&value);
    assert_int_equal(stf_regf_find_value(&image, &key, "value 10", &value, &err), STF_NOT_FOUND);
    assert_true(source.bytes_read < source.size / 10);
    stf_regf_image_fini(&image);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damaged_words),
        cmocka_unit_test(test_damaged_halves_and_bytes),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_says_what_is_wrong),
        cmocka_unit_test(test_other_lists),
        cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_large_data_in_one_cell),
        cmocka_unit_test(test_reads_only_what_it_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
