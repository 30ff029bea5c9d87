/* fault.c - faults of a lab host, to rehearse with: its cable (the switch's port), and its daemons.
 * Must never touch the host's own namespace: what stands there is the drill's. SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"
#include "parts.h"

enum { COMMAND_TIMEOUT_MS = 30000, RESTART_TIMEOUT_MS = 60000, PAUSE_MS = 20, MAX_WORD = 32, MAX_NETEM_WORDS = 4 };

/* The cable of a host: a port of the switch. */
struct cable {
    const char *netns;
    char port[MAX_WORD];
};

static enum stf_kind find_cable(const json_t *state, const char *host_name, struct cable *cable, struct stf_err *err)
{
    size_t i;
    json_t *host;
    json_array_foreach (json_object_get(state, "hosts"), i, host) {
        if (strcmp(stf_lab_text(host, "name"), host_name) != 0)
            continue;
        cable->netns = stf_lab_text(state, "switch");
        snprintf(cable->port, sizeof cable->port, STF_LAB_PORT, i + 1);
        return STF_OK;
    }
    return stf_err_set(err, STF_NOT_FOUND, 0, "fault", host_name, "the lab '%s' has no host '%s'",
                       stf_lab_text(state, "name"), host_name);
}

static enum stf_kind run(const struct cable *cable, const char *const argv[], struct stf_err *err)
{
    struct stf_process_result result;
    enum stf_kind kind = stf_process_run(
        &(struct stf_process_id){.argv = argv, .netns = cable->netns, .timeout_ms = COMMAND_TIMEOUT_MS}, &result, err);
    if (!kind && result.exit_code != 0)
        kind = strstr(result.errors, "qdisc kind is unknown")
                   ? stf_err_set(err, STF_UNSUPPORTED, 0, "fault", cable->port,
                                 "latency and loss need netem, which this kernel does not have "
                                 "(CONFIG_NET_SCH_NETEM): try them with staffetta lab vm")
                   : stf_err_set(err, STF_IO, result.exit_code, "fault", cable->port, "%s failed: %s", argv[0],
                                 result.errors);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind set_link(const struct cable *cable, const char *direction, struct stf_err *err)
{
    const char *const argv[] = {"ip", "link", "set", cable->port, direction, NULL};
    return run(cable, argv, err);
}

/* ---------- latency and loss ---------- */

/* "20ms" or "5%": a number that is not negative, and one of the units. */
static enum stf_kind check_amount(const char *fault, const char *amount, const char *const units[], struct stf_err *err)
{
    char *unit = NULL;
    double number = amount && strspn(amount, "0123456789.") > 0 ? strtod(amount, &unit) : -1;
    for (size_t i = 0; number >= 0 && units[i]; i++)
        if (strcmp(unit, units[i]) == 0 && (*unit != '%' || number <= 100))
            return STF_OK;
    return stf_err_set(err, STF_INVALID_DATA, 0, "fault", fault, "%s needs an amount such as %s, not '%s'", fault,
                       *units[0] == '%' ? "5%" : "20ms", amount ? amount : "");
}

/* One netem has both: `words` is "latency 20ms", "loss 5%", or one after the other. */
static enum stf_kind disturb(const struct cable *cable, const char *const words[], struct stf_err *err)
{
    static const char *const times[] = {"ms", "us", "s", NULL}, *const shares[] = {"%", NULL};
    const char *argv[8 + MAX_NETEM_WORDS] = {"tc", "qdisc", "replace", "dev", cable->port, "root", "netem"};
    for (size_t i = 0; words[i]; i += 2) {
        bool is_latency = strcmp(words[i], "latency") == 0;
        if (i == MAX_NETEM_WORDS || (!is_latency && strcmp(words[i], "loss") != 0))
            return stf_err_set(err, STF_INVALID_DATA, 0, "fault", words[i],
                               "there is no fault '%s': latency 20ms, loss 5%%, cut, kill DAEMON or clear", words[i]);
        enum stf_kind kind = check_amount(words[i], words[i + 1], is_latency ? times : shares, err);
        if (kind)
            return kind;
        argv[7 + i] = is_latency ? "delay" : "loss";
        argv[8 + i] = words[i + 1];
    }
    return run(cable, argv, err);
}

/* ---------- daemons ---------- */

/* A daemon leads a group of its own: its workers, which hold its ports, end with it. */
static enum stf_kind kill_group(const json_t *daemon, struct stf_err *err)
{
    const char *name = stf_lab_text(daemon, "name");
    enum stf_kind kind = STF_OK;
    struct pollfd polled = {stf_lab_process_open(daemon), POLLIN, 0};
    if (polled.fd < 0)
        return STF_OK; /* it has ended already */
    if (kill(-(pid_t)json_integer_value(json_object_get(daemon, "pid")), SIGKILL) < 0 && errno != ESRCH)
        kind = stf_err_errno(err, errno, "fault", name, "cannot kill the daemon");
    else if (poll(&polled, 1, COMMAND_TIMEOUT_MS) != 1)
        kind = stf_err_set(err, STF_TIMEOUT, 0, "fault", name, "%s did not end within %d ms of SIGKILL", name,
                           COMMAND_TIMEOUT_MS);
    close(polled.fd);
    return kind;
}

static enum stf_kind kill_daemon(const json_t *state, const char *host, const char *name, struct stf_err *err)
{
    size_t i;
    json_t *daemon;
    json_array_foreach (json_object_get(state, "daemons"), i, daemon)
        if (strcmp(stf_lab_text(daemon, "host"), host) == 0 && strcmp(stf_lab_text(daemon, "name"), name) == 0)
            return kill_group(daemon, err);
    return stf_err_set(err, STF_NOT_FOUND, 0, "fault", host, "no daemon '%s' was started on %s (see lab status)", name,
                       host);
}

static bool all_run(const json_t *state, const char *host)
{
    size_t i;
    json_t *daemon;
    json_array_foreach (json_object_get(state, "daemons"), i, daemon)
        if (strcmp(stf_lab_text(daemon, "host"), host) == 0 && !stf_lab_process_is(daemon))
            return false;
    return true;
}

/* The guardian starts what has ended, on all hosts, and counts how often it did: daemons are its children. */
static enum stf_kind restart_daemons(const json_t *state, const char *host, struct stf_err *err)
{
    const char *name = stf_lab_text(state, "name");
    json_int_t before = json_integer_value(json_object_get(state, "restarts"));
    int64_t deadline_ns = stf_clock_ns() + (int64_t)RESTART_TIMEOUT_MS * 1000000;
    if (all_run(state, host))
        return STF_OK;
    int fd = stf_lab_process_open(json_object_get(state, "guardian"));
    if (fd < 0 || pidfd_send_signal(fd, SIGUSR1, NULL, 0) < 0) {
        if (fd >= 0)
            close(fd);
        return stf_err_set(err, STF_NOT_FOUND, 0, "fault", name, "the lab's guardian, which starts daemons, is gone");
    }
    close(fd);
    do {
        json_t *now;
        usleep(PAUSE_MS * 1000);
        enum stf_kind kind = stf_lab_state_load(name, &now, err);
        bool is_done = !kind && json_integer_value(json_object_get(now, "restarts")) > before && all_run(now, host);
        json_decref(now);
        if (kind || is_done)
            return kind;
    } while (stf_clock_ns() < deadline_ns);
    return stf_err_set(err, STF_TIMEOUT, 0, "fault", host,
                       "the daemons of %s did not run again within %d ms: %s/guardian.log says why", host,
                       RESTART_TIMEOUT_MS, stf_lab_text(state, "run_dir"));
}

static enum stf_kind clear(const json_t *state, const char *host, const struct cable *cable, struct stf_err *err)
{
    const char *const argv[] = {"tc", "qdisc", "replace", "dev", cable->port, "root", "noqueue", NULL};
    enum stf_kind kind = run(cable, argv, err);
    if (!kind)
        kind = set_link(cable, "up", err);
    return kind ? kind : restart_daemons(state, host, err);
}

enum stf_kind stf_lab_fault(const char *name, const char *host, const char *const words[], struct stf_err *err)
{
    json_t *state;
    struct cable cable;
    enum stf_kind kind = stf_lab_state_load(name, &state, err);
    if (kind)
        return kind;
    kind = find_cable(state, host, &cable, err);
    if (kind)
        goto out;
    if (strcmp(words[0], "cut") == 0 && !words[1])
        kind = set_link(&cable, "down", err);
    else if (strcmp(words[0], "clear") == 0 && !words[1])
        kind = clear(state, host, &cable, err);
    else if (strcmp(words[0], "kill") == 0 && words[1] && !words[2])
        kind = kill_daemon(state, host, words[1], err);
    else
        kind = disturb(&cable, words, err);
out:
    json_decref(state);
    return kind;
}
