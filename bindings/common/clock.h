/* clock.h - the two clocks: monotonic for durations, wall clock for what a person reads.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

int64_t stf_clock_ns(void);      /* CLOCK_MONOTONIC */
int64_t stf_clock_unix_ms(void); /* wall clock */

/* What is left until `deadline_ns` of the monotonic clock, as poll wants it: rounded up, 0 when it is over. */
int stf_clock_left_ms(int64_t deadline_ns);
