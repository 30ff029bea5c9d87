/* test_registry_hive.c - hive files: made, committed, locked, refused when dirty or broken, and read by other programs.
 * Commits are killed for real. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include <jansson.h>

#include "registry/tree.h"

static const char *make_hive(const char *name)
{
    const char *path = in_folder(name);
    struct stf_err err = {0};

    assert_ok(stf_hive_create(path, &err), &err);
    return path;
}

static enum stf_kind kind_of_open(const char *path, enum stf_registry_mode mode, struct stf_err *err)
{
    const struct stf_registry_place place = {.path = path};
    struct stf_registry *registry = NULL;
    enum stf_kind kind = stf_registry_open(&stf_registry_backend_hive, &place, mode, &registry, err);

    stf_registry_close(registry);
    return kind;
}

static json_t *whole_tree(const char *path)
{
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_READ);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

static size_t count_files(void)
{
    DIR *folder = opendir(test_folder);
    size_t count = 0;

    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

/* ---- making one ---- */

static void test_create(void **state)
{
    const char *path = make_hive("new");
    struct stf_err err = {0};
    struct stat status;
    size_t size;
    uint8_t *before = read_file(path, &size);
    uint8_t *after;

    (void)state;
    assert_int_equal(stf_hive_create(path, &err), STF_CONFLICT);
    assert_contains(err.message, path);
    after = read_file(path, &size);
    assert_int_equal(size, 8192);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(stf_hive_create(in_folder("no/such/folder"), &err), STF_NOT_FOUND);
    assert_int_equal(count_files(), 1);
}

static void test_others_read_an_empty_hive(void **state)
{
    const char *path = make_hive("new");
    char *output;

    (void)state;
    output = output_of((const char *const[]){"regfinfo", path, NULL});
    assert_contains(output, "1.5");
    free(output);
    output = output_of((const char *const[]){"reglookup", "-s", path, NULL});
    assert_contains(output, "/,KEY");
    assert_contains(output, "S-1-5-32-544,S-1-5-18,,S-1-5-18:ALLOW:QRY_VAL SET_VAL CREATE_KEY");
    assert_contains(output, "S-1-5-32-545:ALLOW:QRY_VAL ENUM_KEYS NOTIFY R_CONT:CI,");
    free(output);
    output = output_of((const char *const[]){"hivexml", path, NULL});
    assert_contains(output, "root=\"1\"");
    free(output);
    output = output_of((const char *const[]){"regfexport", path, NULL});
    free(output);
}

static void test_others_read_what_was_written(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    char *output;

    (void)state;
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services\\PolicyAgent\\Oakley", "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services\\PolicyAgent\\Oakley", "", STF_REG_SZ, "d\0e\0f\0\0\0", 8);
    set_bytes(registry, "ControlSet001\\Control", "List", STF_REG_MULTI_SZ, "a\0\0\0b\0\0\0\0\0", 10);
    set_bytes(registry, "ControlSet001\\Control", "Big", STF_REG_QWORD, "\0\0\0\0\1\0\0\0", 8);
    set_bytes(registry, "ControlSet001\\Control", "Bytes", STF_REG_BINARY, "\x0a\xff", 2);
    set_bytes(registry, "Ключ", "имя", STF_REG_SZ, "x\0\0\0", 4);
    commit_and_close(registry);

    output = output_of(
        (const char *const[]){"hivexget", path, "\\ControlSet001\\Services\\PolicyAgent\\Oakley", "NLBSFlags", NULL});
    assert_string_equal(output, "1\n");
    free(output);
    output = output_of((const char *const[]){"hivexget", path, "\\ControlSet001\\Control", NULL});
    assert_contains(output, "\"Bytes\"=hex(3):0a,ff\n");
    assert_contains(output, "\"List\"=hex(7):61,00,00,00,62,00,00,00,00,00\n");
    free(output);
    output = output_of((const char *const[]){"reglookup", path, NULL});
    assert_contains(output, "/ControlSet001/Services/PolicyAgent/Oakley/NLBSFlags,DWORD,0x00000001,");
    assert_contains(output, "/ControlSet001/Control/Big,QWORD,0x0000000100000000,");
    assert_contains(output, "/ControlSet001/Control/List,MULTI_SZ,a|b,");
    assert_contains(output, "/Select/Current,DWORD,0x00000001,");
    free(output);
    output = output_of((const char *const[]){"regfexport", path, NULL});
    assert_contains(output, "NLBSFlags");
    assert_contains(output, "Ключ");
    free(output);
}

