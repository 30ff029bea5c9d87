/* main.c - the table of commands, and nothing else. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common/doc.h"
#include "fleet/armed.h"
#include "terminal.h"

static const char playbook_help[] =
    "Steps run on all hosts of a stage at once; every change is journalled before it is made. When a step or a gate\n"
    "fails, what the run has changed is put back. Ctrl-C does the same.\n";

static const char scripts_help[] =
    "KIND is playbook, check or policy: `staffetta scripts show playbook/rollback`. lint looks in the text of each\n"
    "for powers that it declares and never uses, or uses and does not declare; exit code 3 says that it found some.\n"
#ifndef _WIN32
    "eject copies a bundled one into the site, whose own it is then; diff tells who has changed it since.\n"
#endif
    ;

static const char agent_help[] =
    "Not for a person: docs/agent-protocol.md says what it understands. Ends when its input ends.\n"
#ifndef _WIN32
    "`agent remove HOST` takes away what was sent to a host of the site that had no agent: fleet/README.md.\n"
#endif
    ;

/* Those of the Windows program are fewer: it reaches no other hosts and has no network to look at. */
const struct stf_command stf_commands[] = {
#ifndef _WIN32
    {"new", "site DIR [options]", "Make a site's folder to begin with: site.lua, a check, a playbook",
     "DIR must be empty, or not be there yet.\n", stf_cmd_new},
    {"doctor", "[--limit PATTERN] [options]",
     "Say what this machine and the site's hosts can do, and what to do where they can not", stf_doctor_help,
     stf_cmd_doctor},
    {"hosts", "[--limit PATTERN] [--facts | --fresh-facts] [options]",
     "List the site's hosts: those of its inventory too, with their groups",
     "Shows what a --limit means, and what of an inventory is left out or means nothing here. Asks hosts for their\n"
     "facts only. Exit code 4 says that one could not be asked.\n",
     stf_cmd_hosts},
    {"rehearse", "[--keep] [options]", "The site's own rollout and drill, in a lab made from its site.lua",
     stf_rehearse_help, stf_cmd_rehearse},
#endif
    {"plan", "[PLAYBOOK] [--out FILE] [--limit PATTERN] [--forks N] [options]",
     "Run a playbook dry (default: rollout) and show what it would change",
     "Nothing is written. Exit code 2 says that changes are pending, 0 that there is nothing to do.\n", stf_cmd_plan},
#ifndef _WIN32
    {"rollout", "[--plan FILE] [--limit PATTERN] [--forks N] [options]",
     "Put a policy on every host of a cluster, stage by stage, and prove it", playbook_help, stf_cmd_playbook},
    {"verify", "[--limit PATTERN] [--forks N] [options]",
     "Look whether a rolled-out policy stands and protects; changes nothing", NULL, stf_cmd_playbook},
    {"drill", "[--limit PATTERN] [--forks N] [options]",
     "Make the virtual IP fail over on purpose, measure the outage, put all back", playbook_help, stf_cmd_playbook},
#endif
    {"predict", "[--limit PATTERN] [--forks N] [options]",
     "Say what outage a failover will cost, term by term, with the source of each", NULL, stf_cmd_playbook},
    {"resume", "[RUN] [--forks N] [options]",
     "Go on with a run that was cut short or is held (default: the newest one)",
     "Under the same number, with the same parameters; what it has done already is left as it is. Refuses, naming\n"
     "them, where scripts or the site have changed since it was begun.\n",
     stf_cmd_resume},
    {"rollback", "[RUN] [--plan] [--host HOST | --limit PATTERN] [--force[=ITEMS]] [--forks N] [options]",
     "Put back what a run has changed (default: the last one)",
     "The last one is the newest that changed something, is not rolled back, and is no rollback; a rollback named by\n"
     "its number is rolled back like any run. Refuses, having touched nothing, where a host no longer has what the "
     "run\n"
     "wrote: it shows what was before, what the run wrote and what is now, each with its item's number for --force.\n",
     stf_cmd_rollback},
    {"run", "PLAYBOOK | --plan FILE [--limit PATTERN] [--forks N] [options]",
     "Run any playbook: the site's own, the machine's or a bundled one", playbook_help, stf_cmd_run},
    {"runs", "[options]", "List the runs in the journal", NULL, stf_cmd_runs},
    {"show", "[RUN] [options]", "Show one run: its changes, checks, figures and scripts (default: the last one)", NULL,
     stf_cmd_show},
    {"timeline", "[RUN] [--svg FILE] [options]", "Show what a drill has seen, phase by phase (default: the last run)",
     "On one clock: the probe's losses, the daemons' and the kernels' associations, addresses, and the wire.\n",
     stf_cmd_timeline},
    {"report", "[RUN] [OPTIONS]",
     "Tell one run to others: a page, Markdown, JSON, JUnit XML, figures (default: the last)", stf_report_help,
     stf_cmd_report},
    {"diff", "RUN RUN [options]", "Show in what two runs differ: scripts, parameters, changes, verdicts",
     "Exit code 0 says that they are the same, 2 that they differ.\n", stf_cmd_diff},
    {"registry", "VERB STORE PATH ... [OPTIONS]", "Look into a registry or change it: a hive, a .reg file, a live one",
     stf_registry_help, stf_cmd_registry},
#ifdef _WIN32
    {"scripts", "list | lint | show KIND/NAME | where NAME [options]",
     "List the scripts, show one's parameters, or where it comes from", scripts_help, stf_cmd_scripts},
    {"agent", "", "Serve a controller on standard input and output: what ssh starts on another host", agent_help,
     stf_cmd_agent},
#else
    {"scripts", "list | lint | show KIND/NAME | where NAME | eject KIND/NAME | diff KIND/NAME [options]",
     "List the scripts, show one's parameters, or where it comes from; make a bundled one your own", scripts_help,
     stf_cmd_scripts},
    {"test", "DIR [options]", "A site's tests of its own scripts, on hosts that only note what they are asked",
     stf_test_help, stf_cmd_test},
    {"repl", "[--change] [options]", "A prompt: look at hosts, and try out lines of Lua, in the sandbox of scripts",
     stf_repl_help, stf_cmd_repl},
    {"docs", "[NAME | --markdown | --luacats DIR] [options]", "The reference of what scripts can use", stf_docs_help,
     stf_cmd_docs},
    {"probe", "TARGET... [OPTIONS]", "Measure whether and how fast targets answer: outages, latency, jitter",
     stf_probe_help, stf_cmd_probe},
    {"lab", "up | down | status | exec | fault | vm [options]",
     "Rehearse on this machine: real daemons in network namespaces", NULL, stf_cmd_lab},
    {"agent", "[remove HOST [options]]",
     "Serve a controller on standard input and output: what ssh starts on another host", agent_help, stf_cmd_agent},
    {"takeover", "ADDRESS [--let-go] [--vici PATH]",
     "For a cluster manager's notify script: negotiate as the new holder", stf_takeover_help, stf_cmd_takeover},
    {"completion", "bash | zsh | fish", "Print what a shell needs to complete these commands", stf_completion_help,
     stf_cmd_completion},
#endif
    {"undo", "[FILE|DIR]", "Wait for armed undos to be due, and put their host back",
     "Arming an undo starts it; a host starts it at boot, for all that are armed in DIR (default: " STF_ARMED_DIR
     ").\n",
     stf_cmd_undo},
    {"version", "[--output human|json]", "Print the version", "Names the API that scripts are written for, too.\n",
     stf_cmd_version},
    {NULL, NULL, NULL, NULL, NULL},
};

