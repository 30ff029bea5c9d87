/* armed_windows.c - the Windows program arms no undo yet: nothing there waits in its place. SPDX-License-Identifier:
 * MIT */
#include "fleet/armed.h"

static enum stf_kind not_here(struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "arm", NULL,
                       "the Windows program arms no undo: leave confirm_within_ms out of site.lua");
}

enum stf_kind stf_armed_add(const struct stf_armed *armed, const struct stf_host *host, const json_t *change,
                            struct stf_err *err)
{
    (void)armed;
    (void)host;
    (void)change;
    return not_here(err);
}

enum stf_kind stf_armed_confirm(const struct stf_armed *armed, struct stf_err *err)
{
    (void)armed;
    return not_here(err);
}

enum stf_kind stf_armed_wait(const char *path, const struct stf_binding *const *bindings, struct stf_err *err)
{
    (void)path;
    (void)bindings;
    return not_here(err);
}
