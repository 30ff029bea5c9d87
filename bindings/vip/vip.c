/* vip.c - the binding: documents in and out, all in the network namespace of the host.
 * Must never act on an address or interface that was not checked first. SPDX-License-Identifier: MIT */
#include "vip.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "be_address.h"
#include "common/doc.h"
#include "common/netns.h"
#include "link.h"
#include "owner.h"
#include "priority.h"
#include "sessions.h"
#include "watch.h"

enum { DEFAULT_COUNT = 3, DEFAULT_GAP_MS = 1, MAX_COUNT = 100, MAX_GAP_MS = 1000, BITS_PER_BYTE = 8 };

/* ---------- arguments ---------- */

static enum stf_kind parse_ip(const char *text, const char *key, int *family, uint8_t bytes[16], struct stf_err *err)
{
    memset(bytes, 0, 16);
    *family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(*family, text, bytes) != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", key,
                           "member '%s': expected an address such as 10.9.0.100 or fd00::100, found '%s'%s", key, text,
                           strchr(text, '/') ? " (the prefix length stands in 'prefix_length')" : "");
    return STF_OK;
}

/* The address of one host: neither "any" nor a group. */
static enum stf_kind parse_address(const char *text, struct stf_address *address, struct stf_err *err)
{
    static const uint8_t any[16];
    enum stf_kind kind = parse_ip(text, "address", &address->family, address->bytes, err);
    if (kind)
        return kind;
    uint8_t first_group = address->family == AF_INET6 ? 0xff : 0xe0;
    if (address->bytes[0] >= first_group || memcmp(address->bytes, any, sizeof any) == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", "address",
                           "member 'address': expected the address of one host, found '%s'", text);
    return STF_OK;
}

static enum stf_kind read_address(const json_t *doc, struct stf_address *address, struct stf_err *err)
{
    const char *text;
    enum stf_kind kind = stf_doc_string(doc, "address", &text, err);
    return kind ? kind : parse_address(text, address, err);
}

static enum stf_kind read_prefix_length(const json_t *id, struct stf_address *address, struct stf_err *err)
{
    int64_t bits = BITS_PER_BYTE * (int64_t)stf_address_size(address->family), prefix_length;
    enum stf_kind kind = stf_doc_opt_int(id, "prefix_length", 1, bits, bits, &prefix_length, err);
    address->prefix_length = (int)prefix_length;
    return kind;
}

static void list_interfaces(char *to, size_t size)
{
    struct if_nameindex *all = if_nameindex();
    size_t used = 0;
    to[0] = '\0';
    for (size_t i = 0; all && all[i].if_name && used < size; i++)
        used += (size_t)snprintf(to + used, size - used, "%s%s", i ? ", " : "", all[i].if_name);
    if_freenameindex(all);
}

/* Checks that the interface exists in the namespace that the thread is in. */
static enum stf_kind find_interface(const struct stf_host *host, const char *name, struct stf_address *address,
                                    struct stf_err *err)
{
    char present[256];
    address->interface_index = strlen(name) < sizeof address->interface ? if_nametoindex(name) : 0;
    if (!address->interface_index) {
        list_interfaces(present, sizeof present);
        return stf_err_set(err, STF_NOT_FOUND, 0, "interface", name, "host %s has no interface '%s'; it has: %s",
                           host->name, name, present);
    }
    snprintf(address->interface, sizeof address->interface, "%s", name);
    return STF_OK;
}

/* The interface of `doc`, else the host's own; NULL when neither says one. */
static enum stf_kind name_interface(const struct stf_host *host, const json_t *doc, const char **name,
                                    struct stf_err *err)
{
    enum stf_kind kind = stf_doc_opt_string(doc, "interface", NULL, name, err);
    if (kind || *name)
        return kind;
    kind = stf_doc_opt_string(host->config, "interface", NULL, name, err);
    if (!kind && !*name)
        return stf_err_set(err, STF_INVALID_DATA, 0, "interface", host->name,
                           "no interface given, and host %s has no 'interface' in the site file", host->name);
    return kind;
}

/* Address and interface; the thread must be in the host's namespace. */
static enum stf_kind read_place(const struct stf_host *host, const json_t *doc, struct stf_address *address,
                                struct stf_err *err)
{
    const char *interface;
    enum stf_kind kind = read_address(doc, address, err);
    if (!kind)
        kind = name_interface(host, doc, &interface, err);
    return kind ? kind : find_interface(host, interface, address, err);
}

static enum stf_kind read_id(const struct stf_host *host, const json_t *id, struct stf_address *address,
                             struct stf_err *err)
{
    static const char *const known[] = {"address", "prefix_length", "interface", NULL};
    enum stf_kind kind = stf_doc_check_keys(id, known, "vip.address", err);
    if (!kind)
        kind = read_place(host, id, address, err);
    return kind ? kind : read_prefix_length(id, address, err);
}

