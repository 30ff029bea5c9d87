/* cmd_scripts.c - which scripts there are, what they take, where they come from. Runs none. SPDX-License-Identifier:
 * MIT */
#include <stdlib.h>
#include <string.h>

#include "cmd_scripts.h"
#include "common/doc.h"
#include "table.h"

static const struct {
    const char *kind;
    const char *folder;
} kinds[] = {{"playbook", "playbooks"}, {"check", "checks"}, {"policy", "policies"}};

enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

/* Everything that can be loaded; what can not is listed with its error, and the exit code says so. */
static json_t *describe_all(struct stf_runtime *rt, bool *is_ok)
{
    json_t *list = json_array();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        char **names = stf_loader_names(rt->loader, kinds[k].folder);
        for (char **name = names; name && *name; name++) {
            json_t *description = NULL;
            struct stf_err err;
            if (stf_trusted_describe(rt, kinds[k].kind, *name, &description, &err) != STF_OK) {
                *is_ok = false;
                description =
                    json_pack("{s:s, s:s, s:o}", "kind", kinds[k].kind, "name", *name, "error", stf_doc_from_err(&err));
            }
            json_array_append_new(list, description);
        }
        stf_loader_free_names(names);
    }
    return list;
}

static void print_rows(const struct stf_table *table, const json_t *rows)
{
    json_t *shown = stf_output_printable(rows);
    stf_table_print(stdout, table, shown);
    json_decref(shown);
}

static void print_errors(const json_t *list)
{
    size_t index;
    json_t *script;
    json_array_foreach ((json_t *)list, index, script)
        if (json_object_get(script, "error"))
            stf_cli_print_error(json_object_get(script, "error"));
}

static int list_scripts(const struct stf_cli *cli, struct stf_runtime *rt)
{
    static const struct stf_table table = {
        .columns = {{.key = "kind"}, {.key = "name"}, {.key = "origin"}, {.key = "summary", .is_wrapped = true}}};
    bool is_ok = true;
    json_t *list = describe_all(rt, &is_ok);
    if (cli->is_json)
        stf_output_json(list);
    else
        print_rows(&table, list);
    print_errors(list);
    json_decref(list);
    return is_ok ? STF_EXIT_OK : STF_EXIT_ERROR;
}

static void print_lint(const json_t *found)
{
    size_t index;
    json_t *each, *shown = stf_output_printable(found);
    json_array_foreach (shown, index, each)
        printf("%s %s %s\n", stf_cli_text(each, "kind"), stf_cli_text(each, "name"), stf_cli_text(each, "message"));
    json_decref(shown);
}

/* What the text of each script tells of its powers: those declared and not used, those used and not declared. */
static int lint_scripts(const struct stf_cli *cli, struct stf_runtime *rt)
{
    bool is_ok = true;
    size_t index, at;
    json_t *script, *message, *found = json_array(), *list = describe_all(rt, &is_ok);
    json_array_foreach (list, index, script) {
        json_array_foreach (json_object_get(script, "lint"), at, message) {
            json_array_append_new(found, json_pack("{s:O, s:O, s:O}", "kind", json_object_get(script, "kind"), "name",
                                                   json_object_get(script, "name"), "message", message));
        }
    }
    if (cli->is_json)
        stf_output_json(found);
    else
        print_lint(found);
    print_errors(list);
    bool is_clean = json_array_size(found) == 0;
    json_decref(found);
    json_decref(list);
    return !is_ok ? STF_EXIT_ERROR : is_clean ? STF_EXIT_OK : STF_EXIT_FAILED;
}

static void print_params(const json_t *params)
{
    const char *name;
    json_t *spec;
    json_object_foreach ((json_t *)params, name, spec) {
        char *fallback = json_dumps(json_object_get(spec, "default"), JSON_ENCODE_ANY);
        printf("  --param %s=%s  %s%s%s%s\n", name, stf_cli_text(spec, "type"), stf_cli_text(spec, "doc"),
               fallback ? " (default " : "", fallback ? fallback : "", fallback ? ")" : "");
        free(fallback);
    }
}

static void print_description(const json_t *script)
{
    printf("%s %s: %s\n\nfrom   %s (%s)\nsha256 %s\n", stf_cli_text(script, "kind"), stf_cli_text(script, "name"),
           stf_cli_text(script, "summary"), stf_cli_text(script, "path"), stf_cli_text(script, "origin"),
           stf_cli_text(script, "sha256"));
    size_t index;
    json_t *need;
    if (json_array_size(json_object_get(script, "needs")))
        printf("needs ");
    json_array_foreach (json_object_get(script, "needs"), index, need)
        printf(" %s", json_string_value(need));
    putchar('\n');
    if (json_object_size(json_object_get(script, "params")))
        puts("\nparameters:");
    print_params(json_object_get(script, "params"));
    if (json_object_get(script, "fingerprint"))
        printf("fingerprint %s\n", stf_cli_text(script, "fingerprint"));
    if (json_object_get(script, "policy"))
        stf_output_json(json_object_get(script, "policy"));
}

