/* holder.h - how a hold names its host, and how whoever comes second is told who has it. Touches no file.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/binding.h>

#include "common/hash.h"

/* The same for all controllers of one host of this machine, and for no other. false: memory is out. */
bool stf_holder_identity(const struct stf_host *host, char sum[STF_SHA256_TEXT_SIZE]);

/* STF_BUSY, naming the holder: `found` is its document (hold.h) with the process there as "held_by"; NULL: unknown. */
enum stf_kind stf_holder_refuse(const struct stf_host *host, const json_t *found, struct stf_err *err);
