/* watch.h - is told when a registry key changes: by Windows for the live registry (watch_windows.c), by the file for
 * stores that are one (watch_inotify.c), by nobody for another host's: whoever waits is sent to look, every other
 * second. Never reads the key itself. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/registry.h"

struct stf_registry_watch;

/* Watches `key` of a store, with all that is below it; the key must stand in a live registry. For a file any change
 * counts, also of other keys (on Windows of other files in its folder, too). STF_UNSUPPORTED for a store that can not
 * be watched. */
enum stf_kind stf_registry_watch_open(const struct stf_registry_backend *backend,
                                      const struct stf_registry_place *place, const char *key,
                                      struct stf_registry_watch **watch, struct stf_err *err);

/* Returns when something has changed since the watch was opened or the last wait returned STF_OK: none is missed,
 * several may be told as one, and it may be one that left things as they were. STF_TIMEOUT when nothing has.
 * STF_NOT_FOUND once the key or the file's folder is gone: the watch has ended. */
enum stf_kind stf_registry_watch_wait(struct stf_registry_watch *watch, int timeout_ms, struct stf_err *err);

void stf_registry_watch_close(struct stf_registry_watch *watch);
