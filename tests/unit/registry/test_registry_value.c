/* test_registry_value.c - typed values to what a script sees and back: exact, and never lossy. SPDX-License-Identifier:
 * MIT */
#include "registry_assert.h"

#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

static struct stf_registry_plain decode(uint32_t type, const uint8_t *data, size_t size)
{
    struct stf_registry_plain plain;
    struct stf_err err = {0};

    assert_ok(stf_registry_value_decode(type, data, size, &plain, &err), &err);
    return plain;
}

static void check_encoded(uint32_t type, const struct stf_registry_plain *plain, const uint8_t *data, size_t size)
{
    uint8_t *encoded = NULL;
    size_t encoded_size = 0;
    struct stf_err err = {0};

    assert_ok(stf_registry_value_encode(type, plain, &encoded, &encoded_size, &err), &err);
    assert_int_equal(encoded_size, size);
    assert_memory_equal(encoded, data, size);
    free(encoded);
}

static void check_refused(uint32_t type, const struct stf_registry_plain *plain, const char *needed)
{
    uint8_t *encoded = NULL;
    size_t size = 0;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_value_encode(type, plain, &encoded, &size, &err), STF_INVALID_DATA);
    assert_contains(err.message, needed);
    assert_null(encoded);
}

static void check_integer(uint32_t type, const uint8_t *data, size_t size, int64_t integer)
{
    struct stf_registry_plain plain = decode(type, data, size);

    assert_int_equal(plain.form, STF_REGISTRY_FORM_INTEGER);
    assert_true(plain.is_exact);
    assert_true(plain.integer == integer);
    check_encoded(type, &plain, data, size);
    stf_registry_plain_fini(&plain);
}

static void check_string(uint32_t type, const uint8_t *data, size_t size, const char *text, size_t text_size,
                         bool is_exact)
{
    struct stf_registry_plain plain = decode(type, data, size);

    assert_int_equal(plain.form, STF_REGISTRY_FORM_STRING);
    assert_int_equal(plain.string.size, text_size);
    assert_memory_equal(plain.string.bytes, text, text_size);
    assert_int_equal(plain.is_exact, is_exact);
    if (is_exact)
        check_encoded(type, &plain, data, size);
    stf_registry_plain_fini(&plain);
}

static void check_raw_only(uint32_t type, const uint8_t *data, size_t size)
{
    struct stf_registry_plain plain = decode(type, data, size);

    assert_int_equal(plain.form, STF_REGISTRY_FORM_NONE);
    assert_false(plain.is_exact);
    stf_registry_plain_fini(&plain);
}

static void test_type_names(void **state)
{
    static const char *const names[] = {"none",
                                        "sz",
                                        "expand_sz",
                                        "binary",
                                        "dword",
                                        "dword_big_endian",
                                        "link",
                                        "multi_sz",
                                        "resource_list",
                                        "full_resource_descriptor",
                                        "resource_requirements_list",
                                        "qword"};
    struct stf_err err = {0};
    uint32_t type = 99;

    (void)state;
    for (uint32_t i = 0; i < 12; i++) {
        assert_string_equal(stf_registry_type_name(i), names[i]);
        assert_ok(stf_registry_type_from_name(names[i], &type, &err), &err);
        assert_int_equal(type, i);
    }
    assert_null(stf_registry_type_name(12));
    assert_null(stf_registry_type_name(UINT32_MAX));
    assert_int_equal(stf_registry_type_from_name("REG_DWORD", &type, &err), STF_INVALID_DATA);
    assert_contains(err.message, "dword_big_endian");
}

static void test_integers(void **state)
{
    (void)state;
    check_integer(STF_REG_DWORD, BYTES("\x01\x00\x00\x00"), 1);
    check_integer(STF_REG_DWORD, BYTES("\xff\xff\xff\xff"), 4294967295);
    check_integer(STF_REG_DWORD_BIG_ENDIAN, BYTES("\x00\x00\x01\x02"), 258);
    check_integer(STF_REG_QWORD, BYTES("\x02\x00\x00\x00\x00\x00\x00\x80"), INT64_MIN + 2);
    check_raw_only(STF_REG_DWORD, BYTES("\x01\x00\x00"));
    check_raw_only(STF_REG_DWORD, BYTES(""));
    check_raw_only(STF_REG_QWORD, BYTES("\x01\x00\x00\x00"));

    check_refused(STF_REG_DWORD, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_INTEGER, .integer = -1},
                  "0 to 4294967295");
    check_refused(STF_REG_DWORD, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_INTEGER, .integer = 4294967296},
                  "0 to 4294967295");
    check_refused(STF_REG_QWORD, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = {"1", 1}},
                  "an integer");
}

