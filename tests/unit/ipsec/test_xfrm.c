/* test_xfrm.c - the kernel's IPsec messages taken apart: every part, every length, and no key ever.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "common/mnl.h"
#include "ipsec/xfrm.h"
#include "xfrm_message.h"

#define KEY "this-is-the-key!"

static const struct xfrm_lifetime_cfg no_limits = {.soft_byte_limit = XFRM_INF,
                                                   .hard_byte_limit = XFRM_INF,
                                                   .soft_packet_limit = XFRM_INF,
                                                   .hard_packet_limit = XFRM_INF};

/* ---------- what is built ---------- */

static struct xfrm_selector selector(uint16_t family, const char *source, const char *destination)
{
    return (struct xfrm_selector){.family = family,
                                  .saddr = message_address(source),
                                  .daddr = message_address(destination),
                                  .prefixlen_s = family == AF_INET ? 24 : 64,
                                  .prefixlen_d = family == AF_INET ? 32 : 128};
}

static struct xfrm_userpolicy_info policy_info(void)
{
    struct xfrm_userpolicy_info info = {.sel = selector(AF_INET, "10.9.0.0", "10.9.0.100"),
                                        .lft = no_limits,
                                        .priority = 7,
                                        .index = 129,
                                        .dir = XFRM_POLICY_OUT};
    info.sel.proto = IPPROTO_TCP;
    info.sel.dport = htons(143);
    info.sel.dport_mask = 0xffff;
    return info;
}

static struct xfrm_user_tmpl template_info(void)
{
    return (struct xfrm_user_tmpl){
        .id = {.daddr = message_address("10.9.0.100"), .proto = IPPROTO_ESP, .spi = htonl(0xabc)},
        .saddr = message_address("10.9.0.1"),
        .family = AF_INET,
        .reqid = 12,
        .mode = XFRM_MODE_TRANSPORT};
}

static struct xfrm_usersa_info sa_info(void)
{
    return (struct xfrm_usersa_info){.id = {.daddr = message_address("fd00::2"), .spi = htonl(0xc0ffee), .proto = 50},
                                     .saddr = message_address("fd00::1"),
                                     .sel = selector(AF_INET6, "fd00::1", "fd00::2"),
                                     .lft = no_limits,
                                     .curlft = {.bytes = 1000, .packets = 10, .add_time = 1700000000},
                                     .stats = {.replay = 3, .integrity_failed = 2},
                                     .reqid = 12,
                                     .family = AF_INET6,
                                     .mode = XFRM_MODE_TUNNEL,
                                     .replay_window = 32,
                                     .flags = XFRM_STATE_NOECN | XFRM_STATE_ESN};
}

static void assert_document(json_t *found, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL);
    assert_non_null(wanted);
    if (!json_equal(found, wanted)) {
        char *text = json_dumps(found, JSON_SORT_KEYS);
        fail_msg("expected %s\nfound %s", expected, text);
    }
    json_decref(wanted);
    json_decref(found);
}

/* ---------- policies ---------- */

