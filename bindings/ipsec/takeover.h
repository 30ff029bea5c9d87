/* takeover.h - for a cluster manager's notify script: what a node does at once when it gets or loses a virtual IP.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include <staffetta/err.h>

/* On the charon behind the VICI socket: drops the SAs of our connections with this local address, whose peers may
 * believe in another node's, and, unless it lets go of the address, begins to negotiate them. Waits for no peer. */
enum stf_kind stf_strongswan_take_over(const char *socket_path, const char *address, bool lets_go, struct stf_err *err);
