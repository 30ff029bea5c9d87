/* windows_render.c - checks what is asked of one Windows host, resolves the algorithms, and has the scripts written.
 * Must never touch a host. SPDX-License-Identifier: MIT */
#include "ipsec/windows_render.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/policy.h"
#include "ipsec/windows_plan.h"
#include "ipsec/windows_state.h"

enum {
    NAME_MAX_SIZE = 64,
    TEXT_MAX_SIZE = 200,
    PAIRS_MAX = 64,
    PORTS_MAX = 64,
    MS = 1000,
    MINUTE_MS = 60 * MS,
    ESP_MIN_MS = 5 * MINUTE_MS,
    KILOBYTES_MIN = 20480,
    KILOBYTES_MAX = 2147483647,
};

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
static const char path_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. \\";
static const char ca_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. ,=:/'()";
static const char method_letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:() ";

static enum stf_kind invalid(struct stf_err *err, const char *member, const char *found, const char *expected)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "windows_scripts", member, "'%s' is %s%.80s%s; expected %s", member,
                       found ? "\"" : "", found ? found : "nothing", found ? "\"" : "", expected);
}

static enum stf_kind unsupported(struct stf_err *err, const struct stf_windows_plan *plan, const char *field,
                                 const char *asked, const char *has)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "windows_scripts", field,
                       "policy field '%s' asks for %s, which %s can not do: %s", field, asked,
                       stf_windows_generation_name(plan->generation), has);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---------- the request ---------- */

static bool consists_of(const char *text, const char *letters, size_t max_size)
{
    size_t size = text ? strlen(text) : 0;
    return size > 0 && size <= max_size && strspn(text, letters) == size;
}

static bool is_windows_path(const char *path)
{
    return path && strlen(path) > 3 && strspn(path, name_letters) == 1 && path[1] == ':' && path[2] == '\\' &&
           consists_of(path + 2, path_letters, TEXT_MAX_SIZE) && path[strlen(path) - 1] != '\\';
}

static int family_of(const char *address)
{
    unsigned char bytes[16];
    int family = address && strchr(address, ':') ? AF_INET6 : AF_INET;
    return address && inet_pton(family, address, bytes) == 1 ? family : 0;
}

static enum stf_kind check_pair(const struct stf_windows_plan *plan, const json_t *pair, struct stf_err *err)
{
    static const char *const known[] = {"local_address", "remote_address", "side", "peer", NULL};
    enum stf_kind kind = stf_doc_check_keys(pair, known, "pairs", err);
    if (kind)
        return kind;
    const char *side = text_of(pair, "side"), *local = text_of(pair, "local_address");
    const char *remote = text_of(pair, "remote_address");
    if (!side || (strcmp(side, "client") != 0 && strcmp(side, "server") != 0))
        return invalid(err, "pairs.side", side, "\"client\" or \"server\"");
    if (!family_of(local))
        return invalid(err, "pairs.local_address", local, "an IP address");
    if (!family_of(remote) || family_of(local) != family_of(remote))
        return invalid(err, "pairs.remote_address", remote, "an IP address of the same family as local_address");
    if (plan->tool == STF_WINDOWS_STATIC && family_of(local) == AF_INET6)
        return unsupported(err, plan, "between", local, "its netsh ipsec documents filters of IPv4 only");
    return STF_OK;
}

