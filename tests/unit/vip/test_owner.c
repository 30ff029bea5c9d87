/* test_owner.c - vip.owner, on stand-ins for Pacemaker's tools and a Windows cluster's PowerShell that refuse whatever
 * is not a documented form. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "vip/manager.h"
#include "vip/vip.h"

static char dir[64];
static const struct stf_resource *owner;

static struct stf_host host_with(json_t *config)
{
    return (struct stf_host){.name = "node1", .config = config, .site_dir = dir};
}

/* "node-a", "node-a pinned", "nobody", or the error's kind. */
static const char *found_owner(const struct stf_host *host, const char *address, struct stf_err *err)
{
    static char text[96];
    json_t *id = json_pack("{s:s*}", "address", address), *state = NULL;
    enum stf_kind kind = owner->read(NULL, host, id, &state, err);
    const char *node = json_string_value(json_object_get(state, "node"));
    snprintf(text, sizeof text, "%s%s",
             kind   ? stf_kind_name(kind)
             : node ? node
                    : "nobody",
             json_is_false(json_object_get(state, "loaded")) ? " pinned" : "");
    json_decref(state);
    json_decref(id);
    return text;
}

static enum stf_kind move_to(const struct stf_host *host, const char *node, struct stf_err *err)
{
    json_t *id = json_object(), *state = json_pack("{s:s}", "node", node);
    enum stf_kind kind = owner->write(NULL, host, id, state, err);
    json_decref(state);
    json_decref(id);
    return kind;
}

/* ---------- Pacemaker ---------- */

static int set_up_pacemaker(void **state)
{
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/bin:/usr/bin:/bin", dir);
    return scratch_sh("mkdir %s/bin && cp %s/crm_tool.sh %s/bin/crm_resource && cp %s/crm_tool.sh %s/bin/cibadmin && "
                      "echo node-a >%s/bin/node",
                      dir, SUPPORT, dir, SUPPORT, dir, dir)
               ? setenv("PATH", path, 1)
               : -1;
}

static int tear_down_pacemaker(void **state)
{
    (void)state;
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    return scratch_sh("rm -r %s/bin", dir) ? 0 : -1;
}

static void pacemaker_moves_by_a_constraint_that_goes_again(void **state)
{
    json_t *config = json_pack("{s:{s:s}}", "vip", "resource", "virtual_ip");
    const struct stf_host host = host_with(config);
    struct stf_err err = {0};
    (void)state;
    assert_string_equal(found_owner(&host, "10.9.0.100", &err), "node-a");
    assert_int_equal(move_to(&host, "node-b", &err), STF_OK);
    assert_string_equal(found_owner(&host, NULL, &err), "node-b");
    assert_int_equal(move_to(&host, "node-b", &err), STF_OK); /* is there: nothing but a clear */
    assert_true(scratch_sh("test \"$(cat %s/bin/log | tr '\\n' ' ')\" = 'move node-b clear clear '", dir));
    assert_string_equal(found_owner(&host, "10.9.0.99", &err), "conflict");
    assert_non_null(strstr(err.message, "does not carry 10.9.0.99"));
    assert_true(scratch_sh(": >%s/bin/node", dir));
    assert_string_equal(found_owner(&host, NULL, &err), "nobody");
    json_decref(config);
}

/* As a run that was killed leaves it: seen, and cleared by the write that puts the owner back. */
static void a_move_that_was_cut_short_is_seen_and_undone(void **state)
{
    json_t *config = json_pack("{s:{s:s}}", "vip", "resource", "virtual_ip");
    const struct stf_host host = host_with(config);
    struct stf_err err = {0};
    (void)state;
    assert_true(scratch_sh("echo node-b >%s/bin/node; echo node-b >%s/bin/pin", dir, dir));
    assert_string_equal(found_owner(&host, NULL, &err), "node-b pinned");
    assert_int_equal(move_to(&host, "node-a", &err), STF_OK);
    assert_string_equal(found_owner(&host, NULL, &err), "node-a");
    json_decref(config);
}

