/* decode.c - Ethernet, IPv4, IPv6, TCP, UDP and ESP headers, as far as it takes to tell protected from clear.
 * Must never read beyond what was captured, nor look at a payload other than the four bytes that mark IKE.
 * SPDX-License-Identifier: MIT */
#include "decode.h"

#include <netinet/in.h>
#include <string.h>

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_8021Q = 0x8100,
    ETHERTYPE_8021AD = 0x88a8,
    PORT_IKE = 500,
    PORT_IKE_NAT = 4500,
    ESP_HEADER_SIZE = 8,
    IKE_EXCHANGE_AT = 18, /* and behind it the flags */
    IKE_FLAG_RESPONSE = 0x20,
    MAX_EXTENSION_HEADERS = 8,
};

/* What is still to be read. Of a packet that was cut when captured, `left` is smaller than `wire_left`. */
struct cursor {
    const uint8_t *at;
    size_t left;
    size_t wire_left;
};

static const uint8_t *take(struct cursor *cursor, size_t size)
{
    if (cursor->left < size)
        return NULL;
    const uint8_t *taken = cursor->at;
    cursor->at += size;
    cursor->left -= size;
    cursor->wire_left -= size;
    return taken;
}

/* Leaves out what follows the packet proper: padding of short Ethernet frames. */
static void limit(struct cursor *cursor, size_t size)
{
    if (cursor->wire_left > size)
        cursor->wire_left = size;
    if (cursor->left > size)
        cursor->left = size;
}

