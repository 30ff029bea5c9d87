/* sessions.c - asks the kernel for the TCP sockets of an address, and to end each (sock_diag(7), SOCK_DESTROY).
 * Must never end a connection of another address. SPDX-License-Identifier: MIT */
#include "sessions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "common/mnl.h"

/* An IPv4 connection of a socket for both families has its address in this form. */
static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

struct sessions {
    const struct stf_mnl *mnl;
    const struct stf_address *address;
    struct inet_diag_req_v2 *items;
    size_t count, capacity;
};

static bool is_local(const struct stf_address *address, const struct inet_diag_msg *socket)
{
    const uint8_t *bytes = (const uint8_t *)socket->id.idiag_src;
    size_t size = stf_address_size(address->family);
    if (socket->idiag_family == address->family)
        return memcmp(bytes, address->bytes, size) == 0;
    return address->family == AF_INET && memcmp(bytes, mapped, sizeof mapped) == 0 &&
           memcmp(bytes + sizeof mapped, address->bytes, size) == 0;
}

static int note(const struct nlmsghdr *message, void *data)
{
    struct sessions *sessions = data;
    const struct inet_diag_msg *socket = sessions->mnl->nlmsg_get_payload(message);
    if (!is_local(sessions->address, socket))
        return MNL_CB_OK;
    if (sessions->count == sessions->capacity) {
        size_t capacity = sessions->capacity ? 2 * sessions->capacity : 64;
        struct inet_diag_req_v2 *items = realloc(sessions->items, capacity * sizeof *items);
        if (!items) {
            errno = ENOMEM;
            return MNL_CB_ERROR;
        }
        sessions->items = items;
        sessions->capacity = capacity;
    }
    sessions->items[sessions->count++] = (struct inet_diag_req_v2){
        .sdiag_family = socket->idiag_family, .sdiag_protocol = IPPROTO_TCP, .id = socket->id};
    return MNL_CB_OK;
}

static enum stf_kind ask(const struct stf_mnl *mnl, uint16_t type, uint16_t flags,
                         const struct inet_diag_req_v2 *wanted, mnl_cb_t each, void *data, int *refusal,
                         struct stf_err *err)
{
    _Alignas(struct nlmsghdr) char buffer[256];
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | flags;
    memcpy(mnl->nlmsg_put_extra_header(request, sizeof *wanted), wanted, sizeof *wanted);
    return stf_mnl_request(NETLINK_SOCK_DIAG, request, each, data, refusal, err);
}

/* Those of one family, but for listeners and what has ended and is only remembered. */
static enum stf_kind find(struct sessions *sessions, int family, struct stf_err *err)
{
    const struct inet_diag_req_v2 wanted = {.sdiag_family = (uint8_t)family,
                                            .sdiag_protocol = IPPROTO_TCP,
                                            .idiag_states =
                                                ~(UINT32_C(1) << TCP_LISTEN | UINT32_C(1) << TCP_TIME_WAIT)};
    int refusal;
    enum stf_kind kind = ask(sessions->mnl, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &wanted, note, sessions, &refusal, err);
    return !kind && refusal ? stf_err_errno(err, refusal, "sessions", NULL, "the kernel does not list its connections")
                            : kind;
}

/* One that has ended by itself meanwhile is no error. */
static enum stf_kind end(const struct sessions *sessions, struct stf_err *err)
{
    int refusal = 0;
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; i < sessions->count && !kind && refusal != EOPNOTSUPP; i++)
        kind = ask(sessions->mnl, SOCK_DESTROY, NLM_F_ACK, &sessions->items[i], NULL, NULL, &refusal, err);
    return !kind && refusal == EOPNOTSUPP
               ? stf_err_set(err, STF_UNSUPPORTED, refusal, "sessions", NULL,
                             "the kernel can not end connections: it was built without CONFIG_INET_DIAG_DESTROY")
               : kind;
}

enum stf_kind stf_sessions_end(const struct stf_address *address, struct stf_err *err)
{
    struct sessions sessions = {.address = address};
    enum stf_kind kind = stf_mnl_get(&sessions.mnl, err);
    if (!kind && address->family == AF_INET)
        kind = find(&sessions, AF_INET, err);
    if (!kind)
        kind = find(&sessions, AF_INET6, err);
    if (!kind)
        kind = end(&sessions, err);
    free(sessions.items);
    return kind;
}

enum stf_kind stf_sessions_end_of(const char *text, struct stf_err *err)
{
    struct stf_address address = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};
    if (inet_pton(address.family, text, address.bytes) != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "sessions", text, "'%s' is no address", text);
    return stf_sessions_end(&address, err);
}
