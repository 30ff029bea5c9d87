/* test_regfile_text.c - .reg text: every form that regedit writes or accepts, errors by line and column, printing.
 * SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include "registry/reg_text.h"

#define HEAD "Windows Registry Editor Version 5.00\r\n\r\n"
#define KEY "[HKEY_LOCAL_MACHINE\\SOFTWARE\\T]\r\n"
#define HEAD4 "REGEDIT4\n\n"

static struct stf_reg_edits parse(const void *text, size_t size)
{
    struct stf_reg_edits edits;
    struct stf_err err = {0};

    assert_ok(stf_reg_parse(text, size, "t.reg", &edits, &err), &err);
    return edits;
}

/* The text, which is ASCII, as regedit would save it. */
static uint8_t *widen(const char *text, size_t *size)
{
    uint8_t *wide = malloc(2 * strlen(text) + 2);

    memcpy(wide, "\xff\xfe", 2);
    *size = 2;
    for (; *text != '\0'; text++) {
        wide[(*size)++] = (uint8_t)*text;
        wide[(*size)++] = 0;
    }
    return wide;
}

static void check_one(const struct stf_reg_edits *edits, const char *name, uint32_t type, const void *data, size_t size)
{
    for (size_t i = 0; i < edits->count; i++) {
        const struct stf_reg_edit *edit = &edits->items[i];
        if (edit->kind == STF_REG_SET_VALUE && strcmp(edit->value.name, name) == 0) {
            assert_int_equal(edit->value.type, type);
            assert_int_equal(edit->value.size, size);
            assert_memory_equal(edit->value.data, data, size);
            return;
        }
    }
    fail_msg("there is no value %s", name);
}

/* In a file of version 5.00, in UTF-8 and in UTF-16, with CRLF and with LF. */
static void check_value(const char *line, const char *name, uint32_t type, const void *data, size_t size)
{
    static const char *const formats[] = {HEAD KEY "%s\r\n", "Windows Registry Editor Version 5.00\n[HKLM\\X]\n%s"};
    char text[2048];
    struct stf_reg_edits edits;
    uint8_t *wide;
    size_t wide_size;

    for (size_t i = 0; i < 2; i++) {
        snprintf(text, sizeof(text), formats[i], line);
        edits = parse(text, strlen(text));
        check_one(&edits, name, type, data, size);
        stf_reg_edits_fini(&edits);
        wide = widen(text, &wide_size);
        edits = parse(wide, wide_size);
        check_one(&edits, name, type, data, size);
        stf_reg_edits_fini(&edits);
        free(wide);
    }
}

#define VALUE(line, name, type, literal) check_value(line, name, type, literal, sizeof(literal) - 1)

static void test_values(void **state)
{
    (void)state;
    VALUE("\"a\"=\"b\"", "a", STF_REG_SZ, "b\0\0\0");
    VALUE("@=\"\"", "", STF_REG_SZ, "\0\0");
    VALUE("\"\"=\"x\"", "", STF_REG_SZ, "x\0\0\0");
    VALUE("\"@\"=\"x\"", "@", STF_REG_SZ, "x\0\0\0");
    VALUE("\"a \\\"b\\\" c:\\\\d\"=\"\\\\ \\\"\"", "a \"b\" c:\\d", STF_REG_SZ, "\\\0 \0\"\0\0\0");
    VALUE("\"a\"=\"x\\ny\\r\"", "a", STF_REG_SZ, "x\0\n\0y\0\r\0\0\0");
    VALUE("\"a\"=\"x\r\ny\"", "a", STF_REG_SZ, "x\0\r\0\n\0y\0\0\0");
    VALUE("\"a\"=\"; no # comment\"  ; comment", "a", STF_REG_SZ, ";\0 \0n\0o\0 \0#\0 \0c\0o\0m\0m\0e\0n\0t\0\0\0");
    VALUE("\"a\"=dword:00000782", "a", STF_REG_DWORD, "\x82\x07\0\0");
    VALUE("  \t\"a\" \t= \tdword: 1 ;c", "a", STF_REG_DWORD, "\1\0\0\0");
    VALUE("\"a\"=dword:FFfffffe", "a", STF_REG_DWORD, "\xfe\xff\xff\xff");
    VALUE("\"a\"=hex:", "a", STF_REG_BINARY, "");
    VALUE("\"a\"=hex:1,02,Ff", "a", STF_REG_BINARY, "\1\2\xff");
    VALUE("\"a\"=hex: 01 , 02 ,03,", "a", STF_REG_BINARY, "\1\2\3");
    VALUE("\"a\"=hex:01,02,;c", "a", STF_REG_BINARY, "\1\2");
    VALUE("\"a\"=hex(0):01", "a", STF_REG_NONE, "\1");
    VALUE("\"a\"=hex(1):41,00", "a", STF_REG_SZ, "A\0");
    VALUE("\"a\"=hex(2):25,00,00,00", "a", STF_REG_EXPAND_SZ, "%\0\0\0");
    VALUE("\"a\"=hex(7):80,00,00,00,00", "a", STF_REG_MULTI_SZ, "\x80\0\0\0\0");
    VALUE("\"a\"=hex(4):01,02,03", "a", STF_REG_DWORD, "\1\2\3");
    VALUE("\"a\"=hex(b):01,02,03,04,05,06,07,08", "a", STF_REG_QWORD, "\1\2\3\4\5\6\7\10");
    VALUE("\"a\"=hex(ffffffff):01", "a", UINT32_MAX, "\1");
    VALUE("\"a\"=hex(00100000):", "a", 0x100000, "");
}

