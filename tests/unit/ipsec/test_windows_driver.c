/* test_windows_driver.c - the resource contract of a policy on a Windows host, with each of its tools, against the
 * stand-in of tests/support/windows_host.lua: there is no Windows here. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipsec/guard.h"
#include "ipsec/timers.h"
#include "ipsec/verbs.h"
#include "ipsec/windows_resource.h"

#define NAME "staffetta-mail"
#define KEY "correct horse battery staple"

/* What others have on the host; the policy is assigned. */
#define FOREIGN                                                                                                        \
    "policy|Server (Request Security)|assigned=yes\n"                                                                  \
    "filterlist|staffetta-other-protect\n"                                                                             \
    "rule|Corporate|action=requireinrequestout|auth1=computerkerb|endpoint1=10.1.0.1|endpoint2=10.1.0.2\n"             \
    "Rule|staffetta-mailing-1|Group=staffetta-mailing|InboundSecurity=None|OutboundSecurity=None|Protocol=TCP\n"

/* A generation, and proposals that it has. */
static const struct tool {
    const char *generation, *proposals, *secret_file;
} tools[] = {
    {"2003",
     "\"ike_proposals\": [\"aes128-sha256-modp2048\", \"3des-sha1-modp2048\"], \"esp_proposals\": [\"aes128-sha256\", "
     "\"3des-sha1\"], \"allow_weak\": [{\"algorithm\": \"3des\", \"peers\": [\"win\"]}, {\"algorithm\": \"sha1\", "
     "\"peers\": [\"win\"]}], ",
     "mail.psk"},
    {"2008r2", "", "mail.psk"},
    {"2022", "", "C:\\\\keys\\\\mail.psk"},
};
enum { TOOL_COUNT = sizeof tools / sizeof *tools, CHANGES_MAX = 60, EDITS_MAX = 6 };

static struct {
    char dir[64];
    json_t *config;
    struct stf_host host;
} lab;

/* ---------- helpers ---------- */

static char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", lab.dir, name);
    return path;
}

static void store(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    chmod(path_of(name), mode);
}

/* "" for a file that is not there; to be freed. */
static char *content(const char *name)
{
    char *text = calloc(1, 65536);
    FILE *file = fopen(path_of(name), "r");
    if (file) {
        assert_true(fread(text, 1, 65535, file) < 65535);
        fclose(file);
    }
    return text;
}

static void expect_content(const char *name, const char *expected)
{
    char *text = content(name);
    assert_string_equal(text, expected);
    free(text);
}

static void expect_no_key(const char *name)
{
    char *text = content(name);
    if (strstr(text, KEY))
        fail_msg("the key is in %s: %s", name, text);
    free(text);
}

static bool is_there(const char *name)
{
    return access(path_of(name), F_OK) == 0;
}

static void use(const char *generation)
{
    json_decref(lab.config);
    lab.config = json_pack("{s:s, s:{s:s, s:s, s:[s, s, s, s], s:[s, s, s, s, s, s]}}", "windows", generation, "ipsec",
                           "driver", "windows", "conf_dir", "conf.d", "netsh", "lua5.4", WINDOWS_HOST, lab.dir, "netsh",
                           "powershell", "lua5.4", WINDOWS_HOST, lab.dir, "powershell", "-Command", "-");
    assert_non_null(lab.config);
    lab.host = (struct stf_host){.name = "win", .config = lab.config, .site_dir = lab.dir};
}

static json_t *document(const struct tool *tool, const char *action)
{
    json_error_t error;
    char *text = NULL;
    assert_true(asprintf(&text,
                         "{\"generation\": \"%s\", \"host\": \"win\", \"ike_version\": 1, \"secret_file\": \"%s\", "
                         "\"policy\": {%s\"action\": \"%s\", \"traffic\": [{\"protocol\": \"tcp\", \"ports\": [110, "
                         "143]}]}, \"pairs\": [{\"local_address\": \"10.9.0.1\", \"remote_address\": \"10.9.0.100\", "
                         "\"side\": \"client\", \"peer\": \"mail\"}]}",
                         tool->generation, tool->secret_file, tool->proposals, action) > 0);
    json_t *made = json_loads(text, 0, &error);
    if (!made)
        fail_msg("%s in %s", error.text, text);
    free(text);
    return made;
}

