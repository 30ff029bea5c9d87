/* armed_place.h - what an armed undo needs of the system: its file, which one process at a time has, a clock, and a
 * process that waits. SPDX-License-Identifier: MIT */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include <staffetta/err.h>

enum { STF_BOOT_ID_SIZE = 64 };

struct stf_armed_place {
    char path[PATH_MAX];
    char undone[PATH_MAX];
    int fd; /* locked; writes go to its end; -1: closed */
};

/* Opens the file, waiting for whoever has it locked. STF_NOT_FOUND when there is none and none is to be made, or when
 * it went while this waited. */
enum stf_kind stf_armed_place_lock(struct stf_armed_place *place, bool makes_it, struct stf_err *err);
/* Of a locked file: it is gone once it is closed. */
enum stf_kind stf_armed_place_remove(const struct stf_armed_place *place, struct stf_err *err);

/* Starts this program's `undo` of the file, in no session: it outlives the channel. */
enum stf_kind stf_armed_place_start_waiting(const char *path, struct stf_err *err);

/* Goes on while the machine sleeps, and starts anew with it. */
int64_t stf_armed_place_clock_ms(void);
/* Another one after each start of the machine; "" where only the clock tells. */
void stf_armed_place_boot_id(char id[STF_BOOT_ID_SIZE]);
