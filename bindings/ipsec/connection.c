/* connection.c - checks connection documents and renders them for strongSwan, live and as a file, from one tree.
 * Must never touch a daemon or a file. SPDX-License-Identifier: MIT */
#include "ipsec/connection.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/proposal.h"
#include "ipsec/traffic.h"

enum {
    PROPOSALS_MAX = 16,
    WORD_MAX = 128,
    PATH_SIZE_MAX = 512,
    DAY_MS = 24 * 60 * 60 * 1000,
    IKEV1_PORTS_MAX = 64, /* as windows_render.c, so that both ends agree */
};
static const json_int_t rekey_bytes_min = 1 << 20, rekey_bytes_max = (json_int_t)1 << 50;

/* ---------- validation: one rule a member ---------- */

static bool is_one_of(const json_t *value, const char *const words[])
{
    const char *text = stf_doc_plain_text(value);
    while (text && *words && strcmp(text, *words) != 0)
        words++;
    return text && *words;
}

static bool is_version(const json_t *value)
{
    return json_is_integer(value) && (json_integer_value(value) == 1 || json_integer_value(value) == 2);
}

static bool is_word(const json_t *value, const char *punctuation)
{
    const char *text = stf_doc_plain_text(value);
    size_t size = json_string_length(value);
    if (!text || size == 0 || size > WORD_MAX || !isalnum((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(punctuation, text[i]))
            return false;
    return true;
}

bool stf_ipsec_is_identity(const json_t *value)
{
    return is_word(value, ".-_@:");
}

static bool is_side(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"client", "server", NULL});
}

static bool is_mode(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"transport", "tunnel", NULL});
}

static bool is_action(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"require", "permit", "pass", "drop", NULL});
}

static bool is_initiate(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"on_demand", "never", NULL});
}

static bool is_proposals(const json_t *value)
{
    size_t size = json_array_size(value);
    bool is_good = size >= 1 && size <= PROPOSALS_MAX;
    for (size_t i = 0; is_good && i < size; i++)
        is_good = is_word(json_array_get(value, i), "-_");
    return is_good;
}

static bool is_whole_seconds(const json_t *value)
{
    json_int_t ms = json_integer_value(value);
    return json_is_integer(value) && ms >= 0 && ms <= DAY_MS && ms % 1000 == 0;
}

static bool is_rekey_bytes(const json_t *value)
{
    json_int_t bytes = json_integer_value(value);
    return json_is_integer(value) && (bytes == 0 || (bytes >= rekey_bytes_min && bytes <= rekey_bytes_max));
}

static bool is_dpd_action(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"trap", "restart", "clear", NULL});
}

/* Stands in quotes, in a list, in swanctl's file. */
static bool is_path(const json_t *value)
{
    const char *text = stf_doc_plain_text(value);
    return text && *text && strlen(text) <= PATH_SIZE_MAX && !strpbrk(text, "\",\\\n");
}

static bool is_auth(const json_t *value)
{
    const json_t *method = json_object_get(value, "method");
    if (is_one_of(method, (const char *const[]){"kerberos", NULL}))
        return json_object_size(value) == 1;
    return is_one_of(method, (const char *const[]){"certificate", NULL}) && json_object_size(value) == 3 &&
           is_path(json_object_get(value, "certificate")) && is_path(json_object_get(value, "ca"));
}

/* Lists of traffic have a check of their own, with words for each entry. */
static bool is_checked_elsewhere(const json_t *value)
{
    return value != NULL;
}

struct rule {
    const char *member;
    bool (*is_valid)(const json_t *value);
    const char *expected;
    bool is_optional;
};

#define SECONDS_EXPECTED "milliseconds in whole seconds (a multiple of 1000), 0 to 86400000"
#define ADDRESS_EXPECTED "an IPv4 or IPv6 address in its shortest spelling, such as \"10.9.0.1\""
#define IDENTITY_EXPECTED "an identity of letters, digits and . - _ @ :, such as \"mail.example.org\""
#define AUTH_EXPECTED                                                                                                  \
    "{\"method\": \"certificate\", \"certificate\": PATH, \"ca\": PATH}, {\"method\": \"kerberos\"}, or nothing: a "   \
    "pre-shared key"
#define PROPOSALS_EXPECTED "a list of 1 to 16 proposals in strongSwan's words, such as "

