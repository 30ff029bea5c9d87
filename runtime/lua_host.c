/* lua_host.c - host.<binding> as scripts see it: checks what a script was granted, hands the work to a worker thread,
 * and lets the coroutine wait. Never runs a core on Lua's thread. SPDX-License-Identifier: MIT */
#include "common/lua_host.h"

#include <lauxlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/offer.h"
#include "fault.h"
#include "run.h"

struct power {
    const struct stf_host *host;
    const struct stf_bound *bound;
    uint64_t grants; /* bits of stf_run.needs */
};

enum call_kind { CALL_VERB, CALL_READ, CALL_CHANGE, CALL_HOLD };

/* One piece of work on its way; a userdata on the waiting coroutine's stack. */
struct call {
    uv_work_t work;
    struct stf_run *run;
    struct stf_task *task;
    enum call_kind call_kind;
    const struct stf_host *host;
    const struct stf_bound *bound;
    const struct stf_verb *verb;
    const char *resource;
    const char *step;
    json_t *document;
    json_t *result;
    enum stf_kind kind;
    struct stf_err err;
    stf_lua_push push;
};

static const char power_type_key = 0; /* metatable field by which a power is known */
static const char call_type[] = "staffetta.call";

/* ---- errors ---- */

static int l_err_tostring(lua_State *L)
{
    lua_getfield(L, 1, "message");
    return 1;
}

static void set_text(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

int stf_lua_push_err(lua_State *L, const struct stf_err *err)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 9);
    set_text(L, "kind", stf_kind_name(err->kind));
    set_text(L, "op", err->op);
    set_text(L, "subject", err->subject);
    set_text(L, "message", err->message);
    set_text(L, "expected", err->expected);
    set_text(L, "found", err->found);
    set_text(L, "remedy", err->remedy);
    lua_pushinteger(L, err->code);
    lua_setfield(L, -2, "code");
    lua_pushboolean(L, err->is_retryable);
    lua_setfield(L, -2, "is_retryable");
    if (luaL_newmetatable(L, "staffetta.err")) {
        lua_pushcfunction(L, l_err_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return 2;
}

/* ---- powers ---- */

static struct power *to_power(lua_State *L, int index)
{
    if (lua_isuserdata(L, index) && lua_getmetatable(L, index)) {
        bool is_power = lua_rawgetp(L, -1, &power_type_key) != LUA_TNIL;
        lua_pop(L, 2);
        if (is_power)
            return lua_touserdata(L, index);
    }
    luaL_argerror(L, index, "expected a power of a host; call methods with a colon: host.registry:get(...)");
    return NULL;
}

static void check_grant(lua_State *L, const struct power *power, const char *need, const char *what)
{
    const struct stf_run *run = stf_run_of(L);
    for (size_t i = 0; i < run->need_count; i++)
        if (strcmp(run->needs[i], need) == 0 && (power->grants >> i & 1))
            return;
    luaL_error(L, "%s needs '%s', which this script does not declare: add it to its needs", what, need);
}

/* What is outside the run's limit may be looked at, and measured from: a check of the wire needs its witness. */
static void check_limit(lua_State *L, const struct power *power, const char *need, const char *what)
{
    bool is_harmless = stf_need_only_looks(need) || strcmp(need, "probe") == 0 || strcmp(need, "wire") == 0;
    if (!is_harmless && stf_run_is_outside(stf_run_of(L), power->host->name))
        luaL_error(L, "%s: %s is outside --limit, so this run only looks at it", what, power->host->name);
}

static int l_power_tostring(lua_State *L)
{
    const struct power *power = to_power(L, 1);
    lua_pushfstring(L, "%s of %s", power->bound->binding->name, power->host->name);
    return 1;
}

/* host.x:verb{...} of a binding that has no Lua methods of its own. */
static int l_auto_verb(lua_State *L)
{
    int argument_count = lua_gettop(L);
    json_t *holder = stf_lua_new_doc(L);
    if (argument_count >= 2 && !lua_isnil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        lua_pushnil(L);
        while (lua_next(L, 2)) {
            stf_lua_value_to_doc(L, -1, holder, luaL_checkstring(L, -2));
            lua_pop(L, 1);
        }
    }
    return stf_lua_verb(L, lua_tostring(L, lua_upvalueindex(1)), lua_gettop(L), NULL);
}

static int l_auto_read(lua_State *L)
{
    const char *resource = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, 3, holder, "id");
    json_t *id = stf_lua_new_doc(L);
    json_object_update(id, json_object_get(holder, "id"));
    return stf_lua_read(L, resource, lua_gettop(L), NULL);
}

