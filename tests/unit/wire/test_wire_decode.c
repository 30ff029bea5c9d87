/* test_wire_decode.c - packets built by hand against what the decoder makes of them. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frames.h"
#include "wire/decode.h"

#define CLIENT "10.9.0.1"
#define SERVER "10.9.0.100"
#define CLIENT6 "fd00::1"
#define SERVER6 "fd00::100"

enum { IPV4 = 0x0800, IPV6 = 0x86dd, SYN = 0x02, PSH_ACK = 0x18 };

static struct stf_wire_target target_of(const char *address, uint8_t protocol)
{
    struct stf_wire_target target = {.protocol = protocol, .ports = {110, 143}, .port_count = 2};
    target.address.size = strchr(address, ':') ? 16 : 4;
    inet_pton(target.address.size == 16 ? AF_INET6 : AF_INET, address, target.address.bytes);
    return target;
}

/* Decodes a copy that ends with the packet, so that a sanitizer sees a read behind it. */
static struct stf_wire_packet decode_cut(const struct frame *frame, size_t size, const struct stf_wire_target *target)
{
    uint8_t *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, frame->bytes, size);
    struct stf_wire_packet packet = stf_wire_decode(STF_WIRE_ETHERNET, copy, size, frame->size, target);
    free(copy);
    return packet;
}

static struct stf_wire_packet decode(const struct frame *frame, const struct stf_wire_target *target)
{
    return decode_cut(frame, frame->size, target);
}

static void make_tcp4(struct frame *frame, unsigned vlan, const char *src, unsigned src_port, const char *dst,
                      unsigned dst_port, uint8_t flags, size_t options_size, size_t payload_size)
{
    frame_ethernet(frame, vlan, IPV4);
    frame_ipv4(frame, src, dst, IPPROTO_TCP, 0x4000, 20 + options_size + payload_size);
    frame_tcp(frame, src_port, dst_port, flags, options_size);
    frame_fill(frame, 'x', payload_size);
}

static void make_udp4(struct frame *frame, unsigned src_port, unsigned dst_port, const void *payload, size_t size)
{
    frame_ethernet(frame, 0, IPV4);
    frame_ipv4(frame, CLIENT, SERVER, IPPROTO_UDP, 0, 8 + size);
    frame_udp(frame, src_port, dst_port, size);
    frame_add(frame, payload, size);
}

static void test_clear_tcp_in_both_directions(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;

    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 143, SYN, 20, 0);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_true(packet.is_to);
    assert_int_equal(packet.port_index, 1);
    assert_int_equal(packet.src_port, 40000);
    assert_int_equal(packet.dst_port, 143);
    assert_int_equal(packet.tcp_flags, SYN);
    assert_int_equal(packet.payload_bytes, 0);
    assert_int_equal(packet.src.size, 4);
    assert_memory_equal(packet.src.bytes, "\x0a\x09\0\x01", 4);
    assert_memory_equal(packet.dst.bytes, "\x0a\x09\0\x64", 4);

    make_tcp4(&frame, 0, SERVER, 110, CLIENT, 40000, PSH_ACK, 12, 33);
    packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_false(packet.is_to);
    assert_int_equal(packet.port_index, 0);
    assert_int_equal(packet.payload_bytes, 33);
}

static void test_the_port_must_be_on_the_side_of_the_address(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 0, CLIENT, 110, SERVER, 40000, PSH_ACK, 0, 1);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 111, PSH_ACK, 0, 1);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
    make_tcp4(&frame, 0, CLIENT, 40000, "10.9.0.101", 110, PSH_ACK, 0, 1);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
}

static void test_link_padding_is_no_payload(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 110, SYN, 0, 0);
    frame_fill(&frame, 0, 6); /* to the 60 bytes of a shortest Ethernet frame */
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.payload_bytes, 0);
}

static void test_payload_is_counted_beyond_what_was_captured(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 110, PSH_ACK, 12, 300);
    struct stf_wire_packet packet = decode_cut(&frame, 14 + 20 + 20, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.payload_bytes, 300);
}

static void test_one_vlan_tag(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 5, CLIENT, 40000, SERVER, 110, PSH_ACK, 0, 7);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.payload_bytes, 7);
}

