/* lua_system.c - host.system for scripts: converts arguments, holds no logic. SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <string.h>
#include <unistd.h>

#include "common/lua_host.h"

enum { MAX_TIMEOUT_MS = 3600000, MAX_ID = 0x7ffffffe, MAX_BYTES = 1 << 20 };

static const char digits[] = "0123456789abcdef";

static int l_facts(lua_State *L)
{
    stf_lua_new_doc(L);
    return stf_lua_verb(L, "system.facts", lua_gettop(L), NULL);
}

static int l_run(lua_State *L)
{
    static const char *const known[] = {"argv", "timeout_ms", "input", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    bool is_table = lua_getfield(L, 2, "argv") == LUA_TTABLE;
    luaL_argcheck(L, is_table, 2, "field 'argv': expected a list of strings");
    int argv = lua_gettop(L);
    json_t *args = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, argv, args, "argv");
    stf_lua_doc_opt_int(L, args, 2, "timeout_ms", 1, MAX_TIMEOUT_MS);
    stf_lua_doc_opt_string(L, args, 2, "input");
    return stf_lua_verb(L, "system.run", lua_gettop(L), NULL);
}

/* Pushes the bytes that `hex` stands for. [-0, +1, m] */
static void push_bytes(lua_State *L, const char *hex)
{
    luaL_Buffer buffer;
    size_t size = hex ? strlen(hex) / 2 : 0;
    char *bytes = luaL_buffinitsize(L, &buffer, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)((strchr(digits, hex[2 * i]) - digits) << 4 | (strchr(digits, hex[2 * i + 1]) - digits));
    luaL_pushresultsize(&buffer, size);
}

/* Pushes hex for the string at `index`. [-0, +1, m] */
static void push_hex(lua_State *L, int index)
{
    luaL_Buffer buffer;
    size_t size;
    const char *bytes = lua_tolstring(L, index, &size);
    char *hex = luaL_buffinitsize(L, &buffer, 2 * size);
    for (size_t i = 0; i < size; i++) {
        hex[2 * i] = digits[(unsigned char)bytes[i] >> 4];
        hex[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
    }
    luaL_pushresultsize(&buffer, 2 * size);
}

/* nil for no file, else { content, mode, owner, group } */
static int push_file(lua_State *L, const json_t *state)
{
    if (!json_is_object(state)) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, 0, 4);
    push_bytes(L, json_string_value(json_object_get(state, "content_hex")));
    lua_setfield(L, -2, "content");
    lua_pushstring(L, json_string_value(json_object_get(state, "mode")));
    lua_setfield(L, -2, "mode");
    lua_pushinteger(L, json_integer_value(json_object_get(state, "owner")));
    lua_setfield(L, -2, "owner");
    lua_pushinteger(L, json_integer_value(json_object_get(state, "group")));
    lua_setfield(L, -2, "group");
    return 1;
}

static int l_read_file(lua_State *L)
{
    json_t *id = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, id, "path", 2);
    return stf_lua_read(L, "system.file", lua_gettop(L), push_file);
}

/* Leaves the document { id = { path } } on the stack. */
static json_t *new_change(lua_State *L, int path)
{
    json_t *change = stf_lua_new_doc(L), *id = json_object();
    stf_lua_doc_set_new(L, change, "id", id);
    stf_lua_doc_set_string(L, id, "path", path);
    return change;
}

/* Whom the new file belongs to, when the script does not say: to who runs the program. */
static void set_owner(lua_State *L, json_t *state, const char *key, json_int_t fallback)
{
    stf_lua_doc_set_new(L, state, key, json_integer(fallback));
    stf_lua_doc_opt_int(L, state, 2, key, 0, MAX_ID);
}

static int l_write_file(lua_State *L)
{
    static const char *const known[] = {"path", "content", "mode", "owner", "group", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    bool has_path = lua_getfield(L, 2, "path") == LUA_TSTRING;
    luaL_argcheck(L, has_path, 2, "field 'path': expected a string");
    bool has_content = lua_getfield(L, 2, "content") == LUA_TSTRING;
    luaL_argcheck(L, has_content, 2, "field 'content': expected a string");
    luaL_argcheck(L, lua_rawlen(L, -1) <= MAX_BYTES, 2, "field 'content': at most 1 MiB");
    push_hex(L, -1);
    int hex = lua_gettop(L), path = hex - 2;

    json_t *change = new_change(L, path), *state = json_object();
    int at = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "state", state);
    stf_lua_doc_set_string(L, state, "content_hex", hex);
    stf_lua_doc_set_new(L, state, "mode", json_string("0644"));
    stf_lua_doc_opt_string(L, state, 2, "mode");
    set_owner(L, state, "owner", geteuid());
    set_owner(L, state, "group", getegid());
    return stf_lua_change(L, "system.file", at);
}

static int l_remove_file(lua_State *L)
{
    luaL_checkstring(L, 2);
    new_change(L, 2);
    return stf_lua_change(L, "system.file", lua_gettop(L));
}

static const struct stf_lua_method methods[] = {
    {"facts", l_facts},
    {"run", l_run},
    {"read_file", l_read_file},
    {"write_file", l_write_file},
    {"remove_file", l_remove_file},
    {NULL, NULL},
};

const struct stf_lua_module stf_lua_system = {"system", methods};
