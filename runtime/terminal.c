/* terminal.c - what can be shown on a stream (terminal.h). Must never write an escape sequence by itself.
 * SPDX-License-Identifier: MIT */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USUAL_COLUMNS = 80, MIN_COLUMNS = 20, MAX_COLUMNS = 10000 };

static int width_of(FILE *stream)
{
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (width < MIN_COLUMNS || width > MAX_COLUMNS)
        width = stf_console_width(stream);
    return width < MIN_COLUMNS ? USUAL_COLUMNS : (int)width;
}

struct stf_terminal stf_terminal_look(FILE *stream)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    struct stf_terminal terminal = {.has_utf8 = stf_console_has_utf8()};
    if (!isatty(fileno(stream)))
        return terminal;
    terminal.width_columns = width_of(stream);
    terminal.is_live = term && *term && strcmp(term, "dumb") != 0;
    terminal.has_colour = terminal.is_live && !(no_colour && *no_colour);
    return terminal;
}

/* The bytes of the first character of the text. */
static size_t character_size(const char *text)
{
    size_t size = 1;
    while (((unsigned char)text[size] & 0xc0) == 0x80)
        size++;
    return size;
}

/* From U+1000 on a character counts as two: some of them are, and a line that is too short harms nobody. */
static int columns_of(const char *character)
{
    return (unsigned char)*character >= 0xe1 ? 2 : 1;
}

/* How many bytes of the text fit into so many columns. */
static size_t fitting(const char *text, int columns)
{
    size_t size = 0;
    while (text[size] && (columns -= columns_of(text + size)) >= 0)
        size += character_size(text + size);
    return size;
}

void stf_terminal_print(const struct stf_terminal *terminal, FILE *stream, const char *text, int columns)
{
    if (columns == 0 || text[fitting(text, columns)] == '\0') {
        fputs(text, stream);
        return;
    }
    int ellipsis_columns = terminal->has_utf8 ? 1 : 3;
    size_t size = columns > ellipsis_columns ? fitting(text, columns - ellipsis_columns) : 0;
    fprintf(stream, "%.*s%s", (int)size, text, terminal->has_utf8 ? "\u2026" : "...");
}

/* Where the lines begin that a line of so many bytes goes on in. */
static size_t hanging_of(const char *line, size_t size, int width)
{
    size_t start = strspn(line, " "), hanging = start;
    for (size_t i = start; i + 2 < size; i++)
        if (line[i] == ' ' && line[i + 1] == ' ' && line[i + 2] != ' ')
            hanging = i + 2;
    return (int)hanging <= width / 2 ? hanging : start + 2;
}

/* The bytes of the line's first part: all, or up to the last blank that fits, or up to the first where none does. */
static size_t part_size(const char *line, size_t size, int columns)
{
    size_t fits = fitting(line, columns);
    if (fits >= size)
        return size;
    size_t blank = fits;
    while (blank > 0 && line[blank] != ' ')
        blank--;
    if (blank > strspn(line, " "))
        return blank;
    const char *next = memchr(line + fits, ' ', size - fits);
    return next ? (size_t)(next - line) : size;
}

static void print_line(FILE *stream, const char *line, size_t size, int width)
{
    size_t hanging = hanging_of(line, size, width);
    size_t part = part_size(line, size, width);
    fprintf(stream, "%.*s\n", (int)part, line);
    while (part < size) {
        line += part + 1;
        size -= part + 1;
        part = part_size(line, size, width - (int)hanging);
        fprintf(stream, "%*s%.*s\n", (int)hanging, "", (int)part, line);
    }
}

void stf_terminal_print_lines(FILE *stream, const char *text)
{
    int width = stf_terminal_look(stream).width_columns;
    if (width == 0) {
        fputs(text, stream);
        return;
    }
    while (*text) {
        size_t size = strcspn(text, "\n");
        print_line(stream, text, size, width);
        text += size + (text[size] == '\n');
    }
}