static void test_policy(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    struct xfrm_user_tmpl templates[2] = {template_info(), template_info()};
    struct xfrm_mark mark = {.v = 0x42, .m = 0xff};
    struct xfrm_userpolicy_type type = {.type = XFRM_POLICY_TYPE_SUB};
    uint32_t if_id = 9;
    struct stf_xfrm_policy policy;

    info.lft.hard_byte_limit = 5000;
    info.lft.soft_add_expires_seconds = 60;
    info.curlft = (struct xfrm_lifetime_cur){.bytes = 4, .packets = 1, .add_time = 1700000000, .use_time = 1700000001};
    info.flags = XFRM_POLICY_ICMP | 0x80;
    templates[1].optional = 1;
    templates[1].id = (struct xfrm_id){.proto = IPPROTO_COMP};
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, templates, sizeof templates);
    message_add(&message, XFRMA_MARK, &mark, sizeof mark);
    message_add(&message, XFRMA_POLICY_TYPE, &type, sizeof type);
    message_add(&message, XFRMA_IF_ID, &if_id, sizeof if_id);
    message_add(&message, 200, "?", 1);
    message_add(&message, XFRMA_PAD, "", 0);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, NULL), STF_OK);
    assert_document(
        stf_xfrm_policy_document(&policy, STF_XFRM_ALL),
        "{\"selector\":{\"source\":\"10.9.0.0/24\",\"destination\":\"10.9.0.100/32\",\"protocol\":\"tcp\","
        "\"destination_port\":143},\"direction\":\"out\",\"priority\":7,\"index\":129,\"action\":\"allow\","
        "\"type\":\"sub\",\"flags\":[\"icmp\",\"0x80\"],\"mark\":{\"value\":66,\"mask\":255},\"if_id\":9,"
        "\"limits\":{\"hard_bytes\":5000,\"soft_added_s\":60},\"lifetime\":{\"bytes\":4,\"packets\":1,"
        "\"added_unix_s\":1700000000,\"used_unix_s\":1700000001},\"unknown_attributes\":1,\"templates\":["
        "{\"source\":\"10.9.0.1\",\"destination\":\"10.9.0.100\",\"protocol\":\"esp\",\"mode\":\"transport\","
        "\"reqid\":12,\"level\":\"required\",\"spi\":\"00000abc\"},"
        "{\"source\":\"10.9.0.1\",\"destination\":\"0.0.0.0\",\"protocol\":\"comp\",\"mode\":\"transport\","
        "\"reqid\":12,\"level\":\"use\"}]}");
}

static void test_stable_policy(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    struct xfrm_user_tmpl template = template_info();
    struct stf_xfrm_policy first, second;

    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, &template, sizeof template);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &first, NULL), STF_OK);
    info.index = 137;
    info.curlft.packets = 99;
    template.id.spi = 0;
    message_begin(&message, XFRM_MSG_UPDPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, &template, sizeof template);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &second, NULL), STF_OK);

    json_t *one = stf_xfrm_policy_document(&first, STF_XFRM_STABLE);
    json_t *other = stf_xfrm_policy_document(&second, STF_XFRM_STABLE);
    assert_true(json_equal(one, other));
    json_decref(other);
    other = stf_xfrm_policy_document(&second, STF_XFRM_ALL);
    assert_false(json_equal(one, other));
    json_decref(one);
    json_decref(other);
}

/* What has no word in our tables is a number, never a wrong word. */
static void test_unknown_words(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    struct stf_xfrm_policy policy;

    info.action = 9;
    info.dir = XFRM_POLICY_MAX + XFRM_POLICY_OUT;
    info.sel.proto = 200;
    info.sel.sport = htons(0x1230);
    info.sel.sport_mask = htons(0xfff0);
    info.curlft.bytes = UINT64_MAX;
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, NULL), STF_OK);
    json_t *document = stf_xfrm_policy_document(&policy, STF_XFRM_ALL);
    json_t *found = json_object_get(document, "selector");
    assert_string_equal(json_string_value(json_object_get(found, "protocol")), "200");
    assert_int_equal(json_integer_value(json_object_get(found, "source_port")), 0x1230);
    assert_int_equal(json_integer_value(json_object_get(found, "source_port_mask")), 0xfff0);
    assert_string_equal(json_string_value(json_object_get(document, "action")), "9");
    assert_string_equal(json_string_value(json_object_get(document, "direction")), "out");
    assert_true(json_is_true(json_object_get(document, "is_of_socket")));
    assert_true(json_integer_value(json_object_get(json_object_get(document, "lifetime"), "bytes")) == INT64_MAX);
    json_decref(document);
}

/* ---------- associations ---------- */

