/* test_scale.c - a thousand agents at once, each a process behind pipes of its own: all answer, and what a host costs
 * the controller does not grow. SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "fleet/channel.h"

enum {
    AGENTS = 1000,
    FILES_PER_AGENT = 3,
    CALLERS = 8,
    ROUNDS = 20,
    HOST_BYTES_MAX = 512 * 1024, /* resident, of the controller, with the sanitizers too */
    PATIENCE_MS = 120000,
};

static struct stf_channel *channels[AGENTS];

static int64_t resident_bytes(void)
{
    long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static bool ask(struct stf_channel *channel, json_t *request)
{
    json_t *result;
    bool is_ok = stf_channel_request(channel, request, PATIENCE_MS, &result, NULL) == STF_OK;
    json_decref(result);
    json_decref(request);
    return is_ok;
}

static void open_agents(int first, int end)
{
    json_t *hello = json_pack("{s:s, s:s, s:{}}", "program", "9.9", "host", "simulated", "config");
    for (int i = first; i < end; i++) {
        struct stf_transport *transport;
        struct stf_err err = {0};
        if (stf_transport_process((const char *const[]){FLEET_AGENT, NULL}, "simulated", &transport, &err) != STF_OK ||
            stf_channel_open(transport, "simulated", hello, PATIENCE_MS, &channels[i], NULL, &err) != STF_OK)
            fail_msg("agent %d: %s", i, err.message);
        assert_true(ask(channels[i], json_pack("{s:s, s:[s]}", "op", "grant", "needs", "box.read")));
    }
    json_decref(hello);
}

struct caller {
    pthread_t thread;
    int number;
    int answers;
};

/* Its share of the agents, ROUNDS times. */
static void *call_all(void *data)
{
    struct caller *caller = data;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = caller->number; i < AGENTS; i += CALLERS)
            caller->answers += ask(
                channels[i], json_pack("{s:s, s:s, s:{s:i}}", "op", "call", "name", "box.echo", "document", "n", i));
    }
    return NULL;
}

static void test_a_thousand_agents(void **state)
{
    struct caller callers[CALLERS];
    int answers = 0;
    struct rlimit files;
    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    if (files.rlim_max < AGENTS * FILES_PER_AGENT || setrlimit(RLIMIT_NOFILE, &files) != 0) {
        print_message("SKIP: %d open files are needed\n", AGENTS * FILES_PER_AGENT);
        skip();
    }
    open_agents(0, AGENTS / 2);
    int64_t half = resident_bytes();
    open_agents(AGENTS / 2, AGENTS);
    int64_t whole = resident_bytes(), began_ns = stf_clock_ns();
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.number = i};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_all, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
        answers += callers[i].answers;
    }
    int64_t took_ms = (stf_clock_ns() - began_ns) / 1000000, after = resident_bytes();
    print_message("%d agents: %lld KiB a host, %lld KiB after %d calls each, %lld calls a second\n", AGENTS,
                  (long long)(whole - half) / (AGENTS / 2) / 1024, (long long)(after - half) / (AGENTS / 2) / 1024,
                  ROUNDS, (long long)answers * 1000 / (took_ms + 1));
    for (int i = 0; i < AGENTS; i++)
        stf_channel_close(channels[i]);
    assert_int_equal(answers, AGENTS * ROUNDS);
    assert_true((whole - half) / (AGENTS / 2) < HOST_BYTES_MAX);
    assert_true((after - half) / (AGENTS / 2) < HOST_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thousand_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
