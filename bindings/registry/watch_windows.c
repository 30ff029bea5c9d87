/* watch_windows.c - changes of the live registry, as RegNotifyChangeKeyValue tells them, and of stores that are a file,
 * by its folder: a change of any file there counts. SPDX-License-Identifier: MIT */
#include "registry/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/windows_api.h"

/* Of Windows 8; mingw-w64 declares it for programs that run on nothing older. */
enum { NOTIFY_ANY_THREAD = 0x10000000 };

struct stf_registry_watch {
    HKEY key;
    HANDLE event; /* of the key; resets itself */
    char *folder;
    HANDLE notice; /* of the folder */
};

/* The notice comes once, so it is asked for again before the change is told: what comes in between is not missed. */
static enum stf_kind ask_for_notice(struct stf_registry_watch *watch, struct stf_err *err)
{
    LSTATUS status = RegNotifyChangeKeyValue(watch->key, TRUE,
                                             REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_ATTRIBUTES |
                                                 REG_NOTIFY_CHANGE_LAST_SET | NOTIFY_ANY_THREAD,
                                             watch->event, TRUE);

    return status == ERROR_SUCCESS ? STF_OK : stf_windows_error(err, status, "watch", NULL);
}

/* "HKCU\Software" and "Mail" make one path. malloc'ed. */
static char *join(const char *root, const char *key)
{
    bool has_both = root != NULL && *key != '\0';
    size_t size = (root != NULL ? strlen(root) : 0) + strlen(key) + 2;
    char *path = malloc(size);

    if (path != NULL)
        snprintf(path, size, "%s%s%s", root != NULL ? root : "", has_both ? "\\" : "", key);
    return path;
}

static enum stf_kind open_key(struct stf_registry_watch *watch, const struct stf_registry_place *place, const char *key,
                              struct stf_err *err)
{
    char *path = join(place->key, key);
    enum stf_kind kind = path != NULL ? stf_windows_open_path(path, KEY_NOTIFY, place->view, &watch->key, err)
                                      : stf_err_set(err, STF_NO_MEMORY, 0, "watch", key, "memory is out");

    free(path);
    if (kind == STF_OK) {
        watch->event = CreateEventW(NULL, FALSE, FALSE, NULL);
        kind = watch->event != NULL ? ask_for_notice(watch, err)
                                    : stf_windows_error(err, (LSTATUS)GetLastError(), "watch", key);
    }
    return kind;
}

static enum stf_kind open_folder(struct stf_registry_watch *watch, const char *path, struct stf_err *err)
{
    watch->folder = realpath(path, NULL);
    if (watch->folder == NULL || GetFileAttributesA(path) == INVALID_FILE_ATTRIBUTES)
        return stf_windows_file_error(err, GetLastError(), "watch", path);
    strrchr(watch->folder, '/')[1] = '\0';
    watch->notice = FindFirstChangeNotificationA(
        watch->folder, FALSE, FILE_NOTIFY_CHANGE_FILE_NAME | FILE_NOTIFY_CHANGE_SIZE | FILE_NOTIFY_CHANGE_LAST_WRITE);
    return watch->notice != INVALID_HANDLE_VALUE ? STF_OK : stf_windows_file_error(err, GetLastError(), "watch", path);
}

enum stf_kind stf_registry_watch_open(const struct stf_registry_backend *backend,
                                      const struct stf_registry_place *place, const char *key,
                                      struct stf_registry_watch **watch, struct stf_err *err)
{
    struct stf_registry_watch *made = calloc(1, sizeof(*made));
    enum stf_kind kind;

    *watch = NULL;
    if (made == NULL)
        return stf_err_set(err, STF_NO_MEMORY, 0, "watch", key, "memory is out");
    made->notice = INVALID_HANDLE_VALUE;
    kind = backend == &stf_registry_backend_windows ? open_key(made, place, key, err)
           : place->path != NULL                    ? open_folder(made, place->path, err)
                                                    : stf_err_set(err, STF_UNSUPPORTED, 0, "watch", NULL,
                                                                  "only files and the live registry can be watched here");
    if (kind != STF_OK) {
        stf_registry_watch_close(made);
        return kind;
    }
    *watch = made;
    return STF_OK;
}

static enum stf_kind folder_changed(struct stf_registry_watch *watch, struct stf_err *err)
{
    if (GetFileAttributesA(watch->folder) == INVALID_FILE_ATTRIBUTES || !FindNextChangeNotification(watch->notice))
        return stf_err_set(err, STF_NOT_FOUND, 0, "watch", watch->folder, "the folder %s is gone", watch->folder);
    return STF_OK;
}

enum stf_kind stf_registry_watch_wait(struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err)
{
    switch (WaitForSingleObject(watch->key != NULL ? watch->event : watch->notice, (DWORD)timeout_ms)) {
    case WAIT_OBJECT_0:
        return watch->key != NULL ? ask_for_notice(watch, err) : folder_changed(watch, err);
    case WAIT_TIMEOUT:
        return stf_err_set(err, STF_TIMEOUT, 0, "watch", NULL, "nothing has changed in %d ms", timeout_ms);
    }
    return stf_windows_error(err, (LSTATUS)GetLastError(), "watch", NULL);
}

void stf_registry_watch_close(struct stf_registry_watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->key != NULL)
        RegCloseKey(watch->key);
    if (watch->event != NULL)
        CloseHandle(watch->event);
    if (watch->notice != INVALID_HANDLE_VALUE)
        FindCloseChangeNotification(watch->notice);
    free(watch->folder);
    free(watch);
}
