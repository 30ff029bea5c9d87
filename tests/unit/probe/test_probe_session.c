/* test_probe_session.c - one long-lived connection: answered in turn, over an outage, and how it ends.
 * Sends nothing outside the namespaces it makes. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/netns.h"

enum { PORT = 2143 };

enum ending { ENDS_NEVER, ENDS_WITH_FIN, ENDS_WITH_RESET };

static const char cut[] = "printf 'add table inet cut\\nadd chain inet cut in { type filter hook input priority 0; }\\n"
                          "add rule inet cut in tcp dport 2143 drop\\n' | nft -f -";

/* Serves one connection: greets, and answers each "q\n" with "done\n", in pieces; ends it after `limit` answers. */
static void serve(int listener, enum ending ending, int limit)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    char bytes[512];
    int fd = accept(listener, NULL, NULL), answers = 0;
    send(fd, "hello\r\n", 7, MSG_NOSIGNAL);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != '\n')
                continue;
            send(fd, "do", 2, MSG_NOSIGNAL);
            send(fd, "ne\n", 3, MSG_NOSIGNAL);
            answers++;
        }
        if (ending != ENDS_NEVER && answers >= limit)
            break;
    }
    if (ending == ENDS_WITH_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (ending == ENDS_WITH_FIN)
        shutdown(fd, SHUT_WR);
    if (ending == ENDS_WITH_FIN)
        sleep_ms(200);
    close(fd);
}

static pid_t start_server(enum ending ending, int limit)
{
    struct stf_netns guard;
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    const int yes = 1;
    assert_int_equal(stf_netns_enter(&guard, server_ns, NULL), STF_OK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    stf_netns_leave(&guard);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    assert_int_equal(bind(listener, (const struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 4), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(listener, ending, limit);
        _exit(0);
    }
    close(listener);
    return pid;
}

static json_t *start(void)
{
    return call_ok("probe.start", json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:i}", "target", SERVER_V4, "port",
                                            PORT, "method", "session", "send", "q\n", "expect", "done\n", "interval_us",
                                            5000, "timeout_ms", 900, "give_up_ms", 400));
}

static void answers_come_in_turn(void **state)
{
    (void)state;
    pid_t server = start_server(ENDS_NEVER, 0);
    json_t *handle = start();
    sleep_ms(300);
    json_t *report = stop(handle);
    assert_true(number(report, "answered") > 10);
    assert_int_equal(number(report, "answered"), number(report, "sent"));
    assert_true(json_is_null(json_object_get(report, "ended")));
    json_decref(report);
    end(server, SIGKILL);
}

static void assert_ends(enum ending ending, const char *how)
{
    pid_t server = start_server(ending, 20);
    json_t *handle = start();
    sleep_ms(600);
    json_t *report = stop(handle);
    const json_t *ended = json_object_get(report, "ended");
    assert_string_equal(string(ended, "how"), how);
    assert_true(number(report, "answered") >= 19);
    assert_true(number(ended, "at_ns") > number(report, "first_tick_ns"));
    assert_true(number(report, "last_tick_ns") <= number(ended, "at_ns"));
    assert_int_equal(number(report, "unfinished"), 0);
    json_decref(report);
    end(server, SIGKILL);
}

static void the_server_ends_it(void **state)
{
    (void)state;
    assert_ends(ENDS_WITH_FIN, "fin");
    assert_ends(ENDS_WITH_RESET, "reset");
}

/* TCP repeats what was dropped: the connection stays, and the answers come late. */
static void an_outage_shorter_than_its_patience(void **state)
{
    (void)state;
    pid_t server = start_server(ENDS_NEVER, 0);
    json_t *handle = start();
    sleep_ms(200);
    assert_int_equal(shell(server_ns, cut), 0);
    sleep_ms(100);
    assert_int_equal(shell(server_ns, "nft delete table inet cut"), 0);
    sleep_ms(500);
    json_t *report = stop(handle);
    assert_true(json_is_null(json_object_get(report, "ended")));
    assert_int_equal(number(report, "unfinished"), 0);
    assert_true(number(json_object_get(report, "latency"), "max_us") > 50000);
    json_decref(report);
    end(server, SIGKILL);
}

static void an_outage_longer_than_its_patience(void **state)
{
    (void)state;
    pid_t server = start_server(ENDS_NEVER, 0);
    json_t *handle = start();
    sleep_ms(200);
    assert_int_equal(shell(server_ns, cut), 0);
    sleep_ms(1500);
    json_t *report = stop(handle);
    assert_int_equal(shell(server_ns, "nft delete table inet cut"), 0);
    assert_string_equal(string(json_object_get(report, "ended"), "how"), "timeout");
    assert_true(json_is_true(json_object_get(json_object_get(report, "longest"), "is_open")));
    json_decref(report);
    end(server, SIGKILL);
}

static void no_connection_is_an_error(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *result;
    json_t *args = json_pack("{s:s, s:i, s:s, s:s, s:s}", "target", SERVER_V4, "port", PORT, "method", "session",
                             "send", "q\n", "expect", "done\n");
    assert_int_equal(call("probe.start", args, &result, &err), STF_UNREACHABLE);
    args = json_pack("{s:s, s:i, s:s, s:s}", "target", SERVER_V4, "port", PORT, "method", "session", "expect", "x");
    assert_int_equal(call("probe.start", args, &result, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "session"));
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_turn),
        cmocka_unit_test(the_server_ends_it),
        cmocka_unit_test(an_outage_shorter_than_its_patience),
        cmocka_unit_test(an_outage_longer_than_its_patience),
        cmocka_unit_test(no_connection_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

int main(void)
{
    return run_in_namespaces(run_all);
}
