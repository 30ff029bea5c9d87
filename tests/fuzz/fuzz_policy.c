/* fuzz_policy.c - any JSON as a policy and as a connection: refused in words, or a normal form that stays as it is, and
 * a connection that comes back out of its file. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipsec/connection.h"
#include "ipsec/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

static void try_policy(const json_t *given)
{
    char fingerprint[STF_FINGERPRINT_SIZE], again_fingerprint[STF_FINGERPRINT_SIZE];
    json_t *normal = NULL, *again = NULL, *differences = NULL;
    struct stf_err err = {.message = ""};
    if (stf_policy_normalize(given, &normal, &err)) {
        must(err.message[0]);
        return;
    }
    must(stf_policy_normalize(normal, &again, NULL) == STF_OK && json_equal(normal, again));
    must(stf_policy_diff(given, normal, &differences, NULL) == STF_OK && json_array_size(differences) == 0);
    must(stf_policy_fingerprint(given, fingerprint, NULL) == STF_OK);
    must(stf_policy_fingerprint(normal, again_fingerprint, NULL) == STF_OK);
    must(strcmp(fingerprint, again_fingerprint) == 0);
    json_decref(normal);
    json_decref(again);
    json_decref(differences);
}

static void try_connection(const json_t *given, bool is_userland)
{
    struct stf_ipsec_engine engine = {.is_userland = is_userland, .allow_tunnel = true, .site_dir = "/"};
    json_t *tree = NULL, *again = NULL;
    if (stf_connection_validate(given, NULL) || stf_connection_render("staffetta-x", given, &engine, &tree, NULL))
        return;
    char *text = stf_connection_file_text(given, tree), *summary = stf_connection_summary(given);
    must(text && summary && stf_connection_file_parse(text, "x", &again, NULL) == STF_OK && json_equal(given, again));
    free(text);
    free(summary);
    json_decref(tree);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *given = json_loadb((const char *)bytes, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!given)
        return 0;
    try_policy(given);
    try_connection(given, false);
    try_connection(given, true);
    json_decref(given);
    return 0;
}
