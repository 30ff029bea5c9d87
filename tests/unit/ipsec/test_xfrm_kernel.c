/* test_xfrm_kernel.c - the kernel driver on real policies, larval SAs, acquires and counters, each compared with what
 * ip(8) says of the same state. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/mnl.h"
#include "ipsec/binding.h"
#include "ipsec/drv_kernel.h"
#include "ipsec/kernel_watch.h"
#include "support/netpair.h"
#include "xfrm_as_ip.h"

enum { ACQUIRE_MS = 5000, CHURN_COUNT = 200 };

static struct netpair pair;

/* ---------- calls ---------- */

static const struct stf_verb *verb(const char *name)
{
    for (const struct stf_verb *each = stf_ipsec_binding.verbs; each->name; each++)
        if (strcmp(each->name, name) == 0)
            return each;
    fail_msg("no verb %s", name);
    return NULL;
}

/* Takes over `args`, NULL being none. */
static enum stf_kind try_call(void *self, const char *netns, const char *name, json_t *args, json_t **result,
                              struct stf_err *err)
{
    struct stf_host host = {.name = "host", .netns = netns, .site_dir = "/"};
    if (!args)
        args = json_object();
    *result = NULL;
    enum stf_kind kind = verb(name)->call(self, &host, args, result, err);
    json_decref(args);
    return kind;
}

static json_t *call_in(const char *netns, const char *name, json_t *args)
{
    struct stf_err err = {.kind = STF_OK};
    json_t *result;
    if (try_call(NULL, netns, name, args, &result, &err))
        fail_msg("%s: %s", name, err.message);
    return result;
}

static json_t *call(const char *name, json_t *args)
{
    return call_in(pair.left, name, args);
}

/* Tells the first line that differs. */
static void assert_text(const char *found, const char *expected)
{
    while (*found && *found == *expected)
        found++, expected++;
    if (*found != *expected)
        fail_msg("expected from here on '%.60s', found '%.60s'", expected, found);
}

static void assert_word(const json_t *doc, const char *key, const char *expected)
{
    assert_non_null(json_object_get(doc, key));
    assert_string_equal(json_string_value(json_object_get(doc, key)), expected);
}

static json_int_t number(const json_t *doc, const char *key)
{
    assert_true(json_is_integer(json_object_get(doc, key)));
    return json_integer_value(json_object_get(doc, key));
}

static void flush(void)
{
    for (int is_right = 0; is_right < 2; is_right++) {
        const char *netns = is_right ? pair.right : pair.left;
        assert_true(netpair_run("ip -n %s xfrm policy flush && ip -n %s xfrm policy flush ptype sub && "
                                "ip -n %s xfrm state flush && "
                                "ip -n %s xfrm policy setdefault in accept fwd accept out accept",
                                netns, netns, netns, netns));
    }
}

static int flush_before(void **unused)
{
    (void)unused;
    flush();
    return 0;
}

/* ---------- a second reader ---------- */

static void assert_policies_as_ip_sees_them(void)
{
    json_t *policies = call("ipsec.kernel_policies", NULL);
    char *ours = as_ip_policies(policies), *theirs = as_ip_run(pair.left, "-d -s xfrm policy");
    assert_text(ours, theirs);
    free(ours);
    free(theirs);
    json_decref(policies);
}

static void test_policies_as_ip_sees_them(void **unused)
{
    (void)unused;
    static const char *const policies[] = {
        "src 10.9.0.0/24 dst 10.8.0.0/16 proto tcp sport 1000 dport 143 dir in priority 5 index 0x108 ptype main "
        "action allow flag localok flag icmp mark 0x10 mask 0xff if_id 7 limit time-soft 1000 limit time-hard 2000 "
        "limit byte-hard 1000000 limit packet-soft 5 tmpl src 1.1.1.1 dst 2.2.2.2 proto esp spi 0x1234 reqid 77 mode "
        "tunnel level use tmpl src 3.3.3.3 dst 4.4.4.4 proto comp reqid 78 mode transport",
        "src fd00::/64 dst fd01::1/128 proto ipv6-icmp type 128 code 0 dir in ptype sub action block",
        "src fd00::/64 dst ::/0 dev lo dir fwd tmpl src fd00::1 dst fd00::2 proto ah reqid 1 mode beet",
        "src 0.0.0.0/0 dst 0.0.0.0/0 proto 200 dir out priority 4294967295 limit time-use-hard 9 action block",
        "src 10.77.0.1 dst 10.77.0.2 proto tcp dport 110 dir out tmpl proto esp mode transport",
        "src 10.77.0.1 dst 10.77.0.2 proto udp dport 65535 dir out tmpl proto esp mode transport level required",
        "src fd77::1 dst fd77::2 proto tcp dport 110 dir out tmpl src fd77::1 dst fd77::2 proto esp mode tunnel",
    };
    size_t count = sizeof policies / sizeof policies[0];
    for (size_t i = 0; i < count; i++)
        assert_true(netpair_run("ip -n %s xfrm policy add %s", pair.left, policies[i]));
    json_t *list = call("ipsec.kernel_policies", NULL);
    assert_int_equal(json_array_size(list), count);
    json_decref(list);
    assert_policies_as_ip_sees_them();
}

