/* message.c - documents to MessagePack and back (message.h), in the forms of its specification that JSON has a value
 * for. Must never allocate for what a frame merely announces. SPDX-License-Identifier: MIT */
#include "fleet/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIZE_BYTES = 4,
    QUOTED_SIZE = 60, /* at most, of what is no message */
};

/* ---------- bytes ---------- */

char *stf_buffer_reserve(struct stf_buffer *buffer, size_t size)
{
    if (buffer->size + size > buffer->capacity) {
        size_t capacity = 2 * (buffer->size + size);
        char *bytes = realloc(buffer->bytes, capacity);
        if (!bytes)
            return NULL;
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->size;
}

void stf_buffer_drop(struct stf_buffer *buffer, size_t size)
{
    buffer->size -= size;
    if (size > 0)
        memmove(buffer->bytes, buffer->bytes + size, buffer->size);
}

void stf_buffer_fini(struct stf_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct stf_buffer){0};
}

/* ---------- writing ---------- */

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "message", NULL, "not enough memory for a message");
}

/* The first bytes of the forms, as the specification numbers them. */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    NIL = 0xc0,
    FALSE = 0xc2,
    TRUE = 0xc3,
    FLOAT64 = 0xcb,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
    INT8 = 0xd0,
    INT64 = 0xd3,
    STR8 = 0xd9,
    STR32 = 0xdb,
    ARRAY16 = 0xdc,
    ARRAY32 = 0xdd,
    MAP16 = 0xde,
    MAP32 = 0xdf,
    NEGATIVE_FIXINT = 0xe0,
};

/* `first`, and the `size` lowest bytes of `value`, the greatest first. */
static enum stf_kind put(struct stf_buffer *buffer, int first, uint64_t value, size_t size, struct stf_err *err)
{
    char *at = stf_buffer_reserve(buffer, 1 + size);
    if (!at)
        return no_memory(err);
    *at = (char)first;
    for (size_t i = 0; i < size; i++)
        at[1 + i] = (char)(value >> 8 * (size - 1 - i));
    buffer->size += 1 + size;
    return STF_OK;
}

/* Of a text, an array or a map: `fix` for the smallest counts, below `fix_end`, else the 32-bit form. */
static enum stf_kind put_count(struct stf_buffer *buffer, int fix, size_t fix_end, int form32, size_t count,
                               struct stf_err *err)
{
    if (count > UINT32_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "message", NULL, "%zu of something are too many to send", count);
    return count < fix_end ? put(buffer, fix | (int)count, 0, 0, err) : put(buffer, form32, count, 4, err);
}

static enum stf_kind put_integer(struct stf_buffer *buffer, json_int_t value, struct stf_err *err)
{
    if (value >= -32 && value < 128)
        return put(buffer, (int)(value & 0xff), 0, 0, err);
    return put(buffer, INT64, (uint64_t)value, 8, err);
}

static enum stf_kind put_real(struct stf_buffer *buffer, double value, struct stf_err *err)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(buffer, FLOAT64, bits, 8, err);
}

static enum stf_kind put_text(struct stf_buffer *buffer, const char *text, size_t size, struct stf_err *err)
{
    enum stf_kind kind = put_count(buffer, FIXSTR, 32, STR32, size, err);
    if (kind != STF_OK)
        return kind;
    char *at = stf_buffer_reserve(buffer, size);
    if (!at)
        return no_memory(err);
    memcpy(at, text, size);
    buffer->size += size;
    return STF_OK;
}

static enum stf_kind put_value(struct stf_buffer *buffer, const json_t *value, int depth, struct stf_err *err);

static enum stf_kind put_array(struct stf_buffer *buffer, const json_t *array, int depth, struct stf_err *err)
{
    enum stf_kind kind = put_count(buffer, FIXARRAY, 16, ARRAY32, json_array_size(array), err);
    for (size_t i = 0; kind == STF_OK && i < json_array_size(array); i++)
        kind = put_value(buffer, json_array_get(array, i), depth + 1, err);
    return kind;
}

static enum stf_kind put_object(struct stf_buffer *buffer, const json_t *object, int depth, struct stf_err *err)
{
    enum stf_kind kind = put_count(buffer, FIXMAP, 16, MAP32, json_object_size(object), err);
    const char *key;
    size_t key_size;
    json_t *value;
    json_object_keylen_foreach((json_t *)object, key, key_size, value)
    {
        if (kind == STF_OK)
            kind = put_text(buffer, key, key_size, err);
        if (kind == STF_OK)
            kind = put_value(buffer, value, depth + 1, err);
    }
    return kind;
}

