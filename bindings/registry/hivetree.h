/* hivetree.h - a whole hive in memory: keys and values by name, and what only hives have: classes, security
 * descriptors, times, flags. What regf_write.c makes a file of. No I/O. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/keytree.h"
#include "registry/regf_read.h"

/* A security descriptor; keys with equal ones share it. */
struct stf_hivetree_security {
    struct stf_hivetree_security *next; /* in its bucket */
    uint32_t hash;
    /* The writer's: how many keys use it, its cell, and the next one in the file. */
    uint32_t users;
    uint32_t cell;
    struct stf_hivetree_security *following;
    size_t size;
    uint8_t bytes[];
};

/* A key's attachment. */
struct stf_hivetree_extras {
    struct stf_hivetree_security *security; /* NULL: none */
    uint64_t written;                       /* 100 ns since 1601 */
    uint32_t access;                        /* as in the key node */
    uint16_t flags;                         /* without the one of the name's form */
    uint16_t control;                       /* for whom Windows virtualizes or reflects the key */
    uint16_t class_size;
    uint8_t class_name[]; /* UTF-16LE */
};

struct stf_hivetree {
    uint8_t base[STF_REGF_BASE_SIZE];
    struct stf_keytree_key *root;
    struct stf_hivetree_security **buckets;
    size_t bucket_count;
    size_t security_count;
};

/* An empty one, its root made at `filetime` with the default security descriptor. Fini it in either case. */
enum stf_kind stf_hivetree_init(struct stf_hivetree *tree, uint64_t filetime, struct stf_err *err);
/* All of an image, which is checked first. STF_INVALID_DATA also when a key has two subkeys or values of one name. */
enum stf_kind stf_hivetree_init_from(struct stf_hivetree *tree, struct stf_regf_image *image, struct stf_err *err);
void stf_hivetree_fini(struct stf_hivetree *tree);

static inline struct stf_hivetree_extras *stf_hivetree_extras_of(const struct stf_keytree_key *key)
{
    return key->attachment;
}

/* The tree's own copy of a descriptor; NULL when memory is out. */
struct stf_hivetree_security *stf_hivetree_intern(struct stf_hivetree *tree, const uint8_t *bytes, size_t size);
/* Gives the key copies of `extras` and of the class; no bytes of it may be the key's own. */
enum stf_kind stf_hivetree_attach(struct stf_keytree_key *key, const struct stf_hivetree_extras *extras,
                                  const uint8_t *class_name, size_t class_size, struct stf_err *err);
