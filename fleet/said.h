/* said.h - the end of what the other side said on standard error: why it ended, in its own words. Never grows.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

enum { STF_SAID_SIZE = 512 };

/* Starts as {0}. */
struct stf_said {
    char text[STF_SAID_SIZE + 1];
    size_t size;
};

void stf_said_add(struct stf_said *said, const char *bytes, size_t size);
/* Without the line break at its end; `otherwise` when nothing was said. Lives as long as `said`. */
const char *stf_said_text(struct stf_said *said, const char *otherwise);
