/* test_connection.c - connection documents: what is refused and how it is said, and what strongSwan is told.
 * Needs no daemon. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "documents.h"
#include "ipsec/connection.h"
#include "ipsec/connection_edit.h"

static void expect_invalid(const char *member, json_t *value, const char *const words[])
{
    struct stf_err err;
    json_t *document = connection_document("client");
    if (value)
        json_object_set_new(document, member, value);
    else
        json_object_del(document, member);
    assert_int_equal(stf_connection_validate(document, &err), STF_INVALID_DATA);
    for (; *words; words++)
        if (!strstr(err.message, *words))
            fail_msg("'%s' does not say '%s'", err.message, *words);
    json_decref(document);
}

#define SAYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_the_examples_are_valid(void **state)
{
    json_t *client = connection_document("client"), *server = connection_document("server");
    (void)state;
    assert_int_equal(stf_connection_validate(client, NULL), STF_OK);
    assert_int_equal(stf_connection_validate(server, NULL), STF_OK);
    json_object_set_new(client, "loaded", json_false());
    assert_int_equal(stf_connection_validate(client, NULL), STF_OK);
    json_decref(client);
    json_decref(server);
}

static void test_errors_name_member_found_and_expected(void **state)
{
    (void)state;
    expect_invalid("local_address", json_string("10.9.0.300"), SAYS("'local_address'", "\"10.9.0.300\"", "IPv4"));
    expect_invalid("local_address", json_string("FD00::1"), SAYS("'local_address'", "shortest spelling"));
    expect_invalid("remote_address", json_string("fd00::1"), SAYS("'remote_address'", "same family"));
    expect_invalid("remote_address", NULL, SAYS("'remote_address'", "nothing"));
    expect_invalid("local_id", json_string("a\"b"), SAYS("'local_id'", "letters, digits"));
    expect_invalid("local_id", json_string("@fe1"), SAYS("'local_id'"));
    expect_invalid("local_id", json_stringn("fe\0x", 4), SAYS("'local_id'"));
    expect_invalid("remote_id", json_string(""), SAYS("'remote_id'", "\"\""));
    expect_invalid("remote_id", json_string("%any"), SAYS("'remote_id'"));
    expect_invalid("version", json_integer(3), SAYS("'version'", "is 3;", "1 (IKEv1) or 2 (IKEv2)"));
    expect_invalid("side", json_string("both"), SAYS("'side'", "\"both\"", "\"client\""));
    expect_invalid("mode", json_string("beet"), SAYS("'mode'", "\"transport\" or \"tunnel\""));
    expect_invalid("action", json_true(), SAYS("'action'", "true", "\"permit\""));
    expect_invalid("initiate", json_string("always"), SAYS("'initiate'", "\"on_demand\" or \"never\""));
    expect_invalid("ike_proposals", json_array(), SAYS("'ike_proposals'", "[]", "1 to 16"));
    expect_invalid("esp_proposals", json_pack("[s]", "aes128; rm"), SAYS("'esp_proposals'", "aes128; rm"));
    expect_invalid("dpd_delay_ms", json_integer(1500), SAYS("'dpd_delay_ms'", "1500", "multiple of 1000"));
    expect_invalid("esp_rekey_ms", json_integer(-1000), SAYS("'esp_rekey_ms'", "-1000"));
    expect_invalid("loaded", json_true(), SAYS("'loaded'", "true", "false"));
    expect_invalid("local_adress", json_string("10.9.0.1"), SAYS("'local_adress'", "did you mean 'local_address'"));
}

static void test_errors_name_the_entry_of_traffic(void **state)
{
    (void)state;
    expect_invalid("traffic", json_array(), SAYS("'traffic'", "[]"));
    expect_invalid("traffic", json_pack("[{s:s}]", "protocol", "sctp"), SAYS("'traffic[0].protocol'", "\"sctp\""));
    expect_invalid("traffic", json_pack("[{s:s},{s:s,s:[i,i]}]", "protocol", "udp", "protocol", "tcp", "ports", 80, 0),
                   SAYS("'traffic[1].ports[1]'", "is 0;", "1 to 65535"));
    expect_invalid("traffic", json_pack("[{s:s,s:[i,i]}]", "protocol", "tcp", "ports", 80, 80),
                   SAYS("'traffic[0].ports[1]'", "once"));
    expect_invalid("traffic", json_pack("[{s:s,s:[]}]", "protocol", "tcp", "ports"), SAYS("'traffic[0].ports'", "[]"));
    expect_invalid("traffic", json_pack("[{s:s,s:[i]}]", "protocol", "any", "ports", 80),
                   SAYS("'traffic[0].ports'", "no ports with protocol"));
    expect_invalid("traffic", json_pack("[{s:s,s:i}]", "protocol", "tcp", "port", 80), SAYS("'port'", "'ports'"));
    expect_invalid("traffic", json_pack("[s]", "tcp"), SAYS("traffic[0]", "expected an object"));
}

static json_t *render(const json_t *document, bool is_userland, bool allow_tunnel)
{
    json_t *tree = NULL;
    struct stf_ipsec_engine engine = {.is_userland = is_userland, .allow_tunnel = allow_tunnel};
    assert_int_equal(stf_connection_render("staffetta-mail", document, &engine, &tree, NULL), STF_OK);
    return tree;
}

static const char golden_client[] = "connections {\n"
                                    "    staffetta-mail {\n"
                                    "        version = \"2\"\n"
                                    "        local_addrs = \"10.9.0.1\"\n"
                                    "        remote_addrs = \"10.9.0.2\"\n"
                                    "        proposals = \"aes128gcm16-prfsha256-x25519\"\n"
                                    "        mobike = \"no\"\n"
                                    "        dpd_delay = \"1s\"\n"
                                    "        local {\n"
                                    "            auth = \"psk\"\n"
                                    "            id = \"fe1\"\n"
                                    "        }\n"
                                    "        remote {\n"
                                    "            auth = \"psk\"\n"
                                    "            id = \"mail\"\n"
                                    "        }\n"
                                    "        children {\n"
                                    "            staffetta-mail {\n"
                                    "                mode = \"transport\"\n"
                                    "                local_ts = \"dynamic[tcp]\"\n"
                                    "                remote_ts = \"dynamic[tcp/110], dynamic[tcp/143]\"\n"
                                    "                esp_proposals = \"aes128gcm16\"\n"
                                    "                start_action = \"trap\"\n"
                                    "                dpd_action = \"trap\"\n"
                                    "            }\n"
                                    "        }\n"
                                    "    }\n"
                                    "}\n";

static void expect_only(const json_t *list, const char *text)
{
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(list, 0)), text);
}

/* `proposal` alone, with IKEv1; `word` is what IKEv1 does not have. */
static void expect_beyond_ikev1(const char *member, const char *proposal, const char *word, const char *example)
{
    struct stf_err err;
    char says[96], found[96];
    json_t *document = connection_document("client");
    json_object_set_new(document, "version", json_integer(1));
    json_object_set_new(document, "ike_proposals", json_pack("[s]", "aes128-sha256-modp2048"));
    json_object_set_new(document, member, json_pack("[s]", proposal));
    snprintf(says, sizeof says, "which is spoken with mail: it has no %s", word);
    snprintf(found, sizeof found, "[\"%s\"]", proposal);
    assert_int_equal(stf_connection_validate(document, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, member));
    assert_non_null(strstr(err.message, says));
    assert_non_null(strstr(err.expected, example));
    assert_string_equal(err.found, found);
    assert_non_null(strstr(err.remedy, "ipsec.ike_version = 2"));
    json_object_set_new(document, "version", json_integer(2));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    json_decref(document);
}

