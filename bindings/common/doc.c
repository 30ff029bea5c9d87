/* doc.c - reads members of documents, and words errors so that the author of a script knows what to change.
 * Must know no binding. SPDX-License-Identifier: MIT */
#include "doc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

/* ---------- errors ---------- */

json_t *stf_doc_from_err(const struct stf_err *err)
{
    return json_pack("{s:s, s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:s}", "kind", stf_kind_name(err->kind), "code",
                     err->code, "is_retryable", err->is_retryable, "op", err->op, "subject", err->subject, "message",
                     err->message, "expected", err->expected, "found", err->found, "remedy", err->remedy);
}

static const char *text_of(const json_t *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc, key));
    return text ? text : "";
}

void stf_doc_to_err(const json_t *doc, struct stf_err *err)
{
    enum stf_kind kind = stf_kind_from_name(text_of(doc, "kind"));
    stf_err_set(err, kind == STF_OK ? STF_INVALID_DATA : kind, (int)json_integer_value(json_object_get(doc, "code")),
                text_of(doc, "op"), text_of(doc, "subject"), "%s", text_of(doc, "message"));
    stf_err_expected(err, text_of(doc, "expected"), text_of(doc, "found"));
    stf_err_remedy(err, "%s", text_of(doc, "remedy"));
    if (err)
        err->is_retryable = json_is_true(json_object_get(doc, "is_retryable"));
}

/* ---------- suggestions ---------- */

enum { MAX_WORD = 64 };

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance with insertion, deletion, replacement and exchange of neighbours; words are cut at MAX_WORD. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][MAX_WORD + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_length = strnlen(a, MAX_WORD), b_length = strnlen(b, MAX_WORD);

    for (size_t j = 0; j <= b_length; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = smaller(last[j] + 1, row[j - 1] + 1);
            row[j] = smaller(row[j], last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        unsigned *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[b_length];
}

const char *stf_nearest(const char *word, const char *const words[])
{
    const char *nearest = NULL;
    unsigned least = MAX_WORD + 1;
    size_t length = strnlen(word, MAX_WORD);
    for (; *words; words++) {
        size_t candidate_length = strnlen(*words, MAX_WORD);
        unsigned found = distance(word, *words);
        bool is_near = found <= (length > candidate_length ? length : candidate_length) / 2;
        if (is_near && found < least) {
            least = found;
            nearest = *words;
        }
    }
    return nearest;
}

/* ---------- members ---------- */

static const char *type_name(const json_t *value)
{
    if (!value)
        return "nothing";
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

static enum stf_kind wrong_type(struct stf_err *err, const char *key, const char *expected, const json_t *found)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "read", key, "member '%s': expected %s, found %s", key, expected,
                       type_name(found));
}

static void join(char *to, size_t size, const char *const words[])
{
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; words[i] && used < size; i++)
        used += (size_t)snprintf(to + used, size - used, "%s%s", i ? ", " : "", words[i]);
}

static enum stf_kind unknown_key(struct stf_err *err, const char *key, const char *const known[], const char *what)
{
    char list[384];
    const char *nearest = stf_nearest(key, known);
    if (nearest)
        return stf_err_set(err, STF_INVALID_DATA, 0, what, key, "%s: unknown member '%s'; did you mean '%s'?", what,
                           key, nearest);
    join(list, sizeof list, known);
    return stf_err_set(err, STF_INVALID_DATA, 0, what, key, "%s: unknown member '%s'; known: %s", what, key,
                       list[0] ? list : "none");
}

enum stf_kind stf_doc_check_keys(const json_t *doc, const char *const known[], const char *what, struct stf_err *err)
{
    if (!json_is_object(doc))
        return stf_err_set(err, STF_INVALID_DATA, 0, what, NULL, "%s: expected an object, found %s", what,
                           type_name(doc));
    /* jansson's iteration takes a non-const document, and changes nothing */
    for (void *at = json_object_iter((json_t *)doc); at; at = json_object_iter_next((json_t *)doc, at)) {
        const char *key = json_object_iter_key(at);
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return unknown_key(err, key, known, what);
    }
    return STF_OK;
}

const char *stf_doc_plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

