/* test_probe_ask.c - what each method says, and its verdict on every prefix of an answer. SPDX-License-Identifier: MIT
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe/ask.h"

static struct stf_ask ask_of(const struct stf_ask_options *options)
{
    struct stf_ask ask;
    struct stf_err err;
    if (stf_ask_make(options, &ask, &err) != STF_OK)
        fail_msg("%s", err.message);
    return ask;
}

/* The bytes are in memory of exactly their size, so that a sanitizer sees a step beyond them. */
static enum stf_probe_outcome judge(const struct stf_ask *ask, const char *received, size_t size)
{
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, received, size);
    enum stf_probe_outcome outcome = stf_ask_judge(ask, copy, size);
    free(copy);
    return outcome;
}

/* Every shorter part of the answer is undecided or has the verdict already, and never another one. */
static void assert_verdict(const struct stf_ask_options *options, const char *received, size_t size,
                           enum stf_probe_outcome outcome)
{
    struct stf_ask ask = ask_of(options);
    assert_int_equal(judge(&ask, received, size), outcome);
    bool is_decided = false;
    for (size_t part = 1; part < size; part++) {
        enum stf_probe_outcome early = judge(&ask, received, part);
        assert_true(early == outcome || (early == STF_PROBE_PENDING && !is_decided));
        is_decided = early != STF_PROBE_PENDING;
    }
}

static void assert_line(const char *sent, const char *expect, const char *received, enum stf_probe_outcome outcome)
{
    const struct stf_ask_options options = {.method = "tcp_line", .send = sent, .expect = expect};
    assert_verdict(&options, received, strlen(received), outcome);
}

static void assert_text(const char *method, const char *received, enum stf_probe_outcome outcome)
{
    const struct stf_ask_options options = {.method = method};
    assert_verdict(&options, received, strlen(received), outcome);
}

static void greeting_decides_at_its_line_end(void **state)
{
    (void)state;
    assert_line(NULL, "+OK", "+OK ready\r\n", STF_PROBE_ANSWERED);
    assert_line(NULL, "ready", "+OK re", STF_PROBE_PENDING);
    assert_line(NULL, "ready", "+OK ready", STF_PROBE_ANSWERED);
    assert_line(NULL, "+OK", "-ERR busy\r\n", STF_PROBE_UNEXPECTED);
    assert_line(NULL, "+OK", "-ERR busy", STF_PROBE_PENDING);
    assert_line(NULL, "+OK", "-ERR busy\r\n+OK", STF_PROBE_UNEXPECTED);
}

static void answer_may_be_a_later_line(void **state)
{
    (void)state;
    assert_line("CAPA\r\n", "UIDL", "+OK ready\r\n", STF_PROBE_PENDING);
    assert_line("CAPA\r\n", "UIDL", "+OK ready\r\n+OK\r\nUIDL\r\n", STF_PROBE_ANSWERED);
    assert_line("CAPA\r\n", NULL, "?", STF_PROBE_ANSWERED);
}

static void endless_answer_is_given_up(void **state)
{
    (void)state;
    char received[STF_ASK_RECEIVED_MAX];
    const struct stf_ask ask = ask_of(&(struct stf_ask_options){.method = "tcp_line", .send = "x", .expect = "+OK"});
    memset(received, 'x', sizeof received);
    assert_int_equal(stf_ask_judge(&ask, received, sizeof received - 1), STF_PROBE_PENDING);
    assert_int_equal(stf_ask_judge(&ask, received, sizeof received), STF_PROBE_UNEXPECTED);
}

static void mail_greetings(void **state)
{
    (void)state;
    assert_text("pop3", "+OK Dovecot ready.\r\n", STF_PROBE_ANSWERED);
    assert_text("pop3", "-ERR down\r\n", STF_PROBE_UNEXPECTED);
    assert_text("pop3", "+O", STF_PROBE_PENDING);
    assert_text("pop3", "220 +OK smtp", STF_PROBE_UNEXPECTED);
    assert_text("imap", "* OK [CAPABILITY IMAP4rev1] ready\r\n", STF_PROBE_ANSWERED);
    assert_text("imap", "* PREAUTH ready\r\n", STF_PROBE_ANSWERED);
    assert_text("imap", "* BYE overloaded\r\n", STF_PROBE_UNEXPECTED);
    assert_text("imap", "* ", STF_PROBE_PENDING);
}

