/* test_registry_patch.c - alterations all over a tree as one change: what they touch, what they make of it, and that
 * the state before, written back, leaves the tree as it was. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "registry/patch.h"
#include "registry/tree.h"

struct fixture {
    struct stf_registry_memory *memory;
    struct stf_registry_place place;
    struct stf_reg_edits edits;
};

static struct stf_registry *open_store(struct fixture *fixture)
{
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_memory, &fixture->place, STF_REGISTRY_WRITE, &registry, &err),
              &err);
    return registry;
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct stf_registry *registry;

    fixture->memory = stf_registry_memory_new();
    fixture->place = (struct stf_registry_place){.memory = fixture->memory, .is_system = true};
    registry = open_store(fixture);
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(registry, "ControlSet002\\Services\\Old", "v", STF_REG_SZ, "a\0\0\0", 4);
    set_bytes(registry, "ControlSet002\\Services\\Old\\Below", "Deep", 0x1234, "\1", 1);
    set_bytes(registry, "A", "Keep", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "A", "Change", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "A", "Gone", STF_REG_BINARY, "\1\2", 2);
    commit_and_close(registry);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    stf_reg_edits_fini(&fixture->edits);
    stf_registry_memory_free(fixture->memory);
    free(fixture);
    return 0;
}

#define ROOT "HKEY_LOCAL_MACHINE\\SYSTEM"

static void add(struct fixture *fixture, enum stf_reg_edit_kind kind, const char *key, const char *name)
{
    struct stf_reg_edit edit = {.kind = kind, .key = key};
    struct stf_err err = {0};

    edit.value.name = (char *)name;
    if (kind == STF_REG_SET_VALUE) {
        edit.value = (struct stf_registry_value){(char *)name, STF_REG_BINARY, (uint8_t *)"\7", 1};
    }
    assert_ok(stf_reg_edits_add(&fixture->edits, &edit, &err), &err);
}

static struct stf_registry_patch *new_patch(struct fixture *fixture)
{
    struct stf_registry *registry = open_store(fixture);
    struct stf_registry_patch *patch = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_patch_new(&fixture->edits, "HKLM\\SYSTEM", registry, &patch, &err), &err);
    stf_registry_close(registry);
    return patch;
}

static json_t *whole_tree(struct fixture *fixture)
{
    struct stf_registry *registry = open_store(fixture);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

static json_t *read_scope(struct fixture *fixture, const json_t *scope)
{
    struct stf_registry *registry = open_store(fixture);
    struct stf_err err = {0};
    json_t *state = NULL;

    assert_ok(stf_registry_scope_read(registry, scope, &state, &err), &err);
    stf_registry_close(registry);
    return state;
}

static enum stf_kind write_scope(struct fixture *fixture, const json_t *scope, const json_t *state, struct stf_err *err)
{
    struct stf_registry *registry = open_store(fixture);
    enum stf_kind kind = stf_registry_scope_write(registry, scope, state, err);

    if (kind == STF_OK) {
        kind = stf_registry_commit(registry, err);
    }
    stf_registry_close(registry);
    return kind;
}

static void assert_same(const json_t *found, const json_t *wanted)
{
    if (!json_equal(found, wanted)) {
        fail_msg("found\n%s\nwanted\n%s", json_dumps(found, JSON_SORT_KEYS | JSON_ENCODE_ANY),
                 json_dumps(wanted, JSON_SORT_KEYS | JSON_ENCODE_ANY));
    }
}

/* What the change engine does: read, write, read back, write twice, undo. Gives the tree after the patch. */
static json_t *apply_and_undo(struct fixture *fixture)
{
    struct stf_registry_patch *patch = new_patch(fixture);
    json_t *tree = whole_tree(fixture);
    json_t *scope = NULL;
    json_t *after = NULL;
    json_t *before;
    json_t *found;
    json_t *changed;
    struct stf_err err = {0};

    assert_ok(stf_registry_patch_scope(patch, &scope, &err), &err);
    before = read_scope(fixture, scope);
    assert_ok(stf_registry_patch_after(patch, before, &after, &err), &err);
    stf_registry_patch_free(patch);
    for (int i = 0; i < 2; i++) {
        assert_ok(write_scope(fixture, scope, after, &err), &err);
        found = read_scope(fixture, scope);
        assert_same(found, after);
        json_decref(found);
    }
    changed = whole_tree(fixture);
    for (int i = 0; i < 2; i++) {
        assert_ok(write_scope(fixture, scope, before, &err), &err);
        found = whole_tree(fixture);
        assert_same(found, tree);
        json_decref(found);
    }
    json_decref(tree);
    json_decref(scope);
    json_decref(before);
    json_decref(after);
    return changed;
}

static const json_t *key_at(const json_t *tree, const char *first, const char *second)
{
    const json_t *key = json_object_get(json_object_get(tree, "keys"), first);

    return second != NULL ? json_object_get(json_object_get(key, "keys"), second) : key;
}