static json_t *id_of(const char *name)
{
    return json_pack("{s:s}", "name", name);
}

static enum stf_kind read_state(json_t **state, struct stf_err *err)
{
    json_t *id = id_of(NAME);
    *state = NULL;
    enum stf_kind kind = stf_windows_policy_read(NULL, &lab.host, id, state, err);
    json_decref(id);
    return kind;
}

static enum stf_kind write_state(const char *name, const json_t *state, struct stf_err *err)
{
    json_t *id = id_of(name);
    enum stf_kind kind = stf_windows_policy_write(NULL, &lab.host, id, state, err);
    json_decref(id);
    if (kind && strstr(err->message, KEY))
        fail_msg("the key is in an error: %s", err->message);
    return kind;
}

static void must_write(const json_t *state)
{
    struct stf_err err;
    if (write_state(NAME, state, &err))
        fail_msg("write: %s", err.message);
}

static void expect_state(const json_t *expected)
{
    struct stf_err err;
    json_t *state = NULL;
    if (read_state(&state, &err))
        fail_msg("read: %s", err.message);
    char *text = json_dumps(state, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!json_equal(state, expected))
        fail_msg("read %s", text);
    free(text);
    json_decref(state);
}

static void expect_not_in_effect(const json_t *expected)
{
    json_t *pending = json_copy((json_t *)expected);
    json_object_set_new(pending, "loaded", json_false());
    expect_state(pending);
    json_decref(pending);
}

static void expect_refused(const json_t *state, enum stf_kind kind, const char *words)
{
    struct stf_err err = {0};
    assert_int_equal(write_state(NAME, state, &err), kind);
    if (!strstr(err.message, words))
        fail_msg("'%s' has not '%s'", err.message, words);
}

/* Replaces text in what the host has, as an administrator would. */
static void edit_objects(const char *old, const char *new)
{
    char *text = content("objects"), *at = strstr(text, old), *edited = NULL;
    assert_non_null(at);
    assert_true(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) > 0);
    store("objects", edited, 0600);
    free(edited);
    free(text);
}

static int begin(void **state)
{
    (void)state;
    if (system("lua5.4 -v >/dev/null 2>&1") != 0) {
        print_message("SKIP: the stand-in for Windows needs lua5.4\n");
        exit(0);
    }
    snprintf(lab.dir, sizeof lab.dir, "/tmp/stf-windows-%d-XXXXXX", (int)getpid());
    assert_non_null(mkdtemp(lab.dir));
    mkdir(path_of("conf.d"), 0700);
    mkdir(path_of("keys"), 0700);
    store("mail.psk", KEY "\n", 0600);
    store("keys/mail.psk", KEY "\n", 0600);
    store("objects", FOREIGN, 0600);
    return 0;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    json_decref(lab.config);
    lab.config = NULL;
    snprintf(command, sizeof command, "rm -rf %s", lab.dir);
    return system(command);
}

/* ---------- the contract ---------- */

static void test_set_get_change_delete(void **state)
{
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *permit = document(&tools[i], "permit"), *require = document(&tools[i], "require"), *none = json_null();
        use(tools[i].generation);
        expect_state(none);
        must_write(permit);
        expect_state(permit);
        must_write(require);
        expect_state(require);
        char *before = content("objects");
        must_write(require);
        expect_content("objects", before);
        expect_state(require);
        must_write(none);
        expect_state(none);
        expect_content("objects", FOREIGN);
        must_write(none);
        assert_int_equal(rmdir(path_of("conf.d")), 0); /* nothing of ours is left in it */
        mkdir(path_of("conf.d"), 0700);
        free(before);
        json_decref(permit);
        json_decref(require);
    }
}