static const struct rule rules[] = {
    {"version", is_version, "1 (IKEv1) or 2 (IKEv2)", false},
    {"local_address", stf_address_is_canonical, ADDRESS_EXPECTED, false},
    {"remote_address", stf_address_is_canonical, ADDRESS_EXPECTED, false},
    {"local_id", stf_ipsec_is_identity, IDENTITY_EXPECTED, false},
    {"remote_id", stf_ipsec_is_identity, IDENTITY_EXPECTED, false},
    {"side", is_side, "\"client\" (towards the protected ports) or \"server\" (owns them)", false},
    {"traffic", is_checked_elsewhere, "a list of 1 to 64 entries {\"protocol\", \"ports\"}", false},
    {"exempt", is_checked_elsewhere, "", true},
    {"mode", is_mode, "\"transport\" or \"tunnel\"", false},
    {"action", is_action, "\"require\", \"permit\", \"pass\" or \"drop\"", false},
    {"ike_proposals", is_proposals, PROPOSALS_EXPECTED "\"aes128gcm16-prfsha256-x25519\"", false},
    {"esp_proposals", is_proposals, PROPOSALS_EXPECTED "\"aes128gcm16\"", false},
    {"initiate", is_initiate, "\"on_demand\" or \"never\"", false},
    {"dpd_delay_ms", is_whole_seconds, SECONDS_EXPECTED " (0: no dead-peer detection)", true},
    {"ike_rekey_ms", is_whole_seconds, SECONDS_EXPECTED " (0: never)", true},
    {"esp_rekey_ms", is_whole_seconds, SECONDS_EXPECTED " (0: never)", true},
    {"esp_rekey_bytes", is_rekey_bytes, "0 (never) or 1048576 to 1125899906842624", true},
    {"dpd_action", is_dpd_action, "\"trap\", \"restart\" or \"clear\"", true},
    {"auth", is_auth, AUTH_EXPECTED, true},
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

static const char what[] = "connection member";

static enum stf_kind invalid(struct stf_err *err, const char *member, const json_t *found, const char *expected)
{
    return stf_traffic_invalid(err, what, member, found, expected);
}

static enum stf_kind check_members(const json_t *document, struct stf_err *err)
{
    const char *known[RULE_COUNT + 2] = {NULL};
    for (size_t i = 0; i < RULE_COUNT; i++)
        known[i] = rules[i].member;
    known[RULE_COUNT] = "loaded";
    return stf_doc_check_keys(document, known, "connection", err);
}

static bool is_ikev1(const json_t *document)
{
    return json_integer_value(json_object_get(document, "version")) == 1;
}

/* What IKEv1 can not do of one of the document's proposals; NULL: nothing. */
static const char *beyond_ikev1(const json_t *proposal, bool is_ike)
{
    struct stf_proposal parsed;
    if (stf_proposal_parse(json_string_value(proposal), is_ike, &parsed, NULL))
        return NULL; /* charon says what is wrong with it */
    return stf_proposal_beyond_ikev1(&parsed, is_ike);
}

/* Of the proposals one must be left that IKEv1 can do. */
static enum stf_kind check_ikev1_proposals(const json_t *document, const char *member, bool is_ike, const char *example,
                                           struct stf_err *err)
{
    size_t i;
    json_t *proposal, *proposals = json_object_get(document, member);
    const char *first = NULL, *peer = json_string_value(json_object_get(document, "remote_id"));
    char expected[64];
    json_array_foreach (proposals, i, proposal) {
        const char *word = beyond_ikev1(proposal, is_ike);
        if (!word)
            return STF_OK;
        first = first ? first : word;
    }
    char *found = json_dumps(proposals, JSON_COMPACT);
    enum stf_kind kind =
        stf_err_set(err, STF_INVALID_DATA, 0, "validate", member,
                    "connection member '%s' has nothing that IKEv1 can do, which is spoken with %s: it has no %s%s",
                    member, peer, first, is_ike ? " for its own messages" : "");
    snprintf(expected, sizeof expected, "at least one such as \"%s\"", example);
    stf_err_expected(err, expected, found);
    stf_err_remedy(err,
                   "add such a proposal to the policy's %s; or, where %s and this host have IKEv2, say so in site.lua: "
                   "ipsec.ike_version = 2",
                   member, peer);
    free(found);
    return kind;
}

static enum stf_kind check_ikev1(const json_t *document, struct stf_err *err)
{
    size_t i, j, children = 0;
    json_t *item, *port;
    enum stf_kind kind = check_ikev1_proposals(document, "ike_proposals", true, "aes128-sha256-modp2048", err);
    if (!kind)
        kind = check_ikev1_proposals(document, "esp_proposals", false, "aes128-sha256", err);
    if (kind)
        return kind;
    json_array_foreach (json_object_get(document, "traffic"), i, item) {
        json_array_foreach (json_object_get(item, "ports"), j, port) {
            struct stf_ports range = {0};
            stf_ports_parse(port, &range);
            children += (size_t)range.high - range.low + 1;
        }
    }
    if (children > IKEV1_PORTS_MAX)
        return invalid(err, "traffic", json_object_get(document, "traffic"),
                       "at most 64 ports with IKEv1, which has no ranges: each is a child; or a protocol whole");
    return STF_OK;
}

json_t *stf_connection_left_out(const json_t *document)
{
    static const char *const members[] = {"esp_proposals", "ike_proposals"};
    size_t i;
    json_t *proposal, *list = json_array();
    for (int is_ike = 0; is_ike < 2 && is_ikev1(document); is_ike++) {
        json_array_foreach (json_object_get(document, members[is_ike]), i, proposal)
            if (beyond_ikev1(proposal, is_ike))
                json_array_append_new(list, json_sprintf("%s: %s", members[is_ike], json_string_value(proposal)));
    }
    return list;
}

enum stf_kind stf_connection_validate(const json_t *document, struct stf_err *err)
{
    enum stf_kind kind = check_members(document, err);
    if (kind)
        return kind;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const json_t *value = json_object_get(document, rules[i].member);
        if (!value && rules[i].is_optional)
            continue;
        if (!rules[i].is_valid(value))
            return invalid(err, rules[i].member, value, rules[i].expected);
    }
    const json_t *loaded = json_object_get(document, "loaded");
    if (loaded && !json_is_false(loaded))
        return invalid(err, "loaded", loaded, "nothing (to be loaded) or false (kept as a file only)");
    const json_t *remote = json_object_get(document, "remote_address");
    const char *local = json_string_value(json_object_get(document, "local_address"));
    if (!strchr(local, ':') != !strchr(json_string_value(remote), ':'))
        return invalid(err, "remote_address", remote, "an address of the same family as local_address");
    kind = stf_traffic_validate(json_object_get(document, "traffic"), what, "traffic", err);
    if (!kind && json_object_get(document, "exempt"))
        kind = stf_traffic_validate(json_object_get(document, "exempt"), what, "exempt", err);
    if (!kind && is_ikev1(document))
        kind = check_ikev1(document, err);
    return kind;
}

