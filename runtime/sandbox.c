/* sandbox.c - the limits and the globals of scripts. The list of globals is closed: what is not named here is not
 * there. SPDX-License-Identifier: MIT */
#include "sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

enum { HOOK_INTERVAL = 10000 };

const struct stf_sandbox_limits stf_sandbox_default_limits = {
    .memory_bytes = 256U << 20,
    .instructions = 200 * 1000 * 1000,
};

struct sandbox {
    struct stf_sandbox_limits limits;
    size_t used_bytes;
    int64_t instructions_left;
    bool is_stopped;
    char why[128];
    void *owner;
};

static const char env_key = 0; /* registry: the common globals */

static struct sandbox *sandbox_of(lua_State *L)
{
    return *(struct sandbox **)lua_getextraspace(L);
}

static void *limited_alloc(void *user, void *block, size_t old_size, size_t new_size)
{
    struct sandbox *box = user;
    size_t old_bytes = block ? old_size : 0;
    if (new_size == 0) {
        free(block);
        box->used_bytes -= old_bytes;
        return NULL;
    }
    if (new_size > old_bytes && box->used_bytes - old_bytes + new_size > box->limits.memory_bytes)
        return NULL;
    void *grown = realloc(block, new_size);
    if (grown)
        box->used_bytes += new_size - old_bytes;
    return grown;
}

/* Once the budget is gone the hook fires on every instruction, so catching the error only meets the next one. */
static void l_budget_hook(lua_State *L, lua_Debug *ar)
{
    struct sandbox *box = sandbox_of(L);
    box->instructions_left -= HOOK_INTERVAL;
    if (!box->is_stopped && box->instructions_left > 0)
        return;
    lua_sethook(L, l_budget_hook, LUA_MASKCOUNT, 1);
    if (box->is_stopped) {
        lua_pushfstring(L, "stopped: %s", box->why);
    } else {
        lua_getinfo(L, "Sl", ar); /* where the script is; luaL_error would name its caller */
        lua_pushfstring(L,
                        "%s:%d: stopped: the script used more than %I instructions without waiting for anything; "
                        "look for a loop that does not end",
                        ar->short_src, ar->currentline, (LUAI_UACINT)box->limits.instructions);
    }
    lua_error(L);
}

void stf_sandbox_arm(lua_State *co)
{
    struct sandbox *box = sandbox_of(co);
    box->instructions_left = box->limits.instructions;
    lua_sethook(co, l_budget_hook, LUA_MASKCOUNT, box->is_stopped ? 1 : HOOK_INTERVAL);
}

void stf_sandbox_stop(lua_State *L, const char *why)
{
    struct sandbox *box = sandbox_of(L);
    box->is_stopped = true;
    strncpy(box->why, why, sizeof box->why - 1);
}

void stf_sandbox_let_go(lua_State *L)
{
    sandbox_of(L)->is_stopped = false;
}

/* A finalizer would run at any moment, inside anybody's code. Lua marks an object for finalization only if __gc is
 * there at this moment, so refusing it here is enough. */
static int l_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_argerror(L, 2, "scripts can not use __gc");
        lua_pop(L, 1);
    }
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int l_read_only(lua_State *L)
{
    return luaL_error(L, "this table belongs to all scripts and is read-only");
}

/* Replaces the table on top by an empty one that reads through to it and can not be altered. [-1, +1, m] */
static void protect_table(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3); /* -- real proxy meta */
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static void open_library(lua_State *L, const char *name, lua_CFunction open, const char *const without[])
{
    luaL_requiref(L, name, open, 0);
    for (; *without; without++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *without);
    }
    protect_table(L);
    lua_setfield(L, -2, name);
}

/* print, load, dofile, require, collectgarbage, rawset and the rest of the basic library stay out. */
static const char *const basic_names[] = {"assert",   "error",  "ipairs",       "next",   "pairs",    "pcall",
                                          "rawequal", "rawget", "rawlen",       "select", "tonumber", "tostring",
                                          "type",     "xpcall", "getmetatable", NULL};

static int l_build_env(lua_State *L)
{
    lua_newtable(L); /* -- env */
    luaL_requiref(L, "_G", luaopen_base, 0);
    for (const char *const *name = basic_names; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_setfield(L, -3, *name);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, l_setmetatable);
    lua_setfield(L, -2, "setmetatable");
    open_library(L, LUA_STRLIBNAME, luaopen_string, (const char *const[]){"dump", NULL});
    open_library(L, LUA_TABLIBNAME, luaopen_table, (const char *const[]){NULL});
    open_library(L, LUA_MATHLIBNAME, luaopen_math, (const char *const[]){NULL});
    open_library(L, LUA_UTF8LIBNAME, luaopen_utf8, (const char *const[]){NULL});
    lua_pushliteral(L, ""); /* the strings' own metatable must not lead to the real string table */
    lua_getmetatable(L, -1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
    return 0;
}

lua_State *stf_sandbox_open(const struct stf_sandbox_limits *limits, void *owner)
{
    struct sandbox *box = calloc(1, sizeof *box);
    if (!box)
        return NULL;
    box->limits = *limits;
    box->owner = owner;
    lua_State *L = lua_newstate(limited_alloc, box);
    if (!L) {
        free(box);
        return NULL;
    }
    *(struct sandbox **)lua_getextraspace(L) = box;
    lua_pushcfunction(L, l_build_env);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        stf_sandbox_close(L);
        return NULL;
    }
    return L;
}

void stf_sandbox_close(lua_State *L)
{
    if (!L)
        return;
    struct sandbox *box = sandbox_of(L);
    lua_close(L);
    free(box);
}

void *stf_sandbox_owner(lua_State *L)
{
    return sandbox_of(L)->owner;
}

/* Pushes the globals of one script: a table of its own over the read-only common ones. [-0, +1, m] */
static void push_env(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 2);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
}

static bool load_chunk(lua_State *L, const char *bytes, size_t size, const char *chunk_name, const char *mode)
{
    if (luaL_loadbufferx(L, bytes, size, chunk_name, mode) != LUA_OK)
        return false;
    push_env(L);
    lua_setupvalue(L, -2, 1);
    return true;
}

bool stf_sandbox_load(lua_State *L, const char *text, size_t size, const char *chunk_name)
{
    return load_chunk(L, text, size, chunk_name, "t");
}

bool stf_sandbox_load_compiled(lua_State *L, const char *code, size_t size, const char *chunk_name)
{
    return load_chunk(L, code, size, chunk_name, "b");
}