static enum stf_kind put_value(struct stf_buffer *buffer, const json_t *value, int depth, struct stf_err *err)
{
    if (depth > STF_MESSAGE_DEPTH_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "message", NULL, "a document nests deeper than %d",
                           STF_MESSAGE_DEPTH_MAX);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(buffer, value, depth, err);
    case JSON_ARRAY:
        return put_array(buffer, value, depth, err);
    case JSON_STRING:
        return put_text(buffer, json_string_value(value), json_string_length(value), err);
    case JSON_INTEGER:
        return put_integer(buffer, json_integer_value(value), err);
    case JSON_REAL:
        return put_real(buffer, json_real_value(value), err);
    case JSON_TRUE:
    case JSON_FALSE:
        return put(buffer, json_is_true(value) ? TRUE : FALSE, 0, 0, err);
    case JSON_NULL:
        break;
    }
    return put(buffer, NIL, 0, 0, err);
}

enum stf_kind stf_message_append(struct stf_buffer *buffer, const json_t *document, struct stf_err *err)
{
    size_t start = buffer->size;
    if (!stf_buffer_reserve(buffer, SIZE_BYTES))
        return no_memory(err);
    buffer->size += SIZE_BYTES;
    enum stf_kind kind = put_value(buffer, document, 0, err);
    size_t size = buffer->size - start - SIZE_BYTES;
    if (kind == STF_OK && size > STF_FRAME_SIZE_MAX)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "message", NULL,
                           "a message of %zu bytes is too large to send; the most is %d", size, STF_FRAME_SIZE_MAX);
    if (kind != STF_OK) {
        buffer->size = start;
        return kind;
    }
    for (int i = 0; i < SIZE_BYTES; i++)
        buffer->bytes[start + (size_t)i] = (char)(size >> 8 * (SIZE_BYTES - 1 - i));
    return STF_OK;
}

/* ---------- reading ---------- */

struct reader {
    const unsigned char *at, *end;
    size_t values_left;
    struct stf_err *err;
};

static json_t *refuse(struct reader *reader, const char *what)
{
    stf_err_set(reader->err, STF_INVALID_DATA, 0, "message", NULL, "expected a document in MessagePack, found %s",
                what);
    return NULL;
}

static size_t left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* The unsigned integer of the next `size` bytes. */
static bool take_uint(struct reader *reader, size_t size, uint64_t *value)
{
    *value = 0;
    if (left(reader) < size)
        return false;
    for (size_t i = 0; i < size; i++)
        *value = *value << 8 | *reader->at++;
    return true;
}

static json_t *read_value(struct reader *reader, int depth);

