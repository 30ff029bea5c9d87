/* test_regfile_wine.c - Wine's reg as a second reader and writer of .reg text: what we export it imports and exports
 * again as the same tree, and the reverse. One prefix of its own, made at the start. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "registry/reg_text.h"
#include "registry/tree.h"

#define ESCAPE "\xef\xb7\x90" /* U+FDD0: see stf_registry_name_from_utf16 */
#define KEY "HKCU\\Software\\StaffettaTest"

/* 0 when it ended well; the exit code otherwise. */
static int run(const char *const argv[], struct stf_process_result *result)
{
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 120000};
    struct stf_err err = {0};

    assert_ok(stf_process_run(&id, result, &err), &err);
    return result->exit_code;
}

static void wine_reg(const char *verb, const char *first, const char *second, const char *third)
{
    const char *const argv[] = {"wine", "reg", verb, first, second, third, NULL};
    struct stf_process_result result = {0};

    if (run(argv, &result) != 0)
        fail_msg("wine reg %s %s: %s %s", verb, first, result.output, result.errors);
    stf_process_result_fini(&result);
}

static bool is_wine_there(void)
{
    const char *const argv[] = {"wine", "--version", NULL};
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 20000};
    struct stf_process_result result = {0};
    bool is_there = stf_process_run(&id, &result, NULL) == STF_OK && result.exit_code == 0;

    stf_process_result_fini(&result);
    return is_there;
}

static int make_prefix(void **state)
{
    const char *const argv[] = {"wineboot", "--init", NULL};
    struct stf_process_result result = {0};
    bool is_made;

    if (make_test_folder(state) != 0)
        return -1;
    setenv("WINEPREFIX", in_folder("prefix"), 1);
    setenv("WINEDEBUG", "-all", 1);
    setenv("WINEDLLOVERRIDES", "mscoree=;mshtml=", 1);
    unsetenv("DISPLAY");
    is_made = run(argv, &result) == 0;
    stf_process_result_fini(&result);
    return is_made ? 0 : -1;
}

static int remove_prefix(void **state)
{
    static const char *const verbs[] = {"-k", "-w"}; /* end this prefix's server, and wait until it has ended */

    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {"wineserver", verbs[i], NULL};
        struct stf_process_result result = {0};
        run(argv, &result);
        stf_process_result_fini(&result);
    }
    return remove_test_folder(state);
}

/* ---- trees ---- */

/* What the text says, as the document of the key. */
static json_t *tree_of_text(const uint8_t *text, size_t size)
{
    struct stf_registry_memory *memory = stf_registry_memory_new();
    const struct stf_registry_place place = {.memory = memory};
    struct stf_registry *registry = NULL;
    struct stf_reg_edits edits;
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_reg_parse(text, size, "text", &edits, &err), &err);
    assert_ok(stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_apply_reg(registry, KEY, &edits, &err), &err);
    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    stf_registry_close(registry);
    stf_registry_memory_free(memory);
    stf_reg_edits_fini(&edits);
    return tree;
}

static void export_tree(const json_t *tree, const struct stf_reg_format *format, const char *path)
{
    struct stf_registry_memory *memory = stf_registry_memory_new();
    const struct stf_registry_place place = {.memory = memory};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};
    uint8_t *text = NULL;
    size_t size;

    assert_ok(stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &registry, &err), &err);
    assert_ok(stf_registry_tree_write(registry, "", tree, &err), &err);
    assert_ok(stf_registry_export_reg(registry, KEY, "", format, &text, &size, &err), &err);
    write_file(path, text, size);
    free(text);
    stf_registry_close(registry);
    stf_registry_memory_free(memory);
}

static void check_same_tree(const uint8_t *text, size_t size, const json_t *wanted, unsigned seed)
{
    json_t *tree = tree_of_text(text, size);

    if (!json_equal(tree, wanted)) {
        char *got = json_dumps(tree, 0);
        char *want = json_dumps(wanted, 0);
        fail_msg("seed %u: Wine gives back\n%s\nnot\n%s", seed, got, want);
    }
    json_decref(tree);
}

/* The key is `path`'s afterwards, and nothing else; what Wine exports of it. */
static uint8_t *through_wine(const char *path, size_t *size)
{
    const char *out = in_folder("wine.reg");
    char dos_path[600];

    wine_reg("add", KEY, "/f", NULL); /* so that there is something to delete */
    wine_reg("delete", KEY, "/f", NULL);
    snprintf(dos_path, sizeof(dos_path), "Z:%s", path);
    wine_reg("import", dos_path, NULL, NULL);
    snprintf(dos_path, sizeof(dos_path), "Z:%s", out);
    wine_reg("export", KEY, dos_path, "/y");
    return read_file(out, size);
}

/* ---- random trees that a Windows registry holds as they are ---- */

enum { NAMES = 16 };

static const char *const key_names[NAMES] = {"a",  "B",   "key",    "Name",  "ключ", "日本", "x y", "A1",
                                             "a]", "[k]", " front", "\"q\"", "@",    "; c",  "-x",  ESCAPE "D83D"};
static const char *const value_names[NAMES] = {"",      "a", "B", "value", "ключ",  "𐐷",  "x y", "A\\1",
                                               "\"q\"", "@", "=", "; c",   "\ttab", "\\", "[x]", ESCAPE "DC00"};

/* Wine ends text that is not ended, and exports a dword of another size wrongly: those do not occur. */
static void random_data(unsigned *seed, uint32_t type, uint8_t data[64], size_t *size)
{
    bool is_text = type == STF_REG_SZ || type == STF_REG_EXPAND_SZ || type == STF_REG_MULTI_SZ;

    *size = type == STF_REG_DWORD ? 4 : (size_t)(rand_r(seed) % 64);
    for (size_t i = 0; i < *size; i++)
        data[i] = (uint8_t)(is_text ? (i % 2 == 0 ? "abc\"\\ \t%;"[rand_r(seed) % 9] : 0) : rand_r(seed) % 256);
    if (is_text) {
        *size = *size / 2 * 2 + 2;
        *size = *size > 64 ? 64 : *size;
        data[*size - 2] = 0;
        data[*size - 1] = 0;
    }
}

