/* test_policy.c - the policy's normal form, what is refused and in which words, differences and fingerprints.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipsec/policy.h"
#include "ipsec/proposal.h"
#include "ipsec/traffic.h"

/* ---------- helpers ---------- */

/* Policies are written here with ' for ". */
static json_t *parse(const char *quoted)
{
    json_error_t error;
    char *text = strdup(quoted);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at;
    json_t *document = json_loads(text, JSON_DECODE_ANY, &error);
    if (!document)
        fail_msg("%s: %s", text, error.text);
    free(text);
    return document;
}

static json_t *normal_of(const char *quoted)
{
    struct stf_err err;
    json_t *policy = parse(quoted), *normal = NULL;
    if (stf_policy_normalize(policy, &normal, &err))
        fail_msg("%s: %s", quoted, err.message);
    json_decref(policy);
    return normal;
}

static void expect_field(const char *policy, const char *field, const char *expected)
{
    json_t *normal = normal_of(policy), *value = parse(expected);
    char *found = json_dumps(json_object_get(normal, field), JSON_ENCODE_ANY | JSON_COMPACT);
    if (!json_equal(json_object_get(normal, field), value))
        fail_msg("%s of %s is %s", field, policy, found);
    free(found);
    json_decref(value);
    json_decref(normal);
}

static void expect_refused(const char *quoted, const char *words)
{
    struct stf_err err;
    json_t *policy = parse(quoted), *normal = NULL;
    enum stf_kind kind = stf_policy_normalize(policy, &normal, &err);
    if (kind != STF_INVALID_DATA)
        fail_msg("%s gives kind %s", quoted, stf_kind_name(kind));
    assert_null(normal);
    if (!strstr(err.message, words))
        fail_msg("%s: '%s' does not say '%s'", quoted, err.message, words);
    json_decref(policy);
}

static void fingerprint_of(const char *quoted, char fingerprint[STF_FINGERPRINT_SIZE])
{
    json_t *policy = parse(quoted);
    assert_int_equal(stf_policy_fingerprint(policy, fingerprint, NULL), STF_OK);
    json_decref(policy);
}

#define MAIL "'traffic':[{'protocol':'tcp','ports':[110,143]}]"
#define WITH(more) "{" MAIL "," more "}"

/* ---------- the normal form ---------- */

static void test_every_default(void **state)
{
    (void)state;
    json_t *normal = normal_of("{" MAIL "}");
    json_t *expected =
        parse("{" MAIL ","
              "'between':[{'from':'front_ends','to':'virtual_ip'}],"
              "'exempt':[{'protocol':'tcp','ports':[22,3389,'5985-5986']},{'protocol':'udp','ports':[500,4500]}],"
              "'action':'require','clear_text':'refuse','mode':'transport','auth':{'method':'psk'},"
              "'ike_proposals':['aes128gcm16-prfsha256-x25519','aes128-sha256-ecp256-modp2048'],"
              "'esp_proposals':['aes128gcm16','aes128-sha256'],'allow_weak':[],"
              "'ike_rekey_ms':14400000,'esp_rekey_ms':3600000,'esp_rekey_bytes':0,"
              "'dpd_delay_ms':1000,'dpd_action':'trap','failover':{'initiator':'new_holder',"
              "'retransmit_timeout_ms':300,'retransmit_base':1.0,'retransmit_tries':4,'acquire_expires_ms':1000},"
              "'asks':[]}");
    char *text = json_dumps(normal, JSON_COMPACT);
    if (!json_equal(normal, expected))
        fail_msg("%s", text);
    free(text);
    json_decref(normal);
    json_decref(expected);
}

