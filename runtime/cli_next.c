/* cli_next.c - "next: staffetta ...": the command that follows, as it can be copied into a shell. Must never name one
 * that would change hosts before a person has seen what it changes. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char stf_cli_rehearsal[] = "STAFFETTA_REHEARSAL";

/* A word with bytes that the terminal can not show, as bash, zsh and ksh read them. */
static void print_escaped(const char *word)
{
    fputs(" $'", stdout);
    for (; *word; word++)
        if ((unsigned char)*word < ' ' || (unsigned char)*word > '~')
            printf("\\x%02x", (unsigned char)*word);
        else if (*word == '\'' || *word == '\\')
            printf("\\%c", *word);
        else
            putchar(*word);
    putchar('\'');
}

static bool is_shown(const char *word)
{
    bool is_ascii = stf_output_is_ascii(stdout);
    for (; *word; word++)
        if ((unsigned char)*word < ' ' || *word == 0x7f || (is_ascii && (unsigned char)*word > 0x7f))
            return false;
    return true;
}

void stf_cli_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,@%+-";
    if (*word && strspn(word, plain) == strlen(word)) {
        printf(" %s", word);
        return;
    }
    if (!is_shown(word)) {
        print_escaped(word);
        return;
    }
    fputs(" '", stdout);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

static void print_option(const char *option, const char *value, const char *usual)
{
    if (!value || strcmp(value, usual) == 0)
        return;
    printf(" %s", option);
    stf_cli_word(value);
}

static void print_params(const json_t *params)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)params, name, value) {
        char pair[1024];
        snprintf(pair, sizeof pair, "%s=%s", name, json_string_value(value));
        print_option("--param", pair, "");
    }
}

void stf_cli_next(const struct stf_cli *cli, const char *const words[], const json_t *params)
{
    if (cli->is_json || cli->is_ndjson || cli->is_quiet || getenv(stf_cli_rehearsal))
        return;
    fputs("next: staffetta", stdout);
    for (; *words; words++)
        stf_cli_word(*words);
    print_params(params);
    print_option("--site", cli->site_dir, STF_DEFAULT_SITE_DIR);
    print_option("--state", cli->state_dir, STF_DEFAULT_STATE_DIR);
    print_option("--limit", params ? cli->limit : NULL, "");
    print_option("--dev", cli->scripts_dir, "");
    putchar('\n');
}
