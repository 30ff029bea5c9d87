/* cmd_undo.c - carries armed undos out when they are due: what arming one starts, and what a host starts at boot.
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "common/doc.h"
#include "fleet/armed.h"
#include "runtime.h"

static int wait_for(const struct stf_cli *cli, const char *path)
{
    const struct stf_binding *bindings[STF_MAX_BINDINGS + 1] = {NULL};
    struct stf_err err;
    for (size_t i = 0; stf_builtin_bindings[i].binding; i++)
        bindings[i] = stf_builtin_bindings[i].binding;
    if (stf_armed_wait(path, bindings, &err) == STF_OK)
        return STF_EXIT_OK;
    stf_cli_error(cli, &err);
    return STF_EXIT_ERROR;
}

static int wait_for_all(const struct stf_cli *cli, const char *dir_path)
{
    DIR *dir = opendir(dir_path);
    int exit_code = STF_EXIT_OK;
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        const char *suffix = strrchr(entry->d_name, '.');
        char *path = suffix && strcmp(suffix, ".armed") == 0 ? stf_doc_path(dir_path, entry->d_name) : NULL;
        if (path && wait_for(cli, path) != STF_EXIT_OK)
            exit_code = STF_EXIT_ERROR;
        free(path);
    }
    if (dir)
        closedir(dir);
    return exit_code;
}

int stf_cmd_undo(int argc, char **argv)
{
    struct stf_cli cli;
    struct stat stat_;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1) {
        const char *path = cli.operand_count > 0 ? cli.operands[0] : STF_ARMED_DIR;
        bool is_dir = stat(path, &stat_) == 0 && S_ISDIR(stat_.st_mode);
        exit_code = is_dir || cli.operand_count == 0 ? wait_for_all(&cli, path) : wait_for(&cli, path);
    }
    stf_cli_fini(&cli);
    return exit_code;
}
