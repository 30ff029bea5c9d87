/* windows_host.c - runs scripts by the interpreters that site.lua names: `netsh -f FILE`, PowerShell from its input.
 * Must never have a pre-shared key in an argument list or an error. SPDX-License-Identifier: MIT */
#include "ipsec/windows_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "common/windows_command.h"
#include "ipsec/secret_file.h"
#include "ipsec/windows_render.h"

enum { WORDS_MAX = 32 };

static const char script_file[] = "staffetta.netsh";

/* ---------- configuration ---------- */

static const json_t *ipsec_of(const struct stf_host *host)
{
    return json_object_get(host->config, "ipsec");
}

bool stf_windows_is_driver(const struct stf_host *host)
{
    const char *driver = json_string_value(json_object_get(ipsec_of(host), "driver"));
    return driver && strcmp(driver, "windows") == 0;
}

enum stf_kind stf_windows_refuse(const struct stf_host *host, const char *what, struct stf_err *err)
{
    return stf_windows_is_driver(host)
               ? stf_err_set(err, STF_UNSUPPORTED, 0, "ipsec", host->name,
                             "host '%s' has ipsec.driver = \"windows\" in site.lua: it has no %s", host->name, what)
               : STF_OK;
}

static enum stf_kind invalid(const struct stf_host *host, const char *member, const char *expected, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "configure", host->name, "host '%s': %s in site.lua must be %s",
                       host->name, member, expected);
}

static enum stf_kind read_tool(struct stf_windows_host *windows, struct stf_err *err)
{
    const char *generation = json_string_value(json_object_get(windows->host->config, "windows")), *tool = NULL;
    windows->generation = stf_windows_generation_of(generation ? generation : "");
    if (windows->generation == STF_WINDOWS_COUNT)
        return invalid(windows->host, "windows", "its version, such as \"2003\", for the driver \"windows\"", err);
    enum stf_kind kind = stf_doc_opt_string(ipsec_of(windows->host), "tool", NULL, &tool, err);
    if (kind)
        return kind;
    windows->tool = tool ? stf_windows_tool_of(tool) : stf_windows_default_tool(windows->generation);
    if (!stf_windows_has_tool(windows->generation, windows->tool))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "configure", windows->host->name,
                           "host '%s': %s has no tool '%s' that Staffetta writes for", windows->host->name,
                           stf_windows_generation_name(windows->generation), tool ? tool : "netsh");
    return STF_OK;
}

enum stf_kind stf_windows_host_open(struct stf_windows_host *windows, const struct stf_host *host, struct stf_err *err)
{
    const char *conf_dir = NULL;
    *windows = (struct stf_windows_host){.host = host};
    enum stf_kind kind = read_tool(windows, err);
    if (!kind && !json_is_string(json_object_get(ipsec_of(host), "conf_dir")))
        kind = invalid(host, "ipsec.conf_dir", "a folder on this machine, for notes of what stands on the host", err);
    if (!kind)
        kind = stf_doc_string(ipsec_of(host), "conf_dir", &conf_dir, err);
    if (kind)
        return kind;
    windows->conf_dir = stf_doc_path(host->site_dir, conf_dir);
    return windows->conf_dir ? STF_OK
                             : stf_err_set(err, STF_NO_MEMORY, 0, "configure", host->name, "no memory for a path");
}

void stf_windows_host_close(struct stf_windows_host *windows)
{
    free(windows->conf_dir);
    windows->conf_dir = NULL;
}

/* ---------- running ---------- */

/* Text with each STF_WINDOWS_KEY replaced; malloc'ed in one piece, so that no copy of the key stays behind. NULL when
 * memory is out. */
static char *with_key(const char *script, const char *key)
{
    size_t places = 0;
    for (const char *at = script; (at = strstr(at, STF_WINDOWS_KEY)); at++)
        places++;
    char *text = malloc(strlen(script) + places * strlen(key) + 1), *end = text;
    for (const char *at; text && (at = strstr(script, STF_WINDOWS_KEY)); script = at + strlen(STF_WINDOWS_KEY)) {
        end = mempcpy(end, script, (size_t)(at - script));
        end = stpcpy(end, key);
    }
    if (text)
        strcpy(end, script);
    return text;
}

static enum stf_kind run_netsh(const struct stf_windows_host *windows, const char *const words[],
                               struct stf_process_result *result, struct stf_err *err)
{
    const struct stf_windows_command command = {windows->host, "ipsec", "netsh"};
    return stf_windows_command_run(&command, words, NULL, result, err);
}

