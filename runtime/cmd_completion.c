/* cmd_completion.c - what a shell needs to complete our commands: share/completion with the table of commands put in.
 * SPDX-License-Identifier: MIT */
#include <string.h>

#include "cli.h"
#include "embedded.h"

extern const struct stf_embedded stf_completions[];

const char stf_completion_help[] =
    "Prints a script for the shell. In ~/.bashrc: `source <(staffetta completion bash)`; in ~/.zshrc the same with "
    "zsh,\n"
    "after compinit; for fish: `staffetta completion fish >~/.config/fish/completions/staffetta.fish`.\n";

/* The small words with which the usage begins, up to the first that is none: "up | down | status [options]". Calls
 * `each` for them and gives how many. */
static size_t for_verbs(const struct stf_command *command, void (*each)(const char *verb, size_t length))
{
    size_t count = 0;
    const char *at = command->usage;
    while (true) {
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz");
        if (length == 0)
            return count;
        if (each)
            each(at, length);
        count++;
        const char *bar = strstr(at, " | ");
        if (!bar)
            return count;
        at = bar + 3;
    }
}

static void print_word(const char *word, size_t length)
{
    printf(" %.*s", (int)length, word);
}

/* For a pair of zsh's _describe, in single quotes. */
static void print_quoted(const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (*text == ':')
            fputs("\\:", stdout);
        else
            putchar(*text);
}

static void print_bash(const struct stf_command *command, bool is_verbs)
{
    if (!is_verbs) {
        printf("%s ", command->name);
    } else if (for_verbs(command, NULL)) {
        printf("        %s) mapfile -t COMPREPLY < <(compgen -W '", command->name);
        for_verbs(command, print_word);
        puts("' -- \"$word\") ;;");
    }
}

static void print_zsh(const struct stf_command *command, bool is_verbs)
{
    if (!is_verbs) {
        printf("        '%s:", command->name);
        print_quoted(command->summary);
        puts("'");
    } else if (for_verbs(command, NULL)) {
        printf("        %s) compadd", command->name);
        for_verbs(command, print_word);
        puts(" ;;");
    }
}

static void print_fish(const struct stf_command *command, bool is_verbs)
{
    if (!is_verbs) {
        printf("complete -c staffetta -n __fish_use_subcommand -f -a %s -d '", command->name);
        for (const char *letter = command->summary; *letter; letter++)
            printf(*letter == '\'' ? "\\'" : "%c", *letter);
        puts("'");
    } else if (for_verbs(command, NULL)) {
        printf("complete -c staffetta -n '__fish_seen_subcommand_from %s' -f -a '", command->name);
        for_verbs(command, print_word);
        puts("'");
    }
}

static const struct shell {
    const char *name;
    void (*print)(const struct stf_command *command, bool is_verbs);
} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

/* The template, with each line that has a mark replaced by, or filled with, all commands. */
static void print_template(const char *text, const struct shell *shell)
{
    static const char commands_mark[] = "@COMMANDS@", verbs_mark[] = "@VERBS@";
    for (const char *at; (at = strchr(text, '@')); text = at) {
        bool is_commands = strncmp(at, commands_mark, sizeof commands_mark - 1) == 0;
        bool is_verbs = strncmp(at, verbs_mark, sizeof verbs_mark - 1) == 0;
        if (!is_commands && !is_verbs) {
            at++;
            printf("%.*s", (int)(at - text), text);
            continue;
        }
        printf("%.*s", (int)(at - text), text);
        for (const struct stf_command *command = stf_commands; command->name; command++)
            shell->print(command, is_verbs);
        at += is_commands ? sizeof commands_mark - 1 : sizeof verbs_mark - 1;
        if (at[0] == '\n' && at[-1] == '@' && (is_verbs || shell->print != print_bash))
            at++; /* each command had a line of its own */
    }
    fputs(text, stdout);
}

int stf_cmd_completion(int argc, char **argv)
{
    struct stf_cli cli;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    for (size_t i = 0; exit_code == -1 && i < sizeof shells / sizeof *shells; i++) {
        if (cli.operand_count == 0 || strcmp(shells[i].name, cli.operands[0]) != 0)
            continue;
        for (const struct stf_embedded *file = stf_completions; file->name; file++)
            if (strcmp(strchr(file->name, '.') + 1, shells[i].name) == 0)
                print_template(file->bytes, &shells[i]);
        exit_code = STF_EXIT_OK;
    }
    if (exit_code == -1)
        exit_code = stf_cli_usage_value("completion", "the shell", "bash, zsh or fish", cli.operands[0]);
    stf_cli_fini(&cli);
    return exit_code;
}
