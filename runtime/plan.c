/* plan.c - plans that are kept (plan.h). Must never act on a host. SPDX-License-Identifier: MIT */
#include "plan.h"

#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "run.h"

static const char plan_format[] = "staffetta-plan";
enum { PLAN_VERSION = 1 };

static const char *text(const json_t *doc, const char *key)
{
    const char *value = json_string_value(json_object_get(doc, key));
    return value ? value : "";
}

enum stf_kind stf_plan_complete(const struct stf_run *run, json_t *plan, struct stf_err *err)
{
    json_t *origin = json_pack("{s:s, s:i, s:s, s:I, s:s, s:s*, s:O?, s:O}", "format", plan_format, "version",
                               PLAN_VERSION, "program_version", stf_version(), "made_unix_ms",
                               (json_int_t)stf_clock_unix_ms(), "playbook", run->options->playbook, "limit",
                               run->options->limit, "params", run->options->params, "scripts", run->scripts);
    int failed = !origin || json_object_update(plan, origin) != 0;
    json_decref(origin);
    return failed ? stf_err_set(err, STF_NO_MEMORY, 0, "plan", NULL, "not enough memory") : STF_OK;
}

json_t *stf_plan_site_entry(const struct stf_runtime *rt)
{
    char hash[STF_SHA256_TEXT_SIZE];
    return stf_sha256_of_doc(rt->site, hash)
               ? json_pack("{s:s, s:O, s:s, s:s}", "folder", "site", "name", json_object_get(rt->site, "name"),
                           "origin", rt->site_dir, "sha256", hash)
               : NULL;
}

/* ---- its form ---- */

static bool is_change(const json_t *change)
{
    return json_is_string(json_object_get(change, "step")) && json_is_string(json_object_get(change, "host")) &&
           json_is_string(json_object_get(change, "resource")) && json_is_object(json_object_get(change, "id")) &&
           json_object_get(change, "before") && json_object_get(change, "after") &&
           json_is_object(json_object_get(change, "describe"));
}

static bool is_script(const json_t *script)
{
    return json_is_string(json_object_get(script, "folder")) && json_is_string(json_object_get(script, "name")) &&
           json_is_string(json_object_get(script, "sha256"));
}

static bool is_list_of(const json_t *list, bool (*is_item)(const json_t *))
{
    size_t index;
    json_t *item;
    bool is_ok = json_is_array(list);
    json_array_foreach ((json_t *)list, index, item)
        is_ok = is_ok && is_item(item);
    return is_ok;
}

enum stf_kind stf_plan_check(const json_t *plan, struct stf_err *err)
{
    if (strcmp(text(plan, "format"), plan_format) != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "plan", NULL,
                           "this is no plan: expected what `staffetta plan --out FILE` wrote");
    if (json_integer_value(json_object_get(plan, "version")) != PLAN_VERSION)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "plan", NULL,
                           "this plan has version %lld, and this program applies version %d: plan again",
                           (long long)json_integer_value(json_object_get(plan, "version")), PLAN_VERSION);
    const json_t *params = json_object_get(plan, "params"), *limit = json_object_get(plan, "limit");
    const char *wrong = !json_is_string(json_object_get(plan, "playbook"))           ? "playbook"
                        : params && !json_is_object(params) && !json_is_null(params) ? "params"
                        : limit && !json_is_string(limit)                            ? "limit"
                        : !is_list_of(json_object_get(plan, "scripts"), is_script)   ? "scripts"
                        : !is_list_of(json_object_get(plan, "changes"), is_change)   ? "changes"
                                                                                     : NULL;
    if (wrong)
        return stf_err_set(err, STF_INVALID_DATA, 0, "plan", NULL,
                           "this plan is damaged: its \"%s\" are not as they were written; plan again", wrong);
    return STF_OK;
}

/* ---- how two plans differ ---- */

__attribute__((format(printf, 4, 5))) static bool add_drift(json_t *drift, const char *kind, const char *subject,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *message = json_vsprintf(format, arguments);
    va_end(arguments);
    return json_array_append_new(
               drift, json_pack("{s:s, s:s, s:o}", "kind", kind, "subject", subject, "message", message)) == 0;
}

