/* handles.c - numbered things behind one lock. Must never call `destroy` with the lock held.
 * SPDX-License-Identifier: MIT */
#include "handles.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct entry {
    int64_t number;
    void *thing;
};

struct stf_handles {
    pthread_mutex_t lock;
    void (*destroy)(void *thing);
    struct entry *entries;
    size_t count;
    size_t capacity;
    int64_t last_number;
};

struct stf_handles *stf_handles_new(void (*destroy)(void *thing))
{
    struct stf_handles *handles = calloc(1, sizeof *handles);
    if (!handles)
        return NULL;
    pthread_mutex_init(&handles->lock, NULL);
    handles->destroy = destroy;
    return handles;
}

void stf_handles_free(struct stf_handles *handles)
{
    if (!handles)
        return;
    for (size_t i = 0; i < handles->count; i++)
        handles->destroy(handles->entries[i].thing);
    free(handles->entries);
    pthread_mutex_destroy(&handles->lock);
    free(handles);
}

static bool make_room(struct stf_handles *handles)
{
    if (handles->count < handles->capacity)
        return true;
    size_t capacity = handles->capacity ? 2 * handles->capacity : 8;
    struct entry *entries = realloc(handles->entries, capacity * sizeof *entries);
    if (!entries)
        return false;
    handles->entries = entries;
    handles->capacity = capacity;
    return true;
}

int64_t stf_handles_put(struct stf_handles *handles, void *thing)
{
    int64_t number = 0;
    pthread_mutex_lock(&handles->lock);
    if (make_room(handles)) {
        number = ++handles->last_number;
        handles->entries[handles->count++] = (struct entry){number, thing};
    }
    pthread_mutex_unlock(&handles->lock);
    return number;
}

enum stf_kind stf_handles_take(struct stf_handles *handles, int64_t number, void **thing, struct stf_err *err)
{
    bool is_found = false;
    pthread_mutex_lock(&handles->lock);
    for (size_t i = 0; i < handles->count && !is_found; i++) {
        if (handles->entries[i].number == number) {
            is_found = true;
            *thing = handles->entries[i].thing;
            handles->entries[i] = handles->entries[--handles->count];
        }
    }
    pthread_mutex_unlock(&handles->lock);
    if (!is_found)
        return stf_err_set(err, STF_NOT_FOUND, 0, "take", NULL,
                           "handle %" PRId64 " is not open: it was closed, or never given out", number);
    return STF_OK;
}
