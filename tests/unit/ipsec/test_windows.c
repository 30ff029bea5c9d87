/* test_windows.c - scripts for Windows hosts against golden files, what each generation can not do, quoting, and
 * reading back. There is no Windows here: the samples that are read were made by hand from Microsoft's documentation.
 * STAFFETTA_GOLDEN=write writes the golden files instead. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipsec/windows_capabilities.h"
#include "ipsec/windows_read.h"
#include "ipsec/windows_render.h"

#define PAIR "{'local_address': '10.9.0.1', 'remote_address': '10.9.0.100', 'side': 'client', 'peer': 'mail'}"
#define MAIL "'traffic': [{'protocol': 'tcp', 'ports': [110, 143]}]"
#define KEY "'secret_file': 'C:\\\\ProgramData\\\\staffetta\\\\mail.psk'"
#define OLD                                                                                                            \
    "'ike_proposals': ['aes128-sha256-modp2048', '3des-sha1-modp2048'], 'esp_proposals': ['aes128-sha256', "           \
    "'3des-sha1'], "                                                                                                   \
    "'allow_weak': [{'algorithm': '3des', 'peers': ['fe1']}, {'algorithm': 'sha1', 'peers': ['fe1']}]"

/* ---------- helpers ---------- */

/* Documents are written here with ' for ", and ` for '. */
static json_t *parse(const char *quoted)
{
    json_error_t error;
    char *text = strdup(quoted);
    for (char *at = text; *at; at++)
        *at = *at == '\'' ? '"' : *at == '`' ? '\'' : *at;
    json_t *document = json_loads(text, 0, &error);
    if (!document)
        fail_msg("%s: %s", text, error.text);
    free(text);
    return document;
}

static json_t *scripts_of(const char *quoted)
{
    struct stf_err err;
    json_t *request = parse(quoted), *scripts = NULL;
    if (stf_windows_scripts(request, &scripts, &err))
        fail_msg("%s: %s", quoted, err.message);
    json_decref(request);
    return scripts;
}

static void expect_refused(const char *quoted, enum stf_kind expected, const char *words)
{
    struct stf_err err;
    json_t *request = parse(quoted), *scripts = NULL;
    enum stf_kind kind = stf_windows_scripts(request, &scripts, &err);
    if (kind != expected)
        fail_msg("%s gives %s %s", quoted, stf_kind_name(kind), kind ? err.message : "");
    if (!strstr(err.message, words))
        fail_msg("'%s' has not '%s'", err.message, words);
    assert_null(scripts);
    json_decref(request);
}

static const char *script(const json_t *scripts, const char *which)
{
    return json_string_value(json_object_get(scripts, which));
}

static void expect_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no '%s' in:\n%s", words, text);
}

static void expect_has_not(const char *text, const char *words)
{
    if (strstr(text, words))
        fail_msg("'%s' is in:\n%s", words, text);
}

