/* test_message.c - documents as MessagePack: what goes over comes back, and nothing else is believed.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fleet/message.h"

static void expect_round_trip(json_t *document)
{
    struct stf_buffer buffer = {0};
    struct stf_err err;
    json_t *back = NULL;
    size_t taken = 0;
    assert_int_equal(stf_message_append(&buffer, document, &err), STF_OK);
    assert_int_equal(stf_message_next(&buffer, &taken, &back, &err), STF_OK);
    assert_int_equal(taken, buffer.size);
    assert_true(json_equal(document, back));
    json_decref(back);
    json_decref(document);
    stf_buffer_fini(&buffer);
}

static void test_documents_come_back(void **state)
{
    static const json_int_t integers[] = {0,     1,         127,        128,       255,       256,         65535,
                                          65536, INT32_MAX, UINT32_MAX, INT64_MAX, -1,        -32,         -33,
                                          -128,  -129,      -32768,     -32769,    INT32_MIN, -4294967296, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++)
        expect_round_trip(json_integer(integers[i]));
    expect_round_trip(json_pack("{s:n, s:b, s:b, s:f, s:f, s:s, s:[], s:{}}", "nil", "yes", 1, "no", 0, "real", 0.1,
                                "whole", 3.0, "text", "Grüße", "array", "object"));
    expect_round_trip(json_stringn("a\0b", 3));
    char long_text[70000];
    memset(long_text, 'x', sizeof long_text);
    for (size_t size = 30; size <= sizeof long_text; size *= 6)
        expect_round_trip(json_stringn(long_text, size));
    json_t *many = json_array();
    for (int i = 0; i < 70000; i++)
        json_array_append_new(many, json_integer(i));
    expect_round_trip(many);
}

static void test_an_incomplete_frame_waits(void **state)
{
    struct stf_buffer whole = {0};
    json_t *document = json_pack("{s:[i, i, i]}", "numbers", 1, 2, 3), *back;
    (void)state;
    assert_int_equal(stf_message_append(&whole, document, NULL), STF_OK);
    for (size_t size = 0; size < whole.size; size++) {
        struct stf_buffer part = {whole.bytes, size, size};
        size_t taken = 0;
        assert_int_equal(stf_message_next(&part, &taken, &back, NULL), STF_OK);
        assert_null(back);
        assert_int_equal(taken, 0);
    }
    json_decref(document);
    stf_buffer_fini(&whole);
}

static void test_what_is_too_deep_is_not_sent(void **state)
{
    struct stf_buffer buffer = {0};
    struct stf_err err;
    json_t *deep = json_array();
    (void)state;
    for (int i = 0; i <= STF_MESSAGE_DEPTH_MAX; i++)
        deep = json_pack("[o]", deep);
    assert_int_equal(stf_message_append(&buffer, deep, &err), STF_INVALID_DATA);
    assert_int_equal(buffer.size, 0);
    json_decref(deep);
    stf_buffer_fini(&buffer);
}

#define BYTES(text) text, sizeof text - 1

static void test_foreign_bytes_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *found;
    } cases[] = {
        {BYTES(""), "end early"},
        {BYTES("\xc4\x01\x61"), "binary"},
        {BYTES("\xc7\x01\x05\x61"), "extension"},
        {BYTES("\xd9\x05\x61"), "cut short"},
        {BYTES("\xa2\xc3\x28"), "no UTF-8"},
        {BYTES("\x81\x01\x02"), "no text"},
        {BYTES("\x82\xa1\x61\x01\xa1\x61\x02"), "twice"},
        {BYTES("\x81\xa1\0\x01"), "a NUL"},
        {BYTES("\x92\x01"), "end early"},
        {BYTES("\x01\x02"), "after its end"},
        {BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "63 bits"},
        {BYTES("\xcb\x7f\xf8\0\0\0\0\0\0"), "a number that is none"},
        {BYTES("\xdf\xff\xff\xff\xff"), "a key"},
        {BYTES("\xc1"), "found"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err;
        json_t *document;
        assert_int_equal(stf_message_parse(cases[i].bytes, cases[i].size, &document, &err), STF_INVALID_DATA);
        assert_null(document);
        assert_non_null(strstr(err.message, cases[i].found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents_come_back),
        cmocka_unit_test(test_an_incomplete_frame_waits),
        cmocka_unit_test(test_what_is_too_deep_is_not_sent),
        cmocka_unit_test(test_foreign_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
