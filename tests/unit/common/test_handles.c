/* test_handles.c - numbers are given once, taken once, and what is left is destroyed. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "common/handles.h"

static int destroyed;

static void count_destroyed(void *thing)
{
    destroyed += *(int *)thing;
}

static void taken_things_are_the_callers(void **state)
{
    (void)state;
    struct stf_err err;
    int things[20];
    void *taken = NULL;
    struct stf_handles *handles = stf_handles_new(count_destroyed);
    for (int i = 0; i < 20; i++) {
        things[i] = 1;
        assert_int_equal(stf_handles_put(handles, &things[i]), i + 1);
    }
    assert_int_equal(stf_handles_take(handles, 3, &taken, &err), STF_OK);
    assert_ptr_equal(taken, &things[2]);
    assert_int_equal(stf_handles_take(handles, 3, &taken, &err), STF_NOT_FOUND);
    assert_int_equal(stf_handles_take(handles, 99, &taken, &err), STF_NOT_FOUND);
    assert_string_equal(err.message, "handle 99 is not open: it was closed, or never given out");
    assert_int_equal(stf_handles_put(handles, &things[2]), 21); /* never reused */
    assert_int_equal(stf_handles_take(handles, 20, &taken, &err), STF_OK);
    destroyed = 0;
    stf_handles_free(handles);
    assert_int_equal(destroyed, 19);
    stf_handles_free(NULL);
}

static void *put_and_take(void *arg)
{
    struct stf_handles *handles = arg;
    static const int thing = 1;
    intptr_t failures = 0;
    for (int i = 0; i < 2000; i++) {
        void *taken = NULL;
        int64_t number = stf_handles_put(handles, (void *)&thing);
        failures += number == 0 || stf_handles_take(handles, number, &taken, NULL) || taken != &thing;
    }
    return (void *)failures;
}

static void threads_share_it(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct stf_handles *handles = stf_handles_new(count_destroyed);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_take, handles), 0);
    for (int i = 0; i < 4; i++) {
        void *failures = NULL;
        pthread_join(threads[i], &failures);
        assert_null(failures);
    }
    int thing = 1;
    assert_int_equal(stf_handles_put(handles, &thing), 8001);
    stf_handles_free(handles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken_things_are_the_callers),
        cmocka_unit_test(threads_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
