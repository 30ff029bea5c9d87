/* guard.c - the clear-text guard as one nftables table, written and read through nft's JSON.
 * A state is what the kernel's rules are: it is never remembered anywhere else. SPDX-License-Identifier: MIT */
#include "guard.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/process.h"
#include "ipsec/traffic.h"
#include "ipsec/windows_host.h"

enum {
    NFT_TIMEOUT_MS = 10000,
    MAX_TABLE_NAME = 64,
    COMMENT_SIZE = 128,
    COMMENT_WORDS_MAX = 48,
    PORT_IKE = 500,
    PORT_IKE_NAT = 4500
};
static const struct stf_ports all_ports = {0, 0};

/* A state taken apart; strings point into its document. */
struct guard {
    bool is_server;
    bool is_kernel;
    const char *address; /* as the state spells it; so the peer's */
    const char *peer;    /* or NULL: anybody */
    const char *interface;
    const json_t *traffic;
    const json_t *exempt; /* or NULL */
    char table[MAX_TABLE_NAME];
    char nft_address[INET6_ADDRSTRLEN]; /* as nft spells it; so the peer's */
    char nft_peer[INET6_ADDRSTRLEN];
    bool is_ipv6;
};

/* ---------- id and state ---------- */

static bool is_guard_name(const char *name)
{
    static const char prefix[] = "staffetta-";
    size_t length = strlen(name);
    return strncmp(name, prefix, strlen(prefix)) == 0 && length > strlen(prefix) && length < MAX_TABLE_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

/* "staffetta-mail" is table staffetta_mail: nft's names have no dash. No two guards share a table. */
static enum stf_kind read_id(const json_t *id, char table[MAX_TABLE_NAME], struct stf_err *err)
{
    static const char *const known[] = {"name", NULL};
    const char *name;
    enum stf_kind kind = stf_doc_check_keys(id, known, "ipsec.guard", err);
    if (!kind)
        kind = stf_doc_string(id, "name", &name, err);
    if (kind)
        return kind;
    if (!is_guard_name(name))
        return stf_err_set(
            err, STF_DENIED, 0, "ipsec.guard", name,
            "'%s' is no name of a guard: expected 'staffetta-' and a-z, 0-9, '-' (at most %d characters); "
            "other tables are never touched",
            name, MAX_TABLE_NAME - 1);
    size_t i = 0;
    for (; name[i]; i++)
        table[i] = name[i] == '-' ? '_' : name[i];
    table[i] = '\0';
    return STF_OK;
}

static enum stf_kind read_choice(const json_t *state, const char *key, const char *yes, const char *no, bool *out,
                                 struct stf_err *err)
{
    const char *text;
    enum stf_kind kind = stf_doc_string(state, key, &text, err);
    if (kind)
        return kind;
    *out = strcmp(text, yes) == 0;
    if (!*out && strcmp(text, no) != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "ipsec.guard", key,
                           "member '%s': expected '%s' or '%s', found '%s'", key, yes, no, text);
    return STF_OK;
}

static enum stf_kind spell_address(const char *key, const char *address, bool is_ipv6, char spelled[INET6_ADDRSTRLEN],
                                   struct stf_err *err)
{
    uint8_t bytes[16];
    int family = is_ipv6 ? AF_INET6 : AF_INET;
    if (inet_pton(family, address, bytes) != 1)
        return stf_err_set(err, STF_INVALID_DATA, 0, "ipsec.guard", key,
                           "member '%s': expected an %s address, found '%s'", key, is_ipv6 ? "IPv6" : "IPv4", address);
    inet_ntop(family, bytes, spelled, INET6_ADDRSTRLEN);
    return STF_OK;
}

static enum stf_kind read_addresses(const json_t *state, struct guard *guard, struct stf_err *err)
{
    enum stf_kind kind = stf_doc_string(state, "address", &guard->address, err);
    if (!kind)
        kind = stf_doc_opt_string(state, "peer", NULL, &guard->peer, err);
    if (kind)
        return kind;
    guard->is_ipv6 = strchr(guard->address, ':') != NULL;
    kind = spell_address("address", guard->address, guard->is_ipv6, guard->nft_address, err);
    if (!kind && guard->peer)
        kind = spell_address("peer", guard->peer, guard->is_ipv6, guard->nft_peer, err);
    return kind;
}

/* nft reads a '*' at the end of a name as "any that starts so". */
static enum stf_kind read_interface(const json_t *state, struct guard *guard, struct stf_err *err)
{
    enum stf_kind kind = stf_doc_string(state, "interface", &guard->interface, err);
    if (kind)
        return kind;
    size_t length = strlen(guard->interface);
    if (length < 1 || length > 15 || strpbrk(guard->interface, " \t\n/*\"\\") || strcmp(guard->interface, "lo") == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "ipsec.guard", "interface",
                           "member 'interface': expected the name of an interface other than lo, found '%s'",
                           guard->interface);
    return STF_OK;
}

/* ESP in UDP has a port of IKE's too. */
static bool holds_ike(const json_t *entry)
{
    json_t *ike = json_pack("[{s:s, s:[i, i]}]", "protocol", "udp", "ports", PORT_IKE, PORT_IKE_NAT);
    bool is_held = json_object_get(entry, "ports") && stf_traffic_overlaps(entry, ike);
    json_decref(ike);
    return is_held;
}

static bool exempts_ike(const json_t *exempt)
{
    static const int ports[] = {PORT_IKE, PORT_IKE_NAT};
    bool is_exempt = true;
    for (int i = 0; i < 2; i++) {
        json_t *port = json_pack("{s:s, s:[i]}", "protocol", "udp", "ports", ports[i]);
        is_exempt = is_exempt && stf_traffic_overlaps(port, exempt);
        json_decref(port);
    }
    return is_exempt;
}

static enum stf_kind check_list(const json_t *list, const char *member, struct stf_err *err)
{
    enum stf_kind kind = stf_traffic_validate(list, "guard member", member, err);
    for (size_t i = 0; i < json_array_size(list) && !kind; i++) {
        const char *protocol = json_string_value(json_object_get(json_array_get(list, i), "protocol"));
        if (strcmp(protocol, "any") == 0)
            kind = stf_err_set(err, STF_UNSUPPORTED, 0, "ipsec.guard", protocol,
                               "a guard takes protocol 'tcp', 'udp' or 'icmp', found 'any'; list those that are meant");
    }
    return kind;
}

static enum stf_kind read_traffic(const json_t *state, struct guard *guard, struct stf_err *err)
{
    guard->traffic = json_object_get(state, "traffic");
    guard->exempt = json_object_get(state, "exempt");
    enum stf_kind kind = check_list(guard->traffic, "traffic", err);
    if (!kind && guard->exempt)
        kind = check_list(guard->exempt, "exempt", err);
    for (size_t i = 0; i < json_array_size(guard->traffic) && !kind; i++) {
        if (holds_ike(json_array_get(guard->traffic, i)) && !exempts_ike(guard->exempt))
            kind =
                stf_err_set(err, STF_INVALID_DATA, 0, "ipsec.guard", "ports",
                            "UDP ports %d and %d are IKE's own: a guard on them would keep IPsec from ever coming up; "
                            "add them to 'exempt'",
                            PORT_IKE, PORT_IKE_NAT);
    }
    return kind;
}

static enum stf_kind read_state(const json_t *state, const char *table, struct guard *guard, struct stf_err *err)
{
    static const char *const known[] = {"side", "engine", "address", "peer", "interface", "traffic", "exempt", NULL};
    *guard = (struct guard){0};
    strcpy(guard->table, table);
    enum stf_kind kind = stf_doc_check_keys(state, known, "ipsec.guard", err);
    if (!kind)
        kind = read_choice(state, "side", "server", "client", &guard->is_server, err);
    if (!kind)
        kind = read_choice(state, "engine", "kernel", "userland", &guard->is_kernel, err);
    if (!kind)
        kind = read_addresses(state, guard, err);
    if (!kind)
        kind = read_interface(state, guard, err);
    if (!kind && guard->peer &&
        strlen(guard->address) + strlen(guard->peer) + strlen(guard->interface) > COMMENT_SIZE - COMMENT_WORDS_MAX)
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "ipsec.guard", "peer",
                           "member 'peer': the two addresses and the interface's name are too long together for the "
                           "comment of a rule");
    if (!kind)
        kind = read_traffic(state, guard, err);
    return kind;
}