/* The lines after the golden file's citation, which ends with a line of dashes. */
static char *read_golden(const char *name)
{
    char path[512], *text = calloc(1, 65536);
    snprintf(path, sizeof path, "%s/%s.txt", WINDOWS_GOLDEN, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s is missing", path);
    assert_true(fread(text, 1, 65535, file) > 0);
    fclose(file);
    return text;
}

static void expect_golden(const char *name, const char *citation, const char *quoted)
{
    json_t *scripts = scripts_of(quoted);
    char *found = NULL, path[512];
    size_t size = 0;
    FILE *out = open_memstream(&found, &size);
    fprintf(out, "%s\n", citation);
    for (int i = 0; i < 3; i++) {
        static const char *const which[] = {"apply", "undo", "show"};
        fprintf(out, "-------- %s (%s)\n%s", which[i], script(scripts, "language"), script(scripts, which[i]));
    }
    fclose(out);
    const char *mode = getenv("STAFFETTA_GOLDEN");
    if (mode && strcmp(mode, "write") == 0) {
        snprintf(path, sizeof path, "%s/%s.txt", WINDOWS_GOLDEN, name);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(found, 1, size, file);
        fclose(file);
    }
    char *golden = read_golden(name);
    assert_string_equal(found, golden);
    free(golden);
    free(found);
    json_decref(scripts);
}

/* ---------- golden files ---------- */

static void writes_netsh_ipsec_static(void **state)
{
    (void)state;
    expect_golden(
        "windows-2003-static",
        "Command forms: Microsoft TechNet, \"Netsh commands for Internet Protocol security (IPSec)\", Windows "
        "Server 2003:\nadd policy, add filter, add filteraction, add rule, set policy, delete, show.\nWritten from "
        "that documentation; not run on Windows.",
        "{'policy': {" MAIL ", " OLD "}, 'name': 'staffetta-mail', 'generation': '2003', 'host': 'fe1', 'pairs': [" PAIR
        "], " KEY ", 'before': 'Client (Respond Only)'}");
}

static void writes_netsh_advfirewall(void **state)
{
    (void)state;
    expect_golden(
        "windows-2008r2-consec",
        "Command forms: Microsoft TechNet dd736198 \"Netsh AdvFirewall Consec Commands\" and dd736066 \"Netsh "
        "AdvFirewall MainMode Commands\";\nalgorithms: KB 949856.\nWritten from that documentation; not run on "
        "Windows.",
        "{'policy': {" MAIL "}, 'name': 'staffetta-mail', 'generation': '2008r2', 'pairs': [" PAIR
        "], 'tool': 'consec', " KEY "}");
}

static void writes_powershell(void **state)
{
    (void)state;
    expect_golden(
        "windows-2022-powershell",
        "Command forms: Microsoft's NetSecurity reference, New-NetIPsecRule, New-NetIPsecMainModeRule,\n"
        "New-NetIPsecMainModeCryptoProposal, New-NetIPsecQuickModeCryptoProposal and their sets,\n"
        "New-NetIPsecAuthProposal, New-NetIPsecPhase1AuthSet.\nWritten from that documentation; not run on Windows.",
        "{'policy': {" MAIL "}, 'name': 'staffetta-mail', 'generation': '2022', 'pairs': [" PAIR "], " KEY "}");
}

/* ---------- what differs ---------- */

static void follows_side_action_and_authentication(void **state)
{
    (void)state;
    json_t *scripts = scripts_of("{'policy': {" MAIL ", 'action': 'permit', 'auth': {'method': 'kerberos'}}, 'name': "
                                 "'staffetta-x', 'generation': '2019', 'pairs': [{'local_address': 'fd00::1', "
                                 "'remote_address': 'fd00::2', 'side': 'server'}]}");
    expect_has(script(scripts, "apply"), "-LocalPort '110','143' -InboundSecurity Request -OutboundSecurity Request");
    expect_has(script(scripts, "apply"), "-Machine -Kerberos");
    expect_has(script(scripts, "apply"), "-KeyModule Default");
    json_decref(scripts);
    scripts = scripts_of("{'policy': {'traffic': [{'protocol': 'any'}], 'action': 'drop'}, 'name': 'staffetta-x', "
                         "'generation': '2003', 'pairs': [" PAIR "]}");
    expect_has(script(scripts, "apply"), "filteraction name=\"staffetta-x-protect\" action=block");
    expect_has_not(script(scripts, "apply"), "psk");
    json_decref(scripts);
    scripts =
        scripts_of("{'policy': {" MAIL ", 'mode': 'tunnel'}, 'name': 'staffetta-x', 'generation': '2012', 'tool': "
                   "'consec', 'pairs': [" PAIR "], " KEY "}");
    expect_has(script(scripts, "apply"), "mode=tunnel localtunnelendpoint=10.9.0.1 remotetunnelendpoint=10.9.0.100");
    json_decref(scripts);
}

static void a_plan_changes_nothing(void **state)
{
    (void)state;
    json_t *scripts = scripts_of("{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2016', 'pairs': [" PAIR
                                 "], " KEY ", 'is_plan': true}");
    char *text = strdup(script(scripts, "apply")), *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        bool is_change = strncmp(line, "New-NetIPsec", 12) == 0 || strstr(line, "Remove-");
        if (is_change && !strstr(line, "-WhatIf"))
            fail_msg("changes something: %s", line);
    }
    free(text);
    expect_has_not(script(scripts, "undo"), "-WhatIf");
    json_decref(scripts);
    scripts = scripts_of("{'policy': {" MAIL ", " OLD "}, 'name': 'staffetta-x', 'generation': '2003', 'host': 'fe1', "
                         "'pairs': [" PAIR "], " KEY ", 'is_plan': true}");
    expect_has_not(script(scripts, "apply"), "\nnetsh");
    expect_has(script(scripts, "apply"), "rem would run: netsh ipsec static add policy");
    expect_has(script(scripts, "undo"), "\nnetsh ipsec static delete policy name=\"staffetta-x\"");
    json_decref(scripts);
}