/* Whichever change fails: what stands is told as not in effect, and both ways back are open. */
static void expect_way_back(const struct tool *tool, int failing, const json_t *before, bool *has_failed)
{
    struct stf_err err = {0};
    char number[16];
    json_t *require = document(tool, "require");
    must_write(before);
    char *objects = content("objects");
    snprintf(number, sizeof number, "%d", failing);
    store("fail_at", number, 0600);
    *has_failed = write_state(NAME, require, &err) != STF_OK;
    if (*has_failed) {
        expect_not_in_effect(require);
        must_write(before);
        expect_state(before);
        expect_content("objects", objects);
    }
    unlink(path_of("fail_at"));
    assert_false(is_there("conf.d/staffetta.netsh"));
    free(objects);
    json_decref(require);
}

static void test_a_failure_in_the_middle_is_restored(void **state)
{
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *permit = document(&tools[i], "permit");
        const json_t *befores[] = {json_null(), permit};
        use(tools[i].generation);
        for (int b = 0; b < 2; b++) {
            bool has_failed = true;
            int failing = 1;
            for (; has_failed && failing < CHANGES_MAX; failing++)
                expect_way_back(&tools[i], failing, befores[b], &has_failed);
            assert_in_range(failing, 8, CHANGES_MAX - 1); /* it came to an end, and not at once */
        }
        must_write(json_null());
        expect_content("objects", FOREIGN);
        json_decref(permit);
    }
}

static void test_a_failed_removal_is_done_again(void **state)
{
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *require = document(&tools[i], "require");
        struct stf_err err;
        use(tools[i].generation);
        must_write(require);
        store("fail_at", "2", 0600);
        assert_int_not_equal(write_state(NAME, json_null(), &err), STF_OK);
        expect_not_in_effect(require);
        must_write(json_null());
        expect_state(json_null());
        expect_content("objects", FOREIGN);
        json_decref(require);
    }
}

static void test_drift_is_seen_and_repaired(void **state)
{
    static const char *const edits[TOOL_COUNT][EDITS_MAX][2] = {
        {{"dstport=110", "dstport=25"}, {"soft=no", "soft=yes"}, {"mail|assigned=yes", "mail|assigned=no"}},
        {{"port2=110,143", "port2=110"},
         {"requireinrequireout", "requestinrequestout"},
         {"mainmode|", "x|"},
         {"+60min+", "+61min+"},
         {"+2147483647kb", "+100000kb"}},
        {{"RemotePort=110,143", "RemotePort=110"},
         {"InboundSecurity=Require", "InboundSecurity=Request"},
         {"Phase1AuthSet|", "x|"},
         {"MaxMinutes=60,60", "MaxMinutes=60,61"},
         {"MaxKiloBytes=2147483647", "MaxKiloBytes=100000"},
         {"MaxMinutes=240", "MaxMinutes=480"}}};
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *require = document(&tools[i], "require");
        use(tools[i].generation);
        for (int e = 0; e < EDITS_MAX && edits[i][e][0]; e++) {
            must_write(require);
            edit_objects(edits[i][e][0], edits[i][e][1]);
            expect_not_in_effect(require);
            must_write(require);
            expect_state(require);
            must_write(json_null());
            store("objects", FOREIGN, 0600);
        }
        json_decref(require);
    }
}

