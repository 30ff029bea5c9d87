/* armed.c - undo without a controller (armed.h). The file is one JSON document a line: the host, then its changes, each
 * with the deadline that it sets. A line that is cut short is of a change that was never made.
 * Must never be slower to be durable than the change to be made. SPDX-License-Identifier: MIT */
#include "fleet/armed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/folder.h"
#include "fleet/armed_place.h"
#include "fleet/judge.h"
#include "fleet/opened.h"

enum {
    LOOK_AGAIN_MS = 200, /* whether it was confirmed */
    TRIES = 60,          /* a second apart, for a daemon that is starting */
};

/* ---------- time ---------- */

static void pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---------- the file ---------- */

static enum stf_kind name_place(struct stf_armed_place *place, const char *dir, const char *token, struct stf_err *err)
{
    place->fd = -1;
    int length = snprintf(place->path, sizeof place->path, "%s/%s.armed", dir, token);
    if (length < 0 || (size_t)length + 1 >= sizeof place->path)
        return stf_err_set(err, STF_INVALID_DATA, 0, "arm", dir, "the path is too long");
    snprintf(place->undone, sizeof place->undone, "%.*sundone", length - (int)strlen("armed"), place->path);
    return STF_OK;
}

static enum stf_kind append_line(struct stf_armed_place *place, const json_t *line, struct stf_err *err)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
    if (!text)
        return stf_err_set(err, STF_NO_MEMORY, 0, "arm", place->path, "not enough memory");
    size_t size = strlen(text);
    text[size++] = '\n'; /* over the NUL */
    ssize_t written = write(place->fd, text, size);
    free(text);
    if (written != (ssize_t)size || fdatasync(place->fd) < 0)
        return stf_err_errno(err, written < 0 ? errno : EIO, "arm", place->path, "can not write the armed undo");
    return STF_OK;
}

static enum stf_kind fail_undone(const struct stf_armed_place *place, struct stf_err *err)
{
    return stf_err_set(err, STF_CONFLICT, 0, "confirm", place->undone,
                       "nobody confirmed in time, so the host has put itself back; %s says what it did", place->undone);
}

static void release(struct stf_armed_place *place)
{
    if (place->fd >= 0)
        close(place->fd);
    place->fd = -1;
}

/* ---------- arming ---------- */

/* The process first, which waits for the lock on the empty file: a file with a host in it always has one. */
static enum stf_kind begin_file(struct stf_armed_place *place, const char *dir, const struct stf_host *host,
                                json_t *due, struct stf_err *err)
{
    json_t *head = json_pack("{s:s, s:s*, s:s*, s:O}", "host", host->name, "netns", host->netns, "site_dir",
                             host->site_dir, "config", host->config);
    enum stf_kind kind = head && json_object_update(head, due) == 0
                             ? stf_armed_place_start_waiting(place->path, err)
                             : stf_err_set(err, STF_NO_MEMORY, 0, "arm", place->path, "not enough memory");
    if (kind == STF_OK)
        kind = append_line(place, head, err);
    json_decref(head);
    return kind == STF_OK ? stf_folder_sync(dir, err) : kind;
}

enum stf_kind stf_armed_add(const struct stf_armed *armed, const struct stf_host *host, const json_t *change,
                            struct stf_err *err)
{
    struct stf_armed_place place;
    struct stat stat;
    char boot_id[STF_BOOT_ID_SIZE];
    enum stf_kind kind = name_place(&place, armed->dir, armed->token, err);
    if (kind == STF_OK)
        kind = stf_folder_make(armed->dir, err);
    if (kind == STF_OK && access(place.undone, F_OK) == 0)
        kind = fail_undone(&place, err);
    if (kind == STF_OK)
        kind = stf_armed_place_lock(&place, true, err);
    while (kind == STF_NOT_FOUND && access(place.undone, F_OK) < 0) { /* it was an empty one, and went */
        release(&place);
        kind = stf_armed_place_lock(&place, true, err);
    }
    if (kind == STF_NOT_FOUND)
        kind = fail_undone(&place, err);
    stf_armed_place_boot_id(boot_id);
    int64_t now_ms = stf_armed_place_clock_ms();
    json_t *due = json_pack("{s:s, s:I, s:I}", "boot", boot_id, "since_ms", (json_int_t)now_ms, "due_ms",
                            (json_int_t)(now_ms + armed->confirm_within_ms));
    if (kind == STF_OK && fstat(place.fd, &stat) == 0 && stat.st_size == 0)
        kind = begin_file(&place, armed->dir, host, due, err);
    if (kind == STF_OK)
        kind = json_object_update_missing(due, (json_t *)change) == 0
                   ? append_line(&place, due, err)
                   : stf_err_set(err, STF_NO_MEMORY, 0, "arm", place.path, "not enough memory");
    json_decref(due);
    release(&place);
    return kind;
}

