/* wire.c - the capture: libpcap on one interface, in a thread of its own, with a filter that the kernel applies.
 * Must never put an interface into promiscuous mode nor keep a payload. SPDX-License-Identifier: MIT */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/dl.h"
#include "common/netns.h"
#include "common/thread.h"

enum {
    SNAP_BYTES = 256, /* link, VLAN, IPv6 with a few extension headers, TCP */
    BUFFER_BYTES = 8 << 20,
    PACKETS_A_ROUND = 1024,
    DRAIN_ROUNDS = 64, /* more packets than the buffer holds */
    SECOND_NS = 1000000000,
};

/* libpcap, opened when the first capture starts. */
struct pcap_functions {
    __typeof__(pcap_create) *create;
    __typeof__(pcap_set_snaplen) *set_snaplen;
    __typeof__(pcap_set_immediate_mode) *set_immediate_mode;
    __typeof__(pcap_set_buffer_size) *set_buffer_size;
    __typeof__(pcap_set_tstamp_precision) *set_tstamp_precision;
    __typeof__(pcap_activate) *activate;
    __typeof__(pcap_statustostr) *statustostr;
    __typeof__(pcap_datalink) *datalink;
    __typeof__(pcap_compile) *compile;
    __typeof__(pcap_setfilter) *setfilter;
    __typeof__(pcap_freecode) *freecode;
    __typeof__(pcap_setnonblock) *setnonblock;
    __typeof__(pcap_get_selectable_fd) *get_selectable_fd;
    __typeof__(pcap_dispatch) *dispatch;
    __typeof__(pcap_stats) *stats;
    __typeof__(pcap_geterr) *geterr;
    __typeof__(pcap_close) *close;
};

static struct pcap_functions pcap;

#define SYMBOL(name)                                                                                                   \
    {                                                                                                                  \
        "pcap_" #name, offsetof(struct pcap_functions, name)                                                           \
    }

static const struct stf_dl_symbol symbols[] = {
    SYMBOL(create),
    SYMBOL(set_snaplen),
    SYMBOL(set_immediate_mode),
    SYMBOL(set_buffer_size),
    SYMBOL(set_tstamp_precision),
    SYMBOL(activate),
    SYMBOL(statustostr),
    SYMBOL(datalink),
    SYMBOL(compile),
    SYMBOL(setfilter),
    SYMBOL(freecode),
    SYMBOL(setnonblock),
    SYMBOL(get_selectable_fd),
    SYMBOL(dispatch),
    SYMBOL(stats),
    SYMBOL(geterr),
    SYMBOL(close),
    {NULL, 0},
};

static struct stf_dl library = {.soname = "libpcap.so.0.8", .package = "libpcap0.8", .symbols = symbols};

struct stf_wire {
    struct stf_wire_target target;
    enum stf_wire_link link;
    char interface[IF_NAMESIZE];
    pcap_t *handle;
    int stop_fd;
    pthread_t thread;
    bool is_running;
    int64_t started_ns;
    uint32_t missed_at_start;
    /* the thread's, until it is joined: */
    struct stf_wire_report report;
    struct stf_wire_trace *trace; /* NULL: not asked for */
    enum stf_kind kind;
    struct stf_err err;
};

/* ---------- the filter ---------- */

static void print_ports(FILE *out, const struct stf_wire_target *target, const char *side)
{
    const char *protocol = target->protocol == IPPROTO_TCP ? "tcp" : "udp";
    for (size_t i = 0; i < target->port_count; i++)
        fprintf(out, " or %s %s port %u", protocol, side, target->ports[i]);
}

/* Of the address's traffic: ESP, IKE, the protected ports on its side, and for IPv6 all packets with extension headers,
 * behind which the kernel's filter cannot look. */
static void print_filter(FILE *out, const struct stf_wire_target *target)
{
    bool is_ipv6 = target->address.size == 16;
    const char *family = is_ipv6 ? "ip6" : "ip";
    char address[INET6_ADDRSTRLEN];
    inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, target->address.bytes, address, sizeof address);

    static const char *const sides[] = {"dst", "src"};
    fprintf(out, "(");
    for (int i = 0; i < 2; i++) {
        fprintf(out, "%s(%s %s host %s and (%s proto 50 or udp port 500 or udp port 4500", i ? " or " : "", family,
                sides[i], address, family);
        print_ports(out, target, sides[i]);
        if (is_ipv6)
            fprintf(out, " or ip6[6] = 0 or ip6[6] = 43 or ip6[6] = 44 or ip6[6] = 60");
        fprintf(out, "))");
    }
    fprintf(out, ")");
}

