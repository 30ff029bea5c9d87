/* armed.h - the undo of a run, kept on the host that it would put back: a small durable file, and a process of ours
 * that carries it out when nobody confirms in time. Needs no controller and no channel, and survives a reboot.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include <staffetta/binding.h>

/* Where an agent keeps them, unless the host's "undo_dir" in site.lua says otherwise. */
#ifdef _WIN32
#define STF_ARMED_DIR "C:/ProgramData/staffetta/armed"
#else
#define STF_ARMED_DIR "/var/lib/staffetta/armed"
#endif

/* The undo of one run on one host: <dir>/<token>.armed, and <dir>/<token>.undone once it has been carried out. */
struct stf_armed {
    const char *dir;           /* made where it is missing */
    const char *token;         /* letters, digits, '-' and '.' */
    int64_t confirm_within_ms; /* after the newest change; must outlast the rest of the run */
};

/* Adds a change, {"resource","id","before","after"}, that is about to be made on `host`: durable on return. The first
 * starts the process that waits; it runs this program's `undo`. STF_CONFLICT when the undo has been carried out. */
enum stf_kind stf_armed_add(const struct stf_armed *armed, const struct stf_host *host, const json_t *change,
                            struct stf_err *err);

/* Everything may stay as it is. STF_OK also where nothing is armed; STF_CONFLICT when the undo has been carried out. */
enum stf_kind stf_armed_confirm(const struct stf_armed *armed, struct stf_err *err);

/* Waits until the undo in the file `path` is due, and carries it out: at its deadline, or at once after a reboot.
 * Newest change first; what is not the run's (judge.h) is left alone. A host that is not ready yet is asked
 * again for a minute. STF_OK also when it was confirmed meanwhile. `bindings` ends with NULL. */
enum stf_kind stf_armed_wait(const char *path, const struct stf_binding *const *bindings, struct stf_err *err);
