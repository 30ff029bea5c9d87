/* be_windows.c - the live registry of the Windows that the program runs on, through advapi32 in UTF-16.
 * Has no transactions: each change is made at once and stays. Never deletes what it could not put back.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "registry/rights.h"
#include "registry/store.h"
#include "registry/windows_api.h"

#include <windows.h>

enum { PATH_UNITS_MAX = 32767 }; /* of a path that Windows takes */

/* A key by its way down from an anchor. Handles are opened for each call, so that a walk over the whole registry holds
 * none. */
struct key {
    struct key *older; /* all keys of the session hang together, for close */
    const struct key *parent;
    HKEY anchor; /* a root of the registry, or the root of the store; NULL: below its parent */
    bool is_owned;
    size_t units;
    WCHAR name[];
};

struct session {
    REGSAM view;
    struct key *keys;
    const struct key *root;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "windows", NULL, "memory is out");
}

/* ---- keys ---- */

static struct key *key_new(struct session *session, const struct key *parent, const WCHAR *name, size_t units)
{
    struct key *key = calloc(1, sizeof(*key) + (units + 1) * sizeof(WCHAR));

    if (key != NULL) {
        key->parent = parent;
        key->units = units;
        memcpy(key->name, name, units * sizeof(WCHAR));
        key->older = session->keys;
        session->keys = key;
    }
    return key;
}

/* The root above all roots, when the store is the whole registry: it has no handle. */
static bool is_above_roots(const struct key *key)
{
    return key->parent == NULL && key->anchor == NULL;
}

/* The path from the key's anchor, malloc'ed. */
static WCHAR *path_of(const struct key *key, const struct key **anchor, size_t *units)
{
    WCHAR *path;
    WCHAR *at;

    *units = 0;
    for (*anchor = key; (*anchor)->anchor == NULL; *anchor = (*anchor)->parent)
        *units += (*anchor)->units + (*anchor != key);
    path = calloc(*units + 1, sizeof(WCHAR));
    if (path == NULL)
        return NULL;
    at = path + *units;
    for (const struct key *part = key; part != *anchor; part = part->parent) {
        if (part != key)
            *--at = L'\\';
        at -= part->units;
        memcpy(at, part->name, part->units * sizeof(WCHAR));
    }
    return path;
}

static enum stf_kind key_error(LSTATUS status, const char *op, const struct key *key, struct stf_err *err)
{
    char *name = NULL;
    enum stf_kind kind;

    (void)stf_registry_name_from_utf16((const uint8_t *)key->name, key->units, &name, NULL);
    kind = stf_windows_error(err, status, op, name);
    free(name);
    return kind;
}

/* Names are read with their length, and go to Windows as strings that end in a NUL. */
static bool has_nul(const WCHAR *name, size_t units)
{
    return wcsnlen(name, units) < units;
}

static enum stf_kind refuse_nul(struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "windows", NULL,
                       "a key has a NUL in its name, which Windows' own registry functions can not reach");
}

static enum stf_kind key_open(const struct session *session, const struct key *key, const char *op, REGSAM access,
                              HKEY *handle, struct stf_err *err)
{
    const struct key *anchor;
    size_t units = 0;
    WCHAR *path = path_of(key, &anchor, &units);
    LSTATUS status;

    if (path == NULL)
        return no_memory(err);
    if (has_nul(path, units)) {
        free(path);
        return refuse_nul(err);
    }
    if (units > PATH_UNITS_MAX) {
        free(path);
        return stf_err_set(err, STF_UNSUPPORTED, 0, op, NULL, "the path of the key is longer than Windows takes");
    }
    status = RegOpenKeyExW(anchor->anchor, path, 0, access | session->view, handle);
    if (status == ERROR_FILE_NOT_FOUND) /* perhaps a link that leads nowhere: it stands, as what it is */
        status = RegOpenKeyExW(anchor->anchor, path, REG_OPTION_OPEN_LINK, access | session->view, handle);
    free(path);
    return status == ERROR_SUCCESS ? STF_OK : key_error(status, op, key, err);
}

