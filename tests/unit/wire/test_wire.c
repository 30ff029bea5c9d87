/* test_wire.c - captures on a real veth pair in real network namespaces, driven through the binding's verbs.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <net/if.h>
#include <netpacket/packet.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "common/clock.h"
#include "frames.h"
#include "support/netpair.h"
#include "wire/wire.h"

static struct netpair pair;
static void *self;

/* ---------- verbs ---------- */

static const struct stf_verb *verb(const char *name)
{
    const struct stf_verb *at = stf_wire_binding.verbs;
    while (at->name && strcmp(at->name, name) != 0)
        at++;
    assert_non_null(at->name);
    assert_string_equal(at->need, "wire");
    return at;
}

/* Takes `args` over. `netns` NULL: the host has a namespace of no such name. */
static enum stf_kind call(const char *netns, const char *name, json_t *args, json_t **result, struct stf_err *err)
{
    json_t *config = json_pack("{s:s}", "interface", "eth0");
    struct stf_host host = {.name = "host", .netns = netns, .config = config, .site_dir = "/"};
    assert_non_null(args);
    *result = NULL;
    enum stf_kind kind = verb(name)->call(self, &host, args, result, err);
    json_decref(args);
    json_decref(config);
    return kind;
}

static json_int_t start_with(const char *netns, json_t *args)
{
    json_t *result;
    struct stf_err err = {.kind = STF_OK};
    if (call(netns, "wire.start", args, &result, &err))
        fail_msg("wire.start: %s", err.message);
    json_int_t handle = json_integer_value(json_object_get(result, "handle"));
    assert_true(handle > 0);
    json_decref(result);
    return handle;
}

static json_int_t start(const char *netns, const char *address)
{
    return start_with(netns, json_pack("{s:s, s:[i,i]}", "address", address, "ports", 110, 143));
}

/* The left host says 5 bytes to `port` of `address` on the right one, which answers 7. */
static void exchange(const char *address, uint16_t port)
{
    char bytes[8];
    int listener = netpair_bind(pair.right, SOCK_STREAM, address, port);
    assert_true(listener >= 0);
    int client = netpair_connect(pair.left, address, port, 5000);
    assert_true(client >= 0);
    int server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    assert_int_equal(send(client, "hello", 5, 0), 5);
    assert_int_equal(recv(server, bytes, 5, MSG_WAITALL), 5);
    assert_int_equal(send(server, "+OK bye", 7, 0), 7);
    assert_int_equal(recv(client, bytes, 7, MSG_WAITALL), 7);
    close(client);
    assert_int_equal(recv(server, bytes, 1, 0), 0);
    close(server);
    close(listener);
}

/* What was sent before has arrived when this has: a veth hands packets over in order, but not at once under load. */
static void settle(void)
{
    exchange(NETPAIR_RIGHT_IPV4, 9);
}

static json_t *stop(const char *netns, json_int_t handle)
{
    json_t *report;
    struct stf_err err = {.kind = STF_OK};
    settle();
    if (call(netns, "wire.stop", json_pack("{s:I}", "handle", handle), &report, &err))
        fail_msg("wire.stop: %s", err.message);
    assert_true(json_integer_value(json_object_get(report, "duration_ms")) >= 0);
    return report;
}

static json_int_t number(const json_t *report, const char *key)
{
    const json_t *value = json_object_get(report, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void assert_count(const json_t *report, const char *key, json_int_t to, json_int_t from)
{
    const json_t *count = json_object_get(report, key);
    assert_int_equal(number(count, "to"), to);
    assert_int_equal(number(count, "from"), from);
}

static const json_t *clear_of(const json_t *report, int port, const char *direction)
{
    size_t i;
    json_t *entry;
    json_array_foreach (json_object_get(report, "clear"), i, entry)
        if (number(entry, "port") == port &&
            strcmp(json_string_value(json_object_get(entry, "direction")), direction) == 0)
            return entry;
    fail_msg("no entry for port %d %s", port, direction);
    return NULL;
}

static void assert_nothing_seen(const json_t *report)
{
    assert_int_equal(number(report, "captured"), 0);
    assert_int_equal(number(report, "clear_total"), 0);
    assert_int_equal(number(report, "clear_payload_bytes"), 0);
    assert_int_equal(number(report, "malformed"), 0);
    assert_int_equal(number(report, "lost"), 0);
    assert_int_equal(json_array_size(json_object_get(report, "evidence")), 0);
}

/* ---------- traffic ---------- */

static void send_esp(const char *netns, const char *to, int count)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, to, 0);
    int fd = netpair_socket(netns, at.ss_family, SOCK_RAW, IPPROTO_ESP);
    assert_true(fd >= 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(sendto(fd, "\xc0\0\0\x01\0\0\0\x01payload payload", 23, 0, (struct sockaddr *)&at, size), 23);
    close(fd);
}

static void send_udp(const char *netns, const char *to, uint16_t port, const char *bytes, size_t size, int count)
{
    struct sockaddr_storage at;
    socklen_t at_size = netpair_address(&at, to, port);
    int fd = netpair_socket(netns, at.ss_family, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&at, at_size), (ssize_t)size);
    close(fd);
}

