/* fuzz_inventory.c - any bytes as an inventory, of the form that the first one names: refused in words, or hosts and
 * groups that fit each other, within the limits, and without a password. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_vars(const json_t *vars)
{
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)vars, key, value) {
        const char *text = json_string_value(value);
        size_t length = strlen(key);
        must(text || json_is_false(value));
        must(strncmp(key, "ansible_", 8) == 0 || strncmp(key, "staffetta_", 10) == 0);
        must(!text || !*text || strstr(text, "{{") || length < 5 || strcmp(key + length - 5, "_pass") != 0);
    }
}

static void check_inventory(const json_t *inventory)
{
    const char *name, *member;
    json_t *group, *vars, *ignored;
    const json_t *hosts = json_object_get(inventory, "hosts"), *groups = json_object_get(inventory, "groups");
    must(json_object_size(hosts) <= STF_INVENTORY_MAX_HOSTS);
    json_object_foreach ((json_t *)hosts, name, vars) {
        must(*name && json_is_object(vars));
        check_vars(vars);
    }
    json_object_foreach ((json_t *)groups, name, group) {
        check_vars(json_object_get(group, "vars"));
        json_object_foreach (json_object_get(group, "hosts"), member, ignored)
            must(json_object_get(hosts, member) != NULL);
        json_object_foreach (json_object_get(group, "children"), member, ignored)
            must(json_object_get(groups, member) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char forms[] = {[STF_INVENTORY_INI] = 'i', [STF_INVENTORY_YAML] = 'y', [STF_INVENTORY_LIST] = 'l'};
    const char *form = size > 0 ? memchr(forms, bytes[0], sizeof forms) : NULL;
    json_t *inventory = NULL;
    struct stf_err err = {.message = ""};
    if (!form)
        return 0;
    char *text = malloc(size);
    must(text != NULL);
    memcpy(text, bytes + 1, size - 1);
    text[size - 1] = '\0';
    if (stf_inventory_parse((enum stf_inventory_form)(form - forms), "fuzzed", text, size - 1, &inventory, &err))
        must(err.message[0] && !inventory);
    else
        check_inventory(inventory);
    json_decref(inventory);
    free(text);
    return 0;
}