static void test_hivexsh_walks_what_was_written(void **state)
{
    const char *path = make_hive("SYSTEM");
    const char *script = "cd \\A\\B\nlsval\ncd \\\nls\n";
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    const char *const argv[] = {"hivexsh", path, NULL};
    const struct stf_process_id id = {.argv = argv, .input = script, .input_size = strlen(script), .timeout_ms = 20000};
    struct stf_process_result result = {0};
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "A\\B", "v", STF_REG_DWORD, "\2\0\0\0", 4);
    assert_ok(stf_registry_create_key(registry, "C", &err), &err);
    commit_and_close(registry);
    assert_ok(stf_process_run(&id, &result, &err), &err);
    assert_int_equal(result.exit_code, 0);
    assert_contains(result.output, "\"v\"=dword:00000002\n");
    assert_contains(result.output, "A\n");
    assert_contains(result.output, "C\n");
    stf_process_result_fini(&result);
}

/* ---- committing ---- */

static void test_commit_replaces_the_file(void **state)
{
    const char *path = make_hive("SYSTEM");
    const char *link_path = in_folder("link");
    struct stat before;
    struct stat after;
    struct stf_registry *registry;
    char attribute[8];
    bool has_attributes; /* whether the file system of /tmp has them */

    (void)state;
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(chown(path, 12345, 54321), 0);
    assert_int_equal(symlink("SYSTEM", link_path), 0);
    assert_int_equal(stat(path, &before), 0);

    has_attributes = setxattr(path, "user.staffetta", "kept", 4, 0) == 0;
    registry = open_hive(link_path, STF_REGISTRY_WRITE);
    set_bytes(registry, "A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    assert_int_equal(stat(path, &after), 0);
    assert_true(!has_attributes || getxattr(path, "user.staffetta", attribute, sizeof(attribute)) == 4);
    assert_true(after.st_ino != before.st_ino);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, 12345);
    assert_int_equal(after.st_gid, 54321);
    assert_int_equal(lstat(link_path, &before), 0);
    assert_true(S_ISLNK(before.st_mode));
    assert_int_equal(count_files(), 2);
}

