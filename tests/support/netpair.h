/* netpair.h - for tests: two network namespaces joined by a veth pair, eth0 in both, with IPv4 and IPv6 addresses.
 * Must never leave a namespace behind, also when the test is killed. SPDX-License-Identifier: MIT */
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/netns.h"

#define NETPAIR_LEFT_IPV4 "10.77.0.1"
#define NETPAIR_RIGHT_IPV4 "10.77.0.2"
#define NETPAIR_LEFT_IPV6 "fd77::1"
#define NETPAIR_RIGHT_IPV6 "fd77::2"

struct netpair {
    char left[32];
    char right[32];
    int guard_fd; /* when it closes, with the test, the namespaces go */
};

/* A command line of the test's own making; true when it exits with 0. */
__attribute__((format(printf, 1, 2))) static inline bool netpair_run(const char *format, ...)
{
    char command[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    int status = system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Leaves a process behind that waits for the end of the test, whatever that is, and then cleans up. */
static inline bool netpair_start_janitor(struct netpair *pair)
{
    int fds[2];
    if (pipe(fds) < 0)
        return false;
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    pair->guard_fd = fds[1];
    pid_t middle = fork();
    if (middle == 0) {
        if (setsid() < 0 || fork() != 0)
            _exit(0);
        int null_fd = open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 3; fd++)
            dup2(null_fd, fd);
        close(fds[1]);
        char byte;
        while (read(fds[0], &byte, 1) > 0)
            ;
        netpair_run("ip netns del %s; ip netns del %s", pair->left, pair->right);
        _exit(0);
    }
    close(fds[0]);
    return middle > 0 && waitpid(middle, NULL, 0) == middle;
}

/* False when the machine does not let us: no root, no ip(8). */
static inline bool netpair_up(struct netpair *pair, const char *tag)
{
    snprintf(pair->left, sizeof pair->left, "stf-%s-%d-l", tag, (int)getpid());
    snprintf(pair->right, sizeof pair->right, "stf-%s-%d-r", tag, (int)getpid());
    if (!netpair_run("ip netns add %s 2>/dev/null && ip netns add %s", pair->left, pair->right))
        return false;
    return netpair_start_janitor(pair) &&
           netpair_run("ip -n %s link add eth0 type veth peer name eth0 netns %s", pair->left, pair->right) &&
           netpair_run("for n in %s %s; do ip -n $n link set lo up; ip -n $n link set eth0 up; done", pair->left,
                       pair->right) &&
           netpair_run("ip -n %s addr add " NETPAIR_LEFT_IPV4 "/24 dev eth0", pair->left) &&
           netpair_run("ip -n %s addr add " NETPAIR_LEFT_IPV6 "/64 dev eth0 nodad", pair->left) &&
           netpair_run("ip -n %s addr add " NETPAIR_RIGHT_IPV4 "/24 dev eth0", pair->right) &&
           netpair_run("ip -n %s addr add " NETPAIR_RIGHT_IPV6 "/64 dev eth0 nodad", pair->right);
}

static inline void netpair_down(struct netpair *pair)
{
    netpair_run("ip netns del %s; ip netns del %s", pair->left, pair->right);
}

/* A socket that lives in namespace `netns`; -1 and errno when it fails. */
static inline int netpair_socket(const char *netns, int family, int type, int protocol)
{
    struct stf_netns guard;
    if (stf_netns_enter(&guard, netns, NULL))
        return -1;
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    stf_netns_leave(&guard);
    return fd;
}

/* An IPv4 or IPv6 socket address of `text` and `port`; returns its size. */
static inline socklen_t netpair_address(struct sockaddr_storage *address, const char *text, uint16_t port)
{
    memset(address, 0, sizeof *address);
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)address;
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1) {
        ipv4->sin_family = AF_INET;
        ipv4->sin_port = htons(port);
        return sizeof *ipv4;
    }
    inet_pton(AF_INET6, text, &ipv6->sin6_addr);
    ipv6->sin6_family = AF_INET6;
    ipv6->sin6_port = htons(port);
    return sizeof *ipv6;
}

/* A socket bound to address and port; listening when it is a stream. -1 when it fails. */
static inline int netpair_bind(const char *netns, int type, const char *address, uint16_t port)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, address, port);
    int one = 1, fd = netpair_socket(netns, at.ss_family, type, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, size) == 0 && (type != SOCK_STREAM || listen(fd, 16) == 0))
        return fd;
    close(fd);
    return -1;
}

/* A TCP connection, or -1 when none stands within `timeout_ms`. */
static inline int netpair_connect(const char *netns, const char *address, uint16_t port, int timeout_ms)
{
    struct sockaddr_storage at;
    socklen_t size = netpair_address(&at, address, port);
    int fd = netpair_socket(netns, at.ss_family, SOCK_STREAM, 0);
    struct timeval limit = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* bounds connect(2) too */
    if (connect(fd, (struct sockaddr *)&at, size) == 0)
        return fd;
    close(fd);
    return -1;
}
