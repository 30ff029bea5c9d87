/* test_registry_place.c - store specifications: what is a hive, what is a .reg file, whose keys go where.
 * SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include "registry/place.h"

static struct stf_registry_location locate(const struct stf_registry_words *words)
{
    struct stf_registry_location location;
    struct stf_err err = {0};

    assert_ok(stf_registry_location_init(&location, words, test_folder, &err), &err);
    return location;
}

static void assert_refused(const struct stf_registry_words *words, enum stf_kind wanted, const char *part)
{
    struct stf_registry_location location;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_location_init(&location, words, test_folder, &err), wanted);
    assert_contains(err.message, part);
    stf_registry_location_fini(&location);
}

static void test_hives_and_their_mounts(void **state)
{
    static const struct {
        const char *store;
        const char *mount;
        const char *wanted;
        bool is_system;
    } cases[] = {
        {"hives/SYSTEM", NULL, "HKLM\\SYSTEM", true},
        {"hive:hives/system", NULL, "HKLM\\SYSTEM", true},
        {"Software", NULL, "HKLM\\SOFTWARE", false},
        {"/home/a/NTUSER.DAT", NULL, "HKCU", false},
        {"usrclass.dat", NULL, "HKCU\\Software\\Classes", false},
        {"DEFAULT", NULL, "HKU\\.DEFAULT", false},
        {"other", NULL, "", false},
        {"other", "HKEY_LOCAL_MACHINE\\System", "HKEY_LOCAL_MACHINE\\System", true},
        {"SYSTEM", "HKLM\\SOFTWARE", "HKLM\\SOFTWARE", false},
        {"SYSTEM", "", "", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct stf_registry_words words = {.store = cases[i].store, .mount = cases[i].mount};
        struct stf_registry_location location = locate(&words);
        assert_ptr_equal(location.backend, &stf_registry_backend_hive);
        assert_string_equal(location.mount, cases[i].wanted);
        assert_int_equal(location.place.is_system, cases[i].is_system);
        assert_int_equal(location.path[0], '/');
        assert_ptr_equal(location.place.path, location.path);
        stf_registry_location_fini(&location);
    }
}

static void test_what_is_no_store(void **state)
{
    (void)state;
    assert_refused(&(struct stf_registry_words){.store = ""}, STF_INVALID_DATA, "needs a path");
    assert_refused(&(struct stf_registry_words){.store = "hive:"}, STF_INVALID_DATA, "needs a path");
    assert_refused(&(struct stf_registry_words){.store = "windows:HKLM"}, STF_INVALID_DATA, "needs nothing after it");
    assert_refused(&(struct stf_registry_words){.store = "remote:"}, STF_INVALID_DATA, "needs the name or address");
    assert_refused(&(struct stf_registry_words){.store = "x", .mount = "SYSTEM"}, STF_INVALID_DATA, "is no key");
    assert_refused(&(struct stf_registry_words){.store = "x", .credentials = "c"}, STF_INVALID_DATA, "only remote:");
#ifndef _WIN32
    assert_refused(&(struct stf_registry_words){.store = "windows:"}, STF_UNSUPPORTED, "the Windows program");
#endif
}

static void test_keys_of_a_mounted_store(void **state)
{
    struct stf_registry_location location = locate(&(struct stf_registry_words){.store = "SYSTEM"});
    const char *below = NULL;
    struct stf_err err = {0};
    char *full;

    (void)state;
    assert_ok(stf_registry_location_key(&location, "HKEY_LOCAL_MACHINE\\system\\Select", &below, &err), &err);
    assert_string_equal(below, "Select");
    assert_ok(stf_registry_location_key(&location, "Select\\x", &below, &err), &err);
    assert_string_equal(below, "Select\\x");
    assert_ok(stf_registry_location_key(&location, "", &below, &err), &err);
    assert_string_equal(below, "");
    assert_int_equal(stf_registry_location_key(&location, "HKLM\\SOFTWARE\\x", &below, &err), STF_INVALID_DATA);
    assert_contains(err.message, "whose root is HKLM\\SYSTEM");
    full = stf_registry_location_full_key(&location, "Select");
    assert_string_equal(full, "HKLM\\SYSTEM\\Select");
    free(full);
    full = stf_registry_location_full_key(&location, "");
    assert_string_equal(full, "HKLM\\SYSTEM");
    free(full);
    full = stf_registry_location_full_key(&location, "HKLM\\SYSTEM\\Select");
    assert_string_equal(full, "HKLM\\SYSTEM\\Select");
    free(full);
    stf_registry_location_fini(&location);

    location = locate(&(struct stf_registry_words){.store = "other"});
    assert_ok(stf_registry_location_key(&location, "Select", &below, &err), &err);
    assert_string_equal(below, "Select");
    assert_int_equal(stf_registry_location_key(&location, "HKLM\\SYSTEM", &below, &err), STF_INVALID_DATA);
    assert_contains(err.message, "give the mount");
    stf_registry_location_fini(&location);
}

/* What a location is recorded as leads back to it. */
static void test_recorded_and_found_again(void **state)
{
    static const struct stf_registry_words stores[] = {
        {.store = "SYSTEM"}, {.store = "other"}, {.store = "SYSTEM", .is_replaying_logs = true}};
    static const char *const keys[] = {"Select", "", "A\\B"};

    (void)state;
    for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++) {
        struct stf_registry_location location = locate(&stores[i]);
        struct stf_err err = {0};
        json_t *registry = NULL;
        json_t *config;
        assert_ok(stf_registry_location_to_doc(&location, &registry, &err), &err);
        config = json_pack("{s:o}", "registry", registry);
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            const struct stf_host host = {.name = "h", .config = config};
            struct stf_registry_location found;
            char *full = stf_registry_location_full_key(&location, keys[k]);
            const char *below = NULL;
            assert_ok(stf_registry_host_store(&host, full, &found, &below, &err), &err);
            assert_string_equal(below, keys[k]);
            assert_string_equal(found.path, location.path);
            assert_string_equal(found.mount, location.mount);
            assert_int_equal(found.place.is_replaying_logs, location.place.is_replaying_logs);
            stf_registry_location_fini(&found);
            free(full);
        }
        json_decref(config);
        stf_registry_location_fini(&location);
    }
}

