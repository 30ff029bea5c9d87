/* files.c - the lab's files: written whole, noted before they are made, removed without following links.
 * Must never touch what the lab did not make. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

enum { REMOVE_TRIES = 100, REMOVE_PAUSE_MS = 5 };

static enum stf_kind write_all(int fd, const char *bytes, size_t size, const char *path, struct stf_err *err)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return stf_err_errno(err, errno, "write", path, "cannot write the file");
        bytes += put;
        size -= (size_t)put;
    }
    return STF_OK;
}

enum stf_kind stf_lab_write_file(const char *path, const void *bytes, size_t size, mode_t mode, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    int fd = -1;
    char *temporary = NULL;

    if (asprintf(&temporary, "%s.new", path) < 0) {
        temporary = NULL;
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "write", path, "no memory");
        goto out;
    }
    if (unlink(temporary) < 0 && errno != ENOENT) {
        kind = stf_err_errno(err, errno, "write", temporary, "cannot replace the file");
        goto out;
    }
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, mode) < 0) {
        kind = stf_err_errno(err, errno, "write", temporary, "cannot make the file");
        goto out;
    }
    kind = write_all(fd, bytes, size, temporary, err);
    if (!kind && rename(temporary, path) < 0)
        kind = stf_err_errno(err, errno, "write", path, "cannot put the file in its place");
out:
    if (fd >= 0)
        close(fd);
    if (kind && fd >= 0)
        unlink(temporary);
    free(temporary);
    return kind;
}

/* ---------- folders ---------- */

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

enum stf_kind stf_lab_note_made(json_t *state, const char *path, struct stf_err *err)
{
    if (is_below(path, stf_lab_text(state, "run_dir")))
        return STF_OK;
    if (json_array_append_new(json_object_get(state, "made"), json_string(path)) < 0)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", path, "no memory");
    return stf_lab_state_save(state, err);
}

enum stf_kind stf_lab_make_dir(json_t *state, const char *path, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    bool is_noted = false;
    char *part = strdup(path);
    if (!part)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", path, "no memory");
    for (char *slash = strchr(part + 1, '/'); !kind; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (access(part, F_OK) < 0) {
            if (!is_noted)
                kind = stf_lab_note_made(state, part, err);
            is_noted = true;
            if (!kind && mkdir(part, 0755) < 0)
                kind = stf_err_errno(err, errno, "mkdir", part, "cannot make the folder");
        }
        if (!slash)
            break;
        *slash = '/';
    }
    free(part);
    return kind;
}

enum stf_kind stf_lab_make_parent_dir(json_t *state, const char *path, struct stf_err *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return STF_OK;
    char *parent = strndup(path, (size_t)(slash - path));
    if (!parent)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", path, "no memory");
    enum stf_kind kind = stf_lab_make_dir(state, parent, err);
    free(parent);
    return kind;
}

/* ---------- removing ---------- */

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path) < 0 && errno != ENOENT ? errno : 0;
}

static int remove_entry_below_top(const char *path, const struct stat *status, int type, struct FTW *place)
{
    return place->level == 0 ? 0 : remove_entry(path, status, type, place);
}

enum stf_kind stf_lab_remove_tree(const char *path, bool keep_top, struct stf_err *err)
{
    int errnum;
    for (int i = 0; i < REMOVE_TRIES; i++) {
        errnum = nftw(path, keep_top ? remove_entry_below_top : remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        if (errnum < 0)
            errnum = errno;
        if (errnum == 0 || errnum == ENOENT)
            return STF_OK;
        if (errnum != ENOTEMPTY)
            break;
        usleep(REMOVE_PAUSE_MS * 1000); /* a daemon that is just being killed has made one file more */
    }
    return stf_err_errno(err, errnum, "remove", path, "cannot remove what the lab made");
}