/* Puts a frame on eth0 of `netns` as it is. */
static void send_frame(const char *netns, const struct frame *frame, int count)
{
    int fd = netpair_socket(netns, AF_PACKET, SOCK_RAW, 0);
    assert_true(fd >= 0);
    struct ifreq request = {0};
    strcpy(request.ifr_name, "eth0");
    assert_int_equal(ioctl(fd, SIOCGIFINDEX, &request), 0);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = request.ifr_ifindex, .sll_halen = 6};
    for (int i = 0; i < count; i++)
        assert_int_equal(sendto(fd, frame->bytes, frame->size, 0, (struct sockaddr *)&at, sizeof at),
                         (ssize_t)frame->size);
    close(fd);
}

static void make_syn(struct frame *frame, unsigned vlan)
{
    frame_ethernet(frame, vlan, 0x0800);
    frame_ipv4(frame, "10.77.0.9", "10.77.0.8", IPPROTO_TCP, 0, 20);
    frame_tcp(frame, 40000, 110, 0x02, 0);
}

/* ---------- tests ---------- */

static void check_exchange(const char *capturing, const char *address)
{
    json_int_t handle = start(capturing, address);
    exchange(address, 110);
    json_t *report = stop(capturing, handle);

    const json_t *to = clear_of(report, 110, "to"), *from = clear_of(report, 110, "from");
    assert_int_equal(number(to, "payload_bytes"), 5);
    assert_int_equal(number(from, "payload_bytes"), 7);
    assert_int_equal(number(to, "attempts"), 1);
    assert_int_equal(number(from, "attempts"), 0);
    assert_in_range(number(to, "packets"), 4, 9);   /* SYN, ACK, data, FIN, and acknowledgements */
    assert_in_range(number(from, "packets"), 3, 9); /* SYN-ACK, data, FIN, and acknowledgements */
    assert_int_equal(number(report, "clear_total"), number(to, "packets") + number(from, "packets"));
    assert_int_equal(number(report, "clear_payload_bytes"), 12);
    assert_int_equal(number(report, "captured"), number(report, "clear_total"));
    assert_int_equal(number(report, "lost"), 0);
    assert_int_equal(number(clear_of(report, 143, "to"), "packets"), 0);
    assert_count(report, "esp", 0, 0);

    const json_t *evidence = json_object_get(report, "evidence");
    assert_int_equal(json_array_size(evidence), number(report, "clear_total"));
    const json_t *syn = json_array_get(evidence, 0), *answer = json_array_get(evidence, 1);
    assert_string_equal(json_string_value(json_object_get(syn, "flags")), "S");
    assert_string_equal(json_string_value(json_object_get(syn, "dst")), address);
    assert_int_equal(number(syn, "dst_port"), 110);
    assert_int_equal(number(syn, "payload_bytes"), 0);
    assert_string_equal(json_string_value(json_object_get(answer, "flags")), "SA");
    assert_string_equal(json_string_value(json_object_get(answer, "src")), address);
    assert_int_equal(number(answer, "src_port"), 110);
    assert_int_equal(number(answer, "dst_port"), number(syn, "src_port"));
    assert_true(number(answer, "time_unix_ns") >= number(syn, "time_unix_ns"));
    assert_true(number(syn, "time_unix_ns") / 1000000000 > time(NULL) - 60);
    assert_true(number(syn, "time_unix_ns") / 1000000000 <= time(NULL));
    json_decref(report);
}

static void test_a_clear_exchange(void **state)
{
    (void)state;
    check_exchange(pair.right, NETPAIR_RIGHT_IPV4); /* on the server's side */
    check_exchange(pair.left, NETPAIR_RIGHT_IPV4);  /* and on the client's */
    check_exchange(pair.right, NETPAIR_RIGHT_IPV6);
    check_exchange(pair.left, NETPAIR_RIGHT_IPV6);
}

