/* test_probe_exchange.c - addresses, verdicts on what was received, errno and printable lines.
 * Opens no connection. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "probe/exchange.h"

static enum stf_probe_outcome judge(const char *sent, const char *expect, const char *received)
{
    const struct stf_probe_target target = {.send = sent, .expect = expect};
    return stf_exchange_judge(&target, received, strlen(received));
}

static void greeting_decides_at_its_line_end(void **state)
{
    (void)state;
    assert_int_equal(judge(NULL, "+OK", "+OK ready\r\n"), STF_PROBE_ANSWERED);
    assert_int_equal(judge(NULL, "ready", "+OK re"), STF_PROBE_PENDING);
    assert_int_equal(judge(NULL, "ready", "+OK ready"), STF_PROBE_ANSWERED);
    assert_int_equal(judge(NULL, "+OK", "-ERR busy\r\n"), STF_PROBE_UNEXPECTED);
    assert_int_equal(judge(NULL, "+OK", "-ERR busy"), STF_PROBE_PENDING);
}

static void answer_may_be_a_later_line(void **state)
{
    (void)state;
    assert_int_equal(judge("CAPA\r\n", "UIDL", "+OK ready\r\n"), STF_PROBE_PENDING);
    assert_int_equal(judge("CAPA\r\n", "UIDL", "+OK ready\r\n+OK\r\nUIDL\r\n"), STF_PROBE_ANSWERED);
    assert_int_equal(judge("CAPA\r\n", NULL, "?"), STF_PROBE_ANSWERED);
}

static void endless_answer_is_given_up(void **state)
{
    (void)state;
    char received[STF_EXCHANGE_RECEIVED_MAX];
    const struct stf_probe_target target = {.send = "x", .expect = "+OK"};
    memset(received, 'x', sizeof received);
    assert_int_equal(stf_exchange_judge(&target, received, sizeof received - 1), STF_PROBE_PENDING);
    assert_int_equal(stf_exchange_judge(&target, received, sizeof received), STF_PROBE_UNEXPECTED);
}

static void addresses(void **state)
{
    (void)state;
    struct stf_exchange_peer peer;
    struct stf_err err;
    assert_int_equal(stf_exchange_resolve("10.9.0.100", 110, &peer, &err), STF_OK);
    assert_int_equal(peer.address.ss_family, AF_INET);
    assert_int_equal(stf_exchange_resolve("fd00::1", 110, &peer, &err), STF_OK);
    assert_int_equal(peer.address.ss_family, AF_INET6);
    assert_int_equal(stf_exchange_resolve("localhost", 110, &peer, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "localhost"));
    assert_int_equal(stf_exchange_resolve("10.9.0.256", 110, &peer, &err), STF_INVALID_DATA);
}

static void errnos(void **state)
{
    (void)state;
    assert_int_equal(stf_exchange_outcome(ECONNREFUSED), STF_PROBE_REFUSED);
    assert_int_equal(stf_exchange_outcome(EHOSTUNREACH), STF_PROBE_UNREACHABLE);
    assert_int_equal(stf_exchange_outcome(EPERM), STF_PROBE_DENIED);
    assert_int_equal(stf_exchange_outcome(ECONNRESET), STF_PROBE_CLOSED);
    assert_int_equal(stf_exchange_outcome(EMFILE), STF_PROBE_PENDING);
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
        cmocka_unit_test(greeting_decides_at_its_line_end),
        cmocka_unit_test(answer_may_be_a_later_line),
        cmocka_unit_test(endless_answer_is_given_up),
        cmocka_unit_test(addresses),
        cmocka_unit_test(errnos),
        cmocka_unit_test(first_line_is_printable_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
