/* xfrm.c - takes the kernel's IPsec messages apart, each length checked before a byte is read.
 * Must never copy a key: the buffer that the message came in is the only place that has one.
 * SPDX-License-Identifier: MIT */
#include "ipsec/xfrm.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* ---------- messages and attributes ---------- */

struct cursor {
    const uint8_t *at;
    size_t left;
};

struct attribute {
    unsigned type;
    const uint8_t *bytes;
    size_t size;
};

static enum stf_kind cut_short(const char *what, size_t expected, size_t found, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "xfrm", what,
                       "a message of the kernel has %s of %zu bytes, expected at least %zu", what, found, expected);
}

/* The fixed part of a message into `fixed`; what follows it, attributes, into `rest`. */
static enum stf_kind open_message(const struct nlmsghdr *message, void *fixed, size_t size, struct cursor *rest,
                                  struct stf_err *err)
{
    size_t found = message->nlmsg_len < NLMSG_HDRLEN ? 0 : message->nlmsg_len - NLMSG_HDRLEN;
    const uint8_t *bytes = (const uint8_t *)message + NLMSG_HDRLEN;
    *rest = (struct cursor){0};
    if (found < size)
        return cut_short("a fixed part", size, found, err);
    memcpy(fixed, bytes, size);
    size_t skipped = NLMSG_ALIGN(size) < found ? NLMSG_ALIGN(size) : found;
    *rest = (struct cursor){bytes + skipped, found - skipped};
    return STF_OK;
}

/* False at the end. Unlike libmnl's, this walk tells an attribute that is cut short from the end of the message. */
static bool next_attribute(struct cursor *cursor, struct attribute *attribute, enum stf_kind *kind, struct stf_err *err)
{
    struct nlattr header;
    if (*kind || cursor->left == 0)
        return false;
    if (cursor->left >= sizeof header)
        memcpy(&header, cursor->at, sizeof header);
    if (cursor->left < sizeof header || header.nla_len < sizeof header || header.nla_len > cursor->left) {
        *kind = stf_err_set(err, STF_INVALID_DATA, 0, "xfrm", NULL,
                            "a message of the kernel has an attribute that does not end inside it");
        return false;
    }
    *attribute =
        (struct attribute){header.nla_type & NLA_TYPE_MASK, cursor->at + sizeof header, header.nla_len - sizeof header};
    size_t padded = NLA_ALIGN((size_t)header.nla_len), step = padded < cursor->left ? padded : cursor->left;
    cursor->at += step;
    cursor->left -= step;
    return true;
}

static enum stf_kind take(const struct attribute *attribute, void *to, size_t size, struct stf_err *err)
{
    if (attribute->size < size) {
        char what[32];
        snprintf(what, sizeof what, "an attribute %u", attribute->type);
        return cut_short(what, size, attribute->size, err);
    }
    memcpy(to, attribute->bytes, size);
    return STF_OK;
}

static enum stf_kind take_part(const struct attribute *attribute, void *to, size_t size, unsigned *has,
                               enum stf_xfrm_has part, struct stf_err *err)
{
    *has |= part;
    return take(attribute, to, size, err);
}

/* A list of structures of `size` bytes each, at most STF_XFRM_TEMPLATES_MAX. */
static enum stf_kind take_list(const struct attribute *attribute, void *to, size_t size, unsigned *count,
                               struct stf_err *err)
{
    size_t found = attribute->size / size;
    if (attribute->size % size != 0 || found > STF_XFRM_TEMPLATES_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "xfrm", NULL,
                           "a message of the kernel has an attribute %u of %zu bytes, expected up to %d times %zu",
                           attribute->type, attribute->size, STF_XFRM_TEMPLATES_MAX, size);
    memcpy(to, attribute->bytes, attribute->size);
    *count = (unsigned)found;
    return STF_OK;
}

/* ---------- policies ---------- */

static enum stf_kind take_policy_type(const struct attribute *attribute, uint8_t *type, struct stf_err *err)
{
    struct xfrm_userpolicy_type found;
    enum stf_kind kind = take(attribute, &found, sizeof found, err);
    if (!kind)
        *type = found.type;
    return kind;
}

