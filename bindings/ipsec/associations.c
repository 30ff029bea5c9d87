/* associations.c - makes charon negotiate: one connection, or again all those of an address that the host has.
 * Must never alter a connection or secret. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/netns.h"
#include "ipsec/strongswan.h"
#include "ipsec/takeover.h"

enum { LOG_LINES = 3 };

/* charon's errmsg only says that it failed; its last words before tell why ("received AUTHENTICATION_FAILED ..."). */
static void add_log(struct stf_err *err, const json_t *log)
{
    size_t size = json_array_size(log);
    if (!err)
        return;
    for (size_t i = size > LOG_LINES ? size - LOG_LINES : 0; i < size; i++) {
        const char *line = json_string_value(json_object_get(json_array_get(log, i), "msg"));
        size_t used = strlen(err->message);
        if (line)
            snprintf(err->message + used, sizeof err->message - used, "; %s", line);
    }
}

static enum stf_kind initiate_child(struct stf_strongswan *daemon, const char *connection, const char *child,
                                    int64_t timeout_ms, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    json_t *log = NULL, *answer = NULL;
    char timeout[24];

    snprintf(timeout, sizeof timeout, "%lld", (long long)timeout_ms);
    stf_vici_add_text(&message, "child", child);
    stf_vici_add_text(&message, "ike", connection);
    stf_vici_add_text(&message, "timeout", timeout);
    stf_vici_add_text(&message, "loglevel", "1");
    enum stf_kind kind = stf_vici_stream(daemon->client, "initiate", "control-log", &message,
                                         timeout_ms + STF_CHARON_ANSWER_MS, &log, &answer, err);
    stf_vici_message_fini(&message);
    if (!kind) {
        kind = stf_vici_check_success(answer, "initiate", connection, err);
        if (kind)
            add_log(err, log);
    }
    json_decref(log);
    json_decref(answer);
    return kind;
}

/* NAME-2, NAME-3: a connection of IKEv1 has a child for each port. */
static bool is_further_child(const char *child, const char *connection)
{
    size_t size = strlen(connection);
    const char *number = child + size + 1;
    return strncmp(child, connection, size) == 0 && child[size] == '-' && *number &&
           strspn(number, "0123456789") == strlen(number);
}

static enum stf_kind initiate_further(struct stf_strongswan *daemon, const char *connection, int64_t timeout_ms,
                                      struct stf_err *err)
{
    json_t *connections = NULL, *child;
    const char *name;
    enum stf_kind kind = stf_strongswan_list_connections(daemon, connection, &connections, err);
    const json_t *found = json_object_get(connections, connection);
    json_object_foreach (json_object_get(found, "children"), name, child)
        if (!kind && is_further_child(name, connection))
            kind = initiate_child(daemon, connection, name, timeout_ms, err);
    json_decref(connections);
    return kind;
}

enum stf_kind stf_strongswan_initiate(struct stf_strongswan *daemon, const char *connection, const char *child,
                                      int64_t timeout_ms, struct stf_err *err)
{
    enum stf_kind kind = initiate_child(daemon, connection, child ? child : connection, timeout_ms, err);
    return kind || child ? kind : initiate_further(daemon, connection, timeout_ms, err);
}

/* ---------- again ---------- */

