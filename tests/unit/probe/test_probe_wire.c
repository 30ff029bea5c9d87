/* test_probe_wire.c - the binding's verbs against a real server in two network namespaces, with outages imposed.
 * Sends nothing outside the namespaces it makes. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/netns.h"
#include "probe/probe.h"
#include "probe/report.h"

enum { PORT = 2110, REFUSED_PORT = 2111, MUTE_PORT = 2112 };
#define BANNER "+OK staffetta"

static pid_t responder = -1;

static void start_responder(void)
{
    char port[8];
    snprintf(port, sizeof port, "%d", PORT);
    responder = spawn(server_ns, (const char *const[]){RESPONDER, BANNER, port, NULL});
}

static int stop_responder(void)
{
    int status = end(responder, SIGTERM);
    responder = -1;
    return status;
}

/* Over a link that has just come up, the first IPv6 attempt can take 2 s: neighbour discovery loses its SYN. */
static int setup_responder(void **state)
{
    (void)state;
    start_responder();
    return answers_within_ten_seconds(SERVER_V4, PORT) && answers_within_ten_seconds(SERVER_V6, PORT) ? 0 : -1;
}

static int teardown_responder(void **state)
{
    (void)state;
    if (responder > 0)
        stop_responder();
    return 0;
}

static void once_reads_the_greeting(void **state)
{
    (void)state;
    static const char *const targets[] = {SERVER_V4, SERVER_V6};
    for (size_t i = 0; i < 2; i++) {
        json_t *answer =
            call_ok("probe.once", json_pack("{s:s, s:i, s:s}", "target", targets[i], "port", PORT, "expect", "+OK"));
        if (json_is_false(json_object_get(answer, "answered")))
            fail_msg("%s: %s after %d us", targets[i], string(answer, "failure"), (int)number(answer, "latency_us"));
        assert_string_equal(string(answer, "received"), BANNER);
        assert_true(number(answer, "latency_us") > 0);
        assert_null(json_object_get(answer, "failure"));
        json_decref(answer);
    }
}

static void once_sends_a_line(void **state)
{
    (void)state;
    json_t *answer = call_ok("probe.once", json_pack("{s:s, s:i, s:s, s:s}", "target", SERVER_V4, "port", PORT, "send",
                                                     "NOOP\r\n", "expect", BANNER "\r\n" BANNER));
    assert_true(json_is_true(json_object_get(answer, "answered")));
    json_decref(answer);
}

static void once_sees_a_wrong_greeting(void **state)
{
    (void)state;
    json_t *answer =
        call_ok("probe.once", json_pack("{s:s, s:i, s:s}", "target", SERVER_V4, "port", PORT, "expect", "* OK"));
    assert_true(json_is_false(json_object_get(answer, "answered")));
    assert_string_equal(string(answer, "failure"), "unexpected_answer");
    assert_string_equal(string(answer, "received"), BANNER);
    json_decref(answer);
}

static void assert_failure(const char *target, int port, const char *failure)
{
    json_t *answer = call_ok("probe.once", json_pack("{s:s, s:i, s:s, s:i}", "target", target, "port", port, "expect",
                                                     "+OK", "timeout_ms", 200));
    assert_true(json_is_false(json_object_get(answer, "answered")));
    assert_string_equal(string(answer, "failure"), failure);
    json_decref(answer);
}

static void once_names_the_failure(void **state)
{
    (void)state;
    assert_failure(SERVER_V4, REFUSED_PORT, "refused");
    assert_failure(SERVER_V6, REFUSED_PORT, "refused");
    assert_failure("192.0.2.1", PORT, "unreachable");
    assert_int_equal(shell(client_ns, "ip route add prohibit 192.0.2.9; ip route add 192.0.2.10 via " SERVER_V4), 0);
    assert_failure("192.0.2.9", PORT, "denied");
    assert_failure("192.0.2.10", PORT, "timeout");
}

static void closed_and_mute_servers(void **state)
{
    (void)state;
    assert_int_equal(stop_responder(), 0);
    assert_failure(SERVER_V4, PORT, "refused");
    /* A listener whose backlog accepts connections and says nothing. */
    struct stf_netns guard;
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(MUTE_PORT)};
    assert_int_equal(stf_netns_enter(&guard, server_ns, NULL), STF_OK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stf_netns_leave(&guard);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_failure(SERVER_V4, MUTE_PORT, "timeout");

    json_t *handle = call_ok("probe.start", json_pack("{s:s, s:i, s:s, s:s, s:i, s:i}", "target", SERVER_V4, "port",
                                                      MUTE_PORT, "method", "tcp_line", "expect", "+OK", "interval_us",
                                                      100000, "timeout_ms", 900));
    sleep_ms(350);
    close(listener); /* resets what waits in the backlog */
    json_t *report = stop(handle);
    assert_true(number(json_object_get(report, "failures"), "closed") >= 1);
    assert_int_equal(number(report, "answered"), 0);
    json_decref(report);
}