static uint16_t read_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static bool is_same(const struct stf_wire_address *a, const struct stf_wire_address *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* Fills the ends of `packet`; false when neither is the target's address. */
static bool set_ends(struct stf_wire_packet *packet, const uint8_t *src, const uint8_t *dst, uint8_t size,
                     const struct stf_wire_target *target)
{
    packet->src.size = packet->dst.size = size;
    memcpy(packet->src.bytes, src, size);
    memcpy(packet->dst.bytes, dst, size);
    packet->is_to = is_same(&packet->dst, &target->address);
    return packet->is_to || is_same(&packet->src, &target->address);
}

static bool find_port(struct stf_wire_packet *packet, const uint8_t *ports, const struct stf_wire_target *target)
{
    packet->src_port = read_u16(ports);
    packet->dst_port = read_u16(ports + 2);
    uint16_t own = packet->is_to ? packet->dst_port : packet->src_port;
    for (size_t i = 0; i < target->port_count; i++) {
        if (target->ports[i] == own) {
            packet->port_index = i;
            return true;
        }
    }
    return false;
}

static enum stf_wire_class decode_tcp(struct cursor cursor, struct stf_wire_packet *packet,
                                      const struct stf_wire_target *target)
{
    size_t segment_size = cursor.wire_left;
    const uint8_t *header = take(&cursor, 20);
    if (!header)
        return STF_WIRE_MALFORMED;
    size_t header_size = (header[12] >> 4) * 4u;
    if (header_size < 20 || header_size > segment_size)
        return STF_WIRE_MALFORMED;
    if (target->protocol != IPPROTO_TCP || !find_port(packet, header, target))
        return STF_WIRE_OTHER;
    packet->tcp_flags = header[13];
    packet->payload_bytes = (uint32_t)(segment_size - header_size);
    return STF_WIRE_CLEAR;
}

static enum stf_wire_class decode_ike(struct cursor cursor, struct stf_wire_packet *packet)
{
    const uint8_t *header = take(&cursor, IKE_EXCHANGE_AT + 2);
    if (header)
        packet->ike = (struct stf_wire_ike){.exchange = header[IKE_EXCHANGE_AT],
                                            .is_response = header[IKE_EXCHANGE_AT + 1] & IKE_FLAG_RESPONSE};
    return STF_WIRE_IKE;
}

/* RFC 3948: what follows the UDP header on port 4500. */
static enum stf_wire_class decode_nat_traversal(struct cursor cursor, struct stf_wire_packet *packet)
{
    static const uint8_t non_esp_marker[4];
    const uint8_t *first = take(&cursor, 1);
    if (first && cursor.wire_left == 0 && *first == 0xff)
        return STF_WIRE_OTHER;
    const uint8_t *rest = first ? take(&cursor, 3) : NULL;
    if (!rest)
        return STF_WIRE_MALFORMED;
    if (memcmp(first, non_esp_marker, 4) == 0)
        return decode_ike(cursor, packet);
    return cursor.wire_left + 4 >= ESP_HEADER_SIZE ? STF_WIRE_ESP_IN_UDP : STF_WIRE_MALFORMED;
}

static enum stf_wire_class decode_udp(struct cursor cursor, struct stf_wire_packet *packet,
                                      const struct stf_wire_target *target)
{
    const uint8_t *header = take(&cursor, 8);
    if (!header || read_u16(header + 4) < 8)
        return STF_WIRE_MALFORMED;
    limit(&cursor, read_u16(header + 4) - 8u);
    uint16_t src_port = read_u16(header), dst_port = read_u16(header + 2);
    if (src_port == PORT_IKE_NAT || dst_port == PORT_IKE_NAT)
        return decode_nat_traversal(cursor, packet);
    if (src_port == PORT_IKE || dst_port == PORT_IKE)
        return decode_ike(cursor, packet);
    if (target->protocol != IPPROTO_UDP || !find_port(packet, header, target))
        return STF_WIRE_OTHER;
    packet->payload_bytes = (uint32_t)cursor.wire_left;
    return STF_WIRE_CLEAR;
}

static enum stf_wire_class decode_transport(struct cursor cursor, uint8_t protocol, struct stf_wire_packet *packet,
                                            const struct stf_wire_target *target)
{
    switch (protocol) {
    case IPPROTO_ESP:
        return cursor.wire_left < ESP_HEADER_SIZE ? STF_WIRE_MALFORMED : STF_WIRE_ESP;
    case IPPROTO_TCP:
        return decode_tcp(cursor, packet, target);
    case IPPROTO_UDP:
        return decode_udp(cursor, packet, target);
    default:
        return STF_WIRE_OTHER;
    }
}

static enum stf_wire_class decode_ipv4(struct cursor cursor, struct stf_wire_packet *packet,
                                       const struct stf_wire_target *target)
{
    const uint8_t *header = take(&cursor, 20);
    if (!header || header[0] >> 4 != 4)
        return STF_WIRE_MALFORMED;
    if (!set_ends(packet, header + 12, header + 16, 4, target))
        return STF_WIRE_OTHER;
    size_t header_size = (header[0] & 0x0f) * 4u;
    size_t total_size = read_u16(header + 2); /* 0: a segment over 64 KiB on its way to or from offloading */
    if (header_size < 20 || (total_size && total_size < header_size) || !take(&cursor, header_size - 20))
        return STF_WIRE_MALFORMED;
    if (total_size)
        limit(&cursor, total_size - header_size);
    if (read_u16(header + 6) & 0x1fff)
        return STF_WIRE_OTHER;
    return decode_transport(cursor, header[9], packet, target);
}

/* Steps over one extension header. Sets `*is_later_fragment`; false when the packet ends inside the header. */
static bool skip_extension(struct cursor *cursor, uint8_t *protocol, bool *is_later_fragment)
{
    const uint8_t *header = take(cursor, 8);
    if (!header)
        return false;
    bool is_fragment = *protocol == IPPROTO_FRAGMENT;
    *protocol = header[0];
    if (!is_fragment)
        return take(cursor, header[1] * 8u) != NULL;
    *is_later_fragment = (read_u16(header + 2) & 0xfff8) != 0;
    return true;
}

static bool is_extension(uint8_t protocol)
{
    return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING || protocol == IPPROTO_DSTOPTS ||
           protocol == IPPROTO_FRAGMENT;
}

static enum stf_wire_class decode_ipv6(struct cursor cursor, struct stf_wire_packet *packet,
                                       const struct stf_wire_target *target)
{
    const uint8_t *header = take(&cursor, 40);
    if (!header || header[0] >> 4 != 6)
        return STF_WIRE_MALFORMED;
    if (!set_ends(packet, header + 8, header + 24, 16, target))
        return STF_WIRE_OTHER;
    if (read_u16(header + 4)) /* 0: a jumbo segment, as above */
        limit(&cursor, read_u16(header + 4));
    uint8_t protocol = header[6];
    bool is_later_fragment = false;
    for (int i = 0; is_extension(protocol); i++) {
        if (i == MAX_EXTENSION_HEADERS || !skip_extension(&cursor, &protocol, &is_later_fragment))
            return STF_WIRE_MALFORMED;
        if (is_later_fragment)
            return STF_WIRE_OTHER;
    }
    return decode_transport(cursor, protocol, packet, target);
}

static enum stf_wire_class decode_ethernet(struct cursor cursor, struct stf_wire_packet *packet,
                                           const struct stf_wire_target *target)
{
    const uint8_t *header = take(&cursor, 14);
    if (!header)
        return STF_WIRE_MALFORMED;
    uint16_t type = read_u16(header + 12);
    if (type == ETHERTYPE_8021Q || type == ETHERTYPE_8021AD) {
        const uint8_t *tag = take(&cursor, 4);
        if (!tag)
            return STF_WIRE_MALFORMED;
        type = read_u16(tag + 2);
    }
    switch (type) {
    case ETHERTYPE_IPV4:
        return decode_ipv4(cursor, packet, target);
    case ETHERTYPE_IPV6:
        return decode_ipv6(cursor, packet, target);
    default:
        return STF_WIRE_OTHER;
    }
}

struct stf_wire_packet stf_wire_decode(enum stf_wire_link link, const uint8_t *bytes, size_t captured_size,
                                       size_t wire_size, const struct stf_wire_target *target)
{
    struct stf_wire_packet packet = {0};
    struct cursor cursor = {bytes, captured_size, wire_size < captured_size ? captured_size : wire_size};

    if (link == STF_WIRE_ETHERNET)
        packet.class = decode_ethernet(cursor, &packet, target);
    else if (captured_size && bytes[0] >> 4 == 6)
        packet.class = decode_ipv6(cursor, &packet, target);
    else
        packet.class = decode_ipv4(cursor, &packet, target);
    return packet;
}
