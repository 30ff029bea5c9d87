/* cli_error.c - the one form in which every command tells an error (docs/errors.md), and what is wrong with a command
 * line. SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

#include "cli.h"
#include "common/doc.h"
#include "ndjson.h"

enum form { FORM_HUMAN, FORM_JSON, FORM_NDJSON };

/* Of the whole command line, for what is wrong with it is found before its options are read. */
static enum form wanted;

void stf_cli_begin(char **argv)
{
    static const char option[] = "--output", joined[] = "--output=";
    for (; *argv && strcmp(*argv, "--") != 0; argv++) {
        const char *form = strcmp(*argv, option) == 0                       ? argv[1]
                           : strncmp(*argv, joined, sizeof joined - 1) == 0 ? *argv + sizeof joined - 1
                                                                            : NULL;
        if (form)
            wanted = strcmp(form, "json") == 0 ? FORM_JSON : strcmp(form, "ndjson") == 0 ? FORM_NDJSON : FORM_HUMAN;
    }
}

void stf_cli_print_error(const json_t *error)
{
    static const struct {
        const char *label, *key;
    } parts[] = {{"where", "subject"}, {"expected", "expected"}, {"found", "found"}, {"remedy", "remedy"}};
    fflush(stdout);
    fputs("staffetta: ", stderr);
    stf_output_text(stderr, stf_cli_text(error, "message"), true);
    fputc('\n', stderr);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *text = stf_cli_text(error, parts[i].key);
        if (!*text)
            continue;
        fprintf(stderr, "  %-9s ", parts[i].label);
        stf_output_text(stderr, text, false);
        fputc('\n', stderr);
    }
}

static void tell_err(const struct stf_err *err, enum form form)
{
    json_t *error = stf_doc_from_err(err);
    if (form == FORM_NDJSON)
        stf_ndjson_error(error);
    if (form == FORM_JSON) {
        json_t *doc = json_pack("{s:O}", "error", error);
        stf_output_json(doc);
        json_decref(doc);
    }
    stf_cli_print_error(error);
    json_decref(error);
}

void stf_cli_error(const struct stf_cli *cli, const struct stf_err *err)
{
    tell_err(err, !cli ? wanted : cli->is_ndjson ? FORM_NDJSON : cli->is_json ? FORM_JSON : FORM_HUMAN);
}

/* ---- wrong usage ---- */

static int tell_usage(const char *command, struct stf_err *err)
{
    const char *space = command ? " " : "";
    command = command ? command : "";
    snprintf(err->subject, sizeof err->subject, "staffetta%s%s", space, command);
    stf_err_remedy(err, "staffetta%s%s --help", space, command);
    tell_err(err, wanted);
    return STF_EXIT_USAGE;
}

int stf_cli_usage_error(const char *command, const char *format, ...)
{
    struct stf_err err;
    char message[sizeof err.message];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    stf_err_set(&err, STF_INVALID_DATA, 0, "usage", NULL, "%s", message);
    return tell_usage(command, &err);
}

int stf_cli_usage_value(const char *command, const char *what, const char *expected, const char *found)
{
    struct stf_err err;
    stf_err_set(&err, STF_INVALID_DATA, 0, "usage", NULL, found ? "%s has a wrong value" : "%s is missing", what);
    stf_err_expected(&err, expected, found);
    return tell_usage(command, &err);
}

int stf_cli_take_output(struct stf_cli *cli, const char *form)
{
    cli->is_json = strcmp(form, "json") == 0;
    return cli->is_json || strcmp(form, "human") == 0
               ? -1
               : stf_cli_usage_value(cli->command, "--output", "human or json", form);
}

/* ---- options ---- */

static int fail_unknown(const char *command, const char *given, const struct option *options)
{
    enum { OPTIONS_MAX = 64 };
    const char *names[OPTIONS_MAX + 1] = {NULL};
    char name[64];
    for (size_t i = 0; options[i].name && i < OPTIONS_MAX; i++)
        names[i] = options[i].name;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given, "="), given);
    const char *nearest = strncmp(name, "--", 2) == 0 ? stf_nearest(name + 2, names) : NULL;
    return stf_cli_usage_error(command, "%s has no option %s%s%s%s", command, name, nearest ? "; did you mean '--" : "",
                               nearest ? nearest : "", nearest ? "'?" : "");
}

/* What getopt_long has stopped at: an option that is none, that lacks its value, or has one too many. */
static int refuse(const char *command, int answer, const char *given, const struct option *options)
{
    if (answer == ':')
        return stf_cli_usage_error(command, "%s expects a value", given);
    bool is_known = optopt != 0 && strncmp(given, "--", 2) == 0;
    return is_known ? stf_cli_usage_error(command, "%.*s takes no value", (int)strcspn(given, "="), given)
                    : fail_unknown(command, given, options);
}

int stf_cli_options(struct stf_cli *cli, int argc, char **argv, const char *letters, const struct option *options,
                    int (*take)(void *user, int option, const char *name), void *user)
{
    int option, index = 0;
    opterr = 0;
    optind = 0; /* once more from the beginning, also of what getopt keeps to itself */
    while ((option = getopt_long(argc, argv, letters, options, &index)) != -1) {
        int exit_code = option == '?' || option == ':' ? refuse(cli->command, option, argv[optind - 1], options)
                                                       : take(user, option, options[index].name);
        if (exit_code != -1)
            return exit_code;
    }
    cli->operands = argv + optind;
    cli->operand_count = argc - optind;
    return -1;
}
