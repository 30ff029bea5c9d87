/* xfrm_document.c - the kernel's policies, associations and events as documents.
 * Must never put a key, or anything derived from one, into a document. SPDX-License-Identifier: MIT */
#include "ipsec/xfrm.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/udp.h>
#include <stdio.h>
#include <string.h>

#include "common/doc.h"

enum { PORT_MASK_EXACT = 0xffff, FLAGS_MAX = 8, TEXT_MAX = INET6_ADDRSTRLEN + sizeof "/128" };

/* ---------- writing ---------- */

/* A document being written; `has_failed`: memory ran out, and what was written is of no use. */
struct writer {
    json_t *doc;
    bool has_failed;
};

static struct writer open_writer(void)
{
    json_t *doc = json_object();
    return (struct writer){doc, !doc};
}

static json_t *close_writer(struct writer *writer)
{
    if (!writer->has_failed)
        return writer->doc;
    json_decref(writer->doc);
    return NULL;
}

/* Takes over `value`. */
static void put(struct writer *writer, const char *key, json_t *value)
{
    if (json_object_set_new_nocheck(writer->doc, key, value) < 0)
        writer->has_failed = true;
}

/* Takes over `value`; an empty object or list says nothing and is left out. */
static void put_unless_empty(struct writer *writer, const char *key, json_t *value)
{
    if (value && json_object_size(value) == 0 && json_array_size(value) == 0)
        json_decref(value);
    else
        put(writer, key, value);
}

static void put_text(struct writer *writer, const char *key, const char *ascii)
{
    put(writer, key, json_string_nocheck(ascii));
}

