/* runtime.h - what lives longer than one run: options, bindings, scripts, the site. Internal to runtime/.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include <staffetta/staffetta.h>

#include "common/lua_host.h"
#include "fleet/fleet.h"
#include "loader.h"
#include "sandbox.h"

enum { STF_MAX_BINDINGS = 32, STF_MAX_NEEDS = 64 };

/* A binding that was opened. `module` is NULL for bindings without Lua methods of their own. */
struct stf_bound {
    const struct stf_binding *binding;
    const struct stf_lua_module *module;
    void *self;
};

struct stf_runtime {
    char *site_dir; /* absolute, or NULL */
    char *state_dir;
    struct stf_sandbox_limits limits;
    struct stf_loader *loader;
    json_t *site;      /* NULL until stf_runtime_site */
    json_t *inventory; /* what the site's inventory has beyond its hosts (lua/inventory.lua); null without one */
    struct stf_bound bound[STF_MAX_BINDINGS];
    size_t bound_count;
};

/* bindings.c: the one registration table. */
extern const struct stf_bound stf_builtin_bindings[]; /* ended by a NULL binding */

/* *names: { NAME: true } of the site's hosts that the pattern means, a new reference; NULL, for all, without a pattern.
 */
enum stf_kind stf_runtime_limit(struct stf_runtime *rt, const char *pattern, json_t **names, struct stf_err *err);

/* Borrowed; loads it at first. */
enum stf_kind stf_runtime_site(struct stf_runtime *rt, const json_t **site, struct stf_err *err);

/* A fleet with room for all hosts of the site; those without "transport" are served by the bindings of the runtime. */
enum stf_kind stf_runtime_open_fleet(const struct stf_runtime *rt, const struct stf_fleet_config *config,
                                     struct stf_fleet **fleet, struct stf_err *err);

/* The checked document of the site file in `dir`, without a run: a new reference. */
enum stf_kind stf_site_load(const char *dir, json_t **site, struct stf_err *err);

/* Who runs the program, as the journal records it: valid until the next call. */
const char *stf_operator_name(void);