static void test_continued_lines(void **state)
{
    (void)state;
    VALUE("\"a\"=hex:01,\\\r\n  02,\\\r\n03", "a", STF_REG_BINARY, "\1\2\3");
    VALUE("\"a\"=hex:\\\n01", "a", STF_REG_BINARY, "\1");
    VALUE("\"a\"=hex:01,  \\  ;comment\n02", "a", STF_REG_BINARY, "\1\2");
    VALUE("\"a\"=hex:01,\\\n\n\r\n  ;comment\n  02", "a", STF_REG_BINARY, "\1\2");
    VALUE("\"a\"=hex:01,\\", "a", STF_REG_BINARY, "\1");
    VALUE("\"a\"=hex:01,\\\n  02,\n;\"b\"=hex:", "a", STF_REG_BINARY, "\1\2");
}

static void check_edit(const struct stf_reg_edit *edit, enum stf_reg_edit_kind kind, size_t line, const char *key,
                       const char *name)
{
    assert_int_equal(edit->kind, kind);
    assert_int_equal(edit->line, line);
    assert_string_equal(edit->key, key);
    if (name != NULL)
        assert_string_equal(edit->value.name, name);
}

static void test_edits_in_order(void **state)
{
    static const char text[] = HEAD "; a comment \\\r\n# another\r\n"
                                    "[hkcu\\A]b]  ; see [C] too\r\n"
                                    "\"v\"=-\r\n"
                                    "@ = - ; gone\r\n"
                                    "\"w\"=hex:01,\\\r\n  02\r\n"
                                    "[-HKEY_USERS\\.DEFAULT\\X\\\\]\r\n"
                                    "\r\n"
                                    " [HKEY_CLASSES_ROOT]\r\n"
                                    "[HKEY_CURRENT_CONFIG\\a]\r";
    struct stf_reg_edits edits = parse(text, sizeof(text) - 1);

    (void)state;
    assert_int_equal(edits.count, 7);
    check_edit(&edits.items[0], STF_REG_CREATE_KEY, 5, "HKEY_CURRENT_USER\\A]b", NULL);
    check_edit(&edits.items[1], STF_REG_DELETE_VALUE, 6, "HKEY_CURRENT_USER\\A]b", "v");
    check_edit(&edits.items[2], STF_REG_DELETE_VALUE, 7, "HKEY_CURRENT_USER\\A]b", "");
    check_edit(&edits.items[3], STF_REG_SET_VALUE, 8, "HKEY_CURRENT_USER\\A]b", "w");
    check_edit(&edits.items[4], STF_REG_DELETE_KEY, 10, "HKEY_USERS\\.DEFAULT\\X", NULL);
    check_edit(&edits.items[5], STF_REG_CREATE_KEY, 12, "HKEY_CLASSES_ROOT", NULL);
    check_edit(&edits.items[6], STF_REG_CREATE_KEY, 13, "HKEY_CURRENT_CONFIG\\a", NULL);
    stf_reg_edits_fini(&edits);
}