static void test_the_normal_form_is_its_own(void **state)
{
    static const char *const policies[] = {
        "{" MAIL ",'name':'mail'}",
        "{'traffic':[{'protocol':'any'}],'exempt':{},'between':[{'from':'nodes','to':'domain_controllers'},"
        "{'from':'front_ends','to':'virtual_ip'}],'asks':[{'port':80,'send':'x','expect':'y'}],"
        "'auth':{'method':'certificate','certificate':'c','key':'k','ca':'a'}}",
        WITH("'esp_proposals':['3des-sha1','aes128gcm16'],'allow_weak':[{'algorithm':'sha1','peers':['b','a','b']},"
             "{'algorithm':'3des','peers':['a']}]"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        json_t *once = normal_of(policies[i]), *twice = NULL;
        assert_int_equal(stf_policy_normalize(once, &twice, NULL), STF_OK);
        assert_true(json_equal(once, twice));
        json_decref(once);
        json_decref(twice);
    }
}

static void test_traffic_has_one_spelling(void **state)
{
    (void)state;
    expect_field("{'traffic':[{'protocol':'udp','ports':[88]},{'protocol':'tcp','ports':[143,'80-82',110]},"
                 "{'protocol':'tcp','ports':[83]},{'protocol':'icmp'}]}",
                 "traffic",
                 "[{'protocol':'tcp','ports':['80-83',110,143]},{'protocol':'udp','ports':[88]},{'protocol':'icmp'}]");
    expect_field("{'traffic':[{'protocol':'tcp','ports':[110]},{'protocol':'tcp'}]}", "traffic",
                 "[{'protocol':'tcp'}]");
    expect_field("{'traffic':[{'protocol':'tcp','ports':[110]},{'protocol':'any'}]}", "traffic",
                 "[{'protocol':'any'}]");
    expect_field("{'traffic':[{'protocol':'tcp','ports':['49152-65535',1],'direction':'both'}]}", "traffic",
                 "[{'protocol':'tcp','ports':[1,'49152-65535']}]");
}

static void test_ike_is_always_exempt(void **state)
{
    (void)state;
    expect_field(WITH("'exempt':{}"), "exempt", "[{'protocol':'udp','ports':[500,4500]}]");
    expect_field(WITH("'exempt':[]"), "exempt", "[{'protocol':'udp','ports':[500,4500]}]");
    expect_field(WITH("'exempt':[{'protocol':'tcp','ports':[2222]},{'protocol':'icmp'}]"), "exempt",
                 "[{'protocol':'tcp','ports':[2222]},{'protocol':'udp','ports':[500,4500]},{'protocol':'icmp'}]");
    expect_field(WITH("'exempt':[{'protocol':'udp'}]"), "exempt", "[{'protocol':'udp'}]");
}

static void test_between_has_one_order(void **state)
{
    (void)state;
    expect_field(WITH("'between':[{'from':'nodes','to':'domain_controllers'},{'from':'front_ends','to':'10.0.0.1'},"
                      "{'from':'front_ends','to':'nodes'},{'from':'front_ends','to':'virtual_ip'}]"),
                 "between",
                 "[{'from':'front_ends','to':'virtual_ip'},{'from':'front_ends','to':'nodes'},"
                 "{'from':'front_ends','to':'10.0.0.1'},{'from':'nodes','to':'domain_controllers'}]");
}

static void test_clear_text_follows_the_action(void **state)
{
    (void)state;
    expect_field(WITH("'action':'permit'"), "clear_text", "'allow'");
    expect_field(WITH("'action':'pass'"), "clear_text", "'allow'");
    expect_field(WITH("'action':'drop'"), "clear_text", "'refuse'");
    expect_field(WITH("'clear_text':'allow'"), "clear_text", "'allow'");
    expect_refused(WITH("'action':'permit','clear_text':'refuse'"), "'clear_text' is \"refuse\"; expected \"allow\"");
    expect_refused(WITH("'action':'drop','clear_text':'allow'"), "expected \"refuse\" with action \"drop\"");
}

/* ---------- what is refused ---------- */

static void test_a_mistake_is_named(void **state)
{
    static const char *const cases[][2] = {
        {"[]", "policy"},
        {"{}", "policy field 'traffic' is nothing; expected a list of 1 to 64"},
        {WITH("'tarffic':1"), "did you mean 'traffic'"},
        {"{'traffic':{}}", "'traffic' is {}; expected a list"},
        {"{'traffic':[7]}", "traffic[0]"},
        {"{'traffic':[{'protocol':'sctp'}]}", "'traffic[0].protocol' is \"sctp\"; expected \"tcp\", \"udp\""},
        {"{'traffic':[{'protocol':'any','ports':[1]}]}", "'traffic[0].ports' is [1]; expected no ports"},
        {"{'traffic':[{'protocol':'icmp','ports':[1]}]}", "expected no ports"},
        {"{'traffic':[{'protocol':'tcp','ports':[]}]}", "expected a list of 1 to 256 ports"},
        {"{'traffic':[{'protocol':'tcp','ports':[1,0]}]}", "'traffic[0].ports[1]' is 0; expected a port number"},
        {"{'traffic':[{'protocol':'tcp','ports':['80']}]}",
         "is \"80\"; expected a port number, 1 to 65535, or a range"},
        {"{'traffic':[{'protocol':'tcp','ports':['90-80']}]}", "is \"90-80\""},
        {"{'traffic':[{'protocol':'tcp','ports':['80-65536']}]}", "is \"80-65536\""},
        {"{'traffic':[{'protocol':'tcp','ports':['80-90x']}]}", "is \"80-90x\""},
        {"{'traffic':[{'protocol':'tcp','ports':['80-90',85]}]}", "'traffic[0].ports[1]' is 85; expected each port"},
        {"{'traffic':[{'protocol':'tcp','direction':'in'}]}", "'traffic[0].direction' is \"in\"; expected \"both\""},
        {WITH("'exempt':'ssh'"), "'exempt' is \"ssh\"; expected a list"},
        {WITH("'exempt':[{'protocol':'tcp','ports':[0]}]"), "'exempt[0].ports[0]' is 0"},
        {WITH("'exempt':[{'protocol':'any'}]"), "nothing would be protected"},
        {"{'traffic':[{'protocol':'tcp','ports':[22]}]}", "'traffic[0].ports[0]' is 22; expected a port that is not"},
        {"{'traffic':[{'protocol':'udp','ports':[88,4500]}],'exempt':{}}", "'traffic[0].ports[1]' is 4500"},
        {WITH("'between':{}"), "'between' is {}; expected a list of 1 to 16 pairs"},
        {WITH("'between':[{'from':'front_ends'}]"), "'between[0].to' is nothing; expected \"front_ends\""},
        {WITH("'between':[{'from':'front_ends','to':'front_ends'}]"), "expected two different groups"},
        {WITH("'between':[{'from':'10.0.0.1','to':'10.0.0.2'}]"), "expected a group on one side"},
        {WITH("'between':[{'from':'front_ends','to':'010.0.0.1'}]"), "an IP address in its shortest spelling"},
        {WITH("'between':[{'from':'nodes','to':'virtual_ip'}]"), "an address of the nodes themselves"},
        {WITH("'between':[{'from':'nodes','to':'::1'},{'from':'nodes','to':'::1'}]"), "each pair once"},
        {WITH("'action':'encrypt'"), "'action' is \"encrypt\"; expected \"require\", \"permit\", \"pass\""},
        {WITH("'mode':'tunel'"), "'mode' is \"tunel\"; expected \"transport\" or \"tunnel\""},
        {WITH("'auth':'psk'"), "'auth.method' is nothing; expected \"psk\", \"certificate\" or \"kerberos\""},
        {WITH("'auth':{'method':'psk','key':'x'}"), "'key'"},
        {WITH("'auth':{'method':'certificate','certificate':'c','ca':'a'}"),
         "'auth.key' is nothing; expected the path"},
        {WITH("'auth':{'method':'kerberos'},'between':[{'from':'nodes','to':'domain_controllers'}]"),
         "expected TCP and UDP 88 in \"exempt\""},
        {WITH("'ike_rekey_ms':1500"), "'ike_rekey_ms' is 1500; expected milliseconds in whole seconds"},
        {WITH("'esp_rekey_ms':-1000"), "'esp_rekey_ms' is -1000"},
        {WITH("'esp_rekey_bytes':1000"), "'esp_rekey_bytes' is 1000; expected 0 (never) or 1048576"},
        {WITH("'dpd_delay_ms':'1s'"), "'dpd_delay_ms' is \"1s\""},
        {WITH("'dpd_action':'hold'"), "'dpd_action' is \"hold\"; expected \"trap\", \"restart\" or \"clear\""},
        {WITH("'failover':{'initiator':'both'}"), "'failover.initiator' is \"both\"; expected \"new_holder\""},
        {WITH("'failover':{'retransmit_timeout_ms':49}"),
         "'failover.retransmit_timeout_ms' is 49; expected a whole number, 50 to 60000"},
        {WITH("'failover':{'retransmit_base':0.9}"), "'failover.retransmit_base' is 0.9"},
        {WITH("'failover':{'retransmit_base':'1'}"), "'failover.retransmit_base' is \"1\"; expected a number, 1.0"},
        {WITH("'failover':{'retransmit_tries':0}"), "'failover.retransmit_tries' is 0; expected a whole number, 1 to"},
        {WITH("'failover':{'retransmit_tries':1.5}"), "'failover.retransmit_tries' is 1.5"},
        {WITH("'failover':{'acquire_expires_ms':1500}"),
         "'failover.acquire_expires_ms' is 1500; expected milliseconds"},
        {WITH("'failover':{'retransmit_timeout_ms':60000,'retransmit_base':2,'retransmit_tries':6}"),
         "expected retransmissions that give a peer up within an hour"},
        {WITH("'failover':{'retransmit_trys':3}"), "did you mean 'retransmit_tries'"},
        {WITH("'asks':[{'port':'110'}]"), "'asks[0].port' is \"110\""},
        {WITH("'asks':[{'port':110,'send':1}]"), "'asks[0].send' is 1; expected text"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i][0], cases[i][1]);
}

static void test_kerberos_where_a_ticket_can_be_had(void **state)
{
    (void)state;
    expect_field(WITH("'auth':{'method':'kerberos'}"), "auth", "{'method':'kerberos'}");
    expect_field(WITH("'auth':{'method':'kerberos'},'between':[{'from':'nodes','to':'domain_controllers'}],"
                      "'exempt':[{'protocol':'tcp','ports':[88]},{'protocol':'udp','ports':[88]}]"),
                 "auth", "{'method':'kerberos'}");
}

/* ---------- algorithms ---------- */

static void test_proposals_that_can_not_protect(void **state)
{
    static const char *const cases[][2] = {
        {"'esp_proposals':['rot13']", "'esp_proposals[0]' is \"rot13\"; expected algorithms in strongSwan's words"},
        {"'esp_proposals':['aes128gmc16']", "such as \"aes128gcm16\", in place of 'aes128gmc16'"},
        {"'esp_proposals':['aes128gcm16','']", "'esp_proposals[1]' is \"\""},
        {"'esp_proposals':['aes128gcm16-']", "in place of ''"},
        {"'esp_proposals':['sha256']", "an encryption algorithm"},
        {"'esp_proposals':['aes128']", "an integrity algorithm too"},
        {"'esp_proposals':['aes128gcm16-sha256']", "no integrity algorithm"},
        {"'esp_proposals':['aes128gcm16-aes128-sha256']", "in a proposal of its own"},
        {"'esp_proposals':['aes128gcm16-prfsha256']", "no pseudo-random function"},
        {"'ike_proposals':['aes128gcm16-x25519']", "a pseudo-random function too"},
        {"'ike_proposals':['aes128-sha256']", "a Diffie-Hellman group too"},
        {"'ike_proposals':['aes128-sha256-x25519-esn']", "they are ESP's"},
        {"'ike_proposals':[]", "a list of 1 to 16 proposals"},
        {"'ike_proposals':[7]", "'ike_proposals[0]' is 7"},
        {"'esp_proposals':['aes128-aes192-aes256-sha256-sha384-sha512-modp2048-modp3072-modp4096-ecp256-ecp384-ecp521-"
         "x25519']",
         "at most 12"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char policy[512];
        snprintf(policy, sizeof policy, "{" MAIL ",%s}", cases[i][0]);
        expect_refused(policy, cases[i][1]);
    }
}

static void test_weak_algorithms_need_a_name(void **state)
{
    static const struct {
        const char *field, *proposal, *weak;
    } cases[] = {
        {"esp_proposals", "des-sha256", "des"},
        {"esp_proposals", "3des-sha256", "3des"},
        {"esp_proposals", "aes128-md5", "md5"},
        {"esp_proposals", "aes128-sha1", "sha1"},
        {"esp_proposals", "aes128gcm16-modp1024", "modp1024"},
        {"ike_proposals", "aes128gcm16-prfsha1-x25519", "sha1"},
        {"ike_proposals", "aes128gcm16-prfmd5-x25519", "md5"},
        {"ike_proposals", "aes128-sha256-modp768", "modp768"},
        {"ike_proposals", "aes128-sha256-modp1536", "modp1536"},
        {"ike_proposals", "aes128-sha256-modp2048-modp1024s160", "modp1024s160"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char policy[512], words[128];
        const char *strong = cases[i].field[0] == 'e' ? "aes128gcm16" : "aes128gcm16-prfsha256-x25519";
        snprintf(policy, sizeof policy, "{" MAIL ",'%s':['%s','%s']}", cases[i].field, strong, cases[i].proposal);
        snprintf(words, sizeof words, "'%s[1]' is \"%s\"; expected nothing as weak as %s", cases[i].field,
                 cases[i].proposal, cases[i].weak);
        expect_refused(policy, words);
        snprintf(policy, sizeof policy, "{" MAIL ",'%s':['%s','%s'],'allow_weak':[{'algorithm':'%s','peers':['old']}]}",
                 cases[i].field, strong, cases[i].proposal, cases[i].weak);
        json_decref(normal_of(policy));
        snprintf(policy, sizeof policy, "{" MAIL ",'%s':['%s'],'allow_weak':[{'algorithm':'%s','peers':['old']}]}",
                 cases[i].field, cases[i].proposal, cases[i].weak);
        expect_refused(policy, "at least one without a weak algorithm");
    }
    expect_refused(WITH("'allow_weak':[{'algorithm':'aes128','peers':['old']}]"), "'allow_weak[0].algorithm'");
    expect_refused(WITH("'allow_weak':[{'algorithm':'3des','peers':[]}]"), "'allow_weak[0].peers' is []");
    expect_refused(WITH("'allow_weak':[{'algorithm':'3des','peers':['a']},{'algorithm':'3des','peers':['b']}]"),
                   "each algorithm once");
}

/* What the drivers for other engines translate from. */
static void test_a_proposal_in_parts(void **state)
{
    struct stf_proposal proposal;
    (void)state;
    assert_int_equal(stf_proposal_parse("aes256-sha384-ecp384", true, &proposal, NULL), STF_OK);
    assert_int_equal(proposal.count, 3);
    assert_string_equal(proposal.algorithms[0]->word, "aes256");
    assert_int_equal(proposal.algorithms[0]->role, STF_ENCRYPTION);
    assert_int_equal(proposal.algorithms[1]->role, STF_INTEGRITY);
    assert_int_equal(proposal.algorithms[2]->role, STF_DH_GROUP);
    assert_null(proposal.algorithms[2]->weak);
}

/* ---------- comparing ---------- */

static void test_equal_policies_have_one_fingerprint(void **state)
{
    char a[STF_FINGERPRINT_SIZE], b[STF_FINGERPRINT_SIZE], c[STF_FINGERPRINT_SIZE];
    (void)state;
    fingerprint_of("{" MAIL "}", a);
    fingerprint_of("{'name':'other','mode':'transport','traffic':[{'protocol':'tcp','ports':[143]},"
                   "{'protocol':'tcp','ports':[110]}]}",
                   b);
    fingerprint_of(WITH("'esp_rekey_ms':1800000"), c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    /* it must not change from one version of the program to the next, but where the model has a field more */
    assert_string_equal(a, "36f7c7477ba47d1b08f5925e95ae347643f64a507726a637885b8fd2a30e9bed");
}

static void expect_diff(const char *before, const char *after, const char *expected)
{
    json_t *from = parse(before), *to = parse(after), *wanted = parse(expected), *lines = NULL;
    assert_int_equal(stf_policy_diff(from, to, &lines, NULL), STF_OK);
    char *found = json_dumps(lines, 0);
    if (!json_equal(lines, wanted))
        fail_msg("%s", found);
    free(found);
    json_decref(from);
    json_decref(to);
    json_decref(wanted);
    json_decref(lines);
}

static void test_a_difference_is_readable(void **state)
{
    struct stf_err err;
    json_t *good = parse("{" MAIL "}"), *bad = json_object(), *lines = NULL;
    (void)state;
    expect_diff("{" MAIL "}", WITH("'name':'x','action':'require'"), "[]");
    expect_diff("{" MAIL "}",
                "{'traffic':[{'protocol':'tcp','ports':[80,'110-143']},{'protocol':'icmp'}],'esp_rekey_ms':0,"
                "'mode':'tunnel','failover':{'initiator':'front_end','retransmit_base':1.5}}",
                "['traffic: tcp/110,143 -> tcp/80,110-143 icmp','mode: transport -> tunnel',"
                "'esp_rekey_ms: 3600000 -> 0',"
                "'failover.initiator: new_holder -> front_end','failover.retransmit_base: 1.0 -> 1.5']");
    assert_int_equal(stf_policy_diff(good, bad, &lines, &err), STF_INVALID_DATA);
    assert_null(lines);
    json_decref(good);
    json_decref(bad);
}

static void test_traffic_that_overlaps(void **state)
{
    static const struct {
        const char *entry, *list;
        bool overlaps;
    } cases[] = {
        {"{'protocol':'tcp','ports':[22]}", "[{'protocol':'any'}]", true},
        {"{'protocol':'any'}", "[{'protocol':'icmp'}]", true},
        {"{'protocol':'tcp','ports':[22]}", "[{'protocol':'udp'},{'protocol':'tcp','ports':[80,'20-30']}]", true},
        {"{'protocol':'tcp','ports':[22]}", "[{'protocol':'udp'},{'protocol':'tcp','ports':[80,'23-30']}]", false},
        {"{'protocol':'tcp','ports':['1-22']}", "[{'protocol':'tcp'}]", true},
        {"{'protocol':'icmp'}", "[{'protocol':'tcp'},{'protocol':'udp'}]", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *entry = parse(cases[i].entry), *list = parse(cases[i].list);
        assert_int_equal(stf_traffic_overlaps(entry, list), cases[i].overlaps);
        json_decref(entry);
        json_decref(list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default),
        cmocka_unit_test(test_the_normal_form_is_its_own),
        cmocka_unit_test(test_traffic_has_one_spelling),
        cmocka_unit_test(test_ike_is_always_exempt),
        cmocka_unit_test(test_between_has_one_order),
        cmocka_unit_test(test_clear_text_follows_the_action),
        cmocka_unit_test(test_a_mistake_is_named),
        cmocka_unit_test(test_kerberos_where_a_ticket_can_be_had),
        cmocka_unit_test(test_proposals_that_can_not_protect),
        cmocka_unit_test(test_weak_algorithms_need_a_name),
        cmocka_unit_test(test_a_proposal_in_parts),
        cmocka_unit_test(test_equal_policies_have_one_fingerprint),
        cmocka_unit_test(test_a_difference_is_readable),
        cmocka_unit_test(test_traffic_that_overlaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
