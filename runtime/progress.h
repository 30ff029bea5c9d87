/* progress.h - how far a batch of hosts has come, in one line: written over on a terminal, now and then a line of its
 * own in a log. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "terminal.h"

enum { STF_PROGRESS_SLOWEST = 3 };

struct stf_progress_host {
    char *name;
    int64_t duration_ms;
};

struct stf_progress {
    FILE *stream;
    const struct stf_terminal *terminal;
    bool is_verbose;
    bool is_shown;   /* a line that is to be written over stands there */
    bool is_going;   /* a batch is; what follows is of the last one */
    bool is_locking; /* no batch, but its hosts are locked */
    int64_t batch, batches, total, done, failed;
    int64_t began_ns, shown_ns;
    json_t *working;                                        /* host -> since when, in ns; who began first comes first */
    struct stf_progress_host slowest[STF_PROGRESS_SLOWEST]; /* of those that are done, the slowest first */
};

/* Stream and terminal must outlive it. `is_verbose`: each host has its line, and the batch none. */
void stf_progress_init(struct stf_progress *progress, FILE *stream, const struct stf_terminal *terminal,
                       bool is_verbose);
void stf_progress_fini(struct stf_progress *progress);
/* Hears of everything that happens, and makes room for what is printed of it. True: nothing is to be. */
bool stf_progress_event(struct stf_progress *progress, const json_t *event);
/* Shows how far it is, where it is time to. */
void stf_progress_tick(struct stf_progress *progress);
