/* remote_protocol.c - headers and the CONNECT message, to bytes and back. Trusts nothing that it reads.
 * SPDX-License-Identifier: MIT */
#include "registry/remote_protocol.h"

#include <string.h>

static const uint8_t magic[4] = {'S', 'T', 'F', 'W'};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void stf_remote_header_put(uint8_t bytes[STF_REMOTE_HEADER_SIZE], const struct stf_remote_header *header)
{
    memcpy(bytes, magic, sizeof(magic));
    put_u32(bytes + 4, (uint32_t)header->message << 16 | STF_REMOTE_VERSION);
    put_u32(bytes + 8, header->id);
    put_u32(bytes + 12, header->value);
    put_u32(bytes + 16, header->size);
}

bool stf_remote_header_get(const uint8_t bytes[STF_REMOTE_HEADER_SIZE], struct stf_remote_header *header)
{
    struct stf_bytes_in in = {.bytes = bytes, .size = STF_REMOTE_HEADER_SIZE};
    bool is_ours = memcmp(stf_bytes_get(&in, sizeof(magic)), magic, sizeof(magic)) == 0;

    is_ours = stf_bytes_get_u16(&in) == STF_REMOTE_VERSION && is_ours;
    header->message = stf_bytes_get_u16(&in);
    header->id = stf_bytes_get_u32(&in);
    header->value = stf_bytes_get_u32(&in);
    header->size = stf_bytes_get_u32(&in);
    return is_ours && header->size <= STF_REMOTE_PAYLOAD_MAX;
}

static void put_text(struct stf_bytes_out *out, const char *text)
{
    size_t size = strlen(text);

    stf_bytes_put_u32(out, (uint32_t)size);
    stf_bytes_put(out, text, size);
}

static bool get_text(struct stf_bytes_in *in, char text[STF_REMOTE_TEXT_MAX])
{
    size_t size = stf_bytes_get_u32(in);
    const uint8_t *bytes = stf_bytes_get(in, size);

    if (bytes == NULL || size >= STF_REMOTE_TEXT_MAX || memchr(bytes, '\0', size) != NULL)
        return false;
    memcpy(text, bytes, size);
    text[size] = '\0';
    return true;
}

void stf_remote_connect_put(struct stf_bytes_out *out, const struct stf_remote_connect *connect)
{
    stf_bytes_put_u32(out, connect->deadline_ms);
    stf_bytes_put_u16(out, connect->port);
    stf_bytes_put_u16(out, connect->use_kerberos);
    put_text(out, connect->host);
    put_text(out, connect->user);
    put_text(out, connect->domain);
    put_text(out, connect->password);
}

bool stf_remote_connect_get(struct stf_bytes_in *in, struct stf_remote_connect *connect)
{
    connect->deadline_ms = stf_bytes_get_u32(in);
    connect->port = stf_bytes_get_u16(in);
    connect->use_kerberos = stf_bytes_get_u16(in) != 0;
    return get_text(in, connect->host) && get_text(in, connect->user) && get_text(in, connect->domain) &&
           get_text(in, connect->password) && in->at == in->size;
}