static enum stf_kind check_texts(const struct stf_windows_plan *plan, struct stf_err *err)
{
    if (!consists_of(plan->name, name_letters, NAME_MAX_SIZE) || strncmp(plan->name, "staffetta-", 10) != 0)
        return invalid(err, "name", plan->name, "\"staffetta-\", then letters, digits and '-', together at most 64");
    bool reads_key_there = !plan->standing || plan->tool == STF_WINDOWS_POWERSHELL;
    if (strcmp(plan->auth, "psk") == 0 && !plan->is_bare &&
        (reads_key_there ? !is_windows_path(plan->secret_file) : !plan->secret_file || !*plan->secret_file))
        return invalid(err, "secret_file", plan->secret_file,
                       "the path on the host of the file with the key, such as C:\\ProgramData\\staffetta\\mail.psk, "
                       "of letters, digits, blanks and . - _");
    if (strcmp(plan->auth, "certificate") == 0 && !plan->is_bare &&
        !consists_of(plan->ca_name, ca_letters, TEXT_MAX_SIZE))
        return invalid(err, "ca_name", plan->ca_name,
                       "the CA's distinguished name, such as \"C=DE, O=Site, CN=Site CA\"");
    if (plan->before && !consists_of(plan->before, method_letters, TEXT_MAX_SIZE))
        return invalid(err, "before", plan->before, "letters, digits, blanks and . , : - _ ( )");
    return STF_OK;
}

static enum stf_kind check_tool(struct stf_windows_plan *plan, const char *tool, struct stf_err *err)
{
    plan->tool = tool ? stf_windows_tool_of(tool) : stf_windows_default_tool(plan->generation);
    if (tool && plan->tool == STF_WINDOWS_TOOL_COUNT)
        return invalid(err, "tool", tool, "\"ipsec_static\", \"consec\" or \"powershell\"");
    if (tool && !stf_windows_has_tool(plan->generation, plan->tool))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "windows_scripts", "tool", "%s does not have '%s'; %s",
                           stf_windows_generation_name(plan->generation), tool,
                           plan->generation == STF_WINDOWS_2000 ? "its tool is Ipsecpol.exe, which is not written for"
                                                                : "leave 'tool' out for the newest that it has");
    return STF_OK;
}

static enum stf_kind check_request(const json_t *request, struct stf_windows_plan *plan, struct stf_err *err)
{
    static const char *const known[] = {"policy",      "name",        "generation", "pairs",  "host",    "tool",
                                        "ike_version", "secret_file", "ca_name",    "before", "is_plan", NULL};
    const char *generation = text_of(request, "generation"), *tool = NULL;
    int64_t version = 1;
    enum stf_kind kind = stf_doc_check_keys(request, known, "windows_scripts", err);
    if (!kind)
        kind = stf_policy_normalize(json_object_get(request, "policy"), &plan->policy, err);
    if (!kind)
        kind = stf_doc_opt_string(request, "tool", NULL, &tool, err);
    if (!kind)
        kind = stf_doc_opt_int(request, "ike_version", 1, 2, 1, &version, err);
    if (!kind)
        kind = stf_doc_opt_bool(request, "is_plan", false, &plan->is_plan, err);
    if (kind)
        return kind;
    plan->generation = stf_windows_generation_of(generation ? generation : "");
    if (plan->generation == STF_WINDOWS_COUNT)
        return invalid(
            err, "generation", generation,
            "\"2000\", \"2003\", \"2008\", \"2008r2\", \"2012\", \"2012r2\", \"2016\", \"2019\" or \"2022\"");
    kind = check_tool(plan, tool, err);
    const char *action = text_of(plan->policy, "action");
    plan->is_bare = strcmp(action, "pass") == 0 || strcmp(action, "drop") == 0;
    plan->auth = text_of(json_object_get(plan->policy, "auth"), "method");
    plan->name = text_of(request, "name");
    plan->secret_file = text_of(request, "secret_file");
    plan->ca_name = text_of(request, "ca_name");
    plan->before = text_of(request, "before");
    plan->pairs = json_object_get(request, "pairs");
    plan->ike_version = (int)version;
    if (!kind)
        kind = check_texts(plan, err);
    size_t count = json_array_size(plan->pairs);
    if (!kind && (count < 1 || count > PAIRS_MAX))
        return invalid(err, "pairs", NULL, "a list of 1 to 64 pairs of addresses");
    for (size_t i = 0; i < count && !kind; i++)
        kind = check_pair(plan, json_array_get(plan->pairs, i), err);
    return kind;
}

