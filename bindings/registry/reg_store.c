/* reg_store.c - .reg text out of a store and into one: export of a subtree, edits applied as one commit.
 * Knows nodes, not backends; never changes what is already as it should be. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "registry/reg_tree.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "reg", NULL, "memory is out");
}

/* ---- export ---- */

struct exporter {
    struct stf_registry *registry;
    struct stf_reg_printer printer;
    bool (*is_implied)(stf_registry_node key); /* NULL: none is */
    struct stf_err *err;
};

/* "PATH\NAME", malloc'ed; one alone where the other is empty. */
static char *join(const char *path, const char *name)
{
    char *joined;

    return asprintf(&joined, "%s%s%s", path, *path != '\0' && *name != '\0' ? "\\" : "", name) >= 0 ? joined : NULL;
}

static enum stf_kind export_values(struct exporter *exporter, stf_registry_node node, const char *path)
{
    struct stf_reg_edit edit = {.kind = STF_REG_SET_VALUE, .key = path};
    struct stf_registry_values values;
    enum stf_kind kind = exporter->registry->backend->values(exporter->registry->store, node, &values, exporter->err);

    if (kind != STF_OK)
        return kind;
    stf_registry_values_sort(&values);
    for (size_t i = 0; i < values.count && kind == STF_OK; i++) {
        edit.value = values.items[i];
        kind = stf_reg_print_edit(&exporter->printer, &edit, exporter->err);
    }
    stf_registry_values_fini(&values);
    return kind;
}

static enum stf_kind export_key(struct exporter *exporter, stf_registry_node node, const char *path, size_t depth);

static enum stf_kind export_subkeys(struct exporter *exporter, stf_registry_node node, const char *path, size_t depth)
{
    struct stf_registry *registry = exporter->registry;
    struct stf_registry_subkeys subkeys;
    enum stf_kind kind = registry->backend->subkeys(registry->store, node, &subkeys, exporter->err);

    if (kind != STF_OK)
        return kind;
    stf_registry_subkeys_sort(&subkeys);
    for (size_t i = 0; i < subkeys.count && kind == STF_OK; i++) {
        char *below = join(path, subkeys.items[i].name);
        kind = below != NULL ? export_key(exporter, subkeys.items[i].node, below, depth + 1) : no_memory(exporter->err);
        free(below);
    }
    stf_registry_subkeys_fini(&subkeys);
    return kind;
}

static enum stf_kind export_key(struct exporter *exporter, stf_registry_node node, const char *path, size_t depth)
{
    const struct stf_reg_edit edit = {.kind = STF_REG_CREATE_KEY, .key = path};
    enum stf_kind kind = STF_OK;

    if (depth > STF_REGISTRY_DEPTH_MAX) {
        return stf_err_set(exporter->err, STF_INVALID_DATA, 0, "export", path, "the tree is more than %d levels deep",
                           STF_REGISTRY_DEPTH_MAX);
    }
    if (*path != '\0' && (exporter->is_implied == NULL || !exporter->is_implied(node)))
        kind = stf_reg_print_edit(&exporter->printer, &edit, exporter->err);
    if (kind == STF_OK && *path != '\0')
        kind = export_values(exporter, node, path);
    return kind == STF_OK ? export_subkeys(exporter, node, path, depth) : kind;
}

/* The whole path of a key of the store, malloc'ed: its root by the long name, all other names as they are stored. */
static enum stf_kind full_path(struct stf_registry *registry, const char *mount, const char *key, char **path,
                               struct stf_err *err)
{
    char *given = join(mount != NULL ? mount : "", key);
    const char *rest = "";
    const char *root = given != NULL ? stf_registry_root_long_name(given, &rest) : NULL;
    size_t spelled = 0; /* how much of `key` is done */
    enum stf_kind kind = STF_OK;

    *path = NULL;
    if (given != NULL && root == NULL && *given != '\0') {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "export", key,
                           "the key %s has no root for a .reg file (HKLM and so on); name the key that the store's "
                           "root is",
                           *key != '\0' ? key : "(root)");
    } else if (given == NULL ||
               asprintf(path, "%s%s%s", root != NULL ? root : "", *rest != '\0' ? "\\" : "", rest) < 0) {
        *path = NULL;
        kind = no_memory(err);
    }
    while (kind == STF_OK && spelled < strlen(key)) {
        size_t size = spelled + strcspn(key + spelled, "\\");
        char *until = NULL;
        char *stored = NULL;
        size_t existing;
        size_t components;
        kind = asprintf(&until, "%.*s", (int)size, key) >= 0
                   ? stf_registry_existing(registry, until, &existing, &components, &stored, err)
                   : no_memory(err);
        if (kind == STF_OK && stored != NULL && strlen(stored) == size - spelled)
            memcpy(*path + strlen(*path) - (strlen(key) - spelled), stored, size - spelled);
        free(stored);
        free(until);
        spelled = size + 1;
    }
    free(given);
    if (kind != STF_OK) {
        free(*path);
        *path = NULL;
    }
    return kind;
}

