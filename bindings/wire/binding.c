/* binding.c - the captures as verbs: wire.start and wire.stop.
 * Must never let a capture that could not look to its end pass as one that saw nothing. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <string.h>

#include "common/doc.h"
#include "common/handles.h"
#include "wire.h"

/* ---------- arguments ---------- */

static enum stf_kind read_address(const json_t *args, struct stf_wire_address *address, struct stf_err *err)
{
    const char *text;
    enum stf_kind kind = stf_doc_string(args, "address", &text, err);
    if (kind)
        return kind;
    address->size = strchr(text, ':') ? 16 : 4;
    if (inet_pton(address->size == 16 ? AF_INET6 : AF_INET, text, address->bytes) != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", text,
                           "member 'address': expected an IPv4 or IPv6 address, found '%s'", text);
    return STF_OK;
}

static enum stf_kind read_protocol(const json_t *args, uint8_t *protocol, struct stf_err *err)
{
    const char *text;
    enum stf_kind kind = stf_doc_opt_string(args, "protocol", "tcp", &text, err);
    if (kind)
        return kind;
    if (strcmp(text, "tcp") != 0 && strcmp(text, "udp") != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", text,
                           "member 'protocol': expected 'tcp' or 'udp', found '%s'", text);
    *protocol = text[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
    return STF_OK;
}

static enum stf_kind add_port(struct stf_wire_target *target, const json_t *item, struct stf_err *err)
{
    json_int_t port = json_integer_value(item);
    if (port < 1 || port > UINT16_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", "ports",
                           "member 'ports': expected port numbers from 1 to 65535");
    if (target->protocol == IPPROTO_UDP && (port == 500 || port == 4500))
        return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", "ports",
                           "UDP port %d is IKE's own: it is counted as IKE or ESP, never as clear traffic", (int)port);
    for (size_t i = 0; i < target->port_count; i++) {
        if (target->ports[i] == port)
            return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", "ports", "member 'ports': %d stands there twice",
                               (int)port);
    }
    target->ports[target->port_count++] = (uint16_t)port;
    return STF_OK;
}

static enum stf_kind read_ports(const json_t *args, struct stf_wire_target *target, struct stf_err *err)
{
    const json_t *list = json_object_get(args, "ports");
    size_t size = json_array_size(list);
    if (size < 1 || size > STF_WIRE_MAX_PORTS)
        return stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", "ports",
                           "member 'ports': expected a list of 1 to %d port numbers", STF_WIRE_MAX_PORTS);
    for (size_t i = 0; i < size; i++) {
        enum stf_kind kind = add_port(target, json_array_get(list, i), err);
        if (kind)
            return kind;
    }
    return STF_OK;
}

static enum stf_kind read_interface(const struct stf_host *host, const json_t *args, const char **interface,
                                    struct stf_err *err)
{
    enum stf_kind kind = stf_doc_opt_string(args, "interface", NULL, interface, err);
    if (!kind && !*interface)
        kind = stf_doc_opt_string(host->config, "interface", NULL, interface, err);
    if (!kind && !*interface)
        kind =
            stf_err_set(err, STF_INVALID_DATA, 0, "wire.start", host->name,
                        "no interface to capture on: neither in the call nor as 'interface' of the host in site.lua");
    return kind;
}

static enum stf_kind read_options(const struct stf_host *host, const json_t *args, struct stf_wire_options *options,
                                  struct stf_err *err)
{
    static const char *const known[] = {"interface", "address", "ports", "protocol", "trace", NULL};
    *options = (struct stf_wire_options){.netns = host->netns};
    enum stf_kind kind = stf_doc_check_keys(args, known, "wire.start", err);
    if (!kind)
        kind = read_interface(host, args, &options->interface, err);
    if (!kind)
        kind = read_address(args, &options->target.address, err);
    if (!kind)
        kind = read_protocol(args, &options->target.protocol, err);
    if (!kind)
        kind = read_ports(args, &options->target, err);
    if (!kind)
        kind = stf_doc_opt_bool(args, "trace", false, &options->has_trace, err);
    return kind;
}

/* ---------- the report as a document ---------- */

static json_t *count_doc(const struct stf_wire_count *count)
{
    return json_pack("{s:I, s:I}", "to", (json_int_t)count->to, "from", (json_int_t)count->from);
}

static json_t *clear_doc(uint16_t port, const char *direction, const struct stf_wire_clear *clear)
{
    return json_pack("{s:i, s:s, s:I, s:I, s:I}", "port", port, "direction", direction, "packets",
                     (json_int_t)clear->packets, "payload_bytes", (json_int_t)clear->payload_bytes, "attempts",
                     (json_int_t)clear->attempts);
}

/* In tcpdump's letters: "S", "SA", "PA". */
static void print_flags(uint8_t flags, char text[8])
{
    static const char letters[] = "FSRPA";
    size_t length = 0;
    for (size_t i = 0; letters[i]; i++)
        if (flags & 1u << i)
            text[length++] = letters[i];
    text[length] = '\0';
}