/* 8-bit text: cp1252, in strings and in the hex data of text types, and in no other. */
static void test_regedit4(void **state)
{
    static const char text[] =
        HEAD4 "[HKLM\\\xe9\x80]\n\"\xfc\"=\"\x80\x81\"\n\"e\"=hex(2):80,00\n\"m\"=hex(7):e9,00,00\n"
              "\"s\"=hex(1):41\n\"l\"=hex(6):80,00\n\"b\"=hex:80\n";
    struct stf_reg_edits edits = parse(text, sizeof(text) - 1);

    (void)state;
    assert_int_equal(edits.format.version, STF_REG_VERSION_4);
    assert_int_equal(edits.format.encoding, STF_REG_CP1252);
    assert_string_equal(edits.items[0].key, "HKEY_LOCAL_MACHINE\\é€");
    check_one(&edits, "ü", STF_REG_SZ, "\xac\x20\x81\0\0\0", 6);
    check_one(&edits, "e", STF_REG_EXPAND_SZ, "\xac\x20\0\0", 4);
    check_one(&edits, "m", STF_REG_MULTI_SZ, "\xe9\0\0\0\0\0", 6);
    check_one(&edits, "s", STF_REG_SZ, "A\0", 2);
    check_one(&edits, "l", STF_REG_LINK, "\x80\0", 2);
    check_one(&edits, "b", STF_REG_BINARY, "\x80", 1);
    stf_reg_edits_fini(&edits);
}

static void test_utf8(void **state)
{
    static const char marked[] = "\xef\xbb\xbf" HEAD "[HKLM\\Ключ]\r\n\"𐐷\"=\"é\"\r\n";
    struct stf_reg_edits edits = parse(marked, sizeof(marked) - 1);

    (void)state;
    assert_int_equal(edits.format.encoding, STF_REG_UTF8_MARKED);
    assert_string_equal(edits.items[0].key, "HKEY_LOCAL_MACHINE\\Ключ");
    check_one(&edits, "𐐷", STF_REG_SZ, "\xe9\0\0\0", 4);
    stf_reg_edits_fini(&edits);
    edits = parse(marked + 3, sizeof(marked) - 4);
    assert_int_equal(edits.format.encoding, STF_REG_UTF8);
    check_one(&edits, "𐐷", STF_REG_SZ, "\xe9\0\0\0", 4);
    stf_reg_edits_fini(&edits);
}

/* What no UTF-8 can hold stands in UTF-16 as it is. */
static void test_utf16_keeps_all(void **state)
{
    size_t size;
    uint8_t *text = widen(HEAD "[HKEY_USERS\\1]\r\n\"2\"=\"34\"\r\n", &size);
    struct stf_reg_edits edits;

    (void)state;
    for (size_t i = 2; i < size; i += 2) {
        static const uint8_t units[4][2] = {{0x3d, 0xd8}, {0, 0}, {0, 0xdc}, {0, 0}};
        if (text[i] >= '1' && text[i] <= '4' && i > 2 * sizeof(HEAD))
            memcpy(text + i, units[text[i] - '1'], 2);
    }
    edits = parse(text, size);
    assert_string_equal(edits.items[0].key, "HKEY_USERS\\\xef\xb7\x90"
                                            "D83D");
    check_one(&edits,
              "\xef\xb7\x90"
              "0000",
              STF_REG_SZ, "\0\xdc\0\0\0\0", 6);
    stf_reg_edits_fini(&edits);
    free(text);
}

/* ---- errors ---- */

static void check_wrong_bytes(const void *text, size_t size, const char *where, const char *what)
{
    struct stf_reg_edits edits;
    struct stf_err err = {0};

    assert_int_equal(stf_reg_parse(text, size, "t.reg", &edits, &err), STF_INVALID_DATA);
    assert_int_equal(edits.count, 0);
    assert_contains(err.message, where);
    assert_contains(err.message, what);
}

static void check_wrong(const char *text, const char *where, const char *what)
{
    size_t size;
    uint8_t *wide = widen(text, &size);

    check_wrong_bytes(text, strlen(text), where, what);
    check_wrong_bytes(wide, size, where, what);
    free(wide);
}

