/* handles.h - a thread-safe table of things that outlive one verb: a running probe, a capture, an event watch.
 * A verb returns the handle's number to the script; a later verb takes it back. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include <staffetta/err.h>

struct stf_handles;

/* `destroy` ends and frees one thing; it is called by stf_handles_free for all that were not taken. */
struct stf_handles *stf_handles_new(void (*destroy)(void *thing));
void stf_handles_free(struct stf_handles *handles);

/* Puts `thing` in and gives its number (1, 2, ...; never reused), or 0 when memory is out: `thing` then stays the
 * caller's. */
int64_t stf_handles_put(struct stf_handles *handles, void *thing);

/* Takes the thing out: it is the caller's from now on. STF_NOT_FOUND for a number that is not, or no longer, in. */
enum stf_kind stf_handles_take(struct stf_handles *handles, int64_t number, void **thing, struct stf_err *err);
