/* frames.h - for tests: packets built byte by byte. SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct frame {
    uint8_t bytes[512];
    size_t size;
};

static inline void frame_add(struct frame *frame, const void *bytes, size_t size)
{
    memcpy(frame->bytes + frame->size, bytes, size);
    frame->size += size;
}

static inline void frame_fill(struct frame *frame, uint8_t byte, size_t size)
{
    memset(frame->bytes + frame->size, byte, size);
    frame->size += size;
}

static inline void frame_u16(struct frame *frame, unsigned value)
{
    frame_add(frame, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* Broadcast destination, an own source, and `vlan` as 802.1Q tag when it is not 0. */
static inline void frame_ethernet(struct frame *frame, unsigned vlan, unsigned type)
{
    frame->size = 0;
    frame_fill(frame, 0xff, 6);
    frame_add(frame, "\x02\0\0\0\0\x07", 6);
    if (vlan) {
        frame_u16(frame, 0x8100);
        frame_u16(frame, vlan);
    }
    frame_u16(frame, type);
}

/* A header without options for `payload_size` bytes that follow; `fragment` is the flags and offset word. */
static inline void frame_ipv4(struct frame *frame, const char *src, const char *dst, uint8_t protocol,
                              unsigned fragment, size_t payload_size)
{
    uint8_t ends[8];
    inet_pton(AF_INET, src, ends);
    inet_pton(AF_INET, dst, ends + 4);
    size_t start = frame->size;
    frame_add(frame, "\x45", 2);
    frame_u16(frame, (unsigned)(20 + payload_size));
    frame_u16(frame, 1);
    frame_u16(frame, fragment);
    frame_add(frame, (uint8_t[]){64, protocol}, 2);
    frame_u16(frame, 0);
    frame_add(frame, ends, 8);
    uint32_t sum = 0;
    for (size_t i = start; i < frame->size; i += 2)
        sum += (uint32_t)(frame->bytes[i] << 8 | frame->bytes[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    frame->bytes[start + 10] = (uint8_t)(sum >> 8);
    frame->bytes[start + 11] = (uint8_t)sum;
}

static inline void frame_ipv6(struct frame *frame, const char *src, const char *dst, uint8_t next, size_t payload_size)
{
    uint8_t ends[32];
    inet_pton(AF_INET6, src, ends);
    inet_pton(AF_INET6, dst, ends + 16);
    frame_add(frame, "\x60\0\0", 4);
    frame_u16(frame, (unsigned)payload_size);
    frame_add(frame, (uint8_t[]){next, 64}, 2);
    frame_add(frame, ends, 32);
}

/* A header of 20 + `options_size` bytes; no checksum, for nobody reads it. */
static inline void frame_tcp(struct frame *frame, unsigned src_port, unsigned dst_port, uint8_t flags,
                             size_t options_size)
{
    frame_u16(frame, src_port);
    frame_u16(frame, dst_port);
    frame_fill(frame, 0, 8);
    frame_add(frame, (uint8_t[]){(uint8_t)((20 + options_size) / 4 << 4), flags}, 2);
    frame_fill(frame, 0, 6 + options_size);
}

static inline void frame_udp(struct frame *frame, unsigned src_port, unsigned dst_port, size_t payload_size)
{
    frame_u16(frame, src_port);
    frame_u16(frame, dst_port);
    frame_u16(frame, (unsigned)(8 + payload_size));
    frame_u16(frame, 0);
}