static void build_sa(struct message *message)
{
    struct xfrm_usersa_info info = sa_info();
    struct xfrm_encap_tmpl encap = {.encap_type = 2,
                                    .encap_sport = htons(4500),
                                    .encap_dport = htons(4501),
                                    .encap_oa = message_address("fd00::9")};
    uint32_t esn[6 + 4] = {4, 7, 8, 1, 2, 128, 0xdead, 0xbeef, 0, 0};
    struct xfrm_mark mark = {.v = 1, .m = 3};
    struct xfrm_user_offload offload = {.ifindex = 2, .flags = XFRM_OFFLOAD_INBOUND};
    xfrm_address_t care_of = message_address("fd00::3");
    uint32_t output_mark = 5, output_mask = 7, if_id = 9, extra = XFRM_SA_XFLAG_OSEQ_MAY_WRAP, pad = 64;
    uint64_t last_used = 1700000009;

    message_begin(message, XFRM_MSG_NEWSA, &info, sizeof info);
    message_add_aead(message, "rfc4106(gcm(aes))", KEY "salt", 128);
    message_add(message, XFRMA_ENCAP, &encap, sizeof encap);
    message_add(message, XFRMA_REPLAY_ESN_VAL, esn, sizeof esn);
    message_add(message, XFRMA_MARK, &mark, sizeof mark);
    message_add(message, XFRMA_SET_MARK, &output_mark, sizeof output_mark);
    message_add(message, XFRMA_SET_MARK_MASK, &output_mask, sizeof output_mask);
    message_add(message, XFRMA_IF_ID, &if_id, sizeof if_id);
    message_add(message, XFRMA_SA_EXTRA_FLAGS, &extra, sizeof extra);
    message_add(message, XFRMA_TFCPAD, &pad, sizeof pad);
    message_add(message, XFRMA_LASTUSED, &last_used, sizeof last_used);
    message_add(message, XFRMA_COADDR, &care_of, sizeof care_of);
    message_add(message, XFRMA_OFFLOAD_DEV, &offload, sizeof offload);
    message_add(message, 33, "\1", 1); /* of a newer kernel: the direction */
}

#define SA_SETTINGS                                                                                                    \
    "\"source\":\"fd00::1\",\"destination\":\"fd00::2\",\"protocol\":\"esp\",\"reqid\":12,\"mode\":\"tunnel\","        \
    "\"is_larval\":false,\"aead\":{\"name\":\"rfc4106(gcm(aes))\",\"key_bits\":160,\"check_bits\":128},"               \
    "\"selector\":{\"source\":\"fd00::1/64\",\"destination\":\"fd00::2/128\",\"protocol\":\"any\"},"                   \
    "\"encap\":{\"type\":\"esp_in_udp\",\"source_port\":4500,\"destination_port\":4501,"                               \
    "\"original_address\":\"fd00::9\"},\"mark\":{\"value\":1,\"mask\":3},\"output_mark\":{\"value\":5,\"mask\":7},"    \
    "\"if_id\":9,\"care_of_address\":\"fd00::3\",\"offload\":{\"interface_index\":2,\"flags\":[\"in\"]},"              \
    "\"flags\":[\"noecn\",\"esn\"],\"extra_flags\":[\"oseq_may_wrap\"],\"tfc_pad_bytes\":64,\"unknown_attributes\":1"

static void test_sa(void **unused)
{
    (void)unused;
    struct message message;
    struct stf_xfrm_sa sa;
    build_sa(&message);
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_document(stf_xfrm_sa_document(&sa, STF_XFRM_STABLE),
                    "{" SA_SETTINGS ",\"replay\":{\"window_packets\":128,\"is_esn\":true}}");
    assert_document(stf_xfrm_sa_document(&sa, STF_XFRM_ALL),
                    "{" SA_SETTINGS ",\"spi\":\"00c0ffee\",\"replay\":{\"window_packets\":128,\"is_esn\":true,"
                    "\"sequence_out\":4294967303,\"sequence_in\":8589934600},\"last_used_unix_s\":1700000009,"
                    "\"lifetime\":{\"bytes\":1000,\"packets\":10,\"added_unix_s\":1700000000},"
                    "\"errors\":{\"replay_window\":0,\"replay\":3,\"integrity\":2}}");
}

