/* value.h - typed registry values: type codes and names, and what their bytes mean to a person or a script.
 * UTF-16LE <-> UTF-8 happens in value.c and nowhere else. Never loses a byte: what cannot be shown stays raw.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

/* The type codes that Windows defines. Any other 32-bit code is legal and travels as code and bytes. */
enum stf_registry_type {
    STF_REG_NONE = 0,
    STF_REG_SZ = 1,
    STF_REG_EXPAND_SZ = 2,
    STF_REG_BINARY = 3,
    STF_REG_DWORD = 4,
    STF_REG_DWORD_BIG_ENDIAN = 5,
    STF_REG_LINK = 6,
    STF_REG_MULTI_SZ = 7,
    STF_REG_RESOURCE_LIST = 8,
    STF_REG_FULL_RESOURCE_DESCRIPTOR = 9,
    STF_REG_RESOURCE_REQUIREMENTS_LIST = 10,
    STF_REG_QWORD = 11,
};

/* One value as it is stored. `name` is UTF-8, "" for the default value. Both pointers are malloc'ed and never NULL in a
 * value that a call has filled. */
struct stf_registry_value {
    char *name;
    uint32_t type;
    uint8_t *data;
    size_t size;
};

/* Fills `value` with copies; on failure it is left empty. */
enum stf_kind stf_registry_value_init(struct stf_registry_value *value, const char *name, uint32_t type,
                                      const void *data, size_t size, struct stf_err *err);
void stf_registry_value_fini(struct stf_registry_value *value);
/* Same name in the same spelling, same type, same bytes. */
bool stf_registry_value_equal(const struct stf_registry_value *a, const struct stf_registry_value *b);

/* "dword" for 4 and so on; NULL for a code that has no name. */
const char *stf_registry_type_name(uint32_t type);
/* STF_INVALID_DATA, listing the names, for one that is none. */
enum stf_kind stf_registry_type_from_name(const char *name, uint32_t *type, struct stf_err *err);

/* A stretch of bytes that somebody else owns; a NUL may be part of it, and another one follows it. */
struct stf_registry_string {
    const char *bytes;
    size_t size;
};

enum stf_registry_form {
    STF_REGISTRY_FORM_NONE = 0, /* the bytes have not the form of their type: there is only the raw data */
    STF_REGISTRY_FORM_INTEGER,  /* dword, dword_big_endian: 0 to 2^32-1; qword: the 64 bits as a signed integer */
    STF_REGISTRY_FORM_STRING,   /* sz, expand_sz, link: UTF-8; types without a form of their own: the bytes */
    STF_REGISTRY_FORM_LIST,     /* multi_sz: UTF-8 strings */
};

/* A value as a script sees it. `is_exact`: encoding it again gives the very bytes it was decoded from (false for a sz
 * without its final NUL, for instance). */
struct stf_registry_plain {
    enum stf_registry_form form;
    bool is_exact;
    int64_t integer;
    struct stf_registry_string string;
    struct stf_registry_string *items;
    size_t count;
    char *owned; /* the text that string and items point into, when decode made them */
};

/* Bytes -> plain. Fails only when memory is out. Fini the result. */
enum stf_kind stf_registry_value_decode(uint32_t type, const uint8_t *data, size_t size,
                                        struct stf_registry_plain *plain, struct stf_err *err);
/* Frees what decode made; not for a plain value that the caller put together. */
void stf_registry_plain_fini(struct stf_registry_plain *plain);

/* Plain -> bytes; *data is malloc'ed and never NULL on STF_OK. STF_INVALID_DATA, saying what the type needs, for
 * another form, an integer out of range, text that is not UTF-8, or an empty string in a list (it would end the list).
 */
enum stf_kind stf_registry_value_encode(uint32_t type, const struct stf_registry_plain *plain, uint8_t **data,
                                        size_t *size, struct stf_err *err);

/* Takes one code point off the UTF-8 text at *at; false (and *at as it was) at the end and where no UTF-8 stands. A
 * byte that continues no character (a NUL, a backslash) must stand at `end`. */
bool stf_utf8_next(const char **at, const char *end, uint32_t *code);
/* The reverse: writes at most 4 bytes and returns their end. */
char *stf_utf8_put(char *out, uint32_t code);

/* The unit at an index of UTF-16LE bytes. */
static inline uint32_t stf_utf16_unit(const uint8_t *data, size_t index)
{
    return (uint32_t)data[2 * index] | (uint32_t)data[2 * index + 1] << 8;
}

/* Names of keys and values are UTF-8 everywhere. What a C string of UTF-8 can not hold, an unpaired surrogate or a NUL,
 * is written as U+FDD0 and the unit's four upper-case hex digits, and U+FDD0 itself likewise (U+FDD0 "FDD0"): each
 * UTF-16 name has exactly one spelling, and any other use of U+FDD0 is no name. */

/* UTF-16LE -> name; *name is malloc'ed. Fails only when memory is out. */
enum stf_kind stf_registry_name_from_utf16(const uint8_t *data, size_t units, char **name, struct stf_err *err);
/* The same into a buffer of at least STF_REGISTRY_NAME_UNIT_MAX bytes for each unit; returns its end. Adds no NUL. */
char *stf_registry_name_put(char *out, const uint8_t *data, size_t units);
enum { STF_REGISTRY_NAME_UNIT_MAX = 7 };
/* Name -> UTF-16LE without a final NUL; *data is malloc'ed and never NULL on STF_OK. STF_INVALID_DATA for text that is
 * no name. */
enum stf_kind stf_registry_name_to_utf16(const char *name, uint8_t **data, size_t *units, struct stf_err *err);
/* How many UTF-16 units a name has; SIZE_MAX when it is none. */
size_t stf_registry_name_units(const char *name);

/* One line for a person, malloc'ed: `dword 1 (0x00000001)`, `sz "text"`, `multi_sz ["a", "b"]`, `binary 0102`. */
char *stf_registry_value_describe(uint32_t type, const uint8_t *data, size_t size);
/* The same, however long it gets. */
char *stf_registry_value_text(uint32_t type, const uint8_t *data, size_t size);
