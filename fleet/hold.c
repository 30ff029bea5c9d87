/* hold.c - files below /run/lock/staffetta that are locked while a run changes a host (hold.h). Must never wait for
 * another controller, nor touch a hold that somebody has. SPDX-License-Identifier: MIT */
#include "fleet/hold.h"

#include <dirent.h>
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

#include "common/hash.h"

/* Users other than root have folders of their own, and do not see each other's holds. */
static const char root_dir[] = "/run/lock/staffetta";

struct stf_hold {
    int fd;
    char dir[64];
    char path[64 + STF_SHA256_TEXT_SIZE];
};

/* What tells a host of this machine from its others: its namespace; behind an agent the machine as a whole; else, as
 * for a registry in a file, all that the site says of it. */
static json_t *identity_of(const struct stf_host *host)
{
    if (host->netns)
        return json_pack("[s, s]", "netns", host->netns);
    if (json_object_get(host->config, "transport"))
        return json_pack("[s]", "machine");
    char *site_dir = realpath(host->site_dir ? host->site_dir : "/", NULL);
    json_t *identity = json_pack("[s, s*, s, O]", "site", site_dir, host->name, host->config);
    free(site_dir);
    return identity;
}

static enum stf_kind name_hold(struct stf_hold *hold, const struct stf_host *host, struct stf_err *err)
{
    char sum[STF_SHA256_TEXT_SIZE];
    json_t *identity = identity_of(host);
    bool is_named = identity && stf_sha256_of_doc(identity, sum);
    json_decref(identity);
    if (!is_named)
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

static const char *text_of(const json_t *holder, const char *key)
{
    const char *text = json_string_value(json_object_get(holder, key));
    return text ? text : "?";
}

static void write_time(json_int_t unix_ms, char text[32])
{
    const time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc) || strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &utc) == 0)
        snprintf(text, 32, "?");
}

static enum stf_kind fail_busy(const struct stf_host *host, const json_t *found, struct stf_err *err)
{
    char since[32];
    write_time(json_integer_value(json_object_get(found, "since_unix_ms")), since);
    return stf_err_set(err, STF_BUSY, 0, "hold", host->name,
                       "another controller is at work on %s: %s on %s, pid %lld, run %lld, since %s; wait until it has "
                       "ended, or end it (process %lld on the host holds the lock)",
                       host->name, text_of(found, "operator"), text_of(found, "machine"),
                       (long long)json_integer_value(json_object_get(found, "pid")),
                       (long long)json_integer_value(json_object_get(found, "run")), since,
                       (long long)json_integer_value(json_object_get(found, "held_by")));
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
        enum stf_kind kind = is_ours ? STF_OK : fail_busy(host, found, err);
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

/* With the folder locked: removes the files that nobody has locked, those of the dead too. */
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

void stf_hold_release(struct stf_hold *hold)
{
    if (!hold)
        return;
    int dir = lock_dir(hold->dir);
    close(hold->fd);
    if (dir >= 0) {
        sweep(dir);
        close(dir);
    }
    free(hold);
}
