/* trusted.c - the Lua that ships inside the runtime (runtime/lua/), and what is done with it outside a run.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "run.h"

extern const struct stf_embedded stf_trusted_lua[];

/* Pushes the function that a trusted file is. [-0, +1, e] */
static void push_trusted(lua_State *L, const char *name)
{
    const struct stf_embedded *file = stf_trusted_lua;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    if (!file->name || !stf_sandbox_load_compiled(L, file->bytes, file->size, name))
        luaL_error(L, "the program's own %s does not load: %s", name, lua_tostring(L, -1));
}

/* Pushes what the trusted file returns when called with the `argument_count` values on top. [-n, +1, e] */
static void call_trusted(lua_State *L, const char *name, int argument_count)
{
    push_trusted(L, name);
    lua_insert(L, -argument_count - 1);
    lua_call(L, argument_count, 1);
}

/* trusted(name) -> the function that the file is */
static int l_trusted(lua_State *L)
{
    push_trusted(L, luaL_checkstring(L, 1));
    return 1;
}

/* What drives a run is on top: ctx. With a prompt it is repl instead, which is given that. [-1, +1, e] */
static void push_repl(lua_State *L, int sys, int world)
{
    int ctx = lua_gettop(L);
    lua_pushvalue(L, sys);
    stf_lua_push_prompt(L);
    lua_pushvalue(L, ctx);
    lua_pushvalue(L, world);
    lua_pushcfunction(L, l_trusted);
    call_trusted(L, "repl.luac", 5);
}

static int l_push_ctx(lua_State *L)
{
    enum { SYS = 1, WORLD = 2 };
    const struct stf_run_options *options = stf_run_of(L)->options;
    stf_lua_push_sys(L);
    lua_pushvalue(L, SYS);
    call_trusted(L, "world.luac", 1); /* -- sys world */
    lua_pushvalue(L, SYS);
    lua_pushvalue(L, SYS);
    call_trusted(L, "manifest.luac", 1); /* -- sys world sys manifest */
    lua_pushvalue(L, WORLD);
    lua_pushvalue(L, SYS);
    call_trusted(L, "stages.luac", 1); /* -- sys world sys manifest world stages */
    lua_pushcfunction(L, l_trusted);
    call_trusted(L, "ctx.luac", 5);
    if (options && options->prompt)
        push_repl(L, SYS, WORLD);
    return 1;
}

bool stf_trusted_push_ctx(lua_State *L)
{
    lua_pushcfunction(L, l_push_ctx);
    return lua_pcall(L, 0, 1, 0) == LUA_OK;
}

/* The field `key` of the table at `index`, read without its metamethods. [-0, +1, m] */
static int raw_field(lua_State *L, int index, const char *key)
{
    index = lua_absindex(L, index);
    lua_pushstring(L, key);
    return lua_rawget(L, index);
}

static void copy_field(lua_State *L, int index, const char *key, char *to, size_t size)
{
    if (raw_field(L, index, key) == LUA_TSTRING)
        snprintf(to, size, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
}

/* (error value, struct stf_err *): an error table, {error, traceback}, or text. */
static int l_fill_error(lua_State *L)
{
    struct stf_err *err = lua_touserdata(L, 2);
    lua_settop(L, 1);
    if (lua_istable(L, 1) && raw_field(L, 1, "error") != LUA_TNIL)
        lua_replace(L, 1);
    lua_settop(L, 1);
    if (lua_istable(L, 1)) {
        char name[32] = "invalid_data";
        copy_field(L, 1, "kind", name, sizeof name);
        copy_field(L, 1, "op", err->op, sizeof err->op);
        copy_field(L, 1, "subject", err->subject, sizeof err->subject);
        copy_field(L, 1, "message", err->message, sizeof err->message);
        copy_field(L, 1, "expected", err->expected, sizeof err->expected);
        copy_field(L, 1, "found", err->found, sizeof err->found);
        copy_field(L, 1, "remedy", err->remedy, sizeof err->remedy);
        err->kind = stf_kind_from_name(name);
    } else if (lua_isstring(L, 1)) {
        snprintf(err->message, sizeof err->message, "%s", lua_tostring(L, 1));
    }
    return 0;
}

enum stf_kind stf_trusted_error(lua_State *L, int index, struct stf_err *err)
{
    struct stf_err raised = {.kind = STF_INVALID_DATA, .op = "run"};
    index = lua_absindex(L, index);
    lua_pushcfunction(L, l_fill_error);
    lua_pushvalue(L, index);
    lua_pushlightuserdata(L, &raised);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1); /* no memory even for a look at it */
    const char *message = raised.message[0] ? raised.message : "the script raised a value that is no message";
    stf_err_set(err, raised.kind, 0, raised.op, raised.subject, "%s", message); /* makes UTF-8 of what a script says */
    stf_err_expected(err, raised.expected, raised.found);
    stf_err_remedy(err, "%s", raised.remedy);
    return raised.kind;
}

void stf_run_collect_needs(struct stf_run *run)
{
    static const char *const own_needs[] = {"files.read", "journal.rollback"};
    for (size_t i = 0; i < sizeof own_needs / sizeof *own_needs; i++)
        run->needs[run->need_count++] = own_needs[i];
    for (size_t b = 0; b < run->rt->bound_count; b++) {
        const struct stf_binding *binding = run->rt->bound[b].binding;
        const struct stf_verb *verb = binding->verbs;
        const struct stf_resource *resource = binding->resources;
        while ((verb && verb->name) || (resource && resource->name)) {
            const char *need = verb && verb->name ? (verb++)->need : (resource++)->need;
            size_t known = 0;
            while (known < run->need_count && strcmp(run->needs[known], need) != 0)
                known++;
            if (known == run->need_count && known < STF_MAX_NEEDS)
                run->needs[run->need_count++] = need;
        }
    }
}

