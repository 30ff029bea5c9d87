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

const char *stf_terminal_colour(const struct stf_terminal *terminal, enum stf_colour colour)
{
    static const char *const escapes[] = {
        [STF_PLAIN] = "\033[0m",   [STF_GREEN] = "\033[32m", [STF_RED] = "\033[31m",
        [STF_YELLOW] = "\033[33m", [STF_BOLD] = "\033[1m",   [STF_DIM] = "\033[2m",
    };
    return terminal->has_colour ? escapes[colour] : "";
}

const char *stf_terminal_verdict(const struct stf_terminal *terminal, const char *verdict)
{
    bool is_good = strcmp(verdict, "pass") == 0 || strcmp(verdict, "ok") == 0;
    bool is_bad = strcmp(verdict, "fail") == 0 || strcmp(verdict, "missing") == 0;
    return stf_terminal_colour(terminal, is_good ? STF_GREEN : is_bad ? STF_RED : STF_YELLOW);
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

static int columns_of_bytes(const char *text, size_t size)
{
    int columns = 0;
    for (size_t i = 0; i < size; i += character_size(text + i))
        columns += columns_of(text + i);
    return columns;
}

int stf_terminal_columns(const char *text)
{
    return columns_of_bytes(text, strlen(text));
}

int stf_terminal_print(const struct stf_terminal *terminal, FILE *stream, const char *text, int columns)
{
    if (columns == 0 || text[fitting(text, columns)] == '\0') {
        fputs(text, stream);
        return stf_terminal_columns(text);
    }
    int ellipsis_columns = terminal->has_utf8 ? 1 : 3;
    size_t size = columns > ellipsis_columns ? fitting(text, columns - ellipsis_columns) : 0;
    fprintf(stream, "%.*s%s", (int)size, text, terminal->has_utf8 ? "\u2026" : "...");
    return columns_of_bytes(text, size) + ellipsis_columns;
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

/* Prints a line of which so many columns fit here, and what follows in lines that begin at `hanging`. */
static void print_parts(FILE *stream, const char *line, size_t size, int columns, int hanging, int width)
{
    size_t part = part_size(line, size, columns);
    fprintf(stream, "%.*s", (int)part, line);
    while (part < size) {
        line += part + 1;
        size -= part + 1;
        part = part_size(line, size, width - hanging);
        fprintf(stream, "\n%*s%.*s", hanging, "", (int)part, line);
    }
}

void stf_terminal_print_wrapped(const struct stf_terminal *terminal, FILE *stream, const char *text, int start)
{
    int width = terminal->width_columns;
    if (width == 0)
        fputs(text, stream);
    else
        print_parts(stream, text, strlen(text), width - start, start, width);
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
        print_parts(stream, text, size, width, (int)hanging_of(text, size, width), width);
        fputc('\n', stream);
        text += size + (text[size] == '\n');
    }
}