static json_t *evidence_doc(const struct stf_wire_evidence *evidence)
{
    const struct stf_wire_packet *packet = &evidence->packet;
    int family = packet->src.size == 16 ? AF_INET6 : AF_INET;
    char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], flags[8];
    inet_ntop(family, packet->src.bytes, src, sizeof src);
    inet_ntop(family, packet->dst.bytes, dst, sizeof dst);
    print_flags(packet->tcp_flags, flags);
    return json_pack("{s:I, s:s, s:s, s:i, s:i, s:s, s:I}", "time_unix_ns", (json_int_t)evidence->time_unix_ns, "src",
                     src, "dst", dst, "src_port", packet->src_port, "dst_port", packet->dst_port, "flags", flags,
                     "payload_bytes", (json_int_t)packet->payload_bytes);
}

static json_t *clear_list(const struct stf_wire_report *report, const struct stf_wire_target *target)
{
    json_t *list = json_array();
    for (size_t i = 0; i < target->port_count; i++) {
        json_array_append_new(list, clear_doc(target->ports[i], "to", &report->clear_to[i]));
        json_array_append_new(list, clear_doc(target->ports[i], "from", &report->clear_from[i]));
    }
    return list;
}

static json_t *evidence_list(const struct stf_wire_report *report)
{
    json_t *list = json_array();
    for (size_t i = 0; i < report->evidence_count; i++)
        json_array_append_new(list, evidence_doc(&report->evidence[i]));
    return list;
}

/* NULL when memory is out. */
static json_t *report_doc(const struct stf_wire_report *report, const struct stf_wire_target *target,
                          const struct stf_wire_trace *trace)
{
    json_int_t packets = 0, payload_bytes = 0;
    for (size_t i = 0; i < target->port_count; i++) {
        packets += (json_int_t)(report->clear_to[i].packets + report->clear_from[i].packets);
        payload_bytes += (json_int_t)(report->clear_to[i].payload_bytes + report->clear_from[i].payload_bytes);
    }
    json_t *clear = clear_list(report, target), *evidence = evidence_list(report);
    if (json_array_size(clear) != 2 * target->port_count || json_array_size(evidence) != report->evidence_count) {
        json_decref(clear);
        json_decref(evidence);
        return NULL;
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:I, s:I, s:I, s:I, s:o*}", "esp", count_doc(&report->esp),
                     "esp_in_udp", count_doc(&report->esp_in_udp), "ike", count_doc(&report->ike), "clear", clear,
                     "clear_total", packets, "clear_payload_bytes", payload_bytes, "evidence", evidence, "captured",
                     (json_int_t)report->captured, "malformed", (json_int_t)report->malformed, "lost",
                     (json_int_t)report->lost, "duration_ms", (json_int_t)report->duration_ms, "trace",
                     trace ? stf_wire_trace_doc(trace) : NULL);
}

/* ---------- verbs ---------- */

static enum stf_kind start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                           struct stf_err *err)
{
    struct stf_wire_options options;
    struct stf_wire *wire = NULL;
    enum stf_kind kind = read_options(host, args, &options, err);
    if (!kind)
        kind = stf_wire_start(&options, &wire, err);
    if (kind)
        return kind;
    int64_t number = stf_handles_put(self, wire);
    if (!number)
        stf_wire_free(wire);
    else
        *result = json_pack("{s:I}", "handle", (json_int_t)number);
    return number && *result
               ? STF_OK
               : stf_err_set(err, STF_NO_MEMORY, 0, "wire.start", host->name, "no memory for a capture's handle");
}

static enum stf_kind stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                          struct stf_err *err)
{
    static const char *const known[] = {"handle", NULL};
    struct stf_wire_report report;
    int64_t number;
    void *wire = NULL;
    enum stf_kind kind = stf_doc_check_keys(args, known, "wire.stop", err);
    if (!kind)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &number, err);
    if (!kind)
        kind = stf_handles_take(self, number, &wire, err);
    if (kind)
        return kind;
    kind = stf_wire_stop(wire, &report, err);
    if (kind)
        goto out;
    *result = report_doc(&report, stf_wire_target_of(wire), stf_wire_trace_of(wire));
    if (!*result)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "wire.stop", host->name, "no memory for the capture's report");
out:
    stf_wire_free(wire);
    return kind;
}

static const struct stf_verb verbs[] = {
    {"wire.start", "wire", start},
    {"wire.stop", "wire", stop},
    {NULL, NULL, NULL},
};

static void destroy(void *wire)
{
    stf_wire_free(wire);
}

static void *open_binding(void)
{
    return stf_handles_new(destroy);
}

static void close_binding(void *self)
{
    stf_handles_free(self);
}

const struct stf_binding stf_wire_binding = {
    .name = "wire",
    .open = open_binding,
    .close = close_binding,
    .verbs = verbs,
};
