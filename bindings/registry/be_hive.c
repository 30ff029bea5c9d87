/* be_hive.c - offline hives (regf files): for reading the parts of the file that are asked for, for writing all of it
 * in memory, and a whole new file that takes the old one's place. Never writes into a hive in place; opens a dirty one
 * only to replay its logs. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "registry/hivetree.h"
#include "registry/regf_log.h"
#include "registry/regf_write.h"
#include "registry/store_file.h"

static const char what[] = "the hive";

struct hive {
    bool is_writer;
    struct stf_store_file file;
    struct stf_regf_image image; /* a reader's */
    struct stf_hivetree tree;    /* a writer's */
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "hive", NULL, "memory is out");
}

/* ---- opening ---- */

static enum stf_kind read_at(void *context, uint64_t offset, void *into, size_t size, struct stf_err *err)
{
    struct hive *hive = context;

    return stf_store_file_read_at(&hive->file, offset, into, size, err);
}

/* No bytes when it is not there. */
static enum stf_kind read_file(const char *path, struct stf_regf_bytes *bytes, struct stf_err *err)
{
    struct stf_store_file file;
    enum stf_kind kind = stf_store_file_open(&file, path, "the transaction log", false, err);

    if (kind == STF_OK)
        kind = stf_store_file_read(&file, &bytes->bytes, &bytes->size, err);
    stf_store_file_close(&file);
    return kind == STF_NOT_FOUND ? STF_OK : kind;
}

/* "SYSTEM.LOG1", or "SYSTEM.log1" as it may be on a file system of ours. */
static enum stf_kind read_log(const char *path, int number, struct stf_regf_bytes *log, struct stf_err *err)
{
    static const char *const endings[] = {"LOG", "log"};
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; i < 2 && kind == STF_OK && log->bytes == NULL; i++) {
        char *name;
        if (asprintf(&name, "%s.%s%d", path, endings[i], number) < 0)
            return no_memory(err);
        kind = read_file(name, log, err);
        free(name);
    }
    return kind;
}

/* The hive's bytes as Windows would have them after loading it. */
static enum stf_kind replay(struct hive *hive, struct stf_regf_bytes *bytes, struct stf_err *err)
{
    struct stf_regf_bytes logs[STF_REGF_LOG_COUNT] = {{0}};
    enum stf_kind kind = stf_store_file_read(&hive->file, &bytes->bytes, &bytes->size, err);

    for (int i = 0; i < STF_REGF_LOG_COUNT && kind == STF_OK; i++)
        kind = read_log(hive->file.path, i + 1, &logs[i], err);
    if (kind == STF_OK)
        kind = stf_regf_replay(bytes, logs, hive->file.path, err);
    for (int i = 0; i < STF_REGF_LOG_COUNT; i++)
        free(logs[i].bytes);
    return kind;
}

static enum stf_kind check_base(const uint8_t *base, uint64_t size, const char *path, struct stf_err *err)
{
    enum stf_kind kind = stf_regf_check_format(base, path, err);

    if (kind == STF_OK)
        kind = stf_regf_check_clean(base, path, err);
    return kind == STF_OK ? stf_regf_check_size(base, size, path, err) : kind;
}

static enum stf_kind open_replayed(struct hive *hive, struct stf_err *err)
{
    struct stf_regf_bytes bytes = {0};
    enum stf_kind kind = replay(hive, &bytes, err);

    if (kind == STF_OK)
        kind = check_base(bytes.bytes, bytes.size, hive->file.path, err);
    if (kind != STF_OK) {
        free(bytes.bytes);
        return kind;
    }
    return stf_regf_image_init_whole(&hive->image, bytes.bytes, hive->file.path, err);
}

static enum stf_kind open_image(struct hive *hive, bool may_replay, struct stf_err *err)
{
    uint64_t size = (uint64_t)hive->file.status.st_size;
    uint8_t base[STF_REGF_BASE_SIZE];
    enum stf_kind kind;

    if (size < STF_REGF_BASE_SIZE) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", hive->file.path, "%s is too short for a registry hive",
                           hive->file.path);
    }
    kind = read_at(hive, 0, base, sizeof(base), err);
    if (kind == STF_OK && may_replay && stf_regf_is_dirty(base))
        return open_replayed(hive, err);
    if (kind == STF_OK)
        kind = check_base(base, size, hive->file.path, err);
    return kind == STF_OK ? stf_regf_image_init(&hive->image, base, read_at, hive, hive->file.path, err) : kind;
}

static void hive_close(void *store)
{
    struct hive *hive = store;

    stf_regf_image_fini(&hive->image);
    stf_hivetree_fini(&hive->tree);
    stf_store_file_close(&hive->file);
    free(hive);
}

