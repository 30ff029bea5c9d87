/* policy.c - one function for each field of a policy: it checks what was given, or gives the default.
 * Must never touch a host, nor know an engine. SPDX-License-Identifier: MIT */
#include "ipsec/policy.h"

#include <sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/proposal.h"
#include "ipsec/traffic.h"

enum {
    LIST_MAX = 16,
    PEERS_MAX = 64,
    NAME_SIZE_MAX = 253,
    ASK_SIZE_MAX = 1024,
    DAY_MS = 24 * 60 * 60 * 1000,
    MEMBER_SIZE = 96
};

static const json_int_t rekey_bytes_min = 1 << 20, rekey_bytes_max = (json_int_t)1 << 50;
static const char what[] = "policy field";

static enum stf_kind invalid(struct stf_err *err, const char *member, const json_t *found, const char *expected)
{
    return stf_traffic_invalid(err, what, member, found, expected);
}

/* ---------- words ---------- */

static bool is_word(const json_t *value, const char *word)
{
    const char *text = stf_doc_plain_text(value);
    return text && strcmp(text, word) == 0;
}

/* The place of `value` in `words`, or that of the ending NULL. */
static size_t place_in(const json_t *value, const char *const words[])
{
    size_t place = 0;
    while (words[place] && !is_word(value, words[place]))
        place++;
    return place;
}

/* Lua can not tell an empty list from an empty object. */
static bool is_list(const json_t *value, size_t min, size_t max)
{
    bool is_empty = json_is_object(value) && json_object_size(value) == 0;
    size_t size = json_array_size(value);
    return (json_is_array(value) || is_empty) && size >= min && size <= max;
}

/* ---------- traffic and exempt ---------- */

/* A new list without the members "direction", which can say one thing only. */
static enum stf_kind without_direction(const json_t *given, const char *member, json_t **list, struct stf_err *err)
{
    char place[MEMBER_SIZE];
    *list = json_deep_copy(given);
    for (size_t i = 0; i < json_array_size(*list); i++) {
        json_t *entry = json_array_get(*list, i);
        const json_t *direction = json_object_get(entry, "direction");
        snprintf(place, sizeof place, "%s[%zu].direction", member, i);
        if (direction && !is_word(direction, "both"))
            return invalid(err, place, direction, "\"both\": an SA protects both directions");
        json_object_del(entry, "direction");
    }
    return STF_OK;
}

static enum stf_kind canonical_traffic(const json_t *given, const char *member, json_t **normal, struct stf_err *err)
{
    json_t *list = NULL;
    enum stf_kind kind = without_direction(given, member, &list, err);
    if (!kind)
        kind = stf_traffic_validate(list, what, member, err);
    if (!kind)
        *normal = stf_traffic_canonical(list);
    json_decref(list);
    return kind;
}

static enum stf_kind normalize_traffic(const json_t *given, json_t **normal, struct stf_err *err)
{
    return canonical_traffic(given, "traffic", normal, err);
}

static json_t *default_exempt(void)
{
    return json_pack("[{s:s, s:[i, i, i, i]}]", "protocol", "tcp", "ports", 22, 3389, 5985, 5986);
}

static enum stf_kind normalize_exempt(const json_t *given, json_t **normal, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    json_t *management = given ? NULL : default_exempt();
    if (given && !is_list(given, 0, 64))
        return invalid(err, "exempt", given, "a list of traffic, as in \"traffic\"; it may be empty");
    if (json_array_size(given))
        kind = canonical_traffic(given, "exempt", &management, err);
    if (!kind && is_word(json_object_get(json_array_get(management, 0), "protocol"), "any"))
        kind = invalid(err, "exempt", given, "\"tcp\", \"udp\" or \"icmp\": with \"any\" nothing would be protected");
    if (!kind) {
        json_t *all = json_pack("[{s:s, s:[i, i]}]", "protocol", "udp", "ports", 500, 4500);
        json_array_extend(all, management);
        *normal = stf_traffic_canonical(all);
        json_decref(all);
    }
    json_decref(management);
    return kind;
}

/* ---------- between ---------- */