/* The expression as text, malloc'ed; NULL when memory is out. `vlan` moves all that follows it behind the tag. */
static char *make_filter(const struct stf_wire_target *target, enum stf_wire_link link)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    print_filter(out, target);
    if (link == STF_WIRE_ETHERNET) {
        fprintf(out, " or (vlan and ");
        print_filter(out, target);
        fprintf(out, ")");
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static enum stf_kind set_filter(struct stf_wire *wire, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct bpf_program program = {0};
    char *filter = make_filter(&wire->target, wire->link);
    if (!filter)
        return stf_err_set(err, STF_NO_MEMORY, 0, "capture", wire->interface, "no memory for the capture's filter");
    if (pcap.compile(wire->handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN) || pcap.setfilter(wire->handle, &program))
        kind = stf_err_set(err, STF_IO, 0, "capture", wire->interface, "cannot set the filter of the capture on %s: %s",
                           wire->interface, pcap.geterr(wire->handle));
    pcap.freecode(&program);
    free(filter);
    return kind;
}

/* ---------- counting ---------- */

static void count(struct stf_wire_count *counter, const struct stf_wire_packet *packet)
{
    if (packet->is_to)
        counter->to++;
    else
        counter->from++;
}

static void count_clear(struct stf_wire_report *report, const struct stf_wire_packet *packet, int64_t time_unix_ns)
{
    struct stf_wire_clear *clear = &(packet->is_to ? report->clear_to : report->clear_from)[packet->port_index];
    clear->packets++;
    clear->payload_bytes += packet->payload_bytes;
    clear->attempts += (packet->tcp_flags & (STF_WIRE_SYN | STF_WIRE_ACK)) == STF_WIRE_SYN;
    if (report->evidence_count < STF_WIRE_MAX_EVIDENCE)
        report->evidence[report->evidence_count++] = (struct stf_wire_evidence){time_unix_ns, *packet};
}

/* The packet's time, which is the wall clock's, on the monotonic one. A step of the wall clock since shows as an age
 * that can not be; then the time of the receipt has to do. */
static int64_t monotonic_ns(int64_t time_unix_ns)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    int64_t now_ns = stf_clock_ns(), age_ns = (int64_t)wall.tv_sec * SECOND_NS + wall.tv_nsec - time_unix_ns;
    return age_ns >= 0 && age_ns < SECOND_NS ? now_ns - age_ns : now_ns;
}

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *bytes)
{
    struct stf_wire *wire = (struct stf_wire *)user;
    struct stf_wire_packet packet = stf_wire_decode(wire->link, bytes, header->caplen, header->len, &wire->target);

    /* the precision is set to nanoseconds: tv_usec holds those */
    int64_t time_unix_ns = (int64_t)header->ts.tv_sec * SECOND_NS + header->ts.tv_usec;

    wire->report.captured += packet.class != STF_WIRE_OTHER;
    if (wire->trace && packet.class != STF_WIRE_OTHER && packet.class != STF_WIRE_MALFORMED)
        stf_wire_trace_add(wire->trace, &packet, monotonic_ns(time_unix_ns));
    switch (packet.class) {
    case STF_WIRE_OTHER:
        break;
    case STF_WIRE_MALFORMED:
        wire->report.malformed++;
        break;
    case STF_WIRE_ESP:
        count(&wire->report.esp, &packet);
        break;
    case STF_WIRE_ESP_IN_UDP:
        count(&wire->report.esp_in_udp, &packet);
        break;
    case STF_WIRE_IKE:
        count(&wire->report.ike, &packet);
        break;
    case STF_WIRE_CLEAR:
        count_clear(&wire->report, &packet, time_unix_ns);
        break;
    }
}

/* What the interface dropped because it had no room, before the capture could see it. Asked over netlink, from the
 * thread's own namespace: libpcap's ps_ifdrop comes from /sys, which shows the namespace it was mounted in. */
