/* test_registry_script.c - host.registry as scripts have it: the program itself plans, applies and rolls back a
 * playbook that uses every method, on a real hive. SPDX-License-Identifier: MIT */
#include "registry_test.h"

#include <jansson.h>

#include "registry/tree.h"

static int setup(void **state)
{
    struct stf_registry *registry;
    struct stf_err err = {0};
    char *output;

    if (make_test_folder(state) != 0)
        return -1;
    output = output_of((const char *const[]){"cp", "-r", SITE, in_folder("site"), NULL});
    free(output);
    output = output_of((const char *const[]){"chmod", "-R", "go-w", in_folder("site"), NULL});
    free(output);
    if (mkdir(in_folder("site/hives"), 0700) != 0 || stf_hive_create(in_folder("site/hives/SYSTEM"), &err) != STF_OK)
        return -1;
    registry = open_hive(in_folder("site/hives/SYSTEM"), STF_REGISTRY_WRITE);
    set_bytes(registry, "Select", "Current", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "ControlSet001\\Services", "Odd", STF_REG_SZ, "\x3d\xd8", 2);
    set_bytes(registry, "ControlSet001\\Old\\Tree", "v", 77, "\1\2\3", 3);
    commit_and_close(registry);
    return 0;
}

static json_t *whole_tree(void)
{
    struct stf_registry *registry = open_hive(in_folder("site/hives/SYSTEM"), STF_REGISTRY_READ);
    struct stf_err err = {0};
    json_t *tree = NULL;

    assert_ok(stf_registry_tree_read(registry, "", &tree, &err), &err);
    stf_registry_close(registry);
    return tree;
}

/* Runs the program; `arguments` follow the command, ended by NULL. */
static void run_program(const char *command, const char *const arguments[], int exit_code)
{
    const char *argv[16] = {STAFFETTA, command, "--site", in_folder("site"), "--state", in_folder("state")};
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 30000};
    struct stf_process_result result = {0};
    struct stf_err err = {0};

    for (size_t i = 0; arguments[i] != NULL; i++)
        argv[6 + i] = arguments[i];
    assert_ok(stf_process_run(&id, &result, &err), &err);
    if (result.exit_code != exit_code)
        fail_msg("%s ended with %d, not %d:\n%s%s", command, result.exit_code, exit_code, result.output, result.errors);
    stf_process_result_fini(&result);
}

static void test_planned_applied_rolled_back(void **state)
{
    json_t *before = whole_tree();
    json_t *planned;
    json_t *applied;
    json_t *after;

    (void)state;
    run_program("plan", (const char *const[]){"registry-methods", NULL}, 2);
    planned = whole_tree();
    assert_true(json_equal(planned, before));
    run_program("run", (const char *const[]){"registry-methods", "--param", "listing=true", NULL}, 0);
    applied = whole_tree();
    assert_false(json_equal(applied, before));
    run_program("rollback", (const char *const[]){NULL}, 0);
    after = whole_tree();
    assert_true(json_equal(after, before));
    json_decref(before);
    json_decref(planned);
    json_decref(applied);
    json_decref(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_planned_applied_rolled_back, setup, remove_test_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
