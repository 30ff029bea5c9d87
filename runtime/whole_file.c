/* whole_file.c - whole files (whole_file.h). Must never leave half a file behind. SPDX-License-Identifier: MIT */
#include "whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum stf_kind no_memory(const char *path, struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "file", path, "not enough memory");
}

static enum stf_kind failed(const char *op, const char *path, struct stf_err *err)
{
    return stf_err_errno(err, errno, op, path, path);
}

static enum stf_kind read_stream(FILE *stream, const char *path, char **bytes, size_t *size, struct stf_err *err)
{
    size_t room = 1 << 16;
    *bytes = malloc(room);
    *size = 0;
    while (*bytes) {
        *size += fread(*bytes + *size, 1, room - 1 - *size, stream);
        if (ferror(stream))
            return failed("read", path, err);
        if (feof(stream)) {
            (*bytes)[*size] = '\0';
            return STF_OK;
        }
        char *more = realloc(*bytes, room *= 2);
        if (!more)
            break;
        *bytes = more;
    }
    return no_memory(path, err);
}

enum stf_kind stf_whole_stream_read(FILE *stream, const char *name, char **bytes, size_t *size, struct stf_err *err)
{
    enum stf_kind kind = read_stream(stream, name, bytes, size, err);
    if (kind != STF_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return kind;
}

enum stf_kind stf_whole_file_read(const char *path, char **bytes, size_t *size, struct stf_err *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *stream = is_stdin ? stdin : fopen(path, "rb");
    *bytes = NULL;
    if (!stream)
        return failed("open", path, err);
    enum stf_kind kind = stf_whole_stream_read(stream, path, bytes, size, err);
    if (!is_stdin)
        fclose(stream);
    return kind;
}

static enum stf_kind write_stream(FILE *stream, const char *path, const void *bytes, size_t size, struct stf_err *err)
{
    if (fwrite(bytes, 1, size, stream) != size || fflush(stream) != 0)
        return failed("write", path, err);
    return STF_OK;
}

/* What others could not read before they can not read now. */
static bool keep_mode(const char *path, const char *temporary)
{
    struct stat status;
    return stat(path, &status) != 0 || chmod(temporary, status.st_mode & 07777) == 0;
}

/* Beside the file, so that the rename stays on its file system. */
static enum stf_kind replace(const char *path, const char *temporary, const void *bytes, size_t size,
                             struct stf_err *err)
{
    FILE *stream = fopen(temporary, "wbx");
    if (!stream)
        return failed("create", path, err);
    enum stf_kind kind = keep_mode(path, temporary) ? STF_OK : failed("create", path, err);
    if (kind == STF_OK)
        kind = write_stream(stream, path, bytes, size, err);
    if (kind == STF_OK && fsync(fileno(stream)) != 0)
        kind = failed("sync", path, err);
    if (fclose(stream) != 0 && kind == STF_OK)
        kind = failed("write", path, err);
    if (kind == STF_OK && rename(temporary, path) != 0)
        kind = failed("rename", path, err);
    if (kind != STF_OK)
        remove(temporary);
    return kind;
}

/* A device or a pipe is written to; to put a file in its place would take /dev/null from the machine. */
static bool is_no_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

static enum stf_kind write_into(const char *path, const void *bytes, size_t size, struct stf_err *err)
{
    FILE *stream = fopen(path, "wb");
    if (!stream)
        return failed("open", path, err);
    enum stf_kind kind = write_stream(stream, path, bytes, size, err);
    if (fclose(stream) != 0 && kind == STF_OK)
        kind = failed("write", path, err);
    return kind;
}

enum stf_kind stf_whole_file_write(const char *path, const void *bytes, size_t size, struct stf_err *err)
{
    char *temporary;
    if (strcmp(path, "-") == 0)
        return write_stream(stdout, path, bytes, size, err);
    if (is_no_file(path))
        return write_into(path, bytes, size, err);
    if (asprintf(&temporary, "%s.%ld.new", path, (long)getpid()) < 0)
        return no_memory(path, err);
    enum stf_kind kind = replace(path, temporary, bytes, size, err);
    free(temporary);
    return kind;
}
