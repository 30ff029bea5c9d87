/* test_system.c - facts against uname, dpkg and ip(8); real commands; real files. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "common/netns.h"
#include "scratch.h"
#include "system/system.h"

static char scratch_ns[32], folder[64];
static json_t *config;
static struct stf_host host;

static enum stf_kind call(const char *verb, json_t *args, json_t **result, struct stf_err *err)
{
    const struct stf_verb *at = stf_system_binding.verbs;
    while (at->name && strcmp(at->name, verb) != 0)
        at++;
    assert_non_null(at->name);
    *result = NULL;
    enum stf_kind kind = at->call(NULL, &host, args, result, err);
    json_decref(args);
    return kind;
}

static const char *text_of(const json_t *doc, const char *key)
{
    return json_string_value(json_object_get(doc, key));
}

/* The first line that a shell command prints. */
static void line_of(const char *command, char line[256])
{
    line[0] = '\0';
    FILE *output = popen(command, "re");
    assert_non_null(output);
    if (fgets(line, 256, output))
        line[strcspn(line, "\n")] = '\0';
    pclose(output);
}

/* ---------- facts ---------- */

static void facts_are_those_of_the_system(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *facts;
    char line[256];
    assert_int_equal(call("system.facts", json_object(), &facts, &err), STF_OK);
    line_of("uname -n", line);
    assert_string_equal(text_of(facts, "hostname"), line);
    line_of("uname -r", line);
    assert_string_equal(text_of(facts, "kernel"), line);
    line_of(". /etc/os-release && echo \"$PRETTY_NAME\"", line);
    assert_string_equal(text_of(facts, "os"), line);
    line_of("test -x /usr/sbin/charon-systemd && dpkg-query -W -f='${Version}' charon-systemd", line);
    if (line[0])
        assert_string_equal(text_of(facts, "charon"), line);
    else
        assert_null(text_of(facts, "charon")); /* a machine without the daemon */
    assert_true(json_integer_value(json_object_get(facts, "uptime_ms")) > 0);
    assert_true(json_string_length(json_object_get(facts, "architecture")) > 0);
    assert_int_equal(json_object_size(facts), 7);
    json_decref(facts);
    assert_int_equal(call("system.facts", json_pack("{s:i}", "x", 1), &facts, &err), STF_INVALID_DATA);
}

/* ip(8) is asked the same in a namespace of the test's own; the namespace of the calling thread stays untouched. */
static void esp_is_found_out_without_a_trace(void **state)
{
    (void)state;
    struct stf_err err;
    struct stf_netns guard;
    struct stat before, after;
    json_t *facts;
    char line[256];
    bool expected = scratch_sh("ip -n %s xfrm state add src 127.0.0.1 dst 127.0.0.1 proto esp spi 0x77 mode transport "
                               "aead 'rfc4106(gcm(aes))' 0x%040d 128 2>/dev/null && ip -n %s xfrm state flush",
                               scratch_ns, 0, scratch_ns);
    assert_int_equal(stf_netns_enter(&guard, scratch_ns, &err), STF_OK);
    assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
    assert_int_equal(call("system.facts", json_object(), &facts, &err), STF_OK);
    assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
    line_of("ip xfrm state list", line);
    stf_netns_leave(&guard);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_string_equal(line, "");
    const json_t *found = json_object_get(facts, "has_kernel_esp");
    assert_true(json_is_boolean(found));
    assert_int_equal(json_is_true(found), expected);
    json_decref(facts);
}

/* ---------- run ---------- */

static void commands_run_in_the_namespace(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *result;
    json_t *args = json_pack("{s:[s,s,s]}", "argv", "ip", "netns", "identify");
    assert_int_equal(call("system.run", args, &result, &err), STF_OK);
    assert_int_equal(strncmp(text_of(result, "output"), scratch_ns, strlen(scratch_ns)), 0);
    json_decref(result);

    args = json_pack("{s:[s,s,s], s:s, s:i}", "argv", "sh", "-c", "cat; printf 'bad \\377' >&2; exit 4", "input",
                     "gr\xc3\xbc\xc3\x9f"
                     "e",
                     "timeout_ms", 9000);
    assert_int_equal(call("system.run", args, &result, &err), STF_OK);
    json_t *expected = json_pack("{s:i, s:i, s:s, s:s}", "exit_code", 4, "signal", 0, "output",
                                 "gr\xc3\xbc\xc3\x9f"
                                 "e",
                                 "errors", "bad \xef\xbf\xbd");
    assert_true(json_equal(result, expected));
    json_decref(expected);
    json_decref(result);
}