static void test_remote_and_reg_text(void **state)
{
    const struct stf_registry_words remote = {
        .store = "remote:10.0.0.5", .mount = "HKLM\\SYSTEM", .credentials = "win.cred"};
    static const char text[] = "\xff\xfeW\0i\0n\0d\0o\0w\0s\0 \0R\0e\0g\0i\0s\0t\0r\0y\0 \0E\0d\0i\0t\0o\0r\0";
    struct stf_registry_location location = locate(&remote);
    const char *below;
    struct stf_err err = {0};
    char *words;

    (void)state;
    assert_string_equal(location.host, "10.0.0.5");
    assert_contains(location.credentials, "/win.cred");
    assert_string_equal(location.place.key, "HKLM\\SYSTEM");
    assert_false(location.is_whole);
    assert_false(location.place.is_system); /* a live registry has its own CurrentControlSet */
    words = stf_registry_location_text(&location);
    assert_string_equal(words, "remote:10.0.0.5");
    free(words);
    stf_registry_location_fini(&location);
    assert_refused(&(struct stf_registry_words){.store = "remote:h", .credentials = "c", .is_kerberos = true},
                   STF_INVALID_DATA, "takes one of");
    assert_refused(&(struct stf_registry_words){.store = "remote:h", .is_prompting = true, .is_kerberos = true},
                   STF_INVALID_DATA, "takes one of");
    assert_refused(&(struct stf_registry_words){.store = "x", .is_prompting = true}, STF_INVALID_DATA, "only remote:");

    location = locate(&(struct stf_registry_words){.store = "SYSTEM.REG"});
    assert_ptr_equal(location.backend, &stf_registry_backend_regfile);
    assert_true(location.is_whole);
    assert_ok(stf_registry_location_key(&location, "HKLM\\SYSTEM\\Select", &below, &err), &err);
    assert_string_equal(below, "HKLM\\SYSTEM\\Select");
    assert_int_equal(stf_registry_location_key(&location, "Select", &below, &err), STF_INVALID_DATA);
    stf_registry_location_fini(&location);

    write_file(in_folder("exported"), text, sizeof(text) - 1); /* no suffix: by the first bytes */
    location = locate(&(struct stf_registry_words){.store = "exported"});
    assert_ptr_equal(location.backend, &stf_registry_backend_regfile);
    stf_registry_location_fini(&location);
    location = locate(&(struct stf_registry_words){.store = "hive:exported", .is_replaying_logs = true});
    assert_ptr_equal(location.backend, &stf_registry_backend_hive);
    assert_true(location.place.is_replaying_logs);
    stf_registry_location_fini(&location);
}

