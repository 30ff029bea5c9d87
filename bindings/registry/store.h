/* store.h - the contract between the registry's API and the backends that keep the trees, and what backends share.
 * Only registry.c, tree.c, patch.c, scope.c and be_*.c include it. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "registry/registry.h"

/* A key inside an open store; valid until it is deleted or the store closed. */
typedef uintptr_t stf_registry_node;

struct stf_registry_subkey {
    char *name;
    stf_registry_node node;
};

struct stf_registry_subkeys {
    struct stf_registry_subkey *items;
    size_t count;
};

struct stf_registry_values {
    struct stf_registry_value *items;
    size_t count;
};

/* One alteration of a key's values: first the names in `gone` are deleted, then the values in `set` are set. One that
 * stands in another spelling is in both, for live registries keep the spelling of a value that is set again. */
struct stf_registry_edit {
    const char *const *gone;
    size_t gone_count;
    const struct stf_registry_value *set;
    size_t set_count;
};

/* What a key has besides names and values, in the stores that keep it; all zero in a key that is made. */
struct stf_registry_extras {
    uint8_t *class_name; /* UTF-16LE; malloc'ed, as is the next */
    size_t class_size;
    uint8_t *security; /* a self-relative descriptor; NULL: that of the key above */
    size_t security_size;
    uint32_t flags; /* these two are the store's own */
    uint32_t access;
    uint64_t written; /* 100 ns since 1601; 0 in writing: as it is */
};
void stf_registry_extras_fini(struct stf_registry_extras *extras);
/* STF_UNSUPPORTED for what a live registry can not give to a key that stands: see its `limits`. */
enum stf_kind stf_registry_extras_check_live(const char *name, const struct stf_registry_extras *have,
                                             const struct stf_registry_extras *want, struct stf_err *err);

/* What a backend does. Names come checked (UTF-8, length), nodes come from the same store. Lists are in any order; on
 * failure they are empty. */
struct stf_registry_backend {
    const char *name;
    enum stf_kind (*open)(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                          struct stf_err *err);
    void (*close)(void *store);
    enum stf_kind (*commit)(void *store, struct stf_err *err);
    stf_registry_node (*root)(void *store);
    enum stf_kind (*subkeys)(void *store, stf_registry_node key, struct stf_registry_subkeys *out, struct stf_err *err);
    enum stf_kind (*values)(void *store, stf_registry_node key, struct stf_registry_values *out, struct stf_err *err);
    /* Optional: without it the key is looked for among `subkeys`. STF_NOT_FOUND, without filling an error, when there
     * is no such subkey. *spelling, unless the pointer is NULL, is freed and becomes the malloc'ed stored name. */
    enum stf_kind (*find_key)(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                              char **spelling, struct stf_err *err);
    /* Optional: a key by all of its names at once, where each step of the way down costs. STF_NOT_FOUND, without
     * filling an error, sends the caller to walk. */
    enum stf_kind (*find_path)(void *store, const char *const *names, size_t count, stf_registry_node *key,
                               struct stf_err *err);
    /* Optional likewise: one value. */
    enum stf_kind (*find_value)(void *store, stf_registry_node key, const char *name, struct stf_registry_value *value,
                                struct stf_err *err);
    /* The parent has no subkey of that name. */
    enum stf_kind (*create_key)(void *store, stf_registry_node parent, const char *name, stf_registry_node *key,
                                struct stf_err *err);
    /* Optional: the same with a class name, in UTF-16LE, where a key is given one only when it is made. */
    enum stf_kind (*create_key_of_class)(void *store, stf_registry_node parent, const char *name,
                                         const uint8_t *class_name, size_t class_size, stf_registry_node *key,
                                         struct stf_err *err);
    /* With all that is below; never the root. STF_UNSUPPORTED when the store could not put the key back as it was. */
    enum stf_kind (*delete_key)(void *store, stf_registry_node key, struct stf_err *err);
    /* Names match regardless of case. */
    enum stf_kind (*edit_values)(void *store, stf_registry_node key, const struct stf_registry_edit *edit,
                                 struct stf_err *err);
    /* Optional, both: stores that keep nothing of the kind have neither. The root's are not told. */
    enum stf_kind (*read_extras)(void *store, stf_registry_node key, struct stf_registry_extras *extras,
                                 struct stf_err *err);
    enum stf_kind (*write_extras)(void *store, stf_registry_node key, const struct stf_registry_extras *extras,
                                  struct stf_err *err);
    bool sets_times;    /* of keys, by write_extras: without it a tree has none, for nothing could put them back */
    const char *limits; /* what the store keeps and what it can not do, for an operator */
};

