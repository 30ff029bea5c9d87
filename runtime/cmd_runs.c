/* cmd_runs.c - runs and show: what the journal remembers. Reads only. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "journal.h"
#include "table.h"

static const char *text(const json_t *doc, const char *key)
{
    const char *value = json_string_value(json_object_get(doc, key));
    return value && *value ? value : "-";
}

static void format_time(const json_t *unix_ms, char *buffer, size_t size)
{
    time_t seconds = (time_t)(json_integer_value(unix_ms) / 1000);
    struct tm local;
    if (!json_is_integer(unix_ms) || !localtime_r(&seconds, &local) ||
        strftime(buffer, size, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(buffer, size, "-");
}

/* Gives the row a member `key` that has the time of its member `from`. */
static void add_time(json_t *row, const char *key, const char *from)
{
    char at[32];
    format_time(json_object_get(row, from), at, sizeof at);
    json_object_set_new(row, key, json_string(at));
}

static void print_runs(json_t *runs)
{
    static const struct stf_table table = {.columns = {{.key = "run", .heading = "run"},
                                                       {.key = "started", .heading = "started"},
                                                       {.key = "playbook", .heading = "playbook"},
                                                       {.key = "site_name", .heading = "site"},
                                                       {.key = "state", .heading = "state"},
                                                       {.key = "changes", .heading = "changes"},
                                                       {.key = "operator", .heading = "operator"}}};
    size_t index;
    json_t *run;
    json_array_foreach (runs, index, run)
        add_time(run, "started", "started_unix_ms");
    stf_table_print(stdout, &table, runs);
    if (json_array_size(runs) == 0)
        puts("(no run yet)");
}

static enum stf_kind list(void *user, struct stf_journal *journal, struct stf_err *err)
{
    const struct stf_cli *cli = user;
    json_t *runs = NULL;
    enum stf_kind kind = stf_journal_list(journal, &runs, err);
    if (kind == STF_OK && cli->is_json) {
        stf_output_json(runs);
    } else if (kind == STF_OK) {
        json_t *printable = stf_output_printable(runs);
        print_runs(printable);
        json_decref(printable);
    }
    json_decref(runs);
    return kind;
}

int stf_cmd_runs(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1)
        exit_code = stf_cli_look(&cli, list, &cli);
    stf_cli_fini(&cli);
    return exit_code;
}

/* ---- show ---- */

enum { SHOWN_BYTES_MAX = 4000 }; /* of one document: an import may have thousands of values */

/* A new text. */
static json_t *compact(const char *front, const json_t *doc)
{
    char *line = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    size_t size = line ? strlen(line) : 0, shown = size < SHOWN_BYTES_MAX ? size : SHOWN_BYTES_MAX;
    while (shown < size && ((unsigned char)line[shown] & 0xc0) == 0x80) /* within a character */
        shown--;
    json_t *made = shown == size ? json_sprintf("%s%s", front, line ? line : "?")
                                 : json_sprintf("%s%.*s... (%lld bytes; --output json has them all)", front, (int)shown,
                                                line, (long long)size);
    free(line);
    return made;
}

static void add_change(json_t *change)
{
    json_t *below = json_array();
    json_array_append_new(below, compact("before ", json_object_get(change, "before")));
    json_array_append_new(below, compact("after  ", json_object_get(change, "after")));
    json_object_set_new(change, "what", compact("", json_object_get(change, "id")));
    json_object_set_new(change, "below", below);
}

static void add_evidence(json_t *check)
{
    json_object_set_new(check, "what", compact("", json_object_get(check, "evidence")));
}

static void add_data(json_t *event)
{
    const json_t *data = json_object_get(event, "data");
    bool is_plan = strcmp(text(event, "kind"), "plan") == 0;
    add_time(event, "at", "at_unix_ms");
    json_object_set_new(event, "what",
                        is_plan
                            ? json_sprintf("%lld changes", (long long)json_array_size(json_object_get(data, "changes")))
                            : compact("", data));
}

static void add_short_hash(json_t *script)
{
    json_object_set_new(script, "hash", json_sprintf("%.16s", text(script, "sha256")));
}

/* What `show` lists of a run: the member, whose items `add` gives what the table wants of them. */
static const struct section {
    const char *key;
    void (*add)(json_t *item);
    struct stf_table table;
} sections[] = {
    {"changes",
     add_change,
     {2, NULL, {{.key = "state"}, {.key = "host"}, {.key = "resource"}, {.key = "what", .is_wrapped = true}}}},
    {"checks",
     add_evidence,
     {2,
      NULL,
      {{.key = "verdict", .is_verdict = true}, {.key = "host"}, {.key = "name"}, {.key = "what", .is_wrapped = true}}}},
    {"events", add_data, {2, NULL, {{.key = "at"}, {.key = "kind"}, {.key = "what", .is_wrapped = true}}}},
    {"scripts", add_short_hash, {2, NULL, {{.key = "kind"}, {.key = "name"}, {.key = "origin"}, {.key = "hash"}}}},
};

static void print_section(const json_t *run, const struct section *section)
{
    json_t *item, *list = json_object_get(run, section->key);
    size_t index;
    if (json_array_size(list) == 0)
        return;
    printf("\n%s\n", section->key);
    json_array_foreach (list, index, item)
        section->add(item);
    stf_table_print(stdout, &section->table, list);
}

static void print_run(const json_t *doc)
{
    const json_t *run = json_object_get(doc, "run");
    char started[32], ended[32];
    format_time(json_object_get(run, "started_unix_ms"), started, sizeof started);
    format_time(json_object_get(run, "ended_unix_ms"), ended, sizeof ended);
    json_t *head = json_sprintf("run %lld: %s on site %s, %s\nby %s, %s to %s, Staffetta %s\n",
                                (long long)json_integer_value(json_object_get(run, "run")), text(run, "playbook"),
                                text(run, "site_name"), text(run, "state"), text(run, "operator"), started, ended,
                                text(run, "program_version"));
    stf_terminal_print_lines(stdout, json_string_value(head));
    json_decref(head);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
        print_section(doc, &sections[i]);
}

static enum stf_kind show(void *user, struct stf_journal *journal, struct stf_err *err)
{
    const struct stf_cli *cli = user;
    json_t *run = NULL;
    int64_t number;
    enum stf_kind kind = stf_cli_run_number(cli, journal, &number, err);
    if (kind == STF_OK)
        kind = stf_journal_load(journal, number, &run, err);
    if (kind == STF_OK && cli->is_json) {
        stf_output_json(run);
    } else if (kind == STF_OK) {
        json_t *printable = stf_output_printable(run);
        print_run(printable);
        json_decref(printable);
    }
    json_decref(run);
    return kind;
}

int stf_cmd_show(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1)
        exit_code = stf_cli_look(&cli, show, &cli);
    stf_cli_fini(&cli);
    return exit_code;
}