/* A key that was found and is gone now is no absent key: whoever asked must ask again. */
static enum stf_kind not_gone(enum stf_kind kind, const char *op, struct stf_err *err)
{
    return kind == STF_NOT_FOUND
               ? stf_err_set(err, STF_BUSY, 0, op, NULL, "a key was deleted by somebody else in this moment; try again")
               : kind;
}

/* ---- the store ---- */

static void windows_close(void *store)
{
    struct session *session = store;

    while (session->keys != NULL) {
        struct key *key = session->keys;
        session->keys = key->older;
        if (key->is_owned)
            RegCloseKey(key->anchor);
        free(key);
    }
    free(session);
}

static enum stf_kind windows_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                                  struct stf_err *err)
{
    struct session *session = calloc(1, sizeof(*session));
    struct key *root;
    enum stf_kind kind = STF_OK;

    (void)mode; /* each call asks for the rights that it needs */
    if (session == NULL)
        return no_memory(err);
    session->view = stf_windows_view(place->view);
    root = key_new(session, NULL, L"", 0);
    session->root = root;
    if (root == NULL) {
        kind = no_memory(err);
    } else if (place->key != NULL) {
        kind = stf_windows_open_path(place->key, MAXIMUM_ALLOWED, place->view, &root->anchor, err);
        root->is_owned = kind == STF_OK;
    }
    if (kind != STF_OK) {
        windows_close(session);
        return kind;
    }
    *store = session;
    return STF_OK;
}

/* Changes are made already; this waits until they are on the disk, as far as the roots that are in use go. */
static enum stf_kind windows_commit(void *store, struct stf_err *err)
{
    struct session *session = store;

    for (const struct key *key = session->keys; key != NULL; key = key->older) {
        LSTATUS status = key->anchor != NULL ? RegFlushKey(key->anchor) : ERROR_SUCCESS;
        if (status != ERROR_SUCCESS)
            return key_error(status, "flush", key, err);
    }
    return STF_OK;
}

static stf_registry_node windows_root(void *store)
{
    return (stf_registry_node)((struct session *)store)->root;
}

/* ---- reading ---- */

/* Lists are read by index, so one that others change meanwhile has to be read again: `read` fills `out`, `forget`
 * empties it. */
static enum stf_kind read_steady(HKEY handle, const struct key *key, void *context,
                                 enum stf_kind (*read)(void *context, HKEY handle, const struct key *key, void *out,
                                                       struct stf_err *err),
                                 void (*forget)(void *out), void *out, struct stf_err *err)
{
    for (int i = 0; i < STF_REGISTRY_READ_TRIES_MAX; i++) {
        FILETIME before = {0};
        FILETIME after = {0};
        LSTATUS status = RegQueryInfoKeyW(handle, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &before);
        enum stf_kind kind =
            status == ERROR_SUCCESS ? read(context, handle, key, out, err) : key_error(status, "read", key, err);
        if (kind == STF_OK) {
            status = RegQueryInfoKeyW(handle, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &after);
            kind = status == ERROR_SUCCESS ? STF_OK : key_error(status, "read", key, err);
        }
        if (kind == STF_OK && CompareFileTime(&before, &after) == 0)
            return STF_OK;
        forget(out);
        if (kind != STF_OK)
            return kind;
    }
    return stf_err_set(err, STF_BUSY, 0, "read", NULL, "the key is changed faster than it can be read; try again");
}

static enum stf_kind add_subkey(struct session *session, const struct key *parent, const WCHAR *name, size_t units,
                                struct stf_registry_subkeys *out, struct stf_err *err)
{
    struct key *key = key_new(session, parent, name, units);
    char *text = NULL;
    enum stf_kind kind = key != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK)
        kind = stf_registry_name_from_utf16((const uint8_t *)name, units, &text, err);
    if (kind == STF_OK)
        kind = stf_registry_subkeys_add(out, text, (stf_registry_node)key, err);
    if (kind != STF_OK)
        free(text);
    return kind;
}

