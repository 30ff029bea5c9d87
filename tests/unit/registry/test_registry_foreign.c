/* test_registry_foreign.c - hives that others made: real, dirty and broken ones from the folder in STAFFETTA_HIVES
 * (xz-compressed). They are unpacked beside the test and never changed in place. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "registry/regf_log.h"
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
    if (result.exit_code != 0)
        fail_msg("xz: %s", result.errors);
    stf_process_result_fini(&result);
    return path;
}

static enum stf_kind open_any(const char *path, bool is_replaying, enum stf_registry_mode mode,
                              struct stf_registry **registry, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path, .is_system = true, .is_replaying_logs = is_replaying};

    return stf_registry_open(&stf_registry_backend_hive, &place, mode, registry, err);
}

/* Opens and reads all of a hive. */
static enum stf_kind read_whole(const char *path, bool is_replaying, enum stf_registry_mode mode, json_t **tree,
                                struct stf_err *err)
{
    struct stf_registry *registry = NULL;
    enum stf_kind kind = open_any(path, is_replaying, mode, &registry, err);

    if (kind == STF_OK)
        kind = stf_registry_tree_read(registry, "", tree, err);
    stf_registry_close(registry);
    return kind;
}

static json_t *whole_tree(const char *path, bool is_replaying)
{
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(read_whole(path, is_replaying, STF_REGISTRY_READ, &tree, &err), &err);
    return tree;
}

/* A commit that changes nothing but the layout. */
static void rewrite(const char *path, bool is_replaying)
{
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(open_any(path, is_replaying, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_create_key(registry, "Staffetta made this", &err), &err);
    assert_ok(stf_registry_delete_key(registry, "Staffetta made this", &err), &err);
    commit_and_close(registry);
}

static void count(const json_t *tree, size_t *keys, size_t *values)
{
    const char *name;
    json_t *subkey;

    ++*keys;
    *values += json_array_size(json_object_get(tree, "values"));
    json_object_foreach (json_object_get(tree, "keys"), name, subkey)
        count(subkey, keys, values);
}

/* As many keys and values as reglookup finds. */
static void check_against_reglookup(const char *path)
{
    char *output = output_of((const char *const[]){"sh", "-c", "reglookup -H \"$1\" | wc -l", "sh", path, NULL});
    json_t *tree = whole_tree(path, false);
    size_t keys = 0;
    size_t values = 0;

    count(tree, &keys, &values);
    assert_int_equal(keys + values, strtoul(output, NULL, 10));
    free(output);
    json_decref(tree);
}

/* What three other readers say of a hive, but for the order of values: keys, data, security, times, classes. */
static char *told_by_others(const char *path)
{
    return output_of((const char *const[]){"sh", "-c",
                                           "export LC_ALL=C; reglookup -i -s -H \"$1\" 2>/dev/null | sort | md5sum;"
                                           "regfexport \"$1\" | sed 's/^Value: [0-9]*/Value:/' | sort | md5sum;"
                                           "hivexregedit --export \"$1\" '\\' 2>/dev/null | sort | md5sum",
                                           "sh", path, NULL});
}

/* A .reg file has none. */
static void drop_extras(json_t *tree)
{
    const char *name;
    json_t *subkey;

    json_object_del(tree, "extras");
    json_object_foreach (json_object_get(tree, "keys"), name, subkey)
        drop_extras(subkey);
}

/* libhivex's reading, by way of a .reg file, is ours. */
static void check_against_hivexregedit(const char *path)
{
    const char *reg = in_folder("export.reg");
    const struct stf_registry_place place = {.path = reg, .key = "HKLM\\X"};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};
    json_t *ours = whole_tree(path, false);
    json_t *theirs = NULL;

    free(output_of((const char *const[]){
        "sh", "-c", "hivexregedit --export --prefix 'HKEY_LOCAL_MACHINE\\X' \"$1\" '\\' >\"$2\" 2>/dev/null", "sh",
        path, reg, NULL}));
    assert_ok(stf_registry_open(&stf_registry_backend_regfile, &place, STF_REGISTRY_READ, &registry, &err), &err);
    assert_ok(stf_registry_tree_read(registry, "", &theirs, &err), &err);
    drop_extras(ours);
    assert_ok(stf_registry_tree_keep_extras(theirs, ours, &err), &err); /* which a .reg file can not tell */
    assert_true(json_equal(ours, theirs));
    stf_registry_close(registry);
    json_decref(ours);
    json_decref(theirs);
}

