/* hash.h - SHA-256 as text. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

enum { STF_SHA256_TEXT_SIZE = 65 };

/* 64 lower-case hex digits and a NUL. */
void stf_sha256_text(const void *bytes, size_t size, char text[STF_SHA256_TEXT_SIZE]);
