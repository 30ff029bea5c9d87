/* target.c - reads addresses. Must never ask a resolver. SPDX-License-Identifier: MIT */
#include "target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum stf_kind stf_probe_target_make(const char *address, uint16_t port, struct stf_probe_target *target,
                                    struct stf_err *err)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&target->address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&target->address;

    memset(target, 0, sizeof *target);
    snprintf(target->name, sizeof target->name, "%s", address);
    target->port = port;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        target->address_size = sizeof *in;
        return STF_OK;
    }
    if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        target->address_size = sizeof *in6;
        return STF_OK;
    }
    return stf_err_set(err, STF_INVALID_DATA, 0, "probe", address,
                       "'%s' is no address: expected an IPv4 or IPv6 address such as 10.9.0.100, not a name", address);
}

bool stf_probe_target_is_at(const struct stf_probe_target *target, const struct sockaddr_storage *address)
{
    if (target->address.ss_family != address->ss_family)
        return false;
    if (address->ss_family == AF_INET)
        return ((const struct sockaddr_in *)&target->address)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)&target->address)->sin6_addr,
                              &((const struct sockaddr_in6 *)address)->sin6_addr);
}