static void test_esp_and_its_neighbours(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, IPV4);
    frame_ipv4(&frame, SERVER, CLIENT, IPPROTO_ESP, 0, 40);
    frame_fill(&frame, 1, 40);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_ESP);
    assert_false(packet.is_to);

    static const struct {
        unsigned src_port, dst_port;
        const char *payload;
        size_t size;
        enum stf_wire_class expected;
    } cases[] = {
        {4500, 4500, "\xc0\0\0\x01\0\0\0\x01xyz", 11, STF_WIRE_ESP_IN_UDP},
        {61000, 4500, "\0\0\0\x01\0\0\0\x01xyz", 11, STF_WIRE_ESP_IN_UDP},
        {4500, 61000, "\0\0\0\0IKE", 7, STF_WIRE_IKE},
        {4500, 4500, "\xff", 1, STF_WIRE_OTHER},
        {4500, 4500, "\xfe", 1, STF_WIRE_MALFORMED},
        {4500, 4500, "", 0, STF_WIRE_MALFORMED},
        {4500, 4500, "\0\0\0", 3, STF_WIRE_MALFORMED},
        {4500, 4500, "\xc0\0\0\x01\0\0\0", 7, STF_WIRE_MALFORMED},
        {500, 500, "IKE", 3, STF_WIRE_IKE},
        {61000, 500, "", 0, STF_WIRE_IKE},
        {40000, 110, "x", 1, STF_WIRE_OTHER}, /* the target is TCP */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_udp4(&frame, cases[i].src_port, cases[i].dst_port, cases[i].payload, cases[i].size);
        assert_int_equal(decode(&frame, &target).class, cases[i].expected);
    }
}

/* The same message behind the marker on port 4500 and bare on port 500, then cut short of its flags. */
static void test_exchanges_of_ike(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    uint8_t message[4 + 28] = {0};
    message[4 + 17] = 0x20; /* version 2.0 */
    message[4 + 18] = 34;
    for (int is_response = 0; is_response < 2; is_response++) {
        message[4 + 19] = is_response ? 0x20 : 0x08;
        for (int is_bare = 0; is_bare < 2; is_bare++) {
            make_udp4(&frame, 61000, is_bare ? 500 : 4500, message + 4 * is_bare, 4 + 28 - 4 * (size_t)is_bare);
            struct stf_wire_packet packet = decode(&frame, &target);
            assert_int_equal(packet.class, STF_WIRE_IKE);
            assert_int_equal(packet.ike.exchange, 34);
            assert_int_equal(packet.ike.is_response, is_response);
        }
    }
    make_udp4(&frame, 61000, 500, message + 4, 19);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_IKE);
    assert_int_equal(decode(&frame, &target).ike.exchange, 0);
}

static void test_clear_udp(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_UDP);
    struct frame frame;
    make_udp4(&frame, 40000, 143, "hello", 5);
    frame_fill(&frame, 0, 13);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.port_index, 1);
    assert_int_equal(packet.payload_bytes, 5);
    assert_int_equal(packet.tcp_flags, 0);
    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 143, SYN, 0, 0);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
}

static void test_fragments(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, IPV4);
    frame_ipv4(&frame, CLIENT, SERVER, IPPROTO_TCP, 0x2000, 60);
    frame_tcp(&frame, 40000, 110, PSH_ACK, 0);
    frame_fill(&frame, 'x', 40);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.payload_bytes, 40);

    frame_ethernet(&frame, 0, IPV4);
    frame_ipv4(&frame, CLIENT, SERVER, IPPROTO_ESP, 5, 60);
    frame_fill(&frame, 'x', 60);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
}

static void test_ipv4_lengths_that_contradict(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 0, CLIENT, 40000, SERVER, 110, SYN, 0, 0);
    struct frame wrong = frame;
    wrong.bytes[14] = 0x44; /* a header of 16 bytes */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[14] = 0x65; /* version 6 in an IPv4 frame */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[17] = 19; /* total length below the header's */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[17] = 39; /* one byte of the TCP header is not there */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[14 + 20 + 12] = 0xf0; /* one of 60 */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_MALFORMED);
    wrong = frame;
    wrong.bytes[16] = wrong.bytes[17] = 0; /* a segment too long for the field: the frame says how long */
    assert_int_equal(decode(&wrong, &target).class, STF_WIRE_CLEAR);
}

static void test_ipv4_options(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, IPV4);
    frame_ipv4(&frame, CLIENT, SERVER, IPPROTO_TCP, 0, 8 + 20 + 4);
    frame.bytes[14] = 0x47;
    frame_fill(&frame, 1, 8);
    frame_tcp(&frame, 40000, 110, PSH_ACK, 0);
    frame_fill(&frame, 'x', 4);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_int_equal(packet.payload_bytes, 4);
}

