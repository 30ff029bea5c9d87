/* test_regf_memory.c - memory runs out at every place where hives are read, written and replayed: the call says so, and
 * leaks nothing (built with the address sanitizer). SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "fail_alloc.h"
#include "registry/tree.h"

/* A bit of everything that a hive can hold; names beyond Latin-1, data in segments, a list of lists. */
static json_t *make_tree(void)
{
    json_t *many = json_object();
    json_t *tree =
        json_pack("{s:[{s:s,s:i,s:s},{s:s,s:i,s:s}], s:{s:{s:[], s:{s:{s:[],s:{}}}, s:{s:s,s:s}}}}", "values", "name",
                  "", "type", 1, "data", "61000000", "name", "Имя", "type", 3, "data", "0102030405060708", "keys",
                  "Ключ", "values", "keys", "Below", "values", "keys", "extras", "class", "6100", "security", "0100");
    char name[16];

    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "%d", i);
        json_object_set_new(many, name, json_pack("{s:[],s:{}}", "values", "keys"));
    }
    json_object_set_new(json_object_get(tree, "keys"), "Many", json_pack("{s:[],s:o}", "values", "keys", many));
    return tree;
}

static void make_file(const char *path)
{
    static uint8_t large[20000];
    struct stf_registry *registry;
    struct stf_err err = {0};
    json_t *tree = make_tree();

    assert_ok(stf_hive_create(path, &err), &err);
    registry = open_hive(path, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_tree_write(registry, "T", tree, &err), &err);
    set_bytes(registry, "T", "large", STF_REG_BINARY, large, sizeof(large));
    commit_and_close(registry);
    json_decref(tree);
}

typedef enum stf_kind (*hive_call)(const char *path, struct stf_err *err);

/* Path by path, and with every list and value. */
static enum stf_kind read_bit_by_bit(const char *path, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path};
    struct stf_registry *registry = NULL;
    struct stf_registry_value value = {0};
    struct stf_registry_listing listing = {0};
    size_t existing;
    size_t components;
    char *spelling = NULL;
    enum stf_kind kind = stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_READ, &registry, err);

    if (kind == STF_OK) {
        kind = stf_registry_get(registry, "T", "имя", &value, err);
        stf_registry_value_fini(&value);
    }
    if (kind == STF_OK) {
        kind = stf_registry_get(registry, "t", "large", &value, err);
        stf_registry_value_fini(&value);
    }
    if (kind == STF_OK) {
        kind = stf_registry_list(registry, "T", &listing, err);
        stf_registry_listing_fini(&listing);
    }
    if (kind == STF_OK) {
        kind = stf_registry_existing(registry, "T\\КЛЮЧ\\Below", &existing, &components, &spelling, err);
        free(spelling);
    }
    stf_registry_close(registry);
    return kind;
}

static enum stf_kind write_whole(const char *path, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path};
    const struct stf_registry_value value = {"new", STF_REG_BINARY, (uint8_t *)"12345678", 8};
    struct stf_registry *registry = NULL;
    enum stf_kind kind = stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_WRITE, &registry, err);

    if (kind == STF_OK)
        kind = stf_registry_set(registry, "T\\Новый", &value, err);
    if (kind == STF_OK)
        kind = stf_registry_delete_key(registry, "T\\Many\\1", err);
    if (kind == STF_OK)
        kind = stf_registry_commit(registry, err);
    stf_registry_close(registry);
    return kind;
}

/* Each allocation fails in turn, until there is none left to fail. The file stays as it was. */
static void check(hive_call call)
{
    const char *path = in_folder("SYSTEM");
    size_t failed = 0;
    size_t size;
    uint8_t *bytes;
    bool was_reached = true;

    make_file(path);
    bytes = read_file(path, &size);
    for (size_t n = 1; was_reached; n++) {
        struct stf_err err = {0};
        enum stf_kind kind;
        stf_fail_alloc_arm(n);
        kind = call(path, &err);
        was_reached = stf_fail_alloc_disarm();
        if (was_reached) {
            size_t size_now;
            uint8_t *now = read_file(path, &size_now);
            assert_int_equal(kind, STF_NO_MEMORY);
            assert_int_equal(size, size_now);
            assert_memory_equal(bytes, now, size);
            free(now);
            failed++;
        } else {
            assert_ok(kind, &err);
        }
    }
    free(bytes);
    assert_true(failed > 20);
}

static void test_reading(void **state)
{
    (void)state;
    check(read_bit_by_bit);
}

static void test_writing(void **state)
{
    (void)state;
    check(write_whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reading, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_writing, make_test_folder, remove_test_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
