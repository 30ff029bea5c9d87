/* diff.h - what is different between two subtrees, of one store or of two: as a list, and that as text, as JSON, and as
 * the .reg edits that make the first equal to the second. Reads only. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "registry/reg_text.h"

enum stf_registry_difference_kind {
    STF_REGISTRY_KEY_REMOVED, /* in the first only. What is in it follows, as removed too, with `is_within` */
    STF_REGISTRY_KEY_ADDED,   /* in the second only. What is in it follows, as added */
    STF_REGISTRY_VALUE_REMOVED,
    STF_REGISTRY_VALUE_ADDED,
    STF_REGISTRY_VALUE_CHANGED, /* another type, other bytes, or another spelling of the name */
};

struct stf_registry_difference {
    enum stf_registry_difference_kind kind;
    bool is_within;                   /* a key above is removed, and this with it */
    char *key;                        /* below the keys that were compared; "" is those */
    struct stf_registry_value before; /* {0} where there is none, as for keys */
    struct stf_registry_value after;
};

struct stf_registry_diff {
    struct stf_registry_difference *items;
    size_t count;
};

struct stf_registry_side {
    struct stf_registry *registry;
    const char *key;
};

/* In order of the keys' names; a key's values come before its subkeys. A key in another spelling is another key:
 * removed and added. A side whose key is absent counts as empty; STF_NOT_FOUND when both are. Fini the diff in either
 * case. */
enum stf_kind stf_registry_diff(const struct stf_registry_side *first, const struct stf_registry_side *second,
                                struct stf_registry_diff *diff, struct stf_err *err);
void stf_registry_diff_fini(struct stf_registry_diff *diff);

/* `root` is the whole path of the key that was compared, for all three. */

/* Lines for a person, malloc'ed; "" for no difference. NULL when memory is out. */
char *stf_registry_diff_text(const struct stf_registry_diff *diff, const char *root);

/* A list of {"change", "key", "name", "before", "after"}: change is key_removed, key_added, value_removed, value_added
 * or value_changed; before and after are {"type", "data"}, with the "name" before where it had another spelling. */
enum stf_kind stf_registry_diff_to_doc(const struct stf_registry_diff *diff, const char *root, json_t **doc,
                                       struct stf_err *err);

/* Appends to `edits`, which starts as {0}: applied to the first they give the second. STF_INVALID_DATA for a `root`
 * that does not start with HKLM and so on. */
enum stf_kind stf_registry_diff_to_edits(const struct stf_registry_diff *diff, const char *root,
                                         struct stf_reg_edits *edits, struct stf_err *err);