/* In canonical order: a name that two connections of a host could have is the virtual IP's. */
static const char *const groups[] = {"front_ends", "virtual_ip", "nodes", "domain_controllers", NULL};
enum { VIRTUAL_IP = 1, NODES = 2, AN_ADDRESS = 4 };

static enum stf_kind check_pair(const json_t *pair, size_t index, struct stf_err *err)
{
    static const char *const known[] = {"from", "to", NULL};
    size_t rank[2];
    char member[MEMBER_SIZE];
    snprintf(member, sizeof member, "between[%zu]", index);
    enum stf_kind kind = stf_doc_check_keys(pair, known, member, err);
    for (int i = 0; i < 2 && !kind; i++) {
        const json_t *end = json_object_get(pair, known[i]);
        rank[i] = place_in(end, groups);
        snprintf(member, sizeof member, "between[%zu].%s", index, known[i]);
        if (rank[i] == AN_ADDRESS && !stf_address_is_canonical(end))
            kind = invalid(err, member, end,
                           "\"front_ends\", \"virtual_ip\", \"nodes\", \"domain_controllers\", or an IP address in its "
                           "shortest spelling");
    }
    if (kind)
        return kind;
    snprintf(member, sizeof member, "between[%zu]", index);
    bool is_own_address = (rank[0] == VIRTUAL_IP && rank[1] == NODES) || (rank[0] == NODES && rank[1] == VIRTUAL_IP);
    if (rank[0] == rank[1])
        return invalid(err, member, pair, rank[0] == AN_ADDRESS ? "a group on one side" : "two different groups");
    if (is_own_address)
        return invalid(err, member, pair, "another pair: the virtual IP is an address of the nodes themselves");
    return STF_OK;
}

static int compare_ends(const json_t *a, const json_t *b, const char *end)
{
    const json_t *a_end = json_object_get(a, end), *b_end = json_object_get(b, end);
    size_t a_rank = place_in(a_end, groups), b_rank = place_in(b_end, groups);
    if (a_rank != b_rank)
        return a_rank < b_rank ? -1 : 1;
    return strcmp(json_string_value(a_end), json_string_value(b_end));
}

static int compare_pairs(const void *a, const void *b)
{
    const json_t *a_pair = *(const json_t *const *)a, *b_pair = *(const json_t *const *)b;
    int order = compare_ends(a_pair, b_pair, "from");
    return order ? order : compare_ends(a_pair, b_pair, "to");
}

static enum stf_kind normalize_between(const json_t *given, json_t **normal, struct stf_err *err)
{
    json_t *pairs[LIST_MAX];
    size_t size = json_array_size(given);
    enum stf_kind kind = STF_OK;
    if (!given) {
        *normal = json_pack("[{s:s, s:s}]", "from", "front_ends", "to", "virtual_ip");
        return STF_OK;
    }
    if (!is_list(given, 1, LIST_MAX))
        return invalid(err, "between", given, "a list of 1 to 16 pairs {\"from\", \"to\"}");
    for (size_t i = 0; i < size && !kind; i++) {
        pairs[i] = json_array_get(given, i);
        kind = check_pair(pairs[i], i, err);
        for (size_t j = 0; j < i && !kind; j++)
            if (json_equal(pairs[i], pairs[j]))
                kind = invalid(err, "between", pairs[i], "each pair once");
    }
    if (kind)
        return kind;
    qsort(pairs, size, sizeof *pairs, compare_pairs);
    *normal = json_array();
    for (size_t i = 0; i < size; i++)
        json_array_append_new(*normal, json_deep_copy(pairs[i]));
    return STF_OK;
}

/* ---------- words to choose from ---------- */

static enum stf_kind choose(const char *member, const json_t *given, const char *const words[], const char *expected,
                            json_t **normal, struct stf_err *err)
{
    const char *chosen = given ? words[place_in(given, words)] : words[0];
    if (!chosen)
        return invalid(err, member, given, expected);
    *normal = json_string(chosen);
    return STF_OK;
}

static enum stf_kind normalize_action(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const words[] = {"require", "permit", "pass", "drop", NULL};
    return choose("action", given, words, "\"require\", \"permit\", \"pass\" or \"drop\"", normal, err);
}

