/* fuzz_probe.c - any bytes as an answer to each method over TCP: no read beyond them, and no verdict that more bytes
 * would change. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "probe/ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* The verdict on `size` bytes in memory of exactly that size. */
static enum stf_probe_outcome judge(const struct stf_ask *ask, const uint8_t *bytes, size_t size)
{
    char *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, bytes, size);
    enum stf_probe_outcome outcome = stf_ask_judge(ask, copy, size);
    free(copy);
    return outcome;
}

/* Byte 0 picks the method. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const struct stf_ask_options all[] = {
        {.method = "tcp_line", .expect = "+OK"},
        {.method = "tcp_line", .send = "x", .expect = "ok"},
        {.method = "http"},
        {.method = "http", .status = 404},
        {.method = "pop3"},
        {.method = "imap"},
        {.method = "ldap"},
    };
    struct stf_ask ask;
    if (size < 2 || stf_ask_make(&all[bytes[0] % (sizeof all / sizeof *all)], &ask, NULL) != STF_OK)
        return 0;
    bytes++;
    size = size - 1 < STF_ASK_RECEIVED_MAX ? size - 1 : STF_ASK_RECEIVED_MAX;
    enum stf_probe_outcome last = STF_PROBE_PENDING;
    for (size_t part = 1; part <= size; part++) {
        enum stf_probe_outcome outcome = judge(&ask, bytes, part);
        if (outcome != STF_PROBE_PENDING && outcome != STF_PROBE_ANSWERED && outcome != STF_PROBE_UNEXPECTED)
            abort();
        if (last != STF_PROBE_PENDING && outcome != last)
            abort();
        last = outcome;
    }
    return 0;
}
