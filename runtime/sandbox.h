/* sandbox.h - a Lua state that can not reach the world: no io, os, debug, bytecode or C modules; memory limited through
 * the allocator, instructions through a hook. Knows nothing of runs or hosts. SPDX-License-Identifier: MIT */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include <staffetta/err.h>

struct stf_sandbox_limits {
    size_t memory_bytes;  /* of the whole state */
    int64_t instructions; /* of Lua's virtual machine between two waits of one coroutine */
};

extern const struct stf_sandbox_limits stf_sandbox_default_limits;

/* A fresh state, or NULL when memory is out. `owner` is what stf_sandbox_owner gives back from any of its coroutines.
 */
lua_State *stf_sandbox_open(const struct stf_sandbox_limits *limits, void *owner);
void stf_sandbox_close(lua_State *L);
void *stf_sandbox_owner(lua_State *L);

/* Loads a text chunk (never bytecode) with globals of its own and pushes the function; pushes an error message and
 * returns false when it does not compile. `chunk_name` as for lua_load: "@playbooks/rollout.lua". [-0, +1, m] */
bool stf_sandbox_load(lua_State *L, const char *text, size_t size, const char *chunk_name);

/* The same for Lua of our own that was compiled at build time; scripts never get here. [-0, +1, m] */
bool stf_sandbox_load_compiled(lua_State *L, const char *code, size_t size, const char *chunk_name);

/* Gives the coroutine `co` a full instruction budget; call before each resume. */
void stf_sandbox_arm(lua_State *co);

/* Makes every script of the state end at its next instruction; a script's own pcall can not eat it. stf_sandbox_arm
 * has no effect until stf_sandbox_let_go. */
void stf_sandbox_stop(lua_State *L, const char *why);
void stf_sandbox_let_go(lua_State *L);
