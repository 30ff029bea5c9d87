/* regf.h - the regf file format: offsets of its records, its base block, little-endian access. The format as the public
 * descriptions of it say (docs/sources.md). No I/O, no allocation. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

/* Cells are named by their offset from the end of the base block; STF_REGF_NOTHING is none. */
#define STF_REGF_NOTHING 0xffffffffu

enum {
    STF_REGF_BASE_SIZE = 4096,
    STF_REGF_BIN_HEADER_SIZE = 32,
    STF_REGF_BIN_ALIGN = 4096,
    STF_REGF_SEGMENT_MAX = 16344, /* longer data is split into segments of this size (from minor version 4 on) */
    STF_REGF_SIZE_MAX = 0x7fff0000
};

/* The base block. */
enum {
    STF_REGF_AT_SEQUENCE_1 = 4,
    STF_REGF_AT_SEQUENCE_2 = 8,
    STF_REGF_AT_WRITTEN = 12,
    STF_REGF_AT_MAJOR = 20,
    STF_REGF_AT_MINOR = 24,
    STF_REGF_AT_TYPE = 28,
    STF_REGF_AT_FORMAT = 32,
    STF_REGF_AT_ROOT = 36,
    STF_REGF_AT_BINS_SIZE = 40,
    STF_REGF_AT_CLUSTER = 44,
    STF_REGF_AT_FLAGS = 144,
    STF_REGF_AT_CHECKSUM = 508
};

/* A key node, from its signature on. */
enum {
    STF_REGF_NK_FLAGS = 2,
    STF_REGF_NK_WRITTEN = 4,
    STF_REGF_NK_ACCESS = 12,
    STF_REGF_NK_PARENT = 16,
    STF_REGF_NK_SUBKEY_COUNT = 20,
    STF_REGF_NK_SUBKEYS = 28,
    STF_REGF_NK_VOLATILE_SUBKEYS = 32,
    STF_REGF_NK_VALUE_COUNT = 36,
    STF_REGF_NK_VALUES = 40,
    STF_REGF_NK_SECURITY = 44,
    STF_REGF_NK_CLASS = 48,
    STF_REGF_NK_MAX_SUBKEY_NAME = 52,
    STF_REGF_NK_CONTROL = 54,
    STF_REGF_NK_MAX_SUBKEY_CLASS = 56,
    STF_REGF_NK_MAX_VALUE_NAME = 60,
    STF_REGF_NK_MAX_VALUE_DATA = 64,
    STF_REGF_NK_NAME_SIZE = 72,
    STF_REGF_NK_CLASS_SIZE = 74,
    STF_REGF_NK_NAME = 76
};

enum {
    STF_REGF_KEY_IS_ROOT = 0x0004,
    STF_REGF_KEY_NO_DELETE = 0x0008,
    STF_REGF_KEY_LATIN1 = 0x0020,
    STF_REGF_KEY_PREDEFINED = 0x0040 /* the count of values is a handle */
};

/* A value. */
enum {
    STF_REGF_VK_NAME_SIZE = 2,
    STF_REGF_VK_DATA_SIZE = 4,
    STF_REGF_VK_DATA = 8,
    STF_REGF_VK_TYPE = 12,
    STF_REGF_VK_FLAGS = 16,
    STF_REGF_VK_NAME = 20
};

enum { STF_REGF_VALUE_LATIN1 = 1, STF_REGF_VALUE_TOMBSTONE = 2 };
/* In the data's size: up to four bytes stand where its cell would be named. */
#define STF_REGF_DATA_INLINE 0x80000000u

/* A security descriptor. */
enum {
    STF_REGF_SK_NEXT = 4,
    STF_REGF_SK_PREVIOUS = 8,
    STF_REGF_SK_USERS = 12,
    STF_REGF_SK_SIZE = 16,
    STF_REGF_SK_BYTES = 20
};

static inline uint32_t stf_regf_u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t stf_regf_u32(const uint8_t *at)
{
    return stf_regf_u16(at) | stf_regf_u16(at + 2) << 16;
}

static inline uint64_t stf_regf_u64(const uint8_t *at)
{
    return stf_regf_u32(at) | (uint64_t)stf_regf_u32(at + 4) << 32;
}

static inline void stf_regf_put_u16(uint8_t *at, uint32_t number)
{
    at[0] = (uint8_t)number;
    at[1] = (uint8_t)(number >> 8);
}

static inline void stf_regf_put_u32(uint8_t *at, uint32_t number)
{
    stf_regf_put_u16(at, number);
    stf_regf_put_u16(at + 2, number >> 16);
}

static inline void stf_regf_put_u64(uint8_t *at, uint64_t number)
{
    stf_regf_put_u32(at, (uint32_t)number);
    stf_regf_put_u32(at + 4, (uint32_t)(number >> 32));
}

/* What the checksum of a base block (its first 512 bytes) must be. */
uint32_t stf_regf_checksum(const uint8_t *base);
void stf_regf_put_checksum(uint8_t *base);

/* Whether a writer died in the middle: the checksum is wrong, or the sequence numbers differ. */
bool stf_regf_is_dirty(const uint8_t *base);

/* Refuses what is no clean hive of a known version, or is cut short. `base` is the first STF_REGF_BASE_SIZE bytes. */
enum stf_kind stf_regf_check_format(const uint8_t *base, const char *path, struct stf_err *err);
enum stf_kind stf_regf_check_clean(const uint8_t *base, const char *path, struct stf_err *err);
enum stf_kind stf_regf_check_size(const uint8_t *base, uint64_t file_size, const char *path, struct stf_err *err);

/* A base block for a new hive (version 1.5, sequence 1). Its root, bins' size and checksum are the writer's to fill. */
void stf_regf_make_base(uint8_t base[STF_REGF_BASE_SIZE], uint64_t filetime);

/* The security descriptor of a new hive's root: owner Administrators, group SYSTEM; full access for both, reading for
 * Users, inherited by subkeys: as on the keys of HKLM\SYSTEM. Returns its size. */
enum { STF_REGF_DEFAULT_SECURITY_MAX = 160 };
size_t stf_regf_make_security(uint8_t descriptor[STF_REGF_DEFAULT_SECURITY_MAX]);

/* 100 ns since 1601, from seconds since 1970. */
uint64_t stf_regf_filetime(int64_t unix_seconds);
