/* test_inventory.c - inventories in all forms: what is read, what is refused and in which words, what is never kept.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inventory/inventory.h"

#define INI STF_INVENTORY_INI
#define YAML STF_INVENTORY_YAML
#define LIST STF_INVENTORY_LIST

/* The inventory as JSON text, keys sorted, with ' for "; "" when it is refused, and the reason in `err`. */
static char *read_as(enum stf_inventory_form form, const char *text, struct stf_err *err)
{
    json_t *inventory;
    if (stf_inventory_parse(form, "hosts", text, strlen(text), &inventory, err))
        return strdup("");
    char *found = json_dumps(inventory, JSON_COMPACT | JSON_SORT_KEYS);
    for (char *quote = found; (quote = strchr(quote, '"'));)
        *quote = '\'';
    json_decref(inventory);
    return found;
}

static void expect(enum stf_inventory_form form, const char *text, const char *wanted)
{
    struct stf_err err = {.message = ""};
    char *found = read_as(form, text, &err);
    assert_string_equal(err.message, "");
    assert_string_equal(found, wanted);
    free(found);
}

static void expect_refused(enum stf_inventory_form form, const char *text, const char *words)
{
    struct stf_err err = {.message = ""};
    char *found = read_as(form, text, &err);
    assert_string_equal(found, "");
    assert_int_equal(err.kind, STF_INVALID_DATA);
    if (!strstr(err.message, words))
        fail_msg("'%s' is not in '%s'", words, err.message);
    free(found);
}

/* The same in all three forms. */
static const char same[] = "{'groups':{'all':{'children':{'g':true,'ungrouped':true},'hosts':{},'vars':{}},"
                           "'g':{'children':{},'hosts':{'a1':true,'a2':true},'vars':{'ansible_user':'u'}},"
                           "'ungrouped':{'children':{},'hosts':{'b':true},'vars':{}}},"
                           "'hosts':{'a1':{'ansible_port':'22'},'a2':{'ansible_port':'22'},'b':{}}}";

static void test_the_forms_agree(void **state)
{
    (void)state;
    expect(INI, "b\n[g]\na[1:2]:22 other=1\n[g:vars]\nansible_user = u\nother=2\n[all:children]\ng\nungrouped\n", same);
    expect(YAML,
           "all:\n  children:\n    ungrouped:\n      hosts:\n        b:\n    g:\n      hosts:\n"
           "        a[1:2]: {ansible_port: 22, other: [1]}\n      vars: {ansible_user: u, other: x}\n",
           same);
    expect(LIST,
           "{\"_meta\":{\"hostvars\":{\"a1\":{\"ansible_port\":22},\"a2\":{\"ansible_port\":22},\"nobody\":{\"x\":1}}},"
           "\"all\":{\"children\":[\"g\",\"ungrouped\"]},\"g\":{\"hosts\":[\"a1\",\"a2\"],\"vars\":"
           "{\"ansible_user\":\"u\"}},\"ungrouped\":[\"b\"]}",
           same);
}

static void expect_hosts(const char *pattern, const char *wanted)
{
    char text[256], *found;
    struct stf_err err = {.message = ""};
    snprintf(text, sizeof text, "%s\n", pattern);
    json_t *inventory = NULL;
    assert_int_equal(stf_inventory_parse(INI, "hosts", text, strlen(text), &inventory, &err), STF_OK);
    const char *name;
    json_t *ignored;
    char names[512] = "";
    json_object_foreach (json_object_get(inventory, "hosts"), name, ignored) {
        found = names + strlen(names);
        snprintf(found, sizeof names - (size_t)(found - names), " %s", name);
    }
    assert_string_equal(names, wanted);
    json_decref(inventory);
}

static void test_ranges(void **state)
{
    (void)state;
    expect_hosts("w[08:11].x", " w08.x w09.x w10.x w11.x");
    expect_hosts("w[8:11]", " w8 w9 w10 w11");
    expect_hosts("w[:2]", " w0 w1 w2");
    expect_hosts("w[0:6:3]", " w0 w3 w6");
}

static void test_ranges_of_letters(void **state)
{
    (void)state;
    expect_hosts("x[a:b][1:2]", " xa1 xa2 xb1 xb2");
    expect_hosts("x[Y:Z]", " xY xZ");
    expect_hosts("2001:db8::1", " 2001:db8::1");
}