enum stf_kind stf_armed_confirm(const struct stf_armed *armed, struct stf_err *err)
{
    struct stf_armed_place place;
    enum stf_kind kind = name_place(&place, armed->dir, armed->token, err);
    if (kind != STF_OK)
        return kind;
    if (access(place.undone, F_OK) == 0)
        return fail_undone(&place, err);
    if (access(place.path, F_OK) < 0 && errno == ENOENT)
        return STF_OK;
    kind = stf_armed_place_lock(&place, false, err);
    if (kind == STF_NOT_FOUND)
        kind = fail_undone(&place, err);
    if (kind == STF_OK)
        kind = stf_armed_place_remove(&place, err);
    release(&place);
    return kind;
}

/* ---------- carrying it out ---------- */

struct undo {
    struct stf_opened opened;
    json_t *lines; /* the first is the host */
    struct stf_host host;
};

/* All lines that are whole. NULL when memory is out. */
static json_t *read_lines(int fd)
{
    json_t *lines = json_array(), *line;
    FILE *file = fdopen(dup(fd), "r");
    if (file)
        rewind(file);
    while (file && (line = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)))
        json_array_append_new(lines, line);
    if (file)
        fclose(file);
    return lines;
}

/* A clock that has gone back is of a machine that was started anew. */
static bool is_due(const json_t *lines)
{
    char boot_id[STF_BOOT_ID_SIZE];
    const json_t *newest = json_array_get(lines, json_array_size(lines) - 1);
    const char *boot = json_string_value(json_object_get(newest, "boot"));
    int64_t now_ms = stf_armed_place_clock_ms();
    stf_armed_place_boot_id(boot_id);
    return (boot && strcmp(boot, boot_id) != 0) || now_ms < json_integer_value(json_object_get(newest, "since_ms")) ||
           now_ms >= json_integer_value(json_object_get(newest, "due_ms"));
}

/* One change. `*outcome` is what became of it. */
static enum stf_kind put_back(const struct undo *undo, const json_t *change, const char **outcome, struct stf_err *err)
{
    const char *name = json_string_value(json_object_get(change, "resource"));
    const json_t *id = json_object_get(change, "id"), *before = json_object_get(change, "before");
    json_t *now = NULL;
    size_t index;
    const struct stf_resource *resource = name ? stf_opened_resource(&undo->opened, name, &index) : NULL;
    *outcome = "failed";
    if (!resource || !id || !before)
        return stf_err_set(err, STF_INVALID_DATA, 0, "undo", name, "the armed undo has a change that is none");
    void *self = undo->opened.selves[index];
    enum stf_kind kind = resource->read(self, &undo->host, id, &now, err);
    const struct stf_recorded recorded = {resource, id, before, json_object_get(change, "after")};
    enum stf_undo_verdict verdict = kind == STF_OK ? stf_undo_judge(&recorded, now) : STF_UNDO_UNKNOWN;
    if (verdict == STF_UNDO_UNDO)
        kind = resource->write(self, &undo->host, id, before, err);
    if (kind == STF_OK)
        *outcome = verdict == STF_UNDO_UNDO ? "undone" : verdict == STF_UNDO_NOTHING ? "nothing" : "left";
    json_decref(now);
    return kind;
}

