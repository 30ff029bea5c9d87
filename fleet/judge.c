/* judge.c - compares what stands with what a change wrote and found (judge.h). SPDX-License-Identifier: MIT */
#include "fleet/judge.h"

#include <stdlib.h>
#include <string.h>

/* A state without the mark that it is not in effect (binding.h): whose it is shows in the rest. */
static json_t *settled(const json_t *state)
{
    json_t *copy = json_copy((json_t *)state);
    if (json_is_false(json_object_get(copy, "loaded")))
        json_object_del(copy, "loaded");
    return copy;
}

static bool is_same_settled(const json_t *a, const json_t *b)
{
    json_t *one = settled(a), *other = settled(b);
    bool is_same = one && other && json_equal(one, other);
    json_decref(one);
    json_decref(other);
    return is_same;
}

static bool is_absent(const struct stf_recorded *change, const json_t *state)
{
    if (json_is_null(state))
        return true;
    char *words = change->resource->describe ? change->resource->describe(change->id, state) : NULL;
    bool is_none = words && strcmp(words, STF_ABSENT_WORDS) == 0;
    free(words);
    return is_none;
}

enum stf_undo_verdict stf_undo_judge(const struct stf_recorded *change, const json_t *now)
{
    if (json_equal(now, change->after))
        return STF_UNDO_UNDO;
    if (json_equal(now, change->before))
        return STF_UNDO_NOTHING;
    /* Two absent ones may differ in the path to them, which the undoing of other changes alters. */
    bool is_ours = is_same_settled(now, change->after) || is_same_settled(now, change->before) ||
                   (is_absent(change, now) && is_absent(change, change->after));
    return is_ours ? STF_UNDO_UNDO : STF_UNDO_CONFLICT;
}
