/* test_registry_foreign.c - hives that others made: real, dirty and broken ones from the folder in STAFFETTA_HIVES
 * (xz-compressed). They are unpacked beside the test and never changed in place. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "registry/tree.h"

static const char *unpack(const char *name)
{
    const char *path = in_folder(name);
    char packed[512];
    const struct stf_process_id id = {
        .argv = (const char *const[]){"sh", "-c", "exec xz -dc \"$1\" > \"$2\"", "sh", packed, path, NULL},
        .timeout_ms = 20000};
    struct stf_process_result result = {0};
    struct stf_err err = {0};

    snprintf(packed, sizeof(packed), "%s/%s.xz", getenv("STAFFETTA_HIVES"), name);
    assert_ok(stf_process_run(&id, &result, &err), &err);
    if (result.exit_code != 0) {
        fail_msg("xz: %s", result.errors);
    }
    stf_process_result_fini(&result);
    return path;
}

static enum stf_kind open_any(const char *path, enum stf_registry_mode mode, struct stf_registry **registry,
                              struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path, .is_system = true};

    return stf_registry_open(&stf_registry_backend_hive, &place, mode, registry, err);
}

/* Opens and reads all of a hive. */
static enum stf_kind read_whole(const char *path, json_t **tree, struct stf_err *err)
{
    struct stf_registry *registry = NULL;
    enum stf_kind kind = open_any(path, STF_REGISTRY_READ, &registry, err);

    if (kind == STF_OK) {
        kind = stf_registry_tree_read(registry, "", tree, err);
    }
    stf_registry_close(registry);
    return kind;
}

static void count(const json_t *tree, size_t *keys, size_t *values)
{
    const char *name;
    json_t *subkey;

    ++*keys;
    *values += json_array_size(json_object_get(tree, "values"));
    json_object_foreach (json_object_get(tree, "keys"), name, subkey) {
        count(subkey, keys, values);
    }
}

/* As many keys and values as reglookup finds. */
static void check_against_reglookup(const char *path)
{
    char *output = output_of((const char *const[]){"sh", "-c", "reglookup -H \"$1\" | wc -l", "sh", path, NULL});
    struct stf_err err = {0};
    json_t *tree = NULL;
    size_t keys = 0;
    size_t values = 0;

    assert_ok(read_whole(path, &tree, &err), &err);
    count(tree, &keys, &values);
    assert_int_equal(keys + values, strtoul(output, NULL, 10));
    json_decref(tree);
    free(output);
}

static void test_system_hive(void **state)
{
    const char *path = unpack("SYSTEM");
    const char *oakley = "CurrentControlSet\\Services\\PolicyAgent\\Oakley";
    struct stf_registry *registry = NULL;
    struct stf_registry_value start = {0};
    struct stf_err err = {0};
    json_t *before = NULL;
    json_t *after = NULL;
    size_t existing = 0;
    size_t components = 0;

    (void)state;
    check_against_reglookup(path);
    assert_ok(read_whole(path, &before, &err), &err);

    assert_ok(open_any(path, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_get(registry, "CurrentControlSet\\Services\\PolicyAgent", "Start", &start, &err), &err);
    assert_int_equal(start.type, STF_REG_DWORD);
    stf_registry_value_fini(&start);
    assert_ok(stf_registry_existing(registry, oakley, &existing, &components, NULL, &err), &err);
    set_bytes(registry, oakley, "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    check_against_reglookup(path);

    assert_ok(open_any(path, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_delete_value(registry, oakley, "NLBSFlags", &err), &err);
    assert_ok(stf_registry_trim(registry, oakley, existing, &err), &err);
    commit_and_close(registry);
    assert_ok(read_whole(path, &after, &err), &err);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    check_against_reglookup(path);
}

static void check_kind(const char *name, enum stf_kind kind, const char *message)
{
    const char *path = unpack(name);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_int_equal(read_whole(path, &tree, &err), kind);
    assert_contains(err.message, message);
    assert_null(tree);
}

static void test_refused_hives(void **state)
{
    (void)state;
    check_kind("NewDirtyHive", STF_INVALID_DATA, "is dirty");
    check_kind("SYSTEM_B", STF_INVALID_DATA, "is dirty");
    check_kind("BadListHive", STF_INVALID_DATA, "damaged");
    check_kind("TruncatedHive", STF_INVALID_DATA, "cut short");
    check_kind("hivex-special", STF_UNSUPPORTED, "NUL");
    check_kind("SYSTEM_B.LOG1", STF_INVALID_DATA, "transaction log");
}

static void test_sound_hives(void **state)
{
    static const char *const names[] = {"RecoveredHive_Windows10", "ManySubkeysHive", "UnicodeHive", "hivex-minimal",
                                        "hivex-rlenvalue_test_hive"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        check_against_reglookup(unpack(names[i]));
    }
}

/* Values that libhivex would write in another form are read, and nothing beside them is written. */
static void test_big_data(void **state)
{
    const char *path = unpack("BigDataHive");
    struct stf_registry_listing listing;
    struct stf_registry_value value = {"new", STF_REG_NONE, (uint8_t *)"", 0};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};
    size_t largest = 0;

    (void)state;
    assert_ok(open_any(path, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_list(registry, "key_with_bigdata", &listing, &err), &err);
    for (size_t i = 0; i < listing.value_count; i++) {
        largest = listing.values[i].size > largest ? listing.values[i].size : largest;
    }
    stf_registry_listing_fini(&listing);
    assert_true(largest > 16344);
    assert_int_equal(stf_registry_set(registry, "key_with_bigdata", &value, &err), STF_UNSUPPORTED);
    stf_registry_close(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_system_hive, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_refused_hives, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_sound_hives, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_big_data, make_test_folder, remove_test_folder),
    };

    if (getenv("STAFFETTA_HIVES") == NULL) {
        puts("SKIP: STAFFETTA_HIVES does not name the folder with the hives of others");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
