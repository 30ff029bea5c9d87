/* files.h - open files of this process: each host that is reached keeps some. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include <staffetta/err.h>

/* Raises the process's own limit as far as so many hosts need it. STF_UNSUPPORTED, saying what to raise and how, when
 * it may not go that far. */
enum stf_kind stf_files_make_room(size_t host_count, struct stf_err *err);
