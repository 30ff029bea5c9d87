/* lua_registry.h - host.registry for scripts, for the runtime's table. SPDX-License-Identifier: MIT */
#pragma once

#include "common/lua_host.h"

extern const struct stf_lua_module stf_lua_registry;