const struct stf_command *stf_command_find(const char *name)
{
    for (const struct stf_command *command = stf_commands; command->name; command++)
        if (strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

static void print_help(FILE *stream)
{
    char line[160];
    stf_terminal_print_lines(
        stream, "Staffetta rolls IPsec policy out to servers in front of failover clusters, proves it on the wire,\n"
                "measures what a failover costs, and puts every host back when a check fails.\n\n"
                "Usage: staffetta COMMAND [options]\n\n");
    for (const struct stf_command *command = stf_commands; command->name; command++) {
        snprintf(line, sizeof line, "  %-10s  %s\n", command->name, command->summary);
        stf_terminal_print_lines(stream, line);
    }
    fputs("\n`staffetta COMMAND --help` tells more.\n", stream);
}

static int unknown_command(const char *name)
{
    enum { COUNT = sizeof stf_commands / sizeof *stf_commands };
    const char *names[COUNT]; /* the last one ends the list */
    for (size_t i = 0; i < COUNT; i++)
        names[i] = stf_commands[i].name;
    const char *nearest = stf_nearest(name, names);
    return stf_cli_usage_error(NULL, "there is no command '%s'%s%s%s", name, nearest ? "; did you mean '" : "",
                               nearest ? nearest : "", nearest ? "'?" : "");
}

int main(int argc, char **argv)
{
    stf_cli_begin(argv);
    if (argc < 2) {
        print_help(stderr);
        return STF_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return STF_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0)
        return stf_cmd_version(1, argv);
    const struct stf_command *command = stf_command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    setenv("UV_THREADPOOL_SIZE", "64", 0); /* one waiting call per host, not per core */
    return command->run(argc - 1, argv + 1);
}