static json_t *read_array(struct reader *reader, uint64_t count, int depth)
{
    json_t *array = json_array();
    for (uint64_t i = 0; array && i < count; i++) {
        json_t *value = read_value(reader, depth + 1);
        if (!value || json_array_append_new(array, value) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* How long the text is whose first byte is `first`; false: it is no text, or cut short. */
static bool take_text_size(struct reader *reader, int first, uint64_t *size)
{
    *size = first & 0x1f;
    bool is_text = first >= FIXSTR && first < NIL;
    if (!is_text && first >= STR8 && first <= STR32)
        is_text = take_uint(reader, (size_t)1 << (first - STR8), size);
    return is_text && *size <= left(reader);
}

static bool read_member(struct reader *reader, json_t *object, int depth)
{
    uint64_t first, size;
    if (!take_uint(reader, 1, &first) || !take_text_size(reader, (int)first, &size))
        return refuse(reader, "a key that is no text, or is cut short");
    const char *key = (const char *)reader->at;
    reader->at += size;
    if (memchr(key, '\0', size)) /* jansson keeps such a key, and does not find it again */
        return refuse(reader, "a key with a NUL in it");
    if (json_object_getn(object, key, size))
        return refuse(reader, "a key that is said twice");
    json_t *value = read_value(reader, depth + 1);
    if (!value)
        return false;
    if (json_object_setn_new(object, key, size, value) != 0)
        return refuse(reader, "a key that is no UTF-8");
    return true;
}

static json_t *read_object(struct reader *reader, uint64_t count, int depth)
{
    json_t *object = json_object();
    for (uint64_t i = 0; object && i < count; i++) {
        if (!read_member(reader, object, depth)) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *read_text(struct reader *reader, int first)
{
    uint64_t size;
    if (!take_text_size(reader, first, &size))
        return refuse(reader, "a text that is cut short");
    json_t *text = json_stringn((const char *)reader->at, size);
    reader->at += size;
    return text ? text : refuse(reader, "a text that is no UTF-8");
}

/* The forms of 8, 16, 32 and 64 bits follow each other in both families. */
static json_t *read_integer(struct reader *reader, int first)
{
    bool is_signed = first >= INT8;
    size_t size = (size_t)1 << (first - (is_signed ? INT8 : UINT8));
    uint64_t value;
    if (!take_uint(reader, size, &value))
        return refuse(reader, "an integer that is cut short");
    if (!is_signed)
        return value <= INT64_MAX ? json_integer((json_int_t)value) : refuse(reader, "an integer over 63 bits");
    uint64_t sign = UINT64_C(1) << (8 * size - 1);
    return json_integer((json_int_t)((value ^ sign) - sign));
}

static json_t *read_real(struct reader *reader)
{
    uint64_t bits;
    double value;
    if (!take_uint(reader, sizeof bits, &bits))
        return refuse(reader, "a number that is cut short");
    memcpy(&value, &bits, sizeof value);
    json_t *real = json_real(value);
    return real ? real : refuse(reader, "a number that is none");
}

/* The forms with a count of 16 or 32 bits. */
static json_t *read_counted(struct reader *reader, int first, int depth)
{
    uint64_t count;
    bool is_array = first == ARRAY16 || first == ARRAY32;
    if (!take_uint(reader, first == ARRAY16 || first == MAP16 ? 2 : 4, &count))
        return refuse(reader, "a count that is cut short");
    return is_array ? read_array(reader, count, depth) : read_object(reader, count, depth);
}

static json_t *read_value(struct reader *reader, int depth)
{
    uint64_t byte;
    if (depth > STF_MESSAGE_DEPTH_MAX || reader->values_left-- == 0)
        return refuse(reader, "one that is too deep, or has too many values");
    if (!take_uint(reader, 1, &byte))
        return refuse(reader, "bytes that end early, or are none");
    int first = (int)byte;
    if (first < FIXMAP)
        return json_integer(first);
    if (first >= NEGATIVE_FIXINT)
        return json_integer(first - 0x100);
    if (first < FIXARRAY)
        return read_object(reader, first & 0xf, depth);
    if (first < FIXSTR)
        return read_array(reader, first & 0xf, depth);
    if (first < NIL || (first >= STR8 && first <= STR32))
        return read_text(reader, first);
    if (first >= UINT8 && first <= INT64)
        return read_integer(reader, first);
    if (first >= ARRAY16 && first <= MAP32)
        return read_counted(reader, first, depth);
    switch (first) {
    case NIL:
        return json_null();
    case FALSE:
    case TRUE:
        return json_boolean(first == TRUE);
    case FLOAT64:
        return read_real(reader);
    default:
        return refuse(reader, "a form that no document has: binary, an extension or a short float");
    }
}

enum stf_kind stf_message_parse(const char *bytes, size_t size, json_t **document, struct stf_err *err)
{
    struct stf_err why = {0};
    const unsigned char *at = (const unsigned char *)bytes;
    struct reader reader = {at, at + size, STF_MESSAGE_VALUES_MAX, &why};
    *document = read_value(&reader, 0);
    if (*document && left(&reader) > 0) {
        json_decref(*document);
        *document = refuse(&reader, "bytes after its end");
    }
    if (*document)
        return STF_OK;
    if (why.kind == STF_OK)
        return no_memory(err);
    if (err)
        *err = why;
    return why.kind;
}

/* No frame begins with four characters of text: so many bytes no message has. A login shell's greeting does. */
static enum stf_kind fail_size(size_t announced, const char *bytes, size_t size, struct stf_err *err)
{
    size_t text = 0;
    while (text < size && text < QUOTED_SIZE && bytes[text] >= ' ' && bytes[text] <= '~')
        text++;
    return text >= SIZE_BYTES
               ? stf_err_set(err, STF_INVALID_DATA, 0, "message", NULL,
                             "'%.*s' was said: what speaks there is no agent, or its login shell prints text first",
                             (int)text, bytes)
               : stf_err_set(err, STF_INVALID_DATA, 0, "message", NULL,
                             "a message of %zu bytes is announced, and the most is %d: what speaks there is no agent",
                             announced, STF_FRAME_SIZE_MAX);
}

enum stf_kind stf_message_next(const struct stf_buffer *received, size_t *taken, json_t **document, struct stf_err *err)
{
    *document = NULL;
    if (received->size - *taken < SIZE_BYTES)
        return STF_OK;
    const unsigned char *head = (const unsigned char *)received->bytes + *taken;
    size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (size > STF_FRAME_SIZE_MAX)
        return fail_size(size, received->bytes + *taken, received->size - *taken, err);
    if (received->size - *taken - SIZE_BYTES < size)
        return STF_OK;
    const char *body = received->bytes + *taken + SIZE_BYTES;
    *taken += SIZE_BYTES + size;
    return stf_message_parse(body, size, document, err);
}