/* Tries once; false when something failed. `*items` says what became of each change. */
static bool put_all_back(const struct undo *undo, json_t **items)
{
    bool is_done = true;
    *items = json_array();
    for (size_t i = json_array_size(undo->lines); i > 1; i--) {
        const json_t *change = json_array_get(undo->lines, i - 1);
        const char *outcome;
        struct stf_err err;
        bool is_failed = put_back(undo, change, &outcome, &err) != STF_OK;
        is_done = is_done && !is_failed;
        json_array_append_new(*items,
                              json_pack("{s:O?, s:O?, s:s, s:s*}", "resource", json_object_get(change, "resource"),
                                        "id", json_object_get(change, "id"), "outcome", outcome, "reason",
                                        is_failed ? err.message : NULL));
    }
    return is_done;
}

static enum stf_kind write_outcome(const struct stf_armed_place *place, json_t *items, struct stf_err *err)
{
    json_t *document = json_pack("{s:I, s:O}", "undone_unix_ms", (json_int_t)stf_clock_unix_ms(), "items", items);
    FILE *file = fopen(place->undone, "we");
    int failed = !document || !file || json_dumpf(document, file, JSON_INDENT(2) | JSON_SORT_KEYS) < 0 ||
                 fputc('\n', file) == EOF || fflush(file) != 0 || fsync(fileno(file)) != 0;
    if (file && fclose(file) != 0)
        failed = 1;
    json_decref(document);
    return failed ? stf_err_set(err, STF_IO, errno, "undo", place->undone, "can not write what was put back") : STF_OK;
}

/* With the file locked and its lines read. */
static enum stf_kind carry_out(struct undo *undo, const struct stf_binding *const *bindings,
                               const struct stf_armed_place *place, struct stf_err *err)
{
    const json_t *head = json_array_get(undo->lines, 0);
    json_t *items = NULL;
    bool is_done = false;
    undo->host = (struct stf_host){.name = json_string_value(json_object_get(head, "host")),
                                   .netns = json_string_value(json_object_get(head, "netns")),
                                   .config = json_object_get(head, "config"),
                                   .site_dir = json_string_value(json_object_get(head, "site_dir"))};
    stf_opened_init(&undo->opened, bindings);
    for (int i = 0; i < TRIES && !is_done; i++) {
        if (i > 0)
            pause_ms(1000);
        json_decref(items);
        is_done = put_all_back(undo, &items);
    }
    enum stf_kind kind = write_outcome(place, items, err);
    json_decref(items);
    stf_opened_fini(&undo->opened);
    if (kind == STF_OK)
        kind = stf_armed_place_remove(place, err);
    if (kind == STF_OK && !is_done)
        kind = stf_err_set(err, STF_IO, 0, "undo", place->undone, "not everything could be put back: see %s",
                           place->undone);
    return kind;
}

enum stf_kind stf_armed_wait(const char *path, const struct stf_binding *const *bindings, struct stf_err *err)
{
    static const char suffix[] = ".armed";
    struct stf_armed_place place;
    size_t length = strlen(path);
    if (length < sizeof suffix || strcmp(path + length + 1 - sizeof suffix, suffix) != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "undo", path, "expected a file that ends in %s", suffix);
    char *token = strndup(path, length + 1 - sizeof suffix);
    char *slash = token ? strrchr(token, '/') : NULL;
    if (slash)
        *slash = '\0';
    enum stf_kind kind = token ? name_place(&place, slash ? token : ".", slash ? slash + 1 : token, err)
                               : stf_err_set(err, STF_NO_MEMORY, 0, "undo", path, "not enough memory");
    free(token);
    bool is_over = false;
    while (kind == STF_OK && !is_over) {
        struct stf_err why;
        enum stf_kind found = stf_armed_place_lock(&place, false, &why);
        struct undo undo = {.lines = found == STF_OK ? read_lines(place.fd) : NULL};
        if (found == STF_NOT_FOUND) {
            is_over = true; /* confirmed */
        } else if (found != STF_OK) {
            *err = why;
            kind = found;
        } else if (json_array_size(undo.lines) == 0) {
            kind = stf_armed_place_remove(&place, err); /* nothing was made, and whoever began it will not go on */
            is_over = true;
        } else if (is_due(undo.lines)) {
            kind = carry_out(&undo, bindings, &place, err);
            is_over = true;
        }
        json_decref(undo.lines);
        release(&place);
        if (kind == STF_OK && !is_over)
            pause_ms(LOOK_AGAIN_MS);
    }
    return kind;
}
