/* list.c - the JSON that inventory scripts and `ansible-inventory --list` print: groups by name, and the variables of
 * all hosts under "_meta". SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>

static enum stf_kind expect(const struct stf_inventory *inventory, const json_t *value, json_type type,
                            const char *what, const char *name, struct stf_err *err)
{
    if (!value || json_typeof(value) == type)
        return STF_OK;
    return stf_inventory_refuse(inventory, err, "%s of '%s' is no %s", what, name,
                                type == JSON_ARRAY ? "list" : "object");
}

static enum stf_kind read_hosts(struct stf_inventory *inventory, json_t *group, const char *group_name,
                                const json_t *hosts, struct stf_err *err)
{
    size_t index;
    json_t *host, *names;
    enum stf_kind kind = expect(inventory, hosts, JSON_ARRAY, "\"hosts\"", group_name, err);
    json_array_foreach ((json_t *)hosts, index, host) {
        if (kind == STF_OK && !json_is_string(host))
            kind = stf_inventory_refuse(inventory, err, "the group '%s' has a host that is no text", group_name);
        if (kind != STF_OK)
            return kind;
        kind = stf_inventory_add_hosts(inventory, group, json_string_value(host), &names, err);
        if (kind == STF_OK)
            json_decref(names);
    }
    return kind;
}

static enum stf_kind read_group(struct stf_inventory *inventory, const char *name, const json_t *value,
                                struct stf_err *err)
{
    size_t index;
    const char *key;
    json_t *group, *each;
    enum stf_kind kind = stf_inventory_group(inventory, name, &group, err);
    if (kind == STF_OK && json_is_array(value))
        return read_hosts(inventory, group, name, value, err);
    if (kind == STF_OK && !json_is_object(value))
        kind = stf_inventory_refuse(inventory, err, "the group '%s' is neither an object nor a list of hosts", name);
    const json_t *children = json_object_get(value, "children"), *vars = json_object_get(value, "vars");
    if (kind == STF_OK)
        kind = read_hosts(inventory, group, name, json_object_get(value, "hosts"), err);
    if (kind == STF_OK)
        kind = expect(inventory, children, JSON_ARRAY, "\"children\"", name, err);
    if (kind == STF_OK)
        kind = expect(inventory, vars, JSON_OBJECT, "\"vars\"", name, err);
    if (kind != STF_OK)
        return kind;
    json_array_foreach ((json_t *)children, index, each) {
        const char *child = json_string_value(each);
        if (kind == STF_OK)
            kind = child ? stf_inventory_add_child(inventory, group, child, err)
                         : stf_inventory_refuse(inventory, err, "the group '%s' has a child that is no text", name);
    }
    json_object_foreach ((json_t *)vars, key, each)
        if (kind == STF_OK)
            kind = stf_inventory_set_group_var(inventory, group, key, each, err);
    return kind;
}

/* Of hosts that no group has, nothing is kept. */
static enum stf_kind read_vars(struct stf_inventory *inventory, const json_t *meta, struct stf_err *err)
{
    const char *name, *key;
    json_t *vars, *value, *hostvars = json_object_get(meta, "hostvars");
    enum stf_kind kind = expect(inventory, hostvars, JSON_OBJECT, "\"hostvars\"", "_meta", err);
    if (kind != STF_OK)
        return kind;
    json_object_foreach (hostvars, name, vars) {
        json_t *names = json_pack("[s]", name);
        if (!json_object_get(json_object_get(inventory->doc, "hosts"), name))
            json_array_clear(names);
        json_object_foreach (vars, key, value)
            if (kind == STF_OK)
                kind = stf_inventory_set_host_var(inventory, names, key, value, err);
        json_decref(names);
    }
    return kind;
}

enum stf_kind stf_inventory_list(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err)
{
    json_error_t why;
    const char *name;
    json_t *value, *list = json_loadb(text, size, 0, &why);
    if (!json_is_object(list)) {
        json_decref(list);
        inventory->line = list ? 0 : why.line;
        return stf_inventory_refuse(inventory, err,
                                    "expected a JSON object of groups, as `ansible-inventory --list` "
                                    "prints it");
    }
    enum stf_kind kind = STF_OK;
    json_object_foreach (list, name, value)
        if (kind == STF_OK && strcmp(name, "_meta") != 0)
            kind = read_group(inventory, name, value, err);
    if (kind == STF_OK)
        kind = read_vars(inventory, json_object_get(list, "_meta"), err);
    json_decref(list);
    return kind;
}