static void commands_that_fail_to_run(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        enum stf_kind kind;
        const char *message;
    } cases[] = {
        {"{}", STF_INVALID_DATA, "member 'argv': expected a list"},
        {"{\"argv\":[]}", STF_INVALID_DATA, "member 'argv': expected a list"},
        {"{\"argv\":\"ls\"}", STF_INVALID_DATA, "member 'argv': expected a list"},
        {"{\"argv\":[\"ls\",5]}", STF_INVALID_DATA, "word 2 is no string"},
        {"{\"argv\":[\"\"]}", STF_INVALID_DATA, "word 1"},
        {"{\"argv\":[\"ls\"],\"timeout\":5}", STF_INVALID_DATA, "did you mean 'timeout_ms'?"},
        {"{\"argv\":[\"ls\"],\"timeout_ms\":0}", STF_INVALID_DATA, "from 1 to 3600000, found 0"},
        {"{\"argv\":[\"staffetta-no-such-program\"]}", STF_NOT_FOUND, "is not installed"},
        {"{\"argv\":[\"sleep\",\"50\"],\"timeout_ms\":50}", STF_TIMEOUT, "sleep did not end within 50 ms"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err = {0};
        json_t *result;
        assert_int_equal(call("system.run", json_loads(cases[i].args, 0, NULL), &result, &err), cases[i].kind);
        assert_null(result);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].message, err.message);
    }
}

/* ---------- files ---------- */

static const struct stf_resource *file_resource(void)
{
    return &stf_system_binding.resources[0];
}

__attribute__((format(printf, 1, 2))) static json_t *pack_id(const char *format, ...)
{
    char path[512];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return json_pack("{s:s}", "path", path);
}

static json_t *pack_state(const char *mode, int owner, int group, const char *hex)
{
    return json_pack("{s:s, s:i, s:i, s:s}", "mode", mode, "owner", owner, "group", group, "content_hex", hex);
}

static enum stf_kind write_state(const json_t *id, json_t *state, struct stf_err *err)
{
    enum stf_kind kind = file_resource()->write(NULL, &host, id, state, err);
    json_decref(state);
    return kind;
}

static void assert_state(const json_t *id, const json_t *expected)
{
    struct stf_err err = {0};
    json_t *found = NULL;
    if (file_resource()->read(NULL, &host, id, &found, &err))
        fail_msg("cannot read: %s", err.message);
    assert_true(json_equal(found, expected));
    json_decref(found);
}

static void files_are_written_read_and_removed(void **state)
{
    (void)state;
    struct stf_err err;
    struct stat found;
    json_t *id = pack_id("%s/conf", folder);
    char path[128], line[256];
    snprintf(path, sizeof path, "%s/conf", folder);
    json_t *states[] = {json_null(), pack_state("0640", 3, 4, "00ff0a"), pack_state("4755", 0, 0, ""), json_null()};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        for (int times = 0; times < 2; times++) { /* idempotent */
            assert_int_equal(write_state(id, json_incref(states[i]), &err), STF_OK);
            assert_state(id, states[i]);
        }
        if (i == 1) {
            assert_int_equal(stat(path, &found), 0);
            assert_int_equal(found.st_mode, S_IFREG | 0640);
            assert_int_equal(found.st_uid, 3);
            assert_int_equal(found.st_gid, 4);
            assert_int_equal(found.st_size, 3);
        }
    }
    assert_int_not_equal(stat(path, &found), 0);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        json_decref(states[i]);
    json_decref(id);

    char command[128];
    snprintf(command, sizeof command, "ls -A %s", folder);
    line_of(command, line);
    assert_string_equal(line, ""); /* no temporary file stays */
}