/* ---------- verbs ---------- */

static const struct stf_address *find(const struct stf_address_list *list, const struct stf_address *wanted)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct stf_address *item = &list->items[i];
        if (item->family == wanted->family && memcmp(item->bytes, wanted->bytes, sizeof item->bytes) == 0 &&
            (!wanted->interface_index || item->interface_index == wanted->interface_index) &&
            (!wanted->prefix_length || item->prefix_length == wanted->prefix_length))
            return item;
    }
    return NULL;
}

static enum stf_kind give(json_t *made, json_t **result, struct stf_err *err)
{
    *result = made;
    return made ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, NULL, NULL, "no memory for the answer");
}

static enum stf_kind holds_here(const struct stf_host *host, const json_t *args, json_t **result, struct stf_err *err)
{
    struct stf_address wanted = {0};
    struct stf_address_list list = {0};
    const char *interface;
    enum stf_kind kind = read_address(args, &wanted, err);
    if (!kind)
        kind = stf_doc_opt_string(args, "interface", NULL, &interface, err);
    if (!kind && interface)
        kind = find_interface(host, interface, &wanted, err);
    if (!kind)
        kind = stf_address_read(&list, err);
    if (!kind) {
        const struct stf_address *found = find(&list, &wanted);
        kind = give(found ? json_pack("{s:b, s:s}", "holds", 1, "interface", found->interface)
                          : json_pack("{s:b}", "holds", 0),
                    result, err);
    }
    stf_address_list_fini(&list);
    return kind;
}

static enum stf_kind vip_holds(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const known[] = {"address", "interface", NULL};
    struct stf_netns guard;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, known, "vip.holds", err);
    if (!kind)
        kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    kind = holds_here(host, args, result, err);
    stf_netns_leave(&guard);
    return kind;
}

static json_t *list_to_doc(const struct stf_address_list *list)
{
    char text[INET6_ADDRSTRLEN];
    json_t *doc = json_array();
    for (size_t i = 0; i < list->count && doc; i++) {
        const struct stf_address *item = &list->items[i];
        inet_ntop(item->family, item->bytes, text, sizeof text);
        json_t *row = json_pack("{s:s, s:i, s:s}", "address", text, "prefix_length", item->prefix_length, "interface",
                                item->interface);
        if (json_array_append_new(doc, row) < 0) {
            json_decref(doc);
            doc = NULL;
        }
    }
    return doc;
}

static enum stf_kind vip_addresses(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                   struct stf_err *err)
{
    static const char *const known[] = {NULL};
    struct stf_address_list list = {0};
    struct stf_netns guard;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, known, "vip.addresses", err);
    if (!kind)
        kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    kind = stf_address_read(&list, err);
    stf_netns_leave(&guard);
    if (!kind)
        kind = give(list_to_doc(&list), result, err);
    stf_address_list_fini(&list);
    return kind;
}

/* Only an address that stands on the interface: announcing somebody else's would take the traffic away from it. */
static enum stf_kind announce_here(const struct stf_host *host, const json_t *args, struct stf_announcement how,
                                   int *sent, struct stf_err *err)
{
    struct stf_address wanted = {0};
    struct stf_address_list list = {0};
    enum stf_kind kind = read_place(host, args, &wanted, err);
    if (!kind)
        kind = stf_address_read(&list, err);
    if (!kind && !find(&list, &wanted))
        kind = stf_err_set(err, STF_CONFLICT, 0, "announce", json_string_value(json_object_get(args, "address")),
                           "%s of host %s does not hold the address: announcing it would mislead the neighbours",
                           wanted.interface, host->name);
    if (!kind)
        kind = stf_address_announce(&wanted, how, sent, err);
    stf_address_list_fini(&list);
    return kind;
}

static enum stf_kind vip_announce(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    static const char *const known[] = {"address", "interface", "count", "gap_ms", NULL};
    struct stf_netns guard;
    int64_t count, gap_ms;
    int sent = 0;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, known, "vip.announce", err);
    if (!kind)
        kind = stf_doc_opt_int(args, "count", 1, MAX_COUNT, DEFAULT_COUNT, &count, err);
    if (!kind)
        kind = stf_doc_opt_int(args, "gap_ms", 0, MAX_GAP_MS, DEFAULT_GAP_MS, &gap_ms, err);
    if (!kind)
        kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    struct stf_announcement how = {.count = (int)count, .gap_ms = (int)gap_ms};
    kind = announce_here(host, args, how, &sent, err);
    stf_netns_leave(&guard);
    return kind ? kind : give(json_pack("{s:i}", "sent", sent), result, err);
}