/* ---------- the rules that a state makes, in nft's JSON ---------- */

static json_t *match(json_t *left, const char *op, json_t *right)
{
    return json_pack("{s:{s:s, s:o, s:o}}", "match", "op", op, "left", left, "right", right);
}

static json_t *payload(const char *protocol, const char *field)
{
    return json_pack("{s:{s:s, s:s}}", "payload", "protocol", protocol, "field", field);
}

static json_t *key(const char *type, const char *name)
{
    return json_pack("{s:{s:s}}", type, "key", name);
}

/* All of TCP, or all of UDP but what IKE and ESP in UDP use, on either end. */
static void add_all_ports(json_t *expr, const char *protocol)
{
    if (strcmp(protocol, "tcp") == 0) {
        json_array_append_new(expr, match(key("meta", "l4proto"), "==", json_string("tcp")));
        return;
    }
    static const char *const fields[] = {"sport", "dport"};
    for (int i = 0; i < 2; i++)
        json_array_append_new(
            expr, match(payload("udp", fields[i]), "!=", json_pack("{s:[i,i]}", "set", PORT_IKE, PORT_IKE_NAT)));
}

/* What tells a packet in the clear. With ESP in the kernel it has no security path (in) or no transform on its route
 * (out), whatever the interface, but lo, which leads nowhere. With ESP in the daemon, protected packets use ipsec0. */
