/* test_doc.c - members of documents, suggestions, hex, paths, clocks. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/doc.h"

static const char *const known[] = {"address", "interface", "prefix_length", NULL};

static void nearest_word_is_found(void **state)
{
    (void)state;
    assert_string_equal(stf_nearest("adress", known), "address");
    assert_string_equal(stf_nearest("intreface", known), "interface");
    assert_string_equal(stf_nearest("prefix_len", known), "prefix_length");
    assert_string_equal(stf_nearest("address", known), "address");
    assert_string_equal(stf_nearest("content", (const char *const[]){"mode", "content_hex", NULL}), "content_hex");
    assert_null(stf_nearest("zzzz", known));
    assert_null(stf_nearest("", known));
    assert_null(stf_nearest("address", (const char *const[]){NULL}));
    assert_string_equal(stf_nearest("ba", (const char *const[]){"xy", "ab", NULL}), "ab"); /* one exchange */

    char a_long_word[500];
    memset(a_long_word, 'a', sizeof a_long_word - 1);
    a_long_word[sizeof a_long_word - 1] = '\0';
    assert_null(stf_nearest(a_long_word, known));
}

static void errors_travel(void **state)
{
    struct stf_err err, back;
    (void)state;
    stf_err_set(&err, STF_BUSY, 17, "write", "the box", "it is in use");
    stf_err_expected(&err, "a free box", "one of root");
    stf_err_remedy(&err, "wait %d minutes", 5);
    json_t *document = stf_doc_from_err(&err);
    stf_doc_to_err(document, &back);
    assert_int_equal(back.kind, STF_BUSY);
    assert_int_equal(back.code, 17);
    assert_true(back.is_retryable);
    assert_string_equal(back.op, "write");
    assert_string_equal(back.subject, "the box");
    assert_string_equal(back.message, "it is in use");
    assert_string_equal(back.expected, "a free box");
    assert_string_equal(back.found, "one of root");
    assert_string_equal(back.remedy, "wait 5 minutes");
    json_object_set_new(document, "kind", json_string("ok"));
    stf_doc_to_err(document, &back);
    assert_int_not_equal(back.kind, STF_OK);
    json_decref(document);
}

