/* yaml.c - Ansible's inventory in its YAML form: groups of hosts, variables and further groups. libyaml reads it; what
 * it found becomes JSON first, of a bounded size, for an alias can stand for much. SPDX-License-Identifier: MIT */
#include "parts.h"

#include <string.h>
#include <yaml.h>

enum { MAX_DEPTH = 32, MAX_NODES = 500000 };

struct yaml {
    struct stf_inventory *inventory;
    yaml_document_t *document;
    size_t nodes; /* so far, those that aliases stand for counted each time */
};

/* ---- YAML to JSON ---- */

static json_t *scalar(const yaml_node_t *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const char *text = (const char *)node->data.scalar.value;
    bool is_plain = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; is_plain && i < sizeof nulls / sizeof *nulls; i++)
        if (strcmp(text, nulls[i]) == 0)
            return json_null();
    if (node->tag && strcmp((const char *)node->tag, "!vault") == 0)
        return json_false(); /* of no use to us, and no secret as it stands there */
    return json_stringn(text, node->data.scalar.length);
}

static enum stf_kind convert(struct yaml *yaml, int index, int depth, json_t **value, struct stf_err *err);

/* "<<" takes over what another mapping, or each of a list, says and this one does not. */
static void merge(json_t *object, const json_t *from)
{
    size_t index;
    json_t *each;
    json_array_foreach ((json_t *)from, index, each)
        json_object_update_missing(object, each);
    json_object_update_missing(object, (json_t *)from);
}

static enum stf_kind convert_mapping(struct yaml *yaml, const yaml_node_t *node, int depth, json_t *object,
                                     struct stf_err *err)
{
    json_t *merged = NULL;
    enum stf_kind kind = STF_OK;
    const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
    for (; kind == STF_OK && pair < node->data.mapping.pairs.top; pair++) {
        json_t *value = NULL;
        const yaml_node_t *key = yaml_document_get_node(yaml->document, pair->key);
        yaml->inventory->line = (int)key->start_mark.line + 1;
        if (key->type != YAML_SCALAR_NODE) {
            kind = stf_inventory_refuse(yaml->inventory, err, "a key is no text");
            break;
        }
        const char *name = (const char *)key->data.scalar.value;
        kind = convert(yaml, pair->value, depth + 1, &value, err);
        if (kind == STF_OK && strcmp(name, "<<") == 0) {
            json_decref(merged);
            merged = value;
        } else if (kind == STF_OK && json_object_set_new(object, name, value) != 0) {
            kind = stf_inventory_refuse(yaml->inventory, err, "a key is no UTF-8");
        }
    }
    if (merged)
        merge(object, merged);
    json_decref(merged);
    return kind;
}

static enum stf_kind convert_sequence(struct yaml *yaml, const yaml_node_t *node, int depth, json_t *array,
                                      struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; kind == STF_OK && item < node->data.sequence.items.top; item++) {
        json_t *value = NULL;
        kind = convert(yaml, *item, depth + 1, &value, err);
        if (kind == STF_OK)
            json_array_append_new(array, value);
    }
    return kind;
}

static enum stf_kind convert(struct yaml *yaml, int index, int depth, json_t **value, struct stf_err *err)
{
    const yaml_node_t *node = yaml_document_get_node(yaml->document, index);
    enum stf_kind kind = STF_OK;
    *value = NULL;
    if (depth > MAX_DEPTH || ++yaml->nodes > MAX_NODES)
        return stf_inventory_refuse(yaml->inventory, err, "it is deeper than %d levels, or has more than %d parts",
                                    MAX_DEPTH, MAX_NODES);
    if (node->type == YAML_MAPPING_NODE)
        kind = convert_mapping(yaml, node, depth, *value = json_object(), err);
    else if (node->type == YAML_SEQUENCE_NODE)
        kind = convert_sequence(yaml, node, depth, *value = json_array(), err);
    else if (!(*value = scalar(node)))
        kind = stf_inventory_refuse(yaml->inventory, err, "a value is no UTF-8");
    if (kind != STF_OK) {
        json_decref(*value);
        *value = NULL;
    }
    return kind;
}

