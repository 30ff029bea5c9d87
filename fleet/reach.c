/* reach.c - transports by what site.lua says of a host (reach.h). Must never accept a host key unseen: ssh decides, by
 * the operator's own configuration. SPDX-License-Identifier: MIT */
#include "fleet/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "fleet/install.h"
#include "fleet/transport_libssh.h"

enum { MAX_ARGUMENTS = 32 };

/* The files that a target names, malloc'ed. */
struct files {
    char *config, *key;
};

static void files_fini(struct files *files)
{
    free(files->config);
    free(files->key);
}

/* A relative path starts in the site's folder; what "~" is, ssh knows. */
static enum stf_kind own_path(const struct stf_host *host, const char **path, char **owned, struct stf_err *err)
{
    if (!*path || strncmp(*path, "~/", 2) == 0)
        return STF_OK;
    *path = *owned = stf_doc_path(host->site_dir, *path);
    return *owned ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "connect", host->name, "not enough memory");
}

/* Strings point into the host's configuration, or are of `files`: fini those in either case. */
static enum stf_kind read_target(const struct stf_host *host, struct stf_ssh_target *target, struct files *files,
                                 struct stf_err *err)
{
    static const char *const known[] = {"host", "user", "port", "config", "key", "args", "program", "system", NULL};
    const json_t *doc = json_object_get(host->config, "ssh");
    const char *address = json_string_value(json_object_get(host->config, "address"));
    int64_t port = 0;
    *target = (struct stf_ssh_target){.host = address ? address : host->name};
    *files = (struct files){0};
    if (!doc)
        return STF_OK;
    enum stf_kind kind = stf_doc_check_keys(doc, known, "ssh", err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "host", target->host, &target->host, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "user", NULL, &target->user, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "config", NULL, &target->config, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "key", NULL, &target->key, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(doc, "port", 1, UINT16_MAX, 0, &port, err);
    target->port = (uint16_t)port;
    if (kind == STF_OK)
        kind = own_path(host, &target->config, &files->config, err);
    if (kind == STF_OK)
        kind = own_path(host, &target->key, &files->key, err);
    return kind;
}

/* The operator's own words for ssh. What is said before them counts: a host key is never accepted unseen. */
static enum stf_kind add_arguments(const struct stf_host *host, const char *argv[], size_t *count, struct stf_err *err)
{
    size_t index;
    json_t *each;
    const json_t *args = json_object_get(json_object_get(host->config, "ssh"), "args");
    bool is_ok = !args || (json_is_array(args) && json_array_size(args) <= MAX_ARGUMENTS);
    json_array_foreach ((json_t *)args, index, each) {
        is_ok = is_ok && json_is_string(each);
        if (is_ok)
            argv[(*count)++] = json_string_value(each);
    }
    return is_ok ? STF_OK
                 : stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name,
                               "hosts['%s'].ssh.args: expected a list of texts, %d at most", host->name, MAX_ARGUMENTS);
}

static enum stf_kind run_openssh(const struct stf_host *host, const struct stf_ssh_target *target, const char *command,
                                 struct stf_transport **transport, struct stf_err *err)
{
    char port[sizeof "65535"];
    /* asks nothing, and notices in 15 s that the way there is cut */
    const char *argv[24 + MAX_ARGUMENTS] = {
        "ssh", "-T", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "ServerAliveInterval=5"};
    size_t count = 8;
    if (target->config) {
        argv[count++] = "-F";
        argv[count++] = target->config;
    }
    if (target->port) {
        snprintf(port, sizeof port, "%u", target->port);
        argv[count++] = "-p";
        argv[count++] = port;
    }
    if (target->user) {
        argv[count++] = "-l";
        argv[count++] = target->user;
    }
    if (target->key) {
        argv[count++] = "-i";
        argv[count++] = target->key;
    }
    enum stf_kind kind = add_arguments(host, argv, &count, err);
    if (kind != STF_OK)
        return kind;
    const char *const tail[] = {"--", target->host, command, NULL};
    memcpy(argv + count, tail, sizeof tail);
    return stf_transport_process(argv, host->name, transport, err);
}