static void touches_only_its_own(void **state)
{
    (void)state;
    json_t *scripts =
        scripts_of("{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2008r2', 'tool': 'consec', "
                   "'pairs': [" PAIR "], " KEY "}");
    static const char *const which[] = {"apply", "undo"};
    for (int i = 0; i < 2; i++) {
        char *text = strdup(script(scripts, which[i])), *rest = text;
        for (char *line; (line = strsep(&rest, "\n"));)
            if (strstr(line, "netsh") && !strstr(line, "rem ") && !strstr(line, "name=\"staffetta-x-"))
                fail_msg("touches more: %s", line);
        free(text);
    }
    json_decref(scripts);
}

/* Only one policy of netsh ipsec can be assigned, and one main mode setting of Server 2008 exists. */
static void undo_brings_back_what_can_only_be_once(void **state)
{
    (void)state;
    json_t *scripts = scripts_of("{'policy': {" MAIL ", " OLD "}, 'name': 'staffetta-x', 'generation': '2003', 'host': "
                                 "'fe1', 'pairs': [" PAIR "], " KEY ", 'before': 'Server'}");
    expect_has(script(scripts, "undo"), "netsh ipsec static set policy name=\"Server\" assign=yes");
    json_decref(scripts);
    expect_refused("{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2008', 'pairs': [" PAIR "], " KEY "}",
                   STF_UNSUPPORTED, "main mode methods are one setting of the host");
    scripts = scripts_of("{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2008', 'pairs': [" PAIR "], " KEY
                         ", 'before': 'dhgroup2:aes128-sha1,dhgroup2:3des-sha1'}");
    expect_has(script(scripts, "undo"), "set global mainmode mmsecmethods \"dhgroup2:aes128-sha1,dhgroup2:3des-sha1\"");
    json_decref(scripts);
}

/* ---------- refusals ---------- */