/* Written by us, the hive says the same to everybody, and is no larger. Written again, it is the same file. */
static void check_rewrite(const char *path)
{
    char *before = told_by_others(path);
    char *after;
    json_t *tree = whole_tree(path, false);
    json_t *tree_after;
    size_t size_before;
    size_t size;
    size_t size_again;
    uint8_t *bytes = read_file(path, &size_before);
    uint8_t *bytes_again;

    rewrite(path, false);
    after = told_by_others(path);
    assert_string_equal(before, after);
    tree_after = whole_tree(path, false);
    assert_true(json_equal(tree, tree_after));
    free(bytes);
    bytes = read_file(path, &size);
    assert_true(size <= size_before);
    rewrite(path, false);
    bytes_again = read_file(path, &size_again);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes, bytes_again, size);
    free(bytes);
    free(bytes_again);
    json_decref(tree);
    json_decref(tree_after);
    free(before);
    free(after);
}

static void test_sound_hives(void **state)
{
    static const char *const names[] = {
        "SYSTEM",      "RecoveredHive_Windows10", "ManySubkeysHive",          "UnicodeHive", "BigDataHive",
        "DupNameHive", "hivex-minimal",           "hivex-rlenvalue_test_hive"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *path = unpack(names[i]);
        check_against_reglookup(path);
        check_against_hivexregedit(path);
        check_rewrite(path);
    }
}

/* Its names are beyond what the others print whole. */
static void test_names_beyond_utf8(void **state)
{
    const char *path = unpack("hivex-special");
    struct stf_registry_listing listing;
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    (void)state;
    check_rewrite(path);
    assert_ok(open_any(path, false, STF_REGISTRY_READ, &registry, &err), &err);
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 3);
    assert_string_equal(listing.keys[0], "abcd_äöüß");
    assert_string_equal(listing.keys[1], "weird™");
    assert_string_equal(listing.keys[2], "zero\uFDD0"
                                         "0000key");
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
}

