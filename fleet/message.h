/* message.h - what controller and agent say to each other: documents as MessagePack, each behind its size.
 * docs/agent-protocol.md has the messages. Never trusts a size or a count. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>

#include <staffetta/err.h>

enum {
    STF_PROTOCOL = 1,                     /* of the first message on either side */
    STF_FRAME_SIZE_MAX = 64 << 20,        /* bytes of one message */
    STF_MESSAGE_DEPTH_MAX = 64,           /* documents inside documents */
    STF_MESSAGE_VALUES_MAX = 4000 * 1000, /* an array of a million empty arrays is a megabyte on the wire */
};

/* Bytes that grow. Starts as {0}. */
struct stf_buffer {
    char *bytes;
    size_t size, capacity;
};

/* Room for `size` more bytes after the present ones; NULL when memory is out. */
char *stf_buffer_reserve(struct stf_buffer *buffer, size_t size);
/* Removes the first `size` bytes. */
void stf_buffer_drop(struct stf_buffer *buffer, size_t size);
void stf_buffer_fini(struct stf_buffer *buffer);

/* Appends the document as one frame: four bytes of size, the greatest first, and MessagePack.
 * STF_INVALID_DATA when the document is too large or too deep to be sent. */
enum stf_kind stf_message_append(struct stf_buffer *buffer, const json_t *document, struct stf_err *err);

/* One document from the MessagePack of a whole frame. STF_INVALID_DATA for anything else: bytes that are left over,
 * binary, extensions, keys that are no text, text that is no UTF-8, a key said twice. */
enum stf_kind stf_message_parse(const char *bytes, size_t size, json_t **document, struct stf_err *err);

/* The next frame that `received` holds whole, as a document; `*document` is NULL while it is incomplete. `*taken`
 * counts the bytes of `received` that have been used up, and starts as 0. STF_INVALID_DATA: nothing more can be read.
 */
enum stf_kind stf_message_next(const struct stf_buffer *received, size_t *taken, json_t **document,
                               struct stf_err *err);
