/* vici.c - VICI's wire format, both ways. What is decoded comes from another process and is trusted in nothing.
 * Must never touch a socket. SPDX-License-Identifier: MIT */
#include "ipsec/vici.h"

#include <stdlib.h>
#include <string.h>

#include "common/doc.h"

enum element {
    SECTION_START = 1,
    SECTION_END,
    KEY_VALUE,
    LIST_START,
    LIST_ITEM,
    LIST_END,
};

/* ---------- encoder ---------- */

static void fail(struct stf_vici_message *message, enum stf_kind kind, const char *problem)
{
    if (message->failure)
        return;
    message->failure = kind;
    message->problem = problem;
}

/* realloc would leave a copy of the old bytes behind, unwiped. */
static void grow(struct stf_vici_message *message, size_t needed)
{
    size_t capacity = message->capacity ? message->capacity : 512;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *bytes = malloc(capacity);
    if (!bytes) {
        fail(message, STF_NO_MEMORY, "no memory for the message");
        return;
    }
    if (message->size)
        memcpy(bytes, message->bytes, message->size);
    if (message->bytes)
        explicit_bzero(message->bytes, message->size);
    free(message->bytes);
    message->bytes = bytes;
    message->capacity = capacity;
}

static void put(struct stf_vici_message *message, const void *bytes, size_t size)
{
    if (message->failure)
        return;
    if (size > STF_VICI_MESSAGE_MAX - message->size) {
        fail(message, STF_INVALID_DATA, "the message is larger than the daemon takes (512 KiB)");
        return;
    }
    if (message->size + size > message->capacity)
        grow(message, message->size + size);
    if (message->failure || size == 0)
        return;
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}

static void put_element(struct stf_vici_message *message, enum element element)
{
    uint8_t byte = (uint8_t)element;
    put(message, &byte, 1);
}

static void put_name(struct stf_vici_message *message, const char *name)
{
    size_t size = strlen(name);
    if (size > STF_VICI_NAME_MAX) {
        fail(message, STF_INVALID_DATA, "a name is longer than 255 bytes");
        return;
    }
    uint8_t length = (uint8_t)size;
    put(message, &length, 1);
    put(message, name, size);
}

static void put_value(struct stf_vici_message *message, const void *bytes, size_t size)
{
    if (size > STF_VICI_VALUE_MAX) {
        fail(message, STF_INVALID_DATA, "a value is longer than 65535 bytes");
        return;
    }
    uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    put(message, length, sizeof length);
    put(message, bytes, size);
}

void stf_vici_begin_section(struct stf_vici_message *message, const char *name)
{
    put_element(message, SECTION_START);
    put_name(message, name);
}

void stf_vici_end_section(struct stf_vici_message *message)
{
    put_element(message, SECTION_END);
}

void stf_vici_add_bytes(struct stf_vici_message *message, const char *key, const void *bytes, size_t size)
{
    put_element(message, KEY_VALUE);
    put_name(message, key);
    put_value(message, bytes, size);
}

void stf_vici_add_text(struct stf_vici_message *message, const char *key, const char *value)
{
    stf_vici_add_bytes(message, key, value, strlen(value));
}

void stf_vici_begin_list(struct stf_vici_message *message, const char *name)
{
    put_element(message, LIST_START);
    put_name(message, name);
}

void stf_vici_add_item(struct stf_vici_message *message, const char *value)
{
    put_element(message, LIST_ITEM);
    put_value(message, value, strlen(value));
}

void stf_vici_end_list(struct stf_vici_message *message)
{
    put_element(message, LIST_END);
}

static void add_list(struct stf_vici_message *message, const char *key, const json_t *list)
{
    size_t index;
    json_t *item;
    stf_vici_begin_list(message, key);
    json_array_foreach (list, index, item)
        if (json_is_string(item))
            stf_vici_add_item(message, json_string_value(item));
        else
            fail(message, STF_INVALID_DATA, "a list holds something that is not a string");
    stf_vici_end_list(message);
}