/* ---------- rendering: one tree for VICI and for swanctl.conf ---------- */

static bool is_text(const json_t *document, const char *member, const char *text)
{
    const char *found = json_string_value(json_object_get(document, member));
    return found && strcmp(found, text) == 0;
}

static const char *text_of(const json_t *document, const char *member)
{
    return json_string_value(json_object_get(document, member));
}

/* The kernel's policies have a port and a mask, no ranges, and charon widens a range to one mask: 1025-5000 would
 * become 0-8191. So a range is written as the blocks that masks can say. Appends `address[protocol/low-high]` for each.
 */
static void add_blocks(json_t *list, const char *address, const char *protocol, struct stf_ports ports)
{
    for (unsigned low = ports.low; low <= ports.high;) {
        unsigned size = 1;
        while (low % (size * 2) == 0 && low + size * 2 - 1 <= ports.high)
            size *= 2;
        json_array_append_new(list, size == 1 ? json_sprintf("%s[%s/%u]", address, protocol, low)
                                              : json_sprintf("%s[%s/%u-%u]", address, protocol, low, low + size - 1));
        low += size;
    }
}

static bool is_ipv6(const json_t *document)
{
    return strchr(text_of(document, "local_address"), ':') != NULL;
}

/* address[tcp/110], ... for the side that owns the ports; address[tcp], ... for the other, which uses any. */
static void add_selectors(json_t *list, const char *address, const json_t *entry, bool with_ports, bool with_ipv6)
{
    const char *protocol = text_of(entry, "protocol");
    const json_t *ports = with_ports ? json_object_get(entry, "ports") : NULL;
    if (strcmp(protocol, "any") == 0)
        json_array_append_new(list, json_string(address));
    else if (!ports)
        json_array_append_new(
            list, json_sprintf("%s[%s]", address, with_ipv6 && strcmp(protocol, "icmp") == 0 ? "ipv6-icmp" : protocol));
    for (size_t i = 0; i < json_array_size(ports); i++) {
        struct stf_ports range;
        if (stf_ports_parse(json_array_get(ports, i), &range))
            add_blocks(list, address, protocol, range);
    }
}

