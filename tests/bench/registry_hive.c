/* registry_hive.c - 100,000 values in several shapes, for registry_hive.sh: their .reg text, a hive made of such text,
 * and the times of its parts. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "registry/reg_text.h"

static void check(enum stf_kind kind, const struct stf_err *err)
{
    if (kind != STF_OK) {
        fprintf(stderr, "bench_registry_hive: %s\n", err->message);
        exit(1);
    }
}

static void print_key(FILE *file, const char *key, unsigned values, unsigned size)
{
    fprintf(file, "\r\n[HKEY_LOCAL_MACHINE\\X\\%s]\r\n", key);
    for (unsigned i = 0; i < values; i++) {
        if (size == 4) {
            fprintf(file, "\"Value %u\"=dword:%08x\r\n", i, i);
            continue;
        }
        fprintf(file, "\"Value %u\"=hex:", i);
        for (unsigned j = 0; j < size; j++)
            fprintf(file, "%s%02x", j > 0 ? "," : "", (i + j) % 256);
        fputs("\r\n", file);
    }
}

/* All but the groups' keys are below one; a group has 100 keys of 10 values. */
struct shape {
    const char *name;
    unsigned keys;
    unsigned values; /* of each key */
    unsigned size;   /* of each value */
    unsigned groups;
};

static const struct shape shapes[] = {
    {"flat", 1000, 100, 4, 0},
    {"wide", 5000, 10, 4, 50},
    {"large", 1000, 100, 160, 0},
    {"siblings", 10000, 10, 4, 0},
};

static const struct shape *shape_named(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    fprintf(stderr, "bench_registry_hive: no shape %s\n", name);
    exit(1);
}

/* Each key is listed after the one above it, for hivexregedit makes no keys on the way. */
static void write_text(const struct shape *shape, const char *path)
{
    FILE *file = fopen(path, "wb");
    char key[64];

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    fputs("Windows Registry Editor Version 5.00\r\n", file);
    print_key(file, "Many", 0, 4);
    for (unsigned i = 0; i < shape->keys; i++) {
        snprintf(key, sizeof(key), "Many\\Key %u", i);
        print_key(file, key, shape->values, shape->size);
    }
    for (unsigned i = 0; i < shape->groups; i++) {
        snprintf(key, sizeof(key), "Group %u", i);
        print_key(file, key, 0, 4);
        for (unsigned j = 0; j < 100; j++) {
            snprintf(key, sizeof(key), "Group %u\\Key %u", i, j);
            print_key(file, key, 10, 4);
        }
    }
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size + 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return bytes;
}

static void import(const char *text_path, const char *hive_path)
{
    const struct stf_registry_place place = {.path = hive_path};
    struct stf_reg_edits edits = {0};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};
    size_t size;
    uint8_t *text = read_file(text_path, &size);
    int64_t times_ns[4];

    remove(hive_path);
    check(stf_hive_create(hive_path, &err), &err);
    times_ns[0] = stf_clock_ns();
    check(stf_reg_parse(text, size, text_path, &edits, &err), &err);
    times_ns[1] = stf_clock_ns();
    check(stf_registry_open(&stf_registry_backend_hive, &place, STF_REGISTRY_WRITE, &registry, &err), &err);
    check(stf_registry_apply_reg(registry, "HKLM\\X", &edits, &err), &err);
    times_ns[2] = stf_clock_ns();
    stf_registry_close(registry);
    stf_reg_edits_fini(&edits);
    free(text);
    printf("parse %.1f ms, apply and commit %.1f ms\n", (double)(times_ns[1] - times_ns[0]) / 1e6,
           (double)(times_ns[2] - times_ns[1]) / 1e6);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "text") == 0) {
        write_text(shape_named(argv[2]), argv[3]);
    } else if (argc == 4 && strcmp(argv[1], "import") == 0) {
        import(argv[2], argv[3]);
    } else {
        fputs("usage: bench_registry_hive text SHAPE FILE.reg | import FILE.reg HIVE\n", stderr);
        return 64;
    }
    return 0;
}