static void names_field_asked_and_had(void **state)
{
    (void)state;
#define REQUEST(policy, rest) "{'policy': {" policy "}, 'name': 'staffetta-x', 'pairs': [" PAIR "], " KEY ", " rest "}"
    expect_refused(REQUEST(MAIL, "'generation': '2003'"), STF_UNSUPPORTED, "its encryption in main mode: des, 3des");
    expect_refused(REQUEST(MAIL, "'generation': '2003'"), STF_UNSUPPORTED, "allow_weak");
    expect_refused(REQUEST(MAIL ", " OLD, "'generation': '2003'"), STF_UNSUPPORTED, "Windows Server 2003");
    expect_refused(REQUEST(MAIL ", " OLD ", 'esp_rekey_ms': 0", "'generation': '2003', 'host': 'fe1'"), STF_UNSUPPORTED,
                   "'esp_rekey_ms'");
    expect_refused(REQUEST(MAIL ", 'esp_proposals': ['chacha20poly1305', 'aes128ctr-sha256']", "'generation': '2022'"),
                   STF_UNSUPPORTED, "aes128gcm16, aes192gcm16, aes256gcm16");
    expect_refused(REQUEST(MAIL ", " OLD, "'generation': '2000', 'host': 'fe1'"), STF_UNSUPPORTED, "modp2048");
    expect_refused(REQUEST("'traffic': [{'protocol': 'any'}], 'action': 'drop'", "'generation': '2000'"),
                   STF_UNSUPPORTED, "no scripts are written");
    expect_refused(REQUEST(MAIL, "'generation': '2000', 'tool': 'ipsec_static'"), STF_UNSUPPORTED, "Ipsecpol.exe");
    expect_refused(REQUEST(MAIL, "'generation': '2012', 'tool': 'ipsec_static'"), STF_UNSUPPORTED, "does not have");
    expect_refused(REQUEST(MAIL, "'generation': '2012', 'ike_version': 2"), STF_UNSUPPORTED, "certificates only");
    expect_refused(REQUEST(MAIL, "'generation': '2008r2', 'ike_version': 2"), STF_UNSUPPORTED, "ike_version");
    expect_refused(REQUEST("'traffic': [{'protocol': 'tcp', 'ports': ['1025-5000']}]", "'generation': '2012'"),
                   STF_UNSUPPORTED, "range of more than 64 ports");
    expect_refused(REQUEST("'traffic': [{'protocol': 'icmp'}]", "'generation': '2012'"), STF_UNSUPPORTED, "icmp");
    expect_refused(REQUEST(MAIL ", 'action': 'drop'", "'generation': '2012'"), STF_UNSUPPORTED, "can not drop");
    expect_refused(REQUEST(MAIL, "'generation': '1998'"), STF_INVALID_DATA, "generation");
#undef REQUEST
}

static void nothing_breaks_out_of_its_quotes(void **state)
{
    (void)state;
    static const char *const names[] = {"mail",          "staffetta-x` ; calc", "staffetta-%PATH%", "staffetta-x&calc",
                                        "staffetta-!x!", "staffetta-x\\ny"};
    static const char *const paths[] = {"C:\\\\a%b", "C:\\\\a!b", "C:\\\\a\\\"b", "C:\\\\a`b",
                                        "C:\\\\a&b", "relative",  "C:\\\\a\\nb",  "\\\\\\\\server\\\\share"};
    char request[1024];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(request, sizeof request,
                 "{'policy': {" MAIL "}, 'name': '%s', 'generation': '2022', 'pairs': [" PAIR "], " KEY "}", names[i]);
        expect_refused(request, STF_INVALID_DATA, "'name'");
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        snprintf(request, sizeof request,
                 "{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2022', 'pairs': [" PAIR
                 "], 'secret_file': '%s'}",
                 paths[i]);
        expect_refused(request, STF_INVALID_DATA, "'secret_file'");
    }
    expect_refused("{'policy': {" MAIL "}, 'name': 'staffetta-x', 'generation': '2022', 'pairs': [{'local_address': "
                   "'10.9.0.1` ; calc', 'remote_address': '10.9.0.2', 'side': 'client'}], " KEY "}",
                   STF_INVALID_DATA, "local_address");
    json_t *scripts =
        scripts_of("{'policy': {" MAIL ", 'auth': {'method': 'certificate', 'certificate': 'c', 'key': 'k', "
                   "'ca': 'a'}}, 'name': 'staffetta-x', 'generation': '2022', 'ike_version': 2, 'ca_name': "
                   "'O=O`Hara, CN=CA', 'pairs': [" PAIR "]}");
    expect_has(script(scripts, "apply"), "-Authority 'O=O''Hara, CN=CA'");
    expect_has(script(scripts, "apply"), "-KeyModule IKEv2");
    json_decref(scripts);
}

/* ---------- the table ---------- */