/* Our documents leave the replay window's bitmap out. */
static char *without_bitmaps(char *output)
{
    for (char *at = output; (at = strstr(at, "bitmap 0x")) != NULL; at += strlen("bitmap 0x"))
        memset(at + strlen("bitmap 0x"), '#', 8);
    return output;
}

static void assert_sas_as_ip_sees_them(size_t count)
{
    json_t *sas = call("ipsec.kernel_sas", NULL);
    char *ours = as_ip_sas(sas), *theirs = without_bitmaps(as_ip_run(pair.left, "-d -s xfrm state list nokeys"));
    assert_text(ours, theirs);
    assert_int_equal(json_array_size(sas), count);
    free(ours);
    free(theirs);
    json_decref(sas);
}

static void test_larval_sas_as_ip_sees_them(void **unused)
{
    (void)unused;
    static const char *const larvals[] = {
        "src 10.0.0.1 dst 10.0.0.2 proto esp reqid 5 mode transport min 0x1000 max 0x2000",
        "src fd00::1 dst fd00::2 proto ah reqid 6 mode tunnel seq 77 min 0x1000 max 0x2000",
        "src 10.0.0.3 dst 10.0.0.2 proto comp mode beet min 0x100 max 0x200",
    };
    size_t count = sizeof larvals / sizeof larvals[0];
    for (size_t i = 0; i < count; i++)
        assert_true(netpair_run("ip -n %s xfrm state allocspi %s >/dev/null", pair.left, larvals[i]));
    assert_sas_as_ip_sees_them(count);
    json_t *sas = call("ipsec.kernel_sas", NULL);
    for (size_t i = 0; i < count; i++)
        assert_true(json_is_true(json_object_get(json_array_get(sas, i), "is_larval")));
    json_decref(sas);
}

static void test_default_actions(void **unused)
{
    (void)unused;
    assert_true(netpair_run("ip -n %s xfrm policy setdefault in block fwd block out accept", pair.left));
    json_t *stats = call("ipsec.kernel_stats", NULL), *actions = json_object_get(stats, "default_actions");
    assert_word(actions, "in", "block");
    assert_word(actions, "fwd", "block");
    assert_word(actions, "out", "accept");
    json_decref(stats);
    char *theirs = as_ip_run(pair.left, "xfrm policy getdefault");
    assert_text(theirs, "Default policies:\n in:  block\n fwd: block\n out: accept\n");
    free(theirs);
}

/* ---------- a socket's own policies ---------- */

static void set_socket_policy(int fd, uint8_t direction)
{
    struct xfrm_userpolicy_info info = {.sel = {.family = AF_INET},
                                        .dir = direction,
                                        .action = XFRM_POLICY_ALLOW,
                                        .lft = {XFRM_INF, XFRM_INF, XFRM_INF, XFRM_INF, 0, 0, 0, 0}};
    assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_XFRM_POLICY, &info, sizeof info), 0);
}

static void test_socket_policies(void **unused)
{
    (void)unused;
    json_t *before = call("ipsec.kernel_snapshot", NULL);
    int fd = netpair_socket(pair.left, AF_INET, SOCK_DGRAM, 0);
    set_socket_policy(fd, XFRM_POLICY_IN);
    set_socket_policy(fd, XFRM_POLICY_OUT);
    assert_policies_as_ip_sees_them();
    json_t *policies = call("ipsec.kernel_policies", NULL), *stats = call("ipsec.kernel_stats", NULL);
    assert_int_equal(json_array_size(policies), 2);
    assert_true(json_is_true(json_object_get(json_array_get(policies, 0), "is_of_socket")));
    assert_int_equal(number(json_object_get(stats, "policies"), "of_sockets"), 2);
    json_t *after = call("ipsec.kernel_snapshot", NULL);
    assert_true(json_equal(before, after)); /* a program's sockets are not the host's configuration */
    close(fd);
    json_decref(before);
    json_decref(policies);
    json_decref(stats);
    json_decref(after);
}

/* ---------- counters ---------- */

static json_int_t error_count(const char *netns, const char *name)
{
    json_t *stats = call_in(netns, "ipsec.kernel_stats", NULL);
    json_int_t count = number(json_object_get(stats, "errors"), name);
    json_decref(stats);
    return count;
}