static void test_what_ikev1_can_not_do_is_refused(void **state)
{
    static const char ike[] = "ike_proposals", esp[] = "esp_proposals", for_ike[] = "aes128-sha256-modp2048",
                      for_esp[] = "aes128-sha256";
    (void)state;
    expect_beyond_ikev1(ike, "aes128gcm16-prfsha256-x25519", "aes128gcm16", for_ike);
    expect_beyond_ikev1(ike, "chacha20poly1305-prfsha256-x25519", "chacha20poly1305", for_ike);
    expect_beyond_ikev1(ike, "aes128ccm16-prfsha256-modp2048", "aes128ccm16", for_ike);
    expect_beyond_ikev1(ike, "aes128ctr-sha256-modp2048", "aes128ctr", for_ike);
    expect_beyond_ikev1(ike, "aes192ctr-sha256-modp2048", "aes192ctr", for_ike);
    expect_beyond_ikev1(ike, "aes256ctr-sha256-modp2048", "aes256ctr", for_ike);
    expect_beyond_ikev1(ike, "aes128-aesxcbc-prfaesxcbc-modp2048", "aesxcbc", for_ike);
    expect_beyond_ikev1(ike, "aes128-aescmac-prfaescmac-modp2048", "aescmac", for_ike);
    expect_beyond_ikev1(ike, "aes128-sha256-prfsha384-modp2048", "prfsha384", for_ike);
    expect_beyond_ikev1(ike, "aes128-sha256-x25519", "x25519", for_ike);
    expect_beyond_ikev1(ike, "aes128-sha256-modp2048-x448", "x448", for_ike);
    expect_beyond_ikev1(esp, "chacha20poly1305", "chacha20poly1305", for_esp);
    expect_beyond_ikev1(esp, "aes128-aescmac", "aescmac", for_esp);
    expect_beyond_ikev1(esp, "aes128-sha256-x25519", "x25519", for_esp);
    expect_beyond_ikev1(esp, "aes128gcm16-x448", "x448", for_esp);
}