static void the_table_names_its_sources(void **state)
{
    (void)state;
    for (int i = 0; i < STF_WINDOWS_COUNT; i++) {
        assert_int_equal(stf_windows_generation_of(stf_windows_generations[i]), i);
        json_t *document = stf_windows_capabilities((enum stf_windows_generation)i);
        assert_true(json_array_size(json_object_get(document, "sources")) > 0);
        assert_true(json_array_size(json_object_get(json_object_get(document, "quick_mode"), "encryption")) > 0);
        assert_int_equal(json_array_size(json_object_get(json_object_get(document, "main_mode"), "aead")), 0);
        assert_int_equal(json_array_size(json_object_get(document, "ike_versions")), i >= STF_WINDOWS_2012 ? 2 : 1);
        json_decref(document);
    }
    assert_int_equal(stf_windows_default_tool(STF_WINDOWS_2000), STF_WINDOWS_TOOL_COUNT);
    assert_int_equal(stf_windows_default_tool(STF_WINDOWS_2003), STF_WINDOWS_STATIC);
    assert_int_equal(stf_windows_default_tool(STF_WINDOWS_2022), STF_WINDOWS_POWERSHELL);
}

/* ---------- reading back ---------- */

static void reads_netsh(void **state)
{
    static const char sample[] =
        "\r\nRule Name:                            staffetta-mail-1\r\n"
        "----------------------------------------------------------------------\r\n"
        "Enabled:                              Yes\r\n"
        "Endpoint1:                            10.9.0.1/32\r\n"
        "Endpoint2:                            10.9.0.100/32\r\n"
        "                                      10.9.0.101/32\r\n"
        "Action:                               RequireInRequireOut\r\n"
        "\r\nRule Name:                            Somebody's\r\n"
        "-------------------------\r\nProtocol:                             Any\r\nOk.\r\n\r\n";
    struct stf_err err;
    json_t *rules = NULL;
    (void)state;
    assert_int_equal(stf_windows_read_consec(sample, sizeof sample - 1, &rules, &err), STF_OK);
    json_t *expected =
        parse("[{'name': 'staffetta-mail-1', 'is_ours': true, 'members': {'Enabled': 'Yes', 'Endpoint1': "
              "'10.9.0.1/32', 'Endpoint2': ['10.9.0.100/32', '10.9.0.101/32'], 'Action': "
              "'RequireInRequireOut'}}, {'name': 'Somebody`s', 'is_ours': false, 'members': {'Protocol': 'Any'}}]");
    assert_true(json_equal(rules, expected));
    json_decref(expected);
    json_decref(rules);
    assert_int_equal(stf_windows_read_consec("Enabled: Yes\n", 13, &rules, &err), STF_INVALID_DATA);
    assert_null(rules);
    assert_int_equal(stf_windows_read_consec("\nNo rules match the specified criteria.\n", 40, &rules, &err), STF_OK);
    assert_int_equal(json_array_size(rules), 0);
    json_decref(rules);
}

static void reads_netsh_ipsec_static(void **state)
{
    static const char sample[] = "Policy Name              : staffetta-mail\r\n"
                                 "Assigned                 : YES\r\n"
                                 "Rule Name                : staffetta-mail-protect\r\n"
                                 "    Preshared Key         : do not tell\r\n"
                                 "FilterList Name          : staffetta-mail-protect\r\n"
                                 "FilterAction Name        : staffetta-mail-protect\r\n"
                                 "Action                   : NEGOTIATE SECURITY\r\n\r\n"
                                 "FilterList Name          : staffetta-mail-protect\r\n"
                                 "Description              : NONE\r\n"
                                 "Mirrored                 : YES\r\nSource Port              : ANY\r\n"
                                 "Mirrored                 : NO\r\n";
    struct stf_err err;
    json_t *objects = NULL;
    (void)state;
    assert_int_equal(stf_windows_read_static(sample, sizeof sample - 1, &objects, &err), STF_OK);
    json_t *expected = parse(
        "[{'kind': 'policy', 'name': 'staffetta-mail', 'is_ours': true, 'members': {'Assigned': 'YES'}}, "
        "{'kind': 'rule', 'name': 'staffetta-mail-protect', 'is_ours': true, 'members': {'Policy Name': "
        "'staffetta-mail', 'FilterList Name': 'staffetta-mail-protect', 'FilterAction Name': "
        "'staffetta-mail-protect'}}, "
        "{'kind': 'filterlist', 'name': 'staffetta-mail-protect', 'is_ours': true, 'members': {'Description': 'NONE'}, "
        "'filters': [{'Mirrored': 'YES', 'Source Port': 'ANY'}, {'Mirrored': 'NO'}]}, "
        "{'kind': 'filteraction', 'name': 'staffetta-mail-protect', 'is_ours': true, 'members': {'Action': "
        "'NEGOTIATE SECURITY'}}]");
    char *text = json_dumps(objects, JSON_COMPACT);
    if (!json_equal(objects, expected))
        fail_msg("%s", text);
    free(text);
    json_decref(expected);
    json_decref(objects);

    static const char nothing[] = "ERR IPsec[05067] : nothing to show\n", locked[] = "ERR IPsec[05073] : no store\n";
    assert_int_equal(stf_windows_read_static(nothing, sizeof nothing - 1, &objects, &err), STF_OK);
    assert_int_equal(json_array_size(objects), 0);
    json_decref(objects);
    assert_int_equal(stf_windows_read_static(locked, sizeof locked - 1, &objects, &err), STF_IO);
    assert_null(objects);
}