static void test_blocked_packets_are_counted(void **unused)
{
    (void)unused;
    json_int_t before = error_count(pair.left, "XfrmOutPolBlock"), other = error_count(pair.right, "XfrmOutPolBlock");
    assert_true(netpair_run("ip -n %s xfrm policy add src 10.77.0.1 dst 10.77.0.2 proto tcp dport 143 dir out "
                            "action block",
                            pair.left));
    assert_int_equal(netpair_connect(pair.left, NETPAIR_RIGHT_IPV4, 143, 100), -1);
    assert_true(error_count(pair.left, "XfrmOutPolBlock") > before);
    assert_int_equal(error_count(pair.right, "XfrmOutPolBlock"), other); /* each namespace has its own */

    before = error_count(pair.right, "XfrmInPolBlock");
    assert_true(netpair_run("ip -n %s xfrm policy flush", pair.left));
    assert_true(
        netpair_run("ip -n %s xfrm policy add dst 10.77.0.2 proto tcp dport 143 dir in action block", pair.right));
    assert_int_equal(netpair_connect(pair.left, NETPAIR_RIGHT_IPV4, 143, 100), -1);
    assert_true(error_count(pair.right, "XfrmInPolBlock") > before);
}

static void test_counts(void **unused)
{
    (void)unused;
    assert_true(netpair_run("ip -n %s xfrm policy add dst 10.1.0.1 dir in action block && "
                            "ip -n %s xfrm policy add dst 10.1.0.2 dir in action block && "
                            "ip -n %s xfrm policy add dst fd00::1 dir out action block && "
                            "ip -n %s xfrm policy add dst 10.1.0.1 dir fwd action block && "
                            "ip -n %s xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp min 1 max 9 >/dev/null",
                            pair.left, pair.left, pair.left, pair.left, pair.left));
    assert_true(netpair_run("ip netns exec %s sysctl -qw net.core.xfrm_acq_expires=77", pair.left));
    json_t *stats = call("ipsec.kernel_stats", NULL), *policies = json_object_get(stats, "policies");
    assert_int_equal(number(policies, "in"), 2);
    assert_int_equal(number(policies, "out"), 1);
    assert_int_equal(number(policies, "fwd"), 1);
    assert_int_equal(number(policies, "of_sockets"), 0);
    assert_int_equal(number(stats, "sas"), 1);
    assert_int_equal(number(stats, "acquire_expires_s"), 77);
    assert_true(json_object_size(json_object_get(stats, "errors")) >= 28);
    json_decref(stats);
    assert_true(netpair_run("ip netns exec %s sysctl -qw net.core.xfrm_acq_expires=30", pair.left));
}

/* ---------- snapshots ---------- */

static void add_some_policies(const char *order)
{
    static const char *const policies[] = {
        "dst 10.1.0.1 dir in action block",
        "dst 10.1.0.2 dir out tmpl proto esp reqid 4 mode transport",
        "dst fd00::1 dir out tmpl proto esp reqid 5 mode transport",
    };
    for (; *order; order++)
        assert_true(netpair_run("ip -n %s xfrm policy add %s", pair.left, policies[*order - '0']));
}

static void test_snapshots_are_canonical(void **unused)
{
    (void)unused;
    json_t *empty = call("ipsec.kernel_snapshot", NULL);
    assert_int_equal(json_array_size(json_object_get(empty, "policies")), 0);
    add_some_policies("012");
    json_t *first = call("ipsec.kernel_snapshot", NULL), *again = call("ipsec.kernel_snapshot", NULL);
    assert_int_equal(json_array_size(json_object_get(first, "policies")), 3);
    assert_true(json_equal(first, again));
    json_decref(again);

    /* the same policies, added in another order: other indexes and times, the same snapshot */
    assert_true(netpair_run("ip -n %s xfrm policy flush", pair.left));
    add_some_policies("210");
    assert_true(netpair_run("ip -n %s xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp min 1 max 9 >/dev/null",
                            pair.left));
    again = call("ipsec.kernel_snapshot", json_pack("{s:b}", "spis", 0));
    assert_true(json_equal(first, again));
    json_decref(again);

    assert_true(netpair_run("ip -n %s xfrm policy setdefault in block", pair.left));
    again = call("ipsec.kernel_snapshot", NULL);
    assert_false(json_equal(first, again));
    json_decref(again);
    assert_true(
        netpair_run("ip -n %s xfrm policy setdefault in accept && ip -n %s xfrm policy flush", pair.left, pair.left));
    again = call("ipsec.kernel_snapshot", NULL);
    assert_true(json_equal(empty, again));
    json_decref(again);
    json_decref(first);
    json_decref(empty);
}

