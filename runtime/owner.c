/* owner.c - who runs the program, and who may have written a script, by user id and mode. SPDX-License-Identifier: MIT
 */
#include "owner.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime.h"

enum stf_kind stf_owner_check(int fd, const char *path, struct stf_err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return stf_err_errno(err, errno, "open", path, "cannot look at the script");
    if (!S_ISREG(status.st_mode))
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "%s is not a regular file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return stf_err_set(
            err, STF_DENIED, 0, "open", path,
            "%s belongs to user id %u; a script must belong to root or to the user who runs it: chown it", path,
            (unsigned)status.st_uid);
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return stf_err_set(err, STF_DENIED, 0, "open", path, "%s can be written by others (mode %04o): chmod go-w %s",
                           path, (unsigned)status.st_mode & 07777U, path);
    return STF_OK;
}

const char *stf_operator_name(void)
{
    const char *sudo_user = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(geteuid());
    return sudo_user ? sudo_user : user ? user->pw_name : "unknown";
}
