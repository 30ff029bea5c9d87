/* cmd_diff.c - in what two runs of the journal differ. Reads only. SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "change.h"
#include "cli.h"
#include "journal.h"
#include "table.h"

/* The entries of one map that the other has not, or has otherwise: {"what","subject","first","second"}, each once. */
static void compare(const char *what, const json_t *first, const json_t *second, json_t *list)
{
    const char *subject;
    json_t *value;
    json_object_foreach ((json_t *)first, subject, value) {
        json_t *other = json_object_get(second, subject);
        if (!json_equal(value, other))
            json_array_append_new(list, json_pack("{s:s, s:s, s:O, s:O*}", "what", what, "subject", subject, "first",
                                                  value, "second", other));
    }
    json_object_foreach ((json_t *)second, subject, value) {
        if (!json_object_get(first, subject))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:O}", "what", what, "subject", subject, "second", value));
    }
}

/* {"kind/name": sha256} */
static json_t *scripts_of(const json_t *run)
{
    size_t index;
    json_t *row, *map = json_object();
    json_array_foreach (json_object_get(run, "scripts"), index, row) {
        json_t *name = json_sprintf("%s/%s", stf_cli_text(row, "kind"), stf_cli_text(row, "name"));
        json_object_set(map, json_string_value(name), json_object_get(row, "sha256"));
        json_decref(name);
    }
    return map;
}

/* {"step: check on host": verdict} */
static json_t *checks_of(const json_t *run)
{
    size_t index;
    json_t *row, *map = json_object();
    json_array_foreach (json_object_get(run, "checks"), index, row) {
        const char *host = stf_cli_text(row, "host");
        json_t *name =
            json_sprintf("%s: %s%s%s", stf_cli_text(row, "step"), stf_cli_text(row, "name"), *host ? " on " : "", host);
        json_object_set(map, json_string_value(name), json_object_get(row, "verdict"));
        json_decref(name);
    }
    return map;
}

/* {thing: what the run left there} */
static json_t *changes_of(const json_t *run)
{
    const char *thing;
    json_t *rows, *map = json_object(), *by_thing = stf_changes_by_thing(json_object_get(run, "changes"));
    json_object_foreach (by_thing, thing, rows) {
        const json_t *last = json_array_get(rows, json_array_size(rows) - 1);
        json_object_set(map, thing, json_object_get(last, "after"));
    }
    json_decref(by_thing);
    return map;
}

/* {"playbook","site_name","program_version","state"} and the like, and the parameters that were given */
static json_t *head_of(const json_t *run)
{
    const json_t *head = json_object_get(run, "run");
    json_t *map = json_object();
    static const char *const keys[] = {"playbook", "site_name", "site_dir", "operator", "program_version", "state"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        json_object_set(map, keys[i], json_object_get(head, keys[i]));
    return map;
}

static json_t *params_of(const json_t *run)
{
    json_t *params = json_object_get(json_object_get(run, "run"), "params");
    return json_is_object(params) ? json_incref(params) : json_object();
}

static json_t *differences(const json_t *first, const json_t *second)
{
    static const struct {
        const char *what;
        json_t *(*of)(const json_t *run);
    } parts[] = {
        {"run", head_of}, {"param", params_of}, {"script", scripts_of}, {"change", changes_of}, {"check", checks_of}};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_t *one = parts[i].of(first), *other = parts[i].of(second);
        compare(parts[i].what, one, other, list);
        json_decref(one);
        json_decref(other);
    }
    return list;
}

/* A new text. */
static json_t *side(const char *run, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    json_t *made = json_sprintf("%4s  %s", run, text ? text : "none");
    free(text);
    return made;
}

static void print_differences(json_t *list, char **runs)
{
    static const struct stf_table table = {.columns = {{.key = "what"}, {.key = "subject", .is_wrapped = true}}};
    size_t index;
    json_t *each;
    json_array_foreach (list, index, each)
        json_object_set_new(each, "below",
                            json_pack("[o, o]", side(runs[0], json_object_get(each, "first")),
                                      side(runs[1], json_object_get(each, "second"))));
    stf_table_print(stdout, &table, list);
    if (json_array_size(list) == 0)
        puts("the two runs do not differ");
}

static enum stf_kind load(struct stf_journal *journal, const char *operand, json_t **run, struct stf_err *err)
{
    int64_t number;
    if (stf_cli_read_run_number(operand, &number))
        return stf_journal_load(journal, number, run, err);
    return stf_err_set(err, STF_INVALID_DATA, 0, "diff", operand, "'%s' is no run: expected a number", operand);
}

struct comparison {
    struct stf_cli cli;
    bool has_differences;
};

static enum stf_kind diff(void *user, struct stf_journal *journal, struct stf_err *err)
{
    struct comparison *comparison = user;
    const struct stf_cli *cli = &comparison->cli;
    json_t *first = NULL, *second = NULL, *list = NULL;
    enum stf_kind kind = load(journal, cli->operands[0], &first, err);
    if (kind == STF_OK)
        kind = load(journal, cli->operands[1], &second, err);
    if (kind == STF_OK)
        list = differences(first, second);
    comparison->has_differences = json_array_size(list) > 0;
    if (kind == STF_OK && cli->is_json) {
        stf_output_json(list);
    } else if (kind == STF_OK) {
        json_t *printable = stf_output_printable(list);
        print_differences(printable, cli->operands);
        json_decref(printable);
    }
    json_decref(list);
    json_decref(first);
    json_decref(second);
    return kind;
}

int stf_cmd_diff(int argc, char **argv)
{
    struct comparison comparison = {.has_differences = false};
    struct stf_cli *cli = &comparison.cli;
    int exit_code = stf_cli_parse(cli, argc, argv, 2);
    if (exit_code == -1 && cli->operand_count < 2)
        exit_code = stf_cli_usage_value("diff", "RUN RUN", "two runs' numbers, as `staffetta runs` lists them",
                                        cli->operands[0]);
    if (exit_code == -1)
        exit_code = stf_cli_look(cli, diff, &comparison);
    if (exit_code == STF_EXIT_OK && comparison.has_differences)
        exit_code = STF_EXIT_PENDING;
    stf_cli_fini(cli);
    return exit_code;
}