static void add_members(struct stf_vici_message *message, const json_t *tree, int depth)
{
    const char *key;
    json_t *value;

    if (depth > STF_VICI_DEPTH_MAX) {
        fail(message, STF_INVALID_DATA, "sections are nested too deeply");
        return;
    }
    json_object_foreach ((json_t *)tree, key, value) {
        if (json_is_object(value)) {
            stf_vici_begin_section(message, key);
            add_members(message, value, depth + 1);
            stf_vici_end_section(message);
        } else if (json_is_array(value)) {
            add_list(message, key, value);
        } else if (json_is_string(value)) {
            stf_vici_add_text(message, key, json_string_value(value));
        } else {
            fail(message, STF_INVALID_DATA, "a value is neither string, list nor section");
        }
    }
}

void stf_vici_add_tree(struct stf_vici_message *message, const json_t *tree)
{
    add_members(message, tree, 0);
}

enum stf_kind stf_vici_message_check(const struct stf_vici_message *message, struct stf_err *err)
{
    if (!message->failure)
        return STF_OK;
    return stf_err_set(err, message->failure, 0, "encode", NULL, "can not make a VICI message: %s", message->problem);
}

void stf_vici_message_fini(struct stf_vici_message *message)
{
    if (message->bytes)
        explicit_bzero(message->bytes, message->size);
    free(message->bytes);
    *message = (struct stf_vici_message){0};
}

/* ---------- decoder ---------- */

struct decoder {
    const uint8_t *at;
    const uint8_t *start, *end;
    json_t *sections[STF_VICI_DEPTH_MAX + 1]; /* the open ones, outermost first; each is owned by the one before */
    size_t depth;
    json_t *list; /* the open list, owned by the innermost section, or NULL */
    struct stf_err *err;
};

static enum stf_kind malformed(const struct decoder *decoder, const char *what)
{
    return stf_err_set(decoder->err, STF_INVALID_DATA, 0, "decode", NULL, "not a VICI message: %s at byte %zu of %zu",
                       what, (size_t)(decoder->at - decoder->start), (size_t)(decoder->end - decoder->start));
}

static enum stf_kind no_memory(const struct decoder *decoder)
{
    return stf_err_set(decoder->err, STF_NO_MEMORY, 0, "decode", NULL, "no memory for a VICI message");
}

static enum stf_kind take(struct decoder *decoder, size_t size, const uint8_t **bytes)
{
    if (size > (size_t)(decoder->end - decoder->at))
        return malformed(decoder, "it ends inside an element");
    *bytes = decoder->at;
    decoder->at += size;
    return STF_OK;
}

static enum stf_kind take_name(struct decoder *decoder, char name[static STF_VICI_NAME_MAX + 1])
{
    const uint8_t *bytes = NULL;
    enum stf_kind kind = take(decoder, 1, &bytes);
    if (kind)
        return kind;
    size_t size = *bytes;
    kind = take(decoder, size, &bytes);
    if (kind)
        return kind;
    if (memchr(bytes, '\0', size)) /* the counters of the whole daemon have an empty name */
        return malformed(decoder, "a name holds a NUL");
    memcpy(name, bytes, size);
    name[size] = '\0';
    return STF_OK;
}

static json_t *text_or_hex(const uint8_t *bytes, size_t size)
{
    json_t *text = memchr(bytes, '\0', size) ? NULL : json_stringn((const char *)bytes, size);
    if (text)
        return text;
    char *hex = stf_hex_from_bytes(bytes, size);
    text = hex ? json_sprintf("0x%s", hex) : NULL;
    free(hex);
    return text;
}

static enum stf_kind take_value(struct decoder *decoder, json_t **value)
{
    const uint8_t *bytes = NULL;
    enum stf_kind kind = take(decoder, 2, &bytes);
    if (kind)
        return kind;
    size_t size = (size_t)bytes[0] << 8 | bytes[1];
    kind = take(decoder, size, &bytes);
    if (kind)
        return kind;
    *value = text_or_hex(bytes, size);
    return *value ? STF_OK : no_memory(decoder);
}