static void check_protected(const char *left, const char *right)
{
    json_int_t handle = start(pair.right, right);
    send_esp(pair.left, right, 7);
    send_esp(pair.right, left, 3);
    send_udp(pair.left, right, 4500, "\xc0\0\0\x01\0\0\0\x01xyz", 11, 5);
    send_udp(pair.right, left, 4500, "\xc0\0\0\x01\0\0\0\x01xyz", 11, 4);
    send_udp(pair.left, right, 4500, "\0\0\0\0IKE", 7, 2);
    send_udp(pair.left, right, 500, "IKE", 3, 6);
    send_udp(pair.left, right, 4500, "\xff", 1, 8); /* NAT keep-alives are nothing of the kind */
    json_t *report = stop(pair.right, handle);
    assert_count(report, "esp", 7, 3);
    assert_count(report, "esp_in_udp", 5, 4);
    assert_count(report, "ike", 8, 0);
    assert_int_equal(number(report, "captured"), 7 + 3 + 5 + 4 + 8);
    assert_int_equal(number(report, "clear_total"), 0);
    assert_int_equal(number(report, "malformed"), 0);
    assert_int_equal(number(report, "lost"), 0);
    json_decref(report);
}

static void test_protected_traffic_is_counted_exactly(void **state)
{
    (void)state;
    check_protected(NETPAIR_LEFT_IPV4, NETPAIR_RIGHT_IPV4);
    check_protected(NETPAIR_LEFT_IPV6, NETPAIR_RIGHT_IPV6);
}

static void check_others_ignored(const char *address, const char *left, const char *right)
{
    json_int_t handle = start(pair.right, address);
    exchange(right, 110);
    send_esp(pair.left, right, 3);
    send_esp(pair.right, left, 3);
    send_udp(pair.left, right, 4500, "\xc0\0\0\x01\0\0\0\x01xyz", 11, 3);
    json_t *report = stop(pair.right, handle);
    assert_nothing_seen(report);
    json_decref(report);
}

static json_int_t sum_of(const json_t *list)
{
    size_t i;
    json_t *each;
    json_int_t sum = 0;
    json_array_foreach (list, i, each)
        sum += json_integer_value(each);
    return sum;
}

static void test_a_trace_tells_when(void **state)
{
    (void)state;
    static const char init[28] = {[17] = 0x20, [18] = 34, [19] = 0x08};
    int64_t begun_ns = stf_clock_ns();
    json_int_t handle =
        start_with(pair.right, json_pack("{s:s, s:[i], s:b}", "address", NETPAIR_RIGHT_IPV4, "ports", 110, "trace", 1));
    send_esp(pair.left, NETPAIR_RIGHT_IPV4, 3);
    send_udp(pair.left, NETPAIR_RIGHT_IPV4, 500, init, sizeof init, 1);
    exchange(NETPAIR_RIGHT_IPV4, 110);
    json_t *report = stop(pair.right, handle);
    int64_t ended_ns = stf_clock_ns();

    const json_t *trace = json_object_get(report, "trace"), *at = json_object_get(trace, "at_ns");
    assert_int_equal(sum_of(json_object_get(trace, "protected")), 3);
    assert_int_equal(sum_of(json_object_get(trace, "clear")), number(report, "clear_total"));
    assert_int_equal(number(trace, "untraced"), 0);
    int64_t bucket_ns = number(trace, "bucket_us") * 1000, last_ns = begun_ns;
    for (size_t i = 0; i < json_array_size(at); i++) {
        int64_t at_ns = json_integer_value(json_array_get(at, i));
        assert_true(at_ns >= last_ns && at_ns < ended_ns);
        last_ns = at_ns + bucket_ns;
    }
    assert_int_equal(json_array_size(json_object_get(trace, "ike")), 1);
    const json_t *message = json_array_get(json_object_get(trace, "ike"), 0);
    assert_string_equal(json_string_value(json_object_get(message, "exchange")), "IKE_SA_INIT");
    assert_string_equal(json_string_value(json_object_get(message, "direction")), "to");
    assert_false(json_is_true(json_object_get(message, "is_response")));
    assert_true(number(message, "at_ns") >= begun_ns && number(message, "at_ns") < ended_ns);
    json_decref(report);

    report = stop(pair.right, start(pair.right, NETPAIR_RIGHT_IPV4));
    assert_null(json_object_get(report, "trace"));
    json_decref(report);
}