struct stf_registry {
    const struct stf_registry_backend *backend;
    void *store;
    bool is_writable;
    bool is_changed;
    bool is_system;
};

enum {
    STF_REGISTRY_DEPTH_MAX = 512,        /* keys below keys: Windows' limit */
    STF_REGISTRY_READ_TRIES_MAX = 8,     /* for a list of a live registry that others change while it is read */
    STF_REGISTRY_KEY_UNITS_MAX = 255,    /* UTF-16 units of a key's name */
    STF_REGISTRY_VALUE_UNITS_MAX = 16383 /* and of a value's */
};

void stf_registry_subkeys_fini(struct stf_registry_subkeys *subkeys);
void stf_registry_values_fini(struct stf_registry_values *values);
/* Appends; takes over `name` or the value's members on STF_OK. */
enum stf_kind stf_registry_subkeys_add(struct stf_registry_subkeys *subkeys, char *name, stf_registry_node node,
                                       struct stf_err *err);
enum stf_kind stf_registry_values_add(struct stf_registry_values *values, struct stf_registry_value *value,
                                      struct stf_err *err);
/* By name regardless of case, then by spelling. */
void stf_registry_subkeys_sort(struct stf_registry_subkeys *subkeys);
void stf_registry_values_sort(struct stf_registry_values *values);

/* A key by its name in the list of the key above, which tells its spelling: as `find_key` of a backend.
 * `key` may be NULL. */
enum stf_kind stf_registry_find_listed(const struct stf_registry_backend *backend, void *store,
                                       stf_registry_node parent, const char *name, stf_registry_node *key,
                                       char **spelling, struct stf_err *err);
/* Of a whole live registry, for what is to be changed above its roots. */
enum stf_kind stf_registry_refuse_at_root(const char *op, struct stf_err *err);

/* The node of `key`. STF_NOT_FOUND when it is absent. */
enum stf_kind stf_registry_find(struct stf_registry *registry, const char *key, stf_registry_node *node,
                                struct stf_err *err);
/* The same, after creating what is missing. */
enum stf_kind stf_registry_find_or_create(struct stf_registry *registry, const char *key, stf_registry_node *node,
                                          struct stf_err *err);
/* An offline SYSTEM hive has ControlSet001, ControlSet002, ...; Windows makes the link CurrentControlSet at boot.
 * Whether a key of this name right below the root is that, and the name of what it stands for. */
enum { STF_REGISTRY_CONTROL_SET_SIZE = 16 };
bool stf_registry_is_control_set(const struct stf_registry *registry, const char *name);
enum stf_kind stf_registry_control_set(struct stf_registry *registry, char name[STF_REGISTRY_CONTROL_SET_SIZE],
                                       struct stf_err *err);
/* STF_DENIED when the store was opened for reading. Marks it as changed. */
enum stf_kind stf_registry_begin_change(struct stf_registry *registry, struct stf_err *err);
enum stf_kind stf_registry_check_key_name(const char *name, struct stf_err *err);
enum stf_kind stf_registry_check_value_name(const char *name, struct stf_err *err);

/* tree.c: a key's document, and a key made equal to one, by node. */
enum stf_kind stf_registry_node_read(struct stf_registry *registry, stf_registry_node node, json_t **doc,
                                     struct stf_err *err);
enum stf_kind stf_registry_node_write(struct stf_registry *registry, stf_registry_node node, const json_t *doc,
                                      struct stf_err *err);
/* A new subkey, of the class that its document says; the rest of it is the caller's to write. The name is checked, and
 * there is none of it. */
enum stf_kind stf_registry_node_create(struct stf_registry *registry, stf_registry_node node, const char *name,
                                       const json_t *doc, stf_registry_node *subkey, struct stf_err *err);
/* Whether the key has no extras but those of a new one, times aside. */
enum stf_kind stf_registry_node_is_plain(struct stf_registry *registry, stf_registry_node node, bool *is_plain,
                                         struct stf_err *err);
