/* datagram.c - ICMP and UDP echoes in batches: one system call sends, one reads answers, one reads stamps and errors.
 * Must never take the packet of somebody else for an answer, nor trust a stamp that can not be right.
 * SPDX-License-Identifier: MIT */
#include "datagram.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <linux/sock_diag.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

enum {
    STAMPS_KEPT = 1024,      /* packets whose stamp may still come; a power of two */
    PACKET_MAX = 192,        /* of an answer, headers included, that is looked at */
    CONTROL_MAX = 256,       /* ancillary data of one packet */
    BUFFER_WANTED = 1 << 22, /* bytes of answers that may wait while this machine is busy */
};

struct payload {
    uint8_t secret[8];
    struct stf_datagram_key key;
};

/* As it goes out; UDP leaves the header away. */
struct echo {
    uint8_t type, code;
    uint16_t checksum, id, sequence;
    struct payload payload;
};

struct slot {
    struct iovec iov;
    struct sockaddr_storage address;
    char control[CONTROL_MAX];
    uint8_t bytes[PACKET_MAX];
};

struct stf_datagram {
    int fd;
    int family;
    bool is_icmp;
    uint8_t secret[8];
    uint32_t next_stamp; /* the number that the kernel gives to the next packet it sends */
    struct stf_datagram_key stamped[STAMPS_KEPT];
    struct mmsghdr messages[STF_DATAGRAM_BATCH];
    struct slot slots[STF_DATAGRAM_BATCH];
};

/* ---- opening ---- */

static int open_icmp(int family)
{
    int protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd >= 0)
        return fd;
    fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    struct icmp_filter replies = {.data = ~(1u << ICMP_ECHOREPLY)};
    struct icmp6_filter replies6;
    ICMP6_FILTER_SETBLOCKALL(&replies6);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies6);
    int failed = family == AF_INET ? setsockopt(fd, SOL_RAW, ICMP_FILTER, &replies, sizeof replies)
                                   : setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &replies6, sizeof replies6);
    if (failed == 0)
        return fd;
    close(fd);
    return -1;
}

/* Turned off and on, so that the kernel numbers the next packet 0. Without stamps the program's own times stand. */
static void restart_stamps(struct stf_datagram *datagram)
{
    const int off = 0, on = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                            SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
    setsockopt(datagram->fd, SOL_SOCKET, SO_TIMESTAMPING, &off, sizeof off);
    setsockopt(datagram->fd, SOL_SOCKET, SO_TIMESTAMPING, &on, sizeof on);
    datagram->next_stamp = 0;
}

static void set_options(struct stf_datagram *datagram)
{
    const int yes = 1, wanted = BUFFER_WANTED;
    int level = datagram->family == AF_INET ? SOL_IP : SOL_IPV6;
    setsockopt(datagram->fd, level, datagram->family == AF_INET ? IP_RECVERR : IPV6_RECVERR, &yes, sizeof yes);
    if (setsockopt(datagram->fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) < 0)
        setsockopt(datagram->fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
    restart_stamps(datagram);
}

enum stf_kind stf_datagram_open(enum stf_ask_transport transport, int family, struct stf_datagram **out,
                                struct stf_err *err)
{
    struct stf_datagram *datagram = calloc(1, sizeof *datagram);
    if (!datagram)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe.start", NULL, "no memory for the probe's packets");
    datagram->family = family;
    datagram->is_icmp = transport == STF_ASK_ICMP;
    datagram->fd = datagram->is_icmp ? open_icmp(family) : socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_random = getrandom(datagram->secret, sizeof datagram->secret, 0) == sizeof datagram->secret;
    if (datagram->fd >= 0 && is_random) {
        set_options(datagram);
        *out = datagram;
        return STF_OK;
    }
    enum stf_kind kind =
        stf_err_errno(err, errno, "probe.start", NULL,
                      datagram->is_icmp ? "cannot open a socket for ICMP echoes (who is not root needs "
                                          "a group in the sysctl net.ipv4.ping_group_range)"
                                        : "cannot open a socket for UDP echoes");
    stf_datagram_free(datagram);
    return kind;
}

void stf_datagram_free(struct stf_datagram *datagram)
{
    if (datagram && datagram->fd >= 0)
        close(datagram->fd);
    free(datagram);
}

int stf_datagram_fd(const struct stf_datagram *datagram)
{
    return datagram->fd;
}

uint64_t stf_datagram_dropped(const struct stf_datagram *datagram)
{
    uint32_t figures[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof figures;
    return getsockopt(datagram->fd, SOL_SOCKET, SO_MEMINFO, figures, &size) == 0 ? figures[SK_MEMINFO_DROPS] : 0;
}

/* ---- sending ---- */

static uint16_t checksum(const void *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint16_t word;
        memcpy(&word, (const uint8_t *)bytes + i, sizeof word);
        sum += word;
    }
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t) ~(sum + (sum >> 16));
}

