/* test_contract_windows.c - the contract of a registry store, on the stores of the Windows program.
 * SPDX-License-Identifier: MIT */
#include "registry_contract.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("memory", setup_memory, teardown_memory),
        CONTRACT_TESTS("windows", setup_windows, teardown_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
