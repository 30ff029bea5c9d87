/* staffetta.h - Staffetta as a library: open a runtime on a site, add a binding of your own, run a playbook, close.
 * One runtime belongs to one thread. Documents are jansson's json_t. SPDX-License-Identifier: MIT */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include <staffetta/binding.h>
#include <staffetta/err.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STF_API_VERSION 1 /* of scripts: the `api` that a script states */

struct stf_runtime;
struct stf_prompt;

/* Zero or NULL takes the default. All strings are copied. */
struct stf_runtime_options {
    const char *site_dir;      /* the operator's folder with site.lua; NULL: no site, only bundled scripts */
    const char *state_dir;     /* the journal's folder; default /var/lib/staffetta */
    const char *scripts_dir;   /* developers: read the bundled scripts from this tree instead of the program */
    size_t memory_limit_bytes; /* of all scripts of a run; default 256 MiB */
    int64_t instruction_limit; /* of a script between two waits; default 200 million */
};

/* Opens a runtime; the site file is read when it is first needed. On failure *runtime is NULL. */
enum stf_kind stf_runtime_open(const struct stf_runtime_options *options, struct stf_runtime **runtime,
                               struct stf_err *err);

/* Adds a binding beside the built-in ones. Scripts see it as host.<name>: each verb as a method that takes one table,
 * each resource through host.<name>:read(resource, id) and host.<name>:change(resource, id, state), which are planned,
 * journalled and undone like any other change. `binding` must outlive the runtime. STF_CONFLICT: the name is taken. */
enum stf_kind stf_runtime_add_binding(struct stf_runtime *runtime, const struct stf_binding *binding,
                                      struct stf_err *err);

enum stf_run_mode {
    STF_RUN_APPLY, /* do it */
    STF_RUN_PLAN,  /* the same script run dry: changes are collected, nothing is written */
};

/* What is to become of a run at a gate that could not tell. */
enum stf_answer {
    STF_ANSWER_ROLLBACK, /* put everything back */
    STF_ANSWER_CONTINUE, /* go on, at the person's own risk */
    STF_ANSWER_HOLD,     /* end here, and leave everything as it is */
};

struct stf_run_options {
    const char *playbook;
    enum stf_run_mode mode;
    const json_t *params; /* object; values may be strings as typed on a command line. NULL: defaults */
    const char *limit;  /* only these hosts of the site: names, shell patterns, groups (docs/inventory.md). NULL: all */
    const json_t *plan; /* the "plan" of an earlier report: playbook, params and limit are its, and exactly its changes
                           are made. When anything has drifted since, nothing is touched and the state is "refused" */
    int64_t resume;     /* goes on with this run of the journal, which was interrupted or held: playbook and params
                           are its; the state is "refused" when its scripts or the site have changed */
    int64_t forks;      /* how many hosts are worked on at once; 0: as site.lua says */
    /* Called on the runtime's thread as things happen: {"event":"step", ...}; docs/events.md lists them. May be NULL.
     * The document is borrowed. */
    void (*on_event)(void *user, const json_t *event);
    /* Called on the runtime's thread when a gate is unknown: {"gate","reason"}. NULL: nobody is there to ask, and the
     * answer is STF_ANSWER_ROLLBACK. */
    enum stf_answer (*on_question)(void *user, const json_t *question);
    /* Called on the runtime's thread about five times a second while the run waits for hosts. May be NULL. */
    void (*on_tick)(void *user);
    void *user;           /* of all three */
    bool handles_signals; /* SIGINT, SIGTERM and SIGHUP end the run safely: what it changed is put back */
    /* Of the program's own `repl`; else NULL. */
    const struct stf_prompt *prompt;
};

/* Runs a playbook to its end. STF_OK means that there is a report (a new reference), also of a run that failed: read
 * its "state" ("done", "failed", "rolled_back", "held", "needs_human", "refused") and "verdict" ("pass", "fail",
 * "unknown"). Any other kind means that nothing was begun: no such playbook, wrong parameters, site or journal
 * unusable. */
enum stf_kind stf_runtime_run(struct stf_runtime *runtime, const struct stf_run_options *options, json_t **report,
                              struct stf_err *err);

/* Closes; NULL is legal. */
void stf_runtime_close(struct stf_runtime *runtime);

/* "0.1.0" */
const char *stf_version(void);

#ifdef __cplusplus
}
#endif
