/* canonical.c - writes documents as canonical text (canonical.h). Must never write other bytes than jansson would.
 * SPDX-License-Identifier: MIT */
#include "common/canonical.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    json_dump_callback_t sink;
    void *context;
};

static bool put(const struct writer *writer, const char *bytes, size_t size)
{
    return writer->sink(bytes, size, writer->context) == 0;
}

static bool put_escape(const struct writer *writer, char c)
{
    static const char *const short_forms[0x20] = {
        ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", ['\f'] = "\\f", ['\r'] = "\\r"};
    char text[8];

    if (c == '"' || c == '\\')
        return put(writer, (const char[]){'\\', c}, 2);
    if (short_forms[(uint8_t)c] != NULL)
        return put(writer, short_forms[(uint8_t)c], 2);
    snprintf(text, sizeof(text), "\\u%04X", (unsigned)(uint8_t)c);
    return put(writer, text, 6);
}

static bool put_string(const struct writer *writer, const char *bytes, size_t size)
{
    size_t done = 0;
    bool is_put = put(writer, "\"", 1);

    for (size_t i = 0; i < size && is_put; i++) {
        if ((uint8_t)bytes[i] < 0x20 || bytes[i] == '"' || bytes[i] == '\\') {
            is_put = put(writer, bytes + done, i - done) && put_escape(writer, bytes[i]);
            done = i + 1;
        }
    }
    return is_put && put(writer, bytes + done, size - done) && put(writer, "\"", 1);
}

static bool put_any(const struct writer *writer, const json_t *doc);

static bool put_array(const struct writer *writer, const json_t *array)
{
    bool is_put = put(writer, "[", 1);

    for (size_t i = 0; i < json_array_size(array) && is_put; i++)
        is_put = (i == 0 || put(writer, ",", 1)) && put_any(writer, json_array_get(array, i));
    return is_put && put(writer, "]", 1);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool put_object(const struct writer *writer, const json_t *object)
{
    const char **names = malloc((json_object_size(object) + 1) * sizeof(*names));
    bool is_put = names != NULL && put(writer, "{", 1);
    size_t count = 0;
    const char *name;
    json_t *member;

    if (names != NULL) {
        json_object_foreach ((json_t *)object, name, member)
            names[count++] = name;
        qsort(names, count, sizeof(*names), compare_names);
    }
    for (size_t i = 0; i < count && is_put; i++) {
        is_put = (i == 0 || put(writer, ",", 1)) && put_string(writer, names[i], strlen(names[i])) &&
                 put(writer, ":", 1) && put_any(writer, json_object_get(object, names[i]));
    }
    free(names);
    return is_put && put(writer, "}", 1);
}

static bool put_any(const struct writer *writer, const json_t *doc)
{
    switch (json_typeof(doc)) {
    case JSON_OBJECT:
        return put_object(writer, doc);
    case JSON_ARRAY:
        return put_array(writer, doc);
    case JSON_STRING:
        return put_string(writer, json_string_value(doc), json_string_length(doc));
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return json_dump_callback(doc, writer->sink, writer->context, JSON_ENCODE_ANY) == 0;
}

bool stf_canonical_write(const json_t *doc, json_dump_callback_t sink, void *context)
{
    const struct writer writer = {sink, context};

    return doc != NULL && put_any(&writer, doc);
}
