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

/* Of a key below the store's root. */
static void add(struct fixture *fixture, enum stf_reg_edit_kind kind, const char *key, const char *name)
{
    char path[128];
    struct stf_reg_edit edit = {.kind = kind, .key = path};
    struct stf_err err = {0};

    snprintf(path, sizeof(path), "HKEY_LOCAL_MACHINE\\SYSTEM%s%s", *key != '\0' ? "\\" : "", key);
    edit.value.name = (char *)name;
    if (kind == STF_REG_SET_VALUE)
        edit.value = (struct stf_registry_value){(char *)name, STF_REG_BINARY, (uint8_t *)"\7", 1};
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

static json_t *read_patch(struct fixture *fixture, const struct stf_registry_patch *patch)
{
    struct stf_registry *registry = open_store(fixture);
    struct stf_err err = {0};
    json_t *state = NULL;

    assert_ok(stf_registry_patch_read(registry, patch, &state, &err), &err);
    stf_registry_close(registry);
    return state;
}

static enum stf_kind write_patch(struct fixture *fixture, const struct stf_registry_patch *patch, const json_t *state,
                                 struct stf_err *err)
{
    struct stf_registry *registry = open_store(fixture);
    enum stf_kind kind = stf_registry_patch_write(registry, patch, state, err);

    if (kind == STF_OK)
        kind = stf_registry_commit(registry, err);
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

/* The patch that the text of this one says, which is the same text again. Takes the patch over. */
static struct stf_registry_patch *through_text(struct stf_registry_patch *patch)
{
    struct stf_registry_patch *parsed = NULL;
    struct stf_err err = {0};
    char *text = stf_registry_patch_text(patch);
    char *again;

    stf_registry_patch_free(patch);
    assert_ok(stf_registry_patch_parse(text, &parsed, &err), &err);
    again = stf_registry_patch_text(parsed);
    assert_string_equal(again, text);
    free(again);
    free(text);
    return parsed;
}

/* What the change engine does: read, write, read back, write twice, undo. Gives the tree after the patch. */
static json_t *apply_and_undo(struct fixture *fixture)
{
    struct stf_registry_patch *patch = through_text(new_patch(fixture));
    json_t *tree = whole_tree(fixture);
    json_t *before = read_patch(fixture, patch);
    json_t *found;
    json_t *changed;
    struct stf_err err = {0};

    assert_true(json_is_object(before));
    for (int i = 0; i < 2; i++) {
        assert_ok(write_patch(fixture, patch, json_true(), &err), &err);
        assert_true(json_is_true(read_patch(fixture, patch)));
    }
    changed = whole_tree(fixture);
    for (int i = 0; i < 2; i++) {
        assert_ok(write_patch(fixture, patch, before, &err), &err);
        found = whole_tree(fixture);
        assert_same(found, tree);
        json_decref(found);
        found = read_patch(fixture, patch);
        assert_same(found, before);
        json_decref(found);
    }
    json_decref(tree);
    json_decref(before);
    stf_registry_patch_free(patch);
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

    add(fixture, STF_REG_SET_VALUE, "A", "change");
    add(fixture, STF_REG_SET_VALUE, "a", "New");
    add(fixture, STF_REG_SET_VALUE, "B\\C", "");
    add(fixture, STF_REG_DELETE_VALUE, "A", "gone");
    add(fixture, STF_REG_DELETE_VALUE, "A", "Never");
    add(fixture, STF_REG_CREATE_KEY, "B\\Empty", "");
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

    add(fixture, STF_REG_SET_VALUE, "a\\lost", "x");
    add(fixture, STF_REG_DELETE_KEY, "a", "");
    add(fixture, STF_REG_DELETE_KEY, "CONTROLSET002\\Services", "");
    add(fixture, STF_REG_SET_VALUE, "ControlSet002\\services\\Fresh", "x");
    add(fixture, STF_REG_DELETE_KEY, "Not\\There", "");
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

    add(fixture, STF_REG_SET_VALUE, "CurrentControlSet\\Services\\Old", "new");
    add(fixture, STF_REG_DELETE_KEY, "currentcontrolset\\Services\\Old\\Below", "");
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
    json_t *before;
    json_t *tree;
    json_t *found;
    struct stf_registry_patch *patch;

    add(fixture, STF_REG_SET_VALUE, "B\\C", "mine");
    patch = new_patch(fixture);
    before = read_patch(fixture, patch);
    assert_ok(write_patch(fixture, patch, json_true(), &err), &err);
    registry = open_store(fixture);
    set_bytes(registry, "B\\C", "theirs", STF_REG_BINARY, "\1", 1);
    commit_and_close(registry);
    tree = whole_tree(fixture);
    assert_true(json_is_true(read_patch(fixture, patch)));
    assert_int_equal(write_patch(fixture, patch, before, &err), STF_CONFLICT);
    assert_contains(err.message, "something else was put there");
    found = whole_tree(fixture);
    assert_same(found, tree);
    json_decref(found);
    json_decref(tree);
    json_decref(before);
    stf_registry_patch_free(patch);
}

/* What a patch says stands only when it stands in just that way; what it makes anew has nothing else in it. */
static void test_any_difference_is_seen(void **state)
{
    static const struct {
        const char *key;
        const char *name;
    } strays[] = {{"A", "NEW"}, {"A", "gone"}, {"B", "more"}, {"B\\C\\D", ""}, {"E", "x"}};
    struct fixture *fixture = *state;
    struct stf_registry_patch *patch;
    struct stf_err err = {0};

    add(fixture, STF_REG_SET_VALUE, "A", "New");
    add(fixture, STF_REG_DELETE_VALUE, "A", "Gone");
    add(fixture, STF_REG_DELETE_KEY, "B", "");
    add(fixture, STF_REG_SET_VALUE, "B\\C", "x");
    add(fixture, STF_REG_DELETE_KEY, "E", "");
    patch = new_patch(fixture);
    for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++) {
        struct stf_registry *registry;
        json_t *found;
        assert_ok(write_patch(fixture, patch, json_true(), &err), &err);
        assert_true(json_is_true(read_patch(fixture, patch)));
        registry = open_store(fixture);
        set_bytes(registry, strays[i].key, strays[i].name, STF_REG_BINARY, "\7", 1);
        commit_and_close(registry);
        found = read_patch(fixture, patch);
        assert_true(json_is_object(found));
        json_decref(found);
    }
    stf_registry_patch_free(patch);
}

static void test_what_a_patch_names(void **state)
{
    static const char text[] = "+0:+1:A=1:x4:4:01000000~1:y-1:B))!1:C.1:D-1:E))))";
    static const struct {
        enum stf_reg_edit_kind kind;
        const char *key;
    } wanted[] = {
        {STF_REG_CREATE_KEY, "M"},      {STF_REG_CREATE_KEY, "M\\A"},       {STF_REG_SET_VALUE, "M\\A"},
        {STF_REG_DELETE_VALUE, "M\\A"}, {STF_REG_DELETE_KEY, "M\\A\\B"},    {STF_REG_DELETE_KEY, "M\\C"},
        {STF_REG_CREATE_KEY, "M\\C"},   {STF_REG_DELETE_KEY, "M\\C\\D\\E"},
    };
    struct fixture *fixture = *state;
    struct stf_registry_patch_size named = stf_registry_patch_count_named(text);
    struct stf_registry_patch_size after = stf_registry_patch_count_after(text);
    struct stf_registry_patch *patch = NULL;
    struct stf_err err = {0};

    assert_int_equal(named.values, 2);
    assert_int_equal(named.keys, 5);
    assert_int_equal(after.values, 1);
    assert_int_equal(after.keys, 2);
    assert_ok(stf_registry_patch_parse(text, &patch, &err), &err);
    assert_ok(stf_registry_patch_edits(patch, "M", &fixture->edits, &err), &err);
    stf_registry_patch_free(patch);
    assert_int_equal(fixture->edits.count, sizeof(wanted) / sizeof(wanted[0]));
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_int_equal(fixture->edits.items[i].kind, wanted[i].kind);
        assert_string_equal(fixture->edits.items[i].key, wanted[i].key);
    }
}