static enum stf_kind hive_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                               struct stf_err *err)
{
    struct hive *hive = calloc(1, sizeof(*hive));
    struct stf_regf_key root;
    enum stf_kind kind;

    if (hive == NULL)
        return no_memory(err);
    hive->is_writer = mode == STF_REGISTRY_WRITE;
    kind = stf_store_file_open(&hive->file, place->path, what, hive->is_writer, err);
    if (kind == STF_OK)
        kind = open_image(hive, place->is_replaying_logs, err);
    if (kind == STF_OK && hive->is_writer) {
        kind = stf_hivetree_init_from(&hive->tree, &hive->image, err);
        stf_regf_image_fini(&hive->image);
    } else if (kind == STF_OK) {
        kind = stf_regf_root(&hive->image, &root, err);
    }
    if (kind != STF_OK) {
        hive_close(hive);
        return kind;
    }
    *store = hive;
    return STF_OK;
}

/* ---- writing ---- */

static enum stf_kind hive_commit(void *store, struct stf_err *err)
{
    struct hive *hive = store;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_regf_write(&hive->tree, &bytes, &size, err);

    if (kind == STF_OK)
        kind = stf_store_file_replace(&hive->file, bytes, size, err);
    free(bytes);
    return kind;
}

enum stf_kind stf_hive_create(const char *path, struct stf_err *err)
{
    struct stf_hivetree tree;
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum stf_kind kind = stf_hivetree_init(&tree, stf_regf_filetime((int64_t)time(NULL)), err);

    if (kind == STF_OK)
        kind = stf_regf_write(&tree, &bytes, &size, err);
    if (kind == STF_OK)
        kind = stf_store_file_create(path, what, bytes, size, err);
    free(bytes);
    stf_hivetree_fini(&tree);
    return kind;
}

enum stf_kind stf_hive_replay(const char *path, bool *was_dirty, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path, .is_replaying_logs = true};
    uint8_t base[STF_REGF_BASE_SIZE];
    void *store;
    enum stf_kind kind = hive_open(&place, STF_REGISTRY_WRITE, &store, err);

    if (kind != STF_OK)
        return kind;
    kind = read_at(store, 0, base, sizeof(base), err);
    if (kind == STF_OK) {
        *was_dirty = stf_regf_is_dirty(base);
        kind = *was_dirty ? hive_commit(store, err) : STF_OK;
    }
    hive_close(store);
    return kind;
}

/* ---- keys and values: a reader's nodes are offsets in the file, a writer's are keys of the tree ---- */

static stf_registry_node hive_root(void *store)
{
    struct hive *hive = store;

    return hive->is_writer ? (stf_registry_node)hive->tree.root : stf_regf_u32(hive->image.bytes + STF_REGF_AT_ROOT);
}

static struct stf_regf_key image_key(const struct hive *hive, stf_registry_node node)
{
    return stf_regf_key_known(&hive->image, (uint32_t)node);
}

static enum stf_kind image_subkeys(struct hive *hive, stf_registry_node node, struct stf_registry_subkeys *out,
                                   struct stf_err *err)
{
    struct stf_regf_key key = image_key(hive, node);
    struct stf_regf_offsets offsets;
    enum stf_kind kind = stf_regf_subkeys(&hive->image, &key, &offsets, err);

    for (size_t i = 0; i < offsets.count && kind == STF_OK; i++) {
        struct stf_regf_key subkey = stf_regf_key_known(&hive->image, offsets.items[i]);
        char *name = NULL;
        kind = stf_regf_key_name(&subkey, &name, err);
        if (kind == STF_OK)
            kind = stf_registry_subkeys_add(out, name, subkey.offset, err);
        if (kind != STF_OK)
            free(name);
    }
    free(offsets.items);
    return kind;
}

static enum stf_kind hive_subkeys(void *store, stf_registry_node key, struct stf_registry_subkeys *out,
                                  struct stf_err *err)
{
    struct hive *hive = store;
    enum stf_kind kind;

    if (hive->is_writer)
        return stf_keytree_subkeys(store, key, out, err);
    *out = (struct stf_registry_subkeys){0};
    kind = image_subkeys(hive, key, out, err);
    if (kind != STF_OK)
        stf_registry_subkeys_fini(out);
    return kind;
}

static enum stf_kind image_values(struct hive *hive, stf_registry_node node, struct stf_registry_values *out,
                                  struct stf_err *err)
{
    struct stf_regf_key key = image_key(hive, node);
    struct stf_regf_offsets offsets;
    enum stf_kind kind = stf_regf_values(&hive->image, &key, &offsets, err);

