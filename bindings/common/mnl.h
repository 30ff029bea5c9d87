/* mnl.h - libmnl, opened when a command first needs it, and one request to the kernel through it.
 * Must keep no socket between calls: a socket belongs to the network namespace it was opened in.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <libmnl/libmnl.h>

#include <staffetta/err.h>

enum { STF_MNL_BUFFER_SIZE = 32768 };

/* libmnl's functions under their own names without mnl_. */
struct stf_mnl {
    __typeof__(&mnl_nlmsg_put_header) nlmsg_put_header;
    __typeof__(&mnl_nlmsg_put_extra_header) nlmsg_put_extra_header;
    __typeof__(&mnl_nlmsg_get_payload) nlmsg_get_payload;
    __typeof__(&mnl_attr_put) attr_put;
    __typeof__(&mnl_attr_put_u32) attr_put_u32;
    __typeof__(&mnl_attr_parse) attr_parse;
    __typeof__(&mnl_attr_get_type) attr_get_type;
    __typeof__(&mnl_attr_get_payload) attr_get_payload;
    __typeof__(&mnl_attr_get_payload_len) attr_get_payload_len;
    __typeof__(&mnl_attr_get_u32) attr_get_u32;
    __typeof__(&mnl_cb_run) cb_run;
    __typeof__(&mnl_socket_open2) socket_open2;
    __typeof__(&mnl_socket_bind) socket_bind;
    __typeof__(&mnl_socket_get_fd) socket_get_fd;
    __typeof__(&mnl_socket_get_portid) socket_get_portid;
    __typeof__(&mnl_socket_sendto) socket_sendto;
    __typeof__(&mnl_socket_recvfrom) socket_recvfrom;
    __typeof__(&mnl_socket_close) socket_close;
};

/* The functions, valid until the program ends; STF_UNSUPPORTED when libmnl is not installed. Thread-safe. */
enum stf_kind stf_mnl_get(const struct stf_mnl **mnl, struct stf_err *err);

/* Sends `request` on a netlink bus (NETLINK_ROUTE) of the calling thread's network namespace and gives each message of
 * the answer to `each` (may be NULL). A request that is no dump must carry NLM_F_ACK. STF_OK means that the kernel has
 * answered: `*refusal` is then 0, or the errno with which it refused. */
enum stf_kind stf_mnl_request(int bus, struct nlmsghdr *request, mnl_cb_t each, void *data, int *refusal,
                              struct stf_err *err);

/* Asks for a dump, and again when the kernel says that something has changed meanwhile: `forget` drops what `each` was
 * given until then. */
enum stf_kind stf_mnl_dump(int bus, struct nlmsghdr *request, mnl_cb_t each, void (*forget)(void *data), void *data,
                           int *refusal, struct stf_err *err);
