/* responder.c - one thread, one epoll, no state per connection.
 * Must never wait for a client: one that does not read is dropped. SPDX-License-Identifier: MIT */
#include "responder.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_PER_WAIT = 256, BANNER_MAX = 512, BACKLOG = 4096, PORTS_MAX = 64 };

/* What an epoll event is about, in the upper half of its data; the lower half is the descriptor. */
enum source { SOURCE_SIGNAL, SOURCE_LISTENER, SOURCE_CLIENT };

struct responder {
    int epoll_fd, signal_fd;
    int spare_fd; /* given up for a moment when descriptors run out, so that a client can be taken and dropped */
    int listeners[2 * PORTS_MAX];
    size_t listener_count;
    char banner[BANNER_MAX + 3];
    size_t banner_size;
};

static int watch(struct responder *responder, int fd, enum source source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | (uint32_t)fd};
    return epoll_ctl(responder->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* Accepted sockets inherit the keep-alive: it ends connections whose client went away while packets were lost. */
static int open_listener(int family, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = family == AF_INET;

    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool is_ready =
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 && set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) == 0 &&
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10) == 0 && set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5) == 0 &&
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 2) == 0 &&
        (is_v4 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0) &&
        bind(fd, is_v4 ? (struct sockaddr *)&in : (struct sockaddr *)&in6, is_v4 ? sizeof in : sizeof in6) == 0 &&
        listen(fd, BACKLOG) == 0;
    if (is_ready)
        return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

static enum stf_kind listen_on(struct responder *responder, uint16_t port, struct stf_err *err)
{
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < 2; i++) {
        int fd = open_listener(families[i], port);
        if (fd < 0 && families[i] == AF_INET6 && errno == EAFNOSUPPORT)
            continue;
        if (fd >= 0)
            responder->listeners[responder->listener_count++] = fd;
        if (fd < 0 || watch(responder, fd, SOURCE_LISTENER) < 0) {
            char subject[32];
            snprintf(subject, sizeof subject, "port %u", port);
            return stf_err_errno(err, errno, "listen", subject, "cannot listen");
        }
    }
    return STF_OK;
}

static enum stf_kind watch_signals(struct responder *responder, struct stf_err *err)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    responder->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (responder->signal_fd < 0 || watch(responder, responder->signal_fd, SOURCE_SIGNAL) < 0)
        return stf_err_errno(err, errno, "listen", NULL, "cannot watch signals");
    return STF_OK;
}

static bool say(const struct responder *responder, int fd)
{
    return send(fd, responder->banner, responder->banner_size, MSG_NOSIGNAL) == (ssize_t)responder->banner_size;
}

static void drop_one(struct responder *responder, int listener)
{
    close(responder->spare_fd);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    responder->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_clients(struct responder *responder, int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                drop_one(responder, listener);
            return;
        }
        if (!say(responder, fd) || watch(responder, fd, SOURCE_CLIENT) < 0)
            close(fd);
    }
}

static void serve_client(struct responder *responder, int fd)
{
    char bytes[1024];
    ssize_t count = recv(fd, bytes, sizeof bytes, 0);
    bool is_alive = count > 0 || (count < 0 && errno == EAGAIN);
    for (ssize_t i = 0; i < count && is_alive; i++)
        if (bytes[i] == '\n')
            is_alive = say(responder, fd);
    if (!is_alive)
        close(fd);
}

static enum stf_kind serve(struct responder *responder, struct stf_err *err)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    for (;;) {
        int count = epoll_wait(responder->epoll_fd, events, EVENTS_PER_WAIT, -1);
        if (count < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "serve", NULL, "cannot wait for clients");
        for (int i = 0; i < count; i++) {
            int fd = (int)(uint32_t)events[i].data.u64;
            switch ((enum source)(events[i].data.u64 >> 32)) {
            case SOURCE_SIGNAL:
                return STF_OK;
            case SOURCE_LISTENER:
                accept_clients(responder, fd);
                break;
            case SOURCE_CLIENT:
                serve_client(responder, fd);
                break;
            }
        }
    }
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* when it fails, clients above the limit are dropped */
}

static enum stf_kind prepare(struct responder *responder, const char *banner, struct stf_err *err)
{
    size_t length = strlen(banner);
    if (length > BANNER_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "listen", NULL, "the banner has %zu bytes: expected at most %d",
                           length, BANNER_MAX);
    responder->banner_size = (size_t)snprintf(responder->banner, sizeof responder->banner, "%s\r\n", banner);
    raise_file_limit();
    responder->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    responder->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (responder->epoll_fd < 0 || responder->spare_fd < 0)
        return stf_err_errno(err, errno, "listen", NULL, "cannot set up");
    return watch_signals(responder, err);
}

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

enum stf_kind stf_responder_run(const char *banner, const uint16_t *ports, size_t port_count, struct stf_err *err)
{
    struct responder responder = {.epoll_fd = -1, .signal_fd = -1, .spare_fd = -1};

    if (port_count == 0 || port_count > PORTS_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "listen", NULL, "%zu ports: expected 1 to %d", port_count,
                           PORTS_MAX);
    enum stf_kind kind = prepare(&responder, banner, err);
    for (size_t i = 0; i < port_count && kind == STF_OK; i++)
        kind = listen_on(&responder, ports[i], err);
    if (kind == STF_OK)
        kind = serve(&responder, err);
    for (size_t i = 0; i < responder.listener_count; i++)
        close(responder.listeners[i]);
    close_if_open(responder.epoll_fd);
    close_if_open(responder.signal_fd);
    close_if_open(responder.spare_fd);
    return kind;
}