/* As a fuzzer found: a line may end inside a UTF-8 character, and the text without a NUL after it. */
static void reads_text_that_is_cut(void **state)
{
    static const char cut[] = {'R', 'u', 'l', 'e', ' ', 'N', 'a', 'm', 'e', ':', ' ', 'x', '\n', 'A', ':', ' ', '\xf0'};
    char *text = malloc(sizeof cut);
    struct stf_err err;
    json_t *rules = NULL, *expected = parse("[{'name': 'x', 'is_ours': false, 'members': {'A': '\xef\xbf\xbd'}}]");
    (void)state;
    memcpy(text, cut, sizeof cut);
    assert_int_equal(stf_windows_read_consec(text, sizeof cut, &rules, &err), STF_OK);
    assert_true(json_equal(rules, expected));
    json_decref(expected);
    json_decref(rules);
    free(text);
}

static void reads_powershell(void **state)
{
    static const char sample[] =
        "\xEF\xBB\xBF[{\"name\": \"staffetta-mail-1\", \"inbound\": \"Require\", \"remote_port\": "
        "[\"110\", 143], \"nested\": {\"a\": 1}}]";
    struct stf_err err;
    json_t *rules = NULL;
    (void)state;
    assert_int_equal(stf_windows_read_powershell(sample, sizeof sample - 1, &rules, &err), STF_OK);
    json_t *expected = parse("[{'name': 'staffetta-mail-1', 'is_ours': true, 'members': {'inbound': 'Require', "
                             "'remote_port': ['110', '143']}}]");
    assert_true(json_equal(rules, expected));
    json_decref(expected);
    json_decref(rules);
    assert_int_equal(stf_windows_read_powershell("[{}]", 4, &rules, &err), STF_INVALID_DATA);
    assert_int_equal(stf_windows_read_powershell("Get-NetIPsecRule : no", 21, &rules, &err), STF_INVALID_DATA);
    assert_null(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_netsh_ipsec_static),
        cmocka_unit_test(writes_netsh_advfirewall),
        cmocka_unit_test(writes_powershell),
        cmocka_unit_test(follows_side_action_and_authentication),
        cmocka_unit_test(a_plan_changes_nothing),
        cmocka_unit_test(touches_only_its_own),
        cmocka_unit_test(undo_brings_back_what_can_only_be_once),
        cmocka_unit_test(names_field_asked_and_had),
        cmocka_unit_test(nothing_breaks_out_of_its_quotes),
        cmocka_unit_test(the_table_names_its_sources),
        cmocka_unit_test(reads_netsh),
        cmocka_unit_test(reads_netsh_ipsec_static),
        cmocka_unit_test(reads_text_that_is_cut),
        cmocka_unit_test(reads_powershell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