static void test_strings(void **state)
{
    (void)state;
    check_string(STF_REG_SZ, BYTES("a\0b\0\0\0"), "ab", 2, true);
    check_string(STF_REG_EXPAND_SZ, BYTES("%\0\0\0"), "%", 1, true);
    check_string(STF_REG_SZ, BYTES("\0\0"), "", 0, true);
    check_string(STF_REG_SZ, BYTES(""), "", 0, false);
    check_string(STF_REG_SZ, BYTES("a\0"), "a", 1, false);
    check_string(STF_REG_SZ, BYTES("a\0\0\0b\0\0\0"), "a\0b", 3, true);
    check_string(STF_REG_SZ, BYTES("\x3d\xd8\x00\xde\x20\xac\0\0"), "\xf0\x9f\x98\x80\xea\xb0\xa0", 7, true);
    check_string(STF_REG_LINK, BYTES("\\\0R\0"), "\\R", 2, true); /* no final NUL by custom */
    check_raw_only(STF_REG_SZ, BYTES("a\0b"));
    check_raw_only(STF_REG_SZ, BYTES("\x3d\xd8\0\0"));         /* high surrogate alone */
    check_raw_only(STF_REG_SZ, BYTES("\x00\xde\0\0"));         /* low surrogate alone */
    check_raw_only(STF_REG_SZ, BYTES("\x3d\xd8"));             /* cut after the high one */
    check_raw_only(STF_REG_SZ, BYTES("\x3d\xd8\x3d\xd8\0\0")); /* two high ones */
    check_raw_only(STF_REG_MULTI_SZ, BYTES("\x3d\xd8\0\0\0\0"));

    check_refused(STF_REG_SZ, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = {"\xff", 1}},
                  "UTF-8");
    check_refused(STF_REG_SZ,
                  &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = {"\xed\xa0\xbd", 3}},
                  "UTF-8");
    check_refused(STF_REG_SZ, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = {"a\xc3", 2}},
                  "UTF-8");
    check_refused(STF_REG_SZ, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_INTEGER}, "a string");
}

static void check_list(const uint8_t *data, size_t size, const char *joined, bool is_exact)
{
    struct stf_registry_plain plain = decode(STF_REG_MULTI_SZ, data, size);
    char found[64] = "";

    assert_int_equal(plain.form, STF_REGISTRY_FORM_LIST);
    for (size_t i = 0; i < plain.count; i++) {
        strncat(found, plain.items[i].bytes, plain.items[i].size);
        strcat(found, "|");
    }
    assert_string_equal(found, joined);
    assert_int_equal(plain.is_exact, is_exact);
    if (is_exact)
        check_encoded(STF_REG_MULTI_SZ, &plain, data, size);
    stf_registry_plain_fini(&plain);
}

static void test_lists(void **state)
{
    struct stf_registry_string items[2] = {{"a", 1}, {"", 0}};
    struct stf_registry_string with_nul = {"a\0b", 3};

    (void)state;
    check_list(BYTES("a\0\0\0b\0c\0\0\0\0\0"), "a|bc|", true);
    check_list(BYTES("\0\0"), "", true);
    check_list(BYTES(""), "", false);
    check_list(BYTES("a\0"), "a|", false);
    check_list(BYTES("a\0\0\0"), "a|", false);
    check_list(BYTES("a\0\0\0\0\0b\0\0\0\0\0"), "a||b|", false);
    check_list(BYTES("\0\0\0\0"), "|", false);
    check_raw_only(STF_REG_MULTI_SZ, BYTES("a"));

    check_refused(STF_REG_MULTI_SZ,
                  &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_LIST, .items = items, .count = 2},
                  "not empty");
    check_refused(STF_REG_MULTI_SZ,
                  &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_LIST, .items = &with_nul, .count = 1},
                  "no NUL");
    check_refused(STF_REG_MULTI_SZ, &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_STRING, .string = {"a", 1}},
                  "a list");
}

static void test_bytes(void **state)
{
    static const uint32_t types[] = {STF_REG_NONE,
                                     STF_REG_BINARY,
                                     STF_REG_RESOURCE_LIST,
                                     STF_REG_FULL_RESOURCE_DESCRIPTOR,
                                     STF_REG_RESOURCE_REQUIREMENTS_LIST,
                                     12,
                                     0x12345678,
                                     UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        check_string(types[i], BYTES("\xff\0\x80"), "\xff\0\x80", 3, true);
        check_string(types[i], BYTES(""), "", 0, true);
        check_refused(types[i], &(struct stf_registry_plain){.form = STF_REGISTRY_FORM_INTEGER}, "bytes");
    }
}

/* Whatever the bytes: what calls itself exact comes back byte for byte, and nothing reads or writes out of bounds. */
static void test_random_bytes(void **state)
{
    static const uint16_t units[] = {0, 0, 'a', 0xe9, 0x20ac, 0xd83d, 0xde00, 0xdc00, 0xffff};
    unsigned seed = 821839;
    size_t exact_count = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t data[24];
        size_t size = (size_t)(rand_r(&seed) % (int)sizeof(data));
        uint32_t type = (uint32_t)(rand_r(&seed) % 13);
        for (size_t i = 0; i < sizeof(data); i += 2) {
            uint16_t unit = units[(size_t)rand_r(&seed) % (sizeof(units) / sizeof(units[0]))];
            data[i] = (uint8_t)unit;
            data[i + 1] = (uint8_t)(unit >> 8);
        }
        struct stf_registry_plain plain = decode(type, data, size);
        if (plain.is_exact) {
            exact_count++;
            check_encoded(type, &plain, data, size);
        }
        stf_registry_plain_fini(&plain);
    }
    assert_true(exact_count > 1000);
}