static enum stf_kind read_policy_attribute(const struct attribute *attribute, struct stf_xfrm_policy *policy,
                                           struct stf_err *err)
{
    switch (attribute->type) {
    case XFRMA_POLICY: /* a deletion names the policy and then tells it */
        return take(attribute, &policy->info, sizeof policy->info, err);
    case XFRMA_TMPL:
        return take_list(attribute, policy->templates, sizeof policy->templates[0], &policy->template_count, err);
    case XFRMA_POLICY_TYPE:
        return take_policy_type(attribute, &policy->type, err);
    case XFRMA_MARK:
        return take_part(attribute, &policy->mark, sizeof policy->mark, &policy->has, STF_XFRM_HAS_MARK, err);
    case XFRMA_IF_ID:
        return take_part(attribute, &policy->if_id, sizeof policy->if_id, &policy->has, STF_XFRM_HAS_IF_ID, err);
    case XFRMA_PAD:
        return STF_OK;
    default:
        policy->unknown_attributes++;
        return STF_OK;
    }
}

static enum stf_kind read_policy_attributes(struct cursor rest, struct stf_xfrm_policy *policy, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct attribute attribute;
    while (next_attribute(&rest, &attribute, &kind, err))
        kind = read_policy_attribute(&attribute, policy, err);
    return kind;
}

static enum stf_kind read_policy(const struct nlmsghdr *message, struct stf_xfrm_policy *policy, struct stf_err *err)
{
    struct cursor rest;
    enum stf_kind kind = open_message(message, &policy->info, sizeof policy->info, &rest, err);
    return kind ? kind : read_policy_attributes(rest, policy, err);
}

static enum stf_kind wrong_type(const struct nlmsghdr *message, const char *expected, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, message->nlmsg_type, "xfrm", expected,
                       "the kernel sent a message of type %u, expected %s", message->nlmsg_type, expected);
}

enum stf_kind stf_xfrm_decode_policy(const struct nlmsghdr *message, struct stf_xfrm_policy *policy,
                                     struct stf_err *err)
{
    *policy = (struct stf_xfrm_policy){0};
    if (message->nlmsg_type != XFRM_MSG_NEWPOLICY && message->nlmsg_type != XFRM_MSG_UPDPOLICY)
        return wrong_type(message, "a policy", err);
    return read_policy(message, policy, err);
}

/* ---------- associations ---------- */

/* All the kernel's algorithms begin with a name of 64 bytes and the key's length in bits; those with an integrity check
 * tell its length next, and the key comes last. `header_size` is all but the key. */
static enum stf_kind take_algorithm(const struct attribute *attribute, size_t header_size,
                                    struct stf_xfrm_algorithm *algorithm, struct stf_err *err)
{
    struct xfrm_algo_aead header = {0};
    enum stf_kind kind = take(attribute, &header, header_size, err);
    if (kind)
        return kind;
    memcpy(algorithm->name, header.alg_name, sizeof header.alg_name);
    algorithm->name[STF_XFRM_NAME_MAX] = '\0';
    algorithm->key_bits = header.alg_key_len;
    if (header.alg_icv_len)
        algorithm->check_bits = header.alg_icv_len;
    return STF_OK;
}

static enum stf_kind take_replay(const struct attribute *attribute, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    struct xfrm_replay_state replay;
    enum stf_kind kind = take_part(attribute, &replay, sizeof replay, &sa->has, STF_XFRM_HAS_REPLAY, err);
    if (kind)
        return kind;
    sa->sequence_in = replay.seq;
    sa->sequence_out = replay.oseq;
    return STF_OK;
}

static enum stf_kind take_replay_esn(const struct attribute *attribute, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    struct xfrm_replay_state_esn replay;
    enum stf_kind kind =
        take_part(attribute, &replay, sizeof replay, &sa->has, STF_XFRM_HAS_REPLAY | STF_XFRM_HAS_ESN, err);
    if (kind)
        return kind;
    sa->replay_window = replay.replay_window;
    sa->sequence_in = (uint64_t)replay.seq_hi << 32 | replay.seq;
    sa->sequence_out = (uint64_t)replay.oseq_hi << 32 | replay.oseq;
    return STF_OK;
}

