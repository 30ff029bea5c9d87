/* registry_contract.h - the contract of a registry store: one suite, run against every backend through the public API.
 * A backend is finished when it passes. Header only: each test program brings its own backends.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "registry_assert.h"

#include <jansson.h>

#include "registry/patch.h"
#include "registry/store.h"
#include "registry/tree.h"

struct store {
    const struct stf_registry_backend *backend;
    struct stf_registry_place place;
    bool acts_at_once;    /* has no transactions */
    bool has_no_classes;  /* its server has none, whatever the backend does */
    bool has_live_rights; /* a key's own are not taken away again; what a new key has is the server's to say */
};

static inline int setup_memory(void **state)
{
    struct store *store = calloc(1, sizeof(*store));

    store->backend = &stf_registry_backend_memory;
    store->place.memory = stf_registry_memory_new();
    *state = store;
    return store->place.memory != NULL ? 0 : -1;
}

static inline int teardown_memory(void **state)
{
    struct store *store = *state;

    stf_registry_memory_free(store->place.memory);
    free(store);
    return 0;
}

static struct stf_registry *open_store(const struct store *store, enum stf_registry_mode mode)
{
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(store->backend, &store->place, mode, &registry, &err), &err);
    return registry;
}

static json_t *tree_of(const struct store *store, const char *key)
{
    struct stf_registry *registry = open_store(store, STF_REGISTRY_READ);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read(registry, key, &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

static void check_tree(const struct store *store, const char *key, const json_t *wanted)
{
    json_t *tree = tree_of(store, key);
    char *text = json_dumps(tree, 0);
    char *wanted_text = json_dumps(wanted, 0);

    if (!json_equal(tree, wanted))
        fail_msg("%s is\n%s\nnot\n%s", key, text, wanted_text);
    free(text);
    free(wanted_text);
    json_decref(tree);
}

static enum stf_kind kind_of_get(struct stf_registry *registry, const char *key, const char *name)
{
    struct stf_registry_value value = {0};
    struct stf_err err = {0};
    enum stf_kind kind = stf_registry_get(registry, key, name, &value, &err);

    assert_true(kind == STF_OK || err.message[0] != '\0');
    stf_registry_value_fini(&value);
    return kind;
}

static void check_value(struct stf_registry *registry, const char *key, const struct stf_registry_value *wanted)
{
    struct stf_registry_value value = {0};
    struct stf_err err = {0};

    assert_ok(stf_registry_get(registry, key, wanted->name, &value, &err), &err);
    assert_true(stf_registry_value_equal(&value, wanted));
    stf_registry_value_fini(&value);
}

static void test_empty(void **state)
{
    json_t *empty = json_pack("{s:[], s:{}}", "values", "keys");

    check_tree(*state, "", empty);
    json_decref(empty);
}

static void test_every_type_and_size(void **state)
{
    static const uint32_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x12345678, UINT32_MAX};
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 4095, 16344};
    enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]), SIZE_COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    static uint8_t data[16344];
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    char key[32];
    char name[32];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 167 + 3); /* holds unpaired surrogates and NULs */
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        snprintf(key, sizeof(key), "Types\\%zu", i);
        for (size_t j = 0; j < SIZE_COUNT; j++) {
            snprintf(name, sizeof(name), "%zu", sizes[j]);
            set_bytes(registry, key, name, types[i], data, sizes[j]);
        }
    }
    commit_and_close(registry);

    registry = open_store(*state, STF_REGISTRY_READ);
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        snprintf(key, sizeof(key), "Types\\%zu", i);
        for (size_t j = 0; j < SIZE_COUNT; j++) {
            snprintf(name, sizeof(name), "%zu", sizes[j]);
            check_value(registry, key, &(struct stf_registry_value){name, types[i], data, sizes[j]});
        }
    }
    stf_registry_close(registry);
}

