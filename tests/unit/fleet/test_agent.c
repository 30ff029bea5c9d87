/* test_agent.c - a channel and the agent at its other end, as two processes: calls side by side, grants, errors, ends,
 * and agents that misbehave. SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "fleet/channel.h"

enum { PATIENCE_MS = 20000 };

static struct stf_transport *start(const char *program, const char *argument)
{
    struct stf_transport *transport;
    struct stf_err err;
    assert_int_equal(stf_transport_process((const char *const[]){program, argument, NULL}, "web1", &transport, &err),
                     STF_OK);
    return transport;
}

static enum stf_kind open_to(const char *program, const char *argument, int64_t timeout_ms,
                             struct stf_channel **channel, struct stf_err *err)
{
    json_t *hello = json_pack("{s:s, s:s, s:s, s:{s:s}}", "program", "0.1.0", "host", "web1", "site_dir", "/etc/site",
                              "config", "role", "node");
    enum stf_kind kind = stf_channel_open(start(program, argument), "web1", hello, timeout_ms, channel, NULL, err);
    json_decref(hello);
    return kind;
}

static enum stf_kind ask(struct stf_channel *channel, json_t *request, json_t **result, struct stf_err *err)
{
    enum stf_kind kind = stf_channel_request(channel, request, PATIENCE_MS, result, err);
    json_decref(request);
    return kind;
}

static void expect_ok(struct stf_channel *channel, json_t *request, json_t *expected)
{
    struct stf_err err;
    json_t *result;
    assert_int_equal(ask(channel, request, &result, &err), STF_OK);
    assert_true(json_equal(result, expected));
    json_decref(result);
    json_decref(expected);
}

static json_t *call(const char *verb, json_t *args)
{
    return json_pack("{s:s, s:s, s:o}", "op", "call", "name", verb, "document", args);
}

/* With both of the box's needs granted. */
static struct stf_channel *open_box(void)
{
    struct stf_channel *channel;
    struct stf_err err;
    assert_int_equal(open_to(FLEET_AGENT, NULL, PATIENCE_MS, &channel, &err), STF_OK);
    expect_ok(channel, json_pack("{s:s, s:[s, s]}", "op", "grant", "needs", "box.read", "box.write"), json_null());
    return channel;
}

static void test_verbs_and_resources(void **state)
{
    struct stf_channel *channel = open_box();
    (void)state;
    expect_ok(channel, call("box.echo", json_pack("{s:i}", "n", 1)),
              json_pack("{s:{s:i}, s:s, s:s, s:{s:s}}", "args", "n", 1, "host", "web1", "site_dir", "/etc/site",
                        "config", "role", "node"));
    expect_ok(channel, json_pack("{s:s, s:s, s:{}}", "op", "read", "name", "box.item", "document"), json_null());
    expect_ok(
        channel,
        json_pack("{s:s, s:s, s:{}, s:{s:s}}", "op", "write", "name", "box.item", "document", "state", "is", "in"),
        json_null());
    expect_ok(channel, json_pack("{s:s, s:s, s:{}}", "op", "read", "name", "box.item", "document"),
              json_pack("{s:s}", "is", "in"));
    stf_channel_close(channel);
}

static void expect_refused(struct stf_channel *channel, json_t *request, enum stf_kind kind, const char *words)
{
    struct stf_err err;
    json_t *result;
    assert_int_equal(ask(channel, request, &result, &err), kind);
    assert_null(result);
    assert_non_null(strstr(err.message, words));
}

static void test_nothing_without_a_grant(void **state)
{
    struct stf_channel *channel;
    struct stf_err err;
    (void)state;
    assert_int_equal(open_to(FLEET_AGENT, NULL, PATIENCE_MS, &channel, &err), STF_OK);
    expect_refused(channel, call("box.echo", json_object()), STF_DENIED, "box.echo needs 'box.read'");
    expect_ok(channel, json_pack("{s:s, s:[s]}", "op", "grant", "needs", "box.read"), json_null());
    expect_refused(channel,
                   json_pack("{s:s, s:s, s:{}, s:i}", "op", "write", "name", "box.item", "document", "state", 1),
                   STF_DENIED, "box.item needs 'box.write'");
    stf_channel_close(channel);
}

