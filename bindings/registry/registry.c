/* registry.c - the backend-neutral registry: paths, names, absence. Backends know nodes, callers know paths.
 * Never knows what kind of store it talks to. SPDX-License-Identifier: MIT */
#include "registry/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/fold.h"
#include "registry/store.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "registry", NULL, "memory is out");
}

/* ---- names ---- */

/* Takes one code point off the name, in upper case; a byte that is no UTF-8 stands for itself. */
static uint32_t next_folded(const char **at, const char *end)
{
    uint32_t code = (unsigned char)**at;

    if (code < 0x80 || !stf_utf8_next(at, end, &code))
        ++*at;
    return stf_registry_fold(code);
}

static int compare_parts(const char *a, size_t a_size, const char *b, size_t b_size)
{
    const char *a_end = a + a_size;
    const char *b_end = b + b_size;

    while (a < a_end && b < b_end) {
        uint32_t x;
        uint32_t y;
        if (*a == *b && (unsigned char)*a < 0x80) {
            a++;
            b++;
            continue;
        }
        x = next_folded(&a, a_end);
        y = next_folded(&b, b_end);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a < a_end) - (b < b_end);
}

int stf_registry_name_compare(const char *a, const char *b)
{
    return compare_parts(a, strlen(a), b, strlen(b));
}

uint32_t stf_registry_name_hash(const char *name)
{
    const char *end = name + strlen(name);
    uint32_t hash = 2166136261u; /* FNV-1a, over code points */

    while (name < end)
        hash = (hash ^ next_folded(&name, end)) * 16777619u;
    return hash ^ hash >> 16;
}

char *stf_registry_name_fold(const char *name)
{
    const char *end = name + strlen(name);
    char *folded = malloc(2 * strlen(name) + 1); /* an upper case may take three bytes where the letter takes two */
    char *at = folded;

    while (folded != NULL && name < end)
        at = stf_utf8_put(at, next_folded(&name, end));
    if (folded != NULL)
        *at = '\0';
    return folded;
}

enum stf_kind stf_registry_check_key_name(const char *name, struct stf_err *err)
{
    size_t units = stf_registry_name_units(name);

    if (units == 0 || strchr(name, '\\') != NULL) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "key", name,
                           "a key's name must not be empty nor have a backslash; keys are separated by one backslash");
    }
    if (units > STF_REGISTRY_KEY_UNITS_MAX) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "key", name,
                           "a key's name must be UTF-8 of at most %d UTF-16 units", STF_REGISTRY_KEY_UNITS_MAX);
    }
    return STF_OK;
}

enum stf_kind stf_registry_check_value_name(const char *name, struct stf_err *err)
{
    if (stf_registry_name_units(name) > STF_REGISTRY_VALUE_UNITS_MAX) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "value", name,
                           "a value's name must be UTF-8 of at most %d UTF-16 units", STF_REGISTRY_VALUE_UNITS_MAX);
    }
    return STF_OK;
}

/* ---- roots and mounts ---- */

static const struct {
    const char *long_name;
    const char *short_name;
} roots[] = {
    {"HKEY_LOCAL_MACHINE", "HKLM"}, {"HKEY_CURRENT_USER", "HKCU"},   {"HKEY_USERS", "HKU"},
    {"HKEY_CLASSES_ROOT", "HKCR"},  {"HKEY_CURRENT_CONFIG", "HKCC"},
};

enum { ROOT_COUNT = sizeof(roots) / sizeof(roots[0]) };

static size_t component_size(const char *path)
{
    return strcspn(path, "\\");
}

static const char *next_component(const char *path)
{
    path += component_size(path);
    return *path == '\\' ? path + 1 : path;
}

/* The index in `roots`, or ROOT_COUNT. */
static size_t find_root(const char *key, const char **rest)
{
    size_t size = component_size(key);
    size_t i = 0;

    while (i < ROOT_COUNT && compare_parts(key, size, roots[i].long_name, strlen(roots[i].long_name)) != 0 &&
           compare_parts(key, size, roots[i].short_name, strlen(roots[i].short_name)) != 0)
        i++;
    if (i < ROOT_COUNT)
        *rest = next_component(key);
    return i;
}

const char *stf_registry_root_name(const char *key, const char **rest)
{
    size_t i = find_root(key, rest);

    return i < ROOT_COUNT ? roots[i].short_name : NULL;
}

