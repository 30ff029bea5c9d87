/* read.c - the inventory that site.lua names: a file, or what a command prints. Reads nothing of the site itself, and
 * goes through no shell. SPDX-License-Identifier: MIT */
#include "inventory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/doc.h"
#include "common/process.h"
#include "owner.h"

enum { DEFAULT_TIMEOUT_MS = 30000, MAX_TIMEOUT_MS = 600000, MAX_ARGUMENTS = 64 };

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "inventory", NULL, "not enough memory");
}

/* ---- a file ---- */

static bool ends_with(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size > end_size && strcmp(path + size - end_size, end) == 0;
}

static enum stf_kind read_all(int fd, const char *path, char *text, size_t room, size_t *size, struct stf_err *err)
{
    ssize_t got = 1;
    for (*size = 0; *size < room && got != 0;) {
        got = read(fd, text + *size, room - *size);
        if (got < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "read", path, "cannot read the inventory");
        *size += got > 0 ? (size_t)got : 0;
    }
    return *size <= STF_INVENTORY_MAX_BYTES ? STF_OK
                                            : stf_err_set(err, STF_INVALID_DATA, 0, "inventory", path,
                                                          "%s has more than %d bytes", path, STF_INVENTORY_MAX_BYTES);
}

static enum stf_kind read_file(const char *path, json_t **inventory, struct stf_err *err)
{
    bool is_yaml = ends_with(path, ".yaml") || ends_with(path, ".yml") || ends_with(path, ".json");
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return stf_err_errno(err, errno, "inventory", path, "cannot open the inventory that site.lua names");
    char *text = malloc(STF_INVENTORY_MAX_BYTES + 2);
    enum stf_kind kind = text ? stf_owner_check(fd, path, err) : no_memory(err);
    if (kind == STF_OK)
        kind = read_all(fd, path, text, STF_INVENTORY_MAX_BYTES + 1, &size, err);
    if (kind == STF_OK) {
        text[size] = '\0';
        kind = stf_inventory_parse(is_yaml ? STF_INVENTORY_YAML : STF_INVENTORY_INI, path, text, size, inventory, err);
    }
    free(text);
    close(fd);
    return kind;
}

/* ---- a command ---- */

static enum stf_kind run_command(const char *const argv[], int64_t timeout_ms, json_t **inventory, struct stf_err *err)
{
    struct stf_process_id id = {.argv = argv, .timeout_ms = timeout_ms};
    struct stf_process_result result;
    enum stf_kind kind = stf_process_run(&id, &result, err);
    if (kind == STF_OK && result.exit_code != 0)
        kind = stf_err_set(err, STF_IO, result.exit_code, "inventory", argv[0],
                           "the inventory's command %s ended with exit code %d: %.300s", argv[0], result.exit_code,
                           result.errors);
    if (kind == STF_OK)
        kind = stf_inventory_parse(STF_INVENTORY_LIST, argv[0], result.output, result.output_size, inventory, err);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind read_command(const char *site_dir, const json_t *wanted, json_t **inventory, struct stf_err *err)
{
    const char *argv[MAX_ARGUMENTS + 1] = {NULL};
    const json_t *command = json_object_get(wanted, "command");
    size_t count = json_array_size(command);
    int64_t timeout_ms;
    enum stf_kind kind = stf_doc_opt_int(wanted, "timeout_ms", 1, MAX_TIMEOUT_MS, DEFAULT_TIMEOUT_MS, &timeout_ms, err);
    bool is_list = count > 0 && count <= MAX_ARGUMENTS;
    for (size_t i = 0; is_list && i < count; i++)
        is_list = (argv[i] = json_string_value(json_array_get(command, i))) != NULL;
    if (kind == STF_OK && !is_list)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "inventory", "command",
                           "inventory.command: expected a program and its arguments, %d texts at most", MAX_ARGUMENTS);
    if (kind != STF_OK)
        return kind;
    char *program = strchr(argv[0], '/') ? stf_doc_path(site_dir, argv[0]) : strdup(argv[0]);
    argv[0] = program;
    kind = program ? run_command(argv, timeout_ms, inventory, err) : no_memory(err);
    free(program);
    return kind;
}

enum stf_kind stf_inventory_read(const char *site_dir, const json_t *wanted, json_t **inventory, struct stf_err *err)
{
    static const char *const known[] = {"ansible", "command", "timeout_ms", NULL};
    const char *file;
    *inventory = NULL;
    enum stf_kind kind = stf_doc_check_keys(wanted, known, "inventory", err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(wanted, "ansible", NULL, &file, err);
    if (kind == STF_OK && !file == !json_object_get(wanted, "command"))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "inventory", NULL,
                           "inventory: expected either 'ansible', a file, or 'command', a program and its arguments");
    if (kind != STF_OK)
        return kind;
    if (!file)
        return read_command(site_dir, wanted, inventory, err);
    char *path = stf_doc_path(site_dir, file);
    kind = path ? read_file(path, inventory, err) : no_memory(err);
    free(path);
    return kind;
}
