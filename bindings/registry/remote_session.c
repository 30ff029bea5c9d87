/* remote_session.c - calls, keys and lists of a session with the registry of another host.
 * Must never rely on what the other side said earlier where others may have changed it since.
 * SPDX-License-Identifier: MIT */
#include "registry/remote_session.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE_MAX = 2 * (STF_REGISTRY_VALUE_UNITS_MAX + 1) };

static const struct stf_remote_root roots[] = {
    {"HKCR", "HKEY_CLASSES_ROOT", STF_WINREG_OPEN_HKCR},   {"HKCU", "HKEY_CURRENT_USER", STF_WINREG_OPEN_HKCU},
    {"HKLM", "HKEY_LOCAL_MACHINE", STF_WINREG_OPEN_HKLM},  {"HKU", "HKEY_USERS", STF_WINREG_OPEN_HKU},
    {"HKCC", "HKEY_CURRENT_CONFIG", STF_WINREG_OPEN_HKCC},
};
static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "remote", NULL, "memory is out");
}

/* ---- calls ---- */

void stf_remote_calls_fini(struct stf_remote_call *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        stf_bytes_out_fini(&calls[i].in);
        free(calls[i].out);
        calls[i].out = NULL;
    }
}

enum stf_kind stf_remote_calls_make(struct stf_remote_session *session, struct stf_remote_call *calls, size_t count,
                                    struct stf_err *err)
{
    struct stf_remote_call all[2 * STF_REMOTE_WINDOW];
    size_t closing = session->closing_count;
    enum stf_kind kind;

    for (size_t i = 0; i < closing; i++) {
        all[i] = (struct stf_remote_call){.operation = STF_WINREG_CLOSE_KEY};
        stf_winreg_put_handle(&all[i].in, &session->closing[i]);
    }
    session->closing_count = 0;
    for (size_t i = 0; i < count; i++)
        all[closing + i] = calls[i];
    kind = stf_remote_pipe_call(session->pipe, all, closing + count, err);
    for (size_t i = 0; i < count; i++)
        calls[i] = all[closing + i];
    stf_remote_calls_fini(all, closing);
    return kind;
}

struct stf_bytes_in stf_remote_results(const struct stf_remote_call *call)
{
    return (struct stf_bytes_in){.bytes = call->out, .size = call->out_size};
}

enum stf_kind stf_remote_bad_results(const struct stf_remote_session *session, const char *op, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, op, stf_remote_pipe_host(session->pipe),
                       "the registry of %s answered with something that is no answer",
                       stf_remote_pipe_host(session->pipe));
}

static enum stf_kind kind_of_code(uint32_t code)
{
    switch (code) {
    case STF_WERR_FILE_NOT_FOUND:
    case STF_WERR_PATH_NOT_FOUND:
    case STF_WERR_BADKEY:
    case STF_WERR_KEY_DELETED:
        return STF_NOT_FOUND;
    case STF_WERR_ACCESS_DENIED:
        return STF_DENIED;
    case STF_WERR_KEY_HAS_CHILDREN:
        return STF_CONFLICT;
    case STF_WERR_SHARING_VIOLATION:
    case STF_WERR_BUSY:
    case STF_WERR_NO_SYSTEM_RESOURCES:
        return STF_BUSY;
    case STF_WERR_NOT_SUPPORTED:
    case STF_WERR_CALL_NOT_IMPLEMENTED:
    case STF_WERR_CHILD_MUST_BE_VOLATILE:
        return STF_UNSUPPORTED;
    case STF_WERR_INVALID_PARAMETER:
    case STF_WERR_INVALID_NAME:
    case STF_WERR_BAD_PATHNAME:
        return STF_INVALID_DATA;
    }
    return STF_IO;
}

