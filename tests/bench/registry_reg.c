/* registry_reg.c - times .reg text inside one process: parse, apply to a store in memory, export, for 100,000 values
 * in two shapes. `registry_reg hive FILE` makes the hive that registry_reg.sh gives to hivexregedit too.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "registry/reg_text.h"

enum { VALUES = 100000, RUNS = 9 };

struct shape {
    const char *name;
    unsigned keys;
    unsigned siblings; /* how many of the keys are below one */
};

static void check(enum stf_kind kind, const struct stf_err *err)
{
    if (kind != STF_OK) {
        fprintf(stderr, "registry_reg: %s\n", err->message);
        exit(1);
    }
}

/* Strings, dwords and binary data, as software leaves them. */
static void make_value(unsigned i, char name[32], uint8_t data[64], struct stf_registry_value *value)
{
    char text[32];
    int size = snprintf(text, sizeof(text), "C:\\Data\\%u", i);

    snprintf(name, 32, "Value%u", i);
    *value = (struct stf_registry_value){name,
                                         i % 3 == 0   ? STF_REG_DWORD
                                         : i % 3 == 1 ? STF_REG_SZ
                                                      : STF_REG_BINARY,
                                         data,
                                         i % 3 == 0   ? 4
                                         : i % 3 == 1 ? 2 * (size_t)size + 2
                                                      : 16};
    memset(data, (int)(i % 251), 64);
    for (int c = 0; i % 3 == 1 && c <= size; c++) {
        data[2 * c] = (uint8_t)text[c];
        data[2 * c + 1] = 0;
    }
}

static void make_edits(const struct shape *shape, const char *mount, struct stf_reg_edits *edits)
{
    struct stf_err err = {0};

    for (unsigned i = 0; i < VALUES; i++) {
        unsigned key = i / (VALUES / shape->keys);
        struct stf_reg_edit edit = {.kind = STF_REG_SET_VALUE};
        uint8_t data[64];
        char path[96];
        char name[32];
        if (key < shape->siblings)
            snprintf(path, sizeof(path), "%s\\Many\\Key%05u", mount, key);
        else
            snprintf(path, sizeof(path), "%s\\Group%03u\\Key%05u", mount, key / 100, key);
        make_value(i, name, data, &edit.value);
        edit.key = path;
        check(stf_reg_edits_add(edits, &edit, &err), &err);
    }
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static void report(const char *what, int64_t *times_ns, size_t bytes)
{
    qsort(times_ns, RUNS, sizeof(*times_ns), compare);
    printf("  %-32s median %7.2f ms   worst %7.2f ms   %6.0f MB/s\n", what, (double)times_ns[RUNS / 2] / 1e6,
           (double)times_ns[RUNS - 1] / 1e6, (double)bytes * 1e3 / (double)times_ns[RUNS / 2]);
}

static void time_shape(const struct shape *shape)
{
    struct stf_reg_edits made = {0};
    int64_t parse_ns[RUNS];
    int64_t apply_ns[RUNS];
    int64_t export_ns[RUNS];
    uint8_t *text = NULL;
    size_t size = 0;
    struct stf_err err = {0};

    make_edits(shape, "HKEY_LOCAL_MACHINE\\SOFTWARE", &made);
    for (int run = -1; run < RUNS; run++) { /* the first makes the text */
        struct stf_registry_memory *memory = stf_registry_memory_new();
        const struct stf_registry_place place = {.memory = memory};
        const struct stf_reg_format format = {0};
        struct stf_registry *registry = NULL;
        struct stf_reg_edits parsed = {0};
        int64_t start_ns = stf_clock_ns();
        if (run >= 0) {
            check(stf_reg_parse(text, size, "text", &parsed, &err), &err);
            parse_ns[run] = stf_clock_ns() - start_ns;
        }
        check(stf_registry_open(&stf_registry_backend_memory, &place, STF_REGISTRY_WRITE, &registry, &err), &err);
        start_ns = stf_clock_ns();
        check(stf_registry_apply_reg(registry, "HKLM", run >= 0 ? &parsed : &made, &err), &err);
        if (run >= 0)
            apply_ns[run] = stf_clock_ns() - start_ns;
        free(text);
        start_ns = stf_clock_ns();
        check(stf_registry_export_reg(registry, "HKLM", "SOFTWARE", &format, &text, &size, &err), &err);
        if (run >= 0)
            export_ns[run] = stf_clock_ns() - start_ns;
        stf_registry_close(registry);
        stf_registry_memory_free(memory);
        stf_reg_edits_fini(&parsed);
    }
    printf("%s: %d values, %.1f MB of UTF-16\n", shape->name, VALUES, (double)size / 1e6);
    report("parse", parse_ns, size);
    report("apply to memory, and commit", apply_ns, size);
    report("export from memory", export_ns, size);
    free(text);
    stf_reg_edits_fini(&made);
}

static void make_hive(const struct shape *shape, const char *path)
{
    const struct stf_registry_place place = {.path = path};
    struct stf_registry *registry = NULL;
    struct stf_reg_edits edits = {0};
    struct stf_err err = {0};

    make_edits(shape, "HKEY_LOCAL_MACHINE\\SOFTWARE", &edits);
    check(stf_hive_create(path, &err), &err);
    check(stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_WRITE, &registry, &err), &err);
    check(stf_registry_apply_reg(registry, "HKLM\\SOFTWARE", &edits, &err), &err);
    stf_registry_close(registry);
    stf_reg_edits_fini(&edits);
}

int main(int argc, char **argv)
{
    static const struct shape shapes[] = {{"1,000 keys of 100 values", 1000, 0},
                                          {"10,000 keys, 5,000 under one", 10000, 5000}};

    if (argc == 3 && strcmp(argv[1], "hive") == 0) {
        make_hive(&shapes[0], argv[2]);
        return 0;
    }
    if (argc != 1) {
        fprintf(stderr, "usage: registry_reg | registry_reg hive FILE\n");
        return 64;
    }
    time_shape(&shapes[0]);
    time_shape(&shapes[1]);
    return 0;
}
