/* be_remote.c - the registry of another host, through its winreg service and a helper process (remote_pipe.h).
 * Has no transactions: each change is made at once and stays. Never deletes what it could not put back.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "registry/remote_session.h"
#include "registry/rights.h"

enum {
    DATA_MAX = 4000000,     /* DCE/RPC implementations take 4 MiB for all of a call */
    PATH_UNITS_MAX = 32000, /* Windows takes paths of at most 32,767 units */
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "remote", NULL, "memory is out");
}

/* ---- the store ---- */

/* A store: the session and where in it the root is. */
struct store {
    struct stf_remote_session *session;
    struct stf_remote_key *root;
};

static bool is_above_roots(const struct stf_remote_key *key)
{
    return key->parent == NULL;
}

/* The root of that name, long or short; NULL when `name` is none, or goes on below it. */
static struct stf_remote_key *find_root(const struct stf_remote_session *session, const char *name, const char **rest)
{
    const char *short_name = stf_registry_root_name(name, rest);

    for (size_t i = 0; short_name != NULL && i < session->top->child_count; i++)
        if (strcmp(session->top->children[i]->root->short_name, short_name) == 0)
            return session->top->children[i];
    return NULL;
}

/* The store's root becomes the key of that name, which must exist. */
static enum stf_kind set_root(struct store *store, const char *name, struct stf_err *err)
{
    struct stf_remote_session *session = store->session;
    struct stf_winreg_handle handle;
    const char *rest = name;
    struct stf_remote_key *key = find_root(session, name, &rest);
    char *path = strdup(rest);
    char *next = path;
    const char *component;
    enum stf_kind kind = path != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK && key == NULL) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "open", name,
                           "the key %s does not start with a root: HKLM, HKCU, HKU, HKCR, HKCC or one of their long "
                           "names",
                           name);
    }
    while (kind == STF_OK && next != NULL && *next != '\0') {
        component = strsep(&next, "\\");
        kind = stf_registry_check_key_name(component, err);
        if (kind == STF_OK) {
            key = stf_remote_key_child(key, component);
            kind = key != NULL ? STF_OK : no_memory(err);
        }
    }
    if (kind == STF_OK) {
        store->root = key;
        kind = stf_remote_key_open(session, key, &handle, err);
    }
    free(path);
    return kind;
}

static void remote_close(void *opened)
{
    struct store *store = opened;

    stf_remote_session_close(store->session);
    free(store);
}

static enum stf_kind remote_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **opened,
                                 struct stf_err *err)
{
    uint32_t access = mode == STF_REGISTRY_WRITE ? STF_WINREG_MAXIMUM_ALLOWED : STF_WINREG_READ;
    const struct stf_registry_remote *remote = place->remote;
    struct store *store = calloc(1, sizeof(*store));
    enum stf_kind kind;

    if (store == NULL)
        return no_memory(err);
    kind = stf_remote_session_open(remote, access, &store->session, err);
    if (kind == STF_OK)
        store->root = store->session->top;
    if (kind == STF_OK && remote->root != NULL && *remote->root != '\0')
        kind = set_root(store, remote->root, err);
    if (kind != STF_OK) {
        remote_close(store);
        return kind;
    }
    *opened = store;
    return STF_OK;
}

/* Changes are made already; this waits until they are on the disk, as far as the roots that are in use go. */
static enum stf_kind remote_commit(void *opened, struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < session->top->child_count && kind == STF_OK; i++) {
        struct stf_remote_call call = {.operation = STF_WINREG_FLUSH_KEY};
        struct stf_winreg_handle handle;
        struct stf_remote_key *key = session->top->children[i];
        if (key->child_count == 0 && !key->is_open)
            continue;
        kind = stf_remote_key_open(session, key, &handle, err);
        if (kind == STF_OK) {
            stf_winreg_put_handle(&call.in, &handle);
            kind = stf_remote_calls_make(session, &call, 1, err);
            if (kind == STF_OK)
                kind = stf_remote_check_code(session, &call, "flush", key->name, false, err);
            stf_remote_calls_fini(&call, 1);
        }
    }
    return kind;
}

