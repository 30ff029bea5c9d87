/* keytree.h - keys and values in memory, found by name in constant time: what the backends that hold whole trees share.
 * Names come checked. No I/O, one thread only. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/arena.h"
#include "registry/store.h"

struct stf_keytree_item;

/* Things of one key that are found by their names: its subkeys, its values. In the order in which they came, but that
 * the last one takes the place of one that goes. */
struct stf_keytree_list {
    struct stf_keytree_item **items;
    size_t count;
    size_t room;
    struct stf_keytree_item **buckets;
    size_t bucket_count; /* 0 or a power of two */
};

/* What a list holds: the first member of a key and of a value. A value's name and data are part of its block. */
struct stf_keytree_item {
    struct stf_keytree_item *next; /* in its bucket */
    size_t position;               /* in its list */
    uint32_t hash;
    char *name;
};

struct stf_keytree_value {
    struct stf_keytree_item item;
    uint32_t type;
    uint8_t *data; /* NULL only where a tree of alterations says that the value goes */
    size_t size;
};

struct stf_keytree_key {
    struct stf_keytree_item item;
    struct stf_keytree_key *parent; /* NULL for a root */
    struct stf_keytree_list keys;
    struct stf_keytree_list values;
    struct stf_arena *arena; /* of the tree: all that belongs to it is in there */
    void *attachment;        /* what a backend keeps with the key, not copied */
    /* Of a tree of alterations (reg_tree.h): first the key that stands is deleted, then one of that name is to stand,
     * and only because one below it is. */
    bool is_reset;
    bool is_wanted;
    bool is_implied;
};

/* A key below `parent`, which has none of that name; a root when that is NULL. NULL when memory is out. Freeing a key
 * takes it out of its parent's list; the memory of what goes is given back with the root. */
struct stf_keytree_key *stf_keytree_key_new(struct stf_keytree_key *parent, const char *name);
void stf_keytree_key_free(struct stf_keytree_key *key);
/* Gives the key another spelling of its name. False when memory is out. */
bool stf_keytree_respell(struct stf_keytree_key *key, const char *name);
/* A root that is equal to `from`; NULL when memory is out. */
struct stf_keytree_key *stf_keytree_copy(const struct stf_keytree_key *from);

/* NULL when there is none of that name, in whatever spelling. */
struct stf_keytree_key *stf_keytree_find_key(const struct stf_keytree_key *parent, const char *name);
struct stf_keytree_value *stf_keytree_find_value(const struct stf_keytree_key *key, const char *name);

static inline struct stf_keytree_key *stf_keytree_key_at(const struct stf_keytree_key *key, size_t i)
{
    return (struct stf_keytree_key *)key->keys.items[i];
}

static inline struct stf_keytree_value *stf_keytree_value_at(const struct stf_keytree_key *key, size_t i)
{
    return (struct stf_keytree_value *)key->values.items[i];
}

/* The value in the form that the backends speak; name and data stay the tree's. */
static inline struct stf_registry_value stf_keytree_borrow(const struct stf_keytree_value *value)
{
    return (struct stf_registry_value){value->item.name, value->type, value->data, value->size};
}

/* Sets the value, spelled as `name`; `data` may be NULL (see above). False when memory is out. */
bool stf_keytree_set(struct stf_keytree_key *key, const char *name, uint32_t type, const uint8_t *data, size_t size);
/* The value is absent afterwards. */
void stf_keytree_unset(struct stf_keytree_key *key, const char *name);
void stf_keytree_unset_all(struct stf_keytree_key *key);

/* A backend's calls, for stores whose nodes are keys of such a tree. */
enum stf_kind stf_keytree_subkeys(void *store, stf_registry_node key, struct stf_registry_subkeys *out,
                                  struct stf_err *err);
enum stf_kind stf_keytree_values(void *store, stf_registry_node key, struct stf_registry_values *out,
                                 struct stf_err *err);
enum stf_kind stf_keytree_lookup_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                     char **spelling, struct stf_err *err);
enum stf_kind stf_keytree_lookup_value(void *store, stf_registry_node key, const char *name,
                                       struct stf_registry_value *value, struct stf_err *err);
enum stf_kind stf_keytree_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                     struct stf_err *err);
enum stf_kind stf_keytree_delete_key(void *store, stf_registry_node key, struct stf_err *err);
enum stf_kind stf_keytree_edit_values(void *store, stf_registry_node key, const struct stf_registry_edit *edit,
                                      struct stf_err *err);
