/* thread_windows.c - a thread on Windows, which has no signals to block (thread.h). SPDX-License-Identifier: MIT */
#include "common/thread.h"

int stf_thread_start(pthread_t *thread, void *(*run)(void *data), void *data)
{
    return pthread_create(thread, NULL, run, data);
}