const char *stf_registry_root_long_name(const char *key, const char **rest)
{
    size_t i = find_root(key, rest);

    return i < ROOT_COUNT ? roots[i].long_name : NULL;
}

bool stf_registry_key_is_below(const char *key, const char *mount, const char **below, size_t *depth)
{
    const char *key_root = stf_registry_root_name(key, &key);
    const char *mount_root = stf_registry_root_name(mount, &mount);

    if (key_root == NULL || key_root != mount_root)
        return false;
    *depth = 1;
    while (*mount != '\0') {
        if (compare_parts(key, component_size(key), mount, component_size(mount)) != 0)
            return false;
        key = next_component(key);
        mount = next_component(mount);
        ++*depth;
    }
    *below = key;
    return true;
}

enum stf_kind stf_registry_refuse_at_root(const char *op, struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, op, NULL,
                       "beside its roots (HKLM, HKCU, HKU, HKCR, HKCC) the registry has neither keys nor values");
}

/* ---- lists ---- */

void stf_registry_subkeys_fini(struct stf_registry_subkeys *subkeys)
{
    for (size_t i = 0; i < subkeys->count; i++)
        free(subkeys->items[i].name);
    free(subkeys->items);
    *subkeys = (struct stf_registry_subkeys){0};
}

void stf_registry_values_fini(struct stf_registry_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        stf_registry_value_fini(&values->items[i]);
    free(values->items);
    *values = (struct stf_registry_values){0};
}

/* Room for one more item: lists grow when their count is 0 or a power of two. */
static bool grow(void **items, size_t count, size_t item_size)
{
    void *more;

    if (count > 0 && (count & (count - 1)) != 0)
        return true;
    more = realloc(*items, (count > 0 ? 2 * count : 1) * item_size);
    if (more == NULL)
        return false;
    *items = more;
    return true;
}

enum stf_kind stf_registry_subkeys_add(struct stf_registry_subkeys *subkeys, char *name, stf_registry_node node,
                                       struct stf_err *err)
{
    void *items = subkeys->items;

    if (!grow(&items, subkeys->count, sizeof(subkeys->items[0])))
        return no_memory(err);
    subkeys->items = items;
    subkeys->items[subkeys->count++] = (struct stf_registry_subkey){name, node};
    return STF_OK;
}

enum stf_kind stf_registry_values_add(struct stf_registry_values *values, struct stf_registry_value *value,
                                      struct stf_err *err)
{
    void *items = values->items;

    if (!grow(&items, values->count, sizeof(values->items[0])))
        return no_memory(err);
    values->items = items;
    values->items[values->count++] = *value;
    *value = (struct stf_registry_value){0};
    return STF_OK;
}

static size_t find_value(const struct stf_registry_values *values, const char *name)
{
    size_t i = 0;

    while (i < values->count && stf_registry_name_compare(values->items[i].name, name) != 0)
        i++;
    return i;
}

static int compare_then_spelling(const char *a, const char *b)
{
    int order = stf_registry_name_compare(a, b);

    return order != 0 ? order : strcmp(a, b);
}

static int compare_subkeys(const void *a, const void *b)
{
    return compare_then_spelling(((const struct stf_registry_subkey *)a)->name,
                                 ((const struct stf_registry_subkey *)b)->name);
}

static int compare_values(const void *a, const void *b)
{
    return compare_then_spelling(((const struct stf_registry_value *)a)->name,
                                 ((const struct stf_registry_value *)b)->name);
}

/* Most stores list names in their order: then one pass is all. */
static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    const char *each = items;

    for (size_t i = 1; i < count; i++) {
        if (compare(each + (i - 1) * size, each + i * size) > 0) {
            qsort(items, count, size, compare);
            return;
        }
    }
}

void stf_registry_subkeys_sort(struct stf_registry_subkeys *subkeys)
{
    sort(subkeys->items, subkeys->count, sizeof(subkeys->items[0]), compare_subkeys);
}

void stf_registry_values_sort(struct stf_registry_values *values)
{
    sort(values->items, values->count, sizeof(values->items[0]), compare_values);
}

void stf_registry_listing_fini(struct stf_registry_listing *listing)
{
    for (size_t i = 0; i < listing->key_count; i++)
        free(listing->keys[i]);
    free(listing->keys);
    stf_registry_values_fini(&(struct stf_registry_values){listing->values, listing->value_count});
    *listing = (struct stf_registry_listing){0};
}