static void add_is_clear(json_t *expr, const struct guard *guard, bool is_inbound)
{
    const char *interface = is_inbound ? "iifname" : "oifname";
    if (!guard->is_kernel) {
        json_array_append_new(expr, match(key("meta", interface), "==", json_string(guard->interface)));
        return;
    }
    json_array_append_new(expr, match(key("meta", interface), "!=", json_string("lo")));
    json_array_append_new(expr, match(key(is_inbound ? "meta" : "rt", "ipsec"), "==", json_false()));
}

/* Only what `ping` uses: the errors that routers send must arrive, and IPv6 finds its neighbours by ICMP. */
static void add_echo(json_t *expr, const struct guard *guard)
{
    json_array_append_new(expr, match(payload(guard->is_ipv6 ? "icmpv6" : "icmp", "type"), "==",
                                      guard->is_ipv6 ? json_pack("{s:[s,s]}", "set", "echo-request", "echo-reply")
                                                     : json_pack("{s:[s,s]}", "set", "echo-reply", "echo-request")));
}

/* Which rule it is: of traffic, or of exempt traffic whose destination or source has the port. */
enum rule_use { OF_TRAFFIC = 't', EXEMPT_TO = 'x', EXEMPT_FROM = 'y' };

/* What a rule is made from; `entry` is its place in its list. */
struct source {
    enum rule_use use;
    size_t entry;
    const char *protocol;
    struct stf_ports ports;
};

static void add_ports(json_t *expr, const struct guard *guard, const struct source *source, bool is_to_address)
{
    bool is_exempt = source->use != OF_TRAFFIC;
    bool is_destination = is_exempt ? source->use == EXEMPT_TO : is_to_address;
    struct stf_ports ports = source->ports;
    if (strcmp(source->protocol, "icmp") == 0)
        add_echo(expr, guard);
    else if (ports.low == all_ports.low && is_exempt)
        json_array_append_new(expr, match(key("meta", "l4proto"), "==", json_string(source->protocol)));
    else if (ports.low == all_ports.low)
        add_all_ports(expr, source->protocol);
    else
        json_array_append_new(expr, match(payload(source->protocol, is_destination ? "dport" : "sport"), "==",
                                          ports.low == ports.high
                                              ? json_integer(ports.low)
                                              : json_pack("{s:[i,i]}", "range", (int)ports.low, (int)ports.high)));
}

