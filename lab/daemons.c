/* daemons.c - starts a program in a lab host's namespace as the guardian's child, and waits until it serves.
 * Must never start one that could outlive a killed guardian. SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/netns.h"
#include "parts.h"

enum { READY_TIMEOUT_MS = 15000, TRY_MS = 500, PAUSE_MS = 5, MAX_PATH = 320, VICI_CMD_RESPONSE = 1 };

/* ---------- starting ---------- */

/* The state's entry of the daemon; NULL when it was not started yet. */
static json_t *find_noted(const struct stf_lab *lab, const struct stf_lab_daemon *daemon)
{
    size_t i;
    json_t *noted;
    json_array_foreach (json_object_get(lab->state, "daemons"), i, noted)
        if (strcmp(stf_lab_text(noted, "host"), stf_lab_text(daemon->host, "name")) == 0 &&
            strcmp(stf_lab_text(noted, "name"), daemon->name) == 0)
            return noted;
    return NULL;
}

static enum stf_kind note_daemon(struct stf_lab *lab, const struct stf_lab_daemon *daemon, pid_t pid, const char *log,
                                 struct stf_err *err)
{
    int64_t start_ticks = 0;
    stf_lab_process_start(pid, &start_ticks); /* a zombie already: the next pause finds and reports it */
    json_t *noted = json_pack("{s:s, s:s, s:i, s:I, s:s}", "host", stf_lab_text(daemon->host, "name"), "name",
                              daemon->name, "pid", (int)pid, "start_ticks", (json_int_t)start_ticks, "log", log);
    json_t *earlier = find_noted(lab, daemon);
    int failed =
        earlier ? json_object_update(earlier, noted) : json_array_append(json_object_get(lab->state, "daemons"), noted);
    json_decref(noted);
    if (failed)
        return stf_err_set(err, STF_NO_MEMORY, 0, "start", daemon->name, "no memory");
    return stf_lab_state_save(lab->state, err);
}

enum stf_kind stf_lab_start(struct stf_lab *lab, const struct stf_lab_daemon *daemon, struct stf_err *err)
{
    const char *host = stf_lab_text(daemon->host, "name");
    const char *const environment[] = {"STAFFETTA_LAB",
                                       stf_lab_text(lab->state, "name"),
                                       "STAFFETTA_LAB_HOST",
                                       host,
                                       daemon->environment[0],
                                       daemon->environment[1],
                                       NULL};
    char log[MAX_PATH];
    pid_t pid = -1;
    const json_t *earlier = find_noted(lab, daemon);
    if (earlier && stf_lab_process_is(earlier))
        return STF_OK;
    snprintf(log, sizeof log, "%s/%s/%s.out", lab->run_dir, host, daemon->name);
    int output_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (output_fd < 0)
        return stf_err_errno(err, errno, "start", log, "cannot make the daemon's log");
    enum stf_kind kind = stf_lab_spawn(lab,
                                       &(struct stf_lab_child){.argv = daemon->argv,
                                                               .netns = stf_lab_text(daemon->host, "netns"),
                                                               .environment = environment,
                                                               .input_fd = -1,
                                                               .output_fd = output_fd},
                                       &pid, err);
    close(output_fd);
    return kind ? kind : note_daemon(lab, daemon, pid, log, err);
}

/* ---------- waiting ---------- */

static void limit_waiting(int fd)
{
    struct timeval limit = {.tv_usec = TRY_MS * 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static bool port_answers(uint16_t port, bool speaks_first)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char first;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    limit_waiting(fd);
    bool answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                   (!speaks_first || recv(fd, &first, 1, 0) == 1);
    close(fd);
    return answers;
}

enum stf_kind stf_lab_await_port(struct stf_lab *lab, const char *netns, uint16_t port, bool speaks_first,
                                 struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)READY_TIMEOUT_MS * 1000000;
    for (;;) {
        struct stf_netns guard;
        enum stf_kind kind = stf_netns_enter(&guard, netns, err);
        if (kind)
            return kind;
        bool answers = port_answers(port, speaks_first);
        stf_netns_leave(&guard);
        kind = stf_lab_pause(lab, answers ? 0 : PAUSE_MS, err);
        if (kind || answers)
            return kind;
        if (stf_clock_ns() > deadline_ns)
            return stf_err_set(err, STF_TIMEOUT, 0, "start", netns, "port %u in %s did not answer within %d ms", port,
                               netns, READY_TIMEOUT_MS);
    }
}

/* A request of VICI is: length, type CMD_REQUEST, length of the name, name. The answer is read to its end, or the
 * daemon's log would begin with an error. */
static bool exchange_version(int fd)
{
    static const unsigned char request[] = "\0\0\0\011\0\007version";
    unsigned char header[4], answer[1024];
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1 ||
        recv(fd, header, sizeof header, MSG_WAITALL) != (ssize_t)sizeof header)
        return false;
    size_t size = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    return size >= 1 && size <= sizeof answer && recv(fd, answer, size, MSG_WAITALL) == (ssize_t)size &&
           answer[0] == VICI_CMD_RESPONSE;
}

static bool vici_answers(const char *socket_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path)
        return false;
    strcpy(address.sun_path, socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    limit_waiting(fd);
    bool answers = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 && exchange_version(fd);
    close(fd);
    return answers;
}

enum stf_kind stf_lab_await_vici(struct stf_lab *lab, const char *socket_path, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)READY_TIMEOUT_MS * 1000000;
    for (;;) {
        bool answers = vici_answers(socket_path);
        enum stf_kind kind = stf_lab_pause(lab, answers ? 0 : PAUSE_MS, err);
        if (kind || answers)
            return kind;
        if (stf_clock_ns() > deadline_ns)
            return stf_err_set(err, STF_TIMEOUT, 0, "start", socket_path,
                               "the IPsec daemon did not answer on %s within %d ms", socket_path, READY_TIMEOUT_MS);
    }
}
