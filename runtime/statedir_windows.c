/* statedir_windows.c - the state folder and its lock (statedir.h) on Windows. Must never wait for the holder, nor
 * remove anything. SPDX-License-Identifier: MIT */
#include "statedir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <windows.h>

/* As in statedir.c: the witness at a fixed width, then who holds the lock. */
#define WITNESS_FORMAT "changes %020" PRId64 "\n"
enum { WITNESS_SIZE = 8 + 20 + 1 };

static char *lock_path(const char *state_dir)
{
    char *path;
    return asprintf(&path, "%s/lock", state_dir) < 0 ? NULL : path;
}

/* Windows keeps others from reading what is locked, so the lock is on a byte far behind the text. */
static bool lock_far_byte(int fd)
{
    OVERLAPPED place = {.OffsetHigh = 0x40000000};
    return LockFileEx((HANDLE)_get_osfhandle(fd), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place);
}

static enum stf_kind report_holder(int fd, const char *path, struct stf_err *err)
{
    char text[512];
    int size = lseek(fd, WITNESS_SIZE, SEEK_SET) >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[size > 0 ? size : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return stf_err_set(err, STF_BUSY, 0, "lock", path,
                       "another controller holds this state folder: %s; wait until it has ended, or end it",
                       text[0] ? text : "it has not written who it is yet");
}

static bool write_at_start(int fd, const char *text, int size)
{
    return lseek(fd, 0, SEEK_SET) == 0 && write(fd, text, (unsigned)size) == size;
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
    int size = snprintf(text, sizeof text - 1, WITNESS_FORMAT "pid %lu, since %s, runs: %.*s", lock->newest_change,
                        GetCurrentProcessId(), since, (int)strcspn(what, "\n"), what);
    if (size > (int)sizeof text - 2)
        size = sizeof text - 2;
    text[size++] = '\n';
    if (!write_at_start(lock->fd, text, size) || _chsize(lock->fd, size) != 0)
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
    lock->fd = open(path, O_RDWR | O_CREAT | O_BINARY | O_CLOEXEC, 0600);
    if (lock->fd < 0) {
        kind = stf_err_errno(err, errno, "lock", path, "can not open the lock of the state folder");
        goto out;
    }
    if (!lock_far_byte(lock->fd)) {
        kind = report_holder(lock->fd, path, err);
        goto out;
    }
    char witness[WITNESS_SIZE + 1] = "";
    if (read(lock->fd, witness, WITNESS_SIZE) < 0 || sscanf(witness, "changes %" SCNd64, &lock->newest_change) != 1)
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
    if (!write_at_start(lock->fd, text, WITNESS_SIZE))
        return stf_err_errno(err, errno, "write", "lock", "can not note the newest change in the state folder");
    lock->newest_change = change;
    return STF_OK;
}

bool stf_statelock_is_held(const char *state_dir)
{
    char *path = lock_path(state_dir);
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool is_held = fd >= 0 && !lock_far_byte(fd);
    if (fd >= 0)
        close(fd);
    free(path);
    return is_held;
}
