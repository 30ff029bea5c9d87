/* install_windows.c - the Windows program reaches no hosts, so it sends itself to none. SPDX-License-Identifier: MIT */
#include "fleet/install.h"

enum stf_kind stf_install_agent(const struct stf_host *host, const char *version, struct stf_err *err)
{
    (void)version;
    return stf_err_set(err, STF_UNSUPPORTED, 0, "install", host->name, "the Windows program sends no agents");
}

enum stf_kind stf_install_remove(const struct stf_host *host, struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "install", host->name, "the Windows program sends no agents");
}