/* ---------- the resource vip.address ---------- */

static json_t *details_to_doc(const struct stf_address *address)
{
    char text[INET6_ADDRSTRLEN];
    const char *broadcast = address->has_broadcast ? inet_ntop(AF_INET, address->broadcast, text, sizeof text) : NULL;
    const char *label = address->label[0] ? address->label : NULL;
    return json_pack("{s:b, s:s*, s:s*}", "present", 1, "label", label, "broadcast", broadcast);
}

static enum stf_kind read_details(const json_t *state, struct stf_address *address, struct stf_err *err)
{
    static const char *const known[] = {"present", "label", "broadcast", NULL};
    uint8_t bytes[16];
    const char *label, *broadcast;
    bool is_present;
    int family;
    enum stf_kind kind = stf_doc_check_keys(state, known, "state of vip.address", err);
    if (!kind)
        kind = stf_doc_opt_bool(state, "present", false, &is_present, err);
    if (!kind && !is_present)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", "present",
                           "state of vip.address: expected null, or an object with present = true");
    if (!kind)
        kind = stf_doc_opt_string(state, "label", "", &label, err);
    if (!kind)
        kind = stf_doc_opt_string(state, "broadcast", NULL, &broadcast, err);
    if (kind)
        return kind;
    if (address->family != AF_INET && (label[0] || broadcast))
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", NULL,
                           "state of vip.address: only an IPv4 address has a label or a broadcast address");
    if (snprintf(address->label, sizeof address->label, "%s", label) >= (int)sizeof address->label)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", "label",
                           "member 'label': expected at most %zu characters, found '%s'", sizeof address->label - 1,
                           label);
    if (!broadcast)
        return STF_OK;
    kind = parse_ip(broadcast, "broadcast", &family, bytes, err);
    if (!kind && family != AF_INET)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "read", "broadcast",
                           "member 'broadcast': expected an IPv4 address, found '%s'", broadcast);
    memcpy(address->broadcast, bytes, sizeof address->broadcast);
    address->has_broadcast = !kind;
    return kind;
}

static bool has_same_details(const struct stf_address *a, const struct stf_address *b)
{
    return strcmp(a->label, b->label) == 0 && a->has_broadcast == b->has_broadcast &&
           memcmp(a->broadcast, b->broadcast, sizeof a->broadcast) == 0;
}

static bool is_same_subnet(const struct stf_address *a, const struct stf_address *b)
{
    int whole = a->prefix_length / BITS_PER_BYTE, rest = a->prefix_length % BITS_PER_BYTE;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return memcmp(a->bytes, b->bytes, (size_t)whole) == 0 &&
           (rest == 0 || (a->bytes[whole] & mask) == (b->bytes[whole] & mask));
}

static bool promotes_secondaries(const char *interface)
{
    const char *const names[] = {"all", interface};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128], digit = '0';
        snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/%s/promote_secondaries", names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool is_on = fd >= 0 && read(fd, &digit, 1) == 1 && digit != '0';
        if (fd >= 0)
            close(fd);
        if (is_on)
            return true;
    }
    return false;
}

/* Linux removes all secondary addresses of a subnet together with its primary one, unless told to promote one. */
static enum stf_kind check_secondaries(const struct stf_address_list *list, const struct stf_address *address,
                                       struct stf_err *err)
{
    char text[INET6_ADDRSTRLEN];
    if (address->family != AF_INET || address->is_secondary)
        return STF_OK;
    for (size_t i = 0; i < list->count; i++) {
        const struct stf_address *item = &list->items[i];
        if (item->family != AF_INET || !item->is_secondary || item->interface_index != address->interface_index ||
            item->prefix_length != address->prefix_length || !is_same_subnet(item, address))
            continue;
        if (promotes_secondaries(address->interface))
            return STF_OK;
        return stf_err_set(err, STF_CONFLICT, 0, "remove", inet_ntop(AF_INET, item->bytes, text, sizeof text),
                           "removing the address would also remove %s from %s; set "
                           "net.ipv4.conf.%s.promote_secondaries = 1 first, or add virtual addresses as /32",
                           text, address->interface, address->interface);
    }
    return STF_OK;
}

static enum stf_kind make_absent(const struct stf_address_list *list, const struct stf_address *found,
                                 struct stf_err *err)
{
    if (!found)
        return STF_OK;
    enum stf_kind kind = check_secondaries(list, found, err);
    return kind ? kind : stf_address_remove(found, err);
}

/* The connections of the address end first, while a reset still gets to the clients: they could not go on, and both
 * ends would wait for each other. A kernel that can not do that keeps nobody from moving the address. */
