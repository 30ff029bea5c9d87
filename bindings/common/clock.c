/* clock.c - reads the two clocks. Must never mix them: durations are monotonic. SPDX-License-Identifier: MIT */
#include "clock.h"

#include <time.h>

int64_t stf_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t stf_clock_unix_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int stf_clock_left_ms(int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - stf_clock_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);
}
