/* lua_ipsec.c - shows IPsec to scripts as host.ipsec. Converts arguments; must hold no logic.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <lua.h>

#include "common/lua_host.h"

extern const struct stf_lua_module stf_lua_ipsec;

enum { TIMEOUT_MAX_MS = 600000 };

/* ---------- what stands there ---------- */

static int ask(lua_State *L, const char *verb)
{
    stf_lua_new_doc(L);
    return stf_lua_verb(L, verb, lua_gettop(L), NULL);
}

static int l_version(lua_State *L)
{
    return ask(L, "ipsec.version");
}

static int l_stats(lua_State *L)
{
    return ask(L, "ipsec.stats");
}

static int l_capabilities(lua_State *L)
{
    return ask(L, "ipsec.capabilities");
}

static int l_connections(lua_State *L)
{
    return ask(L, "ipsec.connections");
}

static int l_sas(lua_State *L)
{
    return ask(L, "ipsec.sas");
}

static int l_policies(lua_State *L)
{
    return ask(L, "ipsec.policies");
}

static int l_certificates(lua_State *L)
{
    return ask(L, "ipsec.certificates");
}

static int l_loaded(lua_State *L)
{
    return ask(L, "ipsec.loaded");
}

/* host.ipsec:counters() or host.ipsec:counters("staffetta-mail") */
static int l_counters(lua_State *L)
{
    json_t *args = stf_lua_new_doc(L);
    if (!lua_isnoneornil(L, 2))
        stf_lua_doc_set_string(L, args, "connection", 2);
    return stf_lua_verb(L, "ipsec.counters", lua_gettop(L), NULL);
}

static int l_reload(lua_State *L)
{
    return ask(L, "ipsec.reload");
}

/* ---------- resources ---------- */

static int read_named(lua_State *L, const char *resource)
{
    json_t *id = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, id, "name", 2);
    return stf_lua_read(L, resource, lua_gettop(L), NULL);
}

/* {"id": {"name"}, "state"} of the arguments, as the stack's new top: its index. `state_index` 0: absent */
static int new_named(lua_State *L, int state_index)
{
    if (state_index)
        luaL_checktype(L, state_index, LUA_TTABLE);
    json_t *change = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    json_t *id = json_object();
    stf_lua_doc_set_new(L, change, "id", id);
    stf_lua_doc_set_string(L, id, "name", 2);
    if (state_index)
        stf_lua_value_to_doc(L, state_index, change, "state");
    return box;
}

static int change_named(lua_State *L, const char *resource, int state_index)
{
    return stf_lua_change(L, resource, new_named(L, state_index));
}

/* host.ipsec:get("staffetta-mail") */
static int l_get(lua_State *L)
{
    return read_named(L, "ipsec.connection");
}

/* host.ipsec:edit("staffetta-mail", { version = 2, ... }) */
static int l_edit(lua_State *L)
{
    return stf_lua_verb(L, "ipsec.connection_edit", new_named(L, 3), NULL);
}

/* host.ipsec:set("staffetta-mail", { version = 2, ... }) */
static int l_set(lua_State *L)
{
    return change_named(L, "ipsec.connection", 3);
}

static int l_remove(lua_State *L)
{
    return change_named(L, "ipsec.connection", 0);
}

static int l_get_secret(lua_State *L)
{
    return read_named(L, "ipsec.secret");
}

/* host.ipsec:set_secret("staffetta-mail", { file = "secrets/mail.psk", owners = { "fe1", "mail" } }) */
static int l_set_secret(lua_State *L)
{
    return change_named(L, "ipsec.secret", 3);
}

static int l_remove_secret(lua_State *L)
{
    return change_named(L, "ipsec.secret", 0);
}

static int l_get_guard(lua_State *L)
{
    return read_named(L, "ipsec.guard");
}

static int l_set_guard(lua_State *L)
{
    return change_named(L, "ipsec.guard", 3);
}

