/* system.c - the binding: documents in and out. Must never hand a command to a shell. SPDX-License-Identifier: MIT */
#include "system.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/process.h"
#include "facts.h"
#include "file.h"

enum { DEFAULT_TIMEOUT_MS = 10000, MAX_TIMEOUT_MS = 3600000, MAX_ID = 0x7ffffffe };

static enum stf_kind give(json_t *made, json_t **result, struct stf_err *err)
{
    *result = made;
    return made ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, NULL, NULL, "no memory for the answer");
}

static enum stf_kind system_facts(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    static const char *const known[] = {NULL};
    (void)self;
    (void)host;
    enum stf_kind kind = stf_doc_check_keys(args, known, "system.facts", err);
    return kind ? kind : stf_facts_read(result, err);
}

/* ---------- system.run ---------- */

/* The words of "argv", ended by NULL; they point into the document. Free the array. */
static enum stf_kind read_argv(const json_t *args, const char ***argv, struct stf_err *err)
{
    const json_t *words = json_object_get(args, "argv");
    size_t count = json_array_size(words);
    if (count == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "run", "argv",
                           "member 'argv': expected a list of the program and its arguments");
    *argv = calloc(count + 1, sizeof **argv);
    if (!*argv)
        return stf_err_set(err, STF_NO_MEMORY, 0, "run", "argv", "no memory for the arguments");
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(words, i);
        (*argv)[i] = json_string_value(word);
        if (!(*argv)[i] || strlen((*argv)[i]) != json_string_length(word) || (i == 0 && !(*argv)[i][0]))
            return stf_err_set(err, STF_INVALID_DATA, 0, "run", "argv",
                               "member 'argv': word %zu is no string, has a NUL byte, or is an empty program name",
                               i + 1);
    }
    return STF_OK;
}

static enum stf_kind system_run(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                struct stf_err *err)
{
    static const char *const known[] = {"argv", "timeout_ms", "input", NULL};
    const char **argv = NULL;
    struct stf_process_id id = {.netns = host->netns};
    struct stf_process_result done = {0};
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, known, "system.run", err);
    if (!kind)
        kind = read_argv(args, &argv, err);
    if (!kind)
        kind = stf_doc_opt_int(args, "timeout_ms", 1, MAX_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, &id.timeout_ms, err);
    if (!kind)
        kind = stf_doc_opt_string(args, "input", NULL, &id.input, err);
    if (kind)
        goto out;
    id.argv = argv;
    id.input_size = id.input ? strlen(id.input) : 0;
    kind = stf_process_run(&id, &done, err);
    if (!kind)
        kind = give(json_pack("{s:i, s:i, s:o, s:o}", "exit_code", done.exit_code, "signal", done.signal, "output",
                              stf_doc_text(done.output, done.output_size), "errors",
                              stf_doc_text(done.errors, strlen(done.errors))),
                    result, err);
out:
    stf_process_result_fini(&done);
    free(argv);
    return kind;
}

/* ---------- the resource system.file ---------- */

static enum stf_kind read_path(const json_t *id, const char **path, struct stf_err *err)
{
    static const char *const known[] = {"path", NULL};
    enum stf_kind kind = stf_doc_check_keys(id, known, "system.file", err);
    return kind ? kind : stf_doc_string(id, "path", path, err);
}

static json_t *file_to_doc(const struct stf_file *file)
{
    char mode[8];
    snprintf(mode, sizeof mode, "%04o", (unsigned)file->mode);
    char *hex = stf_hex_from_bytes(file->bytes, file->size);
    json_t *doc = hex ? json_pack("{s:s, s:I, s:I, s:s}", "mode", mode, "owner", (json_int_t)file->owner, "group",
                                  (json_int_t)file->group, "content_hex", hex)
                      : NULL;
    free(hex);
    return doc;
}

static enum stf_kind parse_mode(const char *text, mode_t *mode, struct stf_err *err)
{
    if (strlen(text) != 4 || strspn(text, "01234567") != 4)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", "mode",
                           "member 'mode': expected four octal digits such as 0644, found '%s'", text);
    *mode = (mode_t)strtoul(text, NULL, 8);
    return STF_OK;
}

static enum stf_kind doc_to_file(const json_t *state, struct stf_file *file, struct stf_err *err)
{
    static const char *const known[] = {"mode", "owner", "group", "content_hex", NULL};
    const char *mode, *hex;
    int64_t owner, group;
    enum stf_kind kind = stf_doc_check_keys(state, known, "state of system.file", err);
    if (!kind)
        kind = stf_doc_string(state, "mode", &mode, err);
    if (!kind)
        kind = parse_mode(mode, &file->mode, err);
    if (!kind)
        kind = stf_doc_int(state, "owner", 0, MAX_ID, &owner, err);
    if (!kind)
        kind = stf_doc_int(state, "group", 0, MAX_ID, &group, err);
    if (!kind)
        kind = stf_doc_string(state, "content_hex", &hex, err);
    if (!kind)
        kind = stf_hex_to_bytes(hex, &file->bytes, &file->size, err);
    if (kind)
        return kind;
    file->is_present = true;
    file->owner = (uid_t)owner;
    file->group = (gid_t)group;
    if (file->size > STF_FILE_MAX_BYTES)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", "content_hex",
                           "member 'content_hex': expected at most %d bytes, found %zu", STF_FILE_MAX_BYTES,
                           file->size);
    return STF_OK;
}

static enum stf_kind file_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                               struct stf_err *err)
{
    struct stf_file file = {0};
    const char *path;
    (void)self;
    (void)host;
    enum stf_kind kind = read_path(id, &path, err);
    if (!kind)
        kind = stf_file_read(path, &file, err);
    if (!kind)
        kind = give(file.is_present ? file_to_doc(&file) : json_null(), state, err);
    stf_file_fini(&file);
    return kind;
}

static enum stf_kind file_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                struct stf_err *err)
{
    struct stf_file file = {0};
    const char *path;
    (void)self;
    (void)host;
    enum stf_kind kind = read_path(id, &path, err);
    if (!kind && !json_is_null(state))
        kind = doc_to_file(state, &file, err);
    if (!kind)
        kind = stf_file_write(path, &file, err);
    stf_file_fini(&file);
    return kind;
}

static char *file_describe(const json_t *id, const json_t *state)
{
    char *line = NULL;
    const char *path = json_string_value(json_object_get(id, "path"));
    if (!state)
        return strdup(path ? path : "?");
    if (json_is_null(state))
        return strdup("absent");
    const char *mode = json_string_value(json_object_get(state, "mode"));
    int size = asprintf(&line, "file of %zu bytes, mode %s, owner %lld:%lld",
                        json_string_length(json_object_get(state, "content_hex")) / 2, mode ? mode : "?",
                        (long long)json_integer_value(json_object_get(state, "owner")),
                        (long long)json_integer_value(json_object_get(state, "group")));
    return size < 0 ? NULL : line;
}

static const struct stf_verb verbs[] = {
    {"system.facts", "system.read", system_facts},
    {"system.run", "system.run", system_run},
    {NULL, NULL, NULL},
};

static const struct stf_resource resources[] = {
    {"system.file", "system.write", file_read, file_write, file_describe},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct stf_binding stf_system_binding = {.name = "system", .verbs = verbs, .resources = resources};