static enum stf_kind read_sa_attribute(const struct attribute *attribute, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    switch (attribute->type) {
    case XFRMA_SA: /* a deletion names the SA and then tells it */
        return take(attribute, &sa->info, sizeof sa->info, err);
    case XFRMA_ALG_AEAD:
        return take_algorithm(attribute, sizeof(struct xfrm_algo_aead), &sa->aead, err);
    case XFRMA_ALG_AUTH: /* the kernel sends both: the first for readers that do not know the second */
        return take_algorithm(attribute, sizeof(struct xfrm_algo), &sa->auth, err);
    case XFRMA_ALG_AUTH_TRUNC:
        return take_algorithm(attribute, sizeof(struct xfrm_algo_auth), &sa->auth, err);
    case XFRMA_ALG_CRYPT:
        return take_algorithm(attribute, sizeof(struct xfrm_algo), &sa->crypt, err);
    case XFRMA_ALG_COMP:
        return take_algorithm(attribute, sizeof(struct xfrm_algo), &sa->comp, err);
    case XFRMA_ENCAP:
        return take_part(attribute, &sa->encap, sizeof sa->encap, &sa->has, STF_XFRM_HAS_ENCAP, err);
    case XFRMA_REPLAY_VAL:
        return take_replay(attribute, sa, err);
    case XFRMA_REPLAY_ESN_VAL:
        return take_replay_esn(attribute, sa, err);
    case XFRMA_MARK:
        return take_part(attribute, &sa->mark, sizeof sa->mark, &sa->has, STF_XFRM_HAS_MARK, err);
    case XFRMA_SET_MARK:
        return take_part(attribute, &sa->output_mark.v, sizeof sa->output_mark.v, &sa->has, STF_XFRM_HAS_OUTPUT_MARK,
                         err);
    case XFRMA_SET_MARK_MASK:
        return take(attribute, &sa->output_mark.m, sizeof sa->output_mark.m, err);
    case XFRMA_IF_ID:
        return take_part(attribute, &sa->if_id, sizeof sa->if_id, &sa->has, STF_XFRM_HAS_IF_ID, err);
    case XFRMA_SA_EXTRA_FLAGS:
        return take(attribute, &sa->extra_flags, sizeof sa->extra_flags, err);
    case XFRMA_TFCPAD:
        return take(attribute, &sa->tfc_pad_bytes, sizeof sa->tfc_pad_bytes, err);
    case XFRMA_LASTUSED:
        return take(attribute, &sa->last_used_unix_s, sizeof sa->last_used_unix_s, err);
    case XFRMA_COADDR:
        return take_part(attribute, &sa->care_of, sizeof sa->care_of, &sa->has, STF_XFRM_HAS_CARE_OF, err);
    case XFRMA_OFFLOAD_DEV:
        return take_part(attribute, &sa->offload, sizeof sa->offload, &sa->has, STF_XFRM_HAS_OFFLOAD, err);
    case XFRMA_PAD:
        return STF_OK;
    default:
        sa->unknown_attributes++;
        return STF_OK;
    }
}

/* The fixed part only has room for a window of 255 packets; a wider one comes with the ESN attribute. */
static enum stf_kind read_sa_attributes(struct cursor rest, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    struct attribute attribute;
    while (next_attribute(&rest, &attribute, &kind, err))
        kind = read_sa_attribute(&attribute, sa, err);
    if (!(sa->has & STF_XFRM_HAS_ESN))
        sa->replay_window = sa->info.replay_window;
    return kind;
}

static enum stf_kind read_sa(const struct nlmsghdr *message, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    struct cursor rest;
    enum stf_kind kind = open_message(message, &sa->info, sizeof sa->info, &rest, err);
    return kind ? kind : read_sa_attributes(rest, sa, err);
}

enum stf_kind stf_xfrm_decode_sa(const struct nlmsghdr *message, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    *sa = (struct stf_xfrm_sa){0};
    if (message->nlmsg_type != XFRM_MSG_NEWSA && message->nlmsg_type != XFRM_MSG_UPDSA)
        return wrong_type(message, "a security association", err);
    return read_sa(message, sa, err);
}

bool stf_xfrm_is_larval(const struct stf_xfrm_sa *sa)
{
    bool has_algorithm = sa->aead.name[0] || sa->auth.name[0] || sa->crypt.name[0] || sa->comp.name[0];
    bool needs_one =
        sa->info.id.proto == IPPROTO_ESP || sa->info.id.proto == IPPROTO_AH || sa->info.id.proto == IPPROTO_COMP;
    return needs_one && !has_algorithm;
}