static int l_remove_guard(lua_State *L)
{
    return change_named(L, "ipsec.guard", 0);
}

/* Of what a host has one of, and which so has no name. */
static int read_only_one(lua_State *L, const char *resource)
{
    stf_lua_new_doc(L);
    return stf_lua_read(L, resource, lua_gettop(L), NULL);
}

/* `state_index` 0: absent */
static int change_only_one(lua_State *L, const char *resource, int state_index)
{
    if (state_index)
        luaL_checktype(L, state_index, LUA_TTABLE);
    json_t *change = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "id", json_object());
    if (state_index)
        stf_lua_value_to_doc(L, state_index, change, "state");
    return stf_lua_change(L, resource, box);
}

static int l_get_timers(lua_State *L)
{
    return read_only_one(L, "ipsec.timers");
}

/* host.ipsec:set_timers{ retransmit_timeout_ms = 300, retransmit_base = 1.0, .. } */
static int l_set_timers(lua_State *L)
{
    return change_only_one(L, "ipsec.timers", 2);
}

static int l_remove_timers(lua_State *L)
{
    return change_only_one(L, "ipsec.timers", 0);
}

static int l_get_acquire_expires(lua_State *L)
{
    return read_only_one(L, "ipsec.acquire_expires");
}

/* host.ipsec:set_acquire_expires{ acquire_expires_ms = 1000 } */
static int l_set_acquire_expires(lua_State *L)
{
    return change_only_one(L, "ipsec.acquire_expires", 2);
}

/* host.ipsec:guard_counters("staffetta-mail") */
static int l_guard_counters(lua_State *L)
{
    json_t *args = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, args, "name", 2);
    return stf_lua_verb(L, "ipsec.guard_counters", lua_gettop(L), NULL);
}

/* ---------- the daemon ---------- */

/* host.ipsec:daemon() -> { is_running } */
static int l_daemon(lua_State *L)
{
    stf_lua_new_doc(L);
    return stf_lua_read(L, "ipsec.daemon", lua_gettop(L), NULL);
}

