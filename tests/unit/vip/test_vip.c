/* test_vip.c - addresses between two real namespaces with a cable, checked by `ip -j`. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "scratch.h"
#include "vip/vip.h"

/* front <-> bridge <-> node1, node2: the bridge stands in `front`, which so has both nodes as neighbours. */
static char front_ns[32], node1_ns[32], node2_ns[32];
static json_t *config;
static void *watches;
static struct stf_host node1, node2;

static json_t *pack_id(const char *address)
{
    return json_pack("{s:s}", "address", address);
}

static enum stf_kind read_state(const struct stf_host *host, const json_t *id, json_t **state, struct stf_err *err)
{
    *state = NULL;
    return stf_vip_binding.resources[0].read(NULL, host, id, state, err);
}

static enum stf_kind write_state(const struct stf_host *host, const json_t *id, json_t *state, struct stf_err *err)
{
    enum stf_kind kind = stf_vip_binding.resources[0].write(NULL, host, id, state, err);
    if (kind && err->kind != kind)
        fail_msg("kind %d without its error", kind);
    json_decref(state);
    return kind;
}

static enum stf_kind call(const char *verb, const struct stf_host *host, json_t *args, json_t **result,
                          struct stf_err *err)
{
    const struct stf_verb *at = stf_vip_binding.verbs;
    while (at->name && strcmp(at->name, verb) != 0)
        at++;
    assert_non_null(at->name);
    *result = NULL;
    enum stf_kind kind = at->call(watches, host, args, result, err);
    json_decref(args);
    return kind;
}

static json_t *present(void)
{
    return json_pack("{s:b}", "present", 1);
}

/* How often the address stands on the interface according to ip(8). */
static int count_address(const char *ns, const char *address, const char *interface)
{
    int count = 0;
    size_t i, j;
    json_t *link, *info, *links = scratch_json("ip -n %s -j addr show dev %s", ns, interface);
    assert_true(json_is_array(links));
    json_array_foreach (links, i, link)
        json_array_foreach (json_object_get(link, "addr_info"), j, info)
            count += strcmp(json_string_value(json_object_get(info, "local")), address) == 0;
    json_decref(links);
    return count;
}

/* The MAC address that the front end knows for `address`. */
static void front_mac(const char *address, char mac[32])
{
    mac[0] = '\0';
    json_t *rows = scratch_json("ip -n %s -j neigh show %s dev br0", front_ns, address);
    const char *found = json_string_value(json_object_get(json_array_get(rows, 0), "lladdr"));
    if (found)
        snprintf(mac, 32, "%s", found);
    json_decref(rows);
}

static void node_mac(const char *ns, char mac[32])
{
    json_t *links = scratch_json("ip -n %s -j link show dev eth0", ns);
    snprintf(mac, 32, "%s", json_string_value(json_object_get(json_array_get(links, 0), "address")));
    json_decref(links);
}

static void an_address_comes_and_goes(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.9.0.100", "fd00:9::100"};
    for (size_t i = 0; i < 2; i++) {
        struct stf_err err = {0};
        json_t *id = pack_id(addresses[i]), *found;
        assert_int_equal(read_state(&node1, id, &found, &err), STF_OK);
        assert_true(json_is_null(found));
        json_decref(found);

        for (int times = 0; times < 2; times++) { /* the second time changes nothing */
            assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
            assert_int_equal(count_address(node1_ns, addresses[i], "eth0"), 1);
            assert_int_equal(read_state(&node1, id, &found, &err), STF_OK);
            json_t *expected = present();
            assert_true(json_equal(found, expected));
            json_decref(expected);
            json_decref(found);
        }
        for (int times = 0; times < 2; times++) {
            assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
            assert_int_equal(count_address(node1_ns, addresses[i], "eth0"), 0);
            assert_int_equal(read_state(&node1, id, &found, &err), STF_OK);
            assert_true(json_is_null(found));
            json_decref(found);
        }
        assert_int_equal(count_address(node1_ns, "10.9.0.1", "eth0"), 1);
        json_decref(id);
    }
}