static json_t *selectors(const json_t *traffic, const char *address, bool with_ports, bool with_ipv6)
{
    size_t index;
    json_t *entry, *list = json_array();
    json_array_foreach (traffic, index, entry)
        add_selectors(list, address, entry, with_ports, with_ipv6);
    return list;
}

static json_t *seconds(const json_t *document, const char *member)
{
    const json_t *ms = json_object_get(document, member);
    return ms ? json_sprintf("%" JSON_INTEGER_FORMAT "s", json_integer_value(ms) / 1000) : NULL;
}

/* What makes the daemon begin: a trap policy, which the kernel fires and which also blocks clear text. Permit must not
 * block, so it has none; the userland engine has none to fire, so there only dead-peer detection re-establishes. */
static bool has_trap(const json_t *document, const struct stf_ipsec_engine *engine)
{
    return is_text(document, "action", "require") && is_text(document, "initiate", "on_demand") && !engine->is_userland;
}

static const char *dpd_action(const json_t *document, const struct stf_ipsec_engine *engine)
{
    const char *action = text_of(document, "dpd_action");
    /* only the client acts: two sides that both re-establish fight over the peer */
    if (!is_text(document, "side", "client") || !is_text(document, "initiate", "on_demand"))
        return "clear";
    if (action && strcmp(action, "trap") != 0)
        return action;
    /* SAs keep the definition of their negotiation: also one that was made while hosts only permit must come back */
    if (engine->is_userland)
        return "restart";
    return has_trap(document, engine) ? "trap" : "clear";
}

/* A client that restarts asks until somebody answers: while the address is with nobody, one sequence of
 * retransmissions would be over before it has a new holder. */
static const char *keying_tries(const json_t *document, const struct stf_ipsec_engine *engine)
{
    return strcmp(dpd_action(document, engine), "restart") == 0 ? "0" : NULL;
}

static json_t *number(const json_t *document, const char *member)
{
    const json_t *value = json_object_get(document, member);
    return value ? json_sprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value)) : NULL;
}

/* Those that the version of IKE can do. */
static json_t *proposals_of(const json_t *document, const char *member, bool is_ike)
{
    size_t i;
    json_t *proposal, *list = json_array();
    json_array_foreach (json_object_get(document, member), i, proposal)
        if (!is_ikev1(document) || !beyond_ikev1(proposal, is_ike))
            json_array_append(list, proposal);
    return list;
}

static json_t *protecting_child(const json_t *document, const json_t *traffic, const struct stf_ipsec_engine *engine)
{
    bool is_server = is_text(document, "side", "server");
    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:s, s:o*, s:o*}", "mode",
                     engine->is_userland ? "tunnel" : text_of(document, "mode"), "local_ts",
                     selectors(traffic, "dynamic", is_server, is_ipv6(document)), "remote_ts",
                     selectors(traffic, "dynamic", !is_server, is_ipv6(document)), "esp_proposals",
                     proposals_of(document, "esp_proposals", false), "start_action",
                     has_trap(document, engine) ? "trap" : "none", "dpd_action", dpd_action(document, engine),
                     "rekey_time", seconds(document, "esp_rekey_ms"), "rekey_bytes",
                     number(document, "esp_rekey_bytes"));
}

/* What one child protects. IKEv1's quick mode has one selector a side (RFC 2409, 5.5), so there each port is a child.
 */
