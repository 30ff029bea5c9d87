/* parts.h - what the readers of all forms put an inventory together with; internal to runtime/inventory/.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "inventory.h"

struct stf_inventory {
    const char *source; /* for messages */
    int line;           /* of it, where the form has lines; else 0 */
    json_t *doc;        /* as stf_inventory_parse gives it */
    size_t mentions;    /* of hosts in groups, each of a range counted */
};

/* STF_INVALID_DATA in words that begin with source and line. */
enum stf_kind stf_inventory_refuse(const struct stf_inventory *inventory, struct stf_err *err, const char *format, ...)
    STF_PRINTF(3, 4);

/* The group of that name, made at its first mention; borrowed. */
enum stf_kind stf_inventory_group(struct stf_inventory *inventory, const char *name, json_t **group,
                                  struct stf_err *err);
enum stf_kind stf_inventory_add_child(struct stf_inventory *inventory, json_t *group, const char *child,
                                      struct stf_err *err);

/* Puts the host, or all hosts of a pattern such as "web[01:50].example.com", into the group; *names becomes a new
 * reference to the list of their names. */
enum stf_kind stf_inventory_add_hosts(struct stf_inventory *inventory, json_t *group, const char *pattern,
                                      json_t **names, struct stf_err *err);

/* A variable of each host of `names`, or of a group. `value` is borrowed; of other variables than ours and Ansible's
 * nothing is kept. */
enum stf_kind stf_inventory_set_host_var(struct stf_inventory *inventory, const json_t *names, const char *key,
                                         const json_t *value, struct stf_err *err);
enum stf_kind stf_inventory_set_group_var(struct stf_inventory *inventory, json_t *group, const char *key,
                                          const json_t *value, struct stf_err *err);

/* One for each form. */
enum stf_kind stf_inventory_ini(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err);
enum stf_kind stf_inventory_yaml(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err);
enum stf_kind stf_inventory_list(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err);
