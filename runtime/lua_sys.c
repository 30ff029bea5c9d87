/* lua_sys.c - the private functions of the trusted Lua in runtime/lua/. Scripts never see this table.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lauxlib.h>
#include <lfs.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/doc.h"
#include "embedded.h"
#include "inventory/inventory.h"
#include "run.h"

extern const struct stf_embedded stf_meta_files[];

/* ---- scripts ---- */

static const char script_type[] = "staffetta.script";

static int l_script_gc(lua_State *L)
{
    stf_script_fini(luaL_checkudata(L, 1, script_type));
    return 0;
}

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

/* find(folder, name) -> script | nil, err */
static int l_find(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1), *name = luaL_checkstring(L, 2);
    struct stf_script *found = lua_newuserdatauv(L, sizeof *found, 0);
    memset(found, 0, sizeof *found);
    if (luaL_newmetatable(L, script_type)) {
        lua_pushcfunction(L, l_script_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    struct stf_err err;
    if (stf_loader_find(stf_run_of(L)->rt->loader, folder, name, found, &err) != STF_OK)
        return stf_lua_push_err(L, &err);
    lua_createtable(L, 0, 7);
    set_string(L, "folder", found->folder);
    set_string(L, "name", found->name);
    set_string(L, "origin", found->origin);
    set_string(L, "path", found->path);
    set_string(L, "sha256", found->sha256);
    lua_pushlstring(L, found->text, found->size);
    lua_setfield(L, -2, "text");
    lua_pushboolean(L, found->is_shadowing);
    lua_setfield(L, -2, "is_shadowing");
    return 1;
}

static int l_require(lua_State *L);

/* load(text, chunk_name, globals or nil) -> function | nil, message. Globals of its own have `require`, which finds
 * only lib/NAME.lua. */
static int l_load(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    if (!stf_sandbox_load(L, text, size, luaL_checkstring(L, 2))) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (lua_istable(L, 3)) {
        lua_pushvalue(L, 3);
        lua_setupvalue(L, -2, 1);
        return 1;
    }
    lua_getupvalue(L, -1, 1);
    lua_pushcfunction(L, l_require);
    lua_setfield(L, -2, "require");
    lua_pop(L, 1);
    return 1;
}

static int l_record_script(lua_State *L)
{
    struct stf_run *run = stf_run_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    json_t *entry = stf_lua_new_doc(L);
    stf_lua_doc_opt_string(L, entry, 1, "folder");
    stf_lua_doc_opt_string(L, entry, 1, "name");
    stf_lua_doc_opt_string(L, entry, 1, "origin");
    stf_lua_doc_opt_string(L, entry, 1, "sha256");
    struct stf_err err;
    if (stf_run_record_script(run, entry, &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static const char loaded_key = 0;

/* require(name): the value that lib/NAME.lua returned; each is loaded once a run. */
static int l_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &loaded_key) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &loaded_key);
    }
    if (lua_getfield(L, 2, name) != LUA_TNIL) /* -- name loaded value */
        return 1;
    lua_pushcfunction(L, l_find);
    lua_pushliteral(L, "lib");
    lua_pushvalue(L, 1);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return lua_error(L);
    lua_pop(L, 1); /* -- name loaded nil script */
    lua_pushcfunction(L, l_record_script);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
    lua_pushcfunction(L, l_load);
    lua_getfield(L, 4, "text");
    lua_pushliteral(L, "@");
    lua_getfield(L, 4, "path");
    lua_concat(L, 2);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        return lua_error(L);
    lua_pop(L, 1);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1))
        return luaL_error(L, "lib/%s.lua returned nothing; a library returns one table", name);
    lua_pushvalue(L, -1);
    lua_setfield(L, 2, name);
    return 1;
}

