/* test_registry_windows.c - what only the live registry has: roots, views, rights, links, notices, names of any units.
 * Under Wine 8 it shows what Wine does; README.md says where that matters. SPDX-License-Identifier: MIT */
#include "registry_assert.h"

#include <jansson.h>

#include "registry/patch.h"
#include "registry/tree.h"
#include "registry/watch.h"
#include "registry/windows_api.h"

#include <aclapi.h>
#include <windows.h>

static char test_key[64]; /* "HKCU\Software\staffetta-live-12" */

static const char *below_root(const char *key)
{
    return strchr(key, '\\') + 1;
}

static int setup(void **state)
{
    HKEY key;

    (void)state;
    snprintf(test_key, sizeof(test_key), "HKCU\\Software\\staffetta-live-%lu", GetCurrentProcessId());
    return RegCreateKeyA(HKEY_CURRENT_USER, below_root(test_key), &key) == ERROR_SUCCESS ? RegCloseKey(key) : -1;
}

static int teardown(void **state)
{
    (void)state;
    return RegDeleteTreeA(HKEY_CURRENT_USER, below_root(test_key)) == ERROR_SUCCESS ? 0 : -1;
}

static struct stf_registry *open_place(const struct stf_registry_place *place)
{
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_windows, place, STF_REGISTRY_WRITE, &registry, &err), &err);
    return registry;
}

static struct stf_registry *open_test_key(void)
{
    return open_place(&(struct stf_registry_place){.key = test_key});
}

/* A subkey of the test's key by advapi32 itself. */
static HKEY native_key(const char *name, REGSAM access)
{
    char path[512];
    HKEY key;

    snprintf(path, sizeof(path), "%s\\%s", below_root(test_key), name);
    assert_int_equal(RegCreateKeyExA(HKEY_CURRENT_USER, path, 0, NULL, 0, access, NULL, &key, NULL), ERROR_SUCCESS);
    return key;
}

/* ---- what stands is what Windows' own calls see ---- */

static void test_windows_sees_what_we_write(void **state)
{
    struct stf_registry *registry = open_test_key();
    HKEY key;
    DWORD type = 0;
    BYTE data[64];
    DWORD size = sizeof(data);

    (void)state;
    set_bytes(registry, "Sub", "without end", STF_REG_SZ, "a\0b\0", 4);
    set_bytes(registry, "Sub", "odd", STF_REG_MULTI_SZ, "a\0b", 3);
    commit_and_close(registry);
    key = native_key("Sub", KEY_QUERY_VALUE);
    assert_int_equal(RegQueryValueExA(key, "odd", NULL, &type, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(type, REG_MULTI_SZ);
    assert_int_equal(RegQueryValueExW(key, L"without end", NULL, &type, data, &size), ERROR_SUCCESS);
    assert_int_equal(size, 4);
    assert_int_equal(type, REG_SZ);
    assert_memory_equal(data, "a\0b\0", 4);
    RegCloseKey(key);
}

static void test_large_data(void **state)
{
    enum { SIZE = 1 << 20 };
    struct stf_registry *registry = open_test_key();
    struct stf_registry_value value = {0};
    struct stf_err err = {0};
    uint8_t *data = malloc(SIZE);

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 31 >> 3);
    set_bytes(registry, "", "large", STF_REG_BINARY, data, SIZE);
    assert_ok(stf_registry_get(registry, "", "large", &value, &err), &err);
    assert_int_equal(value.size, SIZE);
    assert_memory_equal(value.data, data, SIZE);
    stf_registry_value_fini(&value);
    free(data);
    commit_and_close(registry);
}

/* Unpaired surrogates are legal in names here; a NUL is legal in the registry, and out of advapi32's reach. */
static void test_names_of_any_units(void **state)
{
    static const WCHAR lone[] = {0xd83d, L'x', 0xde00, 0xfdd0, 0};
    static const char name[] = "\uFDD0D83Dx\uFDD0DE00\uFDD0FDD0";
    struct stf_registry *registry = open_test_key();
    struct stf_registry_value value = {.name = "\uFDD00000", .data = (uint8_t *)""};
    struct stf_registry_listing listing;
    struct stf_err err = {0};
    char key[64];
    HKEY native;

    (void)state;
    snprintf(key, sizeof(key), "Names\\%s", name);
    set_bytes(registry, key, name, STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_list(registry, "Names", &listing, &err), &err);
    assert_int_equal(listing.key_count, 1);
    assert_string_equal(listing.keys[0], name);
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_list(registry, key, &listing, &err), &err);
    assert_int_equal(listing.value_count, 1);
    assert_string_equal(listing.values[0].name, name);
    stf_registry_listing_fini(&listing);

    native = native_key("Names", KEY_ALL_ACCESS);
    assert_int_equal(RegDeleteKeyW(native, lone), ERROR_SUCCESS);
    RegCloseKey(native);

    assert_int_equal(stf_registry_set(registry, "Names", &value, &err), STF_UNSUPPORTED);
    assert_contains(err.message, "a NUL in its name");
    assert_int_equal(stf_registry_create_key(registry, "Names\\a\uFDD00000", &err), STF_UNSUPPORTED);
    stf_registry_close(registry);
}

