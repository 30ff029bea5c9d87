/* lab_main.c - `staffetta lab` as a program of its own, so that the lab is tested without the runtime.
 * Must never be installed. SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd_lab.h"
#include "common/process.h"

/* The runtime's is sandboxed; here the Lua interpreter evaluates the file. */
enum stf_kind stf_site_load(const char *dir, json_t **site, struct stf_err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/site.lua", dir);
    const char *const argv[] = {"lua5.4", SITE_TO_JSON, path, NULL};
    struct stf_process_result result;
    enum stf_kind kind = stf_process_run(&(struct stf_process_id){.argv = argv, .timeout_ms = 10000}, &result, err);
    if (!kind && !(*site = json_loads(result.output, 0, NULL)))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "site", path, "%s is no site: %s", path, result.errors);
    stf_process_result_fini(&result);
    return kind;
}

int main(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "lab") != 0)
        return fputs("usage: test_lab_main lab up|down|status|exec\n", stderr), 2;
    return stf_cmd_lab(argc - 1, argv + 1);
}