static void test_what_the_agent_can_not_do(void **state)
{
    struct stf_channel *channel = open_box();
    (void)state;
    expect_refused(channel, call("box.fly", json_object()), STF_UNSUPPORTED, "no verb box.fly");
    expect_refused(channel, call("box.refuse", json_object()), STF_BUSY, "the box is in use");
    expect_refused(channel, call("box.echo", json_integer(1)), STF_INVALID_DATA, "'document' is no object");
    expect_refused(channel, json_pack("{s:s, s:s, s:{}}", "op", "fly", "name", "box.item", "document"), STF_UNSUPPORTED,
                   "no operation 'fly'");
    expect_refused(channel, json_pack("{s:s, s:s, s:{}}", "op", "write", "name", "box.item", "document"),
                   STF_INVALID_DATA, "no 'state'");
    expect_refused(channel, json_object(), STF_INVALID_DATA, "op");
    expect_ok(channel, json_pack("{s:s, s:s, s:{}}", "op", "read", "name", "box.item", "document"), json_null());
    stf_channel_close(channel);
}

static json_t *hold_for(const char *controller)
{
    return json_pack("{s:s, s:{s:s, s:s, s:i, s:s, s:i, s:I}}", "op", "hold", "holder", "controller", controller,
                     "machine", "ops1", "pid", 77, "operator", "anna", "run", 3, "since_unix_ms",
                     (json_int_t)1700000000000);
}

static struct stf_channel *open_to_own_host(void)
{
    char netns[32];
    struct stf_channel *channel;
    struct stf_err err;
    snprintf(netns, sizeof netns, "stf-test-hold-%d", (int)getpid());
    json_t *hello = json_pack("{s:s, s:s, s:s, s:{}}", "program", "0.1.0", "host", "web1", "netns", netns, "config");
    assert_int_equal(stf_channel_open(start(FLEET_AGENT, NULL), "web1", hello, PATIENCE_MS, &channel, NULL, &err),
                     STF_OK);
    json_decref(hello);
    return channel;
}

/* Over a channel of its own, which is closed again. */
static void expect_held_off(const char *controller)
{
    struct stf_channel *channel = open_to_own_host();
    expect_refused(channel, hold_for(controller), STF_BUSY,
                   "at work on web1: anna on ops1, pid 77, run 3, since 2023-11-14 22:13:20 UTC");
    stf_channel_close(channel);
}

static void test_one_controller_at_a_time(void **state)
{
    struct stf_channel *lost = open_to_own_host();
    struct stf_channel *again = open_to_own_host();
    (void)state;
    expect_ok(lost, hold_for("one"), json_null());
    expect_ok(lost, hold_for("one"), json_null());
    expect_held_off("two");
    expect_ok(again, hold_for("one"), json_null()); /* its own, over a channel that it has given up */
    expect_held_off("two");
    stf_channel_close(again);
    struct stf_channel *next = open_to_own_host();
    expect_ok(next, hold_for("two"), json_null());
    stf_channel_close(lost); /* takes nothing from the next one */
    expect_held_off("three");
    stf_channel_close(next);
}

struct caller {
    struct stf_channel *channel;
    pthread_t thread;
    int number;
    bool is_right;
};

static void *call_many(void *data)
{
    struct caller *caller = data;
    caller->is_right = true;
    for (int i = 0; i < 50; i++) {
        json_t *result;
        json_t *request = call("box.echo", json_pack("{s:i, s:i}", "n", caller->number * 1000 + i, "wait_ms",
                                                     caller->number == 0 && i < 3 ? 100 : 0));
        enum stf_kind kind = ask(caller->channel, request, &result, NULL);
        const json_t *args = json_object_get(result, "args");
        if (kind != STF_OK || json_integer_value(json_object_get(args, "n")) != caller->number * 1000 + i)
            caller->is_right = false;
        json_decref(result);
    }
    return NULL;
}

static void test_many_callers_get_their_own_answers(void **state)
{
    enum { CALLERS = 8 };
    struct caller callers[CALLERS];
    struct stf_channel *channel = open_box();
    (void)state;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.channel = channel, .number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_many, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_true(callers[i].is_right);
    }
    stf_channel_close(channel);
}

static void test_an_agent_that_dies_says_why(void **state)
{
    struct stf_channel *channel = open_box();
    (void)state;
    assert_false(stf_channel_is_lost(channel));
    expect_refused(channel, call("box.end", json_object()), STF_UNREACHABLE, "web1: the box has caught fire");
    assert_true(stf_channel_is_lost(channel));
    expect_refused(channel, call("box.echo", json_object()), STF_UNREACHABLE, "web1");
    stf_channel_close(channel);
}

