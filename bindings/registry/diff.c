/* diff.c - two sorted walks side by side. Memory is what the differences need, not what the trees hold.
 * SPDX-License-Identifier: MIT */
#include "registry/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/store.h"
#include "registry/tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "diff", NULL, "memory is out");
}

/* "PATH\NAME", malloc'ed. */
static char *join(const char *path, const char *name)
{
    char *joined;

    return asprintf(&joined, "%s%s%s", path, *path != '\0' && *name != '\0' ? "\\" : "", name) >= 0 ? joined : NULL;
}

/* ---- comparing ---- */

struct differ {
    struct stf_registry *registries[2];
    struct stf_registry_diff *diff;
    struct stf_err *err;
};

/* Takes over the members of the two values, either of which may be NULL, on STF_OK. */
static enum stf_kind add(struct differ *differ, const struct stf_registry_difference *difference,
                         struct stf_registry_value *before, struct stf_registry_value *after)
{
    struct stf_registry_diff *diff = differ->diff;
    struct stf_registry_difference *item;

    if ((diff->count & (diff->count - 1)) == 0) {
        size_t room = diff->count > 0 ? 2 * diff->count : 1;
        item = realloc(diff->items, room * sizeof(*item));
        if (item == NULL)
            return no_memory(differ->err);
        diff->items = item;
    }
    item = &diff->items[diff->count];
    *item = *difference;
    item->key = strdup(difference->key);
    if (item->key == NULL)
        return no_memory(differ->err);
    if (before != NULL) {
        item->before = *before;
        *before = (struct stf_registry_value){0};
    }
    if (after != NULL) {
        item->after = *after;
        *after = (struct stf_registry_value){0};
    }
    diff->count++;
    return STF_OK;
}

static enum stf_kind read_values(struct differ *differ, int side, stf_registry_node node,
                                 struct stf_registry_values *values)
{
    struct stf_registry *registry = differ->registries[side];
    enum stf_kind kind = registry->backend->values(registry->store, node, values, differ->err);

    if (kind == STF_OK)
        stf_registry_values_sort(values);
    return kind;
}

static enum stf_kind read_subkeys(struct differ *differ, int side, stf_registry_node node,
                                  struct stf_registry_subkeys *subkeys)
{
    struct stf_registry *registry = differ->registries[side];
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, subkeys, differ->err);

    if (kind == STF_OK)
        stf_registry_subkeys_sort(subkeys);
    return kind;
}

static enum stf_kind check_depth(struct differ *differ, size_t depth)
{
    return depth <= STF_REGISTRY_DEPTH_MAX
               ? STF_OK
               : stf_err_set(differ->err, STF_INVALID_DATA, 0, "diff", NULL, "the tree is more than %d levels deep",
                             STF_REGISTRY_DEPTH_MAX);
}

