/* keytree.c - keys and values in memory, each list with a hash of its names once it has some. Must stay linear: no call
 * may walk a list to find one thing in it. SPDX-License-Identifier: MIT */
#include "registry/keytree.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 4, HASHED_FROM = 8 /* shorter lists are searched */ };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "tree", NULL, "memory is out");
}

/* ---- lists ---- */

static bool is_named(const struct stf_keytree_item *item, const char *name, uint32_t hash)
{
    return item->hash == hash && (strcmp(item->name, name) == 0 || stf_registry_name_compare(item->name, name) == 0);
}

static struct stf_keytree_item *find_hashed(const struct stf_keytree_list *list, const char *name, uint32_t hash)
{
    struct stf_keytree_item *item;

    if (list->bucket_count > 0) {
        item = list->buckets[hash & (list->bucket_count - 1)];
        while (item != NULL && !is_named(item, name, hash))
            item = item->next;
        return item;
    }
    for (size_t i = 0; i < list->count; i++) {
        item = list->items[i];
        if (is_named(item, name, hash))
            return item;
    }
    return NULL;
}

static struct stf_keytree_item *list_find(const struct stf_keytree_list *list, const char *name)
{
    return list->count > 0 ? find_hashed(list, name, stf_registry_name_hash(name)) : NULL;
}

static void put_in_bucket(struct stf_keytree_list *list, struct stf_keytree_item *item)
{
    struct stf_keytree_item **bucket = &list->buckets[item->hash & (list->bucket_count - 1)];

    item->next = *bucket;
    *bucket = item;
}

/* Room for so many more, in the array and in the buckets. */
static bool list_reserve(struct stf_keytree_list *list, struct stf_arena *arena, size_t more)
{
    size_t room = list->room > 0 ? list->room : ROOM_MIN;
    struct stf_keytree_item **items;
    struct stf_keytree_item **buckets;

    if (list->count + more <= list->room)
        return true;
    while (room < list->count + more)
        room *= 2;
    items = stf_arena_alloc(arena, room * sizeof(*items));
    if (items == NULL)
        return false;
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof(*items));
    list->items = items;
    if (room > HASHED_FROM) {
        buckets = stf_arena_alloc(arena, room * sizeof(*buckets));
        if (buckets == NULL)
            return false;
        memset(buckets, 0, room * sizeof(*buckets));
        list->buckets = buckets;
        list->bucket_count = room;
        for (size_t i = 0; i < list->count; i++)
            put_in_bucket(list, items[i]);
    }
    list->room = room;
    return true;
}

/* The item has its name and its hash. */
static bool list_add(struct stf_keytree_list *list, struct stf_arena *arena, struct stf_keytree_item *item)
{
    if (!list_reserve(list, arena, 1))
        return false;
    item->position = list->count;
    list->items[list->count++] = item;
    if (list->bucket_count > 0)
        put_in_bucket(list, item);
    return true;
}

static void list_remove(struct stf_keytree_list *list, struct stf_keytree_item *item)
{
    struct stf_keytree_item *last = list->items[--list->count];

    if (list->bucket_count > 0) {
        struct stf_keytree_item **link = &list->buckets[item->hash & (list->bucket_count - 1)];
        while (*link != item)
            link = &(*link)->next;
        *link = item->next;
    }
    list->items[item->position] = last;
    last->position = item->position;
}

/* ---- keys and values ---- */

void stf_keytree_unset_all(struct stf_keytree_key *key)
{
    key->values = (struct stf_keytree_list){0};
}

/* A root, and behind it what all of its tree is in. */
struct tree {
    struct stf_keytree_key root;
    struct stf_arena arena;
};

void stf_keytree_key_free(struct stf_keytree_key *key)
{
    if (key != NULL && key->parent != NULL) {
        list_remove(&key->parent->keys, &key->item);
    } else if (key != NULL) {
        stf_arena_fini(key->arena);
        free(key);
    }
}