enum stf_kind stf_doc_string(const json_t *doc, const char *key, const char **out, struct stf_err *err)
{
    const json_t *value = json_object_get(doc, key);
    if (!json_is_string(value))
        return wrong_type(err, key, "a string", value);
    *out = stf_doc_plain_text(value);
    if (!*out)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", key, "member '%s': a NUL byte in the string", key);
    return STF_OK;
}

enum stf_kind stf_doc_int(const json_t *doc, const char *key, int64_t min, int64_t max, int64_t *out,
                          struct stf_err *err)
{
    const json_t *value = json_object_get(doc, key);
    if (!json_is_integer(value))
        return wrong_type(err, key, "an integer", value);
    int64_t number = json_integer_value(value);
    if (number < min || number > max)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", key,
                           "member '%s': expected an integer from %" PRId64 " to %" PRId64 ", found %" PRId64, key, min,
                           max, number);
    *out = number;
    return STF_OK;
}

static bool is_absent(const json_t *doc, const char *key)
{
    const json_t *value = json_object_get(doc, key);
    return !value || json_is_null(value);
}

enum stf_kind stf_doc_opt_string(const json_t *doc, const char *key, const char *fallback, const char **out,
                                 struct stf_err *err)
{
    if (!is_absent(doc, key))
        return stf_doc_string(doc, key, out, err);
    *out = fallback;
    return STF_OK;
}

enum stf_kind stf_doc_opt_int(const json_t *doc, const char *key, int64_t min, int64_t max, int64_t fallback,
                              int64_t *out, struct stf_err *err)
{
    if (!is_absent(doc, key))
        return stf_doc_int(doc, key, min, max, out, err);
    *out = fallback;
    return STF_OK;
}

enum stf_kind stf_doc_opt_bool(const json_t *doc, const char *key, bool fallback, bool *out, struct stf_err *err)
{
    const json_t *value = json_object_get(doc, key);
    if (is_absent(doc, key)) {
        *out = fallback;
        return STF_OK;
    }
    if (!json_is_boolean(value))
        return wrong_type(err, key, "a boolean", value);
    *out = json_is_true(value);
    return STF_OK;
}

/* ---------- paths and bytes ---------- */

char *stf_doc_path(const char *base_dir, const char *path)
{
    char *joined = NULL;
    if (path[0] == '/')
        return strdup(path);
    return asprintf(&joined, "%s/%s", base_dir, path) < 0 ? NULL : joined;
}

json_t *stf_doc_text(const char *bytes, size_t size)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *text = malloc(size * (sizeof replacement - 1) + 1);
    size_t used = 0;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size;) {
        size_t length = bytes[i] ? stf_utf8_length(bytes + i) : 0;
        memcpy(text + used, length ? bytes + i : replacement, length ? length : sizeof replacement - 1);
        used += length ? length : sizeof replacement - 1;
        i += length ? length : 1;
    }
    json_t *string = json_stringn(text, used);
    free(text);
    return string;
}

char *stf_hex_from_bytes(const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;
    char *hex = malloc(2 * size + 1);
    if (!hex)
        return NULL;
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = digits[from[i] >> 4];
        hex[2 * i + 1] = digits[from[i] & 15];
    }
    hex[2 * size] = '\0';
    return hex;
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

enum stf_kind stf_hex_to_bytes(const char *hex, uint8_t **out, size_t *size, struct stf_err *err)
{
    size_t length = strlen(hex);
    if (length % 2)
        return stf_err_set(err, STF_INVALID_DATA, 0, "hex", NULL,
                           "expected an even number of hexadecimal digits, found %zu", length);
    uint8_t *bytes = malloc(length / 2 + 1);
    if (!bytes)
        return stf_err_set(err, STF_NO_MEMORY, 0, "hex", NULL, "no memory for %zu bytes", length / 2);
    for (size_t i = 0; i < length; i += 2) {
        int high = digit_value(hex[i]), low = digit_value(hex[i + 1]);
        if (high < 0 || low < 0) {
            free(bytes);
            return stf_err_set(err, STF_INVALID_DATA, 0, "hex", NULL,
                               "expected hexadecimal digits, found '%.2s' at %zu", hex + i, i);
        }
        bytes[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = bytes;
    *size = length / 2;
    return STF_OK;
}
