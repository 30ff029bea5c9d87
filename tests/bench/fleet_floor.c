/* fleet_floor.c - the floor under a fleet: what libssh alone needs to have `true` run on many hosts, threads side by
 * side as in the program. Measures only. SPDX-License-Identifier: MIT
 * Usage: fleet_floor CONFIG FIRST_PORT COUNT */
#include <libssh/libssh.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct host {
    pthread_t thread;
    const char *config;
    unsigned port;
    int is_ok;
};

static void *run_true(void *data)
{
    struct host *host = data;
    char byte;
    ssh_session ssh = ssh_new();
    ssh_options_set(ssh, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_parse_config(ssh, host->config);
    ssh_options_set(ssh, SSH_OPTIONS_PORT, &host->port);
    if (ssh_connect(ssh) == SSH_OK && ssh_session_is_known_server(ssh) == SSH_KNOWN_HOSTS_OK &&
        ssh_userauth_publickey_auto(ssh, NULL, NULL) == SSH_AUTH_SUCCESS) {
        ssh_channel channel = ssh_channel_new(ssh);
        host->is_ok = ssh_channel_open_session(channel) == SSH_OK &&
                      ssh_channel_request_exec(channel, "true") == SSH_OK &&
                      ssh_channel_read(channel, &byte, 1, 0) == 0 && ssh_channel_get_exit_status(channel) == 0;
        ssh_channel_free(channel);
    }
    ssh_disconnect(ssh);
    ssh_free(ssh);
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc == 4 ? atoi(argv[3]) : 0, failed = 0;
    struct host *hosts = calloc((size_t)count + 1, sizeof *hosts);
    for (int i = 0; hosts && i < count; i++) {
        hosts[i] = (struct host){.config = argv[1], .port = (unsigned)(atoi(argv[2]) + i)};
        pthread_create(&hosts[i].thread, NULL, run_true, &hosts[i]);
    }
    for (int i = 0; hosts && i < count; i++) {
        pthread_join(hosts[i].thread, NULL);
        failed += !hosts[i].is_ok;
    }
    free(hosts);
    if (failed || count == 0)
        fprintf(stderr, "fleet_floor: %d of %d hosts failed\n", failed, count);
    return failed || count == 0;
}
