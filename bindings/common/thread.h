/* thread.h - threads of bindings: they get no signals, which are for the program's own threads.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

/* The thread is born in the network namespace that the caller is in, and stays there. 0, or an errno. */
int stf_thread_start(pthread_t *thread, void *(*run)(void *data), void *data);
