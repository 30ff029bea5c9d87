/* test_guard.c - the clear-text guard in real network namespaces: what it stops, what it lets through, and whether a
 * read tells what the kernel has. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>

#include "ipsec/guard.h"
#include "support/netpair.h"

enum { SILENCE_MS = 100, ANSWER_MS = 5000 };

static struct netpair pair; /* left: the front end, right: the node with the address */

/* ---------- calls ---------- */

static struct stf_host host_in(const char *netns)
{
    return (struct stf_host){.name = "host", .netns = netns, .site_dir = "/"};
}

static json_t *id_of(const char *name)
{
    return json_pack("{s:s}", "name", name);
}

static enum stf_kind try_write(const char *netns, const char *name, const json_t *state, struct stf_err *err)
{
    struct stf_host host = host_in(netns);
    json_t *id = id_of(name);
    enum stf_kind kind = stf_guard_write(NULL, &host, id, state, err);
    json_decref(id);
    return kind;
}

static void write_state(const char *netns, const json_t *state)
{
    struct stf_err err = {.kind = STF_OK};
    if (try_write(netns, "staffetta-mail", state, &err))
        fail_msg("write: %s", err.message);
}

static json_t *read_state(const char *netns)
{
    struct stf_host host = host_in(netns);
    struct stf_err err = {.kind = STF_OK};
    json_t *id = id_of("staffetta-mail"), *state = NULL;
    if (stf_guard_read(NULL, &host, id, &state, &err))
        fail_msg("read: %s", err.message);
    assert_non_null(state);
    json_decref(id);
    return state;
}

static json_int_t dropped_packets(const char *netns)
{
    struct stf_host host = host_in(netns);
    struct stf_err err = {.kind = STF_OK};
    json_t *id = id_of("staffetta-mail"), *result = NULL;
    if (stf_guard_counters(NULL, &host, id, &result, &err))
        fail_msg("counters: %s", err.message);
    json_int_t packets = json_integer_value(json_object_get(result, "packets"));
    assert_true(json_integer_value(json_object_get(result, "bytes")) >= packets);
    json_decref(id);
    json_decref(result);
    return packets;
}

static void assert_state(const char *netns, const json_t *expected)
{
    json_t *state = read_state(netns), *again = read_state(netns);
    if (!json_equal(state, expected)) {
        char *found = json_dumps(state, JSON_ENCODE_ANY), *wanted = json_dumps(expected, JSON_ENCODE_ANY);
        fail_msg("expected %s, found %s", wanted, found);
    }
    assert_true(json_equal(state, again));
    json_decref(state);
    json_decref(again);
}

/* Writes, and checks that the same is read. */
static void guard(const char *netns, json_t *state)
{
    assert_non_null(state);
    write_state(netns, state);
    assert_state(netns, state);
    json_decref(state);
}

static void unguard(void)
{
    guard(pair.left, json_null());
    guard(pair.right, json_null());
}

static json_t *mail(const char *side, const char *engine, const char *address)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:[i,i]}]}", "side", side, "engine", engine, "address", address,
                     "interface", "eth0", "traffic", "protocol", "tcp", "ports", 143, 110);
}

/* ---------- traffic ---------- */

/* Whether a TCP connection from `netns` to address and port stands. */
static bool connects(const char *netns, const char *address, uint16_t port, int timeout_ms)
{
    int listener = netpair_bind(pair.right, SOCK_STREAM, address, port);
    assert_true(listener >= 0);
    int client = netpair_connect(netns, address, port, timeout_ms);
    close(listener);
    if (client >= 0)
        close(client);
    return client >= 0;
}

static bool answers(const char *address, uint16_t port)
{
    return connects(pair.left, address, port, ANSWER_MS);
}

static bool is_silent(const char *address, uint16_t port)
{
    return !connects(pair.left, address, port, SILENCE_MS);
}

