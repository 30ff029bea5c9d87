/* announce.c - gratuitous ARP and unsolicited neighbour advertisements: who has an address now.
 * Must never announce an address on any other interface than the one named. SPDX-License-Identifier: MIT */
#include "be_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HOPS = 255 }; /* a neighbour drops an advertisement that has passed a router (RFC 4861, 7.1.2) */

struct link {
    short flags;
    uint16_t hardware; /* ARPHRD_ETHER */
    uint8_t mac[ETH_ALEN];
};

static enum stf_kind read_link(const struct stf_address *address, struct link *link, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct ifreq request = {0};
    memcpy(request.ifr_name, address->interface, sizeof address->interface);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0) {
        kind = stf_err_errno(err, errno, "announce", address->interface, "cannot read the interface's flags");
        goto out;
    }
    link->flags = request.ifr_flags;
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) {
        kind = stf_err_errno(err, errno, "announce", address->interface, "cannot read the interface's MAC address");
        goto out;
    }
    link->hardware = request.ifr_hwaddr.sa_family;
    memcpy(link->mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
out:
    if (fd >= 0)
        close(fd);
    return kind;
}

/* What goes out, and where. */
struct packet {
    union {
        struct ether_arp arp;
        struct {
            struct nd_neighbor_advert header;
            struct nd_opt_hdr option;
            uint8_t mac[ETH_ALEN];
        } advert;
    } data;
    size_t size;
    union {
        struct sockaddr any;
        struct sockaddr_ll link;
        struct sockaddr_in6 ip6;
    } to;
    socklen_t to_size;
};

/* An ARP announcement: a request whose sender and target are the address itself (RFC 5227, 2.3). Neighbours that know
 * the address take the new MAC address over at once. */
static int prepare_arp(const struct stf_address *address, const struct link *link, struct packet *packet)
{
    struct ether_arp *arp = &packet->data.arp;
    arp->arp_hrd = htons(ARPHRD_ETHER);
    arp->arp_pro = htons(ETHERTYPE_IP);
    arp->arp_hln = ETH_ALEN;
    arp->arp_pln = 4;
    arp->arp_op = htons(ARPOP_REQUEST);
    memcpy(arp->arp_sha, link->mac, ETH_ALEN);
    memcpy(arp->arp_spa, address->bytes, 4);
    memcpy(arp->arp_tpa, address->bytes, 4);
    packet->size = sizeof *arp;

    packet->to.link = (struct sockaddr_ll){.sll_family = AF_PACKET,
                                           .sll_protocol = htons(ETHERTYPE_ARP),
                                           .sll_ifindex = (int)address->interface_index,
                                           .sll_halen = ETH_ALEN};
    memset(packet->to.link.sll_addr, 0xff, ETH_ALEN);
    packet->to_size = sizeof packet->to.link;
    return socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* protocol 0: receives nothing */
}

/* An unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861, 7.2.6). The kernel adds the
 * checksum. */
static int prepare_advert(const struct stf_address *address, const struct link *link, struct packet *packet)
{
    int hops = HOPS, index = (int)address->interface_index;
    struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_scope_id = address->interface_index};
    memcpy(&from.sin6_addr, address->bytes, sizeof from.sin6_addr);

    packet->data.advert.header.nd_na_type = ND_NEIGHBOR_ADVERT;
    packet->data.advert.header.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
    packet->data.advert.header.nd_na_target = from.sin6_addr;
    packet->data.advert.option.nd_opt_type = ND_OPT_TARGET_LINKADDR;
    packet->data.advert.option.nd_opt_len = 1; /* times eight bytes */
    memcpy(packet->data.advert.mac, link->mac, ETH_ALEN);
    packet->size = sizeof packet->data.advert;
    packet->to.ip6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = address->interface_index};
    inet_pton(AF_INET6, "ff02::1", &packet->to.ip6.sin6_addr);
    packet->to_size = sizeof packet->to.ip6;

    int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
    if (fd >= 0 && (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) < 0 ||
                    setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) < 0 ||
                    bind(fd, (struct sockaddr *)&from, sizeof from) < 0)) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    return fd;
}

static void *close_slowly(void *fd)
{
    close((int)(intptr_t)fd);
    return NULL;
}

/* Closing a packet socket waits for a grace period of the kernel, 10 ms and more: nobody who moves an address has them
 * to spare, so a thread of its own waits. */
static void close_elsewhere(int fd)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, close_slowly, (void *)(intptr_t)fd) == 0)
        pthread_detach(thread);
    else
        close(fd);
}

enum stf_kind stf_address_announce(const struct stf_address *address, struct stf_announcement how, int *sent,
                                   struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct link link = {0};
    struct packet packet = {0};
    struct timespec gap = {how.gap_ms / 1000, how.gap_ms % 1000 * 1000000L};

    *sent = 0;
    kind = read_link(address, &link, err);
    if (kind)
        return kind;
    if (link.hardware != ARPHRD_ETHER)
        return STF_OK;
    if (!(link.flags & IFF_UP))
        return stf_err_set(err, STF_UNREACHABLE, ENETDOWN, "announce", address->interface,
                           "interface %s is down: no neighbour can be told", address->interface);
    int fd =
        address->family == AF_INET6 ? prepare_advert(address, &link, &packet) : prepare_arp(address, &link, &packet);
    if (fd < 0)
        return stf_err_errno(err, errno, "announce", address->interface, "cannot prepare the announcement");
    while (*sent < how.count && !kind) {
        if (*sent > 0)
            nanosleep(&gap, NULL);
        if (sendto(fd, &packet.data, packet.size, 0, &packet.to.any, packet.to_size) < 0)
            kind = stf_err_errno(err, errno, "announce", address->interface, "cannot send the announcement");
        else
            ++*sent;
    }
    close_elsewhere(fd);
    return kind;
}
