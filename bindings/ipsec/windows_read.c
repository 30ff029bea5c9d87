/* windows_read.c - reads what netsh and PowerShell print about rules. Must never trust it: any bytes may come.
 * SPDX-License-Identifier: MIT */
#include "ipsec/windows_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"

enum { KEY_MAX = 64, RULES_MAX = 10000 };

static enum stf_kind invalid(struct stf_err *err, const char *message)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "windows_read", NULL, "%s", message);
}

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "windows_read", NULL, "no memory for the rules");
}

static json_t *new_rule(json_t *rules, json_t *name)
{
    const char *text = json_string_value(name);
    bool is_ours = text && strncmp(text, "staffetta-", 10) == 0;
    json_t *rule = json_pack("{s:o, s:b, s:{}}", "name", name, "is_ours", is_ours, "members");
    return rule && json_array_append_new(rules, rule) == 0 ? rule : NULL;
}

/* ---------- netsh ---------- */

struct line {
    const char *at;
    size_t size;
};

static struct line trimmed(const char *at, size_t size)
{
    while (size && strchr(" \t\r", at[size - 1]) && at[size - 1])
        size--;
    while (size && (*at == ' ' || *at == '\t')) {
        at++;
        size--;
    }
    return (struct line){at, size};
}

/* netsh shows pre-shared keys: "Auth1PSK", "Preshared Key". */
static bool is_secret(const char *key)
{
    return strcasestr(key, "psk") || strcasestr(key, "preshared");
}

/* Adds to what the key has already: a second value makes it a list. */
static bool add_value(json_t *members, const char *key, struct line value)
{
    if (is_secret(key))
        return true;
    json_t *text = json_stringn(value.at, value.size), *have = json_object_get(members, key);
    if (!text)
        return false;
    if (!have)
        return json_object_set_new(members, key, text) == 0;
    if (json_is_array(have))
        return json_array_append_new(have, text) == 0;
    return json_object_set_new(members, key, json_pack("[O, o]", have, text)) == 0;
}

/* The size of the key that a line begins with, or 0: letters, digits and blanks, then a colon and a blank or nothing.
 */
static size_t key_size(struct line line)
{
    size_t size = 0;
    while (size < line.size && line.at[size] != ':')
        size++;
    if (size == 0 || size > KEY_MAX || size == line.size || memchr(line.at, '/', size))
        return 0;
    return size + 1 == line.size || line.at[size + 1] == ' ' || line.at[size + 1] == '\t' ? size : 0;
}

static enum stf_kind read_line(json_t *rules, const char *start, size_t size, char key[KEY_MAX + 1],
                               struct stf_err *err)
{
    struct line line = trimmed(start, size);
    json_t *rule = json_array_get(rules, json_array_size(rules) - 1);
    json_t *members = json_object_get(rule, "members");
    size_t length = key_size(line);
    bool is_indented = size && (*start == ' ' || *start == '\t');
    size_t dashes = 0;
    while (dashes < line.size && line.at[dashes] == '-')
        dashes++;
    if (dashes == line.size)
        return STF_OK;
    if (is_indented || !length) {
        if (!rule || !*key || !is_indented)
            return STF_OK; /* "Ok.", "No rules match the specified criteria.": no part of a rule */
        return add_value(members, key, line) ? STF_OK : no_memory(err);
    }
    struct line value = trimmed(line.at + length + 1, line.size - length - 1);
    json_t *key_text = json_stringn(line.at, length);
    const char *clean = json_string_value(key_text);
    bool is_name = clean && strcmp(clean, "Rule Name") == 0, is_kept = clean != NULL && strlen(clean) <= KEY_MAX;
    memset(key, 0, KEY_MAX + 1);
    if (is_kept)
        memcpy(key, clean, strlen(clean));
    json_decref(key_text);
    if (is_name) {
        *key = '\0';
        if (json_array_size(rules) >= RULES_MAX)
            return invalid(err, "more than 10000 rules");
        return new_rule(rules, json_stringn(value.at, value.size)) ? STF_OK : no_memory(err);
    }
    if (!rule || !is_kept)
        return is_kept
                   ? invalid(err, "a member before the first \"Rule Name:\"; expected what netsh advfirewall consec "
                                  "show rule prints in English")
                   : STF_OK;
    return add_value(members, key, value) ? STF_OK : no_memory(err);
}

