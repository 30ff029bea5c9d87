/* remote_protocol.h - the frames between the program and its helper staffetta-winreg, which links Samba and is a
 * process of its own. Both sides include this; it has no I/O and knows nothing of registries. SPDX-License-Identifier:
 * MIT
 *
 * The helper first says HELLO. The program answers with CONNECT and gets CONNECTED or FAILED; then each CALL is
 * answered, in order, by a REPLY or FAILED of the same id. Any number of CALLs may be on their way. The helper ends at
 * the end of its input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/bytes.h"

enum {
    STF_REMOTE_VERSION = 1,
    STF_REMOTE_HEADER_SIZE = 20,
    STF_REMOTE_PAYLOAD_MAX = 8 << 20,
    STF_REMOTE_TEXT_MAX = 1024, /* of a string in CONNECT */
};

enum stf_remote_message {
    STF_REMOTE_HELLO = 1,
    STF_REMOTE_CONNECT,   /* payload: struct stf_remote_connect */
    STF_REMOTE_CONNECTED, /* no payload */
    STF_REMOTE_CALL,      /* value: the operation's number; payload: its arguments in NDR */
    STF_REMOTE_REPLY,     /* payload: the results in NDR */
    STF_REMOTE_FAILED,    /* value: an NTSTATUS; payload: what it says, UTF-8 */
};

struct stf_remote_header {
    uint16_t message;
    uint32_t id;
    uint32_t value;
    uint32_t size; /* of the payload that follows */
};

void stf_remote_header_put(uint8_t bytes[STF_REMOTE_HEADER_SIZE], const struct stf_remote_header *header);
/* False for what is no header of this version, and for a payload that is too large. */
bool stf_remote_header_get(const uint8_t bytes[STF_REMOTE_HEADER_SIZE], struct stf_remote_header *header);

/* Strings are UTF-8; user, domain and password are empty with Kerberos. */
struct stf_remote_connect {
    char host[STF_REMOTE_TEXT_MAX];
    char user[STF_REMOTE_TEXT_MAX];
    char domain[STF_REMOTE_TEXT_MAX];
    char password[STF_REMOTE_TEXT_MAX];
    uint16_t port; /* 0: SMB's own */
    bool use_kerberos;
    uint32_t deadline_ms;
};

void stf_remote_connect_put(struct stf_bytes_out *out, const struct stf_remote_connect *connect);
/* False when the bytes are not such a message. */
bool stf_remote_connect_get(struct stf_bytes_in *in, struct stf_remote_connect *connect);
