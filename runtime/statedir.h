/* statedir.h - the state folder: held by one controller at a time.
 * Must never wait for a holder that lives, nor remove anything. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <staffetta/err.h>

/* The file <state_dir>/lock. It is held by a lock of the kernel's, which ends with the process however that ends; what
 * is written in it tells others who holds it, and bears a witness: the newest change that was durable in the journal,
 * so that a journal which has lost its end is noticed. */
struct stf_statelock {
    int fd; /* -1: not held */
    int64_t newest_change;
};

/* STF_BUSY when somebody holds it, with pid and `what` of the holder in the message. */
enum stf_kind stf_statelock_take(struct stf_statelock *lock, const char *state_dir, const char *what,
                                 struct stf_err *err);
void stf_statelock_release(struct stf_statelock *lock); /* also when not held */

/* Raises the witness. It is only a witness: not durable, and never ahead of the journal. */
enum stf_kind stf_statelock_mark(struct stf_statelock *lock, int64_t change, struct stf_err *err);

/* Does anybody hold it now? Asks without taking it. False when that can not be told. */
bool stf_statelock_is_held(const char *state_dir);
