/* patch.h - a set of alterations all over a tree, such as a .reg file says, as one change: what it touches (its scope),
 * the states of that before and after, and a store brought to such a state. Nothing outside the scope is ever read into
 * a state or written. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "registry/reg_text.h"

/* The edits of a .reg text, as far as they concern one store, in any order. */
struct stf_registry_patch;

/* `mount` as of stf_registry_apply_reg; `registry` is the store, which says what CurrentControlSet stands for. Free the
 * patch. */
enum stf_kind stf_registry_patch_new(const struct stf_reg_edits *edits, const char *mount,
                                     struct stf_registry *registry, struct stf_registry_patch **patch,
                                     struct stf_err *err);
void stf_registry_patch_free(struct stf_registry_patch *patch); /* NULL is legal */

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
