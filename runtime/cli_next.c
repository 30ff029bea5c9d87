/* cli_next.c - "next: staffetta ...": the command that follows, as it can be copied into a shell. Must never name one
 * that would change hosts before a person has seen what it changes. SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char stf_cli_rehearsal[] = "STAFFETTA_REHEARSAL";

/* One word for a POSIX shell. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./=:,@%+-";
    if (*word && strspn(word, plain) == strlen(word)) {
        printf(" %s", word);
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
    print_word(value);
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
        print_word(*words);
    print_params(params);
    print_option("--site", cli->site_dir, STF_DEFAULT_SITE_DIR);
    print_option("--state", cli->state_dir, STF_DEFAULT_STATE_DIR);
    print_option("--limit", params ? cli->limit : NULL, "");
    print_option("--dev", cli->scripts_dir, "");
    putchar('\n');
}
