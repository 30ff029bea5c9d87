/* snapshot.c - makes and checks snapshots (snapshot.h). Must never hand out a tree whose hash is wrong.
 * SPDX-License-Identifier: MIT */
#include "registry/snapshot.h"

#include <string.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/hash.h"

static const char format[] = "staffetta registry snapshot 1";

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "snapshot", NULL, "memory is out");
}

enum stf_kind stf_registry_snapshot_make(const struct stf_registry_snapshot *data, json_t **snapshot,
                                         struct stf_err *err)
{
    char hash[STF_SHA256_TEXT_SIZE];

    if (!stf_sha256_of_doc(data->tree, hash))
        return no_memory(err);
    *snapshot = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:O}", "format", format, "store", data->store, "key",
                          data->key, "program", data->program, "taken_at_unix_ms", (json_int_t)stf_clock_unix_ms(),
                          "sha256", hash, "tree", data->tree);
    return *snapshot != NULL ? STF_OK : no_memory(err);
}

enum stf_kind stf_registry_snapshot_check(const json_t *snapshot, const char **key, const json_t **tree,
                                          struct stf_err *err)
{
    static const char *const known[] = {"format",           "store",  "key",  "program",
                                        "taken_at_unix_ms", "sha256", "tree", NULL};
    const char *found = json_string_value(json_object_get(snapshot, "format"));
    const char *hash = NULL;
    char now[STF_SHA256_TEXT_SIZE];
    enum stf_kind kind;

    if (found == NULL || strcmp(found, format) != 0) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "snapshot", NULL,
                           "this is no snapshot of a registry: its \"format\" must be \"%s\", found %s", format,
                           found != NULL ? found : "none");
    }
    kind = stf_doc_check_keys(snapshot, known, "a snapshot", err);
    if (kind == STF_OK)
        kind = stf_doc_string(snapshot, "key", key, err);
    if (kind == STF_OK)
        kind = stf_doc_string(snapshot, "sha256", &hash, err);
    *tree = json_object_get(snapshot, "tree");
    if (kind == STF_OK && !json_is_object(*tree))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "snapshot", NULL, "the snapshot has no tree");
    if (kind == STF_OK && !stf_sha256_of_doc(*tree, now))
        kind = no_memory(err);
    if (kind == STF_OK && strcmp(hash, now) != 0) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "snapshot", *key,
                           "the snapshot of %s is not as it was taken: its tree has the hash %s, and %s was written "
                           "down; take another copy of the file",
                           *key, now, hash);
    }
    return kind;
}

enum stf_kind stf_registry_snapshot_parse(const char *text, size_t size, const char *subject, json_t **snapshot,
                                          const char **key, const json_t **tree, struct stf_err *err)
{
    json_error_t why;
    enum stf_kind kind;

    *snapshot = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (*snapshot == NULL) {
        return json_error_code(&why) == json_error_out_of_memory
                   ? no_memory(err)
                   : stf_err_set(err, STF_INVALID_DATA, 0, "snapshot", subject, "%s is no snapshot: line %d: %s",
                                 subject, why.line, why.text);
    }
    kind = stf_registry_snapshot_check(*snapshot, key, tree, err);
    if (kind != STF_OK) {
        json_decref(*snapshot);
        *snapshot = NULL;
    }
    return kind;
}