/* ---- paths ---- */

struct parts {
    char *text; /* owns the names */
    const char **names;
    size_t count;
    char control_set[STF_REGISTRY_CONTROL_SET_SIZE]; /* "ControlSet001": what CurrentControlSet stands for */
};

static void parts_fini(struct parts *parts)
{
    free(parts->text);
    free(parts->names);
}

static enum stf_kind split(const char *key, struct parts *parts, struct stf_err *err)
{
    size_t count = *key != '\0';
    enum stf_kind kind = STF_OK;

    for (const char *at = key; *at != '\0'; at++)
        count += *at == '\\';
    if (count > STF_REGISTRY_DEPTH_MAX) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "key", key, "a key is at most %d levels deep",
                           STF_REGISTRY_DEPTH_MAX);
    }
    parts->text = strdup(key);
    parts->names = calloc(count + 1, sizeof(parts->names[0]));
    if (parts->text == NULL || parts->names == NULL)
        return no_memory(err);
    for (char *rest = parts->text; kind == STF_OK && parts->count < count; parts->count++) {
        parts->names[parts->count] = strsep(&rest, "\\");
        kind = stf_registry_check_key_name(parts->names[parts->count], err);
    }
    return kind;
}

enum stf_kind stf_registry_find_listed(const struct stf_registry_backend *backend, void *store,
                                       stf_registry_node parent, const char *name, stf_registry_node *key,
                                       char **spelling, struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    enum stf_kind kind = backend->subkeys(store, parent, &subkeys, err);

    if (kind != STF_OK)
        return kind;
    kind = STF_NOT_FOUND;
    for (size_t i = 0; i < subkeys.count && kind != STF_OK; i++) {
        if (stf_registry_name_compare(subkeys.items[i].name, name) == 0) {
            if (key != NULL)
                *key = subkeys.items[i].node;
            if (spelling != NULL) {
                free(*spelling);
                *spelling = subkeys.items[i].name;
                subkeys.items[i].name = NULL;
            }
            kind = STF_OK;
        }
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

/* STF_NOT_FOUND, without filling an error, when `parent` has no such subkey. */
static enum stf_kind find_child(struct stf_registry *registry, stf_registry_node parent, const char *name,
                                stf_registry_node *child, char **spelling, struct stf_err *err)
{
    const struct stf_registry_backend *backend = registry->backend;

    return backend->find_key != NULL
               ? backend->find_key(registry->store, parent, name, child, spelling, err)
               : stf_registry_find_listed(backend, registry->store, parent, name, child, spelling, err);
}

/* The value `name` of a key, or STF_NOT_FOUND without filling an error. */
static enum stf_kind read_value(struct stf_registry *registry, stf_registry_node key, const char *name,
                                struct stf_registry_value *value, struct stf_err *err)
{
    struct stf_registry_values values = {0};
    enum stf_kind kind;
    size_t i;

    if (registry->backend->find_value != NULL)
        return registry->backend->find_value(registry->store, key, name, value, err);
    kind = registry->backend->values(registry->store, key, &values, err);
    if (kind != STF_OK)
        return kind;
    i = find_value(&values, name);
    if (i < values.count) {
        *value = values.items[i];
        values.items[i] = (struct stf_registry_value){0};
    } else {
        kind = STF_NOT_FOUND;
    }
    stf_registry_values_fini(&values);
    return kind;
}

enum stf_kind stf_registry_control_set(struct stf_registry *registry, char name[STF_REGISTRY_CONTROL_SET_SIZE],
                                       struct stf_err *err)
{
    struct stf_registry_value current = {0};
    struct stf_registry_plain plain = {0};
    stf_registry_node select;
    enum stf_kind kind = find_child(registry, registry->backend->root(registry->store), "Select", &select, NULL, err);

    if (kind == STF_OK)
        kind = read_value(registry, select, "Current", &current, err);
    if (kind == STF_OK)
        kind = stf_registry_value_decode(current.type, current.data, current.size, &plain, err);
    if (kind == STF_NOT_FOUND ||
        (kind == STF_OK && (plain.form != STF_REGISTRY_FORM_INTEGER || plain.integer < 1 || plain.integer > 999))) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "key", "CurrentControlSet",
                           "the SYSTEM hive does not say which control set is current: its Select\\Current must be a "
                           "dword from 1 to 999; name ControlSet001 instead, or use the right hive");
    } else if (kind == STF_OK) {
        snprintf(name, STF_REGISTRY_CONTROL_SET_SIZE, "ControlSet%03d", (int)plain.integer);
    }
    stf_registry_plain_fini(&plain);
    stf_registry_value_fini(&current);
    return kind;
}