static void test_no_change_no_new_file(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stat before;
    struct stat after;
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    assert_int_equal(stat(path, &before), 0);

    registry = open_hive(path, STF_REGISTRY_WRITE);
    set_bytes(registry, "A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_create_key(registry, "a", &err), &err);
    assert_ok(stf_registry_delete_value(registry, "A", "w", &err), &err);
    assert_ok(stf_registry_delete_key(registry, "B", &err), &err);
    commit_and_close(registry);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
}

static void test_many_commits_in_one_opening(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_registry_value value = {0};
    struct stf_err err = {0};

    (void)state;
    for (uint8_t i = 0; i < 20; i++) {
        set_bytes(registry, "A", "v", STF_REG_DWORD, (uint8_t[]){i, 0, 0, 0}, 4);
        assert_ok(stf_registry_commit(registry, &err), &err);
    }
    stf_registry_close(registry);
    registry = open_hive(path, STF_REGISTRY_READ);
    assert_ok(stf_registry_get(registry, "A", "v", &value, &err), &err);
    assert_int_equal(value.data[0], 19);
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
    assert_int_equal(count_files(), 1);
}

static void test_left_over_file_is_taken_over(void **state)
{
    const char *path = make_hive("SYSTEM");
    const char *left_over = in_folder(".SYSTEM.staffetta-new");
    struct stf_registry *registry;

    (void)state;
    write_file(left_over, "half a hive", 11);
    registry = open_hive(path, STF_REGISTRY_WRITE);
    set_bytes(registry, "A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    assert_int_equal(count_files(), 1);
    json_decref(whole_tree(path));
}

/* A disk that is full in the middle of a commit: the limit on a file's size stands in for it. */
static void test_failed_write_leaves_the_old_hive(void **state)
{
    const char *path = make_hive("SYSTEM");
    size_t size;
    uint8_t *before;
    uint8_t *after;
    pid_t child;
    int status;

    (void)state;
    before = read_file(path, &size);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {5000, 5000};
        const struct stf_registry_place place = {.path = path};
        struct stf_registry_value value = {"v", STF_REG_NONE, (uint8_t *)"", 0};
        struct stf_registry *registry = NULL;
        struct stf_err err = {0};
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0 ||
            stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_WRITE, &registry, &err) != STF_OK ||
            stf_registry_set(registry, "A", &value, &err) != STF_OK)
            _exit(2);
        _exit(stf_registry_commit(registry, &err) == STF_IO && err.code == EFBIG ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    after = read_file(path, &size);
    assert_int_equal(size, 8192);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    assert_int_equal(count_files(), 1);
}

static void flip_for_ever(const char *path)
{
    for (uint8_t i = 0;; i ^= 1) {
        uint8_t data[3000];
        struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
        memset(data, i, sizeof(data));
        set_bytes(registry, "Flip\\Deep", "v", STF_REG_BINARY, data, sizeof(data));
        commit_and_close(registry);
    }
}

/* kill -9 at any moment: the hive is the old one or the new one, sound, and the next writer gets on. */
static void test_killed_writer(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    unsigned seed = 7;

    (void)state;
    set_bytes(registry, "Flip\\Deep", "v", STF_REG_BINARY, (uint8_t[3000]){0}, 3000);
    set_bytes(registry, "Kept", "v", STF_REG_SZ, "k\0\0\0", 4);
    commit_and_close(registry);
    for (int round = 0; round < 25; round++) {
        const struct timespec pause = {.tv_nsec = rand_r(&seed) % 20000000};
        struct stf_registry_value value = {0};
        struct stf_err err = {0};
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            flip_for_ever(path);
        nanosleep(&pause, NULL);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

        registry = open_hive(path, STF_REGISTRY_READ);
        assert_ok(stf_registry_get(registry, "Flip\\Deep", "v", &value, &err), &err);
        assert_int_equal(value.size, 3000);
        for (size_t i = 0; i < 3000; i++)
            assert_int_equal(value.data[i], value.data[0]);
        stf_registry_value_fini(&value);
        assert_ok(stf_registry_get(registry, "Kept", "v", &value, &err), &err);
        stf_registry_value_fini(&value);
        stf_registry_close(registry);
    }
    registry = open_hive(path, STF_REGISTRY_WRITE);
    set_bytes(registry, "After", "v", STF_REG_NONE, NULL, 0);
    commit_and_close(registry);
    assert_int_equal(count_files(), 1);
}

/* ---- writers ---- */

static void test_second_writer_is_refused(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "A", "v", STF_REG_NONE, NULL, 0);
    assert_ok(stf_registry_commit(registry, &err), &err); /* the new file is as locked as the old one was */
    assert_int_equal(kind_of_open(path, STF_REGISTRY_WRITE, &err), STF_BUSY);
    assert_true(err.is_retryable);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_READ, &err), STF_OK);
    stf_registry_close(registry);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_WRITE, &err), STF_OK);
}

static void count_up(const char *path, int times)
{
    for (int i = 0; i < times; i++) {
        struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
        struct stf_registry_value value = {0};
        struct stf_err err = {0};
        uint8_t data[4];
        assert_ok(stf_registry_get(registry, "Count", "n", &value, &err), &err);
        put_word(data, word_at(value.data) + 1);
        stf_registry_value_fini(&value);
        set_bytes(registry, "Count", "n", STF_REG_DWORD, data, 4);
        commit_and_close(registry);
    }
}

