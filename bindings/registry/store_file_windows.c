/* store_file_windows.c - lock, read, replace (store_file.h) on Windows. The lock is a file beside the store that nobody
 * else can open and that ends with its holder; the store itself is opened so that it can be replaced at any time.
 * SPDX-License-Identifier: MIT */
#include "registry/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "registry/windows_api.h"

enum { LOCK_WAIT_MS = 2000, LOCK_POLL_MS = 10 };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "file", NULL, "memory is out");
}

static enum stf_kind failed(const char *path, const char *op, struct stf_err *err)
{
    return stf_windows_file_error(err, GetLastError(), op, path);
}

/* "C:/folder/.NAME.staffetta-SUFFIX", malloc'ed. Only the holder of the lock touches the new file. */
static char *path_beside(const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/');
    int folder_size = slash != NULL ? (int)(slash + 1 - path) : 0;
    char *result;

    return asprintf(&result, "%.*s.%s.staffetta-%s", folder_size, path, path + folder_size, suffix) >= 0 ? result
                                                                                                         : NULL;
}

static enum stf_kind lock(struct stf_store_file *file, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)LOCK_WAIT_MS * 1000000;
    char *path = path_beside(file->path, "lock");
    HANDLE handle = INVALID_HANDLE_VALUE;
    enum stf_kind kind = path != NULL ? STF_OK : no_memory(err);

    while (kind == STF_OK) {
        handle = CreateFileA(path, GENERIC_WRITE | DELETE, 0, NULL, OPEN_ALWAYS,
                             FILE_ATTRIBUTE_HIDDEN | FILE_FLAG_DELETE_ON_CLOSE, NULL);
        if (handle != INVALID_HANDLE_VALUE) {
            file->lock = handle;
            break;
        }
        if (GetLastError() != ERROR_SHARING_VIOLATION) {
            kind = failed(file->path, "lock", err);
        } else if (stf_clock_ns() >= deadline_ns) {
            kind = stf_err_set(err, STF_BUSY, ERROR_SHARING_VIOLATION, "lock", file->path,
                               "another program is writing %s %s; waited %d ms for it", file->what, file->path,
                               LOCK_WAIT_MS);
        } else {
            Sleep(LOCK_POLL_MS);
        }
    }
    free(path);
    return kind;
}

static enum stf_kind open_file(struct stf_store_file *file, struct stf_err *err)
{
    HANDLE handle = CreateFileA(file->path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, 0, NULL);

    if (handle == INVALID_HANDLE_VALUE)
        return failed(file->path, "open", err);
    file->fd = _open_osfhandle((intptr_t)handle, _O_RDONLY | _O_NOINHERIT);
    if (file->fd < 0)
        CloseHandle(handle);
    return file->fd >= 0 && fstat(file->fd, &file->status) == 0
               ? STF_OK
               : stf_err_errno(err, errno, "open", file->path, "the file of the store can not be opened");
}

enum stf_kind stf_store_file_open(struct stf_store_file *file, const char *path, const char *what, bool is_writer,
                                  struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    *file = (struct stf_store_file){.what = what, .path = realpath(path, NULL), .fd = -1};
    if (file->path == NULL || stat(file->path, &file->status) != 0)
        return stf_err_errno(err, errno, "open", path, "the file of the store can not be opened");
    if (!S_ISREG(file->status.st_mode))
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", file->path, "%s is no file", file->path);
    if (is_writer)
        kind = lock(file, err);
    return kind == STF_OK ? open_file(file, err) : kind;
}

enum stf_kind stf_store_file_read(struct stf_store_file *file, uint8_t **bytes, size_t *size, struct stf_err *err)
{
    size_t length = (size_t)file->status.st_size;
    uint8_t *text = malloc(length + 1);
    enum stf_kind kind = text != NULL ? stf_store_file_read_at(file, 0, text, length, err) : no_memory(err);

    if (kind != STF_OK) {
        free(text);
        return kind;
    }
    *bytes = text;
    *size = length;
    return STF_OK;
}

enum stf_kind stf_store_file_read_at(struct stf_store_file *file, uint64_t offset, void *into, size_t size,
                                     struct stf_err *err)
{
    OVERLAPPED at = {.Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32)};
    DWORD got = 0;

    if (!ReadFile((HANDLE)_get_osfhandle(file->fd), into, (DWORD)size, &got, &at) && GetLastError() != ERROR_HANDLE_EOF)
        return failed(file->path, "read", err);
    return got == size ? STF_OK
                       : stf_err_set(err, STF_INVALID_DATA, 0, "read", file->path,
                                     "%s became shorter while it was being read; only this program may write it "
                                     "meanwhile",
                                     file->path);
}

/* On disk when it returns. */
static enum stf_kind write_new(const char *path, const uint8_t *bytes, size_t size, struct stf_err *err)
{
    HANDLE handle = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
    enum stf_kind kind = STF_OK;
    DWORD put = 0;

    if (handle == INVALID_HANDLE_VALUE)
        return failed(path, "write", err);
    if (size > INT32_MAX)
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "write", path, "a store is at most 2 GiB");
    else if (!WriteFile(handle, bytes, (DWORD)size, &put, NULL) || put != size || !FlushFileBuffers(handle))
        kind = failed(path, "write", err);
    CloseHandle(handle);
    if (kind != STF_OK)
        DeleteFileA(path);
    return kind;
}

/* ReplaceFile keeps the old file's rights and attributes. */
enum stf_kind stf_store_file_replace(struct stf_store_file *file, const uint8_t *bytes, size_t size,
                                     struct stf_err *err)
{
    char *path = path_beside(file->path, "new");
    enum stf_kind kind = path != NULL ? write_new(path, bytes, size, err) : no_memory(err);

    if (kind == STF_OK && !ReplaceFileA(file->path, path, NULL, 0, NULL, NULL)) {
        kind = failed(file->path, "replace", err);
        DeleteFileA(path);
    } else if (kind == STF_OK) {
        close(file->fd);
        file->fd = -1;
        kind = open_file(file, err);
    }
    free(path);
    return kind;
}

void stf_store_file_close(struct stf_store_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->lock != NULL)
        CloseHandle(file->lock);
    free(file->path);
    *file = (struct stf_store_file){.fd = -1};
}

enum stf_kind stf_store_file_create(const char *path, const char *what, const uint8_t *bytes, size_t size,
                                    struct stf_err *err)
{
    char *temporary;
    enum stf_kind kind;

    (void)what;
    if (asprintf(&temporary, "%s.%lu", path, GetCurrentProcessId()) < 0)
        return no_memory(err);
    kind = write_new(temporary, bytes, size, err);
    if (kind == STF_OK && !MoveFileExA(temporary, path, MOVEFILE_WRITE_THROUGH)) { /* never replaces what is there */
        kind = GetLastError() == ERROR_ALREADY_EXISTS
                   ? stf_err_set(err, STF_CONFLICT, ERROR_ALREADY_EXISTS, "create", path,
                                 "%s is there already; a store is only made where nothing is", path)
                   : failed(path, "create", err);
        DeleteFileA(temporary);
    }
    free(temporary);
    return kind;
}
