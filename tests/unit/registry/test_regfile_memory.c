/* test_regfile_memory.c - .reg text and differences when memory runs out: at each allocation in turn, an error that
 * says so, and (under ASan) nothing lost. The linker sends the library's allocations here. SPDX-License-Identifier: MIT
 */
#include "registry_test.h"

#include <jansson.h>

#include "registry/diff.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static long countdown = -1; /* the allocation that fails; below 0: none */

static bool is_out(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return is_out() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_out() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_out() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return is_out() ? NULL : __real_strdup(text);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list list;
    int size = -1;

    va_start(list, format);
    if (!is_out())
        size = vasprintf(text, format, list);
    va_end(list);
    return size;
}

/* ---- the calls ---- */

static const char text[] =
    "Windows Registry Editor Version 5.00\n\n[HKLM\\T\\A]\n\"v\\\\\"=\"x\"\n\"h\"=hex:01,\\\n02\n"
    "[HKLM\\T\\Ключ]\n@=hex(7):61,00\n[-HKLM\\T\\Gone]\n[HKLM\\T\\B]\n\"a\"=-\n\"1\"=hex:\n"
    "\"2\"=hex:\n\"3\"=hex:\n\"4\"=hex:\n\"5\"=hex:\n\"6\"=hex:\n\"7\"=hex:\n\"8\"=hex:\n\"9\"=hex:\n";

struct world {
    struct stf_registry_memory *memory;
    struct stf_registry *registry;
};

static struct world open_world(void)
{
    struct world world = {.memory = stf_registry_memory_new()};
    const struct stf_registry_place place = {.memory = world.memory};
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &world.registry, &err), &err);
    set_bytes(world.registry, "Gone\\Too", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(world.registry, "B", "a", STF_REG_DWORD, "\1\0\0\0", 4);
    return world;
}

static void close_world(struct world *world)
{
    stf_registry_close(world->registry);
    stf_registry_memory_free(world->memory);
}

static enum stf_kind parse_and_apply(struct stf_registry *registry, struct stf_err *err)
{
    struct stf_reg_edits edits;
    enum stf_kind kind = stf_reg_parse(text, sizeof(text) - 1, "t.reg", &edits, err);

    if (kind == STF_OK)
        kind = stf_registry_apply_reg(registry, "HKLM\\T", &edits, err);
    stf_reg_edits_fini(&edits);
    return kind;
}

static enum stf_kind apply_and_export(struct stf_err *err, long at)
{
    const struct stf_reg_format format = {0};
    struct world world = open_world();
    uint8_t *bytes = NULL;
    size_t size;
    enum stf_kind kind;

    countdown = at;
    kind = parse_and_apply(world.registry, err);
    if (kind == STF_OK)
        kind = stf_registry_export_reg(world.registry, "HKLM\\T", "", &format, &bytes, &size, err);
    countdown = -1;
    free(bytes);
    close_world(&world);
    return kind;
}

static enum stf_kind differ(struct stf_err *err, long at)
{
    struct world first = open_world();
    struct world second = open_world();
    const struct stf_registry_side sides[2] = {{first.registry, ""}, {second.registry, ""}};
    struct stf_registry_diff diff = {0};
    struct stf_reg_edits edits = {0};
    enum stf_kind kind = parse_and_apply(second.registry, err);
    json_t *doc = NULL;
    char *lines = NULL;

    assert_int_equal(kind, STF_OK);
    countdown = at;
    kind = stf_registry_diff(&sides[0], &sides[1], &diff, err);
    if (kind == STF_OK)
        kind = stf_registry_diff_to_doc(&diff, "HKLM\\T", &doc, err);
    if (kind == STF_OK)
        kind = stf_registry_diff_to_edits(&diff, "HKLM\\T", &edits, err);
    if (kind == STF_OK) {
        lines = stf_registry_diff_text(&diff, "HKLM\\T");
        kind = lines != NULL ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "diff", NULL, "no text");
    }
    countdown = -1;
    free(lines);
    json_decref(doc);
    stf_reg_edits_fini(&edits);
    stf_registry_diff_fini(&diff);
    close_world(&first);
    close_world(&second);
    return kind;
}

/* From the first allocation to the one that is not reached any more. */
static void check_each(enum stf_kind (*call)(struct stf_err *err, long at))
{
    enum stf_kind kind = STF_NO_MEMORY;
    long at;

    for (at = 0; kind != STF_OK; at++) {
        struct stf_err err = {0};
        kind = call(&err, at);
        if (kind != STF_OK) {
            assert_int_equal(kind, STF_NO_MEMORY);
            assert_true(err.message[0] != '\0');
        }
    }
    print_message("%ld allocations\n", at - 1);
    assert_true(at > 20);
}

static void test_apply_and_export(void **state)
{
    (void)state;
    check_each(apply_and_export);
}

static void test_diff(void **state)
{
    (void)state;
    check_each(differ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_apply_and_export), cmocka_unit_test(test_diff)};

    json_set_alloc_funcs(__wrap_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