/* A key that only one side has, and all that is in it. */
static enum stf_kind add_key(struct differ *differ, int side, stf_registry_node node, const char *path, bool is_within,
                             size_t depth)
{
    bool is_added = side == 1;
    struct stf_registry_difference of_key = {
        is_added ? STF_REGISTRY_KEY_ADDED : STF_REGISTRY_KEY_REMOVED, is_within, (char *)path, {0}, {0}};
    struct stf_registry_difference of_value = {
        is_added ? STF_REGISTRY_VALUE_ADDED : STF_REGISTRY_VALUE_REMOVED, !is_added, (char *)path, {0}, {0}};
    struct stf_registry_values values = {0};
    struct stf_registry_subkeys subkeys = {0};
    enum stf_kind kind = check_depth(differ, depth);

    if (kind == STF_OK)
        kind = add(differ, &of_key, NULL, NULL);
    if (kind == STF_OK)
        kind = read_values(differ, side, node, &values);
    for (size_t i = 0; i < values.count && kind == STF_OK; i++)
        kind = add(differ, &of_value, is_added ? NULL : &values.items[i], is_added ? &values.items[i] : NULL);
    stf_registry_values_fini(&values);
    if (kind == STF_OK)
        kind = read_subkeys(differ, side, node, &subkeys);
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        char *below = join(path, subkeys.items[i].name);
        kind = below != NULL ? add_key(differ, side, subkeys.items[i].node, below, !is_added, depth + 1)
                             : no_memory(differ->err);
        free(below);
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

/* As strcmp, of the next names of two sorted lists; a list that has ended comes after all names. */
static int order_of(const char *first, const char *second)
{
    return first == NULL ? 1 : second == NULL ? -1 : stf_registry_name_compare(first, second);
}

static enum stf_kind compare_values(struct differ *differ, const stf_registry_node nodes[2], const char *path)
{
    struct stf_registry_values values[2] = {{0}, {0}};
    size_t at[2] = {0, 0};
    enum stf_kind kind = read_values(differ, 0, nodes[0], &values[0]);

    if (kind == STF_OK)
        kind = read_values(differ, 1, nodes[1], &values[1]);
    while (kind == STF_OK && (at[0] < values[0].count || at[1] < values[1].count)) {
        struct stf_registry_value *before = at[0] < values[0].count ? &values[0].items[at[0]] : NULL;
        struct stf_registry_value *after = at[1] < values[1].count ? &values[1].items[at[1]] : NULL;
        int order = order_of(before != NULL ? before->name : NULL, after != NULL ? after->name : NULL);
        struct stf_registry_difference difference = {.key = (char *)path};
        difference.kind = order < 0   ? STF_REGISTRY_VALUE_REMOVED
                          : order > 0 ? STF_REGISTRY_VALUE_ADDED
                                      : STF_REGISTRY_VALUE_CHANGED;
        if (order != 0 || !stf_registry_value_equal(before, after))
            kind = add(differ, &difference, order <= 0 ? before : NULL, order >= 0 ? after : NULL);
        at[0] += order <= 0;
        at[1] += order >= 0;
    }
    stf_registry_values_fini(&values[0]);
    stf_registry_values_fini(&values[1]);
    return kind;
}

static enum stf_kind compare_keys(struct differ *differ, const stf_registry_node nodes[2], const char *path,
                                  size_t depth);

/* One name of the two lists, or one name in two spellings; either may be NULL. */
static enum stf_kind compare_subkey(struct differ *differ, const struct stf_registry_subkey *before,
                                    const struct stf_registry_subkey *after, const char *path, size_t depth)
{
    bool is_same = before != NULL && after != NULL && strcmp(before->name, after->name) == 0;
    char *paths[2] = {NULL, NULL};
    enum stf_kind kind = STF_OK;

    if (before != NULL) {
        paths[0] = join(path, before->name);
        kind = paths[0] != NULL ? STF_OK : no_memory(differ->err);
    }
    if (kind == STF_OK && after != NULL) {
        paths[1] = join(path, after->name);
        kind = paths[1] != NULL ? STF_OK : no_memory(differ->err);
    }
    if (kind == STF_OK && is_same) {
        const stf_registry_node nodes[2] = {before->node, after->node};
        kind = compare_keys(differ, nodes, paths[0], depth + 1);
    } else {
        if (kind == STF_OK && before != NULL)
            kind = add_key(differ, 0, before->node, paths[0], false, depth + 1);
        if (kind == STF_OK && after != NULL)
            kind = add_key(differ, 1, after->node, paths[1], false, depth + 1);
    }
    free(paths[0]);
    free(paths[1]);
    return kind;
}

static enum stf_kind compare_keys(struct differ *differ, const stf_registry_node nodes[2], const char *path,
                                  size_t depth)
{
    struct stf_registry_subkeys subkeys[2] = {{0}, {0}};
    size_t at[2] = {0, 0};
    enum stf_kind kind = check_depth(differ, depth);

    if (kind == STF_OK)
        kind = compare_values(differ, nodes, path);
    for (int side = 0; side < 2 && kind == STF_OK; side++)
        kind = read_subkeys(differ, side, nodes[side], &subkeys[side]);
    while (kind == STF_OK && (at[0] < subkeys[0].count || at[1] < subkeys[1].count)) {
        const struct stf_registry_subkey *before = at[0] < subkeys[0].count ? &subkeys[0].items[at[0]] : NULL;
        const struct stf_registry_subkey *after = at[1] < subkeys[1].count ? &subkeys[1].items[at[1]] : NULL;
        int order = order_of(before != NULL ? before->name : NULL, after != NULL ? after->name : NULL);
        kind = compare_subkey(differ, order <= 0 ? before : NULL, order >= 0 ? after : NULL, path, depth);
        at[0] += order <= 0;
        at[1] += order >= 0;
    }
    stf_registry_subkeys_fini(&subkeys[0]);
    stf_registry_subkeys_fini(&subkeys[1]);
    return kind;
}

enum stf_kind stf_registry_diff(const struct stf_registry_side *first, const struct stf_registry_side *second,
                                struct stf_registry_diff *diff, struct stf_err *err)
{
    struct differ differ = {{first->registry, second->registry}, diff, err};
    stf_registry_node nodes[2] = {0, 0};
    enum stf_kind found[2];

    *diff = (struct stf_registry_diff){0};
    found[0] = stf_registry_find(first->registry, first->key, &nodes[0], err);
    if (found[0] != STF_OK && found[0] != STF_NOT_FOUND)
        return found[0];
    found[1] = stf_registry_find(second->registry, second->key, &nodes[1], err);
    if (found[1] != STF_OK && (found[1] != STF_NOT_FOUND || found[0] == STF_NOT_FOUND))
        return found[1];
    if (found[0] == STF_OK && found[1] == STF_OK)
        return compare_keys(&differ, nodes, "", 0);
    return found[0] == STF_OK ? add_key(&differ, 0, nodes[0], "", false, 0)
                              : add_key(&differ, 1, nodes[1], "", false, 0);
}

void stf_registry_diff_fini(struct stf_registry_diff *diff)
{
    for (size_t i = 0; i < diff->count; i++) {
        free(diff->items[i].key);
        stf_registry_value_fini(&diff->items[i].before);
        stf_registry_value_fini(&diff->items[i].after);
    }
    free(diff->items);
    *diff = (struct stf_registry_diff){0};
}

/* ---- as text ---- */

static void print_name(FILE *out, const char *name)
{
    if (*name == '\0') {
        fputs("(default)", out);
        return;
    }
    for (; *name != '\0'; name++) {
        unsigned char byte = (unsigned char)*name;
        if (byte < 0x20 || byte == 0x7f)
            fprintf(out, "\\x%02x", byte); /* no line breaks and no escape sequences from a name */
        else
            fputc(byte, out);
    }
}

static bool print_value(FILE *out, char sign, const struct stf_registry_value *value)
{
    char *text = stf_registry_value_describe(value->type, value->data, value->size);

    if (text == NULL)
        return false;
    fprintf(out, "%c     ", sign);
    print_name(out, value->name);
    fprintf(out, " = %s\n", text);
    free(text);
    return true;
}

/* The line of a key: where it is removed or added, and before the first of its values otherwise. */
static bool print_key(FILE *out, char sign, const char *root, const char *key)
{
    char *path = join(root, key);

    if (path == NULL)
        return false;
    fprintf(out, "%c [", sign);
    print_name(out, path);
    fputs("]\n", out);
    free(path);
    return true;
}

static bool print_difference(FILE *out, const char *root, const struct stf_registry_difference *item, bool is_new_key)
{
    bool is_whole = true;

    switch (item->kind) {
    case STF_REGISTRY_KEY_REMOVED:
        return print_key(out, '-', root, item->key);
    case STF_REGISTRY_KEY_ADDED:
        return print_key(out, '+', root, item->key);
    case STF_REGISTRY_VALUE_REMOVED:
    case STF_REGISTRY_VALUE_ADDED:
    case STF_REGISTRY_VALUE_CHANGED:
        if (is_new_key)
            is_whole = print_key(out, ' ', root, item->key);
        if (is_whole && item->before.name != NULL)
            is_whole = print_value(out, '-', &item->before);
        if (is_whole && item->after.name != NULL)
            is_whole = print_value(out, '+', &item->after);
        break;
    }
    return is_whole;
}

char *stf_registry_diff_text(const struct stf_registry_diff *diff, const char *root)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool is_whole = out != NULL;

    for (size_t i = 0; i < diff->count && is_whole; i++) {
        bool is_new_key = i == 0 || strcmp(diff->items[i - 1].key, diff->items[i].key) != 0;
        is_whole = print_difference(out, root, &diff->items[i], is_new_key);
    }
    if (out != NULL && fclose(out) != 0)
        is_whole = false;
    if (!is_whole) {
        free(text);
        text = NULL;
    }
    return text;
}

