/* terminal.h - what can be shown on a stream: how wide a line may be, whether it may be written over, in colour, in
 * UTF-8. The one place that decides it. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>

enum stf_colour { STF_PLAIN, STF_GREEN, STF_RED, STF_YELLOW, STF_BOLD, STF_DIM };

struct stf_terminal {
    bool is_live;      /* a terminal on which a line can be written over; TERM=dumb has none */
    bool has_colour;   /* the same, and NO_COLOR is not set */
    bool has_utf8;     /* of the locale */
    int width_columns; /* 0: no terminal, lines are as long as they are */
};

/* COLUMNS, where set, rules over what the terminal says. */
struct stf_terminal stf_terminal_look(FILE *stream);

/* What switches a colour on, or with STF_PLAIN all of them off; "" where the terminal has none. Static. */
const char *stf_terminal_colour(const struct stf_terminal *terminal, enum stf_colour colour);
/* The colour of a check's verdict ("pass"), or of one of `doctor` ("missing"). */
const char *stf_terminal_verdict(const struct stf_terminal *terminal, const char *verdict);

/* How many columns a text takes. */
int stf_terminal_columns(const char *text);

/* Prints one line's text in at most so many columns (0: in all it takes), the end cut off for an ellipsis where it is
 * longer: "…", or "..." without UTF-8. Gives how many it took. */
int stf_terminal_print(const struct stf_terminal *terminal, FILE *stream, const char *text, int columns);

/* Prints one line's text from the column `start` on. On a terminal that is too narrow it is broken at a blank, and goes
 * on below itself. */
void stf_terminal_print_wrapped(const struct stf_terminal *terminal, FILE *stream, const char *text, int start);

/* Prints a text of whole lines. On a terminal a line that is too long is broken at a blank, and goes on below its last
 * column of words: what stands behind two blanks or more, else where the line itself begins. */
void stf_terminal_print_lines(FILE *stream, const char *text);

/* console.c: what the operating system knows. 0: not told. */
int stf_console_width(FILE *stream);
bool stf_console_has_utf8(void);