/* ---------- algorithms ---------- */

/* Whether allow_weak has the algorithm for this host, or for every peer of it. */
static bool may_be_weak(const json_t *request, const json_t *policy, const char *weak)
{
    const json_t *entries = json_object_get(policy, "allow_weak"), *pairs = json_object_get(request, "pairs");
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *entry = json_array_get(entries, i), *names = json_object_get(entry, "peers");
        size_t allowed = 0;
        if (strcmp(text_of(entry, "algorithm"), weak) != 0)
            continue;
        for (size_t j = 0; j < json_array_size(names); j++)
            if (json_equal(json_array_get(names, j), json_object_get(request, "host")))
                return true;
        for (size_t p = 0; p < json_array_size(pairs); p++) {
            bool is_named = false;
            for (size_t j = 0; j < json_array_size(names); j++)
                is_named |= json_equal(json_array_get(names, j), json_object_get(json_array_get(pairs, p), "peer"));
            allowed += is_named;
        }
        return allowed == json_array_size(pairs);
    }
    return false;
}

struct choice {
    const struct stf_windows_algorithm *of[STF_DH_GROUP + 1][STF_PROPOSAL_WORDS_MAX];
    size_t count[STF_DH_GROUP + 1], wanted[STF_DH_GROUP + 1];
    const struct stf_algorithm *refused; /* the first that this host can not or may not use */
    bool is_refused_as_weak;
};

static void choose(const struct stf_windows_plan *plan, const json_t *request, enum stf_windows_phase phase,
                   const struct stf_proposal *proposal, struct choice *choice)
{
    *choice = (struct choice){0};
    for (size_t i = 0; i < proposal->count; i++) {
        const struct stf_algorithm *asked = proposal->algorithms[i];
        const struct stf_windows_algorithm *found =
            stf_windows_algorithm(plan->generation, plan->tool, phase, asked->word);
        /* Main mode's integrity algorithm is its pseudo-random function too. */
        bool is_word_only = (asked->role == STF_PRF && stf_proposal_is_prf_of(proposal, asked->word)) ||
                            strcmp(asked->word, "noesn") == 0;
        bool is_weak = asked->weak && !may_be_weak(request, plan->policy, asked->weak);
        if (is_word_only)
            continue;
        if (asked->role <= STF_DH_GROUP)
            choice->wanted[asked->role]++;
        if (found && !is_weak) {
            choice->of[asked->role][choice->count[asked->role]++] = found;
        } else if (!choice->refused || asked->role == STF_ENCRYPTION || asked->role == STF_AEAD) {
            choice->refused = asked;
            choice->is_refused_as_weak = found != NULL;
        }
    }
}

/* Each role that the proposal has must have an algorithm left; a PRF or ESN of their own Windows does not have. */
static bool is_usable(const struct choice *choice)
{
    for (int role = STF_ENCRYPTION; role <= STF_DH_GROUP; role++)
        if (choice->wanted[role] && !choice->count[role])
            return false;
    return !choice->refused || choice->refused->role != STF_SEQUENCE_NUMBERS;
}

static void add_methods(const struct choice *choice, bool is_ike, struct stf_windows_method *methods, size_t *count)
{
    size_t integrities = choice->count[STF_INTEGRITY], groups = is_ike ? choice->count[STF_DH_GROUP] : 0;
    for (int role = STF_ENCRYPTION; role <= STF_AEAD; role++) {
        for (size_t e = 0; e < choice->count[role]; e++) {
            for (size_t i = 0; i < (integrities ? integrities : 1); i++) {
                for (size_t g = 0; g < (groups ? groups : 1) && *count < STF_WINDOWS_METHODS_MAX; g++)
                    methods[(*count)++] = (struct stf_windows_method){choice->of[role][e],
                                                                      integrities ? choice->of[STF_INTEGRITY][i] : NULL,
                                                                      groups ? choice->of[STF_DH_GROUP][g] : NULL};
            }
        }
    }
}

