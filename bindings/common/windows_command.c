/* windows_command.c - runs the interpreters that site.lua names for a Windows host, perhaps by way of ssh.
 * Must never have a secret in an argument list or an error. SPDX-License-Identifier: MIT */
#include "windows_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPT_MS = 120000, WORDS_MAX = 32, SAID_MAX = 240 };

static enum stf_kind invalid(const struct stf_windows_command *command, const char *expected, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "configure", command->host->name,
                       "host '%s': %s.%s in site.lua must be %s", command->host->name, command->part, command->name,
                       expected);
}

static enum stf_kind words_of(const struct stf_windows_command *command, const char *const extra[],
                              const char *argv[WORDS_MAX + 1], struct stf_err *err)
{
    static const char *const netsh[] = {"netsh", NULL};
    static const char *const powershell[] = {"powershell", "-NoProfile", "-NonInteractive", "-Command", "-", NULL};
    const json_t *given = json_object_get(json_object_get(command->host->config, command->part), command->name);
    size_t count = 0;
    for (const char *const *word = strcmp(command->name, "netsh") == 0 ? netsh : powershell; !given && *word; word++)
        argv[count++] = *word;
    for (size_t i = 0; i < json_array_size(given) && count < WORDS_MAX; i++) {
        argv[count] = json_string_value(json_array_get(given, i));
        if (!argv[count++])
            return invalid(command, "a list of words", err);
    }
    for (; *extra && count < WORDS_MAX; extra++)
        argv[count++] = *extra;
    argv[count] = NULL;
    return count && !*extra ? STF_OK : invalid(command, "a list of 1 to 30 words", err);
}

enum stf_kind stf_windows_command_run(const struct stf_windows_command *command, const char *const extra[],
                                      const char *input, struct stf_process_result *result, struct stf_err *err)
{
    const char *argv[WORDS_MAX + 1];
    const struct stf_process_id id = {.argv = argv,
                                      .netns = command->host->netns,
                                      .input = input,
                                      .input_size = input ? strlen(input) : 0,
                                      .timeout_ms = SCRIPT_MS};
    *result = (struct stf_process_result){.exit_code = -1};
    enum stf_kind kind = words_of(command, extra, argv, err);
    return kind ? kind : stf_process_run(&id, result, err);
}

/* PowerShell takes a block from its input, so that an error ends all of it, and an empty line, to know that it is
 * whole. */
enum stf_kind stf_powershell_run(const struct stf_host *host, const char *part, const char *script,
                                 struct stf_process_result *result, struct stf_err *err)
{
    const struct stf_windows_command command = {host, part, "powershell"};
    char *block = NULL;
    *result = (struct stf_process_result){.exit_code = -1};
    if (asprintf(&block, "& {\n%s}\n\n", script) < 0)
        return stf_err_set(err, STF_NO_MEMORY, 0, "run", host->name, "no memory for a script");
    enum stf_kind kind = stf_windows_command_run(&command, (const char *const[]){NULL}, block, result, err);
    free(block);
    return kind;
}

static void first_line(const char *text, const char *secret, char said[SAID_MAX])
{
    text += strspn(text, " \t\r\n");
    if (*secret && strstr(text, secret))
        text = "(its words have the key in them)";
    snprintf(said, SAID_MAX, "%.*s", (int)strcspn(text, "\r\n"), text);
}

enum stf_kind stf_windows_command_failed(const struct stf_host *host, const struct stf_process_result *result,
                                         const char *secret, struct stf_err *err)
{
    char output[SAID_MAX], errors[SAID_MAX];
    first_line(result->output, secret, output);
    first_line(result->errors, secret, errors);
    return stf_err_set(err, STF_IO, result->exit_code, "run", host->name,
                       "the script on '%s' ended with exit code %d: %s%s%s", host->name, result->exit_code, output,
                       *output && *errors ? "; " : "", errors);
}
