/* folder.h - folders that survive a power cut. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

/* Makes the folder and what is missing above it (0700), durably. */
enum stf_kind stf_folder_make(const char *dir, struct stf_err *err);

/* The folder's entries survive a power cut once this has returned. */
enum stf_kind stf_folder_sync(const char *dir, struct stf_err *err);
