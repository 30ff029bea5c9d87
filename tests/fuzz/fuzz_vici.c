/* fuzz_vici.c - any bytes as a VICI message: refused, or a document that survives being encoded again.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "ipsec/vici.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct stf_vici_message message = {0};
    json_t *document = NULL, *again = NULL;

    if (stf_vici_decode(bytes, size, &document, NULL))
        return 0;
    stf_vici_add_tree(&message, document);
    /* hex is longer than the bytes it stands for, so the message may have become too large */
    if (!stf_vici_message_check(&message, NULL)) {
        if (stf_vici_decode(message.bytes, message.size, &again, NULL) || !json_equal(document, again))
            abort();
    }
    stf_vici_message_fini(&message);
    json_decref(document);
    json_decref(again);
    return 0;
}