static void what_could_not_be_put_back_is_refused(void **state)
{
    (void)state;
    assert_true(scratch_sh("cd %s && echo x >plain && ln -s plain link && mkdir sub && mkfifo pipe && echo y >one && "
                           "ln one two && truncate -s 1048577 large && truncate -s 1048576 full",
                           folder));
    static const struct {
        const char *name;
        enum stf_kind kind;
        const char *message;
    } cases[] = {
        {"link", STF_CONFLICT, "found a symbolic link"},
        {"sub", STF_CONFLICT, "found a folder"},
        {"pipe", STF_CONFLICT, "found a pipe"},
        {"one", STF_CONFLICT, "2 names (hard links)"},
        {"plain/below", STF_NOT_FOUND, "cannot open the file's folder"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err = {0};
        json_t *found = NULL, *id = pack_id("%s/%s", folder, cases[i].name);
        assert_int_equal(file_resource()->read(NULL, &host, id, &found, &err), cases[i].kind);
        assert_non_null(strstr(err.message, cases[i].message));
        assert_int_equal(write_state(id, pack_state("0644", 0, 0, "61"), &err), cases[i].kind);
        assert_int_equal(write_state(id, json_null(), &err), cases[i].kind);
        json_decref(id);
    }
    struct stf_err err = {0};
    json_t *found = NULL, *id = pack_id("%s/large", folder);
    assert_int_equal(file_resource()->read(NULL, &host, id, &found, &err), STF_UNSUPPORTED);
    json_decref(id);
    id = pack_id("%s/full", folder);
    assert_int_equal(file_resource()->read(NULL, &host, id, &found, &err), STF_OK);
    assert_int_equal(json_string_length(json_object_get(found, "content_hex")), 2 * 1048576);
    json_decref(found);
    json_decref(id);
    assert_true(scratch_sh("cd %s && test -L link -a -d sub -a -p pipe && cmp -s one two && rm -r -- *", folder));
}

static void folders_are_not_made(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *id = pack_id("%s/nowhere/conf", folder), *absent = json_null();
    assert_state(id, absent);
    assert_int_equal(write_state(id, json_null(), &err), STF_OK);
    assert_int_equal(write_state(id, pack_state("0644", 0, 0, ""), &err), STF_NOT_FOUND);
    json_decref(id);
}

static void a_leftover_of_a_killed_writer_is_replaced(void **state)
{
    (void)state;
    struct stf_err err;
    json_t *id = pack_id("%s/conf", folder), *wanted = pack_state("0600", 0, 0, "6e6577");
    assert_true(scratch_sh("cd %s && echo old >conf && echo half >.conf.staffetta", folder));
    assert_int_equal(write_state(id, json_incref(wanted), &err), STF_OK);
    assert_state(id, wanted);
    assert_true(scratch_sh("cd %s && test ! -e .conf.staffetta && rm conf", folder));
    json_decref(wanted);
    json_decref(id);
}

static void *write_many(void *arg)
{
    intptr_t failures = 0;
    const char *hex = arg;
    json_t *id = pack_id("%s/shared", folder);
    for (int i = 0; i < 40; i++)
        failures += write_state(id, pack_state("0644", 0, 0, hex), NULL) != STF_OK;
    json_decref(id);
    return (void *)failures;
}

/* Two writers and a reader: the reader sees one whole file or the other. */
static void writers_do_not_mix(void **state)
{
    (void)state;
    enum { SIZE = 20000 };
    pthread_t threads[2];
    char *hexes[2];
    struct stf_err err;
    json_t *id = pack_id("%s/shared", folder);
    for (int i = 0; i < 2; i++) {
        hexes[i] = malloc(2 * SIZE + 1);
        memset(hexes[i], '1' + i, 2 * SIZE);
        hexes[i][2 * SIZE] = '\0';
    }
    assert_int_equal(write_state(id, pack_state("0644", 0, 0, hexes[0]), &err), STF_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, hexes[i]), 0);
    for (int i = 0; i < 100; i++) {
        json_t *found = NULL;
        assert_int_equal(file_resource()->read(NULL, &host, id, &found, &err), STF_OK);
        const char *hex = text_of(found, "content_hex");
        assert_true(strcmp(hex, hexes[0]) == 0 || strcmp(hex, hexes[1]) == 0);
        json_decref(found);
    }
    for (int i = 0; i < 2; i++) {
        void *failures = NULL;
        pthread_join(threads[i], &failures);
        assert_null(failures);
        free(hexes[i]);
    }
    assert_int_equal(write_state(id, json_null(), &err), STF_OK);
    json_decref(id);
}

