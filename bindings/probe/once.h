/* once.h - one probe, now, with what was received. Blocks until the verdict. SPDX-License-Identifier: MIT */
#pragma once

#include "ask.h"
#include "target.h"

enum { STF_PROBE_ONCE_TIMEOUT_MAX_MS = 60000, STF_PROBE_ONCE_TIMEOUT_MS = 2000 };

struct stf_probe_question {
    const char *netns; /* namespace to ask from, or NULL */
    struct stf_ask ask;
    struct stf_probe_target target;
    int64_t timeout_ms;
};

struct stf_probe_answer {
    enum stf_probe_outcome outcome; /* never STF_PROBE_PENDING */
    int64_t latency_us;             /* to the verdict */
    char received[201];             /* first line, printable; "" when nothing was received */
};

/* STF_OK whatever the target did; an error means that this machine could not try. STF_UNSUPPORTED for methods that are
 * not of TCP. */
enum stf_kind stf_probe_once(const struct stf_probe_question *question, struct stf_probe_answer *answer,
                             struct stf_err *err);
