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
