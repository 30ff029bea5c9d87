/* dl.c - opens shared libraries late. Must never close one: pointers into it live in the callers.
 * SPDX-License-Identifier: MIT */
#include "dl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;

static enum stf_kind open_locked(struct stf_dl *dl, void *functions, struct stf_err *err)
{
    if (dl->is_open)
        return STF_OK;
    void *library = dlopen(dl->soname, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "dlopen", dl->soname,
                           "%s is needed for this and cannot be opened; install Debian's package %s (%s)", dl->soname,
                           dl->package, dlerror());
    for (const struct stf_dl_symbol *symbol = dl->symbols; symbol->name; symbol++) {
        void *address = dlsym(library, symbol->name);
        if (!address) {
            dlclose(library);
            return stf_err_set(err, STF_UNSUPPORTED, 0, "dlsym", dl->soname,
                               "%s has no function %s; install a newer package %s", dl->soname, symbol->name,
                               dl->package);
        }
        memcpy((char *)functions + symbol->offset, &address, sizeof address);
    }
    dl->is_open = true;
    return STF_OK;
}

enum stf_kind stf_dl_open(struct stf_dl *dl, void *functions, struct stf_err *err)
{
    pthread_mutex_lock(&opening);
    enum stf_kind kind = open_locked(dl, functions, err);
    pthread_mutex_unlock(&opening);
    return kind;
}
