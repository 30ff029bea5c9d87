/* proposal.h - the algorithms of IKE and ESP proposals, written in strongSwan's words ("aes128-sha256-modp2048"), which
 * each driver translates for its engine. Must never touch a host. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <staffetta/err.h>

enum stf_algorithm_role {
    STF_ENCRYPTION,
    STF_AEAD, /* encryption that proves integrity itself */
    STF_INTEGRITY,
    STF_PRF,
    STF_DH_GROUP,
    STF_SEQUENCE_NUMBERS, /* esn, noesn */
};

struct stf_algorithm {
    const char *word; /* "aes128gcm16" */
    enum stf_algorithm_role role;
    const char *weak; /* what a policy's allow_weak calls it ("3des", "md5", "modp1024"), or NULL */
};

enum { STF_PROPOSAL_WORDS_MAX = 12 };

struct stf_proposal {
    const struct stf_algorithm *algorithms[STF_PROPOSAL_WORDS_MAX]; /* in the order written; static storage */
    size_t count;
};

/* STF_INVALID_DATA, with what is wrong and what was expected, for a word that is none, or a set of algorithms that can
 * not protect: IKE needs encryption, integrity or a PRF, and a group; ESP needs encryption, and integrity unless that
 * is authenticated; authenticated and plain encryption need a proposal each. The message is without the field. */
enum stf_kind stf_proposal_parse(const char *text, bool is_ike, struct stf_proposal *proposal, struct stf_err *err);

/* Whether the integrity algorithm that belongs to a pseudo-random function ("prfsha256") is in the proposal too. */
bool stf_proposal_is_prf_of(const struct stf_proposal *proposal, const char *prf);

/* The first algorithm that IKEv1 can not negotiate, for its own messages or for ESP; NULL where it can do all of it. */
const char *stf_proposal_beyond_ikev1(const struct stf_proposal *proposal, bool is_ike);

/* The names of what is weak, ended by NULL. */
extern const char *const stf_weak_algorithms[];
