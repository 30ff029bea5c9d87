/* regf.c - regf's base block: checksum, sequence numbers, versions; and what a new hive starts with. Never looks at
 * cells. SPDX-License-Identifier: MIT */
#include "registry/regf.h"

#include <string.h>

/* The exclusive or of the words before the checksum; two results are reserved. */
uint32_t stf_regf_checksum(const uint8_t *base)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < STF_REGF_AT_CHECKSUM; i += 4)
        sum ^= stf_regf_u32(base + i);
    if (sum == 0)
        return 1;
    return sum == 0xffffffff ? 0xfffffffe : sum;
}

void stf_regf_put_checksum(uint8_t *base)
{
    stf_regf_put_u32(base + STF_REGF_AT_CHECKSUM, stf_regf_checksum(base));
}

bool stf_regf_is_dirty(const uint8_t *base)
{
    return stf_regf_checksum(base) != stf_regf_u32(base + STF_REGF_AT_CHECKSUM) ||
           stf_regf_u32(base + STF_REGF_AT_SEQUENCE_1) != stf_regf_u32(base + STF_REGF_AT_SEQUENCE_2);
}

enum stf_kind stf_regf_check_format(const uint8_t *base, const char *path, struct stf_err *err)
{
    uint32_t minor = stf_regf_u32(base + STF_REGF_AT_MINOR);

    if (memcmp(base, "regf", 4) != 0 || stf_regf_u32(base + STF_REGF_AT_MAJOR) != 1) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is no registry hive: a hive starts with \"regf\" and has major version 1", path);
    }
    if (stf_regf_u32(base + STF_REGF_AT_TYPE) != 0) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is a transaction log of a hive, not the hive; name the file without .LOG", path);
    }
    if (minor < 3 || minor > 6 || stf_regf_u32(base + STF_REGF_AT_FORMAT) != 1) {
        return stf_err_set(err, STF_UNSUPPORTED, 0, "open", path,
                           "%s is a hive of version 1.%u; this program knows 1.3 (Windows NT 4) to 1.6", path, minor);
    }
    return STF_OK;
}

enum stf_kind stf_regf_check_clean(const uint8_t *base, const char *path, struct stf_err *err)
{
    uint32_t first = stf_regf_u32(base + STF_REGF_AT_SEQUENCE_1);
    uint32_t second = stf_regf_u32(base + STF_REGF_AT_SEQUENCE_2);

    if (stf_regf_checksum(base) != stf_regf_u32(base + STF_REGF_AT_CHECKSUM)) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "the checksum of the base block of %s is wrong: the hive is dirty or damaged; have its "
                           "transaction logs replayed, let Windows load it once (reg load, reg unload), or restore a "
                           "backup",
                           path);
    }
    if (first != second) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is dirty: its sequence numbers %u and %u differ, so changes still wait in its "
                           "transaction logs (.LOG1, .LOG2), and writing to it would lose them; have the logs "
                           "replayed, let Windows load it once (reg load, reg unload), or take a copy of a host that "
                           "was shut down",
                           path, first, second);
    }
    return STF_OK;
}

enum stf_kind stf_regf_check_size(const uint8_t *base, uint64_t file_size, const char *path, struct stf_err *err)
{
    uint32_t bins_size = stf_regf_u32(base + STF_REGF_AT_BINS_SIZE);

    if (bins_size == 0 || bins_size % STF_REGF_BIN_ALIGN != 0 || bins_size > STF_REGF_SIZE_MAX ||
        (uint64_t)bins_size + STF_REGF_BASE_SIZE > file_size) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is cut short: its base block tells of %llu bytes, the file has %llu; restore a backup",
                           path, (unsigned long long)bins_size + STF_REGF_BASE_SIZE, (unsigned long long)file_size);
    }
    return STF_OK;
}

void stf_regf_make_base(uint8_t base[STF_REGF_BASE_SIZE], uint64_t filetime)
{
    memset(base, 0, STF_REGF_BASE_SIZE);
    memcpy(base, "regf", 4);
    stf_regf_put_u32(base + STF_REGF_AT_SEQUENCE_1, 1);
    stf_regf_put_u32(base + STF_REGF_AT_SEQUENCE_2, 1);
    stf_regf_put_u64(base + STF_REGF_AT_WRITTEN, filetime);
    stf_regf_put_u32(base + STF_REGF_AT_MAJOR, 1); /* 1.5: what Windows XP and later write */
    stf_regf_put_u32(base + STF_REGF_AT_MINOR, 5);
    stf_regf_put_u32(base + STF_REGF_AT_FORMAT, 1);
    stf_regf_put_u32(base + STF_REGF_AT_CLUSTER, 1);
}

/* One entry of an access list, inherited by subkeys: `mask` for BUILTIN\`group`, or for SYSTEM when group is 0. */
static uint8_t *put_entry(uint8_t *at, uint32_t mask, uint32_t group)
{
    size_t sid_size = group != 0 ? 16 : 12;

    at[0] = 0;    /* allow */
    at[1] = 0x02; /* container inherit */
    stf_regf_put_u16(at + 2, (uint32_t)(8 + sid_size));
    stf_regf_put_u32(at + 4, mask);
    at += 8;
    at[0] = 1; /* S-1-5-... */
    at[1] = group != 0 ? 2 : 1;
    at[7] = 5;
    stf_regf_put_u32(at + 8, group != 0 ? 32 : 18);
    if (group != 0)
        stf_regf_put_u32(at + 12, group);
    return at + sid_size;
}

size_t stf_regf_make_security(uint8_t descriptor[STF_REGF_DEFAULT_SECURITY_MAX])
{
    enum { KEY_ALL = 0xf003f, KEY_READ = 0x20019, ADMINISTRATORS = 544, USERS = 545, LIST_OFFSET = 20 };
    uint8_t *list = descriptor + LIST_OFFSET;
    uint8_t *end = list + 8;
    uint8_t entry[24];

    memset(descriptor, 0, STF_REGF_DEFAULT_SECURITY_MAX);
    end = put_entry(end, KEY_ALL, 0);
    end = put_entry(end, KEY_ALL, ADMINISTRATORS);
    end = put_entry(end, KEY_READ, USERS);
    list[0] = 2; /* revision */
    stf_regf_put_u16(list + 2, (uint32_t)(end - list));
    stf_regf_put_u16(list + 4, 3);

    descriptor[0] = 1;
    stf_regf_put_u16(descriptor + 2, 0x8004); /* self-relative, with an access list */
    stf_regf_put_u32(descriptor + 16, LIST_OFFSET);
    stf_regf_put_u32(descriptor + 4, (uint32_t)(end - descriptor));
    memset(entry, 0, sizeof(entry));
    put_entry(entry, 0, ADMINISTRATORS);
    memcpy(end, entry + 8, 16);
    stf_regf_put_u32(descriptor + 8, (uint32_t)(end + 16 - descriptor));
    memset(entry, 0, sizeof(entry));
    put_entry(entry, 0, 0);
    memcpy(end + 16, entry + 8, 12);
    return (size_t)(end + 28 - descriptor);
}

uint64_t stf_regf_filetime(int64_t unix_seconds)
{
    return ((uint64_t)unix_seconds + 11644473600u) * 10000000u;
}
