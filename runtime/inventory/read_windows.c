/* read_windows.c - the Windows program reaches no other host, and so needs no inventory of them.
 * SPDX-License-Identifier: MIT */
#include "inventory.h"

enum stf_kind stf_inventory_read(const char *site_dir, const json_t *wanted, json_t **inventory, struct stf_err *err)
{
    (void)site_dir;
    (void)wanted;
    *inventory = NULL;
    return stf_err_set(err, STF_UNSUPPORTED, 0, "inventory", NULL, "this program reads no inventories on Windows");
}