static enum stf_kind read_missed(const char *interface, uint32_t *missed, struct stf_err *err)
{
    struct ifaddrs *list;
    if (getifaddrs(&list))
        return stf_err_errno(err, errno, "capture", interface, "cannot list the interfaces");
    enum stf_kind kind =
        stf_err_set(err, STF_NOT_FOUND, ENODEV, "capture", interface, "there is no interface %s", interface);
    for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != AF_PACKET || !at->ifa_data ||
            strcmp(at->ifa_name, interface) != 0)
            continue;
        const struct rtnl_link_stats *stats = at->ifa_data;
        *missed = stats->rx_missed_errors + stats->rx_fifo_errors;
        kind = STF_OK;
    }
    freeifaddrs(list);
    return kind;
}

/* ---------- the thread ---------- */

static enum stf_kind dispatch(struct stf_wire *wire, int *count_out)
{
    *count_out = pcap.dispatch(wire->handle, PACKETS_A_ROUND, on_packet, (u_char *)wire);
    if (*count_out >= 0)
        return STF_OK;
    return stf_err_set(&wire->err, STF_IO, 0, "capture", wire->interface, "the capture on %s broke off: %s",
                       wire->interface, pcap.geterr(wire->handle));
}

static enum stf_kind capture_until_stopped(struct stf_wire *wire)
{
    struct pollfd polled[] = {{pcap.get_selectable_fd(wire->handle), POLLIN, 0}, {wire->stop_fd, POLLIN, 0}};
    while (!polled[1].revents) {
        int got;
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return stf_err_errno(&wire->err, errno, "capture", wire->interface, "cannot wait for packets");
        enum stf_kind kind = dispatch(wire, &got);
        if (kind)
            return kind;
    }
    return STF_OK;
}

/* What had arrived when the stop was asked for; bounded, for more may keep arriving. */
static enum stf_kind drain(struct stf_wire *wire)
{
    int got = 1;
    enum stf_kind kind = STF_OK;
    for (int i = 0; i < DRAIN_ROUNDS && got && !kind; i++)
        kind = dispatch(wire, &got);
    return kind;
}

static enum stf_kind read_lost(struct stf_wire *wire)
{
    uint32_t missed;
    struct pcap_stat stats;
    enum stf_kind kind = read_missed(wire->interface, &missed, &wire->err);
    if (kind)
        return kind;
    if (pcap.stats(wire->handle, &stats))
        return stf_err_set(&wire->err, STF_IO, 0, "capture", wire->interface,
                           "cannot tell how many packets were lost: %s", pcap.geterr(wire->handle));
    wire->report.lost = (uint64_t)stats.ps_drop + (uint32_t)(missed - wire->missed_at_start);
    return STF_OK;
}

static void *capture(void *argument)
{
    struct stf_wire *wire = argument;
    wire->kind = capture_until_stopped(wire);
    if (!wire->kind)
        wire->kind = drain(wire);
    if (!wire->kind)
        wire->kind = read_lost(wire);
    return NULL;
}

/* ---------- start and stop ---------- */

static enum stf_kind activation_error(const struct stf_wire *wire, int status, struct stf_err *err)
{
    const char *why = status == PCAP_ERROR ? pcap.geterr(wire->handle) : pcap.statustostr(status);
    enum stf_kind kind = status == PCAP_ERROR_NO_SUCH_DEVICE ? STF_NOT_FOUND
                         : status == PCAP_ERROR_PERM_DENIED  ? STF_DENIED
                         : status == PCAP_ERROR_IFACE_NOT_UP ? STF_UNREACHABLE
                                                             : STF_IO;
    return stf_err_set(err, kind, status, "capture", wire->interface, "cannot capture on %s: %s", wire->interface, why);
}

/* Immediate mode, so that every packet that arrived before a stop can be read at the stop. */
static enum stf_kind open_capture(struct stf_wire *wire, struct stf_err *err)
{
    char message[PCAP_ERRBUF_SIZE];
    wire->handle = pcap.create(wire->interface, message);
    if (!wire->handle)
        return stf_err_set(err, STF_IO, 0, "capture", wire->interface, "cannot capture: %s", message);
    pcap.set_snaplen(wire->handle, SNAP_BYTES);
    pcap.set_immediate_mode(wire->handle, 1);
    pcap.set_buffer_size(wire->handle, BUFFER_BYTES);
    pcap.set_tstamp_precision(wire->handle, PCAP_TSTAMP_PRECISION_NANO);
    int status = pcap.activate(wire->handle);
    if (status < 0)
        return activation_error(wire, status, err);