static enum stf_kind read_subkeys(void *context, HKEY handle, const struct key *key, void *out, struct stf_err *err)
{
    for (DWORD i = 0;; i++) {
        WCHAR name[STF_REGISTRY_KEY_UNITS_MAX + 1];
        DWORD units = STF_REGISTRY_KEY_UNITS_MAX + 1;
        LSTATUS status = RegEnumKeyExW(handle, i, name, &units, NULL, NULL, NULL, NULL);
        enum stf_kind kind;
        if (status == ERROR_NO_MORE_ITEMS)
            return STF_OK;
        kind = status == ERROR_SUCCESS ? add_subkey(context, key, name, units, out, err)
                                       : key_error(status, "list", key, err);
        if (kind != STF_OK)
            return kind;
    }
}

static void forget_subkeys(void *out)
{
    stf_registry_subkeys_fini(out);
}

static struct key *root_key(struct session *session, const struct stf_windows_root *root)
{
    struct key *key = key_new(session, session->root, L"", 0);

    if (key != NULL)
        key->anchor = root->handle;
    return key;
}

static enum stf_kind list_roots(struct session *session, struct stf_registry_subkeys *out, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    for (const struct stf_windows_root *root = stf_windows_roots; root->handle != NULL && kind == STF_OK; root++) {
        struct key *key = root_key(session, root);
        char *name = strdup(root->long_name);
        kind = key != NULL && name != NULL ? stf_registry_subkeys_add(out, name, (stf_registry_node)key, err)
                                           : no_memory(err);
        if (kind != STF_OK)
            free(name);
    }
    if (kind != STF_OK)
        stf_registry_subkeys_fini(out);
    return kind;
}

static enum stf_kind windows_subkeys(void *store, stf_registry_node node, struct stf_registry_subkeys *out,
                                     struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    HKEY handle;
    enum stf_kind kind;

    *out = (struct stf_registry_subkeys){0};
    if (is_above_roots(key))
        return list_roots(store, out, err);
    kind = key_open(store, key, "list", KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS, &handle, err);
    if (kind == STF_OK) {
        kind = read_steady(handle, key, store, read_subkeys, forget_subkeys, out, err);
        RegCloseKey(handle);
    }
    return not_gone(kind, "list", err);
}

/* Room for one value as Windows gives it. */
struct slot {
    WCHAR name[STF_REGISTRY_VALUE_UNITS_MAX + 1];
    DWORD units;
    DWORD type;
    uint8_t *data;
    DWORD room;
    DWORD size;
};

/* The value at `index`; the slot grows until it fits. */
static LSTATUS read_slot(HKEY handle, DWORD index, struct slot *slot)
{
    for (;;) {
        LSTATUS status;
        uint8_t *data;
        slot->units = STF_REGISTRY_VALUE_UNITS_MAX + 1;
        slot->size = slot->room;
        status = RegEnumValueW(handle, index, slot->name, &slot->units, NULL, &slot->type, slot->data, &slot->size);
        if (status != ERROR_MORE_DATA)
            return status;
        slot->room = slot->size > slot->room ? slot->size : 2 * slot->room;
        data = realloc(slot->data, slot->room);
        if (data == NULL)
            return ERROR_NOT_ENOUGH_MEMORY;
        slot->data = data;
    }
}

static enum stf_kind value_from_slot(const struct slot *slot, struct stf_registry_value *value, struct stf_err *err)
{
    char *name = NULL;
    enum stf_kind kind = stf_registry_name_from_utf16((const uint8_t *)slot->name, slot->units, &name, err);

    if (kind == STF_OK)
        kind = stf_registry_value_init(value, name, slot->type, slot->data, slot->size, err);
    free(name);
    return kind;
}