/* All the rest has a number in IKEv1's registries. */
static void test_what_ikev1_can_do_is_accepted(void **state)
{
    static const char *const ike[] = {"aes128-sha256-modp2048",      "aes192-sha384-modp3072",
                                      "aes256-sha512-modp4096",      "camellia128-sha256-modp6144",
                                      "camellia256-sha256-modp8192", "aes128-sha256-prfsha256-ecp256",
                                      "aes256-sha384-ecp384",        "aes256-sha512-ecp521",
                                      "3des-sha1-modp1024",          "des-md5-modp768",
                                      "aes128-sha1-modp1536",        "aes128-sha256-modp2048s256",
                                      "aes128-sha256-ecp192"};
    static const char *const esp[] = {"aes128gcm16", "aes256ccm16", "aes128ctr-sha256", "aes128-aesxcbc",
                                      "camellia128-sha256-ecp256-esn"};
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "version", json_integer(1));
    json_object_set_new(document, "ike_proposals", json_array());
    json_object_set_new(document, "esp_proposals", json_array());
    for (size_t i = 0; i < sizeof ike / sizeof *ike; i++)
        json_array_append_new(json_object_get(document, "ike_proposals"), json_string(ike[i]));
    for (size_t i = 0; i < sizeof esp / sizeof *esp; i++)
        json_array_append_new(json_object_get(document, "esp_proposals"), json_string(esp[i]));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    json_t *left_out = stf_connection_left_out(document);
    assert_int_equal(json_array_size(left_out), 0);
    json_decref(left_out);
    json_decref(document);
}

