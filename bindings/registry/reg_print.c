/* reg_print.c - edits to .reg text, in the layout that regedit writes: hex data wrapped at 80 columns, CRLF, an empty
 * line before each key. Never writes what reading would give back as something else. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/reg_edits.h"
#include "registry/store.h"

enum { COLUMN_MAX = 76 }; /* a line of hex data that has come further is continued on the next */

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reg", NULL, "memory is out");
}

static const char *encoding_name(const struct stf_reg_printer *printer)
{
    switch (printer->format.encoding) {
    case STF_REG_UTF16:
        return "in UTF-16";
    case STF_REG_UTF8:
    case STF_REG_UTF8_MARKED:
        return "in UTF-8";
    case STF_REG_CP1252:
        return "of REGEDIT4 (code page 1252)";
    }
    return "";
}

static enum stf_kind cannot_hold(const struct stf_reg_printer *printer, const struct stf_reg_edit *edit,
                                 const char *what, struct stf_err *err)
{
    const char *name = edit->value.name;

    return stf_err_set(err, STF_UNSUPPORTED, 0, "export", edit->key, "a .reg file %s can not hold %s of the key %s: %s",
                       encoding_name(printer),
                       name == NULL    ? "the name"
                       : *name != '\0' ? name
                                       : "the default value",
                       edit->key, what);
}

/* ---- characters: room for them is made before ---- */

static bool make_room(struct stf_reg_printer *printer, size_t size)
{
    size_t room = printer->room;
    uint8_t *more;

    if (size <= room - printer->size)
        return true;
    while (room - printer->size < size)
        room = room > 0 ? 2 * room : 65536;
    more = realloc(printer->bytes, room);
    if (more == NULL)
        return false;
    printer->bytes = more;
    printer->room = room;
    return true;
}

static void put_ascii(struct stf_reg_printer *printer, char c)
{
    printer->bytes[printer->size++] = (uint8_t)c;
    if (printer->format.encoding == STF_REG_UTF16)
        printer->bytes[printer->size++] = 0;
    printer->column++;
}

static void put_word(struct stf_reg_printer *printer, const char *word)
{
    while (*word != '\0')
        put_ascii(printer, *word++);
}

static void end_line(struct stf_reg_printer *printer)
{
    put_word(printer, "\r\n");
    printer->column = 0;
}

static void put_utf8(struct stf_reg_printer *printer, uint32_t code)
{
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    int length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (int i = length - 1; i >= 0; i--) {
        uint8_t bits = (uint8_t)(code >> (6 * i));
        printer->bytes[printer->size++] = i == length - 1 ? first[length] | bits : 0x80 | (bits & 0x3f);
    }
}

/* Takes one character off the units at *i. False when the encoding has it not. */
static bool put_character(struct stf_reg_printer *printer, const uint8_t *data, size_t units, size_t *i)
{
    uint32_t unit = stf_utf16_unit(data, (*i)++);
    int byte;

    printer->column++;
    if (printer->format.encoding == STF_REG_UTF16) {
        printer->bytes[printer->size++] = (uint8_t)unit;
        printer->bytes[printer->size++] = (uint8_t)(unit >> 8);
        return true;
    }
    if ((unit & 0xfc00) == 0xd800 && *i < units && (stf_utf16_unit(data, *i) & 0xfc00) == 0xdc00)
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (stf_utf16_unit(data, (*i)++) & 0x3ff);
    if (printer->format.encoding == STF_REG_CP1252) {
        byte = stf_reg_cp1252_byte(unit);
        printer->bytes[printer->size++] = (uint8_t)byte;
        return byte >= 0;
    }
    if (unit < 0x80) {
        printer->bytes[printer->size++] = (uint8_t)unit;
        return true;
    }
    put_utf8(printer, unit);
    return (unit & 0xfffff800) != 0xd800;
}

static bool put_text(struct stf_reg_printer *printer, const uint8_t *data, size_t units, bool is_quoted)
{
    bool is_whole = true;

    for (size_t i = 0; i < units && is_whole;) {
        uint32_t unit = stf_utf16_unit(data, i);
        if (is_quoted && (unit == '"' || unit == '\\')) {
            put_ascii(printer, '\\');
        } else if (is_quoted && (unit == '\n' || unit == '\r')) {
            put_word(printer, unit == '\n' ? "\\n" : "\\r");
            i++;
            continue;
        }
        is_whole = put_character(printer, data, units, &i);
    }
    return is_whole;
}

