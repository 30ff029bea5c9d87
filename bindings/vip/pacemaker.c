/* pacemaker.c - Pacemaker by its own tools, crm_resource and cibadmin: a move is a constraint, and waits, and the
 * constraint goes again. Must never leave a constraint behind. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"
#include "manager.h"

enum { TOOL_MS = 30000, MOVE_MS = 60000, PAUSE_US = 20000, NO_SUCH_OBJECT = 105 };

/* `result` also when the tool ended with another exit code than 0. */
static enum stf_kind run(const struct stf_host *host, const char *const argv[], struct stf_process_result *result,
                         struct stf_err *err)
{
    const struct stf_process_id id = {.argv = argv, .netns = host->netns, .timeout_ms = TOOL_MS};
    enum stf_kind kind = stf_process_run(&id, result, err);
    if (kind == STF_NOT_FOUND)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "run", argv[0],
                           "%s is not there, so Pacemaker can not be asked: install pacemaker-cli-utils (Debian) or "
                           "pacemaker-cli (Red Hat, SUSE) where this runs for host '%s', or set another manager in "
                           "site.lua",
                           argv[0], host->name);
    return kind;
}

static enum stf_kind failed(const struct stf_host *host, const char *const argv[],
                            const struct stf_process_result *result, struct stf_err *err)
{
    const char *said = result->errors + strspn(result->errors, " \t\r\n");
    enum stf_kind kind = result->exit_code == NO_SUCH_OBJECT ? STF_NOT_FOUND : STF_IO;
    return stf_err_set(err, kind, result->exit_code, argv[0], host->name, "%s on '%s' ended with exit code %d: %.*s",
                       argv[0], host->name, result->exit_code, (int)strcspn(said, "\r\n"), said);
}

static enum stf_kind order(const struct stf_host *host, const char *const argv[], struct stf_err *err)
{
    struct stf_process_result result = {0};
    enum stf_kind kind = run(host, argv, &result, err);
    if (!kind && result.exit_code != 0)
        kind = failed(host, argv, &result, err);
    stf_process_result_fini(&result);
    return kind;
}

/* "resource virtual_ip is running on: node-a"; while it runs nowhere there is no such line. */
static enum stf_kind locate(const struct stf_host *host, const char *resource, char node[64], struct stf_err *err)
{
    static const char running[] = "is running on:";
    const char *const argv[] = {"crm_resource", "--resource", resource, "--locate", NULL};
    struct stf_process_result result = {0};
    node[0] = '\0';
    enum stf_kind kind = run(host, argv, &result, err);
    if (!kind && result.exit_code != 0)
        kind = failed(host, argv, &result, err);
    const char *at = kind ? NULL : strstr(result.output, running);
    if (at)
        sscanf(at + sizeof running - 1, "%63s", node);
    stf_process_result_fini(&result);
    return kind;
}

/* The constraint that `crm_resource --move` makes. */
static enum stf_kind is_pinned(const struct stf_host *host, const char *resource, bool *is, struct stf_err *err)
{
    char path[160];
    snprintf(path, sizeof path, "//rsc_location[@id='cli-prefer-%s']", resource);
    const char *const argv[] = {"cibadmin", "--query", "--xpath", path, NULL};
    struct stf_process_result result = {0};
    enum stf_kind kind = run(host, argv, &result, err);
    *is = !kind && result.exit_code == 0;
    if (!kind && result.exit_code != 0 && result.exit_code != NO_SUCH_OBJECT)
        kind = failed(host, argv, &result, err);
    stf_process_result_fini(&result);
    return kind;
}

/* A group has no parameters, and is not looked into. */
static enum stf_kind check_address(const struct stf_host *host, const char *resource, const char *address,
                                   struct stf_err *err)
{
    const char *const argv[] = {"crm_resource", "--resource", resource, "--get-parameter", "ip", NULL};
    struct stf_process_result result = {0};
    enum stf_kind kind = run(host, argv, &result, err);
    size_t size = kind ? 0 : strcspn(result.output, "\r\n");
    if (!kind && result.exit_code == 0 && (size != strlen(address) || strncmp(result.output, address, size) != 0))
        kind = stf_vip_wrong_address(host, resource, address, err);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind find(const struct stf_host *host, const char *resource, const char *address,
                          struct stf_vip_owner *owner, struct stf_err *err)
{
    enum stf_kind kind = locate(host, resource, owner->node, err);
    if (!kind && address)
        kind = check_address(host, resource, address, err);
    return kind ? kind : is_pinned(host, resource, &owner->is_pinned, err);
}

static enum stf_kind await(const struct stf_host *host, const char *resource, const char *node, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)MOVE_MS * 1000000;
    char owner[64];
    enum stf_kind kind = locate(host, resource, owner, err);
    while (!kind && strcmp(owner, node) != 0 && stf_clock_ns() < deadline_ns) {
        usleep(PAUSE_US);
        kind = locate(host, resource, owner, err);
    }
    if (!kind && strcmp(owner, node) != 0)
        kind =
            stf_err_set(err, STF_TIMEOUT, 0, "crm_resource", node,
                        "Pacemaker did not move %s to %s within %d ms; `crm_resource --resource %s --why` tells more",
                        resource, node, MOVE_MS, resource);
    return kind;
}

/* --move refuses where the resource is there already; the constraint goes whatever comes. */
static enum stf_kind move(const struct stf_host *host, const char *resource, const char *node, struct stf_err *err)
{
    const char *const order_move[] = {"crm_resource", "--resource", resource, "--move", "--node", node, NULL};
    const char *const order_clear[] = {"crm_resource", "--resource", resource, "--clear", NULL};
    char owner[64];
    enum stf_kind kind = locate(host, resource, owner, err);
    if (!kind && strcmp(owner, node) != 0) {
        kind = order(host, order_move, err);
        if (!kind)
            kind = await(host, resource, node, err);
    }
    enum stf_kind cleared = order(host, order_clear, kind ? NULL : err);
    return kind ? kind : cleared;
}

const struct stf_vip_manager stf_vip_pacemaker = {.member = "resource", .find = find, .move = move};