static void test_wrong_documents(void **state)
{
    static const char *const texts[] = {"",
                                        ")",
                                        "-0:)",
                                        "+1:A)",
                                        "+0:",
                                        "+0:))",
                                        "+0:+1:A)",
                                        "+0:+1:A)+1:a))",
                                        "+0:=1:x3:1:0g)",
                                        "+0:=1:x3:1:0",
                                        "+0:=1:x3:-1:)",
                                        "+0:+0:))",
                                        "+0:~99999999999999999999:x)",
                                        "+0:=1:x4294967296:0:)",
                                        "+0:?1:x)"};
    static const char *const states[] = {"null", "{}", "{\"values\": {}, \"keys\": {}}",
                                         "{\"values\": {}, \"keys\": {\"A\": 1}}",
                                         "{\"values\": {}, \"keys\": {\"B\": null}}"};
    struct fixture *fixture = *state;
    struct stf_registry *registry = open_store(fixture);
    struct stf_registry_patch *patch = NULL;
    struct stf_err err = {0};
    json_t *result = NULL;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(stf_registry_patch_parse(texts[i], &patch, &err), STF_INVALID_DATA);
    assert_ok(stf_registry_patch_parse("+0:-1:A))", &patch, &err), &err);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        json_t *wrong = json_loads(states[i], JSON_DECODE_ANY, NULL);
        assert_int_equal(stf_registry_patch_write(registry, patch, wrong, &err), STF_INVALID_DATA);
        json_decref(wrong);
    }
    stf_registry_patch_free(patch);
    assert_ok(stf_registry_patch_parse("+0:-17:CurrentControlSet))", &patch, &err), &err);
    assert_int_equal(stf_registry_patch_read(registry, patch, &result, &err), STF_INVALID_DATA);
    stf_registry_patch_free(patch);
    add(fixture, STF_REG_DELETE_KEY, "", "");
    assert_int_equal(stf_registry_patch_new(&fixture->edits, "HKLM\\SYSTEM", registry, &patch, &err), STF_UNSUPPORTED);
    assert_null(patch);
    assert_int_equal(stf_registry_patch_new(&fixture->edits, "HKLM\\SOFTWARE", registry, &patch, &err),
                     STF_INVALID_DATA);
    stf_registry_close(registry);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values_and_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_key_that_goes_and_one_that_comes_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_current_control_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_others_put_there_is_never_deleted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_difference_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_patch_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_documents, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
