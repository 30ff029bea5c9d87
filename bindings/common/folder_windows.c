/* folder_windows.c - folders on Windows (folder.h). Must never remove anything. SPDX-License-Identifier: MIT */
#include "common/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* NTFS journals its folders, and there is no way to ask for one to be written out. */
enum stf_kind stf_folder_sync(const char *dir, struct stf_err *err)
{
    (void)dir, (void)err;
    return STF_OK;
}

static enum stf_kind make_one(const char *path, struct stf_err *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return stf_err_errno(err, errno, "mkdir", path, "can not make the state folder");
    return STF_OK;
}

enum stf_kind stf_folder_make(const char *dir, struct stf_err *err)
{
    char *path = strdup(dir);
    if (!path)
        return stf_err_set(err, STF_NO_MEMORY, 0, "mkdir", dir, "out of memory");
    enum stf_kind kind = STF_OK;
    for (char *at = path + strcspn(path, "/\\"); kind == STF_OK && *at; at += 1 + strcspn(at + 1, "/\\")) {
        char separator = *at;
        struct stat status;
        *at = '\0';
        if (*path && at[-1] != ':' && stat(path, &status) < 0)
            kind = make_one(path, err);
        *at = separator;
    }
    if (kind == STF_OK)
        kind = make_one(path, err);
    free(path);
    return kind;
}
