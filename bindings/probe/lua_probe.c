/* lua_probe.c - shows the probe binding to scripts as host.probe.
 * Converts arguments and calls; must hold no logic. SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/lua_host.h"
#include "once.h"
#include "probe.h"

/* What both start and once take: the method and what it says. */
static void set_ask(lua_State *L, json_t *doc, int options)
{
    stf_lua_doc_opt_string(L, doc, options, "target");
    stf_lua_doc_opt_int(L, doc, options, "port", 1, UINT16_MAX);
    stf_lua_doc_opt_string(L, doc, options, "method");
    stf_lua_doc_opt_string(L, doc, options, "send");
    stf_lua_doc_opt_string(L, doc, options, "expect");
    stf_lua_doc_opt_string(L, doc, options, "path");
    stf_lua_doc_opt_string(L, doc, options, "host");
    stf_lua_doc_opt_bool(L, doc, options, "head");
    stf_lua_doc_opt_int(L, doc, options, "status", 100, 599);
}

static int l_start(lua_State *L)
{
    static const char *const known[] = {"target",      "targets",    "port",       "method", "send",
                                        "expect",      "path",       "host",       "head",   "status",
                                        "interval_us", "timeout_ms", "give_up_ms", "count",  NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    stf_lua_check_options(L, 2, known);
    json_t *doc = stf_lua_new_doc(L);
    set_ask(L, doc, 2);
    bool has_target = lua_getfield(L, 2, "target") != LUA_TNIL, has_targets = lua_getfield(L, 2, "targets") != LUA_TNIL;
    luaL_argcheck(L, has_target != has_targets, 2, "expected either target or targets");
    if (has_targets)
        stf_lua_value_to_doc(L, -1, doc, "targets");
    lua_pop(L, 2);
    stf_lua_doc_opt_int(L, doc, 2, "interval_us", STF_PROBE_INTERVAL_MIN_US, STF_PROBE_INTERVAL_MAX_US);
    stf_lua_doc_opt_int(L, doc, 2, "timeout_ms", 1, STF_PROBE_TIMEOUT_MAX_MS);
    stf_lua_doc_opt_int(L, doc, 2, "give_up_ms", 1, STF_PROBE_GIVE_UP_MAX_MS);
    stf_lua_doc_opt_int(L, doc, 2, "count", 1, STF_PROBE_SAMPLES_MAX);
    return stf_lua_verb(L, "probe.start", 3, NULL);
}

static int l_stop(lua_State *L)
{
    static const char *const known[] = {"linger_ms", "samples", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    json_t *doc = stf_lua_new_doc(L);
    luaL_argcheck(L, lua_getfield(L, 2, "handle") == LUA_TNUMBER, 2, "expected what probe:start has returned");
    stf_lua_doc_set_int(L, doc, "handle", -1, 1, INT64_MAX);
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        stf_lua_check_options(L, 3, known);
        stf_lua_doc_opt_int(L, doc, 3, "linger_ms", 0, STF_PROBE_TIMEOUT_MAX_MS);
        if (lua_getfield(L, 3, "samples") != LUA_TNIL)
            stf_lua_value_to_doc(L, -1, doc, "samples");
    }
    return stf_lua_verb(L, "probe.stop", 4, NULL);
}

static int l_once(lua_State *L)
{
    static const char *const known[] = {"target", "port", "method", "send",       "expect", "path",
                                        "host",   "head", "status", "timeout_ms", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    stf_lua_check_options(L, 2, known);
    json_t *doc = stf_lua_new_doc(L);
    set_ask(L, doc, 2);
    luaL_argcheck(L, lua_getfield(L, 2, "target") != LUA_TNIL, 2, "target must be a string");
    lua_pop(L, 1);
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