/* host.ipsec:set_daemon{ is_running = false, signal = "KILL", renew = { "staffetta-mail" } } */
static int l_set_daemon(lua_State *L)
{
    static const char *const known[] = {"is_running", "signal", "renew", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    stf_lua_check_options(L, 2, known);
    json_t *change = stf_lua_new_doc(L), *id = json_object(), *state = json_object();
    int box = lua_gettop(L);
    stf_lua_doc_set_new(L, change, "id", id);
    stf_lua_doc_set_new(L, change, "state", state);
    stf_lua_doc_opt_string(L, id, 2, "signal");
    if (lua_getfield(L, 2, "renew") == LUA_TTABLE && lua_rawlen(L, -1) > 0)
        stf_lua_value_to_doc(L, lua_gettop(L), id, "renew");
    luaL_argcheck(L, lua_getfield(L, 2, "is_running") == LUA_TBOOLEAN, 2, "is_running: expected a boolean");
    stf_lua_doc_opt_bool(L, state, 2, "is_running");
    return stf_lua_change(L, "ipsec.daemon", box);
}

/* ---------- associations ---------- */

/* Field `connection` of the options at 2, which must be there, into a new document at the top. */
static json_t *new_doc_with_connection(lua_State *L)
{
    json_t *args = stf_lua_new_doc(L);
    luaL_argcheck(L, lua_getfield(L, 2, "connection") == LUA_TSTRING, 2, "connection: expected a string");
    stf_lua_doc_set_string(L, args, "connection", -1);
    lua_pop(L, 1);
    return args;
}

/* host.ipsec:initiate{ connection = "staffetta-mail", timeout_ms = 3000 } */
static int l_initiate(lua_State *L)
{
    static const char *const known[] = {"connection", "child", "timeout_ms", NULL};
    stf_lua_check_options(L, 2, known);
    json_t *args = new_doc_with_connection(L);
    stf_lua_doc_opt_string(L, args, 2, "child");
    stf_lua_doc_opt_int(L, args, 2, "timeout_ms", 1, TIMEOUT_MAX_MS);
    return stf_lua_verb(L, "ipsec.initiate", lua_gettop(L), NULL);
}

/* host.ipsec:terminate{ connection = "staffetta-mail", force = true } */
static int l_terminate(lua_State *L)
{
    static const char *const known[] = {"connection", "force", "timeout_ms", NULL};
    stf_lua_check_options(L, 2, known);
    json_t *args = new_doc_with_connection(L);
    stf_lua_doc_opt_bool(L, args, 2, "force");
    stf_lua_doc_opt_int(L, args, 2, "timeout_ms", 1, TIMEOUT_MAX_MS);
    return stf_lua_verb(L, "ipsec.terminate", lua_gettop(L), NULL);
}

static int command_child(lua_State *L, const char *verb)
{
    static const char *const known[] = {"connection", "child", NULL};
    stf_lua_check_options(L, 2, known);
    json_t *args = new_doc_with_connection(L);
    stf_lua_doc_opt_string(L, args, 2, "child");
    return stf_lua_verb(L, verb, lua_gettop(L), NULL);
}

/* host.ipsec:rekey{ connection = "staffetta-mail" }; so the next two */
static int l_rekey(lua_State *L)
{
    return command_child(L, "ipsec.rekey");
}

static int l_install(lua_State *L)
{
    return command_child(L, "ipsec.install");
}

static int l_uninstall(lua_State *L)
{
    return command_child(L, "ipsec.uninstall");
}

/* ---------- watches ---------- */

/* A verb whose only argument is the optional flag `key` in the optional table of options at 2. */
static int ask_with_flag(lua_State *L, const char *verb, const char *key)
{
    const char *const known[] = {key, NULL};
    bool has_options = !lua_isnoneornil(L, 2);
    if (has_options)
        stf_lua_check_options(L, 2, known);
    json_t *args = stf_lua_new_doc(L);
    if (has_options)
        stf_lua_doc_opt_bool(L, args, 2, key);
    return stf_lua_verb(L, verb, lua_gettop(L), NULL);
}

/* host.ipsec:watch() or host.ipsec:watch{ log = true } */
static int l_watch(lua_State *L)
{
    return ask_with_flag(L, "ipsec.watch_start", "log");
}

/* Stops the watch at 2, which the verb that began it gave. */
static int stop_watch(lua_State *L, const char *verb)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    lua_getfield(L, 2, "handle");
    stf_lua_doc_set_int(L, args, "handle", -1, 1, LUA_MAXINTEGER);
    return stf_lua_verb(L, verb, box, NULL);
}

static int l_watch_stop(lua_State *L)
{
    return stop_watch(L, "ipsec.watch_stop");
}

/* ---------- the kernel ---------- */

static int l_kernel_policies(lua_State *L)
{
    return ask(L, "ipsec.kernel_policies");
}

static int l_kernel_sas(lua_State *L)
{
    return ask(L, "ipsec.kernel_sas");
}

static int l_kernel_stats(lua_State *L)
{
    return ask(L, "ipsec.kernel_stats");
}

/* host.ipsec:kernel_snapshot{ spis = true } */
static int l_kernel_snapshot(lua_State *L)
{
    return ask_with_flag(L, "ipsec.kernel_snapshot", "spis");
}

/* host.ipsec:kernel_compare(snapshot) */
static int l_kernel_compare(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    stf_lua_value_to_doc(L, 2, args, "before");
    return stf_lua_verb(L, "ipsec.kernel_compare", box, NULL);
}

/* host.ipsec:kernel_watch{ acquires = true } */
static int l_kernel_watch(lua_State *L)
{
    return ask_with_flag(L, "ipsec.kernel_watch_start", "acquires");
}

static int l_kernel_watch_stop(lua_State *L)
{
    return stop_watch(L, "ipsec.kernel_watch_stop");
}