static void test_compare(void **unused)
{
    (void)unused;
    add_some_policies("01");
    json_t *before = call("ipsec.kernel_snapshot", NULL);
    json_t *result = call("ipsec.kernel_compare", json_pack("{s:O}", "before", before));
    assert_true(json_is_true(json_object_get(result, "is_equal")));
    assert_int_equal(number(result, "policies"), 2);
    assert_int_equal(number(result, "missing") + number(result, "added"), 0);
    json_decref(result);

    assert_true(netpair_run("ip -n %s xfrm policy delete dst 10.1.0.1 dir in && "
                            "ip -n %s xfrm policy setdefault fwd block",
                            pair.left, pair.left));
    add_some_policies("2");
    result = call("ipsec.kernel_compare", json_pack("{s:O}", "before", before));
    assert_true(json_is_false(json_object_get(result, "is_equal")));
    assert_int_equal(number(result, "missing"), 2); /* a policy, and the default actions as they were */
    assert_int_equal(number(result, "added"), 2);
    json_t *differences = json_object_get(result, "differences"), *missing = json_array_get(differences, 1);
    assert_int_equal(json_array_size(differences), 4);
    assert_word(missing, "difference", "missing");
    assert_word(json_object_get(json_object_get(missing, "policy"), "selector"), "destination", "10.1.0.1/32");
    assert_word(json_object_get(json_array_get(differences, 3), "default_actions"), "fwd", "block");
    json_decref(result);

    /* as it comes back from a script, where an empty list and an empty object are the same */
    json_object_set_new(before, "sas", json_object());
    result = call("ipsec.kernel_compare", json_pack("{s:O}", "before", before));
    assert_int_equal(number(result, "missing"), 2);
    json_decref(result);

    struct stf_err err;
    assert_int_equal(try_call(NULL, pair.left, "ipsec.kernel_compare", NULL, &result, &err), STF_INVALID_DATA);
    assert_int_equal(
        try_call(NULL, pair.left, "ipsec.kernel_compare", json_pack("{s:{s:i}}", "before", "x", 1), &result, &err),
        STF_INVALID_DATA);
    json_decref(before);
}

/* ---------- watches ---------- */

static struct stf_kernel_watch *watch_in(const char *netns, enum stf_kernel_acquires acquires, int buffer_bytes)
{
    struct stf_kernel_watch_options options = {netns, acquires, buffer_bytes};
    struct stf_kernel_watch *watch = NULL;
    struct stf_err err;
    if (stf_kernel_watch_start(&options, &watch, &err))
        fail_msg("%s", err.message);
    return watch;
}

/* Ends the watch and checks that nothing was lost. */
static json_t *stop(struct stf_kernel_watch *watch)
{
    json_t *seen = NULL;
    assert_int_equal(stf_kernel_watch_stop(watch, &seen, NULL), STF_OK);
    assert_int_equal(number(seen, "dropped"), 0);
    assert_int_equal(number(seen, "overruns"), 0);
    assert_int_equal(number(seen, "undecoded"), 0);
    assert_null(json_object_get(seen, "ended_early"));
    return seen;
}

/* The names of the events in their order, one space between; malloc'ed. Times must not go back. */
static char *names_of(const json_t *seen)
{
    size_t i, size;
    json_t *event;
    int64_t last_ns = 0;
    char *names = NULL;
    FILE *out = open_memstream(&names, &size);
    json_array_foreach (json_object_get(seen, "events"), i, event) {
        fprintf(out, "%s%s", i ? " " : "", json_string_value(json_object_get(event, "event")));
        assert_true(number(event, "at_ns") >= last_ns);
        last_ns = number(event, "at_ns");
    }
    fclose(out);
    return names;
}

static const json_t *event_at(const json_t *seen, size_t i)
{
    return json_array_get(json_object_get(seen, "events"), i);
}

static void test_events_come_in_the_kernels_order(void **unused)
{
    (void)unused;
    int64_t began_ns = stf_clock_ns();
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_NEVER, 0);
    assert_true(netpair_run("ip -n %s xfrm policy add dst 10.1.0.1 dir in action block && "
                            "ip -n %s xfrm policy update dst 10.1.0.1 dir in action allow && "
                            "ip -n %s xfrm policy setdefault in block && "
                            "ip -n %s xfrm policy delete dst 10.1.0.1 dir in && "
                            "ip -n %s xfrm policy add dst fd00::1 dir out tmpl proto esp reqid 5 mode transport",
                            pair.left, pair.left, pair.left, pair.left, pair.left));
    assert_true(
        netpair_run("ip -n %s xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp min 1 max 9 >/dev/null && "
                    "ip -n %s xfrm state flush proto esp && ip -n %s xfrm policy flush",
                    pair.left, pair.left, pair.left));
    json_t *seen = stop(watch);
    char *names = names_of(seen);
    assert_text(names, "policy-new policy-update default-actions policy-delete policy-new sa-flush policy-flush");
    assert_true(number(event_at(seen, 0), "at_ns") > began_ns);
    assert_true(number(event_at(seen, 6), "at_ns") < stf_clock_ns());
    assert_word(json_object_get(event_at(seen, 0), "policy"), "action", "block");
    assert_word(json_object_get(event_at(seen, 1), "policy"), "action", "allow");
    assert_word(json_object_get(event_at(seen, 2), "default_actions"), "in", "block");
    assert_word(json_object_get(json_object_get(event_at(seen, 3), "policy"), "selector"), "destination",
                "10.1.0.1/32");
    assert_int_equal(json_array_size(json_object_get(json_object_get(event_at(seen, 4), "policy"), "templates")), 1);
    assert_word(event_at(seen, 5), "protocol", "esp");
    assert_word(event_at(seen, 6), "type", "main");
    free(names);
    json_decref(seen);
}

