/* vici_load.c - what vici_load.sh times: writes connection files, loads them as the program does, and measures round
 * trips to a charon. SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "ipsec/durable.h"
#include "ipsec/strongswan.h"

/* Connection number `i` of a node towards a front end. It permits: no trap, so that the kernel has no part in it. */
static json_t *document(int i)
{
    char remote[32], id[32];
    snprintf(remote, sizeof remote, "10.%d.%d.%d", 100 + i / 62500, i / 250 % 250, i % 250 + 1);
    snprintf(id, sizeof id, "fe%d", i);
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:[i, i]}], s:s, s:s, s:[s], s:[s], s:s, s:i}", "version",
                     2, "local_address", "10.9.0.1", "remote_address", remote, "local_id", "mail", "remote_id", id,
                     "side", "server", "traffic", "protocol", "tcp", "ports", 110, 143, "mode", "transport", "action",
                     "permit", "ike_proposals", "aes128gcm16-prfsha256-x25519", "esp_proposals", "aes128gcm16",
                     "initiate", "never", "dpd_delay_ms", 1000);
}

static enum stf_kind render(int i, json_t **made, json_t **tree, char name[static 64], struct stf_err *err)
{
    const struct stf_ipsec_engine engine = {.is_userland = false};
    snprintf(name, 64, "staffetta-bench-%05d", i);
    *made = document(i);
    return stf_connection_render(name, *made, &engine, tree, err);
}

static enum stf_kind write_files(const char *dir, int count, struct stf_err *err)
{
    struct stf_durable files;
    enum stf_kind kind = stf_durable_open(&files, dir, true, err);
    for (int i = 0; i < count && !kind; i++) {
        char name[64], file[80];
        json_t *made = NULL, *tree = NULL;
        kind = render(i, &made, &tree, name, err);
        char *text = kind ? NULL : stf_connection_file_text(made, tree);
        snprintf(file, sizeof file, "%s.conf", name);
        if (!kind)
            kind = stf_durable_write(&files, file, text, err);
        free(text);
        json_decref(tree);
        json_decref(made);
    }
    stf_durable_close(&files);
    return kind;
}

static enum stf_kind reload(const char *socket, const char *dir, struct stf_err *err)
{
    json_t *config = json_pack("{s:{s:s, s:s}}", "ipsec", "vici", socket, "conf_dir", dir), *outcome = NULL;
    const struct stf_host host = {.name = "bench", .config = config, .site_dir = "/"};
    enum stf_kind kind = stf_strongswan_reload(&host, &outcome, err);
    if (!kind)
        printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(json_object_get(outcome, "connections")));
    json_decref(outcome);
    json_decref(config);
    return kind;
}

/* The same commands without files: all in flight, or each after the answer to the last one. */
static enum stf_kind load(const char *socket, int count, bool is_pipelined, struct stf_err *err)
{
    struct stf_vici_client *client = NULL;
    struct stf_vici_message *messages = calloc((size_t)count, sizeof *messages);
    struct stf_vici_call *calls = calloc((size_t)count, sizeof *calls);
    enum stf_kind kind = stf_vici_open(socket, 1000, &client, err);
    for (int i = 0; i < count && !kind; i++) {
        char name[64];
        json_t *made = NULL, *tree = NULL;
        kind = render(i, &made, &tree, name, err);
        if (!kind)
            stf_vici_add_tree(&messages[i], tree);
        calls[i] = (struct stf_vici_call){.command = "load-conn", .message = &messages[i]};
        json_decref(tree);
        json_decref(made);
    }
    if (!kind && is_pipelined)
        kind = stf_vici_pipeline(client, calls, (size_t)count, NULL, NULL, 5000, err);
    for (int i = 0; i < count && !kind && !is_pipelined; i++)
        kind = stf_vici_request(client, "load-conn", &messages[i], 5000, &calls[i].answer, err);
    for (int i = 0; i < count; i++) {
        if (!kind)
            kind = stf_vici_check_success(calls[i].answer, "load-conn", "bench", err);
        json_decref(calls[i].answer);
        stf_vici_message_fini(&messages[i]);
    }
    stf_vici_close(client);
    free(messages);
    free(calls);
    return kind;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum stf_kind round_trips(const char *socket, int count, struct stf_err *err)
{
    struct stf_vici_client *client = NULL;
    int64_t *times_ns = calloc((size_t)count, sizeof *times_ns);
    enum stf_kind kind = stf_vici_open(socket, 1000, &client, err);
    for (int i = 0; i < count && !kind; i++) {
        json_t *answer = NULL;
        int64_t began_ns = stf_clock_ns();
        kind = stf_vici_request(client, "version", NULL, 1000, &answer, err);
        times_ns[i] = stf_clock_ns() - began_ns;
        json_decref(answer);
    }
    stf_vici_close(client);
    if (!kind) {
        qsort(times_ns, (size_t)count, sizeof *times_ns, compare);
        printf("version, one round trip: p50 %.3f ms, p99 %.3f ms (%d of them)\n", (double)times_ns[count / 2] / 1e6,
               (double)times_ns[count * 99 / 100] / 1e6, count);
    }
    free(times_ns);
    return kind;
}

int main(int argc, char **argv)
{
    struct stf_err err = {.kind = STF_INVALID_DATA,
                          .message = "usage: write DIR N | reload SOCKET DIR | "
                                     "pipeline|serial|round-trips SOCKET N"};
    enum stf_kind kind = STF_INVALID_DATA;
    if (argc == 4 && strcmp(argv[1], "write") == 0)
        kind = write_files(argv[2], atoi(argv[3]), &err);
    else if (argc == 4 && strcmp(argv[1], "reload") == 0)
        kind = reload(argv[2], argv[3], &err);
    else if (argc == 4 && (strcmp(argv[1], "pipeline") == 0 || strcmp(argv[1], "serial") == 0))
        kind = load(argv[2], atoi(argv[3]), argv[1][0] == 'p', &err);
    else if (argc == 4 && strcmp(argv[1], "round-trips") == 0)
        kind = round_trips(argv[2], atoi(argv[3]), &err);
    if (kind)
        fprintf(stderr, "vici_load: %s\n", err.message);
    return kind ? 1 : 0;
}
