/* link.c - the resource vip.link: documents in and out, in the network namespace of the host.
 * Must never take an interface down that has something which could not be put back. SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "be_address.h"
#include "be_link.h"
#include "common/doc.h"
#include "common/netns.h"

struct link {
    const char *name;
    unsigned index;
};

/* The interface of the id, else the host's own; the thread must be in the host's namespace. */
static enum stf_kind find_link(const struct stf_host *host, const json_t *id, struct link *link, struct stf_err *err)
{
    static const char *const known[] = {"interface", NULL};
    const char *own = json_string_value(json_object_get(host->config, "interface"));
    enum stf_kind kind = stf_doc_check_keys(id, known, "vip.link", err);
    if (!kind)
        kind = stf_doc_opt_string(id, "interface", own, &link->name, err);
    if (kind)
        return kind;
    if (!link->name)
        return stf_err_set(err, STF_INVALID_DATA, 0, "link", host->name,
                           "no interface given, and host %s has no 'interface' in the site file", host->name);
    link->index = if_nametoindex(link->name);
    return link->index ? STF_OK
                       : stf_err_set(err, STF_NOT_FOUND, ENODEV, "link", link->name, "host %s has no interface '%s'",
                                     host->name, link->name);
}

static enum stf_kind read_here(const struct stf_host *host, const json_t *id, json_t **state, struct stf_err *err)
{
    struct link link;
    json_t *routes = NULL;
    bool is_up = false;
    enum stf_kind kind = find_link(host, id, &link, err);
    if (!kind)
        kind = stf_link_is_up(link.name, &is_up, err);
    if (!kind && is_up)
        kind = stf_link_routes(link.index, &routes, err);
    if (kind)
        return kind;
    *state = json_pack("{s:b, s:o*}", "is_up", is_up, "routes", json_array_size(routes) ? json_incref(routes) : NULL);
    json_decref(routes);
    return *state ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "link", link.name, "no memory for the answer");
}

/* ---------- writing ---------- */

static bool keeps_ipv6_addresses(const char *interface)
{
    char path[128], digit = '0';
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/keep_addr_on_down", interface);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool keeps = fd >= 0 && read(fd, &digit, 1) == 1 && digit == '1';
    if (fd >= 0)
        close(fd);
    return keeps;
}

static bool is_link_local(const struct stf_address *address)
{
    return address->family == AF_INET6 && address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

/* Linux forgets the IPv6 addresses of an interface that goes down, unless told to keep them. */
static enum stf_kind take_down(const struct link *link, struct stf_err *err)
{
    struct stf_address_list list;
    enum stf_kind kind = stf_address_read(&list, err);
    for (size_t i = 0; !kind && i < list.count; i++) {
        const struct stf_address *item = &list.items[i];
        if (item->interface_index == link->index && item->family == AF_INET6 && !is_link_local(item) &&
            !keeps_ipv6_addresses(link->name))
            kind = stf_err_set(err, STF_CONFLICT, 0, "link", link->name,
                               "taking %s down would lose its IPv6 addresses; set "
                               "net.ipv6.conf.%s.keep_addr_on_down = 1 first",
                               link->name, link->name);
    }
    stf_address_list_fini(&list);
    return kind ? kind : stf_link_set_up(link->index, false, err);
}

/* The neighbours are told of all addresses: they may have learnt meanwhile that somebody else has them. */
static enum stf_kind bring_up(const struct link *link, const json_t *routes, struct stf_err *err)
{
    /* the switch forwards some milliseconds after its port has come up, and what is sent before is lost */
    static const struct stf_announcement how = {.count = 4, .gap_ms = 50};
    struct stf_address_list list = {NULL, 0};
    int sent;
    enum stf_kind kind = stf_link_set_up(link->index, true, err);
    if (!kind)
        kind = stf_link_add_routes(routes, err);
    if (!kind)
        kind = stf_link_await_carrier(link->name, err);
    if (!kind)
        kind = stf_address_read(&list, err);
    for (size_t i = 0; !kind && i < list.count; i++) {
        const struct stf_address *item = &list.items[i];
        if (item->interface_index == link->index && !is_link_local(item))
            kind = stf_address_announce(item, how, &sent, err);
    }
    stf_address_list_fini(&list);
    return kind;
}

static enum stf_kind write_here(const struct stf_host *host, const json_t *id, const json_t *state, struct stf_err *err)
{
    static const char *const known[] = {"is_up", "routes", NULL};
    struct link link;
    bool is_up;
    enum stf_kind kind = stf_doc_check_keys(state, known, "state of vip.link", err);
    if (!kind)
        kind = stf_doc_opt_bool(state, "is_up", true, &is_up, err);
    if (!kind)
        kind = find_link(host, id, &link, err);
    if (kind)
        return kind;
    return is_up ? bring_up(&link, json_object_get(state, "routes"), err) : take_down(&link, err);
}

/* ---------- the resource ---------- */

/* In the host's namespace; writes `wanted` where `found` is NULL. */
static enum stf_kind work_inside(const struct stf_host *host, const json_t *id, const json_t *wanted, json_t **found,
                                 struct stf_err *err)
{
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    kind = found ? read_here(host, id, found, err) : write_here(host, id, wanted, err);
    stf_netns_leave(&guard);
    return kind;
}

enum stf_kind stf_vip_link_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                struct stf_err *err)
{
    (void)self;
    return work_inside(host, id, NULL, state, err);
}

enum stf_kind stf_vip_link_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                 struct stf_err *err)
{
    (void)self;
    return work_inside(host, id, state, NULL, err);
}

char *stf_vip_link_describe(const json_t *id, const json_t *state)
{
    char *line = NULL;
    const char *interface = json_string_value(json_object_get(id, "interface"));
    if (!state)
        return interface ? asprintf(&line, "interface %s", interface) < 0 ? NULL : line : strdup("its interface");
    bool is_up = json_is_true(json_object_get(state, "is_up"));
    size_t routes = json_array_size(json_object_get(state, "routes"));
    if (routes == 0)
        return strdup(is_up ? "up" : "down");
    return asprintf(&line, "up, %zu route%s of its own", routes, routes == 1 ? "" : "s") < 0 ? NULL : line;
}