static stf_registry_node remote_root(void *opened)
{
    return (stf_registry_node)((struct store *)opened)->root;
}

/* ---- lists ---- */

static enum stf_kind add_subkey(struct stf_remote_key *parent, const char *name, struct stf_registry_subkeys *out,
                                struct stf_err *err)
{
    struct stf_remote_key *key = stf_remote_key_child(parent, name);
    char *copy = strdup(name);
    enum stf_kind kind =
        key != NULL && copy != NULL ? stf_registry_subkeys_add(out, copy, (stf_registry_node)key, err) : no_memory(err);

    if (kind != STF_OK)
        free(copy);
    return kind;
}

static enum stf_kind remote_subkeys(void *opened, stf_registry_node node, struct stf_registry_subkeys *out,
                                    struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_winreg_handle handle;
    struct stf_remote_reading reading = {0};
    enum stf_kind kind = STF_OK;

    *out = (struct stf_registry_subkeys){0};
    if (is_above_roots(key)) {
        for (size_t i = 0; i < key->child_count && kind == STF_OK; i++)
            kind = add_subkey(key, key->children[i]->name, out, err);
    } else {
        kind = stf_remote_key_open(session, key, &handle, err);
        if (kind == STF_OK)
            kind = stf_remote_read_list(session, &handle, STF_WINREG_ENUM_KEY, &reading, err);
        for (size_t i = 0; i < reading.subkeys.count && kind == STF_OK; i++)
            kind = add_subkey(key, reading.subkeys.items[i].name, out, err);
        stf_remote_reading_fini(&reading);
    }
    if (kind != STF_OK)
        stf_registry_subkeys_fini(out);
    return kind;
}

static enum stf_kind remote_values(void *opened, stf_registry_node node, struct stf_registry_values *out,
                                   struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_winreg_handle handle;
    struct stf_remote_reading reading = {0};
    enum stf_kind kind;

    *out = (struct stf_registry_values){0};
    if (is_above_roots(key))
        return STF_OK;
    kind = stf_remote_key_open(session, key, &handle, err);
    if (kind == STF_OK)
        kind = stf_remote_read_list(session, &handle, STF_WINREG_ENUM_VALUE, &reading, err);
    if (kind == STF_OK) {
        *out = reading.values;
        reading.values = (struct stf_registry_values){0};
    }
    stf_remote_reading_fini(&reading);
    return kind;
}

/* ---- one thing by its name ---- */

/* Takes over the handle. */
static enum stf_kind add_open_child(struct stf_remote_session *session, struct stf_remote_key *parent, const char *name,
                                    const struct stf_winreg_handle *handle, stf_registry_node *node,
                                    struct stf_err *err)
{
    struct stf_remote_key *key = stf_remote_key_child(parent, name);

    if (key == NULL) {
        stf_remote_close_later(session, handle);
        return no_memory(err);
    }
    stf_remote_key_set_open(session, key, handle);
    *node = (stf_registry_node)key;
    return STF_OK;
}

/* Asks the other side each time, so that what others deleted or made anew meanwhile is seen. */
static enum stf_kind open_again(struct stf_remote_session *session, struct stf_remote_key *parent, const char *name,
                                stf_registry_node *found, struct stf_err *err)
{
    struct stf_winreg_handle above;
    struct stf_winreg_handle handle;
    enum stf_kind kind = stf_remote_key_open(session, parent, &above, err);

    if (kind == STF_OK)
        kind = stf_remote_open_below(session, &above, name, 0, &handle, err);
    if (kind != STF_OK)
        return kind;
    return add_open_child(session, parent, name, &handle, found, err);
}