/* The file may have the key in it, so it goes whatever comes. */
static enum stf_kind run_netsh_file(const struct stf_windows_host *windows, const struct stf_durable *files,
                                    const char *text, struct stf_process_result *result, struct stf_err *err)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", windows->conf_dir, script_file);
    enum stf_kind kind = stf_durable_write(files, script_file, text, err);
    if (!kind)
        kind = run_netsh(windows, (const char *const[]){"-f", path, NULL}, result, err);
    enum stf_kind removed = stf_durable_remove(files, script_file, kind ? NULL : err);
    return kind ? kind : removed;
}

enum stf_kind stf_windows_sweep(const struct stf_durable *files, struct stf_err *err)
{
    return stf_durable_remove(files, script_file, err);
}

/* netsh ends with 1 when there is nothing to show. */
static bool shows_nothing(const char *output)
{
    return strstr(output, "No rules match") || strstr(output, "ERR IPsec[");
}

static enum stf_kind check_shown(const struct stf_windows_host *windows, enum stf_windows_tool tool,
                                 const struct stf_process_result *result, struct stf_err *err)
{
    bool may_be_empty = tool != STF_WINDOWS_POWERSHELL && shows_nothing(result->output);
    if (result->exit_code != 0 && !may_be_empty)
        return stf_windows_command_failed(windows->host, result, "", err);
    if (strspn(result->output, " \t\r\n") == result->output_size)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "run", windows->host->name,
                           "the tool on '%s' printed nothing at all: is it that of Windows? (Wine's netsh is an empty "
                           "one)",
                           windows->host->name);
    return STF_OK;
}

/* One command of netsh that looks; no word of it has blanks. */
static enum stf_kind look_by_netsh(const struct stf_windows_host *windows, enum stf_windows_tool tool, char *command,
                                   FILE *out, struct stf_err *err)
{
    const char *words[WORDS_MAX] = {NULL};
    struct stf_process_result result = {0};
    size_t count = 0;
    for (char *word; (word = strsep(&command, " ")) && count < WORDS_MAX - 1;)
        words[count++] = word;
    enum stf_kind kind = run_netsh(windows, words, &result, err);
    if (!kind)
        kind = check_shown(windows, tool, &result, err);
    if (!kind)
        fprintf(out, "%s\n", result.output);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind look_by_powershell(const struct stf_windows_host *windows, const char *script, FILE *out,
                                        struct stf_err *err)
{
    struct stf_process_result result = {0};
    enum stf_kind kind = stf_powershell_run(windows->host, "ipsec", script, &result, err);
    if (!kind)
        kind = check_shown(windows, STF_WINDOWS_POWERSHELL, &result, err);
    if (!kind)
        fputs(result.output, out);
    stf_process_result_fini(&result);
    return kind;
}

enum stf_kind stf_windows_look(const struct stf_windows_host *windows, enum stf_windows_tool tool, const char *script,
                               char **output, struct stf_err *err)
{
    size_t size = 0;
    char *lines = strdup(script), *at = lines;
    FILE *out = open_memstream(output, &size);
    enum stf_kind kind = STF_OK;
    if (out && tool == STF_WINDOWS_POWERSHELL)
        kind = look_by_powershell(windows, script, out, err);
    for (char *line; out && tool != STF_WINDOWS_POWERSHELL && !kind && (line = strsep(&at, "\n"));)
        if (*line)
            kind = look_by_netsh(windows, tool, line, out, err);
    if (!out || fclose(out) || !lines)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "run", windows->host->name, "no memory for what stands");
    free(lines);
    return kind;
}

enum stf_kind stf_windows_run(const struct stf_windows_host *windows, const struct stf_durable *files,
                              enum stf_windows_tool tool, const char *script, const char *secret_file,
                              struct stf_err *err)
{
    struct stf_process_result result = {0};
    struct stf_secret secret = {0};
    char *text = NULL;
    bool needs_key = tool != STF_WINDOWS_POWERSHELL && secret_file && strstr(script, STF_WINDOWS_KEY);
    enum stf_kind kind = needs_key ? stf_secret_read(windows->host, secret_file, &secret, err) : STF_OK;
    if (!kind && strcspn(secret.bytes, "\"\r\n") != secret.size)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "read", secret_file,
                           "the key in %s has a quotation mark, a line break or a NUL, which netsh can not be given",
                           secret_file);
    if (!kind)
        text = with_key(script, secret.bytes);
    if (!kind && !text)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "run", windows->host->name, "no memory for a script");
    if (!kind)
        kind = tool == STF_WINDOWS_POWERSHELL ? stf_powershell_run(windows->host, "ipsec", text, &result, err)
                                              : run_netsh_file(windows, files, text, &result, err);
    if (!kind && result.exit_code != 0)
        kind = stf_windows_command_failed(windows->host, &result, secret.bytes, err);
    stf_process_result_fini(&result);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    stf_secret_wipe(&secret);
    return kind;
}
