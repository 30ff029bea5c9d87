/* ini.c - Ansible's inventory in its INI form: a line is a host with its variables, a group, or what a section says
 * that it is. Facts: "Ansible Documentation, How to build your inventory". Must never quote the value of a variable.
 * SPDX-License-Identifier: MIT */
#include "parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

enum section { SECTION_HOSTS, SECTION_VARS, SECTION_CHILDREN };

struct ini {
    struct stf_inventory *inventory;
    enum section section;
    json_t *group;    /* of the section; borrowed */
    json_t *declared; /* the names of all groups that a section is of */
};

static bool is_space(char letter)
{
    return isspace((unsigned char)letter) != 0;
}

static char *trim(char *text)
{
    while (is_space(*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && is_space(end[-1]))
        end--;
    *end = '\0';
    return text;
}

/* Takes the next word of a line as a shell would, without its quotes, in place; "" at the end or before a comment, NULL
 * where a quote has no end. */
static char *next_word(char **at)
{
    char *from = *at, quote = '\0';
    while (is_space(*from))
        from++;
    char *word = from, *to = from;
    if (*from == '#') {
        *from = '\0';
        *at = from;
        return word;
    }
    for (; *from && (quote || (!is_space(*from) && *from != '#')); from++)
        if (quote && *from == quote)
            quote = '\0';
        else if (!quote && (*from == '"' || *from == '\''))
            quote = *from;
        else if (*from == '\\' && quote != '\'' && from[1])
            *to++ = *++from;
        else
            *to++ = *from;
    *at = *from && *from != '#' ? from + 1 : from;
    if (*from == '#')
        **at = '\0';
    *to = '\0';
    return quote ? NULL : word;
}

/* A value may be in quotes of its own. */
static json_t *value_of(char *text)
{
    size_t size = strlen(text);
    if (size >= 2 && (*text == '"' || *text == '\'') && text[size - 1] == *text) {
        text[size - 1] = '\0';
        text++;
    }
    return json_string(text);
}

/* "web1:2222": cuts the port off; NULL when there is none. An address of IPv6 has more than one ':'. */
static char *cut_port(char *pattern)
{
    char *bracket = strrchr(pattern, ']');
    char *colon = strchr(bracket ? bracket : pattern, ':');
    if (!colon || colon == pattern || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
        return NULL;
    *colon = '\0';
    return colon + 1;
}

/* Steals the value. */
static enum stf_kind set_host_var(struct ini *ini, const json_t *names, const char *key, json_t *value,
                                  struct stf_err *err)
{
    enum stf_kind kind = stf_inventory_set_host_var(ini->inventory, names, key, value, err);
    json_decref(value);
    return kind;
}

static enum stf_kind read_host(struct ini *ini, char *line, struct stf_err *err)
{
    json_t *names = NULL;
    char *pattern = next_word(&line), *word = NULL;
    if (!pattern)
        return stf_inventory_refuse(ini->inventory, err, "a quote has no end");
    char *port = cut_port(pattern);
    enum stf_kind kind = stf_inventory_add_hosts(ini->inventory, ini->group, pattern, &names, err);
    if (kind == STF_OK && port)
        kind = set_host_var(ini, names, "ansible_port", json_string(port), err);
    while (kind == STF_OK && (word = next_word(&line)) && *word) {
        char *equals = strchr(word, '=');
        if (!equals) {
            kind = stf_inventory_refuse(ini->inventory, err, "expected NAME=VALUE after the host %s", pattern);
            break;
        }
        *equals = '\0';
        kind = set_host_var(ini, names, word, value_of(equals + 1), err);
    }
    if (kind == STF_OK && !word)
        kind = stf_inventory_refuse(ini->inventory, err, "a quote has no end");
    json_decref(names);
    return kind;
}

static enum stf_kind read_var(struct ini *ini, char *line, struct stf_err *err)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return stf_inventory_refuse(ini->inventory, err, "expected NAME=VALUE");
    *equals = '\0';
    const char *key = trim(line);
    json_t *value = value_of(trim(equals + 1));
    enum stf_kind kind = stf_inventory_set_group_var(ini->inventory, ini->group, key, value, err);
    json_decref(value);
    return kind;
}

static enum stf_kind read_child(struct ini *ini, char *line, struct stf_err *err)
{
    const char *child = next_word(&line);
    if (!child || !*child)
        return stf_inventory_refuse(ini->inventory, err, "expected the name of a group");
    return stf_inventory_add_child(ini->inventory, ini->group, child, err);
}

/* "[name]", "[name:vars]", "[name:children]" */
static enum stf_kind begin_section(struct ini *ini, char *line, struct stf_err *err)
{
    char *end = strchr(line, ']');
    const char *after = end ? end + 1 + strspn(end + 1, " \t") : "";
    if (!end || (*after && *after != '#'))
        return stf_inventory_refuse(ini->inventory, err, "expected [GROUP], [GROUP:vars] or [GROUP:children]");
    *end = '\0';
    char *name = line + 1, *what = strchr(name, ':');
    if (what)
        *what++ = '\0';
    if (!what)
        ini->section = SECTION_HOSTS;
    else if (strcmp(what, "vars") == 0)
        ini->section = SECTION_VARS;
    else if (strcmp(what, "children") == 0)
        ini->section = SECTION_CHILDREN;
    else
        return stf_inventory_refuse(ini->inventory, err, "a section is of hosts, 'vars' or 'children', not of '%s'",
                                    what);
    if (ini->section != SECTION_VARS)
        json_object_set_new(ini->declared, name, json_true());
    return stf_inventory_group(ini->inventory, name, &ini->group, err);
}

static enum stf_kind read_line(struct ini *ini, char *line, struct stf_err *err)
{
    line = trim(line);
    if (!*line || *line == '#' || *line == ';')
        return STF_OK;
    if (*line == '[')
        return begin_section(ini, line, err);
    switch (ini->section) {
    case SECTION_HOSTS:
        return read_host(ini, line, err);
    case SECTION_VARS:
        return read_var(ini, line, err);
    case SECTION_CHILDREN:
        return read_child(ini, line, err);
    }
    return STF_OK;
}

/* A group that is only named as a child, or given variables, is a name that somebody mistyped. */
static enum stf_kind check_declared(struct ini *ini, struct stf_err *err)
{
    const char *name;
    json_t *group;
    ini->inventory->line = 0;
    json_object_foreach (json_object_get(ini->inventory->doc, "groups"), name, group) {
        if (!json_object_get(ini->declared, name) && strcmp(name, "all") != 0 && strcmp(name, "ungrouped") != 0)
            return stf_inventory_refuse(ini->inventory, err, "it names the group '%s' and has no section [%s]", name,
                                        name);
    }
    return STF_OK;
}

static bool is_text(const char *text, size_t size)
{
    const char *end = text + size;
    while (text < end && *text) {
        size_t length = stf_utf8_length(text);
        if (length == 0)
            return false;
        text += length;
    }
    return text == end;
}

enum stf_kind stf_inventory_ini(struct stf_inventory *inventory, const char *text, size_t size, struct stf_err *err)
{
    struct ini ini = {.inventory = inventory, .declared = json_object()};
    char *copy = malloc(size + 1), *rest = copy;
    enum stf_kind kind = is_text(text, size) ? stf_inventory_group(inventory, "ungrouped", &ini.group, err)
                                             : stf_inventory_refuse(inventory, err, "it is no text in UTF-8");
    if (kind == STF_OK && (!copy || !ini.declared))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "inventory", NULL, "not enough memory");
    if (kind == STF_OK)
        memcpy(copy, text, size + 1);
    while (kind == STF_OK && rest) {
        char *line = rest;
        inventory->line++;
        rest = strchr(line, '\n');
        if (rest)
            *rest++ = '\0';
        kind = read_line(&ini, line, err);
    }
    if (kind == STF_OK)
        kind = check_declared(&ini, err);
    json_decref(ini.declared);
    free(copy);
    return kind;
}