static enum stf_kind add_value(const struct slot *slot, struct stf_registry_values *out, struct stf_err *err)
{
    struct stf_registry_value value = {0};
    enum stf_kind kind = value_from_slot(slot, &value, err);

    if (kind == STF_OK)
        kind = stf_registry_values_add(out, &value, err);
    stf_registry_value_fini(&value);
    return kind;
}

static struct slot *slot_new(void)
{
    struct slot *slot = calloc(1, sizeof(*slot));

    if (slot != NULL) {
        slot->room = 256;
        slot->data = malloc(slot->room);
    }
    if (slot != NULL && slot->data == NULL) {
        free(slot);
        return NULL;
    }
    return slot;
}

static void slot_free(struct slot *slot)
{
    if (slot != NULL)
        free(slot->data);
    free(slot);
}

static enum stf_kind read_values(void *context, HKEY handle, const struct key *key, void *out, struct stf_err *err)
{
    struct slot *slot = slot_new();
    enum stf_kind kind = slot != NULL ? STF_OK : no_memory(err);

    (void)context;
    for (DWORD i = 0; kind == STF_OK; i++) {
        LSTATUS status = read_slot(handle, i, slot);
        if (status == ERROR_NO_MORE_ITEMS)
            break;
        kind = status == ERROR_SUCCESS ? add_value(slot, out, err) : key_error(status, "read", key, err);
    }
    slot_free(slot);
    return kind;
}

static void forget_values(void *out)
{
    stf_registry_values_fini(out);
}

static enum stf_kind windows_values(void *store, stf_registry_node node, struct stf_registry_values *out,
                                    struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    HKEY handle;
    enum stf_kind kind;

    *out = (struct stf_registry_values){0};
    if (is_above_roots(key))
        return STF_OK;
    kind = key_open(store, key, "read", KEY_QUERY_VALUE, &handle, err);
    if (kind == STF_OK) {
        kind = read_steady(handle, key, NULL, read_values, forget_values, out, err);
        RegCloseKey(handle);
    }
    return not_gone(kind, "read", err);
}

/* ---- one value by its name: its spelling is only told in the list, but no other's data needs be read ---- */

/* The value's place in the list, and its spelling, which `stored` has room for. ERROR_NO_MORE_ITEMS: there is none. */
static LSTATUS find_index(HKEY handle, const WCHAR *name, WCHAR stored[STF_REGISTRY_VALUE_UNITS_MAX + 1], DWORD *index)
{
    for (*index = 0;; (*index)++) {
        DWORD units = STF_REGISTRY_VALUE_UNITS_MAX + 1;
        LSTATUS status = RegEnumValueW(handle, *index, stored, &units, NULL, NULL, NULL, NULL);
        if (status != ERROR_SUCCESS || CompareStringOrdinal(stored, (int)units, name, -1, TRUE) == CSTR_EQUAL)
            return status;
    }
}

static enum stf_kind read_named(void *context, HKEY handle, const struct key *key, void *out, struct stf_err *err)
{
    struct slot *slot = slot_new();
    DWORD index;
    LSTATUS status;
    enum stf_kind kind;

    if (slot == NULL)
        return no_memory(err);
    status = find_index(handle, context, slot->name, &index);
    if (status == ERROR_SUCCESS)
        status = read_slot(handle, index, slot);
    kind = status == ERROR_SUCCESS         ? value_from_slot(slot, out, err)
           : status == ERROR_NO_MORE_ITEMS ? STF_OK
                                           : key_error(status, "read", key, err);
    slot_free(slot);
    return kind;
}

static void forget_value(void *out)
{
    stf_registry_value_fini(out);
}