static void test_writers_wait_for_each_other(void **state)
{
    enum { WRITERS = 3, TIMES = 15 };
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_registry_value value = {0};
    struct stf_err err = {0};
    pid_t children[WRITERS];
    int status;

    (void)state;
    set_bytes(registry, "Count", "n", STF_REG_DWORD, "\0\0\0\0", 4);
    commit_and_close(registry);
    for (int i = 0; i < WRITERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            count_up(path, TIMES);
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    registry = open_hive(path, STF_REGISTRY_READ);
    assert_ok(stf_registry_get(registry, "Count", "n", &value, &err), &err);
    assert_int_equal(word_at(value.data), WRITERS * TIMES);
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
}

/* ---- refusals ---- */

typedef void (*alter_bytes)(uint8_t *bytes, size_t *size);

static void bump_first_sequence(uint8_t *bytes, size_t *size)
{
    (void)size;
    put_word(bytes + 4, word_at(bytes + 4) + 1);
    fix_checksum(bytes);
}

static void break_checksum(uint8_t *bytes, size_t *size)
{
    (void)size;
    bytes[0x1fc] ^= 1;
}

static void break_magic(uint8_t *bytes, size_t *size)
{
    (void)size;
    memcpy(bytes, "REGE", 4);
    fix_checksum(bytes);
}

static void make_log(uint8_t *bytes, size_t *size)
{
    (void)size;
    bytes[0x1c] = 1;
    fix_checksum(bytes);
}

static void cut_bins(uint8_t *bytes, size_t *size)
{
    (void)bytes;
    *size -= 1;
}

static void cut_base(uint8_t *bytes, size_t *size)
{
    (void)bytes;
    *size = 512;
}

static void claim_nothing(uint8_t *bytes, size_t *size)
{
    (void)size;
    put_word(bytes + 0x28, 0);
    fix_checksum(bytes);
}

static void check_refused(const char *name, alter_bytes alter, const char *message)
{
    const char *path = make_hive(name);
    struct stf_err err = {0};
    size_t size;
    size_t size_after;
    uint8_t *bytes = read_file(path, &size);
    uint8_t *after;

    alter(bytes, &size);
    write_file(path, bytes, size);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_READ, &err), STF_INVALID_DATA);
    assert_contains(err.message, message);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_WRITE, &err), STF_INVALID_DATA);
    after = read_file(path, &size_after);
    assert_int_equal(size_after, size);
    assert_memory_equal(after, bytes, size);
    free(after);
    free(bytes);
}

static void test_refusals(void **state)
{
    struct stf_err err = {0};

    (void)state;
    check_refused("dirty", bump_first_sequence, "is dirty");
    check_refused("checksum", break_checksum, "checksum");
    check_refused("magic", break_magic, "no registry hive");
    check_refused("log", make_log, "transaction log");
    check_refused("cut", cut_bins, "cut short");
    check_refused("short", cut_base, "too short");
    check_refused("empty", claim_nothing, "cut short");
    assert_int_equal(kind_of_open(in_folder("missing"), STF_REGISTRY_READ, &err), STF_NOT_FOUND);
    assert_int_equal(kind_of_open(test_folder, STF_REGISTRY_READ, &err), STF_INVALID_DATA);
}

/* ---- what others' readers make of it ---- */

/* How many bytes `hivexget` gives of a value, which all are `byte`. */
static size_t check_hivexget_bytes(const char *path, const char *key, const char *name, unsigned byte)
{
    char *output = output_of((const char *const[]){"sh", "-c", "hivexget \"$1\" \"$2\" \"$3\" | od -An -v -tx1 -w1",
                                                   "sh", path, key, name, NULL});
    char wanted[8];
    size_t size = strlen(output) / 4;

    snprintf(wanted, sizeof(wanted), " %02x\n", byte);
    for (size_t i = 0; i < size; i++)
        assert_memory_equal(output + 4 * i, wanted, 4);
    free(output);
    return size;
}

/* Data that is stored in segments. */
static void test_others_read_large_data(void **state)
{
    static const size_t sizes[] = {16344, 16345, 100000, 1000000};
    static uint8_t data[1000000];
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    char name[32];
    char *output;

    (void)state;
    memset(data, 0xa7, sizeof(data));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(name, sizeof(name), "v%zu", sizes[i]);
        set_bytes(registry, "Large", name, STF_REG_BINARY, data, sizes[i]);
    }
    commit_and_close(registry);
    output = output_of((const char *const[]){"regfexport", path, NULL});
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(name, sizeof(name), "v%zu", sizes[i]);
        assert_contains(output, name);
        assert_int_equal(check_hivexget_bytes(path, "\\Large", name, 0xa7), sizes[i]);
    }
    free(output);
    output = output_of((const char *const[]){"reglookup", path, NULL});
    assert_contains(output, "/Large/v1000000,BINARY,%A7%A7");
    free(output);
}