/* The comment says what the rule was made from, so that a state can be read back. */
static json_t *rule(const struct guard *guard, bool is_inbound, const struct source *source)
{
    bool is_to_address = guard->is_server == is_inbound;
    const char *family = guard->is_ipv6 ? "ip6" : "ip";
    json_t *expr = json_array();
    json_array_append_new(
        expr, match(payload(family, is_to_address ? "daddr" : "saddr"), "==", json_string(guard->nft_address)));
    if (guard->peer)
        json_array_append_new(
            expr, match(payload(family, is_to_address ? "saddr" : "daddr"), "==", json_string(guard->nft_peer)));
    add_ports(expr, guard, source, is_to_address);
    if (source->use == OF_TRAFFIC) {
        add_is_clear(expr, guard, is_inbound);
        json_array_append_new(expr, json_pack("{s:{s:i, s:i}}", "counter", "packets", 0, "bytes", 0));
    }
    json_array_append_new(expr, json_pack("{s:n}", source->use == OF_TRAFFIC ? "drop" : "accept"));

    char comment[COMMENT_SIZE];
    snprintf(comment, sizeof comment, "%s %s %s %s %c%zu %s %u-%u%s%s", guard->is_server ? "server" : "client",
             guard->is_kernel ? "kernel" : "userland", guard->address, guard->interface, (int)source->use,
             source->entry, source->protocol, source->ports.low, source->ports.high, guard->peer ? " " : "",
             guard->peer ? guard->peer : "");
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:o}}", "rule", "family", "inet", "table", guard->table, "chain",
                     is_inbound ? "in" : "out", "comment", comment, "expr", expr);
}

/* One rule for each port or range of the list. */
static void add_rules(json_t *items, const struct guard *guard, bool is_inbound, const json_t *list, enum rule_use use)
{
    size_t port_index;
    json_t *entry, *port;
    struct source source = {.use = use};
    json_array_foreach (list, source.entry, entry) {
        json_t *ports = json_object_get(entry, "ports");
        source.protocol = json_string_value(json_object_get(entry, "protocol"));
        source.ports = all_ports;
        if (!ports && use != EXEMPT_FROM)
            json_array_append_new(items, rule(guard, is_inbound, &source));
        json_array_foreach (ports, port_index, port)
            if (stf_ports_parse(port, &source.ports))
                json_array_append_new(items, rule(guard, is_inbound, &source));
    }
}

/* What is exempt passes before anything is dropped. */
static void add_chain_rules(json_t *items, const struct guard *guard, bool is_inbound)
{
    add_rules(items, guard, is_inbound, guard->exempt, EXEMPT_TO);
    add_rules(items, guard, is_inbound, guard->exempt, EXEMPT_FROM);
    add_rules(items, guard, is_inbound, guard->traffic, OF_TRAFFIC);
}

static json_t *chain(const struct guard *guard, bool is_inbound)
{
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:i, s:s}}", "chain", "family", "inet", "table", guard->table,
                     "name", is_inbound ? "in" : "out", "type", "filter", "hook", is_inbound ? "input" : "output",
                     "prio", 0, "policy", "accept");
}

/* Chains, then rules, as normalised() has them. Incomplete when memory runs out: then the table that it makes is not
 * what a read compares with, and the change fails. */
static json_t *make_items(const struct guard *guard)
{
    json_t *items = json_array();
    json_array_append_new(items, chain(guard, true));
    json_array_append_new(items, chain(guard, false));
    add_chain_rules(items, guard, true);
    add_chain_rules(items, guard, false);
    return items;
}

/* ---------- running nft ---------- */

static enum stf_kind nft_error(const char *what, const struct stf_process_result *result, struct stf_err *err)
{
    enum stf_kind kind = strstr(result->errors, "Operation not permitted")   ? STF_DENIED
                         : strstr(result->errors, "Operation not supported") ? STF_UNSUPPORTED
                                                                             : STF_IO;
    return stf_err_set(err, kind, result->exit_code, "nft", what, "nft cannot %s: %s", what,
                       result->errors[0] ? result->errors : "it was ended by a signal");
}

/* Runs nft on the host; `*output` is what it printed, malloc'ed. `what` is for messages: "list the guards". */
static enum stf_kind run_nft(const struct stf_host *host, const char *const *argv, const char *input, const char *what,
                             char **output, struct stf_err *err)
{
    struct stf_process_id id = {.argv = argv,
                                .netns = host->netns,
                                .input = input,
                                .input_size = input ? strlen(input) : 0,
                                .timeout_ms = NFT_TIMEOUT_MS};
    struct stf_process_result result;
    struct stf_err failure = {.kind = STF_OK};
    enum stf_kind kind = stf_process_run(&id, &result, &failure);
    if (kind == STF_NOT_FOUND && strcmp(failure.subject, argv[0]) == 0)
        kind = stf_err_set(&failure, STF_UNSUPPORTED, 0, "nft", host->name,
                           "a guard needs nft on %s; install Debian's package nftables", host->name);
    else if (!kind && result.exit_code != 0)
        kind = nft_error(what, &result, &failure);
    if (kind && err)
        *err = failure;
    if (!kind) {
        *output = result.output;
        result.output = NULL;
    }
    stf_process_result_fini(&result);
    return kind;
}

