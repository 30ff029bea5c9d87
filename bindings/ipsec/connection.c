/* connection.c - checks connection documents and renders them for strongSwan, live and as a file, from one tree.
 * Must never touch a daemon or a file. SPDX-License-Identifier: MIT */
#include "ipsec/connection.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"

enum {
    TRAFFIC_MAX = 64,
    PORTS_MAX = 256,
    PROPOSALS_MAX = 16,
    WORD_MAX = 128,
    DAY_MS = 24 * 60 * 60 * 1000,
};

/* ---------- validation: one rule a member ---------- */

/* NULL when it is no string, or one that C would cut at a NUL. */
static const char *plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool is_one_of(const json_t *value, const char *const words[])
{
    const char *text = plain_text(value);
    while (text && *words && strcmp(text, *words) != 0)
        words++;
    return text && *words;
}

static bool is_version(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) == 2;
}

/* Only the form that inet_ntop prints: one address has one spelling, so that states compare. */
static bool is_address(const json_t *value)
{
    const char *text = plain_text(value);
    unsigned char bytes[sizeof(struct in6_addr)];
    char canonical[INET6_ADDRSTRLEN];
    int family = text && strchr(text, ':') ? AF_INET6 : AF_INET;
    return text && inet_pton(family, text, bytes) == 1 && inet_ntop(family, bytes, canonical, sizeof canonical) &&
           strcmp(text, canonical) == 0;
}