static void steady_probe_answers_everything(void **state)
{
    (void)state;
    static const char *const targets[] = {SERVER_V4, SERVER_V6};
    for (size_t i = 0; i < 2; i++) {
        json_t *handle =
            call_ok("probe.start", json_pack("{s:s, s:i, s:s, s:s, s:s}", "target", targets[i], "port", PORT, "method",
                                             "tcp_line", "send", "NOOP\r\n", "expect", BANNER));
        sleep_ms(400);
        json_t *report = stop(handle);
        json_int_t places = (number(report, "last_tick_ns") - number(report, "first_tick_ns")) / 1000000 + 1;
        assert_int_equal(number(report, "sent") + number(report, "shed"), places);
        assert_true(number(report, "answered") > 20);
        assert_int_equal(number(report, "answered") + number(report, "lost"), number(report, "sent"));
        assert_int_equal(number(report, "unfinished"), 0);
        assert_true(number(json_object_get(report, "latency"), "p50_us") > 0);
        assert_true(number(json_object_get(report, "jitter"), "max_us") > 0);
        json_decref(report);
    }
}

/* The truth: packets were dropped from some moment in [down_before, down_after] to one in [up_before, up_after]. */
static void assert_outage(const char *method, json_int_t port, const char *down, const char *up)
{
    json_t *handle =
        call_ok("probe.start", json_pack("{s:s, s:I, s:s, s:s*}", "target", SERVER_V4, "port", port, "method", method,
                                         "expect", strcmp(method, "tcp_line") == 0 ? BANNER : NULL));
    sleep_ms(300);
    int64_t down_before_ns = stf_clock_ns();
    assert_int_equal(shell(server_ns, down), 0);
    int64_t down_after_ns = stf_clock_ns();
    sleep_ms(250);
    int64_t up_before_ns = stf_clock_ns();
    assert_int_equal(shell(server_ns, up), 0);
    int64_t up_after_ns = stf_clock_ns();
    sleep_ms(300);
    json_t *report = stop(handle);
    const json_t *longest = json_object_get(report, "longest");
    char *text = json_dumps(longest, JSON_INDENT(1));
    print_message("%s: truth %.3f to %.3f ms, measured %s\n", method, (double)(up_before_ns - down_after_ns) / 1e6,
                  (double)(up_after_ns - down_before_ns) / 1e6, text);
    free(text);

    json_int_t duration_us = number(longest, "duration_us"), error_us = number(longest, "error_us");
    assert_true(json_is_false(json_object_get(longest, "is_open")));
    assert_true(duration_us + error_us >= (up_before_ns - down_after_ns) / 1000);
    assert_true(duration_us - error_us <= (up_after_ns - down_before_ns) / 1000);
    assert_true(number(longest, "last_answered_ns") <= down_after_ns);
    assert_true(number(longest, "first_answered_ns") >= up_before_ns - error_us * 1000);
    assert_true(number(longest, "lost") > 50);
    json_decref(report);
}

static const char drop[] =
    "printf 'add table inet cut\\nadd chain inet cut in { type filter hook input priority 0; }\\n"
    "add rule inet cut in tcp dport 2110 drop\\n' | nft -f -";

static void imposed_outage_is_measured(void **state)
{
    (void)state;
    if (shell(server_ns, "nft list ruleset") != 0) {
        print_message("SKIP: nft cannot filter on this kernel\n");
        skip();
    }
    assert_outage("tcp", PORT, drop, "nft delete table inet cut");
    assert_outage("tcp_line", PORT, drop, "nft delete table inet cut");
}

