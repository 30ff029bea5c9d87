/* hash.c - the one place where bindings meet a library of hashes. SPDX-License-Identifier: MIT */
#include "common/hash.h"

#include <stdint.h>
#include <sys/types.h>

#include <sha256.h>

#include "common/canonical.h"

static int add(const char *bytes, size_t size, void *context)
{
    SHA256Update(context, (const uint8_t *)bytes, size);
    return 0;
}

bool stf_sha256_of_doc(const json_t *doc, char text[STF_SHA256_TEXT_SIZE])
{
    SHA2_CTX context;
    bool is_whole;

    SHA256Init(&context);
    is_whole = stf_canonical_write(doc, add, &context);
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
