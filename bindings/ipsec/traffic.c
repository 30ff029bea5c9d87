/* traffic.c - checks, compares and prints lists of traffic. Must never touch a host. SPDX-License-Identifier: MIT */
#include "ipsec/traffic.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"

enum { ENTRIES_MAX = 64, PORTS_MAX = 256, PORT_MAX = 65535, PROTOCOL_COUNT = 4 };

/* In canonical order; "any" is the last. */
static const char *const protocols[PROTOCOL_COUNT + 1] = {"tcp", "udp", "icmp", "any", NULL};

static const char *protocol_of(const json_t *entry)
{
    const char *protocol = json_string_value(json_object_get(entry, "protocol"));
    return protocol ? protocol : "";
}

static bool has_protocol(const json_t *entry, const char *protocol)
{
    return strcmp(protocol_of(entry), protocol) == 0;
}

/* ---------- ports ---------- */

/* Digits without a leading zero, 1 to 65535; `*end` is what follows them. 0 when there is none. */
static long port_at(const char *text, const char **end)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[0] == '0')
        return 0;
    *end = text + digits;
    long port = strtol(text, NULL, 10);
    return port <= PORT_MAX ? port : 0;
}

bool stf_ports_parse(const json_t *value, struct stf_ports *ports)
{
    const char *text = stf_doc_plain_text(value), *at = "";
    long low, high = 0;
    if (json_is_integer(value)) {
        json_int_t port = json_integer_value(value);
        *ports = (struct stf_ports){(uint16_t)port, (uint16_t)port};
        return port >= 1 && port <= PORT_MAX;
    }
    low = text ? port_at(text, &at) : 0;
    if (low && *at == '-')
        high = port_at(at + 1, &at);
    *ports = (struct stf_ports){(uint16_t)low, (uint16_t)high};
    return low < high && *at == '\0';
}

json_t *stf_ports_document(struct stf_ports ports)
{
    return ports.low == ports.high ? json_integer(ports.low) : json_sprintf("%u-%u", ports.low, ports.high);
}