/* The kernel's 64 bits are unsigned, a document's are not. */
static void put_number(struct writer *writer, const char *key, uint64_t number)
{
    put(writer, key, json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

static void put_number_unless(struct writer *writer, const char *key, uint64_t number, uint64_t nothing)
{
    if (number != nothing)
        put_number(writer, key, number);
}

static void put_spi(struct writer *writer, uint32_t spi)
{
    char text[9];
    snprintf(text, sizeof text, "%08" PRIx32, ntohl(spi));
    put_text(writer, "spi", text);
}

static const char *word(const char *const words[], size_t count, unsigned number, char spare[12])
{
    if (number < count && words[number])
        return words[number];
    snprintf(spare, 12, "%u", number);
    return spare;
}

#define PUT_WORD(writer, key, words, number)                                                                           \
    put_text(writer, key, word(words, sizeof(words) / sizeof(words)[0], number, (char[12]){0}))

/* The names of the bits that are set, bit 0 first; one that has no name is given as a number. */
static json_t *flag_list(const char *const names[FLAGS_MAX], uint32_t flags)
{
    json_t *list = json_array();
    for (unsigned bit = 0; bit < 32 && flags >> bit; bit++) {
        char number[12];
        snprintf(number, sizeof number, "0x%" PRIx32, UINT32_C(1) << bit);
        const char *name = bit < FLAGS_MAX && names[bit] ? names[bit] : number;
        if (flags >> bit & 1 && json_array_append_new(list, json_string_nocheck(name)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* ---------- words ---------- */

static const char *const mode_words[] = {"transport", "tunnel", "route_optimization", "in_trigger", "beet", "iptfs"};
static const char *const action_words[] = {"allow", "block"};
static const char *const type_words[] = {"main", "sub"};
static const char *const direction_words[] = {"in", "out", "fwd"};
static const char *const default_words[] = {NULL, "block", "accept"};
static const char *const encap_words[] = {
    [UDP_ENCAP_ESPINUDP_NON_IKE] = "esp_in_udp_non_ike", [UDP_ENCAP_ESPINUDP] = "esp_in_udp", [7] = "esp_in_tcp"};
static const char *const share_words[] = {"any", "session", "user", "unique"};

static const char *const policy_flags[FLAGS_MAX] = {"localok", "icmp"};
static const char *const sa_flags[FLAGS_MAX] = {"noecn", "decap_dscp", "nopmtudisc", "wildrecv",
                                                "icmp",  "af_unspec",  "align4",     "esn"};
static const char *const extra_flags[FLAGS_MAX] = {"dont_encap_dscp", "oseq_may_wrap"};
static const char *const offload_flags[FLAGS_MAX] = {"ipv6", "in", "packet"};

static void put_protocol(struct writer *writer, uint8_t protocol)
{
    static const char *const words[] = {
        [IPPROTO_IP] = "any",         [IPPROTO_ICMP] = "icmp",   [IPPROTO_TCP] = "tcp",   [IPPROTO_UDP] = "udp",
        [IPPROTO_ROUTING] = "route2", [IPPROTO_GRE] = "gre",     [IPPROTO_ESP] = "esp",   [IPPROTO_AH] = "ah",
        [IPPROTO_ICMPV6] = "icmpv6",  [IPPROTO_DSTOPTS] = "hao", [IPPROTO_COMP] = "comp", [IPPROTO_SCTP] = "sctp",
        [IPPROTO_IPIP] = "ipip",      [IPPROTO_IPV6] = "ipv6",   [IPPROTO_RAW] = "any",
    };
    PUT_WORD(writer, "protocol", words, protocol);
}

/* ---------- parts ---------- */

static void print_address(const xfrm_address_t *address, uint16_t family, char text[TEXT_MAX])
{
    if (!inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, address, text, TEXT_MAX))
        text[0] = '\0';
}

static void put_address(struct writer *writer, const char *key, const xfrm_address_t *address, uint16_t family)
{
    char text[TEXT_MAX];
    print_address(address, family, text);
    put_text(writer, key, text);
}

static void put_prefix(struct writer *writer, const char *key, const xfrm_address_t *address, uint16_t family,
                       uint8_t length)
{
    char text[TEXT_MAX];
    print_address(address, family, text);
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "/%u", length);
    put_text(writer, key, text);
}

/* A mask of 0 means any port; one that is not whole stands for a range. */
static void put_port(struct writer *writer, const char *key, const char *mask_key, uint16_t port, uint16_t mask)
{
    if (mask == 0)
        return;
    put_number(writer, key, ntohs(port));
    put_number_unless(writer, mask_key, ntohs(mask), PORT_MASK_EXACT);
}

static json_t *selector_document(const struct xfrm_selector *selector)
{
    struct writer writer = open_writer();
    put_prefix(&writer, "source", &selector->saddr, selector->family, selector->prefixlen_s);
    put_prefix(&writer, "destination", &selector->daddr, selector->family, selector->prefixlen_d);
    put_protocol(&writer, selector->proto);
    put_port(&writer, "source_port", "source_port_mask", selector->sport, selector->sport_mask);
    put_port(&writer, "destination_port", "destination_port_mask", selector->dport, selector->dport_mask);
    put_number_unless(&writer, "interface_index", (unsigned)selector->ifindex, 0);
    put_number_unless(&writer, "user_id", selector->user, 0);
    return close_writer(&writer);
}

static json_t *mark_document(const struct xfrm_mark *mark)
{
    return json_pack("{s:I, s:I}", "value", (json_int_t)mark->v, "mask", (json_int_t)mark->m);
}

static json_t *limits_document(const struct xfrm_lifetime_cfg *limits)
{
    struct writer writer = open_writer();
    put_number_unless(&writer, "soft_bytes", limits->soft_byte_limit, XFRM_INF);
    put_number_unless(&writer, "hard_bytes", limits->hard_byte_limit, XFRM_INF);
    put_number_unless(&writer, "soft_packets", limits->soft_packet_limit, XFRM_INF);
    put_number_unless(&writer, "hard_packets", limits->hard_packet_limit, XFRM_INF);
    put_number_unless(&writer, "soft_added_s", limits->soft_add_expires_seconds, 0);
    put_number_unless(&writer, "hard_added_s", limits->hard_add_expires_seconds, 0);
    put_number_unless(&writer, "soft_used_s", limits->soft_use_expires_seconds, 0);
    put_number_unless(&writer, "hard_used_s", limits->hard_use_expires_seconds, 0);
    return close_writer(&writer);
}

static json_t *lifetime_document(const struct xfrm_lifetime_cur *lifetime)
{
    struct writer writer = open_writer();
    put_number(&writer, "bytes", lifetime->bytes);
    put_number(&writer, "packets", lifetime->packets);
    put_number_unless(&writer, "added_unix_s", lifetime->add_time, 0);
    put_number_unless(&writer, "used_unix_s", lifetime->use_time, 0);
    return close_writer(&writer);
}

/* ---------- policies ---------- */

/* A template without an SPI takes any, which is the rule. */
static json_t *template_document(const struct xfrm_user_tmpl *template, unsigned parts)
{
    struct writer writer = open_writer();
    put_address(&writer, "source", &template->saddr, template->family);
    put_address(&writer, "destination", &template->id.daddr, template->family);
    put_protocol(&writer, template->id.proto);
    PUT_WORD(&writer, "mode", mode_words, template->mode);
    put_number(&writer, "reqid", template->reqid);
    put_text(&writer, "level", template->optional ? "use" : "required");
    if (template->share != XFRM_SHARE_ANY)
        PUT_WORD(&writer, "share", share_words, template->share);
    if (template->id.spi && parts & STF_XFRM_SPI)
        put_spi(&writer, template->id.spi);
    return close_writer(&writer);
}

static json_t *template_list(const struct stf_xfrm_policy *policy, unsigned parts)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < policy->template_count; i++) {
        if (json_array_append_new(list, template_document(&policy->templates[i], parts)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* A socket's policies count on: 3 is in, 4 is out. */
static void put_direction(struct writer *writer, uint8_t direction)
{
    PUT_WORD(writer, "direction", direction_words, direction % XFRM_POLICY_MAX);
}

json_t *stf_xfrm_policy_document(const struct stf_xfrm_policy *policy, unsigned parts)
{
    const struct xfrm_userpolicy_info *info = &policy->info;
    struct writer writer = open_writer();
    put(&writer, "selector", selector_document(&info->sel));
    put_direction(&writer, info->dir);
    put_number(&writer, "priority", info->priority);
    PUT_WORD(&writer, "action", action_words, info->action);
    PUT_WORD(&writer, "type", type_words, policy->type);
    put_unless_empty(&writer, "templates", template_list(policy, parts));
    put_unless_empty(&writer, "flags", flag_list(policy_flags, info->flags));
    put_unless_empty(&writer, "limits", limits_document(&info->lft));
    if (info->share != XFRM_SHARE_ANY)
        PUT_WORD(&writer, "share", share_words, info->share);
    if (policy->has & STF_XFRM_HAS_MARK)
        put(&writer, "mark", mark_document(&policy->mark));
    if (policy->has & STF_XFRM_HAS_IF_ID)
        put_number(&writer, "if_id", policy->if_id);
    if (stf_xfrm_is_of_socket(policy))
        put(&writer, "is_of_socket", json_true());
    if (parts & STF_XFRM_VOLATILE) {
        put_number(&writer, "index", info->index);
        put(&writer, "lifetime", lifetime_document(&info->curlft));
    }
    put_number_unless(&writer, "unknown_attributes", policy->unknown_attributes, 0);
    return close_writer(&writer);
}

/* ---------- associations ---------- */

static void put_algorithm(struct writer *writer, const char *key, const struct stf_xfrm_algorithm *algorithm)
{
    if (!algorithm->name[0])
        return;
    struct writer part = open_writer();
    put(&part, "name", stf_doc_text(algorithm->name, strlen(algorithm->name)));
    put_number_unless(&part, "key_bits", algorithm->key_bits, 0);
    put_number_unless(&part, "check_bits", algorithm->check_bits, 0);
    put(writer, key, close_writer(&part));
}

static json_t *encap_document(const struct xfrm_encap_tmpl *encap, uint16_t family)
{
    static const xfrm_address_t none;
    struct writer writer = open_writer();
    PUT_WORD(&writer, "type", encap_words, encap->encap_type);
    put_number(&writer, "source_port", ntohs(encap->encap_sport));
    put_number(&writer, "destination_port", ntohs(encap->encap_dport));
    if (memcmp(&encap->encap_oa, &none, sizeof none) != 0)
        put_address(&writer, "original_address", &encap->encap_oa, family);
    return close_writer(&writer);
}

static json_t *replay_document(const struct stf_xfrm_sa *sa, unsigned parts)
{
    struct writer writer = open_writer();
    put_number(&writer, "window_packets", sa->replay_window);
    put(&writer, "is_esn", json_boolean(sa->has & STF_XFRM_HAS_ESN));
    if (parts & STF_XFRM_VOLATILE) {
        put_number(&writer, "sequence_in", sa->sequence_in);
        put_number(&writer, "sequence_out", sa->sequence_out);
    }
    return close_writer(&writer);
}

static json_t *offload_document(const struct xfrm_user_offload *offload)
{
    struct writer writer = open_writer();
    put_number(&writer, "interface_index", (unsigned)offload->ifindex);
    put_unless_empty(&writer, "flags", flag_list(offload_flags, offload->flags));
    return close_writer(&writer);
}

/* A larval SA's selector, and one for both families, does not say its own. */
static json_t *sa_selector_document(const struct xfrm_usersa_info *info)
{
    struct xfrm_selector selector = info->sel;
    if (!selector.family)
        selector.family = info->family;
    return selector_document(&selector);
}

/* Only what was asked of the SA, not what happened to it. */
static void put_sa_settings(struct writer *writer, const struct stf_xfrm_sa *sa)
{
    if (sa->has & STF_XFRM_HAS_ENCAP)
        put(writer, "encap", encap_document(&sa->encap, sa->info.family));
    if (sa->has & STF_XFRM_HAS_MARK)
        put(writer, "mark", mark_document(&sa->mark));
    if (sa->has & STF_XFRM_HAS_OUTPUT_MARK)
        put(writer, "output_mark", mark_document(&sa->output_mark));
    if (sa->has & STF_XFRM_HAS_IF_ID)
        put_number(writer, "if_id", sa->if_id);
    if (sa->has & STF_XFRM_HAS_CARE_OF)
        put_address(writer, "care_of_address", &sa->care_of, sa->info.family);
    if (sa->has & STF_XFRM_HAS_OFFLOAD)
        put(writer, "offload", offload_document(&sa->offload));
    put_unless_empty(writer, "flags", flag_list(sa_flags, sa->info.flags));
    put_unless_empty(writer, "extra_flags", flag_list(extra_flags, sa->extra_flags));
    put_number_unless(writer, "tfc_pad_bytes", sa->tfc_pad_bytes, 0);
    put_unless_empty(writer, "limits", limits_document(&sa->info.lft));
}

static void put_sa_state(struct writer *writer, const struct stf_xfrm_sa *sa)
{
    const struct xfrm_stats *stats = &sa->info.stats;
    put(writer, "lifetime", lifetime_document(&sa->info.curlft));
    put_number_unless(writer, "last_used_unix_s", sa->last_used_unix_s, 0);
    put(writer, "errors",
        json_pack("{s:I, s:I, s:I}", "replay_window", (json_int_t)stats->replay_window, "replay",
                  (json_int_t)stats->replay, "integrity", (json_int_t)stats->integrity_failed));
    put_number_unless(writer, "sequence", sa->info.seq, 0);
}

json_t *stf_xfrm_sa_document(const struct stf_xfrm_sa *sa, unsigned parts)
{
    const struct xfrm_usersa_info *info = &sa->info;
    struct writer writer = open_writer();
    put_address(&writer, "source", &info->saddr, info->family);
    put_address(&writer, "destination", &info->id.daddr, info->family);
    put_protocol(&writer, info->id.proto);
    if (parts & STF_XFRM_SPI)
        put_spi(&writer, info->id.spi);
    put_number(&writer, "reqid", info->reqid);
    PUT_WORD(&writer, "mode", mode_words, info->mode);
    put(&writer, "is_larval", json_boolean(stf_xfrm_is_larval(sa)));
    put_algorithm(&writer, "aead", &sa->aead);
    put_algorithm(&writer, "auth", &sa->auth);
    put_algorithm(&writer, "crypt", &sa->crypt);
    put_algorithm(&writer, "comp", &sa->comp);
    put(&writer, "selector", sa_selector_document(info));
    put(&writer, "replay", replay_document(sa, parts));
    put_sa_settings(&writer, sa);
    if (parts & STF_XFRM_VOLATILE)
        put_sa_state(&writer, sa);
    put_number_unless(&writer, "unknown_attributes", sa->unknown_attributes, 0);
    return close_writer(&writer);
}

/* ---------- events ---------- */

static void put_acquire(struct writer *writer, const struct stf_xfrm_acquire *acquire)
{
    uint16_t family = acquire->policy.info.sel.family;
    if (acquire->policy.template_count > 0)
        family = acquire->policy.templates[0].family;
    put_address(writer, "source", &acquire->source, family);
    put_address(writer, "destination", &acquire->id.daddr, family);
    put_protocol(writer, acquire->id.proto);
    put(writer, "selector", selector_document(&acquire->selector));
    put_number(writer, "sequence", acquire->sequence);
    put(writer, "policy", stf_xfrm_policy_document(&acquire->policy, STF_XFRM_ALL));
}

static json_t *move_document(const struct xfrm_user_migrate *move)
{
    struct writer writer = open_writer();
    put_address(&writer, "old_source", &move->old_saddr, move->old_family);
    put_address(&writer, "old_destination", &move->old_daddr, move->old_family);
    put_address(&writer, "new_source", &move->new_saddr, move->new_family);
    put_address(&writer, "new_destination", &move->new_daddr, move->new_family);
    put_protocol(&writer, move->proto);
    PUT_WORD(&writer, "mode", mode_words, move->mode);
    put_number(&writer, "reqid", move->reqid);
    return close_writer(&writer);
}

static void put_migration(struct writer *writer, const struct stf_xfrm_migration *migration)
{
    json_t *moves = json_array();
    for (unsigned i = 0; i < migration->move_count; i++)
        if (json_array_append_new(moves, move_document(&migration->moves[i])) < 0)
            writer->has_failed = true;
    put(writer, "selector", selector_document(&migration->policy.sel));
    put_direction(writer, migration->policy.dir);
    put(writer, "moves", moves);
}

static void put_content(struct writer *writer, const struct stf_xfrm_event *event)
{
    switch (event->type) {
    case STF_XFRM_ACQUIRE:
        put_acquire(writer, &event->acquire);
        break;
    case STF_XFRM_SA_EXPIRE:
        put(writer, "is_hard", json_boolean(event->is_hard));
        /* fall through */
    case STF_XFRM_SA_NEW:
    case STF_XFRM_SA_UPDATE:
    case STF_XFRM_SA_DELETE:
        put(writer, "sa", stf_xfrm_sa_document(&event->sa, STF_XFRM_ALL));
        break;
    case STF_XFRM_SA_FLUSH:
        put_protocol(writer, event->flushed_protocol);
        break;
    case STF_XFRM_POLICY_EXPIRE:
        put(writer, "is_hard", json_boolean(event->is_hard));
        /* fall through */
    case STF_XFRM_POLICY_NEW:
    case STF_XFRM_POLICY_UPDATE:
    case STF_XFRM_POLICY_DELETE:
        put(writer, "policy", stf_xfrm_policy_document(&event->policy, STF_XFRM_ALL));
        break;
    case STF_XFRM_POLICY_FLUSH:
        PUT_WORD(writer, "type", type_words, event->policy.type);
        break;
    case STF_XFRM_DEFAULT_ACTIONS:
        put(writer, "default_actions", stf_xfrm_defaults_document(&event->defaults));
        break;
    case STF_XFRM_MIGRATE:
        put_migration(writer, &event->migration);
        break;
    case STF_XFRM_REPORT:
        put_protocol(writer, event->report.proto);
        put(writer, "selector", selector_document(&event->report.sel));
        break;
    case STF_XFRM_OVERRUN:
        break;
    }
}

json_t *stf_xfrm_event_document(const struct stf_xfrm_event *event, int64_t at_ns)
{
    static const char *const names[] = {
        [STF_XFRM_ACQUIRE] = "acquire",
        [STF_XFRM_SA_NEW] = "sa-new",
        [STF_XFRM_SA_UPDATE] = "sa-update",
        [STF_XFRM_SA_DELETE] = "sa-delete",
        [STF_XFRM_SA_FLUSH] = "sa-flush",
        [STF_XFRM_SA_EXPIRE] = "sa-expire",
        [STF_XFRM_POLICY_NEW] = "policy-new",
        [STF_XFRM_POLICY_UPDATE] = "policy-update",
        [STF_XFRM_POLICY_DELETE] = "policy-delete",
        [STF_XFRM_POLICY_FLUSH] = "policy-flush",
        [STF_XFRM_POLICY_EXPIRE] = "policy-expire",
        [STF_XFRM_DEFAULT_ACTIONS] = "default-actions",
        [STF_XFRM_MIGRATE] = "migrate",
        [STF_XFRM_REPORT] = "report",
        [STF_XFRM_OVERRUN] = "overrun",
    };
    struct writer writer = open_writer();
    put(&writer, "at_ns", json_integer(at_ns));
    put_text(&writer, "event", names[event->type]);
    put_content(&writer, event);
    return close_writer(&writer);
}

json_t *stf_xfrm_defaults_document(const struct xfrm_userpolicy_default *defaults)
{
    struct writer writer = open_writer();
    PUT_WORD(&writer, "in", default_words, defaults->in);
    PUT_WORD(&writer, "fwd", default_words, defaults->fwd);
    PUT_WORD(&writer, "out", default_words, defaults->out);
    return close_writer(&writer);
}