static int l_auto_change(lua_State *L)
{
    const char *resource = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checkany(L, 4);
    json_t *change = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, 3, change, "id");
    stf_lua_value_to_doc(L, 4, change, "state");
    return stf_lua_change(L, resource, lua_gettop(L));
}

static void push_methods(lua_State *L, const struct stf_bound *bound)
{
    lua_newtable(L);
    if (bound->module) {
        for (const struct stf_lua_method *method = bound->module->methods; method->name; method++) {
            lua_pushcfunction(L, method->call);
            lua_setfield(L, -2, method->name);
        }
        return;
    }
    for (const struct stf_verb *verb = bound->binding->verbs; verb && verb->name; verb++) {
        const char *dot = strchr(verb->name, '.');
        lua_pushstring(L, verb->name);
        lua_pushcclosure(L, l_auto_verb, 1);
        lua_setfield(L, -2, dot ? dot + 1 : verb->name);
    }
    if (bound->binding->resources) {
        lua_pushcfunction(L, l_auto_read);
        lua_setfield(L, -2, "read");
        lua_pushcfunction(L, l_auto_change);
        lua_setfield(L, -2, "change");
    }
}

void stf_lua_push_power(lua_State *L, const struct stf_host *host, const struct stf_bound *bound, uint64_t grants)
{
    struct power *power = lua_newuserdatauv(L, sizeof *power, 0);
    *power = (struct power){host, bound, grants};
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, bound) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_createtable(L, 0, 4);
        push_methods(L, bound);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_power_tostring);
        lua_setfield(L, -2, "__tostring");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pushboolean(L, 1);
        lua_rawsetp(L, -2, &power_type_key);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, bound);
    }
    lua_setmetatable(L, -2);
}

/* ---- calls ---- */

static int l_call_gc(lua_State *L)
{
    struct call *call = luaL_checkudata(L, 1, call_type);
    json_decref(call->document);
    json_decref(call->result);
    call->document = call->result = NULL;
    return 0;
}

/* What was done to a host without being a change, for the audit. Texts sent over the wire may hold a password. */
static void journal_action(const struct call *call)
{
    json_t *args = json_copy(call->document);
    json_object_del(args, "send");
    json_object_del(args, "input");
    json_t *data =
        json_pack("{s:s, s:o, s:s}", "host", call->host->name, "args", args, "answer", stf_kind_name(call->kind));
    /* The action has happened, so its answer counts; a journal that fails here refuses the next change. */
    stf_journal_add_event(call->run->journal, call->run->id, call->verb->name, data, NULL);
    json_decref(data);
}

static void work(uv_work_t *work)
{
    struct call *call = work->data;
    json_t *document = call->document;
    switch (call->call_kind) {
    case CALL_VERB:
        call->kind = stf_fleet_call(call->run->fleet, call->host, call->verb, call->bound->self, document,
                                    &call->result, &call->err);
        if (call->run->id && !stf_need_only_looks(call->verb->need))
            journal_action(call);
        break;
    case CALL_READ:
        call->kind =
            stf_engine_read(call->run->engine, call->host, call->resource, document, &call->result, &call->err);
        break;
    case CALL_CHANGE: {
        const json_t *after = json_object_get(document, "state");
        if (call->run->is_undone) {
            call->kind = stf_err_set(&call->err, STF_DENIED, 0, "change", call->host->name,
                                     "the run has been put back: it can only look");
            break;
        }
        call->kind =
            stf_engine_change(call->run->engine, call->step, call->host, call->resource,
                              json_object_get(document, "id"), after ? after : json_null(), &call->result, &call->err);
        break;
    }
    case CALL_HOLD:
        stf_fault(STF_FAULT_HOLD_BEFORE);
        call->kind = stf_fleet_hold(call->run->fleet, call->run->id, call->host, &call->err);
        stf_fault(STF_FAULT_HOLD_AFTER);
        break;
    }
}

static void after_work(uv_work_t *work, int status)
{
    struct call *call = work->data;
    (void)status;
    call->run->pending_calls--;
    if (call->call_kind == CALL_CHANGE) {
        struct stf_run_host *host = stf_run_find_host(call->run, call->host->name);
        host->change_count += call->kind == STF_OK && json_is_true(json_object_get(call->result, "changed"));
        host->failed_change_count += call->kind != STF_OK;
    }
    stf_task_wake(call->run, call->task);
}

static int push_changed(lua_State *L, const json_t *result)
{
    lua_createtable(L, 0, 1);
    lua_pushboolean(L, json_is_true(json_object_get(result, "changed")));
    lua_setfield(L, -2, "changed");
    return 1;
}