/* The default depends on the action: see settle_clear_text. */
static enum stf_kind normalize_clear_text(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const words[] = {"refuse", "allow", NULL};
    return given ? choose("clear_text", given, words, "\"refuse\" or \"allow\"", normal, err) : STF_OK;
}

static enum stf_kind normalize_mode(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const words[] = {"transport", "tunnel", NULL};
    return choose("mode", given, words, "\"transport\" or \"tunnel\"", normal, err);
}

static enum stf_kind normalize_dpd_action(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const words[] = {"trap", "restart", "clear", NULL};
    return choose("dpd_action", given, words, "\"trap\", \"restart\" or \"clear\"", normal, err);
}

/* ---------- failover ---------- */

enum { GIVE_UP_MAX_MS = 60 * 60 * 1000 };

static enum stf_kind integer_in(const char *member, const json_t *given, json_int_t min, json_int_t max,
                                json_int_t fallback, json_t **normal, struct stf_err *err)
{
    char expected[96];
    json_int_t value = given ? json_integer_value(given) : fallback;
    snprintf(expected, sizeof expected, "a whole number, %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, min, max);
    if ((given && !json_is_integer(given)) || value < min || value > max)
        return invalid(err, member, given, expected);
    *normal = json_integer(value);
    return STF_OK;
}

static enum stf_kind retransmit_base(const json_t *given, json_t **normal, struct stf_err *err)
{
    double base = given ? json_number_value(given) : 1.0;
    if (!(base >= 1.0 && base <= 5.0))
        return invalid(err, "failover.retransmit_base", given, "a number, 1.0 to 5.0");
    *normal = json_real(base);
    return STF_OK;
}

static enum stf_kind acquire_expires_ms(const json_t *given, json_t **normal, struct stf_err *err)
{
    json_int_t ms = given ? json_integer_value(given) : 1000;
    if ((given && !json_is_integer(given)) || ms < 1000 || ms > GIVE_UP_MAX_MS || ms % 1000)
        return invalid(err, "failover.acquire_expires_ms", given,
                       "milliseconds in whole seconds (a multiple of 1000), 1000 to 3600000");
    *normal = json_integer(ms);
    return STF_OK;
}

double stf_policy_give_up_ms(const json_t *failover)
{
    double wait_ms = json_number_value(json_object_get(failover, "retransmit_timeout_ms")), total_ms = 0;
    json_int_t tries = json_integer_value(json_object_get(failover, "retransmit_tries"));
    for (json_int_t i = 0; i <= tries; i++) {
        total_ms += wait_ms;
        wait_ms *= json_number_value(json_object_get(failover, "retransmit_base"));
    }
    return total_ms;
}

static enum stf_kind normalize_failover(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const words[] = {"new_holder", "front_end", NULL};
    static const char *const known[] = {"initiator",        "retransmit_timeout_ms", "retransmit_base",
                                        "retransmit_tries", "acquire_expires_ms",    NULL};
    json_t *value[5] = {NULL}, *made = json_object();
    enum stf_kind kind = given ? stf_doc_check_keys(given, known, "failover", err) : STF_OK;
    if (!kind)
        kind = choose("failover.initiator", json_object_get(given, "initiator"), words,
                      "\"new_holder\" or \"front_end\"", &value[0], err);
    if (!kind)
        kind = integer_in("failover.retransmit_timeout_ms", json_object_get(given, "retransmit_timeout_ms"), 50, 60000,
                          300, &value[1], err);
    if (!kind)
        kind = retransmit_base(json_object_get(given, "retransmit_base"), &value[2], err);
    if (!kind)
        kind = integer_in("failover.retransmit_tries", json_object_get(given, "retransmit_tries"), 1, 20, 4, &value[3],
                          err);
    if (!kind)
        kind = acquire_expires_ms(json_object_get(given, "acquire_expires_ms"), &value[4], err);
    for (int i = 0; i < 5; i++)
        json_object_set_new(made, known[i], value[i]);
    if (!kind && stf_policy_give_up_ms(made) > GIVE_UP_MAX_MS)
        kind = invalid(err, "failover", made, "retransmissions that give a peer up within an hour");
    if (kind)
        json_decref(made);
    else
        *normal = made;
    return kind;
}

/* ---------- authentication ---------- */

static enum stf_kind check_certificate(const json_t *auth, struct stf_err *err)
{
    static const char *const files[] = {"certificate", "key", "ca", NULL};
    for (int i = 0; files[i]; i++) {
        char member[MEMBER_SIZE];
        const char *path = stf_doc_plain_text(json_object_get(auth, files[i]));
        snprintf(member, sizeof member, "auth.%s", files[i]);
        if (!path || !*path || strpbrk(path, "\"\\\n"))
            return invalid(err, member, json_object_get(auth, files[i]),
                           "the path of a file, such as \"certs/{id}.pem\", without quotes or backslashes");
    }
    return STF_OK;
}

static enum stf_kind normalize_auth(const json_t *given, json_t **normal, struct stf_err *err)
{
    static const char *const with_files[] = {"method", "certificate", "key", "ca", NULL};
    static const char *const plain[] = {"method", NULL};
    const json_t *method = json_object_get(given, "method");
    bool has_files = is_word(method, "certificate");
    if (!given) {
        *normal = json_pack("{s:s}", "method", "psk");
        return STF_OK;
    }
    if (!json_is_object(given) || (!has_files && !is_word(method, "psk") && !is_word(method, "kerberos")))
        return invalid(err, "auth.method", method, "\"psk\", \"certificate\" or \"kerberos\"");
    enum stf_kind kind = stf_doc_check_keys(given, has_files ? with_files : plain, "auth", err);
    if (!kind && has_files)
        kind = check_certificate(given, err);
    if (!kind)
        *normal = json_deep_copy(given);
    return kind;
}

/* ---------- algorithms ---------- */

static enum stf_kind check_proposals(const char *member, bool is_ike, const json_t *given, struct stf_err *err)
{
    if (!is_list(given, 1, LIST_MAX))
        return invalid(err, member, given, "a list of 1 to 16 proposals in strongSwan's words");
    for (size_t i = 0; i < json_array_size(given); i++) {
        char place[MEMBER_SIZE];
        struct stf_err cause;
        struct stf_proposal proposal;
        const char *text = stf_doc_plain_text(json_array_get(given, i));
        snprintf(place, sizeof place, "%s[%zu]", member, i);
        if (!text)
            return invalid(err, place, json_array_get(given, i), "a proposal in strongSwan's words");
        enum stf_kind kind = stf_proposal_parse(text, is_ike, &proposal, &cause);
        if (kind)
            return stf_err_set(err, kind, 0, "validate", place, "%s '%s' is %s", what, place, cause.message);
    }
    return STF_OK;
}

static enum stf_kind normalize_ike_proposals(const json_t *given, json_t **normal, struct stf_err *err)
{
    *normal = given ? json_deep_copy(given)
                    : json_pack("[s, s]", "aes128gcm16-prfsha256-x25519", "aes128-sha256-ecp256-modp2048");
    return check_proposals("ike_proposals", true, *normal, err);
}

static enum stf_kind normalize_esp_proposals(const json_t *given, json_t **normal, struct stf_err *err)
{
    *normal = given ? json_deep_copy(given) : json_pack("[s, s]", "aes128gcm16", "aes128-sha256");
    return check_proposals("esp_proposals", false, *normal, err);
}

static enum stf_kind check_weak(const json_t *entry, size_t index, struct stf_err *err)
{
    static const char *const known[] = {"algorithm", "peers", NULL};
    char member[MEMBER_SIZE];
    const json_t *algorithm = json_object_get(entry, "algorithm"), *peers = json_object_get(entry, "peers");
    snprintf(member, sizeof member, "allow_weak[%zu]", index);
    enum stf_kind kind = stf_doc_check_keys(entry, known, member, err);
    if (kind)
        return kind;
    snprintf(member, sizeof member, "allow_weak[%zu].algorithm", index);
    if (!stf_weak_algorithms[place_in(algorithm, stf_weak_algorithms)])
        return invalid(err, member, algorithm,
                       "a weak one: \"des\", \"3des\", \"md5\", \"sha1\", \"modp768\", \"modp1024\", \"modp1536\", "
                       "\"modp1024s160\", \"modp2048s224\", \"modp2048s256\" or \"ecp192\"");
    snprintf(member, sizeof member, "allow_weak[%zu].peers", index);
    bool are_names = is_list(peers, 1, PEERS_MAX);
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const char *name = stf_doc_plain_text(json_array_get(peers, i));
        are_names = are_names && name && *name && strlen(name) <= NAME_SIZE_MAX;
    }
    return are_names ? STF_OK : invalid(err, member, peers, "a list of 1 to 64 hosts of the site that need it");
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* At most PEERS_MAX strings sorted, each once; a new reference. */
static json_t *sorted_texts(const json_t *list)
{
    json_t *texts[PEERS_MAX], *sorted = json_array();
    size_t size = json_array_size(list);
    for (size_t i = 0; i < size; i++)
        texts[i] = json_array_get(list, i);
    qsort(texts, size, sizeof *texts, compare_texts);
    for (size_t i = 0; i < size; i++)
        if (i == 0 || !json_equal(texts[i], texts[i - 1]))
            json_array_append(sorted, texts[i]);
    return sorted;
}

/* The entry for the algorithm; NULL when there is none. */
static const json_t *weak_entry(const json_t *allow_weak, const char *algorithm)
{
    for (size_t i = 0; i < json_array_size(allow_weak); i++) {
        const json_t *entry = json_array_get(allow_weak, i);
        if (is_word(json_object_get(entry, "algorithm"), algorithm))
            return entry;
    }
    return NULL;
}

static enum stf_kind normalize_allow_weak(const json_t *given, json_t **normal, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (given && !is_list(given, 0, LIST_MAX))
        return invalid(err, "allow_weak", given, "a list of {\"algorithm\", \"peers\"}");
    for (size_t i = 0; i < json_array_size(given) && !kind; i++) {
        const json_t *entry = json_array_get(given, i);
        kind = check_weak(entry, i, err);
        if (!kind && weak_entry(given, json_string_value(json_object_get(entry, "algorithm"))) != entry)
            kind = invalid(err, "allow_weak", entry, "each algorithm once");
    }
    if (kind)
        return kind;
    *normal = json_array();
    for (size_t i = 0; stf_weak_algorithms[i]; i++) {
        const json_t *entry = weak_entry(given, stf_weak_algorithms[i]);
        if (entry)
            json_array_append_new(*normal, json_pack("{s:s, s:o}", "algorithm", stf_weak_algorithms[i], "peers",
                                                     sorted_texts(json_object_get(entry, "peers"))));
    }
    return STF_OK;
}

/* ---------- numbers ---------- */

static enum stf_kind whole_seconds(const char *member, const json_t *given, json_int_t fallback, json_t **normal,
                                   struct stf_err *err)
{
    json_int_t ms = given ? json_integer_value(given) : fallback;
    if (given && (!json_is_integer(given) || ms < 0 || ms > DAY_MS || ms % 1000))
        return invalid(err, member, given, "milliseconds in whole seconds (a multiple of 1000), 0 (never) to 86400000");
    *normal = json_integer(ms);
    return STF_OK;
}

static enum stf_kind normalize_ike_rekey_ms(const json_t *given, json_t **normal, struct stf_err *err)
{
    return whole_seconds("ike_rekey_ms", given, 4 * 60 * 60 * 1000, normal, err);
}

static enum stf_kind normalize_esp_rekey_ms(const json_t *given, json_t **normal, struct stf_err *err)
{
    return whole_seconds("esp_rekey_ms", given, 60 * 60 * 1000, normal, err);
}

static enum stf_kind normalize_dpd_delay_ms(const json_t *given, json_t **normal, struct stf_err *err)
{
    return whole_seconds("dpd_delay_ms", given, 1000, normal, err);
}

static enum stf_kind normalize_esp_rekey_bytes(const json_t *given, json_t **normal, struct stf_err *err)
{
    json_int_t bytes = json_integer_value(given);
    bool is_good = json_is_integer(given) && (bytes == 0 || (bytes >= rekey_bytes_min && bytes <= rekey_bytes_max));
    if (given && !is_good)
        return invalid(err, "esp_rekey_bytes", given, "0 (never) or 1048576 to 1125899906842624");
    *normal = json_integer(bytes);
    return STF_OK;
}

/* ---------- asks ---------- */

static enum stf_kind check_ask(const json_t *ask, size_t index, struct stf_err *err)
{
    static const char *const known[] = {"port", "send", "expect", NULL};
    char member[MEMBER_SIZE];
    const json_t *port = json_object_get(ask, "port");
    struct stf_ports ports;
    snprintf(member, sizeof member, "asks[%zu]", index);
    enum stf_kind kind = stf_doc_check_keys(ask, known, member, err);
    if (kind)
        return kind;
    snprintf(member, sizeof member, "asks[%zu].port", index);
    if (!json_is_integer(port) || !stf_ports_parse(port, &ports))
        return invalid(err, member, port, "a port number, 1 to 65535");
    for (int i = 1; known[i]; i++) {
        const json_t *text = json_object_get(ask, known[i]);
        snprintf(member, sizeof member, "asks[%zu].%s", index, known[i]);
        if (text && (!json_is_string(text) || json_string_length(text) > ASK_SIZE_MAX))
            return invalid(err, member, text, "text of at most 1024 bytes");
    }
    return STF_OK;
}

static enum stf_kind normalize_asks(const json_t *given, json_t **normal, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (given && !is_list(given, 0, LIST_MAX))
        return invalid(err, "asks", given, "a list of at most 16 {\"port\", \"send\", \"expect\"}");
    for (size_t i = 0; i < json_array_size(given) && !kind; i++)
        kind = check_ask(json_array_get(given, i), i, err);
    if (!kind)
        *normal = json_array_size(given) ? json_deep_copy(given) : json_array();
    return kind;
}

/* ---------- what fields mean for each other ---------- */

static enum stf_kind settle_clear_text(json_t *normal, struct stf_err *err)
{
    const json_t *action = json_object_get(normal, "action"), *given = json_object_get(normal, "clear_text");
    bool is_required = is_word(action, "require");
    bool is_refused = is_required || is_word(action, "drop");
    if (!given)
        return json_object_set_new(normal, "clear_text", json_string(is_refused ? "refuse" : "allow")) < 0
                   ? stf_err_set(err, STF_NO_MEMORY, 0, "validate", "policy", "no memory for a policy")
                   : STF_OK;
    if (is_required || is_word(given, "refuse") == is_refused)
        return STF_OK;
    return invalid(err, "clear_text", given,
                   is_refused ? "\"refuse\" with action \"drop\"" : "\"allow\" with action \"permit\" or \"pass\"");
}

/* A port that is named in both lists is a mistake in one of them; that "any" and a range hold it is their use. */
static enum stf_kind check_exempt(const json_t *policy, const json_t *normal, struct stf_err *err)
{
    const json_t *traffic = json_object_get(policy, "traffic");
    const json_t *exempt = json_object_get(normal, "exempt");
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        const json_t *entry = json_array_get(traffic, i), *ports = json_object_get(entry, "ports");
        for (size_t j = 0; j < json_array_size(ports); j++) {
            char member[MEMBER_SIZE];
            json_t *port = json_array_get(ports, j);
            json_t *alone = json_pack("{s:O, s:[O]}", "protocol", json_object_get(entry, "protocol"), "ports", port);
            bool is_exempt = json_is_integer(port) && stf_traffic_overlaps(alone, exempt);
            json_decref(alone);
            snprintf(member, sizeof member, "traffic[%zu].ports[%zu]", i, j);
            if (is_exempt)
                return invalid(err, member, port,
                               "a port that is not exempt: IKE always is, and management is as \"exempt\" says");
        }
    }
    return STF_OK;
}

