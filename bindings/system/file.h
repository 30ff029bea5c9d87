/* file.h - one regular file as a whole: read it, replace it atomically, remove it.
 * Must know no documents, and never follow a symbolic link at the end of a path. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <staffetta/err.h>

enum { STF_FILE_MAX_BYTES = 1 << 20 };

struct stf_file {
    bool is_present; /* false: nothing else here counts */
    mode_t mode;     /* permission bits only */
    uid_t owner;
    gid_t group;
    uint8_t *bytes; /* malloc'ed; never NULL after a read that found the file */
    size_t size;
};

/* STF_CONFLICT when something else than a regular file, or one with several names, stands at `path`; STF_UNSUPPORTED
 * when it is larger than STF_FILE_MAX_BYTES. Fini the file in either case. */
enum stf_kind stf_file_read(const char *path, struct stf_file *file, struct stf_err *err);
void stf_file_fini(struct stf_file *file);

/* Makes what stands at `path` equal `file`: the whole new file or the whole old one is there at any time, and the new
 * one is on the disk when this returns. */
enum stf_kind stf_file_write(const char *path, const struct stf_file *file, struct stf_err *err);