static void test_values_and_keys(void **state)
{
    struct fixture *fixture = *state;
    json_t *changed;

    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "A",
        "change");
    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "a",
        "New");
    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "B\\C",
        "");
    add(fixture, STF_REG_DELETE_VALUE,
        ROOT "\\"
             "A",
        "gone");
    add(fixture, STF_REG_DELETE_VALUE,
        ROOT "\\"
             "A",
        "Never");
    add(fixture, STF_REG_CREATE_KEY,
        ROOT "\\"
             "B\\Empty",
        "");
    changed = apply_and_undo(fixture);
    assert_int_equal(json_array_size(json_object_get(key_at(changed, "A", NULL), "values")), 3);
    assert_non_null(key_at(changed, "B", "C"));
    assert_non_null(key_at(changed, "B", "Empty"));
    json_decref(changed);
}

static void test_a_key_that_goes_and_one_that_comes_again(void **state)
{
    struct fixture *fixture = *state;
    json_t *changed;

    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "a\\lost",
        "x");
    add(fixture, STF_REG_DELETE_KEY,
        ROOT "\\"
             "a",
        "");
    add(fixture, STF_REG_DELETE_KEY,
        ROOT "\\"
             "CONTROLSET002\\Services",
        "");
    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "ControlSet002\\services\\Fresh",
        "x");
    add(fixture, STF_REG_DELETE_KEY,
        ROOT "\\"
             "Not\\There",
        "");
    changed = apply_and_undo(fixture);
    assert_null(key_at(changed, "A", NULL));
    assert_null(key_at(changed, "Not", NULL));
    assert_null(key_at(changed, "ControlSet002", "Services"));
    assert_non_null(key_at(changed, "ControlSet002", "services"));
    json_decref(changed);
}

static void test_the_current_control_set(void **state)
{
    struct fixture *fixture = *state;
    json_t *changed;

    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "CurrentControlSet\\Services\\Old",
        "new");
    add(fixture, STF_REG_DELETE_KEY,
        ROOT "\\"
             "currentcontrolset\\Services\\Old\\Below",
        "");
    changed = apply_and_undo(fixture);
    assert_null(key_at(changed, "CurrentControlSet", NULL));
    assert_non_null(key_at(changed, "ControlSet002", "Services"));
    json_decref(changed);
}

static void test_what_others_put_there_is_never_deleted(void **state)
{
    struct fixture *fixture = *state;
    struct stf_registry *registry;
    struct stf_err err = {0};
    json_t *scope = NULL;
    json_t *after = NULL;
    json_t *before;
    json_t *tree;
    json_t *found;
    struct stf_registry_patch *patch;

    add(fixture, STF_REG_SET_VALUE,
        ROOT "\\"
             "B\\C",
        "mine");
    patch = new_patch(fixture);
    assert_ok(stf_registry_patch_scope(patch, &scope, &err), &err);
    before = read_scope(fixture, scope);
    assert_ok(stf_registry_patch_after(patch, before, &after, &err), &err);
    stf_registry_patch_free(patch);
    assert_ok(write_scope(fixture, scope, after, &err), &err);
    registry = open_store(fixture);
    set_bytes(registry, "B\\C", "theirs", STF_REG_BINARY, "\1", 1);
    commit_and_close(registry);
    tree = whole_tree(fixture);
    assert_int_equal(write_scope(fixture, scope, before, &err), STF_CONFLICT);
    assert_contains(err.message, "something else was put there");
    found = whole_tree(fixture);
    assert_same(found, tree);
    json_decref(found);
    json_decref(tree);
    json_decref(scope);
    json_decref(before);
    json_decref(after);
}

static void test_wrong_documents(void **state)
{
    static const char *const scopes[] = {"null",
                                         "true",
                                         "{}",
                                         "{\"values\": [1], \"keys\": {}}",
                                         "{\"values\": [], \"keys\": {\"A\": 1}}",
                                         "{\"values\": [], \"keys\": {\"CurrentControlSet\": true}}"};
    struct fixture *fixture = *state;
    struct stf_registry *registry = open_store(fixture);
    struct stf_registry_patch *patch = NULL;
    struct stf_err err = {0};
    json_t *result = NULL;
    json_t *scope = json_loads("{\"values\": [], \"keys\": {\"A\": true}}", 0, NULL);
    json_t *empty = json_loads("{\"values\": {}, \"keys\": {}}", 0, NULL);

    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        json_t *wrong = json_loads(scopes[i], JSON_DECODE_ANY, NULL);
        assert_int_equal(stf_registry_scope_read(registry, wrong, &result, &err), STF_INVALID_DATA);
        json_decref(wrong);
    }
    assert_int_equal(stf_registry_scope_write(registry, scope, empty, &err), STF_INVALID_DATA);
    add(fixture, STF_REG_DELETE_KEY, ROOT, "");
    assert_int_equal(stf_registry_patch_new(&fixture->edits, "HKLM\\SYSTEM", registry, &patch, &err), STF_UNSUPPORTED);
    assert_null(patch);
    assert_int_equal(stf_registry_patch_new(&fixture->edits, "HKLM\\SOFTWARE", registry, &patch, &err),
                     STF_INVALID_DATA);
    json_decref(scope);
    json_decref(empty);
    stf_registry_close(registry);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_and_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_goes_and_one_that_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_current_control_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_others_put_there_is_never_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_documents, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
