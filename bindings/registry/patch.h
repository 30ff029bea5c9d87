/* patch.h - a set of alterations all over a tree, such as a .reg file says, as one change: what it touches (its scope),
 * the states of that before and after, and a store brought to such a state. Nothing outside the scope is ever read into
 * a state or written. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "registry/registry.h"

/* Alterations in order; later ones count. Keys are paths below the store's root, as everywhere. */
struct stf_registry_patch;
struct stf_registry_patch *stf_registry_patch_new(void); /* NULL when memory is out */
void stf_registry_patch_free(struct stf_registry_patch *patch);

/* The key stands afterwards, and so do those above it. */
enum stf_kind stf_registry_patch_create_key(struct stf_registry_patch *patch, const char *key, struct stf_err *err);
/* The key is absent afterwards, with all that is below; not the root. */
enum stf_kind stf_registry_patch_delete_key(struct stf_registry_patch *patch, const char *key, struct stf_err *err);
/* Create the key, then set the value or delete it. */
enum stf_kind stf_registry_patch_set(struct stf_registry_patch *patch, const char *key,
                                     const struct stf_registry_value *value, struct stf_err *err);
enum stf_kind stf_registry_patch_delete_value(struct stf_registry_patch *patch, const char *key, const char *name,
                                              struct stf_err *err);

/* What the patch touches, below the root: of a key {"values": [names], "keys": {name: the same}}, or true where it is
 * deleted (and perhaps made anew): all that is in it. A new reference. */
enum stf_kind stf_registry_patch_scope(const struct stf_registry_patch *patch, json_t **scope, struct stf_err *err);

/* What is in the scope, after the patch, where `before` is what is in it now. A new reference. */
enum stf_kind stf_registry_patch_after(const struct stf_registry_patch *patch, const json_t *before, json_t **after,
                                       struct stf_err *err);

/* The state of a scope: of a key null when it is absent, {"values": {name: null or a value}, "keys": {name: the same}},
 * or the document of tree.h where the scope is true. A "name" is the stored spelling where it is another than the
 * scope's (not for keys that are in the scope in part: they are never made anew). A new reference. */
enum stf_kind stf_registry_scope_read(struct stf_registry *registry, const json_t *scope, json_t **state,
                                      struct stf_err *err);

/* Brings the scope to `state`. STF_CONFLICT when a key would have to go that has something from outside the scope. */
enum stf_kind stf_registry_scope_write(struct stf_registry *registry, const json_t *scope, const json_t *state,
                                       struct stf_err *err);

/* How many values and keys a scope or a state has; null counts as nothing. */
struct stf_registry_scope_size {
    size_t values;
    size_t keys;
};
struct stf_registry_scope_size stf_registry_scope_count(const json_t *scope_or_state);
