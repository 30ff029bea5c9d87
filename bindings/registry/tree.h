/* tree.h - a key with all that is below it as one canonical document, and a key made equal to such a document.
 * Two equal trees give json_equal documents that also print the same. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include "registry/registry.h"

/* {"type": 4, "data": "01000000"}: the type's code, and the bytes as lower-case hex. A new reference. */
enum stf_kind stf_registry_value_to_doc(const struct stf_registry_value *value, json_t **doc, struct stf_err *err);
/* The reverse, with the given name. Keys other than type and data are the caller's to check. */
enum stf_kind stf_registry_value_from_doc(const json_t *doc, const char *name, struct stf_registry_value *value,
                                          struct stf_err *err);

/* {"values": [{"name", "type", "data"}...], "keys": {name: the same...}}, sorted by name. In stores that keep more of a
 * key, "extras" has what is not as in a new one: {"class", "security", "flags", "access"}, the first two in hex.
 * STF_NOT_FOUND when the key is absent; STF_INVALID_DATA when the tree is deeper than a registry can be or has one name
 * twice. */
enum stf_kind stf_registry_tree_read(struct stf_registry *registry, const char *key, json_t **doc, struct stf_err *err);
/* The same with each key's last-write time, "written", in its extras (100 ns since 1601), where the store can set it.
 */
enum stf_kind stf_registry_tree_read_times(struct stf_registry *registry, const char *key, json_t **doc,
                                           struct stf_err *err);

/* Makes the key equal to `doc`, creating what is missing and deleting what the document does not have. Keys and values
 * that are already as they should be are not touched. Stores that keep no extras pass over them; a time is set only
 * where the document has one. */
enum stf_kind stf_registry_tree_write(struct stf_registry *registry, const char *key, const json_t *doc,
                                      struct stf_err *err);

/* A document without any extras, from a .reg file for instance, says nothing of them: gives it those that the keys have
 * in `now`. */
enum stf_kind stf_registry_tree_keep_extras(json_t *doc, const json_t *now, struct stf_err *err);
/* STF_UNSUPPORTED when the document has extras and the store keeps none. */
enum stf_kind stf_registry_tree_check_extras(const struct stf_registry *registry, const json_t *doc,
                                             struct stf_err *err);

/* What the store keeps of one key besides names and values, with its last-write time: a new reference, an object that
 * is empty where there is nothing. STF_NOT_FOUND when the key is absent. */
enum stf_kind stf_registry_extras_read(struct stf_registry *registry, const char *key, json_t **doc,
                                       struct stf_err *err);
