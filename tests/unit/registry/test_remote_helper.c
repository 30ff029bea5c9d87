/* test_remote_helper.c - remote registries without any: helpers that misbehave (shell scripts), files of credentials,
 * and results that no sane host sends. Needs neither Samba nor a network. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <errno.h>
#include <signal.h>

#include "registry/remote_login.h"
#include "registry/rights.h"
#include "registry/winreg.h"

#define ZEROS4 "\\000\\000\\000\\000"
#define FRAME(version, message, id, value, size)                                                                       \
    "printf 'STFW\\" version "\\000\\" message "\\000\\" id "\\000\\000\\000" value size "'\n"
#define HELLO FRAME("001", "001", "000", ZEROS4, ZEROS4)
#define CONNECTED FRAME("001", "003", "000", ZEROS4, ZEROS4)
#define TAKE_CONNECT                                                                                                   \
    "dd bs=20 count=1 2>/dev/null | od -An -tu4 -j16 >size\n dd bs=$(tr -d ' ' <size) count=1 >connect 2>/dev/null\n"

enum { DEADLINE_MS = 5000 };

/* A helper that does what the script says, in the test's folder. */
static const char *make_helper(const char *script)
{
    const char *path = in_folder("helper");
    char text[4096];

    snprintf(text, sizeof(text), "#!/bin/sh\ncd %s\n%s", test_folder, script);
    write_file(path, text, strlen(text));
    assert_int_equal(chmod(path, 0700), 0);
    return path;
}

static void check_open(const struct stf_registry_remote *remote, enum stf_kind kind, const char *message)
{
    const struct stf_registry_place place = {.remote = remote};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_open(&stf_registry_backend_remote, &place, STF_REGISTRY_READ, &registry, &err), kind);
    assert_null(registry);
    assert_contains(err.message, message);
    assert_null(strstr(err.message, "hunter2"));
}

static void check_helper(const char *script, int64_t deadline_ms, enum stf_kind kind, const char *message)
{
    const struct stf_registry_remote remote = {
        .host = "host.test",
        .root = "HKLM",
        .user = "joe",
        .password = "hunter2",
        .deadline_ms = deadline_ms,
        .helper = make_helper(script),
    };

    check_open(&remote, kind, message);
}

static void test_no_helper(void **state)
{
    const struct stf_registry_remote remote = {
        .host = "host.test", .user = "joe", .password = "hunter2", .helper = in_folder("nothing")};

    (void)state;
    check_open(&remote, STF_UNSUPPORTED, "is not installed");
}

static void test_helper_dies(void **state)
{
    (void)state;
    check_helper("echo 'no such library' >&2; exit 127", DEADLINE_MS, STF_IO, "with exit code 127");
    check_helper("echo 'no such library' >&2; exit 127", DEADLINE_MS, STF_IO, ": no such library");
    check_helper("exit 0", DEADLINE_MS, STF_IO, "ended by itself");
    check_helper("kill -9 $$", DEADLINE_MS, STF_IO, "by signal 9");
    check_helper(HELLO "exit 1", DEADLINE_MS, STF_IO, "with exit code 1");
    check_helper(HELLO CONNECTED "exit 1", DEADLINE_MS, STF_IO, "with exit code 1");
}

static void test_helper_talks_nonsense(void **state)
{
    (void)state;
    check_helper("echo 'Hello, this is some other program.'; sleep 1000", DEADLINE_MS, STF_INVALID_DATA,
                 "something else than a frame");
    check_helper(FRAME("002", "001", "000", ZEROS4, ZEROS4) "sleep 1000", DEADLINE_MS, STF_INVALID_DATA,
                 "something else than a frame");
    check_helper(FRAME("001", "001", "000", ZEROS4, "\\377\\377\\377\\377") "sleep 1000", DEADLINE_MS, STF_INVALID_DATA,
                 "something else than a frame");
    check_helper(CONNECTED "sleep 1000", DEADLINE_MS, STF_INVALID_DATA, "no greeting");
    check_helper(HELLO HELLO "sleep 1000", DEADLINE_MS, STF_INVALID_DATA, "no answer to the connection");
    check_helper(HELLO CONNECTED FRAME("001", "005", "007", ZEROS4, ZEROS4) "sleep 1000", DEADLINE_MS, STF_INVALID_DATA,
                 "an answer to something else");
    /* a reply of three bytes to the call that opens HKLM */
    check_helper(HELLO CONNECTED FRAME("001", "005", "001", ZEROS4, "\\003\\000\\000\\000") "printf abc; sleep 1000",
                 DEADLINE_MS, STF_INVALID_DATA, "is no answer");
}