/* The text as UTF-8 without NULs, so that every line is text too; NULL when memory is out. */
static json_t *clean_text(const char *text, size_t size)
{
    char *ended = malloc(size + 1);
    if (!ended)
        return NULL;
    memcpy(ended, text, size);
    ended[size] = '\0';
    json_t *clean = stf_doc_text(ended, size);
    free(ended);
    return clean;
}

enum stf_kind stf_windows_read_consec(const char *text, size_t size, json_t **rules, struct stf_err *err)
{
    char key[KEY_MAX + 1] = "";
    json_t *clean = clean_text(text, size);
    enum stf_kind kind = clean ? STF_OK : no_memory(err);
    *rules = json_array();
    for (const char *at = clean ? json_string_value(clean) : ""; *at && !kind;) {
        size_t length = strcspn(at, "\n");
        kind = read_line(*rules, at, length, key, err);
        at += length + (at[length] == '\n');
    }
    json_decref(clean);
    if (kind) {
        json_decref(*rules);
        *rules = NULL;
    }
    return kind;
}

/* ---------- netsh ipsec static ---------- */

/* Where the lines of a text belong. */
struct reading {
    json_t *objects;
    json_t *policy, *rule, *current; /* in `objects`; `current` gets the members */
    json_t *filter;                  /* the last of the current filter list */
};

static json_t *find_object(const json_t *objects, const char *kind, const char *name)
{
    size_t i;
    json_t *object;
    json_array_foreach (objects, i, object)
        if (strcmp(json_string_value(json_object_get(object, "kind")), kind) == 0 &&
            strcmp(json_string_value(json_object_get(object, "name")), name) == 0)
            return object;
    return NULL;
}

/* A list or action that is shown again, inside a policy and by itself, is the same: what comes last stays. */
static json_t *begin_object(struct reading *reading, const char *kind, json_t *name)
{
    json_t *object = strcmp(kind, "rule") != 0 ? find_object(reading->objects, kind, json_string_value(name)) : NULL;
    if (object)
        json_decref(name);
    else
        object = new_rule(reading->objects, name);
    json_object_set_new(object, "members", json_object());
    json_object_set_new(object, "kind", json_string(kind));
    if (strcmp(kind, "filterlist") == 0)
        json_object_set_new(object, "filters", json_array());
    return object;
}

static const char *begun_by(const char *key)
{
    static const char *const keys[][2] = {{"Policy Name", "policy"},
                                          {"Rule Name", "rule"},
                                          {"FilterList Name", "filterlist"},
                                          {"FilterAction Name", "filteraction"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i][0], key) == 0)
            return keys[i][1];
    return NULL;
}

static enum stf_kind begin_named(struct reading *reading, const char *kind, const char *key, struct line value,
                                 struct stf_err *err)
{
    json_t *name = json_stringn(value.at, value.size), *rule_members = json_object_get(reading->rule, "members");
    if (json_array_size(reading->objects) >= RULES_MAX) {
        json_decref(name);
        return invalid(err, "more than 10000 objects");
    }
    if (!name)
        return no_memory(err);
    bool is_of_rule = reading->rule && kind[0] == 'f' && !json_object_get(rule_members, key);
    if (is_of_rule)
        json_object_set(rule_members, key, name);
    reading->current = begin_object(reading, kind, name);
    reading->filter = NULL;
    if (!reading->current)
        return no_memory(err);
    if (strcmp(kind, "policy") == 0) {
        reading->policy = reading->current;
        reading->rule = NULL;
    } else if (strcmp(kind, "rule") == 0) {
        reading->rule = reading->current;
        json_object_set(json_object_get(reading->rule, "members"), "Policy Name",
                        json_object_get(reading->policy, "name"));
    }
    return STF_OK;
}

