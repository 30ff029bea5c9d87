/* value.c - typed registry values, and the only place where UTF-16LE meets UTF-8.
 * Never guesses: bytes that have not the form of their type are handed on as bytes. SPDX-License-Identifier: MIT */
#include "registry/value.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

enum shape { SHAPE_BYTES, SHAPE_TEXT, SHAPE_LINK, SHAPE_LIST, SHAPE_U32, SHAPE_U32_BIG_ENDIAN, SHAPE_U64 };

static const struct {
    const char *name;
    enum shape shape;
} types[] = {
    [STF_REG_NONE] = {"none", SHAPE_BYTES},
    [STF_REG_SZ] = {"sz", SHAPE_TEXT},
    [STF_REG_EXPAND_SZ] = {"expand_sz", SHAPE_TEXT},
    [STF_REG_BINARY] = {"binary", SHAPE_BYTES},
    [STF_REG_DWORD] = {"dword", SHAPE_U32},
    [STF_REG_DWORD_BIG_ENDIAN] = {"dword_big_endian", SHAPE_U32_BIG_ENDIAN},
    [STF_REG_LINK] = {"link", SHAPE_LINK},
    [STF_REG_MULTI_SZ] = {"multi_sz", SHAPE_LIST},
    [STF_REG_RESOURCE_LIST] = {"resource_list", SHAPE_BYTES},
    [STF_REG_FULL_RESOURCE_DESCRIPTOR] = {"full_resource_descriptor", SHAPE_BYTES},
    [STF_REG_RESOURCE_REQUIREMENTS_LIST] = {"resource_requirements_list", SHAPE_BYTES},
    [STF_REG_QWORD] = {"qword", SHAPE_U64},
};
enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

static enum shape shape_of(uint32_t type)
{
    return type < TYPE_COUNT ? types[type].shape : SHAPE_BYTES;
}

const char *stf_registry_type_name(uint32_t type)
{
    return type < TYPE_COUNT ? types[type].name : NULL;
}

enum stf_kind stf_registry_type_from_name(const char *name, uint32_t *type, struct stf_err *err)
{
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *type = i;
            return STF_OK;
        }
    }
    return stf_err_set(err, STF_INVALID_DATA, 0, "type", name,
                       "'%s' is no registry type; the types are none, sz, expand_sz, binary, dword, dword_big_endian, "
                       "link, multi_sz, resource_list, full_resource_descriptor, resource_requirements_list and qword; "
                       "any other is given as its number",
                       name);
}

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "value", NULL, "memory is out");
}

enum stf_kind stf_registry_value_init(struct stf_registry_value *value, const char *name, uint32_t type,
                                      const void *data, size_t size, struct stf_err *err)
{
    *value = (struct stf_registry_value){.name = strdup(name), .type = type, .data = malloc(size + 1), .size = size};
    if (value->name == NULL || value->data == NULL) {
        stf_registry_value_fini(value);
        return no_memory(err);
    }
    if (size > 0)
        memcpy(value->data, data, size);
    return STF_OK;
}

void stf_registry_value_fini(struct stf_registry_value *value)
{
    free(value->name);
    free(value->data);
    *value = (struct stf_registry_value){0};
}