/* A name that is all ASCII, or is converted. The bool says whether the encoding has all of it. */
static enum stf_kind put_name(struct stf_reg_printer *printer, const char *name, bool is_quoted, bool *is_whole,
                              struct stf_err *err)
{
    const char *at = name;
    uint8_t *data;
    size_t units;
    enum stf_kind kind;

    *is_whole = true;
    while (*at >= ' ' && *at < 0x7f) {
        if (is_quoted && (*at == '"' || *at == '\\'))
            put_ascii(printer, '\\');
        put_ascii(printer, *at++);
    }
    if (*at == '\0')
        return STF_OK;
    kind = stf_registry_name_to_utf16(at, &data, &units, err);
    if (kind == STF_OK) {
        *is_whole = put_text(printer, data, units, is_quoted);
        free(data);
    }
    return kind;
}

/* ---- keys ---- */

static enum stf_kind print_key(struct stf_reg_printer *printer, const struct stf_reg_edit *edit, bool is_deleted,
                               struct stf_err *err)
{
    const struct stf_reg_edit of_key = {.key = edit->key};
    char *key = strdup(edit->key);
    bool is_whole;
    enum stf_kind kind;

    if (key == NULL || !make_room(printer, 4 * strlen(key) + 64)) {
        free(key);
        return no_memory(err);
    }
    free(printer->key);
    printer->key = key;
    if (strpbrk(key, "\r\n") != NULL)
        return cannot_hold(printer, &of_key, "it has a line break", err);
    end_line(printer);
    put_word(printer, is_deleted ? "[-" : "[");
    kind = put_name(printer, key, false, &is_whole, err);
    put_ascii(printer, ']');
    end_line(printer);
    if (kind == STF_OK && !is_whole)
        kind = cannot_hold(printer, &of_key, "it has a character that the encoding has not", err);
    if (is_deleted) {
        free(printer->key);
        printer->key = NULL;
    }
    return kind;
}

/* ---- data ---- */

/* Text that stands between quotes and comes back as it was: whole, ended by its only NUL, of printable characters. */
static bool is_quotable(const struct stf_registry_value *value)
{
    size_t units = value->size / 2;

    if (value->type != STF_REG_SZ || value->size % 2 != 0 || units == 0 || stf_utf16_unit(value->data, units - 1) != 0)
        return false;
    for (size_t i = 0; i + 1 < units; i++) {
        uint32_t unit = stf_utf16_unit(value->data, i);
        if (unit < 0x20 ? unit != '\t' : (unit & 0xf800) == 0xd800) {
            bool is_pair = (unit & 0xfc00) == 0xd800 && (stf_utf16_unit(value->data, i + 1) & 0xfc00) == 0xdc00;
            if (!is_pair)
                return false;
            i++;
        }
    }
    return true;
}

static void put_byte(struct stf_reg_printer *printer, uint32_t byte)
{
    static const char digits[] = "0123456789abcdef";

    put_ascii(printer, digits[byte >> 4]);
    put_ascii(printer, digits[byte & 0xf]);
}

static void put_hex(struct stf_reg_printer *printer, uint32_t byte, bool is_last)
{
    put_byte(printer, byte);
    if (is_last)
        return;
    put_ascii(printer, ',');
    if (printer->column > COLUMN_MAX) {
        put_ascii(printer, '\\');
        end_line(printer);
        put_word(printer, "  ");
    }
}

/* In REGEDIT4 the data of text types is one byte for each character. */
static bool put_8_bit_hex(struct stf_reg_printer *printer, const struct stf_registry_value *value)
{
    size_t units = value->size / 2;

    for (size_t i = 0; i < units; i++) {
        int byte = stf_reg_cp1252_byte(stf_utf16_unit(value->data, i));
        if (byte < 0)
            return false;
        put_hex(printer, (uint32_t)byte, i + 1 == units);
    }
    return value->size % 2 == 0;
}

