/* parts.h - what the lab's files share with each other; nobody else includes it.
 *
 * The state document (STF_LAB_ROOT/NAME/lab.json) is the site's part that the lab stands for, in a form without
 * defaults and relative paths, plus what was started and made. It is written before the thing it names is made, so that
 * whoever finds it can sweep. SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "lab.h"

/* A lab in the hands of its guardian. */
struct stf_lab {
    json_t *state;
    const char *run_dir; /* points into state */
    const char *self_path;
    int lock_fd;       /* of the run folder: see stf_lab_lock */
    int up_fd;         /* to the process that ordered the lab; -1 once the lab is complete */
    int owner_fd;      /* pidfd of the owner, or -1 */
    int signal_fd;     /* SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1 */
    bool must_restart; /* told to start the daemons that have ended */
    bool must_end;     /* told to, or left by maker or owner */
    pid_t asker;       /* who told the guardian to end, or 0 */
};

/* The switch's port of the host at this place of the state's list, from 1. */
#define STF_LAB_PORT "port%zu"

/* ---------- plan.c: the site document -> the state document ---------- */

enum stf_kind stf_lab_plan(const json_t *site, const char *site_dir, json_t **state, struct stf_err *err);

/* STF_INVALID_DATA unless `name` is 1 to 24 of a-z, 0-9 and '-': it becomes part of paths and namespaces. */
enum stf_kind stf_lab_check_name(const char *name, const char *what, struct stf_err *err);

/* The string member `key` of `object`, or NULL. */
const char *stf_lab_text(const json_t *object, const char *key);

/* The host of this name in a document of the lab, state or status; borrowed, or NULL. */
json_t *stf_lab_host(const json_t *document, const char *name);

/* ---------- state.c ---------- */

enum stf_kind stf_lab_state_save(const json_t *state, struct stf_err *err);
/* STF_NOT_FOUND when the folder has no state document; STF_INVALID_DATA for what can be no lab's name. */
enum stf_kind stf_lab_state_load(const char *name, json_t **state, struct stf_err *err);

/* ---------- lock.c ---------- */

/* Opens the run folder and takes its lock; closing `*fd` lets go. A folder that was removed meanwhile does not count.
 * STF_BUSY: somebody has the lock. STF_NOT_FOUND: there is no folder, and `make` is false. */
enum stf_kind stf_lab_lock(const char *name, bool make, int *fd, struct stf_err *err);
/* The empty run folder goes, and the root when no lab is left in it. */
void stf_lab_remove_run_dir(const char *name);
/* Sweeps what a dead lab left in the folder that the caller has locked. `*was_there`: there was a lab. */
enum stf_kind stf_lab_sweep_locked(const char *name, bool *was_there, struct stf_err *err);
/* Locks, sweeps, and removes the folder. STF_BUSY when the lab is alive; STF_OK when there is none. */
enum stf_kind stf_lab_sweep_dead(const char *name, bool *was_there, struct stf_err *err);

/* ---------- files.c ---------- */

/* Writes the whole file or nothing (a temporary file beside it, then rename). */
enum stf_kind stf_lab_write_file(const char *path, const void *bytes, size_t size, mode_t mode, struct stf_err *err);
/* mkdir -p. The topmost folder that it makes outside the lab's run folder is noted in the state first. */
enum stf_kind stf_lab_make_dir(json_t *state, const char *path, struct stf_err *err);
enum stf_kind stf_lab_make_parent_dir(json_t *state, const char *path, struct stf_err *err);
/* Notes that the lab is about to make `path`; a no-op for a path below the run folder. */
enum stf_kind stf_lab_note_made(json_t *state, const char *path, struct stf_err *err);
/* Removes all below `path` and, unless `keep_top`, `path` too. Never follows a link or crosses a mount. */
enum stf_kind stf_lab_remove_tree(const char *path, bool keep_top, struct stf_err *err);

/* ---------- template.c ---------- */

struct stf_lab_value {
    const char *name; /* NODE for @NODE@ */
    const char *value;
};

/* The embedded template `name` with each @NAME@ replaced; values are ended by a NULL name. STF_INVALID_DATA for a
 * placeholder that has no value. `*text` is malloc'ed. */
enum stf_kind stf_lab_template(const char *name, const struct stf_lab_value values[], char **text, struct stf_err *err);
/* The same on a text at hand. */
enum stf_kind stf_lab_substitute(const char *source, const struct stf_lab_value values[], char **text,
                                 struct stf_err *err);

/* ---------- network.c ---------- */

