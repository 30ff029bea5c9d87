/* cmd_registry.h - what the verbs of `staffetta registry` share. Internal to cmd_registry*.c.
 * SPDX-License-Identifier: MIT */
#pragma once

#include "cli.h"
#include "registry/place.h"
#include "registry/reg_text.h"

/* The command line. `cli` has the options that all commands have, and the operands after the verb. */
struct stf_registry_cli {
    struct stf_cli cli;
    const char *verb;
    const char *host_name;           /* --host: a host of the site instead of a STORE */
    struct stf_registry_words words; /* mount, credentials, kerberos, of the STORE */
    const char *format;              /* --format, or NULL */
    const char *undo;                /* --undo RUN, or NULL */
    bool is_plan;
    bool is_recursive;
    bool is_hex;
    bool may_create;
    bool is_reg4;
    int used; /* operands taken so far */
};

/* The next operand, or NULL. */
const char *stf_registry_cli_next(struct stf_registry_cli *rc);
/* For operands that are left, or missing (`what`, as in the usage). */
int stf_registry_cli_usage(const struct stf_registry_cli *rc, const char *what);
/* Prints the error; the exit code says whether something is just absent. */
int stf_registry_cli_fail(const struct stf_registry_cli *rc, const struct stf_err *err);

/* One key of one store, as the change engine and the journal see it: a key of a host. For a STORE of the command line
 * the host is made up: its name is the store, and its `registry` has just that. */
struct stf_registry_target {
    struct stf_host host;
    void *binding;  /* the instance of stf_registry_binding that it is read and changed through */
    json_t *config; /* the host's, owned */
    char *name;
    char *site_name; /* "" for a STORE */
    char *site_dir;
    char *scratch; /* a folder that goes with the target, or NULL */
    char *key;
};

/* Takes STORE (but with --host) and `path` into account; NULL: the root of the store. Fini in either case. */
enum stf_kind stf_registry_target_init(struct stf_registry_target *target, const struct stf_registry_cli *rc,
                                       const char *store, const char *path, struct stf_err *err);
void stf_registry_target_fini(struct stf_registry_target *target);
/* *below points into the target's key. */
enum stf_kind stf_registry_target_open(const struct stf_registry_target *target, struct stf_registry **registry,
                                       const char **below, struct stf_err *err);

/* STORE (unless --host) and PATH off the operands. -1: go on, else the exit code. Fini the target in either case. */
int stf_registry_cli_target(struct stf_registry_cli *rc, struct stf_registry_target *target);

/* ---- cmd_registry_change.c: verbs that change something ---- */

/* One change that a verb wants. */
struct stf_registry_wish {
    const char *resource;
    json_t *id;    /* owned */
    json_t *after; /* owned */
};

/* Plans (--plan) or does all of the wishes as one run, and prints what came of it. Takes over the wishes' documents.
 * Gives the exit code. */
int stf_registry_cli_change(const struct stf_registry_cli *rc, const struct stf_registry_target *target,
                            struct stf_registry_wish *wishes, size_t count);
/* The present state of a resource: a new reference. */
enum stf_kind stf_registry_target_state(const struct stf_registry_target *target, const char *resource,
                                        const json_t *id, json_t **state, struct stf_err *err);

int stf_registry_cmd_set(struct stf_registry_cli *rc);
int stf_registry_cmd_delete(struct stf_registry_cli *rc);
int stf_registry_cmd_restore(struct stf_registry_cli *rc);
int stf_registry_cmd_snapshot(struct stf_registry_cli *rc);
int stf_registry_cmd_export(struct stf_registry_cli *rc);
int stf_registry_cmd_import(struct stf_registry_cli *rc);
/* Writes them to the file as .reg text, in the form that the options ask for. */
enum stf_kind stf_registry_print_edits(const struct stf_registry_cli *rc, const struct stf_reg_edits *edits,
                                       const char *file, struct stf_err *err);

/* ---- cmd_registry_diff.c ---- */

int stf_registry_cmd_diff(struct stf_registry_cli *rc);
int stf_registry_cmd_watch(struct stf_registry_cli *rc);
/* What one change of a plan does inside a key or a store, line by line; nothing for a lone value. */
void stf_registry_print_planned(const json_t *change);
