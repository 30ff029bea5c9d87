/* fixture.c - see fixture.h. SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/netns.h"
#include "common/process.h"
#include "probe/binding.h"

char client_ns[32], server_ns[32];
static void *self;

int shell(const char *netns, const char *command)
{
    const char *const argv[] = {"sh", "-ec", command, NULL};
    const struct stf_process_id id = {.argv = argv, .netns = netns, .timeout_ms = 10000};
    struct stf_process_result result = {0};
    struct stf_err err;
    enum stf_kind kind = stf_process_run(&id, &result, &err);
    int exit_code = kind ? -1 : result.exit_code;
    if (exit_code)
        fprintf(stderr, "%s: %s\n", command, kind ? err.message : result.errors);
    stf_process_result_fini(&result);
    return exit_code;
}

static int make_namespaces(void)
{
    char command[1024];
    snprintf(command, sizeof command,
             "c=%s s=%s; ip netns add $c; ip netns add $s;"
             "ip -n $c link add eth0 type veth peer name eth0 netns $s;"
             "ip -n $c address add 10.99.7.1/24 dev eth0; ip -n $s address add " SERVER_V4 "/24 dev eth0;"
             "ip -n $c address add fd00:99:7::1/64 dev eth0 nodad; ip -n $s address add " SERVER_V6
             "/64 dev eth0 nodad;"
             "ip -n $c link set lo up; ip -n $c link set eth0 up; ip -n $s link set lo up; ip -n $s link set eth0 up",
             client_ns, server_ns);
    return shell(NULL, command);
}

static void remove_namespaces(void)
{
    char command[128];
    snprintf(command, sizeof command, "ip netns delete %s; ip netns delete %s", client_ns, server_ns);
    shell(NULL, command);
}

void sleep_ms(long ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

enum stf_kind call(const char *verb_name, json_t *args, json_t **result, struct stf_err *err)
{
    const struct stf_host host = {.name = "fe1", .netns = client_ns, .site_dir = "/"};
    const struct stf_verb *verb = stf_probe_binding.verbs;
    while (strcmp(verb->name, verb_name) != 0)
        verb++;
    *result = NULL;
    assert_non_null(args);
    enum stf_kind kind = verb->call(self, &host, args, result, err);
    json_decref(args);
    return kind;
}

json_t *call_ok(const char *verb, json_t *args)
{
    struct stf_err err = {0};
    json_t *result;
    enum stf_kind kind = call(verb, args, &result, &err);
    if (kind)
        fail_msg("%s: %s", verb, err.message);
    assert_non_null(result);
    return result;
}

json_t *stop(json_t *handle)
{
    json_t *report = call_ok("probe.stop", json_pack("{s:O}", "handle", json_object_get(handle, "handle")));
    json_decref(handle);
    return report;
}

json_int_t number(const json_t *doc, const char *key)
{
    const json_t *value = json_object_get(doc, key);
    if (!json_is_integer(value))
        fail_msg("'%s' is no number", key);
    return json_integer_value(value);
}

const char *string(const json_t *doc, const char *key)
{
    const char *value = json_string_value(json_object_get(doc, key));
    return value ? value : "(none)";
}

pid_t spawn(const char *netns, const char *const argv[])
{
    struct stf_netns guard;
    assert_int_equal(stf_netns_enter(&guard, netns, NULL), STF_OK);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    stf_netns_leave(&guard);
    assert_true(pid > 0);
    return pid;
}

int end(pid_t pid, int signal)
{
    int status = 0;
    kill(pid, signal);
    waitpid(pid, &status, 0);
    return status;
}

bool answers_within_ten_seconds(const char *target, int port)
{
    for (int tries = 0; tries < 100; tries++) {
        json_t *answer =
            call_ok("probe.once", json_pack("{s:s, s:i, s:i}", "target", target, "port", port, "timeout_ms", 100));
        bool is_answered = json_is_true(json_object_get(answer, "answered"));
        json_decref(answer);
        if (is_answered)
            return true;
        sleep_ms(10);
    }
    return false;
}

int setup(void **state)
{
    (void)state;
    self = stf_probe_binding.open();
    return self && make_namespaces() == 0 ? 0 : -1;
}

int teardown(void **state)
{
    (void)state;
    stf_probe_binding.close(self);
    return 0;
}

void close_binding_with_what_runs(void (*start)(void))
{
    void *kept = self;
    self = stf_probe_binding.open();
    start();
    stf_probe_binding.close(self);
    self = kept;
}

int run_in_namespaces(int (*run_all)(void))
{
    int status = 0;
    snprintf(client_ns, sizeof client_ns, "stft-probe-c-%d", (int)getpid());
    snprintf(server_ns, sizeof server_ns, "stft-probe-s-%d", (int)getpid());
    if (geteuid() != 0) {
        puts("SKIP: network namespaces need root");
        return 0;
    }
    pid_t child = fork();
    if (child == 0)
        exit(run_all());
    while (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) {
        sleep_ms(30);
        kill(child, SIGCONT);
    }
    remove_namespaces();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
