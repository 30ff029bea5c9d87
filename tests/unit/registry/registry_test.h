/* registry_test.h - what the registry's tests share: a folder of their own, files, patches, programs that read hives.
 * Header only; asserts instead of returning errors. SPDX-License-Identifier: MIT */
#pragma once

#include "registry_assert.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/process.h"
#include "registry/registry.h"

static char test_folder[] = "/tmp/stf-registry-XXXXXX";

static inline int make_test_folder(void **state)
{
    (void)state;
    strcpy(test_folder, "/tmp/stf-registry-XXXXXX");
    return mkdtemp(test_folder) != NULL ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

static inline int remove_test_folder(void **state)
{
    (void)state;
    return nftw(test_folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path in the test's folder; valid until the fourth next call. */
static inline const char *in_folder(const char *name)
{
    static char paths[4][512];
    static size_t next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", test_folder, name);
    return path;
}

static inline uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *bytes;

    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    *size = (size_t)status.st_size;
    bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static inline void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline uint32_t word_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline void put_word(uint8_t *at, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> (8 * i));
}

static inline void fix_checksum(uint8_t *base)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 0x1fc; i += 4)
        sum ^= word_at(base + i);
    put_word(base + 0x1fc, sum);
}

static inline struct stf_registry *open_hive(const char *path, enum stf_registry_mode mode)
{
    const struct stf_registry_place place = {.path = path};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_hive, &place, mode, &registry, &err), &err);
    return registry;
}

/* Standard output of a program that must end well; the caller frees it. */
static inline char *output_of(const char *const argv[])
{
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 20000};
    struct stf_process_result result = {0};
    struct stf_err err = {0};
    char *output;

    assert_ok(stf_process_run(&id, &result, &err), &err);
    if (result.exit_code != 0)
        fail_msg("%s ended with %d: %s", argv[0], result.exit_code, result.errors);
    output = strdup(result.output);
    stf_process_result_fini(&result);
    return output;
}
