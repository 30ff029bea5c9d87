/* reg_parse.c - .reg text to edits. Works on UTF-16 units, so that nothing of a regedit file is converted but names.
 * Refuses what regedit would pass over in silence: a line that is not understood is an error. SPDX-License-Identifier:
 * MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/reg_edits.h"
#include "registry/store.h"

struct parser {
    const uint8_t *text; /* UTF-16LE */
    size_t end;          /* in units, as all positions */
    size_t at;
    size_t line;
    bool is_8_bit; /* hex data of text types is cp1252 */
    const char *subject;
    const char *key; /* NULL before the first; the edits hold it */
    bool is_key_deleted;
    uint8_t *scratch; /* hex data in the making */
    size_t scratch_room;
    struct stf_reg_edits *edits;
    struct stf_err *err;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reg", NULL, "memory is out");
}

enum { END = 0x10000 }; /* no unit */

static uint32_t unit_at(const struct parser *parser, size_t at)
{
    return at < parser->end ? stf_utf16_unit(parser->text, at) : END;
}

static uint32_t peek(const struct parser *parser)
{
    return unit_at(parser, parser->at);
}

static bool is_line_break(uint32_t unit)
{
    return unit == '\n' || unit == '\r';
}

static bool is_line_end(uint32_t unit)
{
    return is_line_break(unit) || unit == END;
}

static bool is_blank(uint32_t unit)
{
    return unit == ' ' || unit == '\t';
}

/* ---- errors ---- */

/* Line and column, both from 1, of a position. Columns count code points. */
static void locate(const struct parser *parser, size_t at, size_t *line, size_t *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < at; i++) {
        uint32_t unit = unit_at(parser, i);
        if (unit == '\n' || (unit == '\r' && unit_at(parser, i + 1) != '\n')) {
            ++*line;
            *column = 1;
        } else if (unit != '\r' && (unit & 0xfc00) != 0xdc00) {
            ++*column;
        }
    }
}

static void describe_unit(uint32_t unit, char text[32])
{
    if (unit == END)
        strcpy(text, "the end of the file");
    else if (is_line_break(unit))
        strcpy(text, "the end of the line");
    else if (unit >= 0x20 && unit < 0x7f)
        snprintf(text, 32, "'%c'", (char)unit);
    else
        snprintf(text, 32, "U+%04X", (unsigned)unit);
}

static enum stf_kind wrong(const struct parser *parser, size_t at, const char *what)
{
    size_t line;
    size_t column;

    locate(parser, at, &line, &column);
    return stf_err_set(parser->err, STF_INVALID_DATA, 0, "parse", parser->subject, "%s: line %zu, column %zu: %s",
                       parser->subject, line, column, what);
}

static enum stf_kind expected(const struct parser *parser, const char *what)
{
    char found[32];
    char message[256];

    describe_unit(peek(parser), found);
    snprintf(message, sizeof(message), "found %s, expected %s", found, what);
    return wrong(parser, parser->at, message);
}

/* ---- lines ---- */

static void skip_blanks(struct parser *parser)
{
    while (is_blank(peek(parser)))
        parser->at++;
}

static void skip_line_break(struct parser *parser)
{
    uint32_t unit = peek(parser);

    if (unit == END)
        return;
    parser->at++;
    if (unit == '\r' && peek(parser) == '\n')
        parser->at++;
    parser->line++;
}

static void skip_comment(struct parser *parser)
{
    while (!is_line_end(peek(parser)))
        parser->at++;
}

/* What may follow on the line of something complete: blanks and a comment. */
static enum stf_kind end_line(struct parser *parser, const char *what)
{
    skip_blanks(parser);
    if (peek(parser) == ';')
        skip_comment(parser);
    if (!is_line_end(peek(parser)))
        return expected(parser, what);
    skip_line_break(parser);
    return STF_OK;
}

static bool take_word(struct parser *parser, const char *word)
{
    size_t size = strlen(word);

    for (size_t i = 0; i < size; i++)
        if (unit_at(parser, parser->at + i) != (unsigned char)word[i])
            return false;
    parser->at += size;
    return true;
}

