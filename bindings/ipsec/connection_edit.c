/* connection_edit.c - compares two files of one connection setting by setting (connection_edit.h). Reads the syntax as
 * Staffetta writes it, one setting a line. SPDX-License-Identifier: MIT */
#include "ipsec/connection_edit.h"

#include <stdbool.h>
#include <string.h>

enum { SECTIONS_MAX = 16, PATH_MAX_SIZE = 512 };

/* Where a line of a file stands. */
struct place {
    char path[PATH_MAX_SIZE]; /* "connections.NAME." */
    size_t ends[SECTIONS_MAX];
    size_t depth;
};

static bool enter(struct place *place, const char *name, size_t size)
{
    size_t end = strlen(place->path);
    if (place->depth == SECTIONS_MAX || end + size + 2 > sizeof place->path)
        return false;
    place->ends[place->depth++] = end;
    memcpy(place->path + end, name, size);
    memcpy(place->path + end + size, ".", 2);
    return true;
}

static size_t trimmed(const char **text, size_t size, const char *unwanted)
{
    while (size && strchr(unwanted, **text))
        (*text)++, size--;
    while (size && strchr(unwanted, (*text)[size - 1]))
        size--;
    return size;
}

/* False where nothing that follows can be told. */
static bool add_line(json_t *settings, struct place *place, const char *line, size_t size)
{
    size = trimmed(&line, size, " \t\r");
    const char *equals = memchr(line, '=', size);
    if (size == 0 || line[0] == '#')
        return true;
    if (size == 1 && line[0] == '}') {
        if (place->depth == 0)
            return false;
        place->path[place->ends[--place->depth]] = '\0';
        return true;
    }
    if (line[size - 1] == '{') {
        size = trimmed(&line, size - 1, " \t");
        return enter(place, line, size);
    }
    const char *key = line, *value = equals ? equals + 1 : line + size;
    size_t key_size = trimmed(&key, (size_t)((equals ? equals : value) - line), " \t");
    size_t value_size = trimmed(&value, (size_t)(line + size - value), " \t\"");
    json_t *path = json_sprintf("%s%.*s", place->path, (int)key_size, key);
    json_object_set_new(settings, path ? json_string_value(path) : "", json_stringn(value, value_size));
    json_decref(path);
    return true;
}

/* {"connections.NAME.version": "2", ...}, in the file's order. */
static json_t *settings_of(const char *text)
{
    json_t *settings = json_object();
    struct place place = {.depth = 0};
    bool is_readable = settings != NULL;
    while (is_readable && *text) {
        size_t size = strcspn(text, "\n");
        is_readable = add_line(settings, &place, text, size);
        text += size + (text[size] == '\n');
    }
    return settings;
}

static json_t *difference(const char *field, const json_t *expected, const json_t *found)
{
    static const char nothing[] = "nothing";
    return json_pack("{s:s, s:s, s:s}", "field", field, "expected", expected ? json_string_value(expected) : nothing,
                     "found", found ? json_string_value(found) : nothing);
}

json_t *stf_connection_edit(const char *expected, const char *found)
{
    const char *field;
    json_t *value, *edit = NULL, *wanted = settings_of(expected), *present = settings_of(found);
    if (strcmp(expected, found) == 0)
        edit = json_null();
    json_object_foreach (wanted, field, value)
        if (!edit && !json_equal(value, json_object_get(present, field)))
            edit = difference(field, value, json_object_get(present, field));
    json_object_foreach (present, field, value)
        if (!edit && !json_object_get(wanted, field))
            edit = difference(field, NULL, value);
    if (!edit && wanted && present)
        edit = json_pack("{s:s, s:s, s:s}", "field", "comments and order of lines", "expected",
                         "as Staffetta writes them", "found", "others");
    json_decref(wanted);
    json_decref(present);
    return edit;
}
