/* backends.h - which stores this program has: backends.c on Linux, backends_windows.c in the Windows program.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "registry/registry.h"

enum stf_registry_store {
    STF_REGISTRY_STORE_HIVE,
    STF_REGISTRY_STORE_REG,
    STF_REGISTRY_STORE_WINDOWS,
    STF_REGISTRY_STORE_REMOTE,
    STF_REGISTRY_STORE_COUNT
};

/* NULL for a kind of store that this program has not. */
extern const struct stf_registry_backend *const stf_registry_backends[STF_REGISTRY_STORE_COUNT];
