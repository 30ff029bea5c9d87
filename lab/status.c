/* status.c - what stands of a lab: the state document, held against the processes and addresses that are there.
 * Must never change anything. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine/machine.h"
#include "parts.h"

/* An identity becomes an answer: start_ticks goes, is_alive comes. */
static void judge_process(json_t *object)
{
    bool is_alive = stf_lab_process_is(object);
    json_object_del(object, "start_ticks");
    json_object_set_new(object, "is_alive", json_boolean(is_alive));
}

static void add_holders(const json_t *status, json_t *cluster)
{
    size_t i;
    json_t *node, *holders = json_array();
    json_array_foreach (json_object_get(cluster, "nodes"), i, node) {
        bool holds = false;
        const char *netns = stf_lab_text(stf_lab_host(status, json_string_value(node)), "netns");
        if (netns && stf_lab_holds_address(netns, stf_lab_text(cluster, "virtual_ip"), &holds, NULL) == STF_OK && holds)
            json_array_append(holders, node);
    }
    json_object_set_new(cluster, "holders", holders);
}

/* ---------- commands to look with ---------- */

static void add_command(json_t *look, const char *prefix, const char *subject, const char *rest)
{
    char *command;
    if (asprintf(&command, "%s%s%s", prefix, subject, rest) < 0)
        return;
    json_array_append_new(look, json_string(command));
    free(command);
}

static json_t *commands(const json_t *status)
{
    size_t i;
    json_t *host, *hive, *look = json_array();
    json_array_foreach (json_object_get(status, "hosts"), i, host)
        if (stf_lab_text(host, "vici"))
            add_command(look, "swanctl --list-sas --uri unix://", stf_lab_text(host, "vici"), "");
    json_array_foreach (json_object_get(status, "hosts"), i, host)
        add_command(look, "ip netns exec ", stf_lab_text(host, "netns"), " ip -brief address");
    add_command(look, "ip netns exec ", stf_lab_text(status, "switch"),
                " tcpdump -nni br0 'esp or udp port 4500 or tcp port 110 or tcp port 143 or tcp port 80'");
    json_array_foreach (json_object_get(status, "hives"), i, hive)
        add_command(look, "hivexsh ", stf_lab_text(hive, "path"), "");
    return look;
}

enum stf_kind stf_lab_status(const char *name, json_t **status, struct stf_err *err)
{
    size_t i;
    json_t *item;
    enum stf_kind kind = stf_lab_state_load(name, status, err);
    if (kind)
        return kind;

    json_t *guardian = json_object_get(*status, "guardian");
    judge_process(guardian);
    if (!json_is_true(json_object_get(guardian, "is_alive")))
        json_object_set_new(*status, "phase", json_string("dead"));
    json_array_foreach (json_object_get(*status, "daemons"), i, item)
        judge_process(item);
    json_array_foreach (json_object_get(*status, "clusters"), i, item)
        add_holders(*status, item);
    json_object_set_new(*status, "in_vm", json_boolean(access(STF_MACHINE_MARK, F_OK) == 0));
    json_object_del(*status, "made");
    json_object_del(*status, "restarts");
    json_object_set_new(*status, "look", commands(*status));
    return STF_OK;
}
