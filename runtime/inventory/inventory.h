/* inventory.h - hosts that somebody else keeps: Ansible's inventories, and what a command prints in their form. Reads
 * names, groups and the variables that say how a host is reached; knows nothing of sites. Must never keep a secret.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include <staffetta/err.h>

enum stf_inventory_form {
    STF_INVENTORY_INI,
    STF_INVENTORY_YAML, /* any JSON of the same structure, too */
    STF_INVENTORY_LIST, /* JSON as `ansible-inventory --list` and inventory scripts print it */
};

enum { STF_INVENTORY_MAX_BYTES = 8 << 20, STF_INVENTORY_MAX_HOSTS = 10000 };

/* *inventory: a new reference to
 *   { "hosts": { NAME: VARS }, "groups": { NAME: { "hosts": { NAME: true }, "children": { NAME: true }, "vars": VARS }
 * } } with ranges of hosts written out. VARS has the variables that begin with ansible_ or staffetta_, as text; false
 * stands for what is no text. STF_INVALID_DATA, naming `source` and the place in it but no value, for anything else,
 * and for a password. A NUL follows `text`. */
enum stf_kind stf_inventory_parse(enum stf_inventory_form form, const char *source, const char *text, size_t size,
                                  json_t **inventory, struct stf_err *err);

/* What site.lua names: { "ansible": a file } or { "command": [program, ...], "timeout_ms": n }; relative paths start in
 * `site_dir`. */
enum stf_kind stf_inventory_read(const char *site_dir, const json_t *wanted, json_t **inventory, struct stf_err *err);