/* IKEv1 has one selector a side, so each port is a child of its own. */
static void test_ikev1(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "version", json_integer(1));
    json_object_set_new(document, "ike_proposals",
                        json_pack("[s, s]", "aes128gcm16-prfsha256-x25519", "aes128-sha256-modp2048"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    json_t *left_out = stf_connection_left_out(document);
    expect_only(left_out, "ike_proposals: aes128gcm16-prfsha256-x25519");
    json_decref(left_out);
    json_t *tree = render(document, false, false), *connection = json_object_get(tree, "staffetta-mail");
    assert_string_equal(json_string_value(json_object_get(connection, "version")), "1");
    expect_only(json_object_get(connection, "proposals"), "aes128-sha256-modp2048");
    const json_t *children = json_object_get(connection, "children");
    assert_int_equal(json_object_size(children), 2);
    const json_t *second = json_object_get(children, "staffetta-mail-2");
    const json_t *remote = json_object_get(second, "remote_ts");
    assert_int_equal(json_array_size(remote), 1);
    assert_string_equal(json_string_value(json_array_get(remote, 0)), "dynamic[tcp/143]");
    assert_string_equal(json_string_value(json_object_get(second, "start_action")), "trap");
    json_decref(tree);

    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "1000-1063"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    tree = render(document, false, false);
    children = json_object_get(json_object_get(tree, "staffetta-mail"), "children");
    assert_int_equal(json_object_size(children), 64);
    assert_non_null(json_object_get(children, "staffetta-mail-64"));
    json_decref(tree);

    struct stf_err err;
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "1000-1064"));
    assert_int_equal(stf_connection_validate(document, &err), STF_INVALID_DATA);
    assert_non_null(strstr(err.message, "at most 64 ports with IKEv1"));
    json_decref(document);
}

static void test_the_file_is_swanctl_and_gives_the_document_back(void **state)
{
    json_t *document = connection_document("client"), *tree = render(document, false, false), *back = NULL;
    char *text = stf_connection_file_text(document, tree);
    (void)state;
    assert_string_equal(strstr(text, "\nconnections {") + 1, golden_client);
    assert_int_equal(stf_connection_file_parse(text, "x.conf", &back, NULL), STF_OK);
    assert_true(json_equal(back, document));
    json_decref(back);

    json_object_set_new(document, "loaded", json_false());
    char *changed = stf_connection_file_redocument(text, document);
    assert_string_equal(strstr(changed, "\nconnections {") + 1, golden_client);
    assert_int_equal(stf_connection_file_parse(changed, "x.conf", &back, NULL), STF_OK);
    assert_true(json_equal(back, document));
    json_decref(back);
    free(changed);
    free(text);
    json_decref(tree);
    json_decref(document);
}

static void test_an_edited_or_foreign_file_is_a_conflict(void **state)
{
    struct stf_err err;
    json_t *document = connection_document("client"), *tree = render(document, false, false), *back = NULL;
    char *text = stf_connection_file_text(document, tree);
    (void)state;
    memcpy(strstr(text, "\"trap\""), "\"none\"", 6);
    assert_int_equal(stf_connection_file_parse(text, "x.conf", &back, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "edited"));
    assert_int_equal(stf_connection_file_parse(golden_client, "x.conf", &back, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "not written by Staffetta"));
    assert_int_equal(stf_connection_file_parse("", "x.conf", &back, &err), STF_CONFLICT);
    assert_null(back);
    free(text);
    json_decref(tree);
    json_decref(document);
}

/* The document's file with `old` replaced, against the file itself. */
static void expect_edit(const char *old, const char *new, const char *field, const char *expected, const char *found)
{
    json_t *document = connection_document("client"), *tree = render(document, false, false);
    char *text = stf_connection_file_text(document, tree), *edited = NULL, *at = strstr(text, old);
    assert_non_null(at);
    assert_true(asprintf(&edited, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old)) > 0);
    json_t *edit = stf_connection_edit(text, edited),
           *wanted = json_pack("{s:s, s:s, s:s}", "field", field, "expected", expected, "found", found);
    assert_true(json_equal(edit, wanted));
    assert_true(json_is_null(stf_connection_edit(text, text)));
    json_decref(wanted);
    json_decref(edit);
    free(edited);
    free(text);
    json_decref(tree);
    json_decref(document);
}

#define CHILD "connections.staffetta-mail.children.staffetta-mail."