/* The list "nftables" of what nft printed; a new reference. */
static enum stf_kind list_nft(const struct stf_host *host, const char *const *argv, json_t **list, struct stf_err *err)
{
    char *output = NULL;
    enum stf_kind kind = run_nft(host, argv, NULL, "list the guards", &output, err);
    if (kind)
        return kind;
    json_t *printed = json_loads(output, 0, NULL);
    free(output);
    *list = json_incref(json_object_get(printed, "nftables"));
    json_decref(printed);
    if (json_is_array(*list))
        return STF_OK;
    json_decref(*list);
    return stf_err_set(err, STF_INVALID_DATA, 0, "nft", host->name, "nft on %s printed no list of tables as JSON",
                       host->name);
}

static enum stf_kind has_table(const struct stf_host *host, const char *table, bool *out, struct stf_err *err)
{
    static const char *const argv[] = {"nft", "-j", "list", "tables", NULL};
    json_t *list = NULL;
    enum stf_kind kind = list_nft(host, argv, &list, err);
    if (kind)
        return kind;
    size_t i;
    json_t *item;
    *out = false;
    json_array_foreach (list, i, item) {
        const char *family = "", *name = "";
        json_unpack(item, "{s:{s:s, s:s}}", "table", "family", &family, "name", &name);
        *out |= strcmp(family, "inet") == 0 && strcmp(name, table) == 0;
    }
    json_decref(list);
    return STF_OK;
}

/* The table as nft lists it, counters and all; `*list` is a new reference, NULL when there is no such table. */
static enum stf_kind list_table(const struct stf_host *host, const char *table, json_t **list, struct stf_err *err)
{
    const char *const argv[] = {"nft", "-j", "list", "table", "inet", table, NULL};
    bool is_there = false;
    *list = NULL;
    enum stf_kind kind = stf_windows_refuse(host, "guard", err);
    if (!kind)
        kind = has_table(host, table, &is_there, err);
    if (kind || !is_there)
        return kind;
    return list_nft(host, argv, list, err);
}

/* ---------- reading ---------- */

/* Puts what differs between two listings of the same rules out of the way: handles and counters. */
static void normalise_item(json_t *content)
{
    size_t i;
    json_t *statement;
    json_object_del(content, "handle");
    json_array_foreach (json_object_get(content, "expr"), i, statement) {
        json_t *counter = json_object_get(statement, "counter");
        if (json_is_object(counter)) {
            json_object_set_new(counter, "packets", json_integer(0));
            json_object_set_new(counter, "bytes", json_integer(0));
        }
    }
}

/* The items of a listing, alters them: rules behind everything else, whatever nft's order; the table itself only when
 * it has flags (dormant: its rules do nothing). */
static json_t *normalised(json_t *list)
{
    size_t i;
    json_t *item, *items = json_array();
    for (int is_rule_pass = 0; is_rule_pass < 2; is_rule_pass++) {
        json_array_foreach (list, i, item) {
            json_t *content = json_object_iter_value(json_object_iter(item));
            bool is_plain_table = json_object_get(item, "table") && !json_object_get(content, "flags");
            bool is_rule = json_object_get(item, "rule") != NULL;
            if (json_object_get(item, "metainfo") || is_plain_table || is_rule != is_rule_pass)
                continue;
            normalise_item(content);
            json_array_append(items, item);
        }
    }
    return items;
}