    switch (pcap.datalink(wire->handle)) {
    case DLT_EN10MB:
        wire->link = STF_WIRE_ETHERNET;
        break;
    case DLT_RAW:
        wire->link = STF_WIRE_RAW_IP;
        break;
    default:
        return stf_err_set(err, STF_UNSUPPORTED, pcap.datalink(wire->handle), "capture", wire->interface,
                           "%s carries neither Ethernet frames nor bare IP packets", wire->interface);
    }
    if (pcap.setnonblock(wire->handle, 1, message))
        return stf_err_set(err, STF_IO, 0, "capture", wire->interface, "cannot capture: %s", message);
    return set_filter(wire, err);
}

/* The thread is born in the caller's present network namespace, and stays there. */
static enum stf_kind start_thread(struct stf_wire *wire, struct stf_err *err)
{
    wire->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (wire->stop_fd < 0)
        return stf_err_errno(err, errno, "capture", wire->interface, "cannot make an eventfd");
    int errnum = stf_thread_start(&wire->thread, capture, wire);
    if (errnum)
        return stf_err_errno(err, errnum, "capture", wire->interface, "cannot start the capture's thread");
    wire->is_running = true;
    return STF_OK;
}

static enum stf_kind check_options(const struct stf_wire_options *options, struct stf_err *err)
{
    size_t length = strlen(options->interface);
    if (length == 0 || length >= IF_NAMESIZE)
        return stf_err_set(err, STF_INVALID_DATA, 0, "capture", options->interface,
                           "'%s' is no name of an interface: expected 1 to %d characters", options->interface,
                           IF_NAMESIZE - 1);
    return STF_OK;
}

enum stf_kind stf_wire_start(const struct stf_wire_options *options, struct stf_wire **out, struct stf_err *err)
{
    struct stf_netns guard = {.home_fd = -1};
    struct stf_wire *wire = NULL;
    enum stf_kind kind = check_options(options, err);
    if (!kind)
        kind = stf_dl_open(&library, &pcap, err);
    if (kind)
        return kind;
    wire = calloc(1, sizeof *wire);
    if (!wire)
        return stf_err_set(err, STF_NO_MEMORY, 0, "capture", options->interface, "no memory for a capture");
    wire->target = options->target;
    wire->stop_fd = -1;
    strcpy(wire->interface, options->interface);

    kind = stf_netns_enter(&guard, options->netns, err);
    if (kind)
        goto out;
    kind = read_missed(wire->interface, &wire->missed_at_start, err);
    if (!kind)
        kind = open_capture(wire, err);
    wire->started_ns = stf_clock_ns();
    if (!kind && options->has_trace) {
        wire->trace = stf_wire_trace_new(wire->started_ns);
        if (!wire->trace)
            kind = stf_err_set(err, STF_NO_MEMORY, 0, "capture", options->interface, "no memory for a trace");
    }
    if (!kind)
        kind = start_thread(wire, err);
    stf_netns_leave(&guard);
    if (kind)
        goto out;
    *out = wire;
    wire = NULL;
out:
    stf_wire_free(wire);
    return kind;
}

static void join(struct stf_wire *wire)
{
    if (!wire->is_running)
        return;
    eventfd_write(wire->stop_fd, 1);
    pthread_join(wire->thread, NULL);
    wire->is_running = false;
}

enum stf_kind stf_wire_stop(struct stf_wire *wire, struct stf_wire_report *report, struct stf_err *err)
{
    int64_t stopped_ns = stf_clock_ns();
    join(wire);
    if (wire->kind) {
        if (err)
            *err = wire->err;
        return wire->kind;
    }
    *report = wire->report;
    report->duration_ms = (stopped_ns - wire->started_ns) / 1000000;
    return STF_OK;
}

const struct stf_wire_target *stf_wire_target_of(const struct stf_wire *wire)
{
    return &wire->target;
}

const struct stf_wire_trace *stf_wire_trace_of(const struct stf_wire *wire)
{
    return wire->trace;
}

void stf_wire_free(struct stf_wire *wire)
{
    if (!wire)
        return;
    join(wire);
    if (wire->handle)
        pcap.close(wire->handle);
    if (wire->stop_fd >= 0)
        close(wire->stop_fd);
    stf_wire_trace_free(wire->trace);
    free(wire);
}