static void test_an_edit_is_named(void **state)
{
    (void)state;
    expect_edit("start_action = \"trap\"", "start_action = none", CHILD "start_action", "trap", "none");
    expect_edit("dynamic[tcp/110], ", "", CHILD "remote_ts", "dynamic[tcp/110], dynamic[tcp/143]", "dynamic[tcp/143]");
    expect_edit("        mobike = \"no\"\n", "", "connections.staffetta-mail.mobike", "no", "nothing");
    expect_edit("mobike = \"no\"\n", "mobike = \"no\"\n\tunique=replace\n", "connections.staffetta-mail.unique",
                "nothing", "replace");
    expect_edit("id = \"fe1\"", "id = \"fe2\"", "connections.staffetta-mail.local.id", "fe1", "fe2");
    expect_edit("    local {\n", "    local {\n{{{}}}{\n", "connections.staffetta-mail.local.auth", "psk", "nothing");
    expect_edit("# staffetta-document: {", "# staffetta-document: { ", "comments and order of lines",
                "as Staffetta writes them", "others");
}

static const json_t *child_of(const json_t *tree)
{
    const json_t *children = json_object_get(json_object_get(tree, "staffetta-mail"), "children");
    return json_object_get(children, "staffetta-mail");
}

static void expect_connection(const json_t *tree, const char *key, const char *value)
{
    const json_t *connection = json_object_get(tree, "staffetta-mail");
    assert_string_equal(json_string_value(json_object_get(connection, key)), value);
}

static void expect_child(const json_t *tree, const char *key, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(child_of(tree), key)), value);
}

static void test_the_server_mirrors_the_client(void **state)
{
    json_t *document = connection_document("server"), *tree = render(document, false, false);
    json_t *local = json_pack("[s, s]", "dynamic[tcp/110]", "dynamic[tcp/143]"),
           *remote = json_pack("[s]", "dynamic[tcp]");
    (void)state;
    assert_true(json_equal(json_object_get(child_of(tree), "local_ts"), local));
    assert_true(json_equal(json_object_get(child_of(tree), "remote_ts"), remote));
    expect_child(tree, "dpd_action", "clear");
    json_decref(local);
    json_decref(remote);
    json_decref(tree);
    json_decref(document);
}

static void test_protocols_without_ports(void **state)
{
    json_t *document = connection_document("client");
    json_object_set_new(document, "traffic", json_pack("[{s:s}, {s:s}]", "protocol", "udp", "protocol", "any"));
    json_t *tree = render(document, false, false), *expected = json_pack("[s, s]", "dynamic[udp]", "dynamic");
    (void)state;
    assert_true(json_equal(json_object_get(child_of(tree), "local_ts"), expected));
    assert_true(json_equal(json_object_get(child_of(tree), "remote_ts"), expected));
    json_decref(expected);
    json_decref(tree);
    json_decref(document);
}

static void test_permit_and_never_have_no_trap(void **state)
{
    static const char *const cases[][2] = {{"action", "permit"}, {"initiate", "never"}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *document = connection_document("client");
        json_object_set_new(document, cases[i][0], json_string(cases[i][1]));
        json_t *tree = render(document, false, false);
        expect_child(tree, "start_action", "none");
        expect_child(tree, "dpd_action", "clear");
        json_decref(tree);
        json_decref(document);
    }
}

static void test_a_userland_engine_needs_leave_for_a_tunnel(void **state)
{
    struct stf_err err;
    struct stf_ipsec_engine engine = {.is_userland = true};
    json_t *document = connection_document("client"), *tree = NULL;
    (void)state;
    assert_int_equal(stf_connection_render("staffetta-mail", document, &engine, &tree, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "ipsec.allow_tunnel = true"));
    assert_null(tree);
    tree = render(document, true, true);
    expect_child(tree, "mode", "tunnel");
    expect_child(tree, "start_action", "none");
    expect_child(tree, "dpd_action", "restart");
    expect_connection(tree, "keyingtries", "0");
    expect_connection(tree, "encap", "yes");
    json_decref(tree);
    json_object_set_new(document, "action", json_string("permit"));
    tree = render(document, true, true);
    expect_child(tree, "dpd_action", "restart");
    json_decref(tree);
    json_object_set_new(document, "mode", json_string("tunnel"));
    tree = render(document, true, false);
    expect_child(tree, "mode", "tunnel");
    json_decref(tree);
    json_decref(document);
}