static void http_status(void **state)
{
    (void)state;
    const struct stf_ask_options wants_404 = {.method = "http", .status = 404};
    assert_text("http", "HTTP/1.1 200 OK\r\n", STF_PROBE_ANSWERED);
    assert_text("http", "HTTP/1.0 302 Found\r\n", STF_PROBE_ANSWERED);
    assert_text("http", "HTTP/1.1 404 Not Found\r\n", STF_PROBE_UNEXPECTED);
    assert_text("http", "HTTP/1.1 503", STF_PROBE_UNEXPECTED);
    assert_text("http", "HTTP/1.1 20", STF_PROBE_PENDING);
    assert_text("http", "HTTP/1.1 2x0 OK", STF_PROBE_UNEXPECTED);
    assert_text("http", "SSH-2.0-OpenSSH", STF_PROBE_UNEXPECTED);
    assert_verdict(&wants_404, "HTTP/1.1 404 ", 13, STF_PROBE_ANSWERED);
    assert_verdict(&wants_404, "HTTP/1.1 200 ", 13, STF_PROBE_UNEXPECTED);
}

static void http_requests(void **state)
{
    (void)state;
    struct stf_ask ask = ask_of(&(struct stf_ask_options){.method = "http"});
    assert_string_equal(ask.request, "GET / HTTP/1.0\r\nUser-Agent: staffetta\r\n\r\n");
    assert_int_equal(ask.request_size, strlen(ask.request));
    ask = ask_of(&(struct stf_ask_options){.method = "http", .path = "/owa", .host = "mail.example", .is_head = true});
    assert_string_equal(ask.request, "HEAD /owa HTTP/1.0\r\nHost: mail.example\r\nUser-Agent: staffetta\r\n\r\n");
}

#define assert_bytes(method_name, bytes, outcome)                                                                      \
    assert_verdict(&(const struct stf_ask_options){.method = method_name}, bytes, sizeof bytes - 1, outcome)

static void ldap_bind_answers(void **state)
{
    (void)state;
    /* OpenLDAP's, and with lengths of four bytes, as Active Directory writes them */
    assert_bytes("ldap", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00", STF_PROBE_ANSWERED);
    assert_bytes("ldap", "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00",
                 STF_PROBE_ANSWERED);
    /* inappropriateAuthentication (48); another message; an extended response; endless and too long lengths */
    assert_bytes("ldap", "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x30\x04\x00\x04\x00", STF_PROBE_UNEXPECTED);
    assert_bytes("ldap", "\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00", STF_PROBE_UNEXPECTED);
    assert_bytes("ldap", "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", STF_PROBE_UNEXPECTED);
    assert_bytes("ldap", "\x30\x80\x02\x01\x01", STF_PROBE_UNEXPECTED);
    assert_bytes("ldap", "\x30\x85\x00\x00\x00\x00\x01", STF_PROBE_UNEXPECTED);
    assert_bytes("ldap", "\x30\x84\x00\x00", STF_PROBE_PENDING);
    assert_bytes("ldap", "\x30\x0c\x02\x02\x00\x01", STF_PROBE_UNEXPECTED);
    struct stf_ask ask = ask_of(&(struct stf_ask_options){.method = "ldap"});
    assert_int_equal(ask.request_size, 14);
    assert_memory_equal(ask.request, "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 14);
}

static void assert_refused(const struct stf_ask_options *options, const char *word)
{
    struct stf_ask ask;
    struct stf_err err = {0};
    assert_int_equal(stf_ask_make(options, &ask, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, word));
}

static void options_of_another_method_are_refused(void **state)
{
    (void)state;
    char text[STF_ASK_TEXT_MAX + 2];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_refused(&(struct stf_ask_options){.method = "smtp"}, "smtp");
    assert_refused(&(struct stf_ask_options){.method = "tcp", .expect = "+OK"}, "tcp_line");
    assert_refused(&(struct stf_ask_options){.method = "tcp_line"}, "expect");
    assert_refused(&(struct stf_ask_options){.method = "tcp_line", .expect = ""}, "expect");
    assert_refused(&(struct stf_ask_options){.method = "tcp_line", .expect = text}, "257 bytes");
    assert_refused(&(struct stf_ask_options){.method = "pop3", .send = "QUIT\r\n"}, "tcp_line");
    assert_refused(&(struct stf_ask_options){.method = "imap", .status = 200}, "http");
    assert_refused(&(struct stf_ask_options){.method = "http", .path = "/ HTTP/1.0\r\nX: y"}, "path");
    assert_refused(&(struct stf_ask_options){.method = "http", .host = "a b"}, "host");
    text[STF_ASK_TEXT_MAX] = '\0';
    assert_refused(&(struct stf_ask_options){.method = "http", .path = text, .host = text}, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greeting_decides_at_its_line_end),
        cmocka_unit_test(answer_may_be_a_later_line),
        cmocka_unit_test(endless_answer_is_given_up),
        cmocka_unit_test(mail_greetings),
        cmocka_unit_test(http_status),
        cmocka_unit_test(http_requests),
        cmocka_unit_test(ldap_bind_answers),
        cmocka_unit_test(options_of_another_method_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
