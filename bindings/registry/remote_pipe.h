/* remote_pipe.h - one connection to another host's winreg service: the helper process, and calls through it.
 * Knows frames and operations' numbers, not what calls mean. SPDX-License-Identifier: MIT */
#pragma once

#include <staffetta/err.h>

#include "registry/bytes.h"
#include "registry/registry.h"

struct stf_remote_pipe;

/* One call: `in` is the caller's, `out` is malloc'ed and the caller's to free (NULL when the call was not answered). */
struct stf_remote_call {
    uint32_t operation;
    struct stf_bytes_out in;
    uint8_t *out;
    size_t out_size;
};

/* Starts the helper and connects. STF_UNSUPPORTED when there is no helper; STF_DENIED, STF_UNREACHABLE, STF_TIMEOUT as
 * the other side behaves; STF_IO or STF_INVALID_DATA when the helper dies or talks nonsense. */
enum stf_kind stf_remote_pipe_open(const struct stf_registry_remote *remote, struct stf_remote_pipe **out,
                                   struct stf_err *err);
void stf_remote_pipe_close(struct stf_remote_pipe *pipe);

/* Makes the calls in order, without waiting for one answer before sending the next. Each answer has the whole deadline.
 * When one fails the others may have been carried out. After a failure of the helper the connection is lost, and later
 * calls fail with STF_UNREACHABLE. */
enum stf_kind stf_remote_pipe_call(struct stf_remote_pipe *pipe, struct stf_remote_call *calls, size_t count,
                                   struct stf_err *err);

/* For messages. */
const char *stf_remote_pipe_host(const struct stf_remote_pipe *pipe);