static void test_others_read_many_siblings(void **state)
{
    enum { COUNT = 3000 };
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    char key[64];
    char *output;

    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        snprintf(key, sizeof(key), "Many\\Sibling %u", i * 7919 % COUNT);
        set_bytes(registry, key, "n", STF_REG_DWORD, &i, 4);
    }
    commit_and_close(registry);
    output = output_of((const char *const[]){"sh", "-c", "reglookup -H \"$1\" | grep -c '/n,DWORD'", "sh", path, NULL});
    assert_string_equal(output, "3000\n");
    free(output);
    output = output_of((const char *const[]){"hivexget", path, "\\Many\\Sibling 2999", "n", NULL});
    assert_true(strtol(output, NULL, 10) < COUNT);
    free(output);
    output = output_of((const char *const[]){"sh", "-c", "regfexport \"$1\" | grep -c 'Sibling '", "sh", path, NULL});
    assert_true(strtol(output, NULL, 10) >= COUNT);
    free(output);
}

/* ---- names that no C string of UTF-8 holds ---- */

static void test_odd_names(void **state)
{
    static const char *const names[] = {"NUL \uFDD0"
                                        "0000 in it",
                                        "\uFDD0"
                                        "D800 alone",
                                        "\uFDD0"
                                        "DFFF\uFDD0"
                                        "D800 wrong way",
                                        "noncharacter \uFDD0"
                                        "FDD0",
                                        "ends with \uFDD0"
                                        "0000",
                                        "𐐷 a pair"};
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_registry_listing listing;
    struct stf_registry_value value;
    struct stf_err err = {0};
    char key[128];
    char *output;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(key, sizeof(key), "Odd\\%s\\below", names[i]);
        set_bytes(registry, key, names[i], STF_REG_SZ, "x\0\0\0", 4);
    }
    commit_and_close(registry);
    for (int mode = STF_REGISTRY_READ; mode <= STF_REGISTRY_WRITE; mode++) {
        registry = open_hive(path, (enum stf_registry_mode)mode);
        assert_ok(stf_registry_list(registry, "odd", &listing, &err), &err);
        assert_int_equal(listing.key_count, sizeof(names) / sizeof(names[0]));
        stf_registry_listing_fini(&listing);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            snprintf(key, sizeof(key), "Odd\\%s\\below", names[i]);
            assert_ok(stf_registry_get(registry, key, names[i], &value, &err), &err);
            assert_string_equal(value.name, names[i]);
            stf_registry_value_fini(&value);
        }
        stf_registry_close(registry);
    }
    output = output_of((const char *const[]){"reglookup", path, NULL});
    assert_contains(output, "/Odd/n%00o%00n%00c"); /* it cuts names at a NUL, and shows UTF-16 as bytes */
    assert_contains(output, "/Odd/NUL /below/");
    free(output);
}

/* ---- times ---- */

static uint64_t written_of(const char *path, const char *name)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    uint8_t *at = memmem(bytes, size, name, strlen(name));
    uint64_t written;

    assert_non_null(at);
    written = word_at(at - 72) | (uint64_t)word_at(at - 68) << 32;
    free(bytes);
    return written;
}

/* A key has the time at which it was made. Setting a value later does not alter it, nor do the sequence numbers count
 * up: what is undone is undone to the byte. */
