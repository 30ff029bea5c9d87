/* hold.c - files below /run/lock/staffetta that are locked while a run changes a host (hold.h). Must never wait for
 * another controller, nor touch a hold that somebody has. SPDX-License-Identifier: MIT */
#include "fleet/hold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "fleet/holder.h"

/* Users other than root have folders of their own, and do not see each other's holds. */
static const char root_dir[] = "/run/lock/staffetta";

struct stf_hold {
    int fd;
    char dir[64];
    char path[64 + STF_SHA256_TEXT_SIZE];
};

static enum stf_kind name_hold(struct stf_hold *hold, const struct stf_host *host, struct stf_err *err)
{
    char sum[STF_SHA256_TEXT_SIZE];
    if (!stf_holder_identity(host, sum))
        return stf_err_set(err, STF_NO_MEMORY, 0, "hold", host->name, "not enough memory");
    if (geteuid() == 0)
        snprintf(hold->dir, sizeof hold->dir, "%s", root_dir);
    else
        snprintf(hold->dir, sizeof hold->dir, "%s-%lu", root_dir, (unsigned long)geteuid());
    snprintf(hold->path, sizeof hold->path, "%s/%s", hold->dir, sum);
    return STF_OK;
}

/* The folder is locked for the moment of taking or releasing, so that both happen as a whole. -1: errno says why. */
static int lock_dir(const char *dir)
{
    if (mkdir("/run/lock", 01777) < 0 && errno != EEXIST)
        return -1;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_locked(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int failed = errno;
        close(fd);
        errno = failed;
        fd = -1;
    }
    return fd;
}

/* With the folder locked. */
static enum stf_kind take(struct stf_hold *hold, const struct stf_host *host, const json_t *holder, struct stf_err *err)
{
    hold->fd = open_locked(hold->path);
    if (hold->fd < 0 && errno == EWOULDBLOCK) {
        json_t *found = json_load_file(hold->path, 0, NULL);
        bool is_ours = json_equal(json_object_get(found, "controller"), json_object_get(holder, "controller"));
        enum stf_kind kind = is_ours ? STF_OK : stf_holder_refuse(host, found, err);
        json_decref(found);
        if (kind != STF_OK)
            return kind;
        unlink(hold->path); /* whoever still has it locked holds nothing by it */
        hold->fd = open_locked(hold->path);
    }
    json_t *written = json_copy((json_t *)holder);
    bool is_written = hold->fd >= 0 && written &&
                      json_object_set_new(written, "held_by", json_integer((json_int_t)getpid())) == 0 &&
                      ftruncate(hold->fd, 0) == 0 && json_dumpfd(written, hold->fd, JSON_COMPACT) == 0;
    int failed = errno;
    json_decref(written);
    return is_written ? STF_OK : stf_err_errno(err, failed, "hold", hold->path, "can not lock the host");
}

enum stf_kind stf_hold_take(const struct stf_host *host, const json_t *holder, struct stf_hold **hold,
                            struct stf_err *err)
{
    struct stf_hold *made = calloc(1, sizeof *made);
    *hold = NULL;
    if (!made)
        return stf_err_set(err, STF_NO_MEMORY, 0, "hold", host->name, "not enough memory");
    made->fd = -1;
    enum stf_kind kind = name_hold(made, host, err);
    int dir = kind == STF_OK ? lock_dir(made->dir) : -1;
    if (kind == STF_OK && dir < 0)
        kind = stf_err_errno(err, errno, "hold", made->dir, "can not open the folder of locks");
    if (kind == STF_OK)
        kind = take(made, host, holder, err);
    if (dir >= 0)
        close(dir);
    if (kind == STF_OK) {
        *hold = made;
    } else {
        if (made->fd >= 0)
            close(made->fd);
        free(made);
    }
    return kind;
}

/* With the folder locked: removes the files that nobody has locked, which the dead have left. */
static void sweep(int dir)
{
    DIR *stream = fdopendir(dup(dir));
    const struct dirent *entry;
    while (stream && (entry = readdir(stream))) {
        int fd = openat(dir, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (entry->d_type == DT_REG && fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dir, entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (stream)
        closedir(stream);
}

/* With the folder locked: whoever has taken it over has a file of their own there. */
static bool is_own_file(const struct stf_hold *hold)
{
    struct stat locked, named;
    return fstat(hold->fd, &locked) == 0 && stat(hold->path, &named) == 0 && locked.st_ino == named.st_ino;
}

void stf_hold_release(struct stf_hold *hold)
{
    static atomic_flag has_swept = ATOMIC_FLAG_INIT; /* once is enough: a program may hold a thousand hosts */
    if (!hold)
        return;
    int dir = lock_dir(hold->dir);
    if (dir >= 0 && is_own_file(hold))
        unlink(hold->path);
    close(hold->fd);
    if (dir >= 0 && !atomic_flag_test_and_set(&has_swept))
        sweep(dir);
    if (dir >= 0)
        close(dir);
    free(hold);
}