/* Adds what the comment of one rule says to `state`; false when it says nothing of the kind. */
static bool add_from_comment(json_t *state, const char *comment)
{
    char side[7], engine[9], address[46], interface[16], protocol[5], peer[46], use;
    size_t entry_index;
    unsigned low, high;
    int found = sscanf(comment, "%6s %8s %45s %15s %c%zu %4s %u-%u %45s", side, engine, address, interface, &use,
                       &entry_index, protocol, &low, &high, peer);
    if (found < 9)
        return false;
    if (use == EXEMPT_FROM)
        return true; /* the same again */
    const char *member = use == OF_TRAFFIC ? "traffic" : "exempt";
    json_t *list = json_object_get(state, member);
    if (!list) {
        json_object_set_new(state, "side", json_string(side));
        json_object_set_new(state, "engine", json_string(engine));
        json_object_set_new(state, "address", json_string(address));
        if (found > 9)
            json_object_set_new(state, "peer", json_string(peer));
        json_object_set_new(state, "interface", json_string(interface));
        json_object_set_new(state, member, list = json_array());
    }
    if (entry_index == json_array_size(list))
        json_array_append_new(list, json_pack("{s:s}", "protocol", protocol));
    json_t *entry = json_array_get(list, entry_index);
    if (low == all_ports.low)
        return true;
    if (!json_object_get(entry, "ports"))
        json_object_set_new(entry, "ports", json_array());
    struct stf_ports ports = {(uint16_t)low, (uint16_t)high};
    return json_array_append_new(json_object_get(entry, "ports"), stf_ports_document(ports)) == 0;
}

/* The state that would make these items, were they a guard; NULL when they say none. */
static json_t *claimed_state(const json_t *items)
{
    size_t i;
    json_t *item, *state = json_object();
    json_array_foreach (items, i, item) {
        const char *chain_name = "", *comment = "";
        json_unpack(item, "{s:{s:s, s:s}}", "rule", "chain", &chain_name, "comment", &comment);
        if (strcmp(chain_name, "in") == 0 && !add_from_comment(state, comment)) {
            json_decref(state);
            return NULL;
        }
    }
    return state;
}

/* Comments only claim: the rules decide whether they are what that state makes. */
static json_t *state_of(const char *table, json_t *items)
{
    struct guard guard;
    json_t *state = claimed_state(items);
    bool is_guard = false;
    if (state && read_state(state, table, &guard, NULL) == STF_OK) {
        json_t *expected = make_items(&guard);
        is_guard = json_equal(expected, items);
        json_decref(expected);
    }
    if (is_guard)
        return state;
    json_decref(state);
    return json_pack("{s:O}", "ruleset", items);
}

enum stf_kind stf_guard_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                             struct stf_err *err)
{
    (void)self;
    char table[MAX_TABLE_NAME];
    json_t *list = NULL;
    enum stf_kind kind = read_id(id, table, err);
    if (!kind)
        kind = list_table(host, table, &list, err);
    if (kind)
        return kind;
    if (!list) {
        *state = json_null();
        return STF_OK;
    }
    json_t *items = normalised(list);
    *state = state_of(table, items);
    json_decref(items);
    json_decref(list);
    return *state ? STF_OK
                  : stf_err_set(err, STF_NO_MEMORY, 0, "ipsec.guard", table, "no memory for the guard's state");
}

enum stf_kind stf_guard_counters(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    (void)self;
    char table[MAX_TABLE_NAME];
    json_t *list = NULL, *item, *statement;
    json_int_t packets = 0, bytes = 0;
    size_t i, j;
    enum stf_kind kind = read_id(args, table, err);
    if (!kind)
        kind = list_table(host, table, &list, err);
    if (kind)
        return kind;
    if (!list)
        return stf_err_set(err, STF_NOT_FOUND, 0, "ipsec.guard", table, "there is no guard %s on %s", table,
                           host->name);
    json_array_foreach (list, i, item) {
        json_array_foreach (json_object_get(json_object_get(item, "rule"), "expr"), j, statement) {
            const json_t *counter = json_object_get(statement, "counter");
            packets += json_integer_value(json_object_get(counter, "packets"));
            bytes += json_integer_value(json_object_get(counter, "bytes"));
        }
    }
    json_decref(list);
    *result = json_pack("{s:I, s:I}", "packets", packets, "bytes", bytes);
    return STF_OK;
}

/* ---------- writing ---------- */

