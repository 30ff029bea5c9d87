/* daemon_resource.c - the resource ipsec.daemon: a charon that a drill ends, and starts again with all that it had.
 * Must never end one that the site does not say how to start. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/netns.h"
#include "common/process.h"
#include "ipsec/daemon_resource.h"
#include "ipsec/strongswan.h"

enum { END_MS = 10000, START_MS = 15000, PAUSE_US = 2000, RENEW_MS = 3000 };

/* What the id says: how the daemon ends, and what it negotiates again once it runs. */
struct manner {
    int signal;
    const json_t *renew; /* names of connections, or NULL */
};

static enum stf_kind read_id(const json_t *id, struct manner *manner, struct stf_err *err)
{
    static const char *const known[] = {"signal", "renew", NULL};
    const char *signal_name;
    size_t index;
    json_t *name;
    enum stf_kind kind = stf_doc_check_keys(id, known, "ipsec.daemon", err);
    if (!kind)
        kind = stf_doc_opt_string(id, "signal", "TERM", &signal_name, err);
    if (kind)
        return kind;
    if (strcmp(signal_name, "TERM") != 0 && strcmp(signal_name, "KILL") != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "ipsec.daemon", "signal",
                           "expected \"TERM\" or \"KILL\", found '%s'", signal_name);
    manner->signal = strcmp(signal_name, "KILL") == 0 ? SIGKILL : SIGTERM;
    manner->renew = json_object_get(id, "renew");
    json_array_foreach ((json_t *)manner->renew, index, name) {
        const char *text = json_string_value(name);
        kind = stf_strongswan_check_name(text ? text : "", err);
        if (kind)
            return kind;
    }
    return STF_OK;
}

/* ---------- reading ---------- */

static enum stf_kind look(const struct stf_host *host, bool *is, struct stf_err *err)
{
    struct stf_vici_client *client = NULL;
    enum stf_kind kind = stf_strongswan_connect(host, &client, err);
    stf_vici_close(client);
    *is = !kind;
    return kind == STF_UNREACHABLE ? STF_OK : kind;
}

enum stf_kind stf_ipsec_daemon_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                    struct stf_err *err)
{
    struct manner manner;
    bool is = false, has_lost = false;
    (void)self;
    enum stf_kind kind = read_id(id, &manner, err);
    if (!kind)
        kind = look(host, &is, err);
    if (!kind && is)
        kind = stf_strongswan_has_lost(host, &has_lost, err);
    if (kind)
        return kind;
    *state = json_pack("{s:b, s:o*}", "is_running", is, "loaded", has_lost ? json_false() : NULL);
    return *state ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "ipsec.daemon", host->name, "no memory for the answer");
}

/* ---------- ending ---------- */

/* The words of the host's ipsec.start, ended by NULL; they point into the site. Free the array. */
static enum stf_kind start_command(const struct stf_host *host, const char ***argv, struct stf_err *err)
{
    const json_t *words = json_object_get(json_object_get(host->config, "ipsec"), "start");
    size_t count = json_array_size(words);
    *argv = calloc(count + 1, sizeof **argv);
    if (!*argv)
        return stf_err_set(err, STF_NO_MEMORY, 0, "ipsec.daemon", host->name, "no memory for a command");
    for (size_t i = 0; i < count; i++)
        (*argv)[i] = json_string_value(json_array_get(words, i));
    for (size_t i = 0; i < count || i == 0; i++)
        if (!(*argv)[i])
            return stf_err_set(err, STF_INVALID_DATA, 0, "configure", host->name,
                               "host '%s' has no ipsec.start in site.lua, so nothing could start its daemon again; add "
                               "for instance start = { \"systemctl\", \"start\", \"strongswan\" }",
                               host->name);
    return STF_OK;
}

/* The process behind the socket, which still serves after its pidfd was opened: so it is no other that got its pid. */
static enum stf_kind open_process(const struct stf_host *host, int *pidfd, struct stf_err *err)
{
    struct stf_vici_client *client = NULL;
    json_t *answer = NULL;
    pid_t pid = 0;
    *pidfd = -1;
    enum stf_kind kind = stf_strongswan_connect(host, &client, err);
    if (!kind)
        kind = stf_vici_peer(client, &pid, err);
    if (!kind && (*pidfd = pidfd_open(pid, 0)) < 0)
        kind = stf_err_errno(err, errno, "ipsec.daemon", host->name, "cannot reach the daemon's process");
    if (!kind)
        kind = stf_vici_request(client, "version", NULL, STF_CHARON_ANSWER_MS, &answer, err);
    json_decref(answer);
    stf_vici_close(client);
    return kind;
}

