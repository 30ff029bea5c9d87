/* file.c - whole files, atomically: temporary file in the same folder, fsync, rename, fsync of the folder.
 * Must never write into a file that stands at its final name. SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PERMISSIONS = 07777, LOCK_ATTEMPTS = 400, LOCK_GAP_MS = 5 };

/* Where a file lives: its folder, opened, and its name there. */
struct place {
    const char *path;
    const char *name; /* points into path */
    int folder_fd;
    char temporary[NAME_MAX + 1];
};

static enum stf_kind fail(const struct place *place, const char *what, struct stf_err *err)
{
    return stf_err_errno(err, errno, "file", place->path, what);
}

/* Opens the folder of `path`. When there is no such folder, STF_OK and a folder_fd of -1. */
static enum stf_kind open_place(const char *path, struct place *place, struct stf_err *err)
{
    *place = (struct place){.path = path, .folder_fd = -1};
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || !slash[1] || strcmp(slash, "/.") == 0 || strcmp(slash, "/..") == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "file", path,
                           "member 'path': expected the absolute path of a file, found '%s'", path);
    place->name = slash + 1;
    int size = snprintf(place->temporary, sizeof place->temporary, ".%s.staffetta", place->name);
    if (size >= (int)sizeof place->temporary)
        return stf_err_set(err, STF_INVALID_DATA, 0, "file", path, "the file's name is too long: '%s'", place->name);

    char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (!folder)
        return stf_err_set(err, STF_NO_MEMORY, 0, "file", path, "no memory for a path");
    place->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    return place->folder_fd < 0 && errno != ENOENT ? fail(place, "cannot open the file's folder", err) : STF_OK;
}

static void close_place(struct place *place)
{
    if (place->folder_fd >= 0)
        close(place->folder_fd);
}

static const char *kind_of_file(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "a symbolic link";
    case S_IFDIR:
        return "a folder";
    case S_IFIFO:
        return "a pipe";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "a device";
    }
    return "no regular file";
}

/* What stands at the name now. Anything that could not be put back as it was is refused. */
static enum stf_kind look(const struct place *place, bool *is_present, struct stat *found, struct stf_err *err)
{
    *is_present = place->folder_fd >= 0 && fstatat(place->folder_fd, place->name, found, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*is_present)
        return place->folder_fd < 0 || errno == ENOENT ? STF_OK : fail(place, "cannot look at the file", err);
    if (!S_ISREG(found->st_mode))
        return stf_err_set(err, STF_CONFLICT, 0, "file", place->path, "expected a regular file, found %s",
                           kind_of_file(found->st_mode));
    if (found->st_nlink > 1)
        return stf_err_set(err, STF_CONFLICT, 0, "file", place->path,
                           "the file has %ju names (hard links): replacing one would part them",
                           (uintmax_t)found->st_nlink);
    return STF_OK;
}

/* ---------- reading ---------- */

static enum stf_kind read_bytes(const struct place *place, int fd, struct stf_file *file, struct stf_err *err)
{
    file->bytes = malloc(STF_FILE_MAX_BYTES + 1);
    if (!file->bytes)
        return stf_err_set(err, STF_NO_MEMORY, 0, "file", place->path, "no memory for the file's content");
    ssize_t got = 1;
    while (got != 0 && file->size <= STF_FILE_MAX_BYTES) {
        got = read(fd, file->bytes + file->size, STF_FILE_MAX_BYTES + 1 - file->size);
        if (got < 0 && errno != EINTR)
            return fail(place, "cannot read the file", err);
        file->size += got > 0 ? (size_t)got : 0;
    }
    if (file->size > STF_FILE_MAX_BYTES)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "file", place->path,
                           "the file is larger than %d KiB, the most that a run keeps for its undo",
                           STF_FILE_MAX_BYTES >> 10);
    return STF_OK;
}

static enum stf_kind read_present(const struct place *place, struct stf_file *file, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct stat found;
    int fd = openat(place->folder_fd, place->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0) {
        kind = fail(place, "cannot open the file", err);
        goto out;
    }
    file->is_present = true;
    file->mode = found.st_mode & PERMISSIONS;
    file->owner = found.st_uid;
    file->group = found.st_gid;
    kind = read_bytes(place, fd, file, err);
out:
    if (fd >= 0)
        close(fd);
    return kind;
}

