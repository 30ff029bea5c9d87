/* test_exempt.c - what a policy for everything does to real traffic in the kernel: all of it is blocked until it is
 * protected, but management answers in the clear. Policies only: no secret is set, so no SA ever stands, and the kernel
 * needs no ESP. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "strongswan_lab.h"
#include "support/netpair.h"

enum { SILENCE_MS = 150, ANSWER_MS = 5000 };

static const char *const addresses[][2] = {{"10.9.0.1", "fd09::1"}, {"10.9.0.2", "fd09::2"}};

/* Whether a TCP connection from the one to a port of the other stands. */
static bool connects(int from, bool is_ipv6, uint16_t port, int timeout_ms)
{
    int to = from == CLIENT ? SERVER : CLIENT;
    const char *address = addresses[to][is_ipv6];
    int listener = netpair_bind(lab.nodes[to].netns, SOCK_STREAM, address, port);
    assert_true(listener >= 0);
    int fd = netpair_connect(lab.nodes[from].netns, address, port, timeout_ms);
    close(listener);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool answers(int from, bool is_ipv6, uint16_t port)
{
    return connects(from, is_ipv6, port, ANSWER_MS);
}

static bool is_silent(int from, bool is_ipv6, uint16_t port)
{
    return !connects(from, is_ipv6, port, SILENCE_MS);
}

/* As connections.lua makes it of the policy `everything`; the server has a trap too, so that both ends block. */
static json_t *everything(int index, bool is_ipv6, const char *action)
{
    json_t *document = connection_document(index == CLIENT ? "client" : "server");
    json_object_set_new(document, "local_address", json_string(addresses[index][is_ipv6]));
    json_object_set_new(document, "remote_address", json_string(addresses[!index][is_ipv6]));
    json_object_set_new(document, "action", json_string(action));
    json_object_set_new(document, "traffic", json_pack("[{s:s}]", "protocol", "any"));
    json_object_set_new(document, "exempt",
                        json_pack("[{s:s, s:[i, i, s]}, {s:s, s:[i, i]}]", "protocol", "tcp", "ports", 22, 3389,
                                  "5985-5986", "protocol", "udp", "ports", 500, 4500));
    return document;
}

static void set_everything(bool is_ipv6, const char *action)
{
    for (int i = CLIENT; i <= SERVER; i++) {
        json_t *document = everything(i, is_ipv6, action);
        must_write(SET_CONNECTION, i, document);
        expect_state(CONNECTION, i, document);
        json_decref(document);
    }
}

static void remove_everything(void)
{
    json_t *null = json_null();
    for (int i = CLIENT; i <= SERVER; i++)
        must_write(SET_CONNECTION, i, null);
}

static bool has_policy_of_ours(int index)
{
    return netpair_run("ip -n %s xfrm policy | grep -q '10.9.0\\|fd09::'", lab.nodes[index].netns);
}

static void check_everything(bool is_ipv6)
{
    static const uint16_t management[] = {22, 3389, 5985, 5986};
    assert_true(answers(CLIENT, is_ipv6, 110));
    assert_false(has_policy_of_ours(CLIENT));
    set_everything(is_ipv6, "require");
    for (int i = CLIENT; i <= SERVER; i++) /* IPv6 finds its neighbours by ICMP, which "any" has in it */
        assert_true(netpair_run("ip -n %s neigh flush dev eth0", lab.nodes[i].netns));
    for (int from = CLIENT; from <= SERVER; from++) {
        for (size_t i = 0; i < sizeof management / sizeof *management; i++)
            if (!answers(from, is_ipv6, management[i]))
                fail_msg("port %d is locked, seen from %d", management[i], from);
        assert_true(is_silent(from, is_ipv6, 110));
        assert_true(is_silent(from, is_ipv6, 389));
        assert_true(is_silent(from, is_ipv6, 5987));
    }
    assert_true(has_policy_of_ours(CLIENT));
    remove_everything();
    assert_false(has_policy_of_ours(CLIENT));
    assert_false(has_policy_of_ours(SERVER));
    assert_true(answers(CLIENT, is_ipv6, 110));
}

static void test_management_answers_while_everything_is_required(void **state)
{
    (void)state;
    check_everything(false);
}

static void test_the_same_on_ipv6(void **state)
{
    (void)state;
    check_everything(true);
}

static void test_the_policies_are_listed(void **state)
{
    (void)state;
    set_everything(false, "require");
    json_t *policies = must_call(CLIENT, "ipsec.policies", json_object()), *policy;
    size_t index;
    int traps = 0, passes = 0;
    json_array_foreach (policies, index, policy) {
        const char *mode = json_string_value(json_object_get(policy, "mode"));
        assert_string_equal(json_string_value(json_object_get(policy, "connection")), NAME);
        traps += strcmp(mode, "transport") == 0;
        passes += strcmp(mode, "pass") == 0;
    }
    assert_int_equal(traps, 1);
    assert_int_equal(passes, 2);
    json_decref(policies);
}

static void test_a_trap_can_be_taken_away_and_put_back(void **state)
{
    (void)state;
    set_everything(false, "require");
    assert_true(is_silent(CLIENT, false, 110));
    json_t *outcome = must_call(CLIENT, "ipsec.uninstall", json_pack("{s:s}", "connection", NAME));
    assert_true(json_is_false(json_object_get(outcome, "installed")));
    json_decref(outcome);
    json_decref(must_call(SERVER, "ipsec.uninstall", json_pack("{s:s}", "connection", NAME)));
    assert_true(answers(CLIENT, false, 110));
    outcome = must_call(CLIENT, "ipsec.install", json_pack("{s:s}", "connection", NAME));
    assert_true(json_is_true(json_object_get(outcome, "installed")));
    json_decref(outcome);
    assert_true(is_silent(CLIENT, false, 110));
}

static void test_permit_blocks_nothing(void **state)
{
    (void)state;
    set_everything(false, "permit");
    assert_true(answers(CLIENT, false, 110));
}

static void test_drop_and_pass(void **state)
{
    json_t *null = json_null(), *drop = connection_document("client"), *pass = connection_document("client");
    json_t *id = json_pack("{s:s}", "name", "staffetta-except");
    (void)state;
    json_object_set_new(drop, "action", json_string("drop"));
    json_object_set_new(drop, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "100-200"));
    must_write(SET_CONNECTION, CLIENT, drop);
    assert_true(is_silent(CLIENT, false, 100));
    assert_true(is_silent(CLIENT, false, 200));
    assert_true(answers(CLIENT, false, 99));
    assert_true(answers(CLIENT, false, 201));

    set_everything(false, "require"); /* pass is an exception from it */
    assert_true(is_silent(CLIENT, false, 99));
    json_object_set_new(pass, "action", json_string("pass"));
    json_object_set_new(pass, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "tcp", "ports", 99));
    for (int i = CLIENT; i <= SERVER; i++) {
        json_object_set_new(pass, "local_address", json_string(addresses[i][0]));
        json_object_set_new(pass, "remote_address", json_string(addresses[!i][0]));
        json_object_set_new(pass, "side", json_string(i == CLIENT ? "client" : "server"));
        assert_int_equal(SET_CONNECTION(self, host(i), id, pass, NULL), STF_OK);
    }
    assert_true(answers(CLIENT, false, 99));
    assert_true(is_silent(CLIENT, false, 98));
    for (int i = CLIENT; i <= SERVER; i++)
        assert_int_equal(SET_CONNECTION(self, host(i), id, null, NULL), STF_OK);
    assert_true(is_silent(CLIENT, false, 99));
    json_decref(id);
    json_decref(drop);
    json_decref(pass);
}

/* The kernel's policies have a port and a mask: a range of ports must not become a wider one. */
static void test_a_range_of_ports_is_exact(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "1025-5000"));
    must_write(SET_CONNECTION, CLIENT, document);
    static const uint16_t inside[] = {1025, 2047, 2048, 4999, 5000}, outside[] = {22, 80, 1024, 5001, 8191};
    for (size_t i = 0; i < 5; i++) {
        assert_true(is_silent(CLIENT, false, inside[i]));
        assert_true(answers(CLIENT, false, outside[i]));
    }
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_management_answers_while_everything_is_required),
        IN_LAB(test_the_same_on_ipv6),
        IN_LAB(test_the_policies_are_listed),
        IN_LAB(test_a_trap_can_be_taken_away_and_put_back),
        IN_LAB(test_permit_blocks_nothing),
        IN_LAB(test_drop_and_pass),
        IN_LAB(test_a_range_of_ports_is_exact),
    };
    const char *obstacle = fixture_obstacle();
    if (obstacle) {
        printf("SKIP: %s\n", obstacle);
        return 0;
    }
    return cmocka_run_group_tests(tests, lab_up_in_kernel, lab_down);
}