/* Whether a datagram from left arrives at address and port. */
static bool udp_arrives(const char *address, uint16_t port, int timeout_ms)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, address, port);
    int receiver = netpair_bind(pair.right, SOCK_DGRAM, address, port);
    int sender = netpair_socket(pair.left, at.ss_family, SOCK_DGRAM, 0);
    assert_true(receiver >= 0 && sender >= 0);
    sendto(sender, "hello", 5, 0, (struct sockaddr *)&at, size);
    struct pollfd polled = {receiver, POLLIN, 0};
    bool has_arrived = poll(&polled, 1, timeout_ms) == 1;
    close(receiver);
    close(sender);
    return has_arrived;
}

/* ---------- what a guard stops ---------- */

static void check_guard(const char *netns, const char *side, const char *engine, const char *address)
{
    assert_true(answers(address, 110));
    guard(netns, mail(side, engine, address));
    assert_int_equal(dropped_packets(netns), 0);
    assert_true(is_silent(address, 110));
    assert_true(is_silent(address, 143));
    assert_true(dropped_packets(netns) >= 2);
    assert_true(answers(address, 80));
    assert_true(connects(pair.right, address, 110, ANSWER_MS)); /* on the host itself, which no wire carries */
    guard(netns, json_null());
    assert_true(answers(address, 110));
}

static void test_clear_traffic_gets_no_answer(void **state)
{
    (void)state;
    static const char *const engines[] = {"kernel", "userland"};
    static const char *const addresses[] = {NETPAIR_RIGHT_IPV4, NETPAIR_RIGHT_IPV6};
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            check_guard(pair.right, "server", engines[i], addresses[j]);
            check_guard(pair.left, "client", engines[i], addresses[j]);
        }
    }
}

/* A connection stands already, and one end speaks: with the guard on `netns`, the other must not hear it. */
static void check_established(const char *netns, const char *side, const char *engine, bool is_server_speaking)
{
    char byte;
    int listener = netpair_bind(pair.right, SOCK_STREAM, NETPAIR_RIGHT_IPV4, 110);
    int client = netpair_connect(pair.left, NETPAIR_RIGHT_IPV4, 110, ANSWER_MS);
    int server = accept(listener, NULL, NULL);
    assert_true(client >= 0 && server >= 0);
    int from = is_server_speaking ? server : client, to = is_server_speaking ? client : server;
    assert_int_equal(send(from, "a", 1, 0), 1);
    assert_int_equal(recv(to, &byte, 1, 0), 1);

    guard(netns, mail(side, engine, NETPAIR_RIGHT_IPV4));
    assert_int_equal(send(from, "b", 1, 0), 1);
    struct pollfd polled = {to, POLLIN, 0};
    assert_int_equal(poll(&polled, 1, SILENCE_MS), 0);
    assert_true(dropped_packets(netns) >= 1);
    unguard();
    assert_int_equal(recv(to, &byte, 1, 0), 1); /* sent again by TCP */
    close(client);
    close(server);
    close(listener);
}

static void test_both_directions_are_guarded(void **state)
{
    (void)state;
    static const char *const engines[] = {"kernel", "userland"};
    for (int i = 0; i < 2; i++) {
        for (int is_server_speaking = 0; is_server_speaking < 2; is_server_speaking++) {
            check_established(pair.right, "server", engines[i], is_server_speaking);
            check_established(pair.left, "client", engines[i], is_server_speaking);
        }
    }
}

/* With ESP in the daemon, protected packets come and go through ipsec0: a second veth stands for it here. */
static void test_userland_lets_the_other_interface_pass(void **state)
{
    (void)state;
    assert_true(
        netpair_run("ip -n %s link add ipsec0 type veth peer name ipsec0 netns %s", pair.left, pair.right) &&
        netpair_run("ip -n %s addr add 10.78.0.1/24 dev ipsec0 && ip -n %s link set ipsec0 up", pair.left, pair.left) &&
        netpair_run("ip -n %s addr add 10.78.0.2/24 dev ipsec0 && ip -n %s link set ipsec0 up", pair.right,
                    pair.right));
    guard(pair.left, mail("client", "userland", NETPAIR_RIGHT_IPV4));
    guard(pair.right, mail("server", "userland", NETPAIR_RIGHT_IPV4));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 110));
    assert_true(netpair_run("ip -n %s route add " NETPAIR_RIGHT_IPV4 " dev ipsec0 src 10.78.0.1", pair.left));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 110));
    assert_true(netpair_run("ip -n %s link del ipsec0", pair.left));
    unguard();
}

