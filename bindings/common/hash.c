/* hash.c - the one place where bindings meet a library of hashes. SPDX-License-Identifier: MIT */
#include "common/hash.h"

#include <stdint.h>
#include <sys/types.h>

#include <sha256.h>

void stf_sha256_text(const void *bytes, size_t size, char text[STF_SHA256_TEXT_SIZE])
{
    SHA256Data(bytes, size, text);
}