/* A ticket must come from the domain controller before the first SA to it can stand. */
static enum stf_kind check_kerberos(const json_t *normal, struct stf_err *err)
{
    const json_t *between = json_object_get(normal, "between"), *exempt = json_object_get(normal, "exempt");
    const json_t *method = json_object_get(json_object_get(normal, "auth"), "method");
    bool has_controllers = false, is_free = true;
    static const char *const both[] = {"tcp", "udp"};
    for (size_t i = 0; i < json_array_size(between); i++) {
        const json_t *pair = json_array_get(between, i);
        has_controllers = has_controllers || is_word(json_object_get(pair, "from"), "domain_controllers") ||
                          is_word(json_object_get(pair, "to"), "domain_controllers");
    }
    for (int i = 0; i < 2; i++) {
        json_t *port = json_pack("{s:s, s:[i]}", "protocol", both[i], "ports", 88);
        is_free = is_free && stf_traffic_overlaps(port, exempt);
        json_decref(port);
    }
    if (!is_word(method, "kerberos") || !has_controllers || is_free)
        return STF_OK;
    return invalid(err, "auth.method", method,
                   "TCP and UDP 88 in \"exempt\", or no domain controllers in \"between\": a ticket is needed before "
                   "the first SA");
}

/* The weak algorithm of the proposal that allow_weak does not name, or that it names; NULL when there is none. */
static const char *weak_of(const char *text, bool is_ike, const json_t *allow_weak, bool is_named)
{
    struct stf_proposal proposal;
    if (stf_proposal_parse(text, is_ike, &proposal, NULL))
        return NULL;
    for (size_t i = 0; i < proposal.count; i++) {
        const char *weak = proposal.algorithms[i]->weak;
        if (weak && (weak_entry(allow_weak, weak) != NULL) == is_named)
            return weak;
    }
    return NULL;
}

