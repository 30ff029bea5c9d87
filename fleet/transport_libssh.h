/* transport_libssh.h - an SSH session inside this program, by libssh, which is opened when a host first needs it. Never
 * asks anybody anything. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "fleet/transport.h"

struct stf_ssh_target {
    const char *host;   /* as ssh_config knows it */
    const char *user;   /* NULL: as ssh_config says */
    const char *config; /* NULL: the operator's and the machine's */
    const char *key;    /* a private key's file, tried before those of ssh_config; may be NULL */
    uint16_t port;      /* 0: as ssh_config says */
};

/* Connects and has the shell there carry out `command`. Keys are the operator's: of the agent, and those without a
 * passphrase. STF_DENIED for a host key that known_hosts does not have, and when no key is accepted. May take three
 * times the operator's ConnectTimeout, or 45 s. */
enum stf_kind stf_transport_libssh(const struct stf_ssh_target *target, const char *command, const char *subject,
                                   struct stf_transport **transport, struct stf_err *err);
