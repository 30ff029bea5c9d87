/* lua_registry.c - shows the registry to scripts as host.registry: hands arguments over and results back.
 * What a value means is value.c's to say. SPDX-License-Identifier: MIT */
#include "registry/lua_registry.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "common/doc.h"
#include "registry/snapshot.h"
#include "registry/tree.h"
#include "registry/value.h"

/* ---- results ---- */

#define STORED "staffetta.registry.stored"

/* A value on its way to Lua, owned by a userdata, so that it is freed whatever raises. */
struct stored {
    uint8_t *data;
    size_t size;
    struct stf_registry_plain plain;
};

static int l_stored_gc(lua_State *L)
{
    struct stored *stored = lua_touserdata(L, 1);

    free(stored->data);
    stf_registry_plain_fini(&stored->plain);
    stored->data = NULL;
    return 0;
}

/* Decodes {"type", "data"} into a new userdata on the stack. [-0, +1, e] */
static struct stored *l_push_stored(lua_State *L, const json_t *doc, uint32_t *type)
{
    struct stored *stored = lua_newuserdatauv(L, sizeof(*stored), 0);
    const char *hex = json_string_value(json_object_get(doc, "data"));
    struct stf_err err = {0};

    memset(stored, 0, sizeof(*stored));
    if (luaL_newmetatable(L, STORED)) {
        lua_pushcfunction(L, l_stored_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *type = (uint32_t)json_integer_value(json_object_get(doc, "type"));
    if (stf_hex_to_bytes(hex != NULL ? hex : "", &stored->data, &stored->size, &err) != STF_OK ||
        stf_registry_value_decode(*type, stored->data, stored->size, &stored->plain, &err) != STF_OK)
        luaL_error(L, "%s", err.message);
    return stored;
}

static void l_push_type(lua_State *L, uint32_t type)
{
    const char *name = stf_registry_type_name(type);

    if (name != NULL)
        lua_pushstring(L, name);
    else
        lua_pushinteger(L, (lua_Integer)type);
}

static void l_push_plain(lua_State *L, const struct stf_registry_plain *plain)
{
    switch (plain->form) {
    case STF_REGISTRY_FORM_NONE:
        lua_pushnil(L);
        break;
    case STF_REGISTRY_FORM_INTEGER:
        lua_pushinteger(L, (lua_Integer)plain->integer);
        break;
    case STF_REGISTRY_FORM_STRING:
        lua_pushlstring(L, plain->string.bytes, plain->string.size);
        break;
    case STF_REGISTRY_FORM_LIST:
        lua_createtable(L, (int)plain->count, 0);
        for (size_t i = 0; i < plain->count; i++) {
            lua_pushlstring(L, plain->items[i].bytes, plain->items[i].size);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    }
}

static bool is_value(const json_t *doc)
{
    return json_object_get(doc, "type") != NULL;
}

/* { type = "dword", value = 1 }, with `raw` where the value does not say it all. [-0, +1, e] */
static int l_push_value(lua_State *L, const json_t *doc)
{
    struct stored *stored;
    uint32_t type;

    if (!is_value(doc)) {
        lua_pushnil(L);
        return 1;
    }
    stored = l_push_stored(L, doc, &type);
    lua_createtable(L, 0, 3); /* stored table */
    l_push_type(L, type);
    lua_setfield(L, -2, "type");
    l_push_plain(L, &stored->plain);
    lua_setfield(L, -2, "value");
    if (!stored->plain.is_exact) {
        lua_pushlstring(L, (const char *)stored->data, stored->size);
        lua_setfield(L, -2, "raw");
    }
    lua_remove(L, -2);
    return 1;
}

/* The type's code, and the bytes; nil when absent. [-0, +1|2, e] */
static int l_push_raw(lua_State *L, const json_t *doc)
{
    struct stored *stored;
    uint32_t type;

    if (!is_value(doc)) {
        lua_pushnil(L);
        return 1;
    }
    stored = l_push_stored(L, doc, &type);
    lua_pushinteger(L, (lua_Integer)type); /* stored type */
    lua_pushlstring(L, (const char *)stored->data, stored->size);
    lua_remove(L, -3);
    return 2;
}

/* { keys = { "a" }, values = { { name = "b", type = "sz", value = "c" } } }; nil when absent. [-0, +1, e] */
static int l_push_listing(lua_State *L, const json_t *doc)
{
    const json_t *values = json_object_get(doc, "values");

    if (values == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 2);
    stf_lua_push_doc(L, json_object_get(doc, "keys"));
    lua_setfield(L, -2, "keys");
    lua_createtable(L, (int)json_array_size(values), 0); /* listing values */
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        l_push_value(L, value);
        lua_pushstring(L, json_string_value(json_object_get(value, "name")));
        lua_setfield(L, -2, "name");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "values");
    return 1;
}

static int l_push_unchanged(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "changed");
    return 1;
}

/* ---- arguments ---- */

enum { KEY = 2, NAME = 3, TYPE = 4, VALUE = 5 };

/* {"key"} or {"key", "name"} of the arguments. [-0, +1, e] */
static json_t *l_new_id(lua_State *L, bool has_name)
{
    json_t *id = stf_lua_new_doc(L);

    stf_lua_doc_set_string(L, id, "key", KEY);
    if (has_name)
        stf_lua_doc_set_string(L, id, "name", NAME);
    return id;
}

/* {"id": ..., "state": ...}; `state` may be NULL. Leaves the id below the change. [-0, +2, e] */
static void l_new_change(lua_State *L, bool has_name, json_t *state)
{
    json_t *id = l_new_id(L, has_name);
    json_t *change = stf_lua_new_doc(L);

    stf_lua_doc_set_new(L, change, "id", json_incref(id));
    if (state != NULL)
        stf_lua_doc_set_new(L, change, "state", json_incref(state));
}

static uint32_t l_check_type(lua_State *L)
{
    struct stf_err err;
    uint32_t type = 0;

    if (lua_type(L, TYPE) == LUA_TNUMBER) {
        lua_Integer code = luaL_checkinteger(L, TYPE);
        luaL_argcheck(L, code >= 0 && code <= UINT32_MAX, TYPE, "a type's number is from 0 to 4294967295");
        return (uint32_t)code;
    }
    if (stf_registry_type_from_name(luaL_checkstring(L, TYPE), &type, &err) != STF_OK)
        luaL_argerror(L, TYPE, err.message);
    return type;
}

static struct stf_registry_string string_at(lua_State *L, int index)
{
    struct stf_registry_string string;

