/* files.c - room for the open files of many hosts (files.h). Must never lower a limit. SPDX-License-Identifier: MIT */
#include "fleet/files.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

enum {
    HOST_FILES = 3,    /* of libssh: the connection, the duplicate that is waited on, and what wakes its reader */
    OTHER_FILES = 256, /* the journal, the loop, and what up to 64 workers open for a moment */
};

static enum stf_kind fail(size_t host_count, rlim_t wanted, rlim_t most, struct stf_err *err)
{
    char expected[64], found[64];
    snprintf(expected, sizeof expected, "RLIMIT_NOFILE of %llu or more", (unsigned long long)wanted);
    snprintf(found, sizeof found, "a hard limit of %llu", (unsigned long long)most);
    stf_err_set(err, STF_UNSUPPORTED, 0, "open", NULL, "%zu hosts need more open files than this process may have",
                host_count);
    stf_err_expected(err, expected, found);
    stf_err_remedy(err, "`ulimit -n %llu` as root, or LimitNOFILE= in the unit that starts it; or fewer hosts",
                   (unsigned long long)wanted);
    return STF_UNSUPPORTED;
}

enum stf_kind stf_files_make_room(size_t host_count, struct stf_err *err)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)host_count * HOST_FILES + OTHER_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return stf_err_errno(err, errno, "open", NULL, "can not look up the limit of open files");
    if (limit.rlim_cur >= wanted)
        return STF_OK;
    if (limit.rlim_max < wanted)
        return fail(host_count, wanted, limit.rlim_max, err);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return stf_err_errno(err, errno, "open", NULL, "can not raise the limit of open files");
    return STF_OK;
}
