/* mnl.c - opens libmnl late, and asks the kernel one thing. Must never wait for the kernel without a deadline.
 * SPDX-License-Identifier: MIT */
#include "mnl.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "dl.h"

#define SYMBOL(name)                                                                                                   \
    {                                                                                                                  \
        "mnl_" #name, offsetof(struct stf_mnl, name)                                                                   \
    }

static const struct stf_dl_symbol symbols[] = {
    SYMBOL(nlmsg_put_header),
    SYMBOL(nlmsg_put_extra_header),
    SYMBOL(nlmsg_get_payload),
    SYMBOL(attr_put),
    SYMBOL(attr_put_u32),
    SYMBOL(attr_parse),
    SYMBOL(attr_get_type),
    SYMBOL(attr_get_payload),
    SYMBOL(attr_get_payload_len),
    SYMBOL(attr_get_u32),
    SYMBOL(cb_run),
    SYMBOL(socket_open2),
    SYMBOL(socket_bind),
    SYMBOL(socket_get_fd),
    SYMBOL(socket_get_portid),
    SYMBOL(socket_sendto),
    SYMBOL(socket_recvfrom),
    SYMBOL(socket_close),
    {NULL, 0},
};

static struct stf_dl library = {.soname = "libmnl.so.0", .package = "libmnl0", .symbols = symbols};
static struct stf_mnl functions;

enum stf_kind stf_mnl_get(const struct stf_mnl **mnl, struct stf_err *err)
{
    *mnl = &functions;
    return stf_dl_open(&library, &functions, err);
}

static enum stf_kind receive(const struct stf_mnl *mnl, struct mnl_socket *socket, uint32_t sequence, mnl_cb_t each,
                             void *data, int *refusal, struct stf_err *err)
{
    _Alignas(struct nlmsghdr) char buffer[STF_MNL_BUFFER_SIZE];
    enum stf_kind kind = STF_OK;
    int more = MNL_CB_OK;
    while (more > MNL_CB_STOP && !kind) {
        ssize_t size = mnl->socket_recvfrom(socket, buffer, sizeof buffer);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0) {
            kind = stf_err_errno(err, errno, "netlink", NULL, "no answer from the kernel");
            continue;
        }
        more = mnl->cb_run(buffer, (size_t)size, sequence, mnl->socket_get_portid(socket), each, data);
        *refusal = more < 0 ? errno : 0;
    }
    explicit_bzero(buffer, sizeof buffer); /* security associations come with their keys */
    return kind;
}

enum stf_kind stf_mnl_request(int bus, struct nlmsghdr *request, mnl_cb_t each, void *data, int *refusal,
                              struct stf_err *err)
{
    static const struct timeval limit = {.tv_sec = 5};
    const struct stf_mnl *mnl;
    enum stf_kind kind = stf_mnl_get(&mnl, err);
    if (kind)
        return kind;
    struct mnl_socket *socket = mnl->socket_open2(bus, SOCK_CLOEXEC);
    if (!socket)
        return stf_err_errno(err, errno, "netlink", NULL, "cannot open a netlink socket");
    request->nlmsg_seq = 1;
    if (mnl->socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl->socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        mnl->socket_sendto(socket, request, request->nlmsg_len) < 0)
        kind = stf_err_errno(err, errno, "netlink", NULL, "cannot ask the kernel");
    else
        kind = receive(mnl, socket, request->nlmsg_seq, each, data, refusal, err);
    mnl->socket_close(socket);
    return kind;
}

enum stf_kind stf_mnl_dump(int bus, struct nlmsghdr *request, mnl_cb_t each, void (*forget)(void *data), void *data,
                           int *refusal, struct stf_err *err)
{
    enum { ATTEMPTS = 8 };
    enum stf_kind kind = STF_OK;
    *refusal = EINTR; /* what the kernel says of a dump during which something changed */
    for (int i = 0; i < ATTEMPTS && !kind && *refusal == EINTR; i++) {
        forget(data);
        kind = stf_mnl_request(bus, request, each, data, refusal, err);
    }
    return kind;
}