    string.bytes = lua_tolstring(L, index, &string.size);
    return string;
}

/* The strings stay where they are, in the table; the array is a userdata. [-0, +1, e] */
static void l_check_list(lua_State *L, struct stf_registry_plain *plain)
{
    plain->form = STF_REGISTRY_FORM_LIST;
    plain->count = (size_t)luaL_len(L, VALUE);
    plain->items = lua_newuserdatauv(L, plain->count * sizeof(plain->items[0]), 0);
    for (size_t i = 0; i < plain->count; i++) {
        luaL_argcheck(L, lua_geti(L, VALUE, (lua_Integer)i + 1) == LUA_TSTRING, VALUE, "a list must be of strings");
        plain->items[i] = string_at(L, -1);
        lua_pop(L, 1);
    }
}

/* A number, a string, a list of strings, or { raw = bytes }, which sets *is_raw. What it points to stays on the stack.
 */
static void l_check_value(lua_State *L, struct stf_registry_plain *plain, bool *is_raw)
{
    static const char *const known[] = {"raw", NULL};

    *plain = (struct stf_registry_plain){0};
    *is_raw = false;
    switch (lua_type(L, VALUE)) {
    case LUA_TNUMBER:
        plain->form = STF_REGISTRY_FORM_INTEGER;
        plain->integer = luaL_checkinteger(L, VALUE);
        break;
    case LUA_TSTRING:
        plain->form = STF_REGISTRY_FORM_STRING;
        plain->string = string_at(L, VALUE);
        break;
    case LUA_TTABLE:
        if (lua_getfield(L, VALUE, "raw") == LUA_TNIL) {
            l_check_list(L, plain);
            break;
        }
        stf_lua_check_options(L, VALUE, known);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, VALUE, "raw must be a string of bytes");
        plain->form = STF_REGISTRY_FORM_STRING;
        plain->string = string_at(L, -1);
        *is_raw = true;
        break;
    default:
        luaL_argerror(L, VALUE, "expected an integer, a string, a list of strings or { raw = bytes }");
    }
}

/* {"type", "data"} of the arguments. Nothing raises while the encoded bytes are held. [-0, +n, e] */
static json_t *l_new_state(lua_State *L)
{
    uint32_t type = l_check_type(L);
    struct stf_registry_plain plain;
    struct stf_err err = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    json_t *hex_doc = NULL;
    json_t *state;
    bool is_raw;

    l_check_value(L, &plain, &is_raw);
    state = stf_lua_new_doc(L);
    if (stf_registry_value_encode(is_raw ? STF_REG_BINARY : type, &plain, &data, &size, &err) == STF_OK) {
        char *hex = stf_hex_from_bytes(data, size);
        hex_doc = hex != NULL ? json_string(hex) : NULL;
        free(hex);
    }
    free(data);
    if (err.kind != STF_OK)
        luaL_argerror(L, VALUE, err.message);
    stf_lua_doc_set_new(L, state, "data", hex_doc);
    stf_lua_doc_set_new(L, state, "type", json_integer((json_int_t)type));
    return state;
}

/* ---- methods ---- */

static int l_get(lua_State *L)
{
    lua_settop(L, NAME);
    l_new_id(L, true);
    return stf_lua_read(L, "registry.value", -1, l_push_value);
}

static int l_get_raw(lua_State *L)
{
    lua_settop(L, NAME);
    l_new_id(L, true);
    return stf_lua_read(L, "registry.value", -1, l_push_raw);
}

static int l_set(lua_State *L)
{
    lua_settop(L, VALUE);
    l_new_change(L, true, l_new_state(L));
    return stf_lua_change(L, "registry.value", -1);
}