static void test_wrong_lines(void **state)
{
    (void)state;
    check_wrong("", "t.reg: line 1, column 1:", "no .reg text");
    check_wrong("REGEDIT5\n", "line 1, column 1:", "REGEDIT4");
    check_wrong("\nREGEDIT4\n", "line 1, column 1:", "no .reg text");
    check_wrong("Windows Registry Editor Version 5.00 x\n", "line 1, column 38:", "found 'x'");
    check_wrong(HEAD "junk\r\n", "line 3, column 1:", "found 'j', expected [KEY]");
    check_wrong(HEAD "\"a\"=\"b\"\r\n", "line 3, column 1:", "expected a [KEY]");
    check_wrong(HEAD "[HKEY_LOCAL_MACHINE\\A\r\n\"a]\"=\"b\"\r\n", "line 3, column 1:", "']' that ends the key");
    check_wrong(HEAD "[HKEY_LOCAL_MACHINE\\A] x\r\n", "line 3, column 1:", "only a comment");
    check_wrong(HEAD "[HKEY_LOCAL\\A]\r\n", "line 3, column 2:", "found 'H', expected the name of a root");
    check_wrong(HEAD "[ HKEY_LOCAL_MACHINE\\A]\r\n", "line 3, column 2:", "found ' ', expected the name of a root");
    check_wrong(HEAD "[]\r\n", "line 3, column 2:", "found ']'");
    check_wrong(HEAD "[HKLM\\A\\\\B]\r\n", "line 3, column 9:", "name of a key");
    check_wrong(HEAD "[-HKLM\\A]\r\n\"a\"=\"b\"\r\n", "line 4, column 1:", "below a [-KEY]");
}

static void test_wrong_values(void **state)
{
    (void)state;
    check_wrong(HEAD KEY "\"a\"\r\n", "line 4, column 4:", "found the end of the line, expected '='");
    check_wrong(HEAD KEY "\"a\"=", "line 4, column 5:", "found the end of the file, expected \"string\"");
    check_wrong(HEAD KEY "\"a\"=;c", "line 4, column 5:", "found ';'");
    check_wrong(HEAD KEY "\"a=\r\n", "line 4, column 1:", "'\"' that ends the string");
    check_wrong(HEAD KEY "\"a\"=\"b\r\n\"b\"=\"c\"\r\n",
                "line 5, column 2:", "found 'b', expected the end of the line");
    check_wrong(HEAD KEY "\"a\"=\"\\0\"\r\n", "line 4, column 7:", "found '0', expected '\\'");
    check_wrong(HEAD KEY "\"a\"=\"b\"#c\r\n", "line 4, column 8:", "found '#'");
    check_wrong(HEAD KEY "\"a\"=-1\r\n", "line 4, column 6:", "found '1'");
    check_wrong(HEAD KEY "\"a\"=dword:\r\n", "line 4, column 11:", "hex digits");
    check_wrong(HEAD KEY "\"a\"=dword:123456789\r\n", "line 4, column 19:", "found '9'");
    check_wrong(HEAD KEY "\"a\"=dword:0x1\r\n", "line 4, column 12:", "found 'x'");
    check_wrong(HEAD KEY "\"a\"=DWORD:1\r\n", "line 4, column 5:", "dword:");
    check_wrong(HEAD KEY "\"a\"=hex01\r\n", "line 4, column 8:", "':' after hex");
    check_wrong(HEAD KEY "\"a\"=hex():01\r\n", "line 4, column 9:", "type code");
    check_wrong(HEAD KEY "\"a\"=hex(100000000):01\r\n", "line 4, column 17:", "type code");
    check_wrong(HEAD KEY "\"a\"=hex(7:01\r\n", "line 4, column 10:", "')'");
    check_wrong(HEAD KEY "\"a\"=hex:100\r\n", "line 4, column 11:", "one or two");
    check_wrong(HEAD KEY "\"a\"=hex:01,,02\r\n", "line 4, column 12:", "found ','");
    check_wrong(HEAD KEY "\"a\"=hex:01\\\r\n02\r\n", "line 4, column 11:", "found '\\'");
    check_wrong(HEAD KEY "\"a\"=hex:01 02\r\n", "line 4, column 12:", "found '0'");
    check_wrong(HEAD KEY "\"a\"=hex:01,\\02\r\n", "line 4, column 13:", "after a backslash");
    check_wrong(HEAD KEY "\"a\"=hex:01,\\\r\n\"b\"=\"c\"\r\n", "line 5, column 1:", "found '\"', expected a byte");
}