static void test_lifetimes(void **state)
{
    json_t *document = connection_document("client");
    json_object_set_new(document, "ike_rekey_ms", json_integer(7200000));
    json_object_set_new(document, "esp_rekey_ms", json_integer(0));
    json_t *tree = render(document, false, false);
    const json_t *connection = json_object_get(tree, "staffetta-mail");
    (void)state;
    assert_string_equal(json_string_value(json_object_get(connection, "rekey_time")), "7200s");
    expect_child(tree, "rekey_time", "0s");
    json_decref(tree);
    json_decref(document);
}

/* ---------- what a policy can ask beyond the example ---------- */

static json_t *texts_of(const json_t *tree, const char *child, const char *key)
{
    const json_t *children = json_object_get(json_object_get(tree, "staffetta-mail"), "children");
    return json_object_get(json_object_get(children, child), key);
}

static void expect_texts(const json_t *tree, const char *child, const char *key, const char *expected)
{
    json_t *wanted = json_loads(expected, 0, NULL), *found = texts_of(tree, child, key);
    assert_non_null(wanted);
    char *text = json_dumps(found, JSON_COMPACT);
    if (!json_equal(wanted, found))
        fail_msg("%s of %s is %s", key, child, text);
    free(text);
    json_decref(wanted);
}

/* A port policy of the kernel is a port and a mask: each block here is one, and together they are the range. */
static void test_a_range_becomes_blocks_that_the_kernel_can_say(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "traffic",
                        json_pack("[{s:s, s:[s, s, i]}]", "protocol", "tcp", "ports", "1025-1040", "49152-65535", 88));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    json_t *tree = render(document, false, false);
    expect_texts(tree, "staffetta-mail", "remote_ts",
                 "[\"dynamic[tcp/1025]\",\"dynamic[tcp/1026-1027]\",\"dynamic[tcp/1028-1031]\","
                 "\"dynamic[tcp/1032-1039]\",\"dynamic[tcp/1040]\",\"dynamic[tcp/49152-65535]\","
                 "\"dynamic[tcp/88]\"]");
    json_decref(tree);
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "1025-5000"));
    tree = render(document, false, false);
    unsigned next = 1025;
    size_t index;
    json_t *block;
    json_array_foreach (texts_of(tree, "staffetta-mail", "remote_ts"), index, block) {
        unsigned low = 0, high = 0;
        if (sscanf(json_string_value(block), "dynamic[tcp/%u-%u]", &low, &high) == 1)
            high = low;
        unsigned size = high - low + 1;
        assert_int_equal(low, next);
        assert_int_equal(size & (size - 1), 0);
        assert_int_equal(low % size, 0);
        next = high + 1;
    }
    assert_int_equal(next, 5001);
    json_decref(tree);
    json_decref(document);
}