static void wrong_input_is_explained(void **state)
{
    (void)state;
    static const struct {
        const char *id, *state, *message;
    } cases[] = {
        {"{}", "null", "member 'path': expected a string, found nothing"},
        {"{\"path\":\"etc/hosts\"}", "null", "expected the absolute path of a file, found 'etc/hosts'"},
        {"{\"path\":\"\"}", "null", "absolute path"},
        {"{\"path\":\"/\"}", "null", "absolute path"},
        {"{\"path\":\"/tmp/\"}", "null", "absolute path"},
        {"{\"path\":\"/tmp/..\"}", "null", "absolute path"},
        {"{\"pth\":\"/x\"}", "null", "did you mean 'path'?"},
        {"{\"path\":\"/nowhere/x\"}", "{}", "member 'mode'"},
        {"{\"path\":\"/nowhere/x\"}", "{\"mode\":\"644\",\"owner\":0,\"group\":0,\"content_hex\":\"\"}",
         "four octal digits such as 0644, found '644'"},
        {"{\"path\":\"/nowhere/x\"}", "{\"mode\":\"0888\",\"owner\":0,\"group\":0,\"content_hex\":\"\"}", "octal"},
        {"{\"path\":\"/nowhere/x\"}", "{\"mode\":\"0644\",\"owner\":-1,\"group\":0,\"content_hex\":\"\"}",
         "member 'owner'"},
        {"{\"path\":\"/nowhere/x\"}", "{\"mode\":\"0644\",\"owner\":0,\"group\":0,\"content_hex\":\"0\"}",
         "even number"},
        {"{\"path\":\"/nowhere/x\"}", "{\"mode\":\"0644\",\"owner\":0,\"group\":0,\"content\":\"\"}",
         "did you mean 'content_hex'?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stf_err err = {0};
        json_t *id = json_loads(cases[i].id, 0, NULL);
        json_t *wanted = json_loads(cases[i].state, JSON_DECODE_ANY, NULL);
        assert_non_null(wanted);
        assert_int_equal(write_state(id, wanted, &err), STF_INVALID_DATA);
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].message, err.message);
        json_decref(id);
    }
}

static void lines_for_a_person(void **state)
{
    (void)state;
    json_t *id = pack_id("/etc/hosts"), *there = pack_state("0640", 0, 7, "616263");
    char *lines[] = {file_resource()->describe(id, NULL), file_resource()->describe(id, there),
                     file_resource()->describe(id, json_null())};
    static const char *const expected[] = {"/etc/hosts", "file of 3 bytes, mode 0640, owner 0:7", "absent"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(lines[i], expected[i]);
        free(lines[i]);
    }
    json_decref(id);
    json_decref(there);
}

int main(void)
{
    snprintf(scratch_ns, sizeof scratch_ns, "stf-ts%d", (int)getpid());
    snprintf(folder, sizeof folder, "/tmp/stf-ts%d", (int)getpid());
    scratch_start("ip netns del %s; rm -rf %s", scratch_ns, folder);
    if (!scratch_sh("mkdir %s && ip netns add %s", folder, scratch_ns)) {
        puts("SKIP: cannot make a network namespace (needs root)");
        return 0;
    }
    config = json_object();
    host = (struct stf_host){.name = "node1", .netns = scratch_ns, .config = config, .site_dir = "/"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_are_those_of_the_system),
        cmocka_unit_test(esp_is_found_out_without_a_trace),
        cmocka_unit_test(commands_run_in_the_namespace),
        cmocka_unit_test(commands_that_fail_to_run),
        cmocka_unit_test(files_are_written_read_and_removed),
        cmocka_unit_test(what_could_not_be_put_back_is_refused),
        cmocka_unit_test(folders_are_not_made),
        cmocka_unit_test(a_leftover_of_a_killed_writer_is_replaced),
        cmocka_unit_test(writers_do_not_mix),
        cmocka_unit_test(wrong_input_is_explained),
        cmocka_unit_test(lines_for_a_person),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(config);
    return failed;
}