static enum stf_kind export_below(struct stf_registry *registry, const char *mount, const char *key,
                                  const struct stf_reg_format *format, bool (*is_implied)(stf_registry_node key),
                                  uint8_t **bytes, size_t *size, struct stf_err *err)
{
    struct exporter exporter = {
        .registry = registry, .printer = {.format = *format}, .is_implied = is_implied, .err = err};
    stf_registry_node node;
    char *path = NULL;
    enum stf_kind kind = stf_registry_find(registry, key, &node, err);

    if (kind == STF_OK)
        kind = full_path(registry, mount, key, &path, err);
    if (kind == STF_OK)
        kind = export_key(&exporter, node, path, 0);
    if (kind == STF_OK)
        kind = stf_reg_printer_take(&exporter.printer, bytes, size, err);
    stf_reg_printer_fini(&exporter.printer);
    free(path);
    return kind;
}

enum stf_kind stf_registry_export_reg(struct stf_registry *registry, const char *mount, const char *key,
                                      const struct stf_reg_format *format, uint8_t **bytes, size_t *size,
                                      struct stf_err *err)
{
    return export_below(registry, mount, key, format, NULL, bytes, size, err);
}

enum stf_kind stf_reg_export_store(struct stf_registry *registry, const char *mount,
                                   const struct stf_reg_format *format, bool (*is_implied)(stf_registry_node key),
                                   uint8_t **bytes, size_t *size, struct stf_err *err)
{
    return export_below(registry, mount, "", format, is_implied, bytes, size, err);
}

/* ---- apply ---- */

static int compare_value(const void *name, const void *value)
{
    return stf_registry_name_compare(name, ((const struct stf_registry_value *)value)->name);
}

/* Sorts what is to be done by what is not so already. `have` is sorted; the edit's lists are large enough. */
static void leave_changes(const struct stf_keytree_key *changes, const struct stf_registry_values *have,
                          struct stf_registry_value *set, const char **gone, struct stf_registry_edit *edit)
{
    for (size_t i = 0; i < changes->values.count; i++) {
        const struct stf_keytree_value *change = stf_keytree_value_at(changes, i);
        const struct stf_registry_value wanted = stf_keytree_borrow(change);
        const struct stf_registry_value *found =
            have->count > 0 ? bsearch(wanted.name, have->items, have->count, sizeof(have->items[0]), compare_value)
                            : NULL;
        if (found != NULL && (wanted.data == NULL || strcmp(found->name, wanted.name) != 0))
            gone[edit->gone_count++] = found->name;
        if (wanted.data != NULL && (found == NULL || !stf_registry_value_equal(found, &wanted)))
            set[edit->set_count++] = wanted;
    }
    edit->gone = gone;
    edit->set = set;
}

static enum stf_kind apply_values(struct stf_registry *registry, stf_registry_node node, bool is_new,
                                  const struct stf_keytree_key *changes, struct stf_err *err)
{
    size_t count = changes->values.count;
    struct stf_registry_values have = {0};
    struct stf_registry_value *set = NULL;
    const char **gone = NULL;
    struct stf_registry_edit edit = {0};
    enum stf_kind kind = STF_OK;

    if (count == 0)
        return STF_OK;
    if (!is_new) {
        kind = registry->backend->values(registry->store, node, &have, err);
        stf_registry_values_sort(&have);
    }
    if (kind == STF_OK) {
        gone = calloc(count, sizeof(*gone));
        set = calloc(count, sizeof(*set));
        kind = gone != NULL && set != NULL ? STF_OK : no_memory(err);
    }
    if (kind == STF_OK)
        leave_changes(changes, &have, set, gone, &edit);
    if (kind == STF_OK && (edit.gone_count > 0 || edit.set_count > 0)) {
        kind = stf_registry_begin_change(registry, err);
        if (kind == STF_OK)
            kind = registry->backend->edit_values(registry->store, node, &edit, err);
    }
    free(set);
    free(gone);
    stf_registry_values_fini(&have);
    return kind;
}