static enum stf_kind end_daemon(const struct stf_host *host, int signal, struct stf_err *err)
{
    int pidfd;
    enum stf_kind kind = open_process(host, &pidfd, err);
    if (!kind && pidfd_send_signal(pidfd, signal, NULL, 0) < 0)
        kind = stf_err_errno(err, errno, "ipsec.daemon", host->name, "cannot end the daemon");
    struct pollfd ended = {pidfd, POLLIN, 0};
    if (!kind && poll(&ended, 1, END_MS) != 1)
        kind = stf_err_set(err, STF_TIMEOUT, 0, "ipsec.daemon", host->name,
                           "the daemon of %s did not end within %d ms of signal %d", host->name, END_MS, signal);
    if (pidfd >= 0)
        close(pidfd);
    return kind;
}

/* ---------- starting ---------- */

static enum stf_kind run_start(const struct stf_host *host, const char **argv, struct stf_err *err)
{
    struct stf_process_id id = {.argv = argv, .netns = host->netns, .timeout_ms = START_MS};
    struct stf_process_result done;
    enum stf_kind kind = stf_process_run(&id, &done, err);
    if (!kind && done.exit_code != 0)
        kind = stf_err_set(err, STF_IO, done.exit_code, "ipsec.daemon", host->name,
                           "%s did not start the daemon of %s (exit code %d): %.200s", argv[0], host->name,
                           done.exit_code, done.errors);
    stf_process_result_fini(&done);
    return kind;
}

static enum stf_kind await(const struct stf_host *host, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + (int64_t)START_MS * 1000000;
    bool is = false;
    enum stf_kind kind = look(host, &is, err);
    while (!kind && !is && stf_clock_ns() < deadline_ns) {
        usleep(PAUSE_US);
        kind = look(host, &is, err);
    }
    if (!kind && !is)
        kind = stf_err_set(err, STF_TIMEOUT, 0, "ipsec.daemon", host->name,
                           "the daemon of %s was started, but did not answer within %d ms", host->name, START_MS);
    return kind;
}

/* What could not be loaded again is an error here: the daemon is not as it was. */
static enum stf_kind load_again(const struct stf_host *host, struct stf_err *err)
{
    json_t *outcome = NULL;
    enum stf_kind kind = stf_strongswan_reload(host, &outcome, err);
    const json_t *skipped = json_array_get(json_object_get(outcome, "skipped"), 0);
    if (!kind && skipped)
        kind = stf_err_set(err, STF_CONFLICT, 0, "ipsec.daemon", host->name,
                           "the daemon of %s runs, but '%s' was not loaded again: %s", host->name,
                           json_string_value(json_object_get(skipped, "name")),
                           json_string_value(json_object_get(skipped, "reason")));
    json_decref(outcome);
    return kind;
}

/* One that runs has been started by a write that was cut short, or by somebody else: it still gets what it lacks. */
static enum stf_kind bring_back(const struct stf_host *host, bool is_running, const struct manner *manner,
                                const char **argv, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (!is_running)
        kind = run_start(host, argv, err);
    if (!kind)
        kind = await(host, err);
    if (!kind)
        kind = load_again(host, err);
    return kind ? kind : stf_strongswan_renew(host, manner->renew, RENEW_MS, err);
}

enum stf_kind stf_ipsec_daemon_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                     struct stf_err *err)
{
    static const char *const known[] = {"is_running", "loaded", NULL};
    struct manner manner;
    const char **argv = NULL;
    bool wanted, is = false;
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(state, known, "state of ipsec.daemon", err);
    if (!kind)
        kind = stf_doc_opt_bool(state, "is_running", true, &wanted, err);
    if (!kind)
        kind = read_id(id, &manner, err);
    if (!kind)
        kind = start_command(host, &argv, err);
    if (!kind)
        kind = look(host, &is, err);
    if (!kind && wanted)
        kind = bring_back(host, is, &manner, argv, err);
    else if (!kind && is)
        kind = end_daemon(host, manner.signal, err);
    free(argv);
    return kind;
}

char *stf_ipsec_daemon_describe(const json_t *id, const json_t *state)
{
    (void)id;
    if (!state)
        return strdup("IPsec daemon");
    if (!json_is_true(json_object_get(state, "is_running")))
        return strdup("not running");
    return strdup(json_object_get(state, "loaded") ? "running, without what it had of ours" : "running");
}