/* ---------- Windows ---------- */

/* host.ipsec:windows_scripts{ policy = ctx.policy, name = "staffetta-mail", generation = "2003", pairs = {..} } */
static int l_windows_scripts(lua_State *L)
{
    static const char *const known[] = {"policy",      "name",        "generation", "pairs",  "host",    "tool",
                                        "ike_version", "secret_file", "ca_name",    "before", "is_plan", NULL};
    stf_lua_check_options(L, 2, known);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    for (int i = 0; known[i]; i++) {
        if (lua_getfield(L, 2, known[i]) != LUA_TNIL)
            stf_lua_value_to_doc(L, lua_gettop(L), args, known[i]);
        lua_pop(L, 1);
    }
    return stf_lua_verb(L, "ipsec.windows_scripts", box, NULL);
}

/* host.ipsec:check("staffetta-mail", { version = 2, ... }) */
static int l_check(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    json_t *args = stf_lua_new_doc(L);
    int box = lua_gettop(L);
    stf_lua_doc_set_string(L, args, "name", 2);
    stf_lua_value_to_doc(L, 3, args, "document");
    return stf_lua_verb(L, "ipsec.check", box, NULL);
}

/* host.ipsec:windows_capabilities("2003") */
static int l_windows_capabilities(lua_State *L)
{
    json_t *args = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, args, "generation", 2);
    return stf_lua_verb(L, "ipsec.windows_capabilities", lua_gettop(L), NULL);
}

/* host.ipsec:windows_read("netsh", text) */
static int l_windows_read(lua_State *L)
{
    json_t *args = stf_lua_new_doc(L);
    stf_lua_doc_set_string(L, args, "language", 2);
    stf_lua_doc_set_string(L, args, "text", 3);
    return stf_lua_verb(L, "ipsec.windows_read", lua_gettop(L), NULL);
}

static const struct stf_lua_method methods[] = {
    {"version", l_version},
    {"stats", l_stats},
    {"capabilities", l_capabilities},
    {"connections", l_connections},
    {"sas", l_sas},
    {"policies", l_policies},
    {"certificates", l_certificates},
    {"loaded", l_loaded},
    {"counters", l_counters},
    {"reload", l_reload},
    {"check", l_check},
    {"edit", l_edit},
    {"get", l_get},
    {"set", l_set},
    {"remove", l_remove},
    {"get_secret", l_get_secret},
    {"set_secret", l_set_secret},
    {"remove_secret", l_remove_secret},
    {"get_guard", l_get_guard},
    {"set_guard", l_set_guard},
    {"remove_guard", l_remove_guard},
    {"get_timers", l_get_timers},
    {"set_timers", l_set_timers},
    {"remove_timers", l_remove_timers},
    {"get_acquire_expires", l_get_acquire_expires},
    {"set_acquire_expires", l_set_acquire_expires},
    {"guard_counters", l_guard_counters},
    {"daemon", l_daemon},
    {"set_daemon", l_set_daemon},
    {"initiate", l_initiate},
    {"terminate", l_terminate},
    {"rekey", l_rekey},
    {"install", l_install},
    {"uninstall", l_uninstall},
    {"watch", l_watch},
    {"watch_stop", l_watch_stop},
    {"kernel_policies", l_kernel_policies},
    {"kernel_sas", l_kernel_sas},
    {"kernel_stats", l_kernel_stats},
    {"kernel_snapshot", l_kernel_snapshot},
    {"kernel_compare", l_kernel_compare},
    {"kernel_watch", l_kernel_watch},
    {"kernel_watch_stop", l_kernel_watch_stop},
    {"windows_scripts", l_windows_scripts},
    {"windows_capabilities", l_windows_capabilities},
    {"windows_read", l_windows_read},
    {NULL, NULL},
};

const struct stf_lua_module stf_lua_ipsec = {.name = "ipsec", .methods = methods};
