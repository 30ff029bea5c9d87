/* netns.c - moves the calling thread into a network namespace and back.
 * Must never leave a thread in a foreign namespace. SPDX-License-Identifier: MIT */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_name(const char *name)
{
    return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static enum stf_kind open_namespace(const char *name, int *fd, struct stf_err *err)
{
    char path[PATH_MAX];
    if (!is_name(name) || snprintf(path, sizeof path, "/run/netns/%s", name) >= (int)sizeof path)
        return stf_err_set(err, STF_INVALID_DATA, 0, "netns", name,
                           "'%s' is no name of a network namespace: expected a file name without '/'", name);
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd >= 0)
        return STF_OK;
    enum stf_kind kind = stf_err_errno(err, errno, "netns", name, "no such network namespace (see `ip netns list`)");
    if (kind == STF_NOT_FOUND)
        stf_err_remedy(err, "`staffetta lab up` makes the namespaces of the lab");
    return kind;
}

enum stf_kind stf_netns_enter(struct stf_netns *guard, const char *name, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    int home_fd = -1, fd = -1;

    guard->home_fd = -1;
    if (!name)
        return STF_OK;
    kind = open_namespace(name, &fd, err);
    if (kind)
        goto out;
    home_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home_fd < 0) {
        kind = stf_err_errno(err, errno, "netns", name, "cannot open the thread's own network namespace");
        goto out;
    }
    if (setns(fd, CLONE_NEWNET) < 0) {
        kind = errno == EINVAL
                   ? stf_err_set(err, STF_NOT_FOUND, errno, "netns", name,
                                 "/run/netns/%s is a plain file, the network namespace it stood for is gone", name)
                   : stf_err_errno(err, errno, "netns", name, "cannot enter the network namespace");
        goto out;
    }
    guard->home_fd = home_fd;
    home_fd = -1;
out:
    if (fd >= 0)
        close(fd);
    if (home_fd >= 0)
        close(home_fd);
    return kind;
}

void stf_netns_leave(struct stf_netns *guard)
{
    if (guard->home_fd < 0)
        return;
    if (setns(guard->home_fd, CLONE_NEWNET) < 0) {
        perror("staffetta: cannot return to the home network namespace");
        abort();
    }
    close(guard->home_fd);
    guard->home_fd = -1;
}
