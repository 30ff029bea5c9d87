/* test_regfile.c - .reg files as stores, edits applied to stores, differences between stores, and random trees from
 * each kind of store to each other. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/file.h>

#include "registry/diff.h"
#include "registry/tree.h"

#define HEAD "Windows Registry Editor Version 5.00\n\n"
#define ESCAPE "\xef\xb7\x90" /* U+FDD0: see stf_registry_name_from_utf16 */

static struct stf_registry *open_reg(const char *path, const char *mount, enum stf_registry_mode mode)
{
    const struct stf_registry_place place = {.path = path, .key = mount};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_regfile, &place, mode, &registry, &err), &err);
    return registry;
}

static void check_open_fails(const char *path, const char *mount, enum stf_registry_mode mode, enum stf_kind wanted,
                             const char *message)
{
    const struct stf_registry_place place = {.path = path, .key = mount};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_open(&stf_registry_backend_regfile, &place, mode, &registry, &err), wanted);
    assert_contains(err.message, message);
}

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

static void check_text(const char *path, const char *wanted)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);

    bytes[size] = '\0';
    assert_string_equal((char *)bytes, wanted);
    free(bytes);
}

static void check_value(struct stf_registry *registry, const char *key, const char *name, uint32_t type,
                        const void *data, size_t size)
{
    struct stf_registry_value value;
    struct stf_err err = {0};

    assert_ok(stf_registry_get(registry, key, name, &value, &err), &err);
    assert_int_equal(value.type, type);
    assert_int_equal(value.size, size);
    assert_memory_equal(value.data, data, size);
    stf_registry_value_fini(&value);
}

static void check_absent(struct stf_registry *registry, const char *key)
{
    struct stf_registry_listing listing;
    struct stf_err err = {0};

    assert_int_equal(stf_registry_list(registry, key, &listing, &err), STF_NOT_FOUND);
}

/* ---- a .reg file as a store ---- */

static void test_mounted_and_whole(void **state)
{
    const char *path = in_folder("a.reg");
    struct stf_registry *registry;
    struct stf_err err = {0};

    (void)state;
    write_text(path, HEAD "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Mail]\n\"v\"=dword:1\n[HKLM\\Software\\mail\\Sub]\n");
    registry = open_reg(path, "HKLM\\Software", STF_REGISTRY_READ);
    check_value(registry, "mail", "V", STF_REG_DWORD, "\1\0\0\0", 4);
    stf_registry_close(registry);

    registry = open_reg(path, NULL, STF_REGISTRY_WRITE);
    check_value(registry, "HKLM\\software\\mail", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "hklm\\SOFTWARE\\Mail", "w", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(registry, "HKU\\.DEFAULT", "x", STF_REG_BINARY, "", 0);
    assert_int_equal(stf_registry_create_key(registry, "Software", &err), STF_INVALID_DATA);
    assert_int_equal(
        stf_registry_set(registry, "", &(struct stf_registry_value){"v", STF_REG_NONE, (uint8_t *)"", 0}, &err),
        STF_UNSUPPORTED);
    commit_and_close(registry);
    check_text(path,
               "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Mail]\r\n"
               "\"v\"=dword:00000001\r\n\"w\"=dword:00000002\r\n\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\Mail\\Sub]\r\n\r\n"
               "[HKEY_USERS]\r\n\r\n[HKEY_USERS\\.DEFAULT]\r\n\"x\"=hex:\r\n\r\n");
    check_open_fails(path, "HKLM\\Software", STF_REGISTRY_READ, STF_INVALID_DATA,
                     "HKEY_USERS (line 9) is not in this store, whose root is HKLM\\Software");
}

/* What a file only implies is said when nothing else does so any longer. */
static void test_implied_keys_stay(void **state)
{
    const char *path = in_folder("i.reg");
    struct stf_registry *registry;
    struct stf_err err = {0};

    (void)state;
    write_text(path, HEAD "[HKEY_LOCAL_MACHINE\\A\\B\\C]\n");
    registry = open_reg(path, NULL, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_delete_key(registry, "HKLM\\A\\B\\C", &err), &err);
    commit_and_close(registry);
    check_text(path, "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\A\\B]\r\n\r\n");
}

/* Later lines win, and what a line deletes is gone. */
static void test_file_with_deletions(void **state)
{
    const char *path = in_folder("d.reg");
    struct stf_registry *registry;

    (void)state;
    write_text(path, HEAD
               "[HKLM\\A]\n\"v\"=\"1\"\n\"w\"=\"1\"\n\"V\"=\"2\"\n\"W\"=-\n[HKLM\\A\\B\\C]\n[-HKLM\\a\\b]\n[HKLM\\D]\n"
               "\"x\"=dword:1\n[-HKLM\\D]\n[HKLM\\d]\n[HKLM\\E\\F]\n[-HKLM\\E]\n[HKLM\\e\\G]\n");
    registry = open_reg(path, "HKLM", STF_REGISTRY_READ);
    check_value(registry, "A", "v", STF_REG_SZ, "2\0\0\0", 4);
    check_absent(registry, "A\\B");
    check_absent(registry, "E\\F");
    struct stf_registry_listing listing;
    struct stf_err err = {0};
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 3);
    assert_string_equal(listing.keys[0], "A");
    assert_string_equal(listing.keys[1], "d");
    assert_string_equal(listing.keys[2], "e");
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_list(registry, "A", &listing, &err), &err);
    assert_int_equal(listing.value_count, 1);
    assert_string_equal(listing.values[0].name, "V");
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_list(registry, "D", &listing, &err), &err);
    assert_int_equal(listing.value_count, 0);
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
    check_open_fails(path, "HKLM", STF_REGISTRY_WRITE, STF_UNSUPPORTED, "line 7 deletes a value");
}