static void fill(struct stf_datagram *datagram, size_t i, const struct stf_datagram_packet *packet)
{
    struct slot *slot = &datagram->slots[i];
    struct echo echo = {.payload.key = packet->key};
    memcpy(echo.payload.secret, datagram->secret, sizeof datagram->secret);
    slot->iov = (struct iovec){slot->bytes, sizeof echo.payload};
    if (datagram->is_icmp) {
        echo.type = datagram->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
        memcpy(&echo.id, datagram->secret, sizeof echo.id);
        echo.sequence = htons((uint16_t)packet->key.sample);
        if (datagram->family == AF_INET)
            echo.checksum = checksum(&echo, sizeof echo); /* of ICMPv6 the kernel makes it */
        slot->iov.iov_len = sizeof echo;
        memcpy(slot->bytes, &echo, sizeof echo);
    } else {
        memcpy(slot->bytes, &echo.payload, sizeof echo.payload);
    }
    datagram->messages[i].msg_hdr = (struct msghdr){.msg_name = (void *)&packet->to->address,
                                                    .msg_namelen = packet->to->address_size,
                                                    .msg_iov = &slot->iov,
                                                    .msg_iovlen = 1};
}

/* A failure may be the answer to an earlier packet, which the error queue tells too; such a one is told once. */
static int send_again(struct stf_datagram *datagram, size_t i)
{
    return sendmsg(datagram->fd, &datagram->messages[i].msg_hdr, 0) < 0 ? errno : 0;
}

void stf_datagram_send(struct stf_datagram *datagram, struct stf_datagram_packet *packets, size_t count)
{
    bool is_numbered = true;
    for (size_t i = 0; i < count; i++)
        fill(datagram, i, &packets[i]);
    for (size_t i = 0; i < count;) {
        int sent = sendmmsg(datagram->fd, datagram->messages + i, (unsigned)(count - i), 0);
        if (sent > 0) {
            for (int end = (int)i + sent; (int)i < end; i++)
                datagram->stamped[datagram->next_stamp++ % STAMPS_KEPT] = packets[i].key;
            continue;
        }
        packets[i].errnum = send_again(datagram, i);
        i++;
        is_numbered = false; /* whether a packet that failed was numbered depends on where it failed */
    }
    if (!is_numbered)
        restart_stamps(datagram);
}

/* ---- receiving ---- */

/* What to take from the wall clock, which the kernel stamps with, to get CLOCK_MONOTONIC. When the wall clock is
 * stepped between a stamp and this, the result is far off: the prober compares it with its own times. */
static int64_t wall_ahead_ns(void)
{
    int64_t ahead_ns = 0, narrowest_ns = INT64_MAX;
    for (int tries = 0; tries < 3 && narrowest_ns > 1000; tries++) { /* more when it was interrupted in between */
        struct timespec wall;
        int64_t before_ns = stf_clock_ns();
        clock_gettime(CLOCK_REALTIME, &wall);
        int64_t width_ns = stf_clock_ns() - before_ns;
        if (width_ns >= narrowest_ns)
            continue;
        narrowest_ns = width_ns;
        ahead_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - before_ns - width_ns / 2;
    }
    return ahead_ns;
}