static struct stf_keytree_key *new_root(void)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree == NULL)
        return NULL;
    tree->root.arena = &tree->arena;
    return &tree->root;
}

static struct stf_keytree_key *new_subkey(struct stf_keytree_key *parent)
{
    struct stf_keytree_key *key = stf_arena_alloc(parent->arena, sizeof(*key));

    if (key != NULL)
        *key = (struct stf_keytree_key){.arena = parent->arena};
    return key;
}

bool stf_keytree_respell(struct stf_keytree_key *key, const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = stf_arena_alloc(key->arena, size);

    if (copy != NULL)
        key->item.name = memcpy(copy, name, size);
    return copy != NULL;
}

struct stf_keytree_key *stf_keytree_key_new(struct stf_keytree_key *parent, const char *name)
{
    struct stf_keytree_key *key = parent != NULL ? new_subkey(parent) : new_root();

    if (key == NULL)
        return NULL;
    key->item.hash = stf_registry_name_hash(name);
    if (!stf_keytree_respell(key, name) || (parent != NULL && !list_add(&parent->keys, parent->arena, &key->item))) {
        if (parent == NULL)
            stf_keytree_key_free(key);
        return NULL;
    }
    key->parent = parent;
    return key;
}

struct stf_keytree_key *stf_keytree_find_key(const struct stf_keytree_key *parent, const char *name)
{
    return (struct stf_keytree_key *)list_find(&parent->keys, name);
}

struct stf_keytree_value *stf_keytree_find_value(const struct stf_keytree_key *key, const char *name)
{
    return (struct stf_keytree_value *)list_find(&key->values, name);
}

void stf_keytree_unset(struct stf_keytree_key *key, const char *name)
{
    struct stf_keytree_value *value = stf_keytree_find_value(key, name);

    if (value != NULL)
        list_remove(&key->values, &value->item);
}

bool stf_keytree_set(struct stf_keytree_key *key, const char *name, uint32_t type, const uint8_t *data, size_t size)
{
    uint32_t hash = stf_registry_name_hash(name);
    struct stf_keytree_item *old = find_hashed(&key->values, name, hash);
    size_t name_size = strlen(name) + 1;
    struct stf_keytree_value *value = stf_arena_alloc(key->arena, sizeof(*value) + name_size + size);

    if (value == NULL)
        return false;
    *value =
        (struct stf_keytree_value){.item = {.name = (char *)(value + 1), .hash = hash}, .type = type, .size = size};
    memcpy(value->item.name, name, name_size);
    if (data != NULL) {
        value->data = (uint8_t *)value->item.name + name_size;
        memcpy(value->data, data, size);
    }
    if (old != NULL)
        list_remove(&key->values, old);
    return list_add(&key->values, key->arena, &value->item);
}

/* What was copied before a failure hangs below `to`. */
static bool copy_into(struct stf_keytree_key *to, const struct stf_keytree_key *from)
{
    bool is_whole = true;

    for (size_t i = 0; i < from->values.count && is_whole; i++) {
        const struct stf_keytree_value *value = stf_keytree_value_at(from, i);
        is_whole = stf_keytree_set(to, value->item.name, value->type, value->data, value->size);
    }
    for (size_t i = 0; i < from->keys.count && is_whole; i++) {
        const struct stf_keytree_key *subkey = stf_keytree_key_at(from, i);
        struct stf_keytree_key *copy = stf_keytree_key_new(to, subkey->item.name);
        is_whole = copy != NULL && copy_into(copy, subkey);
    }
    return is_whole;
}

struct stf_keytree_key *stf_keytree_copy(const struct stf_keytree_key *from)
{
    struct stf_keytree_key *copy = stf_keytree_key_new(NULL, from->item.name);

    if (copy != NULL && !copy_into(copy, from)) {
        stf_keytree_key_free(copy);
        copy = NULL;
    }
    return copy;
}

/* ---- as a backend ---- */