static json_t *shares_of(const json_t *document)
{
    const json_t *traffic = json_object_get(document, "traffic");
    json_t *shares = json_array(), *entry, *port;
    size_t i, j;
    if (!is_ikev1(document)) {
        json_array_append(shares, (json_t *)traffic);
        return shares;
    }
    json_array_foreach (traffic, i, entry) {
        json_t *ports = json_object_get(entry, "ports");
        json_array_foreach (ports, j, port) {
            struct stf_ports range = {0};
            stf_ports_parse(port, &range);
            for (int each = range.low; each <= range.high; each++)
                json_array_append_new(
                    shares, json_pack("[{s:O, s:[i]}]", "protocol", json_object_get(entry, "protocol"), "ports", each));
        }
        if (!ports)
            json_array_append_new(shares, json_pack("[O]", entry));
    }
    return shares;
}

/* The first child has the connection's name; with IKEv1 more may follow, NAME-2 and so on. */
static void add_protecting_children(json_t *children, const char *name, const json_t *document,
                                    const struct stf_ipsec_engine *engine)
{
    size_t i;
    json_t *share, *shares = shares_of(document);
    json_array_foreach (shares, i, share) {
        char child[WORD_MAX];
        snprintf(child, sizeof child, "%s", name);
        if (i)
            snprintf(child, sizeof child, "%s-%zu", name, i + 1);
        json_object_set_new(children, child, protecting_child(document, share, engine));
    }
    json_decref(shares);
}

/* A policy in the kernel without SAs: "pass" comes before all others, "drop" lets nothing through. Only full addresses:
 * "dynamic" would be everybody. `ports_are_local`: whose ports the traffic names. */
static json_t *bare_child(const char *mode, const json_t *document, const json_t *traffic, bool ports_are_local)
{
    char local[64], remote[64];
    const char *bits = is_ipv6(document) ? "128" : "32";
    snprintf(local, sizeof local, "%s/%s", text_of(document, "local_address"), bits);
    snprintf(remote, sizeof remote, "%s/%s", text_of(document, "remote_address"), bits);
    return json_pack("{s:s, s:o, s:o, s:s}", "mode", mode, "local_ts",
                     selectors(traffic, local, ports_are_local, is_ipv6(document)), "remote_ts",
                     selectors(traffic, remote, !ports_are_local, is_ipv6(document)), "start_action", "trap");
}

/* What is exempt, as far as it would be protected; a new reference. */
static json_t *exempt_from(const json_t *document)
{
    size_t index;
    json_t *entry, *list = json_array();
    json_array_foreach (json_object_get(document, "exempt"), index, entry)
        if (stf_traffic_overlaps(entry, json_object_get(document, "traffic")))
            json_array_append(list, entry);
    return list;
}

/* Exempt are ports of either side, so two children: selectors of one child are combined each with each. */
static void add_exempt_children(json_t *children, const char *name, const json_t *document)
{
    json_t *exempt = exempt_from(document);
    for (int ports_are_local = 0; ports_are_local < 2 && json_array_size(exempt); ports_are_local++) {
        char child[WORD_MAX];
        snprintf(child, sizeof child, "%s-exempt-%s", name, ports_are_local ? "here" : "there");
        json_object_set_new(children, child, bare_child("pass", document, exempt, ports_are_local));
    }
    json_decref(exempt);
}

/* IPv6 finds the peer's address on the link by ICMP messages between the two, which a policy for them would hold back:
 * neighbour solicitation (135) and advertisement (136). charon takes type * 256 + code for a port. */
static void add_neighbour_child(json_t *children, const char *name, const json_t *document)
{
    char child[WORD_MAX];
    json_t *icmp = json_pack("{s:s}", "protocol", "icmp");
    bool is_needed = is_ipv6(document) && stf_traffic_overlaps(icmp, json_object_get(document, "traffic"));
    json_decref(icmp);
    if (!is_needed)
        return;
    const char *local = text_of(document, "local_address"), *remote = text_of(document, "remote_address");
    snprintf(child, sizeof child, "%s-exempt-neighbours", name);
    json_object_set_new(children, child,
                        json_pack("{s:s, s:[o, o], s:[o], s:s}", "mode", "pass", "local_ts",
                                  json_sprintf("%s/128[ipv6-icmp/%d]", local, 135 << 8),
                                  json_sprintf("%s/128[ipv6-icmp/%d]", local, 136 << 8), "remote_ts",
                                  json_sprintf("%s/128[ipv6-icmp]", remote), "start_action", "trap"));
}

