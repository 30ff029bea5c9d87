/* be_regfile.c - a .reg file as a store: what its edits leave standing is the tree, and a commit writes the file anew.
 * Never drops what a tree can not hold: a file with deletions is opened for reading only. SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "registry/reg_tree.h"
#include "registry/store_file.h"

static const char what[] = "the .reg file";

struct regfile {
    struct stf_store_file file;
    struct stf_reg_format format; /* which the file has, and keeps */
    char *mount;                  /* NULL: the keys below the root are HKEY_LOCAL_MACHINE and so on */
    struct stf_keytree_key *root;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "regfile", NULL, "memory is out");
}

static void regfile_close(void *store)
{
    struct regfile *regfile = store;

    stf_store_file_close(&regfile->file);
    stf_keytree_key_free(regfile->root);
    free(regfile->mount);
    free(regfile);
}

static enum stf_kind check_no_deletions(const struct regfile *regfile, const struct stf_reg_edits *edits,
                                        struct stf_err *err)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct stf_reg_edit *edit = &edits->items[i];
        if (edit->kind == STF_REG_DELETE_KEY || edit->kind == STF_REG_DELETE_VALUE) {
            return stf_err_set(err, STF_UNSUPPORTED, 0, "open", regfile->file.path,
                               "%s: line %zu deletes a %s; writing the file would lose that, so it is only read or "
                               "applied to another store",
                               regfile->file.path, edit->line, edit->kind == STF_REG_DELETE_KEY ? "key" : "value");
        }
    }
    return STF_OK;
}

static enum stf_kind load(struct regfile *regfile, bool is_writer, struct stf_err *err)
{
    struct stf_reg_edits edits = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_store_file_read(&regfile->file, &bytes, &size, err);

    if (kind == STF_OK)
        kind = stf_reg_parse(bytes, size, regfile->file.path, &edits, err);
    free(bytes);
    if (kind == STF_OK && is_writer)
        kind = check_no_deletions(regfile, &edits, err);
    if (kind == STF_OK)
        kind = stf_reg_tree_new(&edits, regfile->mount, NULL, &regfile->root, err);
    if (kind == STF_OK) {
        regfile->format = edits.format;
        stf_reg_tree_prune(regfile->root);
    }
    stf_reg_edits_fini(&edits);
    return kind;
}

static enum stf_kind regfile_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                                  struct stf_err *err)
{
    bool is_writer = mode == STF_REGISTRY_WRITE;
    struct regfile *regfile = calloc(1, sizeof(*regfile));
    enum stf_kind kind;

    if (regfile == NULL)
        return no_memory(err);
    regfile->file.fd = -1;
    if (place->key != NULL && *place->key != '\0') {
        regfile->mount = strdup(place->key);
        if (regfile->mount == NULL) {
            regfile_close(regfile);
            return no_memory(err);
        }
    }
    kind = stf_store_file_open(&regfile->file, place->path, what, is_writer, err);
    if (kind == STF_OK)
        kind = load(regfile, is_writer, err);
    if (kind != STF_OK) {
        regfile_close(regfile);
        return kind;
    }
    *store = regfile;
    return STF_OK;
}

/* Whether the file never said that the key stands, and need not. */
static bool is_implied(stf_registry_node node)
{
    const struct stf_keytree_key *key = (const struct stf_keytree_key *)node;

    return key->is_implied && key->keys.count > 0;
}

static enum stf_kind regfile_commit(void *store, struct stf_err *err)
{
    struct regfile *regfile = store;
    struct stf_registry registry = {.backend = &stf_registry_backend_regfile, .store = regfile};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum stf_kind kind =
        stf_reg_export_store(&registry, regfile->mount, &regfile->format, is_implied, &bytes, &size, err);

    if (kind == STF_OK)
        kind = stf_store_file_replace(&regfile->file, bytes, size, err);
    free(bytes);
    return kind;
}

static stf_registry_node regfile_root(void *store)
{
    return (stf_registry_node)((struct regfile *)store)->root;
}

/* Whether the key is the one above all roots: it has no values, and only roots below it. */
static bool is_above_roots(const struct regfile *regfile, stf_registry_node key)
{
    return regfile->mount == NULL && key == (stf_registry_node)regfile->root;
}

static enum stf_kind regfile_find_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                      char **spelling, struct stf_err *err)
{
    const char *rest;
    const char *root = is_above_roots(store, parent) ? stf_registry_root_long_name(name, &rest) : NULL;

    return stf_keytree_lookup_key(store, parent, root != NULL ? root : name, key, spelling, err);
}

static enum stf_kind regfile_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                        struct stf_err *err)
{
    const struct regfile *regfile = store;
    const char *rest;

    if (strpbrk(name, "\r\n") != NULL) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "create key", name,
                           "a .reg file can not hold a key with a line break in its name");
    }
    if (is_above_roots(regfile, parent)) {
        const char *root = stf_registry_root_long_name(name, &rest);
        if (root == NULL) {
            return stf_err_set(err, STF_INVALID_DATA, 0, "create key", name,
                               "the key %s of %s does not start with a root: HKLM, HKCU, HKU, HKCR, HKCC or one of "
                               "their long names",
                               name, regfile->file.path);
        }
        name = root;
    }
    return stf_keytree_create_key(store, parent, name, key, err);
}

static enum stf_kind regfile_edit_values(void *store, stf_registry_node key, const struct stf_registry_edit *edit,
                                         struct stf_err *err)
{
    const struct regfile *regfile = store;

    if (is_above_roots(regfile, key)) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "set", regfile->file.path,
                           "above HKEY_LOCAL_MACHINE and the other roots of %s there are no values",
                           regfile->file.path);
    }
    return stf_keytree_edit_values(store, key, edit, err);
}

enum stf_kind stf_regfile_create(const char *path, const struct stf_reg_format *format, struct stf_err *err)
{
    struct stf_reg_printer printer = {.format = *format};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_reg_printer_take(&printer, &bytes, &size, err);

    if (kind == STF_OK)
        kind = stf_store_file_create(path, what, bytes, size, err);
    free(bytes);
    stf_reg_printer_fini(&printer);
    return kind;
}

const struct stf_registry_backend stf_registry_backend_regfile = {
    .name = "regfile",
    .open = regfile_open,
    .close = regfile_close,
    .commit = regfile_commit,
    .root = regfile_root,
    .subkeys = stf_keytree_subkeys,
    .values = stf_keytree_values,
    .find_key = regfile_find_key,
    .find_value = stf_keytree_lookup_value,
    .create_key = regfile_create_key,
    .delete_key = stf_keytree_delete_key,
    .edit_values = regfile_edit_values,
    .limits = "keeps names and values; no class names, rights or times of keys, and no line break in a key's name; a "
              "file with deletions is only read; comments and the order of lines are lost by a change",
};
