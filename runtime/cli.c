/* cli.c - options of all commands. SPDX-License-Identifier: MIT */
#include "cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "terminal.h"

/* Options of some commands: of those in whose usage `use` stands. */
static const struct own_option {
    int letter;
    const char *use;
    const char *name;
    const char *help;
} own_options[] = {
    {'f', "--force", "--force[=ITEMS]", "also where a host no longer has what the run wrote: all, or the items named"},
    {'D', "--plan]", "--plan", "show what would be put back, and change nothing"},
    {'j', "--forks N", "--forks N", "work on at most N hosts at once, whatever site.lua says"},
    {'n', "--forks N", "--output ndjson", "one JSON object a line as things happen: docs/events.md"},
    {'K', "--keep", "--keep", "leave the lab and its files in place"},
    {'M', "--markdown", "--markdown", "the whole reference as one page, docs/reference.md"},
    {'C', "--change", "--change", "make changes: a run that is journalled, and can be rolled back"},
    {'L', "--luacats", "--luacats DIR", "write the files that editors read: LuaCATS, for lua-language-server"},
    {'H', "--host", "--host HOST", "only what the run has changed on this host"},
    {'m', "--limit", "--limit PATTERN",
     "only these hosts: names, web*, groups; a,b both, !a without it, &a only if it is"},
    {'F', "--facts", "--facts", "with what each host is: system, kernel, IKE daemon; remembered for a while"},
    {'N', "--fresh-facts", "--fresh-facts", "the same, asked of every host now"},
    {'G', "--svg", "--svg FILE", "draw it there, as one picture of all cases"},
    {'O', "--out", "--out FILE", "keep the plan, to apply exactly it later"},
    {'P', "--plan FILE", "--plan FILE", "apply the plan that is kept there, or refuse, naming what has drifted"},
    {0, NULL, NULL, NULL},
};

/* Whether the command knows the option of that letter. */
static bool has_option(const struct stf_cli *cli, int letter)
{
    const char *usage = stf_command_find(cli->command)->usage;
    const struct own_option *own = own_options;
    while (own->use && own->letter != letter)
        own++;
    if (own->use)
        return strstr(usage, own->use) != NULL;
    return letter == 'h' || strstr(usage, "[options]") || (letter == 'o' && strstr(usage, "--output"));
}

static void write_help(const struct stf_command *command, FILE *stream)
{
    fprintf(stream, "Usage: staffetta %s %s\n\n%s.\n", command->name, command->usage, command->summary);
    if (command->help)
        fprintf(stream, "\n%s", command->help);
    if (!strstr(command->usage, "[options]"))
        return;
    fputs("\nOptions:\n"
          "  --site DIR         the folder with site.lua (default " STF_DEFAULT_SITE_DIR ")\n"
          "  --param NAME=VALUE a parameter of the playbook; may be given again\n"
          "  --state DIR        where the journal is kept (default " STF_DEFAULT_STATE_DIR ")\n"
          "  --output FORM      human (default) or json\n"
          "  --quiet            only how a run ended, and what went wrong\n"
          "  --verbose          with all the evidence of each check\n"
          "  --dev DIR          developers: read the bundled scripts from this folder\n"
          "  --help             this text\n",
          stream);
    for (const struct own_option *own = own_options; own->use; own++)
        if (strstr(command->usage, own->use))
            fprintf(stream, "  %-18s %s\n", own->name, own->help);
}

void stf_command_help(const struct stf_command *command, FILE *stream)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);
    if (memory) {
        write_help(command, memory);
        fclose(memory);
        stf_terminal_print_lines(stream, text);
    }
    free(text);
}

/* "policy=mail-all" into params. */
static bool add_param(struct stf_cli *cli, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return false;
    char *name = strndup(text, (size_t)(equals - text));
    bool is_ok = name && json_object_set_new(cli->params, name, json_string(equals + 1)) == 0;
    free(name);
    return is_ok;
}

static int take_forks(struct stf_cli *cli, const char *text)
{
    enum { FORKS_MAX = 10000 };
    char *end;
    long forks = strtol(text, &end, 10);
    if (*end || forks < 1 || forks > FORKS_MAX)
        return stf_cli_usage_value(cli->command, "--forks", "how many hosts, 1 to 10000", text);
    cli->forks = (int)forks;
    return -1;
}

static int take_form(struct stf_cli *cli, const char *form)
{
    if (!has_option(cli, 'n'))
        return stf_cli_take_output(cli, form);
    cli->is_json = strcmp(form, "json") == 0;
    cli->is_ndjson = strcmp(form, "ndjson") == 0;
    return cli->is_json || cli->is_ndjson || strcmp(form, "human") == 0
               ? -1
               : stf_cli_usage_value(cli->command, "--output", "human, json or ndjson", form);
}

