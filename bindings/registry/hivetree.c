/* hivetree.c - reads the image of a hive into memory, key by key. Must refuse what a whole new file could not hold.
 * SPDX-License-Identifier: MIT */
#include "registry/hivetree.h"

#include <stdlib.h>
#include <string.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "hive", NULL, "memory is out");
}

/* ---- security descriptors ---- */

static uint32_t hash_bytes(const uint8_t *bytes, size_t size)
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static bool grow_buckets(struct stf_hivetree *tree)
{
    size_t count = tree->bucket_count > 0 ? 2 * tree->bucket_count : 64;
    struct stf_hivetree_security **buckets;

    if (tree->security_count < tree->bucket_count)
        return true;
    buckets = calloc(count, sizeof(*buckets));
    if (buckets == NULL)
        return false;
    for (size_t i = 0; i < tree->bucket_count; i++) {
        struct stf_hivetree_security *next;
        for (struct stf_hivetree_security *each = tree->buckets[i]; each != NULL; each = next) {
            next = each->next;
            each->next = buckets[each->hash & (count - 1)];
            buckets[each->hash & (count - 1)] = each;
        }
    }
    free(tree->buckets);
    tree->buckets = buckets;
    tree->bucket_count = count;
    return true;
}

struct stf_hivetree_security *stf_hivetree_intern(struct stf_hivetree *tree, const uint8_t *bytes, size_t size)
{
    uint32_t hash = hash_bytes(bytes, size);
    struct stf_hivetree_security *security;

    if (!grow_buckets(tree))
        return NULL;
    for (security = tree->buckets[hash & (tree->bucket_count - 1)]; security != NULL; security = security->next)
        if (security->hash == hash && security->size == size && memcmp(security->bytes, bytes, size) == 0)
            return security;
    security = malloc(sizeof(*security) + size);
    if (security != NULL) {
        *security = (struct stf_hivetree_security){
            .next = tree->buckets[hash & (tree->bucket_count - 1)], .hash = hash, .size = size};
        memcpy(security->bytes, bytes, size);
        tree->buckets[hash & (tree->bucket_count - 1)] = security;
        tree->security_count++;
    }
    return security;
}

/* ---- keys ---- */

enum stf_kind stf_hivetree_attach(struct stf_keytree_key *key, const struct stf_hivetree_extras *extras,
                                  const uint8_t *class_name, size_t class_size, struct stf_err *err)
{
    struct stf_hivetree_extras *own = stf_arena_alloc(key->arena, sizeof(*own) + class_size);

    if (own == NULL)
        return no_memory(err);
    *own = *extras;
    own->class_size = (uint16_t)class_size;
    if (class_size > 0)
        memcpy(own->class_name, class_name, class_size);
    key->attachment = own;
    return STF_OK;
}

/* A hive on its way into memory. */
struct reading {
    struct stf_hivetree *tree;
    struct stf_regf_image *image;
    struct stf_hivetree_security **by_cell; /* for each 8 bytes of the bins: many keys name one descriptor */
};

static enum stf_kind read_security(struct reading *reading, const struct stf_regf_key *from,
                                   struct stf_hivetree_security **security, struct stf_err *err)
{
    struct stf_hivetree_security **known;
    const uint8_t *bytes;
    size_t size;
    enum stf_kind kind = stf_regf_security(reading->image, from, &bytes, &size, err);

    *security = NULL;
    if (kind != STF_OK || bytes == NULL)
        return kind;
    known = &reading->by_cell[stf_regf_u32(from->record + STF_REGF_NK_SECURITY) / 8];
    if (*known == NULL)
        *known = stf_hivetree_intern(reading->tree, bytes, size);
    *security = *known;
    return *security != NULL ? STF_OK : no_memory(err);
}

static enum stf_kind read_extras(struct reading *reading, const struct stf_regf_key *from, struct stf_keytree_key *key,
                                 struct stf_err *err)
{
    struct stf_hivetree_extras extras = {
        .written = stf_regf_u64(from->record + STF_REGF_NK_WRITTEN),
        .access = stf_regf_u32(from->record + STF_REGF_NK_ACCESS),
        .flags = (uint16_t)(stf_regf_u16(from->record + STF_REGF_NK_FLAGS) & ~(unsigned)STF_REGF_KEY_LATIN1),
        .control = (uint16_t)stf_regf_u16(from->record + STF_REGF_NK_CONTROL),
    };
    const uint8_t *bytes;
    size_t size;
    enum stf_kind kind = read_security(reading, from, &extras.security, err);

    if (kind == STF_OK)
        kind = stf_regf_class(reading->image, from, &bytes, &size, err);
    return kind == STF_OK ? stf_hivetree_attach(key, &extras, bytes, size, err) : kind;
}

