/* hold.h - one controller at a time on a host: a lock of the kernel's on the host itself, which ends with the process
 * that took it, however that ends. Knows no channel and no journal. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/binding.h>

struct stf_hold;

/* Takes `host` for `holder`, {"controller","machine","pid","operator","run","since_unix_ms"}, without waiting.
 * STF_BUSY, naming the holder, when somebody else has it. What "controller" names has one process at a time, so a hold
 * of the same is of a channel that was lost, and is taken over; so is that of a process that is dead. */
enum stf_kind stf_hold_take(const struct stf_host *host, const json_t *holder, struct stf_hold **hold,
                            struct stf_err *err);
void stf_hold_release(struct stf_hold *hold); /* NULL is legal */