struct told {
    int64_t at_ns;
    struct sock_extended_err error;
    bool has_error;
};

static struct told read_control(struct msghdr *header, int64_t ahead_ns)
{
    struct told told = {0};
    for (struct cmsghdr *each = CMSG_FIRSTHDR(header); each; each = CMSG_NXTHDR(header, each)) {
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPING) {
            struct timespec stamp; /* the first of three: the others are of hardware */
            memcpy(&stamp, CMSG_DATA(each), sizeof stamp);
            told.at_ns = stamp.tv_sec ? (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec - ahead_ns : 0;
        }
        bool is_error = (each->cmsg_level == SOL_IP && each->cmsg_type == IP_RECVERR) ||
                        (each->cmsg_level == SOL_IPV6 && each->cmsg_type == IPV6_RECVERR);
        if (is_error) {
            memcpy(&told.error, CMSG_DATA(each), sizeof told.error);
            told.has_error = true;
        }
    }
    return told;
}

/* Answers bring the payload back behind headers that depend on the socket's type, and errors behind those of the packet
 * that they quote: the secret says where it is. */
static bool find_key(const struct stf_datagram *datagram, const struct slot *slot, size_t size,
                     struct stf_datagram_key *key)
{
    struct payload payload;
    const uint8_t *at = memmem(slot->bytes, size, datagram->secret, sizeof datagram->secret);
    if (!at || (size_t)(slot->bytes + size - at) < sizeof payload)
        return false;
    memcpy(&payload, at, sizeof payload);
    *key = payload.key;
    return true;
}

static bool read_event(struct stf_datagram *datagram, size_t i, int64_t ahead_ns, struct stf_datagram_event *event)
{
    const struct slot *slot = &datagram->slots[i];
    struct mmsghdr *message = &datagram->messages[i];
    size_t size = message->msg_len < PACKET_MAX ? message->msg_len : PACKET_MAX;
    struct told told = read_control(&message->msg_hdr, ahead_ns);
    *event = (struct stf_datagram_event){.kind = STF_DATAGRAM_ANSWERED, .at_ns = told.at_ns, .from = slot->address};
    if (!told.has_error)
        return find_key(datagram, slot, size, &event->key);
    if (told.error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING) {
        event->kind = STF_DATAGRAM_SENT;
        event->key = datagram->stamped[told.error.ee_data % STAMPS_KEPT];
        return told.at_ns != 0;
    }
    event->kind = STF_DATAGRAM_FAILED;
    event->errnum = (int)told.error.ee_errno;
    return find_key(datagram, slot, size, &event->key);
}

size_t stf_datagram_receive(struct stf_datagram *datagram, enum stf_datagram_queue queue,
                            struct stf_datagram_event events[STF_DATAGRAM_BATCH])
{
    for (size_t i = 0; i < STF_DATAGRAM_BATCH; i++) {
        struct slot *slot = &datagram->slots[i];
        slot->iov = (struct iovec){slot->bytes, sizeof slot->bytes};
        datagram->messages[i].msg_hdr = (struct msghdr){.msg_name = &slot->address,
                                                        .msg_namelen = sizeof slot->address,
                                                        .msg_iov = &slot->iov,
                                                        .msg_iovlen = 1,
                                                        .msg_control = slot->control,
                                                        .msg_controllen = sizeof slot->control};
    }
    int flags = queue == STF_DATAGRAM_ERRORS ? MSG_ERRQUEUE | MSG_DONTWAIT : MSG_DONTWAIT;
    int read = recvmmsg(datagram->fd, datagram->messages, STF_DATAGRAM_BATCH, flags, NULL);
    int64_t ahead_ns = wall_ahead_ns();
    size_t count = 0;
    for (int i = 0; i < read; i++)
        count += read_event(datagram, (size_t)i, ahead_ns, &events[count]);
    return count;
}
