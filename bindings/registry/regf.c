/* regf.c - regf's base block, and the image of an empty hive. Layouts as published in the public descriptions of the
 * format; numbers are little-endian, cell references count from the end of the base block. SPDX-License-Identifier: MIT
 */
#include "registry/regf.h"

#include <string.h>

enum {
    ROOT_CELL = 0x20,
    ROOT_CELL_SIZE = 0x58,
    SECURITY_CELL = ROOT_CELL + ROOT_CELL_SIZE,
    SECURITY_CELL_SIZE = 0x98,
    FREE_CELL = SECURITY_CELL + SECURITY_CELL_SIZE,
    BIN_SIZE = STF_REGF_EMPTY_SIZE - STF_REGF_BASE_SIZE,
    NODE_IS_ROOT = 0x04,
    NODE_NO_DELETE = 0x08,
    NODE_NAME_IS_LATIN1 = 0x20,
};
static const uint32_t NOTHING = 0xffffffff;

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put_u16(uint8_t *at, uint32_t number)
{
    at[0] = (uint8_t)number;
    at[1] = (uint8_t)(number >> 8);
}

static void put_u32(uint8_t *at, uint32_t number)
{
    put_u16(at, number);
    put_u16(at + 2, number >> 16);
}

static void put_u64(uint8_t *at, uint64_t number)
{
    put_u32(at, (uint32_t)number);
    put_u32(at + 4, (uint32_t)(number >> 32));
}

/* The exclusive or of the words before the checksum; two results are reserved. */
static uint32_t checksum(const uint8_t *base)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < 0x1fc; i += 4) {
        sum ^= get_u32(base + i);
    }
    if (sum == 0) {
        return 1;
    }
    return sum == 0xffffffff ? 0xfffffffe : sum;
}

enum stf_kind stf_regf_check(const uint8_t *base, int64_t file_size, const char *path, struct stf_err *err)
{
    uint32_t first = get_u32(base + 4);
    uint32_t second = get_u32(base + 8);
    uint32_t data_size = get_u32(base + 0x28);

    if (memcmp(base, "regf", 4) != 0 || get_u32(base + 0x14) != 1) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is no registry hive: a hive starts with \"regf\" and has major version 1", path);
    }
    if (get_u32(base + 0x1c) != 0) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is a transaction log of a hive, not the hive; name the file without .LOG", path);
    }
    if (checksum(base) != get_u32(base + 0x1fc)) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "the checksum of the base block of %s is wrong: the hive is dirty or damaged; let Windows "
                           "load it once (reg load, reg unload) so that it replays the logs, or restore a backup",
                           path);
    }
    if (first != second) {
        return stf_err_set(
            err, STF_INVALID_DATA, 0, "open", path,
            "%s is dirty: its sequence numbers %u and %u differ, so changes still wait in its "
            "transaction logs (.LOG1, .LOG2), and writing to it would lose them; let Windows load it once "
            "(reg load, reg unload), or take a copy of a host that was shut down",
            path, first, second);
    }
    if (data_size == 0 || data_size % 4096 != 0 || (int64_t)data_size + STF_REGF_BASE_SIZE > file_size) {
        return stf_err_set(err, STF_INVALID_DATA, 0, "open", path,
                           "%s is cut short: its base block tells of %lld bytes, the file has %lld; restore a backup",
                           path, (long long)data_size + STF_REGF_BASE_SIZE, (long long)file_size);
    }
    return STF_OK;
}

static void put_base_block(uint8_t *base, uint64_t filetime)
{
    memcpy(base, "regf", 4);
    put_u32(base + 4, 1);
    put_u32(base + 8, 1);
    put_u64(base + 0xc, filetime);
    put_u32(base + 0x14, 1); /* version 1.5: what Windows XP and later write */
    put_u32(base + 0x18, 5);
    put_u32(base + 0x20, 1); /* direct memory load */
    put_u32(base + 0x24, ROOT_CELL);
    put_u32(base + 0x28, BIN_SIZE);
    put_u32(base + 0x2c, 1);
    put_u32(base + 0x1fc, checksum(base));
}