/* Fails with STF_CONFLICT when one of the lab's namespaces is there already. */
enum stf_kind stf_lab_network_check(const json_t *state, struct stf_err *err);
enum stf_kind stf_lab_network_up(const struct stf_lab *lab, struct stf_err *err);
enum stf_kind stf_lab_virtual_ips_up(const struct stf_lab *lab, struct stf_err *err);
enum stf_kind stf_lab_network_down(const json_t *state, struct stf_err *err);
/* Whether `address` stands on an interface of the namespace. */
enum stf_kind stf_lab_holds_address(const char *netns, const char *address, bool *holds, struct stf_err *err);
/* Whether this kernel can do ESP: tried in a namespace that is gone afterwards. */
enum stf_kind stf_lab_has_kernel_esp(bool *has, struct stf_err *err);

/* ---------- spawn.c ---------- */

struct stf_lab_child {
    const char *const *argv;        /* ended by NULL */
    const char *netns;              /* or NULL: the guardian's own */
    const char *const *environment; /* name, value, name, value, ... ended by a NULL name; or NULL */
    int input_fd;                   /* -1: nothing to read */
    int output_fd;                  /* for standard output and standard error */
    bool keeps_lock;                /* the lab counts as held as long as the child runs */
};

/* Starts a child in a session of its own; it is killed when the guardian dies. */
enum stf_kind stf_lab_spawn(const struct stf_lab *lab, const struct stf_lab_child *child, pid_t *pid,
                            struct stf_err *err);
/* Runs a program that ends soon and must not fail. It keeps the lock, so that nobody sweeps while it is at work. */
enum stf_kind stf_lab_run_helper(const struct stf_lab *lab, const char *const argv[], const char *netns, int input_fd,
                                 struct stf_err *err);

/* ---------- daemons.c ---------- */

struct stf_lab_daemon {
    const json_t *host;         /* of the state document */
    const char *name;           /* "charon" */
    const char *const *argv;    /* ended by NULL */
    const char *environment[2]; /* one more variable and its value, or NULLs */
};

/* Starts it in the host's namespace and notes it in the state; does nothing when it runs already. Its output goes to
 * RUN_DIR/HOST/NAME.out. */
enum stf_kind stf_lab_start(struct stf_lab *lab, const struct stf_lab_daemon *daemon, struct stf_err *err);
/* Waits until a TCP port of the host answers: with its first byte when `speaks_first`, else by accepting. */
enum stf_kind stf_lab_await_port(struct stf_lab *lab, const char *netns, uint16_t port, bool speaks_first,
                                 struct stf_err *err);
/* Waits until the daemon behind the VICI socket answers a version request. */
enum stf_kind stf_lab_await_vici(struct stf_lab *lab, const char *socket_path, struct stf_err *err);

/* ---------- hosts.c, hive.c ---------- */

enum stf_kind stf_lab_secrets_make(struct stf_lab *lab, struct stf_err *err);
/* Starts everything, then waits for everything. */
enum stf_kind stf_lab_hosts_up(struct stf_lab *lab, struct stf_err *err);
/* Makes the registry hives that are not there yet. */
enum stf_kind stf_lab_hives_make(struct stf_lab *lab, struct stf_err *err);

/* ---------- keepalived.c ---------- */

bool stf_lab_has_keepalived(const json_t *cluster);
/* Starts it on the nodes of the clusters that have it, and waits until their first nodes hold the address. */
enum stf_kind stf_lab_keepalived_up(struct stf_lab *lab, struct stf_err *err);

/* ---------- processes.c ---------- */

/* When the process started, in clock ticks since boot: with the pid, its identity. False when it is gone or a zombie.
 */
bool stf_lab_process_start(pid_t pid, int64_t *start_ticks);
/* Whether the process that `object` names by its members pid and start_ticks is still there. */
bool stf_lab_process_is(const json_t *object);
/* A pidfd of that process, and never of another one that got its pid; -1 when it is gone. */
int stf_lab_process_open(const json_t *object);
/* Ends (SIGKILL) the daemons in the state, their descendants, and what `lab exec` started in the lab's namespaces;
 * spares `spared` and its ancestors. Returns when they are gone. */
enum stf_kind stf_lab_end_processes(const json_t *state, pid_t spared, struct stf_err *err);

/* ---------- guardian.c ---------- */

/* The guardian's life; ends the process. `up_fd` is a SOCK_SEQPACKET socket to stf_lab_up. It sends {"step": line} and
 * then {"was_up": true}, {"error": {...}} or {"ready": true}; the last wants one byte as answer. */
_Noreturn void stf_lab_guard(json_t *state, const char *self_path, int up_fd, int owner_fd);
/* Waits, at most `wait_ms`, and reaps. STF_IO with the reason when the lab has to end, or a daemon has ended,
 * meanwhile. */
enum stf_kind stf_lab_pause(struct stf_lab *lab, int wait_ms, struct stf_err *err);
/* Ends processes, removes namespaces, files and the content of the run folder: all that the state names. */
enum stf_kind stf_lab_sweep(const json_t *state, pid_t spared, struct stf_err *err);
