/* be_memory.c - the reference backend: a registry tree in memory, changed in a private copy and swapped in by commit.
 * Never does I/O; what it does is what every other backend must do. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "registry/store.h"

struct key {
    char *name;
    struct key *parent;
    struct key **children;
    size_t child_count;
    struct stf_registry_values values;
};

struct stf_registry_memory {
    struct key *root;
};

struct session {
    struct stf_registry_memory *memory;
    struct key *root; /* private copy */
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "memory", NULL, "memory is out");
}

static void key_free(struct key *key)
{
    if (key == NULL) {
        return;
    }
    for (size_t i = 0; i < key->child_count; i++) {
        key_free(key->children[i]);
    }
    stf_registry_values_fini(&key->values);
    free(key->children);
    free(key->name);
    free(key);
}

static struct key *key_new(struct key *parent, const char *name)
{
    struct key *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        return NULL;
    }
    key->parent = parent;
    key->name = strdup(name);
    if (key->name == NULL) {
        key_free(key);
        return NULL;
    }
    if (parent != NULL) {
        struct key **children = realloc(parent->children, (parent->child_count + 1) * sizeof(*children));
        if (children == NULL) {
            key_free(key);
            return NULL;
        }
        parent->children = children;
        children[parent->child_count++] = key;
    }
    return key;
}

/* A copy below `parent` (NULL: a root); what was copied before a failure hangs below the parent. */
static struct key *key_copy(struct key *parent, const struct key *from)
{
    struct stf_registry_edit all = {.set = from->values.items, .set_count = from->values.count};
    struct key *key = key_new(parent, from->name);
    bool is_whole = key != NULL && stf_registry_values_edit(&key->values, &all, NULL) == STF_OK;

    for (size_t i = 0; is_whole && i < from->child_count; i++) {
        is_whole = key_copy(key, from->children[i]) != NULL;
    }
    if (!is_whole && parent == NULL) {
        key_free(key);
    }
    return is_whole ? key : NULL;
}

struct stf_registry_memory *stf_registry_memory_new(void)
{
    struct stf_registry_memory *memory = calloc(1, sizeof(*memory));

    if (memory != NULL) {
        memory->root = key_new(NULL, "");
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
        key_free(memory->root);
        free(memory);
    }
}

static void memory_close(void *store)
{
    struct session *session = store;

    key_free(session->root);
    free(session);
}

static enum stf_kind memory_open(const struct stf_registry_place *place, enum stf_registry_mode mode, void **store,
                                 struct stf_err *err)
{
    struct session *session = calloc(1, sizeof(*session));

    (void)mode;
    if (session == NULL) {
        return no_memory(err);
    }
    session->memory = place->memory;
    session->root = key_copy(NULL, place->memory->root);
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
    struct key *copy = key_copy(NULL, session->root);

    if (copy == NULL) {
        return no_memory(err);
    }
    key_free(session->memory->root);
    session->memory->root = copy;
    return STF_OK;
}

static stf_registry_node memory_root(void *store)
{
    struct session *session = store;

    return (stf_registry_node)session->root;
}

static enum stf_kind memory_subkeys(void *store, stf_registry_node node, struct stf_registry_subkeys *out,
                                    struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    enum stf_kind kind = STF_OK;

    (void)store;
    *out = (struct stf_registry_subkeys){0};
    for (size_t i = 0; i < key->child_count && kind == STF_OK; i++) {
        char *name = strdup(key->children[i]->name);
        kind = name != NULL ? stf_registry_subkeys_add(out, name, (stf_registry_node)key->children[i], err)
                            : no_memory(err);
        if (kind != STF_OK) {
            free(name);
        }
    }
    if (kind != STF_OK) {
        stf_registry_subkeys_fini(out);
    }
    return kind;
}

static enum stf_kind memory_values(void *store, stf_registry_node node, struct stf_registry_values *out,
                                   struct stf_err *err)
{
    const struct key *key = (const struct key *)node;
    struct stf_registry_edit all = {.set = key->values.items, .set_count = key->values.count};
    enum stf_kind kind;

    (void)store;
    *out = (struct stf_registry_values){0};
    kind = stf_registry_values_edit(out, &all, err);
    if (kind != STF_OK) {
        stf_registry_values_fini(out);
    }
    return kind;
}

static enum stf_kind memory_create_key(void *store, stf_registry_node parent, const char *name, stf_registry_node *node,
                                       struct stf_err *err)
{
    struct key *key = key_new((struct key *)parent, name);

    (void)store;
    if (key == NULL) {
        return no_memory(err);
    }
    *node = (stf_registry_node)key;
    return STF_OK;
}

static enum stf_kind memory_delete_key(void *store, stf_registry_node node, struct stf_err *err)
{
    struct key *key = (struct key *)node;
    struct key *parent = key->parent;
    size_t i = 0;

    (void)store;
    (void)err;
    while (parent->children[i] != key) {
        i++;
    }
    parent->child_count--;
    memmove(&parent->children[i], &parent->children[i + 1], (parent->child_count - i) * sizeof(parent->children[0]));
    key_free(key);
    return STF_OK;
}

static enum stf_kind memory_edit_values(void *store, stf_registry_node node, const struct stf_registry_edit *edit,
                                        struct stf_err *err)
{
    struct key *key = (struct key *)node;

    (void)store;
    return stf_registry_values_edit(&key->values, edit, err);
}

const struct stf_registry_backend stf_registry_backend_memory = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .commit = memory_commit,
    .root = memory_root,
    .subkeys = memory_subkeys,
    .values = memory_values,
    .create_key = memory_create_key,
    .delete_key = memory_delete_key,
    .edit_values = memory_edit_values,
};