static json_t *everything(const char *side)
{
    json_t *document = connection_document(side);
    json_object_set_new(document, "traffic", json_pack("[{s:s}]", "protocol", "any"));
    json_object_set_new(document, "exempt",
                        json_pack("[{s:s, s:[i]}, {s:s, s:[i, i]}, {s:s}]", "protocol", "tcp", "ports", 22, "protocol",
                                  "udp", "ports", 500, 4500, "protocol", "icmp"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    return document;
}

static void test_what_is_exempt_passes_both_ways(void **state)
{
    static const char *const sides[] = {"client", "server"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        json_t *document = everything(sides[i]), *tree = render(document, false, false);
        const char *here = i ? "10.9.0.2/32" : "10.9.0.1/32", *there = i ? "10.9.0.1/32" : "10.9.0.2/32";
        char ports[160], all[160];
        for (int is_here = 0; is_here < 2; is_here++) {
            const char *child = is_here ? "staffetta-mail-exempt-here" : "staffetta-mail-exempt-there";
            const char *owner = is_here ? here : there, *other = is_here ? there : here;
            snprintf(ports, sizeof ports, "[\"%s[tcp/22]\",\"%s[udp/500]\",\"%s[udp/4500]\",\"%s[icmp]\"]", owner,
                     owner, owner, owner);
            snprintf(all, sizeof all, "[\"%s[tcp]\",\"%s[udp]\",\"%s[icmp]\"]", other, other, other);
            expect_texts(tree, child, is_here ? "local_ts" : "remote_ts", ports);
            expect_texts(tree, child, is_here ? "remote_ts" : "local_ts", all);
            assert_string_equal(json_string_value(texts_of(tree, child, "mode")), "pass");
            assert_string_equal(json_string_value(texts_of(tree, child, "start_action")), "trap");
        }
        json_decref(tree);
        json_decref(document);
    }
}

static void test_only_what_would_be_protected_is_exempted(void **state)
{
    json_t *document = everything("client");
    (void)state;
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[i]}]", "protocol", "tcp", "ports", 110));
    json_t *tree = render(document, false, false);
    assert_null(texts_of(tree, "staffetta-mail-exempt-here", "mode"));
    json_decref(tree);
    json_object_set_new(document, "traffic", json_pack("[{s:s, s:[s]}]", "protocol", "tcp", "ports", "1-1023"));
    tree = render(document, false, false);
    expect_texts(tree, "staffetta-mail-exempt-here", "local_ts", "[\"10.9.0.1/32[tcp/22]\"]");
    json_decref(tree);
    json_decref(document);
}

static void test_icmp_has_the_name_of_its_family(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "traffic", json_pack("[{s:s}]", "protocol", "icmp"));
    json_t *tree = render(document, false, false);
    expect_texts(tree, "staffetta-mail", "remote_ts", "[\"dynamic[icmp]\"]");
    json_decref(tree);
    json_object_set_new(document, "local_address", json_string("fd00::1"));
    json_object_set_new(document, "remote_address", json_string("fd00::2"));
    tree = render(document, false, false);
    expect_texts(tree, "staffetta-mail", "remote_ts", "[\"dynamic[ipv6-icmp]\"]");
    json_decref(tree);
    json_decref(document);
}

static void test_pass_and_drop_involve_no_ike(void **state)
{
    static const char *const actions[] = {"pass", "drop"};
    struct stf_err err;
    struct stf_ipsec_engine userland = {.is_userland = true, .allow_tunnel = true};
    (void)state;
    for (int i = 0; i < 2; i++) {
        json_t *document = connection_document("client"), *refused = NULL;
        json_object_set_new(document, "action", json_string(actions[i]));
        assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
        json_t *tree = render(document, false, false);
        expect_child(tree, "mode", actions[i]);
        expect_child(tree, "start_action", "trap");
        expect_texts(tree, "staffetta-mail", "local_ts", "[\"10.9.0.1/32[tcp]\"]");
        expect_texts(tree, "staffetta-mail", "remote_ts", "[\"10.9.0.2/32[tcp/110]\",\"10.9.0.2/32[tcp/143]\"]");
        assert_int_equal(stf_connection_render("staffetta-mail", document, &userland, &refused, &err), STF_UNSUPPORTED);
        assert_non_null(strstr(err.message, actions[i]));
        json_decref(tree);
        json_decref(document);
    }
}

