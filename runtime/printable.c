/* printable.c - documents for programs, and the texts in them for a person: what hosts, daemons and scripts have
 * written must not steer a terminal. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common/utf8.h"

const char *stf_cli_text(const json_t *doc, const char *key)
{
    const char *value = json_string_value(json_object_get(doc, key));
    return value ? value : "";
}

/* ---- texts that others have written: hosts, daemons, scripts ---- */

static uint32_t code_point(const char *character, size_t length)
{
    static const unsigned char bits_of_first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)character[0] & bits_of_first[length];
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)character[i] & 0x3f);
    return point;
}

/* Control characters, C1's included but no tab, and those that turn the direction in which a line is read. */
static bool is_steering(uint32_t point)
{
    return (point < 0x20 && point != '\t') || (point >= 0x7f && point <= 0x9f) ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

/* How a text is shown. */
struct showing {
    bool has_lines; /* line feeds stay */
    bool is_ascii;  /* for a terminal that has nothing else */
};

bool stf_output_is_ascii(FILE *stream)
{
    const struct stf_terminal terminal = stf_terminal_look(stream);
    return terminal.width_columns > 0 && !terminal.has_utf8;
}

void stf_output_json(const json_t *doc)
{
    size_t letters = stf_output_is_ascii(stdout) ? JSON_ENSURE_ASCII : 0;
    json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY | letters);
    putchar('\n');
}

/* malloc'ed; NULL when memory is out. A byte that is no UTF-8 is escaped, too. */
static char *escape(const char *text, struct showing showing)
{
    enum { ESCAPE_BYTES = 4 }; /* of "\x1b"; "\u202e" takes the place of two bytes or more */
    char *made = malloc(ESCAPE_BYTES * strlen(text) + 1), *to = made;
    if (!made)
        return NULL;
    for (size_t length; *text; text += length) {
        length = stf_utf8_length(text);
        uint32_t point = length ? code_point(text, length) : (unsigned char)*text;
        bool is_shown = length && !is_steering(point) && !(showing.is_ascii && point > 0x7f);
        length = length ? length : 1;
        if (is_shown || (showing.has_lines && point == '\n')) {
            memcpy(to, text, length);
            to += length;
        } else if (point == '\n') {
            to += sprintf(to, "\\n");
        } else {
            to += sprintf(to, length == 1 || point < 0xa0 ? "\\x%02x" : "\\u%04x", (unsigned)point);
        }
    }
    *to = '\0';
    return made;
}

void stf_output_text(FILE *stream, const char *text, bool has_lines)
{
    char *escaped = escape(text, (struct showing){has_lines, stf_output_is_ascii(stream)});
    fputs(escaped ? escaped : "(not enough memory to show it)", stream);
    free(escaped);
}

static json_t *printable_text(const char *text, struct showing showing)
{
    char *escaped = escape(text, showing);
    json_t *string = escaped ? json_string(escaped) : NULL;
    free(escaped);
    return string;
}

static json_t *printable(const json_t *doc, struct showing showing)
{
    const char *key;
    size_t index;
    json_t *member, *made = NULL;
    if (json_is_string(doc))
        return printable_text(json_string_value(doc), showing);
    if (json_is_array(doc)) {
        made = json_array();
        json_array_foreach (doc, index, member)
            json_array_append_new(made, printable(member, showing));
    } else if (json_is_object(doc)) {
        made = json_object();
        json_object_foreach ((json_t *)doc, key, member) {
            json_t *name = printable_text(key, showing);
            const struct showing of_member = {strcmp(key, "traceback") == 0, showing.is_ascii};
            json_object_set_new(made, name ? json_string_value(name) : "?", printable(member, of_member));
            json_decref(name);
        }
    }
    return made ? made : json_incref((json_t *)doc);
}

json_t *stf_output_printable(const json_t *doc)
{
    return printable(doc, (struct showing){.is_ascii = stf_output_is_ascii(stdout)});
}
