/* hash.c - the one place where bindings meet a library of hashes. SPDX-License-Identifier: MIT */
#include "common/hash.h"

#include <stdint.h>
#include <sys/types.h>

#include <sha256.h>

static int add(const char *bytes, size_t size, void *context)
{
    SHA256Update(context, (const uint8_t *)bytes, size);
    return 0;
}

/* Piece by piece: json_dumps would need the whole text, and (jansson 2.14) drops a key that it has no memory for. */
bool stf_sha256_of_doc(const json_t *doc, char text[STF_SHA256_TEXT_SIZE])
{
    SHA2_CTX context;
    bool is_whole;

    SHA256Init(&context);
    is_whole = json_dump_callback(doc, add, &context, JSON_COMPACT | JSON_SORT_KEYS) == 0;
    SHA256End(&context, text);
    return is_whole;
}

void stf_sha256_of_bytes(const void *bytes, size_t size, char text[STF_SHA256_TEXT_SIZE])
{
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, bytes, size);
    SHA256End(&context, text);
}