static void test_expiry(void **unused)
{
    (void)unused;
    assert_true(netpair_run("ip netns exec %s sysctl -qw net.core.xfrm_acq_expires=1", pair.left));
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_NEVER, 0);
    /* The kernel counts whole seconds and looks a second after the policy came, so that a hard limit of 2 s may have
     * passed when it looks for the soft one. */
    assert_true(netpair_run("ip -n %s xfrm policy add dst 10.1.0.1 dir in limit time-soft 1 limit time-hard 4 && "
                            "ip -n %s xfrm state allocspi src 10.0.0.1 dst 10.0.0.2 proto esp min 1 max 9 >/dev/null",
                            pair.left, pair.left));
    json_t *stats = NULL;
    for (int i = 0; i < 100; i++) { /* until both are gone */
        stats = call("ipsec.kernel_stats", NULL);
        if (number(stats, "sas") == 0 && number(json_object_get(stats, "policies"), "in") == 0)
            break;
        json_decref(stats);
        stats = NULL;
        usleep(100000);
    }
    assert_non_null(stats);
    json_decref(stats);
    json_t *seen = stop(watch), *event;
    size_t i;
    int soft = 0, hard = 0, sas = 0;
    json_array_foreach (json_object_get(seen, "events"), i, event) {
        bool is_policy = strcmp(json_string_value(json_object_get(event, "event")), "policy-expire") == 0;
        bool is_hard = json_is_true(json_object_get(event, "is_hard"));
        soft += is_policy && !is_hard;
        hard += is_policy && is_hard;
        sas += strcmp(json_string_value(json_object_get(event, "event")), "sa-expire") == 0 && is_hard;
    }
    assert_int_equal(soft, 1);
    assert_int_equal(hard, 1);
    assert_int_equal(sas, 1);
    json_decref(seen);
    assert_true(netpair_run("ip netns exec %s sysctl -qw net.core.xfrm_acq_expires=30", pair.left));
}

/* Tries to connect and waits until the watch's namespace has a larval SA. */
static void connect_until_larval(const char *address)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, address, 143);
    int fd = netpair_socket(pair.left, at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    json_int_t sas = 0;
    connect(fd, (struct sockaddr *)&at, size);
    for (int waited_ms = 0; sas == 0 && waited_ms < ACQUIRE_MS; waited_ms += 10) {
        json_t *stats = call("ipsec.kernel_stats", NULL);
        sas = number(stats, "sas");
        json_decref(stats);
        usleep(10000);
    }
    close(fd);
    assert_true(sas > 0);
}

static void check_acquire(const char *source, const char *destination, const char *prefix)
{
    assert_true(netpair_run("ip -n %s xfrm policy add src %s dst %s proto tcp dport 143 dir out priority 9 "
                            "tmpl src %s dst %s proto esp reqid 12 mode transport",
                            pair.left, source, destination, source, destination));
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_ALWAYS, 0);
    connect_until_larval(destination);
    assert_sas_as_ip_sees_them(1);
    json_t *seen = stop(watch), *acquire = json_array_get(json_object_get(seen, "events"), 0);
    char expected[INET6_ADDRSTRLEN + 8];
    assert_true(json_is_true(json_object_get(seen, "hears_acquires")));
    assert_word(acquire, "event", "acquire");
    assert_word(acquire, "source", source);
    assert_word(acquire, "destination", destination);
    assert_word(acquire, "protocol", "esp");
    const json_t *selector = json_object_get(acquire, "selector"), *policy = json_object_get(acquire, "policy");
    snprintf(expected, sizeof expected, "%s/%s", destination, prefix);
    assert_word(selector, "destination", expected);
    assert_word(selector, "protocol", "tcp");
    assert_int_equal(number(selector, "destination_port"), 143);
    assert_non_null(json_object_get(selector, "source_port")); /* the packet's own, though the policy has none */
    assert_int_equal(number(policy, "priority"), 9);
    assert_int_equal(number(json_array_get(json_object_get(policy, "templates"), 0), "reqid"), 12);
    json_decref(seen);
    flush();
}