/* ---- as JSON ---- */

static const char *const change_names[] = {
    [STF_REGISTRY_KEY_REMOVED] = "key_removed",     [STF_REGISTRY_KEY_ADDED] = "key_added",
    [STF_REGISTRY_VALUE_REMOVED] = "value_removed", [STF_REGISTRY_VALUE_ADDED] = "value_added",
    [STF_REGISTRY_VALUE_CHANGED] = "value_changed",
};

static enum stf_kind put_value(json_t *doc, const char *member, const struct stf_registry_value *value,
                               const char *name, struct stf_err *err)
{
    json_t *of_value;
    enum stf_kind kind;

    if (value->name == NULL)
        return STF_OK;
    kind = stf_registry_value_to_doc(value, &of_value, err);
    if (kind == STF_OK && strcmp(value->name, name) != 0 &&
        json_object_set_new(of_value, "name", json_string(value->name)) != 0) {
        json_decref(of_value);
        kind = no_memory(err);
    }
    if (kind == STF_OK && json_object_set_new(doc, member, of_value) != 0)
        kind = no_memory(err);
    return kind;
}

static enum stf_kind difference_to_doc(const struct stf_registry_difference *item, const char *root, json_t **doc,
                                       struct stf_err *err)
{
    const char *name = item->after.name != NULL ? item->after.name : item->before.name;
    char *path = join(root, item->key);
    enum stf_kind kind;

