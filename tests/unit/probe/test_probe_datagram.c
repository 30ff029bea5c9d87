/* test_probe_datagram.c - ICMP and UDP echoes over a real link: many targets, kernel clocks, outages, refusals.
 * Sends nothing outside the namespaces it makes. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/netns.h"

enum { ECHO_PORT = 7, REFUSED_PORT = 9, TARGETS = 20 };

/* A UDP echo server (RFC 862) on all addresses of the server's namespace; each packet is answered `times` times. It
 * answers from whatever address its kernel prefers, as servers with an unbound socket do. */
static pid_t start_echo(int times)
{
    struct stf_netns guard;
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(ECHO_PORT)};
    assert_int_equal(stf_netns_enter(&guard, server_ns, NULL), STF_OK);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    stf_netns_leave(&guard);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof any), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            char bytes[256];
            struct sockaddr_storage from;
            socklen_t size = sizeof from;
            ssize_t n = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
            for (int i = 0; n > 0 && i < times; i++)
                sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&from, size);
        }
    }
    close(fd);
    return pid;
}

static json_t *measure(json_t *args, long ms)
{
    json_t *handle = call_ok("probe.start", args);
    sleep_ms(ms);
    return stop(handle);
}

/* On a machine that is stopped while it reads its clocks, single stamps are not believed: "mixed". */
static void assert_kernel_clock(const json_t *report, const char *clock)
{
    bool is_kernel = strcmp(string(report, clock), "kernel") == 0 || strcmp(string(report, clock), "mixed") == 0;
    if (!is_kernel)
        fail_msg("%s is %s", clock, string(report, clock));
}

static void assert_steady(const json_t *report)
{
    json_int_t places = (number(report, "last_tick_ns") - number(report, "first_tick_ns")) / 1000000 + 1;
    assert_int_equal(number(report, "sent") + number(report, "shed"), places);
    assert_true(number(report, "answered") > 20);
    assert_int_equal(number(report, "answered"), number(report, "sent"));
    assert_kernel_clock(report, "answer_clock");
    assert_kernel_clock(report, "sent_clock");
    assert_true(number(json_object_get(report, "round_trip"), "p50_us") <=
                number(json_object_get(report, "latency"), "p50_us"));
    assert_int_equal(number(report, "duplicates"), 0);
    assert_int_equal(number(report, "from_elsewhere"), 0);
}

static void steady_echoes_are_answered_and_stamped_by_the_kernel(void **state)
{
    (void)state;
    static const char *const methods[] = {"icmp", "udp"}, *const targets[] = {SERVER_V4, SERVER_V6};
    pid_t echo = start_echo(1);
    for (size_t i = 0; i < 4; i++) {
        json_t *report = measure(json_pack("{s:s, s:s}", "target", targets[i / 2], "method", methods[i % 2]), 300);
        assert_steady(report);
        assert_true(json_is_null(json_object_get(report, "port")) == (i % 2 == 0));
        json_decref(report);
    }
    end(echo, SIGKILL);
}

/* With the sysctl that lets users send echoes, the socket is of another type, and answers have no IP header. */
static void echoes_of_a_datagram_socket(void **state)
{
    (void)state;
    assert_int_equal(shell(client_ns, "echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range"), 0);
    static const char *const targets[] = {SERVER_V4, SERVER_V6};
    for (size_t i = 0; i < 2; i++) {
        json_t *report = measure(json_pack("{s:s, s:s}", "target", targets[i], "method", "icmp"), 200);
        assert_steady(report);
        json_decref(report);
    }
    assert_int_equal(shell(client_ns, "echo '1 0' >/proc/sys/net/ipv4/ping_group_range"), 0);
}