static void test_ike_and_esp_are_never_touched(void **state)
{
    (void)state;
    static const char *const engines[] = {"kernel", "userland"};
    for (int i = 0; i < 2; i++) {
        guard(pair.right,
              json_pack("{s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}]}", "side", "server", "engine", engines[i], "address",
                        NETPAIR_RIGHT_IPV4, "interface", "eth0", "traffic", "protocol", "tcp", "protocol", "udp"));
        assert_true(is_silent(NETPAIR_RIGHT_IPV4, 80));
        assert_false(udp_arrives(NETPAIR_RIGHT_IPV4, 53, SILENCE_MS));
        assert_true(udp_arrives(NETPAIR_RIGHT_IPV4, 500, ANSWER_MS));
        assert_true(udp_arrives(NETPAIR_RIGHT_IPV4, 4500, ANSWER_MS));
        json_int_t before = dropped_packets(pair.right);
        int esp = netpair_socket(pair.left, AF_INET, SOCK_RAW, IPPROTO_ESP);
        struct sockaddr_storage at;
        socklen_t size = netpair_address(&at, NETPAIR_RIGHT_IPV4, 0);
        assert_int_equal(sendto(esp, "\xc0\0\0\x01\0\0\0\x01", 8, 0, (struct sockaddr *)&at, size), 8);
        close(esp);
        assert_true(udp_arrives(NETPAIR_RIGHT_IPV4, 500, ANSWER_MS)); /* so the ESP packet has arrived before */
        assert_int_equal(dropped_packets(pair.right), before);
        unguard();
    }
}

static void test_clear_udp(void **state)
{
    (void)state;
    guard(pair.left,
          json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:[i]}]}", "side", "client", "engine", "kernel", "address",
                    NETPAIR_RIGHT_IPV6, "interface", "eth0", "traffic", "protocol", "udp", "ports", 88));
    assert_false(udp_arrives(NETPAIR_RIGHT_IPV6, 88, SILENCE_MS));
    assert_true(udp_arrives(NETPAIR_RIGHT_IPV6, 89, ANSWER_MS));
    assert_true(udp_arrives(NETPAIR_RIGHT_IPV4, 88, ANSWER_MS));
    unguard();
}

/* The guard of a policy for everything: management must answer, or the operator is locked out. */
static json_t *everything(const char *side, const char *engine, const char *address)
{
    json_t *traffic = json_pack("[{s:s}, {s:s}, {s:s}]", "protocol", "tcp", "protocol", "udp", "protocol", "icmp");
    json_t *exempt = json_pack("[{s:s, s:[i, s]}, {s:s, s:[i, i]}]", "protocol", "tcp", "ports", 22, "5985-5986",
                               "protocol", "udp", "ports", 500, 4500);
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "side", side, "engine", engine, "address", address, "interface",
                     "eth0", "traffic", traffic, "exempt", exempt);
}

static bool pings(const char *address)
{
    return netpair_run("ip netns exec %s ping -q -c 1 -W 0.2 %s >/dev/null", pair.left, address);
}

static void test_management_is_exempt_on_either_side(void **state)
{
    (void)state;
    static const char *const engines[] = {"kernel", "userland"};
    static const char *const addresses[] = {NETPAIR_RIGHT_IPV4, NETPAIR_RIGHT_IPV6};
    for (int i = 0; i < 4; i++) {
        const char *address = addresses[i % 2], *netns[] = {pair.left, pair.right};
        assert_true(pings(address));
        for (int is_server = 0; is_server < 2; is_server++) {
            guard(netns[is_server], everything(is_server ? "server" : "client", engines[i / 2], address));
            assert_true(answers(address, 22));
            assert_true(answers(address, 5985));
            assert_true(answers(address, 5986));
            assert_true(is_silent(address, 110));
            assert_true(is_silent(address, 5987));
            assert_true(udp_arrives(address, 500, ANSWER_MS));
            assert_false(pings(address));
            guard(netns[is_server], json_null());
        }
        assert_true(pings(address));
    }
}