    *doc = path != NULL ? json_pack("{s:s, s:s}", "change", change_names[item->kind], "key", path) : NULL;
    free(path);
    if (*doc == NULL || (name != NULL && json_object_set_new(*doc, "name", json_string(name)) != 0))
        return no_memory(err);
    kind = put_value(*doc, "before", &item->before, name, err);
    return kind == STF_OK ? put_value(*doc, "after", &item->after, name, err) : kind;
}

enum stf_kind stf_registry_diff_to_doc(const struct stf_registry_diff *diff, const char *root, json_t **doc,
                                       struct stf_err *err)
{
    json_t *list = json_array();
    enum stf_kind kind = list != NULL ? STF_OK : no_memory(err);

    for (size_t i = 0; i < diff->count && kind == STF_OK; i++) {
        json_t *item = NULL;
        kind = difference_to_doc(&diff->items[i], root, &item, err);
        if (kind == STF_OK && json_array_append(list, item) != 0)
            kind = no_memory(err);
        json_decref(item);
    }
    if (kind != STF_OK) {
        json_decref(list);
        return kind;
    }
    *doc = list;
    return STF_OK;
}

/* ---- as edits ---- */

static struct stf_reg_edit edit_of(const struct stf_registry_difference *item)
{
    switch (item->kind) {
    case STF_REGISTRY_KEY_REMOVED:
        return (struct stf_reg_edit){.kind = STF_REG_DELETE_KEY};
    case STF_REGISTRY_KEY_ADDED:
        return (struct stf_reg_edit){.kind = STF_REG_CREATE_KEY};
    case STF_REGISTRY_VALUE_REMOVED:
        return (struct stf_reg_edit){.kind = STF_REG_DELETE_VALUE, .value = {.name = item->before.name}};
    case STF_REGISTRY_VALUE_ADDED:
    case STF_REGISTRY_VALUE_CHANGED:
        return (struct stf_reg_edit){.kind = STF_REG_SET_VALUE, .value = item->after};
    }
    return (struct stf_reg_edit){0};
}

enum stf_kind stf_registry_diff_to_edits(const struct stf_registry_diff *diff, const char *root,
                                         struct stf_reg_edits *edits, struct stf_err *err)
{
    const char *rest = "";
    const char *long_name = stf_registry_root_long_name(root, &rest);
    char *top = long_name != NULL ? join(long_name, rest) : NULL;
    enum stf_kind kind = STF_OK;

    if (long_name == NULL) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "diff", root,
                           "the key %s has no root for a .reg file: HKLM, HKCU, HKU, HKCR, HKCC or a long name", root);
    }
    if (top == NULL)
        return no_memory(err);
    for (size_t i = 0; i < diff->count && kind == STF_OK; i++) {
        const struct stf_registry_difference *item = &diff->items[i];
        struct stf_reg_edit edit = edit_of(item);
        char *path;
        if (item->is_within)
            continue;
        path = join(top, item->key);
        edit.key = path;
        kind = path != NULL ? stf_reg_edits_add(edits, &edit, err) : no_memory(err);
        free(path);
    }
    free(top);
    return kind;
}