static bool put_data(struct stf_reg_printer *printer, const struct stf_registry_value *value)
{
    char word[32];

    if (is_quotable(value)) {
        bool is_whole;
        put_ascii(printer, '"');
        is_whole = put_text(printer, value->data, value->size / 2 - 1, true);
        put_ascii(printer, '"');
        return is_whole;
    }
    if (value->type == STF_REG_DWORD && value->size == 4) {
        put_word(printer, "dword:");
        for (size_t i = 4; i > 0; i--)
            put_byte(printer, value->data[i - 1]);
        return true;
    }
    if (value->type == STF_REG_BINARY) {
        put_word(printer, "hex:");
    } else {
        snprintf(word, sizeof(word), "hex(%" PRIx32 "):", value->type);
        put_word(printer, word);
    }
    if (printer->format.version == STF_REG_VERSION_4 && stf_reg_is_text(value->type))
        return put_8_bit_hex(printer, value);
    for (size_t i = 0; i < value->size; i++)
        put_hex(printer, value->data[i], i + 1 == value->size);
    return true;
}

static enum stf_kind print_value(struct stf_reg_printer *printer, const struct stf_reg_edit *edit, struct stf_err *err)
{
    const char *name = edit->value.name;
    bool is_whole = true;
    enum stf_kind kind = STF_OK;

    if (printer->key == NULL || strcmp(printer->key, edit->key) != 0)
        kind = print_key(printer, edit, false, err);
    if (kind == STF_OK && !make_room(printer, 4 * strlen(name) + 8 * edit->value.size + 128))
        kind = no_memory(err);
    if (kind != STF_OK)
        return kind;
    if (*name == '\0') {
        put_ascii(printer, '@');
    } else {
        put_ascii(printer, '"');
        kind = put_name(printer, name, true, &is_whole, err);
        put_ascii(printer, '"');
    }
    put_ascii(printer, '=');
    if (kind == STF_OK && !is_whole)
        return cannot_hold(printer, edit, "its name has a character that the encoding has not", err);
    if (edit->kind == STF_REG_DELETE_VALUE) {
        put_ascii(printer, '-');
    } else if (kind == STF_OK && !put_data(printer, &edit->value)) {
        return cannot_hold(printer, edit,
                           "its text has a character that the encoding has not, or ends in the middle of one", err);
    }
    end_line(printer);
    return kind;
}

/* ---- the text ---- */

static enum stf_kind start(struct stf_reg_printer *printer, struct stf_err *err)
{
    static const char *const marks[] = {[STF_REG_UTF16] = "\xff\xfe",
                                        [STF_REG_UTF8] = "",
                                        [STF_REG_UTF8_MARKED] = "\xef\xbb\xbf",
                                        [STF_REG_CP1252] = ""};
    const char *mark = marks[printer->format.encoding];

    if (printer->size > 0)
        return STF_OK;
    if (!make_room(printer, 256))
        return no_memory(err);
    memcpy(printer->bytes, mark, strlen(mark));
    printer->size = strlen(mark);
    put_word(printer, printer->format.version == STF_REG_VERSION_4 ? STF_REG_HEADER_4 : STF_REG_HEADER_5);
    end_line(printer);
    return STF_OK;
}

enum stf_kind stf_reg_print_edit(struct stf_reg_printer *printer, const struct stf_reg_edit *edit, struct stf_err *err)
{
    enum stf_kind kind = start(printer, err);

    if (kind != STF_OK)
        return kind;
    switch (edit->kind) {
    case STF_REG_CREATE_KEY:
    case STF_REG_DELETE_KEY:
        return print_key(printer, edit, edit->kind == STF_REG_DELETE_KEY, err);
    case STF_REG_SET_VALUE:
    case STF_REG_DELETE_VALUE:
        return print_value(printer, edit, err);
    }
    return STF_OK;
}

enum stf_kind stf_reg_printer_take(struct stf_reg_printer *printer, uint8_t **bytes, size_t *size, struct stf_err *err)
{
    enum stf_kind kind = start(printer, err);

    if (kind == STF_OK && !make_room(printer, 8))
        kind = no_memory(err);
    if (kind != STF_OK)
        return kind;
    end_line(printer);
    *bytes = printer->bytes;
    *size = printer->size;
    printer->bytes = NULL;
    return STF_OK;
}

void stf_reg_printer_fini(struct stf_reg_printer *printer)
{
    free(printer->bytes);
    free(printer->key);
    *printer = (struct stf_reg_printer){.format = printer->format};
}
