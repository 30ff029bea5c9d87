/* store_file.c - lock, read, replace. A crash at any point leaves the old file or the new one.
 * SPDX-License-Identifier: MIT */
#include "registry/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

enum { LOCK_WAIT_MS = 2000, LOCK_POLL_MS = 10 };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "file", NULL, "memory is out");
}

/* For errno: "the .reg file PATH can not be OPENED: ...". */
static enum stf_kind failed(const char *what, const char *path, const char *op, const char *done, struct stf_err *err)
{
    int code = errno;
    char message[PATH_MAX + 128];

    snprintf(message, sizeof(message), "%s %s can not be %s", what, path, done);
    return stf_err_errno(err, code, op, path, message);
}

static enum stf_kind busy(const struct stf_store_file *file, struct stf_err *err)
{
    stf_err_set(err, STF_BUSY, 0, "lock", file->path, "another program is writing %s %s; waited %d ms for it",
                file->what, file->path, LOCK_WAIT_MS);
    if (err != NULL)
        err->is_retryable = true;
    return STF_BUSY;
}

/* Whether the descriptor is still that of the file at the path: a writer replaces it. */
static bool is_at_path(const struct stf_store_file *file)
{
    struct stat at_path;

    return stat(file->path, &at_path) == 0 && at_path.st_ino == file->status.st_ino &&
           at_path.st_dev == file->status.st_dev;
}

/* "/folder/.NAME.staffetta-new": a fixed name, so that what a killed writer left is found again. Only the holder of
 * the file's lock touches it. */
static char *new_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *result;

    return asprintf(&result, "%.*s.%s.staffetta-new", (int)(slash + 1 - path), path, slash + 1) >= 0 ? result : NULL;
}

/* What a killed writer left beside the file goes with the next look at it, unless a writer lives. */
static void sweep(const struct stf_store_file *file, bool is_writer)
{
    if (is_writer) {
        unlink(file->new_path);
    } else if (access(file->new_path, F_OK) == 0 && flock(file->fd, LOCK_EX | LOCK_NB) == 0) {
        unlink(file->new_path);
        flock(file->fd, LOCK_UN);
    }
}

enum stf_kind stf_store_file_open(struct stf_store_file *file, const char *path, const char *what, bool is_writer,
                                  struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)LOCK_WAIT_MS * 1000000;
    const struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};

    *file = (struct stf_store_file){.what = what, .path = realpath(path, NULL), .fd = -1};
    if (file->path == NULL)
        return failed(what, path, "open", "opened", err);
    file->new_path = new_path(file->path);
    if (file->new_path == NULL)
        return no_memory(err);
    for (;;) {
        file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file->fd < 0 || fstat(file->fd, &file->status) != 0)
            return failed(what, file->path, "open", "opened", err);
        if (!S_ISREG(file->status.st_mode))
            return stf_err_set(err, STF_INVALID_DATA, 0, "open", file->path, "%s is no file", file->path);
        if (!is_writer) {
            sweep(file, false);
            return STF_OK;
        }
        if (flock(file->fd, LOCK_EX | LOCK_NB) == 0) {
            if (is_at_path(file)) {
                sweep(file, true);
                return STF_OK;
            }
        } else if (errno != EWOULDBLOCK) {
            return failed(what, file->path, "lock", "locked", err);
        }
        close(file->fd);
        file->fd = -1;
        if (stf_clock_ns() >= deadline_ns)
            return busy(file, err);
        nanosleep(&pause, NULL);
    }
}

enum stf_kind stf_store_file_read(struct stf_store_file *file, uint8_t **bytes, size_t *size, struct stf_err *err)
{
    size_t room = (size_t)file->status.st_size + 1;
    uint8_t *text = malloc(room);
    size_t used = 0;
    ssize_t got = -1;

    while (text != NULL) {
        got = pread(file->fd, text + used, room - used, (off_t)used);
        if (got <= 0)
            break;
        used += (size_t)got;
        if (used == room) { /* it has grown since */
            uint8_t *more = realloc(text, room *= 2);
            if (more == NULL)
                free(text);
            text = more;
        }
    }
    if (text == NULL)
        return no_memory(err);
    if (got < 0) {
        free(text);
        return failed(file->what, file->path, "read", "read", err);
    }
    *bytes = text;
    *size = used;
    return STF_OK;
}