/* ---- outside a run: a state of its own, and no coroutine ---- */

static int l_load_site(lua_State *L)
{
    const char *text = lua_touserdata(L, 1);
    size_t size = (size_t)lua_tointeger(L, 2);
    struct stf_runtime *rt = stf_run_of(L)->rt;
    stf_lua_push_sys(L);
    lua_pushcfunction(L, l_trusted);
    call_trusted(L, "site.luac", 2);
    if (!stf_sandbox_load(L, text, size, "@site.lua"))
        return lua_error(L);
    lua_call(L, 0, 1);
    lua_call(L, 1, 2); /* -- ... site summary */
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, -3, holder, "site");
    stf_lua_value_to_doc(L, -2, holder, "summary");
    rt->site = json_incref(json_object_get(holder, "site"));
    rt->inventory = json_incref(json_object_get(holder, "summary"));
    return 0;
}

static enum stf_kind open_scratch(struct stf_run *scratch, struct stf_runtime *rt, struct stf_err *err)
{
    scratch->rt = rt;
    stf_run_collect_needs(scratch);
    scratch->L = stf_sandbox_open(&rt->limits, scratch);
    if (!scratch->L)
        return stf_err_set(err, STF_NO_MEMORY, 0, "load", NULL, "not enough memory for a Lua state");
    stf_sandbox_arm(scratch->L);
    return STF_OK;
}

enum stf_kind stf_trusted_load_site(struct stf_runtime *rt, struct stf_err *err)
{
    char path[4096], *text;
    size_t size;
    struct stf_run scratch = {0};
    if (snprintf(path, sizeof path, "%s/site.lua", rt->site_dir) >= (int)sizeof path)
        return stf_err_set(err, STF_INVALID_DATA, 0, "load", rt->site_dir, "the path of the site is too long");
    enum stf_kind kind = stf_script_read(path, &text, &size, err);
    if (kind == STF_NOT_FOUND) {
        stf_err_expected(err, "the folder that has your site.lua", rt->site_dir);
        stf_err_remedy(err, "staffetta new site DIR");
    }
    if (kind == STF_OK)
        kind = open_scratch(&scratch, rt, err);
    if (kind != STF_OK)
        goto out;
    lua_pushcfunction(scratch.L, l_load_site);
    lua_pushlightuserdata(scratch.L, text);
    lua_pushinteger(scratch.L, (lua_Integer)size);
    if (lua_pcall(scratch.L, 2, 0, 0) != LUA_OK) {
        kind = stf_trusted_error(scratch.L, -1, err);
        snprintf(err->subject, sizeof err->subject, "%.250s", path);
    }
out:
    stf_sandbox_close(scratch.L);
    free(text);
    return kind;
}

static int l_describe(lua_State *L)
{
    json_t **description = lua_touserdata(L, 3);
    if (!stf_trusted_push_ctx(L))
        return lua_error(L);
    lua_getfield(L, -1, "describe");
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_call(L, 2, 1);
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, -2, holder, "description");
    *description = json_incref(json_object_get(holder, "description"));
    return 0;
}

enum stf_kind stf_trusted_describe(struct stf_runtime *rt, const char *kind_name, const char *name,
                                   json_t **description, struct stf_err *err)
{
    struct stf_run scratch = {0};
    enum stf_kind kind = open_scratch(&scratch, rt, err);
    if (kind != STF_OK)
        return kind;
    lua_pushcfunction(scratch.L, l_describe);
    lua_pushstring(scratch.L, kind_name);
    lua_pushstring(scratch.L, name);
    lua_pushlightuserdata(scratch.L, description);
    if (lua_pcall(scratch.L, 3, 0, 0) != LUA_OK)
        kind = stf_trusted_error(scratch.L, -1, err);
    stf_sandbox_close(scratch.L);
    return kind;
}

static int l_tool(lua_State *L)
{
    const char *name = lua_touserdata(L, 1);
    const json_t *input = lua_touserdata(L, 2);
    json_t **output = lua_touserdata(L, 3);
    stf_lua_push_sys(L);
    lua_pushcfunction(L, l_trusted);
    call_trusted(L, name, 2);
    stf_lua_push_doc(L, input);
    lua_call(L, 1, 1);
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, -2, holder, "output");
    *output = json_incref(json_object_get(holder, "output"));
    return 0;
}

enum stf_kind stf_trusted_tool(struct stf_runtime *rt, const char *name, const json_t *input, json_t **output,
                               struct stf_err *err)
{
    struct stf_run scratch = {0};
    *output = NULL;
    enum stf_kind kind = open_scratch(&scratch, rt, err);
    if (kind != STF_OK)
        return kind;
    lua_pushcfunction(scratch.L, l_tool);
    lua_pushlightuserdata(scratch.L, (void *)name);
    lua_pushlightuserdata(scratch.L, (void *)input);
    lua_pushlightuserdata(scratch.L, output);
    if (lua_pcall(scratch.L, 3, 0, 0) != LUA_OK)
        kind = stf_trusted_error(scratch.L, -1, err);
    stf_sandbox_close(scratch.L);
    return kind;
}