static void test_ranges_that_are_none(void **state)
{
    static const char *const wrong[] = {"w[1:",    "w[]",      "w[1]",  "w[3:1]",
                                        "w[01:1]", "w[1:2:0]", "w[a:b", "w[1:9999999999]"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_refused(INI, wrong[i], "hosts:1: ");
    expect_refused(INI, "w[1:2][1:2][1:2][1:2][1:2]", "up to 4 such as [01:50]");
    expect_refused(INI, "w[1:10001]", "more than 10000 hosts");
    expect_refused(INI, "w[1:99999][1:99999]", "more than 10000 hosts");
}

static void test_words_of_a_line(void **state)
{
    (void)state;
    expect(INI, "a ansible_host='1 2' ansible_user=\"x\\\"y\" # ansible_port=1\n; b\n#c\n\n",
           "{'groups':{'ungrouped':{'children':{},'hosts':{'a':true},'vars':{}}},"
           "'hosts':{'a':{'ansible_host':'1 2','ansible_user':'x\\'y'}}}");
    expect_refused(INI, "a\nb ansible_host='1", "hosts:2: a quote has no end");
    expect_refused(INI, "a ansible_host", "expected NAME=VALUE after the host a");
    expect_refused(INI, "[g:vars]\nx", "hosts:2: expected NAME=VALUE");
    expect_refused(INI, "[g:fruits]\n", "not of 'fruits'");
    expect_refused(INI, "[g", "expected [GROUP]");
    expect_refused(INI, "[g:vars]\nx=1\n", "it names the group 'g' and has no section [g]");
    expect_refused(INI, "[g:children]\nh\n", "the group 'h'");
    expect_refused(INI, "a\xff", "no text in UTF-8");
}

static void test_yaml(void **state)
{
    (void)state;
    expect(YAML, "g: {hosts: {a: {<<: {ansible_user: u, ansible_port: 1}, ansible_port: 2}}}\n",
           "{'groups':{'g':{'children':{},'hosts':{'a':true},'vars':{}}},"
           "'hosts':{'a':{'ansible_port':'2','ansible_user':'u'}}}");
    expect_refused(YAML, "g:\n  hosts: [a]\n", "'hosts' of the group 'g' is no mapping");
    expect_refused(YAML, "plugin: aws_ec2\n", "use command = { \"ansible-inventory\"");
    expect_refused(YAML, "a: [\n", "hosts:2: ");
    expect_refused(YAML, "- a\n", "expected a mapping of groups");
    expect_refused(YAML, "", "expected a mapping of groups");
    expect_refused(YAML, "? [a]\n: b\n", "hosts:1: a key is no text");
}

/* An alias of an alias of ... stands for much: 10 to the power of 8 texts here. */
static void test_yaml_that_explodes(void **state)
{
    char text[1024] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    (void)state;
    for (int i = 1; i < 8; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length,
                 "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    }
    expect_refused(YAML, text, "more than 500000 parts");
    expect_refused(YAML, "a: &a\n  b: *a\n", "deeper than 32 levels");
}

static void test_lists(void **state)
{
    (void)state;
    expect_refused(LIST, "{\n\"a\":", "hosts:2: expected a JSON object");
    expect_refused(LIST, "[]", "expected a JSON object");
    expect_refused(LIST, "{\"g\":1}", "'g' is neither an object nor a list");
    expect_refused(LIST, "{\"g\":{\"hosts\":{}}}", "\"hosts\" of 'g' is no list");
    expect_refused(LIST, "{\"g\":[1]}", "has a host that is no text");
    expect_refused(LIST, "{\"g\":{\"children\":[1]}}", "has a child that is no text");
    expect_refused(LIST, "{\"g\":{\"vars\":[]}}", "\"vars\" of 'g' is no object");
    expect_refused(LIST, "{\"_meta\":{\"hostvars\":[]}}", "no object");
}

/* Refused by its name, and its value is not in the words; what only Ansible can read is none of ours. */
static void test_passwords(void **state)
{
    static const char *const names[] = {"ansible_password", "ansible_ssh_pass", "ansible_become_pass",
                                        "ansible_ssh_private_key_passphrase"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[128];
        struct stf_err err;
        snprintf(text, sizeof text, "a %s=hunter2\n", names[i]);
        free(read_as(INI, text, &err));
        assert_non_null(strstr(err.message, names[i]));
        assert_non_null(strstr(err.message, "is a password"));
        assert_null(strstr(err.message, "hunter2"));
    }
    expect_refused(YAML, "g: {hosts: {a: {ansible_password: 12345}}}", "is a password");
    expect_refused(LIST, "{\"g\":{\"vars\":{\"ansible_become_password\":7}}}", "is a password");
    expect(YAML, "g: {hosts: {a: {ansible_password: '{{ vault }}', mysql_password: x, ansible_ssh_pass: !vault x}}}",
           "{'groups':{'g':{'children':{},'hosts':{'a':true},'vars':{}}},"
           "'hosts':{'a':{'ansible_password':'{{ vault }}','ansible_ssh_pass':false}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_forms_agree),    cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_of_letters),  cmocka_unit_test(test_ranges_that_are_none),
        cmocka_unit_test(test_words_of_a_line),    cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_yaml_that_explodes), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_passwords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