static enum stf_kind check_strength(const json_t *normal, const char *member, bool is_ike, struct stf_err *err)
{
    const json_t *proposals = json_object_get(normal, member), *allow_weak = json_object_get(normal, "allow_weak");
    bool is_any_strong = false;
    for (size_t i = 0; i < json_array_size(proposals); i++) {
        char place[MEMBER_SIZE], expected[256];
        const json_t *proposal = json_array_get(proposals, i);
        const char *text = json_string_value(proposal), *weak = weak_of(text, is_ike, allow_weak, false);
        snprintf(place, sizeof place, "%s[%zu]", member, i);
        snprintf(expected, sizeof expected,
                 "nothing as weak as %s; for old peers say allow_weak = { { algorithm = \"%s\", peers = { .. } } }",
                 weak ? weak : "", weak ? weak : "");
        if (weak)
            return invalid(err, place, proposal, expected);
        is_any_strong = is_any_strong || !weak_of(text, is_ike, allow_weak, true);
    }
    return is_any_strong
               ? STF_OK
               : invalid(err, member, proposals,
                         "at least one without a weak algorithm, for all peers that allow_weak does not name");
}

/* ---------- the whole ---------- */

static const struct field {
    const char *name;
    enum stf_kind (*normalize)(const json_t *given, json_t **normal, struct stf_err *err);
} fields[] = {
    {"traffic", normalize_traffic},
    {"between", normalize_between},
    {"exempt", normalize_exempt},
    {"action", normalize_action},
    {"clear_text", normalize_clear_text},
    {"mode", normalize_mode},
    {"auth", normalize_auth},
    {"ike_proposals", normalize_ike_proposals},
    {"esp_proposals", normalize_esp_proposals},
    {"allow_weak", normalize_allow_weak},
    {"ike_rekey_ms", normalize_ike_rekey_ms},
    {"esp_rekey_ms", normalize_esp_rekey_ms},
    {"esp_rekey_bytes", normalize_esp_rekey_bytes},
    {"dpd_delay_ms", normalize_dpd_delay_ms},
    {"dpd_action", normalize_dpd_action},
    {"failover", normalize_failover},
    {"asks", normalize_asks},
};
enum { FIELD_COUNT = sizeof fields / sizeof *fields };

