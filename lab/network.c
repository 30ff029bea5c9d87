/* network.c - the lab's hosts as network namespaces on one bridge, through `ip -batch`.
 * Must never touch an interface or address outside the lab's own namespaces. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/netns.h"
#include "common/process.h"
#include "parts.h"

enum { IP_TIMEOUT_MS = 10000, MAX_PATH = 320 };

/* ---------- ip -batch ---------- */

/* A file for the lines of one call of `ip -batch -`. */
static enum stf_kind batch_begin(FILE **batch, struct stf_err *err)
{
    int fd = memfd_create("batch", MFD_CLOEXEC);
    *batch = fd < 0 ? NULL : fdopen(fd, "w+");
    if (*batch)
        return STF_OK;
    enum stf_kind kind = stf_err_errno(err, errno, "ip", NULL, "cannot keep the commands for ip");
    if (fd >= 0)
        close(fd);
    return kind;
}

/* Runs and frees the batch: inside a namespace, or (NULL) outside. */
static enum stf_kind batch_run(const struct stf_lab *lab, FILE *batch, const char *netns, struct stf_err *err)
{
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    enum stf_kind kind = fflush(batch) != 0 || lseek(fileno(batch), 0, SEEK_SET) < 0
                             ? stf_err_errno(err, errno, "ip", netns, "cannot keep the commands for ip")
                             : stf_lab_run_helper(lab, argv, netns, fileno(batch), err);
    fclose(batch);
    return kind;
}

/* ---------- namespaces ---------- */

static void netns_path(const char *netns, char path[MAX_PATH])
{
    snprintf(path, MAX_PATH, "/run/netns/%s", netns);
}

static enum stf_kind check_is_free(const char *netns, struct stf_err *err)
{
    char path[MAX_PATH];
    netns_path(netns, path);
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return STF_OK;
    return stf_err_set(err, STF_CONFLICT, 0, "lab", netns,
                       "a network namespace '%s' is there already, and no lab made it: remove it (ip netns del %s) or "
                       "give the host another `netns`",
                       netns, netns);
}

enum stf_kind stf_lab_network_check(const json_t *state, struct stf_err *err)
{
    size_t i;
    json_t *host;
    enum stf_kind kind = check_is_free(stf_lab_text(state, "switch"), err);
    json_array_foreach (json_object_get(state, "hosts"), i, host)
        if (!kind)
            kind = check_is_free(stf_lab_text(host, "netns"), err);
    return kind;
}

/* The name also goes when the mount does not stand, as after a kill between the two halves of `ip netns add`. */
static enum stf_kind remove_netns(const char *netns, struct stf_err *err)
{
    char path[MAX_PATH];
    netns_path(netns, path);
    umount2(path, MNT_DETACH);
    if (unlink(path) < 0 && errno != ENOENT)
        return stf_err_errno(err, errno, "lab", netns, "cannot remove the network namespace");
    return STF_OK;
}

enum stf_kind stf_lab_network_down(const json_t *state, struct stf_err *err)
{
    size_t i;
    json_t *host;
    enum stf_kind kind = remove_netns(stf_lab_text(state, "switch"), err);
    json_array_foreach (json_object_get(state, "hosts"), i, host) {
        enum stf_kind host_kind = remove_netns(stf_lab_text(host, "netns"), err);
        if (!kind)
            kind = host_kind;
    }
    return kind;
}

/* ---------- kernel parameters of a namespace ---------- */

static enum stf_kind write_sysctl(const char *family, const char *interface, const char *key, const char *value,
                                  struct stf_err *err)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, interface, key);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, value, strlen(value)) >= 0;
    int errnum = errno;
    if (fd >= 0)
        close(fd);
    return is_written ? STF_OK : stf_err_errno(err, errnum, "sysctl", path, "cannot set the kernel's parameter");
}

/* Before there are interfaces. The lab speaks IPv4, and a capture is to show the drill, not neighbour discovery. What a
 * decapsulated packet and a moved address need: no reverse path filter, and neighbours that believe the gratuitous ARP
 * of an address they have not met. */
static enum stf_kind set_sysctls(const char *netns, struct stf_err *err)
{
    static const char *const places[] = {"all", "default"};
    struct stf_netns guard;
    enum stf_kind kind = stf_netns_enter(&guard, netns, err);
    if (kind)
        return kind;
    for (size_t i = 0; i < 2 && !kind; i++) {
        kind = write_sysctl("ipv6", places[i], "disable_ipv6", "1", err);
        if (kind == STF_NOT_FOUND)
            kind = STF_OK; /* a kernel without IPv6 */
        if (!kind)
            kind = write_sysctl("ipv4", places[i], "rp_filter", "0", err);
        if (!kind)
            kind = write_sysctl("ipv4", places[i], "arp_accept", "1", err);
    }
    stf_netns_leave(&guard);
    return kind;
}

/* ---------- namespaces, links, addresses ---------- */

