/* cmd_scripts_eject.c - bundled scripts that a site makes its own, and what has become of them since.
 * Must never write over a script of the site. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sha256.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd_scripts.h"
#include "common/process.h"
#include "whole_file.h"

/* The first line of an ejected script: what it was made of, and the hash of what follows as it was written. */
static const char origin_format[] = "-- Ejected from %s of staffetta %s: bundled %.16s, written %.16s\n";

enum { MAX_NAME = 64, SHA_TEXT = 65, SHA_DIGITS = 16, MAX_PATH = 4096 };

static void hash(const char *text, char digest[SHA_TEXT])
{
    SHA256Data((const uint8_t *)text, strlen(text), digest);
}

/* The bundled script, whatever the site and the machine have. */
static enum stf_kind find_bundled(struct stf_runtime *rt, const char *folder, const char *name,
                                  struct stf_script *script, struct stf_err *err)
{
    enum stf_kind kind = stf_loader_find(rt->loader, folder, name, script, err);
    while (kind == STF_OK && (strcmp(script->origin, "site") == 0 || strcmp(script->origin, "machine") == 0)) {
        const char *origin = script->origin;
        stf_script_fini(script);
        kind = stf_loader_find_after(rt->loader, origin, folder, name, script, err);
    }
    if (kind == STF_NOT_FOUND)
        stf_err_set(err, kind, 0, "scripts", name,
                    "there is no bundled script '%s' in %s; `staffetta scripts list` "
                    "shows what there is",
                    name, folder);
    return kind;
}

/* The bundled text as a site's own: a script that hides another one has to say so. malloc'ed; NULL: no memory. */
static char *as_own(const struct stf_script *bundled)
{
    char name_line[MAX_NAME + 16], overrides[MAX_NAME + 24], *text = NULL;
    snprintf(name_line, sizeof name_line, "\n  name = \"%.*s\",\n", MAX_NAME, bundled->name);
    snprintf(overrides, sizeof overrides, "  overrides = \"%.*s\",\n", MAX_NAME, bundled->name);
    const char *at = strstr(bundled->text, name_line);
    size_t front = at ? (size_t)(at - bundled->text) + strlen(name_line) : 0;
    if (asprintf(&text, "%.*s%s%s", (int)front, bundled->text, at ? overrides : "", bundled->text + front) < 0)
        return NULL;
    return text;
}

static enum stf_kind site_path(const struct stf_runtime *rt, const char *folder, const char *name, char path[MAX_PATH],
                               struct stf_err *err)
{
    if (!rt->site_dir)
        return stf_err_set(err, STF_NOT_FOUND, 0, "scripts", name, "there is no site: name its folder with --site");
    if (snprintf(path, MAX_PATH, "%s/%s/%s.lua", rt->site_dir, folder, name) >= MAX_PATH)
        return stf_err_set(err, STF_INVALID_DATA, 0, "scripts", name, "the path is too long");
    return STF_OK;
}

static enum stf_kind write_ejected(const char *path, const char *which, const struct stf_script *bundled,
                                   struct stf_err *err)
{
    char digest[SHA_TEXT], *own = as_own(bundled), folder[MAX_PATH];
    if (!own)
        return stf_err_set(err, STF_NO_MEMORY, 0, "eject", path, "not enough memory");
    hash(own, digest);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    umask(umask(0) | S_IWGRP | S_IWOTH); /* what others could write would not be loaded */
    FILE *file = mkdir(folder, 0755) == 0 || errno == EEXIST ? fopen(path, "wxe") : NULL;
    bool is_there = !file && errno == EEXIST;
    bool is_ok = file && fprintf(file, origin_format, which, stf_version(), bundled->sha256, digest) > 0 &&
                 fputs(own, file) >= 0;
    if (file && fclose(file) != 0)
        is_ok = false;
    free(own);
    if (is_there)
        return stf_err_set(err, STF_CONFLICT, 0, "eject", path,
                           "%s is there already and stays as it is; `staffetta scripts diff %s` shows how it differs",
                           path, which);
    return is_ok ? STF_OK : stf_err_errno(err, errno, "eject", path, "cannot write the script");
}

int stf_scripts_eject(const struct stf_cli *cli, struct stf_runtime *rt, const char *which)
{
    const char *kind_name, *name, *folder = stf_scripts_split(which, &kind_name, &name);
    if (!folder)
        return STF_EXIT_USAGE;
    char path[MAX_PATH];
    struct stf_err err;
    struct stf_script bundled = {0};
    enum stf_kind kind = find_bundled(rt, folder, name, &bundled, &err);
    if (kind == STF_OK)
        kind = site_path(rt, folder, name, path, &err);
    if (kind == STF_OK)
        kind = write_ejected(path, which, &bundled, &err);
    stf_script_fini(&bundled);
    if (kind != STF_OK) {
        stf_cli_error(cli, &err);
        return STF_EXIT_ERROR;
    }
    if (cli->is_json) {
        json_t *doc = json_pack("{s:s}", "path", path);
        stf_output_json(doc);
        json_decref(doc);
    } else {
        stf_output_text(stdout, path, false);
        printf("\nIt is the site's own now: after an upgrade, `staffetta scripts diff %s` tells who changed what\n",
               which);
    }
    return STF_EXIT_OK;
}