static void pacemaker_says_why_not(void **state)
{
    json_t *config = json_pack("{s:{s:s}}", "vip", "resource", "nowhere"), *option = json_object();
    const struct stf_host host = host_with(config), bare = host_with(option);
    struct stf_err err = {0};
    (void)state;
    assert_string_equal(found_owner(&host, NULL, &err), "not_found");
    assert_non_null(strstr(err.message, "Resource 'nowhere' not found"));
    assert_int_equal(move_to(&host, "--cleanup", &err), STF_INVALID_DATA);
    assert_string_equal(found_owner(&bare, NULL, &err), "invalid_data");
    assert_non_null(strstr(err.message, "vip = { resource = \"virtual_ip\" } for Pacemaker"));
    assert_true(scratch_sh("rm %s/bin/crm_resource", dir));
    char path[1024];
    snprintf(path, sizeof path, "%s/bin", dir);
    setenv("PATH", path, 1);
    assert_string_equal(found_owner(&host, NULL, &err), "unsupported");
    assert_non_null(strstr(err.message, "install pacemaker-cli-utils"));
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
    json_decref(option);
    json_decref(config);
}

/* ---------- a Windows cluster ---------- */

static void write_to(const char *file, char *script)
{
    assert_non_null(script);
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    fputs(script, out);
    fclose(out);
    free(script);
}

static void the_scripts_are_as_documented(void **state)
{
    char made[128];
    (void)state;
    snprintf(made, sizeof made, "%s/made", dir);
    write_to(made, stf_windows_cluster_find_script("Anna's mail"));
    assert_true(scratch_sh("diff %s %s/find.ps1", made, GOLDEN));
    write_to(made, stf_windows_cluster_move_script("Anna's mail", "NODE2"));
    assert_true(scratch_sh("diff %s %s/move.ps1", made, GOLDEN));
}

static void a_windows_cluster_is_asked_and_told_by_powershell(void **state)
{
    json_t *config = json_pack("{s:s, s:{s:s, s:[s, s, s]}}", "windows", "2012r2", "vip", "group", "Anna's mail",
                               "powershell", SUPPORT "/cluster_powershell.sh", GOLDEN, dir);
    const struct stf_host host = host_with(config);
    struct stf_err err = {0};
    (void)state;
    assert_true(scratch_sh("echo NODE1 >%s/node", dir));
    assert_string_equal(found_owner(&host, "10.9.0.100", &err), "NODE1");
    assert_string_equal(found_owner(&host, "10.9.0.1", &err), "conflict");
    assert_int_equal(move_to(&host, "NODE2", &err), STF_OK);
    assert_string_equal(found_owner(&host, NULL, &err), "NODE2");
    assert_true(
        scratch_sh("echo 'Import-Module : The specified module FailoverClusters was not loaded' >%s/broken", dir));
    assert_string_equal(found_owner(&host, NULL, &err), "unsupported");
    assert_non_null(strstr(err.message, "Install-WindowsFeature RSAT-Clustering-PowerShell"));
    assert_true(scratch_sh("echo 'The RPC server is unavailable' >%s/broken", dir));
    assert_int_equal(move_to(&host, "NODE1", &err), STF_IO);
    assert_non_null(strstr(err.message, "The RPC server is unavailable"));
    json_object_set_new(config, "windows", json_string("2003"));
    assert_string_equal(found_owner(&host, NULL, &err), "unsupported");
    assert_non_null(strstr(err.message, "cluster.exe"));
    json_decref(config);
}

int main(void)
{
    snprintf(dir, sizeof dir, "/tmp/stf-vip-owner-%d", getpid());
    scratch_start("rm -rf %s", dir);
    for (owner = stf_vip_binding.resources; strcmp(owner->name, "vip.owner") != 0; owner++)
        ;
    if (!scratch_sh("mkdir %s", dir))
        return 1;
#define WITH_PACEMAKER(name) cmocka_unit_test_setup_teardown(name, set_up_pacemaker, tear_down_pacemaker)
    const struct CMUnitTest tests[] = {
        WITH_PACEMAKER(pacemaker_moves_by_a_constraint_that_goes_again),
        WITH_PACEMAKER(a_move_that_was_cut_short_is_seen_and_undone),
        WITH_PACEMAKER(pacemaker_says_why_not),
        cmocka_unit_test(the_scripts_are_as_documented),
        cmocka_unit_test(a_windows_cluster_is_asked_and_told_by_powershell),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    scratch_end();
    return failed;
}
