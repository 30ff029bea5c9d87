/* hold_windows.c - the Windows program takes no host for itself yet: its state folder's lock is all that keeps two of
 * them apart. SPDX-License-Identifier: MIT */
#include "fleet/hold.h"

enum stf_kind stf_hold_take(const struct stf_host *host, const json_t *holder, struct stf_hold **hold,
                            struct stf_err *err)
{
    (void)host;
    (void)holder;
    (void)err;
    *hold = NULL;
    return STF_OK;
}

void stf_hold_release(struct stf_hold *hold)
{
    (void)hold;
}