static void test_other_traffic_is_ignored(void **state)
{
    (void)state;
    check_others_ignored("10.77.0.99", NETPAIR_LEFT_IPV4, NETPAIR_RIGHT_IPV4); /* another address */
    check_others_ignored("fd77::99", NETPAIR_LEFT_IPV6, NETPAIR_RIGHT_IPV6);

    json_int_t handle = start(pair.right, NETPAIR_RIGHT_IPV4);
    exchange(NETPAIR_RIGHT_IPV4, 80);
    exchange(NETPAIR_RIGHT_IPV6, 110);
    send_udp(pair.left, NETPAIR_RIGHT_IPV4, 110, "udp", 3, 3); /* the capture is for TCP */
    assert_true(netpair_run("ip netns exec %s ping -q -c 1 " NETPAIR_RIGHT_IPV4 " >/dev/null", pair.left));
    json_t *report = stop(pair.right, handle);
    assert_nothing_seen(report);
    json_decref(report);

    send_esp(pair.left, NETPAIR_RIGHT_IPV4, 3); /* before the start */
    handle = start(pair.left, NETPAIR_RIGHT_IPV4);
    report = stop(pair.left, handle);
    assert_nothing_seen(report);
    json_decref(report);
}

static void test_an_attempt_is_told_from_an_exchange(void **state)
{
    (void)state;
    struct frame frame;
    make_syn(&frame, 0);
    json_int_t handle = start(pair.left, "10.77.0.8");
    send_frame(pair.left, &frame, 3);
    json_t *report = stop(pair.left, handle);
    const json_t *to = clear_of(report, 110, "to"), *from = clear_of(report, 110, "from");
    assert_int_equal(number(to, "packets"), 3);
    assert_int_equal(number(to, "attempts"), 3);
    assert_int_equal(number(to, "payload_bytes"), 0);
    assert_int_equal(number(from, "packets"), 0);
    json_decref(report);
}

static void test_tagged_frames_are_counted(void **state)
{
    (void)state;
    struct frame frame;
    make_syn(&frame, 5);
    json_int_t sent = start(pair.left, "10.77.0.8"), received = start(pair.right, "10.77.0.8");
    send_frame(pair.left, &frame, 4);
    json_t *report = stop(pair.left, sent);
    assert_int_equal(number(report, "clear_total"), 4);
    json_decref(report);
    report = stop(pair.right, received);
    assert_int_equal(number(report, "clear_total"), 4);
    json_decref(report);
}

static void test_evidence_is_bounded_and_counts_are_not(void **state)
{
    (void)state;
    struct frame frame;
    make_syn(&frame, 0);
    json_int_t handle = start(pair.left, "10.77.0.8");
    send_frame(pair.left, &frame, 100);
    json_t *report = stop(pair.left, handle);
    assert_int_equal(number(report, "clear_total"), 100);
    assert_int_equal(json_array_size(json_object_get(report, "evidence")), STF_WIRE_MAX_EVIDENCE);
    json_decref(report);
}

static void test_clear_udp(void **state)
{
    (void)state;
    json_int_t handle = start_with(pair.right, json_pack("{s:s, s:s, s:[i], s:s}", "interface", "eth0", "address",
                                                         NETPAIR_RIGHT_IPV4, "ports", 88, "protocol", "udp"));
    send_udp(pair.left, NETPAIR_RIGHT_IPV4, 88, "ticket", 6, 3);
    send_udp(pair.left, NETPAIR_RIGHT_IPV4, 89, "ticket", 6, 3);
    exchange(NETPAIR_RIGHT_IPV4, 88);
    json_t *report = stop(pair.right, handle);
    assert_int_equal(number(clear_of(report, 88, "to"), "packets"), 3);
    assert_int_equal(number(report, "clear_payload_bytes"), 18);
    assert_int_equal(number(report, "captured"), 3);
    json_decref(report);
}

static void test_most_ports(void **state)
{
    (void)state;
    json_t *ports = json_array();
    for (int i = 0; i < STF_WIRE_MAX_PORTS; i++)
        json_array_append_new(ports, json_integer(i ? 1000 + i : 110));
    json_int_t handle = start_with(pair.right, json_pack("{s:s, s:o}", "address", NETPAIR_RIGHT_IPV4, "ports", ports));
    exchange(NETPAIR_RIGHT_IPV4, 110);
    exchange(NETPAIR_RIGHT_IPV4, 1000 + STF_WIRE_MAX_PORTS - 1);
    json_t *report = stop(pair.right, handle);
    assert_int_equal(number(report, "clear_payload_bytes"), 24);
    json_decref(report);
}

