/* test_remote_server.c - the registry of another host, which is a real smbd: the contract of every store, and what only
 * this one has: logins, servers and helpers that die, other sessions, and a second reader that is not ours (net).
 * SPDX-License-Identifier: MIT */
#include "pty_test.h"
#include "registry_contract.h"
#include "remote_test.h"

static struct smb_server server;

/* ---- the contract ---- */

static struct stf_registry_remote contract_remote;
static char contract_root[64];

/* Each test has a key of its own as its store. */
static int setup_remote(void **state)
{
    static int number;
    struct store *store = calloc(1, sizeof(*store));
    struct stf_registry *registry;
    struct stf_err err = {0};

    snprintf(contract_root, sizeof(contract_root), "HKLM\\SOFTWARE\\Contract%d", number++);
    registry = open_remote(&server.root_user, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_create_key(registry, contract_root, &err), &err);
    commit_and_close(registry);
    contract_remote = server.root_user;
    contract_remote.root = contract_root;
    store->backend = &stf_registry_backend_remote;
    store->place.remote = &contract_remote;
    store->acts_at_once = true;
    store->has_no_classes = true;
    store->has_live_rights = true;
    *state = store;
    return 0;
}

static int teardown_remote(void **state)
{
    free(*state);
    return 0;
}

/* ---- logins ---- */

static struct stf_registry *open_key(struct stf_registry_remote *remote, const char *root)
{
    struct stf_registry *registry = open_remote(&server.root_user, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    assert_ok(stf_registry_delete_key(registry, root, &err), &err);
    assert_ok(stf_registry_create_key(registry, root, &err), &err);
    commit_and_close(registry);
    *remote = server.root_user;
    remote->root = root;
    return open_remote(remote, STF_REGISTRY_WRITE);
}

static enum stf_kind get_kind(struct stf_registry *registry, const char *key, const char *name, struct stf_err *err)
{
    struct stf_registry_value value = {0};
    enum stf_kind kind = stf_registry_get(registry, key, name, &value, err);

