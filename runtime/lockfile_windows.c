/* lockfile_windows.c - a lock on one byte far behind the text: Windows keeps others from reading what is locked.
 * SPDX-License-Identifier: MIT */
#include "lockfile.h"

#include <errno.h>
#include <io.h>
#include <windows.h>

bool stf_lockfile_take(int fd)
{
    OVERLAPPED place = {.OffsetHigh = 0x40000000};
    if (LockFileEx((HANDLE)_get_osfhandle(fd), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place))
        return true;
    errno = GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING ? EAGAIN : EIO;
    return false;
}

bool stf_lockfile_is_taken(int fd)
{
    return !stf_lockfile_take(fd) && errno == EAGAIN;
}

bool stf_lockfile_is_of_dead(int pid)
{
    (void)pid; /* no handle of the lock's is inherited */
    return false;
}
