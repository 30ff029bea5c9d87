/* test_contract_windows.c - the contract of a registry store, on the stores of the Windows program.
 * SPDX-License-Identifier: MIT */
#include "registry_contract.h"

#include "registry/reg_text.h"
#include "registry/store_file.h"

#include <windows.h>

static int setup_memory(void **state)
{
    struct store *store = calloc(1, sizeof(*store));

    store->backend = &stf_registry_backend_memory;
    store->place.memory = stf_registry_memory_new();
    *state = store;
    return store->place.memory != NULL ? 0 : -1;
}

static int teardown_memory(void **state)
{
    struct store *store = *state;

    stf_registry_memory_free(store->place.memory);
    free(store);
    return 0;
}

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
    if (RegCreateKeyA(HKEY_CURRENT_USER, strchr(live_key, '\\') + 1, &key) != ERROR_SUCCESS) {
        return -1;
    }
    return RegCloseKey(key) == ERROR_SUCCESS ? 0 : -1;
}

static int teardown_windows(void **state)
{
    free(*state);
    return RegDeleteTreeA(HKEY_CURRENT_USER, strchr(live_key, '\\') + 1) == ERROR_SUCCESS ? 0 : -1;
}

static char file_path[512];

static int setup_regfile(void **state)
{
    const struct stf_reg_format utf16 = {0};
    struct store *store = calloc(1, sizeof(*store));
    char folder[300];
    struct stf_err err;

    GetTempPathA(sizeof(folder), folder);
    snprintf(file_path, sizeof(file_path), "%sstaffetta-ключ-%lu.reg", folder, GetCurrentProcessId());
    store->backend = &stf_registry_backend_regfile;
    store->place.path = file_path;
    store->place.key = "HKLM\\SOFTWARE\\Test";
    *state = store;
    return stf_regfile_create(file_path, &utf16, &err) == STF_OK ? 0 : -1;
}

static int teardown_regfile(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("memory", setup_memory, teardown_memory),
        CONTRACT_TESTS("windows", setup_windows, teardown_windows),
        CONTRACT_TESTS("regfile", setup_regfile, teardown_regfile),
        cmocka_unit_test_setup_teardown(test_one_writer_of_a_file, setup_regfile, teardown_regfile),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