static void test_deep_and_long(void **state)
{
    enum { DEPTH = 100, SIZE = 200 };
    struct stf_registry *registry = open_test_key();
    struct stf_err err = {0};
    json_t *tree = NULL;
    char *key = malloc(DEPTH * (SIZE + 1) + 1);
    char *at = key;

    (void)state;
    for (int i = 0; i < DEPTH; i++) {
        memset(at, 'a' + i % 26, SIZE);
        at[SIZE] = '\\';
        at += SIZE + 1;
    }
    at[-1] = '\0';
    set_bytes(registry, key, "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    for (json_t *level = tree; json_object_size(json_object_get(level, "keys")) > 0;) {
        at -= SIZE + 1;
        level = json_object_iter_value(json_object_iter(json_object_get(level, "keys")));
    }
    assert_ptr_equal(at, key);
    json_decref(tree);
    key[SIZE] = '\0';
    assert_ok(stf_registry_delete_key(registry, key, &err), &err);
    free(key);
    commit_and_close(registry);
}

/* ---- roots and views ---- */

static void test_whole_registry(void **state)
{
    static const char *const long_names[] = {"HKEY_CLASSES_ROOT", "HKEY_CURRENT_CONFIG", "HKEY_CURRENT_USER",
                                             "HKEY_LOCAL_MACHINE", "HKEY_USERS"};
    struct stf_registry *registry = open_place(&(struct stf_registry_place){0});
    struct stf_registry_listing listing;
    struct stf_registry_value value = {.name = "v", .data = (uint8_t *)""};
    struct stf_err err = {0};
    size_t existing;
    size_t components;
    char *spelling = NULL;

    (void)state;
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 5);
    assert_int_equal(listing.value_count, 0);
    for (size_t i = 0; i < 5; i++) {
        struct stf_registry_listing below;
        assert_string_equal(listing.keys[i], long_names[i]);
        assert_ok(stf_registry_list(registry, long_names[i], &below, &err), &err);
        stf_registry_listing_fini(&below);
    }
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_existing(registry, "hklm\\software\\microsoft", &existing, &components, &spelling, &err),
              &err);
    assert_int_equal(existing, 3);
    assert_string_equal(spelling, "Microsoft");
    free(spelling);
    assert_ok(stf_registry_existing(registry, "HKEY_LOCAL_MACHINE", &existing, &components, NULL, &err), &err);
    assert_int_equal(existing, 1);

    assert_int_equal(stf_registry_list(registry, "HKXX", &listing, &err), STF_NOT_FOUND);
    assert_int_equal(stf_registry_create_key(registry, "HKXX", &err), STF_UNSUPPORTED);
    assert_int_equal(stf_registry_set(registry, "", &value, &err), STF_UNSUPPORTED);
    assert_int_equal(stf_registry_delete_key(registry, "HKCU", &err), STF_UNSUPPORTED);

    set_bytes(registry, test_key, "through the root", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    registry = open_test_key();
    assert_ok(stf_registry_get(registry, "", "through the root", &value, &err), &err);
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
}