static enum stf_kind parse_header(struct parser *parser)
{
    skip_blanks(parser);
    if (take_word(parser, STF_REG_HEADER_4)) {
        parser->edits->format.version = STF_REG_VERSION_4;
        parser->is_8_bit = parser->edits->format.encoding != STF_REG_UTF16;
    } else if (!take_word(parser, STF_REG_HEADER_5)) {
        return wrong(parser, parser->at,
                     "the first line is neither " STF_REG_HEADER_5 " nor " STF_REG_HEADER_4 ": this is no .reg text");
    }
    return end_line(parser, "the end of the line after the version");
}

/* ---- keys ---- */

/* The last bracket of the line that a comment, or nothing, follows: names may have brackets too. SIZE_MAX for none. */
static size_t find_key_end(const struct parser *parser)
{
    size_t end = parser->at;
    bool is_end = true; /* nothing but blanks, or a comment, from here on */

    while (!is_line_end(unit_at(parser, end)))
        end++;
    while (end > parser->at) {
        uint32_t unit = unit_at(parser, --end);
        if (unit == ']' && is_end)
            return end;
        is_end = unit == ';' || (is_end && is_blank(unit));
    }
    return SIZE_MAX;
}

/* The prefix and the units as UTF-8 in the list's keeping; NULL when memory is out. */
static char *keep_name(struct stf_reg_edits *edits, const char *prefix, const uint8_t *text, size_t units)
{
    size_t prefix_size = strlen(prefix);
    char *name = stf_arena_reserve(&edits->arena, prefix_size + STF_REGISTRY_NAME_UNIT_MAX * units + 1);
    char *end;

    if (name == NULL)
        return NULL;
    memcpy(name, prefix, prefix_size);
    end = stf_registry_name_put(name + prefix_size, text, units);
    *end = '\0';
    stf_arena_keep(&edits->arena, (size_t)(end - name) + 1);
    return name;
}

/* Each name between backslashes, from `from` to `to`. */
static enum stf_kind check_names(const struct parser *parser, size_t from, size_t to)
{
    size_t start = from;
    size_t depth = 0;

    for (size_t i = from; i <= to; i++) {
        if (i < to && unit_at(parser, i) != '\\')
            continue;
        if (i == start)
            return wrong(parser, i, "found '\\', expected the name of a key");
        if (i - start > STF_REGISTRY_KEY_UNITS_MAX)
            return wrong(parser, start, "a key's name has at most 255 UTF-16 units; this one is longer");
        if (++depth > STF_REGISTRY_DEPTH_MAX)
            return wrong(parser, start, "a key is at most 512 levels deep; this one is deeper");
        start = i + 1;
    }
    return STF_OK;
}

/* The key's path, its root by the long name. */
static enum stf_kind take_key(struct parser *parser, size_t end)
{
    char root[32] = "";
    size_t root_size = 0;
    const char *rest;
    const char *long_name;

    while (end > parser->at && unit_at(parser, end - 1) == '\\')
        end--;
    while (parser->at + root_size < end && unit_at(parser, parser->at + root_size) != '\\') {
        uint32_t unit = unit_at(parser, parser->at + root_size);
        if (root_size + 1 < sizeof(root))
            root[root_size] = unit > 0 && unit < 0x80 ? (char)unit : '?';
        root_size++;
    }
    long_name = root_size < sizeof(root) ? stf_registry_root_long_name(root, &rest) : NULL;
    if (long_name == NULL) {
        return expected(parser, "the name of a root: HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER, HKEY_USERS, "
                                "HKEY_CLASSES_ROOT or HKEY_CURRENT_CONFIG");
    }
    if (parser->at + root_size < end) {
        enum stf_kind kind = check_names(parser, parser->at + root_size + 1, end);
        if (kind != STF_OK)
            return kind;
    }
    parser->key =
        keep_name(parser->edits, long_name, parser->text + 2 * (parser->at + root_size), end - parser->at - root_size);
    return parser->key != NULL ? STF_OK : no_memory(parser->err);
}

static enum stf_kind parse_key(struct parser *parser)
{
    size_t start = parser->at++;
    size_t end = find_key_end(parser);
    struct stf_reg_edit *edit;
    enum stf_kind kind;

