/* cmd_runs.c - runs and show: what the journal remembers. Reads only. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "journal.h"

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

bool stf_cli_open_journal(const struct stf_cli *cli, struct stf_journal **journal)
{
    struct stf_err err;
    if (stf_journal_open_read(cli->state_dir ? cli->state_dir : STF_DEFAULT_STATE_DIR, journal, &err) == STF_OK)
        return true;
    stf_cli_error(cli, &err);
    return false;
}

static void print_runs(const json_t *runs)
{
    printf("%4s  %-19s  %-10s %-12s %-12s %7s  %s\n", "run", "started", "playbook", "site", "state", "changes",
           "operator");
    size_t index;
    json_t *run;
    json_array_foreach ((json_t *)runs, index, run) {
        char started[32];
        format_time(json_object_get(run, "started_unix_ms"), started, sizeof started);
        printf("%4lld  %-19s  %-10s %-12s %-12s %7lld  %s\n",
               (long long)json_integer_value(json_object_get(run, "run")), started, text(run, "playbook"),
               text(run, "site_name"), text(run, "state"),
               (long long)json_integer_value(json_object_get(run, "changes")), text(run, "operator"));
    }
    if (json_array_size(runs) == 0)
        puts("(no run yet)");
}

int stf_cmd_runs(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_journal *journal = NULL;
    json_t *runs = NULL;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code != -1)
        goto out;
    exit_code = STF_EXIT_ERROR;
    if (!stf_cli_open_journal(&cli, &journal))
        goto out;
    if (stf_journal_list(journal, &runs, &err) != STF_OK) {
        stf_cli_error(&cli, &err);
        goto out;
    }
    if (cli.is_json) {
        stf_output_json(runs);
    } else {
        json_t *printable = stf_output_printable(runs);
        print_runs(printable);
        json_decref(printable);
    }
    exit_code = STF_EXIT_OK;
out:
    json_decref(runs);
    stf_journal_close(journal);
    stf_cli_fini(&cli);
    return exit_code;
}

static void print_list(const json_t *run, const char *title, const char *key, void (*print)(const json_t *))
{
    const json_t *list = json_object_get(run, key);
    if (json_array_size(list) == 0)
        return;
    printf("\n%s\n", title);
    size_t index;
    json_t *item;
    json_array_foreach ((json_t *)list, index, item)
        print(item);
}

enum { SHOWN_BYTES_MAX = 4000 }; /* of one document: an import may have thousands of values */

static void print_compact(const json_t *doc)
{
    char *line = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    size_t size = line ? strlen(line) : 0;
    if (size <= SHOWN_BYTES_MAX)
        printf("%s", line ? line : "?");
    else
        printf("%.*s... (%zu bytes; --output json has them all)", SHOWN_BYTES_MAX, line, size);
    free(line);
}

static void print_change(const json_t *change)
{
    printf("  %-8s %-10s %-18s ", text(change, "state"), text(change, "host"), text(change, "resource"));
    print_compact(json_object_get(change, "id"));
    printf("\n           before ");
    print_compact(json_object_get(change, "before"));
    printf("\n           after  ");
    print_compact(json_object_get(change, "after"));
    putchar('\n');
}

static void print_check(const json_t *check)
{
    printf("  %-8s %-10s %-18s ", text(check, "verdict"), text(check, "host"), text(check, "name"));
    print_compact(json_object_get(check, "evidence"));
    putchar('\n');
}

static void print_event(const json_t *event)
{
    char at[32];
    format_time(json_object_get(event, "at_unix_ms"), at, sizeof at);
    printf("  %s  %-18s ", at, text(event, "kind"));
    const json_t *data = json_object_get(event, "data");
    if (strcmp(text(event, "kind"), "plan") == 0)
        printf("%zu changes", json_array_size(json_object_get(data, "changes")));
    else
        print_compact(data);
    putchar('\n');
}

static void print_script(const json_t *script)
{
    printf("  %-10s %-18s %-8s %.16s\n", text(script, "kind"), text(script, "name"), text(script, "origin"),
           text(script, "sha256"));
}

static void print_run(const json_t *doc)
{
    const json_t *run = json_object_get(doc, "run");
    char started[32], ended[32];
    format_time(json_object_get(run, "started_unix_ms"), started, sizeof started);
    format_time(json_object_get(run, "ended_unix_ms"), ended, sizeof ended);
    printf("run %lld: %s on site %s, %s\nby %s, %s to %s, Staffetta %s\n",
           (long long)json_integer_value(json_object_get(run, "run")), text(run, "playbook"), text(run, "site_name"),
           text(run, "state"), text(run, "operator"), started, ended, text(run, "program_version"));
    print_list(doc, "changes", "changes", print_change);
    print_list(doc, "checks", "checks", print_check);
    print_list(doc, "events", "events", print_event);
    print_list(doc, "scripts", "scripts", print_script);
}

enum stf_kind stf_cli_run_number(const struct stf_cli *cli, struct stf_journal *journal, int64_t *number,
                                 struct stf_err *err)
{
    if (cli->operand_count && strcmp(cli->operands[0], "last") != 0) {
        char *end;
        *number = strtoll(cli->operands[0], &end, 10);
        if (*end == '\0' && *number > 0)
            return STF_OK;
        return stf_err_set(err, STF_INVALID_DATA, 0, cli->command, cli->operands[0],
                           "'%s' is no run: expected a number or 'last'", cli->operands[0]);
    }
    json_t *runs = NULL;
    enum stf_kind kind = stf_journal_list(journal, &runs, err);
    *number = json_integer_value(json_object_get(json_array_get(runs, 0), "run"));
    if (!kind && !*number)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, cli->command, "last", "there is no run in the journal yet");
    json_decref(runs);
    return kind;
}

int stf_cmd_show(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_journal *journal = NULL;
    json_t *doc = NULL;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code != -1)
        goto out;
    exit_code = STF_EXIT_ERROR;
    if (!stf_cli_open_journal(&cli, &journal))
        goto out;
    int64_t run;
    if (stf_cli_run_number(&cli, journal, &run, &err) != STF_OK ||
        stf_journal_load(journal, run, &doc, &err) != STF_OK) {
        stf_cli_error(&cli, &err);
        goto out;
    }
    if (cli.is_json) {
        stf_output_json(doc);
    } else {
        json_t *printable = stf_output_printable(doc);
        print_run(printable);
        json_decref(printable);
    }
    exit_code = STF_EXIT_OK;
out:
    json_decref(doc);
    stf_journal_close(journal);
    stf_cli_fini(&cli);
    return exit_code;
}
