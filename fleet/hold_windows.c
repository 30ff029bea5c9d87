/* hold_windows.c - files that a process keeps open for writing while a run changes a host (hold.h). Windows lets nobody
 * else write such a file, and closes it when the process ends. Must never wait for another controller.
 * SPDX-License-Identifier: MIT */
#include "fleet/hold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include "common/folder.h"
#include "fleet/holder.h"

#define DIR "C:/ProgramData/staffetta/holds"

enum { ANYBODY = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE };

struct stf_hold {
    HANDLE file;
    char path[MAX_PATH];
};

static enum stf_kind fail(const char *path, struct stf_err *err)
{
    return stf_err_set(err, STF_IO, (int)GetLastError(), "hold", path, "can not lock the host: error %lu of Windows",
                       GetLastError());
}

/* For the moment of taking, so that it happens as a whole. Closing unlocks. */
static HANDLE lock_dir(void)
{
    OVERLAPPED start = {0};
    HANDLE file = CreateFileA(DIR "/lock", GENERIC_READ | GENERIC_WRITE, ANYBODY, NULL, OPEN_ALWAYS, 0, NULL);
    if (file != INVALID_HANDLE_VALUE && !LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &start)) {
        CloseHandle(file);
        file = INVALID_HANDLE_VALUE;
    }
    return file;
}

/* Whether a process has the file; those of the dead are removed. */
static bool is_held(const char *path)
{
    HANDLE file = CreateFileA(path, GENERIC_WRITE, ANYBODY, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return GetLastError() != ERROR_FILE_NOT_FOUND;
    CloseHandle(file);
    DeleteFileA(path);
    return false;
}

/* The holds of a host are called HOST-CONTROLLER-PROCESS; those of our own controller are of channels that were lost.
 */
static enum stf_kind check_others(const struct stf_host *host, const char *sum, const char *controller,
                                  struct stf_err *err)
{
    WIN32_FIND_DATAA entry;
    char path[MAX_PATH];
    enum stf_kind kind = STF_OK;
    snprintf(path, sizeof path, DIR "/%s-*", sum);
    HANDLE search = FindFirstFileA(path, &entry);
    bool is_found = search != INVALID_HANDLE_VALUE;
    while (is_found && kind == STF_OK) {
        bool is_ours = strncmp(entry.cFileName + strlen(sum) + 1, controller, strlen(controller)) == 0;
        snprintf(path, sizeof path, DIR "/%s", entry.cFileName);
        if (!is_ours && is_held(path)) {
            json_t *found = json_load_file(path, 0, NULL);
            kind = stf_holder_refuse(host, found, err);
            json_decref(found);
        }
        is_found = FindNextFileA(search, &entry);
    }
    if (search != INVALID_HANDLE_VALUE)
        FindClose(search);
    return kind;
}

static enum stf_kind make_file(struct stf_hold *hold, const char *sum, const char *controller, const json_t *holder,
                               struct stf_err *err)
{
    DWORD pid = GetCurrentProcessId(), written;
    snprintf(hold->path, sizeof hold->path, DIR "/%s-%s-%lu", sum, controller, pid);
    hold->file = CreateFileA(hold->path, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_ALWAYS, 0, NULL);
    if (hold->file == INVALID_HANDLE_VALUE)
        return fail(hold->path, err);
    json_t *document = json_copy((json_t *)holder);
    bool is_made = document && json_object_set_new(document, "held_by", json_integer(pid)) == 0;
    char *text = is_made ? json_dumps(document, JSON_COMPACT) : NULL;
    enum stf_kind kind = STF_OK;
    if (!text)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "hold", hold->path, "not enough memory");
    else if (!WriteFile(hold->file, text, (DWORD)strlen(text), &written, NULL))
        kind = fail(hold->path, err);
    free(text);
    json_decref(document);
    return kind;
}

enum stf_kind stf_hold_take(const struct stf_host *host, const json_t *holder, struct stf_hold **hold,
                            struct stf_err *err)
{
    char sum[STF_SHA256_TEXT_SIZE];
    const char *controller = json_string_value(json_object_get(holder, "controller"));
    struct stf_hold *made = calloc(1, sizeof *made);
    *hold = NULL;
    if (!made || !stf_holder_identity(host, sum)) {
        free(made);
        return stf_err_set(err, STF_NO_MEMORY, 0, "hold", host->name, "not enough memory");
    }
    made->file = INVALID_HANDLE_VALUE;
    enum stf_kind kind = stf_folder_make(DIR, err);
    HANDLE dir = kind == STF_OK ? lock_dir() : INVALID_HANDLE_VALUE;
    if (kind == STF_OK && dir == INVALID_HANDLE_VALUE)
        kind = fail(DIR "/lock", err);
    if (kind == STF_OK)
        kind = check_others(host, sum, controller ? controller : "?", err);
    if (kind == STF_OK)
        kind = make_file(made, sum, controller ? controller : "?", holder, err);
    if (dir != INVALID_HANDLE_VALUE)
        CloseHandle(dir);
    if (kind == STF_OK)
        *hold = made;
    else
        stf_hold_release(made);
    return kind;
}

void stf_hold_release(struct stf_hold *hold)
{
    if (!hold)
        return;
    if (hold->file != INVALID_HANDLE_VALUE) {
        CloseHandle(hold->file);
        DeleteFileA(hold->path);
    }
    free(hold);
}