bool stf_xfrm_is_of_socket(const struct stf_xfrm_policy *policy)
{
    return policy->info.dir >= XFRM_POLICY_MAX;
}

/* ---------- events ---------- */

static enum stf_kind read_deleted_sa(const struct nlmsghdr *message, struct stf_xfrm_sa *sa, struct stf_err *err)
{
    struct xfrm_usersa_id id;
    struct cursor rest;
    enum stf_kind kind = open_message(message, &id, sizeof id, &rest, err);
    if (kind)
        return kind;
    sa->info.id = (struct xfrm_id){.daddr = id.daddr, .spi = id.spi, .proto = id.proto};
    sa->info.family = id.family;
    return read_sa_attributes(rest, sa, err);
}

static enum stf_kind read_expired_sa(const struct nlmsghdr *message, struct stf_xfrm_event *event, struct stf_err *err)
{
    struct xfrm_user_expire expire;
    struct cursor rest;
    enum stf_kind kind = open_message(message, &expire, sizeof expire, &rest, err);
    if (kind)
        return kind;
    event->sa.info = expire.state;
    event->is_hard = expire.hard != 0;
    return read_sa_attributes(rest, &event->sa, err);
}

static enum stf_kind read_deleted_policy(const struct nlmsghdr *message, struct stf_xfrm_policy *policy,
                                         struct stf_err *err)
{
    struct xfrm_userpolicy_id id;
    struct cursor rest;
    enum stf_kind kind = open_message(message, &id, sizeof id, &rest, err);
    if (kind)
        return kind;
    policy->info.sel = id.sel;
    policy->info.index = id.index;
    policy->info.dir = id.dir;
    return read_policy_attributes(rest, policy, err);
}

static enum stf_kind read_expired_policy(const struct nlmsghdr *message, struct stf_xfrm_event *event,
                                         struct stf_err *err)
{
    struct xfrm_user_polexpire expire;
    struct cursor rest;
    enum stf_kind kind = open_message(message, &expire, sizeof expire, &rest, err);
    if (kind)
        return kind;
    event->policy.info = expire.pol;
    event->is_hard = expire.hard != 0;
    return read_policy_attributes(rest, &event->policy, err);
}

static enum stf_kind read_acquire(const struct nlmsghdr *message, struct stf_xfrm_acquire *acquire, struct stf_err *err)
{
    struct xfrm_user_acquire found;
    struct cursor rest;
    enum stf_kind kind = open_message(message, &found, sizeof found, &rest, err);
    if (kind)
        return kind;
    acquire->id = found.id;
    acquire->source = found.saddr;
    acquire->selector = found.sel;
    acquire->sequence = found.seq;
    acquire->policy.info = found.policy;
    return read_policy_attributes(rest, &acquire->policy, err);
}

static enum stf_kind read_migration(const struct nlmsghdr *message, struct stf_xfrm_migration *migration,
                                    struct stf_err *err)
{
    struct cursor rest;
    struct attribute attribute;
    enum stf_kind kind = open_message(message, &migration->policy, sizeof migration->policy, &rest, err);
    while (next_attribute(&rest, &attribute, &kind, err))
        if (attribute.type == XFRMA_MIGRATE)
            kind = take_list(&attribute, migration->moves, sizeof migration->moves[0], &migration->move_count, err);
    return kind;
}

/* The fixed part of an event that has nothing else of interest. */
static enum stf_kind read_plain(const struct nlmsghdr *message, void *to, size_t size, struct stf_err *err)
{
    struct cursor rest;
    return open_message(message, to, size, &rest, err);
}

static enum stf_kind read_policy_flush(const struct nlmsghdr *message, struct stf_xfrm_policy *policy,
                                       struct stf_err *err)
{
    struct cursor rest;
    enum stf_kind kind = open_message(message, &policy->info, 0, &rest, err);
    return kind ? kind : read_policy_attributes(rest, policy, err);
}

