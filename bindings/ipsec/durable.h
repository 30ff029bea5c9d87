/* durable.h - small files that must survive a power cut: written whole or not at all, by one writer at a time.
 * Must never leave a half-written file under a name that somebody reads. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/err.h>

struct stf_durable {
    int dir_fd;
    bool is_writer;
    const char *dir; /* the caller's */
};

/* Opens the folder `dir`. A writer holds its lock until stf_durable_close, so that two runs do not mix their steps;
 * STF_BUSY when another keeps it for longer than five seconds. */
enum stf_kind stf_durable_open(struct stf_durable *files, const char *dir, bool is_writer, struct stf_err *err);
void stf_durable_close(struct stf_durable *files);

/* `*text` is malloc'ed, or NULL when there is no such file. Files over 64 KiB are STF_INVALID_DATA. */
enum stf_kind stf_durable_read(const struct stf_durable *files, const char *name, char **text, struct stf_err *err);

/* Readable by the owner only. After STF_OK the new content is on the disk. */
enum stf_kind stf_durable_write(const struct stf_durable *files, const char *name, const char *text,
                                struct stf_err *err);

/* STF_OK also when there was no such file. */
enum stf_kind stf_durable_remove(const struct stf_durable *files, const char *name, struct stf_err *err);
