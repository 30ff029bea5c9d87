/* remote_test.h - for tests of remote registries: a real smbd on loopback, in a network namespace that the whole test
 * program moves into, with users root and nobody (tests/support/smbd.sh). Header only.
 * Must never leave the server behind, also when the test is killed. SPDX-License-Identifier: MIT */
#pragma once

#include "registry_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { SMBD_WAIT_MS = 30000 };

struct smb_server {
    pid_t pid; /* of unshare(1), on which a process namespace hangs */
    struct stf_registry_remote root_user;
    struct stf_registry_remote plain_user;
    char root_file[600];
    char plain_file[600];
};

/* Into a network namespace of its own; false when the machine does not let us. */
static inline bool enter_own_network(void)
{
    return unshare(CLONE_NEWNET) == 0 && system("ip link set lo up") == 0;
}

static inline bool answers_on_445(void)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(445), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_up = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

    close(fd);
    return is_up;
}

/* The first process of the process namespace: unshare(1) ends when it and all others in there have ended. */
static inline pid_t first_process(const struct smb_server *server)
{
    char path[64];
    long pid = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)server->pid, (int)server->pid);
    file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%ld", &pid) != 1)
            pid = 0;
        fclose(file);
    }
    return (pid_t)pid;
}

static inline void smb_server_stop(struct smb_server *server)
{
    if (server->pid > 0) {
        pid_t first = first_process(server);
        kill(first > 0 ? first : server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

/* Starts it on a folder inside the test's, again with what it kept there before. */
static inline bool smb_server_start(struct smb_server *server)
{
    char folder[512];
    pid_t parent = getpid();

    snprintf(folder, sizeof(folder), "%s/smb", test_folder);
    chmod(test_folder, 0711);       /* the server reads its files as the user who asks */
    setenv("TDB_NO_FSYNC", "1", 1); /* each change of the server's database waits for the disk otherwise */
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent && freopen("/dev/null", "w", stdout) != NULL &&
            freopen("/dev/null", "w", stderr) != NULL)
            execlp("unshare", "unshare", "--pid", "--fork", "--kill-child=KILL", SMBD_SCRIPT, folder, NULL);
        _exit(127);
    }
    snprintf(server->root_file, sizeof(server->root_file), "%s/root.cred", folder);
    snprintf(server->plain_file, sizeof(server->plain_file), "%s/nobody.cred", folder);
    server->root_user = (struct stf_registry_remote){
        .host = "127.0.0.1", .credentials_file = server->root_file, .helper = WINREG_HELPER};
    server->plain_user = server->root_user;
    server->plain_user.credentials_file = server->plain_file;
    snprintf(folder, sizeof(folder), "%s/smb/smb.conf", test_folder);
    setenv("SMB_CONF_PATH", folder, 1);
    for (int waited_ms = 0; waited_ms < SMBD_WAIT_MS; waited_ms += 20) {
        if (waitpid(server->pid, NULL, WNOHANG) != 0) {
            server->pid = 0;
            return false;
        }
        if (answers_on_445())
            return true;
        usleep(20000);
    }
    smb_server_stop(server);
    return false;
}

static inline struct stf_registry *open_remote(const struct stf_registry_remote *remote, enum stf_registry_mode mode)
{
    const struct stf_registry_place place = {.remote = remote};
    struct stf_registry *registry = NULL;
    struct stf_err err = {0};

    assert_ok(stf_registry_open(&stf_registry_backend_remote, &place, mode, &registry, &err), &err);
    return registry;
}

static inline enum stf_kind try_remote(const struct stf_registry_remote *remote, struct stf_err *err)
{
    const struct stf_registry_place place = {.remote = remote};
    struct stf_registry *registry = NULL;
    enum stf_kind kind = stf_registry_open(&stf_registry_backend_remote, &place, STF_REGISTRY_READ, &registry, err);

    stf_registry_close(registry);
    return kind;
}

/* main: the tests, all on one server. */
#define run_with_smb_server(server, tests)                                                                             \
    (make_test_folder(NULL) != 0 || !enter_own_network() || !smb_server_start(server)                                  \
         ? (puts("SKIP: no network namespace, or no smbd in it"), remove_test_folder(NULL), 0)                         \
         : finish_smb_server(server, cmocka_run_group_tests(tests, NULL, NULL)))

static inline int finish_smb_server(struct smb_server *server, int failed)
{
    smb_server_stop(server);
    remove_test_folder(NULL);
    return failed;
}
