/* test_probe_exchange.c - addresses, errno and printable lines. Opens no connection. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "probe/exchange.h"

static void addresses(void **state)
{
    (void)state;
    struct stf_probe_target target, other;
    struct stf_err err;
    assert_int_equal(stf_probe_target_make("10.9.0.100", 110, &target, &err), STF_OK);
    assert_int_equal(target.address.ss_family, AF_INET);
    assert_string_equal(target.name, "10.9.0.100");
    assert_int_equal(stf_probe_target_make("10.9.0.100", 143, &other, &err), STF_OK);
    assert_true(stf_probe_target_is_at(&target, &other.address));
    assert_int_equal(stf_probe_target_make("10.9.0.101", 110, &other, &err), STF_OK);
    assert_false(stf_probe_target_is_at(&target, &other.address));
    assert_int_equal(stf_probe_target_make("fd00::1", 110, &other, &err), STF_OK);
    assert_int_equal(other.address.ss_family, AF_INET6);
    assert_false(stf_probe_target_is_at(&target, &other.address));
    assert_int_equal(stf_probe_target_make("localhost", 110, &target, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "localhost"));
    assert_int_equal(stf_probe_target_make("10.9.0.256", 110, &target, &err), STF_INVALID_DATA);
}

static void errnos(void **state)
{
    (void)state;
    assert_int_equal(stf_probe_outcome_of(ECONNREFUSED), STF_PROBE_REFUSED);
    assert_int_equal(stf_probe_outcome_of(EHOSTUNREACH), STF_PROBE_UNREACHABLE);
    assert_int_equal(stf_probe_outcome_of(EPERM), STF_PROBE_DENIED);
    assert_int_equal(stf_probe_outcome_of(ECONNRESET), STF_PROBE_CLOSED);
    assert_int_equal(stf_probe_outcome_of(EMFILE), STF_PROBE_PENDING);
    for (int outcome = 0; outcome < STF_PROBE_OUTCOMES; outcome++)
        assert_non_null(stf_probe_outcome_name(outcome));
}

static void first_line_is_printable_and_bounded(void **state)
{
    (void)state;
    char text[8];
    stf_exchange_first_line("a\x01\xc3\xa4z\r\nmore", 11, text, sizeof text);
    assert_string_equal(text, "a...z");
    stf_exchange_first_line("123456789", 9, text, sizeof text);
    assert_string_equal(text, "1234567");
    stf_exchange_first_line("", 0, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(errnos),
        cmocka_unit_test(first_line_is_printable_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