/* The front end talks to the address on node 1; node 2 takes it; the front end must know node 2's MAC at once. */
static void the_neighbour_learns_of_a_move(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.9.0.100", "fd00:9::100"};
    char mac1[32], mac2[32], known[32];
    node_mac(node1_ns, mac1);
    node_mac(node2_ns, mac2);
    for (size_t i = 0; i < 2; i++) {
        struct stf_err err = {0};
        json_t *id = pack_id(addresses[i]);
        assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
        assert_true(scratch_sh("ip netns exec %s ping -q -c 1 -W 5 %s >/dev/null", front_ns, addresses[i]));
        front_mac(addresses[i], known);
        assert_string_equal(known, mac1);

        assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
        assert_int_equal(write_state(&node2, id, present(), &err), STF_OK);
        for (int tries = 0; tries < 300 && strcmp(known, mac2) != 0; tries++) {
            front_mac(addresses[i], known);
            usleep(10000);
        }
        assert_string_equal(known, mac2);
        assert_int_equal(write_state(&node2, id, json_null(), &err), STF_OK);
        json_decref(id);
    }
}

static void announcing_again_repairs_a_neighbour(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *result, *id = pack_id("10.9.0.100");
    char mac1[32], known[32];
    node_mac(node1_ns, mac1);
    assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
    assert_true(scratch_sh("ip -n %s neigh replace 10.9.0.100 lladdr 02:00:00:00:00:99 dev br0 nud stale", front_ns));
    assert_int_equal(call("vip.announce", &node1,
                          json_pack("{s:s, s:i, s:i}", "address", "10.9.0.100", "count", 5, "gap_ms", 0), &result,
                          &err),
                     STF_OK);
    assert_int_equal(json_integer_value(json_object_get(result, "sent")), 5);
    json_decref(result);
    for (int tries = 0; tries < 300; tries++) {
        front_mac("10.9.0.100", known);
        if (strcmp(known, mac1) == 0)
            break;
        usleep(10000);
    }
    assert_string_equal(known, mac1);

    assert_int_equal(call("vip.announce", &node2, pack_id("10.9.0.100"), &result, &err), STF_CONFLICT);
    assert_null(result);
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    json_decref(id);
}

static void announcing_where_nobody_listens(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *result;
    json_t *args = json_pack("{s:s, s:s}", "address", "127.0.0.1", "interface", "lo");
    assert_int_equal(call("vip.announce", &node1, args, &result, &err), STF_OK);
    assert_int_equal(json_integer_value(json_object_get(result, "sent")), 0);
    json_decref(result);

    assert_true(scratch_sh("ip -n %s link add down0 type veth peer name down1", node1_ns));
    json_t *id = json_pack("{s:s, s:s}", "address", "10.8.0.1", "interface", "down0");
    assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
    assert_int_equal(count_address(node1_ns, "10.8.0.1", "down0"), 1);
    assert_int_equal(call("vip.announce", &node1, json_incref(id), &result, &err), STF_UNREACHABLE);
    assert_string_equal(err.message, "interface down0 is down: no neighbour can be told");
    json_decref(id);
    assert_true(scratch_sh("ip -n %s link del down0", node1_ns));
}

static void holds_and_addresses(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *result;
    assert_int_equal(call("vip.holds", &node1, pack_id("10.9.0.1"), &result, &err), STF_OK);
    assert_true(json_is_true(json_object_get(result, "holds")));
    assert_string_equal(json_string_value(json_object_get(result, "interface")), "eth0");
    json_decref(result);
    json_t *args = json_pack("{s:s, s:s}", "address", "10.9.0.1", "interface", "lo");
    assert_int_equal(call("vip.holds", &node1, args, &result, &err), STF_OK);
    assert_true(json_is_false(json_object_get(result, "holds")));
    json_decref(result);
    assert_int_equal(call("vip.holds", &node1, pack_id("FD00:9:0:0::1"), &result, &err), STF_OK);
    assert_true(json_is_true(json_object_get(result, "holds")));
    json_decref(result);

    assert_int_equal(call("vip.addresses", &node1, json_object(), &result, &err), STF_OK);
    json_t *row,
        *expected = json_pack("{s:s, s:i, s:s}", "address", "10.9.0.1", "prefix_length", 24, "interface", "eth0");
    size_t i;
    int equal = 0;
    json_array_foreach (result, i, row)
        equal += json_equal(row, expected);
    assert_int_equal(equal, 1);
    json_decref(expected);
    json_decref(result);
}

