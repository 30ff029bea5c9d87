/* responder.h - a line server for the lab that stands thousands of connections a second.
 * Not for production: it greets, and answers each line with its greeting. SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <staffetta/err.h>

/* Listens on all addresses (IPv4 and, where there is any, IPv6) at `ports`, greets with "banner\r\n" and sends it again
 * for each line received. Runs until the process gets SIGTERM or SIGINT, which it blocks in the calling thread. */
enum stf_kind stf_responder_run(const char *banner, const uint16_t *ports, size_t port_count, struct stf_err *err);
