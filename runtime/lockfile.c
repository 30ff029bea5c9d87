/* lockfile.c - a lock on the open file, not on the process (F_OFD_*): it can be asked about without being taken.
 * SPDX-License-Identifier: MIT */
#include "lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

bool stf_lockfile_take(int fd)
{
    struct flock request = whole_file();
    if (fcntl(fd, F_OFD_SETLK, &request) == 0)
        return true;
    if (errno == EACCES)
        errno = EAGAIN; /* POSIX allows either */
    return false;
}

bool stf_lockfile_is_taken(int fd)
{
    struct flock request = whole_file();
    return fcntl(fd, F_OFD_GETLK, &request) == 0 && request.l_type != F_UNLCK;
}

bool stf_lockfile_is_of_dead(int pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}
