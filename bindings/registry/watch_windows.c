/* watch_windows.c - changes of the live registry, as RegNotifyChangeKeyValue tells them. SPDX-License-Identifier: MIT
 */
#include "registry/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/windows_api.h"

/* Of Windows 8; mingw-w64 declares it for programs that run on nothing older. */
enum { NOTIFY_ANY_THREAD = 0x10000000 };

struct stf_registry_watch {
    HKEY key;
    HANDLE event; /* resets itself */
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

    if (path != NULL) {
        snprintf(path, size, "%s%s%s", root != NULL ? root : "", has_both ? "\\" : "", key);
    }
    return path;
}

enum stf_kind stf_registry_watch_open(const struct stf_registry_backend *backend,
                                      const struct stf_registry_place *place, const char *key,
                                      struct stf_registry_watch **watch, struct stf_err *err)
{
    struct stf_registry_watch *made = NULL;
    char *path = NULL;
    enum stf_kind kind;

    *watch = NULL;
    if (backend != &stf_registry_backend_windows) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "watch", NULL, "on Windows only the live registry can be watched");
    }
    made = calloc(1, sizeof(*made));
    path = join(place->key, key);
    kind = made != NULL && path != NULL ? stf_windows_open_path(path, KEY_NOTIFY, place->view, &made->key, err)
                                        : stf_err_set(err, STF_NO_MEMORY, 0, "watch", key, "memory is out");
    if (kind == STF_OK) {
        made->event = CreateEventW(NULL, FALSE, FALSE, NULL);
        kind = made->event != NULL ? ask_for_notice(made, err)
                                   : stf_windows_error(err, (LSTATUS)GetLastError(), "watch", key);
    }
    free(path);
    if (kind != STF_OK) {
        stf_registry_watch_close(made);
        return kind;
    }
    *watch = made;
    return STF_OK;
}

enum stf_kind stf_registry_watch_wait(struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err)
{
    switch (WaitForSingleObject(watch->event, (DWORD)timeout_ms)) {
    case WAIT_OBJECT_0:
        return ask_for_notice(watch, err);
    case WAIT_TIMEOUT:
        return stf_err_set(err, STF_TIMEOUT, 0, "watch", NULL, "nothing has changed in %d ms", timeout_ms);
    }
    return stf_windows_error(err, (LSTATUS)GetLastError(), "watch", NULL);
}

void stf_registry_watch_close(struct stf_registry_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    if (watch->key != NULL) {
        RegCloseKey(watch->key);
    }
    if (watch->event != NULL) {
        CloseHandle(watch->event);
    }
    free(watch);
}
