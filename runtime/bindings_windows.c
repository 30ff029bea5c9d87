/* bindings_windows.c - the registration table of the Windows program. SPDX-License-Identifier: MIT */
#include "runtime.h"

extern const struct stf_binding stf_registry_binding;
extern const struct stf_lua_module stf_lua_registry;

const struct stf_bound stf_builtin_bindings[] = {
    {&stf_registry_binding, &stf_lua_registry, NULL},
    {NULL, NULL, NULL},
};
