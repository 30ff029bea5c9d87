/* test_probe_memory.c - each allocation of starting a probe and of telling what it has measured fails once: an error,
 * and nothing half told. Asks nobody but this machine. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../support/fail_alloc.h"
#include "probe/document.h"

enum { NOBODY_LISTENS = 1, TARGETS = 2 };

static struct stf_probe_target targets[TARGETS];

static struct stf_probe_options options_of(const char *method)
{
    struct stf_probe_options options = {
        .targets = targets, .target_count = TARGETS, .interval_us = 1000, .timeout_ms = 100, .places = 10};
    uint16_t port = strcmp(method, "icmp") == 0 ? 0 : NOBODY_LISTENS;
    assert_int_equal(stf_ask_make(&(struct stf_ask_options){.method = method}, &options.ask, NULL), STF_OK);
    assert_int_equal(stf_probe_target_make("127.0.0.1", port, &targets[0], NULL), STF_OK);
    assert_int_equal(stf_probe_target_make("::1", port, &targets[1], NULL), STF_OK);
    return options;
}

/* The schedule's first place is far away, so that only this thread allocates. */
static void assert_start_fails_whole(const char *method)
{
    struct stf_probe_options options = options_of(method);
    options.interval_us = STF_PROBE_INTERVAL_MAX_US;
    size_t n = 1;
    for (;; n++) {
        struct stf_probe *probe = NULL;
        struct stf_err err = {0};
        stf_fail_alloc_arm(n);
        enum stf_kind kind = stf_probe_start(&options, &probe, &err);
        bool was_reached = stf_fail_alloc_disarm();
        stf_probe_free(probe);
        assert_int_equal(kind, was_reached ? STF_NO_MEMORY : STF_OK);
        assert_true(!was_reached || err.message[0]);
        if (!was_reached)
            break;
    }
    assert_true(n > 3);
}

static void start(void **state)
{
    (void)state;
    assert_start_fails_whole("tcp");
    assert_start_fails_whole("http");
    if (geteuid() == 0)
        assert_start_fails_whole("icmp");
}

static void reports(void **state)
{
    (void)state;
    const struct stf_probe_options options = options_of("tcp");
    const struct timespec pause = {.tv_nsec = 50 * 1000000};
    struct stf_probe *probe;
    json_t *whole = NULL, *found;
    assert_int_equal(stf_probe_start(&options, &probe, NULL), STF_OK);
    nanosleep(&pause, NULL);
    assert_int_equal(stf_probe_stop(probe, -1, NULL), STF_OK);
    assert_int_equal(stf_probe_reports(probe, &whole, NULL), STF_OK);
    assert_int_equal(json_array_size(whole), TARGETS);
    assert_true(json_object_size(json_object_get(json_array_get(whole, 0), "failures")) > 0);
    size_t n = 1;
    for (;; n++) {
        found = NULL;
        stf_fail_alloc_arm(n);
        enum stf_kind kind = stf_probe_reports(probe, &found, NULL);
        bool was_reached = stf_fail_alloc_disarm();
        assert_true(kind == STF_OK || kind == STF_NO_MEMORY);
        assert_true((kind == STF_OK) == (found != NULL));
        if (kind == STF_OK)
            assert_true(json_equal(found, whole));
        json_decref(found);
        if (!was_reached)
            break;
    }
    assert_true(n > 50);
    json_decref(whole);
    stf_probe_free(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start),
        cmocka_unit_test(reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
