/* lua_prompt.c - the private functions of repl.lua: lines in, answers out, and names to complete. Must never run
 * anything of a script's while it looks for names. SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "prompt.h"
#include "run.h"

static const char complete_key = 0; /* registry: the function that completes */

static const struct stf_prompt *prompt_of(lua_State *L)
{
    return stf_run_of(L)->options->prompt;
}

/* read(is_more) -> line | false when it was cancelled | nil at the end */
static int l_read(lua_State *L)
{
    const struct stf_prompt *prompt = prompt_of(L);
    bool is_cancelled = false;
    char *line = prompt->read(prompt->user, stf_run_of(L), lua_toboolean(L, 1), &is_cancelled);
    if (stf_run_of(L)->is_interrupted) {
        free(line);
        return luaL_error(L, "ended from outside (signal)");
    }
    if (is_cancelled)
        lua_pushboolean(L, false);
    else
        lua_pushstring(L, line); /* the leak of `line` when memory is out ends with the run */
    free(line);
    return 1;
}

static int l_answer(lua_State *L)
{
    const struct stf_prompt *prompt = prompt_of(L);
    prompt->answer(prompt->user, luaL_checkstring(L, 1));
    return 0;
}

/* fail(error): any value that was raised */
static int l_fail(lua_State *L)
{
    const struct stf_prompt *prompt = prompt_of(L);
    struct stf_err err;
    luaL_checkany(L, 1);
    stf_trusted_error(L, 1, &err);
    prompt->fail(prompt->user, &err);
    return 0;
}

static int l_remember(lua_State *L)
{
    const struct stf_prompt *prompt = prompt_of(L);
    prompt->remember(prompt->user, luaL_checkstring(L, 1));
    return 0;
}

/* line(task or nil): the statement under way */
static int l_line(lua_State *L)
{
    stf_run_of(L)->line = lua_touserdata(L, 1);
    return 0;
}

/* confirm(): what was changed so far stays, also where the session ends badly */
static int l_confirm(lua_State *L)
{
    struct stf_err err;
    if (stf_run_confirm(stf_run_of(L), &err) != STF_OK) {
        stf_lua_push_err(L, &err);
        return lua_error(L);
    }
    return 0;
}

/* Adds the names of the table at `from` that the one at `to` has not. */
static void add_names(lua_State *L, int from, int to)
{
    lua_pushnil(L);
    while (lua_next(L, from)) { /* -- ... key value */
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            if (lua_rawget(L, to) == LUA_TNIL) {
                lua_pushvalue(L, -3);
                lua_pushvalue(L, -3);
                lua_rawset(L, to);
            }
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
}

/* members(value) -> { name = value }: what can follow it behind a dot or a colon, looked up raw through the __index
 * tables of its metatables. */
static int l_members(lua_State *L)
{
    enum { MAX_DEPTH = 4, MEMBERS = 2, EACH = 3 };
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, 1); /* -- value members each */
    for (int depth = 0; depth < MAX_DEPTH; depth++) {
        if (lua_istable(L, EACH))
            add_names(L, EACH, MEMBERS);
        if (lua_isstring(L, EACH) || !lua_getmetatable(L, EACH))
            break;
        lua_pushliteral(L, "__index");
        lua_rawget(L, -2);
        lua_replace(L, EACH);
        lua_settop(L, EACH);
    }
    lua_settop(L, MEMBERS);
    return 1;
}

/* complete_with(function(text) -> size of the word, list) */
static int l_complete_with(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &complete_key);
    return 0;
}

void stf_lua_push_prompt(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read", l_read}, {"answer", l_answer},   {"fail", l_fail},       {"remember", l_remember},
        {"line", l_line}, {"confirm", l_confirm}, {"members", l_members}, {"complete_with", l_complete_with},
        {NULL, NULL},
    };
    const struct stf_prompt *prompt = prompt_of(L);
    luaL_newlib(L, functions);
    lua_pushboolean(L, prompt->is_interactive);
    lua_setfield(L, -2, "is_interactive");
    lua_pushboolean(L, prompt->is_json);
    lua_setfield(L, -2, "is_json");
}

/* ---- for whoever reads the lines ---- */

/* (text) -> size of the word, list */
static int l_complete(lua_State *L)
{
    const char *text = lua_touserdata(L, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &complete_key);
    lua_pushstring(L, text);
    lua_call(L, 1, 2);
    luaL_checkinteger(L, -2);
    luaL_checktype(L, -1, LUA_TTABLE);
    return 2;
}

/* The list on top as copies, ended by NULL. */
static char **copy_words(lua_State *L)
{
    size_t count = lua_rawlen(L, -1);
    char **words = calloc(count + 1, sizeof *words);
    for (size_t i = 0; words && i < count; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TSTRING)
            words[i] = strdup(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    return words;
}

char **stf_prompt_complete(struct stf_run *run, const char *text, size_t *word_size)
{
    lua_State *L = run->current->co;
    char **words = NULL;
    *word_size = 0;
    stf_sandbox_arm(L);
    lua_pushcfunction(L, l_complete);
    lua_pushlightuserdata(L, (void *)text);
    if (lua_pcall(L, 1, 2, 0) != LUA_OK) {
        lua_pop(L, 1); /* an expression that can not be looked into */
        return NULL;
    }
    *word_size = (size_t)lua_tointeger(L, -2);
    words = copy_words(L);
    lua_pop(L, 2);
    return words;
}

bool stf_prompt_turn(struct stf_run *run)
{
    uv_run(&run->loop, UV_RUN_NOWAIT);
    return !run->is_interrupted;
}

int stf_prompt_fd(const struct stf_run *run)
{
    return uv_backend_fd(&run->loop);
}