static enum stf_kind none_left(const struct stf_windows_plan *plan, const char *field, enum stf_windows_phase phase,
                               const struct choice *first, const char *text, struct stf_err *err)
{
    static const char *const roles[] = {"encryption", "encryption", "integrity",
                                        "integrity",  "groups",     "sequence numbers"};
    const struct stf_algorithm *word = first->refused;
    enum stf_algorithm_role role = word->role == STF_AEAD ? STF_ENCRYPTION : word->role;
    char has[160], aead[160], asked[160], answer[512];
    stf_windows_list(plan->generation, plan->tool, phase, role == STF_PRF ? STF_INTEGRITY : role, has, sizeof has);
    stf_windows_list(plan->generation, plan->tool, phase, STF_AEAD, aead, sizeof aead);
    snprintf(asked, sizeof asked, "%s of \"%.80s\"", word->word, text);
    if (first->is_refused_as_weak)
        snprintf(answer, sizeof answer,
                 "it has that, but it is weak and this host is not allowed it: add {\"algorithm\": \"%s\", \"peers\": "
                 "[this host]} to allow_weak",
                 word->weak);
    else
        snprintf(answer, sizeof answer,
                 "its %s in %s mode: %s%s%s. Add a proposal of these; weak ones (des, 3des, md5, sha1, modp768, "
                 "modp1024) also need {\"algorithm\", \"peers\": [this host]} in allow_weak each",
                 roles[role], phase == STF_WINDOWS_MAIN_MODE ? "main" : "quick", has,
                 role == STF_ENCRYPTION ? "; authenticated: " : "", role == STF_ENCRYPTION ? aead : "");
    return unsupported(err, plan, field, asked, answer);
}

/* The methods of all proposals of `field` that this host can use; what it can not is noted in left_out. */
static enum stf_kind resolve(struct stf_windows_plan *plan, const json_t *request, bool is_ike, struct stf_err *err)
{
    const char *field = is_ike ? "ike_proposals" : "esp_proposals";
    enum stf_windows_phase phase = is_ike ? STF_WINDOWS_MAIN_MODE : STF_WINDOWS_QUICK_MODE;
    size_t *count = is_ike ? &plan->ike_count : &plan->esp_count, index;
    struct choice choice, first = {0};
    const char *first_text = NULL;
    json_t *item;
    json_array_foreach (json_object_get(plan->policy, field), index, item) {
        struct stf_proposal proposal;
        enum stf_kind kind = stf_proposal_parse(json_string_value(item), is_ike, &proposal, err);
        if (kind)
            return kind;
        choose(plan, request, phase, &proposal, &choice);
        const struct stf_windows_algorithm *pfs = choice.count[STF_DH_GROUP] ? choice.of[STF_DH_GROUP][0] : NULL;
        bool has_other_pfs = !is_ike && *count && pfs != plan->pfs;
        if (is_usable(&choice) && !has_other_pfs) {
            add_methods(&choice, is_ike, is_ike ? plan->ike : plan->esp, count);
            plan->pfs = is_ike ? plan->pfs : pfs;
        } else {
            json_array_append_new(plan->left_out,
                                  json_sprintf("%s: %s (%s)", field, json_string_value(item),
                                               is_usable(&choice) ? "another group" : choice.refused->word));
            if (!first_text) {
                first = choice;
                first_text = json_string_value(item);
            }
        }
    }
    return *count ? STF_OK : none_left(plan, field, phase, &first, first_text, err);
}

/* ---------- the rest of the policy ---------- */