static void test_acquire_of_a_connect(void **unused)
{
    (void)unused;
    check_acquire(NETPAIR_LEFT_IPV4, NETPAIR_RIGHT_IPV4, "32");
    check_acquire(NETPAIR_LEFT_IPV6, NETPAIR_RIGHT_IPV6, "128");
}

/* Where no key manager listens, a watch must not become one: the kernel would wait for it to negotiate. */
static void test_a_watch_changes_nothing(void **unused)
{
    (void)unused;
    assert_true(netpair_run("ip -n %s xfrm policy add src 10.77.0.1 dst 10.77.0.2 proto tcp dport 143 dir out "
                            "tmpl proto esp mode transport",
                            pair.left));
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_IF_HEARD, 0);
    assert_int_equal(netpair_connect(pair.left, NETPAIR_RIGHT_IPV4, 143, 100), -1);
    json_t *sas = call("ipsec.kernel_sas", NULL), *seen = stop(watch);
    assert_int_equal(json_array_size(sas), 0);
    assert_true(json_is_false(json_object_get(seen, "hears_acquires")));
    assert_int_equal(json_array_size(json_object_get(seen, "events")), 0);
    json_decref(sas);
    json_decref(seen);

    /* beside one that does listen, it does too */
    struct stf_kernel_watch *manager = watch_in(pair.left, STF_KERNEL_ACQUIRES_ALWAYS, 0);
    watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_IF_HEARD, 0);
    connect_until_larval(NETPAIR_RIGHT_IPV4);
    seen = stop(watch);
    assert_true(json_is_true(json_object_get(seen, "hears_acquires")));
    assert_word(event_at(seen, 0), "event", "acquire");
    json_decref(seen);
    json_decref(stop(manager));
}

/* Sends a MIGRATE, which ip(8) cannot. */
static void migrate(void)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    const struct stf_mnl *mnl;
    struct stf_netns guard;
    int refusal = 0;
    assert_int_equal(stf_mnl_get(&mnl, NULL), STF_OK);
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = XFRM_MSG_MIGRATE;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    struct xfrm_userpolicy_id *id = mnl->nlmsg_put_extra_header(request, sizeof *id);
    id->sel = (struct xfrm_selector){.family = AF_INET, .prefixlen_d = 32};
    inet_pton(AF_INET, "10.1.0.1", &id->sel.daddr);
    id->dir = XFRM_POLICY_OUT;
    struct xfrm_user_migrate move = {
        .proto = IPPROTO_ESP, .mode = XFRM_MODE_TUNNEL, .reqid = 3, .old_family = AF_INET, .new_family = AF_INET};
    inet_pton(AF_INET, "10.2.0.1", &move.old_saddr);
    inet_pton(AF_INET, "10.2.0.2", &move.old_daddr);
    inet_pton(AF_INET, "10.3.0.1", &move.new_saddr);
    inet_pton(AF_INET, "10.3.0.2", &move.new_daddr);
    mnl->attr_put(request, XFRMA_MIGRATE, sizeof move, &move);
    assert_int_equal(stf_netns_enter(&guard, pair.left, NULL), STF_OK);
    enum stf_kind kind = stf_mnl_request(NETLINK_XFRM, request, NULL, NULL, &refusal, NULL);
    stf_netns_leave(&guard);
    assert_int_equal(kind, STF_OK);
    assert_int_equal(refusal, 0);
}

static void test_migration(void **unused)
{
    (void)unused;
    assert_true(netpair_run("ip -n %s xfrm policy add dst 10.1.0.1 dir out tmpl src 10.2.0.1 dst 10.2.0.2 proto esp "
                            "reqid 3 mode tunnel",
                            pair.left));
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_NEVER, 0);
    migrate();
    json_t *seen = stop(watch);
    const json_t *event = event_at(seen, 0), *move = json_array_get(json_object_get(event, "moves"), 0);
    assert_word(event, "event", "migrate");
    assert_word(event, "direction", "out");
    assert_word(move, "old_source", "10.2.0.1");
    assert_word(move, "new_destination", "10.3.0.2");
    json_decref(seen);
    assert_policies_as_ip_sees_them();
}

/* ---------- many, and while they change ---------- */

/* `count` policies from 10.B.x.y on, by one ip process. */
static void batch(const char *netns, const char *verb_word, int second_byte, int count)
{
    char command[128];
    snprintf(command, sizeof command, "ip -n %s -batch -", netns);
    FILE *out = popen(command, "w");
    for (int i = 0; i < count; i++)
        fprintf(out, "xfrm policy %s dst 10.%d.%d.%d dir out%s\n", verb_word, second_byte, i / 250, i % 250,
                strcmp(verb_word, "add") == 0 ? " tmpl proto esp reqid 1 mode transport" : "");
    assert_int_equal(pclose(out), 0);
}

