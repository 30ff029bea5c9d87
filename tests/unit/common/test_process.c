/* test_process.c - real programs: output, input, exit codes, deadlines, namespaces. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/netns.h"
#include "common/process.h"
#include "scratch.h"

static char scratch_ns[32];

/* Runs a shell script with 10 s to do it. */
static enum stf_kind run_script(const char *script, struct stf_process_result *result, struct stf_err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct stf_process_id id = {.argv = argv, .timeout_ms = 10000};
    return stf_process_run(&id, result, err);
}

static void output_errors_and_exit_code(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    assert_int_equal(run_script("echo out; echo wrong >&2; exit 3", &result, &err), STF_OK);
    assert_int_equal(result.exit_code, 3);
    assert_int_equal(result.signal, 0);
    assert_string_equal(result.output, "out\n");
    assert_int_equal(result.output_size, 4);
    assert_string_equal(result.errors, "wrong\n");
    stf_process_result_fini(&result);
    stf_process_result_fini(&result);

    assert_int_equal(run_script("kill -TERM $$", &result, &err), STF_OK);
    assert_int_equal(result.exit_code, -1);
    assert_int_equal(result.signal, SIGTERM);
    assert_string_equal(result.output, "");
    stf_process_result_fini(&result);

    assert_int_equal(run_script("printf 'a\\000b'", &result, &err), STF_OK);
    assert_int_equal(result.output_size, 3);
    assert_memory_equal(result.output, "a\0b", 4);
    stf_process_result_fini(&result);
}

static void input_arrives_and_may_be_ignored(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20 };
    struct stf_err err;
    struct stf_process_result result;
    char *input = malloc(SIZE);
    memset(input, 'x', SIZE);

    struct stf_process_id id = {
        .argv = (const char *[]){"cat", NULL}, .input = input, .input_size = SIZE, .timeout_ms = 10000};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_OK);
    assert_int_equal(result.output_size, SIZE);
    assert_memory_equal(result.output, input, SIZE);
    stf_process_result_fini(&result);

    id.argv = (const char *[]){"true", NULL};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_OK);
    assert_int_equal(result.exit_code, 0);
    stf_process_result_fini(&result);

    id.input = NULL;
    id.argv = (const char *[]){"cat", NULL}; /* /dev/null: ends at once */
    assert_int_equal(stf_process_run(&id, &result, &err), STF_OK);
    assert_int_equal(result.output_size, 0);
    stf_process_result_fini(&result);
    free(input);
}

static void a_program_that_is_not_there(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    struct stf_process_id id = {.argv = (const char *[]){"staffetta-no-such-program", NULL}, .timeout_ms = 1000};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_NOT_FOUND);
    assert_string_equal(err.message, "staffetta-no-such-program is not installed (looked for in PATH)");
    stf_process_result_fini(&result);
    id.argv = (const char *[]){"/etc/passwd", NULL};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_DENIED);
    stf_process_result_fini(&result);
}

static void the_deadline_ends_the_whole_group(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    int64_t started_ns = stf_clock_ns();
    struct stf_process_id id = {.argv = (const char *[]){"sh", "-c", "sleep 50 & echo $!; wait", NULL},
                                .timeout_ms = 300};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_TIMEOUT);
    assert_true(err.is_retryable);
    assert_true(stf_clock_ns() - started_ns < INT64_C(10000000000));
    assert_int_equal(result.signal, SIGKILL);

    pid_t grandchild = (pid_t)atoi(result.output);
    assert_true(grandchild > 0);
    for (int i = 0; i < 500 && kill(grandchild, 0) == 0; i++) { /* dying, or a zombie that init has not reaped yet */
        char stat_path[64], line[256] = "";
        snprintf(stat_path, sizeof stat_path, "/proc/%d/stat", (int)grandchild);
        FILE *stat_file = fopen(stat_path, "re");
        if (!stat_file || !fgets(line, sizeof line, stat_file) || strstr(line, ") Z"))
            i = 500;
        if (stat_file)
            fclose(stat_file);
        assert_true(i != 499);
        usleep(10000);
    }
    stf_process_result_fini(&result);
}