static void details_survive_a_round(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *before, *after, *id = json_pack("{s:s, s:i}", "address", "10.7.0.100", "prefix_length", 24);
    assert_true(scratch_sh("ip -n %s addr add 10.7.0.100/24 brd 10.7.0.255 label eth0:vip dev eth0", node1_ns));
    assert_int_equal(read_state(&node1, id, &before, &err), STF_OK);
    assert_string_equal(json_string_value(json_object_get(before, "label")), "eth0:vip");
    assert_string_equal(json_string_value(json_object_get(before, "broadcast")), "10.7.0.255");
    char *line = stf_vip_binding.resources[0].describe(id, before);
    assert_string_equal(line, "present label eth0:vip broadcast 10.7.0.255");
    free(line);

    assert_int_equal(write_state(&node1, id, present(), &err), STF_OK); /* the bare address instead */
    assert_int_equal(read_state(&node1, id, &after, &err), STF_OK);
    assert_false(json_equal(before, after));
    json_decref(after);
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    assert_int_equal(write_state(&node1, id, json_incref(before), &err), STF_OK);
    assert_int_equal(read_state(&node1, id, &after, &err), STF_OK);
    assert_true(json_equal(before, after));
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    json_decref(before);
    json_decref(after);
    json_decref(id);
}

static void set_promote_secondaries(int value)
{
    assert_true(scratch_sh("ip netns exec %s sysctl -qw net.ipv4.conf.all.promote_secondaries=0 "
                           "net.ipv4.conf.eth0.promote_secondaries=%d",
                           node1_ns, value));
}

static void a_primary_address_does_not_take_others_along(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *id = json_pack("{s:s, s:i}", "address", "10.6.0.100", "prefix_length", 20);
    assert_true(scratch_sh("ip -n %s addr add 10.6.0.100/20 dev eth0", node1_ns));
    assert_true(scratch_sh("ip -n %s addr add 10.6.15.7/20 dev eth0", node1_ns));
    assert_true(scratch_sh("ip -n %s addr add 10.6.16.7/20 dev eth0", node1_ns)); /* another subnet, by one bit */
    set_promote_secondaries(0);
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_CONFLICT);
    assert_string_equal(err.subject, "10.6.15.7");
    assert_int_equal(count_address(node1_ns, "10.6.0.100", "eth0"), 1);

    set_promote_secondaries(1);
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    assert_int_equal(count_address(node1_ns, "10.6.0.100", "eth0"), 0);
    assert_int_equal(count_address(node1_ns, "10.6.15.7", "eth0"), 1);
    assert_true(scratch_sh("ip -n %s addr del 10.6.15.7/20 dev eth0", node1_ns));
    assert_true(scratch_sh("ip -n %s addr del 10.6.16.7/20 dev eth0", node1_ns));
    json_decref(id);
}

static void another_prefix_length_is_another_address(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *found, *id = json_pack("{s:s, s:i}", "address", "fd00:9::1", "prefix_length", 128);
    assert_int_equal(read_state(&node1, id, &found, &err), STF_OK); /* stands there as /64 */
    assert_true(json_is_null(found));
    json_decref(found);
    assert_int_equal(write_state(&node1, id, present(), &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "another prefix length"));
    assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    assert_int_equal(count_address(node1_ns, "fd00:9::1", "eth0"), 1);
    json_decref(id);
}

