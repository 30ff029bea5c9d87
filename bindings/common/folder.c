/* folder.c - makes folders and writes them out (folder.h). Must never remove anything. SPDX-License-Identifier: MIT */
#include "common/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum stf_kind stf_folder_sync(const char *dir, struct stf_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        enum stf_kind kind = stf_err_errno(err, errno, "fsync", dir, "can not make the folder durable");
        if (fd >= 0)
            close(fd);
        return kind;
    }
    close(fd);
    return STF_OK;
}

static enum stf_kind make_one(const char *path, struct stf_err *err)
{
    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? STF_OK : stf_err_errno(err, errno, "mkdir", path, "can not make the state folder");
    char *copy = strdup(path);
    if (!copy)
        return stf_err_set(err, STF_NO_MEMORY, 0, "mkdir", path, "out of memory");
    enum stf_kind kind = stf_folder_sync(dirname(copy), err);
    free(copy);
    return kind;
}

enum stf_kind stf_folder_make(const char *dir, struct stf_err *err)
{
    char *path = strdup(dir);
    if (!path)
        return stf_err_set(err, STF_NO_MEMORY, 0, "mkdir", dir, "out of memory");
    enum stf_kind kind = STF_OK;
    for (char *slash = path; kind == STF_OK && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        struct stat status;
        if (stat(path, &status) < 0)
            kind = make_one(path, err);
        *slash = '/';
    }
    if (kind == STF_OK)
        kind = make_one(path, err);
    free(path);
    return kind;
}
