/* cmd_new.c - a site's folder to begin with, from share/new-site. Must never write into a folder that has something.
 * SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "embedded.h"

extern const struct stf_embedded stf_new_site[];

enum { MAX_NAME = 16, MAX_PATH = 4096 }; /* the name is a part of the lab's namespaces' names */

/* Makes the folder, unless it is there and empty. */
static enum stf_kind claim_folder(const char *dir, struct stf_err *err)
{
    if (mkdir(dir, 0755) == 0)
        return STF_OK;
    if (errno != EEXIST)
        return stf_err_errno(err, errno, "new", dir, "cannot make the folder");
    DIR *stream = opendir(dir);
    if (!stream)
        return stf_err_errno(err, errno, "new", dir, "cannot look into the folder");
    bool is_empty = true;
    for (struct dirent *entry; is_empty && (entry = readdir(stream));)
        is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(stream);
    return is_empty ? STF_OK
                    : stf_err_set(err, STF_CONFLICT, 0, "new", dir,
                                  "%s is not empty: name a folder that is, or that is not there yet", dir);
}

/* The site's name: the folder's, in the letters that a site's name can have. */
static void name_site(const char *dir, char name[MAX_NAME + 1])
{
    size_t end = strlen(dir), length = 0;
    while (end > 0 && dir[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && dir[start - 1] != '/')
        start--;
    for (size_t i = start; i < end && length < MAX_NAME; i++) {
        char letter = (char)tolower((unsigned char)dir[i]);
        bool is_plain = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
        if (is_plain || length > 0)
            name[length++] = is_plain ? letter : '-';
    }
    name[length] = '\0';
    if (length == 0)
        snprintf(name, MAX_NAME + 1, "mysite");
}

/* Writes the text with each @NAME@ replaced. */
static bool write_text(FILE *file, const char *text, const char *name)
{
    static const char mark[] = "@NAME@";
    for (const char *at; (at = strstr(text, mark)); text = at + sizeof mark - 1)
        if (fwrite(text, 1, (size_t)(at - text), file) != (size_t)(at - text) || fputs(name, file) < 0)
            return false;
    return fputs(text, file) >= 0;
}

static enum stf_kind write_file(const char *dir, const struct stf_embedded *from, const char *name, struct stf_err *err)
{
    char path[MAX_PATH];
    const char *slash = strchr(from->name, '/');
    if (slash) {
        snprintf(path, sizeof path, "%s/%.*s", dir, (int)(slash - from->name), from->name);
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            return stf_err_errno(err, errno, "new", path, "cannot make the folder");
    }
    if (snprintf(path, sizeof path, "%s/%s", dir, from->name) >= (int)sizeof path)
        return stf_err_set(err, STF_INVALID_DATA, 0, "new", dir, "the path is too long");
    FILE *file = fopen(path, "wxe");
    bool is_ok = file && write_text(file, from->bytes, name);
    if (file && fclose(file) != 0)
        is_ok = false;
    return is_ok ? STF_OK : stf_err_errno(err, errno, "new", path, "cannot write the file");
}

static enum stf_kind make_site(const char *dir, json_t *files, struct stf_err *err)
{
    char name[MAX_NAME + 1] = "";
    enum stf_kind kind = claim_folder(dir, err);
    name_site(dir, name);
    for (const struct stf_embedded *each = stf_new_site; !kind && each->name; each++) {
        kind = write_file(dir, each, name, err);
        json_array_append_new(files, json_string(each->name));
    }
    return kind;
}

static void print_made(const char *dir, const json_t *files)
{
    size_t index;
    json_t *file;
    json_array_foreach (files, index, file) {
        stf_output_text(stdout, dir, false);
        printf("/%s\n", json_string_value(file));
    }
}

int stf_cmd_new(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 2);
    if (exit_code == -1 && (cli.operand_count != 2 || strcmp(cli.operands[0], "site") != 0))
        exit_code = stf_cli_usage_value("new", "what to make", "site DIR, the folder", cli.operands[0]);
    if (exit_code == -1) {
        const char *dir = cli.operands[1];
        json_t *files = json_array();
        exit_code = STF_EXIT_OK;
        umask(umask(0) | S_IWGRP | S_IWOTH); /* what others could write would not be loaded */
        if (make_site(dir, files, &err) != STF_OK) {
            stf_cli_error(&cli, &err);
            exit_code = STF_EXIT_ERROR;
        } else if (cli.is_json) {
            json_t *doc = json_pack("{s:s, s:O}", "site", dir, "files", files);
            stf_output_json(doc);
            json_decref(doc);
        } else {
            print_made(dir, files);
            cli.site_dir = dir;
            stf_cli_next(&cli, (const char *[]){"doctor", NULL}, NULL);
        }
        json_decref(files);
    }
    stf_cli_fini(&cli);
    return exit_code;
}