static enum stf_kind twice(const struct stf_regf_image *image, const char *what, const char *name, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "open", image->path,
                       "the hive %s is damaged: a key has two %s of the name %s; restore it from a backup", image->path,
                       what, name);
}

static enum stf_kind read_values(struct stf_regf_image *image, const struct stf_regf_key *from,
                                 struct stf_keytree_key *key, struct stf_err *err)
{
    struct stf_regf_offsets offsets;
    enum stf_kind kind = stf_regf_values(image, from, &offsets, err);

    for (size_t i = 0; i < offsets.count && kind == STF_OK; i++) {
        struct stf_registry_value value;
        kind = stf_regf_value(image, offsets.items[i], &value, err);
        if (kind == STF_OK && stf_keytree_find_value(key, value.name) != NULL)
            kind = twice(image, "values", value.name, err);
        if (kind == STF_OK && !stf_keytree_set(key, value.name, value.type, value.data, value.size))
            kind = no_memory(err);
        stf_registry_value_fini(&value);
    }
    free(offsets.items);
    return kind;
}

static enum stf_kind read_key(struct reading *reading, const struct stf_regf_key *from, struct stf_keytree_key *key,
                              size_t depth, struct stf_err *err)
{
    struct stf_regf_image *image = reading->image;
    struct stf_regf_offsets offsets = {0};
    enum stf_kind kind = depth <= STF_REGISTRY_DEPTH_MAX
                             ? read_extras(reading, from, key, err)
                             : stf_regf_damaged(image, from->offset, "the tree is deeper than a registry can be", err);

    if (kind == STF_OK)
        kind = read_values(image, from, key, err);
    if (kind == STF_OK)
        kind = stf_regf_subkeys(image, from, &offsets, err);
    for (size_t i = 0; i < offsets.count && kind == STF_OK; i++) {
        struct stf_regf_key subkey = stf_regf_key_known(image, offsets.items[i]);
        struct stf_keytree_key *made = NULL;
        char *name = NULL;
        kind = stf_regf_key_name(&subkey, &name, err);
        if (kind == STF_OK && stf_keytree_find_key(key, name) != NULL)
            kind = twice(image, "subkeys", name, err);
        if (kind == STF_OK) {
            made = stf_keytree_key_new(key, name);
            kind = made != NULL ? read_key(reading, &subkey, made, depth + 1, err) : no_memory(err);
        }
        free(name);
    }
    free(offsets.items);
    return kind;
}

enum stf_kind stf_hivetree_init_from(struct stf_hivetree *tree, struct stf_regf_image *image, struct stf_err *err)
{
    struct reading reading = {.tree = tree, .image = image};
    struct stf_regf_key root;
    char *name = NULL;
    enum stf_kind kind;

    *tree = (struct stf_hivetree){0};
    memcpy(tree->base, image->bytes, STF_REGF_BASE_SIZE);
    kind = stf_regf_image_check(image, err);
    if (kind == STF_OK)
        kind = stf_regf_root(image, &root, err);
    if (kind == STF_OK)
        kind = stf_regf_key_name(&root, &name, err);
    if (kind == STF_OK) {
        tree->root = stf_keytree_key_new(NULL, name);
        reading.by_cell = calloc(image->bins_size / 8, sizeof(reading.by_cell[0]));
        kind = tree->root != NULL && reading.by_cell != NULL ? read_key(&reading, &root, tree->root, 0, err)
                                                             : no_memory(err);
    }
    free(reading.by_cell);
    free(name);
    return kind;
}

enum stf_kind stf_hivetree_init(struct stf_hivetree *tree, uint64_t filetime, struct stf_err *err)
{
    uint8_t descriptor[STF_REGF_DEFAULT_SECURITY_MAX];
    struct stf_hivetree_extras extras = {.written = filetime, .flags = STF_REGF_KEY_IS_ROOT | STF_REGF_KEY_NO_DELETE};

    *tree = (struct stf_hivetree){0};
    stf_regf_make_base(tree->base, filetime);
    tree->root = stf_keytree_key_new(NULL, "ROOT");
    extras.security = stf_hivetree_intern(tree, descriptor, stf_regf_make_security(descriptor));
    if (tree->root == NULL || extras.security == NULL)
        return no_memory(err);
    return stf_hivetree_attach(tree->root, &extras, NULL, 0, err);
}

void stf_hivetree_fini(struct stf_hivetree *tree)
{
    stf_keytree_key_free(tree->root);
    for (size_t i = 0; i < tree->bucket_count; i++) {
        struct stf_hivetree_security *next;
        for (struct stf_hivetree_security *each = tree->buckets[i]; each != NULL; each = next) {
            next = each->next;
            free(each);
        }
    }
    free(tree->buckets);
    *tree = (struct stf_hivetree){0};
}
