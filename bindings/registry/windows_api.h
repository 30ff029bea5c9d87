/* windows_api.h - what be_windows.c and watch_windows.c share: roots, names and errors of advapi32.
 * Only files of the Windows program include it. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/registry.h"

#include <windows.h>

/* Fills `err` from what a function of advapi32 returned, with Windows' own words, and returns the kind. `subject` may
 * be NULL. */
enum stf_kind stf_windows_error(struct stf_err *err, LSTATUS status, const char *op, const char *subject);
/* The same for what GetLastError says of a file. */
enum stf_kind stf_windows_file_error(struct stf_err *err, DWORD code, const char *op, const char *path);

/* The roots, ended by a NULL name. */
struct stf_windows_root {
    const char *short_name;
    const char *long_name;
    HKEY handle;
};
extern const struct stf_windows_root stf_windows_roots[];

/* The root that `key` starts with, by either name, and what follows it; NULL when it starts with none. */
const struct stf_windows_root *stf_windows_root_of(const char *key, const char **rest);

/* The flag that asks for a view. */
REGSAM stf_windows_view(enum stf_registry_view view);

/* A name, or a path of names, as UTF-16 with a final NUL; *wide is malloc'ed, and NULL on failure. STF_UNSUPPORTED for
 * one with a NUL in it: Windows takes strings that end in one. `what` is "key" or "value", for the message. */
enum stf_kind stf_windows_name(const char *what, const char *name, WCHAR **wide, size_t *units, struct stf_err *err);

/* Opens "HKCU\\Software\\Mail". */
enum stf_kind stf_windows_open_path(const char *path, REGSAM access, enum stf_registry_view view, HKEY *handle,
                                    struct stf_err *err);
