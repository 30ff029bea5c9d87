/* esp.c - finds out whether the kernel has ESP, by asking it for an association.
 * Must never do so in a namespace that anybody uses. SPDX-License-Identifier: MIT */
#include "facts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

#include "common/mnl.h"

enum { SPI = 0x1000, REQUEST_ID = 1 };

/* A cipher that works on IPsec's packets, with its key (all zero: nothing is ever sent under it). */
struct suite {
    const char *aead; /* or NULL: the other two */
    const char *cipher;
    const char *integrity;
    unsigned key_bits;
    unsigned integrity_key_bits;
    unsigned check_bits;
};

static const struct suite suites[] = {
    {.aead = "rfc4106(gcm(aes))", .key_bits = 160, .check_bits = 128},
    {.cipher = "cbc(aes)", .key_bits = 128, .integrity = "hmac(sha256)", .integrity_key_bits = 256, .check_bits = 128},
};

enum { MAX_KEY_BYTES = 32 };

static void put_aead(const struct stf_mnl *mnl, struct nlmsghdr *request, const struct suite *suite)
{
    _Alignas(struct xfrm_algo_aead) char buffer[sizeof(struct xfrm_algo_aead) + MAX_KEY_BYTES] = {0};
    struct xfrm_algo_aead *algorithm = (struct xfrm_algo_aead *)buffer;
    strncpy(algorithm->alg_name, suite->aead, sizeof algorithm->alg_name - 1);
    algorithm->alg_key_len = suite->key_bits;
    algorithm->alg_icv_len = suite->check_bits;
    mnl->attr_put(request, XFRMA_ALG_AEAD, sizeof *algorithm + suite->key_bits / 8, buffer);
}

static void put_pair(const struct stf_mnl *mnl, struct nlmsghdr *request, const struct suite *suite)
{
    _Alignas(struct xfrm_algo) char cipher_buffer[sizeof(struct xfrm_algo) + MAX_KEY_BYTES] = {0};
    struct xfrm_algo *cipher = (struct xfrm_algo *)cipher_buffer;
    strncpy(cipher->alg_name, suite->cipher, sizeof cipher->alg_name - 1);
    cipher->alg_key_len = suite->key_bits;
    mnl->attr_put(request, XFRMA_ALG_CRYPT, sizeof *cipher + suite->key_bits / 8, cipher_buffer);

    _Alignas(struct xfrm_algo_auth) char integrity_buffer[sizeof(struct xfrm_algo_auth) + MAX_KEY_BYTES] = {0};
    struct xfrm_algo_auth *integrity = (struct xfrm_algo_auth *)integrity_buffer;
    strncpy(integrity->alg_name, suite->integrity, sizeof integrity->alg_name - 1);
    integrity->alg_key_len = suite->integrity_key_bits;
    integrity->alg_trunc_len = suite->check_bits;
    mnl->attr_put(request, XFRMA_ALG_AUTH_TRUNC, sizeof *integrity + suite->integrity_key_bits / 8, integrity_buffer);
}

static enum stf_answer try_suite(const struct stf_mnl *mnl, const struct suite *suite)
{
    _Alignas(struct nlmsghdr) char buffer[1024];
    struct nlmsghdr *request = mnl->nlmsg_put_header(buffer);
    request->nlmsg_type = XFRM_MSG_NEWSA;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    struct xfrm_usersa_info *association = mnl->nlmsg_put_extra_header(request, sizeof *association);
    association->family = AF_INET;
    association->mode = XFRM_MODE_TRANSPORT;
    association->reqid = REQUEST_ID;
    association->id.proto = IPPROTO_ESP;
    association->id.spi = htonl(SPI);
    association->id.daddr.a4 = htonl(INADDR_LOOPBACK);
    association->saddr.a4 = htonl(INADDR_LOOPBACK);
    association->lft.soft_byte_limit = association->lft.hard_byte_limit = XFRM_INF;
    association->lft.soft_packet_limit = association->lft.hard_packet_limit = XFRM_INF;
    if (suite->aead)
        put_aead(mnl, request, suite);
    else
        put_pair(mnl, request, suite);

    struct stf_err err;
    int refusal = 0;
    enum stf_kind kind = stf_mnl_request(NETLINK_XFRM, request, NULL, NULL, &refusal, &err);
    if (kind)
        return kind == STF_UNSUPPORTED ? STF_NO : STF_UNKNOWN; /* unsupported: a kernel without XFRM */
    if (refusal == 0)
        return STF_YES;
    return refusal == EPERM || refusal == ENOMEM ? STF_UNKNOWN : STF_NO;
}

/* Runs in a thread of its own: the thread leaves for a new network namespace, which ends with it. */
static void *ask(void *arg)
{
    enum stf_answer *answer = arg;
    const struct stf_mnl *mnl;
    if (unshare(CLONE_NEWNET) < 0 || stf_mnl_get(&mnl, NULL))
        return NULL;
    *answer = STF_NO;
    for (size_t i = 0; i < sizeof suites / sizeof suites[0] && *answer == STF_NO; i++)
        *answer = try_suite(mnl, &suites[i]);
    return NULL;
}

enum stf_answer stf_esp_is_available(void)
{
    enum stf_answer answer = STF_UNKNOWN;
    pthread_t thread;
    if (pthread_create(&thread, NULL, ask, &answer) == 0)
        pthread_join(thread, NULL);
    return answer;
}
