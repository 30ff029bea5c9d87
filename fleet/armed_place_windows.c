/* armed_place_windows.c - the same on Windows (armed_place.h). A file that is opened for one process alone is locked;
 * whoever comes later tries again. Must never touch what is in the file. SPDX-License-Identifier: MIT */
#include "fleet/armed_place.h"

#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <windows.h>

enum { LOOK_AGAIN_MS = 10 };

static enum stf_kind fail(const char *path, const char *what, struct stf_err *err)
{
    DWORD error = GetLastError();
    bool is_absent = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
    return stf_err_set(err, is_absent ? STF_NOT_FOUND : STF_IO, (int)error, "arm", path, "%s: error %lu of Windows",
                       what, error);
}

static enum stf_kind mark_removed(HANDLE file, const char *path, struct stf_err *err)
{
    FILE_DISPOSITION_INFO removal = {.DeleteFile = TRUE};
    return SetFileInformationByHandle(file, FileDispositionInfo, &removal, sizeof removal)
               ? STF_OK
               : fail(path, "can not remove the armed undo", err);
}

enum stf_kind stf_armed_place_lock(struct stf_armed_place *place, bool makes_it, struct stf_err *err)
{
    const DWORD access = GENERIC_READ | GENERIC_WRITE | DELETE;
    bool has_waited = false;
    HANDLE file;
    place->fd = -1;
    while ((file = CreateFileA(place->path, access, 0, NULL, makes_it ? OPEN_ALWAYS : OPEN_EXISTING, 0, NULL)) ==
               INVALID_HANDLE_VALUE &&
           GetLastError() == ERROR_SHARING_VIOLATION) {
        has_waited = true;
        Sleep(LOOK_AGAIN_MS);
    }
    if (file == INVALID_HANDLE_VALUE)
        return fail(place->path, "can not open the armed undo", err);
    if (makes_it && has_waited && GetLastError() != ERROR_ALREADY_EXISTS) {
        enum stf_kind kind = mark_removed(file, place->path, err);
        CloseHandle(file);
        return kind == STF_OK ? stf_err_set(err, STF_NOT_FOUND, 0, "arm", place->path, "the armed undo is gone") : kind;
    }
    place->fd = _open_osfhandle((intptr_t)file, _O_APPEND);
    return STF_OK;
}

enum stf_kind stf_armed_place_remove(const struct stf_armed_place *place, struct stf_err *err)
{
    return mark_removed((HANDLE)_get_osfhandle(place->fd), place->path, err);
}

/* sshd puts its session's processes into a job that ends them with it, and lets those out that ask for it. */
enum stf_kind stf_armed_place_start_waiting(const char *path, struct stf_err *err)
{
    char program[PATH_MAX], line[2 * PATH_MAX + sizeof "\"\" undo \"\""];
    const DWORD flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP | CREATE_BREAKAWAY_FROM_JOB;
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION started;
    DWORD size = GetModuleFileNameA(NULL, program, sizeof program);
    if (size == 0 || size == sizeof program)
        return fail(path, "can not find this program", err);
    snprintf(line, sizeof line, "\"%s\" undo \"%s\"", program, path);
    if (!CreateProcessA(program, line, NULL, NULL, FALSE, flags, NULL, NULL, &start, &started))
        return GetLastError() == ERROR_ACCESS_DENIED
                   ? stf_err_set(err, STF_UNSUPPORTED, ERROR_ACCESS_DENIED, "arm", path,
                                 "what has started this program would end the process that waits together with it: use "
                                 "an sshd of OpenSSH for Windows 7.7 or later, or leave confirm_within_ms out of "
                                 "site.lua")
                   : fail(path, "can not start the process that waits", err);
    CloseHandle(started.hThread);
    CloseHandle(started.hProcess);
    return STF_OK;
}

int64_t stf_armed_place_clock_ms(void)
{
    return (int64_t)GetTickCount64();
}

void stf_armed_place_boot_id(char id[STF_BOOT_ID_SIZE])
{
    id[0] = '\0';
}
