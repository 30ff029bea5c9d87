/* report.c - from the journal's record of a run to its report; the texts are made by the Lua files beside this one.
 * SPDX-License-Identifier: MIT */
#include "report.h"

#include <lauxlib.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/offer.h"
#include "embedded.h"
#include "runtime.h"

/* ---- the document ---- */

static const struct stf_resource *find_resource(const char *name)
{
    const struct stf_resource *resource = NULL; /* of a program that embeds us, or of a newer one */
    for (const struct stf_bound *bound = stf_builtin_bindings; bound->binding && !resource; bound++)
        resource = stf_binding_resource(bound->binding, name);
    return resource;
}

/* In words: the thing itself when `state` is NULL, else that state of it. */
static json_t *in_words(const struct stf_resource *resource, const json_t *id, const json_t *state)
{
    if (json_is_null(state))
        return json_string("absent");
    char *text = resource && resource->describe ? resource->describe(id, state) : NULL;
    if (!text)
        text = stf_journal_text(state ? state : id);
    json_t *words = text ? json_string(text) : NULL;
    free(text);
    return words;
}

static bool describe_change(json_t *change)
{
    const json_t *id = json_object_get(change, "id");
    const struct stf_resource *resource = find_resource(json_string_value(json_object_get(change, "resource")));
    json_t *words = json_pack("{s:o, s:o, s:o}", "what", in_words(resource, id, NULL), "before",
                              in_words(resource, id, json_object_get(change, "before")), "after",
                              in_words(resource, id, json_object_get(change, "after")));
    return json_object_set_new(change, "describe", words) == 0;
}

/* What was measured stands among the events, the last of a name counts: [{"name", "figures"}]. */
static json_t *measures_of(const json_t *events)
{
    json_t *by_name = json_object(), *list = json_array(), *figures, *event;
    const char *name;
    size_t index;
    json_array_foreach (events, index, event) {
        const json_t *data = json_object_get(event, "data");
        if (strcmp(json_string_value(json_object_get(event, "kind")), "measure") == 0)
            json_object_set(by_name, json_string_value(json_object_get(data, "name")),
                            json_object_get(data, "figures"));
    }
    json_object_foreach (by_name, name, figures)
        json_array_append_new(list, json_pack("{s:s, s:O}", "name", name, "figures", figures));
    json_decref(by_name);
    return list;
}

/* The run's own account of its end: out of its record, and without what the journal has row by row. */
static json_t *take_outcome(json_t *run)
{
    json_t *outcome = json_incref(json_object_get(run, "summary"));
    json_object_del(run, "summary");
    if (!json_is_object(outcome)) {
        json_decref(outcome);
        return json_null();
    }
    static const char *const twice[] = {"checks", "measures", "run", "playbook", "mode", "site"};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++)
        json_object_del(outcome, twice[i]);
    return outcome;
}

enum stf_kind stf_report_load(struct stf_journal *journal, int64_t run, json_t **report, struct stf_err *err)
{
    enum stf_kind kind = stf_journal_load(journal, run, report, err);
    if (kind != STF_OK)
        return kind;
    bool is_ok = json_object_set_new(*report, "measures", measures_of(json_object_get(*report, "events"))) == 0 &&
                 json_object_set_new(*report, "outcome", take_outcome(json_object_get(*report, "run"))) == 0;
    size_t index;
    json_t *change;
    json_array_foreach (json_object_get(*report, "changes"), index, change)
        is_ok = is_ok && describe_change(change);
    if (is_ok)
        return STF_OK;
    json_decref(*report);
    *report = NULL;
    return stf_err_set(err, STF_NO_MEMORY, 0, "report", NULL, "not enough memory");
}

/* ---- the texts ---- */

extern const struct stf_embedded stf_report_files[];

static const struct stf_embedded *find_file(lua_State *L, const char *name)
{
    const struct stf_embedded *file = stf_report_files;
    while (file->name && strcmp(file->name, name) != 0)
        file++;
    if (!file->name)
        luaL_error(L, "the program has no file %s", name);
    return file;
}

/* need(name): what the file beside this one returns; a file is called with `need` itself. */
static int l_need(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *file_name = lua_pushfstring(L, "%s.luac", name);
    if (lua_getfield(L, lua_upvalueindex(1), name) != LUA_TNIL)
        return 1;
    const struct stf_embedded *file = find_file(L, file_name);
    if (!stf_sandbox_load_compiled(L, file->bytes, file->size, file_name))
        return lua_error(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, l_need, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, lua_upvalueindex(1), name);
    return 1;
}

/* style(): the style sheet. */
static int l_style(lua_State *L)
{
    const struct stf_embedded *file = find_file(L, "style.css");
    lua_pushlstring(L, file->bytes, file->size);
    return 1;
}

/* sha256(text): in hex. */
static int l_sha256(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    char digest[SHA256_DIGEST_STRING_LENGTH];
    lua_pushstring(L, SHA256Data((const unsigned char *)text, size, digest));
    return 1;
}

/* time(unix_ms): "2026-11-23 17:35:33 UTC". */
static int l_time(lua_State *L)
{
    time_t seconds = (time_t)(luaL_checkinteger(L, 1) / 1000);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&seconds, &utc))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
    lua_pushstring(L, text);
    return 1;
}

/* json(doc): canonical text of what stf_lua_value_to_doc takes. */
static int l_json(lua_State *L)
{
    json_t *holder = stf_lua_new_doc(L);
    stf_lua_value_to_doc(L, 1, holder, "value");
    char *text = stf_journal_text(json_object_get(holder, "value"));
    lua_pushstring(L, text ? text : "");
    free(text);
    return 1;
}

struct job {
    const json_t *report;
    const char *form;
    const struct stf_report_extras *extras;
    char *text;
    size_t size;
};

static int l_make_text(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    static const luaL_Reg functions[] = {
        {"style", l_style}, {"sha256", l_sha256}, {"time", l_time}, {"json", l_json}, {NULL, NULL}};
    lua_newtable(L); /* -- the modules, as far as loaded */
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "sys");
    lua_pushcclosure(L, l_need, 1);
    lua_pushstring(L, job->form);
    lua_call(L, 1, 1); /* -- the form's function */
    stf_lua_push_doc(L, job->report);
    lua_pushstring(L, job->extras->state_dir);
    lua_pushstring(L, job->extras->timeline);
    lua_call(L, 3, 1);
    const char *text = luaL_checklstring(L, -1, &job->size);
    job->text = strdup(text);
    return 0;
}

enum stf_kind stf_report_text(const json_t *report, const char *form, const struct stf_report_extras *extras,
                              char **text, size_t *size, struct stf_err *err)
{
    static const struct stf_sandbox_limits limits = {.memory_bytes = (size_t)4 << 30, .instructions = INT64_MAX / 2};
    struct job job = {.report = report, .form = form, .extras = extras};
    enum stf_kind kind = STF_NO_MEMORY;
    stf_err_set(err, kind, 0, "report", NULL, "not enough memory");
    lua_State *L = stf_sandbox_open(&limits, NULL);
    if (!L)
        return kind;
    stf_sandbox_arm(L);
    lua_pushcfunction(L, l_make_text);
    lua_pushlightuserdata(L, &job);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "report", form, "the report can not be made: %s",
                           luaL_tolstring(L, -1, NULL));
    else if (job.text)
        kind = STF_OK;
    stf_sandbox_close(L);
    *text = job.text;
    *size = job.size;
    return kind;
}
