/* lua_wire.c - shows the captures to scripts as host.wire. Converts arguments; must hold no logic.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>

#include "lua_wire.h"

static void set_ports(lua_State *L, json_t *doc, int options)
{
    luaL_argcheck(L, lua_getfield(L, options, "ports") == LUA_TTABLE, options, "ports: expected a list of numbers");
    json_t *ports = json_array();
    stf_lua_doc_set_new(L, doc, "ports", ports);
    for (lua_Integer i = 1, count = luaL_len(L, -1); i <= count; i++) {
        int is_integer;
        lua_geti(L, -1, i);
        lua_Integer port = lua_tointegerx(L, -1, &is_integer);
        luaL_argcheck(L, is_integer && port >= 1 && port <= 65535, options, "ports: expected numbers from 1 to 65535");
        if (json_array_append_new(ports, json_integer(port)))
            luaL_error(L, "not enough memory");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* host.wire:start{ address = "10.9.0.100", ports = { 110, 143 } } */
static int l_start(lua_State *L)
{
    static const char *const known[] = {"interface", "address", "ports", "protocol", "trace", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    luaL_argcheck(L, lua_getfield(L, 2, "address") == LUA_TSTRING, 2, "address: expected a string");
    stf_lua_doc_set_string(L, args, "address", -1);
    lua_pop(L, 1);
    set_ports(L, args, 2);
    stf_lua_doc_opt_string(L, args, 2, "interface");
    stf_lua_doc_opt_string(L, args, 2, "protocol");
    stf_lua_doc_opt_bool(L, args, 2, "trace");
    return stf_lua_verb(L, "wire.start", box, NULL);
}

/* host.wire:stop(capture): what host.wire:start gave */
static int l_stop(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    json_t *args = stf_lua_new_doc(L);
    luaL_argcheck(L, lua_getfield(L, 2, "handle") == LUA_TNUMBER, 2, "expected what wire:start has returned");
    stf_lua_doc_set_int(L, args, "handle", -1, 1, LUA_MAXINTEGER);
    return stf_lua_verb(L, "wire.stop", 3, NULL);
}

static const struct stf_lua_method methods[] = {
    {"start", l_start},
    {"stop", l_stop},
    {NULL, NULL},
};

const struct stf_lua_module stf_lua_wire = {.name = "wire", .methods = methods};
