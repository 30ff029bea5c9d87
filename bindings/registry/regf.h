/* regf.h - the few facts of the regf file format that libhivex does not check or can not make: the base block, an empty
 * hive, what a key node carries besides names and values. No I/O. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

enum {
    STF_REGF_BASE_SIZE = 4096, /* the base block; cells are counted from its end */
    STF_REGF_EMPTY_SIZE = 8192,
    STF_REGF_NODE_SIZE = 0x50, /* a key node without its name */
    STF_REGF_DATA_MAX = 16344, /* longer data needs a big-data record, which libhivex reads but does not write */
};

/* Refuses a hive that must not be opened as it stands: another format, damaged, cut short, or dirty (a writer died, and
 * the rest of its work is in the transaction logs). `base` is the first STF_REGF_BASE_SIZE bytes. */
enum stf_kind stf_regf_check(const uint8_t *base, int64_t file_size, const char *path, struct stf_err *err);

/* An empty hive: base block, one bin with the root key and its security descriptor. */
void stf_regf_make_empty(uint8_t image[STF_REGF_EMPTY_SIZE], int64_t unix_seconds);

/* What a key node says about its key beyond what a tree document holds; false when `node` is no key node. */
bool stf_regf_node_extras(const uint8_t node[STF_REGF_NODE_SIZE], uint32_t *security, bool *has_class);
