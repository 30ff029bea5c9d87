/* be_address.c - reads, adds and removes addresses through rtnetlink.
 * Must never touch an address other than the one named. SPDX-License-Identifier: MIT */
#include "be_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "common/mnl.h"

size_t stf_address_size(int family)
{
    return family == AF_INET6 ? 16 : 4;
}

static const char *text_of(const struct stf_address *address, char buffer[INET6_ADDRSTRLEN])
{
    return inet_ntop(address->family, address->bytes, buffer, INET6_ADDRSTRLEN);
}

/* ---------- reading ---------- */

struct decoder {
    const struct stf_mnl *mnl;
    struct stf_address *address; /* being filled from attributes */
    bool has_local;
};

static int read_attribute(const struct nlattr *attribute, void *data)
{
    struct decoder *decoder = data;
    struct stf_address *address = decoder->address;
    const void *payload = decoder->mnl->attr_get_payload(attribute);
    size_t size = decoder->mnl->attr_get_payload_len(attribute);
    size_t expected = stf_address_size(address->family);

    switch (decoder->mnl->attr_get_type(attribute)) {
    case IFA_LOCAL: /* on a point-to-point interface IFA_ADDRESS is the other side's */
        if (size == expected)
            memcpy(address->bytes, payload, expected);
        decoder->has_local = true;
        break;
    case IFA_ADDRESS:
        if (size == expected && !decoder->has_local)
            memcpy(address->bytes, payload, expected);
        break;
    case IFA_BROADCAST:
        if (size == sizeof address->broadcast) {
            memcpy(address->broadcast, payload, size);
            address->has_broadcast = true;
        }
        break;
    case IFA_LABEL:
        if (size <= sizeof address->label)
            memcpy(address->label, payload, size);
        break;
    }
    return MNL_CB_OK;
}

bool stf_address_decode(const struct stf_mnl *mnl, const struct nlmsghdr *message, struct stf_address *address)
{
    const struct ifaddrmsg *header = mnl->nlmsg_get_payload(message);
    if (header->ifa_family != AF_INET && header->ifa_family != AF_INET6)
        return false;
    *address = (struct stf_address){.family = header->ifa_family,
                                    .prefix_length = header->ifa_prefixlen,
                                    .interface_index = header->ifa_index,
                                    .is_secondary = header->ifa_flags & IFA_F_SECONDARY};
    struct decoder decoder = {.mnl = mnl, .address = address};
    mnl->attr_parse(message, sizeof *header, read_attribute, &decoder);
    if (!if_indextoname(header->ifa_index, address->interface))
        return false; /* the interface went away meanwhile, and its address with it */
    if (strcmp(address->label, address->interface) == 0)
        address->label[0] = '\0';
    return true;
}

struct reader {
    const struct stf_mnl *mnl;
    struct stf_address_list *list;
    size_t capacity;
};

static int read_message(const struct nlmsghdr *message, void *data)
{
    struct reader *reader = data;
    if (message->nlmsg_type != RTM_NEWADDR)
        return MNL_CB_OK;
    if (reader->list->count == reader->capacity) {
        size_t capacity = reader->capacity ? 2 * reader->capacity : 16;
        struct stf_address *items = realloc(reader->list->items, capacity * sizeof *items);
        if (!items) {
            errno = ENOMEM;
            return MNL_CB_ERROR;
        }
        reader->list->items = items;
        reader->capacity = capacity;
    }
    if (stf_address_decode(reader->mnl, message, &reader->list->items[reader->list->count]))
        reader->list->count++;
    return MNL_CB_OK;
}

static void forget_messages(void *data)
{
    struct reader *reader = data;
    reader->list->count = 0;
}

enum stf_kind stf_address_read(struct stf_address_list *list, struct stf_err *err)
{
    struct reader reader = {.list = list};
    *list = (struct stf_address_list){NULL, 0};
    int refusal = 0;
    enum stf_kind kind = stf_mnl_get(&reader.mnl, err);
    if (!kind) {
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *request = reader.mnl->nlmsg_put_header(buffer);
        request->nlmsg_type = RTM_GETADDR;
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        reader.mnl->nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
        kind = stf_mnl_dump(NETLINK_ROUTE, request, read_message, forget_messages, &reader, &refusal, err);
    }
    if (!kind && refusal)
        kind = stf_err_errno(err, refusal, "addresses", NULL, "the kernel does not list its addresses");
    return kind;
}

void stf_address_list_fini(struct stf_address_list *list)
{
    free(list->items);
    *list = (struct stf_address_list){NULL, 0};
}

/* ---------- changing ---------- */

static enum stf_kind change(const struct stf_address *address, uint16_t type, uint16_t flags, int *refusal,
                            struct stf_err *err)
{
    const struct stf_mnl *mnl;
    enum stf_kind kind = stf_mnl_get(&mnl, err);
    if (kind)
        return kind;
    _Alignas(struct nlmsghdr) char buffer[512];
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    struct ifaddrmsg *header = mnl->nlmsg_put_extra_header(request, sizeof *header);
    header->ifa_family = (uint8_t)address->family;
    header->ifa_prefixlen = (uint8_t)address->prefix_length;
    header->ifa_index = address->interface_index;
    header->ifa_scope = RT_SCOPE_UNIVERSE;
    if (address->family == AF_INET6)
        header->ifa_flags = IFA_F_NODAD;

    size_t size = stf_address_size(address->family);
    mnl->attr_put(request, IFA_LOCAL, size, address->bytes);
    mnl->attr_put(request, IFA_ADDRESS, size, address->bytes);
    if (address->label[0])
        mnl->attr_put(request, IFA_LABEL, strlen(address->label) + 1, address->label);
    if (address->has_broadcast)
        mnl->attr_put(request, IFA_BROADCAST, sizeof address->broadcast, address->broadcast);
    return stf_mnl_request(NETLINK_ROUTE, request, NULL, NULL, refusal, err);
}

enum stf_kind stf_address_add(const struct stf_address *address, struct stf_err *err)
{
    char text[INET6_ADDRSTRLEN];
    int refusal = 0;
    enum stf_kind kind = change(address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &refusal, err);
    if (kind)
        return kind;
    if (refusal == EEXIST)
        return stf_err_set(err, STF_CONFLICT, refusal, "add", text_of(address, text),
                           "%s stands on %s already, perhaps with another prefix length than %d", text,
                           address->interface, address->prefix_length);
    return refusal ? stf_err_errno(err, refusal, "add", text_of(address, text), "the kernel refuses the address")
                   : STF_OK;
}

enum stf_kind stf_address_remove(const struct stf_address *address, struct stf_err *err)
{
    char text[INET6_ADDRSTRLEN];
    int refusal = 0;
    enum stf_kind kind = change(address, RTM_DELADDR, 0, &refusal, err);
    if (kind || !refusal || refusal == EADDRNOTAVAIL)
        return kind;
    return stf_err_errno(err, refusal, "remove", text_of(address, text), "the kernel does not remove the address");
}