    for (size_t i = 0; i < offsets.count && kind == STF_OK; i++) {
        struct stf_registry_value value;
        kind = stf_regf_value(&hive->image, offsets.items[i], &value, err);
        if (kind == STF_OK) {
            kind = stf_registry_values_add(out, &value, err);
            stf_registry_value_fini(&value);
        }
    }
    free(offsets.items);
    return kind;
}

static enum stf_kind hive_values(void *store, stf_registry_node key, struct stf_registry_values *out,
                                 struct stf_err *err)
{
    struct hive *hive = store;
    enum stf_kind kind;

    if (hive->is_writer)
        return stf_keytree_values(store, key, out, err);
    *out = (struct stf_registry_values){0};
    kind = image_values(hive, key, out, err);
    if (kind != STF_OK)
        stf_registry_values_fini(out);
    return kind;
}

static enum stf_kind hive_find_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                   char **spelling, struct stf_err *err)
{
    struct hive *hive = store;
    struct stf_regf_key above;
    struct stf_regf_key found;
    char *stored = NULL;
    enum stf_kind kind;

    if (hive->is_writer)
        return stf_keytree_lookup_key(store, parent, name, key, spelling, err);
    above = image_key(hive, parent);
    kind = stf_regf_find_subkey(&hive->image, &above, name, &found, err);
    if (kind == STF_OK && spelling != NULL) {
        kind = stf_regf_key_name(&found, &stored, err);
        if (kind == STF_OK) {
            free(*spelling);
            *spelling = stored;
        }
    }
    if (kind == STF_OK)
        *key = found.offset;
    return kind;
}

static enum stf_kind hive_find_value(void *store, stf_registry_node node, const char *name,
                                     struct stf_registry_value *value, struct stf_err *err)
{
    struct hive *hive = store;
    struct stf_regf_key key;

    if (hive->is_writer)
        return stf_keytree_lookup_value(store, node, name, value, err);
    key = image_key(hive, node);
    return stf_regf_find_value(&hive->image, &key, name, value, err);
}

/* A new key has the security descriptor of the key above it. */
static enum stf_kind hive_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *node,
                                     struct stf_err *err)
{
    struct stf_keytree_key *above = (struct stf_keytree_key *)parent;
    struct stf_hivetree_extras extras = {
        .security = stf_hivetree_extras_of(above)->security,
        .written = stf_regf_filetime((int64_t)time(NULL)),
    };
    enum stf_kind kind = stf_keytree_create_key(store, parent, name, node, err);

    if (kind == STF_OK) {
        struct stf_keytree_key *key = (struct stf_keytree_key *)*node;
        kind = stf_hivetree_attach(key, &extras, NULL, 0, err);
        if (kind != STF_OK)
            stf_keytree_key_free(key);
    }
    return kind;
}

/* What both kinds of node say of a key. The security descriptor is the key's own only when it differs from the one
 * above. */
struct extras {
    uint32_t flags;
    uint32_t access;
    uint64_t written;
    const uint8_t *class_name;
    size_t class_size;
    const uint8_t *security;
    size_t security_size;
    const uint8_t *above;
    size_t above_size;
};

static void tree_extras(const struct stf_keytree_key *key, struct extras *extras)
{
    const struct stf_hivetree_extras *own = stf_hivetree_extras_of(key);
    const struct stf_hivetree_security *above = stf_hivetree_extras_of(key->parent)->security;

    *extras = (struct extras){
        .flags = own->flags | (uint32_t)own->control << 16,
        .access = own->access,
        .written = own->written,
        .class_name = own->class_name,
        .class_size = own->class_size,
    };
    if (own->security != NULL) {
        extras->security = own->security->bytes;
        extras->security_size = own->security->size;
    }
    if (above != NULL) {
        extras->above = above->bytes;
        extras->above_size = above->size;
    }
}

static enum stf_kind image_extras(struct hive *hive, stf_registry_node node, struct extras *extras, struct stf_err *err)
{
    struct stf_regf_key key = image_key(hive, node);
    struct stf_regf_key above = image_key(hive, stf_regf_u32(key.record + STF_REGF_NK_PARENT));
    enum stf_kind kind;

    *extras = (struct extras){
        .flags = (stf_regf_u16(key.record + STF_REGF_NK_FLAGS) & ~(uint32_t)STF_REGF_KEY_LATIN1) |
                 stf_regf_u16(key.record + STF_REGF_NK_CONTROL) << 16,
        .access = stf_regf_u32(key.record + STF_REGF_NK_ACCESS),
        .written = stf_regf_u64(key.record + STF_REGF_NK_WRITTEN),
    };
    kind = stf_regf_class(&hive->image, &key, &extras->class_name, &extras->class_size, err);
    if (kind == STF_OK)
        kind = stf_regf_security(&hive->image, &key, &extras->security, &extras->security_size, err);
    return kind == STF_OK ? stf_regf_security(&hive->image, &above, &extras->above, &extras->above_size, err) : kind;
}