static bool is_word(const json_t *value, const char *punctuation)
{
    const char *text = plain_text(value);
    size_t size = json_string_length(value);
    if (!text || size == 0 || size > WORD_MAX || !isalnum((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr(punctuation, text[i]))
            return false;
    }
    return true;
}

bool stf_ipsec_is_identity(const json_t *value)
{
    return is_word(value, ".-_@");
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
    return is_one_of(value, (const char *const[]){"require", "permit", NULL});
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

static bool is_traffic_list(const json_t *value)
{
    return json_array_size(value) >= 1 && json_array_size(value) <= TRAFFIC_MAX;
}

static bool is_protocol(const json_t *value)
{
    return is_one_of(value, (const char *const[]){"tcp", "udp", "any", NULL});
}

static bool is_port_list(const json_t *value)
{
    return json_array_size(value) >= 1 && json_array_size(value) <= PORTS_MAX;
}

static bool is_port(const json_t *value)
{
    json_int_t port = json_integer_value(value);
    return json_is_integer(value) && port >= 1 && port <= 65535;
}

struct rule {
    const char *member;
    bool (*is_valid)(const json_t *value);
    const char *expected;
    bool is_optional;
};

#define SECONDS_EXPECTED "milliseconds in whole seconds (a multiple of 1000), 0 to 86400000"
#define ADDRESS_EXPECTED "an IPv4 or IPv6 address in its shortest spelling, such as \"10.9.0.1\""
#define IDENTITY_EXPECTED "an identity of letters, digits and . - _ @, such as \"mail.example.org\""
#define PROPOSALS_EXPECTED "a list of 1 to 16 proposals in strongSwan's words, such as "

static const struct rule rules[] = {
    {"version", is_version, "2 (IKEv2)", false},
    {"local_address", is_address, ADDRESS_EXPECTED, false},
    {"remote_address", is_address, ADDRESS_EXPECTED, false},
    {"local_id", stf_ipsec_is_identity, IDENTITY_EXPECTED, false},
    {"remote_id", stf_ipsec_is_identity, IDENTITY_EXPECTED, false},
    {"side", is_side, "\"client\" (towards the protected ports) or \"server\" (owns them)", false},
    {"traffic", is_traffic_list, "a list of 1 to 64 entries {\"protocol\", \"ports\"}", false},
    {"mode", is_mode, "\"transport\" or \"tunnel\"", false},
    {"action", is_action, "\"require\" or \"permit\"", false},
    {"ike_proposals", is_proposals, PROPOSALS_EXPECTED "\"aes128gcm16-prfsha256-x25519\"", false},
    {"esp_proposals", is_proposals, PROPOSALS_EXPECTED "\"aes128gcm16\"", false},
    {"initiate", is_initiate, "\"on_demand\" or \"never\"", false},
    {"dpd_delay_ms", is_whole_seconds, SECONDS_EXPECTED " (0: no dead-peer detection)", true},
    {"ike_rekey_ms", is_whole_seconds, SECONDS_EXPECTED " (0: never)", true},
    {"esp_rekey_ms", is_whole_seconds, SECONDS_EXPECTED " (0: never)", true},
};
enum { RULE_COUNT = sizeof rules / sizeof *rules };

static enum stf_kind invalid(struct stf_err *err, const char *member, const json_t *found, const char *expected)
{
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : strdup("nothing");
    enum stf_kind kind =
        stf_err_set(err, STF_INVALID_DATA, 0, "validate", member, "connection member '%s' is %.80s; expected %s",
                    member, text ? text : "not printable", expected);
    free(text);
    return kind;
}

static enum stf_kind validate_ports(const json_t *entry, size_t index, struct stf_err *err)
{
    char member[48];
    const json_t *ports = json_object_get(entry, "ports");
    snprintf(member, sizeof member, "traffic[%zu].ports", index);
    if (!ports)
        return STF_OK;
    if (is_one_of(json_object_get(entry, "protocol"), (const char *const[]){"any", NULL}))
        return invalid(err, member, ports, "no ports with protocol \"any\"");
    if (!is_port_list(ports))
        return invalid(err, member, ports, "a list of 1 to 256 ports (left out: all ports)");
    for (size_t i = 0; i < json_array_size(ports); i++) {
        const json_t *port = json_array_get(ports, i);
        snprintf(member, sizeof member, "traffic[%zu].ports[%zu]", index, i);
        if (!is_port(port))
            return invalid(err, member, port, "a port number, 1 to 65535");
        for (size_t j = 0; j < i; j++) {
            if (json_equal(port, json_array_get(ports, j)))
                return invalid(err, member, port, "each port once");
        }
    }
    return STF_OK;
}

static enum stf_kind validate_traffic(const json_t *traffic, struct stf_err *err)
{
    static const char *const known[] = {"protocol", "ports", NULL};
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        char member[48];
        const json_t *entry = json_array_get(traffic, i);
        snprintf(member, sizeof member, "traffic[%zu]", i);
        enum stf_kind kind = stf_doc_check_keys(entry, known, member, err);
        if (kind)
            return kind;
        const json_t *protocol = json_object_get(entry, "protocol");
        snprintf(member, sizeof member, "traffic[%zu].protocol", i);
        if (!is_protocol(protocol))
            return invalid(err, member, protocol, "\"tcp\", \"udp\" or \"any\"");
        kind = validate_ports(entry, i, err);
        if (kind)
            return kind;
    }
    return STF_OK;
}

static enum stf_kind check_members(const json_t *document, struct stf_err *err)
{
    const char *known[RULE_COUNT + 2] = {NULL};
    for (size_t i = 0; i < RULE_COUNT; i++)
        known[i] = rules[i].member;
    known[RULE_COUNT] = "loaded";
    return stf_doc_check_keys(document, known, "connection", err);
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
    return validate_traffic(json_object_get(document, "traffic"), err);
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

/* dynamic[tcp/110], ... for the side that owns the ports; dynamic[tcp], ... for the other, which uses any. */
static json_t *selectors(const json_t *traffic, bool with_ports)
{
    size_t index;
    json_t *entry, *list = json_array();
    json_array_foreach (traffic, index, entry) {
        const char *protocol = text_of(entry, "protocol");
        const json_t *ports = with_ports ? json_object_get(entry, "ports") : NULL;
        if (strcmp(protocol, "any") == 0)
            json_array_append_new(list, json_string("dynamic"));
        else if (!ports)
            json_array_append_new(list, json_sprintf("dynamic[%s]", protocol));
        for (size_t i = 0; i < json_array_size(ports); i++)
            json_array_append_new(list, json_sprintf("dynamic[%s/%" JSON_INTEGER_FORMAT "]", protocol,
                                                     json_integer_value(json_array_get(ports, i))));
    }
    return list;
}

static json_t *seconds(const json_t *document, const char *member)
{
    const json_t *ms = json_object_get(document, member);
    return ms ? json_sprintf("%" JSON_INTEGER_FORMAT "s", json_integer_value(ms) / 1000) : NULL;
}

/* What makes the daemon begin: a trap policy, which the kernel fires and which also blocks clear text. Permit must not
 * block, so it has none; the userland engine has none to fire, so there only dead-peer detection re-establishes. */
static bool is_on_demand(const json_t *document)
{
    return is_text(document, "action", "require") && is_text(document, "initiate", "on_demand");
}

static const char *dpd_action(const json_t *document, const struct stf_ipsec_engine *engine)
{
    /* only the client acts: two sides that both re-establish fight over the peer */
    if (!is_text(document, "side", "client") || !is_on_demand(document))
        return "clear";
    return engine->is_userland ? "restart" : "trap";
}

static json_t *child_tree(const json_t *document, const struct stf_ipsec_engine *engine)
{
    bool is_server = is_text(document, "side", "server");
    const json_t *traffic = json_object_get(document, "traffic");
    bool is_trap = is_on_demand(document) && !engine->is_userland;
    return json_pack("{s:s, s:o, s:o, s:O, s:s, s:s, s:o*}", "mode",
                     engine->is_userland ? "tunnel" : text_of(document, "mode"), "local_ts",
                     selectors(traffic, is_server), "remote_ts", selectors(traffic, !is_server), "esp_proposals",
                     json_object_get(document, "esp_proposals"), "start_action", is_trap ? "trap" : "none",
                     "dpd_action", dpd_action(document, engine), "rekey_time", seconds(document, "esp_rekey_ms"));
}

static json_t *peer_tree(const char *id)
{
    return json_pack("{s:s, s:s}", "auth", "psk", "id", id);
}

enum stf_kind stf_connection_render(const char *name, const json_t *document, const struct stf_ipsec_engine *engine,
                                    json_t **tree, struct stf_err *err)
{
    if (engine->is_userland && !engine->allow_tunnel && is_text(document, "mode", "transport"))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "render", name,
                           "this host's charon carries ESP itself (plugin kernel-libipsec) and has no transport mode; "
                           "use a kernel with ESP, or set ipsec.allow_tunnel = true for this host in site.lua to load "
                           "the connection as a tunnel in UDP");
    *tree = json_pack("{s:{s:s, s:[s], s:[s], s:O, s:s, s:s*, s:o*, s:o*, s:o, s:o, s:{s:o}}}", name, "version", "2",
                      "local_addrs", text_of(document, "local_address"), "remote_addrs",
                      text_of(document, "remote_address"), "proposals", json_object_get(document, "ike_proposals"),
                      "mobike", "no", "encap", engine->is_userland ? "yes" : NULL, "dpd_delay",
                      seconds(document, "dpd_delay_ms"), "rekey_time", seconds(document, "ike_rekey_ms"), "local",
                      peer_tree(text_of(document, "local_id")), "remote", peer_tree(text_of(document, "remote_id")),
                      "children", name, child_tree(document, engine));
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

static void print_traffic(FILE *out, const json_t *traffic)
{
    size_t index;
    json_t *entry;
    json_array_foreach (traffic, index, entry) {
        const json_t *ports = json_object_get(entry, "ports");
        fprintf(out, " %s", text_of(entry, "protocol"));
        for (size_t i = 0; i < json_array_size(ports); i++)
            fprintf(out, "%c%" JSON_INTEGER_FORMAT, i ? ',' : '/', json_integer_value(json_array_get(ports, i)));
    }
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
    print_traffic(out, json_object_get(document, "traffic"));
    fprintf(out, " %s, %s%s", text_of(document, "action"), text_of(document, "mode"),
            json_object_get(document, "loaded") ? ", not loaded" : "");
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