static enum stf_kind windows_find_value(void *store, stf_registry_node node, const char *name,
                                        struct stf_registry_value *value, struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    WCHAR *wide = NULL;
    size_t units = 0;
    HKEY handle;
    enum stf_kind kind;

    *value = (struct stf_registry_value){0};
    if (is_above_roots(key))
        return STF_NOT_FOUND;
    kind = stf_windows_name("value", name, &wide, &units, err);
    if (kind != STF_OK)
        return kind;
    kind = not_gone(key_open(store, key, "read", KEY_QUERY_VALUE, &handle, err), "read", err);
    if (kind == STF_OK) {
        if (RegQueryValueExW(handle, wide, NULL, NULL, NULL, NULL) == ERROR_FILE_NOT_FOUND) {
            kind = STF_NOT_FOUND;
        } else {
            kind = not_gone(read_steady(handle, key, wide, read_named, forget_value, value, err), "read", err);
            kind = kind == STF_OK && value->name == NULL ? STF_NOT_FOUND : kind;
        }
        RegCloseKey(handle);
    }
    free(wide);
    return kind;
}

/* ---- one key by its name: needs no right to list the keys above it ---- */

static enum stf_kind find_root(struct session *session, const char *name, stf_registry_node *node, char **spelling,
                               struct stf_err *err)
{
    const char *rest = NULL;
    const struct stf_windows_root *root = stf_windows_root_of(name, &rest);
    struct key *key;
    char *stored;

    if (root == NULL || *rest != '\0')
        return STF_NOT_FOUND;
    key = root_key(session, root);
    stored = strdup(root->long_name);
    if (key == NULL || stored == NULL) {
        free(stored);
        return no_memory(err);
    }
    if (spelling != NULL) {
        free(*spelling);
        *spelling = stored;
    } else {
        free(stored);
    }
    *node = (stf_registry_node)key;
    return STF_OK;
}

static enum stf_kind windows_find_key(void *store, stf_registry_node node, const char *name, stf_registry_node *found,
                                      char **spelling, struct stf_err *err)
{
    struct session *session = store;
    const struct key *parent = (const struct key *)node;
    struct key *key = NULL;
    WCHAR *wide = NULL;
    size_t units = 0;
    HKEY handle;
    enum stf_kind kind;

    if (is_above_roots(parent))
        return find_root(session, name, found, spelling, err);
    kind = stf_windows_name("key", name, &wide, &units, err);
    if (kind != STF_OK)
        return kind;
    key = key_new(session, parent, wide, units);
    free(wide);
    if (key == NULL)
        return no_memory(err);
    kind = key_open(session, key, "open", KEY_QUERY_VALUE, &handle, err);
    if (kind == STF_OK) {
        RegCloseKey(handle);
        *found = (stf_registry_node)key;
        kind = spelling != NULL
                   ? stf_registry_find_listed(&stf_registry_backend_windows, session, node, name, NULL, spelling, err)
                   : STF_OK;
    }
    return kind;
}

/* ---- changing ---- */

/* `class_name` is NULL for a key without one. */
static enum stf_kind create_key(void *store, stf_registry_node node, const char *name, WCHAR *class_name,
                                stf_registry_node *made, struct stf_err *err)
{
    struct session *session = store;
    const struct key *parent = (const struct key *)node;
    struct key *key;
    WCHAR *wide = NULL;
    size_t units = 0;
    HKEY above = NULL;
    HKEY handle = NULL;
    DWORD disposition = 0;
    LSTATUS status;
    enum stf_kind kind = is_above_roots(parent) ? stf_registry_refuse_at_root("create", err)
                                                : stf_windows_name("key", name, &wide, &units, err);

    if (kind == STF_OK)
        kind = key_open(session, parent, "create", KEY_CREATE_SUB_KEY, &above, err);
    if (kind != STF_OK) {
        free(wide);
        return not_gone(kind, "create", err);
    }
    status = RegCreateKeyExW(above, wide, 0, class_name, REG_OPTION_NON_VOLATILE, KEY_QUERY_VALUE | session->view, NULL,
                             &handle, &disposition);
    RegCloseKey(above);
    key = key_new(session, parent, wide, units);
    free(wide);
    if (status != ERROR_SUCCESS)
        return stf_windows_error(err, status, "create", name);
    RegCloseKey(handle);
    if (disposition != REG_CREATED_NEW_KEY) {
        return stf_err_set(err, STF_CONFLICT, 0, "create", name, "the key %s was made by somebody else in this moment",
                           name);
    }
    if (key == NULL)
        return no_memory(err);
    *made = (stf_registry_node)key;
    return STF_OK;
}

