/* lab.h - the lab: a site's hosts as network namespaces on one machine, with real IPsec daemons and real servers.
 * Ends only what it started; everything it makes at run time lies below /run/staffetta-lab/NAME.
 * SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include <staffetta/err.h>

#define STF_LAB_ROOT "/run/staffetta-lab"

struct stf_lab_options {
    const json_t *site;                                /* the site document */
    const char *site_dir;                              /* relative paths in it start here */
    const char *self_path;                             /* the program that runs `lab responder`, absolute */
    pid_t owner_pid;                                   /* the lab ends when this process does; 0: nobody owns it */
    void (*progress)(void *context, const char *line); /* a line for a person, or NULL */
    void *context;
};

/* Builds the lab and returns when it is complete; a guardian process stays behind, holds it, and takes it down when it
 * is told to, when its owner ends, or when the caller ends before the lab is complete. On failure nothing is left.
 * `*was_up` (may be NULL) tells that the lab stood already and nothing was done. STF_BUSY: somebody else is building
 * it or taking it down now. Call it from a process with one thread: it forks without exec. */
enum stf_kind stf_lab_up(const struct stf_lab_options *options, bool *was_up, struct stf_err *err);

/* Takes the lab down, or sweeps what a killed guardian left. Idempotent: with no such lab, `*was_up` (may be NULL) is
 * false. Ends what was started inside the lab too, except the calling process and its ancestors. */
enum stf_kind stf_lab_down(const char *name, bool *was_up, struct stf_err *err);

/* What stands, as a new document:
 * { name, phase: "building"|"up"|"dead", esp: "kernel"|"userland", in_vm, run_dir, switch,
 *   guardian: { pid, is_alive }, owner_pid?,
 *   hosts: [{ name, role, netns, address, interface, vici?, conf_dir?, charon_conf? }],
 *   daemons: [{ host, name, pid, is_alive, log }],
 *   clusters: [{ name, virtual_ip, nodes, holders: [host] }],
 *   hives: [{ host, mount, path }], look: [command] }
 * STF_NOT_FOUND when there is no lab of that name. */
enum stf_kind stf_lab_status(const char *name, json_t **status, struct stf_err *err);

/* A fault of one host, `words` ended by NULL: "latency" "20ms", "loss" "5%" (or both, on what reaches the host), "cut"
 * (its cable), "kill" DAEMON; "clear" ends all of them and starts the daemons of the lab that have ended.
 * STF_UNSUPPORTED: latency and loss need a kernel with netem. All of it goes with the lab. */
enum stf_kind stf_lab_fault(const char *name, const char *host, const char *const words[], struct stf_err *err);

/* The names of all labs that have left a trace on this machine, as a new array. */
enum stf_kind stf_lab_list(json_t **names, struct stf_err *err);

/* Replaces the calling process by `argv` (ended by NULL) in the namespace of `host`, with STAFFETTA_LAB,
 * STAFFETTA_LAB_HOST and, on a host with IPsec, STRONGSWAN_CONF set. Returns only when that failed. */
enum stf_kind stf_lab_exec(const char *name, const char *host, const char *const argv[], struct stf_err *err);