/* The userland engine keeps no policies of its own in the kernel, so there is nothing to exempt from. */
static json_t *children_tree(const char *name, const json_t *document, const struct stf_ipsec_engine *engine)
{
    json_t *children = json_object();
    bool is_bare = is_text(document, "action", "pass") || is_text(document, "action", "drop");
    if (is_bare)
        json_object_set_new(children, name,
                            bare_child(text_of(document, "action"), document, json_object_get(document, "traffic"),
                                       is_text(document, "side", "server")));
    else
        add_protecting_children(children, name, document, engine);
    if (!is_bare && !engine->is_userland) {
        add_exempt_children(children, name, document);
        add_neighbour_child(children, name, document);
    }
    return children;
}

/* `member`: the file that this end needs, `key`: what charon calls it. */
static json_t *peer_tree(const json_t *document, const char *id, const char *key, const char *member,
                         const struct stf_ipsec_engine *engine)
{
    const char *file = text_of(json_object_get(document, "auth"), member);
    if (!file)
        return json_pack("{s:s, s:s}", "auth", "psk", "id", text_of(document, id));
    char *path = stf_doc_path(engine->site_dir ? engine->site_dir : "/", file);
    json_t *tree = json_pack("{s:s, s:s, s:[s]}", "auth", "pubkey", "id", text_of(document, id), key, path);
    free(path);
    return tree;
}

static enum stf_kind check_engine(const char *name, const json_t *document, const struct stf_ipsec_engine *engine,
                                  struct stf_err *err)
{
    bool is_bare = is_text(document, "action", "pass") || is_text(document, "action", "drop");
    if (is_text(json_object_get(document, "auth"), "method", "kerberos"))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "render", name,
                           "strongSwan has no Kerberos in IKE (Windows does it by AuthIP, a protocol of its own); use "
                           "a pre-shared key or certificates where a peer runs strongSwan");
    if (engine->is_userland && is_bare)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "render", name,
                           "this host's charon carries ESP itself (plugin kernel-libipsec) and has no policies without "
                           "SAs, so it can not %s traffic; use a kernel with ESP",
                           text_of(document, "action"));
    if (engine->is_userland && !engine->allow_tunnel && is_text(document, "mode", "transport"))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "render", name,
                           "this host's charon carries ESP itself (plugin kernel-libipsec) and has no transport mode; "
                           "use a kernel with ESP, or set ipsec.allow_tunnel = true for this host in site.lua to load "
                           "the connection as a tunnel in UDP");
    return STF_OK;
}

enum stf_kind stf_connection_render(const char *name, const json_t *document, const struct stf_ipsec_engine *engine,
                                    json_t **tree, struct stf_err *err)
{
    enum stf_kind kind = check_engine(name, document, engine, err);
    if (kind)
        return kind;
    *tree = json_pack(
        "{s:{s:s, s:[s], s:[s], s:o, s:s, s:s*, s:s*, s:o*, s:o*, s:o, s:o, s:o}}", name, "version",
        is_ikev1(document) ? "1" : "2", "local_addrs", text_of(document, "local_address"), "remote_addrs",
        text_of(document, "remote_address"), "proposals", proposals_of(document, "ike_proposals", true), "mobike", "no",
        "encap", engine->is_userland ? "yes" : NULL, "keyingtries", keying_tries(document, engine), "dpd_delay",
        seconds(document, "dpd_delay_ms"), "rekey_time", seconds(document, "ike_rekey_ms"), "local",
        peer_tree(document, "local_id", "certs", "certificate", engine), "remote",
        peer_tree(document, "remote_id", "cacerts", "ca", engine), "children", children_tree(name, document, engine));
    return *tree ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "render", name, "no memory for the connection");
}

/* ---------- the file ---------- */

static const char head_line[] = "# Written by Staffetta; change the policy there, not here.\n";
static const char document_mark[] = "# staffetta-document: ";
static const char check_mark[] = "# staffetta-check: ";

enum { HEAD_LINES = 3 };

