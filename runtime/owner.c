/* owner.c - who runs the program, and who may have written a script, by user id and mode. SPDX-License-Identifier: MIT
 */
#include "owner.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime.h"

static enum stf_kind fail_owner(const char *path, const struct stat *status, struct stf_err *err)
{
    char found[32];
    snprintf(found, sizeof found, "user id %u", (unsigned)status->st_uid);
    stf_err_set(err, STF_DENIED, 0, "open", path, "%s belongs to somebody else", path);
    stf_err_expected(err, "root, or the user who runs it", found);
    stf_err_remedy(err, "chown root %s", path);
    return STF_DENIED;
}

static enum stf_kind fail_mode(const char *path, const struct stat *status, struct stf_err *err)
{
    char found[32];
    snprintf(found, sizeof found, "mode %04o", (unsigned)status->st_mode & 07777U);
    stf_err_set(err, STF_DENIED, 0, "open", path, "%s can be written by others", path);
    stf_err_expected(err, "a mode without write for group and others", found);
    stf_err_remedy(err, "chmod go-w %s", path);
    return STF_DENIED;
}

enum stf_kind stf_owner_check(int fd, const char *path, struct stf_err *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return stf_err_errno(err, errno, "open", path, "cannot look at the script");
    if (!S_ISREG(status.st_mode))
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "%s is not a regular file", path);
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return fail_owner(path, &status, err);
    return status.st_mode & (S_IWGRP | S_IWOTH) ? fail_mode(path, &status, err) : STF_OK;
}

const char *stf_operator_name(void)
{
    const char *sudo_user = getenv("SUDO_USER");
    const struct passwd *user = getpwuid(geteuid());
    return sudo_user ? sudo_user : user ? user->pw_name : "unknown";
}
