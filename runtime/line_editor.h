/* line_editor.h - one line after the other from a terminal, with editing, completion and a history (libedit). Knows
 * nothing of Lua. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stf_line_editor;

struct stf_line_source {
    /* The next byte that is typed, 0 to 255; -1: none will come. */
    int (*next_byte)(void *user);
    /* What the end of `text` can become: words, ended by NULL, malloc'ed with each of them; each replaces the last
     * *word_size bytes. NULL: nothing. */
    char **(*complete)(void *user, const char *text, size_t *word_size);
    void *user;
};

/* `history_path` is read where it is there; NULL: none is kept. NULL: memory is out, or there is no terminal. */
struct stf_line_editor *stf_line_editor_open(const struct stf_line_source *source, const char *history_path);

/* Shows `prompt` and gives the line without its end, malloc'ed; NULL at the end of the input. *is_cancelled: Ctrl-C was
 * typed. */
char *stf_line_editor_read(struct stf_line_editor *editor, const char *prompt, bool *is_cancelled);

/* Makes the line the newest of the history; one that is empty or the same as the one before is not kept. */
void stf_line_editor_remember(struct stf_line_editor *editor, const char *line);

/* Writes the history, for its owner only; NULL is legal. */
void stf_line_editor_close(struct stf_line_editor *editor);