static void wrong_input_is_explained(void **state)
{
    (void)state;
    static const struct {
        const char *id, *state;
        enum stf_kind kind;
        const char *message;
    } cases[] = {
        {"{}", "null", STF_INVALID_DATA, "member 'address': expected a string, found nothing"},
        {"{\"address\":\"10.9.0.300\"}", "null", STF_INVALID_DATA, "found '10.9.0.300'"},
        {"{\"address\":\"10.9.0.1/24\"}", "null", STF_INVALID_DATA, "the prefix length stands in 'prefix_length'"},
        {"{\"address\":\"node1\"}", "null", STF_INVALID_DATA, "found 'node1'"},
        {"{\"address\":\"fd00::1::2\"}", "null", STF_INVALID_DATA, "found 'fd00::1::2'"},
        {"{\"address\":\"224.0.0.18\"}", "null", STF_INVALID_DATA, "the address of one host"},
        {"{\"address\":\"ff02::1\"}", "null", STF_INVALID_DATA, "the address of one host"},
        {"{\"address\":\"0.0.0.0\"}", "null", STF_INVALID_DATA, "the address of one host"},
        {"{\"address\":\"::\"}", "null", STF_INVALID_DATA, "the address of one host"},
        {"{\"address\":\"10.9.0.9\",\"prefix_length\":33}", "null", STF_INVALID_DATA, "from 1 to 32, found 33"},
        {"{\"address\":\"fd00::9\",\"prefix_length\":129}", "null", STF_INVALID_DATA, "from 1 to 128, found 129"},
        {"{\"address\":\"10.9.0.9\",\"prefix_length\":\"32\"}", "null", STF_INVALID_DATA, "an integer, found a string"},
        {"{\"adress\":\"10.9.0.9\"}", "null", STF_INVALID_DATA, "did you mean 'address'?"},
        {"{\"address\":\"10.9.0.9\",\"interface\":\"eth9\"}", "null", STF_NOT_FOUND,
         "host node1 has no interface 'eth9'; it has: lo, eth0"},
        {"{\"address\":\"10.9.0.9\",\"interface\":\"a-name-that-is-far-too-long\"}", "null", STF_NOT_FOUND,
         "no interface 'a-name-that-is-far-too-long'"},
        {"{\"address\":\"10.9.0.9\"}", "{}", STF_INVALID_DATA, "expected null, or an object with present = true"},
        {"{\"address\":\"10.9.0.9\"}", "{\"present\":false}", STF_INVALID_DATA, "present = true"},
        {"{\"address\":\"10.9.0.9\"}", "{\"presnt\":true}", STF_INVALID_DATA, "did you mean 'present'?"},
        {"{\"address\":\"10.9.0.9\"}", "{\"present\":true,\"label\":\"0123456789abcdef\"}", STF_INVALID_DATA,
         "at most 15 characters"},
        {"{\"address\":\"10.9.0.9\"}", "{\"present\":true,\"broadcast\":\"fd00::1\"}", STF_INVALID_DATA,
         "expected an IPv4 address"},
        {"{\"address\":\"fd00::9\"}", "{\"present\":true,\"label\":\"x\"}", STF_INVALID_DATA, "only an IPv4 address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err = {0};
        json_t *id = json_loads(cases[i].id, 0, NULL);
        json_t *wanted = json_loads(cases[i].state, JSON_DECODE_ANY, NULL);
        assert_non_null(wanted);
        assert_int_equal(write_state(&node1, id, wanted, &err), cases[i].kind);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].message, err.message);
        json_decref(id);
    }
}

static void a_host_without_interface_or_namespace(void **state)
{
    (void)state;
    struct stf_err err = {0};
    json_t *empty = json_object(), *id = pack_id("10.9.0.9"), *found;
    struct stf_host bare = {.name = "bare", .netns = node1_ns, .config = empty, .site_dir = "/"};
    assert_int_equal(read_state(&bare, id, &found, &err), STF_INVALID_DATA);
    assert_string_equal(err.message, "no interface given, and host bare has no 'interface' in the site file");
    bare.netns = "stf-no-such-namespace";
    assert_int_equal(read_state(&bare, id, &found, &err), STF_NOT_FOUND);
    json_decref(empty);
    json_decref(id);
}

