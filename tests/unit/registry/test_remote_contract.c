/* test_remote_contract.c - the contract of a registry store, on the registry of another host: a real smbd.
 * SPDX-License-Identifier: MIT */
#include "registry_contract.h"
#include "remote_test.h"

static struct smb_server server;
static struct stf_registry_remote remote;
static char root[64];

/* Each test has a key of its own as its store. */
static int setup_remote(void **state)
{
    static int number;
    struct store *store = calloc(1, sizeof(*store));
    struct stf_registry *registry;
    struct stf_err err = {0};

    snprintf(root, sizeof(root), "HKLM\\SOFTWARE\\Contract%d", number++);
    registry = open_remote(&server.root_user, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_create_key(registry, root, &err), &err);
    commit_and_close(registry);
    remote = server.root_user;
    remote.root = root;
    store->backend = &stf_registry_backend_remote;
    store->place.remote = &remote;
    store->acts_at_once = true;
    *state = store;
    return 0;
}

static int teardown_remote(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("remote", setup_remote, teardown_remote),
    };
    int failed;

    if (make_test_folder(NULL) != 0 || !enter_own_network() || !smb_server_start(&server)) {
        puts("SKIP: no network namespace, or no smbd in it");
        remove_test_folder(NULL);
        return 0;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    smb_server_stop(&server);
    remove_test_folder(NULL);
    return failed;
}
