/* lock.c - the lab's run folder, and the lock on it that the guardian holds as long as it lives.
 * Must never sweep a folder that somebody else has locked. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parts.h"

enum { MAX_RUN_DIR = 64, LOCK_TRIES = 100 };

static enum stf_kind make_run_dir(const char *run_dir, struct stf_err *err)
{
    if ((mkdir(STF_LAB_ROOT, 0755) < 0 && errno != EEXIST) ||
        (mkdir(run_dir, 0755) < 0 && errno != EEXIST && errno != ENOENT))
        return stf_err_errno(err, errno, "lab", run_dir, "cannot make the lab's run folder (root is needed)");
    return STF_OK; /* ENOENT: another lab's end has just removed the parent; the next try makes it again */
}

enum stf_kind stf_lab_lock(const char *name, bool make, int *fd, struct stf_err *err)
{
    char run_dir[MAX_RUN_DIR];
    snprintf(run_dir, sizeof run_dir, STF_LAB_ROOT "/%s", name);
    for (int i = 0; i < LOCK_TRIES; i++) {
        enum stf_kind kind = make ? make_run_dir(run_dir, err) : STF_OK;
        if (kind)
            return kind;
        *fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (*fd < 0 && errno == ENOENT && make)
            continue;
        if (*fd < 0)
            return errno == ENOENT ? stf_err_set(err, STF_NOT_FOUND, 0, "lab", name, "no lab '%s' is up", name)
                                   : stf_err_errno(err, errno, "lab", run_dir, "cannot open the lab's run folder");
        struct stat opened, named;
        bool is_locked = flock(*fd, LOCK_EX | LOCK_NB) == 0;
        if (is_locked && fstat(*fd, &opened) == 0 && stat(run_dir, &named) == 0 && opened.st_ino == named.st_ino)
            return STF_OK;
        close(*fd);
        *fd = -1;
        if (!is_locked)
            break;
    }
    return stf_err_set(err, STF_BUSY, 0, "lab", name, "the lab '%s' is being built or taken down by another process",
                       name);
}

void stf_lab_remove_run_dir(const char *name)
{
    char run_dir[MAX_RUN_DIR];
    snprintf(run_dir, sizeof run_dir, STF_LAB_ROOT "/%s", name);
    rmdir(run_dir);
    rmdir(STF_LAB_ROOT);
}

enum stf_kind stf_lab_sweep_locked(const char *name, bool *was_there, struct stf_err *err)
{
    char run_dir[MAX_RUN_DIR];
    json_t *state;
    snprintf(run_dir, sizeof run_dir, STF_LAB_ROOT "/%s", name);
    enum stf_kind kind = stf_lab_state_load(name, &state, err);
    *was_there = kind == STF_OK;
    if (kind == STF_NOT_FOUND)
        return stf_lab_remove_tree(run_dir, true, err); /* it ended before it had made anything else */
    if (!kind)
        kind = stf_lab_sweep(state, getpid(), err);
    json_decref(state);
    return kind;
}

enum stf_kind stf_lab_sweep_dead(const char *name, bool *was_there, struct stf_err *err)
{
    int lock_fd;
    bool was = false;
    enum stf_kind kind = stf_lab_lock(name, false, &lock_fd, err);
    if (kind == STF_OK) {
        kind = stf_lab_sweep_locked(name, &was, err);
        if (!kind)
            stf_lab_remove_run_dir(name);
        close(lock_fd);
    } else if (kind == STF_NOT_FOUND) {
        kind = STF_OK;
    }
    if (was_there)
        *was_there = was;
    return kind;
}
