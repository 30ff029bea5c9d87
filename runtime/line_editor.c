/* line_editor.c - lines from a terminal by libedit (line_editor.h). Must never keep a line that it is not told to.
 * SPDX-License-Identifier: MIT */
#include "line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000 };

struct stf_line_editor {
    struct stf_line_source source;
    EditLine *edit;
    History *history;
    char *history_path;
    const char *prompt;
    bool is_cancelled;
};

static struct stf_line_editor *editor_of(EditLine *edit)
{
    void *editor = NULL;
    el_get(edit, EL_CLIENTDATA, &editor);
    return editor;
}

/* ---- keys ---- */

static char *show_prompt(EditLine *edit)
{
    return (char *)editor_of(edit)->prompt;
}

/* One character of as many bytes as it takes; what is none in this locale is a question mark. */
static int read_character(EditLine *edit, wchar_t *character)
{
    const struct stf_line_source *source = &editor_of(edit)->source;
    mbstate_t state = {0};
    for (size_t count = 0; count < MB_LEN_MAX; count++) {
        int byte = source->next_byte(source->user);
        if (byte < 0)
            return 0;
        char letter = (char)byte;
        size_t size = mbrtowc(character, &letter, 1, &state);
        if (size == (size_t)-1)
            break;
        if (size != (size_t)-2)
            return 1;
    }
    *character = L'?';
    return 1;
}

static unsigned char cancel(EditLine *edit, int key)
{
    (void)key;
    editor_of(edit)->is_cancelled = true;
    return CC_NEWLINE;
}

/* How many bytes all words have in common at their front. */
static size_t common_size(char *const *words)
{
    size_t size = strlen(words[0]);
    for (char *const *word = words + 1; *word; word++) {
        size_t same = 0;
        while (same < size && (*word)[same] == words[0][same])
            same++;
        size = same;
    }
    while (size > 0 && ((unsigned char)words[0][size] & 0xc0) == 0x80)
        size--; /* not within a character */
    return size;
}

static void list_words(char *const *words)
{
    fputc('\n', stdout);
    for (; *words; words++)
        printf("%s%s", *words, words[1] ? "  " : "\n");
    fflush(stdout);
}

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

/* What all words begin with is written; where that adds nothing, they are shown. */
static unsigned char complete(EditLine *edit, int key)
{
    const struct stf_line_editor *editor = editor_of(edit);
    const LineInfo *line = el_line(edit);
    char *text = strndup(line->buffer, (size_t)(line->cursor - line->buffer));
    size_t word_size = 0;
    unsigned char result = CC_REFRESH_BEEP;
    (void)key;
    char **words = text ? editor->source.complete(editor->source.user, text, &word_size) : NULL;
    if (words && words[0]) {
        size_t size = common_size(words);
        char *added = size > word_size ? strndup(words[0] + word_size, size - word_size) : NULL;
        if (added && el_insertstr(edit, added) == 0) {
            result = CC_REFRESH;
        } else if (words[1]) {
            list_words(words);
            result = CC_REDISPLAY;
        }
        free(added);
    }
    free_words(words);
    free(text);
    return result;
}

/* ---- history ---- */

static void load_history(struct stf_line_editor *editor)
{
    HistEvent event;
    history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
    history(editor->history, &event, H_SETUNIQUE, 1);
    if (editor->history_path)
        history(editor->history, &event, H_LOAD, editor->history_path);
}

static void save_history(const struct stf_line_editor *editor)
{
    HistEvent event;
    int fd = open(editor->history_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd < 0 || fchmod(fd, 0600) != 0 ? NULL : fdopen(fd, "w");
    if (file) {
        history(editor->history, &event, H_SAVE_FP, file);
        fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
}

void stf_line_editor_remember(struct stf_line_editor *editor, const char *line)
{
    HistEvent event;
    if (line[0])
        history(editor->history, &event, H_ENTER, line);
}

/* ---- lines ---- */

static void bind_keys(EditLine *edit)
{
    el_set(edit, EL_EDITOR, "emacs");
    el_wset(edit, EL_ADDFN, L"stf-complete", L"completes the word", complete); /* el_set would leak copies of both */
    el_wset(edit, EL_ADDFN, L"stf-cancel", L"gives the line up", cancel);
    el_set(edit, EL_BIND, "^I", "stf-complete", NULL);
    el_set(edit, EL_SETTY, "-d", "-isig", NULL); /* Ctrl-C is a key while a line is edited */
    el_set(edit, EL_BIND, "^C", "stf-cancel", NULL);
    el_set(edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
}

struct stf_line_editor *stf_line_editor_open(const struct stf_line_source *source, const char *history_path)
{
    struct stf_line_editor *editor = calloc(1, sizeof *editor);
    if (!editor)
        return NULL;
    editor->source = *source;
    editor->history_path = history_path ? strdup(history_path) : NULL;
    editor->history = history_init();
    editor->edit = el_init("staffetta", stdin, stdout, stderr);
    if (!editor->history || !editor->edit || (history_path && !editor->history_path)) {
        stf_line_editor_close(editor);
        return NULL;
    }
    load_history(editor);
    el_set(editor->edit, EL_CLIENTDATA, editor);
    el_set(editor->edit, EL_PROMPT, show_prompt);
    el_set(editor->edit, EL_HIST, history, editor->history);
    el_set(editor->edit, EL_GETCFN, read_character);
    bind_keys(editor->edit);
    return editor;
}

char *stf_line_editor_read(struct stf_line_editor *editor, const char *prompt, bool *is_cancelled)
{
    int size = 0;
    editor->prompt = prompt;
    editor->is_cancelled = false;
    el_set(editor->edit, EL_PREP_TERM, 1); /* before the prompt is seen, and answered */
    const char *line = el_gets(editor->edit, &size);
    *is_cancelled = editor->is_cancelled;
    if (*is_cancelled)
        puts("^C");
    return line && size >= 0 ? strndup(line, strcspn(line, "\n")) : NULL;
}

void stf_line_editor_close(struct stf_line_editor *editor)
{
    if (!editor)
        return;
    if (editor->history && editor->history_path && editor->edit)
        save_history(editor);
    if (editor->edit)
        el_end(editor->edit);
    if (editor->history)
        history_end(editor->history);
    free(editor->history_path);
    free(editor);
}