static void check_format_kept(const char *name, const char *text, size_t size, const char *start, size_t start_size)
{
    const char *path = in_folder(name);
    struct stf_registry *registry;
    size_t new_size;
    uint8_t *bytes;

    write_file(path, text, size);
    registry = open_reg(path, "HKU", STF_REGISTRY_WRITE);
    set_bytes(registry, "é", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    bytes = read_file(path, &new_size);
    assert_true(new_size > start_size);
    assert_memory_equal(bytes, start, start_size);
    free(bytes);
    registry = open_reg(path, "HKU", STF_REGISTRY_READ);
    check_value(registry, "É", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    stf_registry_close(registry);
}

static void test_formats_are_kept(void **state)
{
    (void)state;
    check_format_kept("4.reg", "REGEDIT4\n", 9, "REGEDIT4\r\n\r\n[HKEY_USERS]\r\n\r\n[HKEY_USERS\\\xe9]", 40);
    check_format_kept("8.reg", HEAD, strlen(HEAD), "Windows", 7);
    check_format_kept("8m.reg", "\xef\xbb\xbf" HEAD, strlen(HEAD) + 3, "\xef\xbb\xbfWindows", 10);
    check_format_kept("16.reg",
                      "\xff\xfeR\0E\0G\0E\0D\0I\0T\0"
                      "4\0",
                      18,
                      "\xff\xfeR\0E\0G\0E\0D\0I\0T\0"
                      "4\0",
                      18);
}

static void test_commit_refuses_what_regedit4_has_not(void **state)
{
    const char *path = in_folder("r4.reg");
    struct stf_registry *registry;
    struct stf_err err = {0};

    (void)state;
    write_text(path, "REGEDIT4\n");
    registry = open_reg(path, "HKU", STF_REGISTRY_WRITE);
    set_bytes(registry, "K", "v", STF_REG_SZ, "\x1a\x04\0\0", 4);
    assert_int_equal(stf_registry_commit(registry, &err), STF_UNSUPPORTED);
    assert_contains(err.message, "HKEY_USERS\\K");
    stf_registry_close(registry);
    check_text(path, "REGEDIT4\n");
}

static void test_file_is_replaced(void **state)
{
    const char *path = in_folder("m.reg");
    const char *link_path = in_folder("link.reg");
    struct stat before;
    struct stat after;
    struct stf_registry *registry;
    struct stf_err err = {0};

    (void)state;
    assert_ok(stf_regfile_create(path, &(struct stf_reg_format){0}, &err), &err);
    assert_int_equal(stf_regfile_create(path, &(struct stf_reg_format){0}, &err), STF_CONFLICT);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(chown(path, 12, 34), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(stat(path, &before), 0);
    registry = open_reg(link_path, "HKCU", STF_REGISTRY_WRITE);
    assert_ok(stf_registry_commit(registry, &err), &err); /* no change: no new file */
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    set_bytes(registry, "K", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);
    assert_int_equal(lstat(link_path, &after), 0);
    assert_true(S_ISLNK(after.st_mode));
    assert_int_equal(stat(path, &after), 0);
    assert_true(after.st_ino != before.st_ino);
    assert_int_equal(after.st_mode & 07777, 0640);
    assert_int_equal(after.st_uid, 12);
    assert_int_equal(after.st_gid, 34);
}

static void test_one_writer(void **state)
{
    const char *path = in_folder("busy.reg");
    struct stf_registry *registry;
    int fd;

    (void)state;
    write_text(path, HEAD);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    check_open_fails(path, "HKU", STF_REGISTRY_WRITE, STF_BUSY, "another program is writing the .reg file");
    registry = open_reg(path, "HKU", STF_REGISTRY_READ);
    stf_registry_close(registry);
    close(fd);
    check_open_fails(in_folder("none.reg"), NULL, STF_REGISTRY_READ, STF_NOT_FOUND, "none.reg");
    check_open_fails(test_folder, NULL, STF_REGISTRY_READ, STF_INVALID_DATA, "is no file");
}

static void test_names_that_no_file_can_hold(void **state)
{
    const char *path = in_folder("n.reg");
    struct stf_registry *registry;
    struct stf_err err = {0};

    (void)state;
    write_text(path, HEAD);
    registry = open_reg(path, "HKU", STF_REGISTRY_WRITE);
    assert_int_equal(stf_registry_create_key(registry, "A\nB", &err), STF_UNSUPPORTED);
    assert_int_equal(stf_registry_create_key(registry, "A\rB", &err), STF_UNSUPPORTED);
    stf_registry_close(registry);
}

/* ---- edits applied to a store ---- */

struct memory {
    struct stf_registry_memory *tree;
    struct stf_registry *registry;
};

static struct memory open_memory(bool is_system)
{
    struct memory memory = {.tree = stf_registry_memory_new()};
    const struct stf_registry_place place = {.memory = memory.tree, .is_system = is_system};
    struct stf_err err = {0};

    assert_non_null(memory.tree);
    assert_ok(stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &memory.registry, &err),
              &err);
    return memory;
}

static void close_memory(struct memory *memory)
{
    stf_registry_close(memory->registry);
    stf_registry_memory_free(memory->tree);
}

static enum stf_kind apply_text(struct stf_registry *registry, const char *mount, const char *text, struct stf_err *err)
{
    struct stf_reg_edits edits;
    enum stf_kind kind;

    assert_ok(stf_reg_parse(text, strlen(text), "t.reg", &edits, err), err);
    kind = stf_registry_apply_reg(registry, mount, &edits, err);
    stf_reg_edits_fini(&edits);
    return kind;
}

static void test_apply(void **state)
{
    struct memory memory = open_memory(false);
    struct stf_registry *registry = memory.registry;
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "Keep", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "Keep\\Sub", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "Gone\\Sub", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "Anew\\Sub", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(apply_text(registry, "HKLM\\SYSTEM",
                         HEAD "[HKLM\\system\\keep]\n\"V\"=-\n\"w\"=\"x\"\n[-HKLM\\SYSTEM\\GONE]\n"
                              "[-HKLM\\SYSTEM\\Never\\Was]\n[-HKLM\\SYSTEM\\Anew]\n[HKLM\\SYSTEM\\ANEW]\n\"y\"=hex:01\n"
                              "[HKLM\\SYSTEM]\n@=\"root\"\n",
                         &err),
              &err);
    check_value(registry, "Keep", "w", STF_REG_SZ, "x\0\0\0", 4);
    check_value(registry, "Keep\\Sub", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    check_value(registry, "", "", STF_REG_SZ, "r\0o\0o\0t\0\0\0", 10);
    check_absent(registry, "Gone");
    check_absent(registry, "Never");
    check_absent(registry, "Anew\\Sub");
    check_value(registry, "Anew", "y", STF_REG_BINARY, "\1", 1);
    struct stf_registry_value value;
    assert_int_equal(stf_registry_get(registry, "Keep", "v", &value, &err), STF_NOT_FOUND);
    struct stf_registry_listing listing;
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_string_equal(listing.keys[0], "ANEW"); /* made anew, so spelled anew */
    assert_string_equal(listing.keys[1], "Keep");
    stf_registry_listing_fini(&listing);
    close_memory(&memory);
}

static void test_apply_looks_first(void **state)
{
    struct memory memory = open_memory(false);
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(apply_text(memory.registry, "HKLM\\SYSTEM",
                                HEAD "[HKLM\\SYSTEM\\A]\n\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\B]\n", &err),
                     STF_INVALID_DATA);
    assert_contains(err.message,
                    "HKEY_LOCAL_MACHINE\\SOFTWARE\\B (line 5) is not in this store, whose root is HKLM\\SYSTEM");
    check_absent(memory.registry, "A");
    assert_int_equal(apply_text(memory.registry, "HKLM\\SYSTEM", HEAD "[-HKLM\\SYSTEM]\n", &err), STF_UNSUPPORTED);
    close_memory(&memory);
}

static void test_apply_resolves_control_set(void **state)
{
    struct memory memory = open_memory(true);
    struct stf_err err = {0};

    (void)state;
    set_bytes(memory.registry, "Select", "Current", STF_REG_DWORD, "\2\0\0\0", 4);
    assert_ok(apply_text(memory.registry, "HKLM\\SYSTEM",
                         HEAD "[HKLM\\SYSTEM\\CurrentControlSet\\X]\n\"v\"=\"1\"\n[HKLM\\SYSTEM\\ControlSet002\\X]\n"
                              "\"v\"=\"2\"\n",
                         &err),
              &err);
    check_value(memory.registry, "ControlSet002\\X", "v", STF_REG_SZ, "2\0\0\0", 4);
    close_memory(&memory);
}

static void test_apply_touches_only_changes(void **state)
{
    const char *path = in_folder("same.reg");
    static const char text[] = HEAD "[HKEY_USERS\\K]\n\"v\"=\"1\"\n";
    struct stf_registry *registry;
    struct stat before;
    struct stat after;
    struct stf_err err = {0};

    (void)state;
    write_text(path, text);
    assert_int_equal(stat(path, &before), 0);
    registry = open_reg(path, "HKU", STF_REGISTRY_WRITE);
    assert_ok(apply_text(registry, "HKU", text, &err), &err);
    assert_ok(apply_text(registry, "HKU", HEAD "[HKU\\K]\n\"w\"=-\n[-HKU\\L]\n", &err), &err);
    stf_registry_close(registry);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    registry = open_reg(path, "HKU", STF_REGISTRY_READ);
    assert_ok(apply_text(registry, "HKU", text, &err), &err); /* nothing to do, so nothing is denied */
    assert_int_equal(apply_text(registry, "HKU", HEAD "[HKU\\L]\n", &err), STF_DENIED);
    stf_registry_close(registry);
}

/* ---- export ---- */

static void test_export(void **state)
{
    struct memory memory = open_memory(false);
    const struct stf_reg_format utf8 = {.encoding = STF_REG_UTF8};
    uint8_t *bytes = NULL;
    size_t size;
    struct stf_err err = {0};

    (void)state;
    set_bytes(memory.registry, "Soft\\b", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(memory.registry, "Soft\\A\\C", "", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(memory.registry, "Other", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_export_reg(memory.registry, "HKLM\\X", "SOFT", &utf8, &bytes, &size, &err), &err);
    bytes = realloc(bytes, size + 1);
    bytes[size] = '\0';
    assert_string_equal((char *)bytes,
                        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\X\\Soft]\r\n\r\n"
                        "[HKEY_LOCAL_MACHINE\\X\\Soft\\A]\r\n\r\n[HKEY_LOCAL_MACHINE\\X\\Soft\\A\\C]\r\n@=\"x\"\r\n\r\n"
                        "[HKEY_LOCAL_MACHINE\\X\\Soft\\b]\r\n\"v\"=dword:00000001\r\n\r\n");
    free(bytes);
    assert_int_equal(stf_registry_export_reg(memory.registry, NULL, "Soft", &utf8, &bytes, &size, &err),
                     STF_INVALID_DATA);
    assert_int_equal(stf_registry_export_reg(memory.registry, "HKLM", "None", &utf8, &bytes, &size, &err),
                     STF_NOT_FOUND);
    close_memory(&memory);
}

/* ---- differences ---- */

static void test_diff(void **state)
{
    struct memory first = open_memory(false);
    struct memory second = open_memory(false);
    const struct stf_registry_side sides[2] = {{first.registry, "K"}, {second.registry, "K"}};
    struct stf_registry_diff diff;
    struct stf_err err = {0};
    char *text;
    json_t *doc = NULL;

    (void)state;
    set_bytes(first.registry, "K", "a", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(second.registry, "K", "A", STF_REG_DWORD, "\2\0\0\0", 4);
    set_bytes(first.registry, "K", "same", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(second.registry, "K", "same", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(first.registry, "K\\Old\\x", "v", STF_REG_SZ, "x\0\0\0", 4);
    set_bytes(second.registry, "K\\New", "\x1b[31m", STF_REG_NONE, "", 0);
    assert_ok(stf_registry_diff(&sides[0], &sides[1], &diff, &err), &err);
    text = stf_registry_diff_text(&diff, "HKLM\\S\\K");
    assert_string_equal(text, "  [HKLM\\S\\K]\n"
                              "-     a = dword 1 (0x00000001)\n"
                              "+     A = dword 2 (0x00000002)\n"
                              "+ [HKLM\\S\\K\\New]\n"
                              "+     \\x1b[31m = none (empty)\n"
                              "- [HKLM\\S\\K\\Old]\n"
                              "- [HKLM\\S\\K\\Old\\x]\n"
                              "-     v = sz \"x\"\n");
    free(text);
    assert_ok(stf_registry_diff_to_doc(&diff, "HKLM\\S\\K", &doc, &err), &err);
    text = json_dumps(json_array_get(doc, 0), JSON_SORT_KEYS);
    assert_string_equal(text, "{\"after\": {\"data\": \"02000000\", \"type\": 4}, \"before\": {\"data\": \"01000000\", "
                              "\"name\": \"a\", \"type\": 4}, \"change\": \"value_changed\", \"key\": "
                              "\"HKLM\\\\S\\\\K\", \"name\": \"A\"}");
    free(text);
    assert_int_equal(json_array_size(doc), 6);
    json_decref(doc);
    stf_registry_diff_fini(&diff);

    assert_ok(stf_registry_diff(&sides[0], &sides[0], &diff, &err), &err);
    assert_int_equal(diff.count, 0);
    text = stf_registry_diff_text(&diff, "HKLM");
    assert_string_equal(text, "");
    free(text);
    stf_registry_diff_fini(&diff);
    close_memory(&first);
    close_memory(&second);
}

static void test_diff_with_an_absent_side(void **state)
{
    struct memory memory = open_memory(false);
    const struct stf_registry_side there = {memory.registry, "K"};
    const struct stf_registry_side absent = {memory.registry, "None\\At\\All"};
    struct stf_registry_diff diff;
    struct stf_reg_edits edits = {0};
    struct stf_err err = {0};

    (void)state;
    set_bytes(memory.registry, "K", "a", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_diff(&there, &absent, &diff, &err), &err);
    assert_int_equal(diff.count, 2);
    assert_ok(stf_registry_diff_to_edits(&diff, "hklm\\X", &edits, &err), &err);
    assert_int_equal(edits.count, 1);
    assert_int_equal(edits.items[0].kind, STF_REG_DELETE_KEY);
    assert_string_equal(edits.items[0].key, "HKEY_LOCAL_MACHINE\\X");
    stf_reg_edits_fini(&edits);
    assert_int_equal(stf_registry_diff_to_edits(&diff, "X", &edits, &err), STF_INVALID_DATA);
    stf_registry_diff_fini(&diff);
    assert_ok(stf_registry_diff(&absent, &there, &diff, &err), &err);
    assert_int_equal(diff.items[0].kind, STF_REGISTRY_KEY_ADDED);
    assert_int_equal(diff.items[1].kind, STF_REGISTRY_VALUE_ADDED);
    stf_registry_diff_fini(&diff);
    assert_int_equal(stf_registry_diff(&absent, &absent, &diff, &err), STF_NOT_FOUND);
    close_memory(&memory);
}

/* ---- random trees, from every kind of store to every other ---- */

enum { NAMES = 18 };

static const char *const key_names[NAMES] = {
    "a",
    "B",
    "key",
    "Name",
    "ключ",
    "日本",
    "x y",
    "A1",
    "a]",
    "-x",
    "; c",
    "[k]",
    " both ",
    "\"q\"",
    "@",
    ESCAPE "D83D",
    "n" ESCAPE "0000n",
    ESCAPE "FDD0",
};

static const char *const value_names[NAMES] = {
    "",
    "a",
    "B",
    "value",
    "ключ",
    "𐐷",
    "x y",
    "A\\1",
    "\"q\"",
    "@",
    "=",
    "line\r\nbreak",
    "\ttab ",
    "\\",
    ESCAPE "DC00",
    ESCAPE "0000",
    "a" ESCAPE "FDD0",
    "\\n",
};

static void random_value(unsigned *seed, const char *name, struct stf_registry_value *value)
{
    static const uint32_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xffff0001};
    uint8_t data[64];
    size_t size = (size_t)(rand_r(seed) % (int)sizeof(data));
    bool is_text = rand_r(seed) % 3 != 0;
    struct stf_err err = {0};

    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(is_text ? (i % 2 == 0 ? "abc\"\\ \t\r\n"[rand_r(seed) % 9] : 0) : rand_r(seed) % 256);
    if (is_text && size >= 2 && rand_r(seed) % 4 != 0) {
        size &= ~(size_t)1;
        data[size - 2] = 0;
    }
    assert_ok(stf_registry_value_init(value, name, types[rand_r(seed) % 14], data, size, &err), &err);
}

static json_t *random_tree(unsigned *seed, int depth)
{
    json_t *values = json_array();
    json_t *keys = json_object();
    struct stf_err err = {0};

    for (int i = 0; i < NAMES; i++) {
        if (rand_r(seed) % 2 == 0) {
            struct stf_registry_value value;
            json_t *doc;
            random_value(seed, value_names[i], &value);
            assert_ok(stf_registry_value_to_doc(&value, &doc, &err), &err);
            json_object_set_new(doc, "name", json_string(value.name));
            json_array_append_new(values, doc);
            stf_registry_value_fini(&value);
        }
        if (depth > 0 && rand_r(seed) % 5 == 0)
            json_object_set_new(keys, key_names[i], random_tree(seed, depth - 1));
    }
    return json_pack("{s:o, s:o}", "values", values, "keys", keys);
}

/* Some spellings and values of a tree, altered. */
static void alter_tree(unsigned *seed, json_t *tree, int depth)
{
    json_t *values = json_object_get(tree, "values");
    json_t *keys = json_object_get(tree, "keys");
    json_t *keys_before = json_copy(keys);
    const char *name;
    json_t *key;

    if (json_array_size(values) > 0 && rand_r(seed) % 2 == 0)
        json_array_remove(values, (size_t)rand_r(seed) % json_array_size(values));
    if (json_array_size(values) > 0 && rand_r(seed) % 2 == 0)
        json_object_set_new(json_array_get(values, 0), "data", json_string("00ff"));
    json_object_foreach (keys_before, name, key) {
        if (rand_r(seed) % 4 == 0) {
            json_object_del(keys, name);
        } else if (strcmp(name, "key") == 0) {
            json_object_set(keys, "KEY", key);
            json_object_del(keys, name);
        } else {
            alter_tree(seed, key, depth - 1);
        }
    }
    json_decref(keys_before);
    if (depth > 0 && json_object_get(keys, "B") == NULL)
        json_object_set_new(keys, "B", random_tree(seed, depth - 1));
}

struct kind_of_store {
    const char *name;
    const struct stf_registry_backend *backend;
    struct stf_registry_place place;
};

enum { MEMORY, HIVE, REGFILE, KINDS };

static void make_stores(struct kind_of_store stores[KINDS], const char *suffix)
{
    char name[32];
    struct stf_err err = {0};

    stores[MEMORY] =
        (struct kind_of_store){"memory", &stf_registry_backend_memory, {.memory = stf_registry_memory_new()}};
    snprintf(name, sizeof(name), "hive-%s", suffix);
    stores[HIVE] = (struct kind_of_store){"hive", &stf_registry_backend_hive, {.path = strdup(in_folder(name))}};
    snprintf(name, sizeof(name), "%s.reg", suffix);
    stores[REGFILE] = (struct kind_of_store){
        "regfile", &stf_registry_backend_regfile, {.path = strdup(in_folder(name)), .key = "HKCU\\T"}};
    assert_ok(stf_hive_create(stores[HIVE].place.path, &err), &err);
    assert_ok(stf_regfile_create(stores[REGFILE].place.path, &(struct stf_reg_format){0}, &err), &err);
}

static void free_stores(struct kind_of_store stores[KINDS])
{
    stf_registry_memory_free(stores[MEMORY].place.memory);
    free((char *)stores[HIVE].place.path);
    free((char *)stores[REGFILE].place.path);
}

static struct stf_registry *open_kind(const struct kind_of_store *store, enum stf_registry_mode mode)
{
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(store->backend, &store->place, mode, &registry, &err), &err);
    return registry;
}

static void put_tree(const struct kind_of_store *store, const json_t *tree)
{
    struct stf_registry *registry = open_kind(store, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    assert_ok(stf_registry_tree_write(registry, "T", tree, &err), &err);
    commit_and_close(registry);
}

static json_t *get_tree(const struct kind_of_store *store)
{
    struct stf_registry *registry = open_kind(store, STF_REGISTRY_READ);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read(registry, "T", &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

static void check_equal(const json_t *tree, const json_t *wanted, const char *from, const char *to, unsigned seed)
{
    if (!json_equal(tree, wanted)) {
        char *text = json_dumps(tree, 0);
        char *wanted_text = json_dumps(wanted, 0);
        fail_msg("seed %u, %s to %s: got\n%s\nnot\n%s", seed, from, to, text, wanted_text);
    }
}

/* Through the document, and through .reg text. */
static void check_pair(const struct kind_of_store *from, const struct kind_of_store *to, unsigned seed)
{
    const struct stf_reg_format format = {0};
    unsigned state = seed;
    json_t *raw = random_tree(&state, 2);
    struct stf_registry *registry;
    struct stf_reg_edits edits;
    struct stf_err err = {0};
    uint8_t *text = NULL;
    size_t size;
    json_t *tree;
    json_t *copy;

    put_tree(from, raw);
    tree = get_tree(from);
    put_tree(to, tree);
    copy = get_tree(to);
    check_equal(copy, tree, from->name, to->name, seed);
    json_decref(copy);

    registry = open_kind(from, STF_REGISTRY_READ);
    assert_ok(stf_registry_export_reg(registry, "HKCU\\T", "T", &format, &text, &size, &err), &err);
    stf_registry_close(registry);
    assert_ok(stf_reg_parse(text, size, "text", &edits, &err), &err);
    registry = open_kind(to, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_delete_key(registry, "T", &err), &err);
    assert_ok(stf_registry_apply_reg(registry, "HKCU\\T", &edits, &err), &err);
    stf_registry_close(registry);
    copy = get_tree(to);
    check_equal(copy, tree, from->name, to->name, seed);
    json_decref(copy);
    stf_reg_edits_fini(&edits);
    free(text);
    json_decref(tree);
    json_decref(raw);
}

static unsigned take_seed(void)
{
    const char *given = getenv("STAFFETTA_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20260 + (unsigned)getpid();

    print_message("seed %u (repeat with STAFFETTA_SEED)\n", seed);
    return seed;
}

static void test_every_pair(void **state)
{
    unsigned seed = take_seed();

    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct kind_of_store from[KINDS];
        struct kind_of_store to[KINDS];
        char suffix[2][16];
        snprintf(suffix[0], sizeof(suffix[0]), "from%u", round);
        snprintf(suffix[1], sizeof(suffix[1]), "to%u", round);
        make_stores(from, suffix[0]);
        make_stores(to, suffix[1]);
        for (unsigned pair = 0; pair < KINDS * KINDS; pair++)
            check_pair(&from[pair / KINDS], &to[pair % KINDS], seed + 100 * round + pair);
        free_stores(from);
        free_stores(to);
    }
}

/* ---- apply(a, diff(a, b)) is b ---- */

static void check_diff_applies(const struct kind_of_store *a, const struct kind_of_store *b, unsigned seed)
{
    struct stf_reg_printer printer = {0};
    unsigned state = seed;
    json_t *first = random_tree(&state, 2);
    json_t *second = json_deep_copy(first);
    struct stf_registry_diff diff;
    struct stf_reg_edits edits = {0};
    struct stf_err err = {0};
    uint8_t *text = NULL;
    size_t size;

    alter_tree(&state, second, 2);
    put_tree(a, first);
    put_tree(b, second);
    const struct stf_registry_side sides[2] = {{open_kind(a, STF_REGISTRY_READ), "T"},
                                               {open_kind(b, STF_REGISTRY_READ), "T"}};
    assert_ok(stf_registry_diff(&sides[0], &sides[1], &diff, &err), &err);
    assert_ok(stf_registry_diff_to_edits(&diff, "HKCU\\T\\T", &edits, &err), &err);
    stf_registry_close(sides[0].registry);
    stf_registry_close(sides[1].registry);
    assert_true((diff.count == 0) == (edits.count == 0));

    /* as the file that a person would get */
    for (size_t i = 0; i < edits.count; i++)
        assert_ok(stf_reg_print_edit(&printer, &edits.items[i], &err), &err);
    assert_ok(stf_reg_printer_take(&printer, &text, &size, &err), &err);
    stf_reg_printer_fini(&printer);
    stf_reg_edits_fini(&edits);
    assert_ok(stf_reg_parse(text, size, "diff", &edits, &err), &err);
    struct stf_registry *registry = open_kind(a, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_apply_reg(registry, "HKCU\\T", &edits, &err), &err);
    stf_registry_close(registry);
    json_t *got = get_tree(a);
    json_t *wanted = get_tree(b);
    check_equal(got, wanted, a->name, b->name, seed);
    json_decref(got);
    json_decref(wanted);
    free(text);
    stf_reg_edits_fini(&edits);
    stf_registry_diff_fini(&diff);
    json_decref(first);
    json_decref(second);
}

static void test_diff_applied_is_the_other(void **state)
{
    unsigned seed = take_seed();
    struct kind_of_store a[KINDS];
    struct kind_of_store b[KINDS];

    (void)state;
    make_stores(a, "diff-a");
    make_stores(b, "diff-b");
    for (unsigned i = 0; i < 8 * KINDS * KINDS; i++) {
        unsigned pair = i % (KINDS * KINDS);
        check_diff_applies(&a[pair / KINDS], &b[pair % KINDS], seed + i);
    }
    free_stores(a);
    free_stores(b);
}

/* Two keys and a value each: what is linear in the tests' time must not be quadratic in the number of siblings. */
static void test_many_siblings(void **state)
{
    enum { COUNT = 20000 };
    const char *path = in_folder("many.reg");
    FILE *file = fopen(path, "w");
    struct stf_registry *registry;
    struct stf_registry_listing listing;
    struct stf_err err = {0};
    char key[32];

    (void)state;
    fputs(HEAD, file);
    for (unsigned i = 0; i < COUNT; i++)
        fprintf(file, "[HKEY_USERS\\K%u]\n\"v%u\"=dword:%x\n", i * 7919 % COUNT, i, i);
    fputs("[HKEY_USERS]\n", file);
    for (unsigned i = 0; i < COUNT; i++)
        fprintf(file, "\"v%u\"=dword:%x\n", i * 7919 % COUNT, i);
    assert_int_equal(fclose(file), 0);
    registry = open_reg(path, "HKU", STF_REGISTRY_WRITE);
    for (unsigned i = 0; i < COUNT; i += 2) {
        snprintf(key, sizeof(key), "K%u", i);
        assert_ok(stf_registry_delete_key(registry, key, &err), &err);
        snprintf(key, sizeof(key), "v%u", i);
        assert_ok(stf_registry_delete_value(registry, "", key, &err), &err);
    }
    commit_and_close(registry);
    registry = open_reg(path, "HKU", STF_REGISTRY_READ);
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, COUNT / 2);
    assert_int_equal(listing.value_count, COUNT / 2);
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mounted_and_whole),
        cmocka_unit_test(test_implied_keys_stay),
        cmocka_unit_test(test_file_with_deletions),
        cmocka_unit_test(test_formats_are_kept),
        cmocka_unit_test(test_commit_refuses_what_regedit4_has_not),
        cmocka_unit_test(test_file_is_replaced),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_names_that_no_file_can_hold),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_apply_looks_first),
        cmocka_unit_test(test_apply_resolves_control_set),
        cmocka_unit_test(test_apply_touches_only_changes),
        cmocka_unit_test(test_export),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_diff_with_an_absent_side),
        cmocka_unit_test(test_every_pair),
        cmocka_unit_test(test_diff_applied_is_the_other),
        cmocka_unit_test(test_many_siblings),
    };

    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}
