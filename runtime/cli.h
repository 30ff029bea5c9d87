/* cli.h - what all commands share: options, exit codes, how things are printed. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <staffetta/staffetta.h>

#include "paths.h"
#include "progress.h"
#include "terminal.h"

/* docs/exit-codes.md */
enum stf_exit {
    STF_EXIT_OK = 0,
    STF_EXIT_ERROR = 1,       /* nothing was begun */
    STF_EXIT_PENDING = 2,     /* a plan that has changes */
    STF_EXIT_FAILED = 3,      /* a step or check failed; what the run had changed is put back */
    STF_EXIT_UNKNOWN = 4,     /* a check could not look; nothing is wrong for certain, nothing proved */
    STF_EXIT_NEEDS_HUMAN = 5, /* a host could not be put back, or has something else than the run wrote */
    STF_EXIT_ABSENT = 6,      /* registry: there is no such key or value */
    STF_EXIT_USAGE = 64,
    STF_EXIT_INTERRUPTED = 130,
};

struct stf_journal;

struct stf_cli {
    const char *command; /* "rollout" */
    const char *site_dir;
    const char *state_dir;
    const char *scripts_dir;
    bool is_json;
    bool is_ndjson;  /* of a command that runs a playbook */
    bool is_quiet;   /* of --quiet */
    bool is_verbose; /* of --verbose */
    bool is_forced;
    bool is_planning;      /* of --plan without a file */
    bool is_kept;          /* of --keep */
    bool is_markdown;      /* of --markdown */
    bool is_changing;      /* of --change */
    const char *luacats;   /* of --luacats */
    const char *host;      /* of --host */
    const char *limit;     /* of --limit */
    bool has_facts;        /* of --facts */
    bool has_fresh_facts;  /* of --fresh-facts */
    const char *items;     /* of --force=ITEM,...; NULL: all */
    const char *out_path;  /* of --out */
    const char *svg_path;  /* of --svg */
    const char *plan_path; /* of --plan FILE */
    int forks;             /* of --forks; 0: as site.lua says */
    json_t *params;        /* from --param */
    char **operands;       /* what is no option, ended by NULL */
    int operand_count;
};

struct stf_command {
    const char *name;
    const char *usage;   /* after the program's and the command's name */
    const char *summary; /* one line */
    const char *help;    /* more lines, or NULL */
    int (*run)(int argc, char **argv);
};

/* main.c; ended by a NULL name. */
extern const struct stf_command stf_commands[];
const struct stf_command *stf_command_find(const char *name);
void stf_command_help(const struct stf_command *command, FILE *stream);

/* Reads the options of argv[0] = the command's name. -1: go on; else the exit code to end with (--help, wrong usage).
 * Fini in either case. */
int stf_cli_parse(struct stf_cli *cli, int argc, char **argv, int max_operands);
void stf_cli_fini(struct stf_cli *cli);

/* For commands that read their options by themselves: `take` gets each, as getopt_long tells it, and ends the reading
 * with an exit code, or goes on with -1. What is no option of the command is refused. `letters` begin with ":", as
 * getopt has it, or "+:" where the first operand ends the options. Sets the operands. */
struct option;
int stf_cli_options(struct stf_cli *cli, int argc, char **argv, const char *letters, const struct option *options,
                    int (*take)(void *user, int option, const char *name), void *user);

/* Names the command that follows, `words` (ended by NULL) with the --site, --state and --dev of this one, and `params`
 * and --limit unless NULL. Nothing with --output json or --quiet, nor in a rehearsal, whose stages have that variable.
 */
extern const char stf_cli_rehearsal[];
void stf_cli_next(const struct stf_cli *cli, const char *const words[], const json_t *params);

/* One word of such a command, with a blank before it, for a POSIX shell. */
void stf_cli_word(const char *word);

/* Opens the runtime that the options describe; prints the error and gives false when that fails. */
bool stf_cli_open(const struct stf_cli *cli, struct stf_runtime **runtime);

/* Runs a playbook as `options` say, telling a person or printing the report, and gives the exit code. */
int stf_cli_run(const struct stf_cli *cli, struct stf_run_options *options);

/* How a command that made this report ends. */
int stf_cli_exit_code(const json_t *report);