static void test_wrong_encodings(void **state)
{
    (void)state;
    check_wrong_bytes(HEAD "; \xe9\r\n", sizeof(HEAD "; \xe9\r\n") - 1, "line 3, column 3:", "no UTF-8");
    check_wrong_bytes("\xff\xfeR\0E", 5, "line 1, column 1:", "no .reg text");
    check_wrong_bytes("\xff\xfeR\0E\0G\0E\0D\0I\0T\0"
                      "4\0\n",
                      19, "line 1, column 9:", "half a character");
}

/* ---- printing ---- */

static uint8_t *print(const struct stf_reg_edits *edits, struct stf_reg_format format, size_t *size)
{
    struct stf_reg_printer printer = {.format = format};
    struct stf_err err = {0};
    uint8_t *bytes = NULL;

    for (size_t i = 0; i < edits->count; i++)
        assert_ok(stf_reg_print_edit(&printer, &edits->items[i], &err), &err);
    assert_ok(stf_reg_printer_take(&printer, &bytes, size, &err), &err);
    stf_reg_printer_fini(&printer);
    return bytes;
}

/* What regedit writes is read, and printed again, byte by byte. The lines with hex data are Wine's. */
static void test_prints_as_regedit(void **state)
{
    static const char text[] =
        "Windows Registry Editor Version 5.00\r\n"
        "\r\n"
        "[HKEY_CURRENT_USER\\Software\\T1]\r\n"
        "@=\"def\"\r\n"
        "\"a \\\"b\\\" \\\\\"=\"c\\\\d \\\"e\\\"\"\r\n"
        "\"be\"=hex(5):01,02,03,04\r\n"
        "\"big\"=hex:00,01,02,03,04,05,06,07,08,09,0a,0b,0c,0d,0e,0f,10,11,12,13,14,15,16,\\\r\n"
        "  17,18,19,1a,1b,1c,1d,1e,1f,20,21,22,23,24,25,26,27,28,29,2a,2b,2c,2d,2e,2f,\\\r\n"
        "  30,31,32,33,34,35,36,37,38,39,3a,3b\r\n"
        "\"dw\"=dword:04030201\r\n"
        "\"gone\"=-\r\n"
        "\"none\"=hex(0):\r\n"
        "\"odd\"=hex(4):01\r\n"
        "\"quite a long value name to see where the line is wrapped by the exporter\"=hex(7):00,\\\r\n"
        "  00,01,00,02,00,03,00,04,00,05,00,06,00,07,00,08,00,09,00,0a,00,0b,00,0c,00,\\\r\n"
        "  0d,00\r\n"
        "\"t\"=\"tab\there\"\r\n"
        "\r\n"
        "[HKEY_CURRENT_USER\\Software\\T1\\a]b]\r\n"
        "\r\n"
        "[-HKEY_CURRENT_USER\\Software\\T1\\c]\r\n"
        "\r\n";
    size_t wide_size;
    uint8_t *wide = widen(text, &wide_size);
    struct stf_reg_edits edits = parse(wide, wide_size);
    size_t size;
    uint8_t *bytes = print(&edits, edits.format, &size);

    (void)state;
    assert_int_equal(size, wide_size);
    assert_memory_equal(bytes, wide, size);
    free(bytes);
    bytes = print(&edits, (struct stf_reg_format){.encoding = STF_REG_UTF8}, &size);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    free(bytes);
    stf_reg_edits_fini(&edits);
    free(wide);
}

static void check_printed(uint32_t type, const void *data, size_t size, struct stf_reg_format format,
                          const char *wanted)
{
    struct stf_registry_value value = {"v", type, (uint8_t *)data, size};
    struct stf_reg_edit edit = {.kind = STF_REG_SET_VALUE, .key = "HKEY_USERS\\K", .value = value};
    struct stf_reg_edits edits = {.items = &edit, .count = 1};
    struct stf_reg_edits again;
    size_t printed_size;
    uint8_t *printed = print(&edits, format, &printed_size);

    printed = realloc(printed, printed_size + 1);
    printed[printed_size] = '\0';
    assert_contains((char *)printed, wanted);
    again = parse(printed, printed_size);
    check_one(&again, "v", type, data, size);
    stf_reg_edits_fini(&again);
    free(printed);
}

