/* sessions.h - the TCP connections of an address that goes away. SPDX-License-Identifier: MIT */
#pragma once

#include "be_address.h"

/* Ends the connections of the address in the calling thread's network namespace: their servers are told, and so are the
 * clients, by a reset, as long as the address stands. STF_UNSUPPORTED where the kernel can not
 * (CONFIG_INET_DIAG_DESTROY). Listeners stay. */
enum stf_kind stf_sessions_end(const struct stf_address *address, struct stf_err *err);

/* The same for an address as text; not an address: STF_INVALID_DATA. */
enum stf_kind stf_sessions_end_of(const char *address, struct stf_err *err);