static bool copy_bytes(const uint8_t *bytes, size_t size, uint8_t **copy, size_t *copy_size)
{
    *copy = malloc(size + 1);
    *copy_size = size;
    if (*copy != NULL && size > 0)
        memcpy(*copy, bytes, size);
    return *copy != NULL;
}

static enum stf_kind hive_read_extras(void *store, stf_registry_node node, struct stf_registry_extras *out,
                                      struct stf_err *err)
{
    struct hive *hive = store;
    struct extras extras;
    bool is_own;
    enum stf_kind kind = STF_OK;

    *out = (struct stf_registry_extras){0};
    if (node == hive_root(store))
        return STF_OK;
    if (hive->is_writer)
        tree_extras((const struct stf_keytree_key *)node, &extras);
    else
        kind = image_extras(hive, node, &extras, err);
    if (kind != STF_OK)
        return kind;
    out->flags = extras.flags;
    out->access = extras.access;
    out->written = extras.written;
    is_own = extras.security_size > 0 && (extras.security_size != extras.above_size ||
                                          memcmp(extras.security, extras.above, extras.above_size) != 0);
    if ((is_own && !copy_bytes(extras.security, extras.security_size, &out->security, &out->security_size)) ||
        (extras.class_size > 0 &&
         !copy_bytes(extras.class_name, extras.class_size, &out->class_name, &out->class_size))) {
        stf_registry_extras_fini(out);
        return no_memory(err);
    }
    return STF_OK;
}

static enum stf_kind hive_write_extras(void *store, stf_registry_node node, const struct stf_registry_extras *extras,
                                       struct stf_err *err)
{
    struct hive *hive = store;
    struct stf_keytree_key *key = (struct stf_keytree_key *)node;
    struct stf_hivetree_extras own = *stf_hivetree_extras_of(key);

    if (extras->class_size > UINT16_MAX) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "write", hive->file.path,
                           "the class name of the key %s has %zu bytes; a hive holds at most %d", key->item.name,
                           extras->class_size, UINT16_MAX);
    }
    own.flags = (uint16_t)(extras->flags & ~(uint32_t)(STF_REGF_KEY_IS_ROOT | STF_REGF_KEY_LATIN1));
    own.control = (uint16_t)(extras->flags >> 16);
    own.access = extras->access;
    own.written = extras->written != 0 ? extras->written : own.written;
    own.security = stf_hivetree_extras_of(key->parent)->security;
    if (extras->security != NULL) {
        own.security = stf_hivetree_intern(&hive->tree, extras->security, extras->security_size);
        if (own.security == NULL)
            return no_memory(err);
    }
    return stf_hivetree_attach(key, &own, extras->class_name, extras->class_size, err);
}

static enum stf_kind hive_edit_values(void *store, stf_registry_node key, const struct stf_registry_edit *edit,
                                      struct stf_err *err)
{
    struct hive *hive = store;
    size_t most = stf_regf_data_max(&hive->tree);

    for (size_t i = 0; i < edit->set_count; i++) {
        if (edit->set[i].size > most) {
            return stf_err_set(err, STF_UNSUPPORTED, 0, "set", hive->file.path,
                               "the value %s has %zu bytes; a hive of version 1.%u holds at most %zu in one value",
                               edit->set[i].name, edit->set[i].size, stf_regf_u32(hive->tree.base + STF_REGF_AT_MINOR),
                               most);
        }
    }
    return stf_keytree_edit_values(store, key, edit, err);
}

const struct stf_registry_backend stf_registry_backend_hive = {
    .name = "hive",
    .open = hive_open,
    .close = hive_close,
    .commit = hive_commit,
    .root = hive_root,
    .subkeys = hive_subkeys,
    .values = hive_values,
    .find_key = hive_find_key,
    .find_value = hive_find_value,
    .create_key = hive_create_key,
    .delete_key = stf_keytree_delete_key,
    .edit_values = hive_edit_values,
    .read_extras = hive_read_extras,
    .write_extras = hive_write_extras,
    .sets_times = true,
    .limits =
        "keeps values, keys' class names, security descriptors, flags and times; a change is a whole new file; no "
        "layers of containers, no logs from before Windows 8.1; values up to 1 GiB, 2 GiB in all",
};