static enum stf_kind check_fields(const json_t *policy, struct stf_err *err)
{
    const char *known[FIELD_COUNT + 2] = {"name"};
    for (size_t i = 0; i < FIELD_COUNT; i++)
        known[i + 1] = fields[i].name;
    return stf_doc_check_keys(policy, known, "policy", err);
}

static enum stf_kind add_fields(const json_t *policy, json_t *normal, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; i < FIELD_COUNT && !kind; i++) {
        json_t *value = NULL;
        kind = fields[i].normalize(json_object_get(policy, fields[i].name), &value, err);
        if (value)
            json_object_set_new(normal, fields[i].name, value);
    }
    return kind;
}

static bool is_complete(const json_t *normal)
{
    return json_object_size(normal) == FIELD_COUNT;
}

enum stf_kind stf_policy_normalize(const json_t *policy, json_t **normal, struct stf_err *err)
{
    json_t *made = json_object();
    enum stf_kind kind = check_fields(policy, err);
    if (!kind)
        kind = add_fields(policy, made, err);
    if (!kind)
        kind = settle_clear_text(made, err);
    if (!kind)
        kind = check_exempt(policy, made, err);
    if (!kind)
        kind = check_kerberos(made, err);
    if (!kind)
        kind = check_strength(made, "ike_proposals", true, err);
    if (!kind)
        kind = check_strength(made, "esp_proposals", false, err);
    if (!kind && !is_complete(made))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "validate", "policy", "no memory for a policy");
    if (kind)
        json_decref(made);
    else
        *normal = made;
    return kind;
}