/* ---- diff ---- */

/* Who has changed it since it was ejected; *body is the site's script without the line that says where it came from. */
static const char *compare(const struct stf_script *bundled, const char *text, const char **body)
{
    char from[SHA_TEXT] = "", written[SHA_TEXT] = "", now[SHA_TEXT];
    *body = text;
    if (sscanf(text, "-- Ejected from %*s of staffetta %*[^:]: bundled %16[0-9a-f], written %16[0-9a-f]", from,
               written) != 2)
        return "not_ejected";
    *body = text + strcspn(text, "\n");
    *body += **body == '\n';
    hash(*body, now);
    bool is_ours = strncmp(from, bundled->sha256, SHA_DIGITS) != 0, is_yours = strncmp(written, now, SHA_DIGITS) != 0;
    if (is_ours)
        return is_yours ? "both_changed" : "ours_changed";
    return is_yours ? "yours_changed" : "same";
}

static const struct {
    const char *state, *words;
} states[] = {
    {"same", "the site's is as it was ejected, and so is the bundled one: nothing is lost by removing it"},
    {"yours_changed", "the site has changed it; the bundled one is as it was when it was ejected"},
    {"ours_changed", "the bundled one has changed since; the site's is as it was ejected: eject it anew"},
    {"both_changed", "the site has changed it, and so has the bundled one since it was ejected: carry them together"},
    {"not_ejected", "the site's was not ejected, so who changed what can not be told"},
};

static enum stf_kind run_diff(const char *path, const char *bundled, const char *body, char **difference,
                              struct stf_err *err)
{
    char temporary[] = "/tmp/staffetta-diff-XXXXXX";
    int fd = mkstemp(temporary);
    if (fd < 0)
        return stf_err_errno(err, errno, "diff", temporary, "cannot make a file to compare with");
    close(fd);
    enum stf_kind kind = stf_whole_file_write(temporary, bundled, strlen(bundled), err);
    struct stf_process_result result = {0};
    const char *argv[] = {"diff", "-u", "--label", "bundled", "--label", path, temporary, "-", NULL};
    const struct stf_process_id id = {.argv = argv, .input = body, .input_size = strlen(body), .timeout_ms = 30000};
    if (kind == STF_OK) {
        kind = stf_process_run(&id, &result, err);
        if (kind == STF_OK && result.exit_code > 1) /* 0 and 1 tell whether there is a difference */
            kind = stf_err_set(err, STF_IO, result.exit_code, "diff", path, "diff can not compare them: %.300s",
                               result.errors);
        *difference = kind == STF_OK ? strdup(result.output) : NULL;
        stf_process_result_fini(&result);
    }
    unlink(temporary);
    return kind;
}

static void print_difference(const struct stf_cli *cli, const char *state, const char *difference)
{
    if (cli->is_json) {
        json_t *doc = json_pack("{s:s, s:s}", "state", state, "diff", difference);
        stf_output_json(doc);
        json_decref(doc);
        return;
    }
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i].state, state) == 0)
            puts(states[i].words);
    stf_output_text(stdout, difference, true);
}

int stf_scripts_diff(const struct stf_cli *cli, struct stf_runtime *rt, const char *which)
{
    const char *kind_name, *name, *folder = stf_scripts_split(which, &kind_name, &name);
    if (!folder)
        return STF_EXIT_USAGE;
    char path[MAX_PATH], *text = NULL, *own = NULL, *difference = NULL;
    size_t size;
    struct stf_err err;
    struct stf_script bundled = {0};
    int exit_code = STF_EXIT_ERROR;
    enum stf_kind kind = find_bundled(rt, folder, name, &bundled, &err);
    if (kind == STF_OK)
        kind = site_path(rt, folder, name, path, &err);
    if (kind == STF_OK)
        kind = stf_whole_file_read(path, &text, &size, &err);
    if (kind == STF_OK && !(own = as_own(&bundled)))
        kind = stf_err_set(&err, STF_NO_MEMORY, 0, "diff", path, "not enough memory");
    if (kind == STF_OK) {
        const char *body, *state = compare(&bundled, text, &body);
        kind = run_diff(path, own, body, &difference, &err);
        if (kind == STF_OK) {
            print_difference(cli, state, difference ? difference : "");
            exit_code = difference && *difference ? STF_EXIT_PENDING : STF_EXIT_OK;
        }
    }
    if (kind != STF_OK)
        stf_cli_error(cli, &err);
    free(difference);
    free(own);
    free(text);
    stf_script_fini(&bundled);
    return exit_code;
}