    if (end == SIZE_MAX)
        return wrong(parser, start, "found '[' without the ']' that ends the key; only a comment may follow that");
    parser->is_key_deleted = peek(parser) == '-';
    parser->at += parser->is_key_deleted;
    kind = take_key(parser, end);
    if (kind != STF_OK)
        return kind;
    edit = stf_reg_edits_next(parser->edits);
    if (edit == NULL)
        return no_memory(parser->err);
    *edit = (struct stf_reg_edit){.kind = parser->is_key_deleted ? STF_REG_DELETE_KEY : STF_REG_CREATE_KEY,
                                  .line = parser->line,
                                  .key = parser->key};
    parser->at = end + 1;
    return end_line(parser, "the end of the line after the key");
}

/* ---- strings ---- */

/* From the quote at parser->at to its end: *to is at the closing quote, *plain false when there are backslashes. */
static enum stf_kind find_quote(struct parser *parser, size_t *to, bool *plain)
{
    size_t at = parser->at + 1;

    *plain = true;
    for (;; at++) {
        uint32_t unit = unit_at(parser, at);
        if (unit == '"') {
            *to = at;
            return STF_OK;
        }
        if (unit == END)
            return wrong(parser, parser->at, "found '\"' without the '\"' that ends the string");
        if (unit == '\\') {
            uint32_t next = unit_at(parser, ++at);
            if (next != '\\' && next != '"' && next != 'n' && next != 'r') {
                parser->at = at;
                return expected(parser, "'\\', '\"', 'n' or 'r' after a backslash in a string");
            }
            *plain = false;
        } else if (is_line_break(unit)) {
            parser->line += unit == '\n' || unit_at(parser, at + 1) != '\n';
        }
    }
}

static uint8_t *put_unit(uint8_t *out, uint32_t unit)
{
    out[0] = (uint8_t)unit;
    out[1] = (uint8_t)(unit >> 8);
    return out + 2;
}

/* Copies what stands between the quotes, without the backslashes. Returns the end. */
static uint8_t *unescape(const struct parser *parser, size_t from, size_t to, bool is_plain, uint8_t *out)
{
    if (is_plain) {
        memcpy(out, parser->text + 2 * from, 2 * (to - from));
        return out + 2 * (to - from);
    }
    for (size_t i = from; i < to; i++) {
        uint32_t unit = unit_at(parser, i);
        if (unit == '\\') {
            unit = unit_at(parser, ++i);
            unit = unit == 'n' ? '\n' : unit == 'r' ? '\r' : unit;
        }
        out = put_unit(out, unit);
    }
    return out;
}

static bool make_room(struct parser *parser, size_t size)
{
    size_t room = parser->scratch_room;
    uint8_t *more;

    if (size <= room)
        return true;
    while (room < size)
        room = room > 0 ? 2 * room : 4096;
    more = realloc(parser->scratch, room);
    if (more == NULL)
        return false;
    parser->scratch = more;
    parser->scratch_room = room;
    return true;
}

static enum stf_kind parse_value_name(struct parser *parser, char **name)
{
    const uint8_t *text = parser->text + 2 * (parser->at + 1);
    size_t start = parser->at;
    size_t to = start;
    size_t units = 0;
    bool is_plain;

    if (peek(parser) == '"') {
        enum stf_kind kind = find_quote(parser, &to, &is_plain);
        if (kind != STF_OK)
            return kind;
        units = to - start - 1;
        if (!is_plain) {
            if (!make_room(parser, 2 * units))
                return no_memory(parser->err);
            units = (size_t)(unescape(parser, start + 1, to, false, parser->scratch) - parser->scratch) / 2;
            text = parser->scratch;
        }
    }
    if (units > STF_REGISTRY_VALUE_UNITS_MAX)
        return wrong(parser, start, "a value's name has at most 16383 UTF-16 units; this one is longer");
    *name = keep_name(parser->edits, "", text, units);
    parser->at = to + 1;
    return *name != NULL ? STF_OK : no_memory(parser->err);
}

