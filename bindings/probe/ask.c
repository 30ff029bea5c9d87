/* ask.c - requests and verdicts of each method. Must never read beyond what was received.
 * SPDX-License-Identifier: MIT */
#include "ask.h"

#include <stdio.h>
#include <string.h>

/* Enough of `text` for a verdict: the whole of it was received, or what was received is something else. */
static bool begins_with(const char *received, size_t size, const char *text, bool *is_open)
{
    size_t length = strlen(text), common = size < length ? size : length;
    bool is_same = memcmp(received, text, common) == 0;
    *is_open = *is_open || (is_same && size < length);
    return is_same && size >= length;
}

static enum stf_probe_outcome verdict(bool is_good, bool is_open)
{
    if (is_good)
        return STF_PROBE_ANSWERED;
    return is_open ? STF_PROBE_PENDING : STF_PROBE_UNEXPECTED;
}

static enum stf_probe_outcome judge_line(const struct stf_ask *ask, const char *received, size_t size)
{
    /* Who has sent something waits for the answer to it, which may be any line after the greeting; else the greeting's
     * first line decides, however much came with it. */
    const char *end = ask->request_size == 0 ? memchr(received, '\n', size) : NULL;
    size_t length = end ? (size_t)(end + 1 - received) : size;
    return verdict(memmem(received, length, ask->expect, strlen(ask->expect)) != NULL, end == NULL);
}

static enum stf_probe_outcome judge_pop3(const struct stf_ask *ask, const char *received, size_t size)
{
    bool is_open = false;
    (void)ask;
    bool is_good = begins_with(received, size, "+OK", &is_open);
    return verdict(is_good, is_open);
}

static enum stf_probe_outcome judge_imap(const struct stf_ask *ask, const char *received, size_t size)
{
    bool is_open = false;
    (void)ask;
    bool is_good = begins_with(received, size, "* OK", &is_open);
    is_good = begins_with(received, size, "* PREAUTH", &is_open) || is_good;
    return verdict(is_good, is_open);
}

/* "HTTP/1.1 200 ...": the status line decides, headers and body are not waited for. */
static enum stf_probe_outcome judge_http(const struct stf_ask *ask, const char *received, size_t size)
{
    enum { STATUS_AT = 9, STATUS_END = STATUS_AT + 3 };
    bool is_open = false;
    if (!begins_with(received, size, "HTTP/1.", &is_open))
        return verdict(false, is_open);
    if (size < STATUS_END)
        return STF_PROBE_PENDING;
    int status = 0;
    for (size_t i = STATUS_AT; i < STATUS_END; i++) {
        if (received[i] < '0' || received[i] > '9')
            return STF_PROBE_UNEXPECTED;
        status = 10 * status + (received[i] - '0');
    }
    bool is_good = ask->status ? status == ask->status : status >= 200 && status < 400;
    return verdict(is_good, false);
}

/* ---- LDAP (RFC 4511): BER of the one answer to an anonymous simple bind ---- */

struct ber {
    const uint8_t *at, *end;
};

/* Steps over the tag and the length of an element with this tag. PENDING: bytes are missing; ANSWERED: done, *size is
 * the content's. Lengths may be written in more bytes than needed: Active Directory's have four. */
static enum stf_probe_outcome enter(struct ber *ber, uint8_t tag, size_t *size)
{
    if (ber->at == ber->end)
        return STF_PROBE_PENDING;
    if (*ber->at++ != tag)
        return STF_PROBE_UNEXPECTED;
    if (ber->at == ber->end)
        return STF_PROBE_PENDING;
    *size = *ber->at++;
    if (*size < 0x80)
        return STF_PROBE_ANSWERED;
    size_t bytes = *size & 0x7f;
    if (bytes == 0 || bytes > 4)
        return STF_PROBE_UNEXPECTED;
    for (*size = 0; bytes > 0; bytes--) {
        if (ber->at == ber->end)
            return STF_PROBE_PENDING;
        *size = *size << 8 | *ber->at++;
    }
    return STF_PROBE_ANSWERED;
}

/* An element whose content is the one byte `value`. */
static enum stf_probe_outcome take_byte(struct ber *ber, uint8_t tag, uint8_t value)
{
    size_t size;
    enum stf_probe_outcome outcome = enter(ber, tag, &size);
    if (outcome != STF_PROBE_ANSWERED)
        return outcome;
    if (size != 1)
        return STF_PROBE_UNEXPECTED;
    if (ber->at == ber->end)
        return STF_PROBE_PENDING;
    return verdict(*ber->at++ == value, false);
}

enum { BER_INTEGER = 0x02, BER_ENUMERATED = 0x0a, BER_SEQUENCE = 0x30, LDAP_BIND_RESPONSE = 0x61 };

/* messageID 1, LDAPv3, no name, empty password. */
static const char ldap_bind[14] = {0x30, 0x0c, 0x02, 0x01, 0x01, 0x60,       0x07,
                                   0x02, 0x01, 0x03, 0x04, 0x00, (char)0x80, 0x00};

static enum stf_probe_outcome judge_ldap(const struct stf_ask *ask, const char *received, size_t size)
{
    struct ber ber = {(const uint8_t *)received, (const uint8_t *)received + size};
    size_t content;
    (void)ask;
    enum stf_probe_outcome outcome = enter(&ber, BER_SEQUENCE, &content);
    if (outcome == STF_PROBE_ANSWERED)
        outcome = take_byte(&ber, BER_INTEGER, 1);
    if (outcome == STF_PROBE_ANSWERED)
        outcome = enter(&ber, LDAP_BIND_RESPONSE, &content);
    if (outcome == STF_PROBE_ANSWERED)
        outcome = take_byte(&ber, BER_ENUMERATED, 0); /* resultCode: success */
    return outcome;
}

