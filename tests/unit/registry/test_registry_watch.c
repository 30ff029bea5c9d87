/* test_registry_watch.c - notices of changes to files, and to another host's. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include "registry/watch.h"

static char hive_path[512];

static int setup(void **state)
{
    struct stf_err err = {0};

    if (make_test_folder(state) != 0)
        return -1;
    snprintf(hive_path, sizeof(hive_path), "%s", in_folder("hive"));
    return stf_hive_create(hive_path, &err) == STF_OK ? 0 : -1;
}

static struct stf_registry_watch *watch_hive(void)
{
    const struct stf_registry_place place = {.path = hive_path};
    struct stf_registry_watch *watch = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_watch_open(&stf_registry_backend_hive, &place, "Key", &watch, &err), &err);
    return watch;
}

static void change_hive(const char *name)
{
    struct stf_registry *registry = open_hive(hive_path, STF_REGISTRY_WRITE);

    set_bytes(registry, "Key", name, STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
}

static void test_commits_are_told(void **state)
{
    struct stf_registry_watch *watch = watch_hive();
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    change_hive("one");
    assert_ok(stf_registry_watch_wait(watch, 10000, &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    change_hive("two"); /* the file is another one by now */
    change_hive("three");
    assert_ok(stf_registry_watch_wait(watch, 10000, &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    stf_registry_watch_close(watch);
}

static void test_other_files_are_not(void **state)
{
    struct stf_registry_watch *watch = watch_hive();
    struct stf_err err = {0};

    (void)state;
    write_file(in_folder("other"), "x", 1);
    assert_int_equal(stf_registry_watch_wait(watch, 20, &err), STF_TIMEOUT);
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    stf_registry_watch_close(watch);
}

static void test_the_folder_goes(void **state)
{
    struct stf_registry_watch *watch;
    struct stf_err err = {0};

    (void)state;
    watch = watch_hive();
    assert_int_equal(remove_test_folder(state), 0);
    while (stf_registry_watch_wait(watch, 10000, &err) == STF_OK) {
    }
    assert_int_equal(err.kind, STF_NOT_FOUND);
    stf_registry_watch_close(watch);
}

static void test_what_can_not_be_watched(void **state)
{
    struct stf_registry_place place = {.memory = stf_registry_memory_new()};
    struct stf_registry_watch *watch = NULL;
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(stf_registry_watch_open(&stf_registry_backend_memory, &place, "", &watch, &err), STF_UNSUPPORTED);
    stf_registry_memory_free(place.memory);
    place = (struct stf_registry_place){.path = "/nowhere/hive"};
    assert_int_equal(stf_registry_watch_open(&stf_registry_backend_hive, &place, "", &watch, &err), STF_NOT_FOUND);
    assert_null(watch);
    stf_registry_watch_close(NULL);
}

/* Another host tells nothing: whoever waits is sent to look, not at once and not never. */
static void test_another_host_is_to_be_looked_at(void **state)
{
    const struct stf_registry_place place = {0};
    struct stf_registry_watch *watch = NULL;
    struct stf_err err = {0};

    (void)state;
    assert_ok(stf_registry_watch_open(&stf_registry_backend_remote, &place, "", &watch, &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 1, &err), STF_TIMEOUT);
    assert_ok(stf_registry_watch_wait(watch, 60000, &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 1, &err), STF_TIMEOUT);
    stf_registry_watch_close(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_are_told, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_other_files_are_not, setup, remove_test_folder),
        cmocka_unit_test_setup(test_the_folder_goes, setup),
        cmocka_unit_test(test_another_host_is_to_be_looked_at),
        cmocka_unit_test(test_what_can_not_be_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
