/* parts.c - puts an inventory together, whatever form it is read from (parts.h). Must never keep a secret, nor quote
 * the value of a variable. SPDX-License-Identifier: MIT */
#include "parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MENTIONS = 20 * STF_INVENTORY_MAX_HOSTS, MAX_NAME = 253, MAX_RANGES = 4 };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "inventory", NULL, "not enough memory");
}

enum stf_kind stf_inventory_refuse(const struct stf_inventory *inventory, struct stf_err *err, const char *format, ...)
{
    char words[512], line[16] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    if (inventory->line > 0)
        snprintf(line, sizeof line, ":%d", inventory->line);
    return stf_err_set(err, STF_INVALID_DATA, 0, "inventory", inventory->source, "%s%s: %s", inventory->source, line,
                       words);
}

enum stf_kind stf_inventory_group(struct stf_inventory *inventory, const char *name, json_t **group,
                                  struct stf_err *err)
{
    json_t *groups = json_object_get(inventory->doc, "groups");
    *group = json_object_get(groups, name);
    if (*group)
        return STF_OK;
    if (!*name || strlen(name) > MAX_NAME)
        return stf_inventory_refuse(inventory, err, "a group's name has 1 to %d bytes", MAX_NAME);
    json_object_set_new(groups, name, json_pack("{s:{}, s:{}, s:{}}", "hosts", "children", "vars"));
    *group = json_object_get(groups, name);
    return *group ? STF_OK : no_memory(err);
}

enum stf_kind stf_inventory_add_child(struct stf_inventory *inventory, json_t *group, const char *child,
                                      struct stf_err *err)
{
    json_t *ignored;
    enum stf_kind kind = stf_inventory_group(inventory, child, &ignored, err);
    if (kind == STF_OK && json_object_set_new(json_object_get(group, "children"), child, json_true()) != 0)
        kind = no_memory(err);
    return kind;
}

/* ---- hosts and their ranges ---- */

static enum stf_kind add_host(struct stf_inventory *inventory, json_t *group, const char *name, json_t *names,
                              struct stf_err *err)
{
    json_t *hosts = json_object_get(inventory->doc, "hosts");
    if (!*name || strlen(name) > MAX_NAME)
        return stf_inventory_refuse(inventory, err, "a host's name has 1 to %d bytes", MAX_NAME);
    if (++inventory->mentions > MAX_MENTIONS)
        return stf_inventory_refuse(inventory, err, "its groups have more than %d hosts together", MAX_MENTIONS);
    bool is_ok = json_object_get(hosts, name) || json_object_set_new(hosts, name, json_object()) == 0;
    if (json_object_size(hosts) > STF_INVENTORY_MAX_HOSTS)
        return stf_inventory_refuse(inventory, err, "it has more than %d hosts", STF_INVENTORY_MAX_HOSTS);
    is_ok = is_ok && json_object_set_new(json_object_get(group, "hosts"), name, json_true()) == 0 &&
            json_array_append_new(names, json_string(name)) == 0;
    return is_ok ? STF_OK : no_memory(err);
}

/* "[01:50]", "[a:f]", "[0:10:2]" */
struct range {
    long first, last, step;
    int width; /* of numbers with leading zeros; else 0 */
    bool has_letters;
    const char *after;
};

static bool parse_number(const char **at, long *number, int *width)
{
    *width = (int)strspn(*at, "0123456789");
    if (*width == 0 || *width > 9)
        return false;
    *number = strtol(*at, NULL, 10);
    *at += *width;
    return true;
}

static bool parse_letters(const char *at, struct range *range)
{
    range->has_letters = isalpha((unsigned char)at[0]) && at[1] == ':' && isalpha((unsigned char)at[2]);
    if (range->has_letters) {
        range->first = at[0];
        range->last = at[2];
        range->after = at + 3;
    }
    return range->has_letters;
}

static bool parse_numbers(const char *at, struct range *range)
{
    int first_width = 0, last_width;
    bool has_zeros = at[0] == '0' && at[1] != ':';
    if (*at != ':' && !parse_number(&at, &range->first, &first_width))
        return false;
    if (*at++ != ':' || !parse_number(&at, &range->last, &last_width))
        return false;
    range->width = has_zeros ? first_width : 0;
    range->after = at;
    return !has_zeros || first_width == last_width;
}

static bool parse_range(const char *at, struct range *range)
{
    int width;
    *range = (struct range){.step = 1};
    if (!parse_letters(at, range) && !parse_numbers(at, range))
        return false;
    if (*range->after == ':') {
        range->after++;
        if (!parse_number(&range->after, &range->step, &width))
            return false;
    }
    return *range->after++ == ']' && range->first <= range->last && range->step > 0;
}

