/* lockfile.h - an open file as a lock that one process has, and that ends with it. Must never wait.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* False: errno is EAGAIN where somebody has it, else why it can not be locked. Closing the file gives it back. */
bool stf_lockfile_take(int fd);

/* Whether somebody else has it. False when that can not be told. */
bool stf_lockfile_is_taken(int fd);

/* Whether a lock of process `pid` is kept by nobody but a child that it was starting when it was killed. */
bool stf_lockfile_is_of_dead(int pid);
