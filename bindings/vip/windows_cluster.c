/* windows_cluster.c - a Windows failover cluster, by the cmdlets of Windows Server 2008 R2 and later (docs/sources.md).
 * Must never put a name into a script that is not quoted. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/windows_command.h"
#include "manager.h"

enum { WAIT_S = 60 };

/* The text in single quotes, those in it doubled (about_Quoting_Rules). */
static void quote(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text, '\0'}, out);
    fputc('\'', out);
}

static const char prologue[] = "$ErrorActionPreference = 'Stop'\n"
                               "Import-Module FailoverClusters\n";

static char *finish(FILE *out, char **text)
{
    if (out && fclose(out) == 0)
        return *text;
    free(*text);
    return NULL;
}

char *stf_windows_cluster_find_script(const char *group)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        fprintf(out, "%s$group = Get-ClusterGroup -Name ", prologue);
        quote(out, group);
        fputs("\n"
              "'node=' + $group.OwnerNode.Name\n"
              "'state=' + $group.State\n"
              "$group | Get-ClusterResource | Where-Object { $_.ResourceType.Name -like 'IP*Address' } | "
              "ForEach-Object { 'address=' + ($_ | Get-ClusterParameter -Name Address).Value }\n",
              out);
    }
    return finish(out, &text);
}

char *stf_windows_cluster_move_script(const char *group, const char *node)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out) {
        fprintf(out, "%sMove-ClusterGroup -Name ", prologue);
        quote(out, group);
        fputs(" -Node ", out);
        quote(out, node);
        fprintf(out, " -Wait %d | Out-Null\n", WAIT_S);
    }
    return finish(out, &text);
}

/* ---------- running ---------- */

static enum stf_kind check_version(const struct stf_host *host, struct stf_err *err)
{
    static const char *const too_old[] = {"2000", "2003", "2008"};
    const char *version = json_string_value(json_object_get(host->config, "windows"));
    for (size_t i = 0; version && i < sizeof too_old / sizeof too_old[0]; i++)
        if (strcmp(version, too_old[i]) == 0)
            return stf_err_set(err, STF_UNSUPPORTED, 0, "vip.owner", host->name,
                               "host '%s' has windows = \"%s\" in site.lua: the cmdlets for clusters came with Windows "
                               "Server 2008 R2; move its group by hand, with cluster.exe",
                               host->name, version);
    return STF_OK;
}

/* Takes the script. */
static enum stf_kind run(const struct stf_host *host, char *script, struct stf_process_result *result,
                         struct stf_err *err)
{
    enum stf_kind kind = check_version(host, err);
    if (!kind && !script)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "run", host->name, "no memory for a script");
    if (!kind)
        kind = stf_powershell_run(host, "vip", script, result, err);
    free(script);
    if (kind == STF_NOT_FOUND)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "run", host->name,
                           "there is no PowerShell here for the cluster of host '%s'; name the way to one in site.lua: "
                           "vip = { powershell = { \"ssh\", \"node1\", \"powershell\", \"-Command\", \"-\" } }",
                           host->name);
    if (!kind && result->exit_code != 0 && strstr(result->errors, "FailoverClusters"))
        return stf_err_set(err, STF_UNSUPPORTED, result->exit_code, "run", host->name,
                           "host '%s' has no module FailoverClusters; on it: Install-WindowsFeature "
                           "RSAT-Clustering-PowerShell",
                           host->name);
    return !kind && result->exit_code != 0 ? stf_windows_command_failed(host, result, "", err) : kind;
}

/* A line "name=value", with the value `wanted` unless that is NULL; its value, cut to fit. */
static bool find_line(const char *output, const char *name, const char *wanted, char *value, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = output; *line; line += strcspn(line, "\r\n")) {
        line += strspn(line, "\r\n");
        if (strncmp(line, name, length) != 0 || line[length] != '=')
            continue;
        line += length + 1;
        snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        if (!wanted || strcmp(value, wanted) == 0)
            return true;
    }
    return false;
}

/* A group that is not online has an owner all the same, and no address. */
static enum stf_kind read_group(const struct stf_host *host, const char *group, const char *output, const char *address,
                                struct stf_vip_owner *owner, struct stf_err *err)
{
    char state[32], found[64];
    if (!find_line(output, "node", NULL, owner->node, sizeof owner->node) ||
        !find_line(output, "state", NULL, state, sizeof state))
        return stf_err_set(err, STF_INVALID_DATA, 0, "Get-ClusterGroup", host->name,
                           "PowerShell on '%s' told no owner of the group '%s'", host->name, group);
    if (strcmp(state, "Online") != 0)
        owner->node[0] = '\0';
    return address && !find_line(output, "address", address, found, sizeof found)
               ? stf_vip_wrong_address(host, group, address, err)
               : STF_OK;
}

static enum stf_kind find(const struct stf_host *host, const char *group, const char *address,
                          struct stf_vip_owner *owner, struct stf_err *err)
{
    struct stf_process_result result = {0};
    enum stf_kind kind = run(host, stf_windows_cluster_find_script(group), &result, err);
    if (!kind)
        kind = read_group(host, group, result.output, address, owner, err);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind move(const struct stf_host *host, const char *group, const char *node, struct stf_err *err)
{
    struct stf_process_result result = {0};
    enum stf_kind kind = run(host, stf_windows_cluster_move_script(group, node), &result, err);
    stf_process_result_fini(&result);
    return kind;
}

const struct stf_vip_manager stf_vip_windows_cluster = {.member = "group", .find = find, .move = move};