static enum stf_kind remote_find_key(void *opened, stf_registry_node node, const char *name, stf_registry_node *found,
                                     char **spelling, struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *parent = (struct stf_remote_key *)node;
    const char *rest = "";
    enum stf_kind kind;

    if (is_above_roots(parent)) {
        struct stf_remote_key *root = find_root(session, name, &rest);
        *found = (stf_registry_node)root;
        kind = root != NULL && *rest == '\0' ? STF_OK : STF_NOT_FOUND;
        name = root != NULL ? root->name : name;
    } else {
        kind = open_again(session, parent, name, found, err);
    }
    return kind == STF_OK && spelling != NULL
               ? stf_registry_find_listed(&stf_registry_backend_remote, opened, node, name, NULL, spelling, err)
               : kind;
}

/* The names with backslashes between them, malloc'ed. */
static char *join(const char *const *names, size_t count)
{
    size_t size = 1;
    char *path;
    char *end;

    for (size_t i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    path = malloc(size);
    if (path != NULL) {
        end = path;
        for (size_t i = 0; i < count; i++) {
            end = stpcpy(end, i > 0 ? "\\" : "");
            end = stpcpy(end, names[i]);
        }
        *end = '\0';
    }
    return path;
}

/* In one call, from the highest key that needs none: the store's root, or the root of the registry that is named. */
static enum stf_kind remote_find_path(void *opened, const char *const *names, size_t count, stf_registry_node *found,
                                      struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = ((struct store *)opened)->root;
    struct stf_winreg_handle above;
    struct stf_winreg_handle handle;
    size_t first = 0;
    const char *rest;
    char *path;
    enum stf_kind kind;

    if (is_above_roots(key) && count > 0) {
        key = find_root(session, names[0], &rest);
        first = 1;
    }
    if (key == NULL || first == count)
        return STF_NOT_FOUND;
    kind = stf_remote_key_open(session, key, &above, err);
    path = join(names + first, count - first);
    if (kind == STF_OK && path == NULL)
        kind = no_memory(err);
    if (kind == STF_OK) {
        kind = stf_registry_name_units(path) > PATH_UNITS_MAX
                   ? STF_NOT_FOUND
                   : stf_remote_open_below(session, &above, path, 0, &handle, err);
    }
    free(path);
    if (kind != STF_OK)
        return kind;
    for (size_t i = first; i < count && key != NULL; i++)
        key = stf_remote_key_child(key, names[i]);
    if (key == NULL) {
        stf_remote_close_later(session, &handle);
        return no_memory(err);
    }
    stf_remote_key_set_open(session, key, &handle);
    *found = (stf_registry_node)key;
    return STF_OK;
}

/* The list is read for the spelling; a value that is not there is known sooner. */
static enum stf_kind remote_find_value(void *opened, stf_registry_node node, const char *name,
                                       struct stf_registry_value *value, struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_winreg_handle handle;
    enum stf_kind kind;

    if (is_above_roots((struct stf_remote_key *)node))
        return STF_NOT_FOUND;
    kind = stf_remote_key_open(session, (struct stf_remote_key *)node, &handle, err);
    return kind == STF_OK ? stf_remote_find_value(session, &handle, name, value, err) : kind;
}

/* ---- changing ---- */

static enum stf_kind create_key(void *opened, stf_registry_node node, const char *name,
                                struct stf_winreg_name class_name, stf_registry_node *made, struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_call call = {.operation = STF_WINREG_CREATE_KEY};
    struct stf_winreg_handle above;
    struct stf_winreg_handle handle;
    struct stf_winreg_name wide = {0};
    struct stf_remote_key *parent = (struct stf_remote_key *)node;
    enum stf_kind kind =
        is_above_roots(parent) ? stf_registry_refuse_at_root("create", err) : stf_remote_name_init(&wide, name, err);

    if (kind == STF_OK)
        kind = stf_remote_key_open(session, parent, &above, err);
    if (kind == STF_OK) {
        stf_winreg_put_create_key(&call.in, &above, wide, class_name, session->access);
        kind = stf_remote_get_handle(session, &call, "create", name, &handle, err);
    }
    stf_remote_name_fini(&wide);
    if (kind != STF_OK)
        return kind;
    return add_open_child(session, parent, name, &handle, made, err);
}

static enum stf_kind remote_create_key(void *opened, stf_registry_node node, const char *name, stf_registry_node *made,
                                       struct stf_err *err)
{
    return create_key(opened, node, name, (struct stf_winreg_name){0}, made, err);
}

static enum stf_kind remote_create_key_of_class(void *opened, stf_registry_node node, const char *name,
                                                const uint8_t *class_name, size_t class_size, stf_registry_node *made,
                                                struct stf_err *err)
{
    return create_key(opened, node, name, (struct stf_winreg_name){class_name, class_size / 2}, made, err);
}

/* ---- classes, rights, times ---- */

static enum stf_kind take_rights(const struct stf_remote_session *session, const struct stf_remote_call *call,
                                 const uint8_t **descriptor, size_t *size, struct stf_err *err)
{
    struct stf_bytes_in in = stf_remote_results(call);
    uint32_t code;

    if (!stf_winreg_get_security(&in, descriptor, size, &code))
        return stf_remote_bad_results(session, "read the rights of", err);
    return code == STF_WERR_OK ? STF_OK : stf_remote_refused(session, code, "read the rights of", "a key", err);
}

/* Of the answers about a key and the rights of the one above. */
static enum stf_kind take_extras(const struct stf_remote_session *session, const struct stf_remote_call calls[3],
                                 struct stf_registry_extras *extras, struct stf_err *err)
{
    struct stf_winreg_info info;
    const uint8_t *own = NULL;
    const uint8_t *above = NULL;
    size_t own_size = 0;
    size_t above_size = 0;
    bool is_full = true;
    enum stf_kind kind = stf_remote_get_info(session, &calls[0], &info, err);

    if (kind == STF_OK)
        kind = take_rights(session, &calls[1], &own, &own_size, err);
    if (kind == STF_OK)
        kind = take_rights(session, &calls[2], &above, &above_size, err);
    if (kind != STF_OK)
        return kind;
    extras->written = info.changed_at;
    if (info.class_name.units > 0) {
        extras->class_size = 2 * info.class_name.units;
        extras->class_name = malloc(extras->class_size);
        is_full = extras->class_name != NULL;
    }
    if (is_full && extras->class_size > 0)
        memcpy(extras->class_name, info.class_name.data, extras->class_size);
    if (is_full && stf_rights_are_own(own, own_size, above, above_size)) {
        extras->security = stf_rights_only(own, own_size, &extras->security_size);
        is_full = extras->security != NULL;
    }
    return is_full ? STF_OK : no_memory(err);
}

static enum stf_kind remote_read_extras(void *opened, stf_registry_node node, struct stf_registry_extras *extras,
                                        struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_remote_call calls[3] = {{.operation = STF_WINREG_QUERY_INFO_KEY},
                                       {.operation = STF_WINREG_GET_KEY_SECURITY},
                                       {.operation = STF_WINREG_GET_KEY_SECURITY}};
    struct stf_winreg_handle above;
    struct stf_winreg_handle handle;
    enum stf_kind kind;

    *extras = (struct stf_registry_extras){0};
    if (key == ((struct store *)opened)->root || is_above_roots(key) || key->root != NULL)
        return STF_OK;
    kind = stf_remote_key_open(session, key->parent, &above, err);
    if (kind == STF_OK)
        kind = stf_remote_key_open(session, key, &handle, err);
    if (kind != STF_OK)
        return kind;
    stf_winreg_put_query_info(&calls[0].in, &handle);
    stf_winreg_put_get_security(&calls[1].in, &handle);
    stf_winreg_put_get_security(&calls[2].in, &above);
    kind = stf_remote_calls_make(session, calls, 3, err);
    if (kind == STF_OK)
        kind = take_extras(session, calls, extras, err);
    stf_remote_calls_fini(calls, 3);
    if (kind != STF_OK)
        stf_registry_extras_fini(extras);
    return kind;
}

/* The rest of the descriptor is sent as it is: a server may take it for all that the key is to have. */
static enum stf_kind set_rights(struct stf_remote_session *session, struct stf_remote_key *key,
                                const struct stf_registry_extras *extras, struct stf_err *err)
{
    struct stf_remote_call get = {.operation = STF_WINREG_GET_KEY_SECURITY};
    struct stf_remote_call set = {.operation = STF_WINREG_SET_KEY_SECURITY};
    struct stf_winreg_handle handle;
    const uint8_t *have = NULL;
    uint8_t *wanted = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_remote_key_open(session, key, &handle, err);

    if (kind == STF_OK) {
        stf_winreg_put_get_security(&get.in, &handle);
        kind = stf_remote_calls_make(session, &get, 1, err);
    }
    if (kind == STF_OK)
        kind = take_rights(session, &get, &have, &size, err);
    if (kind == STF_OK) {
        wanted = size >= STF_RIGHTS_HEADER_SIZE
                     ? stf_rights_put(have, size, extras->security, extras->security_size, &size)
                     : stf_rights_only(extras->security, extras->security_size, &size);
        kind = wanted != NULL ? STF_OK : no_memory(err);
    }
    if (kind == STF_OK) {
        stf_winreg_put_set_security(&set.in, &handle, wanted, (uint32_t)size);
        kind = stf_remote_calls_make(session, &set, 1, err);
    }
    if (kind == STF_OK)
        kind = stf_remote_check_code(session, &set, "set the rights of", key->name, false, err);
    free(wanted);
    stf_remote_calls_fini(&get, 1);
    stf_remote_calls_fini(&set, 1);
    return kind;
}

static enum stf_kind remote_write_extras(void *opened, stf_registry_node node, const struct stf_registry_extras *extras,
                                         struct stf_err *err)
{
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_registry_extras have;
    enum stf_kind kind = remote_read_extras(opened, node, &have, err);

    if (kind == STF_OK)
        kind = stf_registry_extras_check_live(key->name, &have, extras, err);
    stf_registry_extras_fini(&have);
    return kind == STF_OK && extras->security != NULL ? set_rights(((struct store *)opened)->session, key, extras, err)
                                                      : kind;
}

/* ---- deleting ---- */

static enum stf_kind refuse_link(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                 const char *name, struct stf_err *err)
{
    struct stf_remote_call call = {.operation = STF_WINREG_QUERY_VALUE};
    struct stf_winreg_name wide = {0};
    uint32_t type = STF_REG_NONE;
    uint32_t code = STF_WERR_OK;
    enum stf_kind kind = stf_remote_name_init(&wide, "SymbolicLinkValue", err);

    if (kind == STF_OK) {
        stf_winreg_put_query_value(&call.in, handle, wide);
        kind = stf_remote_calls_make(session, &call, 1, err);
    }
    if (kind == STF_OK) {
        struct stf_bytes_in in = stf_remote_results(&call);
        kind = stf_winreg_get_query_value(&in, &type, &code) ? STF_OK : stf_remote_bad_results(session, "delete", err);
    }
    if (kind == STF_OK && (code == STF_WERR_OK || code == STF_WERR_MORE_DATA) && type == STF_REG_LINK) {
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "delete", name,
                           "the key %s is a link to another key, which could not be put back; delete it by hand", name);
    }
    stf_remote_name_fini(&wide);
    stf_remote_calls_fini(&call, 1);
    return kind;
}

