/* fixture.c - brings up two charon daemons, and leaves the cleaning to a janitor process that outlives any end of the
 * test. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ipsec/vici_client.h"

#define CHARON "/usr/sbin/charon-systemd"

__attribute__((format(printf, 1, 2))) static bool run(const char *format, ...)
{
    char command[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    int status = system(command);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "fixture: failed: %s\n", command);
    return false;
}

const char *fixture_obstacle(void)
{
    if (geteuid() != 0)
        return "needs root, for network namespaces";
    if (access(CHARON, X_OK) < 0 || access("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", R_OK) < 0)
        return "needs charon-systemd and libcharon-extra-plugins";
    if (access("/dev/net/tun", R_OK | W_OK) < 0)
        return "needs /dev/net/tun, for ESP in user space";
    return NULL;
}

/* ---------- the janitor ---------- */

static bool start_janitor(struct fixture *fixture)
{
    char script[512];
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
    snprintf(script, sizeof script,
             "read line; for n in %s %s; do for p in $(ip netns pids $n 2>/dev/null); do kill -9 $p; done;"
             " ip netns del $n 2>/dev/null; done; rm -rf %s",
             fixture->nodes[0].netns, fixture->nodes[1].netns, fixture->dir);
    fixture->janitor = fork();
    if (fixture->janitor == 0) {
        setsid(); /* out of reach of what ends the test's process group */
        dup2(fds[0], STDIN_FILENO);
        int null_fd = open("/dev/null", O_WRONLY);
        dup2(null_fd, STDOUT_FILENO);
        dup2(null_fd, STDERR_FILENO);
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    close(fds[0]);
    fixture->janitor_fd = fds[1];
    return fixture->janitor > 0;
}

void fixture_down(struct fixture *fixture)
{
    for (int i = 0; i < 2; i++) {
        fixture_stop_charon(&fixture->nodes[i]);
        json_decref(fixture->nodes[i].config);
    }
    close(fixture->janitor_fd);
    waitpid(fixture->janitor, NULL, 0);
}

/* ---------- daemons ---------- */

static bool write_strongswan_conf(const struct node *node)
{
    /* or charon's own packets enter its tunnel */
    static const char own_packets[] = "    kernel-netlink { fwmark = !0x42 }\n    socket-default { fwmark = 0x42 }\n";
    char path[160];
    snprintf(path, sizeof path, "%s/strongswan.conf", node->dir);
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file,
            "charon {\n"
            "  load_modular = no\n"
            "  load = random nonce openssl kdf pem x509 pubkey %s kernel-netlink socket-default vici updown counters\n"
            "  install_routes = yes\n"
            "  install_virtual_ip = no\n"
            "  plugins {\n"
            "    vici { socket = unix://%s }\n"
            "    kernel-libipsec { allow_peer_ts = yes }\n"
            "%s"
            "  }\n"
            "  syslog { daemon { default = -1 } }\n"
            "}\n"
            "include strongswan.d/*.conf\n",
            node->is_kernel ? "" : "kernel-libipsec", node->socket, node->is_kernel ? "" : own_packets);
    return fclose(file) == 0;
}

static void exec_charon(const struct node *node)
{
    char path[160];
    snprintf(path, sizeof path, "%s/strongswan.conf", node->dir);
    setenv("STRONGSWAN_CONF", path, 1);
    snprintf(path, sizeof path, "%s/charon.out", node->dir);
    int out_fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out_fd, STDOUT_FILENO);
    dup2(out_fd, STDERR_FILENO);
    execlp("ip", "ip", "netns", "exec", node->netns, CHARON, (char *)NULL);
    _exit(127);
}

