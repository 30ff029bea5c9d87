/* bindings.c - the one registration table: all that the runtime knows of the bindings it ships with.
 * SPDX-License-Identifier: MIT */
#include "runtime.h"

extern const struct stf_binding stf_registry_binding, stf_ipsec_binding, stf_probe_binding, stf_vip_binding,
    stf_wire_binding, stf_system_binding;
extern const struct stf_lua_module stf_lua_registry, stf_lua_ipsec, stf_lua_probe, stf_lua_vip, stf_lua_wire,
    stf_lua_system;

const struct stf_bound stf_builtin_bindings[] = {
    {&stf_registry_binding, &stf_lua_registry, NULL},
    {&stf_ipsec_binding, &stf_lua_ipsec, NULL},
    {&stf_vip_binding, &stf_lua_vip, NULL},
    {&stf_probe_binding, &stf_lua_probe, NULL},
    {&stf_wire_binding, &stf_lua_wire, NULL},
    {&stf_system_binding, &stf_lua_system, NULL},
    {NULL, NULL, NULL},
};
