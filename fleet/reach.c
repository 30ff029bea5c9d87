/* reach.c - transports by what site.lua says of a host (reach.h). Must never accept a host key unseen: ssh decides, by
 * the operator's own configuration. SPDX-License-Identifier: MIT */
#include "fleet/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"

struct ssh {
    const char *host, *user, *config, *program;
    int64_t port; /* 0: ssh's own */
};

/* Strings point into the host's configuration. */
static enum stf_kind read_ssh(const struct stf_host *host, struct ssh *ssh, struct stf_err *err)
{
    static const char *const known[] = {"host", "user", "port", "config", "program", NULL};
    const json_t *doc = json_object_get(host->config, "ssh");
    const char *address = json_string_value(json_object_get(host->config, "address"));
    *ssh = (struct ssh){.host = address ? address : host->name, .program = "staffetta"};
    if (!doc)
        return STF_OK;
    enum stf_kind kind = stf_doc_check_keys(doc, known, "ssh", err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "host", ssh->host, &ssh->host, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "user", NULL, &ssh->user, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "config", NULL, &ssh->config, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(doc, "program", ssh->program, &ssh->program, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_int(doc, "port", 1, 65535, 0, &ssh->port, err);
    return kind;
}

static enum stf_kind reach_openssh(const struct stf_host *host, struct stf_transport **transport, struct stf_err *err)
{
    struct ssh ssh;
    enum stf_kind kind = read_ssh(host, &ssh, err);
    if (kind != STF_OK)
        return kind;
    char port[sizeof "65535"];
    char *config = ssh.config ? stf_doc_path(host->site_dir, ssh.config) : NULL;
    /* asks nothing, and notices in 15 s that the way there is cut */
    const char *argv[20] = {"ssh", "-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=5"};
    size_t count = 6;
    if (config) {
        argv[count++] = "-F";
        argv[count++] = config;
    }
    if (ssh.port) {
        snprintf(port, sizeof port, "%u", (unsigned)ssh.port % 65536);
        argv[count++] = "-p";
        argv[count++] = port;
    }
    if (ssh.user) {
        argv[count++] = "-l";
        argv[count++] = ssh.user;
    }
    const char *const tail[] = {"--", ssh.host, ssh.program, "agent", NULL};
    memcpy(argv + count, tail, sizeof tail);
    kind = ssh.config && !config ? stf_err_set(err, STF_NO_MEMORY, 0, "connect", host->name, "not enough memory")
                                 : stf_transport_process(argv, host->name, transport, err);
    free(config);
    return kind;
}

enum stf_kind stf_reach_host(const struct stf_host *host, struct stf_transport **transport, struct stf_err *err)
{
    const char *how = json_string_value(json_object_get(host->config, "transport"));
    if (how && strcmp(how, "agent") == 0)
        return stf_transport_process((const char *const[]){"/proc/self/exe", "agent", NULL}, host->name, transport,
                                     err);
    if (how && strcmp(how, "openssh") == 0)
        return reach_openssh(host, transport, err);
    return stf_err_set(err, STF_INVALID_DATA, 0, "connect", host->name,
                       "hosts['%s'].transport is '%s'; expected 'agent' or 'openssh'", host->name, how ? how : "");
}