enum stf_kind stf_file_read(const char *path, struct stf_file *file, struct stf_err *err)
{
    struct place place;
    struct stat found;
    bool is_present = false;
    *file = (struct stf_file){.is_present = false};
    enum stf_kind kind = open_place(path, &place, err);
    if (!kind)
        kind = look(&place, &is_present, &found, err);
    if (!kind && is_present)
        kind = read_present(&place, file, err);
    close_place(&place);
    return kind;
}

void stf_file_fini(struct stf_file *file)
{
    free(file->bytes);
    *file = (struct stf_file){.is_present = false};
}

/* ---------- writing ---------- */

/* One writer a folder at a time, so that a temporary file found there is one that a dead writer left. */
static enum stf_kind lock_folder(const struct place *place, struct stf_err *err)
{
    static const struct timespec gap = {.tv_nsec = LOCK_GAP_MS * 1000000L};
    for (int i = 0; i < LOCK_ATTEMPTS; i++) {
        if (flock(place->folder_fd, LOCK_EX | LOCK_NB) == 0)
            return STF_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return fail(place, "cannot lock the file's folder", err);
        nanosleep(&gap, NULL);
    }
    return stf_err_set(err, STF_BUSY, 0, "file", place->path, "somebody else has locked the file's folder for %d ms",
                       LOCK_ATTEMPTS * LOCK_GAP_MS);
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t put = write(fd, bytes + done, size - done);
        if (put < 0 && errno != EINTR)
            return false;
        done += put > 0 ? (size_t)put : 0;
    }
    return true;
}

static enum stf_kind fill_temporary(const struct place *place, const struct stf_file *file, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    unlinkat(place->folder_fd, place->temporary, 0);
    int fd = openat(place->folder_fd, place->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(place, "cannot make a new file beside it", err);
    if (!write_all(fd, file->bytes, file->size))
        kind = fail(place, "cannot write the new content", err);
    else if (fchown(fd, file->owner, file->group) < 0)
        kind = fail(place, "cannot set owner and group", err);
    else if (fchmod(fd, file->mode) < 0) /* after the owner, whose change clears set-id bits */
        kind = fail(place, "cannot set the mode", err);
    else if (fsync(fd) < 0)
        kind = fail(place, "cannot bring the new content to the disk", err);
    close(fd);
    return kind;
}

static enum stf_kind replace(const struct place *place, const struct stf_file *file, struct stf_err *err)
{
    if (place->folder_fd < 0)
        return stf_err_set(err, STF_NOT_FOUND, ENOENT, "file", place->path, "there is no folder for the file");
    enum stf_kind kind = lock_folder(place, err);
    if (kind)
        return kind;
    kind = fill_temporary(place, file, err);
    if (!kind && renameat(place->folder_fd, place->temporary, place->folder_fd, place->name) < 0)
        kind = fail(place, "cannot put the new file into place", err);
    if (kind)
        unlinkat(place->folder_fd, place->temporary, 0);
    else if (fsync(place->folder_fd) < 0)
        kind = fail(place, "cannot bring the folder to the disk", err);
    return kind;
}

static enum stf_kind discard(const struct place *place, struct stf_err *err)
{
    if (place->folder_fd < 0)
        return STF_OK;
    if (unlinkat(place->folder_fd, place->name, 0) < 0 && errno != ENOENT)
        return fail(place, "cannot remove the file", err);
    return fsync(place->folder_fd) < 0 ? fail(place, "cannot bring the folder to the disk", err) : STF_OK;
}

enum stf_kind stf_file_write(const char *path, const struct stf_file *file, struct stf_err *err)
{
    struct place place;
    struct stat found;
    bool is_present;
    enum stf_kind kind = open_place(path, &place, err);
    if (!kind)
        kind = look(&place, &is_present, &found, err);
    if (!kind)
        kind = file->is_present ? replace(&place, file, err) : discard(&place, err);
    close_place(&place);
    return kind;
}