static enum stf_kind let_go(const struct stf_address_list *list, const struct stf_address *found, struct stf_err *err)
{
    struct stf_err ignored;
    enum stf_kind kind = found ? check_secondaries(list, found, err) : STF_OK;
    if (!kind && found)
        (void)stf_sessions_end(found, &ignored);
    return kind ? kind : make_absent(list, found, err);
}

/* The announcement also goes out when the address stood there already: an earlier write may have died in between. An
 * interface that is down has nobody to tell, and the state is the wanted one all the same. */
static enum stf_kind make_present(const struct stf_address_list *list, const struct stf_address *found,
                                  const struct stf_address *wanted, struct stf_err *err)
{
    static const struct stf_announcement how = {DEFAULT_COUNT, DEFAULT_GAP_MS};
    enum stf_kind kind = STF_OK;
    int sent;
    if (found && !has_same_details(found, wanted)) {
        kind = make_absent(list, found, err);
        found = NULL;
    }
    if (!kind && !found)
        kind = stf_address_add(wanted, err);
    if (kind)
        return kind;
    kind = stf_address_announce(wanted, how, &sent, err);
    return kind == STF_UNREACHABLE ? STF_OK : kind;
}

/* In the host's namespace; writes `wanted_state` where `found_state` is NULL. */
static enum stf_kind work_inside(const struct stf_host *host, const json_t *id, const json_t *wanted_state,
                                 json_t **found_state, struct stf_err *err)
{
    struct stf_address wanted = {0};
    struct stf_address_list list = {0};
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    kind = read_id(host, id, &wanted, err);
    if (!kind && !found_state && !json_is_null(wanted_state))
        kind = read_details(wanted_state, &wanted, err);
    if (!kind)
        kind = stf_address_read(&list, err);
    const struct stf_address *found = kind ? NULL : find(&list, &wanted);
    if (!kind && found_state)
        kind = give(found ? details_to_doc(found) : json_null(), found_state, err);
    else if (!kind)
        kind = json_is_null(wanted_state) ? let_go(&list, found, err) : make_present(&list, found, &wanted, err);
    stf_netns_leave(&guard);
    stf_address_list_fini(&list);
    return kind;
}

static enum stf_kind address_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                  struct stf_err *err)
{
    (void)self;
    return work_inside(host, id, NULL, state, err);
}

static enum stf_kind address_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                   struct stf_err *err)
{
    (void)self;
    return work_inside(host, id, state, NULL, err);
}

static char *describe_id(const json_t *id)
{
    char *line = NULL;
    const char *address = json_string_value(json_object_get(id, "address"));
    const char *interface = json_string_value(json_object_get(id, "interface"));
    const json_t *prefix_length = json_object_get(id, "prefix_length");
    char length[16] = "";
    if (json_is_integer(prefix_length))
        snprintf(length, sizeof length, "/%d", (int)json_integer_value(prefix_length));
    int size = asprintf(&line, "%s%s%s%s", address ? address : "?", length, interface ? " on " : "",
                        interface ? interface : "");
    return size < 0 ? NULL : line;
}

static char *address_describe(const json_t *id, const json_t *state)
{
    char *line = NULL;
    if (!state)
        return describe_id(id);
    const char *label = json_string_value(json_object_get(state, "label"));
    const char *broadcast = json_string_value(json_object_get(state, "broadcast"));
    int size = asprintf(&line, "%s%s%s%s%s", json_is_null(state) ? "absent" : "present", label ? " label " : "",
                        label ? label : "", broadcast ? " broadcast " : "", broadcast ? broadcast : "");
    return size < 0 ? NULL : line;
}

static const struct stf_verb verbs[] = {
    {"vip.holds", "vip.read", vip_holds},
    {"vip.addresses", "vip.read", vip_addresses},
    {"vip.announce", "vip.move", vip_announce},
    {"vip.watch_start", "vip.read", stf_vip_watch_start},
    {"vip.watch_stop", "vip.read", stf_vip_watch_stop},
    {NULL, NULL, NULL},
};

static const struct stf_resource resources[] = {
    {"vip.address", "vip.move", address_read, address_write, address_describe},
    {"vip.priority", "vip.move", stf_vip_priority_read, stf_vip_priority_write, stf_vip_priority_describe},
    {"vip.link", "vip.fail", stf_vip_link_read, stf_vip_link_write, stf_vip_link_describe},
    {"vip.owner", "vip.move", stf_vip_owner_read, stf_vip_owner_write, stf_vip_owner_describe},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct stf_binding stf_vip_binding = {
    .name = "vip",
    .open = stf_vip_watches_new,
    .close = stf_vip_watches_free,
    .verbs = verbs,
    .resources = resources,
};