static void test_undone_is_the_same_file(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    uint64_t now = ((uint64_t)time(NULL) + 11644473600u) * 10000000u;
    uint64_t written;
    size_t size;
    size_t size_after;
    uint8_t *before;
    uint8_t *after;

    (void)state;
    set_bytes(registry, "Oakley", "NLBSFlags", STF_REG_DWORD, "\0\0\0\0", 4);
    set_bytes(registry, "Oakley", "Other", STF_REG_SZ, "o\0\0\0", 4);
    commit_and_close(registry);
    written = written_of(path, "Oakley");
    assert_true(written >= now - 20000000 && written <= now + 600000000);
    before = read_file(path, &size);

    nanosleep(&pause, NULL);
    registry = open_hive(path, STF_REGISTRY_WRITE);
    set_bytes(registry, "Oakley", "NLBSFlags", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "Oakley\\New\\Deep", "Large", STF_REG_BINARY, before, size);
    assert_ok(stf_registry_delete_value(registry, "Oakley", "Other", &err), &err);
    commit_and_close(registry);
    assert_int_equal(written_of(path, "Oakley"), written);

    registry = open_hive(path, STF_REGISTRY_WRITE);
    set_bytes(registry, "Oakley", "Other", STF_REG_SZ, "o\0\0\0", 4);
    assert_ok(stf_registry_delete_key(registry, "Oakley\\New", &err), &err);
    set_bytes(registry, "Oakley", "NLBSFlags", STF_REG_DWORD, "\0\0\0\0", 4);
    commit_and_close(registry);
    after = read_file(path, &size_after);
    assert_int_equal(size_after, size);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
}

static void test_file_does_not_grow(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stat status;

    (void)state;
    for (uint8_t i = 0; i < 50; i++) {
        struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
        uint8_t data[3000];
        memset(data, i, sizeof(data));
        set_bytes(registry, "A", "v", STF_REG_BINARY, data, sizeof(data));
        commit_and_close(registry);
    }
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 8192);
}

/* ---- classes, security, flags ---- */

/* A self-relative descriptor: owner and group SYSTEM, no access list. */
#define OWN_SECURITY                                                                                                   \
    "0100008014000000200000000000000000000000"                                                                         \
    "010100000000000512000000"                                                                                         \
    "010100000000000512000000"

static void write_tree(const char *path, const char *key, const json_t *tree)
{
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    assert_ok(stf_registry_tree_write(registry, key, tree, &err), &err);
    commit_and_close(registry);
}