static void test_old_algorithms(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_usersa_info info = sa_info();
    struct xfrm_replay_state replay = {.oseq = 5, .seq = 6, .bitmap = 0x3f};
    struct stf_xfrm_sa sa;
    char long_name[STF_XFRM_NAME_MAX];

    message_begin(&message, XFRM_MSG_UPDSA, &info, sizeof info);
    message_add_algorithm(&message, XFRMA_ALG_AUTH, "hmac(sha256)", KEY KEY);
    message_add_auth_trunc(&message, "hmac(sha256)", KEY KEY, 96);
    message_add_algorithm(&message, XFRMA_ALG_CRYPT, "cbc(aes)", KEY);
    message_add_algorithm(&message, XFRMA_ALG_COMP, "deflate", "");
    message_add(&message, XFRMA_REPLAY_VAL, &replay, sizeof replay);
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_string_equal(sa.auth.name, "hmac(sha256)");
    assert_int_equal(sa.auth.key_bits, 256);
    assert_int_equal(sa.auth.check_bits, 96);
    assert_string_equal(sa.crypt.name, "cbc(aes)");
    assert_int_equal(sa.crypt.key_bits, 128);
    assert_string_equal(sa.comp.name, "deflate");
    assert_int_equal(sa.replay_window, 32);
    assert_int_equal(sa.sequence_in, 6);
    assert_int_equal(sa.sequence_out, 5);
    assert_false(stf_xfrm_is_larval(&sa));

    /* a name that fills its room, without an end, and is not even text */
    struct xfrm_algo full = {.alg_key_len = 0};
    memset(full.alg_name, 0xff, sizeof full.alg_name);
    memset(long_name, 0xff, sizeof long_name);
    message_begin(&message, XFRM_MSG_NEWSA, &info, sizeof info);
    message_add(&message, XFRMA_ALG_CRYPT, &full, sizeof full);
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_int_equal(strlen(sa.crypt.name), STF_XFRM_NAME_MAX);
    assert_memory_equal(sa.crypt.name, long_name, STF_XFRM_NAME_MAX);
    json_t *document = stf_xfrm_sa_document(&sa, STF_XFRM_ALL);
    assert_non_null(document);
    json_decref(document);
}

static void assert_no_key(const void *bytes, size_t size)
{
    assert_null(memmem(bytes, size, "is-the-key", strlen("is-the-key")));
}

static void test_no_key_is_taken(void **unused)
{
    (void)unused;
    struct message message;
    struct stf_xfrm_sa sa;
    struct stf_xfrm_event event;
    build_sa(&message);
    message_add_algorithm(&message, XFRMA_ALG_AUTH, "hmac(sha256)", KEY KEY);
    message_add_auth_trunc(&message, "hmac(sha256)", KEY KEY, 96);
    message_add_algorithm(&message, XFRMA_ALG_CRYPT, "cbc(aes)", KEY);
    assert_non_null(memmem(message.bytes, sizeof message.bytes, KEY, strlen(KEY)));
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_no_key(&sa, sizeof sa);
    assert_int_equal(stf_xfrm_decode_event(message_header(&message), &event, NULL), STF_OK);
    assert_no_key(&event, sizeof event);
    json_t *document = stf_xfrm_event_document(&event, 1);
    char *text = json_dumps(document, 0);
    assert_no_key(text, strlen(text));
    free(text);
    json_decref(document);
}

static void test_larval(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_usersa_info info = sa_info();
    struct stf_xfrm_sa sa;
    info.id.spi = 0;
    message_begin(&message, XFRM_MSG_NEWSA, &info, sizeof info);
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_true(stf_xfrm_is_larval(&sa));
    info.id.proto = IPPROTO_ROUTING; /* has no algorithm, ever */
    message_begin(&message, XFRM_MSG_NEWSA, &info, sizeof info);
    assert_int_equal(stf_xfrm_decode_sa(message_header(&message), &sa, NULL), STF_OK);
    assert_false(stf_xfrm_is_larval(&sa));
}

/* ---------- events ---------- */

static void assert_event(struct message *message, const char *expected)
{
    struct stf_xfrm_event event;
    struct stf_err err;
    if (stf_xfrm_decode_event(message_header(message), &event, &err))
        fail_msg("%s", err.message);
    assert_document(stf_xfrm_event_document(&event, 5), expected);
}

#define SHORT_SA(spi)                                                                                                  \
    "{\"source\":\"fd00::1\",\"destination\":\"fd00::2\",\"protocol\":\"esp\",\"spi\":\"" spi "\",\"reqid\":12,"       \
    "\"mode\":\"tunnel\",\"is_larval\":true,\"flags\":[\"noecn\",\"esn\"],\"replay\":{\"window_packets\":32,"          \
    "\"is_esn\":false,\"sequence_in\":0,\"sequence_out\":0},\"selector\":{\"source\":\"fd00::1/64\","                  \
    "\"destination\":\"fd00::2/128\",\"protocol\":\"any\"},\"lifetime\":{\"bytes\":1000,\"packets\":10,"               \
    "\"added_unix_s\":1700000000},\"errors\":{\"replay_window\":0,\"replay\":3,\"integrity\":2}}"