static enum stf_kind load(struct stf_inventory *inventory, const char *text, size_t size, json_t **root,
                          struct stf_err *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    *root = NULL;
    if (!yaml_parser_initialize(&parser))
        return stf_err_set(err, STF_NO_MEMORY, 0, "inventory", NULL, "not enough memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    enum stf_kind kind = STF_OK;
    if (!yaml_parser_load(&parser, &document)) {
        inventory->line = (int)parser.problem_mark.line + 1;
        kind = stf_inventory_refuse(inventory, err, "%s", parser.problem ? parser.problem : "this is no YAML");
    } else {
        struct yaml yaml = {.inventory = inventory, .document = &document};
        if (yaml_document_get_root_node(&document))
            kind = convert(&yaml, 1, 0, root, err);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    inventory->line = 0;
    return kind;
}

/* ---- the inventory ---- */

/* A part of a group: STF_OK for an object, and for nothing at all. */
static enum stf_kind expect_object(const struct stf_inventory *inventory, const char *group, const char *key,
                                   const json_t *value, struct stf_err *err)
{
    if (!value || json_is_null(value) || json_is_object(value))
        return STF_OK;
    return stf_inventory_refuse(inventory, err, "'%s' of the group '%s' is no mapping", key, group);
}

static enum stf_kind read_hosts(struct stf_inventory *inventory, const char *group_name, json_t *group,
                                const json_t *hosts, struct stf_err *err)
{
    const char *pattern, *key;
    json_t *vars, *value;
    json_object_foreach ((json_t *)hosts, pattern, vars) {
        json_t *names = NULL;
        enum stf_kind kind = expect_object(inventory, group_name, pattern, vars, err);
        if (kind == STF_OK)
            kind = stf_inventory_add_hosts(inventory, group, pattern, &names, err);
        json_object_foreach (vars, key, value)
            if (kind == STF_OK)
                kind = stf_inventory_set_host_var(inventory, names, key, value, err);
        json_decref(names);
        if (kind != STF_OK)
            return kind;
    }
    return STF_OK;
}

static enum stf_kind read_group(struct stf_inventory *inventory, const char *name, const json_t *parts,
                                struct stf_err *err)
{
    static const char *const known[] = {"hosts", "vars", "children"};
    const char *key;
    json_t *group, *value;
    enum stf_kind kind = stf_inventory_group(inventory, name, &group, err);
    if (kind == STF_OK && !json_is_object(parts) && !json_is_null(parts))
        kind = stf_inventory_refuse(inventory, err,
                                    "'%s' is no group; for a configuration of one of Ansible's plugins use command = { "
                                    "\"ansible-inventory\", \"--inventory\", FILE, \"--list\" }",
                                    name);
    for (size_t i = 0; kind == STF_OK && i < sizeof known / sizeof *known; i++)
        kind = expect_object(inventory, name, known[i], json_object_get(parts, known[i]), err);
    if (kind == STF_OK)
        kind = read_hosts(inventory, name, group, json_object_get(parts, "hosts"), err);
    if (kind != STF_OK)
        return kind;
    json_object_foreach (json_object_get(parts, "vars"), key, value)
        if (kind == STF_OK)
            kind = stf_inventory_set_group_var(inventory, group, key, value, err);
    json_object_foreach (json_object_get(parts, "children"), key, value) {
        if (kind == STF_OK)
            kind = stf_inventory_add_child(inventory, group, key, err);
        if (kind == STF_OK)
            kind = read_group(inventory, key, value, err);
    }
    return kind;
}

enum stf_kind stf_inventory_yaml(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err)
{
    const char *name;
    json_t *root, *parts;
    enum stf_kind kind = load(inventory, text, size, &root, err);
    if (kind == STF_OK && !json_is_object(root))
        kind = stf_inventory_refuse(inventory, err, "expected a mapping of groups");
    json_object_foreach (root, name, parts)
        if (kind == STF_OK)
            kind = read_group(inventory, name, parts, err);
    json_decref(root);
    return kind;
}