static void test_ranges(void **state)
{
    (void)state;
    guard(pair.right, json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:[s, s]}]}", "side", "server", "engine", "kernel",
                                "address", NETPAIR_RIGHT_IPV4, "interface", "eth0", "traffic", "protocol", "tcp",
                                "ports", "1025-5000", "49152-65535"));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 1025));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 5000));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 65535));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 1024));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 5001));
    unguard();
}

static void test_ike_inside_a_range_must_be_exempt(void **state)
{
    struct stf_err err = {.kind = STF_OK};
    json_t *wanted =
        json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:[s]}]}", "side", "server", "engine", "kernel", "address",
                  NETPAIR_RIGHT_IPV4, "interface", "eth0", "traffic", "protocol", "udp", "ports", "1-5000");
    (void)state;
    assert_int_equal(try_write(pair.right, "staffetta-mail", wanted, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "add them to 'exempt'"));
    json_object_set_new(wanted, "exempt", json_pack("[{s:s, s:[i, i]}]", "protocol", "udp", "ports", 500, 4500));
    guard(pair.right, wanted);
    assert_true(udp_arrives(NETPAIR_RIGHT_IPV4, 4500, ANSWER_MS));
    assert_false(udp_arrives(NETPAIR_RIGHT_IPV4, 4501, SILENCE_MS));
    unguard();
}

/* ---------- what a read tells ---------- */

static void test_states_come_back_as_they_were_written(void **state)
{
    (void)state;
    /* the same protocol twice, ports out of order, an address that nft spells otherwise */
    guard(pair.right, json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:[i,i]}, {s:s, s:[i]}, {s:s}, {s:s, s:[i]}]}", "side",
                                "server", "engine", "kernel", "address", "FD77:0::2", "interface", "eth0.7-b",
                                "traffic", "protocol", "tcp", "ports", 143, 110, "protocol", "tcp", "ports", 80,
                                "protocol", "udp", "protocol", "udp", "ports", 88));
    guard(pair.right, mail("client", "userland", NETPAIR_RIGHT_IPV4)); /* and straight to another */
    json_t *ports = json_array();
    for (int i = 1; i <= 200; i++)
        json_array_append_new(ports, json_integer(i));
    guard(pair.right, json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:o}]}", "side", "server", "engine", "kernel", "address",
                                NETPAIR_RIGHT_IPV4, "interface", "eth0", "traffic", "protocol", "tcp", "ports", ports));
    unguard();
}

static void test_writing_twice_leaves_the_guard_alone(void **state)
{
    (void)state;
    json_t *wanted = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
    write_state(pair.right, wanted);
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 110));
    json_int_t dropped = dropped_packets(pair.right);
    assert_true(dropped > 0);
    write_state(pair.right, wanted);
    assert_true(dropped_packets(pair.right) >= dropped);
    assert_state(pair.right, wanted);
    json_decref(wanted);
    unguard();
    unguard();
}

/* After `command` (an nft command line) a read must not show the guard, and both states can be put back. */
static void check_alteration(const char *command)
{
    json_t *wanted = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
    write_state(pair.right, wanted);
    assert_true(netpair_run("ip netns exec %s nft '%s'", pair.right, command));
    json_t *altered = read_state(pair.right);
    if (json_equal(altered, wanted))
        fail_msg("not noticed: %s", command);
    assert_true(json_is_array(json_object_get(altered, "ruleset")));
    assert_state(pair.right, altered);

    write_state(pair.right, wanted);
    assert_state(pair.right, wanted);
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 110));
    write_state(pair.right, altered);
    assert_state(pair.right, altered);
    json_decref(altered);
    json_decref(wanted);
    unguard();
}

static void test_alterations_are_noticed_and_can_be_put_back(void **state)
{
    (void)state;
    check_alteration("flush table inet staffetta_mail");
    check_alteration("flush chain inet staffetta_mail out");
    check_alteration("insert rule inet staffetta_mail in accept");
    check_alteration("insert rule inet staffetta_mail in tcp dport { 110, 995 } counter accept");
    check_alteration("add rule inet staffetta_mail out tcp sport 25 drop");
    check_alteration("add chain inet staffetta_mail in { policy drop; }");
    check_alteration("add chain inet staffetta_mail more");
    check_alteration("add set inet staffetta_mail s { type ipv4_addr; elements = { 10.9.0.1 }; }");
}

