/* regf_log.h - what waits in the transaction logs of a dirty hive, applied to its bytes in memory, as Windows does when
 * it loads the hive. The logs of Windows 8.1 and later (HvLE entries); older ones (DIRT) are told apart and refused.
 * No I/O. SPDX-License-Identifier: MIT */
#pragma once

#include "registry/regf.h"

struct stf_regf_bytes {
    uint8_t *bytes;
    size_t size;
};

enum { STF_REGF_LOG_COUNT = 2 };

/* Makes the dirty hive a clean one: entries of both logs are applied in the order of their sequence numbers, as far as
 * they follow each other and their hashes are right. A base block with a wrong checksum is taken from the log with the
 * latest entries. A log that is not there has no bytes. `hive` has at least a base block; its bytes may move.
 * STF_INVALID_DATA when no log has anything to apply, STF_UNSUPPORTED for logs of the old format. On failure the bytes
 * of the hive are of no use any more. */
enum stf_kind stf_regf_replay(struct stf_regf_bytes *hive, const struct stf_regf_bytes logs[STF_REGF_LOG_COUNT],
                              const char *path, struct stf_err *err);

/* The hash of log entries, Marvin32, with the seed that they have. */
uint64_t stf_regf_log_hash(const uint8_t *bytes, size_t size);