static void unknown_members_are_named(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *doc = json_pack("{s:s, s:s}", "address", "x", "interfac", "eth0");
    assert_int_equal(stf_doc_check_keys(doc, known, "vip.holds", &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "vip.holds: unknown member 'interfac'; did you mean 'interface'?");
    json_object_del(doc, "interfac");
    assert_int_equal(stf_doc_check_keys(doc, known, "vip.holds", &err), STF_OK);
    json_object_set_new(doc, "zzzz", json_true());
    assert_int_equal(stf_doc_check_keys(doc, known, "vip.holds", &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "vip.holds: unknown member 'zzzz'; known: address, interface, prefix_length");
    json_decref(doc);

    json_t *list = json_array();
    assert_int_equal(stf_doc_check_keys(list, known, "vip.holds", &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "vip.holds: expected an object, found a list");
    json_decref(list);
    assert_int_equal(stf_doc_check_keys(NULL, known, "vip.holds", &err), STF_INVALID_DATA);
}

static void required_members(void **state)
{
    (void)state;
    struct stf_err err;
    const char *text = NULL;
    int64_t number = 0;
    json_t *doc = json_pack("{s:s, s:i, s:f, s:n}", "name", "fe1", "port", 110, "half", 0.5, "nothing");
    json_object_set_new(doc, "nul", json_stringn("a\0b", 3));

    assert_int_equal(stf_doc_string(doc, "name", &text, &err), STF_OK);
    assert_string_equal(text, "fe1");
    assert_int_equal(stf_doc_string(doc, "port", &text, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "member 'port': expected a string, found an integer");
    assert_int_equal(stf_doc_string(doc, "gone", &text, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "member 'gone': expected a string, found nothing");
    assert_int_equal(stf_doc_string(doc, "nul", &text, &err), STF_INVALID_DATA);

    assert_int_equal(stf_doc_int(doc, "port", 110, 110, &number, &err), STF_OK);
    assert_int_equal(number, 110);
    assert_int_equal(stf_doc_int(doc, "port", 1, 109, &number, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "member 'port': expected an integer from 1 to 109, found 110");
    assert_int_equal(stf_doc_int(doc, "half", 0, 9, &number, &err), STF_INVALID_DATA);
    assert_int_equal(stf_doc_int(doc, "nothing", 0, 9, &number, &err), STF_INVALID_DATA);
    json_decref(doc);
}

static void optional_members(void **state)
{
    (void)state;
    struct stf_err err;
    const char *text = NULL;
    int64_t number = 0;
    bool flag = false;
    json_t *doc = json_pack("{s:s, s:i, s:b, s:n}", "name", "fe1", "port", 110, "yes", 1, "nothing");

    assert_int_equal(stf_doc_opt_string(doc, "gone", "fallback", &text, &err), STF_OK);
    assert_string_equal(text, "fallback");
    assert_int_equal(stf_doc_opt_string(doc, "nothing", NULL, &text, &err), STF_OK);
    assert_null(text);
    assert_int_equal(stf_doc_opt_string(doc, "port", "x", &text, &err), STF_INVALID_DATA);
    assert_int_equal(stf_doc_opt_int(doc, "gone", 0, 9, 3, &number, &err), STF_OK);
    assert_int_equal(number, 3);
    assert_int_equal(stf_doc_opt_int(doc, "port", 0, 9, 3, &number, &err), STF_INVALID_DATA);
    assert_int_equal(stf_doc_opt_bool(doc, "yes", false, &flag, &err), STF_OK);
    assert_true(flag);
    assert_int_equal(stf_doc_opt_bool(doc, "gone", false, &flag, &err), STF_OK);
    assert_false(flag);
    assert_int_equal(stf_doc_opt_bool(doc, "port", false, &flag, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "member 'port': expected a boolean, found an integer");
    json_decref(doc);
}

static void hex_goes_both_ways(void **state)
{
    (void)state;
    struct stf_err err;
    uint8_t *bytes = NULL;
    size_t size = 1;
    char *hex = stf_hex_from_bytes("\x00\x7f\xff", 3);
    assert_string_equal(hex, "007fff");
    free(hex);
    assert_int_equal(stf_hex_to_bytes("007fFF", &bytes, &size, &err), STF_OK);
    assert_int_equal(size, 3);
    assert_memory_equal(bytes, "\x00\x7f\xff", 3);
    free(bytes);
    assert_int_equal(stf_hex_to_bytes("", &bytes, &size, &err), STF_OK);
    assert_non_null(bytes);
    assert_int_equal(size, 0);
    free(bytes);
    assert_int_equal(stf_hex_to_bytes("abc", &bytes, &size, &err), STF_INVALID_DATA);
    assert_int_equal(stf_hex_to_bytes("ab0g", &bytes, &size, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "expected hexadecimal digits, found '0g' at 2");
}

static void bytes_become_text(void **state)
{
    (void)state;
    json_t *text = stf_doc_text("a\0b\xff\xc3\xa9\xe2\x82", 8);
    assert_string_equal(json_string_value(text), "a\xef\xbf\xbd"
                                                 "b\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd");
    json_decref(text);
    text = stf_doc_text("", 0);
    assert_string_equal(json_string_value(text), "");
    json_decref(text);
}

static void paths_start_at_the_base(void **state)
{
    (void)state;
    char *path = stf_doc_path("/site", "hives/SYSTEM");
    assert_string_equal(path, "/site/hives/SYSTEM");
    free(path);
    path = stf_doc_path("/site", "/etc/hosts");
    assert_string_equal(path, "/etc/hosts");
    free(path);
}

static void clocks_run_forward(void **state)
{
    (void)state;
    int64_t first = stf_clock_ns();
    assert_true(stf_clock_ns() >= first);
    assert_true(stf_clock_unix_ms() > 1600000000000); /* after 2020, so milliseconds, not seconds */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_word_is_found), cmocka_unit_test(unknown_members_are_named),
        cmocka_unit_test(required_members),      cmocka_unit_test(optional_members),
        cmocka_unit_test(hex_goes_both_ways),    cmocka_unit_test(paths_start_at_the_base),
        cmocka_unit_test(clocks_run_forward),    cmocka_unit_test(bytes_become_text),
        cmocka_unit_test(errors_travel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