static void test_helper_hangs(void **state)
{
    size_t size;
    char *text;
    long pid;

    (void)state;
    check_helper("echo $$ >pid; sleep 1000", 300, STF_TIMEOUT, "did not answer within 300 ms");
    text = (char *)read_file(in_folder("pid"), &size);
    text[size] = '\0';
    pid = strtol(text, NULL, 10);
    assert_true(pid > 1);
    assert_int_equal(kill((pid_t)pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    free(text);
    check_helper(HELLO "sleep 1000", 300, STF_TIMEOUT, "did not answer");
    check_helper(HELLO CONNECTED "sleep 1000", 300, STF_TIMEOUT, "did not answer");
}

static void test_refusals_have_kinds(void **state)
{
    (void)state;
    check_helper(HELLO FRAME("001", "006", "000", "\\155\\000\\000\\300", "\\003\\000\\000\\000") "printf who; sleep 9",
                 DEADLINE_MS, STF_DENIED, "who (0xc000006d)");
    check_helper(HELLO FRAME("001", "006", "000", "\\066\\002\\000\\300", ZEROS4) "sleep 9", DEADLINE_MS,
                 STF_UNREACHABLE, "0xc0000236");
    check_helper(HELLO FRAME("001", "006", "000", "\\064\\000\\000\\300", ZEROS4) "sleep 9", DEADLINE_MS,
                 STF_UNSUPPORTED, "remote registry service does not run");
    /* an RPC fault of the first call */
    check_helper(HELLO CONNECTED FRAME("001", "006", "001", "\\042\\000\\000\\300", ZEROS4) "sleep 9", DEADLINE_MS,
                 STF_DENIED, "0xc0000022");
}

/* Only the helper's standard input has the password. */
static void test_password_stays_in_the_pipe(void **state)
{
    uint8_t *seen;
    size_t size;

    (void)state;
    check_helper("tr '\\0' '\\n' </proc/$$/cmdline >seen; tr '\\0' '\\n' </proc/$$/environ >>seen; ls -l /proc/$$/fd "
                 ">>seen\n" HELLO TAKE_CONNECT "exit 5",
                 DEADLINE_MS, STF_IO, "exit code 5");
    seen = read_file(in_folder("seen"), &size);
    assert_null(memmem(seen, size, "hunter2", 7));
    free(seen);
    seen = read_file(in_folder("connect"), &size);
    assert_non_null(memmem(seen, size, "hunter2", 7));
    assert_non_null(memmem(seen, size, "host.test", 9));
    free(seen);
}

/* ---- credentials ---- */

static enum stf_kind login(const char *text, mode_t mode, struct stf_remote_connect *connect, struct stf_err *err)
{
    const char *path = in_folder("cred");

    write_file(path, text, strlen(text));
    assert_int_equal(chmod(path, mode), 0);
    *connect = (struct stf_remote_connect){0};
    return stf_remote_login_read(path, connect, err);
}

static void check_login_fails(const char *text, mode_t mode, enum stf_kind kind, const char *message)
{
    struct stf_remote_connect connect;
    struct stf_err err = {0};

    assert_int_equal(login(text, mode, &connect, &err), kind);
    assert_contains(err.message, message);
    assert_null(strstr(err.message, "hunter2"));
}

static void test_login_file(void **state)
{
    struct stf_remote_connect connect;
    struct stf_err err = {0};

    (void)state;
    assert_ok(
        login("# mine\n; too\n\n  username =\tjoe smith \r\nPassword=hunter2 = x\nDOMAIN = LAB\nworkstation = w\n",
              0600, &connect, &err),
        &err);
    assert_string_equal(connect.user, "joe smith");
    assert_string_equal(connect.password, "hunter2 = x");
    assert_string_equal(connect.domain, "LAB");
    assert_ok(login("username=joe", 0400, &connect, &err), &err);
    assert_string_equal(connect.user, "joe");
    assert_string_equal(connect.password, "");
}

static void test_bad_login_files(void **state)
{
    struct stf_remote_connect connect = {0};
    struct stf_err err = {0};
    char *huge = malloc(20001);

    (void)state;
    check_login_fails("username=joe\npassword=hunter2\n", 0640, STF_DENIED, "mode 600");
    check_login_fails("username=joe\npassword=hunter2\n", 0604, STF_DENIED, "mode 600");
    check_login_fails("password=hunter2\n", 0600, STF_INVALID_DATA, "username");
    check_login_fails("username=joe\nhunter2\n", 0600, STF_INVALID_DATA, "line 2");
    memset(huge, 'a', 20000);
    memcpy(huge, "username=", 9);
    huge[20000] = '\0';
    check_login_fails(huge, 0600, STF_INVALID_DATA, "no file of credentials");
    huge[2000] = '\0';
    check_login_fails(huge, 0600, STF_INVALID_DATA, "line 1");
    free(huge);
    assert_int_equal(stf_remote_login_read(in_folder("none"), &connect, &err), STF_NOT_FOUND);
    assert_int_equal(stf_remote_login_read(test_folder, &connect, &err), STF_INVALID_DATA);
    assert_int_equal(chown(in_folder("cred"), 65534, 65534), 0);
    assert_int_equal(stf_remote_login_read(in_folder("cred"), &connect, &err), STF_DENIED);
}

/* ---- results ---- */

static volatile unsigned sink;

/* Reads the bytes as the results of every call; they may say anything, and nothing may be read beyond their end. */
static void read_as_everything(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size + (size == 0)); /* sanitizers see a read beyond its end */
    struct stf_winreg_handle handle;
    struct stf_winreg_info info;
    struct stf_winreg_name name = {0};
    struct stf_winreg_value value = {0};
    const uint8_t *descriptor = NULL;
    size_t descriptor_size = 0;
    uint32_t number;

    memcpy(exact, bytes, size);
    stf_winreg_get_code(&(struct stf_bytes_in){.bytes = exact, .size = size}, &number);
    stf_winreg_get_handle(&(struct stf_bytes_in){.bytes = exact, .size = size}, &handle, &number);
    stf_winreg_get_created(&(struct stf_bytes_in){.bytes = exact, .size = size}, &handle, &number);
    stf_winreg_get_info(&(struct stf_bytes_in){.bytes = exact, .size = size}, &info, &number);
    stf_winreg_get_query_value(&(struct stf_bytes_in){.bytes = exact, .size = size}, &number, &number);
    if (stf_winreg_get_enum_key(&(struct stf_bytes_in){.bytes = exact, .size = size}, &name, &number))
        for (size_t i = 0; i < 2 * name.units; i++)
            sink += name.data[i];
    if (stf_winreg_get_enum_value(&(struct stf_bytes_in){.bytes = exact, .size = size}, &value, &number))
        for (size_t i = 0; i < value.size; i++)
            sink += value.data[i];
    if (stf_winreg_get_security(&(struct stf_bytes_in){.bytes = exact, .size = size}, &descriptor, &descriptor_size,
                                &number))
        stf_rights_are_own(descriptor, descriptor_size, exact, size);
    stf_rights_are_own(exact, size, NULL, 0);
    free(exact);
}

/* The results of an EnumValue: name "ab" with its NUL, type 3, data 1 2 3. */
static const uint8_t enum_value[] = {
    6, 0, 0, 1, 1, 0, 2, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 'a', 0, 'b', 0, 0, 0, 0, 0, /* name */
    1, 0, 2, 0, 3, 0, 0, 0,                                                                    /* type */
    1, 0, 2, 0, 8, 0, 0, 0, 0,    0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0,                             /* data */
    1, 0, 2, 0, 3, 0, 0, 0, 1,    0, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0,                             /* sizes, code */
};

static void test_results(void **state)
{
    struct stf_bytes_in in = {.bytes = enum_value, .size = sizeof(enum_value)};
    struct stf_winreg_value value = {0};
    uint32_t code = 99;
    unsigned seed = 821839;

    (void)state;
    assert_true(stf_winreg_get_enum_value(&in, &value, &code));
    assert_int_equal(code, 0);
    assert_int_equal(value.name.units, 2);
    assert_memory_equal(value.name.data, "a\0b", 4);
    assert_int_equal(value.type, STF_REG_BINARY);
    assert_int_equal(value.size, 3);
    assert_memory_equal(value.data, "\1\2\3", 3);
    for (size_t size = 0; size < sizeof(enum_value); size++) {
        in = (struct stf_bytes_in){.bytes = enum_value, .size = size};
        assert_false(stf_winreg_get_enum_value(&in, &value, &code));
        read_as_everything(enum_value, size);
    }
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[sizeof(enum_value)];
        memcpy(bytes, enum_value, sizeof(bytes));
        for (int i = 0; i < 4; i++)
            bytes[(size_t)rand_r(&seed) % sizeof(bytes)] = (uint8_t)(rand_r(&seed) % 3 == 0 ? 255 : rand_r(&seed));
        read_as_everything(bytes, (size_t)rand_r(&seed) % (sizeof(bytes) + 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_helper),
        cmocka_unit_test(test_helper_dies),
        cmocka_unit_test(test_helper_talks_nonsense),
        cmocka_unit_test(test_helper_hangs),
        cmocka_unit_test(test_refusals_have_kinds),
        cmocka_unit_test(test_password_stays_in_the_pipe),
        cmocka_unit_test(test_login_file),
        cmocka_unit_test(test_bad_login_files),
        cmocka_unit_test(test_results),
    };

    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