#define SELECTOR                                                                                                       \
    "{\"source\":\"10.9.0.0/24\",\"destination\":\"10.9.0.100/32\",\"protocol\":\"tcp\",\"destination_port\":143}"

#define SHORT_POLICY                                                                                                   \
    "{\"selector\":" SELECTOR ",\"direction\":\"out\",\"priority\":7,\"index\":129,\"action\":\"allow\","              \
    "\"type\":\"main\",\"lifetime\":{\"bytes\":0,\"packets\":0}}"

static void test_sa_events(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_usersa_info info = sa_info();
    struct xfrm_usersa_id id = {.daddr = info.id.daddr, .spi = info.id.spi, .family = AF_INET6, .proto = IPPROTO_ESP};
    struct xfrm_user_expire expire = {.state = info, .hard = 1};
    struct xfrm_usersa_flush flush = {.proto = IPPROTO_AH};

    message_begin(&message, XFRM_MSG_NEWSA, &info, sizeof info);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-new\",\"sa\":" SHORT_SA("00c0ffee") "}");
    message_header(&message)->nlmsg_type = XFRM_MSG_UPDSA;
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-update\",\"sa\":" SHORT_SA("00c0ffee") "}");
    message_begin(&message, XFRM_MSG_DELSA, &id, sizeof id);
    message_add(&message, XFRMA_SA, &info, sizeof info);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-delete\",\"sa\":" SHORT_SA("00c0ffee") "}");
    message_begin(&message, XFRM_MSG_EXPIRE, &expire, sizeof expire);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-expire\",\"is_hard\":true,\"sa\":" SHORT_SA("00c0ffee") "}");
    expire.hard = 0;
    message_begin(&message, XFRM_MSG_EXPIRE, &expire, sizeof expire);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-expire\",\"is_hard\":false,\"sa\":" SHORT_SA("00c0ffee") "}");
    message_begin(&message, XFRM_MSG_FLUSHSA, &flush, sizeof flush);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"sa-flush\",\"protocol\":\"ah\"}");
}

static void test_policy_events(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    struct xfrm_userpolicy_id id = {.sel = info.sel, .index = 129, .dir = XFRM_POLICY_OUT};
    struct xfrm_user_polexpire expire = {.pol = info, .hard = 0};
    struct xfrm_userpolicy_type type = {.type = XFRM_POLICY_TYPE_SUB};
    struct xfrm_userpolicy_default defaults = {XFRM_USERPOLICY_BLOCK, XFRM_USERPOLICY_ACCEPT, XFRM_USERPOLICY_UNSPEC};

    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"policy-new\",\"policy\":" SHORT_POLICY "}");
    message_header(&message)->nlmsg_type = XFRM_MSG_UPDPOLICY;
    assert_event(&message, "{\"at_ns\":5,\"event\":\"policy-update\",\"policy\":" SHORT_POLICY "}");
    message_begin(&message, XFRM_MSG_DELPOLICY, &id, sizeof id);
    message_add(&message, XFRMA_POLICY, &info, sizeof info);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"policy-delete\",\"policy\":" SHORT_POLICY "}");
    message_begin(&message, XFRM_MSG_POLEXPIRE, &expire, sizeof expire);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"policy-expire\",\"is_hard\":false,\"policy\":" SHORT_POLICY "}");
    message_begin(&message, XFRM_MSG_FLUSHPOLICY, "", 0);
    message_add(&message, XFRMA_POLICY_TYPE, &type, sizeof type);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"policy-flush\",\"type\":\"sub\"}");
    message_begin(&message, XFRM_MSG_GETDEFAULT, &defaults, sizeof defaults);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"default-actions\",\"default_actions\":"
                           "{\"in\":\"block\",\"fwd\":\"accept\",\"out\":\"0\"}}");
}

