/* runtime.c - opening and closing a runtime, and the things that all its runs share. SPDX-License-Identifier: MIT */
#include "runtime.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "paths.h"
#include "run.h"

const char *stf_version(void)
{
    return STF_VERSION;
}

static char *real_or_copy(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

static enum stf_kind bind_one(struct stf_runtime *rt, const struct stf_binding *binding,
                              const struct stf_lua_module *module, struct stf_err *err)
{
    for (size_t i = 0; i < rt->bound_count; i++)
        if (strcmp(rt->bound[i].binding->name, binding->name) == 0)
            return stf_err_set(err, STF_CONFLICT, 0, "add binding", binding->name,
                               "there is a binding named '%s' already", binding->name);
    if (rt->bound_count == STF_MAX_BINDINGS)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "add binding", binding->name, "at most %d bindings",
                           STF_MAX_BINDINGS);
    void *self = NULL;
    if (binding->open && !(self = binding->open()))
        return stf_err_set(err, STF_NO_MEMORY, 0, "add binding", binding->name, "the binding can not be opened");
    rt->bound[rt->bound_count++] = (struct stf_bound){binding, module, self};
    return STF_OK;
}

enum stf_kind stf_runtime_add_binding(struct stf_runtime *rt, const struct stf_binding *binding, struct stf_err *err)
{
    return bind_one(rt, binding, NULL, err);
}

enum stf_kind stf_runtime_open(const struct stf_runtime_options *options, struct stf_runtime **runtime,
                               struct stf_err *err)
{
    *runtime = NULL;
    struct stf_runtime *rt = calloc(1, sizeof *rt);
    if (!rt)
        return stf_err_set(err, STF_NO_MEMORY, 0, "open", NULL, "not enough memory");
    enum stf_kind kind = STF_NO_MEMORY;
    rt->limits = stf_sandbox_default_limits;
    if (options->memory_limit_bytes)
        rt->limits.memory_bytes = options->memory_limit_bytes;
    if (options->instruction_limit)
        rt->limits.instructions = options->instruction_limit;
    rt->state_dir = strdup(options->state_dir ? options->state_dir : STF_DEFAULT_STATE_DIR);
    if (options->site_dir)
        rt->site_dir = real_or_copy(options->site_dir);
    rt->loader = stf_loader_new(rt->site_dir, options->scripts_dir);
    if (!rt->state_dir || !rt->loader || (options->site_dir && !rt->site_dir)) {
        stf_err_set(err, STF_NO_MEMORY, 0, "open", NULL, "not enough memory");
        goto out;
    }
    kind = STF_OK;
    for (const struct stf_bound *each = stf_builtin_bindings; kind == STF_OK && each->binding; each++)
        kind = bind_one(rt, each->binding, each->module, err);
out:
    if (kind != STF_OK) {
        stf_runtime_close(rt);
        return kind;
    }
    *runtime = rt;
    return STF_OK;
}

void stf_runtime_close(struct stf_runtime *rt)
{
    if (!rt)
        return;
    for (size_t i = rt->bound_count; i > 0; i--)
        if (rt->bound[i - 1].binding->close)
            rt->bound[i - 1].binding->close(rt->bound[i - 1].self);
    json_decref(rt->site);
    json_decref(rt->inventory);
    stf_loader_free(rt->loader);
    free(rt->site_dir);
    free(rt->state_dir);
    free(rt);
}

enum stf_kind stf_runtime_site(struct stf_runtime *rt, const json_t **site, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (!rt->site && rt->site_dir)
        kind = stf_trusted_load_site(rt, err);
    *site = rt->site;
    return kind;
}

enum stf_kind stf_runtime_limit(struct stf_runtime *rt, const char *pattern, json_t **names, struct stf_err *err)
{
    const json_t *site;
    *names = NULL;
    enum stf_kind kind = pattern ? stf_runtime_site(rt, &site, err) : STF_OK;
    if (!pattern || kind != STF_OK)
        return kind;
    if (!site)
        return stf_err_set(err, STF_NOT_FOUND, 0, "limit", pattern,
                           "--limit: there is no site, and so no host: name its folder with --site");
    json_t *input = json_pack("{s:s, s:O}", "pattern", pattern, "site", site);
    kind = input ? stf_trusted_tool(rt, "limit.luac", input, names, err)
                 : stf_err_set(err, STF_INVALID_DATA, 0, "limit", NULL, "--limit: the pattern is no UTF-8");
    json_decref(input);
    return kind;
}

enum stf_kind stf_runtime_open_fleet(const struct stf_runtime *rt, const struct stf_fleet_config *config,
                                     struct stf_fleet **fleet, struct stf_err *err)
{
    struct stf_fleet_config of_site = *config;
    of_site.host_count = json_object_size(json_object_get(rt->site, "hosts"));
    enum stf_kind kind = stf_fleet_open(&of_site, fleet, err);
    for (size_t i = 0; kind == STF_OK && i < rt->bound_count; i++)
        kind = stf_fleet_add_binding(*fleet, rt->bound[i].binding, rt->bound[i].self, err);
    return kind;
}

enum stf_kind stf_site_load(const char *dir, json_t **site, struct stf_err *err)
{
    struct stf_runtime_options options = {.site_dir = dir};
    struct stf_runtime *rt;
    const json_t *loaded = NULL;
    *site = NULL;
    enum stf_kind kind = stf_runtime_open(&options, &rt, err);
    if (kind != STF_OK)
        return kind;
    kind = stf_runtime_site(rt, &loaded, err);
    if (kind == STF_OK)
        *site = json_incref((json_t *)loaded);
    stf_runtime_close(rt);
    return kind;
}