static void test_a_replaced_rule_is_noticed(void **state)
{
    (void)state;
    json_t *wanted = mail("server", "userland", NETPAIR_RIGHT_IPV4);
    write_state(pair.right, wanted);
    /* the comment stays, the verdict does not */
    assert_true(netpair_run("ip netns exec %s sh -c 'nft -s list ruleset | sed \"s/ drop comment/ accept comment/\" > "
                            "/tmp/%s.nft && nft flush ruleset && nft -f /tmp/%s.nft; rm /tmp/%s.nft'",
                            pair.right, pair.right, pair.right, pair.right));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 110));
    json_t *altered = read_state(pair.right);
    assert_true(json_is_array(json_object_get(altered, "ruleset")));
    json_decref(altered);
    json_decref(wanted);
    unguard();
}

static void test_a_dormant_table_is_noticed(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *wanted = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
    write_state(pair.right, wanted);
    assert_true(netpair_run("ip netns exec %s nft 'add table inet staffetta_mail { flags dormant; }'", pair.right));
    json_t *dormant = read_state(pair.right);
    assert_false(json_equal(dormant, wanted));
    write_state(pair.right, wanted); /* wakes it up */
    assert_state(pair.right, wanted);
    assert_int_equal(try_write(pair.right, "staffetta-mail", dormant, &err), STF_UNSUPPORTED);
    assert_state(pair.right, wanted);
    json_decref(dormant);
    json_decref(wanted);
    unguard();
}

static void test_other_tables_stay(void **state)
{
    (void)state;
    assert_true(netpair_run("ip netns exec %s nft 'add table inet staffetta_other; add table ip staffetta_mail; add "
                            "chain ip staffetta_mail c'",
                            pair.right));
    assert_state(pair.right, json_null());
    guard(pair.right, mail("server", "kernel", NETPAIR_RIGHT_IPV4));
    unguard();
    assert_true(netpair_run("ip netns exec %s nft list table inet staffetta_other >/dev/null", pair.right));
    assert_true(netpair_run("ip netns exec %s nft list chain ip staffetta_mail c >/dev/null", pair.right));
    assert_true(netpair_run("ip netns exec %s nft flush ruleset", pair.right));
}

/* ---------- what is refused ---------- */

static void test_names_that_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {
        "filter",
        "staffetta",
        "staffetta-",
        "Staffetta-mail",
        "staffetta-Mail",
        "staffetta_mail",
        "staffetta-ma il",
        "staffetta-a;drop",
        "x-staffetta-mail",
        "",
        "staffetta-0123456789012345678901234567890123456789012345678901234567890",
    };
    struct stf_host host = host_in(pair.right);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stf_err err;
        json_t *id = id_of(names[i]), *result = NULL, *wanted = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
        assert_int_equal(stf_guard_write(NULL, &host, id, wanted, &err), STF_DENIED);
        assert_int_equal(stf_guard_write(NULL, &host, id, json_null(), &err), STF_DENIED);
        assert_int_equal(stf_guard_read(NULL, &host, id, &result, &err), STF_DENIED);
        assert_int_equal(stf_guard_counters(NULL, &host, id, &result, &err), STF_DENIED);
        assert_null(result);
        json_decref(id);
        json_decref(wanted);
    }
}

/* The mail state with one member replaced (NULL: left out). */
static void check_refused(enum stf_kind expected, const char *key, json_t *value)
{
    struct stf_err err = {.kind = STF_OK};
    json_t *state = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
    if (value)
        json_object_set_new(state, key, value);
    else
        json_object_del(state, key);
    enum stf_kind kind = try_write(pair.right, "staffetta-mail", state, &err);
    if (kind != expected)
        fail_msg("%s: expected %s, found %s: %s", key, stf_kind_name(expected), stf_kind_name(kind), err.message);
    assert_true(err.message[0]);
    assert_state(pair.right, json_null());
    json_decref(state);
}

