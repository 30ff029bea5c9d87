/* cmd_hosts.c - the hosts that a site has, those that a pattern means, and what they are. Must never change a host.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "host_facts.h"
#include "table.h"

enum { DEFAULT_MAX_AGE_MS = 3600000 };

/* ---- the document: { "hosts": [{name, role, address, transport, ssh, groups, and of stf_host_facts}], "inventory" }
 */

static json_t *describe(const char *name, const json_t *host)
{
    const char *transport = json_string_value(json_object_get(host, "transport"));
    return json_pack("{s:s, s:O, s:O*, s:s, s:O*, s:O*}", "name", name, "role", json_object_get(host, "role"),
                     "address", json_object_get(host, "address"), "transport", transport ? transport : "local", "ssh",
                     json_object_get(host, "ssh"), "groups", json_object_get(host, "groups"));
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static json_t *describe_all(const json_t *hosts, const json_t *limit, const json_t *facts)
{
    size_t count = 0;
    const char *name, **names = calloc(json_object_size(hosts) + 1, sizeof *names);
    json_t *host, *list = json_array();
    json_object_foreach ((json_t *)hosts, name, host)
        if (names && (!limit || json_object_get(limit, name)))
            names[count++] = name;
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        json_t *description = describe(names[i], json_object_get(hosts, names[i]));
        json_object_update(description, json_object_get(facts, names[i]));
        json_array_append_new(list, description);
    }
    free(names);
    return list;
}

/* ---- for a person ---- */

/* A new text. */
static json_t *joined(const json_t *list, const char *separator)
{
    size_t index;
    json_t *each, *all = json_string("");
    json_array_foreach ((json_t *)list, index, each) {
        json_t *longer =
            json_sprintf("%s%s%s", json_string_value(all), index ? separator : "", json_string_value(each));
        json_decref(all);
        all = longer;
    }
    return all;
}

/* "Linux 6.1.0-40-amd64 x86_64, Debian GNU/Linux 12 (bookworm), charon 5.9.8-5, 12 s ago" */
static json_t *facts_in_words(const json_t *host)
{
    const json_t *facts = json_object_get(host, "facts");
    const char *os = stf_cli_text(facts, "os"), *charon = stf_cli_text(facts, "charon");
    return json_sprintf("Linux %s %s, %s, %s%s, ESP %s, %lld s ago", stf_cli_text(facts, "kernel"),
                        stf_cli_text(facts, "architecture"), *os ? os : "system unknown",
                        *charon ? "charon " : "no charon", charon,
                        json_is_true(json_object_get(facts, "has_kernel_esp")) ? "in the kernel" : "in userland",
                        (long long)json_integer_value(json_object_get(host, "age_ms")) / 1000);
}

static void print_joined(const char *front, const json_t *list)
{
    json_t *all = joined(list, ", ");
    printf("%s%s\n", front, json_string_value(all));
    json_decref(all);
}

static void print_inventory(const json_t *inventory)
{
    const json_t *left_out = json_object_get(inventory, "left_out");
    const char *variable, *separator = "variables of Ansible that mean nothing here: ";
    json_t *count;
    if (json_array_size(left_out))
        print_joined("left out, for no group of site.lua gives them a role: ", left_out);
    json_object_foreach (json_object_get(inventory, "unused"), variable, count) {
        printf("%s%s (%lld)", separator, variable, (long long)json_integer_value(count));
        separator = ", ";
    }
    if (json_object_size(json_object_get(inventory, "unused")))
        putchar('\n');
}

static void print_hosts(const json_t *doc)
{
    static const struct stf_table table = {.columns = {{.key = "name"},
                                                       {.key = "role"},
                                                       {.key = "address"},
                                                       {.key = "transport"},
                                                       {.key = "groups", .is_wrapped = true}}};
    size_t index;
    json_t *host, *hosts = json_object_get(doc, "hosts");
    json_array_foreach (hosts, index, host) {
        json_t *below = json_array();
        json_array_append(below, json_object_get(host, "error"));
        if (json_object_get(host, "facts"))
            json_array_append_new(below, facts_in_words(host));
        json_object_set_new(host, "groups", joined(json_object_get(host, "groups"), ", "));
        json_object_set_new(host, "below", below);
    }
    stf_table_print(stdout, &table, hosts);
    printf("\n%zu host%s\n", json_array_size(hosts), json_array_size(hosts) == 1 ? "" : "s");
    print_inventory(json_object_get(doc, "inventory"));
}

/* NULL where nobody wants to see them. */
static enum stf_kind find_facts(const struct stf_cli *cli, struct stf_runtime *rt, const json_t *limit, json_t **facts,
                                struct stf_err *err)
{
    const json_t *max_age_ms = json_object_get(json_object_get(rt->site, "facts"), "max_age_ms");
    int64_t age_ms = max_age_ms ? json_integer_value(max_age_ms) : DEFAULT_MAX_AGE_MS;
    *facts = NULL;
    if (!cli->has_facts && !cli->has_fresh_facts)
        return STF_OK;
    return stf_host_facts(rt, limit, cli->has_fresh_facts ? -1 : age_ms, facts, err);
}

static bool has_unknown(const json_t *facts)
{
    const char *name;
    json_t *each;
    bool is_unknown = false;
    json_object_foreach ((json_t *)facts, name, each)
        is_unknown = is_unknown || json_object_get(each, "error");
    return is_unknown;
}

static enum stf_kind list_hosts(const struct stf_cli *cli, struct stf_runtime *rt, int *exit_code, struct stf_err *err)
{
    const json_t *site;
    json_t *limit = NULL, *facts = NULL, *doc = NULL, *printable = NULL;
    enum stf_kind kind = stf_runtime_site(rt, &site, err);
    if (kind == STF_OK && !site)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "hosts", NULL, "there is no site: name its folder with --site");
    if (kind == STF_OK)
        kind = stf_runtime_limit(rt, cli->limit, &limit, err);
    if (kind == STF_OK)
        kind = find_facts(cli, rt, limit, &facts, err);
    if (kind != STF_OK)
        goto out;
    doc = json_pack("{s:o, s:O}", "hosts", describe_all(json_object_get(site, "hosts"), limit, facts), "inventory",
                    rt->inventory);
    printable = cli->is_json ? NULL : stf_output_printable(doc);
    if (cli->is_json)
        stf_output_json(doc);
    else
        print_hosts(printable);
    *exit_code = has_unknown(facts) ? STF_EXIT_UNKNOWN : STF_EXIT_OK;
out:
    json_decref(printable);
    json_decref(doc);
    json_decref(facts);
    json_decref(limit);
    return kind;
}

int stf_cmd_hosts(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code == -1 && list_hosts(&cli, rt, &exit_code, &err) != STF_OK) {
        stf_cli_error(&cli, &err);
        exit_code = STF_EXIT_ERROR;
    }
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