enum stf_kind stf_xfrm_decode_event(const struct nlmsghdr *message, struct stf_xfrm_event *event, struct stf_err *err)
{
    memset(event, 0, sizeof *event);
    switch (message->nlmsg_type) {
    case XFRM_MSG_ACQUIRE:
        event->type = STF_XFRM_ACQUIRE;
        return read_acquire(message, &event->acquire, err);
    case XFRM_MSG_NEWSA:
        event->type = STF_XFRM_SA_NEW;
        return read_sa(message, &event->sa, err);
    case XFRM_MSG_UPDSA:
        event->type = STF_XFRM_SA_UPDATE;
        return read_sa(message, &event->sa, err);
    case XFRM_MSG_DELSA:
        event->type = STF_XFRM_SA_DELETE;
        return read_deleted_sa(message, &event->sa, err);
    case XFRM_MSG_FLUSHSA:
        event->type = STF_XFRM_SA_FLUSH;
        return read_plain(message, &event->flushed_protocol, sizeof event->flushed_protocol, err);
    case XFRM_MSG_EXPIRE:
        event->type = STF_XFRM_SA_EXPIRE;
        return read_expired_sa(message, event, err);
    case XFRM_MSG_NEWPOLICY:
        event->type = STF_XFRM_POLICY_NEW;
        return read_policy(message, &event->policy, err);
    case XFRM_MSG_UPDPOLICY:
        event->type = STF_XFRM_POLICY_UPDATE;
        return read_policy(message, &event->policy, err);
    case XFRM_MSG_DELPOLICY:
        event->type = STF_XFRM_POLICY_DELETE;
        return read_deleted_policy(message, &event->policy, err);
    case XFRM_MSG_FLUSHPOLICY:
        event->type = STF_XFRM_POLICY_FLUSH;
        return read_policy_flush(message, &event->policy, err);
    case XFRM_MSG_POLEXPIRE:
        event->type = STF_XFRM_POLICY_EXPIRE;
        return read_expired_policy(message, event, err);
    case XFRM_MSG_GETDEFAULT:
        event->type = STF_XFRM_DEFAULT_ACTIONS;
        return read_plain(message, &event->defaults, sizeof event->defaults, err);
    case XFRM_MSG_MIGRATE:
        event->type = STF_XFRM_MIGRATE;
        return read_migration(message, &event->migration, err);
    case XFRM_MSG_REPORT:
        event->type = STF_XFRM_REPORT;
        return read_plain(message, &event->report, sizeof event->report, err);
    default:
        return stf_err_set(err, STF_UNSUPPORTED, message->nlmsg_type, "xfrm", NULL,
                           "the kernel sent a message of type %u, which is no event that is known here",
                           message->nlmsg_type);
    }
}

/* ---------- answers to single questions ---------- */

enum stf_kind stf_xfrm_decode_defaults(const struct nlmsghdr *message, struct xfrm_userpolicy_default *defaults,
                                       struct stf_err *err)
{
    if (message->nlmsg_type != XFRM_MSG_GETDEFAULT)
        return wrong_type(message, "the default actions", err);
    return read_plain(message, defaults, sizeof *defaults, err);
}

/* Attribute `type` of an answer whose fixed part is a number of flags. */
static enum stf_kind find_count(const struct nlmsghdr *message, unsigned type, void *to, size_t size,
                                struct stf_err *err)
{
    uint32_t flags;
    struct cursor rest;
    struct attribute attribute;
    bool is_found = false;
    enum stf_kind kind = open_message(message, &flags, sizeof flags, &rest, err);
    while (next_attribute(&rest, &attribute, &kind, err)) {
        if (attribute.type == type) {
            is_found = true;
            kind = take(&attribute, to, size, err);
        }
    }
    if (!kind && !is_found)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "xfrm", NULL, "the kernel's answer has no count in it");
    return kind;
}

enum stf_kind stf_xfrm_decode_policy_count(const struct nlmsghdr *message, struct xfrmu_spdinfo *counts,
                                           struct stf_err *err)
{
    if (message->nlmsg_type != XFRM_MSG_NEWSPDINFO)
        return wrong_type(message, "the number of policies", err);
    return find_count(message, XFRMA_SPD_INFO, counts, sizeof *counts, err);
}

enum stf_kind stf_xfrm_decode_sa_count(const struct nlmsghdr *message, uint32_t *count, struct stf_err *err)
{
    if (message->nlmsg_type != XFRM_MSG_NEWSADINFO)
        return wrong_type(message, "the number of security associations", err);
    return find_count(message, XFRMA_SAD_CNT, count, sizeof *count, err);
}