/* Whether the host has the address on an interface. */
static enum stf_kind holds(const struct stf_host *host, const char *address, bool *is_held, struct stf_err *err)
{
    struct stf_netns guard;
    struct ifaddrs *all = NULL;
    char text[INET6_ADDRSTRLEN];
    *is_held = false;
    enum stf_kind kind = stf_netns_enter(&guard, host->netns, err);
    if (kind)
        return kind;
    if (getifaddrs(&all) < 0)
        kind = stf_err_errno(err, errno, "addresses", host->name, "cannot list the addresses");
    stf_netns_leave(&guard);
    for (struct ifaddrs *each = all; each && !*is_held; each = each->ifa_next) {
        int family = each->ifa_addr ? each->ifa_addr->sa_family : AF_UNSPEC;
        const void *bytes = family == AF_INET    ? (const void *)&((struct sockaddr_in *)each->ifa_addr)->sin_addr
                            : family == AF_INET6 ? (const void *)&((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr
                                                 : NULL;
        *is_held = bytes && inet_ntop(family, bytes, text, sizeof text) && strcmp(text, address) == 0;
    }
    freeifaddrs(all);
    return kind;
}

static const char *local_address(const json_t *connection)
{
    return json_string_value(json_array_get(json_object_get(connection, "local_addrs"), 0));
}

static enum stf_kind renew(const struct stf_host *host, struct stf_strongswan *daemon, const char *name,
                           int64_t timeout_ms, struct stf_err *err)
{
    json_t *connections = NULL;
    bool is_held = false;
    enum stf_kind kind = stf_strongswan_list_connections(daemon, name, &connections, err);
    const char *address = kind ? NULL : local_address(json_object_get(connections, name));
    if (address)
        kind = holds(host, address, &is_held, err);
    if (!kind && is_held)
        kind = stf_strongswan_terminate(daemon, name, STF_CHARON_FORCE, NULL, err);
    if (!kind && is_held)
        kind = stf_strongswan_initiate(daemon, name, NULL, timeout_ms, err);
    json_decref(connections);
    return kind;
}

enum stf_kind stf_strongswan_renew(const struct stf_host *host, const json_t *names, int64_t timeout_ms,
                                   struct stf_err *err)
{
    struct stf_strongswan daemon = {0};
    size_t index;
    json_t *name;
    enum stf_kind kind = stf_strongswan_open(&daemon, host, err);
    json_array_foreach ((json_t *)names, index, name)
        if (!kind)
            kind = renew(host, &daemon, json_string_value(name), timeout_ms, err);
    stf_strongswan_close(&daemon);
    return kind;
}

/* ---------- taking over ---------- */

/* One command for each of our connections with this local address. charon goes on by itself: an initiate with a
 * time-out of -1 is answered at once, so several front ends are negotiated with side by side. */
static enum stf_kind for_each(struct stf_strongswan *daemon, const json_t *connections, const char *address,
                              const char *command, struct stf_err *err)
{
    size_t count = 0;
    const char *name;
    json_t *connection;
    struct stf_vici_message *messages = calloc(json_object_size(connections) + 1, sizeof *messages);
    struct stf_vici_call *calls = calloc(json_object_size(connections) + 1, sizeof *calls);
    bool is_made = messages && calls, is_initiate = strcmp(command, "initiate") == 0;
    json_object_foreach ((json_t *)connections, name, connection) {
        const char *local = local_address(connection);
        if (!is_made || !local || strcmp(local, address) != 0 || stf_strongswan_check_name(name, NULL))
            continue;
        stf_vici_add_text(&messages[count], "ike", name);
        if (is_initiate)
            stf_vici_add_text(&messages[count], "child", name);
        stf_vici_add_text(&messages[count], is_initiate ? "timeout" : "force", is_initiate ? "-1" : "yes");
        calls[count] = (struct stf_vici_call){.command = command, .message = &messages[count]};
        count++;
    }
    enum stf_kind kind = is_made
                             ? stf_vici_pipeline(daemon->client, calls, count, NULL, NULL, STF_CHARON_ANSWER_MS, err)
                             : stf_err_set(err, STF_NO_MEMORY, 0, command, address, "no memory");
    for (size_t i = 0; i < count; i++) {
        stf_vici_message_fini(&messages[i]);
        json_decref(calls[i].answer);
    }
    free(messages);
    free(calls);
    return kind;
}

enum stf_kind stf_strongswan_take_over(const char *socket_path, const char *address, bool lets_go, struct stf_err *err)
{
    struct stf_strongswan daemon = {.name = "this host"};
    json_t *connections = NULL;
    enum stf_kind kind = stf_vici_open(socket_path, STF_CHARON_ANSWER_MS, &daemon.client, err);
    if (!kind)
        kind = stf_strongswan_list_connections(&daemon, NULL, &connections, err);
    if (!kind)
        kind = for_each(&daemon, connections, address, "terminate", err);
    if (!kind && !lets_go)
        kind = for_each(&daemon, connections, address, "initiate", err);
    json_decref(connections);
    stf_strongswan_close(&daemon);
    return kind;
}
