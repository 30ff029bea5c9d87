/* lua_vip.c - host.vip for scripts: converts arguments, holds no logic. SPDX-License-Identifier: MIT */
#include <lauxlib.h>

#include "common/lua_host.h"

enum { MAX_PREFIX_LENGTH = 128, MAX_COUNT = 100, MAX_GAP_MS = 1000, MAX_ADJUST = 253 };

/* host.vip:holds(address [, interface]) -> boolean, interface or nil */
static int push_holds(lua_State *L, const json_t *result)
{
    lua_pushboolean(L, json_is_true(json_object_get(result, "holds")));
    lua_pushstring(L, json_string_value(json_object_get(result, "interface")));
    return 2;
}

static int l_holds(lua_State *L)
{
    lua_settop(L, 3);
    json_t *args = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, args, "address", 2);
    if (!lua_isnil(L, 3))
        stf_lua_doc_set_string(L, args, "interface", 3);
    return stf_lua_verb(L, "vip.holds", lua_gettop(L), push_holds);
}

static int l_addresses(lua_State *L)
{
    stf_lua_new_doc(L);
    return stf_lua_verb(L, "vip.addresses", lua_gettop(L), NULL);
}

static void set_address(lua_State *L, json_t *doc)
{
    bool is_string = lua_getfield(L, 2, "address") == LUA_TSTRING;
    luaL_argcheck(L, is_string, 2, "field 'address': expected a string");
    stf_lua_doc_set_string(L, doc, "address", lua_gettop(L));
    lua_pop(L, 1);
    stf_lua_doc_opt_string(L, doc, 2, "interface");
}

/* Leaves the document { id = { address, prefix_length, interface } } on the stack. */
static json_t *new_change(lua_State *L)
{
    static const char *const known[] = {"address", "prefix_length", "interface", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    json_t *change = stf_lua_new_doc(L), *id = json_object();
    stf_lua_doc_set_new(L, change, "id", id);
    set_address(L, id);
    stf_lua_doc_opt_int(L, id, 2, "prefix_length", 1, MAX_PREFIX_LENGTH);
    return change;
}

static int l_take(lua_State *L)
{
    json_t *change = new_change(L);
    stf_lua_doc_set_new(L, change, "state", json_pack("{s:b}", "present", 1));
    return stf_lua_change(L, "vip.address", lua_gettop(L));
}

static int l_release(lua_State *L)
{
    new_change(L);
    return stf_lua_change(L, "vip.address", lua_gettop(L));
}

static int l_announce(lua_State *L)
{
    static const char *const known[] = {"address", "interface", "count", "gap_ms", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    json_t *args = stf_lua_new_doc(L);
    set_address(L, args);
    stf_lua_doc_opt_int(L, args, 2, "count", 1, MAX_COUNT);
    stf_lua_doc_opt_int(L, args, 2, "gap_ms", 0, MAX_GAP_MS);
    return stf_lua_verb(L, "vip.announce", lua_gettop(L), NULL);
}

/* host.vip:link([interface]) -> { is_up, routes } */
static int l_link(lua_State *L)
{
    lua_settop(L, 2);
    json_t *id = stf_lua_new_doc(L);
    if (!lua_isnil(L, 2))
        stf_lua_doc_set_string(L, id, "interface", 2);
    return stf_lua_read(L, "vip.link", lua_gettop(L), NULL);
}

/* host.vip:set_link({ is_up = false } [, interface]) */
static int l_set_link(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    json_t *change = stf_lua_new_doc(L), *id = json_object();
    int box = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "id", id);
    if (!lua_isnil(L, 3))
        stf_lua_doc_set_string(L, id, "interface", 3);
    stf_lua_value_to_doc(L, 2, change, "state");
    return stf_lua_change(L, "vip.link", box);
}

/* host.vip:priority() -> { adjust } */
static int l_priority(lua_State *L)
{
    stf_lua_new_doc(L);
    return stf_lua_read(L, "vip.priority", lua_gettop(L), NULL);
}

/* host.vip:set_priority(50) */
static int l_set_priority(lua_State *L)
{
    json_t *change = stf_lua_new_doc(L), *state = json_object();
    int box = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "id", json_object());
    stf_lua_doc_set_new(L, change, "state", state);
    stf_lua_doc_set_int(L, state, "adjust", 2, -MAX_ADJUST, MAX_ADJUST);
    return stf_lua_change(L, "vip.priority", box);
}

/* A document with the address at `arg`, which may be nil. */
static json_t *new_owner_id(lua_State *L, int arg)
{
    json_t *id = stf_lua_new_doc(L);
    if (!lua_isnil(L, arg))
        stf_lua_doc_set_string(L, id, "address", arg);
    return id;
}

/* host.vip:owner([address]) -> { node } */
static int l_owner(lua_State *L)
{
    lua_settop(L, 2);
    new_owner_id(L, 2);
    return stf_lua_read(L, "vip.owner", lua_gettop(L), NULL);
}

/* host.vip:set_owner(node [, address]) */
static int l_set_owner(lua_State *L)
{
    lua_settop(L, 3);
    json_t *id = new_owner_id(L, 3), *state = json_object();
    json_t *change = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "id", json_incref(id));
    stf_lua_doc_set_new(L, change, "state", state);
    stf_lua_doc_set_string(L, state, "node", 2);
    return stf_lua_change(L, "vip.owner", box);
}

/* host.vip:watch() */
static int l_watch(lua_State *L)
{
    stf_lua_new_doc(L);
    return stf_lua_verb(L, "vip.watch_start", lua_gettop(L), NULL);
}

/* host.vip:watch_stop(watch): what host.vip:watch gave */
static int l_watch_stop(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    lua_getfield(L, 2, "handle");
    stf_lua_doc_set_int(L, args, "handle", -1, 1, LUA_MAXINTEGER);
    return stf_lua_verb(L, "vip.watch_stop", box, NULL);
}

static const struct stf_lua_method methods[] = {
    {"holds", l_holds},
    {"addresses", l_addresses},
    {"take", l_take},
    {"release", l_release},
    {"announce", l_announce},
    {"link", l_link},
    {"set_link", l_set_link},
    {"priority", l_priority},
    {"owner", l_owner},
    {"set_owner", l_set_owner},
    {"set_priority", l_set_priority},
    {"watch", l_watch},
    {"watch_stop", l_watch_stop},
    {NULL, NULL},
};

const struct stf_lua_module stf_lua_vip = {"vip", methods};
