/* hosts.c - what runs on the lab's hosts: the IPsec daemons, the servers of the nodes, and the keys between them.
 * Must never load a connection: that is what a rollout is for. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "parts.h"

enum { SECRET_BYTES = 32, SECRET_TEXT = (SECRET_BYTES + 2) / 3 * 4, MAX_PATH = 320 };

/* ---------- secrets ---------- */

static void base64(const unsigned char *bytes, size_t size, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned group = (unsigned)bytes[i] << 16 | (i + 1 < size ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (i + 2 < size ? bytes[i + 2] : 0u);
        *text++ = digits[group >> 18];
        *text++ = digits[group >> 12 & 63];
        *text++ = i + 1 < size ? digits[group >> 6 & 63] : '=';
        *text++ = i + 2 < size ? digits[group & 63] : '=';
    }
}

static enum stf_kind make_secret(struct stf_lab *lab, const char *path, struct stf_err *err)
{
    unsigned char key[SECRET_BYTES];
    char text[SECRET_TEXT];
    if (access(path, F_OK) == 0)
        return STF_OK;
    enum stf_kind kind = stf_lab_make_parent_dir(lab->state, path, err);
    if (!kind)
        kind = stf_lab_note_made(lab->state, path, err);
    if (kind)
        return kind;
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        return stf_err_errno(err, errno, "lab", path, "cannot get random bytes for the pre-shared key");
    base64(key, sizeof key, text);
    kind = stf_lab_write_file(path, text, sizeof text, 0600, err);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    return kind;
}

enum stf_kind stf_lab_secrets_make(struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *cluster;
    enum stf_kind kind = STF_OK;
    json_array_foreach (json_object_get(lab->state, "clusters"), i, cluster) {
        const char *path = stf_lab_text(cluster, "secret");
        if (path && !kind)
            kind = make_secret(lab, path, err);
    }
    return kind;
}

/* ---------- daemons ---------- */

static enum stf_kind write_config(const char *template_name, const struct stf_lab_value values[], const char *path,
                                  struct stf_err *err)
{
    char *text;
    enum stf_kind kind = stf_lab_template(template_name, values, &text, err);
    if (kind)
        return kind;
    kind = stf_lab_write_file(path, text, strlen(text), 0644, err);
    free(text);
    return kind;
}

/* Userland ESP needs its own packets kept out of its own tunnel (the mark), and routes into it. */
static enum stf_kind start_charon(struct stf_lab *lab, const json_t *host, const char *dir, struct stf_err *err)
{
    bool is_kernel = strcmp(stf_lab_text(lab->state, "esp"), "kernel") == 0;
    const char *charon_conf = stf_lab_text(host, "charon_conf");
    char conf[MAX_PATH], log[MAX_PATH];
    snprintf(conf, sizeof conf, "%s/strongswan.conf", dir);
    snprintf(log, sizeof log, "%s/charon.log", dir);
    const struct stf_lab_value values[] = {
        {"ESP_PLUGINS", is_kernel ? "kernel-netlink" : "kernel-libipsec kernel-netlink"},
        {"INSTALL_ROUTES", is_kernel ? "no" : "yes"},
        {"KERNEL_NETLINK", is_kernel ? "" : "fwmark = !0x42"},
        {"SOCKET_DEFAULT", is_kernel ? "" : "fwmark = 0x42"},
        {"VICI", stf_lab_text(host, "vici")},
        {"LOG", log},
        {"CHARON_CONF", charon_conf ? charon_conf : "strongswan.d/*.conf"},
        {NULL, NULL},
    };
    const char *const argv[] = {"/usr/sbin/charon-systemd", NULL};
    enum stf_kind kind = stf_lab_make_dir(lab->state, stf_lab_text(host, "conf_dir"), err);
    if (!kind && charon_conf)
        kind = stf_lab_make_parent_dir(lab->state, charon_conf, err);
    if (!kind)
        kind = stf_lab_make_parent_dir(lab->state, stf_lab_text(host, "vici"), err);
    if (!kind)
        kind = stf_lab_note_made(lab->state, stf_lab_text(host, "vici"), err);
    if (!kind)
        kind = write_config("strongswan.conf.in", values, conf, err);
    return kind ? kind
                : stf_lab_start(
                      lab,
                      &(struct stf_lab_daemon){
                          .host = host, .name = "charon", .argv = argv, .environment = {"STRONGSWAN_CONF", conf}},
                      err);
}