static void check_refused(const char *netns, enum stf_kind expected, json_t *args)
{
    json_t *result;
    struct stf_err err = {.kind = STF_OK};
    char *shown = json_dumps(args, 0);
    enum stf_kind kind = call(netns, "wire.start", args, &result, &err);
    if (kind != expected)
        fail_msg("%s: expected %s, found %s: %s", shown, stf_kind_name(expected), stf_kind_name(kind), err.message);
    assert_null(result);
    assert_int_equal(err.kind, expected);
    assert_true(err.message[0]);
    free(shown);
}

static void test_what_cannot_be_captured(void **state)
{
    (void)state;
    const char *a = NETPAIR_RIGHT_IPV4;
    check_refused(pair.right, STF_NOT_FOUND,
                  json_pack("{s:s, s:[i], s:s}", "address", a, "ports", 110, "interface", "eth7"));
    check_refused("stf-no-such-namespace", STF_NOT_FOUND, json_pack("{s:s, s:[i]}", "address", a, "ports", 110));
    check_refused(pair.right, STF_INVALID_DATA,
                  json_pack("{s:s, s:[i], s:s}", "address", a, "ports", 110, "interface", "a-name-too-long-"));
    check_refused(pair.right, STF_INVALID_DATA,
                  json_pack("{s:s, s:[i], s:s}", "address", a, "ports", 110, "interface", ""));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i]}", "address", "10.9.0", "ports", 110));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i]}", "address", "fd00::g", "ports", 110));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:[i]}", "ports", 110));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s}", "address", a));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[]}", "address", a, "ports"));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i]}", "address", a, "ports", 0));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i]}", "address", a, "ports", 65536));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i,i]}", "address", a, "ports", 110, 110));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[s]}", "address", a, "ports", "110"));
    check_refused(pair.right, STF_INVALID_DATA,
                  json_pack("{s:s, s:[i], s:s}", "address", a, "ports", 110, "protocol", "sctp"));
    check_refused(pair.right, STF_INVALID_DATA,
                  json_pack("{s:s, s:[i], s:s}", "address", a, "ports", 4500, "protocol", "udp"));
    check_refused(pair.right, STF_INVALID_DATA, json_pack("{s:s, s:[i], s:i}", "address", a, "ports", 110, "port", 1));
}

static void test_an_interface_that_is_down(void **state)
{
    (void)state;
    assert_true(netpair_run("ip -n %s link add idle0 type veth peer name idle1", pair.left));
    check_refused(pair.left, STF_UNREACHABLE,
                  json_pack("{s:s, s:[i], s:s}", "address", NETPAIR_LEFT_IPV4, "ports", 110, "interface", "idle0"));
    assert_true(netpair_run("ip -n %s link del idle0", pair.left));
}

static void test_handles(void **state)
{
    (void)state;
    json_t *result;
    struct stf_err err;
    json_int_t handle = start(pair.right, NETPAIR_RIGHT_IPV4);
    json_decref(stop(pair.right, handle));
    assert_int_equal(call(pair.right, "wire.stop", json_pack("{s:I}", "handle", handle), &result, &err), STF_NOT_FOUND);
    assert_int_equal(call(pair.right, "wire.stop", json_pack("{s:i}", "handle", 4711), &result, &err), STF_NOT_FOUND);
    assert_int_equal(call(pair.right, "wire.stop", json_pack("{s:i}", "handle", 0), &result, &err), STF_INVALID_DATA);
    assert_int_equal(call(pair.right, "wire.stop", json_pack("{s:s}", "handle", "1"), &result, &err), STF_INVALID_DATA);
    assert_int_equal(call(pair.right, "wire.stop", json_object(), &result, &err), STF_INVALID_DATA);
}

/* A crash drill takes the link down and up again: what comes after is still counted. */
static void test_the_link_goes_down_and_up(void **state)
{
    (void)state;
    struct frame frame;
    make_syn(&frame, 0);
    json_int_t handle = start(pair.left, "10.77.0.8");
    send_frame(pair.left, &frame, 2);
    assert_true(netpair_run("ip -n %s link set eth0 down", pair.left));
    assert_true(netpair_run("ip -n %s link set eth0 up", pair.left));
    assert_true(netpair_run("ip -n %s addr add " NETPAIR_LEFT_IPV6 "/64 dev eth0 nodad", pair.left));
    send_frame(pair.left, &frame, 3);
    json_t *report = stop(pair.left, handle);
    assert_int_equal(number(report, "clear_total"), 5);
    json_decref(report);
}