static void lines_for_a_person(void **state)
{
    (void)state;
    char *(*describe)(const json_t *, const json_t *) = stf_vip_binding.resources[0].describe;
    json_t *id = json_pack("{s:s, s:i, s:s}", "address", "10.9.0.100", "prefix_length", 32, "interface", "eth0");
    json_t *short_id = pack_id("fd00::1"), *there = present();
    char *lines[] = {describe(id, NULL), describe(short_id, NULL), describe(id, there), describe(id, json_null())};
    static const char *const expected[] = {"10.9.0.100/32 on eth0", "fd00::1", "present", "absent"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(lines[i], expected[i]);
        free(lines[i]);
    }
    json_decref(id);
    json_decref(short_id);
    json_decref(there);
}

/* Prints what a take costs. The bound is far above it: only a wait that does not belong there breaks it. */
/* The resource vip.link. */
static const struct stf_resource *link_resource(void)
{
    assert_string_equal(stf_vip_binding.resources[2].name, "vip.link");
    return &stf_vip_binding.resources[2];
}

static json_t *read_link_state(const char *interface)
{
    struct stf_err err;
    json_t *id = json_pack("{s:s*}", "interface", interface), *state = NULL;
    if (link_resource()->read(NULL, &node1, id, &state, &err))
        fail_msg("%s", err.message);
    json_decref(id);
    return state;
}

static enum stf_kind write_link_state(json_t *state, struct stf_err *err)
{
    json_t *id = json_object();
    enum stf_kind kind = link_resource()->write(NULL, &node1, id, state, err);
    json_decref(id);
    return kind;
}

static void a_link_goes_down_and_comes_back_with_its_routes(void **state)
{
    (void)state;
    struct stf_err err;
    char mac[32], known[32];
    json_t *down = json_pack("{s:b}", "is_up", 0), *found;
    assert_true(scratch_sh("ip -n %s -6 addr flush dev eth0 scope global; ip -n %s addr add 10.9.0.100/32 dev eth0; "
                           "ip -n %s route add 10.50.0.0/16 dev eth0 scope link; "
                           "ip -n %s route add default via 10.50.0.1 metric 7",
                           node1_ns, node1_ns, node1_ns, node1_ns));
    json_t *routes = scratch_json("ip -4 -n %s -j route show table all", node1_ns);
    json_t *up = read_link_state(NULL);
    assert_int_equal(json_array_size(json_object_get(up, "routes")), 2);

    for (int times = 0; times < 2; times++) { /* the second time changes nothing */
        assert_int_equal(write_link_state(down, &err), STF_OK);
        found = read_link_state("eth0");
        assert_true(json_equal(found, down));
        json_decref(found);
    }
    assert_true(scratch_sh("! ip -n %s link show dev eth0 up | grep -q .", node1_ns));
    assert_true(scratch_sh("ip -n %s neigh replace 10.9.0.100 lladdr 02:00:00:00:00:99 dev br0 nud stale", front_ns));
    for (int times = 0; times < 2; times++) {
        if (write_link_state(up, &err))
            fail_msg("%s", err.message);
        found = read_link_state("eth0");
        assert_true(json_equal(found, up));
        json_decref(found);
    }
    json_t *routes_now = scratch_json("ip -4 -n %s -j route show table all", node1_ns);
    assert_true(json_equal(routes, routes_now));
    node_mac(node1_ns, mac);
    scratch_sh("sleep 0.1");
    front_mac("10.9.0.100", known);
    assert_string_equal(known, mac); /* the neighbours were told */

    assert_true(scratch_sh("ip -n %s route del default; ip -n %s route del 10.50.0.0/16; "
                           "ip -n %s addr del 10.9.0.100/32 dev eth0; ip -n %s addr add fd00:9::7/64 dev eth0 nodad; "
                           "ip netns exec %s sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=0",
                           node1_ns, node1_ns, node1_ns, node1_ns, node1_ns));
    assert_int_equal(write_link_state(down, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "net.ipv6.conf.eth0.keep_addr_on_down = 1"));
    found = read_link_state(NULL);
    assert_true(json_is_true(json_object_get(found, "is_up")));
    json_decref(found);
    json_decref(routes);
    json_decref(routes_now);
    json_decref(up);
    json_decref(down);
}

