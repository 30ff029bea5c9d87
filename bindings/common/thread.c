/* thread.c - a thread with all signals blocked (thread.h). SPDX-License-Identifier: MIT */
#include "common/thread.h"

#include <signal.h>

int stf_thread_start(pthread_t *thread, void *(*run)(void *data), void *data)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int errnum = pthread_create(thread, NULL, run, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return errnum;
}