static void many_targets_share_one_schedule(void **state)
{
    (void)state;
    char command[128];
    json_t *targets = json_array();
    for (int i = 0; i < TARGETS; i++) {
        snprintf(command, sizeof command, "ip address add 10.99.7.%d/24 dev eth0", 100 + i);
        assert_int_equal(shell(server_ns, command), 0);
        json_array_append_new(targets, json_sprintf("10.99.7.%d", 100 + i));
    }
    json_array_append_new(targets, json_string("10.99.7.99")); /* nobody has it */
    json_array_append_new(targets, json_string(SERVER_V6));
    json_t *handle =
        call_ok("probe.start", json_pack("{s:o, s:s, s:i}", "targets", targets, "method", "icmp", "count", 200));
    sleep_ms(500);
    json_t *result = stop(handle), *reports = json_object_get(result, "reports"), *report;
    assert_int_equal(json_array_size(reports), TARGETS + 2);
    size_t i;
    json_array_foreach (reports, i, report) {
        assert_int_equal(number(report, "sent") + number(report, "shed"), 200);
        assert_int_equal(number(report, "first_tick_ns"), number(json_array_get(reports, 0), "first_tick_ns"));
        assert_int_equal(number(report, "answered"), i == TARGETS ? 0 : number(report, "sent"));
    }
    assert_string_equal(string(json_array_get(reports, 3), "target"), "10.99.7.103");
    json_decref(result);
}

static void a_list_of_one_gives_a_list(void **state)
{
    (void)state;
    json_t *result = measure(json_pack("{s:[s], s:s}", "targets", SERVER_V4, "method", "icmp"), 20);
    assert_int_equal(json_array_size(json_object_get(result, "reports")), 1);
    json_decref(result);
}

static void assert_failed(const char *method, const char *target, int port, const char *failure)
{
    json_t *report = measure(json_pack("{s:s, s:s, s:i}", "target", target, "method", method, "port", port), 150);
    assert_int_equal(number(report, "answered"), 0);
    assert_int_equal(number(json_object_get(report, "failures"), failure), number(report, "lost"));
    assert_true(number(report, "lost") > 10);
    json_decref(report);
}

static void failures_are_named(void **state)
{
    (void)state;
    /* ICMP errors are limited to a thousand a second, and by peer: the test wants each. */
    assert_int_equal(shell(server_ns, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0"
                                      " net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000"),
                     0);
    assert_failed("udp", SERVER_V4, REFUSED_PORT, "refused");
    assert_failed("udp", SERVER_V6, REFUSED_PORT, "refused");
    assert_failed("udp", "192.0.2.1", ECHO_PORT, "unreachable");
    assert_int_equal(shell(client_ns, "ip route replace prohibit 192.0.2.9"), 0);
    assert_failed("udp", "192.0.2.9", ECHO_PORT, "denied");
}

/* The stamps' numbers are lost when a packet fails between others; they must not go to the wrong samples. */
static void a_failing_target_leaves_the_others_exact(void **state)
{
    (void)state;
    json_t *result =
        measure(json_pack("{s:[s, s, s], s:s}", "targets", SERVER_V4, "192.0.2.1", "10.99.7.1", "method", "icmp"), 300);
    const json_t *reports = json_object_get(result, "reports");
    assert_int_equal(number(json_array_get(reports, 1), "answered"), 0);
    for (size_t i = 0; i < 3; i += 2) {
        const json_t *report = json_array_get(reports, i);
        assert_int_equal(number(report, "answered"), number(report, "sent"));
        assert_kernel_clock(report, "answer_clock");
    }
    json_decref(result);
}

static void answers_twice_and_from_another_address(void **state)
{
    (void)state;
    pid_t echo = start_echo(2);
    /* The server's kernel answers from its first address, not from the one that was asked. */
    assert_int_equal(shell(server_ns, "ip address add 10.99.7.50/32 dev lo"), 0);
    assert_int_equal(shell(client_ns, "ip route replace 10.99.7.50 via " SERVER_V4), 0);
    json_t *report = measure(json_pack("{s:s, s:s}", "target", "10.99.7.50", "method", "udp"), 200);
    assert_int_equal(number(report, "answered"), number(report, "sent"));
    assert_true(number(report, "duplicates") >= number(report, "answered") - 1);
    assert_int_equal(number(report, "from_elsewhere"), number(report, "answered"));
    json_decref(report);
    end(echo, SIGKILL);
}

