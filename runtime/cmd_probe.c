/* cmd_probe.c - `staffetta probe`: measures targets from this machine, without a site. Changes nothing anywhere.
 * SPDX-License-Identifier: MIT */
#include "cmd_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe/document.h"
#include "probe/raw.h"

enum { LIVE_EVERY_MS = 200 };

const char stf_probe_help[] =
    "Starts an attempt at each target at each place of a fixed schedule, without waiting for earlier answers, and\n"
    "tells outages with their error, latency, and how steady this machine was. Ends at --count, --duration or Ctrl-C.\n"
    "\n"
    "Options:\n"
    "  --method M         icmp (default), udp (echo), tcp (default with --port), tcp_line, http, pop3, imap, ldap,\n"
    "                     session (one connection, asked again and again)\n"
    "  --port N           default: the method's usual one\n"
    "  --interval TIME    200us to 10s, default 1ms\n"
    "  --timeout TIME     an attempt is lost after that: 1ms to 900ms, default 500ms\n"
    "  --count N          end after N places of the schedule\n"
    "  --duration TIME    the same as a time: 90s, 5min\n"
    "  --send TEXT        tcp_line: sent once connected; session: each request\n"
    "  --expect TEXT      tcp_line, session: what a good answer contains\n"
    "  --give-up TIME     session: ends when nothing was acknowledged for so long, default 30s\n"
    "  --path PATH        http: default /\n"
    "  --host NAME        http: the Host line\n"
    "  --head             http: HEAD instead of GET\n"
    "  --status N         http: the only good status; default any from 200 to 399\n"
    "  --raw FILE         keep every sample: NDJSON when FILE ends in .ndjson, else CSV\n"
    "  --output FORM      human (default) or json\n"
    "  --help             this text\n"
    "\n"
    "Exit code 0: every target has answered; 3: one never did; 4: nothing could be sent to one.\n";

struct request {
    struct stf_cli cli; /* for errors and --output */
    struct stf_ask_options ask;
    struct stf_probe_options probe;
    struct stf_probe_target *targets;
    int64_t port, count, duration_us;
    const char *raw_path;
    FILE *raw;
};

/* ---- arguments ---- */

static int usage(const char *option, const char *expected, const char *found)
{
    char name[32];
    snprintf(name, sizeof name, "--%s", option);
    return stf_cli_usage_value("probe", name, expected, found);
}

static bool read_number(const char *text, int64_t min, int64_t max, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *number >= min && *number <= max;
}

/* "200us", "1ms", "1.5s", "5min". */
static bool read_time_us(const char *text, int64_t min_us, int64_t max_us, int64_t *us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"min", 60e6}};
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++) {
        double found = number * units[i].us;
        if (strcmp(end, units[i].name) != 0 || !(found >= (double)min_us && found <= (double)max_us))
            continue;
        *us = (int64_t)(found + 0.5);
        return true;
    }
    return false;
}

static int take_time(struct request *request, int option)
{
    static const char *const names[] = {['i'] = "interval", ['t'] = "timeout", ['d'] = "duration", ['g'] = "give-up"};
    int64_t found_us = 0;
    bool is_good = false;
    const char *expected = "200us to 10s";
    if (option == 'i') {
        is_good =
            read_time_us(optarg, STF_PROBE_INTERVAL_MIN_US, STF_PROBE_INTERVAL_MAX_US, &request->probe.interval_us);
    } else if (option == 't') {
        expected = "1ms to 900ms";
        is_good = read_time_us(optarg, 1000, STF_PROBE_TIMEOUT_MAX_MS * 1000, &found_us);
        request->probe.timeout_ms = found_us / 1000;
    } else if (option == 'g') {
        expected = "1ms to 10min";
        is_good = read_time_us(optarg, 1000, STF_PROBE_GIVE_UP_MAX_MS * INT64_C(1000), &found_us);
        request->probe.give_up_ms = found_us / 1000;
    } else {
        expected = "a time such as 90s or 5min";
        is_good = read_time_us(optarg, 1, INT64_MAX / 2, &request->duration_us);
    }
    return is_good ? -1 : usage(names[option], expected, optarg);
}

