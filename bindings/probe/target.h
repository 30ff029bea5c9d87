/* target.h - an address to probe. Names are never looked up: a resolver's delay is not the target's.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <staffetta/err.h>

struct stf_probe_target {
    char name[256]; /* as reports call it */
    uint16_t port;  /* 0: the method has none */
    struct sockaddr_storage address;
    socklen_t address_size;
};

/* STF_INVALID_DATA when `address` is no IPv4 or IPv6 address. It is the name, too. */
enum stf_kind stf_probe_target_make(const char *address, uint16_t port, struct stf_probe_target *target,
                                    struct stf_err *err);

/* The port is left out of account. */
bool stf_probe_target_is_at(const struct stf_probe_target *target, const struct sockaddr_storage *address);