/* ---- methods ---- */

static const struct stf_ask_method methods[] = {
    {"tcp", STF_ASK_TCP, 0, NULL},
    {"tcp_line", STF_ASK_TCP, 0, judge_line},
    {"http", STF_ASK_TCP, 80, judge_http},
    {"pop3", STF_ASK_TCP, 110, judge_pop3},
    {"imap", STF_ASK_TCP, 143, judge_imap},
    {"ldap", STF_ASK_TCP, 389, judge_ldap},
    {"session", STF_ASK_SESSION, 0, judge_line},
    {"icmp", STF_ASK_ICMP, 0, NULL},
    {"udp", STF_ASK_UDP, 7, NULL},
};

static enum stf_kind refuse(struct stf_err *err, const char *subject, const char *message)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "probe", subject, "%s", message);
}

static enum stf_kind find_method(const char *name, const struct stf_ask_method **method, struct stf_err *err)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        *method = &methods[i];
        if (strcmp(methods[i].name, name) == 0)
            return STF_OK;
    }
    return stf_err_set(err, STF_INVALID_DATA, 0, "probe", name,
                       "method '%s' is unknown: expected 'tcp', 'tcp_line', 'http', 'pop3', 'imap', 'ldap', 'session', "
                       "'icmp' or 'udp'",
                       name);
}

static enum stf_kind check_text(const char *key, const char *text, struct stf_err *err)
{
    if (!text || (text[0] && strlen(text) <= STF_ASK_TEXT_MAX))
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "probe", key, "'%s' has %zu bytes: expected 1 to %d", key,
                       strlen(text), STF_ASK_TEXT_MAX);
}

/* What goes into the request's line or a header: neither spaces nor what ends them. */
static enum stf_kind check_word(const char *key, const char *text, struct stf_err *err)
{
    enum stf_kind kind = check_text(key, text, err);
    for (size_t i = 0; kind == STF_OK && text && text[i]; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "probe", key, "'%s' has a space or a control character", key);
    return kind;
}

static enum stf_kind ask_line(const struct stf_ask_options *options, struct stf_ask *ask, struct stf_err *err)
{
    enum stf_kind kind = check_text("send", options->send, err);
    if (kind == STF_OK)
        kind = check_text("expect", options->expect, err);
    if (kind)
        return kind;
    if (ask->method->transport == STF_ASK_SESSION && !(options->send && options->expect))
        return refuse(err, "session",
                      "method 'session' needs 'send', the request, and 'expect', a text of each answer");
    if (!options->send && !options->expect)
        return refuse(err, "tcp_line", "method 'tcp_line' needs 'expect', the text that a good answer contains");
    ask->request_size = (size_t)snprintf(ask->request, sizeof ask->request, "%s", options->send ? options->send : "");
    snprintf(ask->expect, sizeof ask->expect, "%s", options->expect ? options->expect : "");
    return STF_OK;
}

static enum stf_kind ask_http(const struct stf_ask_options *options, struct stf_ask *ask, struct stf_err *err)
{
    enum stf_kind kind = check_word("path", options->path, err);
    if (kind == STF_OK)
        kind = check_word("host", options->host, err);
    if (kind)
        return kind;
    int size = snprintf(ask->request, sizeof ask->request, "%s %s HTTP/1.0\r\n%s%s%sUser-Agent: staffetta\r\n\r\n",
                        options->is_head ? "HEAD" : "GET", options->path ? options->path : "/",
                        options->host ? "Host: " : "", options->host ? options->host : "", options->host ? "\r\n" : "");
    if ((size_t)size >= sizeof ask->request)
        return refuse(err, "path", "'path' and 'host' are too long for one request");
    ask->request_size = (size_t)size;
    ask->status = (int)options->status;
    return STF_OK;
}

enum stf_kind stf_ask_make(const struct stf_ask_options *options, struct stf_ask *ask, struct stf_err *err)
{
    memset(ask, 0, sizeof *ask);
    enum stf_kind kind = find_method(options->method, &ask->method, err);
    if (kind)
        return kind;
    bool is_line = ask->method->judge == judge_line, is_http = ask->method->judge == judge_http;
    if (!is_line && (options->send || options->expect))
        return refuse(err, options->method, "'send' and 'expect' are of methods 'tcp_line' and 'session' only");
    if (!is_http && (options->path || options->host || options->is_head || options->status))
        return refuse(err, options->method, "'path', 'host', 'head' and 'status' are of method 'http' only");
    if (is_line)
        return ask_line(options, ask, err);
    if (is_http)
        return ask_http(options, ask, err);
    if (ask->method->judge == judge_ldap) {
        memcpy(ask->request, ldap_bind, sizeof ldap_bind);
        ask->request_size = sizeof ldap_bind;
    }
    return STF_OK;
}

enum stf_probe_outcome stf_ask_judge(const struct stf_ask *ask, const char *received, size_t size)
{
    enum stf_probe_outcome outcome = ask->method->judge(ask, received, size);
    return outcome == STF_PROBE_PENDING && size >= STF_ASK_RECEIVED_MAX ? STF_PROBE_UNEXPECTED : outcome;
}