static void put_root(uint8_t *cell, uint64_t filetime)
{
    static const char name[] = {'R', 'O', 'O', 'T'};

    put_u32(cell, (uint32_t)-ROOT_CELL_SIZE);
    memcpy(cell + 4, "nk", 2);
    put_u16(cell + 6, NODE_IS_ROOT | NODE_NO_DELETE | NODE_NAME_IS_LATIN1);
    put_u64(cell + 8, filetime);
    put_u32(cell + 0x14, NOTHING); /* parent */
    put_u32(cell + 0x20, NOTHING); /* subkeys, stored and volatile */
    put_u32(cell + 0x24, NOTHING);
    put_u32(cell + 0x2c, NOTHING); /* values */
    put_u32(cell + 0x30, SECURITY_CELL);
    put_u32(cell + 0x34, NOTHING); /* class */
    put_u16(cell + 0x4c, sizeof(name));
    memcpy(cell + STF_REGF_NODE_SIZE, name, sizeof(name));
}

/* One entry of an access list, inherited by subkeys: `mask` for BUILTIN\`group`, or for SYSTEM when group is 0. */
static uint8_t *put_entry(uint8_t *at, uint32_t mask, uint32_t group)
{
    size_t sid_size = group != 0 ? 16 : 12;

    at[0] = 0;    /* allow */
    at[1] = 0x02; /* container inherit */
    put_u16(at + 2, (uint32_t)(8 + sid_size));
    put_u32(at + 4, mask);
    at += 8;
    at[0] = 1; /* S-1-5-... */
    at[1] = group != 0 ? 2 : 1;
    at[7] = 5;
    put_u32(at + 8, group != 0 ? 32 : 18);
    if (group != 0) {
        put_u32(at + 12, group);
    }
    return at + sid_size;
}

/* Owner Administrators, group SYSTEM; full access for both, reading for Users: as on the keys of HKLM\SYSTEM. */
static void put_security(uint8_t *cell)
{
    enum { KEY_ALL = 0xf003f, KEY_READ = 0x20019, ADMINISTRATORS = 544, USERS = 545, LIST_OFFSET = 20 };
    uint8_t *descriptor = cell + 0x18;
    uint8_t *list = descriptor + LIST_OFFSET;
    uint8_t *end = list + 8;
    uint8_t sid[24];

    put_u32(cell, (uint32_t)-SECURITY_CELL_SIZE);
    memcpy(cell + 4, "sk", 2);
    put_u32(cell + 8, SECURITY_CELL); /* a ring of one */
    put_u32(cell + 0xc, SECURITY_CELL);
    put_u32(cell + 0x10, 1); /* used by one key */

    end = put_entry(end, KEY_ALL, 0);
    end = put_entry(end, KEY_ALL, ADMINISTRATORS);
    end = put_entry(end, KEY_READ, USERS);
    list[0] = 2; /* revision */
    put_u16(list + 2, (uint32_t)(end - list));
    put_u16(list + 4, 3);

    descriptor[0] = 1;
    put_u16(descriptor + 2, 0x8004); /* self-relative, with an access list */
    put_u32(descriptor + 16, LIST_OFFSET);
    put_u32(descriptor + 4, (uint32_t)(end - descriptor));
    memset(sid, 0, sizeof(sid));
    put_entry(sid, 0, ADMINISTRATORS);
    memcpy(end, sid + 8, 16);
    put_u32(descriptor + 8, (uint32_t)(end + 16 - descriptor));
    memset(sid, 0, sizeof(sid));
    put_entry(sid, 0, 0);
    memcpy(end + 16, sid + 8, 12);
    put_u32(cell + 0x14, (uint32_t)(end + 28 - descriptor));
}

void stf_regf_make_empty(uint8_t image[STF_REGF_EMPTY_SIZE], int64_t unix_seconds)
{
    uint64_t filetime = ((uint64_t)unix_seconds + 11644473600u) * 10000000u; /* 100 ns since 1601 */
    uint8_t *bin = image + STF_REGF_BASE_SIZE;

    memset(image, 0, STF_REGF_EMPTY_SIZE);
    put_base_block(image, filetime);
    memcpy(bin, "hbin", 4);
    put_u32(bin + 8, BIN_SIZE);
    put_u64(bin + 0x14, filetime);
    put_root(bin + ROOT_CELL, filetime);
    put_security(bin + SECURITY_CELL);
    put_u32(bin + FREE_CELL, BIN_SIZE - FREE_CELL);
}

bool stf_regf_node_extras(const uint8_t node[STF_REGF_NODE_SIZE], uint32_t *security, bool *has_class)
{
    if (memcmp(node + 4, "nk", 2) != 0) {
        return false;
    }
    *security = get_u32(node + 0x30);
    *has_class = get_u32(node + 0x34) != NOTHING || node[0x4e] != 0 || node[0x4f] != 0;
    return true;
}