static enum stf_kind parse_string(struct parser *parser, struct stf_registry_value *value)
{
    size_t start = parser->at;
    size_t to;
    bool is_plain;
    uint8_t *end;
    enum stf_kind kind = find_quote(parser, &to, &is_plain);

    if (kind != STF_OK)
        return kind;
    value->data = stf_arena_reserve(&parser->edits->arena, 2 * (to - start));
    if (value->data == NULL)
        return no_memory(parser->err);
    end = put_unit(unescape(parser, start + 1, to, is_plain, value->data), 0);
    value->type = STF_REG_SZ;
    value->size = (size_t)(end - value->data);
    stf_arena_keep(&parser->edits->arena, value->size);
    parser->at = to + 1;
    return end_line(parser, "the end of the line after the string");
}

/* ---- numbers ---- */

/* 0 to 15, or -1. */
static int hex_digit(uint32_t unit)
{
    if (unit >= '0' && unit <= '9')
        return (int)(unit - '0');
    unit |= 0x20;
    return unit >= 'a' && unit <= 'f' ? (int)(unit - 'a' + 10) : -1;
}

/* At least one digit, at most `most`. */
static enum stf_kind take_hex(struct parser *parser, int most, const char *what, uint32_t *number)
{
    int digit = hex_digit(peek(parser));

    if (digit < 0)
        return expected(parser, what);
    *number = 0;
    for (int i = 0; digit >= 0; i++) {
        if (i == most)
            return expected(parser, what);
        *number = *number << 4 | (uint32_t)digit;
        parser->at++;
        digit = hex_digit(peek(parser));
    }
    return STF_OK;
}

static enum stf_kind keep_data(struct parser *parser, const uint8_t *data, size_t size,
                               struct stf_registry_value *value)
{
    value->data = stf_arena_reserve(&parser->edits->arena, size + 1);
    if (value->data == NULL)
        return no_memory(parser->err);
    if (size > 0)
        memcpy(value->data, data, size);
    value->size = size;
    stf_arena_keep(&parser->edits->arena, size + 1);
    return STF_OK;
}

static enum stf_kind parse_dword(struct parser *parser, struct stf_registry_value *value)
{
    uint8_t data[4];
    uint32_t number;
    enum stf_kind kind;

    skip_blanks(parser);
    kind = take_hex(parser, 8, "one to eight hex digits after dword:", &number);
    if (kind != STF_OK)
        return kind;
    for (int i = 0; i < 4; i++)
        data[i] = (uint8_t)(number >> (8 * i));
    value->type = STF_REG_DWORD;
    kind = keep_data(parser, data, sizeof(data), value);
    return kind == STF_OK ? end_line(parser, "the end of the line after dword:") : kind;
}

/* A backslash at the end of a line, and lines without data after it. */
static enum stf_kind continue_line(struct parser *parser)
{
    parser->at++;
    skip_blanks(parser);
    if (peek(parser) != ';' && !is_line_end(peek(parser)))
        return expected(parser, "the end of the line after a backslash in hex data");
    do {
        if (peek(parser) == ';')
            skip_comment(parser);
        skip_line_break(parser);
        skip_blanks(parser);
    } while (is_line_break(peek(parser)) || peek(parser) == ';');
    return STF_OK;
}

/* Bytes with commas between them, into the scratch. A comma at the end is allowed; a backslash follows a comma. */
static enum stf_kind take_bytes(struct parser *parser, size_t *size)
{
    enum stf_kind kind = STF_OK;
    uint32_t byte = 0;

    *size = 0;
    while (kind == STF_OK) {
        skip_blanks(parser);
        if (is_line_end(peek(parser)) || peek(parser) == ';')
            break;
        if (peek(parser) == '\\') {
            kind = continue_line(parser);
            continue;
        }
        kind = take_hex(parser, 2, "a byte of one or two hex digits in hex data", &byte);
        if (kind != STF_OK)
            break;
        if (!make_room(parser, *size + 1))
            return no_memory(parser->err);
        parser->scratch[(*size)++] = (uint8_t)byte;
        skip_blanks(parser);
        if (peek(parser) != ',')
            break;
        parser->at++;
    }
    return kind;
}