/* ---------- comparing ---------- */

static bool is_traffic(const char *name)
{
    return strcmp(name, "traffic") == 0 || strcmp(name, "exempt") == 0;
}

static void print_value(FILE *out, const char *name, const json_t *value)
{
    if (is_traffic(name)) {
        stf_traffic_print(out, value);
        return;
    }
    fputc(' ', out);
    if (json_is_string(value))
        fputs(json_string_value(value), out);
    else
        json_dumpf(value, out, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
}

static json_t *difference(const char *name, const json_t *before, const json_t *after)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%s:", name);
    print_value(out, name, before);
    fputs(" ->", out);
    print_value(out, name, after);
    json_t *line = fclose(out) == 0 ? stf_doc_text(text, size) : NULL;
    free(text);
    return line;
}

static bool have_same_members(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    bool is_same = json_is_object(a) && json_object_size(a) == json_object_size(b);
    json_object_foreach ((json_t *)a, key, value)
        is_same = is_same && json_object_get(b, key);
    return is_same;
}

/* A line for each member of an object that only differs in what its members say. */
static bool add_differences(json_t *lines, const char *name, const json_t *was, const json_t *is)
{
    const char *key;
    json_t *value;
    char member[MEMBER_SIZE];
    bool is_added = true;
    if (json_equal(was, is))
        return true;
    if (!have_same_members(was, is))
        return json_array_append_new(lines, difference(name, was, is)) == 0;
    json_object_foreach ((json_t *)is, key, value) {
        snprintf(member, sizeof member, "%s.%s", name, key);
        is_added = is_added && add_differences(lines, member, json_object_get(was, key), value);
    }
    return is_added;
}