bool fixture_start_charon(struct node *node)
{
    unlink(node->socket);
    node->charon = fork();
    if (node->charon == 0)
        exec_charon(node);
    for (int i = 0; i < 1000 && node->charon > 0; i++) {
        struct stf_vici_client *client = NULL;
        json_t *answer = NULL;
        enum stf_kind kind = stf_vici_open(node->socket, 1000, &client, NULL);
        if (!kind)
            kind = stf_vici_request(client, "version", NULL, 5000, &answer, NULL);
        json_decref(answer);
        stf_vici_close(client);
        if (!kind)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fprintf(stderr, "fixture: charon did not come up in %s\n", node->netns);
    return false;
}

void fixture_stop_charon(struct node *node)
{
    if (node->charon > 0) {
        kill(node->charon, SIGKILL);
        waitpid(node->charon, NULL, 0);
    }
    node->charon = 0;
}

/* ---------- up ---------- */

static void describe_node(struct fixture *fixture, int index)
{
    struct node *node = &fixture->nodes[index];
    node->is_kernel = fixture->is_kernel;
    snprintf(node->netns, sizeof node->netns, "stf-ips%d-%d", (int)getpid(), index);
    snprintf(node->dir, sizeof node->dir, "%s/%d", fixture->dir, index);
    snprintf(node->socket, sizeof node->socket, "%s/%d/charon.vici", fixture->dir, index);
    /* one node with the scheme in front, one with a path relative to the site */
    node->config = json_pack("{s:{s:o, s:o, s:o, s:b}}", "ipsec", "vici",
                             json_sprintf("%s%s", index ? "unix://" : "", node->socket), "conf_dir",
                             index ? json_sprintf("%s/conf.d", node->dir) : json_string("0/conf.d"), "charon_conf",
                             json_sprintf("%d/strongswan.d/staffetta.conf", index), "allow_tunnel", 1);
    node->host = (struct stf_host){
        .name = index ? "server" : "client", .netns = node->netns, .config = node->config, .site_dir = fixture->dir};
}

static bool start_node(struct node *node, int index)
{
    char conf_dir[160], charon_dir[160];
    snprintf(conf_dir, sizeof conf_dir, "%s/conf.d", node->dir);
    snprintf(charon_dir, sizeof charon_dir, "%s/strongswan.d", node->dir);
    return mkdir(node->dir, 0700) == 0 && mkdir(conf_dir, 0700) == 0 && mkdir(charon_dir, 0700) == 0 &&
           write_strongswan_conf(node) &&
           run("ip -n %s link set lo up && ip -n %s link set eth0 up && ip -n %s addr add 10.9.0.%d/24 dev eth0 && "
               "ip -n %s addr add fd09::%d/64 dev eth0 nodad",
               node->netns, node->netns, node->netns, index + 1, node->netns, index + 1) &&
           fixture_start_charon(node);
}

bool fixture_up(struct fixture *fixture, bool is_kernel)
{
    *fixture = (struct fixture){.is_kernel = is_kernel, .janitor_fd = -1};
    strcpy(fixture->dir, "/tmp/stf-ipsec-XXXXXX");
    if (!mkdtemp(fixture->dir))
        return false;
    describe_node(fixture, 0);
    describe_node(fixture, 1);
    const char *client = fixture->nodes[0].netns, *server = fixture->nodes[1].netns;
    return start_janitor(fixture) && run("ip netns add %s && ip netns add %s", client, server) &&
           run("ip link add eth0 netns %s type veth peer name eth0 netns %s", client, server) &&
           start_node(&fixture->nodes[0], 0) && start_node(&fixture->nodes[1], 1);
}

char *fixture_swanctl(const struct node *node, const char *arguments)
{
    char command[384];
    char *output = NULL;
    size_t size;
    snprintf(command, sizeof command, "swanctl %s --uri unix://%s 2>/dev/null", arguments, node->socket);
    FILE *from = popen(command, "r"), *to = open_memstream(&output, &size);
    for (int byte; (byte = fgetc(from)) != EOF;)
        fputc(byte, to);
    pclose(from);
    fclose(to);
    return output;
}
