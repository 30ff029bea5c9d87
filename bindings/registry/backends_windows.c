/* backends_windows.c - the stores of the Windows program. SPDX-License-Identifier: MIT */
#include "registry/backends.h"

const struct stf_registry_backend *const stf_registry_backends[STF_REGISTRY_STORE_COUNT] = {
    [STF_REGISTRY_STORE_HIVE] = &stf_registry_backend_hive,
    [STF_REGISTRY_STORE_REG] = &stf_registry_backend_regfile,
    [STF_REGISTRY_STORE_WINDOWS] = &stf_registry_backend_windows,
};