static void test_absence(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_registry_listing listing;
    struct stf_err err = {0};
    json_t *tree = NULL;

    set_bytes(registry, "A", "present", STF_REG_NONE, NULL, 0);
    assert_int_equal(kind_of_get(registry, "A", "absent"), STF_NOT_FOUND);
    assert_int_equal(kind_of_get(registry, "A\\B", "present"), STF_NOT_FOUND);
    assert_int_equal(kind_of_get(registry, "A", ""), STF_NOT_FOUND);
    assert_int_equal(kind_of_get(registry, "A", "present"), STF_OK);
    assert_int_equal(stf_registry_list(registry, "A\\B", &listing, &err), STF_NOT_FOUND);
    assert_int_equal(stf_registry_tree_read(registry, "A\\B", &tree, &err), STF_NOT_FOUND);
    assert_ok(stf_registry_delete_value(registry, "A", "absent", &err), &err);
    assert_ok(stf_registry_delete_value(registry, "B\\C", "absent", &err), &err);
    assert_ok(stf_registry_delete_key(registry, "B\\C", &err), &err);
    assert_int_equal(stf_registry_delete_key(registry, "", &err), STF_UNSUPPORTED);
    commit_and_close(registry);
}

static void test_set_replace_delete(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    set_bytes(registry, "K", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "K", "other", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(registry, "K", "", STF_REG_BINARY, "default", 7);
    set_bytes(registry, "K", "v", STF_REG_QWORD, "12345678", 8);
    commit_and_close(registry);

    registry = open_store(*state, STF_REGISTRY_WRITE);
    check_value(registry, "K", &(struct stf_registry_value){"v", STF_REG_QWORD, (uint8_t *)"12345678", 8});
    check_value(registry, "K", &(struct stf_registry_value){"", STF_REG_BINARY, (uint8_t *)"default", 7});
    assert_ok(stf_registry_delete_value(registry, "K", "v", &err), &err);
    assert_ok(stf_registry_delete_value(registry, "K", "", &err), &err);
    commit_and_close(registry);

    registry = open_store(*state, STF_REGISTRY_READ);
    assert_int_equal(kind_of_get(registry, "K", "v"), STF_NOT_FOUND);
    assert_int_equal(kind_of_get(registry, "K", ""), STF_NOT_FOUND);
    check_value(registry, "K", &(struct stf_registry_value){"other", STF_REG_SZ, (uint8_t *)"x\0\0\0", 4});
    stf_registry_close(registry);
}

static void test_names_ignore_case_and_keep_it(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_registry_listing listing;
    struct stf_err err = {0};

    set_bytes(registry, "Software\\Mail Ä", "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "SOFTWARE\\mail ä\\Ключ", "Значение", STF_REG_NONE, "", 0);
    assert_ok(stf_registry_create_key(registry, "software\\MAIL Ä\\КЛЮЧ", &err), &err);
    set_bytes(registry, "software\\mail ä\\ключ", "", STF_REG_NONE, "", 0);
    assert_int_equal(kind_of_get(registry, "software\\mail ä\\ключ", "значение"), STF_OK);
    check_value(registry, "SOFTWARE\\MAIL Ä",
                &(struct stf_registry_value){"NLBSFlags", STF_REG_DWORD, (uint8_t *)"\1\0\0\0", 4});
    commit_and_close(registry);

    registry = open_store(*state, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 1);
    assert_string_equal(listing.keys[0], "Software");
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_list(registry, "software", &listing, &err), &err);
    assert_int_equal(listing.key_count, 1);
    assert_string_equal(listing.keys[0], "Mail Ä");
    stf_registry_listing_fini(&listing);

    /* a value that is set takes the new spelling; there is still one */
    set_bytes(registry, "Software\\Mail Ä", "nlbsflags", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_list(registry, "Software\\Mail Ä", &listing, &err), &err);
    assert_int_equal(listing.value_count, 1);
    assert_string_equal(listing.values[0].name, "nlbsflags");
    assert_int_equal(listing.key_count, 1);
    assert_string_equal(listing.keys[0], "Ключ");
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
}

static void test_listing_is_sorted(void **state)
{
    static const char *const names[] = {"b", "A", "c2", "C10", "Z", "é", "a1"};
    static const char *const sorted[] = {"A", "a1", "b", "C10", "c2", "Z", "é"};
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_registry_listing listing;
    struct stf_err err = {0};
    char key[64];

    for (size_t i = 0; i < 7; i++) {
        snprintf(key, sizeof(key), "L\\%s", names[i]);
        assert_ok(stf_registry_create_key(registry, key, &err), &err);
        set_bytes(registry, "L", names[i], STF_REG_NONE, NULL, 0);
    }
    assert_ok(stf_registry_list(registry, "L", &listing, &err), &err);
    assert_int_equal(listing.key_count, 7);
    assert_int_equal(listing.value_count, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(listing.keys[i], sorted[i]);
        assert_string_equal(listing.values[i].name, sorted[i]);
    }
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
}

static void test_uncommitted_is_dropped(void **state)
{
    const struct store *store = *state;
    json_t *before;
    struct stf_registry *registry;
    struct stf_err err = {0};

    if (store->acts_at_once)
        skip();
    registry = open_store(store, STF_REGISTRY_WRITE);
    set_bytes(registry, "K\\L", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    before = tree_of(*state, "");

    registry = open_store(*state, STF_REGISTRY_WRITE);
    set_bytes(registry, "K\\L", "v", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(registry, "New", "v", STF_REG_DWORD, "\2\0\0\0", 4);
    assert_ok(stf_registry_delete_key(registry, "K", &err), &err);
    check_tree(*state, "", before); /* another reader, in the meantime */
    stf_registry_close(registry);
    check_tree(*state, "", before);
    json_decref(before);
}

static void test_reading_store_refuses_changes(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_registry_value value = {"v", STF_REG_NONE, (uint8_t *)"", 0};
    struct stf_err err = {0};

    set_bytes(registry, "K", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    registry = open_store(*state, STF_REGISTRY_READ);
    assert_int_equal(stf_registry_set(registry, "K", &value, &err), STF_DENIED);
    assert_int_equal(stf_registry_delete_value(registry, "K", "v", &err), STF_DENIED);
    assert_int_equal(stf_registry_create_key(registry, "L", &err), STF_DENIED);
    assert_int_equal(stf_registry_delete_key(registry, "K", &err), STF_DENIED);
    assert_int_equal(kind_of_get(registry, "K", "v"), STF_OK);
    assert_ok(stf_registry_commit(registry, &err), &err);
    stf_registry_close(registry);
}

static void test_bad_names(void **state)
{
    static const char *const bad_keys[] = {"A\\", "\\A", "A\\\\B", "\xff", "A\\\xc3"};
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    char name[257];
    char *deep = malloc(2 * 600);

    for (size_t i = 0; i < sizeof(bad_keys) / sizeof(bad_keys[0]); i++)
        assert_int_equal(stf_registry_create_key(registry, bad_keys[i], &err), STF_INVALID_DATA);
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    assert_int_equal(stf_registry_create_key(registry, name, &err), STF_INVALID_DATA);
    name[255] = '\0';
    assert_ok(stf_registry_create_key(registry, name, &err), &err);
    for (size_t i = 0; i < 600; i++)
        memcpy(deep + 2 * i, "a\\", 2);
    deep[2 * 600 - 1] = '\0';
    assert_int_equal(stf_registry_create_key(registry, deep, &err), STF_INVALID_DATA);
    free(deep);
    commit_and_close(registry);
}

static void test_delete_key_takes_its_subtree(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    json_t *kept;

    set_bytes(registry, "Kept", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    kept = tree_of(*state, "");

    registry = open_store(*state, STF_REGISTRY_WRITE);
    set_bytes(registry, "Gone\\A\\B", "v", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(registry, "Gone\\C", "v", STF_REG_SZ, "x\0\0\0", 4);
    commit_and_close(registry);
    registry = open_store(*state, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_delete_key(registry, "GONE", &err), &err);
    assert_ok(stf_registry_delete_key(registry, "GONE", &err), &err);
    commit_and_close(registry);
    check_tree(*state, "", kept);
    json_decref(kept);
}

static void check_existing(struct stf_registry *registry, const char *key, size_t wanted, size_t of,
                           const char *spelled)
{
    struct stf_err err = {0};
    size_t existing = 99;
    size_t components = 99;
    char *spelling = NULL;

    assert_ok(stf_registry_existing(registry, key, &existing, &components, &spelling, &err), &err);
    assert_int_equal(existing, wanted);
    assert_int_equal(components, of);
    if (spelled == NULL)
        assert_null(spelling);
    else
        assert_string_equal(spelling, spelled);
    free(spelling);
}

static void test_existing_and_trim(void **state)
{
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    set_bytes(registry, "A\\B", "v", STF_REG_NONE, NULL, 0);
    check_existing(registry, "", 0, 0, NULL);
    check_existing(registry, "a", 1, 1, "A");
    check_existing(registry, "A\\b\\C\\D", 2, 4, NULL);

    assert_ok(stf_registry_trim(registry, "A\\B\\C\\D", 3, &err), &err);
    check_existing(registry, "A\\B\\C\\D", 3, 4, NULL);
    assert_ok(stf_registry_trim(registry, "A\\B\\C\\D", 4, &err), &err);
    check_existing(registry, "A\\B\\C\\D", 4, 4, "D");
    assert_ok(stf_registry_trim(registry, "A\\B\\C\\D", 2, &err), &err);
    check_existing(registry, "A\\B\\C\\D", 2, 4, NULL);
    assert_ok(stf_registry_trim(registry, "A\\B\\C\\D", 2, &err), &err);

    /* B has a value: it must not go, and nothing of the way down to it either */
    assert_ok(stf_registry_create_key(registry, "A\\B\\C\\D", &err), &err);
    assert_int_equal(stf_registry_trim(registry, "A\\B\\C\\D", 1, &err), STF_CONFLICT);
    assert_contains(err.message, "key B");
    check_existing(registry, "A\\B\\C\\D", 4, 4, "D");
    assert_ok(stf_registry_create_key(registry, "A\\B\\C\\Other", &err), &err);
    assert_int_equal(stf_registry_trim(registry, "A\\B\\C\\D", 2, &err), STF_CONFLICT);
    assert_int_equal(stf_registry_trim(registry, "A\\B", 3, &err), STF_INVALID_DATA);
    stf_registry_close(registry);
}

/* ---- random trees ---- */

static json_t *random_tree(unsigned *seed, int depth)
{
    static const char *const names[] = {"", "a", "B", "value", "Name", "ключ", "日本", "ÿ", "x y", "A1"};
    json_t *values = json_array();
    json_t *keys = json_object();

    for (size_t i = 0; i < 10; i++) {
        if (rand_r(seed) % 2 == 0) {
            char hex[81] = "";
            size_t size = (size_t)(rand_r(seed) % 40);
            for (size_t j = 0; j < size; j++)
                snprintf(hex + 2 * j, 3, "%02x", (unsigned)rand_r(seed) % 256);
            json_array_append_new(
                values, json_pack("{s:s, s:i, s:s}", "name", names[i], "type", rand_r(seed) % 14, "data", hex));
        }
        if (i > 0 && depth > 0 && rand_r(seed) % 3 == 0)
            json_object_set_new(keys, names[i], random_tree(seed, depth - 1));
    }
    return json_pack("{s:o, s:o}", "values", values, "keys", keys);
}

static void write_tree(const struct store *store, const char *key, const json_t *tree)
{
    struct stf_registry *registry = open_store(store, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    assert_ok(stf_registry_tree_write(registry, key, tree, &err), &err);
    commit_and_close(registry);
}

/* Any tree becomes any other, exactly, and writing a state twice is writing it once. */
static void test_random_trees(void **state)
{
    unsigned seed = 980915;

    for (int round = 0; round < 12; round++) {
        json_t *raw = random_tree(&seed, 3);
        json_t *first;
        write_tree(*state, "T", raw);
        first = tree_of(*state, "T"); /* the same with its values sorted */
        write_tree(*state, "T", first);
        check_tree(*state, "T", first);
        write_tree(*state, "Copy\\Of", first);
        check_tree(*state, "Copy\\Of", first);
        json_decref(first);
        json_decref(raw);
    }
}

static void test_trees_keep_spelling(void **state)
{
    json_t *lower = json_pack("{s:[{s:s,s:i,s:s}], s:{s:{s:[],s:{}}}}", "values", "name", "v", "type", 4, "data",
                              "01000000", "keys", "sub", "values", "keys");
    json_t *upper = json_pack("{s:[{s:s,s:i,s:s}], s:{s:{s:[],s:{}}}}", "values", "name", "V", "type", 4, "data",
                              "01000000", "keys", "SUB", "values", "keys");

    write_tree(*state, "T", lower);
    check_tree(*state, "T", lower);
    write_tree(*state, "T", upper);
    check_tree(*state, "T", upper);
    write_tree(*state, "T", lower);
    check_tree(*state, "T", lower);
    json_decref(lower);
    json_decref(upper);
}

static void check_only_value(struct stf_registry *registry, const char *key, const char *name)
{
    struct stf_registry_listing listing;
    struct stf_err err = {0};

    assert_ok(stf_registry_list(registry, key, &listing, &err), &err);
    assert_int_equal(listing.value_count, 1);
    assert_string_equal(listing.values[0].name, name);
    stf_registry_listing_fini(&listing);
}

static void test_patches_keep_spelling(void **state)
{
    const struct stf_reg_edit edit = {
        .kind = STF_REG_SET_VALUE, .key = "T", .value = {"V", STF_REG_DWORD, (uint8_t *)"\1\0\0\0", 4}};
    struct stf_registry *registry = open_store(*state, STF_REGISTRY_WRITE);
    struct stf_reg_edits edits = {0};
    struct stf_registry_patch *patch = NULL;
    json_t *done = json_true();
    json_t *before = NULL;
    struct stf_err err = {0};

    set_bytes(registry, "T", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_reg_edits_add(&edits, &edit, &err), &err);
    assert_ok(stf_registry_patch_new(&edits, NULL, registry, &patch, &err), &err);
    assert_ok(stf_registry_patch_read(registry, patch, &before, &err), &err);
    assert_ok(stf_registry_patch_write(registry, patch, done, &err), &err);
    check_only_value(registry, "T", "V");
    assert_ok(stf_registry_patch_write(registry, patch, before, &err), &err);
    check_only_value(registry, "T", "v");
    json_decref(before);
    stf_registry_patch_free(patch);
    stf_reg_edits_fini(&edits);
    stf_registry_close(registry);
}

static void check_bad_tree(const struct store *store, const char *text)
{
    struct stf_registry *registry = open_store(store, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    json_t *tree = json_loads(text, 0, NULL);

    assert_non_null(tree);
    assert_int_equal(stf_registry_tree_write(registry, "T", tree, &err), STF_INVALID_DATA);
    assert_true(err.message[0] != '\0');
    stf_registry_close(registry);
    json_decref(tree);
}

static void test_bad_trees(void **state)
{
    check_bad_tree(*state, "{}");
    check_bad_tree(*state, "{\"values\": [], \"keys\": []}");
    check_bad_tree(*state, "{\"values\": [], \"keys\": {}, \"x\": 1}");
    check_bad_tree(*state, "{\"values\": [], \"keys\": {\"a\": 1}}");
    check_bad_tree(*state, "{\"values\": [], \"keys\": {\"a\\\\b\": {\"values\": [], \"keys\": {}}}}");
    check_bad_tree(*state, "{\"values\": [], \"keys\": {\"a\": {\"values\": [], \"keys\": {}}, \"A\": {\"values\": [], "
                           "\"keys\": {}}}}");
    check_bad_tree(*state, "{\"values\": [{\"name\": \"a\", \"type\": 1, \"data\": \"0\"}], \"keys\": {}}");
    check_bad_tree(*state, "{\"values\": [{\"name\": \"a\", \"type\": -1, \"data\": \"\"}], \"keys\": {}}");
    check_bad_tree(*state, "{\"values\": [{\"name\": \"a\", \"type\": 4294967296, \"data\": \"\"}], \"keys\": {}}");
    check_bad_tree(*state,
                   "{\"values\": [{\"name\": \"a\", \"type\": 1, \"data\": \"\"}, {\"name\": \"A\", \"type\": 1, "
                   "\"data\": \"\"}], \"keys\": {}}");
}

/* ---- what a key has besides names and values ---- */

/* Everybody may do everything, here and below, whatever the key above says. */
#define EVERYBODYS_RIGHTS                                                                                              \
    "0100049000000000000000000000000014000000"                                                                         \
    "02001c000100000000031400"                                                                                         \
    "3f000f00010100000000000100000000"

static json_t *tree_with_extras(const struct store *store)
{
    json_t *tree = json_pack("{s:[], s:{s:{s:[], s:{}, s:{s:s}}, s:{s:[], s:{}}}}", "values", "keys", "Own", "values",
                             "keys", "extras", "security", EVERYBODYS_RIGHTS, "Class", "values", "keys");
    json_t *keys = json_object_get(tree, "keys");

    assert_non_null(tree);
    if (!store->has_no_classes)
        json_object_set_new(json_object_get(keys, "Class"), "extras", json_pack("{s:s}", "class", "410062006300"));
    if (!store->has_live_rights) {
        json_object_set_new(json_object_get(json_object_get(keys, "Own"), "keys"), "Inherits",
                            json_pack("{s:[], s:{}}", "values", "keys"));
    }
    return tree;
}

/* They come back with a key that was deleted; or the store says that it has none, and takes none. */
static void test_classes_and_rights(void **state)
{
    const struct store *store = *state;
    json_t *tree = tree_with_extras(store);
    struct stf_registry *registry = open_store(store, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    assert_non_null(stf_registry_limits(store->backend));
    if (store->backend->write_extras == NULL) {
        assert_contains(stf_registry_limits(store->backend), "no class names, rights or times");
        assert_int_equal(stf_registry_tree_check_extras(registry, tree, &err), STF_UNSUPPORTED);
        stf_registry_close(registry);
        json_decref(tree);
        return;
    }
    for (int round = 0; round < 2; round++) {
        assert_ok(stf_registry_tree_check_extras(registry, tree, &err), &err);
        assert_ok(stf_registry_tree_write(registry, "T", tree, &err), &err);
        commit_and_close(registry);
        check_tree(store, "T", tree);
        registry = open_store(store, STF_REGISTRY_WRITE);
        assert_ok(stf_registry_tree_write(registry, "T", tree, &err), &err);
        assert_ok(stf_registry_delete_key(registry, round == 0 ? "T" : "T\\Class", &err), &err);
    }
    json_object_del(json_object_get(json_object_get(tree, "keys"), "Own"), "extras");
    assert_int_equal(stf_registry_tree_write(registry, "T", tree, &err),
                     store->has_live_rights ? STF_UNSUPPORTED : STF_OK);
    stf_registry_close(registry);
    json_decref(tree);
}

/* ---- CurrentControlSet ---- */

static void test_current_control_set(void **state)
{
    struct store store = *(struct store *)*state;
    struct stf_registry *registry;
    struct stf_registry_value value = {0};
    struct stf_err err = {0};

    store.place.is_system = true;
    registry = open_store(&store, STF_REGISTRY_WRITE);
    assert_int_equal(stf_registry_get(registry, "CurrentControlSet\\Services", "v", &value, &err), STF_INVALID_DATA);
    assert_contains(err.message, "Select\\Current");
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services", "v", STF_REG_SZ, "1\0\0\0", 4);
    set_bytes(registry, "ControlSet002\\Services", "v", STF_REG_SZ, "2\0\0\0", 4);
    check_value(registry, "currentcontrolset\\Services",
                &(struct stf_registry_value){"v", STF_REG_SZ, (uint8_t *)"2\0\0\0", 4});
    set_bytes(registry, "CurrentControlSet\\Services", "w", STF_REG_SZ, "w\0\0\0", 4);
    assert_int_equal(kind_of_get(registry, "ControlSet002\\Services", "w"), STF_OK);
    assert_int_equal(kind_of_get(registry, "ControlSet001\\Services", "w"), STF_NOT_FOUND);
    assert_int_equal(kind_of_get(registry, "Select\\CurrentControlSet", "w"), STF_NOT_FOUND);
    check_existing(registry, "CurrentControlSet\\Services\\X", 2, 3, NULL);
    check_existing(registry, "CurrentControlSet", 1, 1, NULL);

    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\1\0\0\0", 4);
    check_value(registry, "CurrentControlSet\\Services",
                &(struct stf_registry_value){"v", STF_REG_SZ, (uint8_t *)"1\0\0\0", 4});
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\0\0\0\0", 4);
    assert_int_equal(stf_registry_get(registry, "CurrentControlSet", "v", &value, &err), STF_INVALID_DATA);
    set_bytes(registry, "Select", "Current", STF_REG_SZ, "1\0\0\0", 4);
    assert_int_equal(stf_registry_get(registry, "CurrentControlSet", "v", &value, &err), STF_INVALID_DATA);
    stf_registry_close(registry);

    /* any other store: a plain name */
    registry = open_store(*state, STF_REGISTRY_WRITE);
    set_bytes(registry, "CurrentControlSet", "v", STF_REG_SZ, "3\0\0\0", 4);
    assert_int_equal(kind_of_get(registry, "CurrentControlSet", "v"), STF_OK);
    stf_registry_close(registry);
}

/* clang-format off */
#define CONTRACT_TEST(test, label, setup, teardown) {#test " (" label ")", test, setup, teardown, NULL}
#define CONTRACT_TESTS(label, setup, teardown) \
    CONTRACT_TEST(test_empty, label, setup, teardown), \
    CONTRACT_TEST(test_every_type_and_size, label, setup, teardown), \
    CONTRACT_TEST(test_absence, label, setup, teardown), \
    CONTRACT_TEST(test_set_replace_delete, label, setup, teardown), \
    CONTRACT_TEST(test_names_ignore_case_and_keep_it, label, setup, teardown), \
    CONTRACT_TEST(test_listing_is_sorted, label, setup, teardown), \
    CONTRACT_TEST(test_uncommitted_is_dropped, label, setup, teardown), \
    CONTRACT_TEST(test_reading_store_refuses_changes, label, setup, teardown), \
    CONTRACT_TEST(test_bad_names, label, setup, teardown), \
    CONTRACT_TEST(test_delete_key_takes_its_subtree, label, setup, teardown), \
    CONTRACT_TEST(test_existing_and_trim, label, setup, teardown), \
    CONTRACT_TEST(test_random_trees, label, setup, teardown), \
    CONTRACT_TEST(test_trees_keep_spelling, label, setup, teardown), \
    CONTRACT_TEST(test_patches_keep_spelling, label, setup, teardown), \
    CONTRACT_TEST(test_bad_trees, label, setup, teardown), \
    CONTRACT_TEST(test_classes_and_rights, label, setup, teardown), \
    CONTRACT_TEST(test_current_control_set, label, setup, teardown)
/* clang-format on */