static void a_priority_is_a_number_in_a_file(void **state)
{
    const struct stf_resource *resource = &stf_vip_binding.resources[1];
    char dir[] = "/tmp/stf-vip-XXXXXX";
    struct stf_err err;
    json_t *id = json_object(), *own = json_pack("{s:{s:s}}", "vip", "track_file", "track");
    const struct stf_host host = {.name = "node1", .config = own, .site_dir = mkdtemp(dir)};
    (void)state;
    assert_string_equal(resource->name, "vip.priority");
    static const int adjusts[] = {50, -253, 0};
    for (size_t i = 0; i < sizeof adjusts / sizeof *adjusts; i++) {
        json_t *wanted = json_pack("{s:i}", "adjust", adjusts[i]), *found = NULL;
        assert_int_equal(resource->write(NULL, &host, id, wanted, &err), STF_OK);
        assert_int_equal(resource->read(NULL, &host, id, &found, &err), STF_OK);
        assert_true(json_equal(found, wanted));
        assert_true(
            scratch_sh("test \"$(ls -A %s; cat %s/track)\" = \"$(printf 'track\\n%d')\"", dir, dir, adjusts[i]));
        json_decref(found);
        json_decref(wanted);
    }
    json_t *found = NULL, *beyond = json_pack("{s:i}", "adjust", 254);
    assert_int_equal(resource->write(NULL, &host, id, beyond, &err), STF_INVALID_DATA);
    assert_true(scratch_sh("echo much >%s/track", dir));
    assert_int_equal(resource->read(NULL, &host, id, &found, &err), STF_CONFLICT);
    assert_int_equal(resource->read(NULL, &node1, id, &found, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "track_file"));
    assert_true(scratch_sh("rm -r %s", dir));
    json_decref(beyond);
    json_decref(own);
    json_decref(id);
}

static void taking_is_quick(void **state)
{
    (void)state;
    enum { ROUNDS = 20 };
    struct stf_err err = {0};
    json_t *id = pack_id("10.9.0.100");
    int64_t taking_ns = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int64_t started_ns = stf_clock_ns();
        assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
        taking_ns += stf_clock_ns() - started_ns;
        assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
    }
    print_message("take, with two gaps of 1 ms: %lld us\n", (long long)(taking_ns / ROUNDS / 1000));
    assert_true(taking_ns / ROUNDS < INT64_C(500000000));
    json_decref(id);
}

/* The events that are about eth0 or `address`, as "address-added 10.9.0.100", in their order; times must not go back.
 */
static void join_events(const json_t *watched, const char *address, int64_t begun_ns, char *text, size_t size)
{
    size_t i;
    json_t *event;
    int64_t last_ns = begun_ns;
    text[0] = '\0';
    json_array_foreach (json_object_get(watched, "events"), i, event) {
        const char *found = json_string_value(json_object_get(event, "address"));
        int64_t at_ns = json_integer_value(json_object_get(event, "at_ns"));
        assert_true(at_ns >= last_ns && at_ns <= stf_clock_ns());
        last_ns = at_ns;
        assert_string_equal(json_string_value(json_object_get(event, "interface")), "eth0");
        if (!found || strcmp(found, address) == 0)
            snprintf(text + strlen(text), size - strlen(text), "%s%s ",
                     json_string_value(json_object_get(event, "event")), found ? " it" : "");
    }
}