static void test_what_has_our_name_and_is_not_ours_is_a_conflict(void **state)
{
    static const char *const objects[TOOL_COUNT] = {"filterlist|staffetta-mail-protect\n",
                                                    "mainmode|staffetta-mail-1|endpoint1=::1|endpoint2=::2\n",
                                                    "Phase1AuthSet|x|Group=staffetta-mail\n"};
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *require = document(&tools[i], "require"), *found = NULL;
        struct stf_err err;
        use(tools[i].generation);
        store("objects", objects[i], 0600);
        assert_int_equal(read_state(&found, &err), STF_CONFLICT);
        expect_refused(require, STF_CONFLICT, "did not put there");
        expect_content("objects", objects[i]);
        json_decref(require);
    }
    assert_false(is_there("log"));
}

/* ---------- one policy of netsh ipsec ---------- */

static void test_the_assigned_policy_comes_back(void **state)
{
    json_t *require = document(&tools[0], "require");
    (void)state;
    use("2003");
    must_write(require);
    char *objects = content("objects");
    assert_non_null(strstr(objects, "policy|Server (Request Security)|assigned=no"));
    assert_non_null(strstr(objects, "policy|staffetta-mail|assigned=yes"));
    free(objects);
    must_write(json_null());
    expect_content("objects", FOREIGN);
    json_decref(require);
}

static void test_a_second_policy_of_ours_is_refused(void **state)
{
    json_t *require = document(&tools[0], "require");
    struct stf_err err;
    (void)state;
    use("2003");
    must_write(require);
    assert_int_equal(write_state("staffetta-web", require, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "'staffetta-mail' assigned"));
    expect_state(require);
    json_decref(require);
}

/* ---------- keys ---------- */

static void test_the_key_is_where_it_must_be_and_nowhere_else(void **state)
{
    (void)state;
    for (int i = 0; i < TOOL_COUNT; i++) {
        json_t *require = document(&tools[i], "require");
        use(tools[i].generation);
        must_write(require);
        expect_state(require); /* netsh shows keys: the stand-in too */
        if (i < 2)
            expect_content("key", KEY);
        expect_no_key("argv");
        expect_no_key("log");
        expect_no_key("conf.d/" NAME ".windows.json");
        assert_false(is_there("conf.d/staffetta.netsh"));
        must_write(json_null());
        unlink(path_of("key"));
        json_decref(require);
    }
}

static void test_a_killed_run_leaves_no_key_for_long(void **state)
{
    (void)state;
    use("2008r2");
    store("conf.d/staffetta.netsh", KEY, 0600);
    must_write(json_null());
    assert_false(is_there("conf.d/staffetta.netsh"));
}

static void test_keys_that_can_not_be_given(void **state)
{
    json_t *require = document(&tools[1], "require");
    (void)state;
    use("2008r2");
    store("mail.psk", "half \" quoted\n", 0600);
    expect_refused(require, STF_INVALID_DATA, "quotation mark");
    store("mail.psk", KEY "\n", 0644);
    expect_refused(require, STF_DENIED, "chmod 600");
    expect_content("objects", FOREIGN);
    json_decref(require);
}

/* ---------- what can not be ---------- */

static void test_what_a_generation_can_not_changes_nothing(void **state)
{
    struct tool strong = {"2003", "", "mail.psk"};
    json_t *document_2003 = document(&strong, "require"), *ikev2 = document(&tools[2], "require");
    (void)state;
    use("2003");
    expect_refused(document_2003, STF_UNSUPPORTED, "'ike_proposals'");
    use("2022");
    json_object_set_new(ikev2, "ike_version", json_integer(2));
    expect_refused(ikev2, STF_UNSUPPORTED, "IKEv2 has certificates only");
    assert_false(is_there("log"));
    assert_int_equal(rmdir(path_of("conf.d")), 0);
    mkdir(path_of("conf.d"), 0700);
    json_decref(document_2003);
    json_decref(ikev2);
}