static enum stf_kind delete_subkeys(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                    const struct stf_registry_subkey *subkeys, size_t count, struct stf_err *err)
{
    struct stf_remote_call calls[STF_REMOTE_WINDOW] = {0};
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < count && kind == STF_OK; i++) {
        struct stf_winreg_name wide = {0};
        calls[i].operation = STF_WINREG_DELETE_KEY;
        kind = stf_remote_name_init(&wide, subkeys[i].name, err);
        stf_winreg_put_delete(&calls[i].in, handle, wide);
        stf_remote_name_fini(&wide);
    }
    if (kind == STF_OK)
        kind = stf_remote_calls_make(session, calls, count, err);
    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = stf_remote_check_code(session, &calls[i], "delete", subkeys[i].name, true, err);
    stf_remote_calls_fini(calls, count);
    return kind;
}

enum sweep { SWEEP_CHECK, SWEEP_DELETE };

static enum stf_kind sweep_below(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                 enum sweep sweep, size_t depth, struct stf_err *err);

/* Looks whether a subkey and all below it could be put back, or deletes all below it. Links are not followed. */
static enum stf_kind sweep_key(struct stf_remote_session *session, const struct stf_winreg_handle *parent,
                               const char *name, enum sweep sweep, size_t depth, struct stf_err *err)
{
    struct stf_winreg_handle handle;
    enum stf_kind kind = stf_remote_open_below(session, parent, name, STF_WINREG_OPEN_LINK, &handle, err);

    if (kind == STF_NOT_FOUND)
        return STF_OK; /* somebody else was faster */
    if (kind != STF_OK)
        return kind;
    if (sweep == SWEEP_CHECK)
        kind = refuse_link(session, &handle, name, err);
    if (kind == STF_OK)
        kind = sweep_below(session, &handle, sweep, depth + 1, err);
    stf_remote_close_later(session, &handle);
    return kind;
}