static void test_text_that_needs_hex(void **state)
{
    static const struct stf_reg_format utf8 = {.encoding = STF_REG_UTF8};
    static const struct stf_reg_format v4 = {STF_REG_VERSION_4, STF_REG_CP1252};

    (void)state;
    check_printed(STF_REG_SZ, "A\0", 2, utf8, "\"v\"=hex(1):41,00\r\n"); /* not ended */
    check_printed(STF_REG_SZ, "", 0, utf8, "\"v\"=hex(1):\r\n");
    check_printed(STF_REG_SZ, "A\0\0", 3, utf8, "\"v\"=hex(1):41,00,00\r\n");   /* odd */
    check_printed(STF_REG_SZ, "A\0\0\0\0\0", 6, utf8, "\"v\"=hex(1):41,00,00"); /* ended twice */
    check_printed(STF_REG_SZ, "\n\0\0\0", 4, utf8, "\"v\"=hex(1):0a,00,00,00"); /* a line break */
    check_printed(STF_REG_SZ, "\x3d\xd8\0\0", 4, utf8, "\"v\"=hex(1):3d,d8");   /* half a character */
    check_printed(STF_REG_SZ, "\x3d\xd8\0\xde\0\0", 6, utf8, "\"v\"=\"😀\"\r\n");
    check_printed(STF_REG_DWORD, "\1\2\3\4", 4, utf8, "\"v\"=dword:04030201\r\n");
    check_printed(STF_REG_DWORD, "\1\2\3", 3, utf8, "\"v\"=hex(4):01,02,03\r\n");
    check_printed(STF_REG_SZ, "\xac\x20\0\0", 4, v4, "\"v\"=\"\x80\"\r\n");
    check_printed(STF_REG_SZ, "A\0", 2, v4, "\"v\"=hex(1):41\r\n");
    check_printed(STF_REG_MULTI_SZ, "\xac\x20\0\0\0\0", 6, v4, "\"v\"=hex(7):80,00,00\r\n");
    check_printed(STF_REG_LINK, "\xac\x20", 2, v4, "\"v\"=hex(6):ac,20\r\n");
    check_printed(STF_REG_BINARY, "\xac\x20\1", 3, v4, "\"v\"=hex:ac,20,01\r\n");
}

static void check_not_held(const struct stf_reg_edit *edit, struct stf_reg_format format, const char *what)
{
    struct stf_reg_printer printer = {.format = format};
    struct stf_err err = {0};

    assert_int_equal(stf_reg_print_edit(&printer, edit, &err), STF_UNSUPPORTED);
    assert_contains(err.message, what);
    assert_contains(err.message, edit->key);
    stf_reg_printer_fini(&printer);
}

static void test_what_a_format_cannot_hold(void **state)
{
    static const struct stf_reg_format v4 = {STF_REG_VERSION_4, STF_REG_CP1252};
    static const struct stf_reg_format utf8 = {.encoding = STF_REG_UTF8};
    static const struct stf_reg_format utf16 = {.encoding = STF_REG_UTF16};
    struct stf_reg_edit edit = {.kind = STF_REG_SET_VALUE, .key = "HKEY_USERS\\K"};

    (void)state;
    edit.value = (struct stf_registry_value){"v", STF_REG_SZ, (uint8_t *)"\x1a\x04\0\0", 4};
    check_not_held(&edit, v4, "not hold v of");
    edit.value.type = STF_REG_MULTI_SZ;
    check_not_held(&edit, v4, "REGEDIT4");
    edit.value.size = 3;
    check_not_held(&edit, v4, "REGEDIT4");
    edit.value = (struct stf_registry_value){"Ж", STF_REG_NONE, (uint8_t *)"", 0};
    check_not_held(&edit, v4, "its name");
    edit.value.name = "\xef\xb7\x90"
                      "D83D";
    check_not_held(&edit, utf8, "its name");
    edit = (struct stf_reg_edit){.kind = STF_REG_CREATE_KEY, .key = "HKEY_USERS\\K\nL"};
    check_not_held(&edit, utf16, "line break");
    edit.key = "HKEY_USERS\\Ж";
    check_not_held(&edit, v4, "the name of the key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_continued_lines),
        cmocka_unit_test(test_edits_in_order),
        cmocka_unit_test(test_regedit4),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf16_keeps_all),
        cmocka_unit_test(test_wrong_lines),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_wrong_encodings),
        cmocka_unit_test(test_prints_as_regedit),
        cmocka_unit_test(test_text_that_needs_hex),
        cmocka_unit_test(test_what_a_format_cannot_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
