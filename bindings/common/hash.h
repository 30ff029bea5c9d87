/* hash.h - SHA-256 of documents and bytes. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum { STF_SHA256_TEXT_SIZE = 65 };

/* Of the canonical text (sorted keys, no spaces): 64 lower-case hex digits and a NUL. False when memory is out. */
bool stf_sha256_of_doc(const json_t *doc, char text[STF_SHA256_TEXT_SIZE]);

void stf_sha256_of_bytes(const void *bytes, size_t size, char text[STF_SHA256_TEXT_SIZE]);