static void check_described(uint32_t type, const uint8_t *data, size_t size, const char *line)
{
    char *described = stf_registry_value_describe(type, data, size);

    assert_string_equal(described, line);
    free(described);
}

static void test_describe(void **state)
{
    uint8_t many[100] = {0};

    (void)state;
    check_described(STF_REG_DWORD, BYTES("\x01\0\0\0"), "dword 1 (0x00000001)");
    check_described(STF_REG_QWORD, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), "qword -1 (0xffffffffffffffff)");
    check_described(STF_REG_SZ, BYTES("a\0\"\0\n\0\0\0"), "sz \"a\\\"\\x0a\"");
    check_described(STF_REG_MULTI_SZ, BYTES("a\0\0\0b\0\0\0\0\0"), "multi_sz [\"a\", \"b\"]");
    check_described(STF_REG_BINARY, BYTES("\x0a\xff"), "binary 0aff");
    check_described(STF_REG_NONE, BYTES(""), "none (empty)");
    check_described(0x1234, BYTES("\x01"), "type 0x00001234 01");
    check_described(STF_REG_SZ, BYTES("\x3d\xd8"), "sz bytes 3dd8");
    check_described(STF_REG_SZ, BYTES("a\0"), "sz \"a\" (stored in an unusual form)");
    check_described(STF_REG_BINARY, many, sizeof(many),
                    "binary 0000000000000000000000000000000000000000000000000000000000000000... (100 bytes)");
}

/* ---- names ---- */

static void check_name(const uint8_t *data, size_t size, const char *name)
{
    struct stf_err err = {0};
    char *text = NULL;
    uint8_t *back = NULL;
    size_t units = 0;

    assert_ok(stf_registry_name_from_utf16(data, size / 2, &text, &err), &err);
    assert_string_equal(text, name);
    assert_int_equal(stf_registry_name_units(name), size / 2);
    assert_ok(stf_registry_name_to_utf16(name, &back, &units, &err), &err);
    assert_int_equal(units, size / 2);
    assert_memory_equal(back, data, size);
    free(back);
    free(text);
}

#define ESCAPE "\xef\xb7\x90" /* U+FDD0 */

static void test_names(void **state)
{
    (void)state;
    check_name(BYTES(""), "");
    check_name(BYTES("a\0\x1a\x04"), "aК");
    check_name(BYTES("\x01\xd8\x37\xdc"), "𐐷");
    check_name(BYTES("\x3d\xd8"), ESCAPE "D83D");
    check_name(BYTES("a\0\x37\xdc\x01\xd8"), "a" ESCAPE "DC37" ESCAPE "D801");
    check_name(BYTES("\x3d\xd8\x01\xd8\x37\xdc\x37\xdc"), ESCAPE "D83D𐐷" ESCAPE "DC37");
    check_name(BYTES("a\0\0\0b\0"), "a" ESCAPE "0000b");
    check_name(BYTES("\xd0\xfd"
                     "D\0"),
               ESCAPE "FDD0D");
    check_name(BYTES("\xff\xff\xfe\xff"), "\xef\xbf\xbf\xef\xbf\xbe");
}

/* One name, one spelling: what stf_registry_name_from_utf16 would not have written is none. */
static void test_what_is_no_name(void **state)
{
    static const char *const wrong[] = {
        "\xff",        "a\xed\xa0\x80", ESCAPE,        ESCAPE "D83",  ESCAPE "d83d",
        ESCAPE "0041", ESCAPE "D83G",   ESCAPE "FFFF", ESCAPE ESCAPE, ESCAPE "D83D" ESCAPE "DE00",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct stf_err err = {0};
        uint8_t *data = NULL;
        size_t units;
        assert_int_equal(stf_registry_name_to_utf16(wrong[i], &data, &units, &err), STF_INVALID_DATA);
        assert_null(data);
        assert_true(stf_registry_name_units(wrong[i]) == SIZE_MAX);
    }
}

static void test_random_names(void **state)
{
    static const uint16_t odd[] = {0, 'a', 0xfdd0, 'D', '8', 0xd83d, 0xde00, 0xffff, 0x41a, 0xdfff};
    unsigned seed = 16061;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint8_t data[2 * 12];
        size_t units = (size_t)(rand_r(&seed) % 13);
        char *name = NULL;
        struct stf_err err = {0};
        for (size_t i = 0; i < units; i++) {
            uint16_t unit = odd[rand_r(&seed) % 10];
            data[2 * i] = (uint8_t)unit;
            data[2 * i + 1] = (uint8_t)(unit >> 8);
        }
        assert_ok(stf_registry_name_from_utf16(data, units, &name, &err), &err);
        check_name(data, 2 * units, name);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_names),   cmocka_unit_test(test_integers), cmocka_unit_test(test_strings),
        cmocka_unit_test(test_lists),        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_describe),     cmocka_unit_test(test_names),    cmocka_unit_test(test_what_is_no_name),
        cmocka_unit_test(test_random_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
