/* test_registry_rights.c - the DACL in security descriptors: whose it is, and put into another descriptor, bit by bit.
 * SPDX-License-Identifier: MIT */
#include "registry_assert.h"

#include "registry/rights.h"
#include "registry/store.h"

enum { DESCRIPTOR_SIZE = 20 + 8 + 8 };

/* A descriptor with one entry of four bytes of rights. */
static void make_descriptor(uint8_t bytes[DESCRIPTOR_SIZE], uint16_t control, uint8_t flags, uint8_t rights)
{
    memset(bytes, 0, DESCRIPTOR_SIZE);
    bytes[0] = 1;
    bytes[2] = (uint8_t)control;
    bytes[3] = (uint8_t)(control >> 8);
    bytes[16] = 20;
    bytes[20] = 2;
    bytes[22] = 16;
    bytes[24] = 1;
    bytes[29] = flags;
    bytes[30] = 8;
    bytes[32] = rights;
}

static void test_own_rights(void **state)
{
    uint8_t above[DESCRIPTOR_SIZE];
    uint8_t key[DESCRIPTOR_SIZE];

    (void)state;
    make_descriptor(above, 0x8004, 0, 1);
    make_descriptor(key, 0x8004, 0, 1);
    assert_false(stf_rights_are_own(key, sizeof(key), above, sizeof(above))); /* as above */
    make_descriptor(key, 0x8004, 0x10, 2);
    assert_false(stf_rights_are_own(key, sizeof(key), above, sizeof(above))); /* all inherited */
    make_descriptor(key, 0x8004, 0, 2);
    assert_true(stf_rights_are_own(key, sizeof(key), above, sizeof(above)));
    make_descriptor(key, 0x9004, 0x10, 2);
    assert_true(stf_rights_are_own(key, sizeof(key), above, sizeof(above))); /* protected */
    assert_true(stf_rights_are_own(NULL, 0, above, sizeof(above)));
    assert_false(stf_rights_are_own(NULL, 0, NULL, 0));
    key[30] = 0; /* an entry without a size */
    make_descriptor(above, 0x8004, 0, 7);
    assert_true(stf_rights_are_own(key, sizeof(key), above, sizeof(above)));
}

/* An owner, a group and a list of what is audited, before any DACL; an odd byte at the end. */
static const uint8_t full[] = {
    1, 0, 0x14, 0x88, 20, 0, 0, 0, 32,   0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0, /* SACL and DACL present, SACL inherited */
    1, 1, 0,    0,    0,  0, 0, 5, 18,   0, 0, 0,                          /* owner */
    1, 1, 0,    0,    0,  0, 0, 5, 19,   0, 0, 0,                          /* group */
    2, 0, 8,    0,    0,  0, 0, 0, 0xee,
};

static void test_put(void **state)
{
    uint8_t rights[DESCRIPTOR_SIZE];
    size_t size = 0;
    size_t start = (sizeof(full) + 3) / 4 * 4;
    uint8_t *put;

    (void)state;
    make_descriptor(rights, 0x9004, 0x10, 7); /* protected */
    put = stf_rights_put(full, sizeof(full), rights, sizeof(rights), &size);
    assert_non_null(put);
    assert_int_equal(size, start + 16);
    assert_int_equal(put[2] | put[3] << 8, 0x9814);
    assert_memory_equal(put + 4, full + 4, 12); /* where owner, group and the audited are */
    assert_memory_equal(put + 20, full + 20, sizeof(full) - 20);
    assert_int_equal(put[16], start);
    assert_memory_equal(put + start, rights + 20, 16);
    assert_true(stf_rights_are_whole(put, size));
    assert_false(stf_rights_are_all(put, size));
    assert_false(stf_rights_are_own(put, size, rights, sizeof(rights)));
    free(put);

    make_descriptor(rights, 0x8004, 0, 7);
    rights[16] = 0; /* none: everybody may do everything, and that is what is put */
    put = stf_rights_put(full, sizeof(full), rights, sizeof(rights), &size);
    assert_non_null(put);
    assert_int_equal(put[2] | put[3] << 8, 0x8814);
    assert_int_equal(size, start);
    assert_int_equal(put[16], 0);
    free(put);
}

static void test_only(void **state)
{
    uint8_t rights[DESCRIPTOR_SIZE];
    size_t put_size = 0;
    size_t size = 0;
    uint8_t *put;
    uint8_t *only;

    (void)state;
    make_descriptor(rights, 0x9004, 0, 7);
    put = stf_rights_put(full, sizeof(full), rights, sizeof(rights), &put_size);
    assert_non_null(put);
    only = stf_rights_only(put, put_size, &size);
    assert_non_null(only);
    assert_int_equal(size, sizeof(rights));
    assert_memory_equal(only, rights, size);
    assert_true(stf_rights_are_all(only, size));
    free(only);
    free(put);
}

/* A DACL that is cut short is given to no key: it would be none, which lets everybody do everything. */
static void test_damaged(void **state)
{
    uint8_t rights[DESCRIPTOR_SIZE];
    struct stf_registry_extras have = {0};
    struct stf_registry_extras want = {.security = rights};
    struct stf_err err = {0};

    (void)state;
    make_descriptor(rights, 0x8004, 0, 7);
    for (want.security_size = 0; want.security_size < sizeof(rights); want.security_size++) {
        assert_false(stf_rights_are_whole(rights, want.security_size));
        assert_int_equal(stf_registry_extras_check_live("Key", &have, &want, &err), STF_UNSUPPORTED);
        assert_contains(err.message, "damaged");
    }
    assert_ok(stf_registry_extras_check_live("Key", &have, &want, &err), &err);
    rights[22] = 17; /* longer than what is there */
    assert_false(stf_rights_are_whole(rights, sizeof(rights)));
    rights[22] = 7; /* shorter than its header */
    assert_false(stf_rights_are_whole(rights, sizeof(rights)));
    rights[16] = 0;
    assert_true(stf_rights_are_whole(rights, sizeof(rights)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_rights),
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