static int take_option(void *user, int option, const char *name)
{
    struct request *request = user;
    (void)name;
    switch (option) {
    case 'm':
        request->ask.method = optarg;
        return -1;
    case 'p':
        return read_number(optarg, 1, UINT16_MAX, &request->port) ? -1 : usage("port", "1 to 65535", optarg);
    case 'c':
        return read_number(optarg, 1, STF_PROBE_SAMPLES_MAX, &request->count) ? -1
                                                                              : usage("count", "1 to 4000000", optarg);
    case 'i':
    case 't':
    case 'd':
    case 'g':
        return take_time(request, option);
    case 'S':
        request->ask.send = optarg;
        return -1;
    case 'E':
        request->ask.expect = optarg;
        return -1;
    case 'P':
        request->ask.path = optarg;
        return -1;
    case 'H':
        request->ask.host = optarg;
        return -1;
    case 'D':
        request->ask.is_head = true;
        return -1;
    case 'T':
        return read_number(optarg, 100, 599, &request->ask.status) ? -1 : usage("status", "100 to 599", optarg);
    case 'r':
        request->raw_path = optarg;
        return -1;
    case 'o':
        return stf_cli_take_output(&request->cli, optarg);
    default:
        stf_command_help(stf_command_find("probe"), stdout);
        return STF_EXIT_OK;
    }
}

/* A name is looked up once, before the first attempt. */
static enum stf_kind make_target(const char *name, uint16_t port, int transport, struct stf_probe_target *target,
                                 struct stf_err *err)
{
    const struct addrinfo hints = {.ai_socktype = transport == STF_ASK_ICMP || transport == STF_ASK_UDP ? SOCK_DGRAM
                                                                                                        : SOCK_STREAM};
    struct addrinfo *found = NULL;
    char address[INET6_ADDRSTRLEN];
    if (stf_probe_target_make(name, port, target, NULL) == STF_OK)
        return STF_OK;
    int failed = getaddrinfo(name, NULL, &hints, &found);
    if (failed)
        return stf_err_set(err, STF_NOT_FOUND, 0, "probe", name, "cannot look up '%s': %s", name, gai_strerror(failed));
    getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(found);
    enum stf_kind kind = stf_probe_target_make(address, port, target, err);
    snprintf(target->name, sizeof target->name, "%s", name);
    return kind;
}

static enum stf_kind make_targets(struct request *request, struct stf_err *err)
{
    const struct stf_ask_method *method = request->probe.ask.method;
    uint16_t port = request->port ? (uint16_t)request->port : method->port;
    if (method->transport != STF_ASK_ICMP && port == 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe", method->name, "method '%s' needs --port", method->name);
    if (method->transport == STF_ASK_ICMP && port != 0)
        return stf_err_set(err, STF_INVALID_DATA, 0, "probe", method->name, "method 'icmp' has no port");
    request->targets = calloc(request->probe.target_count, sizeof *request->targets);
    request->probe.targets = request->targets;
    if (!request->targets)
        return stf_err_set(err, STF_NO_MEMORY, 0, "probe", NULL, "no memory for the targets");
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; i < request->probe.target_count && kind == STF_OK; i++)
        kind = make_target(request->cli.operands[i], port, method->transport, &request->targets[i], err);
    return kind;
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        {"method", required_argument, NULL, 'm'},
        {"port", required_argument, NULL, 'p'},
        {"interval", required_argument, NULL, 'i'},
        {"timeout", required_argument, NULL, 't'},
        {"count", required_argument, NULL, 'c'},
        {"duration", required_argument, NULL, 'd'},
        {"give-up", required_argument, NULL, 'g'},
        {"send", required_argument, NULL, 'S'},
        {"expect", required_argument, NULL, 'E'},
        {"path", required_argument, NULL, 'P'},
        {"host", required_argument, NULL, 'H'},
        {"head", no_argument, NULL, 'D'},
        {"status", required_argument, NULL, 'T'},
        {"raw", required_argument, NULL, 'r'},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    request->cli.command = argv[0];
    int exit_code = stf_cli_options(&request->cli, argc, argv, ":h", options, take_option, request);
    if (exit_code != -1)
        return exit_code;
    request->probe.target_count = (size_t)request->cli.operand_count;
    if (request->cli.operand_count == 0)
        return stf_cli_usage_value("probe", "the target", "an address, or a name to look up", NULL);
    if (request->cli.operand_count > STF_PROBE_TARGETS_MAX)
        return stf_cli_usage_error("probe", "at most %d targets at once", STF_PROBE_TARGETS_MAX);
    if (request->count && request->duration_us)
        return stf_cli_usage_error("probe", "--count and --duration exclude each other");
    if (!request->ask.method)
        request->ask.method = request->port ? "tcp" : "icmp";
    return -1;
}