const char *stf_scripts_split(const char *which, const char **kind, const char **name)
{
    const char *slash = strchr(which, '/');
    size_t length = slash ? (size_t)(slash - which) : 0;
    for (size_t k = 0; slash && k < KIND_COUNT; k++)
        if (strlen(kinds[k].kind) == length && strncmp(which, kinds[k].kind, length) == 0) {
            *kind = kinds[k].kind;
            *name = slash + 1;
            return kinds[k].folder;
        }
    stf_cli_usage_value("scripts", "KIND/NAME", "the like of playbook/rollout", which);
    return NULL;
}

static int show_script(const struct stf_cli *cli, struct stf_runtime *rt, const char *which)
{
    const char *kind_name, *name;
    json_t *description = NULL;
    struct stf_err err;
    if (!stf_scripts_split(which, &kind_name, &name))
        return STF_EXIT_USAGE;
    if (stf_trusted_describe(rt, kind_name, name, &description, &err) != STF_OK) {
        stf_cli_error(cli, &err);
        return STF_EXIT_ERROR;
    }
    if (cli->is_json)
        stf_output_json(description);
    json_t *shown = stf_output_printable(description);
    if (!cli->is_json)
        print_description(shown);
    json_decref(shown);
    json_decref(description);
    return STF_EXIT_OK;
}

static void fail_unknown(const struct stf_cli *cli, const char *name)
{
    struct stf_err err;
    stf_err_set(&err, STF_NOT_FOUND, 0, "scripts", name, "there is no script '%s'", name);
    stf_err_remedy(&err, "staffetta scripts list");
    stf_cli_error(cli, &err);
}

static void print_where(const json_t *found)
{
    static const struct stf_table table = {
        .columns = {{.key = "use"}, {.key = "origin"}, {.key = "hash"}, {.key = "path", .is_wrapped = true}}};
    size_t index;
    json_t *each, *shown = stf_output_printable(found);
    json_array_foreach (shown, index, each) {
        bool is_used = json_is_true(json_object_get(each, "is_used"));
        json_object_set_new(each, "use", json_string(is_used ? "used" : "hidden"));
        json_object_set_new(each, "hash", json_sprintf("%.16s", stf_cli_text(each, "sha256")));
    }
    stf_table_print(stdout, &table, shown);
    json_decref(shown);
}

/* The script that would run, then those that it hides. */
static int where_script(const struct stf_cli *cli, struct stf_runtime *rt, const char *name)
{
    json_t *found = json_array();
    static const char *const folders[] = {"playbooks", "checks", "policies", "lib"};
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        struct stf_script script;
        struct stf_err err;
        enum stf_kind kind = stf_loader_find(rt->loader, folders[f], name, &script, &err);
        bool is_winner = true;
        while (kind == STF_OK) {
            json_array_append_new(found, json_pack("{s:s, s:s, s:s, s:b}", "path", script.path, "origin", script.origin,
                                                   "sha256", script.sha256, "is_used", is_winner));
            const char *origin = script.origin;
            stf_script_fini(&script);
            is_winner = false;
            kind = stf_loader_find_after(rt->loader, origin, folders[f], name, &script, &err);
        }
        stf_script_fini(&script);
        if (kind != STF_NOT_FOUND) {
            stf_cli_error(cli, &err);
            json_decref(found);
            return STF_EXIT_ERROR;
        }
    }
    bool is_found = json_array_size(found) > 0;
    if (!is_found)
        fail_unknown(cli, name);
    else if (cli->is_json)
        stf_output_json(found);
    else
        print_where(found);
    json_decref(found);
    return is_found ? STF_EXIT_OK : STF_EXIT_ERROR;
}

int stf_cmd_scripts(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    int exit_code = stf_cli_parse(&cli, argc, argv, 2);
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code != -1)
        goto out;
    const char *verb = cli.operand_count ? cli.operands[0] : "list";
    if (strcmp(verb, "list") == 0 && cli.operand_count <= 1)
        exit_code = list_scripts(&cli, rt);
    else if (strcmp(verb, "lint") == 0 && cli.operand_count == 1)
        exit_code = lint_scripts(&cli, rt);
    else if (strcmp(verb, "show") == 0 && cli.operand_count == 2)
        exit_code = show_script(&cli, rt, cli.operands[1]);
#ifndef _WIN32
    else if (strcmp(verb, "eject") == 0 && cli.operand_count == 2)
        exit_code = stf_scripts_eject(&cli, rt, cli.operands[1]);
    else if (strcmp(verb, "diff") == 0 && cli.operand_count == 2)
        exit_code = stf_scripts_diff(&cli, rt, cli.operands[1]);
#endif
    else if (strcmp(verb, "where") == 0 && cli.operand_count == 2)
        exit_code = where_script(&cli, rt, cli.operands[1]);
    else
        exit_code = stf_cli_usage_value("scripts", "the verb", stf_command_find("scripts")->usage, verb);
out:
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