/* names(folder) -> list */
static int l_names(lua_State *L)
{
    const char *folder = luaL_checkstring(L, 1);
    json_t *holder = stf_lua_new_doc(L);
    char **names = stf_loader_names(stf_run_of(L)->rt->loader, folder);
    if (!names)
        return luaL_error(L, "not enough memory");
    json_t *array = json_array();
    for (char **name = names; *name; name++)
        json_array_append_new(array, json_string(*name));
    stf_loader_free_names(names);
    stf_lua_doc_set_new(L, holder, "names", array);
    return stf_lua_push_doc(L, array);
}

/* nearest(word, list) -> the most similar word of the list, or nil */
static int l_nearest(lua_State *L)
{
    enum { MAX_WORDS = 256 };
    const char *word = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    const char *words[MAX_WORDS + 1];
    size_t count = 0;
    for (lua_Integer i = 1; count < MAX_WORDS && lua_geti(L, 2, i) == LUA_TSTRING; i++) {
        words[count++] = lua_tostring(L, -1);
        lua_pop(L, 1); /* the list still holds the string */
    }
    words[count] = NULL;
    lua_pushstring(L, stf_nearest(word, words));
    return 1;
}

/* ---- bindings and hosts ---- */

/* needs() -> sorted list of all powers that a script can declare */
static int l_needs(lua_State *L)
{
    struct stf_run *run = stf_run_of(L);
    lua_createtable(L, (int)run->need_count, 0);
    for (size_t i = 0; i < run->need_count; i++) {
        lua_pushstring(L, run->needs[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int l_bindings(lua_State *L)
{
    const struct stf_runtime *rt = stf_run_of(L)->rt;
    lua_createtable(L, (int)rt->bound_count, 0);
    for (size_t i = 0; i < rt->bound_count; i++) {
        lua_pushstring(L, rt->bound[i].binding->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* meta() -> { { name, text } }: what describes all that scripts can call; "bindings/ipsec/ipsec.meta.lua" is ipsec */
static int l_meta(lua_State *L)
{
    lua_newtable(L);
    for (const struct stf_embedded *file = stf_meta_files; file->name; file++) {
        const char *name = strrchr(file->name, '/') + 1;
        lua_createtable(L, 0, 2);
        lua_pushlstring(L, name, strcspn(name, "."));
        lua_setfield(L, -2, "name");
        lua_pushlstring(L, file->bytes, file->size);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    return 1;
}

/* The kind of document of that name, or NULL when no binding of this program knows it. */
static const struct stf_document_kind *find_kind(lua_State *L, const char *name)
{
    const struct stf_runtime *rt = stf_run_of(L)->rt;
    for (size_t i = 0; i < rt->bound_count; i++) {
        const struct stf_document_kind *kind = rt->bound[i].binding->kinds;
        while (kind && kind->name && strcmp(kind->name, name) != 0)
            kind++;
        if (kind && kind->name)
            return kind;
    }
    return NULL;
}

/* normalize(kind, table) -> the document's normal form | nil, err; the table itself where no binding knows the kind */
static int l_normalize(lua_State *L)
{
    const struct stf_document_kind *kind = find_kind(L, luaL_checkstring(L, 1));
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (!kind)
        return 1;
    json_t *box = stf_lua_new_doc(L), *normal = NULL;
    stf_lua_value_to_doc(L, 2, box, "given");
    struct stf_err err;
    if (kind->normalize(json_object_get(box, "given"), &normal, &err) != STF_OK)
        return stf_lua_push_err(L, &err);
    stf_lua_doc_set_new(L, box, "normal", normal);
    return stf_lua_push_doc(L, normal);
}

/* fingerprint(kind, table) -> text | nil, err; nil alone where no binding knows the kind */
static int l_fingerprint(lua_State *L)
{
    const struct stf_document_kind *kind = find_kind(L, luaL_checkstring(L, 1));
    luaL_checktype(L, 2, LUA_TTABLE);
    if (!kind)
        return 0;
    json_t *box = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, 2, box, "given");
    struct stf_err err;
    char fingerprint[65];
    if (kind->fingerprint(json_object_get(box, "given"), fingerprint, &err) != STF_OK)
        return stf_lua_push_err(L, &err);
    lua_pushstring(L, fingerprint);
    return 1;
}

static struct stf_run_host *check_host(lua_State *L, int index)
{
    struct stf_run_host *host = stf_run_find_host(stf_run_of(L), luaL_checkstring(L, index));
    luaL_argcheck(L, host, index, "no such host");
    return host;
}

/* power(host name, binding name, needs) -> userdata */
static int l_power(lua_State *L)
{
    const struct stf_run *run = stf_run_of(L);
    const struct stf_run_host *host = check_host(L, 1);
    const char *binding = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    uint64_t grants = 0;
    for (lua_Integer i = 1; lua_geti(L, 3, i) == LUA_TSTRING; i++, lua_pop(L, 1))
        for (size_t n = 0; n < run->need_count; n++)
            if (strcmp(run->needs[n], lua_tostring(L, -1)) == 0 &&
                stf_fleet_grant(run->fleet, run->needs[n], NULL) == STF_OK)
                grants |= UINT64_C(1) << n;
    for (size_t i = 0; i < run->rt->bound_count; i++)
        if (strcmp(run->rt->bound[i].binding->name, binding) == 0) {
            stf_lua_push_power(L, &host->host, &run->rt->bound[i], grants);
            return 1;
        }
    return luaL_argerror(L, 2, "no such binding");
}

static int l_site(lua_State *L)
{
    return stf_lua_push_doc(L, stf_run_of(L)->rt->site);
}

/* How many hosts may be worked on at once; nil: all. */
static int l_forks(lua_State *L)
{
    const struct stf_run *run = stf_run_of(L);
    json_int_t of_site = json_integer_value(json_object_get(run->rt->site, "forks"));
    json_int_t forks = run->options->forks ? run->options->forks : of_site;
    if (forks == 0)
        return 0;
    lua_pushinteger(L, forks);
    return 1;
}

/* unlimit(host): the deadline of its last task is of no concern to what follows. */
static int l_unlimit(lua_State *L)
{
    stf_fleet_limit(stf_run_of(L)->fleet, luaL_checkstring(L, 1), 0);
    return 0;
}

static int l_change_count(lua_State *L)
{
    lua_pushinteger(L, check_host(L, 1)->change_count);
    return 1;
}

/* is_outside(host name) -> whether a limit keeps the run from touching it */
static int l_is_outside(lua_State *L)
{
    lua_pushboolean(L, stf_run_is_outside(stf_run_of(L), luaL_checkstring(L, 1)));
    return 1;
}

/* outcome(host, "done" | "unchanged" | "failed" | "unreachable", step, reason or nil) */
static int l_outcome(lua_State *L)
{
    static const char *const outcomes[] = {"done", "unchanged", "failed", "unreachable", NULL};
    const char *outcome = outcomes[luaL_checkoption(L, 2, NULL, outcomes)];
    struct stf_err err;
    if (stf_run_set_outcome(stf_run_of(L), check_host(L, 1)->host.name, outcome, luaL_checkstring(L, 3),
                            luaL_optstring(L, 4, NULL), &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    return 0;
}

/* ask{ gate, reason } -> "continue" | "hold" | "rollback", the last one where there is nobody to ask */
static int l_ask(lua_State *L)
{
    static const char *const answers[] = {
        [STF_ANSWER_ROLLBACK] = "rollback", [STF_ANSWER_CONTINUE] = "continue", [STF_ANSWER_HOLD] = "hold"};
    const struct stf_run *run = stf_run_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    json_t *question = stf_lua_new_doc(L);
    stf_lua_doc_opt_string(L, question, 1, "gate");
    stf_lua_doc_opt_string(L, question, 1, "reason");
    bool is_asked = run->options->on_question != NULL;
    enum stf_answer answer = is_asked ? run->options->on_question(run->options->user, question) : STF_ANSWER_ROLLBACK;
    stf_lua_doc_set_new(L, question, "is_asked", json_boolean(is_asked));
    stf_lua_doc_set_new(L, question, "answer", json_string(answers[answer]));
    struct stf_err err;
    if (stf_journal_add_event(run->journal, run->id, "gate", question, &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    lua_pushstring(L, answers[answer]);
    return 1;
}

/* ---- what is said and recorded ---- */

/* A copy of the table at `index` as a document; the caller owns it and must not raise before handing it on. */
static json_t *table_to_doc(lua_State *L, int index)
{
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, index, holder, "value");
    json_t *value = json_incref(json_object_get(holder, "value"));
    lua_pop(L, 1);
    return value;
}

static int l_emit(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    stf_run_emit(stf_run_of(L), table_to_doc(L, 1));
    return 0;
}

/* record_check(step, result) */
static int l_record_check(lua_State *L)
{
    const char *step = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct stf_err err;
    if (stf_run_record_check(stf_run_of(L), step, table_to_doc(L, 2), &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    return 0;
}

/* measure(name, figures) */
static int l_measure(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct stf_err err;
    if (stf_run_record_measure(stf_run_of(L), name, table_to_doc(L, 2), &err) != STF_OK)
        return luaL_error(L, "%s", err.message);
    return 0;
}

static int l_json(lua_State *L)
{
    luaL_checkany(L, 1);
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, 1, holder, "value");
    char *text = json_dumps(json_object_get(holder, "value"), JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (!text)
        return luaL_error(L, "not enough memory");
    lua_pushfstring(L, "%s", text); /* the leak of `text` when memory is out ends with the run */
    free(text);
    return 1;
}

/* begin(needs): parameters are right, the run starts: from here on it is in the journal. */
static int l_begin(lua_State *L)
{
    struct stf_err err;
    if (stf_run_begin(stf_run_of(L), &err) != STF_OK) {
        stf_lua_push_err(L, &err);
        return lua_error(L);
    }
    return 0;
}

static int l_step(lua_State *L)
{
    lua_pushstring(L, stf_run_of(L)->current->step);
    return 1;
}

static int l_now_ns(lua_State *L)
{
    lua_pushinteger(L, stf_clock_ns());
    return 1;
}

/* ---- the journal ---- */

/* find_run(number, or nil for the last one to roll back) -> number | nil, err */
static int l_find_run(lua_State *L)
{
    struct stf_err err;
    int64_t id = luaL_optinteger(L, 1, 0);
    if (stf_run_find(stf_run_of(L), &id, &err) != STF_OK)
        return stf_lua_push_err(L, &err);
    lua_pushinteger(L, id);
    return 1;
}

static int push_result_or_err(lua_State *L, enum stf_kind kind, json_t *result, const struct stf_err *err)
{
    if (kind != STF_OK)
        return stf_lua_push_err(L, err);
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_doc_set_new(L, holder, "value", result);
    return stf_lua_push_doc(L, result);
}

/* Scripts get each state in words ("describe"): as documents all of them could be more than a script's memory holds,
 * and a rollback must not fail for that. */
static json_t *drop_states(json_t *plan)
{
    size_t index;
    json_t *item;
    json_array_foreach (json_object_get(plan, "items"), index, item) {
        json_object_del(item, "id");
        json_object_del(item, "before");
        json_object_del(item, "ours");
        json_object_del(item, "now");
    }
    return plan;
}

/* The whole document is kept for the report; the script gets it without the states. */
static int push_undo(lua_State *L, enum stf_kind kind, json_t *undo, const struct stf_err *err)
{
    struct stf_run *run = stf_run_of(L);
    json_decref(run->undo);
    run->undo = json_deep_copy(undo);
    if (kind != STF_OK) {
        json_decref(undo);
        undo = NULL;
    }
    return push_result_or_err(L, kind, drop_states(undo), err);
}

/* The hosts that a rollback is about, as a document on the stack: the one named at `index`, else those of the limit;
 * NULL: all. */
static const json_t *push_hosts_to_undo(lua_State *L, int index)
{
    const char *host = luaL_optstring(L, index, NULL);
    json_t *box = stf_lua_new_doc(L);
    if (!host)
        return stf_run_of(L)->limit;
    stf_lua_doc_set_new(L, box, host, json_true());
    return box;
}

/* rollback_plan(run, host or nil) -> plan | nil, err */
static int l_rollback_plan(lua_State *L)
{
    json_t *plan = NULL;
    struct stf_err err;
    lua_settop(L, 2);
    const json_t *only_hosts = push_hosts_to_undo(L, 2);
    enum stf_kind kind =
        stf_engine_rollback_plan(stf_run_of(L)->engine, luaL_checkinteger(L, 1), only_hosts, &plan, &err);
    return push_undo(L, kind, plan, &err);
}

/* measures(run) -> { name = figures } | nil, err; a name that was measured twice has its last figures */
static int push_measures(lua_State *L, int64_t id)
{
    size_t index;
    json_t *run = NULL, *event, *measures = json_object();
    struct stf_err err;
    enum stf_kind kind = stf_journal_load(stf_run_of(L)->journal, id, &run, &err);
    json_array_foreach (json_object_get(run, "events"), index, event) {
        const char *what = NULL, *name = NULL;
        json_t *figures = NULL;
        if (json_unpack(event, "{s:s, s:{s:s, s:o}}", "kind", &what, "data", "name", &name, "figures", &figures) == 0 &&
            strcmp(what, "measure") == 0)
            json_object_set(measures, name, figures);
    }
    json_decref(run);
    if (kind)
        json_decref(measures);
    return push_result_or_err(L, kind, measures, &err);
}

static int l_measures(lua_State *L)
{
    return push_measures(L, luaL_checkinteger(L, 1));
}

/* measures_before() -> those of a run that goes on, from before it was cut short */
static int l_measures_before(lua_State *L)
{
    int64_t id = stf_run_of(L)->options->resume;
    if (id)
        return push_measures(L, id);
    lua_newtable(L);
    return 1;
}

/* rollback(run, host or nil, true | false | { item, ... }) -> summary | nil, err: the last one is what is forced */
static int l_rollback(lua_State *L)
{
    json_t *summary = NULL;
    struct stf_err err;
    struct stf_run *run = stf_run_of(L);
    bool is_list = lua_istable(L, 3);
    json_t *box = stf_lua_new_doc(L);
    if (is_list)
        stf_lua_value_to_doc(L, 3, box, "items");
    if (run->options->plan)
        return luaL_error(L, "a rollback is not made from a plan that was kept: it looks at what stands by itself");
    const struct stf_rollback rollback = {
        .run = luaL_checkinteger(L, 1),
        .only_hosts = push_hosts_to_undo(L, 2),
        .is_forced = !is_list && lua_toboolean(L, 3),
        .forced = json_object_get(box, "items"),
    };
    run->is_undoing = true;
    enum stf_kind kind = stf_run_roll_back(run, &rollback, &summary, &err);
    return push_undo(L, kind, summary, &err);
}

/* undo_host(name) -> true | nil, err: puts back what this run has changed on one host */
static int l_undo_host(lua_State *L)
{
    json_t *summary = NULL;
    struct stf_err err;
    struct stf_run *run = stf_run_of(L);
    check_host(L, 1);
    const struct stf_rollback rollback = {.run = run->id, .only_hosts = push_hosts_to_undo(L, 1)};
    enum stf_kind kind = run->is_planning ? STF_OK : stf_run_roll_back(run, &rollback, &summary, &err);
    json_decref(summary);
    if (kind != STF_OK)
        return stf_lua_push_err(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/* ---- files of the site ---- */

/* inventory(what site.lua names) -> document as of stf_inventory_read | nil, err */
static int l_inventory(lua_State *L)
{
    json_t *inventory, *box = stf_lua_new_doc(L);
    struct stf_err err;
    stf_lua_value_to_doc(L, 1, box, "wanted");
    enum stf_kind kind =
        stf_inventory_read(stf_run_of(L)->rt->site_dir, json_object_get(box, "wanted"), &inventory, &err);
    return push_result_or_err(L, kind, inventory, &err);
}

/* The absolute path of `relative` when it lies inside the site's folder, symbolic links resolved. */
static bool site_path(const struct stf_run *run, const char *relative, char resolved[PATH_MAX], struct stf_err *err)
{
    const char *root = run->rt->site_dir;
    char joined[PATH_MAX];
    size_t root_length = root ? strlen(root) : 0;
    if (!root || snprintf(joined, sizeof joined, "%s/%s", root, relative) >= (int)sizeof joined ||
        !realpath(joined, resolved)) {
        stf_err_errno(err, root ? errno : ENOENT, "open", relative, "no such file in the site's folder");
        return false;
    }
    if (strncmp(resolved, root, root_length) == 0 && (resolved[root_length] == '/' || resolved[root_length] == '\0'))
        return true;
    stf_err_set(err, STF_DENIED, 0, "open", relative, "%s leads outside the site's folder %s", relative, root);
    return false;
}

static int l_site_path(lua_State *L)
{
    char resolved[PATH_MAX];
    struct stf_err err;
    if (!site_path(stf_run_of(L), luaL_checkstring(L, 1), resolved, &err))
        return stf_lua_push_err(L, &err);
    lua_pushstring(L, resolved);
    return 1;
}

/* read_site_file(path) -> text | nil, err; at most 1 MiB */
static int l_read_site_file(lua_State *L)
{
    enum { MAX_BYTES = 1 << 20 };
    char resolved[PATH_MAX];
    struct stf_err err;
    const char *path = luaL_checkstring(L, 1);
    if (!site_path(stf_run_of(L), path, resolved, &err))
        return stf_lua_push_err(L, &err);
    luaL_Buffer buffer;
    char *space = luaL_buffinitsize(L, &buffer, MAX_BYTES + 1);
    FILE *file = fopen(resolved, "re");
    size_t size = file ? fread(space, 1, MAX_BYTES + 1, file) : 0;
    bool is_ok = file && !ferror(file);
    int errnum = errno;
    if (file)
        fclose(file);
    if (!is_ok) {
        stf_err_errno(&err, errnum, "read", path, "cannot read the file");
        return stf_lua_push_err(L, &err);
    }
    if (size > MAX_BYTES) {
        stf_err_set(&err, STF_INVALID_DATA, 0, "read", path, "%s is larger than %d bytes", path, MAX_BYTES);
        return stf_lua_push_err(L, &err);
    }
    luaL_pushresultsize(&buffer, size);
    return 1;
}

void stf_lua_push_sys(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", l_find},
        {"load", l_load},
        {"names", l_names},
        {"nearest", l_nearest},
        {"record_script", l_record_script},
        {"needs", l_needs},
        {"bindings", l_bindings},
        {"meta", l_meta},
        {"normalize", l_normalize},
        {"fingerprint", l_fingerprint},
        {"power", l_power},
        {"site", l_site},
        {"forks", l_forks},
        {"change_count", l_change_count},
        {"is_outside", l_is_outside},
        {"outcome", l_outcome},
        {"emit", l_emit},
        {"record_check", l_record_check},
        {"measure", l_measure},
        {"json", l_json},
        {"begin", l_begin},
        {"hold", l_hold_host},
        {"step", l_step},
        {"now_ns", l_now_ns},
        {"spawn", l_task_spawn},
        {"join", l_task_join},
        {"limit", l_task_limit},
        {"unlimit", l_unlimit},
        {"ask", l_ask},
        {"undo_host", l_undo_host},
        {"sleep_ms", l_sleep_ms},
        {"find_run", l_find_run},
        {"rollback_plan", l_rollback_plan},
        {"measures", l_measures},
        {"measures_before", l_measures_before},
        {"rollback", l_rollback},
        {"site_path", l_site_path},
        {"read_site_file", l_read_site_file},
        {"inventory", l_inventory},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_pushinteger(L, STF_API_VERSION);
    lua_setfield(L, -2, "api_version");
    lua_pushboolean(L, stf_run_of(L)->is_planning);
    lua_setfield(L, -2, "planning");
    luaL_requiref(L, "lfs", luaopen_lfs, 0);
    lua_setfield(L, -2, "lfs");
}