bool stf_address_is_canonical(const json_t *value)
{
    const char *text = stf_doc_plain_text(value);
    unsigned char bytes[sizeof(struct in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
    return text && inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, canonical, sizeof canonical) &&
           strcmp(text, canonical) == 0;
}

static bool ports_meet(struct stf_ports a, struct stf_ports b)
{
    return a.low <= b.high && b.low <= a.high;
}

/* ---------- validation ---------- */

enum stf_kind stf_traffic_invalid(struct stf_err *err, const char *what, const char *member, const json_t *found,
                                  const char *expected)
{
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("nothing");
    enum stf_kind kind = stf_err_set(err, STF_INVALID_DATA, 0, "validate", member, "%s '%s' is %.80s; expected %s",
                                     what, member, text ? text : "not printable", expected);
    free(text);
    return kind;
}

static enum stf_kind validate_ports(const json_t *list, const char *what, const char *member, struct stf_err *err)
{
    char place[96];
    struct stf_ports ports[PORTS_MAX];
    size_t size = json_array_size(list);
    if (size < 1 || size > PORTS_MAX)
        return stf_traffic_invalid(err, what, member, list,
                                   "a list of 1 to 256 ports, such as {110, \"1025-5000\"} (left out: all ports)");
    for (size_t i = 0; i < size; i++) {
        const json_t *item = json_array_get(list, i);
        snprintf(place, sizeof place, "%s[%zu]", member, i);
        if (!stf_ports_parse(item, &ports[i]))
            return stf_traffic_invalid(err, what, place, item,
                                       "a port number, 1 to 65535, or a range such as \"1025-5000\"");
        for (size_t j = 0; j < i; j++)
            if (ports_meet(ports[i], ports[j]))
                return stf_traffic_invalid(err, what, place, item, "each port once");
    }
    return STF_OK;
}

static enum stf_kind validate_entry(const json_t *entry, const char *what, const char *member, struct stf_err *err)
{
    static const char *const known[] = {"protocol", "ports", NULL};
    char place[80];
    enum stf_kind kind = stf_doc_check_keys(entry, known, member, err);
    if (kind)
        return kind;
    size_t i = 0;
    while (protocols[i] && !has_protocol(entry, protocols[i]))
        i++;
    snprintf(place, sizeof place, "%s.protocol", member);
    if (!protocols[i])
        return stf_traffic_invalid(err, what, place, json_object_get(entry, "protocol"),
                                   "\"tcp\", \"udp\", \"icmp\" or \"any\"");
    const json_t *ports = json_object_get(entry, "ports");
    snprintf(place, sizeof place, "%s.ports", member);
    if (ports && !has_protocol(entry, "tcp") && !has_protocol(entry, "udp"))
        return stf_traffic_invalid(err, what, place, ports, "no ports with protocol \"icmp\" or \"any\"");
    return ports ? validate_ports(ports, what, place, err) : STF_OK;
}

enum stf_kind stf_traffic_validate(const json_t *traffic, const char *what, const char *member, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    char place[64];
    if (json_array_size(traffic) < 1 || json_array_size(traffic) > ENTRIES_MAX)
        return stf_traffic_invalid(err, what, member, traffic, "a list of 1 to 64 entries {\"protocol\", \"ports\"}");
    for (size_t i = 0; i < json_array_size(traffic) && !kind; i++) {
        snprintf(place, sizeof place, "%s[%zu]", member, i);
        kind = validate_entry(json_array_get(traffic, i), what, place, err);
    }
    return kind;
}

/* ---------- the one spelling ---------- */

/* The ports of all entries of the protocol as rising ranges; NULL when memory is out. */
static json_t *merged_ports(const json_t *traffic, const char *protocol)
{
    bool *is_in = calloc(PORT_MAX + 2, sizeof *is_in); /* the last one ends a range that reaches 65535 */
    json_t *merged = is_in ? json_array() : NULL, *entry, *item;
    size_t i, j;
    json_array_foreach (traffic, i, entry) {
        if (!merged || !has_protocol(entry, protocol))
            continue;
        json_array_foreach (json_object_get(entry, "ports"), j, item) {
            struct stf_ports ports;
            stf_ports_parse(item, &ports);
            memset(is_in + ports.low, true, ports.high - ports.low + 1u);
        }
    }
    for (unsigned port = 1, low = 0; merged && port <= PORT_MAX + 1; port++) {
        if (is_in[port] && !low)
            low = port;
        if (!is_in[port] && low) {
            json_array_append_new(merged, stf_ports_document((struct stf_ports){(uint16_t)low, (uint16_t)(port - 1)}));
            low = 0;
        }
    }
    free(is_in);
    return merged;
}

static bool has_entry(const json_t *traffic, const char *protocol, bool without_ports)
{
    size_t i;
    json_t *entry;
    json_array_foreach (traffic, i, entry)
        if (has_protocol(entry, protocol) && (!without_ports || !json_object_get(entry, "ports")))
            return true;
    return false;
}

json_t *stf_traffic_canonical(const json_t *traffic)
{
    json_t *canonical = json_array();
    if (has_entry(traffic, "any", false)) {
        json_array_append_new(canonical, json_pack("{s:s}", "protocol", "any"));
        return canonical;
    }
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        const char *protocol = protocols[i];
        if (has_entry(traffic, protocol, true))
            json_array_append_new(canonical, json_pack("{s:s}", "protocol", protocol));
        else if (has_entry(traffic, protocol, false))
            json_array_append_new(
                canonical, json_pack("{s:s, s:o}", "protocol", protocol, "ports", merged_ports(traffic, protocol)));
    }
    return canonical;
}

/* ---------- comparing and showing ---------- */

static bool entries_meet(const json_t *a, const json_t *b)
{
    const json_t *a_ports = json_object_get(a, "ports"), *b_ports = json_object_get(b, "ports");
    if (has_protocol(a, "any") || has_protocol(b, "any"))
        return true;
    if (!has_protocol(a, protocol_of(b)))
        return false;
    bool meet = !a_ports || !b_ports;
    for (size_t i = 0; i < json_array_size(a_ports) && !meet; i++) {
        for (size_t j = 0; j < json_array_size(b_ports) && !meet; j++) {
            struct stf_ports here, there;
            meet = stf_ports_parse(json_array_get(a_ports, i), &here) &&
                   stf_ports_parse(json_array_get(b_ports, j), &there) && ports_meet(here, there);
        }
    }
    return meet;
}

bool stf_traffic_overlaps(const json_t *entry, const json_t *traffic)
{
    size_t i;
    json_t *other;
    json_array_foreach (traffic, i, other)
        if (entries_meet(entry, other))
            return true;
    return false;
}

void stf_traffic_print(FILE *out, const json_t *traffic)
{
    size_t i, j;
    json_t *entry, *port;
    json_array_foreach (traffic, i, entry) {
        fprintf(out, " %s", protocol_of(entry));
        json_array_foreach (json_object_get(entry, "ports"), j, port) {
            fputc(j ? ',' : '/', out);
            if (json_is_string(port))
                fputs(json_string_value(port), out);
            else
                fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(port));
        }
    }
}
