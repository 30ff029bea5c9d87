/* patch.h - a set of alterations all over a store, such as a .reg file says, as one change: as a line of text, and a
 * store brought to what it says, or back. Nothing that the patch does not name is ever read into a state or written.
 * SPDX-License-Identifier: MIT */
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

/* The patch as text for the journal, malloc'ed, and back. Keys start with a sign, the length of their name, and the
 * name, and end with ')'. '+': it is to stand; '-': it goes, with all that is in it; '!': it goes and comes anew; '.':
 * as it is. In between are its values ('=', name, type, size, data in hex), values that go ('~', name), and the keys
 * below. STF_INVALID_DATA for text that is none. */
char *stf_registry_patch_text(const struct stf_registry_patch *patch);
enum stf_kind stf_registry_patch_parse(const char *text, struct stf_registry_patch **patch, struct stf_err *err);

/* `binding`, an instance of stf_registry_binding, takes the patch over: it is that of the id, and at hand when it is
 * read or written next. */
void stf_registry_keep_patch(void *binding, const json_t *id, struct stf_registry_patch *patch);

/* What the store has where the patch alters it, a new reference: JSON true when that is just what the patch says. Else,
 * of a key, null when it is absent, {"values": {name: null or a value}, "keys": {name: the same}}, or the document of
 * tree.h for one that the patch deletes (and perhaps makes anew). A "name" is the stored spelling where it is another
 * than the patch's (not for keys that the patch alters in part: they are never made anew). */
enum stf_kind stf_registry_patch_read(struct stf_registry *registry, const struct stf_registry_patch *patch,
                                      json_t **state, struct stf_err *err);

/* Brings the store to such a state. STF_CONFLICT when a key would have to go that has something which the patch does
 * not name. */
enum stf_kind stf_registry_patch_write(struct stf_registry *registry, const struct stf_registry_patch *patch,
                                       const json_t *state, struct stf_err *err);

/* The edits of .reg text that do what the patch says; `mount` goes before its keys, and may be "". */
enum stf_kind stf_registry_patch_edits(const struct stf_registry_patch *patch, const char *mount,
                                       struct stf_reg_edits *edits, struct stf_err *err);

/* How many values and keys stand in a state that is a document, or once the patch of that text is applied; and how many
 * such a text names. */
struct stf_registry_patch_size {
    size_t values;
    size_t keys;
};
struct stf_registry_patch_size stf_registry_patch_count_state(const json_t *state);
struct stf_registry_patch_size stf_registry_patch_count_after(const char *text);
struct stf_registry_patch_size stf_registry_patch_count_named(const char *text);