static void a_grandchild_in_the_background_is_not_waited_for(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    int64_t started_ns = stf_clock_ns();
    assert_int_equal(run_script("sleep 30 & echo $!", &result, &err), STF_OK);
    assert_true(stf_clock_ns() - started_ns < INT64_C(9000000000));
    assert_int_equal(result.exit_code, 0);
    assert_true(atoi(result.output) > 0);
    kill((pid_t)atoi(result.output), SIGKILL);
    stf_process_result_fini(&result);
}

static void too_much_output(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    assert_int_equal(run_script("exec cat /dev/zero", &result, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "more than 8 MiB"));
    stf_process_result_fini(&result);
    assert_int_equal(run_script("head -c 300000 /dev/zero | tr '\\0' e >&2; echo end", &result, &err), STF_OK);
    assert_int_equal(strlen(result.errors), 64 << 10);
    assert_string_equal(result.output, "end\n");
    stf_process_result_fini(&result);
}

static ino_t my_namespace(void)
{
    struct stat found;
    assert_int_equal(stat("/proc/thread-self/ns/net", &found), 0);
    return found.st_ino;
}

static void namespaces_are_entered_and_left(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_netns guard;
    ino_t home = my_namespace();
    assert_int_equal(stf_netns_enter(&guard, NULL, &err), STF_OK);
    assert_int_equal(my_namespace(), home);
    stf_netns_leave(&guard);
    assert_int_equal(stf_netns_enter(&guard, scratch_ns, &err), STF_OK);
    assert_int_not_equal(my_namespace(), home);
    stf_netns_leave(&guard);
    assert_int_equal(my_namespace(), home);
    stf_netns_leave(&guard);

    assert_int_equal(stf_netns_enter(&guard, "stf-no-such-namespace", &err), STF_NOT_FOUND);
    assert_string_equal(err.subject, "stf-no-such-namespace");
    stf_netns_leave(&guard);
    assert_int_equal(stf_netns_enter(&guard, "../etc", &err), STF_INVALID_DATA);
    assert_int_equal(stf_netns_enter(&guard, "", &err), STF_INVALID_DATA);
    assert_int_equal(my_namespace(), home);
}

static void a_program_runs_in_the_namespace(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    struct stf_process_id id = {
        .argv = (const char *[]){"ip", "netns", "identify", NULL}, .netns = scratch_ns, .timeout_ms = 10000};
    assert_int_equal(stf_process_run(&id, &result, &err), STF_OK);
    assert_int_equal(strncmp(result.output, scratch_ns, strlen(scratch_ns)), 0);
    stf_process_result_fini(&result);
    id.netns = "stf-no-such-namespace";
    assert_int_equal(stf_process_run(&id, &result, &err), STF_NOT_FOUND);
    stf_process_result_fini(&result);
}

static int count_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void nothing_stays_open(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_process_result result;
    int before = count_fds();
    const char *namespaces[] = {NULL, scratch_ns, "stf-no-such-namespace"};
    for (size_t i = 0; i < 3; i++) {
        struct stf_process_id id = {
            .argv = (const char *[]){"ls", "/proc/self/fd", NULL}, .netns = namespaces[i], .timeout_ms = 10000};
        enum stf_kind kind = stf_process_run(&id, &result, &err);
        assert_int_equal(kind, i < 2 ? STF_OK : STF_NOT_FOUND);
        if (!kind)
            assert_string_equal(result.output, "0\n1\n2\n3\n"); /* 3: the folder that ls reads */
        stf_process_result_fini(&result);
    }
    assert_int_equal(count_fds(), before);
}

int main(void)
{
    snprintf(scratch_ns, sizeof scratch_ns, "stf-t%d", (int)getpid());
    scratch_start("ip netns del %s", scratch_ns);
    if (!scratch_sh("ip netns add %s", scratch_ns)) {
        puts("SKIP: cannot make a network namespace (needs root)");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_errors_and_exit_code),
        cmocka_unit_test(input_arrives_and_may_be_ignored),
        cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(the_deadline_ends_the_whole_group),
        cmocka_unit_test(a_grandchild_in_the_background_is_not_waited_for),
        cmocka_unit_test(too_much_output),
        cmocka_unit_test(namespaces_are_entered_and_left),
        cmocka_unit_test(a_program_runs_in_the_namespace),
        cmocka_unit_test(nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