static const char *transport_of(const struct stf_host *host)
{
    const char *name = json_string_value(json_object_get(host->config, "transport"));
    return name ? name : "";
}

enum stf_kind stf_reach_command(const struct stf_host *host, const char *command, struct stf_transport **transport,
                                struct stf_err *err)
{
    const char *how = transport_of(host);
    bool is_openssh = strcmp(how, "openssh") == 0;
    struct stf_ssh_target target;
    struct files files;
    *transport = NULL;
    if (!is_openssh && strcmp(how, "libssh") != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name,
                           "hosts['%s'].transport is '%s'; expected 'agent', 'libssh' or 'openssh'", host->name, how);
    enum stf_kind kind = read_target(host, &target, &files, err);
    if (kind == STF_OK && !is_openssh && json_object_get(json_object_get(host->config, "ssh"), "args"))
        kind =
            stf_err_set(err, STF_UNSUPPORTED, 0, "connect", host->name,
                        "hosts['%s'].ssh.args is for transport = \"openssh\": libssh has no command line", host->name);
    if (kind == STF_OK)
        kind = is_openssh ? run_openssh(host, &target, command, transport, err)
                          : stf_transport_libssh(&target, command, host->name, transport, err);
    files_fini(&files);
    return kind;
}

/* For cmd.exe, the shell of OpenSSH for Windows, which takes one pair of quotes around all of it off. */
static int write_windows_command(char command[STF_INSTALL_COMMAND_SIZE], const char *program)
{
    return snprintf(command, STF_INSTALL_COMMAND_SIZE, "if exist \"%s\" (\"%s\" agent) else exit %d", program, program,
                    STF_INSTALL_MISSING);
}

static enum stf_kind name_command(const struct stf_host *host, const char *version,
                                  char command[STF_INSTALL_COMMAND_SIZE], struct stf_err *err)
{
    const json_t *ssh = json_object_get(host->config, "ssh");
    const char *program, *system;
    enum stf_kind kind = stf_doc_opt_string(ssh, "program", NULL, &program, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(ssh, "system", NULL, &system, err);
    if (kind != STF_OK)
        return kind;
    if (system && strcmp(system, "windows") != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name,
                           "hosts['%s'].ssh.system is '%s'; expected 'windows', or nothing", host->name, system);
    if (!system && !program)
        return stf_install_command(version, command, err);
    if (system && program && strchr(program, '"'))
        return stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name,
                           "hosts['%s'].ssh.program has a quote, which no path on Windows has", host->name);
    int size = system ? write_windows_command(command, stf_reach_windows_program(host))
                      : snprintf(command, STF_INSTALL_COMMAND_SIZE, "%s agent", program);
    return size < STF_INSTALL_COMMAND_SIZE
               ? STF_OK
               : stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name, "ssh.program is too long");
}

const char *stf_reach_windows_program(const struct stf_host *host)
{
    const json_t *ssh = json_object_get(host->config, "ssh");
    const char *program = json_string_value(json_object_get(ssh, "program"));
    if (!json_object_get(ssh, "system"))
        return NULL;
    return program ? program : "%ProgramFiles%\\Staffetta\\staffetta.exe";
}

enum stf_kind stf_reach_host(const struct stf_host *host, const char *version, struct stf_transport **transport,
                             struct stf_err *err)
{
    char command[STF_INSTALL_COMMAND_SIZE];
    *transport = NULL;
    if (strcmp(transport_of(host), "agent") == 0)
        return stf_transport_process((const char *const[]){"/proc/self/exe", "agent", NULL}, host->name, transport,
                                     err);
    enum stf_kind kind = name_command(host, version, command, err);
    return kind == STF_OK ? stf_reach_command(host, command, transport, err) : kind;
}