static enum stf_kind windows_create_key(void *store, stf_registry_node node, const char *name, stf_registry_node *made,
                                        struct stf_err *err)
{
    return create_key(store, node, name, NULL, made, err);
}

static enum stf_kind windows_create_key_of_class(void *store, stf_registry_node node, const char *name,
                                                 const uint8_t *class_name, size_t class_size, stf_registry_node *made,
                                                 struct stf_err *err)
{
    size_t units = class_size / sizeof(WCHAR);
    WCHAR *wide = calloc(units + 1, sizeof(*wide));
    enum stf_kind kind;

    if (wide == NULL)
        return no_memory(err);
    memcpy(wide, class_name, units * sizeof(*wide));
    kind = create_key(store, node, name, wide, made, err);
    free(wide);
    return kind;
}

/* ---- classes, rights, times ---- */

static enum stf_kind read_class(HKEY handle, const struct key *key, struct stf_registry_extras *extras,
                                struct stf_err *err)
{
    FILETIME written = {0};
    DWORD units = 0;
    LSTATUS status = RegQueryInfoKeyW(handle, NULL, &units, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &written);

    extras->written = (uint64_t)written.dwHighDateTime << 32 | written.dwLowDateTime;
    if ((status != ERROR_SUCCESS && status != ERROR_MORE_DATA) || units == 0)
        return status == ERROR_SUCCESS ? STF_OK : key_error(status, "read", key, err);
    units++;
    extras->class_name = calloc(units, sizeof(WCHAR));
    if (extras->class_name == NULL)
        return no_memory(err);
    status = RegQueryInfoKeyW(handle, (WCHAR *)extras->class_name, &units, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                              NULL, NULL);
    extras->class_size = units * sizeof(WCHAR);
    return status == ERROR_SUCCESS ? STF_OK : key_error(status, "read", key, err);
}

/* The key's list of who may do what, malloc'ed. */
static enum stf_kind read_rights(HKEY handle, const struct key *key, uint8_t **descriptor, size_t *size,
                                 struct stf_err *err)
{
    DWORD room = 0;
    LSTATUS status = RegGetKeySecurity(handle, DACL_SECURITY_INFORMATION, NULL, &room);

    if (status == ERROR_INSUFFICIENT_BUFFER) {
        *descriptor = malloc(room);
        if (*descriptor == NULL)
            return no_memory(err);
        status = RegGetKeySecurity(handle, DACL_SECURITY_INFORMATION, *descriptor, &room);
    }
    *size = status == ERROR_SUCCESS ? room : 0;
    return status == ERROR_SUCCESS ? STF_OK : key_error(status, "read the rights of", key, err);
}

static enum stf_kind read_own_rights(const struct session *session, HKEY handle, const struct key *key,
                                     struct stf_registry_extras *extras, struct stf_err *err)
{
    uint8_t *own = NULL;
    uint8_t *parents = NULL;
    size_t own_size = 0;
    size_t parents_size = 0;
    HKEY above;
    enum stf_kind kind = key_open(session, key->parent, "read the rights of", READ_CONTROL, &above, err);

    if (kind == STF_OK) {
        kind = read_rights(above, key->parent, &parents, &parents_size, err);
        RegCloseKey(above);
    }
    if (kind == STF_OK)
        kind = read_rights(handle, key, &own, &own_size, err);
    if (kind == STF_OK && stf_rights_are_own(own, own_size, parents, parents_size)) {
        extras->security = stf_rights_only(own, own_size, &extras->security_size);
        kind = extras->security != NULL ? STF_OK : no_memory(err);
    }
    free(own);
    free(parents);
    return kind;
}

