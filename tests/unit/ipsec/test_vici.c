/* test_vici.c - the VICI codec against hand-made bytes, and every malformed message that the decoder must refuse.
 * Needs no daemon. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipsec/vici.h"

#define BYTES(text) text, sizeof(text) - 1

/* { key1 = value1, section1 { sub-section { key2 = value2 } list1 [ item1, item2 ] } } */
static const char example[] = "\3\4key1\0\6value1"
                              "\1\10section1"
                              "\1\13sub-section"
                              "\3\4key2\0\6value2"
                              "\2"
                              "\4\5list1"
                              "\5\0\5item1"
                              "\5\0\5item2"
                              "\6"
                              "\2";

static json_t *example_document(void)
{
    return json_pack("{s:s, s:{s:{s:s}, s:[s, s]}}", "key1", "value1", "section1", "sub-section", "key2", "value2",
                     "list1", "item1", "item2");
}

static void test_encodes_a_tree(void **state)
{
    struct stf_vici_message message = {0};
    json_t *tree = example_document();
    (void)state;
    stf_vici_add_tree(&message, tree);
    assert_int_equal(stf_vici_message_check(&message, NULL), STF_OK);
    assert_int_equal(message.size, sizeof example - 1);
    assert_memory_equal(message.bytes, example, sizeof example - 1);
    stf_vici_message_fini(&message);
    json_decref(tree);
}

static void test_decodes_what_it_encodes(void **state)
{
    json_t *document = NULL, *expected = example_document();
    (void)state;
    assert_int_equal(stf_vici_decode(example, sizeof example - 1, &document, NULL), STF_OK);
    assert_true(json_equal(document, expected));
    json_decref(document);
    json_decref(expected);
}

static void test_empty_message_is_an_empty_object(void **state)
{
    json_t *document = NULL;
    (void)state;
    assert_int_equal(stf_vici_decode(NULL, 0, &document, NULL), STF_OK);
    assert_true(json_is_object(document));
    assert_int_equal(json_object_size(document), 0);
    json_decref(document);
}

static void test_bytes_that_are_no_text_become_hex(void **state)
{
    json_t *document = NULL;
    (void)state;
    assert_int_equal(stf_vici_decode(BYTES("\3\1a\0\2\377\376\3\1b\0\3x\0y\3\1c\0\0"), &document, NULL), STF_OK);
    assert_string_equal(json_string_value(json_object_get(document, "a")), "0xfffe");
    assert_string_equal(json_string_value(json_object_get(document, "b")), "0x780079");
    assert_string_equal(json_string_value(json_object_get(document, "c")), "");
    json_decref(document);
}

static void test_refuses_malformed_messages(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *words;
    } cases[] = {
        {BYTES("\0"), "unknown element"},
        {BYTES("\7"), "unknown element"},
        {BYTES("\3"), "ends inside an element"},
        {BYTES("\3\4key"), "ends inside an element"},
        {BYTES("\3\1a\0"), "ends inside an element"},
        {BYTES("\3\1a\0\5abc"), "ends inside an element"},
        {BYTES("\3\1a\377\377x"), "ends inside an element"},
        {BYTES("\3\1\0\0\1x"), "name holds a NUL"},
        {BYTES("\3\2a\0\0\1x"), "holds a NUL"},
        {BYTES("\3\1\377\0\1x"), "not UTF-8"},
        {BYTES("\3\1a\0\1x\3\1a\0\1y"), "twice"},
        {BYTES("\1\1a"), "inside a section or list"},
        {BYTES("\2"), "did not start"},
        {BYTES("\4\1a"), "inside a section or list"},
        {BYTES("\4\1a\4\1b"), "something else than an item"},
        {BYTES("\4\1a\3\1b\0\1x"), "something else than an item"},
        {BYTES("\4\1a\2"), "something else than an item"},
        {BYTES("\5\0\1x"), "outside of a list"},
        {BYTES("\6"), "did not start"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stf_err err;
        json_t *document = NULL;
        assert_int_equal(stf_vici_decode(cases[i].bytes, cases[i].size, &document, &err), STF_INVALID_DATA);
        assert_non_null(strstr(err.message, cases[i].words));
        assert_null(document);
    }
}