enum stf_kind stf_policy_diff(const json_t *before, const json_t *after, json_t **lines, struct stf_err *err)
{
    json_t *normal[2] = {NULL, NULL}, *found = json_array();
    enum stf_kind kind = stf_policy_normalize(before, &normal[0], err);
    if (!kind)
        kind = stf_policy_normalize(after, &normal[1], err);
    for (size_t i = 0; i < FIELD_COUNT && !kind; i++) {
        const char *name = fields[i].name;
        if (!add_differences(found, name, json_object_get(normal[0], name), json_object_get(normal[1], name)))
            kind = stf_err_set(err, STF_NO_MEMORY, 0, "compare", name, "no memory for a comparison");
    }
    json_decref(normal[0]);
    json_decref(normal[1]);
    if (kind)
        json_decref(found);
    else
        *lines = found;
    return kind;
}

enum stf_kind stf_policy_fingerprint(const json_t *policy, char fingerprint[static STF_FINGERPRINT_SIZE],
                                     struct stf_err *err)
{
    json_t *normal = NULL;
    enum stf_kind kind = stf_policy_normalize(policy, &normal, err);
    char *text = kind ? NULL : json_dumps(normal, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(normal);
    if (kind)
        return kind;
    if (!text)
        return stf_err_set(err, STF_NO_MEMORY, 0, "fingerprint", "policy", "no memory for a fingerprint");
    SHA256Data((const uint8_t *)text, strlen(text), fingerprint);
    free(text);
    return STF_OK;
}
