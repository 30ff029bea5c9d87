/* prompt.h - where the lines of a prompt come from and where its answers go: a run without a playbook, whose statements
 * are typed (runtime/lua/repl.lua). Knows no terminal. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/err.h>

struct stf_run;

struct stf_prompt {
    bool is_interactive; /* a person is there: an error does not end the session */
    bool is_json;        /* answers are one line of JSON each */
    /* The next line without its end, malloc'ed; NULL: there is none any more. `is_more`: a statement goes on.
     * *is_cancelled: the person gave up what was begun; the line says nothing. */
    char *(*read)(void *user, struct stf_run *run, bool is_more, bool *is_cancelled);
    void (*answer)(void *user, const char *text);
    void (*fail)(void *user, const struct stf_err *err);
    void (*remember)(void *user, const char *line); /* for the history: never a line that may hold a secret */
    void *user;                                     /* of all */
};

/* What the last word of `text` can become: whole words, sorted, ended by NULL, to be freed with stf_loader_free_names;
 * *word_size is how much of the text each of them replaces. NULL: nothing, or no memory. Call from `read` only. */
char **stf_prompt_complete(struct stf_run *run, const char *text, size_t *word_size);

/* Lets events of the run happen, without waiting; false when it is being ended from outside. Call from `read` only. */
bool stf_prompt_turn(struct stf_run *run);
/* Readable when there are some. */
int stf_prompt_fd(const struct stf_run *run);