/* What is absent already stays as it is, its keys too; the change waits on the stack below the call. */
static int l_delete_found(lua_State *L, const json_t *state)
{
    if (!is_value(state))
        return l_push_unchanged(L);
    return stf_lua_change(L, "registry.value", NAME + 2);
}

static int l_delete(lua_State *L)
{
    lua_settop(L, NAME);
    l_new_change(L, true, NULL);
    return stf_lua_read(L, "registry.value", NAME + 1, l_delete_found);
}

static int l_list(lua_State *L)
{
    lua_settop(L, KEY);
    l_new_id(L, false);
    return stf_lua_verb(L, "registry.list", -1, l_push_listing);
}

static int l_create_key(lua_State *L)
{
    json_t *state;

    lua_settop(L, KEY);
    state = stf_lua_new_doc(L);
    stf_lua_doc_set_new(L, state, "exists", json_true());
    l_new_change(L, false, state);
    return stf_lua_change(L, "registry.presence", -1);
}

static int l_delete_found_key(lua_State *L, const json_t *state)
{
    if (json_object_get(state, "keys") == NULL)
        return l_push_unchanged(L);
    return stf_lua_change(L, "registry.key", KEY + 2);
}

/* With the keys' times, so that its undo gives back the same hive. */
static int l_delete_key(lua_State *L)
{
    lua_settop(L, KEY);
    l_new_change(L, false, NULL);
    stf_lua_doc_set_new(L, stf_lua_to_box(L, KEY + 1), "times", json_true());
    return stf_lua_read(L, "registry.key", KEY + 1, l_delete_found_key);
}

enum { SNAPSHOT = 3, TEXT = 2 };

static int l_snapshot(lua_State *L)
{
    lua_settop(L, KEY);
    l_new_id(L, false);
    return stf_lua_verb(L, "registry.snapshot", -1, NULL);
}

static int l_diff(lua_State *L)
{
    json_t *args;

    lua_settop(L, SNAPSHOT);
    args = l_new_id(L, false);
    stf_lua_doc_set_string(L, args, "snapshot", SNAPSHOT);
    return stf_lua_verb(L, "registry.diff", -1, NULL);
}

/* The key keeps the spelling that it has, and what the snapshot does not tell; the change waits on the stack below the
 * call. */
static int l_restore_found(lua_State *L, const json_t *state)
{
    json_t *wanted = json_object_get(stf_lua_to_box(L, SNAPSHOT + 2), "state");
    json_t *name = json_object_get(state, "name");
    struct stf_err err;

    if (stf_registry_tree_keep_extras(wanted, state, &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    if (name != NULL)
        stf_lua_doc_set_new(L, wanted, "name", json_incref(name));
    return stf_lua_change(L, "registry.key", SNAPSHOT + 2);
}

static int l_restore(lua_State *L)
{
    struct stf_err err;
    json_t *change;
    json_t *snapshot;
    const json_t *tree;
    const char *key;
    const char *text;
    size_t size;

    lua_settop(L, SNAPSHOT);
    text = luaL_checklstring(L, SNAPSHOT, &size);
    l_new_change(L, false, NULL);
    change = stf_lua_to_box(L, SNAPSHOT + 2);
    if (stf_registry_snapshot_parse(text, size, "the snapshot", &snapshot, &key, &tree, &err) != STF_OK)
        return luaL_argerror(L, SNAPSHOT, err.message);
    tree = json_deep_copy(tree); /* the copy is what may get a name and extras */
    json_decref(snapshot);
    stf_lua_doc_set_new(L, change, "state", (json_t *)tree);
    return stf_lua_read(L, "registry.key", SNAPSHOT + 1, l_restore_found);
}

static int l_apply_changes(lua_State *L, const json_t *change)
{
    json_t *box;

    if (change == NULL || json_is_null(change))
        return l_push_unchanged(L);
    box = stf_lua_new_doc(L);
    stf_lua_doc_set_new(L, box, "id", json_incref(json_object_get(change, "id")));
    stf_lua_doc_set_new(L, box, "state", json_incref(json_object_get(change, "state")));
    return stf_lua_change(L, "registry.patch", -1);
}

static int l_apply_reg(lua_State *L)
{
    const char *text;
    size_t size;
    char *hex;
    json_t *args;
    json_t *data;

    lua_settop(L, TEXT);
    text = luaL_checklstring(L, TEXT, &size);
    args = stf_lua_new_doc(L);
    hex = stf_hex_from_bytes(text, size);
    data = hex != NULL ? json_string(hex) : NULL;
    free(hex);
    stf_lua_doc_set_new(L, args, "data", data);
    return stf_lua_verb(L, "registry.import", -1, l_apply_changes);
}

static const struct stf_lua_method methods[] = {
    {"get", l_get},
    {"get_raw", l_get_raw},
    {"set", l_set},
    {"delete", l_delete},
    {"list", l_list},
    {"create_key", l_create_key},
    {"delete_key", l_delete_key},
    {"snapshot", l_snapshot},
    {"restore", l_restore},
    {"diff", l_diff},
    {"apply_reg", l_apply_reg},
    {NULL, NULL},
};

const struct stf_lua_module stf_lua_registry = {.name = "registry", .methods = methods};