enum stf_kind stf_keytree_subkeys(void *store, stf_registry_node node, struct stf_registry_subkeys *out,
                                  struct stf_err *err)
{
    const struct stf_keytree_key *key = (const struct stf_keytree_key *)node;
    enum stf_kind kind = STF_OK;

    (void)store;
    *out = (struct stf_registry_subkeys){0};
    for (size_t i = 0; i < key->keys.count && kind == STF_OK; i++) {
        struct stf_keytree_key *subkey = stf_keytree_key_at(key, i);
        char *name = strdup(subkey->item.name);
        kind = name != NULL ? stf_registry_subkeys_add(out, name, (stf_registry_node)subkey, err) : no_memory(err);
        if (kind != STF_OK)
            free(name);
    }
    if (kind != STF_OK)
        stf_registry_subkeys_fini(out);
    return kind;
}

enum stf_kind stf_keytree_values(void *store, stf_registry_node node, struct stf_registry_values *out,
                                 struct stf_err *err)
{
    const struct stf_keytree_key *key = (const struct stf_keytree_key *)node;
    enum stf_kind kind = STF_OK;

    (void)store;
    *out = (struct stf_registry_values){0};
    for (size_t i = 0; i < key->values.count && kind == STF_OK; i++) {
        const struct stf_keytree_value *from = stf_keytree_value_at(key, i);
        struct stf_registry_value value;
        kind = stf_registry_value_init(&value, from->item.name, from->type, from->data, from->size, err);
        if (kind == STF_OK) {
            kind = stf_registry_values_add(out, &value, err);
            stf_registry_value_fini(&value);
        }
    }
    if (kind != STF_OK)
        stf_registry_values_fini(out);
    return kind;
}

enum stf_kind stf_keytree_lookup_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                     char **spelling, struct stf_err *err)
{
    struct stf_keytree_key *found = stf_keytree_find_key((const struct stf_keytree_key *)parent, name);
    char *copy;

    (void)store;
    if (found == NULL)
        return STF_NOT_FOUND;
    *key = (stf_registry_node)found;
    if (spelling != NULL) {
        copy = strdup(found->item.name);
        if (copy == NULL)
            return no_memory(err);
        free(*spelling);
        *spelling = copy;
    }
    return STF_OK;
}

enum stf_kind stf_keytree_lookup_value(void *store, stf_registry_node node, const char *name,
                                       struct stf_registry_value *value, struct stf_err *err)
{
    const struct stf_keytree_value *found = stf_keytree_find_value((const struct stf_keytree_key *)node, name);

    (void)store;
    return found != NULL ? stf_registry_value_init(value, found->item.name, found->type, found->data, found->size, err)
                         : STF_NOT_FOUND;
}

enum stf_kind stf_keytree_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *node,
                                     struct stf_err *err)
{
    struct stf_keytree_key *key = stf_keytree_key_new((struct stf_keytree_key *)parent, name);

    (void)store;
    *node = (stf_registry_node)key;
    return key != NULL ? STF_OK : no_memory(err);
}

enum stf_kind stf_keytree_delete_key(void *store, stf_registry_node node, struct stf_err *err)
{
    (void)store;
    (void)err;
    stf_keytree_key_free((struct stf_keytree_key *)node);
    return STF_OK;
}

enum stf_kind stf_keytree_edit_values(void *store, stf_registry_node node, const struct stf_registry_edit *edit,
                                      struct stf_err *err)
{
    struct stf_keytree_key *key = (struct stf_keytree_key *)node;

    (void)store;
    for (size_t i = 0; i < edit->gone_count; i++)
        stf_keytree_unset(key, edit->gone[i]);
    if (!list_reserve(&key->values, key->arena, edit->set_count))
        return no_memory(err);
    for (size_t i = 0; i < edit->set_count; i++) {
        const struct stf_registry_value *value = &edit->set[i];
        if (!stf_keytree_set(key, value->name, value->type, value->data, value->size))
            return no_memory(err);
    }
    return STF_OK;
}