static enum stf_kind sweep_below(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                 enum sweep sweep, size_t depth, struct stf_err *err)
{
    struct stf_remote_reading reading = {0};
    enum stf_kind kind = depth <= STF_REGISTRY_DEPTH_MAX
                             ? stf_remote_read_list(session, handle, STF_WINREG_ENUM_KEY, &reading, err)
                             : stf_err_set(err, STF_INVALID_DATA, 0, "delete", NULL,
                                           "the tree is more than %d levels deep", STF_REGISTRY_DEPTH_MAX);
    size_t count = reading.subkeys.count;

    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = sweep_key(session, handle, reading.subkeys.items[i].name, sweep, depth, err);
    for (size_t i = 0; i < count && kind == STF_OK && sweep == SWEEP_DELETE; i += STF_REMOTE_WINDOW) {
        kind = delete_subkeys(session, handle, &reading.subkeys.items[i],
                              count - i < STF_REMOTE_WINDOW ? count - i : STF_REMOTE_WINDOW, err);
    }
    stf_remote_reading_fini(&reading);
    return kind;
}

static enum stf_kind remote_delete_key(void *opened, stf_registry_node node, struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_registry_subkey subkey = {key->name, 0};
    struct stf_winreg_handle parent;
    enum stf_kind kind = key->root != NULL ? stf_registry_refuse_at_root("delete", err) : STF_OK;

    if (kind == STF_OK)
        kind = stf_remote_key_open(session, key->parent, &parent, err);
    if (kind == STF_OK)
        kind = sweep_key(session, &parent, key->name, SWEEP_CHECK, 0, err);
    if (kind == STF_OK)
        kind = sweep_key(session, &parent, key->name, SWEEP_DELETE, 0, err);
    if (kind == STF_OK)
        kind = delete_subkeys(session, &parent, &subkey, 1, err);
    if (kind == STF_OK)
        stf_remote_key_forget(session, key);
    return kind;
}

