/* loader.h - where scripts come from: the site's folder, /etc/staffetta, the program itself, in that order. Reads
 * text; never runs it. SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <staffetta/err.h>

struct stf_loader;

/* One script as found. */
struct stf_script {
    char *folder;       /* "playbooks", "policies", "checks", "lib" */
    char *name;         /* "rollout" */
    const char *origin; /* "site", "machine", "bundled", "tree" */
    char *path;         /* a file, or "playbooks/rollout.lua" for a bundled one; Lua's chunk name is "@" + path */
    char *text;
    size_t size;
    char sha256[65];
    bool is_shadowing; /* a later place has a script of this name too */
};

/* `site_dir` and `tree_dir` may be NULL; with a tree the bundled scripts are read from there. NULL: memory is out. */
struct stf_loader *stf_loader_new(const char *site_dir, const char *tree_dir);
void stf_loader_free(struct stf_loader *loader);

/* The first script of that name. STF_NOT_FOUND lists where it was looked for; STF_DENIED for a file that others than
 * root and the present user could have written. Fini the script in either case. */
enum stf_kind stf_loader_find(struct stf_loader *loader, const char *folder, const char *name,
                              struct stf_script *script, struct stf_err *err);
/* The same, from the place after the one that `origin` names: what a site's script shadows. */
enum stf_kind stf_loader_find_after(struct stf_loader *loader, const char *origin, const char *folder, const char *name,
                                    struct stf_script *script, struct stf_err *err);
void stf_script_fini(struct stf_script *script);

/* The text of one file, 1 MiB at most: malloc'ed, a NUL follows, NULL after an error. STF_DENIED as above; what is not
 * there is the error of opening it. */
enum stf_kind stf_script_read(const char *path, char **text, size_t *size, struct stf_err *err);

/* The names of all scripts in `folder`, sorted, each once: a NULL-ended array to be freed with stf_loader_free_names.
 */
char **stf_loader_names(struct stf_loader *loader, const char *folder);
void stf_loader_free_names(char **names);