static void test_authentication(void **state)
{
    struct stf_err err;
    struct stf_ipsec_engine engine = {.site_dir = "/site"};
    json_t *document = connection_document("client"), *tree = NULL;
    (void)state;
    json_object_set_new(document, "auth", json_pack("{s:s}", "method", "kerberos"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    assert_int_equal(stf_connection_render("staffetta-mail", document, &engine, &tree, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Kerberos"));
    json_object_set_new(
        document, "auth",
        json_pack("{s:s, s:s, s:s}", "method", "certificate", "certificate", "certs/fe1.pem", "ca", "/etc/ca.pem"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    assert_int_equal(stf_connection_render("staffetta-mail", document, &engine, &tree, NULL), STF_OK);
    const json_t *connection = json_object_get(tree, "staffetta-mail");
    json_t *local = json_pack("{s:s, s:s, s:[s]}", "auth", "pubkey", "id", "fe1", "certs", "/site/certs/fe1.pem");
    json_t *remote = json_pack("{s:s, s:s, s:[s]}", "auth", "pubkey", "id", "mail", "cacerts", "/etc/ca.pem");
    assert_true(json_equal(json_object_get(connection, "local"), local));
    assert_true(json_equal(json_object_get(connection, "remote"), remote));
    json_decref(local);
    json_decref(remote);
    json_decref(tree);
    json_decref(document);
    expect_invalid("auth", json_pack("{s:s}", "method", "psk"), SAYS("'auth'", "or nothing: a pre-shared key"));
    expect_invalid("auth", json_pack("{s:s, s:s, s:s}", "method", "certificate", "certificate", "a\"b", "ca", "x"),
                   SAYS("'auth'"));
}

static void test_volume_and_the_action_on_a_dead_peer(void **state)
{
    json_t *document = connection_document("client");
    (void)state;
    json_object_set_new(document, "esp_rekey_bytes", json_integer(100000000));
    json_object_set_new(document, "dpd_action", json_string("restart"));
    assert_int_equal(stf_connection_validate(document, NULL), STF_OK);
    json_t *tree = render(document, false, false);
    expect_child(tree, "rekey_bytes", "100000000");
    expect_child(tree, "dpd_action", "restart");
    json_decref(tree);
    json_object_set_new(document, "side", json_string("server"));
    tree = render(document, false, false);
    expect_child(tree, "dpd_action", "clear");
    json_decref(tree);
    json_decref(document);
    expect_invalid("esp_rekey_bytes", json_integer(17), SAYS("'esp_rekey_bytes'", "is 17;"));
    expect_invalid("dpd_action", json_string("hold"), SAYS("'dpd_action'", "\"trap\""));
    expect_invalid("exempt", json_pack("[{s:s}]", "protocol", "x"), SAYS("'exempt[0].protocol'", "\"x\""));
}

static void test_summary(void **state)
{
    json_t *document = connection_document("client");
    char *text = stf_connection_summary(document);
    (void)state;
    assert_string_equal(text, "client 10.9.0.1 -> 10.9.0.2 tcp/110,143 require, transport");
    free(text);
    json_decref(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_examples_are_valid),
        cmocka_unit_test(test_errors_name_member_found_and_expected),
        cmocka_unit_test(test_errors_name_the_entry_of_traffic),
        cmocka_unit_test(test_what_ikev1_can_not_do_is_refused),
        cmocka_unit_test(test_what_ikev1_can_do_is_accepted),
        cmocka_unit_test(test_ikev1),
        cmocka_unit_test(test_the_file_is_swanctl_and_gives_the_document_back),
        cmocka_unit_test(test_an_edited_or_foreign_file_is_a_conflict),
        cmocka_unit_test(test_an_edit_is_named),
        cmocka_unit_test(test_the_server_mirrors_the_client),
        cmocka_unit_test(test_protocols_without_ports),
        cmocka_unit_test(test_permit_and_never_have_no_trap),
        cmocka_unit_test(test_a_userland_engine_needs_leave_for_a_tunnel),
        cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_a_range_becomes_blocks_that_the_kernel_can_say),
        cmocka_unit_test(test_what_is_exempt_passes_both_ways),
        cmocka_unit_test(test_only_what_would_be_protected_is_exempted),
        cmocka_unit_test(test_icmp_has_the_name_of_its_family),
        cmocka_unit_test(test_pass_and_drop_involve_no_ike),
        cmocka_unit_test(test_authentication),
        cmocka_unit_test(test_volume_and_the_action_on_a_dead_peer),
        cmocka_unit_test(test_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