/* Text of 8 bits a character, where the file is so, becomes UTF-16LE. */
static enum stf_kind keep_text_data(struct parser *parser, size_t size, struct stf_registry_value *value)
{
    uint8_t *out = stf_arena_reserve(&parser->edits->arena, 2 * size + 1);

    if (out == NULL)
        return no_memory(parser->err);
    value->data = out;
    value->size = 2 * size;
    for (size_t i = 0; i < size; i++)
        out = put_unit(out, stf_reg_cp1252_code(parser->scratch[i]));
    stf_arena_keep(&parser->edits->arena, 2 * size + 1);
    return STF_OK;
}

static enum stf_kind parse_hex(struct parser *parser, struct stf_registry_value *value)
{
    enum stf_kind kind = STF_OK;
    size_t size;

    value->type = STF_REG_BINARY;
    if (peek(parser) == '(') {
        parser->at++;
        kind = take_hex(parser, 8, "a type code of one to eight hex digits in hex()", &value->type);
        if (kind == STF_OK && peek(parser) != ')')
            kind = expected(parser, "')' after the type code in hex()");
        parser->at += kind == STF_OK;
    }
    if (kind == STF_OK && peek(parser) != ':')
        kind = expected(parser, "':' after hex");
    parser->at += kind == STF_OK;
    if (kind == STF_OK)
        kind = take_bytes(parser, &size);
    if (kind == STF_OK) {
        kind = parser->is_8_bit && stf_reg_is_text(value->type) ? keep_text_data(parser, size, value)
                                                                : keep_data(parser, parser->scratch, size, value);
    }
    return kind == STF_OK ? end_line(parser, "',' or the end of the line in hex data") : kind;
}

/* ---- values ---- */

static enum stf_kind parse_data(struct parser *parser, struct stf_reg_edit *edit)
{
    switch (peek(parser)) {
    case '"':
        return parse_string(parser, &edit->value);
    case '-':
        parser->at++;
        edit->kind = STF_REG_DELETE_VALUE;
        return end_line(parser, "the end of the line after '-'");
    default:
        if (take_word(parser, "dword:"))
            return parse_dword(parser, &edit->value);
        if (take_word(parser, "hex"))
            return parse_hex(parser, &edit->value);
        return expected(parser, "\"string\", dword:, hex:, hex(n): or '-' after '='");
    }
}

static enum stf_kind parse_value(struct parser *parser)
{
    struct stf_reg_edit edit = {.kind = STF_REG_SET_VALUE, .line = parser->line, .key = parser->key};
    struct stf_reg_edit *item;
    enum stf_kind kind;

    if (parser->key == NULL)
        return wrong(parser, parser->at, "found a value, expected a [KEY] before the first one");
    if (parser->is_key_deleted)
        return wrong(parser, parser->at, "found a value below a [-KEY], expected a [KEY] before it");
    kind = parse_value_name(parser, &edit.value.name);
    if (kind != STF_OK)
        return kind;
    skip_blanks(parser);
    if (peek(parser) != '=')
        return expected(parser, "'=' after the name of a value");
    parser->at++;
    skip_blanks(parser);
    kind = parse_data(parser, &edit);
    if (kind != STF_OK)
        return kind;
    item = stf_reg_edits_next(parser->edits);
    if (item == NULL)
        return no_memory(parser->err);
    *item = edit;
    return STF_OK;
}

/* At most one edit is in each line. */
static enum stf_kind reserve_edits(const struct parser *parser)
{
    size_t lines = 1;

    for (size_t i = 0; i < parser->end; i++)
        lines += stf_utf16_unit(parser->text, i) == '\n';
    return stf_reg_edits_reserve(parser->edits, lines) ? STF_OK : no_memory(parser->err);
}

static enum stf_kind parse_lines(struct parser *parser)
{
    enum stf_kind kind = parse_header(parser);

    if (kind == STF_OK)
        kind = reserve_edits(parser);
    while (kind == STF_OK) {
        skip_blanks(parser);
        switch (peek(parser)) {
        case END:
            return STF_OK;
        case '\r':
        case '\n':
            skip_line_break(parser);
            break;
        case ';':
        case '#': /* only here: regedit passes over such a line, but not over a '#' later in one */
            skip_comment(parser);
            break;
        case '[':
            kind = parse_key(parser);
            break;
        case '"':
        case '@':
            kind = parse_value(parser);
            break;
        default:
            return expected(parser, "[KEY], [-KEY], \"name\"=, @= or a comment after ';'");
        }
    }
    return kind;
}

