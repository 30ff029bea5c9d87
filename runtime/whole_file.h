/* whole_file.h - files that commands are given by name: read at once, written at once. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include <staffetta/err.h>

/* Any file, standard input too ("-"); *bytes is malloc'ed, and a NUL follows. */
enum stf_kind stf_whole_file_read(const char *path, char **bytes, size_t *size, struct stf_err *err);

/* The rest of an open stream, in the same way; `name` is for messages. */
enum stf_kind stf_whole_stream_read(FILE *stream, const char *name, char **bytes, size_t *size, struct stf_err *err);

/* The whole new file or what was there before is at `path` at any time, and the new one is on the disk when this
 * returns; it has the mode of the one before. "-" is standard output; a device or a pipe is written to as it is. */
enum stf_kind stf_whole_file_write(const char *path, const void *bytes, size_t size, struct stf_err *err);
