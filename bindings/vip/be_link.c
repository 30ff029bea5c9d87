/* be_link.c - sets an interface up or down through rtnetlink, and keeps the routes that go with it.
 * Must never remove a route: the kernel does that by itself. SPDX-License-Identifier: MIT */
#include "be_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/mnl.h"

enum { CHARON_TABLE = 220, MAX_ROUTE = 4096, CARRIER_TIMEOUT_MS = 1000 };

static enum stf_kind read_flags(const char *interface, int *flags, struct stf_err *err)
{
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    enum stf_kind kind = STF_OK;
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        kind = stf_err_errno(err, errno, "link", interface, "cannot read the interface's flags");
    if (fd >= 0)
        close(fd);
    *flags = request.ifr_flags;
    return kind;
}

enum stf_kind stf_link_is_up(const char *interface, bool *is_up, struct stf_err *err)
{
    int flags;
    enum stf_kind kind = read_flags(interface, &flags, err);
    *is_up = flags & IFF_UP;
    return kind;
}

enum stf_kind stf_link_await_carrier(const char *interface, struct stf_err *err)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int64_t ends_ns = stf_clock_ns() + (int64_t)CARRIER_TIMEOUT_MS * 1000000;
    int flags;
    enum stf_kind kind = read_flags(interface, &flags, err);
    while (!kind && !(flags & IFF_RUNNING) && stf_clock_ns() < ends_ns) {
        nanosleep(&pause, NULL);
        kind = read_flags(interface, &flags, err);
    }
    return kind;
}

enum stf_kind stf_link_set_up(unsigned interface_index, bool is_up, struct stf_err *err)
{
    const struct stf_mnl *mnl;
    int refusal = 0;
    enum stf_kind kind = stf_mnl_get(&mnl, err);
    if (kind)
        return kind;
    _Alignas(struct nlmsghdr) char buffer[256];
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_NEWLINK;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    struct ifinfomsg *header = mnl->nlmsg_put_extra_header(request, sizeof *header);
    header->ifi_index = (int)interface_index;
    header->ifi_change = IFF_UP;
    header->ifi_flags = is_up ? IFF_UP : 0;
    kind = stf_mnl_request(NETLINK_ROUTE, request, NULL, NULL, &refusal, err);
    return kind || !refusal ? kind
                            : stf_err_errno(err, refusal, "link", NULL, "the kernel does not change the interface");
}

/* ---------- routes ---------- */

struct route {
    const struct stf_mnl *mnl;
    uint32_t interface_index, table;
};

static int read_attribute(const struct nlattr *attribute, void *data)
{
    struct route *route = data;
    if (route->mnl->attr_get_type(attribute) == RTA_OIF)
        route->interface_index = route->mnl->attr_get_u32(attribute);
    if (route->mnl->attr_get_type(attribute) == RTA_TABLE)
        route->table = route->mnl->attr_get_u32(attribute);
    return MNL_CB_OK;
}

struct reader {
    const struct stf_mnl *mnl;
    unsigned interface_index;
    json_t *routes;
};

static int read_route(const struct nlmsghdr *message, void *data)
{
    struct reader *reader = data;
    const struct rtmsg *header = reader->mnl->nlmsg_get_payload(message);
    struct route route = {.mnl = reader->mnl};
    if (message->nlmsg_type != RTM_NEWROUTE || header->rtm_protocol == RTPROT_KERNEL)
        return MNL_CB_OK;
    reader->mnl->attr_parse(message, sizeof *header, read_attribute, &route);
    if (route.interface_index != reader->interface_index || route.table == CHARON_TABLE)
        return MNL_CB_OK;
    struct rtmsg bare = *header;
    bare.rtm_flags &= ~(unsigned)(RTNH_F_DEAD | RTNH_F_LINKDOWN); /* told by the kernel, not configured */
    char *head = stf_hex_from_bytes(&bare, sizeof bare);
    char *rest =
        stf_hex_from_bytes((const char *)header + sizeof bare, message->nlmsg_len - sizeof *message - sizeof bare);
    json_t *route_hex = head && rest ? json_sprintf("%s%s", head, rest) : NULL;
    int failed = json_array_append_new(reader->routes, route_hex);
    free(head);
    free(rest);
    if (!failed)
        return MNL_CB_OK;
    errno = ENOMEM; /* a route that is left out here would not be put back */
    return MNL_CB_ERROR;
}

static void forget_routes(void *data)
{
    struct reader *reader = data;
    json_array_clear(reader->routes);
}

enum stf_kind stf_link_routes(unsigned interface_index, json_t **routes, struct stf_err *err)
{
    struct reader reader = {.interface_index = interface_index, .routes = json_array()};
    int refusal = 0;
    enum stf_kind kind = stf_mnl_get(&reader.mnl, err);
    if (!kind) {
        _Alignas(struct nlmsghdr) char buffer[256];
        struct nlmsghdr *request = reader.mnl->nlmsg_put_header(buffer);
        request->nlmsg_type = RTM_GETROUTE;
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        struct rtmsg *header = reader.mnl->nlmsg_put_extra_header(request, sizeof *header);
        header->rtm_family = AF_INET;
        kind = stf_mnl_dump(NETLINK_ROUTE, request, read_route, forget_routes, &reader, &refusal, err);
    }
    if (!kind && refusal)
        kind = stf_err_errno(err, refusal, "routes", NULL, "the kernel does not list its routes");
    if (kind)
        json_decref(reader.routes);
    else
        *routes = reader.routes;
    return kind;
}

static enum stf_kind add_route(const uint8_t *bytes, size_t size, struct stf_err *err)
{
    const struct stf_mnl *mnl;
    int refusal = 0;
    enum stf_kind kind = stf_mnl_get(&mnl, err);
    if (kind)
        return kind;
    _Alignas(struct nlmsghdr) char buffer[sizeof(struct nlmsghdr) + MAX_ROUTE];
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = RTM_NEWROUTE;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
    memcpy(mnl->nlmsg_put_extra_header(request, size), bytes, size);
    kind = stf_mnl_request(NETLINK_ROUTE, request, NULL, NULL, &refusal, err);
    return kind || !refusal ? kind : stf_err_errno(err, refusal, "routes", NULL, "the kernel does not take a route");
}

/* Those to neighbours first: a gateway must be reachable before a route over it is taken. */
enum stf_kind stf_link_add_routes(const json_t *routes, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    size_t index, size = 0;
    json_t *route;
    for (int to_neighbours = 1; to_neighbours >= 0; to_neighbours--) {
        json_array_foreach ((json_t *)routes, index, route) {
            uint8_t *bytes = NULL;
            const char *hex = json_string_value(route);
            if (!kind)
                kind = stf_hex_to_bytes(hex ? hex : "", &bytes, &size, err);
            if (!kind && (size < sizeof(struct rtmsg) || size > MAX_ROUTE))
                kind = stf_err_set(err, STF_INVALID_DATA, 0, "routes", NULL, "'%s' is no route", hex ? hex : "");
            if (!kind && (((struct rtmsg *)bytes)->rtm_scope == RT_SCOPE_LINK) == to_neighbours)
                kind = add_route(bytes, size, err);
            free(bytes);
        }
    }
    return kind;
}
