/* fuzz_message.c - any bytes as a message between controller and agent: refused, or a document that survives being sent
 * again. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>

#include "fleet/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct stf_buffer frame = {0};
    json_t *document = NULL, *again = NULL;
    size_t taken = 0;

    if (stf_message_parse((const char *)bytes, size, &document, NULL))
        return 0;
    if (stf_message_append(&frame, document, NULL) || stf_message_next(&frame, &taken, &again, NULL) ||
        !json_equal(document, again))
        abort();
    stf_buffer_fini(&frame);
    json_decref(document);
    json_decref(again);
    return 0;
}