static struct stf_remote_call delete_value_call(const struct stf_winreg_handle *handle, const char *name,
                                                enum stf_kind *kind, struct stf_err *err)
{
    struct stf_remote_call call = {.operation = STF_WINREG_DELETE_VALUE};
    struct stf_winreg_name wide = {0};

    *kind = stf_remote_name_init(&wide, name, err);
    stf_winreg_put_delete(&call.in, handle, wide);
    stf_remote_name_fini(&wide);
    return call;
}

static enum stf_kind delete_values(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                   const char *const *names, size_t count, struct stf_err *err)
{
    struct stf_remote_call calls[STF_REMOTE_WINDOW] = {0};
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < count && kind == STF_OK; i++)
        calls[i] = delete_value_call(handle, names[i], &kind, err);
    if (kind == STF_OK)
        kind = stf_remote_calls_make(session, calls, count, err);
    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = stf_remote_check_code(session, &calls[i], "delete", names[i], true, err);
    stf_remote_calls_fini(calls, count);
    return kind;
}

static enum stf_kind set_values(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                const struct stf_registry_value *values, size_t count, struct stf_err *err)
{
    struct stf_remote_call calls[STF_REMOTE_WINDOW] = {0};
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < count && kind == STF_OK; i++) {
        struct stf_winreg_name wide = {0};
        calls[i].operation = STF_WINREG_SET_VALUE;
        kind = stf_remote_name_init(&wide, values[i].name, err);
        stf_winreg_put_set_value(&calls[i].in, handle, wide, values[i].type, values[i].data, (uint32_t)values[i].size);
        stf_remote_name_fini(&wide);
    }
    if (kind == STF_OK)
        kind = stf_remote_calls_make(session, calls, count, err);
    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = stf_remote_check_code(session, &calls[i], "set", values[i].name, false, err);
    stf_remote_calls_fini(calls, count);
    return kind;
}

