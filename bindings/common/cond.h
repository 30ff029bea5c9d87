/* cond.h - conditions that are waited for until a time of the monotonic clock. SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>
#include <stdint.h>

void stf_cond_init(pthread_cond_t *cond);

/* With the mutex held. Returns at that time at the latest, and perhaps before: the caller looks again. */
void stf_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
