/* lua_doc.c - plain data between Lua and documents. SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/lua_host.h"

enum { MAX_DEPTH = 64 };

static const char doc_type[] = "staffetta.doc";

static int l_doc_gc(lua_State *L)
{
    json_t **box = luaL_checkudata(L, 1, doc_type);
    json_decref(*box);
    *box = NULL;
    return 0;
}

json_t *stf_lua_new_doc(lua_State *L)
{
    json_t **box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    if (luaL_newmetatable(L, doc_type)) {
        lua_pushcfunction(L, l_doc_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    *box = json_object();
    if (!*box)
        luaL_error(L, "not enough memory");
    return *box;
}

json_t *stf_lua_to_box(lua_State *L, int index)
{
    json_t **box = luaL_checkudata(L, index, doc_type);
    return *box;
}

void stf_lua_doc_set_new(lua_State *L, json_t *doc, const char *key, json_t *value)
{
    if (json_object_set_new(doc, key, value) != 0)
        luaL_error(L, "not enough memory");
}

/* A jansson string from the Lua string at `index`; raises when it is no UTF-8. */
static json_t *to_string(lua_State *L, int index, const char *key)
{
    size_t size;
    const char *bytes = lua_tolstring(L, index, &size);
    json_t *string = json_stringn(bytes, size);
    if (!string)
        luaL_error(L, "'%s' is not valid UTF-8 text", key);
    return string;
}

void stf_lua_doc_set_string(lua_State *L, json_t *doc, const char *key, int index)
{
    luaL_checkstring(L, index);
    stf_lua_doc_set_new(L, doc, key, to_string(L, index, key));
}

void stf_lua_doc_set_int(lua_State *L, json_t *doc, const char *key, int index, lua_Integer min, lua_Integer max)
{
    lua_Integer value = luaL_checkinteger(L, index);
    if (value < min || value > max)
        luaL_argerror(L, index,
                      lua_pushfstring(L, "'%s' must be %I to %I, found %I", key, (LUAI_UACINT)min, (LUAI_UACINT)max,
                                      (LUAI_UACINT)value));
    stf_lua_doc_set_new(L, doc, key, json_integer(value));
}

void stf_lua_doc_opt_string(lua_State *L, json_t *doc, int table_index, const char *key)
{
    int type = lua_getfield(L, table_index, key);
    if (type != LUA_TNIL) {
        if (type != LUA_TSTRING)
            luaL_error(L, "field '%s' must be a string, found %s", key, luaL_typename(L, -1));
        stf_lua_doc_set_new(L, doc, key, to_string(L, -1, key));
    }
    lua_pop(L, 1);
}

void stf_lua_doc_opt_int(lua_State *L, json_t *doc, int table_index, const char *key, lua_Integer min, lua_Integer max)
{
    if (lua_getfield(L, table_index, key) != LUA_TNIL) {
        int is_integer;
        lua_Integer value = lua_tointegerx(L, -1, &is_integer);
        if (!is_integer || lua_type(L, -1) != LUA_TNUMBER)
            luaL_error(L, "field '%s' must be an integer, found %s", key, luaL_tolstring(L, -1, NULL));
        if (value < min || value > max)
            luaL_error(L, "field '%s' must be %I to %I, found %I", key, (LUAI_UACINT)min, (LUAI_UACINT)max,
                       (LUAI_UACINT)value);
        stf_lua_doc_set_new(L, doc, key, json_integer(value));
    }
    lua_pop(L, 1);
}

void stf_lua_doc_opt_bool(lua_State *L, json_t *doc, int table_index, const char *key)
{
    int type = lua_getfield(L, table_index, key);
    if (type != LUA_TNIL) {
        if (type != LUA_TBOOLEAN)
            luaL_error(L, "field '%s' must be true or false, found %s", key, luaL_typename(L, -1));
        stf_lua_doc_set_new(L, doc, key, json_boolean(lua_toboolean(L, -1)));
    }
    lua_pop(L, 1);
}