static void test_thousands(void **unused)
{
    (void)unused;
    enum { COUNT = 4000 };
    batch(pair.left, "add", 1, COUNT);
    assert_policies_as_ip_sees_them();
    json_t *policies = call("ipsec.kernel_policies", NULL);
    assert_int_equal(json_array_size(policies), COUNT);
    json_decref(policies);
    for (int i = 0; i < 20; i++)
        assert_true(
            netpair_run("for p in 1 2 3 4 5 6 7 8 9; do ip -n %s xfrm state allocspi src 10.0.%d.$p dst 10.0.0.2 "
                        "proto esp min 0x1000 max 0x9000 >/dev/null; done",
                        pair.left, i));
    assert_sas_as_ip_sees_them(180);
}

struct churn {
    pthread_t thread;
    int rounds;
};

static void *churn(void *argument)
{
    struct churn *job = argument;
    for (int i = 0; i < job->rounds; i++) {
        batch(pair.left, "add", 2, CHURN_COUNT);
        batch(pair.left, "delete", 2, CHURN_COUNT);
    }
    return NULL;
}

/* Policies come in the order of their addresses and go in the same order, so at any one moment those that are there
 * are all up to one, or all from one on. */
static void assert_one_moment(const struct stf_kernel_state *state, size_t others)
{
    unsigned first = UINT32_MAX, last = 0;
    size_t count = 0;
    for (size_t i = 0; i < state->policy_count; i++) {
        const uint8_t *address = (const uint8_t *)&state->policies[i].info.sel.daddr;
        unsigned place = address[2] * 250u + address[3];
        if (address[1] != 2)
            continue;
        first = place < first ? place : first;
        last = place > last ? place : last;
        count++;
    }
    assert_int_equal(state->policy_count, others + count);
    if (count > 0) {
        assert_int_equal(last - first + 1, count);
        assert_true(first == 0 || last == CHURN_COUNT - 1);
    }
}

static void test_reads_are_of_one_moment(void **unused)
{
    (void)unused;
    enum { COUNT = 3000 };
    batch(pair.left, "add", 1, COUNT);
    struct churn job = {.rounds = 25};
    assert_int_equal(pthread_create(&job.thread, NULL, churn, &job), 0);
    unsigned repeats = 0, busy = 0, reads = 0;
    while (reads < 60) {
        struct stf_kernel_state state;
        struct stf_err err;
        enum stf_kind kind = stf_kernel_read(pair.left, STF_KERNEL_POLICIES, &state, &err);
        assert_true(kind == STF_OK || (kind == STF_BUSY && err.is_retryable));
        busy += kind == STF_BUSY;
        repeats += state.repeats;
        reads++;
        if (!kind)
            assert_one_moment(&state, COUNT);
        stf_kernel_state_fini(&state);
    }
    pthread_join(job.thread, NULL);
    print_message("%u reads, %u repeated, %u given up\n", reads, repeats, busy);
    assert_true(repeats > 0);
    struct stf_kernel_state state;
    assert_int_equal(stf_kernel_read(pair.left, STF_KERNEL_POLICIES, &state, NULL), STF_OK);
    assert_int_equal(state.policy_count, COUNT);
    stf_kernel_state_fini(&state);
}

/* With a buffer for a message or two the kernel must drop some: that is told, at its place. */
static void test_overruns_are_told(void **unused)
{
    (void)unused;
    struct stf_kernel_watch *watch = watch_in(pair.left, STF_KERNEL_ACQUIRES_NEVER, 1);
    struct stf_kernel_watch *wide = watch_in(pair.left, STF_KERNEL_ACQUIRES_NEVER, 0);
    batch(pair.left, "add", 3, 4000);
    json_t *seen = NULL, *all = stop(wide), *event;
    size_t i, noted = 0;
    assert_int_equal(stf_kernel_watch_stop(watch, &seen, NULL), STF_OK);
    assert_int_equal(json_array_size(json_object_get(all, "events")), 4000);
    json_array_foreach (json_object_get(seen, "events"), i, event)
        noted += strcmp(json_string_value(json_object_get(event, "event")), "overrun") == 0;
    assert_true(noted > 0);
    assert_int_equal(number(seen, "overruns"), noted);
    assert_true(json_array_size(json_object_get(seen, "events")) - noted < 4000);
    json_decref(seen);
    json_decref(all);
}

/* ---------- namespaces ---------- */