/* The truth: packets were dropped from some moment in [down_before, down_after] to one in [up_before, up_after]. */
static void imposed_outage_is_measured(void **state)
{
    (void)state;
    if (shell(server_ns, "nft list ruleset") != 0) {
        print_message("SKIP: nft cannot filter on this kernel\n");
        skip();
    }
    json_t *handle = call_ok("probe.start", json_pack("{s:s, s:s}", "target", SERVER_V4, "method", "icmp"));
    sleep_ms(200);
    int64_t down_before_ns = stf_clock_ns();
    assert_int_equal(shell(server_ns, "printf 'add table inet cut\\nadd chain inet cut in { type filter hook input "
                                      "priority 0; }\\nadd rule inet cut in meta l4proto icmp drop\\n' | nft -f -"),
                     0);
    int64_t down_after_ns = stf_clock_ns();
    sleep_ms(100);
    int64_t up_before_ns = stf_clock_ns();
    assert_int_equal(shell(server_ns, "nft delete table inet cut"), 0);
    int64_t up_after_ns = stf_clock_ns();
    sleep_ms(200);
    json_t *report = stop(handle);
    const json_t *longest = json_object_get(report, "longest");
    json_int_t duration_us = number(longest, "duration_us"), error_us = number(longest, "error_us");
    assert_true(duration_us + error_us >= (up_before_ns - down_after_ns) / 1000);
    assert_true(duration_us - error_us <= (up_after_ns - down_before_ns) / 1000);
    assert_true(number(longest, "last_answered_ns") <= down_after_ns);
    json_decref(report);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    json_t *const wrong[] = {
        json_pack("{s:s, s:s, s:i}", "target", SERVER_V4, "method", "icmp", "port", 7),
        json_pack("{s:s, s:s, s:s}", "target", SERVER_V4, "method", "udp", "send", "x"),
        json_pack("{s:s, s:[s], s:s}", "target", SERVER_V4, "targets", SERVER_V4, "method", "icmp"),
        json_pack("{s:s}", "method", "icmp"),
        json_pack("{s:[], s:s}", "targets", "method", "icmp"),
        json_pack("{s:[i], s:s}", "targets", 7, "method", "icmp"),
        json_pack("{s:s, s:s}", "targets", SERVER_V4, "method", "icmp"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct stf_err err = {0};
        json_t *result;
        assert_int_equal(call("probe.start", wrong[i], &result, &err), STF_INVALID_DATA);
        assert_true(err.message[0]);
        assert_null(result);
    }
    struct stf_err err;
    json_t *result;
    assert_int_equal(call("probe.once", json_pack("{s:s, s:s}", "target", SERVER_V4, "method", "icmp"), &result, &err),
                     STF_UNSUPPORTED);
}

/* Over a link that has just come up, neighbour discovery takes up to 2 s. */
static int setup_warm(void **state)
{
    return setup(state) == 0 && shell(client_ns, "ping -qc 1 -w 10 " SERVER_V4 "; ping -qc 1 -w 10 " SERVER_V6) == 0
               ? 0
               : -1;
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_echoes_are_answered_and_stamped_by_the_kernel),
        cmocka_unit_test(echoes_of_a_datagram_socket),
        cmocka_unit_test(many_targets_share_one_schedule),
        cmocka_unit_test(a_list_of_one_gives_a_list),
        cmocka_unit_test(failures_are_named),
        cmocka_unit_test(a_failing_target_leaves_the_others_exact),
        cmocka_unit_test(answers_twice_and_from_another_address),
        cmocka_unit_test(imposed_outage_is_measured),
        cmocka_unit_test(wrong_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, setup_warm, teardown);
}

int main(void)
{
    return run_in_namespaces(run_all);
}
