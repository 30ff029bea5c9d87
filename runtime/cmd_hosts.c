/* cmd_hosts.c - the hosts that a site has, and those that a pattern means. Looks at the site only: it must never ask a
 * host. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "runtime.h"

/* ---- the document: { "hosts": [{name, role, address, transport, ssh, groups}], "inventory" } ---- */

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

static json_t *describe_all(const json_t *hosts, const json_t *limit)
{
    size_t count = 0;
    const char *name, **names = calloc(json_object_size(hosts) + 1, sizeof *names);
    json_t *host, *list = json_array();
    json_object_foreach ((json_t *)hosts, name, host) {
        if (names && (!limit || json_object_get(limit, name)))
            names[count++] = name;
    }
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, describe(names[i], json_object_get(hosts, names[i])));
    free(names);
    return list;
}

/* ---- for a person ---- */

static void print_list(const json_t *list, const char *separator)
{
    size_t index;
    json_t *each;
    json_array_foreach ((json_t *)list, index, each) {
        printf("%s%s", index ? separator : "", json_string_value(each));
    }
}

static void print_inventory(const json_t *inventory)
{
    const json_t *left_out = json_object_get(inventory, "left_out");
    const char *variable, *separator = "variables of Ansible that mean nothing here: ";
    json_t *count;
    if (json_array_size(left_out)) {
        printf("left out, for no group of site.lua gives them a role: ");
        print_list(left_out, ", ");
        putchar('\n');
    }
    json_object_foreach (json_object_get(inventory, "unused"), variable, count) {
        printf("%s%s (%lld)", separator, variable, (long long)json_integer_value(count));
        separator = ", ";
    }
    if (json_object_size(json_object_get(inventory, "unused")))
        putchar('\n');
}

static void print_hosts(const json_t *doc)
{
    size_t index;
    json_t *host;
    const json_t *hosts = json_object_get(doc, "hosts");
    json_array_foreach ((json_t *)hosts, index, host) {
        printf("%-20s %-17s %-15s %-8s ", stf_cli_text(host, "name"), stf_cli_text(host, "role"),
               stf_cli_text(host, "address"), stf_cli_text(host, "transport"));
        print_list(json_object_get(host, "groups"), ",");
        putchar('\n');
    }
    printf("\n%zu host%s\n", json_array_size(hosts), json_array_size(hosts) == 1 ? "" : "s");
    print_inventory(json_object_get(doc, "inventory"));
}

static enum stf_kind list_hosts(const struct stf_cli *cli, struct stf_runtime *rt, struct stf_err *err)
{
    const json_t *site;
    json_t *limit = NULL;
    enum stf_kind kind = stf_runtime_site(rt, &site, err);
    if (kind == STF_OK && !site)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "hosts", NULL, "there is no site: name its folder with --site");
    if (kind == STF_OK)
        kind = stf_runtime_limit(rt, cli->limit, &limit, err);
    if (kind != STF_OK)
        return kind;
    json_t *doc = json_pack("{s:o, s:O}", "hosts", describe_all(json_object_get(site, "hosts"), limit), "inventory",
                            rt->inventory);
    json_t *printable = cli->is_json ? NULL : stf_output_printable(doc);
    if (cli->is_json)
        stf_output_json(doc);
    else
        print_hosts(printable);
    json_decref(printable);
    json_decref(doc);
    json_decref(limit);
    return STF_OK;
}

int stf_cmd_hosts(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code == -1) {
        exit_code = list_hosts(&cli, rt, &err) == STF_OK ? STF_EXIT_OK : STF_EXIT_ERROR;
        if (exit_code != STF_EXIT_OK)
            stf_cli_error(&cli, &err);
    }
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
