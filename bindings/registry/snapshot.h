/* snapshot.h - a subtree as a document that can be kept: the tree, where it is from, and a hash that says whether it is
 * as it was taken. Pure: reads no store and no file. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

struct stf_registry_snapshot {
    const char *store;   /* for a person: where it was taken */
    const char *key;     /* the whole path */
    const char *program; /* "staffetta 0.1.0" */
    const json_t *tree;  /* tree.h's document */
};

/* {"format", "store", "key", "program", "taken_at_unix_ms", "sha256", "tree"}; the hash is of the tree's canonical
 * text. A new reference. */
enum stf_kind stf_registry_snapshot_make(const struct stf_registry_snapshot *data, json_t **snapshot,
                                         struct stf_err *err);

/* The key and the tree of a snapshot, borrowed. STF_INVALID_DATA when it is none, or its tree is not the one that was
 * taken. */
enum stf_kind stf_registry_snapshot_check(const json_t *snapshot, const char **key, const json_t **tree,
                                          struct stf_err *err);

/* The same from text: *snapshot is a new reference that key and tree live in. `subject` names it in errors. */
enum stf_kind stf_registry_snapshot_parse(const char *text, size_t size, const char *subject, json_t **snapshot,
                                          const char **key, const json_t **tree, struct stf_err *err);