/* Every message cut short anywhere but between two elements of the outermost level is refused. */
static void test_refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t size = 1; size < sizeof example - 1; size++) {
        json_t *document = NULL;
        char *copy = malloc(size); /* exactly as large, so that a sanitizer sees a read behind it */
        memcpy(copy, example, size);
        enum stf_kind kind = stf_vici_decode(copy, size, &document, NULL);
        assert_int_equal(kind, size == 14 ? STF_OK : STF_INVALID_DATA);
        json_decref(document);
        free(copy);
    }
}

static void nest(struct stf_vici_message *message, int depth)
{
    for (int i = 0; i < depth; i++)
        stf_vici_begin_section(message, "a");
    for (int i = 0; i < depth; i++)
        stf_vici_end_section(message);
}

static void test_depth_has_a_limit(void **state)
{
    struct stf_vici_message good = {0}, bad = {0};
    json_t *document = NULL;
    (void)state;
    nest(&good, STF_VICI_DEPTH_MAX);
    nest(&bad, STF_VICI_DEPTH_MAX + 1);
    assert_int_equal(stf_vici_decode(bad.bytes, bad.size, &document, NULL), STF_INVALID_DATA);
    assert_int_equal(stf_vici_decode(good.bytes, good.size, &document, NULL), STF_OK);
    json_decref(document);
    stf_vici_message_fini(&good);
    stf_vici_message_fini(&bad);
}

static void test_size_has_a_limit(void **state)
{
    json_t *document = NULL;
    char *bytes = calloc(1, STF_VICI_MESSAGE_MAX + 1);
    (void)state;
    assert_int_equal(stf_vici_decode(bytes, STF_VICI_MESSAGE_MAX + 1, &document, NULL), STF_INVALID_DATA);
    free(bytes);
}

static void expect_encoder_failure(struct stf_vici_message *message, const char *words)
{
    struct stf_err err;
    stf_vici_add_text(message, "more", "is ignored");
    assert_int_equal(stf_vici_message_check(message, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, words));
    stf_vici_message_fini(message);
}

static void test_encoder_failure_sticks(void **state)
{
    struct stf_vici_message message = {0};
    char *large = calloc(1, STF_VICI_VALUE_MAX + 1);
    char name[STF_VICI_NAME_MAX + 2] = {0};
    json_t *wrong = json_pack("{s:i}", "a", 1);
    (void)state;

    memset(name, 'n', sizeof name - 1);
    stf_vici_add_text(&message, name, "x");
    expect_encoder_failure(&message, "name is longer");

    stf_vici_add_bytes(&message, "a", large, STF_VICI_VALUE_MAX + 1);
    expect_encoder_failure(&message, "value is longer");

    for (int i = 0; i < 9; i++)
        stf_vici_add_bytes(&message, "a", large, STF_VICI_VALUE_MAX);
    expect_encoder_failure(&message, "larger than the daemon takes");

    stf_vici_add_tree(&message, wrong);
    expect_encoder_failure(&message, "neither string");
    json_decref(wrong);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encodes_a_tree),
        cmocka_unit_test(test_decodes_what_it_encodes),
        cmocka_unit_test(test_empty_message_is_an_empty_object),
        cmocka_unit_test(test_bytes_that_are_no_text_become_hex),
        cmocka_unit_test(test_refuses_malformed_messages),
        cmocka_unit_test(test_refuses_every_truncation),
        cmocka_unit_test(test_depth_has_a_limit),
        cmocka_unit_test(test_size_has_a_limit),
        cmocka_unit_test(test_encoder_failure_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
