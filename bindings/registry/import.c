/* import.c - sorts edits by the stores of a host and makes one patch of those for each (import.h). Writes nothing.
 * SPDX-License-Identifier: MIT */
#include "registry/import.h"

#include <stdlib.h>

#include "registry/patch.h"
#include "registry/place.h"

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "import", NULL, "memory is out");
}

/* Appends the change that the edits of one store make; `key` is the store's entry in the host's table. */
static enum stf_kind add_change(const char *key, const struct stf_registry_patch *patch, json_t *changes,
                                struct stf_err *err)
{
    char *text = stf_registry_patch_text(patch);
    json_t *patch_doc = text != NULL ? json_string_nocheck(text) : NULL; /* of names, and names are UTF-8 */
    json_t *change = json_pack("{s:{s:s, s:o}, s:b}", "id", "key", key, "patch", patch_doc, "state", 1);
    enum stf_kind kind = json_array_append_new(changes, change) == 0 ? STF_OK : no_memory(err);

    free(text);
    return kind;
}

static enum stf_kind import_into(void *binding, const struct stf_host *host, const char *key,
                                 const struct stf_reg_edits *edits, json_t *changes, struct stf_err *err)
{
    struct stf_registry_location location;
    struct stf_registry *registry = NULL;
    struct stf_registry_patch *patch = NULL;
    const char *below;
    enum stf_kind kind = stf_registry_host_store(host, key, &location, &below, err);

    if (kind == STF_OK && !location.is_whole && *location.mount == '\0') {
        kind =
            stf_err_set(err, STF_INVALID_DATA, 0, "import", location.path,
                        "nothing says which key the root of %s is: give --mount, such as HKLM\\SYSTEM", location.path);
    }
    if (kind == STF_OK)
        kind = stf_registry_location_open(&location, STF_REGISTRY_READ, &registry, err);
    if (kind == STF_OK)
        kind = stf_registry_patch_new(edits, location.is_whole ? NULL : location.mount, registry, &patch, err);
    if (kind == STF_OK)
        kind = add_change(key, patch, changes, err);
    if (kind == STF_OK) {
        stf_registry_keep_patch(binding, json_object_get(json_array_get(changes, json_array_size(changes) - 1), "id"),
                                patch);
    } else {
        stf_registry_patch_free(patch);
    }
    stf_registry_close(registry);
    stf_registry_location_fini(&location);
    return kind;
}

/* The edits of one store. */
struct share {
    const char *key; /* the entry of the host's table */
    struct stf_reg_edits edits;
};

enum { SHARES_MAX = 32 };

static enum stf_kind share_of(struct share *shares, size_t *count, const char *key, struct share **share,
                              struct stf_err *err)
{
    for (size_t i = 0; i < *count; i++) {
        if (shares[i].key == key) {
            *share = &shares[i];
            return STF_OK;
        }
    }
    if (*count == SHARES_MAX)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "import", key, "at most %d stores at once", SHARES_MAX);
    *share = &shares[(*count)++];
    (*share)->key = key;
    return STF_OK;
}

static enum stf_kind share_out(const struct stf_host *host, const struct stf_reg_edits *edits, struct share *shares,
                               size_t *count, struct stf_err *err)
{
    const char *last = NULL; /* edits of one key share theirs */
    struct share *share = NULL;
    enum stf_kind kind = STF_OK;

    for (size_t i = 0; kind == STF_OK && i < edits->count; i++) {
        if (edits->items[i].key != last) {
            const char *name;
            kind = stf_registry_host_entry(host, edits->items[i].key, &name, err);
            if (kind == STF_OK)
                kind = share_of(shares, count, name, &share, err);
            last = edits->items[i].key;
        }
        if (kind == STF_OK)
            kind = stf_reg_edits_add(&share->edits, &edits->items[i], err);
    }
    return kind;
}

enum stf_kind stf_registry_import(void *binding, const struct stf_host *host, const struct stf_reg_edits *edits,
                                  json_t **changes, struct stf_err *err)
{
    const json_t *stores = json_object_get(host->config, "registry");
    struct share shares[SHARES_MAX] = {0};
    json_t *list = json_array();
    size_t count = 0;
    enum stf_kind kind = list != NULL ? STF_OK : no_memory(err);

    if (kind == STF_OK && json_object_size(stores) == 1) /* it says itself what is not in it, and in which line */
        kind = import_into(binding, host, json_object_iter_key(json_object_iter((json_t *)stores)), edits, list, err);
    else if (kind == STF_OK)
        kind = share_out(host, edits, shares, &count, err);
    for (size_t i = 0; i < count; i++) {
        if (kind == STF_OK)
            kind = import_into(binding, host, shares[i].key, &shares[i].edits, list, err);
        stf_reg_edits_fini(&shares[i].edits);
    }
    if (kind != STF_OK) {
        json_decref(list);
        return kind;
    }
    *changes = list;
    return STF_OK;
}
