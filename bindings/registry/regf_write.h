/* regf_write.h - a whole new hive file of a tree in memory, compact and in one canonical order: the same tree gives the
 * same bytes, whatever was done to get there. No I/O. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/hivetree.h"

/* The largest data of one value: a record of segments counts them in 16 bits; before version 1.4 there are none. */
size_t stf_regf_data_max(const struct stf_hivetree *tree);

/* *bytes is malloc'ed. The base block is the tree's, clean: with equal sequence numbers. STF_UNSUPPORTED for more than
 * 2 GiB. */
enum stf_kind stf_regf_write(struct stf_hivetree *tree, uint8_t **bytes, size_t *size, struct stf_err *err);