const char *stf_plan_script_hash(const json_t *scripts, const char *folder, const char *name)
{
    size_t index;
    json_t *script;
    json_array_foreach ((json_t *)scripts, index, script)
        if (strcmp(text(script, "folder"), folder) == 0 && strcmp(text(script, "name"), name) == 0)
            return json_string_value(json_object_get(script, "sha256"));
    return NULL;
}

bool stf_plan_add_script_drift(const json_t *recorded, const json_t *found, json_t *drift)
{
    size_t index;
    json_t *script;
    bool is_ok = true;
    json_array_foreach ((json_t *)recorded, index, script) {
        const char *folder = text(script, "folder"), *name = text(script, "name"), *hash = text(script, "sha256");
        const char *now = stf_plan_script_hash(found, folder, name);
        if (!now)
            is_ok = is_ok && add_drift(drift, "script", name, "%s/%s (%.12s) is not used any more", folder, name, hash);
        else if (strcmp(now, hash) != 0)
            is_ok = is_ok &&
                    add_drift(drift, "script", name, "%s/%s has changed: was %.12s, is %.12s", folder, name, hash, now);
    }
    return is_ok;
}

static bool add_new_scripts(const json_t *saved, const json_t *fresh, json_t *drift)
{
    size_t index;
    json_t *script;
    bool is_ok = true;
    json_array_foreach ((json_t *)fresh, index, script) {
        const char *folder = text(script, "folder"), *name = text(script, "name");
        if (!stf_plan_script_hash(saved, folder, name))
            is_ok = is_ok && add_drift(drift, "script", name, "%s/%s was not used by the plan", folder, name);
    }
    return is_ok;
}

static const char *words(const json_t *change, const char *key)
{
    return text(json_object_get(change, "describe"), key);
}

static bool add_change_drift(const json_t *saved, const json_t *fresh, json_t *drift)
{
    const json_t *change = saved ? saved : fresh;
    const char *host = text(change, "host"), *what = words(change, "what");
    if (!fresh)
        return add_drift(drift, "not_needed", host,
                         "%s on %s: the plan changes it to %s, which is not to be done any more", what, host,
                         words(saved, "after"));
    if (!saved)
        return add_drift(drift, "not_planned", host, "%s on %s: would become %s, which the plan does not have", what,
                         host, words(fresh, "after"));
    if (!json_equal(json_object_get(saved, "after"), json_object_get(fresh, "after")))
        return add_drift(drift, "not_planned", host, "%s on %s: would become %s, the plan has %s", what, host,
                         words(fresh, "after"), words(saved, "after"));
    if (!stf_is_same_state(json_object_get(saved, "before"), words(saved, "before"), json_object_get(fresh, "before"),
                           words(fresh, "before")))
        return add_drift(drift, "state", host, "%s on %s: is %s, the plan begins with %s", what, host,
                         words(fresh, "before"), words(saved, "before"));
    return true;
}

/* The changes of several things are in no order (hosts work side by side), those of one thing are. */
static bool add_changes_drift(const json_t *saved, const json_t *fresh, json_t *drift)
{
    size_t index;
    json_t *change;
    json_t *left = stf_changes_by_thing(fresh);
    bool is_ok = left != NULL;
    json_array_foreach ((json_t *)saved, index, change) {
        json_t *match = left ? stf_changes_take(left, change) : NULL;
        is_ok = is_ok && add_change_drift(change, match, drift);
        json_decref(match);
    }
    const char *key;
    json_t *rest;
    json_object_foreach (left, key, rest)
        json_array_foreach (rest, index, change)
            is_ok = is_ok && add_change_drift(NULL, change, drift);
    json_decref(left);
    return is_ok;
}

json_t *stf_plan_drift(const json_t *saved, const json_t *fresh)
{
    json_t *drift = json_array();
    const json_t *old_scripts = json_object_get(saved, "scripts"), *new_scripts = json_object_get(fresh, "scripts");
    bool is_ok = drift && stf_plan_add_script_drift(old_scripts, new_scripts, drift) &&
                 add_new_scripts(old_scripts, new_scripts, drift) &&
                 add_changes_drift(json_object_get(saved, "changes"), json_object_get(fresh, "changes"), drift);
    if (!is_ok) {
        json_decref(drift);
        drift = NULL;
    }
    return drift;
}
