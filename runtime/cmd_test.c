/* cmd_test.c - a site's tests of its own scripts, DIR/tests/NAME.lua, on hosts that are not there.
 * Must never reach a host. SPDX-License-Identifier: MIT */
#include "cli.h"
#include "run.h"

const char stf_test_help[] = "DIR is the site's folder; its tests are the files tests/NAME.lua in it. Hosts answer "
                             "what a test says, and note what\n"
                             "they are asked: docs/testing-scripts.md. Exit code 3 says that a test failed.\n";

/* [{name, text}] of the site's tests. */
static enum stf_kind read_tests(struct stf_runtime *rt, json_t *tests, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    char **names = stf_loader_names(rt->loader, "tests");
    for (char **name = names; name && *name && !kind; name++) {
        struct stf_script script;
        kind = stf_loader_find(rt->loader, "tests", *name, &script, err);
        if (kind == STF_OK)
            json_array_append_new(tests,
                                  json_pack("{s:s, s:s%}", "name", script.path, "text", script.text, script.size));
        stf_script_fini(&script);
    }
    stf_loader_free_names(names);
    if (kind == STF_OK && json_array_size(tests) == 0)
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "test", rt->site_dir,
                           "%s/tests has no test: docs/testing-scripts.md says how one is written", rt->site_dir);
    return kind;
}

static size_t print_results(const struct stf_cli *cli, const json_t *results)
{
    size_t index, failed = 0;
    json_t *each;
    json_array_foreach ((json_t *)results, index, each) {
        const char *message = json_string_value(json_object_get(each, "message"));
        failed += message != NULL;
        if (cli->is_json)
            continue;
        fputs(message ? "FAILED " : "ok     ", stdout);
        stf_output_text(stdout, stf_cli_text(each, "test"), false);
        fputs(message ? ": " : "", stdout);
        stf_output_text(stdout, message ? message : "", true);
        putchar('\n');
    }
    if (cli->is_json)
        stf_output_json(results);
    else
        printf("%zu test%s, %zu failed\n", index, index == 1 ? "" : "s", failed);
    return failed;
}

int stf_cmd_test(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    struct stf_err err;
    const json_t *site;
    json_t *results = NULL, *tests = json_array();
    int exit_code = stf_cli_parse(&cli, argc, argv, 1);
    if (exit_code == -1 && cli.operand_count)
        cli.site_dir = cli.operands[0];
    if (exit_code == -1 && !cli.site_dir)
        exit_code = stf_cli_usage_value("test", "DIR", "the site's folder", NULL);
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code != -1)
        goto out;
    enum stf_kind kind = stf_runtime_site(rt, &site, &err);
    if (kind == STF_OK)
        kind = read_tests(rt, tests, &err);
    if (kind == STF_OK) {
        json_t *input = json_pack("{s:O}", "tests", tests);
        kind = stf_trusted_tool(rt, "tester.luac", input, &results, &err);
        json_decref(input);
    }
    if (kind == STF_OK)
        exit_code = print_results(&cli, results) ? STF_EXIT_FAILED : STF_EXIT_OK;
    else
        exit_code = (stf_cli_error(&cli, &err), STF_EXIT_ERROR);
out:
    json_decref(results);
    json_decref(tests);
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