static json_t *random_tree(unsigned *seed, int depth)
{
    static const uint32_t types[] = {0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xffff0001};
    json_t *values = json_array();
    json_t *keys = json_object();
    struct stf_err err = {0};

    for (int i = 0; i < NAMES; i++) {
        if (rand_r(seed) % 2 == 0) {
            uint8_t data[64];
            struct stf_registry_value value = {(char *)value_names[i], types[rand_r(seed) % 16], data, 0};
            json_t *doc;
            random_data(seed, value.type, data, &value.size);
            assert_ok(stf_registry_value_to_doc(&value, &doc, &err), &err);
            json_object_set_new(doc, "name", json_string(value.name));
            json_array_append_new(values, doc);
        }
        if (depth > 0 && rand_r(seed) % 4 == 0)
            json_object_set_new(keys, key_names[i], random_tree(seed, depth - 1));
    }
    return json_pack("{s:o, s:o}", "values", values, "keys", keys);
}

static void test_our_export_through_wine(void **state)
{
    const char *given = getenv("STAFFETTA_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 8 + (unsigned)getpid();

    (void)state;
    print_message("seed %u (repeat with STAFFETTA_SEED)\n", seed);
    for (unsigned round = 0; round < 8; round++) {
        const struct stf_reg_format format = {0};
        unsigned random = seed + round;
        char path[64];
        uint8_t *text;
        size_t size;
        json_t *raw = random_tree(&random, 2);
        json_t *tree;
        snprintf(path, sizeof(path), "%s/ours.reg", test_folder);
        export_tree(raw, &format, path);
        text = read_file(path, &size);
        tree = tree_of_text(text, size); /* the same with its values sorted */
        free(text);
        text = through_wine(path, &size);
        check_same_tree(text, size, tree, seed + round);
        free(text);
        json_decref(tree);
        json_decref(raw);
    }
}

static void test_regedit4_through_wine(void **state)
{
    static const struct stf_reg_format format = {STF_REG_VERSION_4, STF_REG_CP1252};
    json_t *tree = json_pack("{s:[{s:s,s:i,s:s},{s:s,s:i,s:s},{s:s,s:i,s:s},{s:s,s:i,s:s}], s:{}}", "values", "name",
                             "a", "type", 1, "data", "e900fc000000", "name", "e", "type", 2, "data", "2500e9000000",
                             "name", "m", "type", 7, "data",
                             "610000006200000000"
                             "00",
                             "name", "n", "type", 3, "data", "80ff", "keys");
    char path[64];
    uint8_t *text;
    size_t size;

    (void)state;
    assert_non_null(tree);
    snprintf(path, sizeof(path), "%s/four.reg", test_folder);
    export_tree(tree, &format, path);
    text = through_wine(path, &size);
    check_same_tree(text, size, tree, 0);
    free(text);
    json_decref(tree);
}

/* What Wine exports, we read, export and have imported: Wine exports the same bytes again. */
static void check_wine_export_survives(const uint8_t *text, size_t size)
{
    const struct stf_reg_format format = {0};
    json_t *tree = tree_of_text(text, size);
    char path[64];
    uint8_t *again;
    size_t again_size;

    snprintf(path, sizeof(path), "%s/again.reg", test_folder);
    export_tree(tree, &format, path);
    again = through_wine(path, &again_size);
    assert_int_equal(again_size, size);
    assert_memory_equal(again, text, size);
    free(again);
    json_decref(tree);
}

/* Of a file that a person wrote, with the forms that are accepted: Wine and we read the same. */
static void test_wine_export_through_us(void **state)
{
    static const char text[] =
        "REGEDIT4\r\n\r\n[HKEY_CURRENT_USER\\Software\\StaffettaTest]\r\n@=\"default\"\r\n\"two "
        "lines\"=\"a\\r\\nb\"\r\n"
        "\"quoted \\\"name\\\"\"=\"C:\\\\x\"\r\n\"dword\"=dword:1f ; "
        "comment\r\n\"qword\"=hex(b):01,02,03,04,05,06,07,08\r\n"
        "\"multi\"=hex(7):61,00,62,\\\r\n  00,00\r\n\"path\"=hex(2):25,50,41,54,48,25,00\r\n\"none\"=hex(0):\r\n"
        "\"long\"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,17,18,19,1a,1b,1c,1d,1e,"
        "\\\r\n"
        "\r\n  ; in between\r\n  1f,20,21,22,23\r\n\"odd\"=hex(abcd):01\r\n"
        "[HKEY_CURRENT_USER\\Software\\StaffettaTest\\Sub\\a]b]\r\n\"v\"=\"\"\r\n";
    char path[64];
    uint8_t *exported;
    json_t *wanted;
    size_t size;

    (void)state;
    snprintf(path, sizeof(path), "%s/person.reg", test_folder);
    write_file(path, text, strlen(text));
    exported = through_wine(path, &size);
    wanted = tree_of_text((const uint8_t *)text, strlen(text));
    check_same_tree(exported, size, wanted, 0);
    json_decref(wanted);
    check_wine_export_survives(exported, size);
    free(exported);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_our_export_through_wine),
        cmocka_unit_test(test_regedit4_through_wine),
        cmocka_unit_test(test_wine_export_through_us),
    };

    if (!is_wine_there()) {
        printf("SKIP: wine is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, make_prefix, remove_prefix);
}
