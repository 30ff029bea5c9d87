/* be_address.h - addresses of interfaces, by netlink, and their announcement to the neighbours.
 * Must know neither documents nor hosts: it acts in the network namespace that the calling thread is in.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <staffetta/err.h>

#include "common/mnl.h"

struct stf_address {
    int family; /* AF_INET or AF_INET6 */
    int prefix_length;
    unsigned interface_index;
    char interface[IF_NAMESIZE];
    uint8_t bytes[16]; /* IPv4 uses the first four, the rest is zero */

    /* Details of an IPv4 address that must survive its removal and return. */
    char label[IF_NAMESIZE]; /* "" for the interface's name, which is the kernel's default */
    bool has_broadcast;
    uint8_t broadcast[4];
    bool is_secondary; /* told by the kernel; ignored when adding */
};

struct stf_address_list {
    struct stf_address *items;
    size_t count;
};

size_t stf_address_size(int family); /* 4 or 16 bytes */

/* The address of an RTM_NEWADDR or RTM_DELADDR message; false when it is of another family, or its interface gone. */
bool stf_address_decode(const struct stf_mnl *mnl, const struct nlmsghdr *message, struct stf_address *address);

/* All addresses of all interfaces. Fini the list in either case. */
enum stf_kind stf_address_read(struct stf_address_list *list, struct stf_err *err);
void stf_address_list_fini(struct stf_address_list *list);

/* Adds an address (an IPv6 one without duplicate address detection, so that it can be used at once). STF_CONFLICT when
 * the interface has it already. */
enum stf_kind stf_address_add(const struct stf_address *address, struct stf_err *err);

/* Removes an address; not to have it is fine. */
enum stf_kind stf_address_remove(const struct stf_address *address, struct stf_err *err);

struct stf_announcement {
    int count;
    int gap_ms; /* between two of them; the first goes out at once */
};

/* Tells the neighbours who has the address now: gratuitous ARP, or an unsolicited neighbour advertisement. `*sent` is
 * how many went out: 0 on an interface without neighbours (loopback, point to point). STF_UNREACHABLE when the
 * interface is down. */
enum stf_kind stf_address_announce(const struct stf_address *address, struct stf_announcement how, int *sent,
                                   struct stf_err *err);