bool stf_registry_value_equal(const struct stf_registry_value *a, const struct stf_registry_value *b)
{
    return a->type == b->type && a->size == b->size && strcmp(a->name, b->name) == 0 &&
           (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

bool stf_utf8_next(const char **at, const char *end, uint32_t *code)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    size_t length = *at < end ? stf_utf8_length(*at) : 0;

    if (length == 0)
        return false;
    *code = length == 1 ? bytes[0] : bytes[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        *code = *code << 6 | (bytes[i] & 0x3fu);
    *at += length;
    return true;
}

static uint8_t *put_unit(uint8_t *out, uint32_t unit)
{
    out[0] = (uint8_t)unit;
    out[1] = (uint8_t)(unit >> 8);
    return out + 2;
}

static uint8_t *put_code(uint8_t *out, uint32_t code)
{
    if (code < 0x10000)
        return put_unit(out, code);
    out = put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
    return put_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
}

/* Writes at most 2 bytes for each byte of text; NULL when the text is not UTF-8. */
static uint8_t *put_utf16(uint8_t *out, struct stf_registry_string text)
{
    const char *at = text.bytes;
    const char *end = text.bytes + text.size;
    uint32_t code;

    while (at < end) {
        if (!stf_utf8_next(&at, end, &code))
            return NULL;
        out = put_code(out, code);
    }
    return out;
}

char *stf_utf8_put(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

static bool is_high_surrogate(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* Takes a code point off the units at *i; an unpaired surrogate is given as it is. */
static uint32_t next_code(const uint8_t *data, size_t units, size_t *i)
{
    uint32_t code = stf_utf16_unit(data, (*i)++);

    if (is_high_surrogate(code) && *i < units && is_low_surrogate(stf_utf16_unit(data, *i)))
        code = 0x10000 + ((code - 0xd800) << 10) + (stf_utf16_unit(data, (*i)++) - 0xdc00);
    return code;
}

/* Writes at most 3 bytes for each unit; NULL for an unpaired surrogate. */
static char *utf8_from_utf16(char *out, const uint8_t *data, size_t units)
{
    for (size_t i = 0; i < units;) {
        uint32_t code = next_code(data, units, &i);
        if (is_high_surrogate(code) || is_low_surrogate(code))
            return NULL;
        out = stf_utf8_put(out, code);
    }
    return out;
}

/* ---- names ---- */

enum { NAME_ESCAPE = 0xfdd0, NAME_ESCAPE_DIGITS = 4 };

static bool is_escaped(uint32_t code)
{
    return code == 0 || code == NAME_ESCAPE || is_high_surrogate(code) || is_low_surrogate(code);
}

char *stf_registry_name_put(char *out, const uint8_t *data, size_t units)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < units;) {
        uint32_t code = next_code(data, units, &i);
        if (code - 1 < 0x7f) {
            *out++ = (char)code;
            continue;
        }
        if (!is_escaped(code)) {
            out = stf_utf8_put(out, code);
            continue;
        }
        out = stf_utf8_put(out, NAME_ESCAPE);
        for (int shift = 12; shift >= 0; shift -= 4)
            *out++ = digits[code >> shift & 0xf];
    }
    return out;
}

enum stf_kind stf_registry_name_from_utf16(const uint8_t *data, size_t units, char **name, struct stf_err *err)
{
    char *text = malloc(STF_REGISTRY_NAME_UNIT_MAX * units + 1);
    char *end;

    if (text == NULL)
        return no_memory(err);
    end = stf_registry_name_put(text, data, units);
    *end = '\0';
    *name = text;
    return STF_OK;
}

static bool take_escaped(const char **at, const char *end, uint32_t *unit)
{
    *unit = 0;
    if (end - *at < NAME_ESCAPE_DIGITS)
        return false;
    for (int i = 0; i < NAME_ESCAPE_DIGITS; i++) {
        char digit = *(*at)++;
        if (digit >= '0' && digit <= '9')
            *unit = *unit << 4 | (uint32_t)(digit - '0');
        else if (digit >= 'A' && digit <= 'F')
            *unit = *unit << 4 | (uint32_t)(digit - 'A' + 10);
        else
            return false;
    }
    return is_escaped(*unit);
}

/* Writes the units of a name to `out`, unless that is NULL, and counts them. False when it is no name: not UTF-8, or
 * spelled otherwise than stf_registry_name_put does. */
static bool name_to_units(const char *name, uint8_t *out, size_t *units)
{
    const char *end = name + strlen(name);
    bool is_after_high = false; /* an escaped high surrogate: a low one behind it would have been a pair */
    uint32_t code;

    *units = 0;
    while (name < end) {
        bool is_unit;
        if (!stf_utf8_next(&name, end, &code))
            return false;
        is_unit = code == NAME_ESCAPE;
        if (is_unit && (!take_escaped(&name, end, &code) || (is_after_high && is_low_surrogate(code))))
            return false;
        is_after_high = is_unit && is_high_surrogate(code);
        out = out != NULL ? put_code(out, code) : NULL;
        *units += code >= 0x10000 ? 2 : 1;
    }
    return true;
}

size_t stf_registry_name_units(const char *name)
{
    size_t units = 0;

    while ((unsigned char)name[units] - 1u < 0x7f)
        units++;
    if (name[units] == '\0')
        return units; /* ASCII */
    return name_to_units(name, NULL, &units) ? units : SIZE_MAX;
}

enum stf_kind stf_registry_name_to_utf16(const char *name, uint8_t **data, size_t *units, struct stf_err *err)
{
    uint8_t *out = malloc(2 * strlen(name) + 1);

    if (out == NULL)
        return no_memory(err);
    if (!name_to_units(name, out, units)) {
        free(out);
        return stf_err_set(
            err, STF_INVALID_DATA, 0, "name", name,
            "a registry name must be UTF-8, and U+FDD0 in it must be followed by the four upper-case hex "
            "digits of an unpaired surrogate, a NUL or U+FDD0");
    }
    *data = out;
    return STF_OK;
}

/* ---- bytes to what they mean ---- */

static void decode_text(char *text, const uint8_t *data, size_t units, bool is_ended, struct stf_registry_plain *plain)
{
    bool has_end = is_ended && units > 0 && stf_utf16_unit(data, units - 1) == 0;
    char *end = utf8_from_utf16(text, data, has_end ? units - 1 : units);

    if (end != NULL) {
        *end = '\0';
        plain->form = STF_REGISTRY_FORM_STRING;
        plain->string = (struct stf_registry_string){text, (size_t)(end - text)};
        plain->is_exact = has_end || !is_ended;
    }
}

/* The strings of a list each end in a NUL, and one more NUL ends the list. */
static enum stf_kind decode_list(char *text, const uint8_t *data, size_t units, struct stf_registry_plain *plain,
                                 struct stf_err *err)
{
    char *end = utf8_from_utf16(text, data, units);
    bool has_empty = false;
    bool is_ended;
    size_t size;
    size_t count = 0;

    if (end == NULL)
        return STF_OK;
    *end = '\0';
    size = (size_t)(end - text);
    is_ended = size == 1 ? text[0] == '\0' : size >= 2 && text[size - 1] == '\0' && text[size - 2] == '\0';
    plain->items = calloc(size + 1, sizeof(plain->items[0]));
    if (plain->items == NULL)
        return no_memory(err);
    for (char *at = text; at < end - (is_ended ? 1 : 0);) {
        char *stop = memchr(at, '\0', (size_t)(end - at));
        stop = stop != NULL ? stop : end;
        has_empty = has_empty || stop == at;
        plain->items[count++] = (struct stf_registry_string){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    plain->form = STF_REGISTRY_FORM_LIST;
    plain->count = count;
    plain->is_exact = is_ended && !has_empty;
    return STF_OK;
}

static uint64_t integer_from_bytes(const uint8_t *data, size_t size, bool is_big_endian)
{
    uint64_t integer = 0;

    for (size_t i = 0; i < size; i++)
        integer = integer << 8 | data[is_big_endian ? i : size - 1 - i];
    return integer;
}

static void decode_integer(const uint8_t *data, size_t size, size_t wanted, bool is_big_endian,
                           struct stf_registry_plain *plain)
{
    if (size == wanted) {
        plain->form = STF_REGISTRY_FORM_INTEGER;
        plain->integer = (int64_t)integer_from_bytes(data, size, is_big_endian);
        plain->is_exact = true;
    }
}

enum stf_kind stf_registry_value_decode(uint32_t type, const uint8_t *data, size_t size,
                                        struct stf_registry_plain *plain, struct stf_err *err)
{
    enum shape shape = shape_of(type);
    enum stf_kind kind = STF_OK;

    *plain = (struct stf_registry_plain){0};
    if (shape == SHAPE_U32 || shape == SHAPE_U32_BIG_ENDIAN || shape == SHAPE_U64) {
        decode_integer(data, size, shape == SHAPE_U64 ? 8 : 4, shape == SHAPE_U32_BIG_ENDIAN, plain);
        return STF_OK;
    }
    plain->owned = malloc(size / 2 * 3 + 2);
    if (plain->owned == NULL)
        return no_memory(err);
    if (shape == SHAPE_BYTES) {
        if (size > 0)
            memcpy(plain->owned, data, size);
        plain->form = STF_REGISTRY_FORM_STRING;
        plain->string = (struct stf_registry_string){plain->owned, size};
        plain->is_exact = true;
    } else if (size % 2 == 0) {
        if (shape == SHAPE_LIST)
            kind = decode_list(plain->owned, data, size / 2, plain, err);
        else
            decode_text(plain->owned, data, size / 2, shape == SHAPE_TEXT, plain);
    }
    if (kind != STF_OK)
        stf_registry_plain_fini(plain);
    return kind;
}

void stf_registry_plain_fini(struct stf_registry_plain *plain)
{
    free(plain->items);
    free(plain->owned);
    *plain = (struct stf_registry_plain){0};
}

static enum stf_kind wrong_form(uint32_t type, const char *needed, struct stf_err *err)
{
    const char *name = stf_registry_type_name(type);

    return stf_err_set(err, STF_INVALID_DATA, 0, "value", NULL, "a registry value of type %s needs %s",
                       name != NULL ? name : "without a name", needed);
}

static enum stf_kind encode_integer(uint32_t type, const struct stf_registry_plain *plain, uint8_t *out, size_t *size,
                                    struct stf_err *err)
{
    enum shape shape = shape_of(type);

    if (plain->form != STF_REGISTRY_FORM_INTEGER)
        return wrong_form(type, "an integer", err);
    *size = shape == SHAPE_U64 ? 8 : 4;
    if (*size == 4 && (plain->integer < 0 || plain->integer > UINT32_MAX))
        return wrong_form(type, "an integer from 0 to 4294967295", err);
    for (size_t i = 0; i < *size; i++)
        out[shape == SHAPE_U32_BIG_ENDIAN ? *size - 1 - i : i] = (uint8_t)((uint64_t)plain->integer >> (8 * i));
    return STF_OK;
}

static enum stf_kind encode_text(uint32_t type, const struct stf_registry_plain *plain, uint8_t *out, size_t *size,
                                 struct stf_err *err)
{
    uint8_t *end;

    if (plain->form != STF_REGISTRY_FORM_STRING)
        return wrong_form(type, "a string", err);
    end = put_utf16(out, plain->string);
    if (end == NULL)
        return wrong_form(type, "a string in UTF-8", err);
    if (shape_of(type) == SHAPE_TEXT)
        end = put_unit(end, 0);
    *size = (size_t)(end - out);
    return STF_OK;
}

static enum stf_kind encode_list(uint32_t type, const struct stf_registry_plain *plain, uint8_t *out, size_t *size,
                                 struct stf_err *err)
{
    uint8_t *end = out;

    if (plain->form != STF_REGISTRY_FORM_LIST)
        return wrong_form(type, "a list of strings", err);
    for (size_t i = 0; i < plain->count; i++) {
        const struct stf_registry_string *item = &plain->items[i];
        if (item->size == 0 || memchr(item->bytes, '\0', item->size) != NULL)
            return wrong_form(type, "strings that are not empty and have no NUL: either would end the list early", err);
        end = put_utf16(end, *item);
        if (end == NULL)
            return wrong_form(type, "strings in UTF-8", err);
        end = put_unit(end, 0);
    }
    end = put_unit(end, 0);
    *size = (size_t)(end - out);
    return STF_OK;
}

/* Room for the bytes of any plain value: two for each byte of text, two for each string's NUL, two for the last. */
static size_t encoded_bound(const struct stf_registry_plain *plain)
{
    size_t bound = 8;

    if (plain->form == STF_REGISTRY_FORM_STRING)
        bound += 2 * plain->string.size;
    else if (plain->form == STF_REGISTRY_FORM_LIST)
        for (size_t i = 0; i < plain->count; i++)
            bound += 2 * plain->items[i].size + 2;
    return bound;
}

enum stf_kind stf_registry_value_encode(uint32_t type, const struct stf_registry_plain *plain, uint8_t **data,
                                        size_t *size, struct stf_err *err)
{
    uint8_t *out = malloc(encoded_bound(plain));
    enum stf_kind kind = STF_OK;

    if (out == NULL)
        return no_memory(err);
    switch (shape_of(type)) {
    case SHAPE_U32:
    case SHAPE_U32_BIG_ENDIAN:
    case SHAPE_U64:
        kind = encode_integer(type, plain, out, size, err);
        break;
    case SHAPE_TEXT:
    case SHAPE_LINK: /* Windows keeps the target of a link without a final NUL */
        kind = encode_text(type, plain, out, size, err);
        break;
    case SHAPE_LIST:
        kind = encode_list(type, plain, out, size, err);
        break;
    case SHAPE_BYTES:
        if (plain->form != STF_REGISTRY_FORM_STRING) {
            kind = wrong_form(type, "a string of bytes", err);
        } else {
            *size = plain->string.size;
            if (*size > 0)
                memcpy(out, plain->string.bytes, *size);
        }
        break;
    }
    if (kind != STF_OK) {
        free(out);
        return kind;
    }
    *data = out;
    return STF_OK;
}
