/* cmd_docs.c - the reference of the script API, from the *.meta.lua files that are part of the program.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "common/doc.h"
#include "embedded.h"
#include "run.h"
#include "whole_file.h"

extern const struct stf_embedded stf_meta_files[];

const char stf_docs_help[] =
    "NAME is a module (ipsec), a type (site_file) or a function (ipsec:initiate). Without one: what there is.\n";

/* "bindings/ipsec/ipsec.meta.lua" -> "ipsec.meta.lua" */
static const char *file_name(const struct stf_embedded *file)
{
    return strrchr(file->name, '/') + 1;
}

static enum stf_kind write_file(const char *dir, const struct stf_embedded *file, struct stf_err *err)
{
    char *path = stf_doc_path(dir, file_name(file));
    enum stf_kind kind = path ? stf_whole_file_write(path, file->bytes, file->size, err)
                              : stf_err_set(err, STF_NO_MEMORY, 0, "docs", dir, "not enough memory");
    if (kind == STF_OK)
        puts(path);
    free(path);
    return kind;
}

static enum stf_kind write_files(const char *dir, struct stf_err *err)
{
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return stf_err_errno(err, errno, "docs", dir, "cannot make the folder");
    for (const struct stf_embedded *file = stf_meta_files; file->name; file++) {
        enum stf_kind kind = write_file(dir, file, err);
        if (kind != STF_OK)
            return kind;
    }
    puts("For lua-language-server: add the folder to \"workspace.library\" in .luarc.json");
    return STF_OK;
}

static enum stf_kind print_docs(const struct stf_cli *cli, struct stf_runtime *rt, struct stf_err *err)
{
    json_t *made = NULL,
           *input = json_pack("{s:s, s:s*}", "form", cli->is_markdown ? "markdown" : "text", "name", cli->operands[0]);
    enum stf_kind kind = stf_trusted_tool(rt, "docs.luac", input, &made, err);
    if (kind == STF_OK && cli->is_json)
        stf_output_json(made);
    else if (kind == STF_OK)
        fputs(stf_cli_text(made, "text"), stdout);
    json_decref(input);
    json_decref(made);
    return kind;
}

int stf_cmd_docs(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    cli.site_dir = NULL; /* what a site says changes nothing here */
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code == -1) {
        enum stf_kind kind = cli.luacats ? write_files(cli.luacats, &err) : print_docs(&cli, rt, &err);
        if (kind != STF_OK)
            stf_cli_error(&cli, &err);
        exit_code = kind == STF_OK ? STF_EXIT_OK : STF_EXIT_ERROR;
    }
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