static void test_change_and_undo(void **state)
{
    const char *path = unpack("SYSTEM");
    const char *oakley = "CurrentControlSet\\Services\\PolicyAgent\\Oakley";
    struct stf_registry *registry = NULL;
    struct stf_registry_value start = {0};
    struct stf_err err = {0};
    size_t size;
    size_t size_after;
    size_t existing = 0;
    size_t components = 0;
    uint8_t *before;
    uint8_t *after;

    (void)state;
    rewrite(path, false);
    before = read_file(path, &size);
    assert_ok(open_any(path, false, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_get(registry, "CurrentControlSet\\Services\\PolicyAgent", "Start", &start, &err), &err);
    assert_int_equal(start.type, STF_REG_DWORD);
    stf_registry_value_fini(&start);
    assert_ok(stf_registry_existing(registry, oakley, &existing, &components, NULL, &err), &err);
    set_bytes(registry, oakley, "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    check_against_reglookup(path);

    assert_ok(open_any(path, false, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_delete_value(registry, oakley, "NLBSFlags", &err), &err);
    assert_ok(stf_registry_trim(registry, oakley, existing, &err), &err);
    commit_and_close(registry);
    after = read_file(path, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

/* ---- refused ---- */

static void check_kind(const char *name, enum stf_kind kind, const char *message)
{
    const char *path = unpack(name);
    struct stf_err err = {0};
    json_t *tree = NULL;

    for (int mode = STF_REGISTRY_READ; mode <= STF_REGISTRY_WRITE; mode++) {
        assert_int_equal(read_whole(path, false, (enum stf_registry_mode)mode, &tree, &err), kind);
        assert_contains(err.message, message);
        assert_null(tree);
    }
}

static void test_refused_hives(void **state)
{
    (void)state;
    check_kind("NewDirtyHive", STF_INVALID_DATA, "is dirty");
    check_kind("SYSTEM_B", STF_INVALID_DATA, "is dirty");
    check_kind("BadListHive", STF_INVALID_DATA, "damaged at 0x");
    check_kind("TruncatedHive", STF_INVALID_DATA, "cut short");
    check_kind("SYSTEM_B.LOG1", STF_INVALID_DATA, "transaction log");
}

/* ---- transaction logs ---- */

/* The bytes are what Windows 10 made of the same hive and logs, before anything is written anew. */
static void test_replayed_bytes(void **state)
{
    static const char *const names[] = {"NewDirtyHive", "NewDirtyHive.LOG1", "NewDirtyHive.LOG2",
                                        "RecoveredHive_Windows10"};
    struct stf_regf_bytes parts[4];
    struct stf_err err = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        parts[i].bytes = read_file(unpack(names[i]), &parts[i].size);
    assert_ok(stf_regf_replay(&parts[0], &parts[1], "hive", &err), &err);
    assert_int_equal(parts[0].size, parts[3].size);
    assert_memory_equal(parts[0].bytes, parts[3].bytes, parts[3].size);
    for (size_t i = 0; i < 4; i++)
        free(parts[i].bytes);
}

/* A whole new file of it says the same as Windows', and asks for no logs any more; the logs stay as they are. */
static void test_replay_as_windows_does(void **state)
{
    const char *path = unpack("NewDirtyHive");
    const char *recovered = unpack("RecoveredHive_Windows10");
    char *by_windows;
    char *by_us;
    json_t *tree = NULL;
    json_t *wanted;
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;
    size_t log_size;
    uint8_t *log;
    bool was_dirty = false;

    (void)state;
    assert_int_equal(read_whole(path, true, STF_REGISTRY_READ, &tree, &err), STF_INVALID_DATA);
    assert_contains(err.message, "are missing or hold nothing");
    unpack("NewDirtyHive.LOG1");
    log = read_file(unpack("NewDirtyHive.LOG2"), &log_size);

    tree = whole_tree(path, true);
    wanted = whole_tree(recovered, false);
    assert_true(json_equal(tree, wanted));
    json_decref(tree);
    assert_int_equal(read_whole(path, false, STF_REGISTRY_READ, &tree, &err), STF_INVALID_DATA); /* still dirty */

    assert_ok(stf_hive_replay(path, &was_dirty, &err), &err);
    assert_true(was_dirty);
    assert_ok(stf_hive_replay(path, &was_dirty, &err), &err);
    assert_false(was_dirty);
    tree = whole_tree(path, true);
    assert_true(json_equal(tree, wanted));
    json_decref(tree);
    json_decref(wanted);
    by_us = told_by_others(path);
    by_windows = told_by_others(recovered);
    assert_string_equal(by_us, by_windows);
    free(by_us);
    free(by_windows);
    bytes = read_file(path, &size);
    assert_int_equal(word_at(bytes + 4), 6);
    assert_int_equal(word_at(bytes + 8), 6);
    free(bytes);
    bytes = read_file(in_folder("NewDirtyHive.LOG2"), &size);
    assert_int_equal(size, log_size);
    assert_memory_equal(bytes, log, size);
    free(bytes);
    free(log);
}

/* A large one, whose logs make it grow; changed while it is replayed. */
static void test_replay_of_a_large_hive(void **state)
{
    const char *path = unpack("SYSTEM_B");
    const char *oakley = "CurrentControlSet\\Services\\PolicyAgent\\Oakley";
    struct stf_registry *registry = NULL;
    struct stf_registry_value value;
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;

    (void)state;
    unpack("SYSTEM_B.LOG1");
    unpack("SYSTEM_B.LOG2");
    assert_ok(open_any(path, true, STF_REGISTRY_WRITE, &registry, &err), &err);
    set_bytes(registry, oakley, "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    check_against_reglookup(path);
    check_against_hivexregedit(path);
    assert_ok(open_any(path, false, STF_REGISTRY_READ, &registry, &err), &err);
    assert_ok(stf_registry_get(registry, oakley, "NLBSFlags", &value, &err), &err);
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
    bytes = read_file(path, &size);
    assert_int_equal(word_at(bytes + 4), 2131); /* the last entry has 2130 */
    assert_int_equal(word_at(bytes + 8), 2131);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sound_hives, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_names_beyond_utf8, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_change_and_undo, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_refused_hives, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_replayed_bytes, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_replay_as_windows_does, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_replay_of_a_large_hive, make_test_folder, remove_test_folder),
    };

    if (getenv("STAFFETTA_HIVES") == NULL) {
        puts("SKIP: STAFFETTA_HIVES does not name the folder with the hives of others");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
