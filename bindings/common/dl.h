/* dl.h - opens a shared library when a command first needs it: linking it would slow the start of every command.
 * Must be used only for libraries that Debian ships without a static archive. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <staffetta/err.h>

struct stf_dl_symbol {
    const char *name; /* "mnl_socket_open" */
    size_t offset;    /* of the function pointer in the caller's structure: offsetof(struct mnl, socket_open) */
};

/* Static storage of the caller; is_open starts as false and is this module's. */
struct stf_dl {
    const char *soname;                  /* "libmnl.so.0" */
    const char *package;                 /* Debian's package that has it: "libmnl0" */
    const struct stf_dl_symbol *symbols; /* ended by a NULL name */
    bool is_open;
};

/* Opens the library if it is not open yet, and fills the pointers in `functions`; it stays open until the program
 * ends. Thread-safe. STF_UNSUPPORTED, naming the package to install, when the library or a symbol is missing. */
enum stf_kind stf_dl_open(struct stf_dl *dl, void *functions, struct stf_err *err);