static int take_option(void *user, int option, const char *name)
{
    struct stf_cli *cli = user;
    if (!has_option(cli, option))
        return stf_cli_usage_error(cli->command, "%s has no option --%s", cli->command, name);
    switch (option) {
    case 's':
        cli->site_dir = optarg;
        return -1;
    case 't':
        cli->state_dir = optarg;
        return -1;
    case 'd':
        cli->scripts_dir = optarg;
        return -1;
    case 'f':
        cli->is_forced = true;
        cli->items = optarg;
        return -1;
    case 'D':
        cli->is_planning = true;
        return -1;
    case 'q':
        cli->is_quiet = true;
        return -1;
    case 'v':
        cli->is_verbose = true;
        return -1;
    case 'K':
        cli->is_kept = true;
        return -1;
    case 'M':
        cli->is_markdown = true;
        return -1;
    case 'C':
        cli->is_changing = true;
        return -1;
    case 'L':
        cli->luacats = optarg;
        return -1;
    case 'H':
        cli->host = optarg;
        return -1;
    case 'm':
        cli->limit = optarg;
        return -1;
    case 'F':
        cli->has_facts = true;
        return -1;
    case 'N':
        cli->has_fresh_facts = true;
        return -1;
    case 'G':
        cli->svg_path = optarg;
        return -1;
    case 'O':
        cli->out_path = optarg;
        return -1;
    case 'P':
        cli->plan_path = optarg;
        return -1;
    case 'p':
        if (add_param(cli, optarg))
            return -1;
        return stf_cli_usage_value(cli->command, "--param", "NAME=VALUE in UTF-8", optarg);
    case 'o':
        return take_form(cli, optarg);
    case 'j':
        return take_forks(cli, optarg);
    default:
        stf_command_help(stf_command_find(cli->command), stdout);
        return STF_EXIT_OK;
    }
}

int stf_cli_parse(struct stf_cli *cli, int argc, char **argv, int max_operands)
{
    const struct stf_command *command = stf_command_find(argv[0]); /* NULL: `staffetta --version` */
    bool takes_plan_file = !command || !strstr(command->usage, "--plan]");
    const struct option options[] = {
        {"site", required_argument, NULL, 's'},
        {"state", required_argument, NULL, 't'},
        {"param", required_argument, NULL, 'p'},
        {"output", required_argument, NULL, 'o'},
        {"dev", required_argument, NULL, 'd'},
        {"force", optional_argument, NULL, 'f'},
        {"svg", required_argument, NULL, 'G'},
        {"out", required_argument, NULL, 'O'},
        {"quiet", no_argument, NULL, 'q'},
        {"verbose", no_argument, NULL, 'v'},
        {"keep", no_argument, NULL, 'K'},
        {"forks", required_argument, NULL, 'j'},
        {"markdown", no_argument, NULL, 'M'},
        {"change", no_argument, NULL, 'C'},
        {"luacats", required_argument, NULL, 'L'},
        {"host", required_argument, NULL, 'H'},
        {"limit", required_argument, NULL, 'm'},
        {"facts", no_argument, NULL, 'F'},
        {"fresh-facts", no_argument, NULL, 'N'},
        takes_plan_file ? (struct option){"plan", required_argument, NULL, 'P'}
                        : (struct option){"plan", no_argument, NULL, 'D'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *cli = (struct stf_cli){.command = argv[0], .params = json_object()};
    int exit_code = stf_cli_options(cli, argc, argv, ":hp:", options, take_option, cli);
    if (exit_code != -1)
        return exit_code;
    if (cli->operand_count > max_operands)
        return stf_cli_usage_error(cli->command, "'%s' is one argument too many", cli->operands[max_operands]);
    if (!cli->site_dir && access(STF_DEFAULT_SITE_DIR, F_OK) == 0)
        cli->site_dir = STF_DEFAULT_SITE_DIR;
    return -1;
}

void stf_cli_fini(struct stf_cli *cli)
{
    json_decref(cli->params);
}

bool stf_cli_open(const struct stf_cli *cli, struct stf_runtime **runtime)
{
    struct stf_runtime_options options = {
        .site_dir = cli->site_dir, .state_dir = cli->state_dir, .scripts_dir = cli->scripts_dir};
    struct stf_err err;
    if (stf_runtime_open(&options, runtime, &err) == STF_OK)
        return true;
    stf_cli_error(cli, &err);
    return false;
}
