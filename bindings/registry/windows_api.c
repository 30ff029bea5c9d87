/* windows_api.c - roots, names and errors of advapi32. Making an error never allocates from our heap, as err.h
 * promises. SPDX-License-Identifier: MIT */
#include "registry/windows_api.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static enum stf_kind kind_of(LSTATUS status)
{
    switch (status) {
    case ERROR_FILE_NOT_FOUND:
    case ERROR_PATH_NOT_FOUND:
    case ERROR_KEY_DELETED:
        return STF_NOT_FOUND;
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
    case ERROR_WRITE_PROTECT:
        return STF_DENIED;
    case ERROR_ALREADY_EXISTS:
        return STF_CONFLICT;
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_BUSY:
        return STF_BUSY;
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED:
    case ERROR_CHILD_MUST_BE_VOLATILE:
        return STF_UNSUPPORTED;
    case ERROR_BADDB:
    case ERROR_BADKEY:
    case ERROR_REGISTRY_CORRUPT:
    case ERROR_INVALID_PARAMETER:
        return STF_INVALID_DATA;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return STF_NO_MEMORY;
    }
    return STF_IO;
}

static enum stf_kind report(struct stf_err *err, LSTATUS status, const char *who, const char *op, const char *subject)
{
    WCHAR wide[256];
    char words[3 * 256] = "";
    DWORD units = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, (DWORD)status, 0,
                                 wide, sizeof(wide) / sizeof(wide[0]), NULL);
    int size;

    while (units > 0 && (wide[units - 1] <= L' ' || wide[units - 1] == L'.'))
        units--;
    size = WideCharToMultiByte(CP_UTF8, 0, wide, (int)units, words, sizeof(words) - 1, NULL, NULL);
    words[size > 0 ? size : 0] = '\0';
    return stf_err_set(err, kind_of(status), (int)status, op, subject, "%s refuses to %s%s%s: %s (%ld)", who, op,
                       subject != NULL && *subject != '\0' ? " " : "", subject != NULL ? subject : "",
                       size > 0 ? words : "error of Windows", status);
}

enum stf_kind stf_windows_error(struct stf_err *err, LSTATUS status, const char *op, const char *subject)
{
    return report(err, status, "the registry", op, subject);
}

enum stf_kind stf_windows_file_error(struct stf_err *err, DWORD code, const char *op, const char *path)
{
    return report(err, (LSTATUS)code, "Windows", op, path);
}

const struct stf_windows_root stf_windows_roots[] = {
    {"HKCR", "HKEY_CLASSES_ROOT", HKEY_CLASSES_ROOT},     {"HKCU", "HKEY_CURRENT_USER", HKEY_CURRENT_USER},
    {"HKLM", "HKEY_LOCAL_MACHINE", HKEY_LOCAL_MACHINE},   {"HKU", "HKEY_USERS", HKEY_USERS},
    {"HKCC", "HKEY_CURRENT_CONFIG", HKEY_CURRENT_CONFIG}, {NULL, NULL, NULL},
};

const struct stf_windows_root *stf_windows_root_of(const char *key, const char **rest)
{
    const char *name = stf_registry_root_name(key, rest);

    for (const struct stf_windows_root *root = stf_windows_roots; name != NULL && root->short_name != NULL; root++)
        if (strcmp(root->short_name, name) == 0)
            return root;
    return NULL;
}

REGSAM stf_windows_view(enum stf_registry_view view)
{
    switch (view) {
    case STF_REGISTRY_VIEW_OWN:
        break;
    case STF_REGISTRY_VIEW_64:
        return KEY_WOW64_64KEY;
    case STF_REGISTRY_VIEW_32:
        return KEY_WOW64_32KEY;
    }
    return 0;
}

enum stf_kind stf_windows_name(const char *what, const char *name, WCHAR **wide, size_t *units, struct stf_err *err)
{
    uint8_t *data = NULL;
    enum stf_kind kind = stf_registry_name_to_utf16(name, &data, units, err);

    *wide = NULL;
    if (kind != STF_OK)
        return kind;
    *wide = calloc(*units + 1, sizeof(WCHAR));
    if (*wide == NULL) {
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "windows", NULL, "memory is out");
    } else {
        memcpy(*wide, data, *units * sizeof(WCHAR));
        if (wcslen(*wide) < *units) {
            kind = stf_err_set(err, STF_UNSUPPORTED, 0, "windows", name,
                               "the %s %s has a NUL in its name, which Windows' own registry functions can not reach",
                               what, name);
        }
    }
    if (kind != STF_OK) {
        free(*wide);
        *wide = NULL;
    }
    free(data);
    return kind;
}

enum stf_kind stf_windows_open_path(const char *path, REGSAM access, enum stf_registry_view view, HKEY *handle,
                                    struct stf_err *err)
{
    const char *rest = NULL;
    const struct stf_windows_root *root = stf_windows_root_of(path, &rest);
    WCHAR *wide;
    size_t units;
    LSTATUS status;
    enum stf_kind kind;

    if (root == NULL) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path, "the key %s does not start with a root such as HKLM",
                           path);
    }
    kind = stf_windows_name("key", rest, &wide, &units, err);
    if (kind != STF_OK)
        return kind;
    status = RegOpenKeyExW(root->handle, wide, 0, access | stf_windows_view(view), handle);
    free(wide);
    return status == ERROR_SUCCESS ? STF_OK : stf_windows_error(err, status, "open", path);
}
