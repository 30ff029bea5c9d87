/* decode.h - what one captured packet is to a capture: ESP, IKE, or protected traffic in the clear.
 * A pure function of the bytes: no clock, no socket, no memory of its own. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stf_wire_class {
    STF_WIRE_OTHER,      /* not for us: another address, protocol or port, a later fragment, a NAT keep-alive */
    STF_WIRE_MALFORMED,  /* cut short or contradicting itself before it could be told what it is */
    STF_WIRE_ESP,        /* IP protocol 50 */
    STF_WIRE_ESP_IN_UDP, /* UDP port 4500 with an SPI */
    STF_WIRE_IKE,        /* UDP port 500, or 4500 with the non-ESP marker */
    STF_WIRE_CLEAR,      /* to or from a protected port of the address */
};

enum stf_wire_link { STF_WIRE_ETHERNET, STF_WIRE_RAW_IP };

enum { STF_WIRE_MAX_PORTS = 64 };

enum stf_wire_tcp_flag {
    STF_WIRE_FIN = 0x01,
    STF_WIRE_SYN = 0x02,
    STF_WIRE_RST = 0x04,
    STF_WIRE_PSH = 0x08,
    STF_WIRE_ACK = 0x10,
};

struct stf_wire_address {
    uint8_t bytes[16];
    uint8_t size; /* 4 or 16 */
};

/* What is protected. Ports are those on the address's own side of a connection. */
struct stf_wire_target {
    struct stf_wire_address address;
    uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
    uint16_t ports[STF_WIRE_MAX_PORTS];
    size_t port_count;
};

struct stf_wire_ike {
    uint8_t exchange; /* RFC 7296, 3.1: 34 is IKE_SA_INIT; of IKEv1 RFC 2408, 3.1; 0: not captured */
    bool is_response; /* of IKEv2 only */
};

struct stf_wire_packet {
    enum stf_wire_class class;
    /* of every class but OTHER and MALFORMED: */
    bool is_to; /* to the address; else from it */
    struct stf_wire_address src, dst;
    struct stf_wire_ike ike; /* of IKE only */
    /* of CLEAR only: */
    size_t port_index; /* which of the target's ports */
    uint16_t src_port, dst_port;
    uint8_t tcp_flags;
    uint32_t payload_bytes; /* after the TCP or UDP header, as the IP header says, without link padding */
};

/* `bytes` are the first `captured_size` of the `wire_size` bytes that the packet had. Handles one 802.1Q or 802.1ad
 * tag, IPv4 options and IPv6 extension headers. Reads nothing beyond `captured_size`. */
struct stf_wire_packet stf_wire_decode(enum stf_wire_link link, const uint8_t *bytes, size_t captured_size,
                                       size_t wire_size, const struct stf_wire_target *target);