static void test_a_namespace_that_vanishes(void **unused)
{
    (void)unused;
    char name[40];
    struct stf_kernel_state state;
    struct stf_err err;
    json_t *seen = NULL, *stats = NULL;
    snprintf(name, sizeof name, "%s-gone", pair.left);
    assert_true(netpair_run("ip netns add %s", name));
    struct stf_kernel_watch *watch = watch_in(name, STF_KERNEL_ACQUIRES_NEVER, 0);
    assert_int_equal(stf_kernel_read(name, STF_KERNEL_POLICIES, &state, &err), STF_OK);
    stf_kernel_state_fini(&state);
    assert_true(netpair_run("ip netns del %s", name));
    assert_int_equal(stf_kernel_read(name, STF_KERNEL_POLICIES, &state, &err), STF_NOT_FOUND);
    stf_kernel_state_fini(&state);
    assert_int_equal(stf_kernel_stats(name, &stats, &err), STF_NOT_FOUND);
    assert_int_equal(stf_kernel_watch_stop(watch, &seen, &err), STF_OK);
    assert_non_null(strstr(json_string_value(json_object_get(seen, "ended_early")), "removed"));
    json_decref(seen);

    struct stf_kernel_watch_options options = {.netns = name};
    assert_int_equal(stf_kernel_watch_start(&options, &watch, &err), STF_NOT_FOUND);
}

/* ---------- the verbs' own ---------- */

static void test_watch_verbs(void **unused)
{
    (void)unused;
    void *self = stf_ipsec_binding.open();
    struct stf_err err;
    json_t *watch = NULL, *result = NULL;
    assert_int_equal(
        try_call(self, pair.left, "ipsec.kernel_watch_start", json_pack("{s:b}", "acquires", 0), &watch, &err), STF_OK);
    assert_true(netpair_run("ip -n %s xfrm policy add dst 10.1.0.1 dir in action block", pair.left));
    /* a handle of the kernel's watches is none of charon's */
    assert_int_equal(try_call(self, pair.left, "ipsec.watch_stop", json_deep_copy(watch), &result, &err),
                     STF_NOT_FOUND);
    assert_int_equal(try_call(self, pair.left, "ipsec.kernel_watch_stop", json_deep_copy(watch), &result, &err),
                     STF_OK);
    assert_word(event_at(result, 0), "event", "policy-new");
    json_decref(result);
    assert_int_equal(try_call(self, pair.left, "ipsec.kernel_watch_stop", json_deep_copy(watch), &result, &err),
                     STF_NOT_FOUND);
    json_decref(watch);
    assert_int_equal(
        try_call(self, pair.left, "ipsec.kernel_watch_start", json_pack("{s:i}", "acquires", 1), &watch, &err),
        STF_INVALID_DATA);
    assert_int_equal(try_call(self, pair.left, "ipsec.kernel_policies", json_pack("{s:i}", "x", 1), &result, &err),
                     STF_INVALID_DATA);
    /* one that nobody stops ends with the binding */
    assert_int_equal(try_call(self, pair.left, "ipsec.kernel_watch_start", NULL, &watch, &err), STF_OK);
    json_decref(watch);
    stf_ipsec_binding.close(self);
}

/* ---------- the lab ---------- */

static int up(void **unused)
{
    (void)unused;
    if (!netpair_up(&pair, "xfrm")) {
        print_message("SKIP: needs root, ip(8) and network namespaces\n");
        exit(0);
    }
    struct stf_kernel_state state;
    struct stf_err err;
    enum stf_kind kind = stf_kernel_read(pair.left, STF_KERNEL_POLICIES, &state, &err);
    stf_kernel_state_fini(&state);
    if (kind == STF_UNSUPPORTED) {
        print_message("SKIP: %s\n", err.message);
        exit(0);
    }
    return kind;
}

static int down(void **unused)
{
    (void)unused;
    netpair_down(&pair);
    return 0;
}

#define IN_LAB(test) cmocka_unit_test_setup(test, flush_before)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_LAB(test_policies_as_ip_sees_them),
        IN_LAB(test_larval_sas_as_ip_sees_them),
        IN_LAB(test_default_actions),
        IN_LAB(test_socket_policies),
        IN_LAB(test_blocked_packets_are_counted),
        IN_LAB(test_counts),
        IN_LAB(test_snapshots_are_canonical),
        IN_LAB(test_compare),
        IN_LAB(test_events_come_in_the_kernels_order),
        IN_LAB(test_expiry),
        IN_LAB(test_acquire_of_a_connect),
        IN_LAB(test_a_watch_changes_nothing),
        IN_LAB(test_migration),
        IN_LAB(test_thousands),
        IN_LAB(test_reads_are_of_one_moment),
        IN_LAB(test_overruns_are_told),
        IN_LAB(test_a_namespace_that_vanishes),
        IN_LAB(test_watch_verbs),
    };
    return cmocka_run_group_tests(tests, up, down);
}
