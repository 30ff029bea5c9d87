/* cmd_takeover.c - `staffetta takeover`, for the notify scripts of cluster managers: no site, no script, no journal,
 * since every millisecond of it is an outage. SPDX-License-Identifier: MIT */
#include <getopt.h>

#include "cli.h"
#include "ipsec/takeover.h"
#include "vip/sessions.h"

const char stf_takeover_help[] =
    "Run by keepalived's notify_master when this node has got the address: drops what is stale of Staffetta's\n"
    "connections from ADDRESS and negotiates them anew; with --let-go (notify_backup, notify_fault) drops them only,\n"
    "and ends the TCP connections that the node had from ADDRESS.\n"
    "  --vici PATH   charon's socket (default /run/charon.vici)\n";

struct request {
    struct stf_cli cli;
    const char *socket_path; /* of --vici */
    bool lets_go;            /* of --let-go */
};

static int take_option(void *user, int option, const char *name)
{
    struct request *request = user;
    (void)name;
    switch (option) {
    case 'v':
        request->socket_path = optarg;
        return -1;
    case 'l':
        request->lets_go = true;
        return -1;
    default:
        stf_command_help(stf_command_find("takeover"), stdout);
        return STF_EXIT_OK;
    }
}

int stf_cmd_takeover(int argc, char **argv)
{
    static const struct option options[] = {{"vici", required_argument, NULL, 'v'},
                                            {"let-go", no_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    struct request request = {.cli.command = "takeover", .socket_path = "/run/charon.vici"};
    struct stf_err err;
    int exit_code = stf_cli_options(&request.cli, argc, argv, ":", options, take_option, &request);
    if (exit_code != -1)
        return exit_code;
    if (request.cli.operand_count != 1)
        return stf_cli_usage_value("takeover", "ADDRESS", "one address", request.cli.operands[0]);
    const char *address = request.cli.operands[0];
    enum stf_kind kind = stf_strongswan_take_over(request.socket_path, address, request.lets_go, &err);
    if (kind == STF_OK && request.lets_go)
        kind = stf_sessions_end_of(address, &err);
    if (kind == STF_OK)
        return STF_EXIT_OK;
    stf_cli_error(&request.cli, &err);
    return STF_EXIT_FAILED;
}
