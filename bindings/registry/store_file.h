/* store_file.h - the file of a store that is read whole and written as a whole new one: locked by its writer, replaced
 * in one step. Never writes into a file in place. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <staffetta/err.h>

struct stf_store_file {
    const char *what; /* for errors: "the .reg file" */
    char *path;       /* without symbolic links, so that a rename replaces the file and not a link to it */
    char *new_path;   /* where a writer makes the new one */
    int fd;           /* the file as it was opened or last replaced; on Linux a writer holds its lock through it */
    void *lock;       /* on Windows, a writer's: the open file beside the store that is its lock */
    struct stat status;
};

/* Opens the file and, for a writer, locks it: STF_BUSY, which may be tried again, when another writer keeps it for 2 s.
 * Close it in either case. */
enum stf_kind stf_store_file_open(struct stf_store_file *file, const char *path, const char *what, bool is_writer,
                                  struct stf_err *err);
/* All of it; *bytes is malloc'ed. */
enum stf_kind stf_store_file_read(struct stf_store_file *file, uint8_t **bytes, size_t *size, struct stf_err *err);
/* All of [offset, offset + size), of the file as it was when it was opened, whoever replaces it meanwhile. */
enum stf_kind stf_store_file_read_at(struct stf_store_file *file, uint64_t offset, void *into, size_t size,
                                     struct stf_err *err);
/* A new file beside the old one, with its owner, group, mode and extended attributes (access lists), synced, then
 * renamed to its place; the folder is synced. The lock goes over to the new file. Writers only. */
enum stf_kind stf_store_file_replace(struct stf_store_file *file, const uint8_t *bytes, size_t size,
                                     struct stf_err *err);
void stf_store_file_close(struct stf_store_file *file);

/* A new file, readable by its owner only. Atomic; STF_CONFLICT when something is there. */
enum stf_kind stf_store_file_create(const char *path, const char *what, const uint8_t *bytes, size_t size,
                                    struct stf_err *err);
