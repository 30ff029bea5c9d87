/* reg_tree.h - a list of edits as one tree of alterations: what is to stand, what is to go, whatever the order was.
 * Only reg_*.c, be_regfile.c and patch_tree.h include it. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/keytree.h"
#include "registry/reg_text.h"

/* The store's root with what the edits do below it; see is_reset, is_wanted and `data` in keytree.h. `registry`
 * says what CurrentControlSet stands for; NULL: a plain name. STF_INVALID_DATA for a key outside `mount`. Free the
 * root. */
enum stf_kind stf_reg_tree_new(const struct stf_reg_edits *edits, const char *mount, struct stf_registry *registry,
                               struct stf_keytree_key **root, struct stf_err *err);

/* Does them to the store, whose root the tree's root is; what already is as it should be is not touched. No commit. */
enum stf_kind stf_reg_tree_apply(struct stf_registry *registry, const struct stf_keytree_key *changes,
                                 struct stf_err *err);

/* As stf_registry_export_reg, of the whole store. `is_implied`, unless NULL, says of a key that has others below it
 * whether they are enough to say that it stands. */
enum stf_kind stf_reg_export_store(struct stf_registry *registry, const char *mount,
                                   const struct stf_reg_format *format, bool (*is_implied)(stf_registry_node key),
                                   uint8_t **bytes, size_t *size, struct stf_err *err);

/* Leaves only what is to stand: the tree of a store in which nothing stood before. */
void stf_reg_tree_prune(struct stf_keytree_key *root);