bool stf_registry_is_control_set(const struct stf_registry *registry, const char *name)
{
    return registry->is_system && stf_registry_name_compare(name, "CurrentControlSet") == 0;
}

static enum stf_kind resolve_control_set(struct stf_registry *registry, struct parts *parts, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    if (parts->count > 0 && stf_registry_is_control_set(registry, parts->names[0])) {
        kind = stf_registry_control_set(registry, parts->control_set, err);
        parts->names[0] = parts->control_set;
    }
    return kind;
}

static enum stf_kind parts_init(struct parts *parts, struct stf_registry *registry, const char *key,
                                struct stf_err *err)
{
    enum stf_kind kind;

    *parts = (struct parts){0};
    kind = split(key, parts, err);
    return kind == STF_OK ? resolve_control_set(registry, parts, err) : kind;
}

/* Walks down as far as keys exist. nodes[0] is the root; nodes[i] the key of the i-th component. *spelling, unless the
 * pointer is NULL, becomes the stored name of the last component. */
static enum stf_kind walk(struct stf_registry *registry, const struct parts *parts, stf_registry_node *nodes,
                          size_t *existing, char **spelling, struct stf_err *err)
{
    nodes[0] = registry->backend->root(registry->store);
    for (*existing = 0; *existing < parts->count; ++*existing) {
        bool is_last = *existing + 1 == parts->count;
        enum stf_kind kind = find_child(registry, nodes[*existing], parts->names[*existing], &nodes[*existing + 1],
                                        is_last ? spelling : NULL, err);
        if (kind == STF_NOT_FOUND)
            return STF_OK;
        if (kind != STF_OK)
            return kind;
    }
    return STF_OK;
}

static enum stf_kind create_missing(struct stf_registry *registry, const struct parts *parts, stf_registry_node *nodes,
                                    size_t existing, size_t wanted, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    if (existing < wanted)
        kind = stf_registry_begin_change(registry, err);
    for (size_t i = existing; kind == STF_OK && i < wanted; i++)
        kind = registry->backend->create_key(registry->store, nodes[i], parts->names[i], &nodes[i + 1], err);
    return kind;
}

/* STF_NOT_FOUND, without filling an error, when it has to be walked to. */
static enum stf_kind find_at_once(struct stf_registry *registry, const struct parts *parts, stf_registry_node *node,
                                  struct stf_err *err)
{
    return registry->backend->find_path != NULL
               ? registry->backend->find_path(registry->store, parts->names, parts->count, node, err)
               : STF_NOT_FOUND;
}

static enum stf_kind find(struct stf_registry *registry, const char *key, bool may_create, stf_registry_node *node,
                          struct stf_err *err)
{
    stf_registry_node nodes[STF_REGISTRY_DEPTH_MAX + 1];
    struct parts parts;
    size_t existing = 0;
    enum stf_kind kind = parts_init(&parts, registry, key, err);

    if (kind == STF_OK) {
        kind = find_at_once(registry, &parts, node, err);
        if (kind != STF_NOT_FOUND) {
            parts_fini(&parts);
            return kind;
        }
        kind = walk(registry, &parts, nodes, &existing, NULL, err);
    }
    if (kind == STF_OK && existing < parts.count) {
        kind = may_create ? create_missing(registry, &parts, nodes, existing, parts.count, err)
                          : stf_err_set(err, STF_NOT_FOUND, 0, "key", key, "there is no key %s: %s is missing", key,
                                        parts.names[existing]);
    }
    if (kind == STF_OK)
        *node = nodes[parts.count];
    parts_fini(&parts);
    return kind;
}

enum stf_kind stf_registry_find(struct stf_registry *registry, const char *key, stf_registry_node *node,
                                struct stf_err *err)
{
    return find(registry, key, false, node, err);
}

enum stf_kind stf_registry_find_or_create(struct stf_registry *registry, const char *key, stf_registry_node *node,
                                          struct stf_err *err)
{
    return find(registry, key, true, node, err);
}