/* FNV-1a: it tells an edited file from ours, and guards against nothing worse. */
static uint64_t checksum(uint64_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t file_checksum(const char *document, size_t size, const char *body)
{
    return checksum(checksum(UINT64_C(0xcbf29ce484222325), document, size), body, strlen(body));
}

static void print_section(FILE *out, const char *name, const json_t *section, int indent)
{
    const char *key;
    json_t *value;
    fprintf(out, "%*s%s {\n", indent, "", name);
    json_object_foreach ((json_t *)section, key, value) {
        if (json_is_object(value)) {
            print_section(out, key, value, indent + 4);
            continue;
        }
        fprintf(out, "%*s%s = \"%s", indent + 4, "", key, json_is_string(value) ? json_string_value(value) : "");
        for (size_t i = 0; i < json_array_size(value); i++)
            fprintf(out, "%s%s", i ? ", " : "", json_string_value(json_array_get(value, i)));
        fputs("\"\n", out);
    }
    fprintf(out, "%*s}\n", indent, "");
}

static char *body_text(const json_t *tree)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    print_section(out, "connections", tree, 0);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static char *file_text(const json_t *document, const char *body)
{
    char *text = NULL;
    char *line = json_dumps(document, JSON_COMPACT | JSON_SORT_KEYS);
    if (line && asprintf(&text, "%s%s%s\n%s%016" PRIx64 "\n%s", head_line, document_mark, line, check_mark,
                         file_checksum(line, strlen(line), body), body) < 0)
        text = NULL;
    free(line);
    return text;
}

char *stf_connection_file_text(const json_t *document, const json_t *tree)
{
    char *body = body_text(tree);
    char *text = body ? file_text(document, body) : NULL;
    free(body);
    return text;
}

char *stf_connection_file_redocument(const char *text, const json_t *document)
{
    for (int line = 0; line < HEAD_LINES; line++)
        text = strchr(text, '\n') + 1;
    return file_text(document, text);
}

/* The text of the line that begins with `mark` at `*at`, which moves behind it; NULL when another line stands there. */
static const char *marked_line(const char **at, const char *mark, size_t *size)
{
    size_t mark_size = strlen(mark);
    const char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, mark, mark_size) != 0)
        return NULL;
    const char *text = *at + mark_size;
    *size = (size_t)(end - text);
    *at = end + 1;
    return text;
}

enum stf_kind stf_connection_file_parse(const char *text, const char *path, json_t **document, struct stf_err *err)
{
    char expected[17];
    size_t size = 0, check_size = 0, head_size = strlen(head_line);
    const char *at = text + head_size;
    const char *line = strncmp(text, head_line, head_size) == 0 ? marked_line(&at, document_mark, &size) : NULL;
    const char *check = line ? marked_line(&at, check_mark, &check_size) : NULL;

    if (!check)
        return stf_err_set(err, STF_CONFLICT, 0, "read", path,
                           "%s was not written by Staffetta; move it away or give the connection another name", path);
    snprintf(expected, sizeof expected, "%016" PRIx64, file_checksum(line, size, at));
    if (check_size != 16 || strncmp(check, expected, 16) != 0)
        return stf_err_set(
            err, STF_CONFLICT, 0, "read", path,
            "%s was edited after Staffetta wrote it; undo the edit, or move the file away and unload the "
            "connection",
            path);
    json_t *loaded = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    if (!loaded)
        return stf_err_set(err, STF_INVALID_DATA, 0, "read", path, "%s holds no document", path);
    enum stf_kind kind = stf_connection_validate(loaded, err);
    if (kind)
        json_decref(loaded);
    else
        *document = loaded;
    return kind;
}

/* ---------- comparing and showing ---------- */

static bool is_only_item(const json_t *list, const json_t *item)
{
    return json_array_size(list) == 1 && json_equal(json_array_get(list, 0), item);
}

static bool has_id(const json_t *live, const char *section, const json_t *id)
{
    return json_equal(json_object_get(json_object_get(live, section), "id"), id);
}

bool stf_connection_is_live(const json_t *document, const json_t *live)
{
    return is_only_item(json_object_get(live, "local_addrs"), json_object_get(document, "local_address")) &&
           is_only_item(json_object_get(live, "remote_addrs"), json_object_get(document, "remote_address")) &&
           has_id(live, "local-1", json_object_get(document, "local_id")) &&
           has_id(live, "remote-1", json_object_get(document, "remote_id"));
}

char *stf_connection_summary(const json_t *document)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%s %s -> %s", text_of(document, "side"), text_of(document, "local_address"),
            text_of(document, "remote_address"));
    stf_traffic_print(out, json_object_get(document, "traffic"));
    fprintf(out, " %s, %s%s", text_of(document, "action"), text_of(document, "mode"),
            json_object_get(document, "loaded") ? ", not loaded" : "");
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
