/* keepalived.c - the nodes' keepalived, where a cluster of the site says that it moves the virtual IP.
 * Must never let one run that could reach beyond the lab's namespaces. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parts.h"

enum {
    MAX_PATH = 320,
    FIRST_ROUTER = 51,
    FIRST_PRIORITY = 100,
    PRIORITY_STEP = 10,
    READY_TIMEOUT_MS = 15000,
    PAUSE_MS = 5
};

static enum stf_kind write_config(const struct stf_lab *lab, const json_t *cluster, const json_t *host, size_t router,
                                  size_t place, const char *path, struct stf_err *err)
{
    char address[64], number[16], priority[16], takeover[2 * MAX_PATH], *text;
    snprintf(address, sizeof address, "%s/%d", stf_lab_text(cluster, "virtual_ip"),
             (int)json_integer_value(json_object_get(cluster, "prefix_length")));
    snprintf(number, sizeof number, "%zu", FIRST_ROUTER + router);
    snprintf(priority, sizeof priority, "%d", FIRST_PRIORITY - (int)place * PRIORITY_STEP);
    snprintf(takeover, sizeof takeover, "%s takeover %s --vici %s", lab->self_path, stf_lab_text(cluster, "virtual_ip"),
             stf_lab_text(host, "vici"));
    const struct stf_lab_value values[] = {
        {"HOST", stf_lab_text(host, "name")},
        {"INTERFACE", stf_lab_text(cluster, "interface")},
        {"ADDRESS", address},
        {"ROUTER", number},
        {"PRIORITY", priority},
        {"TAKEOVER", takeover},
        {"TRACK_FILE", stf_lab_text(host, "track_file")},
        {NULL, NULL},
    };
    enum stf_kind kind = stf_lab_template("keepalived.conf.in", values, &text, err);
    if (kind)
        return kind;
    kind = stf_lab_write_file(path, text, strlen(text), 0644, err);
    free(text);
    return kind;
}

static enum stf_kind start_node(struct stf_lab *lab, const json_t *cluster, const json_t *host, size_t router,
                                size_t place, struct stf_err *err)
{
    char base[MAX_PATH - 16], conf[MAX_PATH], pid[MAX_PATH], vrrp_pid[MAX_PATH];
    const char *name = stf_lab_text(host, "name");
    snprintf(base, sizeof base, "%s/%s/keepalived-%s", lab->run_dir, name, stf_lab_text(cluster, "name"));
    snprintf(conf, sizeof conf, "%s.conf", base);
    snprintf(pid, sizeof pid, "%s.pid", base);
    snprintf(vrrp_pid, sizeof vrrp_pid, "%s-vrrp.pid", base);
    if (!stf_lab_text(host, "vici") || !stf_lab_text(host, "track_file"))
        return stf_err_set(err, STF_INVALID_DATA, 0, "lab", name,
                           "the node '%s' of a cluster with keepalived needs ipsec.vici and vip.track_file", name);
    enum stf_kind kind = stf_lab_make_parent_dir(lab->state, stf_lab_text(host, "track_file"), err);
    if (!kind)
        kind = write_config(lab, cluster, host, router, place, conf, err);
    const char *const argv[] = {"/usr/sbin/keepalived", "-n", "-l", "-P", "-f", conf, "-p", pid, "-r", vrrp_pid, NULL};
    return kind ? kind
                : stf_lab_start(lab, &(struct stf_lab_daemon){.host = host, .name = "keepalived", .argv = argv}, err);
}

/* Until the first node holds the address. */
static enum stf_kind await_holder(struct stf_lab *lab, const json_t *cluster, const json_t *host, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)READY_TIMEOUT_MS * 1000000;
    for (;;) {
        bool holds;
        enum stf_kind kind =
            stf_lab_holds_address(stf_lab_text(host, "netns"), stf_lab_text(cluster, "virtual_ip"), &holds, err);
        if (!kind)
            kind = stf_lab_pause(lab, holds ? 0 : PAUSE_MS, err);
        if (kind || holds)
            return kind;
        if (stf_clock_ns() > deadline_ns)
            return stf_err_set(err, STF_TIMEOUT, 0, "lab", stf_lab_text(host, "name"),
                               "keepalived did not give %s to %s within %d ms", stf_lab_text(cluster, "virtual_ip"),
                               stf_lab_text(host, "name"), READY_TIMEOUT_MS);
    }
}

bool stf_lab_has_keepalived(const json_t *cluster)
{
    return strcmp(stf_lab_text(cluster, "manager"), "keepalived") == 0;
}

enum stf_kind stf_lab_keepalived_up(struct stf_lab *lab, struct stf_err *err)
{
    size_t router, place;
    json_t *cluster, *node;
    enum stf_kind kind = STF_OK;
    json_array_foreach (json_object_get(lab->state, "clusters"), router, cluster) {
        const json_t *nodes = json_object_get(cluster, "nodes");
        if (!stf_lab_has_keepalived(cluster))
            continue;
        json_array_foreach ((json_t *)nodes, place, node)
            if (!kind)
                kind = start_node(lab, cluster, stf_lab_host(lab->state, json_string_value(node)), router, place, err);
        if (!kind)
            kind =
                await_holder(lab, cluster, stf_lab_host(lab->state, json_string_value(json_array_get(nodes, 0))), err);
    }
    return kind;
}