static enum stf_kind windows_read_extras(void *store, stf_registry_node node, struct stf_registry_extras *extras,
                                         struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    HKEY handle;
    enum stf_kind kind;

    *extras = (struct stf_registry_extras){0};
    if (key->parent == NULL || key->anchor != NULL) /* the store's root, or one of the registry's */
        return STF_OK;
    kind = key_open(store, key, "read", KEY_QUERY_VALUE | READ_CONTROL, &handle, err);
    if (kind == STF_OK) {
        kind = read_class(handle, key, extras, err);
        if (kind == STF_OK)
            kind = read_own_rights(store, handle, key, extras, err);
        RegCloseKey(handle);
    }
    if (kind != STF_OK)
        stf_registry_extras_fini(extras);
    return not_gone(kind, "read", err);
}

static enum stf_kind windows_write_extras(void *store, stf_registry_node node, const struct stf_registry_extras *extras,
                                          struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    struct stf_registry_extras have;
    HKEY handle;
    enum stf_kind kind = windows_read_extras(store, node, &have, err);

    if (kind == STF_OK)
        kind = stf_registry_extras_check_live("", &have, extras, err);
    if (kind == STF_OK && extras->security != NULL) {
        kind = key_open(store, key, "set the rights of", WRITE_DAC, &handle, err);
        if (kind == STF_OK) {
            LSTATUS status = RegSetKeySecurity(handle, DACL_SECURITY_INFORMATION, extras->security);
            kind = status == ERROR_SUCCESS ? STF_OK : key_error(status, "set the rights of", key, err);
            RegCloseKey(handle);
        }
    }
    stf_registry_extras_fini(&have);
    return not_gone(kind, "write", err);
}

/* ---- deleting ---- */

static bool is_link(HKEY handle)
{
    DWORD type = REG_NONE;

    return RegQueryValueExW(handle, L"SymbolicLinkValue", NULL, &type, NULL, NULL) == ERROR_SUCCESS && type == REG_LINK;
}

static enum stf_kind check_restorable(HKEY above, const WCHAR *name, REGSAM view, struct stf_err *err);

static enum stf_kind check_below(HKEY handle, REGSAM view, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    for (DWORD i = 0; kind == STF_OK; i++) {
        WCHAR name[STF_REGISTRY_KEY_UNITS_MAX + 1];
        DWORD units = STF_REGISTRY_KEY_UNITS_MAX + 1;
        LSTATUS status = RegEnumKeyExW(handle, i, name, &units, NULL, NULL, NULL, NULL);
        if (status == ERROR_NO_MORE_ITEMS)
            break;
        kind = status != ERROR_SUCCESS ? stf_windows_error(err, status, "list", NULL)
               : has_nul(name, units)  ? refuse_nul(err)
                                       : check_restorable(handle, name, view, err);
    }
    return kind;
}

/* A link to another key could not be put back, and is not deleted. */
static enum stf_kind check_restorable(HKEY above, const WCHAR *name, REGSAM view, struct stf_err *err)
{
    char *text = NULL;
    HKEY handle;
    enum stf_kind kind = stf_registry_name_from_utf16((const uint8_t *)name, wcslen(name), &text, err);
    LSTATUS status =
        RegOpenKeyExW(above, name, REG_OPTION_OPEN_LINK, KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | view, &handle);

    if (kind == STF_OK && status != ERROR_SUCCESS) {
        kind = stf_windows_error(err, status, "delete", text);
    } else if (kind == STF_OK && is_link(handle)) {
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "delete", text,
                           "the key %s is a link to another key, which could not be put back; delete it by hand", text);
    } else if (kind == STF_OK) {
        kind = check_below(handle, view, err);
    }
    if (status == ERROR_SUCCESS)
        RegCloseKey(handle);
    free(text);
    return kind;
}

static enum stf_kind windows_delete_key(void *store, stf_registry_node node, struct stf_err *err)
{
    const struct session *session = store;
    const struct key *key = (const struct key *)node;
    HKEY above;
    LSTATUS status;
    enum stf_kind kind;

