/* reach_windows.c - the Windows program starts no agents. SPDX-License-Identifier: MIT */
#include "fleet/reach.h"

enum stf_kind stf_reach_host(const struct stf_host *host, const char *version, struct stf_transport **transport,
                             struct stf_err *err)
{
    (void)version;
    *transport = NULL;
    return stf_err_set(err, STF_UNSUPPORTED, 0, "connect", host->name,
                       "the Windows program reaches no other hosts: run the playbook from a Linux machine, or leave "
                       "hosts['%s'].transport out",
                       host->name);
}
