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

int stf_cmd_takeover(int argc, char **argv)
{
    static const struct option options[] = {{"vici", required_argument, NULL, 'v'},
                                            {"let-go", no_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *socket_path = "/run/charon.vici";
    struct stf_err err;
    bool lets_go = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'h') {
            stf_command_help(stf_command_find("takeover"), stdout);
            return STF_EXIT_OK;
        }
        if (option == '?')
            return STF_EXIT_USAGE;
        lets_go = lets_go || option == 'l';
        if (option == 'v')
            socket_path = optarg;
    }
    if (optind != argc - 1)
        return stf_cli_usage_error("takeover", "takeover expects one address");
    enum stf_kind kind = stf_strongswan_take_over(socket_path, argv[optind], lets_go, &err);
    if (kind == STF_OK && lets_go)
        kind = stf_sessions_end_of(argv[optind], &err);
    if (kind == STF_OK)
        return STF_EXIT_OK;
    fprintf(stderr, "staffetta: %s\n", err.message);
    return STF_EXIT_FAILED;
}