static void test_states_that_are_none(void **state)
{
    (void)state;
    static const char *const members[] = {"side", "engine", "address", "interface", "traffic"};
    for (int i = 0; i < 5; i++) {
        check_refused(STF_INVALID_DATA, members[i], NULL);
        check_refused(STF_INVALID_DATA, members[i], json_integer(1));
        check_refused(STF_INVALID_DATA, members[i], json_string("lo"));
    }
    check_refused(STF_INVALID_DATA, "interface", json_string("eth*"));
    check_refused(STF_INVALID_DATA, "interface", json_string(""));
    check_refused(STF_INVALID_DATA, "address", json_string("10.9.0.0/24"));
    check_refused(STF_INVALID_DATA, "colour", json_string("green"));
    check_refused(STF_INVALID_DATA, "traffic", json_array());
    check_refused(STF_INVALID_DATA, "traffic", json_pack("[{s:s, s:[]}]", "protocol", "tcp", "ports"));
    check_refused(STF_INVALID_DATA, "traffic", json_pack("[{s:s, s:i}]", "protocol", "tcp", "ports", 110));
    check_refused(STF_INVALID_DATA, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "tcp", "ports", 65536));
    check_refused(STF_INVALID_DATA, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "udp", "ports", 500));
    check_refused(STF_INVALID_DATA, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "udp", "ports", 4500));
    check_refused(STF_UNSUPPORTED, "traffic", json_pack("[{s:s}]", "protocol", "any"));
}

static void test_a_ruleset_stays_in_its_table(void **state)
{
    (void)state;
    static const char *const rulesets[] = {
        "[{'chain': {'family': 'inet', 'table': 'filter', 'name': 'x'}}]",
        "[{'chain': {'family': 'ip', 'table': 'staffetta_mail', 'name': 'x'}}]",
        "[{'chain': {'family': 'inet', 'table': 'staffetta_mail', 'name': 'x'}, 'table': {'family': 'inet'}}]",
        "[{'chain': {'family': 'inet', 'table': 'staffetta_mail', 'name': 'x'}, 'x': {}}]",
        "[{'flush': {'ruleset': null}}]",
        "[{}]",
        "['flush ruleset']",
    };
    for (size_t i = 0; i < sizeof rulesets / sizeof rulesets[0]; i++) {
        char text[256];
        struct stf_err err;
        strcpy(text, rulesets[i]);
        for (char *quote = strchr(text, '\''); quote; quote = strchr(quote, '\''))
            *quote = '"';
        json_t *wanted = json_pack("{s:o}", "ruleset", json_loads(text, 0, NULL));
        assert_non_null(wanted);
        enum stf_kind kind = try_write(pair.right, "staffetta-mail", wanted, &err);
        assert_true(kind == STF_DENIED || kind == STF_UNSUPPORTED);
        assert_state(pair.right, json_null());
        json_decref(wanted);
    }
}

static void test_nft_or_the_namespace_is_missing(void **state)
{
    (void)state;
    struct stf_err err = {.kind = STF_OK};
    json_t *wanted = mail("server", "kernel", NETPAIR_RIGHT_IPV4);
    assert_int_equal(try_write("stf-no-such-namespace", "staffetta-mail", wanted, &err), STF_NOT_FOUND);

    char *path = strdup(getenv("PATH"));
    setenv("PATH", "/nowhere", 1);
    enum stf_kind kind = try_write(pair.right, "staffetta-mail", wanted, &err);
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(kind, STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "nftables"));
    json_decref(wanted);
}

static void test_counters_of_no_guard(void **state)
{
    (void)state;
    struct stf_host host = host_in(pair.right);
    struct stf_err err;
    json_t *id = id_of("staffetta-mail"), *result = NULL;
    assert_int_equal(stf_guard_counters(NULL, &host, id, &result, &err), STF_NOT_FOUND);
    json_decref(id);
}

static void check_description(const json_t *state, const char *expected)
{
    json_t *id = id_of("staffetta-mail");
    char *text = stf_guard_describe(id, state);
    assert_string_equal(text, expected);
    free(text);
    json_decref(id);
}