    stf_registry_value_fini(&value);
    return kind;
}

static void test_logins(void **state)
{
    struct stf_registry_remote remote = server.root_user;
    struct stf_err err = {0};

    (void)state;
    remote.credentials_file = NULL;
    assert_int_equal(try_remote(&remote, &err), STF_DENIED);
    assert_contains(err.message, "credentials");
    remote.user = "root";
    remote.password = "pass-root";
    assert_ok(try_remote(&remote, &err), &err);
    remote.password = "wrong-pass";
    assert_int_equal(try_remote(&remote, &err), STF_DENIED);
    assert_null(strstr(err.message, "wrong-pass"));
    remote.user = "somebody";
    assert_int_equal(try_remote(&remote, &err), STF_DENIED);
    remote.use_kerberos = true; /* there are no tickets, and nothing else is tried */
    assert_int_equal(try_remote(&remote, &err), STF_DENIED);
    assert_contains(err.message, "kinit");
}

/* The program itself, with nothing on its command line that says who one is. */
static void run_at_terminal(struct pty_child *child, const char *password)
{
    if (pty_fork(child)) {
        execl(STAFFETTA, "staffetta", "registry", "list", "remote:127.0.0.1", "HKLM", NULL);
        _exit(127);
    }
    pty_expect(child, "User (or DOMAIN\\user) on 127.0.0.1: ");
    pty_type(child, "root\n");
    pty_expect(child, "Password on 127.0.0.1: ");
    pty_type(child, password);
}

static void test_typed_logins(void **state)
{
    struct pty_child child;
    int status;

    (void)state;
    run_at_terminal(&child, "pass-root\n");
    status = pty_finish(&child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_contains(child.shown, "SOFTWARE\\");
    assert_null(strstr(child.shown, "pass-root"));
    close(child.fd);
    run_at_terminal(&child, "wrong-pass\n");
    status = pty_finish(&child);
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_contains(child.shown, "connecting to 127.0.0.1 failed");
    assert_null(strstr(child.shown, "wrong-pass"));
    close(child.fd);
}

static void test_who_may_not_write(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Rights");
    struct stf_registry_value value = {"v", STF_REG_DWORD, (uint8_t *)"\2\0\0\0", 4};
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    stf_registry_close(registry);
    remote = server.plain_user;
    remote.root = "HKLM\\SOFTWARE\\Rights";
    registry = open_remote(&remote, STF_REGISTRY_WRITE);
    assert_int_equal(get_kind(registry, "", "v", &err), STF_OK);
    assert_int_equal(stf_registry_set(registry, "", &value, &err), STF_DENIED);
    assert_contains(err.message, "access denied");
    assert_int_equal(stf_registry_create_key(registry, "New", &err), STF_DENIED);
    assert_int_equal(stf_registry_delete_value(registry, "", "v", &err), STF_DENIED);
    assert_int_equal(get_kind(registry, "", "v", &err), STF_OK); /* the session goes on */
    stf_registry_close(registry);
}

static void test_unreachable(void **state)
{
    struct stf_registry_remote remote = server.root_user;
    struct stf_err err = {0};

    (void)state;
    remote.port = 446;
    assert_int_equal(try_remote(&remote, &err), STF_UNREACHABLE);
    assert_true(err.is_retryable);
    remote.port = 445;
    assert_ok(try_remote(&remote, &err), &err);
    remote.host = "nosuch.invalid";
    assert_int_equal(try_remote(&remote, &err), STF_UNREACHABLE);
}

/* ---- roots ---- */

static void test_roots(void **state)
{
    struct stf_registry *registry = open_remote(&server.root_user, STF_REGISTRY_WRITE);
    struct stf_registry_remote remote = server.root_user;
    struct stf_registry_value value = {"v", STF_REG_DWORD, (uint8_t *)"\2\0\0\0", 4};
    struct stf_registry_listing listing = {0};
    struct stf_err err = {0};
    size_t existing;
    size_t components;
    char *spelling = NULL;

    (void)state;
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 5);
    assert_string_equal(listing.keys[3], "HKEY_LOCAL_MACHINE");
    stf_registry_listing_fini(&listing);
    set_bytes(registry, "HKLM\\Software\\Roots", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(get_kind(registry, "hkey_local_machine\\SOFTWARE\\roots", "V", &err), STF_OK);
    assert_ok(stf_registry_existing(registry, "hklm\\software\\ROOTS", &existing, &components, &spelling, &err), &err);
    assert_int_equal(existing, 3);
    assert_string_equal(spelling, "Roots");
    free(spelling);
    assert_ok(stf_registry_list(registry, "HKU", &listing, &err), &err);
    stf_registry_listing_fini(&listing);

    assert_int_equal(get_kind(registry, "HKLX\\Software", "v", &err), STF_NOT_FOUND);
    assert_int_equal(stf_registry_create_key(registry, "HKLX", &err), STF_UNSUPPORTED);
    assert_int_equal(stf_registry_delete_key(registry, "HKLM", &err), STF_UNSUPPORTED);
    assert_int_equal(stf_registry_set(registry, "", &value, &err), STF_UNSUPPORTED);
    stf_registry_close(registry);

    remote.root = "HKLM\\SOFTWARE\\There is no such key";
    assert_int_equal(try_remote(&remote, &err), STF_NOT_FOUND);
    remote.root = "SOFTWARE";
    assert_int_equal(try_remote(&remote, &err), STF_INVALID_DATA);
}

/* ---- values, and another reader ---- */

static char *net_enumerate(const char *key)
{
    char config[600];
    char login[700];

    snprintf(config, sizeof(config), "%s/smb/smb.conf", test_folder);
    snprintf(login, sizeof(login), "--authentication-file=%s", server.root_file);
    return output_of((const char *const[]){"net", "rpc", "registry", "enumerate", key, "-S", "127.0.0.1", "-s", config,
                                           login, NULL});
}

static void test_net_reads_what_we_wrote(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Types");
    char *output;

    (void)state;
    set_bytes(registry, "", "a dword", STF_REG_DWORD, "\x39\x30\0\0", 4);
    set_bytes(registry, "", "a string", STF_REG_SZ, "h\0i\0\0\0", 6);
    set_bytes(registry, "", "a path", STF_REG_EXPAND_SZ, "%\0X\0%\0\0\0", 8);
    set_bytes(registry, "", "a list", STF_REG_MULTI_SZ, "x\0\0\0y\0\0\0\0\0", 10);
    set_bytes(registry, "", "bytes", STF_REG_BINARY, "\x01\x80\xff", 3);
    set_bytes(registry, "", "a qword", STF_REG_QWORD, "\1\0\0\0\0\0\0\0", 8);
    set_bytes(registry, "", "Ключ", STF_REG_DWORD, "\7\0\0\0", 4);
    set_bytes(registry, "Sub key", "", STF_REG_SZ, "d\0\0\0", 4);
    commit_and_close(registry);
    output = net_enumerate("HKLM\\SOFTWARE\\Types");
    assert_contains(output, "Keyname   = Sub key");
    assert_contains(output, "Valuename  = a dword\nType       = REG_DWORD\nValue      = 12345");
    assert_contains(output, "Valuename  = a string\nType       = REG_SZ\nValue      = \"hi\"");
    assert_contains(output, "Valuename  = a path\nType       = REG_EXPAND_SZ\nValue      = \"%X%\"");
    assert_contains(output, "Valuename  = a list\nType       = REG_MULTI_SZ\nValue[000] = \"x\"\nValue[001] = \"y\"");
    assert_contains(output, "Valuename  = bytes\nType       = REG_BINARY\nValue      = 3 bytes");
    assert_contains(output, "Valuename  = a qword\nType       = REG_QWORD");
    assert_contains(output, "Valuename  = Ключ\nType       = REG_DWORD\nValue      = 7");
    free(output);
}

static void test_large_data(void **state)
{
    enum { SIZE = 1 << 20, TOO_LARGE = 4000001 };
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Large");
    uint8_t *data = malloc(TOO_LARGE);
    struct stf_registry_value value = {"too large", STF_REG_BINARY, data, TOO_LARGE};
    struct stf_registry_value found = {0};
    struct stf_err err = {0};

    (void)state;
    for (size_t i = 0; i < TOO_LARGE; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    set_bytes(registry, "", "large", STF_REG_BINARY, data, SIZE);
    set_bytes(registry, "", "largest", STF_REG_NONE, data, TOO_LARGE - 1);
    assert_int_equal(stf_registry_set(registry, "", &value, &err), STF_UNSUPPORTED);
    stf_registry_close(registry);
    registry = open_remote(&remote, STF_REGISTRY_READ);
    assert_ok(stf_registry_get(registry, "", "LARGE", &found, &err), &err);
    assert_int_equal(found.size, SIZE);
    assert_memory_equal(found.data, data, SIZE);
    stf_registry_value_fini(&found);
    assert_ok(stf_registry_get(registry, "", "largest", &found, &err), &err);
    assert_int_equal(found.size, TOO_LARGE - 1);
    assert_memory_equal(found.data, data, TOO_LARGE - 1);
    stf_registry_value_fini(&found);
    stf_registry_close(registry);
    free(data);
}

/* Samba keeps names as UTF-8: it refuses what that can not hold, and the session goes on. */
static void test_names_that_samba_has_not(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Names");
    struct stf_registry_value value = {"\xef\xb7\x90"
                                       "D800",
                                       STF_REG_NONE, (uint8_t *)"", 0};
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(stf_registry_set(registry, "", &value, &err), STF_UNSUPPORTED);
    set_bytes(registry, "", "Grüße 日本 𐐀", STF_REG_NONE, "", 0);
    assert_int_equal(get_kind(registry, "", "GRÜSSE 日本 𐐀", &err), STF_NOT_FOUND);
    assert_int_equal(get_kind(registry, "", "GRÜßE 日本 𐐀", &err), STF_OK);
    stf_registry_close(registry);
}

/* More than goes into one batch, and more keys open than are kept open. */
static void test_many_and_deep(void **state)
{
    enum { MANY = 200, DEEP = 150 };
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Many");
    struct stf_registry_listing listing = {0};
    struct stf_err err = {0};
    char name[32];
    char deep[2 * DEEP + 1] = "";

    (void)state;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "Keys\\%d", i);
        assert_ok(stf_registry_create_key(registry, name, &err), &err);
        snprintf(name, sizeof(name), "%d", i);
        set_bytes(registry, "Values", name, STF_REG_DWORD, &i, sizeof(i));
    }
    for (int i = 0; i < DEEP; i++)
        strcat(deep, i > 0 ? "\\d" : "d");
    set_bytes(registry, deep, "v", STF_REG_DWORD, "\1\0\0\0", 4);
    commit_and_close(registry);

    registry = open_remote(&remote, STF_REGISTRY_WRITE);
    assert_ok(stf_registry_list(registry, "Keys", &listing, &err), &err);
    assert_int_equal(listing.key_count, MANY);
    stf_registry_listing_fini(&listing);
    assert_ok(stf_registry_list(registry, "Values", &listing, &err), &err);
    assert_int_equal(listing.value_count, MANY);
    assert_string_equal(listing.values[2].name, "10");
    assert_memory_equal(listing.values[2].data, "\x0a\0\0\0", 4);
    stf_registry_listing_fini(&listing);
    assert_int_equal(get_kind(registry, deep, "v", &err), STF_OK);
    assert_ok(stf_registry_delete_key(registry, "Keys", &err), &err);
    assert_ok(stf_registry_delete_key(registry, "d", &err), &err);
    assert_ok(stf_registry_list(registry, "", &listing, &err), &err);
    assert_int_equal(listing.key_count, 1);
    assert_string_equal(listing.keys[0], "Values");
    stf_registry_listing_fini(&listing);
    stf_registry_close(registry);
}

/* Any tree goes from memory to the other host and back, exactly. */
static void test_trees_as_in_memory(void **state)
{
    struct stf_registry_remote remote;
    struct store memory = {.backend = &stf_registry_backend_memory, .place.memory = stf_registry_memory_new()};
    struct store there = {.backend = &stf_registry_backend_remote, .place.remote = &remote};
    unsigned seed = 980915;

    (void)state;
    stf_registry_close(open_key(&remote, "HKLM\\SOFTWARE\\Trees"));
    for (int round = 0; round < 6; round++) {
        json_t *raw = random_tree(&seed, 2);
        json_t *sorted;
        json_t *found;
        write_tree(&memory, "T", raw);
        sorted = tree_of(&memory, "T");
        write_tree(&there, "T", sorted);
        found = tree_of(&there, "T");
        assert_true(json_equal(found, sorted));
        write_tree(&memory, "Back", found);
        check_tree(&memory, "Back", sorted);
        json_decref(found);
        json_decref(sorted);
        json_decref(raw);
    }
    stf_registry_memory_free(memory.place.memory);
}

/* ---- others ---- */

static void test_two_sessions(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *one = open_key(&remote, "HKLM\\SOFTWARE\\Two");
    struct stf_registry *two = open_remote(&remote, STF_REGISTRY_WRITE);
    struct stf_err err = {0};

    (void)state;
    set_bytes(one, "A\\B", "v", STF_REG_DWORD, "\1\0\0\0", 4); /* at once, for all */
    assert_int_equal(get_kind(two, "A\\B", "v", &err), STF_OK);
    assert_ok(stf_registry_delete_key(two, "A", &err), &err);
    assert_int_equal(get_kind(one, "A\\B", "v", &err), STF_NOT_FOUND);
    set_bytes(two, "A\\B", "w", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_int_equal(get_kind(one, "A\\B", "v", &err), STF_NOT_FOUND);
    assert_int_equal(get_kind(one, "A\\B", "w", &err), STF_OK);
    stf_registry_close(one);
    stf_registry_close(two);
}

static char *net_rights(const char *config)
{
    return output_of(
        (const char *const[]){"net", "registry", "getsd_sddl", "HKLM\\SOFTWARE\\Own\\T\\B", "-s", config, NULL});
}

/* Rights that somebody else gave to a key come back with it. */
static void test_own_rights_are_kept(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Own");
    struct store there = {.backend = &stf_registry_backend_remote, .place.remote = &remote};
    struct stf_err err = {0};
    json_t *tree;
    char config[600];
    char *rights;

    (void)state;
    set_bytes(registry, "T\\A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    set_bytes(registry, "T\\B", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    snprintf(config, sizeof(config), "%s/smb/smb.conf", test_folder);
    free(output_of((const char *const[]){"net", "registry", "setsd_sddl", "HKLM\\SOFTWARE\\Own\\T\\B",
                                         "O:BAG:SYD:P(A;;RPWPCCDCLCRCWOWDSDSW;;;BA)", "-s", config, NULL}));
    tree = tree_of(&there, "T");
    assert_non_null(json_object_get(json_object_get(json_object_get(tree, "keys"), "B"), "extras"));
    assert_null(json_object_get(json_object_get(json_object_get(tree, "keys"), "A"), "extras"));
    assert_ok(stf_registry_delete_key(registry, "T", &err), &err);
    assert_ok(stf_registry_tree_write(registry, "T", tree, &err), &err);
    stf_registry_close(registry);
    check_tree(&there, "T", tree);
    rights = net_rights(config);
    assert_contains(rights, "D:P(A;;RPWPCCDCLCRCWOWDSDSW;;;BA)");
    free(rights);
    json_decref(tree);
}

/* ---- deaths ---- */

static pid_t only_child(void)
{
    char path[64];
    long pids[8] = {0};
    FILE *file;
    int count = 0;

    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "r");
    assert_non_null(file);
    while (count < 8 && fscanf(file, "%ld", &pids[count]) == 1)
        count += pids[count] != server.pid;
    fclose(file);
    assert_int_equal(count, 1);
    return (pid_t)pids[0];
}

static void test_helper_is_killed(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Killed");
    struct stf_err err = {0};

    (void)state;
    assert_int_equal(kill(only_child(), SIGKILL), 0);
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_IO);
    assert_contains(err.message, "by signal 9");
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_UNREACHABLE);
    assert_contains(err.message, "was lost");
    stf_registry_close(registry);
}