/* ---- encodings ---- */

static bool starts_with(const uint8_t *bytes, size_t size, const char *start)
{
    return size >= strlen(start) && memcmp(bytes, start, strlen(start)) == 0;
}

/* Which encoding it is, and how many bytes its mark has. Without a mark: UTF-16 when it starts so, cp1252 when it is
 * REGEDIT4, else UTF-8. */
static enum stf_reg_encoding detect(const uint8_t *bytes, size_t size, size_t *mark_size)
{
    *mark_size = 0;
    if (starts_with(bytes, size, "\xff\xfe")) {
        *mark_size = 2;
        return STF_REG_UTF16;
    }
    if (starts_with(bytes, size, "\xef\xbb\xbf")) {
        *mark_size = 3;
        return STF_REG_UTF8_MARKED;
    }
    if (size >= 2 && bytes[0] != 0 && bytes[1] == 0)
        return STF_REG_UTF16;
    while (size > 0 && is_blank(*bytes)) {
        bytes++;
        size--;
    }
    return starts_with(bytes, size, STF_REG_HEADER_4) ? STF_REG_CP1252 : STF_REG_UTF8;
}

/* To UTF-16LE, at most 2 bytes for each byte. False, *end being where, for what is no UTF-8. */
static bool widen(enum stf_reg_encoding encoding, const char *text, size_t size, uint8_t *out, uint8_t **end)
{
    const char *stop = text + size;
    bool is_sound = true;

    while (text < stop) {
        uint32_t code = (unsigned char)*text;
        if (code < 0x80) {
            text++;
            out = put_unit(out, code);
            continue;
        }
        if (encoding == STF_REG_CP1252) {
            code = stf_reg_cp1252_code((uint8_t)*text++);
        } else if (!stf_utf8_next(&text, stop, &code)) {
            is_sound = false;
            break;
        }
        if (code >= 0x10000) {
            out = put_unit(out, 0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        out = put_unit(out, code);
    }
    *end = out;
    return is_sound;
}

static enum stf_kind parse_8_bit(struct parser *parser, const uint8_t *bytes, size_t size)
{
    char *copy = malloc(size + 1); /* with the NUL that decoding UTF-8 looks for */
    uint8_t *wide = malloc(2 * size + 1);
    uint8_t *end;
    bool is_sound;
    enum stf_kind kind;

    if (copy == NULL || wide == NULL) {
        free(copy);
        free(wide);
        return no_memory(parser->err);
    }
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    is_sound = widen(parser->edits->format.encoding, copy, size, wide, &end);
    parser->text = wide;
    parser->end = (size_t)(end - wide) / 2;
    kind = is_sound ? parse_lines(parser)
                    : wrong(parser, parser->end,
                            "found a byte that is no UTF-8; a file of version 5.00 is UTF-16LE or UTF-8");
    free(copy);
    free(wide);
    return kind;
}

enum stf_kind stf_reg_parse(const void *bytes, size_t size, const char *subject, struct stf_reg_edits *edits,
                            struct stf_err *err)
{
    struct parser parser = {.line = 1, .subject = subject, .edits = edits, .err = err};
    const uint8_t *text = bytes;
    size_t mark_size;
    enum stf_kind kind;

    *edits = (struct stf_reg_edits){0};
    edits->format.encoding = detect(text, size, &mark_size);
    text += mark_size;
    size -= mark_size;
    if (edits->format.encoding != STF_REG_UTF16) {
        kind = parse_8_bit(&parser, text, size);
    } else {
        parser.text = text;
        parser.end = size / 2;
        kind = parse_lines(&parser);
        if (kind == STF_OK && size % 2 != 0)
            kind = wrong(&parser, parser.end, "found half a character at the end of a file in UTF-16");
    }
    free(parser.scratch);
    if (kind != STF_OK)
        stf_reg_edits_fini(edits);
    return kind;
}
