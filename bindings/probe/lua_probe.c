/* lua_probe.c - shows the probe binding to scripts as host.probe.
 * Converts arguments and calls; must hold no logic. SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdint.h>

#include "common/lua_host.h"
#include "once.h"
#include "probe.h"

static void set_target(lua_State *L, json_t *doc, int options)
{
    luaL_argcheck(L, lua_getfield(L, options, "target") == LUA_TSTRING, options, "target must be a string");
    luaL_argcheck(L, lua_getfield(L, options, "port") == LUA_TNUMBER, options, "port must be a number");
    lua_pop(L, 2);
    stf_lua_doc_opt_string(L, doc, options, "target");
    stf_lua_doc_opt_int(L, doc, options, "port", 1, UINT16_MAX);
    stf_lua_doc_opt_string(L, doc, options, "send");
    stf_lua_doc_opt_string(L, doc, options, "expect");
}

static int l_start(lua_State *L)
{
    static const char *const known[] = {"target", "port",        "method",     "send",
                                        "expect", "interval_us", "timeout_ms", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    stf_lua_check_options(L, 2, known);
    json_t *doc = stf_lua_new_doc(L);
    set_target(L, doc, 2);
    stf_lua_doc_opt_string(L, doc, 2, "method");
    stf_lua_doc_opt_int(L, doc, 2, "interval_us", STF_PROBE_INTERVAL_MIN_US, STF_PROBE_INTERVAL_MAX_US);
    stf_lua_doc_opt_int(L, doc, 2, "timeout_ms", 1, STF_PROBE_TIMEOUT_MAX_MS);
    return stf_lua_verb(L, "probe.start", 3, NULL);
}

static int l_stop(lua_State *L)
{
    static const char *const known[] = {"linger_ms", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    json_t *doc = stf_lua_new_doc(L);
    luaL_argcheck(L, lua_getfield(L, 2, "handle") == LUA_TNUMBER, 2, "expected what probe:start has returned");
    stf_lua_doc_set_int(L, doc, "handle", -1, 1, INT64_MAX);
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        stf_lua_check_options(L, 3, known);
        stf_lua_doc_opt_int(L, doc, 3, "linger_ms", 0, STF_PROBE_TIMEOUT_MAX_MS);
    }
    return stf_lua_verb(L, "probe.stop", 4, NULL);
}

static int l_once(lua_State *L)
{
    static const char *const known[] = {"target", "port", "send", "expect", "timeout_ms", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    stf_lua_check_options(L, 2, known);
    json_t *doc = stf_lua_new_doc(L);
    set_target(L, doc, 2);
    stf_lua_doc_opt_int(L, doc, 2, "timeout_ms", 1, STF_PROBE_ONCE_TIMEOUT_MAX_MS);
    return stf_lua_verb(L, "probe.once", 3, NULL);
}

static const struct stf_lua_method methods[] = {
    {"start", l_start},
    {"stop", l_stop},
    {"once", l_once},
    {NULL, NULL},
};

extern const struct stf_lua_module stf_lua_probe;
const struct stf_lua_module stf_lua_probe = {.name = "probe", .methods = methods};
