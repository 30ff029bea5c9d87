/* backends_windows.c - the stores of the Windows program. SPDX-License-Identifier: MIT */
#include "registry/backends.h"

#include "registry/reg_text.h"

const struct stf_registry_backend *const stf_registry_backends[STF_REGISTRY_STORE_COUNT] = {
    [STF_REGISTRY_STORE_REG] = &stf_registry_backend_regfile,
    [STF_REGISTRY_STORE_WINDOWS] = &stf_registry_backend_windows,
};

enum stf_kind stf_registry_store_create(const struct stf_registry_backend *backend, const char *path,
                                        struct stf_err *err)
{
    if (backend == &stf_registry_backend_regfile) {
        return stf_regfile_create(path, &(struct stf_reg_format){0}, err);
    }
    return stf_err_set(err, STF_UNSUPPORTED, 0, "create", path, "this kind of store can not be made");
}
