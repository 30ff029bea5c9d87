/* test_registry_contract.c - the contract of a registry store, on the stores that need nothing but this program.
 * SPDX-License-Identifier: MIT */
#include "registry_contract.h"
#include "registry_test.h"

static int setup_hive(void **state)
{
    struct store *store = calloc(1, sizeof(*store));
    struct stf_err err = {0};

    if (make_test_folder(NULL) != 0)
        return -1;
    store->backend = &stf_registry_backend_hive;
    store->place.path = strdup(in_folder("hive"));
    *state = store;
    return stf_hive_create(store->place.path, &err) == STF_OK ? 0 : -1;
}

static int teardown_hive(void **state)
{
    struct store *store = *state;

    free((char *)store->place.path);
    free(store);
    return remove_test_folder(NULL);
}

/* ---- what needs no store ---- */

static void test_name_compare(void **state)
{
    (void)state;
    assert_int_equal(stf_registry_name_compare("Straße", "STRAßE"), 0);
    assert_int_equal(stf_registry_name_compare("ÄÖÜ", "äöü"), 0);
    assert_int_equal(stf_registry_name_compare("Ключ", "КЛЮЧ"), 0);
    assert_int_equal(stf_registry_name_compare("", ""), 0);
    assert_true(stf_registry_name_compare("", "a") < 0);
    assert_true(stf_registry_name_compare("ab", "a") > 0);
    assert_true(stf_registry_name_compare("a", "B") < 0);
    assert_true(stf_registry_name_compare("ı", "I") != 0); /* dotless i is not i */
    assert_true(stf_registry_name_compare("ſ", "S") != 0); /* nor long s s */
    assert_true(stf_registry_name_compare("é", "e") != 0);
    assert_true(stf_registry_name_compare("𐐀", "𐐨") != 0); /* no case beyond 16 bits */
}

static void test_key_is_below(void **state)
{
    const char *below = NULL;
    size_t depth = 0;

    (void)state;
    assert_true(stf_registry_key_is_below("HKEY_LOCAL_MACHINE\\system\\Select", "HKLM\\SYSTEM", &below, &depth));
    assert_string_equal(below, "Select");
    assert_int_equal(depth, 2);
    assert_true(stf_registry_key_is_below("hklm\\SYSTEM", "HKEY_LOCAL_MACHINE\\SYSTEM", &below, &depth));
    assert_string_equal(below, "");
    assert_true(stf_registry_key_is_below("HKLM\\A\\B", "HKLM", &below, &depth));
    assert_string_equal(below, "A\\B");
    assert_int_equal(depth, 1);
    assert_false(stf_registry_key_is_below("HKLM\\SYSTEM2", "HKLM\\SYSTEM", &below, &depth));
    assert_false(stf_registry_key_is_below("HKLM", "HKLM\\SYSTEM", &below, &depth));
    assert_false(stf_registry_key_is_below("HKCU\\SYSTEM", "HKLM\\SYSTEM", &below, &depth));
    assert_false(stf_registry_key_is_below("SYSTEM", "SYSTEM", &below, &depth));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("memory", setup_memory, teardown_memory),
        CONTRACT_TESTS("hive", setup_hive, teardown_hive),
        cmocka_unit_test(test_name_compare),
        cmocka_unit_test(test_key_is_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