void stf_lua_check_options(lua_State *L, int index, const char *const known[])
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "expected named fields, found the key %s", luaL_tolstring(L, -2, NULL));
        const char *key = lua_tostring(L, -2);
        const char *const *name = known;
        while (*name && strcmp(*name, key) != 0)
            name++;
        if (!*name) {
            const char *nearest = stf_nearest(key, known);
            luaL_error(L, "unknown field '%s'%s%s%s", key, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                       nearest ? "'?" : "");
        }
        lua_pop(L, 1);
    }
}

static json_t *convert(lua_State *L, int index, int depth, const char *what);

/* n when the table's keys are exactly 1..n, 0 for an empty table, -1 for one with other keys. */
static lua_Integer array_length(lua_State *L, int index)
{
    lua_Integer count = 0;
    lua_Integer length = (lua_Integer)lua_rawlen(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1 || lua_tointeger(L, -1) > length) {
            lua_pop(L, 1);
            return -1;
        }
        count++;
    }
    return count == length ? length : -1;
}

/* Containers are attached to `parent` before they are filled, so that everything is owned when something raises. */
static void fill(lua_State *L, int index, json_t *container, int depth, const char *what)
{
    if (json_is_array(container)) {
        lua_Integer length = (lua_Integer)lua_rawlen(L, index);
        for (lua_Integer i = 1; i <= length; i++) {
            lua_rawgeti(L, index, i);
            json_t *value = convert(L, lua_gettop(L), depth, what);
            if (json_array_append_new(container, value) != 0)
                luaL_error(L, "not enough memory");
            if (json_is_object(value) || json_is_array(value))
                fill(L, lua_gettop(L), value, depth + 1, what);
            lua_pop(L, 1);
        }
        return;
    }
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            luaL_error(L, "%s: a table must be a list or have only string keys, found the key %s", what,
                       luaL_tolstring(L, -2, NULL));
        const char *key = lua_tostring(L, -2);
        json_t *value = convert(L, lua_gettop(L), depth, key);
        if (json_object_set_new(container, key, value) != 0)
            luaL_error(L, "'%s' is not valid UTF-8 text, or not enough memory", key);
        if (json_is_object(value) || json_is_array(value))
            fill(L, lua_gettop(L), value, depth + 1, key);
        lua_pop(L, 1);
    }
}

/* The value at `index`; tables come as empty containers, which the caller fills once they are owned. */
static json_t *convert(lua_State *L, int index, int depth, const char *what)
{
    luaL_checkstack(L, LUA_MINSTACK, "data nested too deep");
    if (depth > MAX_DEPTH)
        luaL_error(L, "%s: data nested deeper than %d levels, or in a cycle", what, MAX_DEPTH);
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return json_null();
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            return json_integer(lua_tointeger(L, index));
        json_t *real = json_real(lua_tonumber(L, index));
        if (!real)
            luaL_error(L, "%s: %s is no number that a document can hold", what, luaL_tolstring(L, index, NULL));
        return real;
    case LUA_TSTRING:
        return to_string(L, index, what);
    case LUA_TTABLE:
        return array_length(L, index) > 0 ? json_array() : json_object();
    default:
        luaL_error(L, "%s: a %s is no plain data", what, luaL_typename(L, index));
        return NULL;
    }
}

void stf_lua_value_to_doc(lua_State *L, int index, json_t *doc, const char *key)
{
    index = lua_absindex(L, index);
    json_t *value = convert(L, index, 0, key);
    stf_lua_doc_set_new(L, doc, key, value);
    if (json_is_object(value) || json_is_array(value))
        fill(L, index, value, 1, key);
}

int stf_lua_push_doc(lua_State *L, const json_t *doc)
{
    luaL_checkstack(L, LUA_MINSTACK, "document nested too deep");
    switch (doc ? json_typeof(doc) : JSON_NULL) {
    case JSON_OBJECT: {
        lua_createtable(L, 0, (int)json_object_size(doc));
        const char *key;
        json_t *value;
        json_object_foreach ((json_t *)doc, key, value) {
            stf_lua_push_doc(L, value);
            lua_setfield(L, -2, key);
        }
        break;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(doc), 0);
        for (size_t i = 0; i < json_array_size(doc); i++) {
            stf_lua_push_doc(L, json_array_get(doc, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(doc), json_string_length(doc));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(doc));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(doc));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(doc));
        break;
    case JSON_NULL:
        lua_pushnil(L);
        break;
    }
    return 1;
}