static enum stf_kind check_lifetimes(struct stf_windows_plan *plan, struct stf_err *err)
{
    json_int_t ike = json_integer_value(json_object_get(plan->policy, "ike_rekey_ms"));
    json_int_t esp = json_integer_value(json_object_get(plan->policy, "esp_rekey_ms"));
    json_int_t bytes = json_integer_value(json_object_get(plan->policy, "esp_rekey_bytes"));
    bool has_seconds = plan->tool == STF_WINDOWS_STATIC;
    char asked[64];
    snprintf(asked, sizeof asked, "%lld", (long long)ike);
    if (ike < MINUTE_MS || ike % MINUTE_MS)
        return unsupported(err, plan, "ike_rekey_ms", asked,
                           "it has whole minutes (multiples of 60000), and no 'never'");
    snprintf(asked, sizeof asked, "%lld", (long long)esp);
    if (esp < ESP_MIN_MS || (!has_seconds && esp % MINUTE_MS))
        return unsupported(err, plan, "esp_rekey_ms", asked,
                           "it has 300000 and more, in whole minutes but with netsh ipsec, and no 'never'");
    snprintf(asked, sizeof asked, "%lld", (long long)bytes);
    if (bytes && (bytes % 1024 || bytes / 1024 < KILOBYTES_MIN || bytes / 1024 > KILOBYTES_MAX))
        return unsupported(err, plan, "esp_rekey_bytes", asked, "it has 20480 to 2147483647 times 1024");
    plan->ike_minutes = ike / MINUTE_MS;
    plan->esp_seconds = esp / MS;
    plan->esp_kilobytes = bytes ? bytes / 1024 : KILOBYTES_MAX;
    return STF_OK;
}

static enum stf_kind check_abilities(const struct stf_windows_plan *plan, struct stf_err *err)
{
    const char *action = text_of(plan->policy, "action");
    bool is_static = plan->tool == STF_WINDOWS_STATIC;
    if (strcmp(action, "drop") == 0 && !is_static)
        return unsupported(err, plan, "action", "\"drop\"",
                           "its connection security rules can not drop, only netsh ipsec can");
    if (!plan->is_bare && strcmp(text_of(plan->policy, "mode"), "tunnel") == 0 && is_static)
        return unsupported(err, plan, "mode", "\"tunnel\"",
                           "with netsh ipsec only transport is written: its tunnels know no ports");
    if (strcmp(text_of(plan->policy, "mode"), "tunnel") == 0 && strcmp(action, "permit") == 0)
        return unsupported(err, plan, "mode", "\"tunnel\" with action \"permit\"", "its tunnels are always required");
    if (plan->ike_version == 2 && !stf_windows_has_ikev2(plan->generation, plan->tool))
        return unsupported(err, plan, "ike_version", "2", "it has IKEv1; IKEv2 came with 2012, in PowerShell");
    if (plan->ike_version == 2 && strcmp(plan->auth, "certificate") != 0)
        return unsupported(err, plan, "auth.method", plan->auth, "its IKEv2 has certificates only");
    if (plan->generation == STF_WINDOWS_2008 && plan->tool == STF_WINDOWS_CONSEC && !plan->is_bare && !plan->before)
        return unsupported(err, plan, "ike_proposals", "main mode for ours alone",
                           "its main mode methods are one setting of the host. Give 'before', the methods that `netsh "
                           "advfirewall show global` tells, so that undo can bring them back; or use ipsec_static");
    json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(plan->policy, "traffic"), i, entry) {
        if (!is_static && !plan->is_bare && strcmp(text_of(entry, "protocol"), "icmp") == 0)
            return unsupported(err, plan, "traffic", "icmp",
                               "its rules can only exempt ICMP, or protect \"any\" whole");
    }
    return STF_OK;
}

/* Port ranges one by one: netsh ipsec has none, and connection security rules have them only for what they exempt. */
static enum stf_kind expand_ports(const struct stf_windows_plan *plan, const char *field, struct stf_err *err)
{
    size_t i, j;
    json_t *entry, *item;
    json_array_foreach (json_object_get(plan->policy, field), i, entry) {
        json_t *ports = json_object_get(entry, "ports"), *list = ports ? json_array() : NULL;
        json_array_foreach (ports, j, item) {
            struct stf_ports range = {0};
            stf_ports_parse(item, &range);
            for (unsigned port = range.low; port <= range.high && json_array_size(list) <= PORTS_MAX; port++)
                json_array_append_new(list, json_integer(port));
        }
        if (json_array_size(list) > PORTS_MAX) {
            json_decref(list);
            return unsupported(err, plan, field, "a range of more than 64 ports",
                               "it has single ports: protect {\"protocol\": \"tcp\"} whole");
        }
        if (list)
            json_object_set_new(entry, "ports", list);
    }
    return STF_OK;
}

