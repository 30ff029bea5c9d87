/* keytree.c - keys and values in memory, each list with a hash of its names once it has some. Must stay linear: no call
 * may walk a list to find one thing in it. SPDX-License-Identifier: MIT */
#include "registry/keytree.h"

#include <stdlib.h>
#include <string.h>

enum { HASHED_FROM = 8 }; /* shorter lists are searched */

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "tree", NULL, "memory is out");
}

/* ---- lists ---- */

static struct stf_keytree_item *list_find(const struct stf_keytree_list *list, const char *name)
{
    uint32_t hash;
    struct stf_keytree_item *item;

    if (list->count == 0) {
        return NULL;
    }
    hash = stf_registry_name_hash(name);
    if (list->bucket_count > 0) {
        item = list->buckets[hash & (list->bucket_count - 1)];
        while (item != NULL && (item->hash != hash || stf_registry_name_compare(item->name, name) != 0)) {
            item = item->next;
        }
        return item;
    }
    for (size_t i = 0; i < list->count; i++) {
        item = list->items[i];
        if (item->hash == hash && stf_registry_name_compare(item->name, name) == 0) {
            return item;
        }
    }
    return NULL;
}

static void put_in_bucket(struct stf_keytree_list *list, struct stf_keytree_item *item)
{
    struct stf_keytree_item **bucket = &list->buckets[item->hash & (list->bucket_count - 1)];

    item->next = *bucket;
    *bucket = item;
}

/* Room for one more, in the array and in the buckets. */
static bool list_grow(struct stf_keytree_list *list)
{
    size_t room = list->room > 0 ? 2 * list->room : 2;
    struct stf_keytree_item **items;
    struct stf_keytree_item **buckets;

    if (list->count < list->room) {
        return true;
    }
    items = realloc(list->items, room * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    list->items = items;
    if (room > HASHED_FROM) {
        buckets = calloc(room, sizeof(*buckets));
        if (buckets == NULL) {
            return false;
        }
        free(list->buckets);
        list->buckets = buckets;
        list->bucket_count = room;
        for (size_t i = 0; i < list->count; i++) {
            put_in_bucket(list, items[i]);
        }
    }
    list->room = room;
    return true;
}

static bool list_add(struct stf_keytree_list *list, struct stf_keytree_item *item)
{
    if (!list_grow(list)) {
        return false;
    }
    item->hash = stf_registry_name_hash(item->name);
    item->position = list->count;
    list->items[list->count++] = item;
    if (list->bucket_count > 0) {
        put_in_bucket(list, item);
    }
    return true;
}

static void list_remove(struct stf_keytree_list *list, struct stf_keytree_item *item)
{
    struct stf_keytree_item *last = list->items[--list->count];

    if (list->bucket_count > 0) {
        struct stf_keytree_item **link = &list->buckets[item->hash & (list->bucket_count - 1)];
        while (*link != item) {
            link = &(*link)->next;
        }
        *link = item->next;
    }
    list->items[item->position] = last;
    last->position = item->position;
}

static void list_fini(struct stf_keytree_list *list)
{
    free(list->items);
    free(list->buckets);
    *list = (struct stf_keytree_list){0};
}

/* ---- keys and values ---- */

void stf_keytree_unset_all(struct stf_keytree_key *key)
{
    for (size_t i = 0; i < key->values.count; i++) {
        free(stf_keytree_value_at(key, i));
    }
    list_fini(&key->values);
}

/* Frees the key and what is below, not looking at its parent. */
static void free_tree(struct stf_keytree_key *key)
{
    for (size_t i = 0; i < key->keys.count; i++) {
        free_tree(stf_keytree_key_at(key, i));
    }
    list_fini(&key->keys);
    stf_keytree_unset_all(key);
    free(key->attachment);
    free(key->item.name);
    free(key);
}

void stf_keytree_key_free(struct stf_keytree_key *key)
{
    if (key == NULL) {
        return;
    }
    if (key->parent != NULL) {
        list_remove(&key->parent->keys, &key->item);
    }
    free_tree(key);
}

struct stf_keytree_key *stf_keytree_key_new(struct stf_keytree_key *parent, const char *name)
{
    struct stf_keytree_key *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        return NULL;
    }
    key->item.name = strdup(name);
    if (key->item.name == NULL || (parent != NULL && !list_add(&parent->keys, &key->item))) {
        free_tree(key);
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

    if (value != NULL) {
        list_remove(&key->values, &value->item);
        free(value);
    }
}

bool stf_keytree_set(struct stf_keytree_key *key, const char *name, uint32_t type, const uint8_t *data, size_t size)
{
    struct stf_keytree_value *old = stf_keytree_find_value(key, name);
    size_t name_size = strlen(name) + 1;
    struct stf_keytree_value *value = malloc(sizeof(*value) + name_size + size);

    if (value == NULL) {
        return false;
    }
    *value = (struct stf_keytree_value){.item.name = (char *)(value + 1), .type = type, .size = size};
    memcpy(value->item.name, name, name_size);
    if (data != NULL) {
        value->data = (uint8_t *)value->item.name + name_size;
        memcpy(value->data, data, size);
    }
    if (old != NULL) {
        list_remove(&key->values, &old->item);
        free(old);
    }
    if (!list_add(&key->values, &value->item)) {
        free(value);
        return false;
    }
    return true;
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
        if (kind != STF_OK) {
            free(name);
        }
    }
    if (kind != STF_OK) {
        stf_registry_subkeys_fini(out);
    }
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
    if (kind != STF_OK) {
        stf_registry_values_fini(out);
    }
    return kind;
}

enum stf_kind stf_keytree_lookup_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                     char **spelling, struct stf_err *err)
{
    struct stf_keytree_key *found = stf_keytree_find_key((const struct stf_keytree_key *)parent, name);
    char *copy;

    (void)store;
    if (found == NULL) {
        return STF_NOT_FOUND;
    }
    *key = (stf_registry_node)found;
    if (spelling != NULL) {
        copy = strdup(found->item.name);
        if (copy == NULL) {
            return no_memory(err);
        }
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
    for (size_t i = 0; i < edit->gone_count; i++) {
        stf_keytree_unset(key, edit->gone[i]);
    }
    for (size_t i = 0; i < edit->set_count; i++) {
        const struct stf_registry_value *value = &edit->set[i];
        if (!stf_keytree_set(key, value->name, value->type, value->data, value->size)) {
            return no_memory(err);
        }
    }
    return STF_OK;
}