static enum stf_kind apply_key(struct stf_registry *registry, stf_registry_node node, bool is_new,
                               const struct stf_keytree_key *changes, struct stf_err *err);

/* One subkey; `standing` says whether `node` is it. */
static enum stf_kind apply_subkey(struct stf_registry *registry, stf_registry_node parent, stf_registry_node node,
                                  bool is_standing, const struct stf_keytree_key *changes, struct stf_err *err)
{
    bool is_deleted = is_standing && changes->is_reset;
    bool is_created = changes->is_wanted && (is_deleted || !is_standing);
    enum stf_kind kind = is_deleted || is_created ? stf_registry_begin_change(registry, err) : STF_OK;

    if (kind == STF_OK && is_deleted)
        kind = registry->backend->delete_key(registry->store, node, err);
    if (kind == STF_OK && is_created)
        kind = registry->backend->create_key(registry->store, parent, changes->item.name, &node, err);
    if (kind != STF_OK || !(is_created || (is_standing && !is_deleted)))
        return kind;
    return apply_key(registry, node, is_created, changes, err);
}

/* The nodes of those subkeys that stand, by their positions in the alterations. */
static enum stf_kind find_standing(struct stf_registry *registry, stf_registry_node node,
                                   const struct stf_keytree_key *changes, stf_registry_node *nodes, bool *is_standing,
                                   struct stf_err *err)
{
    struct stf_registry_subkeys subkeys;
    enum stf_kind kind = STF_OK;

    if (registry->backend->find_key != NULL) {
        for (size_t i = 0; i < changes->keys.count; i++) {
            kind = registry->backend->find_key(registry->store, node, stf_keytree_key_at(changes, i)->item.name,
                                               &nodes[i], NULL, err);
            is_standing[i] = kind == STF_OK;
            if (kind != STF_OK && kind != STF_NOT_FOUND)
                return kind;
        }
        return STF_OK;
    }
    kind = registry->backend->subkeys(registry->store, node, &subkeys, err);
    if (kind != STF_OK)
        return kind;
    for (size_t i = 0; i < subkeys.count; i++) {
        const struct stf_keytree_key *change = stf_keytree_find_key(changes, subkeys.items[i].name);
        if (change != NULL) {
            nodes[change->item.position] = subkeys.items[i].node;
            is_standing[change->item.position] = true;
        }
    }
    stf_registry_subkeys_fini(&subkeys);
    return STF_OK;
}

static enum stf_kind apply_key(struct stf_registry *registry, stf_registry_node node, bool is_new,
                               const struct stf_keytree_key *changes, struct stf_err *err)
{
    size_t count = changes->keys.count;
    stf_registry_node *nodes = NULL;
    bool *is_standing = NULL;
    enum stf_kind kind = apply_values(registry, node, is_new, changes, err);

    if (kind != STF_OK || count == 0)
        return kind;
    nodes = calloc(count, sizeof(*nodes));
    is_standing = calloc(count, sizeof(*is_standing));
    kind = nodes != NULL && is_standing != NULL ? STF_OK : no_memory(err);
    if (kind == STF_OK && !is_new)
        kind = find_standing(registry, node, changes, nodes, is_standing, err);
    for (size_t i = 0; i < count && kind == STF_OK; i++)
        kind = apply_subkey(registry, node, nodes[i], is_standing[i], stf_keytree_key_at(changes, i), err);
    free(is_standing);
    free(nodes);
    return kind;
}

enum stf_kind stf_reg_tree_apply(struct stf_registry *registry, const struct stf_keytree_key *changes,
                                 struct stf_err *err)
{
    return apply_key(registry, registry->backend->root(registry->store), false, changes, err);
}

enum stf_kind stf_registry_apply_reg(struct stf_registry *registry, const char *mount,
                                     const struct stf_reg_edits *edits, struct stf_err *err)
{
    struct stf_keytree_key *changes = NULL;
    enum stf_kind kind = stf_reg_tree_new(edits, mount, registry, &changes, err);

    if (kind == STF_OK)
        kind = stf_reg_tree_apply(registry, changes, err);
    if (kind == STF_OK)
        kind = stf_registry_commit(registry, err);
    stf_keytree_key_free(changes);
    return kind;
}