enum stf_kind stf_registry_existing(struct stf_registry *registry, const char *key, size_t *existing,
                                    size_t *components, char **spelling, struct stf_err *err)
{
    stf_registry_node nodes[STF_REGISTRY_DEPTH_MAX + 1];
    struct parts parts;
    char *last = NULL;
    enum stf_kind kind = parts_init(&parts, registry, key, err);

    if (kind == STF_OK)
        kind = walk(registry, &parts, nodes, existing, &last, err);
    if (kind == STF_OK) {
        *components = parts.count;
        if (spelling != NULL) {
            /* CurrentControlSet is spelled as it was asked for: the stored name is the control set's. */
            bool is_alias = parts.count == 1 && parts.names[0] == parts.control_set;
            bool is_known = *existing == parts.count && !is_alias;
            *spelling = is_known ? last : NULL;
            last = is_known ? NULL : last;
        }
    }
    free(last);
    parts_fini(&parts);
    return kind;
}

static enum stf_kind check_empty(struct stf_registry *registry, stf_registry_node node, size_t subkeys_allowed,
                                 const char *key, const char *name, struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    struct stf_registry_values values = {0};
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, &subkeys, err);

    if (kind == STF_OK)
        kind = registry->backend->values(registry->store, node, &values, err);
    if (kind == STF_OK && (subkeys.count > subkeys_allowed || values.count > 0)) {
        kind = stf_err_set(err, STF_CONFLICT, 0, "delete", key,
                           "the key %s of %s would have to go, but something else was put there since (%zu values, %zu "
                           "other subkeys); look at it and delete it by hand",
                           name, key, values.count, subkeys.count - subkeys_allowed);
    }
    stf_registry_subkeys_fini(&subkeys);
    stf_registry_values_fini(&values);
    return kind;
}

enum stf_kind stf_registry_trim(struct stf_registry *registry, const char *key, size_t wanted, struct stf_err *err)
{
    stf_registry_node nodes[STF_REGISTRY_DEPTH_MAX + 1];
    struct parts parts;
    size_t existing = 0;
    enum stf_kind kind = parts_init(&parts, registry, key, err);

    if (kind == STF_OK)
        kind = walk(registry, &parts, nodes, &existing, NULL, err);
    if (kind == STF_OK && wanted > parts.count) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "key", key, "%zu of its keys can not exist: it has %zu", wanted,
                           parts.count);
    }
    if (kind == STF_OK && existing < wanted) {
        kind = create_missing(registry, &parts, nodes, existing, wanted, err);
        existing = wanted;
    }
    for (size_t i = existing; kind == STF_OK && i > wanted; i--)
        kind = check_empty(registry, nodes[i], i < existing ? 1 : 0, key, parts.names[i - 1], err);
    if (kind == STF_OK && existing > wanted) {
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK)
            kind = registry->backend->delete_key(registry->store, nodes[wanted + 1], err);
    }
    parts_fini(&parts);
    return kind;
}

/* ---- the store ---- */

const char *stf_registry_limits(const struct stf_registry_backend *backend)
{
    return backend->limits;
}

enum stf_kind stf_registry_open(const struct stf_registry_backend *backend, const struct stf_registry_place *place,
                                enum stf_registry_mode mode, struct stf_registry **out, struct stf_err *err)
{
    struct stf_registry *registry = calloc(1, sizeof(*registry));
    enum stf_kind kind;

    if (registry == NULL)
        return no_memory(err);
    registry->backend = backend;
    registry->is_writable = mode == STF_REGISTRY_WRITE;
    registry->is_system = place->is_system;
    kind = backend->open(place, mode, &registry->store, err);
    if (kind != STF_OK) {
        free(registry);
        return kind;
    }
    *out = registry;
    return STF_OK;
}

void stf_registry_close(struct stf_registry *registry)
{
    if (registry != NULL) {
        registry->backend->close(registry->store);
        free(registry);
    }
}

enum stf_kind stf_registry_begin_change(struct stf_registry *registry, struct stf_err *err)
{
    if (!registry->is_writable)
        return stf_err_set(err, STF_DENIED, 0, "write", NULL, "the registry was opened for reading only");
    registry->is_changed = true;
    return STF_OK;
}

enum stf_kind stf_registry_commit(struct stf_registry *registry, struct stf_err *err)
{
    enum stf_kind kind;

    if (!registry->is_changed)
        return STF_OK;
    kind = registry->backend->commit(registry->store, err);
    if (kind == STF_OK)
        registry->is_changed = false;
    return kind;
}

