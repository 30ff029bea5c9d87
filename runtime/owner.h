/* owner.h - who may have written a script: scripts decide about other hosts' safety.
 * owner.c knows user ids and modes, owner_windows.c access control lists. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

/* STF_OK when `fd` is a regular file that only the system's administrators and the user who runs the program can have
 * written. `path` is for the message. */
enum stf_kind stf_owner_check(int fd, const char *path, struct stf_err *err);