/* ---------- for the writers ---------- */

void stf_windows_print_ports(FILE *out, const json_t *ports)
{
    size_t i;
    json_t *port;
    json_array_foreach (ports, i, port) {
        fputs(i ? "," : "", out);
        if (json_is_string(port))
            fputs(json_string_value(port), out);
        else
            fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(port));
    }
}

static void print_end(FILE *out, const char *address, const json_t *ports)
{
    fprintf(out, " %s:%s", address, ports ? "" : "any");
    stf_windows_print_ports(out, ports);
}

void stf_windows_print_ends(FILE *out, const struct stf_windows_rule *rule)
{
    fputs(rule->protocol, out);
    print_end(out, rule->local_address, rule->local_ports);
    print_end(out, rule->remote_address, rule->remote_ports);
}

static void each_entry(FILE *out, const struct stf_windows_plan *plan, bool is_exempt, size_t *number,
                       stf_windows_write write)
{
    size_t p, i;
    json_t *pair, *entry;
    json_array_foreach (plan->pairs, p, pair) {
        json_array_foreach (json_object_get(plan->policy, is_exempt ? "exempt" : "traffic"), i, entry) {
            const json_t *ports = json_object_get(entry, "ports");
            struct stf_windows_rule rule = {
                .local_address = text_of(pair, "local_address"),
                .remote_address = text_of(pair, "remote_address"),
                .protocol = text_of(entry, "protocol"),
                .is_server = strcmp(text_of(pair, "side"), "server") == 0,
                .is_ipv6 = strchr(text_of(pair, "local_address"), ':') != NULL,
                .is_exempt = is_exempt,
            };
            if (ports && (is_exempt || rule.is_server)) {
                rule.local_ports = ports;
                write(out, plan, &rule, ++*number);
                rule.local_ports = NULL;
                if (!is_exempt)
                    continue;
            }
            rule.remote_ports = ports;
            write(out, plan, &rule, ++*number);
        }
    }
}

void stf_windows_each_rule(FILE *out, const struct stf_windows_plan *plan, stf_windows_write write)
{
    size_t number = 0;
    each_entry(out, plan, false, &number, write);
    each_entry(out, plan, true, &number, write);
}

bool stf_windows_is_protected(const struct stf_windows_plan *plan, const struct stf_windows_rule *rule)
{
    return !rule->is_exempt && !plan->is_bare;
}

static void count_only(FILE *out, const struct stf_windows_plan *plan, const struct stf_windows_rule *rule,
                       size_t number)
{
    (void)plan;
    (void)rule;
    (void)number;
    fputc('.', out);
}

/* ---------- the scripts ---------- */

typedef void (*write_script)(FILE *out, const struct stf_windows_plan *plan);

static void count_rules(FILE *out, const struct stf_windows_plan *plan)
{
    stf_windows_each_rule(out, plan, count_only);
}

/* malloc'ed; NULL when memory is out. */
static char *script_of(const struct stf_windows_plan *plan, write_script write)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    write(out, plan);
    bool failed = ferror(out) != 0;
    if (fclose(out) || failed) {
        free(text);
        return NULL;
    }
    return text;
}

static enum stf_kind check_rule_count(const struct stf_windows_plan *plan, struct stf_err *err)
{
    char *dots = script_of(plan, count_rules);
    size_t count = dots ? strlen(dots) : 0;
    free(dots);
    return count <= STF_WINDOWS_RULES_MAX
               ? STF_OK
               : invalid(err, "pairs", NULL,
                         "few enough pairs and entries of traffic that at most 256 rules come of them");
}

