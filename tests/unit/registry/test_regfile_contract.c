/* test_regfile_contract.c - the contract of a registry store, on .reg files. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include "registry_contract.h"

#include "registry/reg_text.h"

static int setup_regfile(void **state)
{
    struct store *store = calloc(1, sizeof(*store));
    struct stf_err err = {0};

    if (make_test_folder(NULL) != 0)
        return -1;
    store->backend = &stf_registry_backend_regfile;
    store->place.path = strdup(in_folder("store.reg"));
    store->place.key = "HKLM\\SYSTEM";
    *state = store;
    return stf_regfile_create(store->place.path, &(struct stf_reg_format){0}, &err) == STF_OK ? 0 : -1;
}

static int teardown_regfile(void **state)
{
    struct store *store = *state;

    free((char *)store->place.path);
    free(store);
    return remove_test_folder(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {CONTRACT_TESTS("regfile", setup_regfile, teardown_regfile)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