enum stf_kind stf_registry_get(struct stf_registry *registry, const char *key, const char *name,
                               struct stf_registry_value *value, struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_check_value_name(name, err);

    if (kind == STF_OK)
        kind = stf_registry_find(registry, key, &node, err);
    if (kind == STF_OK) {
        kind = read_value(registry, node, name, value, err);
        if (kind == STF_NOT_FOUND) {
            stf_err_set(err, STF_NOT_FOUND, 0, "value", key, "the key %s has no value %s", key,
                        *name != '\0' ? name : "(default)");
        }
    }
    return kind;
}

enum stf_kind stf_registry_set(struct stf_registry *registry, const char *key, const struct stf_registry_value *value,
                               struct stf_err *err)
{
    struct stf_registry_value before = {0};
    stf_registry_node node;
    bool is_same = false;
    bool is_respelled = false;
    enum stf_kind kind = stf_registry_check_value_name(value->name, err);

    if (kind == STF_OK)
        kind = stf_registry_find_or_create(registry, key, &node, err);
    if (kind == STF_OK) {
        kind = read_value(registry, node, value->name, &before, err);
        is_same = kind == STF_OK && stf_registry_value_equal(&before, value);
        is_respelled = kind == STF_OK && strcmp(before.name, value->name) != 0;
        kind = kind == STF_NOT_FOUND ? STF_OK : kind;
    }
    if (kind == STF_OK && !is_same) {
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK) {
            const char *stored = before.name;
            struct stf_registry_edit edit = {.gone = &stored, .gone_count = is_respelled, .set = value, .set_count = 1};
            kind = registry->backend->edit_values(registry->store, node, &edit, err);
        }
    }
    stf_registry_value_fini(&before);
    return kind;
}

enum stf_kind stf_registry_delete_value(struct stf_registry *registry, const char *key, const char *name,
                                        struct stf_err *err)
{
    struct stf_registry_edit edit = {.gone = &name, .gone_count = 1};
    struct stf_registry_value before = {0};
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    if (kind == STF_OK)
        kind = read_value(registry, node, name, &before, err);
    stf_registry_value_fini(&before);
    if (kind == STF_NOT_FOUND)
        return STF_OK;
    if (kind == STF_OK)
        kind = stf_registry_begin_change(registry, err);
    return kind == STF_OK ? registry->backend->edit_values(registry->store, node, &edit, err) : kind;
}

enum stf_kind stf_registry_list(struct stf_registry *registry, const char *key, struct stf_registry_listing *listing,
                                struct stf_err *err)
{
    struct stf_registry_subkeys subkeys = {0};
    struct stf_registry_values values = {0};
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    *listing = (struct stf_registry_listing){0};
    if (kind == STF_OK)
        kind = registry->backend->subkeys(registry->store, node, &subkeys, err);
    if (kind == STF_OK)
        kind = registry->backend->values(registry->store, node, &values, err);
    if (kind == STF_OK) {
        listing->keys = calloc(subkeys.count + 1, sizeof(listing->keys[0]));
        kind = listing->keys != NULL ? STF_OK : no_memory(err);
    }
    if (kind == STF_OK) {
        stf_registry_subkeys_sort(&subkeys);
        stf_registry_values_sort(&values);
        for (; listing->key_count < subkeys.count; listing->key_count++) {
            listing->keys[listing->key_count] = subkeys.items[listing->key_count].name;
            subkeys.items[listing->key_count].name = NULL;
        }
        listing->values = values.items;
        listing->value_count = values.count;
        values = (struct stf_registry_values){0};
    }
    stf_registry_subkeys_fini(&subkeys);
    stf_registry_values_fini(&values);
    return kind;
}

enum stf_kind stf_registry_create_key(struct stf_registry *registry, const char *key, struct stf_err *err)
{
    stf_registry_node node;

    return stf_registry_find_or_create(registry, key, &node, err);
}

enum stf_kind stf_registry_delete_key(struct stf_registry *registry, const char *key, struct stf_err *err)
{
    stf_registry_node node;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    if (kind == STF_NOT_FOUND)
        return STF_OK;
    if (kind == STF_OK && *key == '\0')
        return stf_err_set(err, STF_UNSUPPORTED, 0, "delete", NULL, "the root of a registry store can not be deleted");
    if (kind == STF_OK)
        kind = stf_registry_begin_change(registry, err);
    return kind == STF_OK ? registry->backend->delete_key(registry->store, node, err) : kind;
}