static void test_absent_root_of_a_store(void **state)
{
    struct stf_registry *registry = NULL;
    struct stf_registry_place place = {.key = "HKCU\\Software\\staffetta-there-is-no-such-key"};
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(stf_registry_open(&stf_registry_backend_windows, &place, STF_REGISTRY_READ, &registry, &err),
                     STF_NOT_FOUND);
    assert_contains(err.message, "no-such-key");
    place.key = "Software";
    assert_int_equal(stf_registry_open(&stf_registry_backend_windows, &place, STF_REGISTRY_READ, &registry, &err),
                     STF_INVALID_DATA);
}

static void test_views(void **state)
{
    struct stf_registry *own = open_place(&(struct stf_registry_place){.key = "HKLM"});
    struct stf_registry *wide = open_place(&(struct stf_registry_place){.key = "HKLM", .view = STF_REGISTRY_VIEW_64});
    struct stf_registry *narrow = open_place(&(struct stf_registry_place){.key = "HKLM", .view = STF_REGISTRY_VIEW_32});
    struct stf_registry_value value = {0};
    struct stf_err err = {0};
    char key[64];
    char narrow_key[64];

    (void)state;
    snprintf(key, sizeof(key), "Software\\%s", strrchr(test_key, '\\') + 1);
    snprintf(narrow_key, sizeof(narrow_key), "Software\\Wow6432Node\\%s", strrchr(test_key, '\\') + 1);
    set_bytes(narrow, key, "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(stf_registry_get(wide, key, "v", &value, &err), STF_NOT_FOUND);
    assert_int_equal(stf_registry_get(own, key, "v", &value, &err), STF_NOT_FOUND);
    assert_ok(stf_registry_get(wide, narrow_key, "v", &value, &err), &err);
    stf_registry_value_fini(&value);
    set_bytes(wide, key, "w", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(stf_registry_get(narrow, key, "w", &value, &err), STF_NOT_FOUND);
    assert_ok(stf_registry_get(own, key, "w", &value, &err), &err);
    stf_registry_value_fini(&value);
    assert_ok(stf_registry_delete_key(narrow, key, &err), &err);
    assert_int_equal(stf_registry_get(wide, narrow_key, "v", &value, &err), STF_NOT_FOUND);
    assert_ok(stf_registry_get(wide, key, "w", &value, &err), &err);
    stf_registry_value_fini(&value);
    assert_ok(stf_registry_delete_key(wide, key, &err), &err);
    stf_registry_close(own);
    stf_registry_close(wide);
    stf_registry_close(narrow);
}

/* ---- what is refused ---- */

static void test_kinds_of_errors(void **state)
{
    static const struct {
        LSTATUS status;
        enum stf_kind kind;
    } cases[] = {
        {ERROR_FILE_NOT_FOUND, STF_NOT_FOUND},
        {ERROR_KEY_DELETED, STF_NOT_FOUND},
        {ERROR_ACCESS_DENIED, STF_DENIED},
        {ERROR_SHARING_VIOLATION, STF_BUSY},
        {ERROR_LOCK_VIOLATION, STF_BUSY},
        {ERROR_CHILD_MUST_BE_VOLATILE, STF_UNSUPPORTED},
        {ERROR_NOT_ENOUGH_MEMORY, STF_NO_MEMORY},
        {ERROR_BADDB, STF_INVALID_DATA},
        {ERROR_GEN_FAILURE, STF_IO},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct stf_err err = {0};
        assert_int_equal(stf_windows_error(&err, cases[i].status, "open", "HKLM\\x"), cases[i].kind);
        assert_int_equal(err.code, cases[i].status);
        assert_contains(err.message, "HKLM\\x");
        assert_int_equal(err.is_retryable, cases[i].kind == STF_BUSY);
    }
}

/* Gives everybody these rights to the key, and nobody any other. */
static void set_rights(HKEY key, DWORD rights)
{
    static const SID_IDENTIFIER_AUTHORITY world = {SECURITY_WORLD_SID_AUTHORITY};
    BYTE list[256];
    PSID everybody;

    assert_true(AllocateAndInitializeSid((SID_IDENTIFIER_AUTHORITY *)&world, 1, SECURITY_WORLD_RID, 0, 0, 0, 0, 0, 0, 0,
                                         &everybody));
    assert_true(InitializeAcl((PACL)list, sizeof(list), ACL_REVISION));
    assert_true(AddAccessAllowedAce((PACL)list, ACL_REVISION, rights, everybody));
    assert_int_equal(SetSecurityInfo(key, SE_REGISTRY_KEY,
                                     DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION, NULL, NULL,
                                     (PACL)list, NULL),
                     ERROR_SUCCESS);
    FreeSid(everybody);
}

static void test_rights(void **state)
{
    struct stf_registry *registry = open_test_key();
    struct stf_registry_value value = {0};
    struct stf_registry_value other = {.name = "v", .type = STF_REG_DWORD, .data = (uint8_t *)"\2\0\0\0", .size = 4};
    struct stf_err err = {0};
    HKEY key;

    (void)state;
    set_bytes(registry, "Rights\\Sub", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    key = native_key("Rights\\Sub", KEY_ALL_ACCESS);
    set_rights(key, KEY_READ | WRITE_DAC);
    assert_int_equal(stf_registry_set(registry, "Rights\\Sub", &other, &err), STF_DENIED);
    assert_int_equal(err.code, ERROR_ACCESS_DENIED);
    assert_ok(stf_registry_get(registry, "Rights\\Sub", "v", &value, &err), &err);
    assert_int_equal(value.data[0], 1);
    stf_registry_value_fini(&value);
    set_rights(key, WRITE_DAC);
    assert_int_equal(stf_registry_get(registry, "Rights\\Sub", "v", &value, &err), STF_DENIED);
    set_rights(key, KEY_ALL_ACCESS);
    RegCloseKey(key);
    stf_registry_close(registry);
}

/* Kept\Class has a class, Kept\Own rights of its own. */
static void make_kept(void)
{
    HKEY above = native_key("Kept", KEY_ALL_ACCESS);
    HKEY key;

    assert_int_equal(RegCreateKeyExA(above, "Class", 0, "its class", 0, KEY_READ, NULL, &key, NULL), ERROR_SUCCESS);
    RegCloseKey(key);
    key = native_key("Kept\\Own", KEY_ALL_ACCESS);
    set_rights(key, KEY_ALL_ACCESS);
    RegCloseKey(key);
    RegCloseKey(above);
}

/* Kept is as `tree` says, and has its class as Windows' own functions see it. */
static void check_kept(struct stf_registry *registry, const json_t *tree)
{
    WCHAR class_name[32] = L"";
    DWORD units = 32;
    json_t *again = NULL;
    struct stf_err err = {0};
    HKEY above = native_key("Kept", KEY_READ);
    HKEY key;

    assert_ok(stf_registry_tree_read(registry, "Kept", &again, &err), &err);
    assert_true(json_equal(tree, again));
    json_decref(again);
    assert_int_equal(RegOpenKeyExW(above, L"Class", 0, KEY_READ, &key), ERROR_SUCCESS);
    assert_int_equal(RegQueryInfoKeyW(key, class_name, &units, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                     ERROR_SUCCESS);
    assert_int_equal(wcscmp(class_name, L"its class"), 0);
    RegCloseKey(key);
    RegCloseKey(above);
}

/* What others gave to keys comes back with them. */
static void test_class_and_rights_come_back(void **state)
{
    struct stf_registry *registry = open_test_key();
    struct stf_err err = {0};
    json_t *tree = NULL;
    json_t *extras = NULL;

    (void)state;
    make_kept();
    assert_ok(stf_registry_tree_read(registry, "Kept", &tree, &err), &err);
    assert_non_null(json_object_get(json_object_get(json_object_get(tree, "keys"), "Own"), "extras"));
    assert_ok(stf_registry_delete_key(registry, "Kept", &err), &err);
    assert_ok(stf_registry_tree_write(registry, "Kept", tree, &err), &err);
    check_kept(registry, tree);
    assert_ok(stf_registry_extras_read(registry, "Kept\\Class", &extras, &err), &err);
    assert_true(json_integer_value(json_object_get(extras, "written")) > 0);
    json_decref(extras);
    json_decref(tree);
    assert_ok(stf_registry_delete_key(registry, "Kept", &err), &err);
    stf_registry_close(registry);
}

static void test_class_and_rights_come_back_from_a_patch(void **state)
{
    struct stf_registry *registry = open_test_key();
    struct stf_reg_edits edits = {0};
    struct stf_reg_edit edit = {.kind = STF_REG_DELETE_KEY};
    struct stf_registry_patch *patch = NULL;
    struct stf_registry_value gone;
    struct stf_err err = {0};
    json_t *tree = NULL;
    json_t *before = NULL;
    char path[128];

    (void)state;
    make_kept();
    assert_ok(stf_registry_tree_read(registry, "Kept", &tree, &err), &err);
    snprintf(path, sizeof(path), "%s\\Kept", test_key);
    edit.key = path;
    assert_ok(stf_reg_edits_add(&edits, &edit, &err), &err);
    assert_ok(stf_registry_patch_new(&edits, test_key, registry, &patch, &err), &err);
    assert_ok(stf_registry_patch_read(registry, patch, &before, &err), &err);
    assert_ok(stf_registry_patch_write(registry, patch, json_true(), &err), &err);
    assert_int_equal(stf_registry_get(registry, "Kept", "", &gone, &err), STF_NOT_FOUND);
    assert_ok(stf_registry_patch_write(registry, patch, before, &err), &err);
    check_kept(registry, tree);
    assert_ok(stf_registry_delete_key(registry, "Kept", &err), &err);
    json_decref(before);
    json_decref(tree);
    stf_registry_patch_free(patch);
    stf_reg_edits_fini(&edits);
    stf_registry_close(registry);
}

/* advapi32 follows links, so that only ntdll deletes one. Documented as ZwDeleteKey; no header for programs has it. */
LONG NTAPI NtDeleteKey(HANDLE key);

static void test_not_deleted_what_could_not_be_put_back(void **state)
{
    static const WCHAR target[] = L"\\Registry\\Machine\\Software";
    struct stf_registry *registry = open_test_key();
    struct stf_err err = {0};
    HKEY above = native_key("Special", KEY_ALL_ACCESS);
    json_t *tree = NULL;
    HKEY key;

    (void)state;
    assert_int_equal(RegCreateKeyExW(above, L"Link", 0, NULL, REG_OPTION_CREATE_LINK, KEY_ALL_ACCESS, NULL, &key, NULL),
                     ERROR_SUCCESS);
    assert_int_equal(
        RegSetValueExW(key, L"SymbolicLinkValue", 0, REG_LINK, (const BYTE *)target, sizeof(target) - sizeof(WCHAR)),
        ERROR_SUCCESS);
    RegCloseKey(key);
    assert_int_equal(stf_registry_delete_key(registry, "Special\\Link", &err), STF_UNSUPPORTED);
    assert_contains(err.message, "Link is a link to another key");
    assert_int_equal(stf_registry_delete_key(registry, "Special", &err), STF_UNSUPPORTED);

    /* a link that leads nowhere stands: a tree has it as a key, and is not absent because of it */
    assert_int_equal(RegOpenKeyExW(above, L"Link", REG_OPTION_OPEN_LINK, KEY_ALL_ACCESS, &key), ERROR_SUCCESS);
    assert_int_equal(RegDeleteValueW(key, L"SymbolicLinkValue"), ERROR_SUCCESS);
    assert_ok(stf_registry_tree_read(registry, "Special", &tree, &err), &err);
    assert_non_null(json_object_get(json_object_get(tree, "keys"), "Link"));
    json_decref(tree);
    assert_int_equal(NtDeleteKey(key), 0);
    RegCloseKey(key);
    RegCloseKey(above);
    stf_registry_close(registry);
}

/* ---- notices ---- */

static struct stf_registry_watch *watch_key(const char *key)
{
    const struct stf_registry_place place = {.key = test_key};
    struct stf_registry_watch *watch = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_watch_open(&stf_registry_backend_windows, &place, key, &watch, &err), &err);
    return watch;
}

static void test_watch(void **state)
{
    struct stf_registry *registry = open_test_key();
    struct stf_registry_watch *watch;
    struct stf_err err = {0};

    (void)state;
    assert_ok(stf_registry_create_key(registry, "Watched\\Deep", &err), &err);
    assert_ok(stf_registry_create_key(registry, "Other", &err), &err);
    watch = watch_key("Watched");
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    set_bytes(registry, "Other", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(stf_registry_watch_wait(watch, 50, &err), STF_TIMEOUT);
    set_bytes(registry, "Watched\\Deep", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_watch_wait(watch, 10000, &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 0, &err), STF_TIMEOUT);
    assert_ok(stf_registry_create_key(registry, "Watched\\New", &err), &err);
    assert_ok(stf_registry_watch_wait(watch, 10000, &err), &err);
    assert_ok(stf_registry_delete_key(registry, "Watched", &err), &err);
    assert_int_equal(stf_registry_watch_wait(watch, 10000, &err), STF_NOT_FOUND);
    stf_registry_watch_close(watch);
    assert_int_equal(stf_registry_watch_open(&stf_registry_backend_windows,
                                             &(struct stf_registry_place){.key = test_key}, "Watched", &watch, &err),
                     STF_NOT_FOUND);
    stf_registry_close(registry);
}

/* A list that another thread keeps changing is whole all the same, or `busy`. */
static volatile LONG is_ending;

static DWORD WINAPI churn(void *argument)
{
    HKEY key = argument;
    unsigned count = 0;

    while (!is_ending) {
        char name[16];
        snprintf(name, sizeof(name), "n%u", count++ % 50);
        RegSetValueExA(key, name, 0, REG_DWORD, (const BYTE *)&count, 4);
        RegDeleteValueA(key, name);
        Sleep(count % 4);
    }
    return 0;
}

static void test_lists_that_change_meanwhile(void **state)
{
    struct stf_registry *registry = open_test_key();
    struct stf_err err = {0};
    HANDLE thread;
    HKEY key;
    size_t read_count = 0;

    (void)state;
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof(name), "stays%d", i);
        set_bytes(registry, "Busy", name, STF_REG_DWORD, "\1\0\0\0", 4);
    }
    key = native_key("Busy", KEY_ALL_ACCESS);
    is_ending = 0;
    thread = CreateThread(NULL, 0, churn, key, 0, NULL);
    assert_non_null(thread);
    for (int i = 0; i < 200; i++) {
        struct stf_registry_listing listing;
        enum stf_kind kind = stf_registry_list(registry, "Busy", &listing, &err);
        if (kind == STF_OK) {
            read_count++;
            assert_in_range(listing.value_count, 20, 21);
            stf_registry_listing_fini(&listing);
        } else {
            assert_int_equal(kind, STF_BUSY);
        }
    }
    is_ending = 1;
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    RegCloseKey(key);
    assert_true(read_count > 0);
    stf_registry_close(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_sees_what_we_write),
        cmocka_unit_test(test_large_data),
        cmocka_unit_test(test_names_of_any_units),
        cmocka_unit_test(test_deep_and_long),
        cmocka_unit_test(test_whole_registry),
        cmocka_unit_test(test_absent_root_of_a_store),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_kinds_of_errors),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_class_and_rights_come_back),
        cmocka_unit_test(test_class_and_rights_come_back_from_a_patch),
        cmocka_unit_test(test_not_deleted_what_could_not_be_put_back),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_lists_that_change_meanwhile),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