static void test_large_documents_both_ways(void **state)
{
    struct stf_channel *channel = open_box();
    struct stf_err err;
    json_t *result, *list = json_array();
    (void)state;
    for (int i = 0; i < 200000; i++)
        json_array_append_new(list, json_sprintf("value %d", i));
    assert_int_equal(ask(channel, call("box.echo", json_pack("{s:O}", "list", list)), &result, &err), STF_OK);
    assert_true(json_equal(json_object_get(json_object_get(result, "args"), "list"), list));
    json_decref(result);
    json_decref(list);
    stf_channel_close(channel);
}

static void test_hostile_agents(void **state)
{
    static const struct {
        const char *way;
        enum stf_kind kind;
        const char *words;
    } cases[] = {
        {"greets", STF_INVALID_DATA, "'Welcome to this host!' was said: what speaks there is no agent"},
        {"dies", STF_UNREACHABLE, "staffetta: not found"},
        {"is-newer", STF_UNSUPPORTED, "speaks protocol 2, and this program protocol 1: install the same version"},
        {"is-older", STF_UNSUPPORTED, "speaks protocol 0, and this program protocol 1: install the same version"},
        {"invents-an-answer", STF_INVALID_DATA, "answers what was not asked"},
        {"says-nothing", STF_INVALID_DATA, "neither result nor error"},
        {"is-huge", STF_INVALID_DATA, "is announced"},
        {"claims-much", STF_INVALID_DATA, "end early"},
        {"nests-deep", STF_INVALID_DATA, "too deep"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_channel *channel = NULL;
        struct stf_err err = {0};
        json_t *result = NULL;
        enum stf_kind kind = open_to(HOSTILE_AGENT, cases[i].way, PATIENCE_MS, &channel, &err);
        if (kind == STF_OK)
            kind = ask(channel, call("box.echo", json_object()), &result, &err);
        if (kind != cases[i].kind || !strstr(err.message, cases[i].words))
            fail_msg("%s: %s: %s", cases[i].way, stf_kind_name(kind), err.message);
        assert_null(result);
        stf_channel_close(channel);
    }
}

static void test_a_repeated_answer_ends_the_channel(void **state)
{
    struct stf_channel *channel;
    struct stf_err err;
    json_t *result;
    (void)state;
    assert_int_equal(open_to(HOSTILE_AGENT, "repeats-an-answer", PATIENCE_MS, &channel, &err), STF_OK);
    enum stf_kind kind = ask(channel, call("box.echo", json_object()), &result, &err);
    if (kind == STF_OK) { /* the second may have come in a read of its own */
        assert_int_equal(json_integer_value(result), 1);
        json_decref(result);
        kind = ask(channel, call("box.echo", json_object()), &result, &err);
    }
    assert_int_equal(kind, STF_INVALID_DATA);
    stf_channel_close(channel);
}

static void test_a_silent_agent_times_out_and_is_ended(void **state)
{
    struct stf_channel *channel;
    struct stf_err err;
    (void)state;
    int64_t began_ns = stf_clock_ns();
    assert_int_equal(open_to(HOSTILE_AGENT, "is-silent", 200, &channel, &err), STF_TIMEOUT);
    assert_null(channel);
    assert_true(stf_clock_ns() - began_ns < (int64_t)15 * 1000000000);
}

static void test_a_program_that_is_not_there(void **state)
{
    struct stf_transport *transport;
    struct stf_err err;
    (void)state;
    assert_int_equal(stf_transport_process((const char *const[]){"/nonexistent/agent", NULL}, "web1", &transport, &err),
                     STF_NOT_FOUND);
    assert_null(transport);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs_and_resources),
        cmocka_unit_test(test_nothing_without_a_grant),
        cmocka_unit_test(test_what_the_agent_can_not_do),
        cmocka_unit_test(test_one_controller_at_a_time),
        cmocka_unit_test(test_many_callers_get_their_own_answers),
        cmocka_unit_test(test_an_agent_that_dies_says_why),
        cmocka_unit_test(test_large_documents_both_ways),
        cmocka_unit_test(test_hostile_agents),
        cmocka_unit_test(test_a_repeated_answer_ends_the_channel),
        cmocka_unit_test(test_a_silent_agent_times_out_and_is_ended),
        cmocka_unit_test(test_a_program_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
