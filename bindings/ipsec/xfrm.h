/* xfrm.h - the kernel's IPsec messages (linux/xfrm.h) as structures, and those as documents. Pure: bytes in, data out.
 * Must never read beyond a message, nor copy a key: of an algorithm only its name and sizes are taken.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdint.h>

#include <staffetta/err.h>

enum {
    STF_XFRM_TEMPLATES_MAX = 6, /* the kernel's XFRM_MAX_DEPTH */
    STF_XFRM_NAME_MAX = 64,
};

/* Which optional parts a message had. */
enum stf_xfrm_has {
    STF_XFRM_HAS_MARK = 1 << 0,
    STF_XFRM_HAS_IF_ID = 1 << 1,
    STF_XFRM_HAS_ENCAP = 1 << 2,
    STF_XFRM_HAS_REPLAY = 1 << 3,
    STF_XFRM_HAS_ESN = 1 << 4,
    STF_XFRM_HAS_OUTPUT_MARK = 1 << 5,
    STF_XFRM_HAS_OFFLOAD = 1 << 6,
    STF_XFRM_HAS_CARE_OF = 1 << 7,
};

/* The kernel's own structures: addresses, ports and SPIs are big-endian in them, all else is in the host's order. */
struct stf_xfrm_policy {
    struct xfrm_userpolicy_info info;
    struct xfrm_user_tmpl templates[STF_XFRM_TEMPLATES_MAX];
    unsigned template_count;
    uint8_t type; /* XFRM_POLICY_TYPE_MAIN or _SUB */
    unsigned has;
    struct xfrm_mark mark;
    uint32_t if_id;
    unsigned unknown_attributes; /* of a newer kernel, or of no interest here */
};

struct stf_xfrm_algorithm {
    char name[STF_XFRM_NAME_MAX + 1]; /* "rfc4106(gcm(aes))"; empty: none */
    unsigned key_bits;
    unsigned check_bits; /* of the integrity check value; 0: not stated */
};

struct stf_xfrm_sa {
    struct xfrm_usersa_info info;
    struct stf_xfrm_algorithm aead;
    struct stf_xfrm_algorithm auth;
    struct stf_xfrm_algorithm crypt;
    struct stf_xfrm_algorithm comp;
    unsigned has;
    struct xfrm_encap_tmpl encap;
    uint32_t replay_window; /* in packets */
    uint64_t sequence_in;
    uint64_t sequence_out;
    struct xfrm_mark mark;
    struct xfrm_mark output_mark;
    uint32_t if_id;
    uint32_t extra_flags;
    uint32_t tfc_pad_bytes;
    uint64_t last_used_unix_s;
    xfrm_address_t care_of;
    struct xfrm_user_offload offload;
    unsigned unknown_attributes;
};

enum stf_xfrm_event_type {
    STF_XFRM_ACQUIRE,
    STF_XFRM_SA_NEW,
    STF_XFRM_SA_UPDATE,
    STF_XFRM_SA_DELETE,
    STF_XFRM_SA_FLUSH,
    STF_XFRM_SA_EXPIRE,
    STF_XFRM_POLICY_NEW,
    STF_XFRM_POLICY_UPDATE,
    STF_XFRM_POLICY_DELETE,
    STF_XFRM_POLICY_FLUSH,
    STF_XFRM_POLICY_EXPIRE,
    STF_XFRM_DEFAULT_ACTIONS,
    STF_XFRM_MIGRATE,
    STF_XFRM_REPORT,
    STF_XFRM_OVERRUN, /* never decoded: noted where messages were lost */
};

struct stf_xfrm_acquire {
    struct xfrm_id id; /* whom to negotiate with */
    xfrm_address_t source;
    struct xfrm_selector selector; /* of the packet that wants protection */
    uint32_t sequence;
    struct stf_xfrm_policy policy;
};

struct stf_xfrm_migration {
    struct xfrm_userpolicy_id policy;
    struct xfrm_user_migrate moves[STF_XFRM_TEMPLATES_MAX];
    unsigned move_count;
};

struct stf_xfrm_event {
    enum stf_xfrm_event_type type;
    bool is_hard; /* SA_EXPIRE, POLICY_EXPIRE: the thing is gone; else it is due for renewal */
    union {
        struct stf_xfrm_sa sa;                   /* SA_NEW, _UPDATE, _DELETE, _EXPIRE */
        struct stf_xfrm_policy policy;           /* POLICY_NEW, _UPDATE, _DELETE, _EXPIRE; FLUSH: its type only */
        struct stf_xfrm_acquire acquire;         /* ACQUIRE */
        struct stf_xfrm_migration migration;     /* MIGRATE */
        struct xfrm_user_report report;          /* REPORT */
        struct xfrm_userpolicy_default defaults; /* DEFAULT_ACTIONS */
        uint8_t flushed_protocol;                /* SA_FLUSH */
    };
};

/* `message` lies wholly in memory, as libmnl's nlmsg_ok says. STF_INVALID_DATA: another type of message, a part or an
 * attribute that is shorter than it must be, or one that does not end inside the message. */
enum stf_kind stf_xfrm_decode_policy(const struct nlmsghdr *message, struct stf_xfrm_policy *policy,
                                     struct stf_err *err);
enum stf_kind stf_xfrm_decode_sa(const struct nlmsghdr *message, struct stf_xfrm_sa *sa, struct stf_err *err);
/* STF_UNSUPPORTED: a type of message that is no event. */
enum stf_kind stf_xfrm_decode_event(const struct nlmsghdr *message, struct stf_xfrm_event *event, struct stf_err *err);
enum stf_kind stf_xfrm_decode_defaults(const struct nlmsghdr *message, struct xfrm_userpolicy_default *defaults,
                                       struct stf_err *err);
/* How many policies and SAs there are, from the answers to XFRM_MSG_GETSPDINFO and XFRM_MSG_GETSADINFO. */
enum stf_kind stf_xfrm_decode_policy_count(const struct nlmsghdr *message, struct xfrmu_spdinfo *counts,
                                           struct stf_err *err);
enum stf_kind stf_xfrm_decode_sa_count(const struct nlmsghdr *message, uint32_t *count, struct stf_err *err);

/* Whether the SA is only the wish for one: the kernel waits for a key manager to negotiate it. */
bool stf_xfrm_is_larval(const struct stf_xfrm_sa *sa);
/* Whether the policy is of one socket, not of the host. */
bool stf_xfrm_is_of_socket(const struct stf_xfrm_policy *policy);

/* What a document says besides what was configured. */
enum stf_xfrm_parts {
    STF_XFRM_STABLE = 0,
    STF_XFRM_VOLATILE = 1 << 0, /* index, counters, times, replay state, errors */
    STF_XFRM_SPI = 1 << 1,
    STF_XFRM_ALL = STF_XFRM_VOLATILE | STF_XFRM_SPI,
};

/* Documents as ipsec.meta.lua describes them; new references, NULL when memory is out. A member that has nothing to say
 * is left out: no list or object in them is empty. */
json_t *stf_xfrm_policy_document(const struct stf_xfrm_policy *policy, unsigned parts);
json_t *stf_xfrm_sa_document(const struct stf_xfrm_sa *sa, unsigned parts);
json_t *stf_xfrm_event_document(const struct stf_xfrm_event *event, int64_t at_ns);
json_t *stf_xfrm_defaults_document(const struct xfrm_userpolicy_default *defaults);
