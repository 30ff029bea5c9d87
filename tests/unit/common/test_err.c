/* test_err.c - kinds, cutting to size, UTF-8, errno. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <staffetta/err.h>

static void names_and_kinds_match(void **state)
{
    (void)state;
    for (int kind = STF_OK; kind <= STF_NO_MEMORY; kind++)
        assert_int_equal(stf_kind_from_name(stf_kind_name((enum stf_kind)kind)), kind);
    assert_string_equal(stf_kind_name(STF_INVALID_DATA), "invalid_data");
    assert_int_equal(stf_kind_from_name("no such kind"), STF_IO);
    assert_int_equal(stf_kind_from_name(NULL), STF_IO);
}

static void set_fills_every_member(void **state)
{
    (void)state;
    struct stf_err err;
    assert_int_equal(stf_err_set(&err, STF_BUSY, 7, "open", "a file", "held by %d", 42), STF_BUSY);
    assert_int_equal(err.kind, STF_BUSY);
    assert_int_equal(err.code, 7);
    assert_true(err.is_retryable);
    assert_string_equal(err.op, "open");
    assert_string_equal(err.subject, "a file");
    assert_string_equal(err.message, "held by 42");
    assert_int_equal(stf_err_set(NULL, STF_IO, 0, NULL, NULL, "nobody asks"), STF_IO);
}

static void the_other_parts_belong_to_the_error_just_made(void **state)
{
    (void)state;
    struct stf_err err;
    stf_err_set(&err, STF_INVALID_DATA, 0, "load", "site.lua", "the role is none");
    assert_string_equal(err.expected, "");
    assert_string_equal(err.remedy, "");
    stf_err_expected(&err, "'node'", "'nod\xff'");
    stf_err_remedy(&err, "correct line %d", 3);
    assert_string_equal(err.expected, "'node'");
    assert_string_equal(err.found, "'nod?'");
    assert_string_equal(err.remedy, "correct line 3");
    stf_err_errno(&err, EACCES, "open", "site.lua", "cannot open it");
    assert_string_equal(err.expected, "");
    assert_string_equal(err.found, "");
    assert_non_null(strstr(err.remedy, "as root"));
    stf_err_expected(NULL, "nobody", "asks");
    stf_err_remedy(NULL, "nobody asks");
}

static void an_error_can_be_wrapped_in_place(void **state)
{
    (void)state;
    struct stf_err err;
    stf_err_set(&err, STF_IO, 5, "read", "inner", "disk gone");
    stf_err_set(&err, STF_CONFLICT, err.code, err.op, err.subject, "while loading: %s", err.message);
    assert_int_equal(err.kind, STF_CONFLICT);
    assert_int_equal(err.code, 5);
    assert_false(err.is_retryable);
    assert_string_equal(err.op, "read");
    assert_string_equal(err.subject, "inner");
    assert_string_equal(err.message, "while loading: disk gone");
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct stf_err err;
    char subject[600], op[40];
    for (size_t i = 0; i < sizeof subject; i += 2)
        memcpy(subject + i, "\xc3\xa9", 2);
    subject[sizeof subject - 1] = '\0'; /* half a character at its end, too */
    memset(op, 'o', sizeof op);
    op[sizeof op - 1] = '\0';
    stf_err_set(&err, STF_IO, 0, op, subject, "%s%s", subject, subject);
    assert_int_equal(strlen(err.op), sizeof err.op - 1);
    assert_int_equal(strlen(err.subject), 254); /* 127 characters of two bytes: a 128th would need the NUL's place */
    assert_true(strlen(err.message) < sizeof err.message);
    assert_memory_equal(err.subject + 252, "\xc3\xa9", 3);
}

static void bytes_that_are_no_utf8_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *given, *kept;
    } cases[] = {
        {"a\xff"
         "b",
         "a?b"},
        {"\xc3", "?"},                    /* cut short */
        {"\xc0\xaf", "??"},               /* over-long */
        {"\xed\xa0\x80", "???"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "????"},     /* beyond Unicode */
        {"\xe2\x82\xac", "\xe2\x82\xac"}, /* the euro sign */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err;
        stf_err_set(&err, STF_IO, 0, NULL, cases[i].given, "%s", cases[i].given);
        assert_string_equal(err.subject, cases[i].kept);
        assert_string_equal(err.message, cases[i].kept);
    }
}

static void errno_decides_the_kind(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        enum stf_kind kind;
    } cases[] = {
        {ENOENT, STF_NOT_FOUND},       {EACCES, STF_DENIED},       {EEXIST, STF_CONFLICT},          {EBUSY, STF_BUSY},
        {ETIMEDOUT, STF_TIMEOUT},      {ENOMEM, STF_NO_MEMORY},    {ECONNREFUSED, STF_UNREACHABLE}, {EIO, STF_IO},
        {EOPNOTSUPP, STF_UNSUPPORTED}, {EPROTO, STF_INVALID_DATA},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err;
        assert_int_equal(stf_err_errno(&err, cases[i].errnum, "open", "it", "cannot"), cases[i].kind);
        assert_int_equal(err.code, cases[i].errnum);
    }
    struct stf_err err;
    stf_err_errno(&err, ENOENT, "open", "/nowhere", "cannot open the file");
    assert_string_equal(err.message, "cannot open the file: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_kinds_match),
        cmocka_unit_test(set_fills_every_member),
        cmocka_unit_test(the_other_parts_belong_to_the_error_just_made),
        cmocka_unit_test(an_error_can_be_wrapped_in_place),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced),
        cmocka_unit_test(errno_decides_the_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
