/* test_canonical.c - canonical text is what jansson writes, byte for byte. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/canonical.h"

enum { TEXT_MAX = 65536 };

struct text {
    char bytes[TEXT_MAX];
    size_t size;
    size_t room; /* after which a piece is refused */
};

static int append(const char *bytes, size_t size, void *context)
{
    struct text *text = context;

    if (size > text->room - text->size)
        return -1;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    return 0;
}

static void check_doc(const json_t *doc)
{
    struct text *text = calloc(1, sizeof(*text));
    char *expected = json_dumps(doc, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);

    assert_non_null(text);
    assert_non_null(expected);
    text->room = TEXT_MAX - 1;
    assert_true(stf_canonical_write(doc, append, text));
    assert_string_equal(text->bytes, expected);
    for (size_t room = 0; room < strlen(expected); room++) {
        text->size = 0;
        text->room = room;
        assert_false(stf_canonical_write(doc, append, text));
    }
    free(expected);
    free(text);
}

static void test_texts(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "[]",
        "{}",
        "-12",
        "1.5e300",
        "\"\"",
        "[1,[2,{\"a\":[]}],\"x\"]",
        "{\"b\":1,\"a\":{\"z\":null,\"B\":false,\"\":0},\"ab\":[{}],\"\\u00e4\":2,\"\\\"\":3}",
        "\"quote \\\" backslash \\\\ slash / delete \\u007f euro \\u20ac clef \\ud834\\udd1e\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *doc = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(doc);
        check_doc(doc);
        json_decref(doc);
    }
}

static void test_every_byte(void **state)
{
    char bytes[0x80];
    json_t *doc;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    doc = json_stringn(bytes, sizeof(bytes));
    assert_non_null(doc);
    check_doc(doc);
    json_decref(doc);
}

static json_t *random_doc(unsigned *seed, int depth)
{
    char text[16];
    json_t *doc;
    unsigned kind = rand_r(seed) % (depth > 0 ? 5 : 3);

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(rand_r(seed) % 0x80);
    if (kind < 3)
        return kind == 0 ? json_integer(rand_r(seed)) : json_stringn(text, rand_r(seed) % sizeof(text));
    doc = kind == 3 ? json_array() : json_object();
    for (unsigned i = rand_r(seed) % 8; i > 0; i--) {
        text[rand_r(seed) % sizeof(text)] = '\0';
        if (kind == 3)
            json_array_append_new(doc, random_doc(seed, depth - 1));
        else
            json_object_set_new(doc, text, random_doc(seed, depth - 1));
    }
    return doc;
}

static void test_random(void **state)
{
    unsigned seed = 42;

    (void)state;
    for (int i = 0; i < 200; i++) {
        json_t *doc = random_doc(&seed, 3);
        check_doc(doc);
        json_decref(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests_name("canonical", tests, NULL, NULL);
}