/* cli_error.c: Looks whether the command line asks for JSON, so that even wrong usage is told in it. */
void stf_cli_begin(char **argv);
/* Tells an error in the one form that all commands use: what, where, expected, found, remedy. NULL: no options yet. */
void stf_cli_error(const struct stf_cli *cli, const struct stf_err *err);
/* The same for a person, of an error as a document. */
void stf_cli_print_error(const json_t *error);
/* Wrong usage; the command may be NULL. Of a value: `what` has it, or lacks it where `found` is NULL. */
int stf_cli_usage_error(const char *command, const char *format, ...) STF_PRINTF(2, 3);
int stf_cli_usage_value(const char *command, const char *what, const char *expected, const char *found);
/* The value of --output: -1, or the exit code of wrong usage. */
int stf_cli_take_output(struct stf_cli *cli, const char *form);

/* cli_journal.c: Calls `look` with the journal of --state, open for looking, and tells its error: an exit code. */
int stf_cli_look(const struct stf_cli *cli,
                 enum stf_kind (*look)(void *user, struct stf_journal *journal, struct stf_err *err), void *user);
/* A run's number as a person writes it, 1 or more; false when the text is none. */
bool stf_cli_read_run_number(const char *text, int64_t *number);
/* The run that the first operand names: a number, or "last", which is also meant when there is none. */
enum stf_kind stf_cli_run_number(const struct stf_cli *cli, struct stf_journal *journal, int64_t *number,
                                 struct stf_err *err);

/* output.c: events as they happen, and the end of a run, for a person. */
struct stf_output {
    FILE *stream;
    struct stf_terminal terminal;
    bool is_verbose;               /* with the evidence of each check */
    struct stf_progress *progress; /* of a run's hosts; NULL: not shown */
};
void stf_output_init(struct stf_output *output, FILE *stream);
void stf_output_event(void *output, const json_t *event);
void stf_output_report(struct stf_output *output, const json_t *report);
void stf_output_plan(struct stf_output *output, const json_t *plan);

/* printable.c: The text with every control character made visible ("\x1b"): what others have written must not steer a
 * terminal. `has_lines`: line feeds stay. */
void stf_output_text(FILE *stream, const char *text, bool has_lines);
/* A document with all its texts like that: a new reference. Everything that is printed for a person goes through it. */
json_t *stf_output_printable(const json_t *doc);
/* The text member `key` of a document; "" where there is none. Borrowed. */
const char *stf_cli_text(const json_t *doc, const char *key);
/* ask.c: who asks the person at the terminal (stf_run_options.on_question); NULL when there is none. */
typedef enum stf_answer (*stf_cli_asking)(void *user, const json_t *question);
stf_cli_asking stf_cli_asker(void);
/* Whether the stream is a terminal that shows nothing but ASCII. */
bool stf_output_is_ascii(FILE *stream);
/* Prints a document on stdout, indented, keys sorted. */
void stf_output_json(const json_t *doc);

int stf_cmd_plan(int argc, char **argv);
int stf_cmd_playbook(int argc, char **argv); /* rollout, verify, drill: the playbook named like the command */
int stf_cmd_rollback(int argc, char **argv);
int stf_cmd_resume(int argc, char **argv);
int stf_cmd_diff(int argc, char **argv);
int stf_cmd_run(int argc, char **argv);
int stf_cmd_runs(int argc, char **argv);
int stf_cmd_show(int argc, char **argv);
int stf_cmd_report(int argc, char **argv);
extern const char stf_report_help[];
int stf_cmd_timeline(int argc, char **argv);
int stf_cmd_scripts(int argc, char **argv);
int stf_cmd_registry(int argc, char **argv);
extern const char stf_registry_help[];
int stf_cmd_probe(int argc, char **argv);
extern const char stf_probe_help[];
int stf_cmd_version(int argc, char **argv);
int stf_cmd_takeover(int argc, char **argv);
extern const char stf_takeover_help[];
int stf_cmd_agent(int argc, char **argv);
int stf_cmd_undo(int argc, char **argv);
int stf_cmd_new(int argc, char **argv);
int stf_cmd_hosts(int argc, char **argv);
int stf_cmd_doctor(int argc, char **argv);
extern const char stf_doctor_help[];
int stf_cmd_test(int argc, char **argv);
extern const char stf_test_help[];
int stf_cmd_repl(int argc, char **argv);
extern const char stf_repl_help[];
int stf_cmd_completion(int argc, char **argv);
extern const char stf_completion_help[];
int stf_cmd_docs(int argc, char **argv);
extern const char stf_docs_help[];
int stf_cmd_rehearse(int argc, char **argv);
extern const char stf_rehearse_help[];
int stf_cmd_lab(int argc, char **argv); /* lab/cmd_lab.c */