/* ARP and the route have to come back too, so only the lower edge of the truth is known: the link was down. */
static void link_down_is_measured(void **state)
{
    (void)state;
    json_t *handle = call_ok("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V4, "port", PORT));
    sleep_ms(200);
    assert_int_equal(shell(server_ns, "ip link set eth0 down"), 0);
    int64_t down_after_ns = stf_clock_ns();
    sleep_ms(200);
    int64_t up_before_ns = stf_clock_ns();
    assert_int_equal(shell(server_ns, "ip link set eth0 up; ip -6 address add " SERVER_V6 "/64 dev eth0 nodad"), 0);
    assert_true(answers_within_ten_seconds(SERVER_V4, PORT));
    sleep_ms(100);
    json_t *report = stop(handle);
    const json_t *longest = json_object_get(report, "longest");
    assert_true(json_is_false(json_object_get(longest, "is_open")));
    assert_true(number(longest, "duration_us") + number(longest, "error_us") >= (up_before_ns - down_after_ns) / 1000);
    json_decref(report);
}

static void outage_at_the_end_is_open(void **state)
{
    (void)state;
    json_t *handle =
        call_ok("probe.start", json_pack("{s:s, s:i, s:i}", "target", SERVER_V4, "port", PORT, "timeout_ms", 100));
    sleep_ms(100);
    assert_int_equal(stop_responder(), 0);
    sleep_ms(100);
    json_t *report = stop(handle);
    const json_t *longest = json_object_get(report, "longest");
    assert_true(json_is_true(json_object_get(longest, "is_open")));
    assert_true(json_is_false(json_object_get(longest, "is_open_at_start")));
    assert_true(json_is_null(json_object_get(longest, "error_us")));
    assert_true(number(json_object_get(report, "failures"), "refused") > 0);
    json_decref(report);
}

static void never_answered_is_open_at_start(void **state)
{
    (void)state;
    json_t *handle = call_ok("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V4, "port", REFUSED_PORT));
    sleep_ms(100);
    json_t *report = stop(handle);
    assert_int_equal(number(report, "answered"), 0);
    assert_true(number(report, "lost") > 0);
    assert_true(json_is_null(json_object_get(report, "latency")));
    assert_true(json_is_true(json_object_get(json_object_get(report, "longest"), "is_open_at_start")));
    json_decref(report);
}

static void linger_zero_leaves_attempts_unfinished(void **state)
{
    (void)state;
    assert_int_equal(shell(server_ns, drop), 0);
    json_t *handle =
        call_ok("probe.start", json_pack("{s:s, s:i, s:i}", "target", SERVER_V4, "port", PORT, "timeout_ms", 900));
    sleep_ms(200);
    json_t *report =
        call_ok("probe.stop", json_pack("{s:O, s:i}", "handle", json_object_get(handle, "handle"), "linger_ms", 0));
    assert_int_equal(shell(server_ns, "nft delete table inet cut"), 0);
    assert_true(number(report, "unfinished") > 0);
    assert_int_equal(number(report, "unfinished"), number(report, "sent"));
    json_decref(report);
    json_decref(handle);
}

static struct stf_probe_options tcp_options(struct stf_probe_target *target)
{
    struct stf_probe_options options = {
        .netns = client_ns, .targets = target, .target_count = 1, .interval_us = 1000, .timeout_ms = 500};
    assert_int_equal(stf_probe_target_make(SERVER_V4, PORT, target, NULL), STF_OK);
    assert_int_equal(stf_ask_make(&(struct stf_ask_options){.method = "tcp"}, &options.ask, NULL), STF_OK);
    return options;
}

static void samples_are_capped_and_counted(void **state)
{
    (void)state;
    struct stf_probe_target target;
    struct stf_probe_options options = tcp_options(&target);
    options.samples_max = 20;
    struct stf_probe *probe;
    assert_int_equal(stf_probe_start(&options, &probe, NULL), STF_OK);
    sleep_ms(200);
    assert_int_equal(stf_probe_stop(probe, -1, NULL), STF_OK);
    const struct stf_probe_log *log = stf_probe_get_log(probe, 0);
    assert_true(log->count <= 20);
    assert_true(log->unrecorded > 0);
    stf_probe_free(probe);
}

static void overload_is_shed_and_counted(void **state)
{
    (void)state;
    struct stf_probe_target target;
    struct stf_probe_options options = tcp_options(&target);
    options.interval_us = 200;
    struct stf_probe *probe;
    assert_int_equal(stf_probe_start(&options, &probe, NULL), STF_OK);
    sleep_ms(100);
    kill(getpid(), SIGSTOP); /* the supervisor sends SIGCONT: nothing ran in between, so ticks were missed */
    sleep_ms(50);
    assert_int_equal(stf_probe_stop(probe, -1, NULL), STF_OK);
    const struct stf_probe_log *log = stf_probe_get_log(probe, 0);
    int64_t places = (log->last_tick_ns - log->first_tick_ns) / log->interval_ns + 1;
    assert_true(log->shed_missed > 0);
    assert_int_equal(log->count + log->shed_missed + log->shed_in_flight + log->shed_no_resources, places);
    for (size_t i = 0; i < log->count; i++) {
        assert_int_equal((log->samples[i].intended_ns - log->first_tick_ns) % log->interval_ns, 0);
        assert_true(i == 0 || log->samples[i].intended_ns > log->samples[i - 1].intended_ns);
    }
    stf_probe_free(probe);
}

static void handles_are_used_once(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *result;
    json_t *handle = call_ok("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V4, "port", PORT));
    json_int_t first = number(handle, "handle");
    json_decref(stop(handle));
    assert_int_equal(call("probe.stop", json_pack("{s:I}", "handle", first), &result, &err), STF_NOT_FOUND);
    assert_int_equal(call("probe.stop", json_pack("{s:I}", "handle", first + 1000), &result, &err), STF_NOT_FOUND);
    assert_int_equal(call("probe.stop", json_pack("{s:i}", "handle", 0), &result, &err), STF_INVALID_DATA);
    assert_int_equal(call("probe.stop", json_pack("{}"), &result, &err), STF_INVALID_DATA);
}

static void assert_refused(const char *verb, json_t *args)
{
    struct stf_err err = {0};
    json_t *result;
    assert_int_equal(call(verb, args, &result, &err), STF_INVALID_DATA);
    assert_true(err.message[0]);
    assert_null(result);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    assert_refused("probe.start", json_pack("{s:s}", "target", SERVER_V4));
    assert_refused("probe.start", json_pack("{s:s, s:i}", "target", "server", "port", 1));
    assert_refused("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V4, "port", 65536));
    assert_refused("probe.start", json_pack("{s:s, s:i, s:i}", "target", SERVER_V4, "port", 1, "interval_us", 199));
    assert_refused("probe.start", json_pack("{s:s, s:i, s:i}", "target", SERVER_V4, "port", 1, "timeout_ms", 901));
    assert_refused("probe.start", json_pack("{s:s, s:i, s:s}", "target", SERVER_V4, "port", 1, "method", "smtp"));
    assert_refused("probe.start", json_pack("{s:s, s:i, s:s}", "target", SERVER_V4, "port", 1, "method", "tcp_line"));
    assert_refused("probe.start", json_pack("{s:s, s:i, s:i}", "target", SERVER_V4, "port", 1, "interval", 1000));
    assert_refused("probe.once", json_pack("{s:s, s:i, s:s}", "target", SERVER_V4, "port", 1, "expect", ""));
}

static void missing_namespace_is_an_error(void **state)
{
    (void)state;
    struct stf_probe_target target;
    struct stf_probe_options options = tcp_options(&target);
    options.netns = "stft-missing";
    struct stf_probe *probe = NULL;
    assert_int_equal(stf_probe_start(&options, &probe, NULL), STF_NOT_FOUND);
    assert_null(probe);
}

static void start_two(void)
{
    json_decref(call_ok("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V4, "port", PORT)));
    json_decref(call_ok("probe.start", json_pack("{s:s, s:i}", "target", SERVER_V6, "port", PORT)));
    sleep_ms(20);
}

static void close_ends_running_probes(void **state)
{
    (void)state;
    close_binding_with_what_runs(start_two);
}

#define with_responder(test) cmocka_unit_test_setup_teardown(test, setup_responder, teardown_responder)

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        with_responder(once_reads_the_greeting),
        with_responder(once_sends_a_line),
        with_responder(once_sees_a_wrong_greeting),
        cmocka_unit_test(once_names_the_failure),
        with_responder(closed_and_mute_servers),
        with_responder(steady_probe_answers_everything),
        with_responder(imposed_outage_is_measured),
        with_responder(link_down_is_measured),
        with_responder(outage_at_the_end_is_open),
        cmocka_unit_test(never_answered_is_open_at_start),
        with_responder(linger_zero_leaves_attempts_unfinished),
        with_responder(samples_are_capped_and_counted),
        with_responder(overload_is_shed_and_counted),
        with_responder(handles_are_used_once),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(missing_namespace_is_an_error),
        with_responder(close_ends_running_probes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

int main(void)
{
    return run_in_namespaces(run_all);
}
