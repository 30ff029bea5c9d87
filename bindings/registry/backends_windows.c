/* backends_windows.c - the stores of the Windows program. SPDX-License-Identifier: MIT */
#include "registry/backends.h"

const struct stf_registry_backend *const stf_registry_backends[STF_REGISTRY_STORE_COUNT] = {
    [STF_REGISTRY_STORE_WINDOWS] = &stf_registry_backend_windows,
};

enum stf_kind stf_registry_store_create(const struct stf_registry_backend *backend, const char *path,
                                        struct stf_err *err)
{
    (void)backend;
    return stf_err_set(err, STF_UNSUPPORTED, 0, "create", path, "this kind of store can not be made");
}