/* Takes over `value`, NULL meaning that memory is out. */
static enum stf_kind add_member(struct decoder *decoder, const char *name, json_t *value)
{
    json_t *section = decoder->sections[decoder->depth];
    if (!value)
        return no_memory(decoder);
    if (json_object_get(section, name)) {
        json_decref(value);
        return malformed(decoder, "a name comes twice in one section");
    }
    if (json_object_set_new(section, name, value) < 0)
        return malformed(decoder, "a name is not UTF-8");
    return STF_OK;
}

static enum stf_kind begin_section(struct decoder *decoder)
{
    char name[STF_VICI_NAME_MAX + 1];
    enum stf_kind kind = take_name(decoder, name);
    if (kind)
        return kind;
    if (decoder->depth == STF_VICI_DEPTH_MAX)
        return malformed(decoder, "sections are nested too deeply");
    json_t *section = json_object();
    kind = add_member(decoder, name, section);
    if (kind)
        return kind;
    decoder->sections[++decoder->depth] = section;
    return STF_OK;
}

static enum stf_kind end_section(struct decoder *decoder)
{
    if (decoder->depth == 0)
        return malformed(decoder, "a section ends that did not start");
    decoder->depth--;
    return STF_OK;
}

static enum stf_kind begin_list(struct decoder *decoder)
{
    char name[STF_VICI_NAME_MAX + 1];
    enum stf_kind kind = take_name(decoder, name);
    if (kind)
        return kind;
    json_t *list = json_array();
    kind = add_member(decoder, name, list);
    if (kind)
        return kind;
    decoder->list = list;
    return STF_OK;
}

static enum stf_kind key_value(struct decoder *decoder)
{
    char name[STF_VICI_NAME_MAX + 1];
    json_t *value = NULL;
    enum stf_kind kind = take_name(decoder, name);
    if (!kind)
        kind = take_value(decoder, &value);
    return kind ? kind : add_member(decoder, name, value);
}

static enum stf_kind list_item(struct decoder *decoder)
{
    json_t *value = NULL;
    enum stf_kind kind = take_value(decoder, &value);
    if (kind)
        return kind;
    return json_array_append_new(decoder->list, value) < 0 ? no_memory(decoder) : STF_OK;
}

static enum stf_kind decode_element(struct decoder *decoder)
{
    const uint8_t *type = NULL;
    enum stf_kind kind = take(decoder, 1, &type);
    if (kind)
        return kind;
    if (decoder->list && *type != LIST_ITEM && *type != LIST_END)
        return malformed(decoder, "something else than an item in a list");
    switch (*type) {
    case SECTION_START:
        return begin_section(decoder);
    case SECTION_END:
        return end_section(decoder);
    case KEY_VALUE:
        return key_value(decoder);
    case LIST_START:
        return begin_list(decoder);
    case LIST_ITEM:
        return decoder->list ? list_item(decoder) : malformed(decoder, "an item outside of a list");
    case LIST_END:
        if (!decoder->list)
            return malformed(decoder, "a list ends that did not start");
        decoder->list = NULL;
        return STF_OK;
    }
    return malformed(decoder, "an unknown element");
}

enum stf_kind stf_vici_decode(const void *bytes, size_t size, json_t **document, struct stf_err *err)
{
    const uint8_t *start = size ? bytes : (const uint8_t *)""; /* no bytes may be a NULL */
    struct decoder decoder = {.at = start, .start = start, .end = start + size, .err = err};
    enum stf_kind kind = STF_OK;

    if (size > STF_VICI_MESSAGE_MAX)
        return malformed(&decoder, "it is over 512 KiB");
    json_t *root = json_object();
    if (!root)
        return no_memory(&decoder);
    decoder.sections[0] = root;
    while (!kind && decoder.at < decoder.end)
        kind = decode_element(&decoder);
    if (!kind && (decoder.depth || decoder.list))
        kind = malformed(&decoder, "it ends inside a section or list");
    if (kind) {
        json_decref(root);
        return kind;
    }
    *document = root;
    return STF_OK;
}