enum stf_kind stf_store_file_read_at(struct stf_store_file *file, uint64_t offset, void *into, size_t size,
                                     struct stf_err *err)
{
    uint8_t *at = into;

    while (size > 0) {
        ssize_t got = pread(file->fd, at, size, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed(file->what, file->path, "read", "read", err);
        if (got == 0) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "read", file->path,
                               "%s became shorter while it was being read; only this program may write it meanwhile",
                               file->path);
        }
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return STF_OK;
}

static enum stf_kind sync_folder(const char *path, struct stf_err *err)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    int fd;
    int code;

    snprintf(folder, sizeof(folder), "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    code = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return code == 0 ? STF_OK : stf_err_errno(err, code, "sync", folder, "the folder can not be synced");
}

static bool write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, bytes, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        bytes += put;
        size -= (size_t)put;
    }
    return fsync(fd) == 0;
}

/* Access lists, labels and what else the file system keeps with a file. One that the new file refuses is a failure, for
 * it may have guarded the old one. */
static bool copy_attributes(int from, int to)
{
    ssize_t size = flistxattr(from, NULL, 0);
    char *names = size > 0 ? malloc((size_t)size) : NULL;
    bool is_copied = size == 0 || names != NULL || (size < 0 && errno == ENOTSUP);

    if (names != NULL) {
        size = flistxattr(from, names, (size_t)size);
        is_copied = size >= 0;
    }
    for (const char *name = names; is_copied && name != NULL && name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, NULL, 0);
        char *bytes = length >= 0 ? malloc((size_t)length + 1) : NULL;
        is_copied = bytes != NULL && (length = fgetxattr(from, name, bytes, (size_t)length)) >= 0 &&
                    fsetxattr(to, name, bytes, (size_t)length, 0) == 0;
        free(bytes);
    }
    free(names);
    return is_copied;
}

/* The new file is locked before anybody can see it at the old one's path, so that the lock never lapses. */
static int create_new(const struct stf_store_file *file, const char *path)
{
    int fd;

    unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && (flock(fd, LOCK_EX | LOCK_NB) != 0 || fchown(fd, file->status.st_uid, file->status.st_gid) != 0 ||
                    !copy_attributes(file->fd, fd) || fchmod(fd, file->status.st_mode & 07777) != 0)) {
        int code = errno;
        close(fd);
        unlink(path);
        errno = code;
        return -1;
    }
    return fd;
}

enum stf_kind stf_store_file_replace(struct stf_store_file *file, const uint8_t *bytes, size_t size,
                                     struct stf_err *err)
{
    const char *path = file->new_path;
    struct stat status;
    enum stf_kind kind;
    int fd = create_new(file, path);

    if (fd < 0) {
        kind = failed(file->what, file->path, "commit",
                      "written anew beside the old one, with its owner, mode and attributes", err);
    } else if (!write_all(fd, bytes, size) || fstat(fd, &status) != 0) {
        kind = failed(file->what, file->path, "commit", "written", err);
    } else if (rename(path, file->path) != 0) {
        kind = failed(file->what, file->path, "commit", "replaced by the new one", err);
    } else {
        close(file->fd);
        file->fd = fd;
        file->status = status;
        fd = -1;
        kind = sync_folder(file->path, err);
    }
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return kind;
}

void stf_store_file_close(struct stf_store_file *file)
{
    if (file->fd >= 0)
        close(file->fd); /* and with it the lock goes */
    free(file->path);
    free(file->new_path);
    *file = (struct stf_store_file){.fd = -1};
}

enum stf_kind stf_store_file_create(const char *path, const char *what, const uint8_t *bytes, size_t size,
                                    struct stf_err *err)
{
    char *temporary = NULL;
    enum stf_kind kind = STF_OK;
    int fd;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return no_memory(err);
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0 || !write_all(fd, bytes, size)) {
        kind = failed(what, path, "create", "made", err);
    } else if (link(temporary, path) != 0) { /* unlike rename, never replaces what is there */
        kind = errno == EEXIST ? stf_err_set(err, STF_CONFLICT, errno, "create", path,
                                             "%s is there already; a store is only made where nothing is", path)
                               : failed(what, path, "create", "made", err);
    }
    if (fd >= 0) {
        close(fd);
        unlink(temporary);
    }
    if (kind == STF_OK)
        kind = sync_folder(path, err);
    free(temporary);
    return kind;
}
