/* xfrm_message.h - for tests: a kernel message built part by part, as the kernel lays it out.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdint.h>
#include <string.h>

struct message {
    _Alignas(8) uint8_t bytes[4096];
};

static inline struct nlmsghdr *message_header(struct message *message)
{
    return (struct nlmsghdr *)(void *)message->bytes;
}

static inline void message_begin(struct message *message, uint16_t type, const void *fixed, size_t size)
{
    memset(message, 0, sizeof *message);
    memcpy(message->bytes + NLMSG_HDRLEN, fixed, size);
    *message_header(message) =
        (struct nlmsghdr){.nlmsg_type = type, .nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(size))};
}

static inline void message_add(struct message *message, uint16_t type, const void *payload, size_t size)
{
    struct nlmsghdr *header = message_header(message);
    struct nlattr attribute = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size)};
    memcpy(message->bytes + header->nlmsg_len, &attribute, sizeof attribute);
    memcpy(message->bytes + header->nlmsg_len + NLA_HDRLEN, payload, size);
    header->nlmsg_len += (uint32_t)(NLA_HDRLEN + NLA_ALIGN(size));
}

static inline xfrm_address_t message_address(const char *text)
{
    xfrm_address_t address = {0};
    inet_pton(strchr(text, ':') ? AF_INET6 : AF_INET, text, &address);
    return address;
}

/* An algorithm with `key` as the kernel tells it: the whole structure, with the key at its end. */
static inline void message_add_aead(struct message *message, const char *name, const char *key, unsigned icv_bits)
{
    uint8_t bytes[256] = {0};
    struct xfrm_algo_aead *algorithm = (struct xfrm_algo_aead *)(void *)bytes;
    size_t size = strlen(key);
    strcpy(algorithm->alg_name, name);
    algorithm->alg_key_len = (unsigned)size * 8;
    algorithm->alg_icv_len = icv_bits;
    memcpy(bytes + sizeof *algorithm, key, size);
    message_add(message, XFRMA_ALG_AEAD, bytes, sizeof *algorithm + size);
}

static inline void message_add_algorithm(struct message *message, uint16_t type, const char *name, const char *key)
{
    uint8_t bytes[256] = {0};
    struct xfrm_algo *algorithm = (struct xfrm_algo *)(void *)bytes;
    size_t size = strlen(key);
    strcpy(algorithm->alg_name, name);
    algorithm->alg_key_len = (unsigned)size * 8;
    memcpy(bytes + sizeof *algorithm, key, size);
    message_add(message, type, bytes, sizeof *algorithm + size);
}

static inline void message_add_auth_trunc(struct message *message, const char *name, const char *key, unsigned bits)
{
    uint8_t bytes[256] = {0};
    struct xfrm_algo_auth *algorithm = (struct xfrm_algo_auth *)(void *)bytes;
    size_t size = strlen(key);
    strcpy(algorithm->alg_name, name);
    algorithm->alg_key_len = (unsigned)size * 8;
    algorithm->alg_trunc_len = bits;
    memcpy(bytes + sizeof *algorithm, key, size);
    message_add(message, XFRMA_ALG_AUTH_TRUNC, bytes, sizeof *algorithm + size);
}
