/* plan.c - reads the part of a site document that a lab stands for, and makes the lab's state document of it.
 * Must never touch the system: it only reads. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "parts.h"

enum { MAX_NAME = 24, MAX_SOCKET_PATH = 107 };

const char *stf_lab_text(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

json_t *stf_lab_host(const json_t *document, const char *name)
{
    size_t i;
    json_t *host;
    json_array_foreach (json_object_get(document, "hosts"), i, host)
        if (strcmp(stf_lab_text(host, "name"), name) == 0)
            return host;
    return NULL;
}

enum stf_kind stf_lab_check_name(const char *name, const char *what, struct stf_err *err)
{
    size_t size = strlen(name);
    if (size >= 1 && size <= MAX_NAME && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size)
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "lab", name,
                       "the %s '%s' can not be used in a lab: expected 1 to %d of a-z, 0-9 and '-'", what, name,
                       MAX_NAME);
}

/* Adds "the host 'fe1': " in front of what a reader of one member said. */
static enum stf_kind blame(const char *what, const char *name, enum stf_kind kind, struct stf_err *err)
{
    char message[sizeof((struct stf_err *)0)->message];
    if (!kind || !err)
        return kind;
    snprintf(message, sizeof message, "%s", err->message);
    return stf_err_set(err, kind, err->code, "lab", name, "%s '%s' of the site: %s", what, name, message);
}

static enum stf_kind check_address(const char *address, struct stf_err *err)
{
    struct in_addr parsed;
    if (inet_pton(AF_INET, address, &parsed) == 1)
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "lab", address, "expected an IPv4 address, found '%s'", address);
}

static enum stf_kind check_interface(const char *interface, struct stf_err *err)
{
    size_t size = strlen(interface);
    if (size >= 1 && size < IFNAMSIZ && !strpbrk(interface, "/ \t\n"))
        return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "lab", interface, "'%s' is no name of an interface", interface);
}

/* The member `key` of `from` as an absolute path into `to`. */
static enum stf_kind plan_path(json_t *to, const json_t *from, const char *key, const char *site_dir,
                               struct stf_err *err)
{
    const char *path;
    enum stf_kind kind = stf_doc_string(from, key, &path, err);
    if (kind)
        return kind;
    char *absolute = stf_doc_path(site_dir, path);
    bool is_set = absolute && json_object_set_new(to, key, json_string(absolute)) == 0;
    free(absolute);
    return is_set ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "lab", path, "no memory");
}

/* ---------- hosts ---------- */

static enum stf_kind plan_ipsec(json_t *planned, const json_t *ipsec, const char *site_dir, struct stf_err *err)
{
    enum stf_kind kind = plan_path(planned, ipsec, "vici", site_dir, err);
    if (!kind)
        kind = plan_path(planned, ipsec, "conf_dir", site_dir, err);
    if (!kind && json_object_get(ipsec, "charon_conf"))
        kind = plan_path(planned, ipsec, "charon_conf", site_dir, err);
    if (!kind && json_string_length(json_object_get(planned, "vici")) > MAX_SOCKET_PATH)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "lab", stf_lab_text(planned, "vici"),
                           "the path of the VICI socket is longer than the %d bytes that a socket's name can have",
                           MAX_SOCKET_PATH);
    return kind;
}

static enum stf_kind check_netns_is_new(const json_t *hosts, const char *netns, struct stf_err *err)
{
    size_t i;
    json_t *host;
    json_array_foreach (hosts, i, host)
        if (strcmp(stf_lab_text(host, "netns"), netns) == 0)
            return stf_err_set(err, STF_INVALID_DATA, 0, "lab", netns, "the host '%s' has the namespace '%s' too",
                               stf_lab_text(host, "name"), netns);
    return STF_OK;
}