static int answered(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct call *call = (struct call *)context;
    if (call->kind == STF_NO_MEMORY)
        return luaL_error(L, "not enough memory");
    if (call->kind != STF_OK)
        return stf_lua_push_err(L, &call->err);
    if (call->push)
        return call->push(L, call->result);
    return stf_lua_push_doc(L, call->result);
}

/* Leaves the call on the stack, so that it lives until the coroutine goes on. */
static struct call *new_call(lua_State *L, const struct stf_host *host)
{
    struct call *call = lua_newuserdatauv(L, sizeof *call, 0);
    memset(call, 0, sizeof *call);
    if (luaL_newmetatable(L, call_type)) {
        lua_pushcfunction(L, l_call_gc);
        lua_setfield(L, -2, "__gc");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    call->run = stf_run_of(L);
    call->task = call->run->current;
    call->host = host;
    call->work.data = call;
    return call;
}

static struct call *new_call_of_power(lua_State *L, const struct power *power, int document)
{
    json_t *arguments = stf_lua_to_box(L, document);
    struct call *call = new_call(L, power->host);
    call->bound = power->bound;
    call->document = json_incref(arguments);
    return call;
}

static int wait_for(lua_State *L, struct call *call)
{
    if (uv_queue_work(&call->run->loop, &call->work, work, after_work) != 0)
        return luaL_error(L, "can not start a worker thread");
    call->run->pending_calls++;
    return lua_yieldk(L, 0, (lua_KContext)call, answered);
}

int stf_lua_verb(lua_State *L, const char *name, int args, stf_lua_push push)
{
    args = lua_absindex(L, args);
    const struct power *power = to_power(L, 1);
    const struct stf_verb *verb = stf_binding_verb(power->bound->binding, name);
    if (!verb)
        return luaL_error(L, "the binding %s has no verb %s", power->bound->binding->name, name);
    check_grant(L, power, verb->need, name);
    if (stf_run_of(L)->is_planning && !stf_need_only_looks(verb->need))
        return luaL_error(L, "%s acts on a host, and this is a plan: %s", name,
                          stf_run_of(L)->options->prompt ? "only `staffetta repl --change` lets it"
                                                         : "put it into ctx:act or a check");
    check_limit(L, power, verb->need, name);
    struct call *call = new_call_of_power(L, power, args);
    call->call_kind = CALL_VERB;
    call->verb = verb;
    call->push = push;
    return wait_for(L, call);
}

static const struct stf_resource *check_resource(lua_State *L, const struct power *power, const char *name)
{
    const struct stf_resource *resource = stf_binding_resource(power->bound->binding, name);
    if (!resource)
        luaL_error(L, "the binding %s has no resource %s", power->bound->binding->name, name);
    return resource;
}

int stf_lua_read(lua_State *L, const char *name, int id, stf_lua_push push)
{
    id = lua_absindex(L, id);
    const struct power *power = to_power(L, 1);
    const struct stf_resource *resource = check_resource(L, power, name);
    check_grant(L, power, stf_binding_read_need(power->bound->binding, resource), name);
    struct call *call = new_call_of_power(L, power, id);
    call->call_kind = CALL_READ;
    call->resource = resource->name;
    call->push = push;
    return wait_for(L, call);
}

int stf_lua_change(lua_State *L, const char *name, int change)
{
    change = lua_absindex(L, change);
    const struct power *power = to_power(L, 1);
    const struct stf_resource *resource = check_resource(L, power, name);
    check_grant(L, power, resource->need, name);
    struct stf_run *run = stf_run_of(L);
    if (!run->current->step)
        return luaL_error(L, "%s changes a host outside a step: put it into ctx:step(name, hosts, function)", name);
    check_limit(L, power, resource->need, name);
    struct call *call = new_call_of_power(L, power, change);
    call->call_kind = CALL_CHANGE;
    call->resource = resource->name;
    call->step = run->current->step;
    call->push = push_changed;
    return wait_for(L, call);
}

static int push_held(lua_State *L, const json_t *result)
{
    (void)result;
    lua_pushboolean(L, true);
    return 1;
}

int l_hold_host(lua_State *L)
{
    const struct stf_run_host *host = stf_run_find_host(stf_run_of(L), luaL_checkstring(L, 1));
    luaL_argcheck(L, host, 1, "the site has no such host");
    struct call *call = new_call(L, &host->host);
    call->call_kind = CALL_HOLD;
    call->push = push_held;
    return wait_for(L, call);
}