static void test_descriptions(void **state)
{
    (void)state;
    json_t *wanted = mail("server", "kernel", "10.9.0.100"), *altered = json_pack("{s:[{}, {}]}", "ruleset");
    check_description(NULL, "guard staffetta-mail");
    check_description(json_null(), "none");
    check_description(wanted, "server of 10.9.0.100, kernel ESP, clear traffic dropped: tcp/143,110");
    check_description(altered, "altered, 2 rules and chains");
    json_decref(wanted);
    json_decref(altered);
}

/* A test that failed half-way leaves no guard to the next one. */
static int remove_guards(void **state)
{
    (void)state;
    netpair_run("ip netns exec %s nft flush ruleset; ip netns exec %s nft flush ruleset", pair.left, pair.right);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    netpair_down(&pair);
    return 0;
}

#define GUARD_TEST(function) cmocka_unit_test_teardown(function, remove_guards)

/* ---------- a guard between two hosts ---------- */

static json_t *between(const char *side, const char *address, const char *peer)
{
    json_t *state = mail(side, "userland", address);
    json_object_set_new(state, "peer", json_string(peer));
    return state;
}

static void test_a_guard_with_a_peer_is_for_the_two_alone(void **state)
{
    (void)state;
    guard(pair.right, between("server", NETPAIR_RIGHT_IPV4, NETPAIR_LEFT_IPV4));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 143));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 80));
    assert_true(dropped_packets(pair.right) > 0);
    guard(pair.right, between("server", NETPAIR_RIGHT_IPV4, "203.0.113.9"));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 143));
    unguard();
    guard(pair.left, between("client", NETPAIR_RIGHT_IPV4, NETPAIR_LEFT_IPV4));
    assert_true(is_silent(NETPAIR_RIGHT_IPV4, 143));
    guard(pair.left, between("client", NETPAIR_RIGHT_IPV4, "203.0.113.9"));
    assert_true(answers(NETPAIR_RIGHT_IPV4, 143));
    unguard();
}

static void test_a_peer_that_can_not_be(void **state)
{
    static const char *const peers[][2] = {{"fd09::1", "member 'peer': expected an IPv4 address, found"},
                                           {"fe1", "'peer': expected an IPv4 address, found 'fe1'"}};
    struct stf_err err;
    (void)state;
    for (size_t i = 0; i < sizeof peers / sizeof *peers; i++) {
        json_t *wrong = between("server", NETPAIR_RIGHT_IPV4, peers[i][0]);
        assert_int_equal(try_write(pair.right, "staffetta-mail", wrong, &err), STF_INVALID_DATA);
        json_decref(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        GUARD_TEST(test_clear_traffic_gets_no_answer),
        GUARD_TEST(test_both_directions_are_guarded),
        GUARD_TEST(test_userland_lets_the_other_interface_pass),
        GUARD_TEST(test_ike_and_esp_are_never_touched),
        GUARD_TEST(test_clear_udp),
        GUARD_TEST(test_management_is_exempt_on_either_side),
        GUARD_TEST(test_ranges),
        GUARD_TEST(test_ike_inside_a_range_must_be_exempt),
        GUARD_TEST(test_states_come_back_as_they_were_written),
        GUARD_TEST(test_writing_twice_leaves_the_guard_alone),
        GUARD_TEST(test_alterations_are_noticed_and_can_be_put_back),
        GUARD_TEST(test_a_replaced_rule_is_noticed),
        GUARD_TEST(test_a_dormant_table_is_noticed),
        GUARD_TEST(test_other_tables_stay),
        GUARD_TEST(test_names_that_are_not_ours),
        GUARD_TEST(test_states_that_are_none),
        GUARD_TEST(test_a_ruleset_stays_in_its_table),
        GUARD_TEST(test_nft_or_the_namespace_is_missing),
        GUARD_TEST(test_counters_of_no_guard),
        GUARD_TEST(test_descriptions),
        GUARD_TEST(test_a_guard_with_a_peer_is_for_the_two_alone),
        GUARD_TEST(test_a_peer_that_can_not_be),
    };
    if (!netpair_up(&pair, "guard")) {
        puts("SKIP: no network namespaces here (needs root and ip)");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, teardown);
}
