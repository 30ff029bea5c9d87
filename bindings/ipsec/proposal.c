/* proposal.c - the table of algorithms, and what a proposal must have. Weak are those that RFC 8221 and RFC 8247 (and
 * their successor RFC 9395) no longer allow or are about to drop: DES, 3DES, MD5, SHA-1, Diffie-Hellman groups under 14
 * and 22 to 25. Must never touch a host. SPDX-License-Identifier: MIT */
#include "ipsec/proposal.h"

#include <stdio.h>
#include <string.h>

#include "common/doc.h"

static const struct stf_algorithm algorithms[] = {
    {"aes128", STF_ENCRYPTION, NULL},
    {"aes192", STF_ENCRYPTION, NULL},
    {"aes256", STF_ENCRYPTION, NULL},
    {"aes128ctr", STF_ENCRYPTION, NULL},
    {"aes192ctr", STF_ENCRYPTION, NULL},
    {"aes256ctr", STF_ENCRYPTION, NULL},
    {"camellia128", STF_ENCRYPTION, NULL},
    {"camellia256", STF_ENCRYPTION, NULL},
    {"3des", STF_ENCRYPTION, "3des"},
    {"des", STF_ENCRYPTION, "des"},
    {"aes128gcm16", STF_AEAD, NULL},
    {"aes192gcm16", STF_AEAD, NULL},
    {"aes256gcm16", STF_AEAD, NULL},
    {"aes128ccm16", STF_AEAD, NULL},
    {"aes256ccm16", STF_AEAD, NULL},
    {"chacha20poly1305", STF_AEAD, NULL},
    {"sha256", STF_INTEGRITY, NULL},
    {"sha384", STF_INTEGRITY, NULL},
    {"sha512", STF_INTEGRITY, NULL},
    {"aesxcbc", STF_INTEGRITY, NULL},
    {"aescmac", STF_INTEGRITY, NULL},
    {"sha1", STF_INTEGRITY, "sha1"},
    {"md5", STF_INTEGRITY, "md5"},
    {"prfsha256", STF_PRF, NULL},
    {"prfsha384", STF_PRF, NULL},
    {"prfsha512", STF_PRF, NULL},
    {"prfaesxcbc", STF_PRF, NULL},
    {"prfaescmac", STF_PRF, NULL},
    {"prfsha1", STF_PRF, "sha1"},
    {"prfmd5", STF_PRF, "md5"},
    {"modp2048", STF_DH_GROUP, NULL},
    {"modp3072", STF_DH_GROUP, NULL},
    {"modp4096", STF_DH_GROUP, NULL},
    {"modp6144", STF_DH_GROUP, NULL},
    {"modp8192", STF_DH_GROUP, NULL},
    {"ecp256", STF_DH_GROUP, NULL},
    {"ecp384", STF_DH_GROUP, NULL},
    {"ecp521", STF_DH_GROUP, NULL},
    {"x25519", STF_DH_GROUP, NULL},
    {"x448", STF_DH_GROUP, NULL},
    {"modp768", STF_DH_GROUP, "modp768"},
    {"modp1024", STF_DH_GROUP, "modp1024"},
    {"modp1536", STF_DH_GROUP, "modp1536"},
    {"modp1024s160", STF_DH_GROUP, "modp1024s160"},
    {"modp2048s224", STF_DH_GROUP, "modp2048s224"},
    {"modp2048s256", STF_DH_GROUP, "modp2048s256"},
    {"ecp192", STF_DH_GROUP, "ecp192"},
    {"esn", STF_SEQUENCE_NUMBERS, NULL},
    {"noesn", STF_SEQUENCE_NUMBERS, NULL},
};
enum { ALGORITHM_COUNT = sizeof algorithms / sizeof *algorithms, WORD_MAX = 24 };

const char *const stf_weak_algorithms[] = {"des",          "3des",         "md5",      "sha1",
                                           "modp768",      "modp1024",     "modp1536", "modp1024s160",
                                           "modp2048s224", "modp2048s256", "ecp192",   NULL};

static const struct stf_algorithm *find(const char *word)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        if (strcmp(algorithms[i].word, word) == 0)
            return &algorithms[i];
    return NULL;
}

static enum stf_kind wrong(struct stf_err *err, const char *text, const char *problem)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "validate", text, "\"%.80s\"; expected %s", text, problem);
}

static enum stf_kind unknown_word(struct stf_err *err, const char *text, const char *word)
{
    const char *words[ALGORITHM_COUNT + 1] = {NULL};
    char expected[128];
    for (size_t i = 0; i < ALGORITHM_COUNT; i++)
        words[i] = algorithms[i].word;
    const char *nearest = stf_nearest(word, words);
    snprintf(expected, sizeof expected, "algorithms in strongSwan's words, such as \"%s\", in place of '%s'",
             nearest ? nearest : "aes128gcm16", word);
    return wrong(err, text, expected);
}