static void test_other_events(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_user_tmpl template = template_info();
    struct xfrm_user_acquire acquire = {
        .id = template.id, .saddr = template.saddr, .sel = policy_info().sel, .policy = policy_info(), .seq = 3};
    struct xfrm_user_migrate move = {.old_daddr = message_address("10.0.0.1"),
                                     .new_daddr = message_address("fd00::1"),
                                     .old_family = AF_INET,
                                     .new_family = AF_INET6,
                                     .proto = IPPROTO_ESP,
                                     .mode = XFRM_MODE_TUNNEL,
                                     .reqid = 1};
    struct xfrm_userpolicy_id id = {.sel = policy_info().sel, .dir = XFRM_POLICY_IN};
    struct xfrm_user_report report = {.proto = IPPROTO_DSTOPTS, .sel = policy_info().sel};

    message_begin(&message, XFRM_MSG_ACQUIRE, &acquire, sizeof acquire);
    assert_event(&message,
                 "{\"at_ns\":5,\"event\":\"acquire\",\"source\":\"10.9.0.1\",\"destination\":\"10.9.0.100\","
                 "\"protocol\":\"esp\",\"sequence\":3,\"selector\":" SELECTOR ",\"policy\":" SHORT_POLICY "}");
    message_begin(&message, XFRM_MSG_MIGRATE, &id, sizeof id);
    message_add(&message, XFRMA_MIGRATE, &move, sizeof move);
    assert_event(&message,
                 "{\"at_ns\":5,\"event\":\"migrate\",\"direction\":\"in\",\"selector\":" SELECTOR
                 ",\"moves\":[{\"old_source\":\"0.0.0.0\",\"old_destination\":\"10.0.0.1\",\"new_source\":\"::\","
                 "\"new_destination\":\"fd00::1\",\"protocol\":\"esp\",\"mode\":\"tunnel\",\"reqid\":1}]}");
    message_begin(&message, XFRM_MSG_REPORT, &report, sizeof report);
    assert_event(&message, "{\"at_ns\":5,\"event\":\"report\",\"protocol\":\"hao\",\"selector\":" SELECTOR "}");

    struct stf_xfrm_event event;
    message_header(&message)->nlmsg_type = XFRM_MSG_MAPPING;
    assert_int_equal(stf_xfrm_decode_event(message_header(&message), &event, NULL), STF_UNSUPPORTED);
}

/* ---------- answers ---------- */

static void test_counts(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrmu_spdinfo policies = {.incnt = 1, .outscnt = 6}, found;
    uint32_t flags = 0, sas = 7, count;
    struct xfrm_userpolicy_default defaults = {2, 2, 1}, found_defaults;

    message_begin(&message, XFRM_MSG_NEWSPDINFO, &flags, sizeof flags);
    assert_int_equal(stf_xfrm_decode_policy_count(message_header(&message), &found, NULL), STF_INVALID_DATA);
    message_add(&message, XFRMA_SPD_INFO, &policies, sizeof policies);
    assert_int_equal(stf_xfrm_decode_policy_count(message_header(&message), &found, NULL), STF_OK);
    assert_memory_equal(&found, &policies, sizeof found);
    assert_int_equal(stf_xfrm_decode_sa_count(message_header(&message), &count, NULL), STF_INVALID_DATA);
    message_begin(&message, XFRM_MSG_NEWSADINFO, &flags, sizeof flags);
    message_add(&message, XFRMA_SAD_CNT, &sas, sizeof sas);
    assert_int_equal(stf_xfrm_decode_sa_count(message_header(&message), &count, NULL), STF_OK);
    assert_int_equal(count, 7);
    message_begin(&message, XFRM_MSG_GETDEFAULT, &defaults, sizeof defaults);
    assert_int_equal(stf_xfrm_decode_defaults(message_header(&message), &found_defaults, NULL), STF_OK);
    assert_memory_equal(&found_defaults, &defaults, sizeof defaults);
    message_header(&message)->nlmsg_type = XFRM_MSG_NEWSA;
    assert_int_equal(stf_xfrm_decode_defaults(message_header(&message), &found_defaults, NULL), STF_INVALID_DATA);
}

/* ---------- what is wrong with a message ---------- */

/* Cut anywhere but at the end of an attribute a message is refused; and never read beyond (the copy has its own room,
 * so that the address sanitizer sees it). */