static void test_ipv6_with_extension_headers(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER6, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, IPV6);
    frame_ipv6(&frame, CLIENT6, SERVER6, IPPROTO_HOPOPTS, 8 + 16 + 8 + 20 + 9);
    frame_add(&frame, (uint8_t[]){IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0}, 8);
    frame_add(&frame, (uint8_t[16]){IPPROTO_FRAGMENT, 1, 1, 12}, 16);
    frame_add(&frame, (uint8_t[8]){IPPROTO_TCP, 0, 0, 1}, 8); /* first fragment, more to come */
    frame_tcp(&frame, 40000, 110, PSH_ACK, 0);
    frame_fill(&frame, 'x', 9);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_CLEAR);
    assert_true(packet.is_to);
    assert_int_equal(packet.payload_bytes, 9);

    frame.bytes[14 + 40 + 8 + 16 + 3] = 8; /* offset 1: a later fragment */
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
}

static void test_ipv6_esp_and_endless_extensions(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER6, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, IPV6);
    frame_ipv6(&frame, SERVER6, CLIENT6, IPPROTO_ESP, 16);
    frame_fill(&frame, 1, 16);
    struct stf_wire_packet packet = decode(&frame, &target);
    assert_int_equal(packet.class, STF_WIRE_ESP);
    assert_false(packet.is_to);

    frame_ethernet(&frame, 0, IPV6);
    frame_ipv6(&frame, SERVER6, CLIENT6, IPPROTO_DSTOPTS, 20 * 8);
    for (int i = 0; i < 20; i++)
        frame_add(&frame, (uint8_t[8]){IPPROTO_DSTOPTS}, 8);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_MALFORMED);
}

static void test_bare_ip_link(void **state)
{
    (void)state;
    struct stf_wire_target target4 = target_of(SERVER, IPPROTO_TCP), target6 = target_of(SERVER6, IPPROTO_TCP);
    struct frame frame = {.size = 0};
    frame_ipv4(&frame, CLIENT, SERVER, IPPROTO_TCP, 0, 20);
    frame_tcp(&frame, 40000, 110, SYN, 0);
    assert_int_equal(stf_wire_decode(STF_WIRE_RAW_IP, frame.bytes, frame.size, frame.size, &target4).class,
                     STF_WIRE_CLEAR);
    frame.size = 0;
    frame_ipv6(&frame, CLIENT6, SERVER6, IPPROTO_TCP, 20);
    frame_tcp(&frame, 40000, 110, SYN, 0);
    assert_int_equal(stf_wire_decode(STF_WIRE_RAW_IP, frame.bytes, frame.size, frame.size, &target6).class,
                     STF_WIRE_CLEAR);
}

/* Cut anywhere before the end of the TCP header, a packet is never taken for a clear one, and never read beyond. */
static void test_every_cut(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    make_tcp4(&frame, 5, CLIENT, 40000, SERVER, 110, PSH_ACK, 0, 3);
    size_t headers_end = 14 + 4 + 20 + 20;
    for (size_t size = 0; size <= frame.size; size++) {
        enum stf_wire_class class = decode_cut(&frame, size, &target).class;
        assert_int_equal(class, size < headers_end ? STF_WIRE_MALFORMED : STF_WIRE_CLEAR);
    }
}

static void test_other_protocols(void **state)
{
    (void)state;
    struct stf_wire_target target = target_of(SERVER, IPPROTO_TCP);
    struct frame frame;
    frame_ethernet(&frame, 0, 0x0806); /* ARP */
    frame_fill(&frame, 0, 28);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
    frame_ethernet(&frame, 0, IPV4);
    frame_ipv4(&frame, CLIENT, SERVER, IPPROTO_ICMP, 0, 8);
    frame_fill(&frame, 0, 8);
    assert_int_equal(decode(&frame, &target).class, STF_WIRE_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_tcp_in_both_directions),
        cmocka_unit_test(test_the_port_must_be_on_the_side_of_the_address),
        cmocka_unit_test(test_link_padding_is_no_payload),
        cmocka_unit_test(test_payload_is_counted_beyond_what_was_captured),
        cmocka_unit_test(test_one_vlan_tag),
        cmocka_unit_test(test_esp_and_its_neighbours),
        cmocka_unit_test(test_exchanges_of_ike),
        cmocka_unit_test(test_clear_udp),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_ipv4_lengths_that_contradict),
        cmocka_unit_test(test_ipv4_options),
        cmocka_unit_test(test_ipv6_with_extension_headers),
        cmocka_unit_test(test_ipv6_esp_and_endless_extensions),
        cmocka_unit_test(test_bare_ip_link),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_other_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