static enum stf_kind split(const char *text, struct stf_proposal *proposal, struct stf_err *err)
{
    *proposal = (struct stf_proposal){0};
    for (const char *at = text;; at++) {
        char word[WORD_MAX + 1];
        size_t size = strcspn(at, "-");
        snprintf(word, sizeof word, "%.*s", (int)(size < WORD_MAX ? size : WORD_MAX), at);
        const struct stf_algorithm *algorithm = find(word);
        if (!algorithm)
            return unknown_word(err, text, word);
        if (proposal->count == STF_PROPOSAL_WORDS_MAX)
            return wrong(err, text, "at most 12 algorithms in one proposal");
        proposal->algorithms[proposal->count++] = algorithm;
        at += size;
        if (!*at)
            return STF_OK;
    }
}

enum stf_kind stf_proposal_parse(const char *text, bool is_ike, struct stf_proposal *proposal, struct stf_err *err)
{
    size_t count[STF_SEQUENCE_NUMBERS + 1] = {0};
    enum stf_kind kind = split(text, proposal, err);
    if (kind)
        return kind;
    for (size_t i = 0; i < proposal->count; i++)
        count[proposal->algorithms[i]->role]++;
    if (count[STF_ENCRYPTION] + count[STF_AEAD] == 0)
        return wrong(err, text, "an encryption algorithm, such as \"aes128gcm16\"");
    if (count[STF_ENCRYPTION] && count[STF_AEAD])
        return wrong(err, text, "authenticated encryption (gcm, ccm, chacha20poly1305) in a proposal of its own");
    if (count[STF_AEAD] && count[STF_INTEGRITY])
        return wrong(err, text, "no integrity algorithm beside encryption that has its own");
    if (count[STF_ENCRYPTION] && !count[STF_INTEGRITY])
        return wrong(err, text, "an integrity algorithm too, such as \"sha256\"");
    if (is_ike && count[STF_AEAD] && !count[STF_PRF])
        return wrong(err, text, "a pseudo-random function too, such as \"prfsha256\"");
    if (is_ike && !count[STF_DH_GROUP])
        return wrong(err, text, "a Diffie-Hellman group too, such as \"x25519\"");
    if (is_ike && count[STF_SEQUENCE_NUMBERS])
        return wrong(err, text, "no sequence numbers: they are ESP's");
    if (!is_ike && count[STF_PRF])
        return wrong(err, text, "no pseudo-random function: that is IKE's");
    return STF_OK;
}

bool stf_proposal_is_prf_of(const struct stf_proposal *proposal, const char *prf)
{
    for (size_t i = 0; i < proposal->count; i++) {
        const struct stf_algorithm *algorithm = proposal->algorithms[i];
        if (algorithm->role == STF_INTEGRITY && strcmp(algorithm->word, prf + strlen("prf")) == 0)
            return true;
    }
    return false;
}

static bool is_in(const char *word, const char *const list[])
{
    while (*list && strcmp(*list, word) != 0)
        list++;
    return *list;
}

/* IKEv1 has no authenticated encryption of its own messages (RFC 5282 brought it to IKEv2) and takes its hash for the
 * pseudo-random function (RFC 2409, 4). The rest are numbers that it was never given, x25519 and x448 among them (RFC
 * 8031 is IKEv2's), nor will be: IANA's registries of IKEv1, closed by RFC 9395; wiki.strongswan.org,
 * IKEv1CipherSuites. Windows' main mode has none of these either (windows_capabilities.c). */
const char *stf_proposal_beyond_ikev1(const struct stf_proposal *proposal, bool is_ike)
{
    static const char *const not_of_ike[] = {"aes128ctr", "aes192ctr", "aes256ctr", "aesxcbc",
                                             "aescmac",   "x25519",    "x448",      NULL};
    static const char *const not_of_esp[] = {"chacha20poly1305", "aescmac", "x25519", "x448", NULL};
    for (size_t i = 0; i < proposal->count; i++) {
        const struct stf_algorithm *algorithm = proposal->algorithms[i];
        bool is_aead = is_ike && algorithm->role == STF_AEAD;
        bool is_foreign_prf = algorithm->role == STF_PRF && !stf_proposal_is_prf_of(proposal, algorithm->word);
        if (is_aead || is_foreign_prf || is_in(algorithm->word, is_ike ? not_of_ike : not_of_esp))
            return algorithm->word;
    }
    return NULL;
}
