/* sched.c - coroutines on the libuv loop. One thread enters Lua, ever; a coroutine that waits has yielded.
 * SPDX-License-Identifier: MIT */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "run.h"
#include "sandbox.h"

enum {
    TICK_MS = 200,
    AGENT_GRACE_MS = 100, /* an agent that hangs is given up when its task is over already, and has only one reason */
};

static void queue(struct stf_run *run, struct stf_task *task)
{
    if (task->is_queued)
        return;
    task->is_queued = true;
    task->ready = NULL;
    if (run->ready_tail)
        run->ready_tail->ready = task;
    else
        run->ready_head = task;
    run->ready_tail = task;
}

/* Takes the function and its arguments from the top of `from`. */
struct stf_task *stf_task_new(struct stf_run *run, lua_State *from, int function_and_arguments)
{
    struct stf_task *task = calloc(1, sizeof *task);
    if (!task)
        luaL_error(from, "not enough memory");
    task->next = run->tasks;
    run->tasks = task;
    task->ref = LUA_NOREF;
    task->co = lua_newthread(from);
    task->ref = luaL_ref(from, LUA_REGISTRYINDEX);
    luaL_checkstack(task->co, function_and_arguments + LUA_MINSTACK, NULL);
    lua_xmove(from, task->co, function_and_arguments);
    task->argument_count = function_and_arguments - 1;
    task->parent = run->current;
    queue(run, task);
    return task;
}

void stf_task_wake(struct stf_run *run, struct stf_task *task)
{
    queue(run, task);
}

/* Replaces the error on top of a dead coroutine by {error, traceback}: the script's own file and lines. */
static int l_add_traceback(lua_State *L)
{
    lua_State *co = lua_touserdata(L, 1);
    lua_createtable(L, 0, 2);
    lua_pushvalue(co, -1);
    lua_xmove(co, L, 1);
    lua_setfield(L, -2, "error");
    luaL_traceback(L, co, NULL, 0);
    lua_setfield(L, -2, "traceback");
    return 1;
}

static void finish(struct stf_run *run, struct stf_task *task, int status)
{
    task->is_done = true;
    task->is_ok = status == LUA_OK;
    if (!task->is_ok) {
        lua_pushcfunction(run->L, l_add_traceback);
        lua_pushlightuserdata(run->L, task->co);
        if (lua_pcall(run->L, 1, 1, 0) != LUA_OK) { /* no memory for a traceback: the bare message has to do */
            lua_pop(run->L, 1);
        } else {
            lua_settop(task->co, 0);
            lua_xmove(run->L, task->co, 1);
        }
    }
    if (task->waiter)
        stf_task_wake(run, task->waiter);
}

static bool is_over(const struct stf_task *task)
{
    while (task && !task->is_over)
        task = task->parent;
    return task != NULL;
}

/* Ends a task that waits and whose time is over; its variables are closed. It fails without an error of its own. */
static void abandon(struct stf_run *run, struct stf_task *task)
{
    lua_resetthread(task->co);
    lua_settop(task->co, 0);
    task->is_done = true;
    if (task->waiter)
        stf_task_wake(run, task->waiter);
}

static void resume(struct stf_run *run, struct stf_task *task)
{
    if (is_over(task)) {
        abandon(run, task);
        return;
    }
    int result_count = 0;
    int argument_count = task->argument_count;
    task->argument_count = 0;
    stf_sandbox_arm(task->co);
    run->current = task;
    int status = lua_resume(task->co, run->L, argument_count, &result_count);
    run->current = NULL;
    if (status == LUA_YIELD)
        lua_pop(task->co, result_count);
    else
        finish(run, task, status);
}

void stf_sched_drive(struct stf_run *run, struct stf_task *until)
{
    while (!until->is_done) {
        struct stf_task *task = run->ready_head;
        if (!task) {
            uv_run(&run->loop, UV_RUN_ONCE);
            continue;
        }
        run->ready_head = task->ready;
        if (!run->ready_head)
            run->ready_tail = NULL;
        task->is_queued = false;
        if (!task->is_done)
            resume(run, task);
    }
}

void stf_sched_drain(struct stf_run *run)
{
    while (run->pending_calls > 0)
        uv_run(&run->loop, UV_RUN_ONCE);
}

void stf_sched_free(struct stf_run *run)
{
    while (run->tasks) {
        struct stf_task *task = run->tasks;
        run->tasks = task->next;
        free(task->step);
        free(task);
    }
    run->ready_head = run->ready_tail = NULL;
}

/* spawn(step or nil, function, ...) -> task. It runs when the caller next waits. */
int l_task_spawn(lua_State *L)
{
    const char *step = luaL_optstring(L, 1, NULL);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    struct stf_task *task = stf_task_new(stf_run_of(L), L, lua_gettop(L) - 1);
    if (step) {
        task->step = strdup(step);
        if (!task->step)
            return luaL_error(L, "not enough memory");
    }
    lua_pushlightuserdata(L, task);
    return 1;
}

/* ---- timers ---- */