static void a_watch_sees_addresses_and_links(void **state)
{
    (void)state;
    static const char *const addresses[] = {"10.9.0.100", "fd00:9::100"};
    for (size_t i = 0; i < 2; i++) {
        struct stf_err err = {0};
        char text[256];
        json_t *id = pack_id(addresses[i]), *watch, *elsewhere, *watched;
        int64_t begun_ns = stf_clock_ns();
        assert_int_equal(call("vip.watch_start", &node1, json_object(), &watch, &err), STF_OK);
        assert_int_equal(call("vip.watch_start", &node2, json_object(), &elsewhere, &err), STF_OK);
        assert_int_equal(write_state(&node1, id, present(), &err), STF_OK);
        assert_int_equal(write_state(&node1, id, json_null(), &err), STF_OK);
        assert_true(scratch_sh("ip -n %s link set eth0 down && ip -n %s link set eth0 up && "
                               "ip -n %s addr replace fd00:9::1/64 dev eth0 nodad",
                               node1_ns, node1_ns, node1_ns));
        assert_int_equal(call("vip.watch_stop", &node1, json_incref(watch), &watched, &err), STF_OK);
        join_events(watched, addresses[i], begun_ns, text, sizeof text);
        assert_string_equal(text, "address-added it address-removed it link-down link-up ");
        assert_int_equal(json_integer_value(json_object_get(watched, "dropped")), 0);
        assert_null(json_object_get(watched, "ended_early"));
        json_decref(watched);

        assert_int_equal(call("vip.watch_stop", &node2, elsewhere, &watched, &err), STF_OK);
        join_events(watched, addresses[i], begun_ns, text, sizeof text);
        assert_null(strstr(text, "it")); /* of another host's namespace */
        json_decref(watched);
        assert_int_equal(call("vip.watch_stop", &node1, watch, &watched, &err), STF_NOT_FOUND);
        json_decref(id);
    }
}

static bool make_lab(void)
{
    const char *prefix = "stf-tv";
    int pid = (int)getpid();
    snprintf(front_ns, sizeof front_ns, "%s%d-f", prefix, pid);
    snprintf(node1_ns, sizeof node1_ns, "%s%d-1", prefix, pid);
    snprintf(node2_ns, sizeof node2_ns, "%s%d-2", prefix, pid);
    scratch_start("for n in %s %s %s; do ip netns del $n; done", front_ns, node1_ns, node2_ns);
    return scratch_sh("set -e; ip netns add %s; ip -n %s link add br0 type bridge; ip -n %s link set br0 up; "
                      "ip -n %s addr add 10.9.0.254/24 dev br0; ip -n %s addr add fd00:9::254/64 dev br0 nodad",
                      front_ns, front_ns, front_ns, front_ns, front_ns) &&
           scratch_sh("set -e; i=1; for n in %s %s; do ip netns add $n; ip -n $n link set lo up; "
                      "ip -n $n link add eth0 type veth peer name port$i netns %s; "
                      "ip -n $n link set eth0 up; ip -n %s link set port$i master br0 up; "
                      "ip -n $n addr add 10.9.0.$i/24 dev eth0; ip -n $n addr add fd00:9::$i/64 dev eth0 nodad; "
                      "i=$((i+1)); done",
                      node1_ns, node2_ns, front_ns, front_ns);
}

int main(void)
{
    if (!make_lab()) {
        puts("SKIP: cannot make network namespaces with veth and bridge (needs root)");
        return 0;
    }
    config = json_pack("{s:s}", "interface", "eth0");
    watches = stf_vip_binding.open();
    node1 = (struct stf_host){.name = "node1", .netns = node1_ns, .config = config, .site_dir = "/"};
    node2 = (struct stf_host){.name = "node2", .netns = node2_ns, .config = config, .site_dir = "/"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_comes_and_goes),
        cmocka_unit_test(the_neighbour_learns_of_a_move),
        cmocka_unit_test(announcing_again_repairs_a_neighbour),
        cmocka_unit_test(announcing_where_nobody_listens),
        cmocka_unit_test(holds_and_addresses),
        cmocka_unit_test(details_survive_a_round),
        cmocka_unit_test(a_primary_address_does_not_take_others_along),
        cmocka_unit_test(another_prefix_length_is_another_address),
        cmocka_unit_test(wrong_input_is_explained),
        cmocka_unit_test(a_host_without_interface_or_namespace),
        cmocka_unit_test(lines_for_a_person),
        cmocka_unit_test(a_link_goes_down_and_comes_back_with_its_routes),
        cmocka_unit_test(a_priority_is_a_number_in_a_file),
        cmocka_unit_test(a_watch_sees_addresses_and_links),
        cmocka_unit_test(taking_is_quick),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    stf_vip_binding.close(watches);
    json_decref(config);
    return failed;
}
