/* test_here.c - hosts without "transport": an agent in a thread of the program serves them, with the bindings that the
 * program has open. SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/fail_alloc.h"
#include "fleet/fleet.h"

enum { WAITING = 20 };

/* What the binding is opened to: a gate that calls wait at. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int waiting;
    bool is_open;
};

static enum stf_kind echo(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                          struct stf_err *err)
{
    (void)self;
    (void)err;
    *result = json_pack("{s:O, s:s, s:i}", "args", args, "host", host->name, "pid", (int)getpid());
    return STF_OK;
}

static enum stf_kind wait_at_gate(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    struct gate *gate = self;
    (void)host;
    (void)args;
    (void)result;
    (void)err;
    pthread_mutex_lock(&gate->mutex);
    gate->waiting++;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->is_open)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return STF_OK;
}

/* Once all are there. */
static enum stf_kind open_gate(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    struct gate *gate = self;
    (void)host;
    (void)args;
    (void)err;
    pthread_mutex_lock(&gate->mutex);
    while (gate->waiting < WAITING)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->changed);
    *result = json_integer(gate->waiting);
    pthread_mutex_unlock(&gate->mutex);
    return STF_OK;
}

static const struct stf_verb verbs[] = {
    {"gate.echo", "gate.read", echo},
    {"gate.wait", "gate.read", wait_at_gate},
    {"gate.open", "gate.write", open_gate},
    {NULL, NULL, NULL},
};
static const struct stf_binding binding = {.name = "gate", .verbs = verbs};

static json_t *config;
static char site_dir[64];
static struct stf_host host = {.name = "web1", .site_dir = site_dir};

static struct stf_fleet *open_fleet(struct gate *gate, const char *state_dir)
{
    struct stf_fleet *fleet;
    struct stf_err err;
    const struct stf_fleet_config of_fleet = {
        .version = "9.9", .machine = "ops1", .operator_name = "anna", .state_dir = state_dir};
    assert_int_equal(stf_fleet_open(&of_fleet, &fleet, &err), STF_OK);
    assert_int_equal(stf_fleet_add_binding(fleet, &binding, gate, &err), STF_OK);
    return fleet;
}

static enum stf_kind call(struct stf_fleet *fleet, size_t verb, json_t *args, json_t **result, struct stf_err *err)
{
    enum stf_kind kind = stf_fleet_call(fleet, &host, &verbs[verb], NULL, args, result, err);
    json_decref(args);
    return kind;
}

static void test_nothing_without_a_grant(void **state)
{
    struct stf_fleet *fleet = open_fleet(NULL, "/nonexistent");
    struct stf_err err;
    json_t *result;
    (void)state;
    assert_int_equal(call(fleet, 0, json_object(), &result, &err), STF_DENIED);
    assert_non_null(strstr(err.message, "gate.echo needs 'gate.read'"));
    assert_int_equal(stf_fleet_grant(fleet, "gate.read", &err), STF_OK);
    assert_int_equal(call(fleet, 0, json_object(), &result, &err), STF_OK);
    json_decref(result);
    stf_fleet_close(fleet);
}

static void test_large_documents_stay_whole(void **state)
{
    struct stf_fleet *fleet = open_fleet(NULL, "/nonexistent");
    struct stf_err err;
    json_t *result, *list = json_array();
    (void)state;
    assert_int_equal(stf_fleet_grant(fleet, "gate.read", &err), STF_OK);
    for (int i = 0; i < 200000; i++)
        json_array_append_new(list, json_sprintf("value %d", i));
    assert_int_equal(call(fleet, 0, json_pack("{s:O}", "list", list), &result, &err), STF_OK);
    assert_true(json_equal(json_object_get(json_object_get(result, "args"), "list"), list));
    assert_string_equal(json_string_value(json_object_get(result, "host")), "web1");
    assert_int_equal(json_integer_value(json_object_get(result, "pid")), getpid());
    json_decref(result);
    json_decref(list);
    stf_fleet_close(fleet);
}

static void *wait_there(void *fleet)
{
    json_t *result;
    return call(fleet, 1, json_object(), &result, NULL) == STF_OK ? fleet : NULL;
}

static void test_calls_that_wait_hold_nobody_up(void **state)
{
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct stf_fleet *fleet = open_fleet(&gate, "/nonexistent");
    pthread_t threads[WAITING];
    struct stf_err err;
    json_t *result;
    (void)state;
    assert_int_equal(stf_fleet_grant(fleet, "gate.read", &err), STF_OK);
    assert_int_equal(stf_fleet_grant(fleet, "gate.write", &err), STF_OK);
    for (int i = 0; i < WAITING; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_there, fleet), 0);
    assert_int_equal(call(fleet, 2, json_object(), &result, &err), STF_OK);
    assert_int_equal(json_integer_value(result), WAITING);
    json_decref(result);
    for (int i = 0; i < WAITING; i++) {
        void *is_ok;
        pthread_join(threads[i], &is_ok);
        assert_non_null(is_ok);
    }
    stf_fleet_close(fleet);
}

static void test_one_controller_at_a_time(void **state)
{
    struct stf_fleet *first = open_fleet(NULL, "/nonexistent/1"), *second = open_fleet(NULL, "/nonexistent/2");
    struct stf_err err;
    (void)state;
    assert_int_equal(stf_fleet_hold(first, 1, &host, &err), STF_OK);
    assert_int_equal(stf_fleet_hold(second, 1, &host, &err), STF_BUSY);
    stf_fleet_close(first);
    assert_int_equal(stf_fleet_hold(second, 1, &host, &err), STF_OK);
    stf_fleet_close(second);
}

/* Whatever there is no memory for, on either side of the pipes: the call fails, and is not waited for forever; the next
 * one succeeds. */
static void test_memory_that_is_out(void **state)
{
    size_t n = 1, failed = 0;
    bool was_reached;
    (void)state;
    do {
        struct stf_fleet *fleet = open_fleet(NULL, "/nonexistent");
        struct stf_err err;
        json_t *result;
        assert_int_equal(stf_fleet_grant(fleet, "gate.read", &err), STF_OK);
        json_t *args = json_object();
        stf_fail_alloc_arm(n++);
        enum stf_kind kind = stf_fleet_call(fleet, &host, &verbs[0], NULL, args, &result, &err);
        was_reached = stf_fail_alloc_disarm();
        failed += kind != STF_OK;
        json_decref(result);
        assert_int_equal(stf_fleet_call(fleet, &host, &verbs[0], NULL, args, &result, &err), STF_OK);
        json_decref(result);
        json_decref(args);
        stf_fleet_close(fleet);
    } while (was_reached);
    assert_true(failed > 20);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(site_dir, sizeof site_dir, "/tmp/stf-test-here-%d", (int)getpid()); /* not made: it names the host */
    host.config = config = json_pack("{s:s, s:s}", "role", "node", "of", site_dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    json_decref(config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_without_a_grant),
        cmocka_unit_test(test_large_documents_stay_whole),
        cmocka_unit_test(test_calls_that_wait_hold_nobody_up),
        cmocka_unit_test(test_one_controller_at_a_time),
        cmocka_unit_test(test_memory_that_is_out),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