/* ---- running ---- */

/* Until the schedule's end, or a signal that asks for it; both end with the report. */
static void wait_for_end(const struct stf_probe *probe, const sigset_t *signals)
{
    const struct timespec pause = {.tv_nsec = LIVE_EVERY_MS * 1000000};
    bool is_live = isatty(STDERR_FILENO);
    for (;;) {
        struct stf_probe_progress progress = stf_probe_progress(probe);
        if (is_live)
            stf_probe_live_show(stderr, &progress);
        if (progress.is_finished || sigtimedwait(signals, NULL, &pause) > 0)
            break;
    }
    if (is_live)
        stf_probe_live_end(stderr);
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static enum stf_kind keep_raw(const struct request *request, const struct stf_probe *probe, struct stf_err *err)
{
    if (!request->raw)
        return STF_OK;
    enum stf_probe_raw_form form = ends_with(request->raw_path, ".ndjson") ? STF_PROBE_RAW_NDJSON : STF_PROBE_RAW_CSV;
    return stf_probe_write_raw(probe, form, request->raw, err);
}

static enum stf_kind measure(const struct request *request, json_t **reports, struct stf_err *err)
{
    struct stf_probe *probe = NULL;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    /* until the program ends: a second one, which timeout(1) sends at once, must not take the report away */
    sigprocmask(SIG_BLOCK, &signals, NULL);
    enum stf_kind kind = stf_probe_start(&request->probe, &probe, err);
    if (kind == STF_OK) {
        wait_for_end(probe, &signals);
        kind = stf_probe_stop(probe, -1, err);
    }
    if (kind == STF_OK)
        kind = keep_raw(request, probe, err);
    if (kind == STF_OK)
        kind = stf_probe_reports(probe, reports, err);
    stf_probe_free(probe);
    return kind;
}

static int tell(const struct request *request, const json_t *reports)
{
    int exit_code = STF_EXIT_OK;
    for (size_t i = 0; i < json_array_size(reports); i++) {
        const json_t *report = json_array_get(reports, i);
        if (!request->cli.is_json)
            stf_probe_report_print(stdout, report);
        if (json_integer_value(json_object_get(report, "answered")) > 0)
            continue;
        bool is_sent = json_integer_value(json_object_get(report, "sent")) > 0;
        if (exit_code != STF_EXIT_FAILED)
            exit_code = is_sent ? STF_EXIT_FAILED : STF_EXIT_UNKNOWN;
    }
    if (request->cli.is_json) {
        json_t *doc = json_pack("{s:O}", "reports", reports);
        stf_output_json(doc);
        json_decref(doc);
    }
    return exit_code;
}

static enum stf_kind prepare(struct request *request, struct stf_err *err)
{
    enum stf_kind kind = stf_ask_make(&request->ask, &request->probe.ask, err);
    if (kind == STF_OK)
        kind = make_targets(request, err);
    if (kind)
        return kind;
    int64_t interval_us = request->probe.interval_us;
    request->probe.places =
        (uint64_t)(request->count ? request->count : (request->duration_us + interval_us - 1) / interval_us);
    if (request->raw_path && !(request->raw = fopen(request->raw_path, "we")))
        return stf_err_errno(err, errno, "probe.raw", request->raw_path, "cannot open the file");
    return STF_OK;
}

int stf_cmd_probe(int argc, char **argv)
{
    struct request request = {.probe = {.interval_us = STF_PROBE_INTERVAL_US,
                                        .timeout_ms = STF_PROBE_TIMEOUT_MS,
                                        .give_up_ms = STF_PROBE_GIVE_UP_MS}};
    json_t *reports = NULL;
    struct stf_err err;
    int exit_code = parse(&request, argc, argv);
    if (exit_code != -1)
        return exit_code;
    exit_code = STF_EXIT_ERROR;
    enum stf_kind kind = prepare(&request, &err);
    if (kind == STF_OK)
        kind = measure(&request, &reports, &err);
    if (kind == STF_OK)
        exit_code = tell(&request, reports);
    else
        stf_cli_error(&request.cli, &err);
    if (request.raw)
        fclose(request.raw);
    json_decref(reports);
    free(request.targets);
    return exit_code;
}
