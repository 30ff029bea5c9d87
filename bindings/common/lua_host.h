/* lua_host.h - what a lua_*.c needs to show its binding to scripts as the methods of host.<binding>.
 * The functions are the runtime's; a lua_*.c converts arguments, calls one of them, and holds no logic.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <lua.h>

#include <staffetta/binding.h>

/* Methods of host.<name>: host.registry:get(...) calls methods[i].call with host.registry at index 1. */
struct stf_lua_method {
    const char *name;
    lua_CFunction call;
};

struct stf_lua_module {
    const char *name;                     /* the binding's name */
    const struct stf_lua_method *methods; /* ended by a NULL name */
};

/* Pushes what a script sees of `result` and returns how many values; `result` may be NULL. May raise. [-0, +n, e] */
typedef int (*stf_lua_push)(lua_State *L, const json_t *result);

/* A document owned by the Lua stack: pushes a userdata that frees the document when collected, and returns the new,
 * empty JSON object (borrowed). Arguments are always built in one, so nothing leaks when a later check raises.
 * [-0, +1, m] */
json_t *stf_lua_new_doc(lua_State *L);
/* The document at `index`; raises when there is none. Borrowed. */
json_t *stf_lua_to_box(lua_State *L, int index);

/* Set a member of `doc` or raise the memory error. set_new steals `value` (NULL means memory is out). Strings must be
 * UTF-8, else an argument error is raised. */
void stf_lua_doc_set_new(lua_State *L, json_t *doc, const char *key, json_t *value);
void stf_lua_doc_set_string(lua_State *L, json_t *doc, const char *key, int index); /* luaL_checkstring semantics */
void stf_lua_doc_set_int(lua_State *L, json_t *doc, const char *key, int index, lua_Integer min, lua_Integer max);
/* The same for an optional field `key` of the table at `table_index`: left out of `doc` when nil. */
void stf_lua_doc_opt_string(lua_State *L, json_t *doc, int table_index, const char *key);
void stf_lua_doc_opt_int(lua_State *L, json_t *doc, int table_index, const char *key, lua_Integer min, lua_Integer max);
void stf_lua_doc_opt_bool(lua_State *L, json_t *doc, int table_index, const char *key);

/* Raises when the table at `index` has a key that is not in `known` (ended by NULL), naming the nearest known one. */
void stf_lua_check_options(lua_State *L, int index, const char *const known[]);

/* Plain data both ways. A Lua table with a border of n > 0 and no other keys is an array; the empty table an object;
 * functions, userdata, cycles and depth over 64 raise. JSON null becomes nil. */
void stf_lua_value_to_doc(lua_State *L, int index, json_t *doc, const char *key); /* sets doc[key]; raises */
int stf_lua_push_doc(lua_State *L, const json_t *doc);                            /* always one value */

/* The three ways to the host; each must be used as `return stf_lua_...(...)`. They check that the script was granted
 * the verb's or resource's need (else they raise), run the core on a worker thread, and yield until it has answered.
 * A fact of the world comes back as nil and an error table; otherwise what `push` pushes (NULL: stf_lua_push_doc).
 * `args`, `id`, `state` are stack indexes of documents made by stf_lua_new_doc.
 *
 * verb:   calls the verb.
 * read:   the resource's state, or, in a plan, the state already planned.
 * change: makes the resource's state equal member "state" of the document at `change` (left out or null: absent), for
 *         the thing named by its member "id". The runtime journals {id, before, after} durably, writes, reads back.
 *         The script gets a table { changed = boolean }. */
int stf_lua_verb(lua_State *L, const char *verb, int args, stf_lua_push push);
int stf_lua_read(lua_State *L, const char *resource, int id, stf_lua_push push);
int stf_lua_change(lua_State *L, const char *resource, int change);