enum stf_kind stf_remote_refused(const struct stf_remote_session *session, uint32_t code, const char *op,
                                 const char *name, struct stf_err *err)
{
    static const struct {
        uint32_t code;
        const char *text;
    } texts[] = {
        {STF_WERR_FILE_NOT_FOUND, "there is no such thing"},
        {STF_WERR_ACCESS_DENIED, "access denied"},
        {STF_WERR_KEY_DELETED, "the key was deleted meanwhile"},
        {STF_WERR_CALL_NOT_IMPLEMENTED, "it can not do that"},
        {STF_WERR_CHILD_MUST_BE_VOLATILE, "the key above is a volatile one"},
    };
    const char *text = "see the code";

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        text = texts[i].code == code ? texts[i].text : text;
    return stf_err_set(err, kind_of_code(code), (int)code, op, name, "the registry of %s refused to %s %s: %s (%u)",
                       stf_remote_pipe_host(session->pipe), op, *name != '\0' ? name : "(default)", text, code);
}

enum stf_kind stf_remote_check_code(const struct stf_remote_session *session, const struct stf_remote_call *call,
                                    const char *op, const char *name, bool may_be_absent, struct stf_err *err)
{
    struct stf_bytes_in in = stf_remote_results(call);
    uint32_t code;

    if (!stf_winreg_get_code(&in, &code))
        return stf_remote_bad_results(session, op, err);
    return code == STF_WERR_OK || (may_be_absent && code == STF_WERR_FILE_NOT_FOUND)
               ? STF_OK
               : stf_remote_refused(session, code, op, name, err);
}

enum stf_kind stf_remote_get_handle(struct stf_remote_session *session, struct stf_remote_call *call, const char *op,
                                    const char *name, struct stf_winreg_handle *handle, struct stf_err *err)
{
    enum stf_kind kind = stf_remote_calls_make(session, call, 1, err);
    struct stf_bytes_in in = stf_remote_results(call);
    uint32_t code = STF_WERR_OK;
    bool (*get)(struct stf_bytes_in *, struct stf_winreg_handle *, uint32_t *) =
        call->operation == STF_WINREG_CREATE_KEY ? stf_winreg_get_created : stf_winreg_get_handle;

    if (kind == STF_OK && !get(&in, handle, &code))
        kind = stf_remote_bad_results(session, op, err);
    if (kind == STF_OK && code != STF_WERR_OK)
        kind = stf_remote_refused(session, code, op, name, err);
    stf_remote_calls_fini(call, 1);
    return kind;
}

enum stf_kind stf_remote_name_init(struct stf_winreg_name *wide, const char *name, struct stf_err *err)
{
    uint8_t *data = NULL;
    enum stf_kind kind = stf_registry_name_to_utf16(name, &data, &wide->units, err);

    wide->data = data;
    return kind;
}

void stf_remote_name_fini(struct stf_winreg_name *wide)
{
    free((uint8_t *)wide->data);
    *wide = (struct stf_winreg_name){0};
}

/* ---- keys ---- */

static struct stf_remote_key *key_new(struct stf_remote_key *parent, const char *name)
{
    struct stf_remote_key *key = calloc(1, sizeof(*key) + strlen(name) + 1);

    if (key != NULL) {
        key->parent = parent;
        strcpy(key->name, name);
    }
    return key;
}