    if (key->anchor != NULL)
        return stf_registry_refuse_at_root("delete", err);
    if (has_nul(key->name, key->units))
        return refuse_nul(err);
    kind = key_open(session, key->parent, "delete", KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | DELETE | KEY_SET_VALUE,
                    &above, err);
    if (kind != STF_OK)
        return kind;
    kind = check_restorable(above, key->name, session->view, err);
    if (kind == STF_OK) {
        status = RegDeleteTreeW(above, key->name);
        kind = status == ERROR_SUCCESS ? STF_OK : key_error(status, "delete", key, err);
    }
    RegCloseKey(above);
    return kind;
}

static enum stf_kind delete_value(HKEY handle, const char *name, struct stf_err *err)
{
    WCHAR *wide = NULL;
    size_t units = 0;
    enum stf_kind kind = stf_windows_name("value", name, &wide, &units, err);

    if (kind == STF_OK) {
        LSTATUS status = RegDeleteValueW(handle, wide);
        bool is_gone = status == ERROR_SUCCESS || status == ERROR_FILE_NOT_FOUND;
        kind = is_gone ? STF_OK : stf_windows_error(err, status, "delete", name);
    }
    free(wide);
    return kind;
}

static enum stf_kind set_value(HKEY handle, const struct stf_registry_value *value, struct stf_err *err)
{
    WCHAR *wide = NULL;
    uint8_t *data = NULL;
    size_t units = 0;
    enum stf_kind kind = stf_windows_name("value", value->name, &wide, &units, err);

    if (kind == STF_OK && value->size > UINT32_MAX - 2)
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "set", value->name, "the data is larger than Windows takes");
    if (kind == STF_OK) {
        data = malloc(value->size + 2);
        kind = data != NULL ? STF_OK : no_memory(err);
    }
    if (kind == STF_OK) {
        LSTATUS status;
        if (value->size > 0)
            memcpy(data, value->data, value->size);
        memset(data + value->size, 0xff, 2); /* a NUL behind a string would be stored with it */
        status = RegSetValueExW(handle, wide, 0, value->type, data, (DWORD)value->size);
        kind = status == ERROR_SUCCESS ? STF_OK : stf_windows_error(err, status, "set", value->name);
    }
    free(data);
    free(wide);
    return kind;
}

static enum stf_kind windows_edit_values(void *store, stf_registry_node node, const struct stf_registry_edit *edit,
                                         struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    HKEY handle;
    enum stf_kind kind;

    if (is_above_roots(key))
        return stf_registry_refuse_at_root("set", err);
    kind = key_open(store, key, "set", KEY_SET_VALUE, &handle, err);
    if (kind != STF_OK)
        return not_gone(kind, "set", err);
    for (size_t i = 0; i < edit->gone_count && kind == STF_OK; i++)
        kind = delete_value(handle, edit->gone[i], err);
    for (size_t i = 0; i < edit->set_count && kind == STF_OK; i++)
        kind = set_value(handle, &edit->set[i], err);
    RegCloseKey(handle);
    return kind;
}

const struct stf_registry_backend stf_registry_backend_windows = {
    .name = "windows",
    .open = windows_open,
    .close = windows_close,
    .commit = windows_commit,
    .root = windows_root,
    .subkeys = windows_subkeys,
    .values = windows_values,
    .find_key = windows_find_key,
    .find_value = windows_find_value,
    .create_key = windows_create_key,
    .create_key_of_class = windows_create_key_of_class,
    .delete_key = windows_delete_key,
    .edit_values = windows_edit_values,
    .read_extras = windows_read_extras,
    .write_extras = windows_write_extras,
    .limits = "keeps values, keys' class names and who may do what with them (their DACLs); puts back neither owners, "
              "lists of what is audited nor times, and takes away no rights of a key's own; deletes no links; reaches "
              "no key with a NUL in its name; a change stands at once, whether or not those after it do",
};