/* `name` has `length` bytes already; `pattern` is what follows, with at most `depth` ranges. */
static enum stf_kind expand(struct stf_inventory *inventory, json_t *group, char name[MAX_NAME + 1], size_t length,
                            const char *pattern, int depth, json_t *names, struct stf_err *err)
{
    struct range range;
    size_t plain = strcspn(pattern, "[");
    if (length + plain > MAX_NAME)
        return stf_inventory_refuse(inventory, err, "a host's name has 1 to %d bytes", MAX_NAME);
    memcpy(name + length, pattern, plain);
    length += plain;
    name[length] = '\0';
    if (!pattern[plain])
        return add_host(inventory, group, name, names, err);
    if (depth == 0 || !parse_range(pattern + plain + 1, &range))
        return stf_inventory_refuse(inventory, err,
                                    "'%s' has a range that is none; expected up to %d such as [01:50] or [a:f]",
                                    pattern, MAX_RANGES);
    enum stf_kind kind = STF_OK;
    for (long i = range.first; kind == STF_OK && i <= range.last; i += range.step) {
        char each[16];
        int size = range.has_letters ? snprintf(each, sizeof each, "%c", (int)i)
                                     : snprintf(each, sizeof each, "%0*ld", range.width, i);
        if (length + (size_t)size > MAX_NAME)
            return stf_inventory_refuse(inventory, err, "a host's name has 1 to %d bytes", MAX_NAME);
        memcpy(name + length, each, (size_t)size);
        kind = expand(inventory, group, name, length + (size_t)size, range.after, depth - 1, names, err);
    }
    return kind;
}

enum stf_kind stf_inventory_add_hosts(struct stf_inventory *inventory, json_t *group, const char *pattern,
                                      json_t **names, struct stf_err *err)
{
    char name[MAX_NAME + 1];
    *names = json_array();
    enum stf_kind kind = *names ? expand(inventory, group, name, 0, pattern, MAX_RANGES, *names, err) : no_memory(err);
    if (kind != STF_OK) {
        json_decref(*names);
        *names = NULL;
    }
    return kind;
}

/* ---- variables ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

/* What Ansible fills in when it runs is no secret yet. */
static bool is_secret(const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    bool is_named = ends_with(key, "_pass") || ends_with(key, "_password") || ends_with(key, "_passphrase");
    return is_named && (json_is_number(value) || (text && *text && !strstr(text, "{{")));
}

static json_t *text_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return json_copy((json_t *)value);
    case JSON_INTEGER:
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return json_false();
}

static enum stf_kind set_var(const struct stf_inventory *inventory, json_t *vars, const char *key, const json_t *value,
                             struct stf_err *err)
{
    if (strncmp(key, "ansible_", 8) != 0 && strncmp(key, "staffetta_", 10) != 0)
        return STF_OK;
    if (is_secret(key, value))
        return stf_inventory_refuse(inventory, err,
                                    "%s is a password, which has no place in an inventory: use keys, or have Ansible's "
                                    "vault keep it",
                                    key);
    return json_object_set_new(vars, key, text_of(value)) == 0 ? STF_OK : no_memory(err);
}

enum stf_kind stf_inventory_set_host_var(struct stf_inventory *inventory, const json_t *names, const char *key,
                                         const json_t *value, struct stf_err *err)
{
    size_t index;
    json_t *name;
    enum stf_kind kind = STF_OK;
    json_array_foreach ((json_t *)names, index, name) {
        json_t *vars = json_object_get(json_object_get(inventory->doc, "hosts"), json_string_value(name));
        if (kind == STF_OK)
            kind = set_var(inventory, vars, key, value, err);
    }
    return kind;
}

enum stf_kind stf_inventory_set_group_var(struct stf_inventory *inventory, json_t *group, const char *key,
                                          const json_t *value, struct stf_err *err)
{
    return set_var(inventory, json_object_get(group, "vars"), key, value, err);
}

/* ---- the whole ---- */

enum stf_kind stf_inventory_parse(enum stf_inventory_form form, const char *source, const char *text, size_t size,
                                  json_t **doc, struct stf_err *err)
{
    static enum stf_kind (*const readers[])(struct stf_inventory *, const char *, size_t, struct stf_err *) = {
        [STF_INVENTORY_INI] = stf_inventory_ini,
        [STF_INVENTORY_YAML] = stf_inventory_yaml,
        [STF_INVENTORY_LIST] = stf_inventory_list,
    };
    struct stf_inventory inventory = {.source = source, .doc = json_pack("{s:{}, s:{}}", "hosts", "groups")};
    *doc = NULL;
    if (!inventory.doc)
        return no_memory(err);
    enum stf_kind kind = readers[form](&inventory, text, size, err);
    if (kind == STF_OK)
        *doc = inventory.doc;
    else
        json_decref(inventory.doc);
    return kind;
}