/* Where the child of that name is, or belongs. */
static size_t find_place(const struct stf_remote_key *parent, const char *name, bool *is_there)
{
    size_t low = 0;
    size_t high = parent->child_count;

    *is_there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = stf_registry_name_compare(parent->children[middle]->name, name);
        if (order == 0) {
            *is_there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct stf_remote_key *stf_remote_key_child(struct stf_remote_key *parent, const char *name)
{
    bool is_there;
    size_t place = find_place(parent, name, &is_there);
    struct stf_remote_key *child;

    if (is_there)
        return parent->children[place];
    if (parent->child_count == parent->child_capacity) {
        size_t capacity = 2 * parent->child_capacity + 4;
        struct stf_remote_key **children = realloc(parent->children, capacity * sizeof(*children));
        if (children == NULL)
            return NULL;
        parent->children = children;
        parent->child_capacity = capacity;
    }
    child = key_new(parent, name);
    if (child != NULL) {
        memmove(&parent->children[place + 1], &parent->children[place],
                (parent->child_count - place) * sizeof(parent->children[0]));
        parent->children[place] = child;
        parent->child_count++;
    }
    return child;
}

void stf_remote_close_later(struct stf_remote_session *session, const struct stf_winreg_handle *handle)
{
    if (session->closing_count == STF_REMOTE_WINDOW)
        stf_remote_calls_make(session, NULL, 0, NULL); /* what can not be closed is closed with the connection */
    session->closing[session->closing_count++] = *handle;
}

static void key_close(struct stf_remote_session *session, struct stf_remote_key *key)
{
    size_t i = 0;

    if (key->is_open) {
        while (session->open[i] != key)
            i++;
        session->open[i] = session->open[--session->open_count];
        key->is_open = false;
        stf_remote_close_later(session, &key->handle);
    }
}

void stf_remote_key_set_open(struct stf_remote_session *session, struct stf_remote_key *key,
                             const struct stf_winreg_handle *handle)
{
    key_close(session, key);
    if (session->open_count == STF_REMOTE_OPEN_MAX) {
        struct stf_remote_key *oldest = session->open[0];
        for (size_t i = 1; i < STF_REMOTE_OPEN_MAX; i++)
            oldest = session->open[i]->used_at < oldest->used_at ? session->open[i] : oldest;
        key_close(session, oldest);
    }
    session->open[session->open_count++] = key;
    key->is_open = true;
    key->handle = *handle;
    key->used_at = ++session->uses;
}

/* With all that is below. */
static void key_free(struct stf_remote_session *session, struct stf_remote_key *key)
{
    if (key == NULL)
        return;
    for (size_t i = 0; i < key->child_count; i++)
        key_free(session, key->children[i]);
    key_close(session, key);
    free(key->children);
    free(key);
}

enum stf_kind stf_remote_open_below(struct stf_remote_session *session, const struct stf_winreg_handle *parent,
                                    const char *name, uint32_t options, struct stf_winreg_handle *handle,
                                    struct stf_err *err)
{
    struct stf_remote_call call = {.operation = STF_WINREG_OPEN_KEY};
    struct stf_winreg_name wide = {0};
    enum stf_kind kind = stf_remote_name_init(&wide, name, err);

    if (kind == STF_OK) {
        stf_winreg_put_open_key(&call.in, parent, wide, options, session->access);
        kind = stf_remote_get_handle(session, &call, "open", name, handle, err);
    }
    stf_remote_name_fini(&wide);
    return kind;
}

static enum stf_kind open_root(struct stf_remote_session *session, const struct stf_remote_root *root,
                               struct stf_winreg_handle *handle, struct stf_err *err)
{
    struct stf_remote_call call = {.operation = root->call};

    stf_winreg_put_open_root(&call.in, session->access);
    return stf_remote_get_handle(session, &call, "open", root->short_name, handle, err);
}

enum stf_kind stf_remote_key_open(struct stf_remote_session *session, struct stf_remote_key *key,
                                  struct stf_winreg_handle *handle, struct stf_err *err)
{
    struct stf_winreg_handle above;
    enum stf_kind kind = STF_OK;

    if (!key->is_open) {
        if (key->root != NULL) {
            kind = open_root(session, key->root, handle, err);
        } else {
            kind = stf_remote_key_open(session, key->parent, &above, err);
            if (kind == STF_OK)
                kind = stf_remote_open_below(session, &above, key->name, 0, handle, err);
        }
        if (kind == STF_OK)
            stf_remote_key_set_open(session, key, handle);
    }
    if (kind == STF_OK) {
        *handle = key->handle;
        key->used_at = ++session->uses;
    }
    return kind;
}

void stf_remote_key_forget(struct stf_remote_session *session, struct stf_remote_key *key)
{
    struct stf_remote_key *parent = key->parent;
    bool is_there;
    size_t place = find_place(parent, key->name, &is_there);

    parent->child_count--;
    memmove(&parent->children[place], &parent->children[place + 1],
            (parent->child_count - place) * sizeof(parent->children[0]));
    key_free(session, key);
}

/* ---- the session ---- */

static enum stf_kind add_roots(struct stf_remote_session *session, struct stf_err *err)
{
    session->top = key_new(NULL, "");
    for (size_t i = 0; session->top != NULL && i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct stf_remote_key *key = stf_remote_key_child(session->top, roots[i].long_name);
        if (key == NULL)
            return no_memory(err);
        key->root = &roots[i];
    }
    return session->top != NULL ? STF_OK : no_memory(err);
}

enum stf_kind stf_remote_session_open(const struct stf_registry_remote *remote, uint32_t access,
                                      struct stf_remote_session **out, struct stf_err *err)
{
    struct stf_remote_session *session = calloc(1, sizeof(*session));
    enum stf_kind kind = session != NULL ? add_roots(session, err) : no_memory(err);

    if (kind == STF_OK) {
        session->access = access;
        kind = stf_remote_pipe_open(remote, &session->pipe, err);
    }
    if (kind != STF_OK) {
        stf_remote_session_close(session);
        return kind;
    }
    *out = session;
    return STF_OK;
}

void stf_remote_session_close(struct stf_remote_session *session)
{
    if (session == NULL)
        return;
    stf_remote_pipe_close(session->pipe);
    for (size_t i = 0; i < session->open_count; i++)
        session->open[i]->is_open = false; /* the other side closes what the connection had open */
    session->open_count = 0;
    key_free(session, session->top);
    free(session);
}

/* ---- lists ---- */

void stf_remote_reading_fini(struct stf_remote_reading *reading)
{
    stf_registry_subkeys_fini(&reading->subkeys);
    stf_registry_values_fini(&reading->values);
}

static uint32_t item_count(const struct stf_remote_reading *reading)
{
    return reading->operation == STF_WINREG_ENUM_KEY ? reading->info.subkey_count : reading->info.value_count;
}

enum stf_kind stf_remote_get_info(const struct stf_remote_session *session, const struct stf_remote_call *call,
                                  struct stf_winreg_info *info, struct stf_err *err)
{
    struct stf_bytes_in in = stf_remote_results(call);
    uint32_t code;

    if (!stf_winreg_get_info(&in, info, &code))
        return stf_remote_bad_results(session, "look at", err);
    return code == STF_WERR_OK ? STF_OK : stf_remote_refused(session, code, "look at", "a key", err);
}

static struct stf_remote_call info_call(const struct stf_winreg_handle *handle)
{
    struct stf_remote_call call = {.operation = STF_WINREG_QUERY_INFO_KEY};

    stf_winreg_put_query_info(&call.in, handle);
    return call;
}

static enum stf_kind query_info(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                struct stf_winreg_info *info, struct stf_err *err)
{
    struct stf_remote_call call = info_call(handle);
    enum stf_kind kind = stf_remote_calls_make(session, &call, 1, err);

    if (kind == STF_OK)
        kind = stf_remote_get_info(session, &call, info, err);
    stf_remote_calls_fini(&call, 1);
    return kind;
}

static enum stf_kind take_subkey(struct stf_remote_reading *reading, struct stf_bytes_in *in, uint32_t *code,
                                 bool *is_answer, struct stf_err *err)
{
    struct stf_winreg_name wide;
    char *name = NULL;
    enum stf_kind kind = STF_OK;

    *is_answer = stf_winreg_get_enum_key(in, &wide, code);
    if (*is_answer && *code == STF_WERR_OK) {
        kind = stf_registry_name_from_utf16(wide.data, wide.units, &name, err);
        if (kind == STF_OK)
            kind = stf_registry_subkeys_add(&reading->subkeys, name, 0, err);
        if (kind != STF_OK)
            free(name);
    }
    return kind;
}

static enum stf_kind take_value(struct stf_remote_reading *reading, struct stf_bytes_in *in, uint32_t *code,
                                bool *is_answer, struct stf_err *err)
{
    struct stf_winreg_value found;
    struct stf_registry_value value = {0};
    char *name = NULL;
    enum stf_kind kind = STF_OK;

    *is_answer = stf_winreg_get_enum_value(in, &found, code);
    if (*is_answer && *code == STF_WERR_OK) {
        kind = stf_registry_name_from_utf16(found.name.data, found.name.units, &name, err);
        if (kind == STF_OK)
            kind = stf_registry_value_init(&value, name, found.type, found.data, found.size, err);
        if (kind == STF_OK)
            kind = stf_registry_values_add(&reading->values, &value, err);
        stf_registry_value_fini(&value);
        free(name);
    }
    return kind;
}

/* Lists are read by index: an item that is gone, or has outgrown its room, says that the key is being changed. */
static enum stf_kind take_item(const struct stf_remote_session *session, const struct stf_remote_call *call,
                               struct stf_remote_reading *reading, struct stf_err *err)
{
    struct stf_bytes_in in = stf_remote_results(call);
    uint32_t code = STF_WERR_OK;
    bool is_answer = false;
    enum stf_kind kind = reading->operation == STF_WINREG_ENUM_KEY ? take_subkey(reading, &in, &code, &is_answer, err)
                                                                   : take_value(reading, &in, &code, &is_answer, err);

    if (kind != STF_OK)
        return kind;
    if (!is_answer)
        return stf_remote_bad_results(session, "list", err);
    if (code == STF_WERR_NO_MORE_ITEMS || code == STF_WERR_MORE_DATA) {
        reading->is_steady = false;
        return STF_OK;
    }
    return code == STF_WERR_OK ? STF_OK : stf_remote_refused(session, code, "list", "a key", err);
}

static struct stf_remote_call item_call(const struct stf_remote_reading *reading, uint32_t index)
{
    struct stf_remote_call call = {.operation = reading->operation};
    uint32_t name_max = reading->info.name_max;
    uint32_t name_size = name_max < NAME_SIZE_MAX / 2 ? 2 * name_max + 2 : NAME_SIZE_MAX;

    if (reading->operation == STF_WINREG_ENUM_KEY)
        stf_winreg_put_enum_key(&call.in, &reading->handle, index);
    else
        stf_winreg_put_enum_value(&call.in, &reading->handle, index, (uint16_t)name_size, reading->info.data_max);
    return call;
}

static enum stf_kind read_items(struct stf_remote_session *session, struct stf_remote_reading *reading, uint32_t first,
                                uint32_t count, struct stf_err *err)
{
    struct stf_remote_call calls[STF_REMOTE_WINDOW];
    enum stf_kind kind;

    for (uint32_t i = 0; i < count; i++)
        calls[i] = item_call(reading, first + i);
    kind = stf_remote_calls_make(session, calls, count, err);
    for (uint32_t i = 0; i < count && kind == STF_OK; i++)
        kind = take_item(session, &calls[i], reading, err);
    stf_remote_calls_fini(calls, count);
    return kind;
}

static enum stf_kind disturbed(const struct stf_remote_session *session, struct stf_err *err)
{
    return stf_err_set(err, STF_BUSY, 0, "list", stf_remote_pipe_host(session->pipe),
                       "a key in the registry of %s is changed faster than it can be read; try again",
                       stf_remote_pipe_host(session->pipe));
}

static bool is_same_info(const struct stf_winreg_info *a, const struct stf_winreg_info *b)
{
    return a->subkey_count == b->subkey_count && a->value_count == b->value_count && a->changed_at == b->changed_at;
}

/* One try; the reading says whether nobody disturbed it. */
static enum stf_kind read_once(struct stf_remote_session *session, struct stf_remote_reading *reading,
                               struct stf_err *err)
{
    struct stf_winreg_info after = {0};
    enum stf_kind kind = query_info(session, &reading->handle, &reading->info, err);
    uint32_t count = item_count(reading);

    reading->is_steady = true;
    for (uint32_t at = 0; kind == STF_OK && reading->is_steady && at < count;) {
        uint32_t step = at + STF_REMOTE_WINDOW < count ? STF_REMOTE_WINDOW : count - at;
        kind = read_items(session, reading, at, step, err);
        at += step;
    }
    if (kind == STF_OK && reading->is_steady && count > 0) {
        kind = query_info(session, &reading->handle, &after, err);
        reading->is_steady = is_same_info(&reading->info, &after);
    }
    return kind;
}

enum stf_kind stf_remote_read_list(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                   enum stf_winreg_call operation, struct stf_remote_reading *reading,
                                   struct stf_err *err)
{
    *reading = (struct stf_remote_reading){.handle = *handle, .operation = operation};
    for (int i = 0; i < STF_REGISTRY_READ_TRIES_MAX; i++) {
        enum stf_kind kind = read_once(session, reading, err);
        if (kind != STF_OK || reading->is_steady)
            return kind;
        stf_remote_reading_fini(reading);
    }
    return disturbed(session, err);
}

/* ---- one value ---- */

/* Whether the key has the value, in whatever spelling, and what the key is like. */
static enum stf_kind ask_for_value(struct stf_remote_session *session, const char *name,
                                   struct stf_remote_reading *reading, bool *is_there, struct stf_err *err)
{
    struct stf_remote_call calls[2] = {{.operation = STF_WINREG_QUERY_VALUE}, info_call(&reading->handle)};
    struct stf_winreg_name wide = {0};
    uint32_t type;
    uint32_t code = STF_WERR_OK;
    enum stf_kind kind = stf_remote_name_init(&wide, name, err);

    stf_winreg_put_query_value(&calls[0].in, &reading->handle, wide);
    stf_remote_name_fini(&wide);
    if (kind == STF_OK)
        kind = stf_remote_calls_make(session, calls, 2, err);
    if (kind == STF_OK) {
        struct stf_bytes_in in = stf_remote_results(&calls[0]);
        kind = stf_winreg_get_query_value(&in, &type, &code) ? STF_OK : stf_remote_bad_results(session, "get", err);
    }
    *is_there = code == STF_WERR_OK || code == STF_WERR_MORE_DATA;
    if (kind == STF_OK && *is_there)
        kind = stf_remote_get_info(session, &calls[1], &reading->info, err);
    else if (kind == STF_OK && code != STF_WERR_FILE_NOT_FOUND)
        kind = stf_remote_refused(session, code, "get", name, err);
    stf_remote_calls_fini(calls, 2);
    return kind;
}

/* Takes the value out of what was read; false when it is not there. */
static bool take_named(struct stf_remote_reading *reading, const char *name, struct stf_registry_value *value)
{
    for (size_t i = 0; i < reading->values.count; i++) {
        if (stf_registry_name_compare(reading->values.items[i].name, name) == 0) {
            *value = reading->values.items[i];
            reading->values.items[i] = (struct stf_registry_value){0};
            return true;
        }
    }
    return false;
}

enum stf_kind stf_remote_find_value(struct stf_remote_session *session, const struct stf_winreg_handle *handle,
                                    const char *name, struct stf_registry_value *value, struct stf_err *err)
{
    for (int i = 0; i < STF_REGISTRY_READ_TRIES_MAX; i++) {
        struct stf_remote_reading reading = {.handle = *handle, .operation = STF_WINREG_ENUM_VALUE, .is_steady = true};
        bool is_there = false;
        bool is_found = false;
        bool is_steady;
        enum stf_kind kind = ask_for_value(session, name, &reading, &is_there, err);
        uint32_t count = item_count(&reading);
        for (uint32_t at = 0; kind == STF_OK && is_there && !is_found && reading.is_steady && at < count;) {
            uint32_t step = at + STF_REMOTE_WINDOW < count ? STF_REMOTE_WINDOW : count - at;
            kind = read_items(session, &reading, at, step, err);
            is_found = kind == STF_OK && take_named(&reading, name, value);
            at += step;
        }
        is_steady = reading.is_steady;
        stf_remote_reading_fini(&reading);
        if (kind != STF_OK || is_found)
            return kind;
        /* Twice a whole list without it: the server's rules of case find it, ours do not. */
        if (!is_there || (is_steady && i > 0))
            return STF_NOT_FOUND;
    }
    return disturbed(session, err);
}
