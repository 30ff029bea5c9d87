/* be_memory.c - the reference backend: a registry tree in memory, changed in a private copy and swapped in by commit.
 * Never does I/O; what it does is what every other backend must do. SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "registry/keytree.h"

struct stf_registry_memory {
    struct stf_keytree_key *root;
};

struct session {
    struct stf_registry_memory *memory;
    struct stf_keytree_key *root; /* private copy */
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "memory", NULL, "memory is out");
}

struct stf_registry_memory *stf_registry_memory_new(void)
{
    struct stf_registry_memory *memory = calloc(1, sizeof(*memory));

    if (memory != NULL) {
        memory->root = stf_keytree_key_new(NULL, "");
        if (memory->root == NULL) {
            free(memory);
            memory = NULL;
        }
    }
    return memory;
}

void stf_registry_memory_free(struct stf_registry_memory *memory)
{
    if (memory != NULL) {
        stf_keytree_key_free(memory->root);
        free(memory);
    }
}

static void memory_close(void *store)
{
    struct session *session = store;

    stf_keytree_key_free(session->root);
    free(session);
}

static enum stf_kind memory_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                                 struct stf_err *err)
{
    struct session *session = calloc(1, sizeof(*session));

    (void)mode;
    if (session == NULL)
        return no_memory(err);
    session->memory = place->memory;
    session->root = stf_keytree_copy(place->memory->root);
    if (session->root == NULL) {
        memory_close(session);
        return no_memory(err);
    }
    *store = session;
    return STF_OK;
}

static enum stf_kind memory_commit(void *store, struct stf_err *err)
{
    struct session *session = store;
    struct stf_keytree_key *copy = stf_keytree_copy(session->root);

    if (copy == NULL)
        return no_memory(err);
    stf_keytree_key_free(session->memory->root);
    session->memory->root = copy;
    return STF_OK;
}

static stf_registry_node memory_root(void *store)
{
    struct session *session = store;

    return (stf_registry_node)session->root;
}

const struct stf_registry_backend stf_registry_backend_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .commit = memory_commit,
    .root = memory_root,
    .subkeys = stf_keytree_subkeys,
    .values = stf_keytree_values,
    .find_key = stf_keytree_lookup_key,
    .find_value = stf_keytree_lookup_value,
    .create_key = stf_keytree_create_key,
    .delete_key = stf_keytree_delete_key,
    .edit_values = stf_keytree_edit_values,
    .limits = "keeps names and values in memory; no class names, rights or times of keys",
};
