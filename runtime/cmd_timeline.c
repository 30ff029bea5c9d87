/* cmd_timeline.c - `staffetta timeline`: what a drill of the journal has seen, as a table, a document or a picture.
 * Only looks. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "journal.h"
#include "timeline.h"
#include "whole_file.h"

/* [{"case", "timeline"}] of what the run has measured, in its order. */
static json_t *cases_of(const json_t *run)
{
    size_t i;
    json_t *event, *cases = json_array();
    json_array_foreach (json_object_get(run, "events"), i, event) {
        const json_t *data = json_object_get(event, "data");
        json_t *timeline = json_object_get(json_object_get(data, "figures"), "timeline");
        if (timeline && strcmp(stf_cli_text(event, "kind"), "measure") == 0)
            json_array_append_new(cases,
                                  json_pack("{s:s, s:O}", "case", stf_cli_text(data, "name"), "timeline", timeline));
    }
    return cases;
}

static enum stf_kind write_svg(const char *path, const json_t *cases, struct stf_err *err)
{
    char *svg;
    size_t size;
    enum stf_kind kind = stf_timeline_svg(cases, &svg, &size, err);
    if (kind == STF_OK)
        kind = stf_whole_file_write(path, svg, size, err);
    free(svg);
    return kind;
}

static void print_cases(const json_t *cases)
{
    size_t i;
    json_t *each;
    json_array_foreach (cases, i, each) {
        printf("%s%s\n", i ? "\n" : "", stf_cli_text(each, "case"));
        stf_timeline_print(json_object_get(each, "timeline"), stdout);
    }
}

static enum stf_kind show(void *user, struct stf_journal *journal, struct stf_err *err)
{
    const struct stf_cli *cli = user;
    json_t *run = NULL, *cases = NULL;
    int64_t number = 0;
    enum stf_kind kind = stf_cli_run_number(cli, journal, &number, err);
    if (!kind)
        kind = stf_journal_load(journal, number, &run, err);
    if (kind)
        return kind;
    cases = cases_of(run);
    if (json_array_size(cases) == 0)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "timeline", NULL, "run %lld has no timeline; a drill makes them",
                           (long long)number);
    else if (cli->svg_path)
        kind = write_svg(cli->svg_path, cases, err);
    if (!kind && cli->is_json) {
        json_t *doc = json_pack("{s:I, s:O}", "run", (json_int_t)number, "cases", cases);
        stf_output_json(doc);
        json_decref(doc);
    } else if (!kind && !cli->svg_path) {
        json_t *printable = stf_output_printable(cases);
        print_cases(printable);
        json_decref(printable);
    }
    json_decref(cases);
    json_decref(run);
    return kind;
}

int stf_cmd_timeline(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1)
        exit_code = stf_cli_look(&cli, show, &cli);
    stf_cli_fini(&cli);
    return exit_code;
}