static json_t *tree_with_times(const char *path, const char *key)
{
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_READ);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read_times(registry, key, &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

static json_t *tree_with_extras(void)
{
    return json_pack("{s:[], s:{s:{s:[], s:{s:{s:[], s:{}}, s:{s:[], s:{}, s:{s:s}}}, s:{s:s, s:s, s:i, s:i}}}}",
                     "values", "keys", "Own", "values", "keys", "Inherits", "values", "keys", "Classy", "values",
                     "keys", "extras", "class", "63006c00", "extras", "class", "410062006300", "security", OWN_SECURITY,
                     "flags", 0x20010, "access", 2);
}

static void test_extras(void **state)
{
    const char *path = make_hive("SYSTEM");
    json_t *tree = tree_with_extras();
    json_t *found;
    char *output;

    (void)state;
    write_tree(path, "T", tree);
    for (int mode = STF_REGISTRY_READ; mode <= STF_REGISTRY_WRITE; mode++) {
        struct stf_registry *registry = open_hive(path, (enum stf_registry_mode)mode);
        struct stf_err err = {0};
        assert_ok(stf_registry_tree_read(registry, "T", &found, &err), &err);
        assert_true(json_equal(found, tree));
        json_decref(found);
        stf_registry_close(registry);
    }
    output = output_of((const char *const[]){"reglookup", "-i", "-s", path, NULL});
    assert_contains(output, "/T/Own,KEY,,");
    assert_contains(output, "S-1-5-18,S-1-5-18,,,Abc");
    assert_contains(output, "/T/Own/Classy,KEY,,");
    free(output);

    /* the same state again is no change; without its extras a key is as a new one */
    write_tree(path, "T", tree);
    assert_int_equal(json_object_del(json_object_get(json_object_get(tree, "keys"), "Own"), "extras"), 0);
    write_tree(path, "T", tree);
    found = whole_tree(path);
    assert_true(json_equal(json_object_get(json_object_get(found, "keys"), "T"), tree));
    json_decref(found);
    json_decref(tree);
}

/* Its class, its security, its time and those of the keys below. */
static void test_deleted_key_comes_back(void **state)
{
    const char *path = make_hive("SYSTEM");
    const struct timespec pause = {.tv_sec = 1, .tv_nsec = 100000000};
    struct stf_registry *registry;
    struct stf_err err = {0};
    json_t *tree = tree_with_extras();
    json_t *before;
    size_t size;
    size_t size_after;
    uint8_t *bytes;
    uint8_t *bytes_after;

    (void)state;
    write_tree(path, "A\\T", tree);
    before = tree_with_times(path, "A\\T");
    assert_true(json_integer_value(json_object_get(json_object_get(before, "extras"), "written")) > 0);
    bytes = read_file(path, &size);

    registry = open_hive(path, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_delete_key(registry, "A\\T", &err), &err);
    commit_and_close(registry);
    nanosleep(&pause, NULL);
    write_tree(path, "A\\T", before);
    bytes_after = read_file(path, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(bytes, bytes_after, size);
    free(bytes);
    free(bytes_after);
    json_decref(before);
    json_decref(tree);
}

static void test_keep_extras(void **state)
{
    json_t *now = tree_with_extras();
    json_t *plain = json_pack("{s:[], s:{s:{s:[], s:{}}, s:{s:[], s:{}}}}", "values", "keys", "Own", "values", "keys",
                              "New", "values", "keys");
    json_t *own = json_object_get(json_object_get(plain, "keys"), "Own");
    struct stf_err err = {0};

    (void)state;
    assert_ok(stf_registry_tree_keep_extras(plain, now, &err), &err);
    assert_true(json_equal(json_object_get(own, "extras"),
                           json_object_get(json_object_get(json_object_get(now, "keys"), "Own"), "extras")));
    assert_null(json_object_get(json_object_get(json_object_get(plain, "keys"), "New"), "extras"));
    json_object_del(json_object_get(own, "extras"), "class"); /* it says something now, so it is not added to */
    assert_ok(stf_registry_tree_keep_extras(plain, now, &err), &err);
    assert_null(json_object_get(json_object_get(own, "extras"), "class"));
    json_decref(plain);
    json_decref(now);
}

static void check_bad_extras(const char *text)
{
    struct stf_registry *registry = open_hive(in_folder("SYSTEM"), STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    json_t *tree = json_pack("{s:[], s:{}, s:o}", "values", "keys", "extras", json_loads(text, 0, NULL));

    assert_non_null(tree);
    assert_int_equal(stf_registry_tree_write(registry, "T", tree, &err), STF_INVALID_DATA);
    assert_true(err.message[0] != '\0');
    stf_registry_close(registry);
    json_decref(tree);
}

static void test_bad_extras(void **state)
{
    (void)state;
    make_hive("SYSTEM");
    check_bad_extras("{\"x\": 1}");
    check_bad_extras("{\"class\": \"0\"}");
    check_bad_extras("{\"security\": 1}");
    check_bad_extras("{\"flags\": -1}");
    check_bad_extras("{\"access\": 4294967296}");
}

/* ---- damage ---- */

/* Cells of a key node: "nk" stands 4 bytes into the cell, the name 0x50. */
static size_t find_node(const uint8_t *bytes, size_t size, const char *name)
{
    const uint8_t *at = memmem(bytes, size, name, strlen(name));

    assert_non_null(at);
    assert_memory_equal(at - 0x50 + 4, "nk", 2);
    return (size_t)(at - bytes) - 0x50;
}

/* Refused when all of it is read, and when it is opened for writing, with a place in the file. */
static void check_damaged(const char *path, const uint8_t *bytes, size_t size)
{
    struct stf_registry *registry;
    struct stf_err err = {0};
    json_t *tree = NULL;

    write_file(path, bytes, size);
    registry = open_hive(path, STF_REGISTRY_READ);
    assert_int_equal(stf_registry_tree_read(registry, "", &tree, &err), STF_INVALID_DATA);
    assert_contains(err.message, "damaged at 0x");
    stf_registry_close(registry);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_WRITE, &err), STF_INVALID_DATA);
    assert_contains(err.message, "damaged at 0x");
}

/* A list of subkeys that leads back up: an error, no endless walk. */
static void test_cycle_is_refused(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;
    size_t outer;
    size_t inner;

    (void)state;
    assert_ok(stf_registry_create_key(registry, "Outer\\Inner", &err), &err);
    commit_and_close(registry);
    bytes = read_file(path, &size);
    outer = find_node(bytes, size, "Outer");
    inner = find_node(bytes, size, "Inner");
    memcpy(bytes + inner + 0x18, bytes + outer + 0x18, 4); /* as many subkeys, and the same list: itself */
    memcpy(bytes + inner + 0x20, bytes + outer + 0x20, 4);
    check_damaged(path, bytes, size);
    free(bytes);
}

/* Two values whose cells point at the same data (at 0x0c; the name at 0x18). */
static void test_shared_data_is_refused(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    size_t size;
    uint8_t *bytes;
    uint8_t *one;
    uint8_t *two;

    (void)state;
    set_bytes(registry, "A\\B", "ShareOne", STF_REG_BINARY, "12345678", 8);
    set_bytes(registry, "A\\B", "ShareTwo", STF_REG_BINARY, "87654321", 8);
    commit_and_close(registry);
    bytes = read_file(path, &size);
    one = (uint8_t *)memmem(bytes, size, "ShareOne", 8) - 0x18;
    two = (uint8_t *)memmem(bytes, size, "ShareTwo", 8) - 0x18;
    assert_memory_equal(one + 4, "vk", 2);
    memcpy(one + 0xc, two + 0xc, 4);
    check_damaged(path, bytes, size);
    free(bytes);
}

static void test_same_name_twice_is_refused(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;

    (void)state;
    assert_ok(stf_registry_create_key(registry, "A\\Twin1", &err), &err);
    assert_ok(stf_registry_create_key(registry, "A\\Twin2", &err), &err);
    commit_and_close(registry);
    bytes = read_file(path, &size);
    memcpy(memmem(bytes, size, "Twin2", 5), "tWIN1", 5);
    write_file(path, bytes, size);
    free(bytes);
    assert_int_equal(kind_of_open(path, STF_REGISTRY_WRITE, &err), STF_INVALID_DATA);
    assert_contains(err.message, "two subkeys of the name");
}

/* A list whose hashes are wrong is slower to search, and nothing else. */
static void test_wrong_hashes_do_no_harm(void **state)
{
    const char *path = make_hive("SYSTEM");
    struct stf_registry *registry = open_hive(path, STF_REGISTRY_WRITE);
    struct stf_registry_value value;
    struct stf_err err = {0};
    size_t size;
    uint8_t *bytes;
    uint8_t *list;

    (void)state;
    set_bytes(registry, "Hashed", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    bytes = read_file(path, &size);
    list = memmem(bytes, size, "lh\1\0", 4);
    assert_non_null(list);
    put_word(list + 8, 0x12345678);
    write_file(path, bytes, size);
    free(bytes);
    registry = open_hive(path, STF_REGISTRY_READ);
    assert_ok(stf_registry_get(registry, "hashed", "V", &value, &err), &err);
    stf_registry_value_fini(&value);
    stf_registry_close(registry);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_test_folder, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_create),
        IN_FOLDER(test_others_read_an_empty_hive),
        IN_FOLDER(test_others_read_what_was_written),
        IN_FOLDER(test_hivexsh_walks_what_was_written),
        IN_FOLDER(test_commit_replaces_the_file),
        IN_FOLDER(test_no_change_no_new_file),
        IN_FOLDER(test_many_commits_in_one_opening),
        IN_FOLDER(test_left_over_file_is_taken_over),
        IN_FOLDER(test_failed_write_leaves_the_old_hive),
        IN_FOLDER(test_killed_writer),
        IN_FOLDER(test_second_writer_is_refused),
        IN_FOLDER(test_writers_wait_for_each_other),
        IN_FOLDER(test_refusals),
        IN_FOLDER(test_others_read_large_data),
        IN_FOLDER(test_others_read_many_siblings),
        IN_FOLDER(test_odd_names),
        IN_FOLDER(test_undone_is_the_same_file),
        IN_FOLDER(test_file_does_not_grow),
        IN_FOLDER(test_extras),
        IN_FOLDER(test_deleted_key_comes_back),
        cmocka_unit_test(test_keep_extras),
        IN_FOLDER(test_bad_extras),
        IN_FOLDER(test_cycle_is_refused),
        IN_FOLDER(test_shared_data_is_refused),
        IN_FOLDER(test_same_name_twice_is_refused),
        IN_FOLDER(test_wrong_hashes_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