static enum stf_kind add_namespaces(const struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *host;
    FILE *batch;
    enum stf_kind kind = batch_begin(&batch, err);
    if (kind)
        return kind;
    fprintf(batch, "netns add %s\n", stf_lab_text(lab->state, "switch"));
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host)
        fprintf(batch, "netns add %s\n", stf_lab_text(host, "netns"));
    kind = batch_run(lab, batch, NULL, err);
    if (!kind)
        kind = set_sysctls(stf_lab_text(lab->state, "switch"), err);
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host)
        if (!kind)
            kind = set_sysctls(stf_lab_text(host, "netns"), err);
    return kind;
}

/* Ports forward at once: no learning time, and no waiting for multicast members. */
static enum stf_kind add_switch(const struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *host;
    FILE *batch;
    enum stf_kind kind = batch_begin(&batch, err);
    if (kind)
        return kind;
    fputs("link add br0 type bridge forward_delay 0 mcast_snooping 0\nlink set br0 up\n", batch);
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host) {
        fprintf(batch, "link add " STF_LAB_PORT " type veth peer name %s netns %s\n", i + 1,
                stf_lab_text(host, "interface"), stf_lab_text(host, "netns"));
        fprintf(batch, "link set " STF_LAB_PORT " alias %s master br0 up\n", i + 1, stf_lab_text(host, "name"));
    }
    return batch_run(lab, batch, stf_lab_text(lab->state, "switch"), err);
}

static enum stf_kind add_host(const struct stf_lab *lab, const json_t *host, struct stf_err *err)
{
    const char *netns = stf_lab_text(host, "netns"), *interface = stf_lab_text(host, "interface");
    FILE *batch;
    enum stf_kind kind = batch_begin(&batch, err);
    if (kind)
        return kind;
    fprintf(batch, "link set lo up\nlink set %s up\naddress add %s/%d dev %s\n", interface,
            stf_lab_text(host, "address"), (int)json_integer_value(json_object_get(lab->state, "prefix_length")),
            interface);
    return batch_run(lab, batch, netns, err);
}

enum stf_kind stf_lab_network_up(const struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *host;
    enum stf_kind kind = add_namespaces(lab, err);
    if (!kind)
        kind = add_switch(lab, err);
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host)
        if (!kind)
            kind = add_host(lab, host, err);
    return kind;
}

/* ---------- virtual addresses ---------- */

enum stf_kind stf_lab_virtual_ips_up(const struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *cluster;
    json_array_foreach (json_object_get(lab->state, "clusters"), i, cluster) {
        const char *holder = json_string_value(json_array_get(json_object_get(cluster, "nodes"), 0));
        FILE *batch;
        if (stf_lab_has_keepalived(cluster))
            continue;
        enum stf_kind kind = batch_begin(&batch, err);
        if (kind)
            return kind;
        fprintf(batch, "address add %s/%d dev %s\n", stf_lab_text(cluster, "virtual_ip"),
                (int)json_integer_value(json_object_get(cluster, "prefix_length")), stf_lab_text(cluster, "interface"));
        kind = batch_run(lab, batch, stf_lab_text(stf_lab_host(lab->state, holder), "netns"), err);
        if (kind)
            return kind;
    }
    return STF_OK;
}

enum stf_kind stf_lab_holds_address(const char *netns, const char *address, bool *holds, struct stf_err *err)
{
    struct stf_netns guard;
    struct ifaddrs *list = NULL;
    struct in_addr wanted;
    *holds = false;
    if (inet_pton(AF_INET, address, &wanted) != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "lab", address, "'%s' is no IPv4 address", address);
    enum stf_kind kind = stf_netns_enter(&guard, netns, err);
    if (kind)
        return kind;
    if (getifaddrs(&list) < 0)
        kind = stf_err_errno(err, errno, "lab", netns, "cannot list the addresses");
    stf_netns_leave(&guard);
    for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
        if (entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET &&
            ((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr.s_addr == wanted.s_addr)
            *holds = true;
    freeifaddrs(list);
    return kind;
}

/* ---------- ESP ---------- */

enum stf_kind stf_lab_has_kernel_esp(bool *has, struct stf_err *err)
{
    const char *const argv[] = {"unshare",
                                "--net",
                                "ip",
                                "xfrm",
                                "state",
                                "add",
                                "src",
                                "192.0.2.1",
                                "dst",
                                "192.0.2.2",
                                "proto",
                                "esp",
                                "spi",
                                "0x100",
                                "reqid",
                                "1",
                                "mode",
                                "transport",
                                "aead",
                                "rfc4106(gcm(aes))",
                                "0x000102030405060708090a0b0c0d0e0f01020304",
                                "128",
                                NULL};
    struct stf_process_result result;
    enum stf_kind kind =
        stf_process_run(&(struct stf_process_id){.argv = argv, .timeout_ms = IP_TIMEOUT_MS}, &result, err);
    *has = !kind && result.exit_code == 0;
    stf_process_result_fini(&result);
    return kind;
}
