/* statedir.c - the state folder and its lock (statedir.h). Must never wait for a holder that lives, nor remove
 * anything. SPDX-License-Identifier: MIT */
#include "statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lockfile.h"

/* The witness stands at the start at a fixed width, so that raising it is one small write in place. */
#define WITNESS_FORMAT "changes %020" PRId64 "\n"
enum { WITNESS_SIZE = 8 + 20 + 1, DEAD_HOLDER_STEP_MS = 5, DEAD_HOLDER_WAIT_MS = 5000 };

static char *lock_path(const char *state_dir)
{
    char *path;
    return asprintf(&path, "%s/lock", state_dir) < 0 ? NULL : path;
}

/* "pid 77, since ..., runs: ..."; "" when the holder has not written it yet. */
static void read_holder(int fd, char *text, size_t size)
{
    ssize_t got = pread(fd, text, size - 1, WITNESS_SIZE);
    text[got > 0 ? got : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static bool is_dead(const char *holder)
{
    int pid;
    return sscanf(holder, "pid %d,", &pid) == 1 && stf_lockfile_is_of_dead(pid);
}

/* A child that a holder was starting when it was killed has the lock too, until it becomes another program (O_CLOEXEC).
 * That takes a moment, and is waited for. */
static enum stf_kind lock_file(int fd, const char *path, struct stf_err *err)
{
    char holder[512];
    for (int waited_ms = 0; !stf_lockfile_take(fd); waited_ms += DEAD_HOLDER_STEP_MS) {
        if (errno != EAGAIN)
            return stf_err_errno(err, errno, "lock", path, "can not lock the state folder");
        read_holder(fd, holder, sizeof holder);
        if (!is_dead(holder) || waited_ms >= DEAD_HOLDER_WAIT_MS) {
            stf_err_set(err, STF_BUSY, 0, "lock", path, "another controller holds this state folder: %s",
                        holder[0] ? holder : "it has not written who it is yet");
            stf_err_remedy(err, "wait until it has ended, or end it");
            return STF_BUSY;
        }
        usleep(DEAD_HOLDER_STEP_MS * 1000);
    }
    return STF_OK;
}

static enum stf_kind write_holder(const struct stf_statelock *lock, const char *what, const char *path,
                                  struct stf_err *err)
{
    char text[512];
    char since[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", &utc);
    int size = snprintf(text, sizeof text - 1, WITNESS_FORMAT "pid %d, since %s, runs: %.*s", lock->newest_change,
                        (int)getpid(), since, (int)strcspn(what, "\n"), what);
    if (size > (int)sizeof text - 2)
        size = sizeof text - 2;
    text[size++] = '\n';
    if (pwrite(lock->fd, text, (size_t)size, 0) != size || ftruncate(lock->fd, size) < 0)
        return stf_err_errno(err, errno, "write", path, "can not write who holds the state folder");
    return STF_OK;
}

enum stf_kind stf_statelock_take(struct stf_statelock *lock, const char *state_dir, const char *what,
                                 struct stf_err *err)
{
    enum stf_kind kind = STF_NO_MEMORY;
    *lock = (struct stf_statelock){.fd = -1};
    char *path = lock_path(state_dir);
    if (!path)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lock", state_dir, "out of memory");
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock->fd < 0) {
        kind = stf_err_errno(err, errno, "lock", path, "can not open the lock of the state folder");
        goto out;
    }
    kind = lock_file(lock->fd, path, err);
    if (kind != STF_OK)
        goto out;
    char witness[WITNESS_SIZE + 1] = "";
    if (pread(lock->fd, witness, WITNESS_SIZE, 0) < 0 || sscanf(witness, "changes %" SCNd64, &lock->newest_change) != 1)
        lock->newest_change = 0; /* a new file, or one cut short by a power cut: no witness */
    kind = write_holder(lock, what, path, err);
out:
    if (kind != STF_OK)
        stf_statelock_release(lock);
    free(path);
    return kind;
}

void stf_statelock_release(struct stf_statelock *lock)
{
    if (lock->fd >= 0)
        close(lock->fd);
    lock->fd = -1;
}

enum stf_kind stf_statelock_mark(struct stf_statelock *lock, int64_t change, struct stf_err *err)
{
    char text[WITNESS_SIZE + 1];
    if (change <= lock->newest_change)
        return STF_OK;
    snprintf(text, sizeof text, WITNESS_FORMAT, change);
    if (pwrite(lock->fd, text, WITNESS_SIZE, 0) != WITNESS_SIZE)
        return stf_err_errno(err, errno, "write", "lock", "can not note the newest change in the state folder");
    lock->newest_change = change;
    return STF_OK;
}

bool stf_statelock_is_held(const char *state_dir)
{
    char *path = lock_path(state_dir);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    bool is_held = fd >= 0 && stf_lockfile_is_taken(fd);
    if (fd >= 0)
        close(fd);
    free(path);
    return is_held;
}