static enum stf_kind plan_netns_host(json_t *state, const char *name, const json_t *host, const char *site_dir,
                                     struct stf_err *err)
{
    const char *netns, *address, *interface, *role;
    json_t *hosts = json_object_get(state, "hosts");
    json_t *planned = NULL;
    enum stf_kind kind = stf_lab_check_name(name, "host name", err);
    if (!kind)
        kind = stf_doc_string(host, "role", &role, err);
    if (!kind)
        kind = stf_doc_string(host, "netns", &netns, err);
    if (!kind)
        kind = stf_doc_string(host, "address", &address, err);
    if (!kind)
        kind = stf_doc_string(host, "interface", &interface, err);
    if (!kind)
        kind = check_address(address, err);
    if (!kind)
        kind = check_interface(interface, err);
    if (!kind && (!netns[0] || netns[0] == '.' || strpbrk(netns, "/ \t\n"))) /* it becomes a word of `ip -batch` */
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "lab", netns, "'%s' is no name of a network namespace", netns);
    if (!kind)
        kind = check_netns_is_new(hosts, netns, err);
    if (kind)
        return kind;

    planned = json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", name, "role", role, "netns", netns, "address", address,
                        "interface", interface);
    const json_t *ipsec = json_object_get(host, "ipsec"), *vip = json_object_get(host, "vip");
    if (planned && ipsec)
        kind = plan_ipsec(planned, ipsec, site_dir, err);
    if (planned && !kind && json_object_get(vip, "track_file"))
        kind = plan_path(planned, vip, "track_file", site_dir, err);
    if (kind)
        json_decref(planned);
    else if (json_array_append_new(hosts, planned) < 0)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", name, "no memory");
    return kind;
}

static enum stf_kind plan_hives(json_t *state, const char *name, const json_t *registry, const char *site_dir,
                                struct stf_err *err)
{
    const char *mount;
    json_t *unused;
    json_object_foreach ((json_t *)registry, mount, unused) {
        json_t *hive = json_pack("{s:s, s:s}", "host", name, "mount", mount);
        json_t *path = json_object();
        enum stf_kind kind = plan_path(path, registry, mount, site_dir, err);
        if (!kind && (json_object_set(hive, "path", json_object_get(path, mount)) < 0 ||
                      json_array_append(json_object_get(state, "hives"), hive) < 0))
            kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", name, "no memory");
        json_decref(path);
        json_decref(hive);
        if (kind)
            return kind;
    }
    return STF_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the site's hosts in an order that does not depend on how a Lua table was walked. */
static const char **sorted_names(const json_t *hosts, size_t *count)
{
    const char *name, **names = calloc(json_object_size(hosts) + 1, sizeof *names);
    json_t *unused;
    *count = 0;
    if (!names)
        return NULL;
    json_object_foreach ((json_t *)hosts, name, unused)
        names[(*count)++] = name;
    qsort(names, *count, sizeof *names, compare_names);
    return names;
}

static enum stf_kind plan_hosts(json_t *state, const json_t *site, const char *site_dir, struct stf_err *err)
{
    const json_t *hosts = json_object_get(site, "hosts");
    size_t count;
    const char **names = sorted_names(hosts, &count);
    enum stf_kind kind = names ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    for (size_t i = 0; i < count && !kind; i++) {
        const json_t *host = json_object_get(hosts, names[i]);
        if (json_object_get(host, "netns"))
            kind = plan_netns_host(state, names[i], host, site_dir, err);
        if (!kind && json_object_get(host, "registry"))
            kind = plan_hives(state, names[i], json_object_get(host, "registry"), site_dir, err);
        kind = blame("host", names[i], kind, err);
    }
    free(names);
    if (!kind && json_array_size(json_object_get(state, "hosts")) == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "lab", stf_lab_text(state, "name"),
                           "no host of the site has a `netns`: there is nothing that a lab could stand for");
    return kind ? kind : check_netns_is_new(json_object_get(state, "hosts"), stf_lab_text(state, "switch"), err);
}

/* ---------- clusters ---------- */

static enum stf_kind plan_nodes(const json_t *state, const json_t *cluster, json_t *planned, struct stf_err *err)
{
    const json_t *nodes = json_object_get(cluster, "nodes");
    size_t i;
    json_t *node;
    if (json_array_size(nodes) == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "lab", NULL, "expected `nodes`, a list of at least one host");
    json_array_foreach (nodes, i, node) {
        const char *name = json_string_value(node);
        if (!name || !stf_lab_host(state, name))
            return stf_err_set(err, STF_INVALID_DATA, 0, "lab", name, "the node '%s' is no host with a `netns`",
                               name ? name : "?");
    }
    return json_object_set(planned, "nodes", (json_t *)nodes) < 0
               ? stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory")
               : STF_OK;
}

static enum stf_kind plan_cluster(json_t *state, const char *name, const json_t *cluster, const char *site_dir,
                                  struct stf_err *err)
{
    const char *virtual_ip, *interface, *manager;
    int64_t prefix_length;
    enum stf_kind kind = stf_doc_string(cluster, "virtual_ip", &virtual_ip, err);
    if (!kind)
        kind = stf_doc_opt_string(cluster, "manager", "address", &manager, err);
    if (!kind)
        kind = check_address(virtual_ip, err);
    if (!kind)
        kind = stf_doc_opt_int(cluster, "prefix_length", 1, 32, 32, &prefix_length, err);
    if (!kind)
        kind = stf_doc_string(cluster, "interface", &interface, err);
    if (!kind)
        kind = check_interface(interface, err);
    if (kind)
        return kind;