static void test_the_interface_is_removed(void **state)
{
    (void)state;
    json_t *report;
    struct stf_err err = {.kind = STF_OK};
    assert_true(netpair_run("ip -n %s link add gone0 type veth peer name gone1", pair.left) &&
                netpair_run("ip -n %s link set gone0 up", pair.left));
    json_int_t handle = start_with(
        pair.left, json_pack("{s:s, s:s, s:[i]}", "interface", "gone0", "address", NETPAIR_LEFT_IPV4, "ports", 110));
    assert_true(netpair_run("ip -n %s link del gone0", pair.left));
    assert_int_equal(call(pair.left, "wire.stop", json_pack("{s:I}", "handle", handle), &report, &err), STF_IO);
    assert_null(report);
    assert_non_null(strstr(err.message, "gone0"));
}

/* Whatever the machine's speed, no packet is without trace: it was captured or is reported as lost. */
static void test_a_flood_is_captured_or_reported_lost(void **state)
{
    (void)state;
    enum { PACKETS = 100000 };
    json_int_t handle = start(pair.left, NETPAIR_RIGHT_IPV4);
    send_esp(pair.left, NETPAIR_RIGHT_IPV4, PACKETS);
    json_t *report = stop(pair.left, handle);
    assert_int_equal(number(report, "captured") + number(report, "lost"), PACKETS);
    assert_true(number(report, "captured") > 0);
    json_decref(report);
}

static void *capture_again_and_again(void *unused)
{
    (void)unused;
    const char *netns = pair.left; /* the side where sending is seen at once */
    for (int i = 0; i < 10; i++) {
        struct stf_err err;
        json_t *started = NULL, *report = NULL;
        if (call(netns, "wire.start", json_pack("{s:s, s:[i]}", "address", NETPAIR_RIGHT_IPV4, "ports", 110), &started,
                 &err))
            return "wire.start failed";
        json_t *args = json_pack("{s:O}", "handle", json_object_get(started, "handle"));
        json_decref(started);
        send_esp(pair.left, NETPAIR_RIGHT_IPV4, 1);
        if (call(netns, "wire.stop", args, &report, &err))
            return "wire.stop failed";
        json_int_t seen = json_integer_value(json_object_get(json_object_get(report, "esp"), "to"));
        json_decref(report);
        if (seen < 1)
            return "an ESP packet was not seen";
    }
    return NULL;
}

static void test_captures_at_the_same_time(void **state)
{
    (void)state;
    pthread_t threads[3];
    void *failure;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, capture_again_and_again, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &failure), 0);
        if (failure)
            fail_msg("%s", (const char *)failure);
    }
}

/* Closing the binding ends what a script forgot to stop; sanitizers watch. */
static void test_close_ends_running_captures(void **state)
{
    (void)state;
    start(pair.left, NETPAIR_RIGHT_IPV4);
    start(pair.right, NETPAIR_RIGHT_IPV4);
    stf_wire_binding.close(self);
    self = stf_wire_binding.open();
    assert_non_null(self);
}

static int setup(void **state)
{
    (void)state;
    self = stf_wire_binding.open();
    return self ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    stf_wire_binding.close(self);
    netpair_down(&pair);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clear_exchange),
        cmocka_unit_test(test_protected_traffic_is_counted_exactly),
        cmocka_unit_test(test_a_trace_tells_when),
        cmocka_unit_test(test_other_traffic_is_ignored),
        cmocka_unit_test(test_an_attempt_is_told_from_an_exchange),
        cmocka_unit_test(test_tagged_frames_are_counted),
        cmocka_unit_test(test_evidence_is_bounded_and_counts_are_not),
        cmocka_unit_test(test_clear_udp),
        cmocka_unit_test(test_most_ports),
        cmocka_unit_test(test_what_cannot_be_captured),
        cmocka_unit_test(test_an_interface_that_is_down),
        cmocka_unit_test(test_handles),
        cmocka_unit_test(test_the_link_goes_down_and_up),
        cmocka_unit_test(test_the_interface_is_removed),
        cmocka_unit_test(test_a_flood_is_captured_or_reported_lost),
        cmocka_unit_test(test_captures_at_the_same_time),
        cmocka_unit_test(test_close_ends_running_captures),
    };
    if (!netpair_up(&pair, "wire")) {
        puts("SKIP: no network namespaces here (needs root and ip)");
        return 0;
    }
    return cmocka_run_group_tests(tests, setup, teardown);
}