static enum stf_kind host_store(const char *registry_json, const char *key, struct stf_registry_location *location,
                                const char **below, struct stf_err *err)
{
    json_t *config = json_pack("{s:o}", "registry", json_loads(registry_json, 0, NULL));
    const struct stf_host host = {.name = "win", .config = config, .site_dir = test_folder};
    enum stf_kind kind;

    assert_non_null(config);
    kind = stf_registry_host_store(&host, key, location, below, err);
    json_decref(config);
    return kind;
}

static void test_the_stores_of_a_host(void **state)
{
    const char *table = "{\"HKLM\\\\SYSTEM\": \"hives/one\", \"HKEY_LOCAL_MACHINE\\\\SYSTEM\\\\Sub\": {\"store\": "
                        "\"hive:two\", \"mount\": \"HKLM\\\\SYSTEM\"}}";
    struct stf_registry_location location;
    const char *below = NULL;
    struct stf_err err = {0};

    (void)state;
    assert_ok(host_store(table, "HKLM\\system\\Select", &location, &below, &err), &err);
    assert_string_equal(below, "Select");
    assert_string_equal(location.mount, "HKLM\\SYSTEM");
    assert_true(location.place.is_system);
    stf_registry_location_fini(&location);

    assert_ok(host_store(table, "HKLM\\system\\Sub\\x", &location, &below, &err), &err);
    assert_string_equal(below, "Sub\\x");
    assert_contains(location.path, "/two");
    stf_registry_location_fini(&location);

    assert_int_equal(host_store(table, "HKLM\\SOFTWARE", &location, &below, &err), STF_UNSUPPORTED);
    stf_registry_location_fini(&location);
    assert_int_equal(host_store(table, "SOFTWARE", &location, &below, &err), STF_INVALID_DATA);
    stf_registry_location_fini(&location);
    assert_int_equal(host_store("{\"HKLM\": 5}", "HKLM\\x", &location, &below, &err), STF_INVALID_DATA);
    stf_registry_location_fini(&location);
    assert_int_equal(host_store("{\"SYSTEM\": \"x\"}", "HKLM\\x", &location, &below, &err), STF_INVALID_DATA);
    stf_registry_location_fini(&location);
    assert_int_equal(host_store("{\"HKLM\": {\"stor\": \"x\"}}", "HKLM\\x", &location, &below, &err), STF_INVALID_DATA);
    assert_contains(err.message, "store");
    stf_registry_location_fini(&location);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hives_and_their_mounts),  cmocka_unit_test(test_what_is_no_store),
        cmocka_unit_test(test_keys_of_a_mounted_store), cmocka_unit_test(test_recorded_and_found_again),
        cmocka_unit_test(test_remote_and_reg_text),     cmocka_unit_test(test_the_stores_of_a_host),
    };

    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