    json_t *planned = json_pack("{s:s, s:s, s:I, s:s, s:s}", "name", name, "virtual_ip", virtual_ip, "prefix_length",
                                (json_int_t)prefix_length, "interface", interface, "manager", manager);
    kind = plan_nodes(state, cluster, planned, err);
    if (!kind && json_object_get(cluster, "secret"))
        kind = plan_path(planned, cluster, "secret", site_dir, err);
    if (!kind && json_array_append(json_object_get(state, "clusters"), planned) < 0)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", name, "no memory");
    json_decref(planned);
    return kind;
}

/* ---------- the whole ---------- */

static enum stf_kind plan_lab_table(json_t *state, const json_t *site, struct stf_err *err)
{
    static const char *const known[] = {"servers", "subnet_prefix_length", NULL};
    json_t *empty = json_object();
    const json_t *lab = json_object_get(site, "lab");
    const char *servers;
    int64_t prefix_length;

    if (!lab)
        lab = empty;
    enum stf_kind kind = stf_doc_check_keys(lab, known, "lab", err);
    if (!kind)
        kind = stf_doc_opt_string(lab, "servers", "real", &servers, err);
    if (!kind && strcmp(servers, "real") != 0 && strcmp(servers, "responder") != 0)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "lab", servers,
                           "lab.servers is \"real\" or \"responder\", found \"%s\"", servers);
    if (!kind)
        kind = stf_doc_opt_int(lab, "subnet_prefix_length", 8, 30, 24, &prefix_length, err);
    if (!kind && (json_object_set_new(state, "servers", json_string(servers)) < 0 ||
                  json_object_set_new(state, "prefix_length", json_integer(prefix_length)) < 0))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    json_decref(empty);
    return kind;
}

enum stf_kind stf_lab_plan(const json_t *site, const char *site_dir, json_t **state, struct stf_err *err)
{
    const char *name;
    char run_dir[sizeof STF_LAB_ROOT + MAX_NAME + 1], switch_netns[MAX_NAME + 8];
    enum stf_kind kind = stf_doc_string(site, "name", &name, err);
    if (!kind)
        kind = stf_lab_check_name(name, "site name", err);
    if (kind)
        return kind;

    snprintf(run_dir, sizeof run_dir, STF_LAB_ROOT "/%s", name);
    snprintf(switch_netns, sizeof switch_netns, "stf-%s-sw", name);
    *state = json_pack("{s:s, s:s, s:s, s:s, s:[], s:[], s:[], s:[], s:[]}", "name", name, "phase", "building",
                       "run_dir", run_dir, "switch", switch_netns, "hosts", "clusters", "hives", "daemons", "made");
    if (!*state)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", name, "no memory");

    kind = plan_lab_table(*state, site, err);
    if (!kind)
        kind = plan_hosts(*state, site, site_dir, err);
    const char *cluster_name;
    json_t *cluster;
    json_object_foreach (json_object_get(site, "clusters"), cluster_name, cluster)
        if (!kind)
            kind = blame("cluster", cluster_name, plan_cluster(*state, cluster_name, cluster, site_dir, err), err);
    if (kind) {
        json_decref(*state);
        *state = NULL;
    }
    return kind;
}
