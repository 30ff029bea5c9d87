/* durable.c - durable small files: temporary file, fsync, rename, fsync of the folder, under the folder's lock.
 * Must never leave a half-written file under a name that somebody reads. SPDX-License-Identifier: MIT */
#include "ipsec/durable.h"

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

#include "common/clock.h"

enum { FILE_MAX_BYTES = 64 * 1024, LOCK_WAIT_MS = 5000 };

static enum stf_kind lock(const struct stf_durable *files, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + LOCK_WAIT_MS * INT64_C(1000000);
    while (flock(files->dir_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return stf_err_errno(err, errno, "lock", files->dir, "lock the folder");
        if (stf_clock_ns() >= deadline_ns)
            return stf_err_set(err, STF_BUSY, 0, "lock", files->dir,
                               "another program has been changing %s for five seconds; is a second run going on?",
                               files->dir);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return STF_OK;
}

enum stf_kind stf_durable_open(struct stf_durable *files, const char *dir, bool is_writer, struct stf_err *err)
{
    *files = (struct stf_durable){.dir = dir, .dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (files->dir_fd < 0) {
        char what[320];
        int errnum = errno;
        snprintf(what, sizeof what, "open the folder %s, which ipsec of site.lua names", dir);
        return stf_err_errno(err, errnum, "open", dir, what);
    }
    enum stf_kind kind = is_writer ? lock(files, err) : STF_OK;
    if (kind)
        stf_durable_close(files);
    files->is_writer = is_writer;
    return kind;
}

void stf_durable_close(struct stf_durable *files)
{
    if (files->dir_fd >= 0)
        close(files->dir_fd);
    files->dir_fd = -1;
}

static enum stf_kind failed(const struct stf_durable *files, int errnum, const char *op, const char *name,
                            struct stf_err *err)
{
    char what[320];
    snprintf(what, sizeof what, "%s %s/%s", op, files->dir, name);
    return stf_err_errno(err, errnum, op, what + strlen(op) + 1, what);
}

/* the dot hides it from swanctl's *.conf */
static void temporary_name(char temporary[NAME_MAX + 1], const char *name)
{
    snprintf(temporary, NAME_MAX + 1, ".%s.new", name);
}

/* What a killed writer of this file left goes with the next look at it, unless a writer lives. */
static void sweep(const struct stf_durable *files, const char *name)
{
    char temporary[NAME_MAX + 1];
    temporary_name(temporary, name);
    if (files->is_writer) {
        unlinkat(files->dir_fd, temporary, 0);
    } else if (faccessat(files->dir_fd, temporary, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
               flock(files->dir_fd, LOCK_EX | LOCK_NB) == 0) {
        unlinkat(files->dir_fd, temporary, 0);
        flock(files->dir_fd, LOCK_UN);
    }
}

enum stf_kind stf_durable_read(const struct stf_durable *files, const char *name, char **text, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    size_t size = 0;
    char *bytes = NULL;

    *text = NULL;
    sweep(files, name);
    int fd = openat(files->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? STF_OK : failed(files, errno, "open", name, err);
    bytes = malloc(FILE_MAX_BYTES + 1);
    if (!bytes) {
        kind = failed(files, ENOMEM, "read", name, err);
        goto out;
    }
    while (size <= FILE_MAX_BYTES) {
        ssize_t got = read(fd, bytes + size, FILE_MAX_BYTES + 1 - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            kind = failed(files, errno, "read", name, err);
        if (got <= 0)
            break;
        size += (size_t)got;
    }
    if (!kind && (size > FILE_MAX_BYTES || memchr(bytes, '\0', size)))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "read", name,
                           "%s/%s is over 64 KiB or holds a NUL byte; it is not "
                           "ours",
                           files->dir, name);
    if (!kind) {
        bytes[size] = '\0';
        *text = bytes;
        bytes = NULL;
    }
out:
    free(bytes);
    close(fd);
    return kind;
}

static int write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        text += written;
        size -= (size_t)written;
    }
    return fsync(fd);
}

enum stf_kind stf_durable_write(const struct stf_durable *files, const char *name, const char *text,
                                struct stf_err *err)
{
    char temporary[NAME_MAX + 1];
    enum stf_kind kind = STF_OK;

    temporary_name(temporary, name);
    int fd = openat(files->dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(files, errno, "create", temporary, err);
    if (write_all(fd, text) < 0)
        kind = failed(files, errno, "write", temporary, err);
    close(fd);
    if (!kind && renameat(files->dir_fd, temporary, files->dir_fd, name) < 0)
        kind = failed(files, errno, "rename", name, err);
    if (!kind && fsync(files->dir_fd) < 0)
        kind = failed(files, errno, "fsync", name, err);
    if (kind)
        unlinkat(files->dir_fd, temporary, 0);
    return kind;
}

enum stf_kind stf_durable_remove(const struct stf_durable *files, const char *name, struct stf_err *err)
{
    if (unlinkat(files->dir_fd, name, 0) < 0 && errno != ENOENT)
        return failed(files, errno, "remove", name, err);
    return fsync(files->dir_fd) < 0 ? failed(files, errno, "fsync", name, err) : STF_OK;
}