static void test_cut_anywhere(void **unused)
{
    (void)unused;
    struct message message;
    build_sa(&message);
    uint32_t whole = message_header(&message)->nlmsg_len;
    unsigned accepted = 0;
    for (uint32_t size = NLMSG_HDRLEN; size < whole; size++) {
        struct nlmsghdr *copy = malloc(size);
        struct stf_xfrm_sa sa;
        memcpy(copy, message.bytes, size);
        copy->nlmsg_len = size;
        accepted += stf_xfrm_decode_sa(copy, &sa, NULL) == STF_OK;
        free(copy);
    }
    /* after the fixed part and after each of 12 attributes, two of which may also lack one to three bytes of padding */
    assert_true(accepted >= 13 && accepted <= 13 + 6);
}

static void test_wrong_lengths(void **unused)
{
    (void)unused;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    struct xfrm_user_tmpl templates[STF_XFRM_TEMPLATES_MAX + 1] = {0};
    struct stf_xfrm_policy policy;
    struct stf_err err;

    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, templates, sizeof templates);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_INVALID_DATA);
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, templates, sizeof templates[0] + 4);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_INVALID_DATA);
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_TMPL, templates, STF_XFRM_TEMPLATES_MAX * sizeof templates[0]);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_OK);
    assert_int_equal(policy.template_count, STF_XFRM_TEMPLATES_MAX);
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    message_add(&message, XFRMA_MARK, templates, sizeof(struct xfrm_mark) - 1);
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "21")); /* names the attribute */
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, NULL), STF_INVALID_DATA);
    message_header(&message)->nlmsg_type = XFRM_MSG_NEWSA;
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_INVALID_DATA);
    message_header(&message)->nlmsg_len = 0;
    message_header(&message)->nlmsg_type = XFRM_MSG_NEWPOLICY;
    assert_int_equal(stf_xfrm_decode_policy(message_header(&message), &policy, &err), STF_INVALID_DATA);
}

/* ---------- real messages ---------- */

/* A datagram that a kernel sent (Linux 6.1 with ESP, 6.18 without), from the fuzzer's corpus; its size. */
static size_t read_datagram(const char *name, void *bytes, size_t capacity)
{
    char path[320];
    snprintf(path, sizeof path, XFRM_CORPUS "/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no file %s", path);
    size_t size = fread(bytes, 1, capacity, file);
    assert_true(size >= NLMSG_HDRLEN && size < capacity);
    fclose(file);
    return size;
}

static void test_real_associations(void **unused)
{
    (void)unused;
    struct message datagram;
    static const char *const expected[] = {
        "{\"source\":\"10.0.0.3\",\"destination\":\"10.0.0.4\",\"protocol\":\"esp\",\"spi\":\"00000102\",\"reqid\":3,"
        "\"mode\":\"tunnel\",\"is_larval\":false,\"auth\":{\"name\":\"hmac(sha1)\",\"key_bits\":160,\"check_bits\":96},"
        "\"crypt\":{\"name\":\"cbc(aes)\",\"key_bits\":128},\"encap\":{\"type\":\"esp_in_udp\",\"source_port\":4500,"
        "\"destination_port\":4501},\"flags\":[\"noecn\"],\"replay\":{\"window_packets\":0,\"is_esn\":false},"
        "\"selector\":{\"source\":\"0.0.0.0/0\",\"destination\":\"0.0.0.0/0\",\"protocol\":\"any\"}}",
        "{\"source\":\"fd00::1\",\"destination\":\"fd00::2\",\"protocol\":\"esp\",\"spi\":\"00000101\",\"reqid\":2,"
        "\"mode\":\"tunnel\",\"is_larval\":false,\"auth\":{\"name\":\"hmac(sha256)\",\"key_bits\":256,"
        "\"check_bits\":128},\"crypt\":{\"name\":\"cbc(aes)\",\"key_bits\":128},\"mark\":{\"value\":1,\"mask\":3},"
        "\"output_mark\":{\"value\":4,\"mask\":7},\"if_id\":8,\"flags\":[\"af_unspec\",\"esn\"],"
        "\"extra_flags\":[\"oseq_may_wrap\"],\"replay\":{\"window_packets\":128,\"is_esn\":true},"
        "\"selector\":{\"source\":\"::/0\",\"destination\":\"::/0\",\"protocol\":\"any\"}}",
        "{\"source\":\"10.0.0.1\",\"destination\":\"10.0.0.2\",\"protocol\":\"esp\",\"spi\":\"00000100\",\"reqid\":1,"
        "\"mode\":\"transport\",\"is_larval\":false,\"aead\":{\"name\":\"rfc4106(gcm(aes))\",\"key_bits\":160,"
        "\"check_bits\":128},\"replay\":{\"window_packets\":32,\"is_esn\":false},\"limits\":{\"soft_added_s\":100},"
        "\"selector\":{\"source\":\"10.0.0.1/32\",\"destination\":\"10.0.0.2/32\",\"protocol\":\"tcp\","
        "\"destination_port\":143}}",
    };
    size_t size = read_datagram("dump-sas", datagram.bytes, sizeof datagram.bytes), used = 0;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)(datagram.bytes + used);
        struct stf_xfrm_sa sa;
        assert_int_equal(stf_xfrm_decode_sa(message, &sa, NULL), STF_OK);
        assert_document(stf_xfrm_sa_document(&sa, STF_XFRM_SPI), expected[i]);
        used += NLMSG_ALIGN(message->nlmsg_len);
        assert_true(used <= size);
    }
    assert_int_equal(used, size);
}