/* A ruleset that was read once may be written back; it must not reach beyond its own table. */
static enum stf_kind check_ruleset(const json_t *state, const char *table, struct stf_err *err)
{
    static const char *const known[] = {"ruleset", NULL};
    size_t i;
    json_t *item;
    enum stf_kind kind = stf_doc_check_keys(state, known, "ipsec.guard", err);
    if (kind)
        return kind;
    json_array_foreach (json_object_get(state, "ruleset"), i, item) {
        const json_t *content = json_object_iter_value(json_object_iter(item));
        const char *family = "", *of_table = "";
        json_unpack((json_t *)content, "{s:s, s:s}", "family", &family, "table", &of_table);
        if (json_object_get(item, "table"))
            return stf_err_set(err, STF_UNSUPPORTED, 0, "ipsec.guard", table,
                               "table %s has flags (dormant?), which nft's JSON does not keep; it cannot be put back",
                               table);
        if (json_object_size(item) != 1 || strcmp(family, "inet") != 0 || strcmp(of_table, table) != 0)
            return stf_err_set(err, STF_DENIED, 0, "ipsec.guard", table,
                               "item %zu of the ruleset is not part of table inet %s", i, table);
    }
    return STF_OK;
}

/* What the table shall hold: a new reference, NULL for no table. */
static enum stf_kind wanted_items(const json_t *state, const char *table, json_t **items, struct stf_err *err)
{
    struct guard guard;
    *items = NULL;
    if (json_is_null(state))
        return STF_OK;
    if (json_is_array(json_object_get(state, "ruleset"))) {
        *items = json_incref(json_object_get(state, "ruleset"));
        return check_ruleset(state, table, err);
    }
    enum stf_kind kind = read_state(state, table, &guard, err);
    if (!kind)
        *items = make_items(&guard);
    return kind;
}

/* One transaction: add (so that delete finds it), delete, and the new content. */
static char *make_transaction(const char *table, json_t *items)
{
    size_t i;
    json_t *item, *commands = json_array();
    for (int step = 0; step < (items ? 3 : 2); step++)
        json_array_append_new(commands, json_pack("{s:{s:{s:s, s:s}}}", step == 1 ? "delete" : "add", "table", "family",
                                                  "inet", "name", table));
    json_array_foreach (items, i, item)
        json_array_append_new(commands, json_pack("{s:O}", "add", item));
    json_t *document = json_pack("{s:o}", "nftables", commands);
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

static enum stf_kind apply(const struct stf_host *host, const char *table, json_t *items, struct stf_err *err)
{
    static const char *const argv[] = {"nft", "-j", "-f", "-", NULL};
    char *output = NULL, *transaction = make_transaction(table, items);
    if (!transaction)
        return stf_err_set(err, STF_NO_MEMORY, 0, "ipsec.guard", table, "no memory for the guard's rules");
    enum stf_kind kind = run_nft(host, argv, transaction, items ? "write the guard" : "remove the guard", &output, err);
    free(output);
    free(transaction);
    return kind;
}

enum stf_kind stf_guard_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                              struct stf_err *err)
{
    (void)self;
    char table[MAX_TABLE_NAME];
    json_t *wanted = NULL, *list = NULL, *present = NULL;
    enum stf_kind kind = read_id(id, table, err);
    if (!kind)
        kind = wanted_items(state, table, &wanted, err);
    if (!kind)
        kind = list_table(host, table, &list, err);
    if (kind)
        goto out;
    if (list)
        present = normalised(list);
    bool is_there_already = wanted ? json_equal(wanted, present) : !present;
    if (!is_there_already)
        kind = apply(host, table, wanted, err);
out:
    json_decref(wanted);
    json_decref(list);
    json_decref(present);
    return kind;
}

/* ---------- for a person ---------- */

static void print_state(FILE *out, const json_t *state)
{
    const char *side, *engine, *address;
    if (json_is_null(state))
        fputs("none", out);
    else if (json_unpack((json_t *)state, "{s:s, s:s, s:s}", "side", &side, "engine", &engine, "address", &address))
        fprintf(out, "altered, %zu rules and chains", json_array_size(json_object_get(state, "ruleset")));
    else {
        const char *peer = json_string_value(json_object_get(state, "peer"));
        fprintf(out, "%s of %s%s%s, %s ESP, clear traffic dropped:", side, address, peer ? " with " : "",
                peer ? peer : "", engine);
        stf_traffic_print(out, json_object_get(state, "traffic"));
        fputs(json_object_get(state, "exempt") ? "; exempt:" : "", out);
        stf_traffic_print(out, json_object_get(state, "exempt"));
    }
}

char *stf_guard_describe(const json_t *id, const json_t *state)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    if (state)
        print_state(out, state);
    else
        fprintf(out, "guard %s", json_string_value(json_object_get(id, "name")));
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
