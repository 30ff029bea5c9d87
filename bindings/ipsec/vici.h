/* vici.h - the messages of strongSwan's VICI protocol: an encoder, and a strict decoder into documents.
 * Must never touch a socket. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include <staffetta/err.h>

enum {
    STF_VICI_MESSAGE_MAX = 512 * 1024, /* charon refuses larger ones, and sends none */
    STF_VICI_NAME_MAX = 255,
    STF_VICI_VALUE_MAX = 65535,
    STF_VICI_DEPTH_MAX = 16, /* sections inside sections; charon itself uses five */
};

/* A message in the making; all zero is the empty one. The first failure sticks, later calls do nothing, and
 * stf_vici_message_check reports it. The bytes may hold a secret: they are wiped before memory is given back. */
struct stf_vici_message {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
    enum stf_kind failure;
    const char *problem; /* a constant string */
};

void stf_vici_begin_section(struct stf_vici_message *message, const char *name);
void stf_vici_end_section(struct stf_vici_message *message);
void stf_vici_add_text(struct stf_vici_message *message, const char *key, const char *value);
void stf_vici_add_bytes(struct stf_vici_message *message, const char *key, const void *bytes, size_t size);
void stf_vici_begin_list(struct stf_vici_message *message, const char *name);
void stf_vici_add_item(struct stf_vici_message *message, const char *value);
void stf_vici_end_list(struct stf_vici_message *message);

/* Adds the members of `tree`: objects become sections, arrays of strings lists, strings values; nothing else may be
 * in it. */
void stf_vici_add_tree(struct stf_vici_message *message, const json_t *tree);

enum stf_kind stf_vici_message_check(const struct stf_vici_message *message, struct stf_err *err);
void stf_vici_message_fini(struct stf_vici_message *message);

/* The whole message as a document: sections become objects, lists arrays, values strings. A value that is not UTF-8
 * text, or holds a NUL, becomes "0x" and its bytes in hex, as swanctl prints it. STF_INVALID_DATA for anything that is
 * not exactly one well-formed message: cut short, unbalanced, a name twice in a section, a name that is not text, over
 * the limits above. `*document` is a new reference. */
enum stf_kind stf_vici_decode(const void *bytes, size_t size, json_t **document, struct stf_err *err);
