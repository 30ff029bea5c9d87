/* test_contract_windows.c - the contract of a registry store, on the stores of the Windows program.
 * SPDX-License-Identifier: MIT */
#include "registry_contract.h"

#include "registry/reg_text.h"
#include "registry/store_file.h"
#include "registry/watch.h"

#include <windows.h>

static char live_key[64];

static int setup_windows(void **state)
{
    struct store *store = calloc(1, sizeof(*store));
    HKEY key;

    snprintf(live_key, sizeof(live_key), "HKCU\\Software\\staffetta-test-%lu", GetCurrentProcessId());
    store->backend = &stf_registry_backend_windows;
    store->place.key = live_key;
    store->acts_at_once = true;
    store->has_live_rights = true;
    *state = store;
    if (RegCreateKeyA(HKEY_CURRENT_USER, strchr(live_key, '\\') + 1, &key) != ERROR_SUCCESS)
        return -1;
    return RegCloseKey(key) == ERROR_SUCCESS ? 0 : -1;
}

static int teardown_windows(void **state)
{
    free(*state);
    return RegDeleteTreeA(HKEY_CURRENT_USER, strchr(live_key, '\\') + 1) == ERROR_SUCCESS ? 0 : -1;
}

static char file_path[512];

/* A store that is the file staffetta-ключ-PID.SUFFIX in the folder for temporary files. */
static struct store *file_store(const struct stf_registry_backend *backend, const char *suffix)
{
    struct store *store = calloc(1, sizeof(*store));
    char folder[300];

    GetTempPathA(sizeof(folder), folder);
    snprintf(file_path, sizeof(file_path), "%sstaffetta-ключ-%lu.%s", folder, GetCurrentProcessId(), suffix);
    store->backend = backend;
    store->place.path = file_path;
    return store;
}

static int setup_regfile(void **state)
{
    const struct stf_reg_format utf16 = {0};
    struct store *store = file_store(&stf_registry_backend_regfile, "reg");
    struct stf_err err;

    store->place.key = "HKLM\\SOFTWARE\\Test";
    *state = store;
    return stf_regfile_create(file_path, &utf16, &err) == STF_OK ? 0 : -1;
}

static int setup_hive(void **state)
{
    struct stf_err err;

    *state = file_store(&stf_registry_backend_hive, "hive");
    return stf_hive_create(file_path, &err) == STF_OK ? 0 : -1;
}

static int teardown_file(void **state)
{
    free(*state);
    return remove(file_path);
}

static void test_one_writer_of_a_file(void **state)
{
    const struct store *store = *state;
    struct stf_registry *writer = open_store(store, STF_REGISTRY_WRITE);
    struct stf_registry *second = NULL;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_open(store->backend, &store->place, STF_REGISTRY_WRITE, &second, &err), STF_BUSY);
    assert_true(err.is_retryable);
    stf_registry_close(open_store(store, STF_REGISTRY_READ));
    stf_registry_close(writer);
    stf_registry_close(open_store(store, STF_REGISTRY_WRITE));
    assert_int_equal(stf_regfile_create(file_path, &(struct stf_reg_format){0}, &err), STF_CONFLICT);
}

/* More than a reader's first look at the file has shown it. */
static void test_readers_have_the_hive_they_opened(void **state)
{
    enum { SIZE = 200000 };
    static char data[SIZE];
    const struct store *store = *state;
    struct stf_registry *registry = open_store(store, STF_REGISTRY_WRITE);
    struct stf_registry *reader;
    struct stf_registry_value value = {0};
    struct stf_err err = {0};

    memset(data, 'a', SIZE);
    set_bytes(registry, "Key", "value", STF_REG_BINARY, data, SIZE);
    commit_and_close(registry);
    reader = open_store(store, STF_REGISTRY_READ);
    registry = open_store(store, STF_REGISTRY_WRITE);
    set_bytes(registry, "Key", "value", STF_REG_BINARY, "b", 1);
    assert_ok(stf_registry_commit(registry, &err), &err);
    set_bytes(registry, "Key", "value", STF_REG_BINARY, "c", 1);
    commit_and_close(registry);
    assert_ok(stf_registry_get(reader, "Key", "value", &value, &err), &err);
    assert_int_equal(value.size, SIZE);
    assert_memory_equal(value.data, data, SIZE);
    stf_registry_value_fini(&value);
    stf_registry_close(reader);
}

static void test_commits_are_told(void **state)
{
    const struct store *store = *state;
    struct stf_registry_watch *watch = NULL;
    struct stf_registry *registry;
    struct stf_err err = {0};

    assert_ok(stf_registry_watch_open(store->backend, &store->place, "", &watch, &err), &err);
    for (uint8_t i = 1; i <= 2; i++) {
        registry = open_store(store, STF_REGISTRY_WRITE);
        set_bytes(registry, "Key", "value", STF_REG_BINARY, &i, 1);
        commit_and_close(registry);
        assert_ok(stf_registry_watch_wait(watch, 20000, &err), &err);
    }
    stf_registry_watch_close(watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("memory", setup_memory, teardown_memory),
        CONTRACT_TESTS("windows", setup_windows, teardown_windows),
        CONTRACT_TESTS("regfile", setup_regfile, teardown_file),
        CONTRACT_TESTS("hive", setup_hive, teardown_file),
        cmocka_unit_test_setup_teardown(test_one_writer_of_a_file, setup_regfile, teardown_file),
        cmocka_unit_test_setup_teardown(test_readers_have_the_hive_they_opened, setup_hive, teardown_file),
        cmocka_unit_test_setup_teardown(test_commits_are_told, setup_hive, teardown_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