/* A new reference, NULL when memory is out. */
static json_t *facts_of(char *lines)
{
    json_t *facts = json_array();
    for (char *at = lines, *line; (line = strsep(&at, "\n"));)
        if (*line)
            stf_windows_facts_add(facts, line);
    return facts;
}

static const struct stf_windows_writer *const writers[STF_WINDOWS_TOOL_COUNT] = {
    [STF_WINDOWS_STATIC] = &stf_windows_static,
    [STF_WINDOWS_CONSEC] = &stf_windows_consec,
    [STF_WINDOWS_POWERSHELL] = &stf_windows_powershell,
};

static enum stf_kind write_all(const struct stf_windows_plan *plan, json_t **scripts, struct stf_err *err)
{
    const struct stf_windows_writer *writer = writers[plan->tool];
    struct stf_windows_plan real = *plan;
    real.is_plan = false;
    char *apply = script_of(plan, writer->apply), *undo = script_of(&real, writer->undo);
    char *show = script_of(plan, writer->show), *facts = script_of(plan, writer->facts);
    if (apply && undo && show && facts)
        *scripts =
            json_pack("{s:s, s:s, s:s, s:s, s:O, s:o*}", "apply", apply, "undo", undo, "show", show, "language",
                      writer->language, "left_out", plan->left_out, "facts", plan->standing ? facts_of(facts) : NULL);
    free(apply);
    free(undo);
    free(show);
    free(facts);
    return *scripts ? STF_OK
                    : stf_err_set(err, STF_NO_MEMORY, 0, "windows_scripts", plan->name, "no memory for the scripts");
}

static enum stf_kind render(const json_t *request, const json_t *standing, json_t **scripts, struct stf_err *err)
{
    struct stf_windows_plan plan = {.left_out = json_array(), .standing = standing};
    *scripts = NULL;
    enum stf_kind kind = check_request(request, &plan, err);
    if (!kind && !plan.is_bare)
        kind = resolve(&plan, request, true, err);
    if (!kind && !plan.is_bare)
        kind = resolve(&plan, request, false, err);
    if (!kind && plan.tool == STF_WINDOWS_TOOL_COUNT)
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "windows_scripts", "generation",
                           "Windows 2000 can do this policy, but has no netsh ipsec; its tool is Ipsecpol.exe of the "
                           "Resource Kit, for which no scripts are written");
    if (!kind)
        kind = check_abilities(&plan, err);
    if (!kind && !plan.is_bare)
        kind = check_lifetimes(&plan, err);
    if (!kind && !plan.is_bare)
        kind = expand_ports(&plan, "traffic", err);
    if (!kind && plan.tool == STF_WINDOWS_STATIC)
        kind = expand_ports(&plan, "exempt", err);
    if (!kind)
        kind = check_rule_count(&plan, err);
    if (!kind)
        kind = write_all(&plan, scripts, err);
    json_decref(plan.policy);
    json_decref(plan.left_out);
    return kind;
}

enum stf_kind stf_windows_scripts(const json_t *request, json_t **scripts, struct stf_err *err)
{
    return render(request, NULL, scripts, err);
}

enum stf_kind stf_windows_commands(const json_t *request, const json_t *standing, json_t **scripts, struct stf_err *err)
{
    return render(request, standing, scripts, err);
}

enum stf_kind stf_windows_show_script(const char *name, enum stf_windows_generation generation,
                                      enum stf_windows_tool tool, char **script, struct stf_err *err)
{
    json_t *nothing = json_array();
    const struct stf_windows_plan plan = {.name = name, .generation = generation, .tool = tool, .standing = nothing};
    *script = nothing ? script_of(&plan, writers[tool]->show) : NULL;
    json_decref(nothing);
    return *script ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "windows_scripts", name, "no memory for the scripts");
}
