/* fault.c - fault points for crash tests (fault.h). Must never be reached by a release build.
 * SPDX-License-Identifier: MIT */
#include "fault.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

const char *stf_fault_name(enum stf_fault_point point)
{
#define NAMES(symbol, name) name ".before", name ".after",
    static const char *const names[] = {STF_FAULT_LIST(NAMES)};
#undef NAMES
    return names[point];
}

#ifdef STAFFETTA_FAULTS
void stf_fault(enum stf_fault_point point)
{
    static atomic_int hits;
    const char *wanted = getenv("STAFFETTA_FAULT");
    if (!wanted)
        return;
    const char *name = stf_fault_name(point);
    size_t length = strlen(name);
    if (strncmp(wanted, name, length) != 0 || (wanted[length] != '\0' && wanted[length] != ':'))
        return;
    int nth = wanted[length] == ':' ? atoi(wanted + length + 1) : 1;
    if (atomic_fetch_add(&hits, 1) + 1 == nth)
        raise(SIGKILL);
}
#endif