static void test_server_is_killed(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Gone");
    struct stf_err err = {0};

    (void)state;
    set_bytes(registry, "A", "v", STF_REG_DWORD, "\1\0\0\0", 4);
    assert_ok(stf_registry_commit(registry, &err), &err);
    smb_server_stop(&server);
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_UNREACHABLE);
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_UNREACHABLE);
    stf_registry_close(registry);
    assert_int_equal(try_remote(&remote, &err), STF_UNREACHABLE);
    assert_true(smb_server_start(&server));
    registry = open_remote(&remote, STF_REGISTRY_READ);
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_OK);
    stf_registry_close(registry);
}

static void test_server_stands_still(void **state)
{
    struct stf_registry_remote remote;
    struct stf_registry *registry = open_key(&remote, "HKLM\\SOFTWARE\\Still");
    struct stf_err err = {0};

    (void)state;
    stf_registry_close(registry);
    remote.deadline_ms = 500;
    registry = open_remote(&remote, STF_REGISTRY_READ);
    free(output_of((const char *const[]){
        "sh", "-c",
        "for p in /proc/[0-9]*; do case $(cat $p/comm 2>/dev/null) in smbd*|rpcd_winreg*|samba-dcerpcd*) "
        "[ \"$(readlink $p/ns/net)\" = \"$(readlink /proc/self/ns/net)\" ] && kill "
        "-STOP ${p#/proc/};; esac; done; true",
        NULL}));
    assert_int_equal(get_kind(registry, "A", "v", &err), STF_TIMEOUT);
    assert_contains(err.message, "within 500 ms");
    stf_registry_close(registry);
    smb_server_stop(&server);
    assert_true(smb_server_start(&server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_TESTS("remote", setup_remote, teardown_remote),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_typed_logins),
        cmocka_unit_test(test_who_may_not_write),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_net_reads_what_we_wrote),
        cmocka_unit_test(test_large_data),
        cmocka_unit_test(test_names_that_samba_has_not),
        cmocka_unit_test(test_many_and_deep),
        cmocka_unit_test(test_trees_as_in_memory),
        cmocka_unit_test(test_two_sessions),
        cmocka_unit_test(test_own_rights_are_kept),
        cmocka_unit_test(test_helper_is_killed),
        cmocka_unit_test(test_server_is_killed),
        cmocka_unit_test(test_server_stands_still),
    };

    return run_with_smb_server(&server, tests);
}