enum timer_kind {
    TIMER_SLEEP,    /* wakes a task */
    TIMER_DEADLINE, /* ends the time of one */
    TIMER_TICK,     /* tells again and again that time goes by; of no task */
};

struct timer {
    uv_timer_t handle;
    struct stf_run *run;
    struct stf_task *task;
    enum timer_kind kind;
};

static void free_timer(uv_handle_t *handle)
{
    free(handle->data);
}

static void ring(uv_timer_t *handle);

/* A sleep that has no sense any more is over now. */
static void end_sleep(uv_handle_t *handle, void *all)
{
    const struct timer *timer = handle->data;
    if (handle->type == UV_TIMER && !uv_is_closing(handle) && timer->kind == TIMER_SLEEP &&
        (all || is_over(timer->task)))
        uv_timer_start((uv_timer_t *)handle, ring, 0, 0);
}

void stf_task_end(struct stf_run *run, struct stf_task *task)
{
    task->is_over = true;
    uv_walk(&run->loop, end_sleep, NULL);
}

static void ring(uv_timer_t *handle)
{
    struct timer *timer = handle->data;
    struct stf_run *run = timer->run;
    switch (timer->kind) {
    case TIMER_SLEEP:
        run->pending_calls--;
        stf_task_wake(run, timer->task);
        uv_close((uv_handle_t *)handle, free_timer);
        break;
    case TIMER_DEADLINE:
        stf_task_end(run, timer->task);
        break;
    case TIMER_TICK:
        run->options->on_tick(run->options->user);
        break;
    }
}

void stf_sched_wake_sleepers(struct stf_run *run)
{
    uv_walk(&run->loop, end_sleep, run);
}

static void close_timer(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (handle->type == UV_TIMER && !uv_is_closing(handle))
        uv_close(handle, free_timer);
}

void stf_sched_end_timers(struct stf_run *run)
{
    uv_walk(&run->loop, close_timer, NULL);
}

/* False when memory is out. */
static bool start_timer(struct stf_run *run, enum timer_kind kind, struct stf_task *task, int64_t duration_ms)
{
    struct timer *timer = calloc(1, sizeof *timer);
    if (!timer)
        return false;
    *timer = (struct timer){.run = run, .task = task, .kind = kind};
    uv_timer_init(&run->loop, &timer->handle);
    timer->handle.data = timer;
    /* The loop's clock stood still while Lua ran, and counts whole milliseconds: hence one more. */
    uv_update_time(&run->loop);
    uv_timer_start(&timer->handle, ring, (uint64_t)duration_ms + 1, kind == TIMER_TICK ? (uint64_t)duration_ms : 0);
    return true;
}

bool stf_sched_tick(struct stf_run *run)
{
    return !run->options->on_tick || start_timer(run, TIMER_TICK, NULL, TICK_MS);
}

static lua_Integer check_duration_ms(lua_State *L, int index)
{
    lua_Integer duration_ms = luaL_checkinteger(L, index);
    luaL_argcheck(L, duration_ms >= 0 && duration_ms <= 3600 * 1000, index, "expected 0 to 3600000 ms");
    return duration_ms;
}

/* ---- waiting ---- */

static int joined(lua_State *L, int status, lua_KContext context)
{
    (void)status;
    struct stf_task *task = (struct stf_task *)context;
    lua_pushboolean(L, task->is_ok);
    if (lua_gettop(task->co) == 0) {
        lua_pushnil(L);
    } else {
        lua_settop(task->co, 1);
        lua_pushvalue(task->co, 1);
        lua_xmove(task->co, L, 1);
    }
    return 2;
}

/* join(task) -> true, first result | false, {error, traceback} | false, nil when its time was over */
int l_task_join(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    struct stf_run *run = stf_run_of(L);
    struct stf_task *task = lua_touserdata(L, 1);
    if (task->is_done)
        return joined(L, LUA_OK, (lua_KContext)task);
    task->waiter = run->current;
    return lua_yieldk(L, 0, (lua_KContext)task, joined);
}

/* limit(task, host, duration_ms): after that time it makes no further step. A call that is under way in this program is
 * waited for; one to the host's agent is given up. */
int l_task_limit(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
    struct stf_run *run = stf_run_of(L);
    lua_Integer duration_ms = check_duration_ms(L, 3);
    if (!start_timer(run, TIMER_DEADLINE, lua_touserdata(L, 1), duration_ms))
        return luaL_error(L, "not enough memory");
    stf_fleet_limit(run->fleet, luaL_checkstring(L, 2), stf_clock_ns() + (duration_ms + AGENT_GRACE_MS) * 1000000);
    return 0;
}

static int slept(lua_State *L, int status, lua_KContext context)
{
    (void)L, (void)status, (void)context;
    return 0;
}

int l_sleep_ms(lua_State *L)
{
    struct stf_run *run = stf_run_of(L);
    if (!start_timer(run, TIMER_SLEEP, run->current, check_duration_ms(L, 1)))
        return luaL_error(L, "not enough memory");
    run->pending_calls++;
    return lua_yieldk(L, 0, 0, slept);
}