/* A folder of the server's own below the host's, its configuration there, and the program on it. */
static enum stf_kind start_server(struct stf_lab *lab, const json_t *host, const char *name, const char *dir,
                                  const char *conf, const char *const argv[], struct stf_err *err)
{
    char template_name[64];
    snprintf(template_name, sizeof template_name, "%s.conf.in", name);
    const struct stf_lab_value values[] = {{"DIR", dir}, {"HOST", stf_lab_text(host, "name")}, {NULL, NULL}};
    enum stf_kind kind = stf_lab_make_dir(lab->state, dir, err);
    if (!kind)
        kind = write_config(template_name, values, conf, err);
    return kind ? kind : stf_lab_start(lab, &(struct stf_lab_daemon){.host = host, .name = name, .argv = argv}, err);
}

static enum stf_kind start_real_servers(struct stf_lab *lab, const json_t *host, const char *host_dir,
                                        struct stf_err *err)
{
    char dir[MAX_PATH], conf[MAX_PATH + 16], log[MAX_PATH + 16];
    snprintf(dir, sizeof dir, "%s/dovecot", host_dir);
    snprintf(conf, sizeof conf, "%s/dovecot.conf", dir);
    const char *const dovecot[] = {"/usr/sbin/dovecot", "-F", "-c", conf, NULL};
    enum stf_kind kind = start_server(lab, host, "dovecot", dir, conf, dovecot, err);
    if (kind)
        return kind;
    snprintf(dir, sizeof dir, "%s/nginx", host_dir);
    snprintf(conf, sizeof conf, "%s/nginx.conf", dir);
    snprintf(log, sizeof log, "%s/nginx.log", dir);
    const char *const nginx[] = {"/usr/sbin/nginx", "-e", log, "-p", dir, "-c", conf, NULL};
    return start_server(lab, host, "nginx", dir, conf, nginx, err);
}

/* One a port, so that each greets in its own protocol. */
static enum stf_kind start_responders(struct stf_lab *lab, const json_t *host, struct stf_err *err)
{
    static const struct {
        const char *name, *greeting, *port;
    } services[] = {{"pop3", "+OK", "110"}, {"imap", "* OK", "143"}, {"http", "HTTP/1.0 200 OK", "80"}};
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; i < sizeof services / sizeof *services && !kind; i++) {
        char banner[64], name[32];
        snprintf(banner, sizeof banner, "%s %s ready", services[i].greeting, stf_lab_text(host, "name"));
        snprintf(name, sizeof name, "responder-%s", services[i].name);
        const char *const argv[] = {lab->self_path, "lab", "responder", banner, services[i].port, NULL};
        kind = stf_lab_start(lab, &(struct stf_lab_daemon){.host = host, .name = name, .argv = argv}, err);
    }
    return kind;
}

static bool is_node(const json_t *host)
{
    return strcmp(stf_lab_text(host, "role"), "node") == 0;
}

static bool has_real_servers(const struct stf_lab *lab)
{
    return strcmp(stf_lab_text(lab->state, "servers"), "real") == 0;
}

static enum stf_kind start_host(struct stf_lab *lab, const json_t *host, struct stf_err *err)
{
    char dir[MAX_PATH - 32];
    snprintf(dir, sizeof dir, "%s/%s", lab->run_dir, stf_lab_text(host, "name"));
    enum stf_kind kind = stf_lab_make_dir(lab->state, dir, err);
    if (!kind && stf_lab_text(host, "vici"))
        kind = start_charon(lab, host, dir, err);
    if (!kind && is_node(host))
        kind = has_real_servers(lab) ? start_real_servers(lab, host, dir, err) : start_responders(lab, host, err);
    return kind;
}

static enum stf_kind await_host(struct stf_lab *lab, const json_t *host, struct stf_err *err)
{
    const char *netns = stf_lab_text(host, "netns");
    enum stf_kind kind = STF_OK;
    if (stf_lab_text(host, "vici"))
        kind = stf_lab_await_vici(lab, stf_lab_text(host, "vici"), err);
    if (kind || !is_node(host))
        return kind;
    kind = stf_lab_await_port(lab, netns, 110, true, err);
    if (!kind)
        kind = stf_lab_await_port(lab, netns, 143, true, err);
    return kind ? kind : stf_lab_await_port(lab, netns, 80, false, err);
}

enum stf_kind stf_lab_hosts_up(struct stf_lab *lab, struct stf_err *err)
{
    size_t i;
    json_t *host;
    enum stf_kind kind = STF_OK;
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host) {
        if (!kind)
            kind = start_host(lab, host, err);
        if (!kind)
            kind = stf_lab_pause(lab, 0, err);
    }
    json_array_foreach (json_object_get(lab->state, "hosts"), i, host)
        if (!kind)
            kind = await_host(lab, host, err);
    return kind;
}