static enum stf_kind check_sizes(const struct stf_registry_edit *edit, struct stf_err *err)
{
    for (size_t i = 0; i < edit->set_count; i++) {
        if (edit->set[i].size > DATA_MAX) {
            return stf_err_set(err, STF_UNSUPPORTED, 0, "set", edit->set[i].name,
                               "the value %s has %zu bytes; one call to another host's registry carries %d",
                               edit->set[i].name, edit->set[i].size, DATA_MAX);
        }
    }
    return STF_OK;
}

static enum stf_kind remote_edit_values(void *opened, stf_registry_node node, const struct stf_registry_edit *edit,
                                        struct stf_err *err)
{
    struct stf_remote_session *session = ((struct store *)opened)->session;
    struct stf_remote_key *key = (struct stf_remote_key *)node;
    struct stf_winreg_handle handle;
    enum stf_kind kind = is_above_roots(key) ? stf_registry_refuse_at_root("set", err) : check_sizes(edit, err);

    if (kind == STF_OK)
        kind = stf_remote_key_open(session, key, &handle, err);
    for (size_t i = 0; i < edit->gone_count && kind == STF_OK; i += STF_REMOTE_WINDOW) {
        size_t left = edit->gone_count - i;
        kind =
            delete_values(session, &handle, &edit->gone[i], left < STF_REMOTE_WINDOW ? left : STF_REMOTE_WINDOW, err);
    }
    for (size_t i = 0; i < edit->set_count && kind == STF_OK; i += STF_REMOTE_WINDOW) {
        size_t left = edit->set_count - i;
        kind = set_values(session, &handle, &edit->set[i], left < STF_REMOTE_WINDOW ? left : STF_REMOTE_WINDOW, err);
    }
    return kind;
}

const struct stf_registry_backend stf_registry_backend_remote = {
    .name = "remote",
    .open = remote_open,
    .close = remote_close,
    .commit = remote_commit,
    .root = remote_root,
    .subkeys = remote_subkeys,
    .values = remote_values,
    .find_key = remote_find_key,
    .find_path = remote_find_path,
    .find_value = remote_find_value,
    .create_key = remote_create_key,
    .create_key_of_class = remote_create_key_of_class,
    .delete_key = remote_delete_key,
    .edit_values = remote_edit_values,
    .read_extras = remote_read_extras,
    .write_extras = remote_write_extras,
    .limits =
        "keeps values, keys' class names and who may do what with them (their DACLs); puts back neither owners, "
        "lists of what is audited nor times, and takes away no rights of a key's own; deletes no links; Samba has "
        "no class names and no times; a change stands at once, whether or not those after it do",
};