/* Each is decoded, and but for attributes of a newer kernel with nothing left over. */
static void test_real_events(void **unused)
{
    (void)unused;
    static const char *const names[] = {"acquire",       "default-actions", "policy-delete", "policy-expire",
                                        "policy-flush",  "policy-new",      "policy-new-2",  "policy-new-3",
                                        "policy-update", "sa-delete",       "sa-expire",     "sa-flush",
                                        "sa-new",        "sa-new-2",        "sa-new-3",      "sa-update"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct message datagram;
        struct stf_xfrm_event event;
        read_datagram(names[i], datagram.bytes, sizeof datagram.bytes);
        assert_int_equal(stf_xfrm_decode_event(message_header(&datagram), &event, NULL), STF_OK);
        json_t *document = stf_xfrm_event_document(&event, 1);
        const char *name = json_string_value(json_object_get(document, "event"));
        assert_int_equal(strncmp(names[i], name, strlen(name)), 0);
        assert_null(json_object_get(json_object_get(document, "sa"), "unknown_attributes"));
        assert_null(json_object_get(json_object_get(document, "policy"), "unknown_attributes"));
        json_decref(document);
    }
}

/* The driver reads a dump again when libmnl answers EINTR, which is how it passes NLM_F_DUMP_INTR on. */
static void test_libmnl_passes_interruptions_on(void **unused)
{
    (void)unused;
    const struct stf_mnl *mnl;
    struct message message;
    struct xfrm_userpolicy_info info = policy_info();
    if (stf_mnl_get(&mnl, NULL)) {
        print_message("SKIP: libmnl is not installed\n");
        skip();
    }
    message_begin(&message, XFRM_MSG_NEWPOLICY, &info, sizeof info);
    struct nlmsghdr *header = message_header(&message);
    header->nlmsg_flags = NLM_F_MULTI;
    assert_int_equal(mnl->cb_run(header, header->nlmsg_len, 0, 0, NULL, NULL), MNL_CB_OK);
    header->nlmsg_flags |= NLM_F_DUMP_INTR;
    errno = 0;
    assert_int_equal(mnl->cb_run(header, header->nlmsg_len, 0, 0, NULL, NULL), MNL_CB_ERROR);
    assert_int_equal(errno, EINTR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy),         cmocka_unit_test(test_stable_policy),
        cmocka_unit_test(test_unknown_words),  cmocka_unit_test(test_sa),
        cmocka_unit_test(test_old_algorithms), cmocka_unit_test(test_no_key_is_taken),
        cmocka_unit_test(test_larval),         cmocka_unit_test(test_sa_events),
        cmocka_unit_test(test_policy_events),  cmocka_unit_test(test_other_events),
        cmocka_unit_test(test_counts),         cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_wrong_lengths),  cmocka_unit_test(test_real_associations),
        cmocka_unit_test(test_real_events),    cmocka_unit_test(test_libmnl_passes_interruptions_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
