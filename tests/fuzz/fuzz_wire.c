/* fuzz_wire.c - any bytes as a captured packet: no read beyond them, and nothing impossible reported.
 * SPDX-License-Identifier: MIT */
#include <netinet/in.h>
#include <stdlib.h>

#include "wire/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Byte 0 picks link, family and protocol, byte 1 how many bytes the packet had beyond the captured ones. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    struct stf_wire_target target = {
        .address = {.bytes = {10, 9, 0, 100}, .size = bytes[0] & 1 ? 16 : 4},
        .protocol = bytes[0] & 2 ? IPPROTO_TCP : IPPROTO_UDP,
        .ports = {110, 143},
        .port_count = 2,
    };
    enum stf_wire_link link = bytes[0] & 4 ? STF_WIRE_ETHERNET : STF_WIRE_RAW_IP;
    size_t captured_size = size - 2, wire_size = captured_size + bytes[1] * 8u;
    struct stf_wire_packet packet = stf_wire_decode(link, bytes + 2, captured_size, wire_size, &target);

    if (packet.class == STF_WIRE_CLEAR) {
        uint16_t own = packet.is_to ? packet.dst_port : packet.src_port;
        if (packet.port_index >= target.port_count || own != target.ports[packet.port_index])
            abort();
        if (packet.payload_bytes > wire_size)
            abort();
    }
    if (packet.class > STF_WIRE_MALFORMED && packet.src.size != target.address.size)
        abort();
    return 0;
}
