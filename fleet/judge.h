/* judge.h - whose is what stands on a host: the one judgement of a rollback and of the undo that a host carries out
 * itself. Must never touch a host. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/binding.h>

/* How a resource describes a state of something that is not there. */
#define STF_ABSENT_WORDS "absent"

enum stf_undo_verdict {
    STF_UNDO_UNDO,     /* what the run wrote stands: `before` would be put back */
    STF_UNDO_NOTHING,  /* `before` stands: never done, or undone already */
    STF_UNDO_CONFLICT, /* something else stands: somebody has changed it since */
    STF_UNDO_UNKNOWN,  /* it could not be read */
};

/* A change that was recorded before it was made. */
struct stf_recorded {
    const struct stf_resource *resource;
    const json_t *id;
    const json_t *before;
    const json_t *after;
};

/* Never STF_UNDO_UNKNOWN. What stands is the run's also where it is not in effect ("loaded": false): a write cut short,
 * a daemon or a host that has restarted. */
enum stf_undo_verdict stf_undo_judge(const struct stf_recorded *change, const json_t *now);