/* Wine's netsh says nothing and ends with 0. */
static void test_a_tool_that_says_nothing_is_none(void **state)
{
    json_t *found = NULL;
    struct stf_err err;
    (void)state;
    use("2008r2");
    json_array_set_new(json_object_get(json_object_get(lab.config, "ipsec"), "netsh"), 3, json_string("silent"));
    assert_int_equal(read_state(&found, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "printed nothing"));
    use("2022");
    json_array_set_new(json_object_get(json_object_get(lab.config, "ipsec"), "powershell"), 0, json_string("no-such"));
    assert_int_equal(read_state(&found, &err), STF_NOT_FOUND);
}

static void test_a_host_must_be_described(void **state)
{
    json_t *found = NULL;
    struct stf_err err;
    (void)state;
    use("2000");
    assert_int_equal(read_state(&found, &err), STF_UNSUPPORTED);
    use("2003");
    json_object_del(json_object_get(lab.config, "ipsec"), "conf_dir");
    assert_int_equal(read_state(&found, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "ipsec.conf_dir"));
    use("2003");
    json_object_set_new(json_object_get(lab.config, "ipsec"), "tool", json_string("powershell"));
    assert_int_equal(read_state(&found, &err), STF_UNSUPPORTED);
    use("2003");
    json_object_set_new(json_object_get(lab.config, "ipsec"), "netsh", json_pack("[i]", 1));
    assert_int_equal(read_state(&found, &err), STF_INVALID_DATA);
}

/* What only a host with charon and Linux has is refused, and never looked for on this machine. */
static void test_other_parts_say_that_they_are_not_there(void **state)
{
    static const char *const verbs[] = {"ipsec.sas", "ipsec.kernel_snapshot"};
    json_t *nothing = json_object(), *id = id_of(NAME), *result = NULL;
    struct stf_err err;
    (void)state;
    use("2003");
    for (const struct stf_verb *verb = stf_ipsec_verbs; verb->name; verb++) {
        for (int i = 0; i < 2; i++)
            if (strcmp(verb->name, verbs[i]) == 0)
                assert_int_equal(verb->call(NULL, &lab.host, nothing, &result, &err), STF_UNSUPPORTED);
        if (strcmp(verb->name, "ipsec.capabilities") == 0) {
            assert_int_equal(verb->call(NULL, &lab.host, nothing, &result, &err), STF_OK);
            assert_string_equal(json_string_value(json_object_get(result, "engine")), "windows");
            json_decref(result);
        }
    }
    assert_int_equal(stf_guard_read(NULL, &lab.host, id, &result, &err), STF_UNSUPPORTED);
    assert_int_equal(stf_acquire_expires_read(NULL, &lab.host, nothing, &result, &err), STF_UNSUPPORTED);
    json_decref(id);
    json_decref(nothing);
}

static void test_description(void **state)
{
    json_t *require = document(&tools[0], "require");
    char *text = stf_windows_policy_describe(require);
    (void)state;
    assert_string_equal(text, "Windows 2003: 10.9.0.1 -> 10.9.0.100 tcp/110,143 require, IKEv1");
    free(text);
    json_decref(require);
}

int main(void)
{
#define ON_HOST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        ON_HOST(test_set_get_change_delete),
        ON_HOST(test_a_failure_in_the_middle_is_restored),
        ON_HOST(test_a_failed_removal_is_done_again),
        ON_HOST(test_drift_is_seen_and_repaired),
        ON_HOST(test_what_has_our_name_and_is_not_ours_is_a_conflict),
        ON_HOST(test_the_assigned_policy_comes_back),
        ON_HOST(test_a_second_policy_of_ours_is_refused),
        ON_HOST(test_the_key_is_where_it_must_be_and_nowhere_else),
        ON_HOST(test_a_killed_run_leaves_no_key_for_long),
        ON_HOST(test_keys_that_can_not_be_given),
        ON_HOST(test_what_a_generation_can_not_changes_nothing),
        ON_HOST(test_a_tool_that_says_nothing_is_none),
        ON_HOST(test_a_host_must_be_described),
        ON_HOST(test_other_parts_say_that_they_are_not_there),
        ON_HOST(test_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
