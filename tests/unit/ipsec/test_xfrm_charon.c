/* test_xfrm_charon.c - what a real charon puts into the kernel: its trap policies and those of its IKE sockets, its
 * acquires, and nothing when it has gone. SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "ipsec/kernel_verbs.h"
#include "ipsec/kernel_watch.h"
#include "support/netpair.h"
#include "xfrm_as_ip.h"

#define CHARON "/usr/sbin/charon-systemd"

enum { READY_MS = 10000 };

static struct netpair pair;
static char dir[] = "/tmp/stf-xfrm-charon-XXXXXX";
static pid_t charon;

/* ---------- the daemon ---------- */

static void write_file(const char *name, const char *format)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, format, dir); /* each file of ours names the folder once */
    fclose(file);
}

static void exec_charon(void)
{
    char path[128];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof path, "%s/strongswan.conf", dir);
    setenv("STRONGSWAN_CONF", path, 1);
    snprintf(path, sizeof path, "%s/charon.out", dir);
    int out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out_fd, STDOUT_FILENO);
    dup2(out_fd, STDERR_FILENO);
    execlp("ip", "ip", "netns", "exec", pair.left, CHARON, (char *)NULL);
    _exit(127);
}

static bool swanctl(const char *arguments)
{
    return netpair_run("swanctl %s --uri unix://%s/charon.vici >%s/swanctl.out 2>&1", arguments, dir, dir);
}

static void start_charon(void)
{
    charon = fork();
    if (charon == 0)
        exec_charon();
    bool is_ready = false;
    for (int waited_ms = 0; !is_ready && waited_ms < READY_MS; waited_ms += 20) {
        usleep(20000);
        is_ready = swanctl("--stats");
    }
    assert_true(is_ready);
}

/* In order: it takes its policies back. */
static void stop_charon(void)
{
    if (charon > 0) {
        kill(charon, SIGTERM);
        waitpid(charon, NULL, 0);
    }
    charon = 0;
}

/* ---------- what stands ---------- */

static json_t *ask(enum stf_kind (*verb)(void *, const struct stf_host *, const json_t *, json_t **, struct stf_err *))
{
    struct stf_host host = {.name = "host", .netns = pair.left, .site_dir = "/"};
    struct stf_err err;
    json_t *args = json_object(), *result = NULL;
    if (verb(NULL, &host, args, &result, &err))
        fail_msg("%s", err.message);
    json_decref(args);
    return result;
}

static json_t *policies_as_ip_sees_them(void)
{
    json_t *policies = ask(stf_kernel_verb_policies);
    char *ours = as_ip_policies(policies), *theirs = as_ip_run(pair.left, "-d -s xfrm policy");
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    return policies;
}

static size_t count_of_sockets(const json_t *policies)
{
    size_t i, count = 0;
    json_t *policy;
    json_array_foreach (policies, i, policy)
        count += json_is_true(json_object_get(policy, "is_of_socket"));
    return count;
}

static void test_charon(void **unused)
{
    (void)unused;
    struct stf_kernel_watch_options options = {.netns = pair.left};
    struct stf_kernel_watch *watch = NULL;
    char arguments[96];
    json_t *before = ask(stf_kernel_verb_snapshot), *seen = NULL;

    start_charon();
    json_t *policies = policies_as_ip_sees_them(), *snapshot = ask(stf_kernel_verb_snapshot);
    assert_true(count_of_sockets(policies) > 0); /* IKE itself passes */
    assert_int_equal(count_of_sockets(policies), json_array_size(policies));
    assert_true(json_equal(before, snapshot));
    json_decref(policies);
    json_decref(snapshot);

    assert_int_equal(stf_kernel_watch_start(&options, &watch, NULL), STF_OK);
    snprintf(arguments, sizeof arguments, "--load-all --file %s/swanctl.conf", dir);
    assert_true(swanctl(arguments));
    policies = policies_as_ip_sees_them();
    snapshot = ask(stf_kernel_verb_snapshot);
    assert_int_equal(json_array_size(json_object_get(snapshot, "policies")), 2); /* out and in */
    assert_false(json_equal(before, snapshot));
    json_decref(policies);
    json_decref(snapshot);

    assert_int_equal(netpair_connect(pair.left, NETPAIR_RIGHT_IPV4, 143, 200), -1); /* trapped, and nobody answers */
    assert_int_equal(stf_kernel_watch_stop(watch, &seen, NULL), STF_OK);
    assert_true(json_is_true(json_object_get(seen, "hears_acquires")));
    size_t i, acquires = 0, added = 0;
    json_t *event;
    json_array_foreach (json_object_get(seen, "events"), i, event) {
        const char *name = json_string_value(json_object_get(event, "event"));
        acquires += strcmp(name, "acquire") == 0;
        added += strncmp(name, "policy-", 7) == 0;
    }
    assert_true(acquires >= 1);
    assert_true(added >= 2);
    json_decref(seen);

    stop_charon();
    snapshot = ask(stf_kernel_verb_snapshot);
    assert_true(json_equal(before, snapshot));
    json_decref(snapshot);
    json_decref(before);
}

/* ---------- the lab ---------- */

static int up(void **unused)
{
    (void)unused;
    if (access(CHARON, X_OK) < 0 || access("/usr/lib/ipsec/plugins/libstrongswan-kernel-netlink.so", R_OK) < 0 ||
        !netpair_run("command -v swanctl >/dev/null")) {
        print_message("SKIP: needs charon-systemd and strongswan-swanctl\n");
        exit(0);
    }
    if (!mkdtemp(dir) || !netpair_up(&pair, "xch")) {
        print_message("SKIP: needs root, ip(8) and network namespaces\n");
        exit(0);
    }
    write_file("strongswan.conf",
               "charon {\n  load_modular = no\n"
               "  load = random nonce openssl kdf pem x509 pubkey kernel-netlink socket-default vici\n"
               "  plugins { vici { socket = unix://%s/charon.vici } }\n  syslog { daemon { default = -1 } }\n}\n");
    write_file("swanctl.conf", "connections { t { # %s\n local_addrs = 10.77.0.1\n remote_addrs = 10.77.0.2\n"
                               " version = 2\n local { auth = psk\n }\n remote { auth = psk\n }\n children { t {\n"
                               " mode = transport\n local_ts = dynamic[tcp]\n remote_ts = dynamic[tcp/143]\n"
                               " start_action = trap\n } } } }\n"
                               "secrets { ike { secret = \"for this test only\"\n } }\n");
    return 0;
}

static int down(void **unused)
{
    (void)unused;
    stop_charon();
    netpair_down(&pair);
    netpair_run("rm -rf %s", dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_charon)};
    return cmocka_run_group_tests(tests, up, down);
}
