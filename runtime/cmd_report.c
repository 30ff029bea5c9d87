/* cmd_report.c - one run as a page, a document, JUnit XML, Markdown or figures for Prometheus. Reads the journal only.
 * SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "journal.h"
#include "report/report.h"
#include "timeline.h"
#include "whole_file.h"

const char stf_report_help[] =
    "Options:\n"
    "  --html FILE        one page with everything, which needs no network; '-' is standard output, as below\n"
    "  --junit FILE       checks and hosts as JUnit XML, for what shows tests\n"
    "  --prometheus FILE  figures for the textfile collector of node_exporter\n"
    "  --markdown         on standard output; also when no other form is asked for\n"
    "  --json             on standard output: everything that the journal has of the run, each change in words\n"
    "  --output FORM      human (default) or json, the same as --json\n"
    "  --state DIR        where the journal is kept (default " STF_DEFAULT_STATE_DIR ")\n"
    "  --help             this text\n"
    "\nSeveral forms may be asked for at once. A file is replaced at once, or stays as it was.\n";

enum { FORM_COUNT = 4 };

/* Where each form goes; NULL: it was not asked for. */
struct request {
    struct stf_cli cli;
    const char *paths[FORM_COUNT];
};

static const char *const forms[FORM_COUNT] = {"html", "junit", "prometheus", "markdown"};

static int take_option(void *user, int option, const char *name)
{
    struct request *request = user;
    (void)name;
    switch (option) {
    case 0:
    case 1:
    case 2:
        request->paths[option] = optarg;
        return -1;
    case 3:
        request->paths[option] = "-";
        return -1;
    case 'j':
        request->cli.is_json = true;
        return -1;
    case 'o':
        return stf_cli_take_output(&request->cli, optarg);
    case 't':
        request->cli.state_dir = optarg;
        return -1;
    case 's':
        return -1; /* all commands take it; the journal knows the run's own */
    default:
        stf_command_help(stf_command_find("report"), stdout);
        return STF_EXIT_OK;
    }
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        {"html", required_argument, NULL, 0},       {"junit", required_argument, NULL, 1},
        {"prometheus", required_argument, NULL, 2}, {"markdown", no_argument, NULL, 3},
        {"json", no_argument, NULL, 'j'},           {"output", required_argument, NULL, 'o'},
        {"state", required_argument, NULL, 't'},    {"site", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    request->cli.command = "report";
    int exit_code = stf_cli_options(&request->cli, argc, argv, ":h", options, take_option, request);
    if (exit_code != -1)
        return exit_code;
    if (request->cli.operand_count > 1)
        return stf_cli_usage_error("report", "'%s' is one argument too many", request->cli.operands[1]);
    bool has_form = request->cli.is_json;
    for (size_t i = 0; i < FORM_COUNT; i++)
        has_form = has_form || request->paths[i];
    if (!has_form)
        take_option(request, 3, NULL);
    return -1;
}

/* The timelines of the run's drills as one picture, malloc'ed; NULL: it has none. */
static enum stf_kind draw_timelines(const json_t *report, char **svg, struct stf_err *err)
{
    size_t index, size;
    json_t *measure, *cases = json_array();
    enum stf_kind kind = STF_OK;
    *svg = NULL;
    json_array_foreach (json_object_get(report, "measures"), index, measure) {
        json_t *timeline = json_object_get(json_object_get(measure, "figures"), "timeline");
        if (json_is_object(timeline))
            json_array_append_new(cases,
                                  json_pack("{s:s, s:O}", "case", stf_cli_text(measure, "name"), "timeline", timeline));
    }
    if (json_array_size(cases) > 0)
        kind = stf_timeline_svg(cases, svg, &size, err);
    json_decref(cases);
    return kind;
}

static enum stf_kind write_forms(const struct request *request, const json_t *report, struct stf_err *err)
{
    struct stf_report_extras extras = {.state_dir = request->cli.state_dir};
    char *timeline;
    enum stf_kind kind = draw_timelines(report, &timeline, err);
    extras.timeline = timeline;
    for (size_t i = 0; kind == STF_OK && i < FORM_COUNT; i++) {
        char *text;
        size_t size;
        if (!request->paths[i])
            continue;
        kind = stf_report_text(report, forms[i], &extras, &text, &size, err);
        if (kind == STF_OK && strcmp(request->paths[i], "-") == 0 && stf_output_is_ascii(stdout))
            stf_output_text(stdout, text, true);
        else if (kind == STF_OK)
            kind = stf_whole_file_write(request->paths[i], text, size, err);
        free(text);
    }
    free(timeline);
    return kind;
}

static enum stf_kind report_run(void *user, struct stf_journal *journal, struct stf_err *err)
{
    const struct request *request = user;
    json_t *report = NULL;
    int64_t run;
    enum stf_kind kind = stf_cli_run_number(&request->cli, journal, &run, err);
    if (kind == STF_OK)
        kind = stf_report_load(journal, run, &report, err);
    if (kind == STF_OK)
        kind = write_forms(request, report, err);
    if (kind == STF_OK && request->cli.is_json)
        stf_output_json(report);
    json_decref(report);
    return kind;
}

int stf_cmd_report(int argc, char **argv)
{
    struct request request = {0};
    int exit_code = parse(&request, argc, argv);
    return exit_code == -1 ? stf_cli_look(&request.cli, report_run, &request) : exit_code;
}