static enum stf_kind read_static_line(struct reading *reading, struct line line, struct stf_err *err)
{
    char key[KEY_MAX + 1];
    const char *colon = memchr(line.at, ':', line.size);
    struct line head = trimmed(line.at, colon ? (size_t)(colon - line.at) : 0);
    if (line.size > 4 && memcmp(line.at, "ERR ", 4) == 0 && strncmp(line.at, "ERR IPsec[", 10) != 0)
        return stf_err_set(err, STF_IO, 0, "windows_read", NULL, "netsh says: %.*s", (int)line.size, line.at);
    if (strncmp(line.at, "ERR IPsec[05073]", 16) == 0)
        return stf_err_set(err, STF_IO, 0, "windows_read", NULL, "netsh can not open the policy store: %.*s",
                           (int)line.size, line.at);
    if (!head.size || head.size > KEY_MAX)
        return STF_OK;
    snprintf(key, sizeof key, "%.*s", (int)head.size, head.at);
    struct line value = trimmed(colon + 1, line.size - (size_t)(colon + 1 - line.at));
    const char *kind = begun_by(key);
    if (kind)
        return begin_named(reading, kind, key, value, err);
    json_t *filters = json_object_get(reading->current, "filters");
    if (filters && strcmp(key, "Mirrored") == 0) {
        reading->filter = json_object();
        if (json_array_append_new(filters, reading->filter) < 0)
            return no_memory(err);
    }
    json_t *members = reading->filter ? reading->filter : json_object_get(reading->current, "members");
    return !members || add_value(members, key, value) ? STF_OK : no_memory(err);
}

enum stf_kind stf_windows_read_static(const char *text, size_t size, json_t **objects, struct stf_err *err)
{
    struct reading reading = {.objects = json_array()};
    json_t *clean = clean_text(text, size);
    enum stf_kind kind = clean ? STF_OK : no_memory(err);
    for (const char *at = clean ? json_string_value(clean) : ""; *at && !kind;) {
        size_t length = strcspn(at, "\n");
        kind = read_static_line(&reading, trimmed(at, length), err);
        at += length + (at[length] == '\n');
    }
    json_decref(clean);
    if (kind)
        json_decref(reading.objects);
    *objects = kind ? NULL : reading.objects;
    return kind;
}

/* ---------- PowerShell ---------- */

/* Numbers, booleans and text as text; NULL for all else. */
static json_t *plain(const json_t *value)
{
    if (json_is_string(value))
        return json_string(json_string_value(value));
    if (json_is_integer(value))
        return json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return json_is_boolean(value) ? json_string(json_is_true(value) ? "true" : "false") : NULL;
}

static void copy_member(json_t *members, const char *key, const json_t *value)
{
    size_t i;
    json_t *item, *copy = json_is_array(value) ? json_array() : plain(value);
    json_array_foreach (value, i, item) {
        json_t *text = plain(item);
        if (text)
            json_array_append_new(copy, text);
    }
    if (copy)
        json_object_set_new(members, key, copy);
}

static enum stf_kind add_rule(json_t *rules, const json_t *object, struct stf_err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_string(json_object_get(object, "name")))
        return invalid(err, "a rule without a \"name\"; expected what the script \"show\" prints");
    json_t *rule = new_rule(rules, plain(json_object_get(object, "name")));
    json_object_foreach ((json_t *)object, key, value)
        if (strcmp(key, "name") != 0)
            copy_member(json_object_get(rule, "members"), key, value);
    return STF_OK;
}

enum stf_kind stf_windows_read_powershell(const char *text, size_t size, json_t **rules, struct stf_err *err)
{
    json_error_t error;
    size_t mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0, i;
    json_t *document = json_loadb(text + mark, size - mark, JSON_REJECT_DUPLICATES, &error), *item;
    enum stf_kind kind = STF_OK;
    *rules = NULL;
    if (!document)
        return stf_err_set(err, STF_INVALID_DATA, 0, "windows_read", NULL, "no JSON: %.100s", error.text);
    *rules = json_array();
    if (json_is_object(document))
        kind = add_rule(*rules, document, err);
    json_array_foreach (document, i, item)
        if (!kind)
            kind = add_rule(*rules, item, err);
    json_decref(document);
    if (kind) {
        json_decref(*rules);
        *rules = NULL;
    }
    return kind;
}
