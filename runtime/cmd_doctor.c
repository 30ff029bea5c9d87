/* cmd_doctor.c - what this machine and the site's hosts can do, each finding with its remedy. Looks only: it must never
 * start, load or change anything. SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "common/dl.h"

#include "fleet/fleet.h"
#include "run.h"
#include "table.h"

const char stf_doctor_help[] =
    "Each line is one finding: ok, limited (it works, but less well), missing or unknown, with what to do about it.\n"
    "Without a site it looks at this machine only. Nothing is changed anywhere.\n"
    "\n"
    "Exit code: 0 when nothing is missing, 3 when something is, 4 when something could not be found out.\n";

/* ---- findings: {"about", "what", "verdict", "found", "remedy"} ---- */

static void find(json_t *findings, const char *about, const char *what, const char *verdict, const char *found,
                 const char *remedy)
{
    bool is_ok = strcmp(verdict, "ok") == 0;
    json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s, s:s}", "about", about, "what", what, "verdict",
                                              verdict, "found", found, "remedy", is_ok ? "" : remedy));
}

static bool is_installed(const char *program, char *path, size_t size)
{
    static const char *const folders[] = {"/usr/sbin", "/usr/bin",        "/sbin",
                                          "/bin",      "/usr/local/sbin", "/usr/local/bin"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, size, "%s/%s", folders[i], program);
        if (access(path, X_OK) == 0)
            return true;
    }
    snprintf(path, size, "no %s in the system's folders", program);
    return false;
}

/* ---- this machine ---- */

static const struct tool {
    const char *what, *program, *verdict, *remedy; /* the verdict where it is not there */
} tools[] = {
    {"IKE daemon", "charon-systemd", "missing", "apt-get install charon-systemd strongswan-swanctl"},
    {"guard", "nft", "missing", "apt-get install nftables"},
    {"ssh", "ssh", "limited", "for hosts with transport = \"openssh\": apt-get install openssh-client"},
    {"keepalived", "keepalived", "limited", "for clusters with manager = \"keepalived\": apt-get install keepalived"},
    {"mail server of the lab", "dovecot", "limited",
     "the lab uses a small server instead; apt-get install dovecot-imapd"},
    {"web server of the lab", "nginx", "limited", "the lab uses a small server instead; apt-get install nginx-light"},
};

static void look_for_tools(json_t *findings)
{
    char path[128];
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        bool is_there = is_installed(tools[i].program, path, sizeof path);
        find(findings, "this machine", tools[i].what, is_there ? "ok" : tools[i].verdict, path, tools[i].remedy);
    }
}

static void look_for_capture(json_t *findings)
{
    static const struct stf_dl_symbol none[] = {{NULL, 0}};
    static struct stf_dl pcap = {.soname = "libpcap.so.0.8", .package = "libpcap0.8", .symbols = none};
    struct stf_err err;
    bool is_there = stf_dl_open(&pcap, NULL, &err) == STF_OK;
    find(findings, "this machine", "capture", is_there ? "ok" : "missing", is_there ? pcap.soname : err.message,
         "without it nothing is proved on the wire: apt-get install libpcap0.8");
}

static void look_at_state_dir(json_t *findings, const struct stf_runtime *rt)
{
    struct stat status;
    bool is_there = stat(rt->state_dir, &status) == 0;
    char above[4096];
    snprintf(above, sizeof above, "%s", rt->state_dir);
    for (char *slash; !is_there && (slash = strrchr(above, '/')) && access(above, F_OK) != 0;)
        *slash = '\0';
    bool is_writable = access(is_there ? rt->state_dir : *above ? above : "/", W_OK | X_OK) == 0;
    find(findings, "this machine", "journal's folder", is_writable ? "ok" : "missing", rt->state_dir,
         "it can not be written: run as root, or name another folder with --state");
}

/* By the verb system.facts, which asks the kernel in a namespace that nobody sees. */
static void tell_facts(json_t *findings, const char *about, const json_t *facts)
{
    const json_t *esp = json_object_get(facts, "has_kernel_esp");
    const char *charon = json_string_value(json_object_get(facts, "charon"));
    char system[256];
    snprintf(system, sizeof system, "Linux %s, %s", stf_cli_text(facts, "kernel"), stf_cli_text(facts, "os"));
    find(findings, about, "ESP in the kernel",
         json_is_true(esp)    ? "ok"
         : json_is_false(esp) ? "limited"
                              : "unknown",
         system,
         json_is_false(esp) ? "only tunnel mode in userland, with ipsec.allow_tunnel; the modules are esp4 and "
                              "xfrm_user. For a lab: staffetta lab vm"
                            : "ask as root: it needs a network namespace of its own");
    if (strcmp(about, "this machine") != 0)
        find(findings, about, "IKE daemon", charon ? "ok" : "missing", charon ? charon : "no charon",
             "apt-get install charon-systemd strongswan-swanctl, on that host");
}

/* ---- the site's hosts: one thread each, for an unreachable one keeps its thread waiting ---- */

struct visit {
    pthread_t thread;
    bool has_thread;
    const struct stf_runtime *rt;
    struct stf_fleet *fleet;
    struct stf_host host;
    json_t *findings;
};

static enum stf_kind call(const struct visit *visit, const char *verb_name, const json_t *args, json_t **result,
                          struct stf_err *err)
{
    for (size_t b = 0; b < visit->rt->bound_count; b++) {
        const struct stf_bound *bound = &visit->rt->bound[b];
        for (const struct stf_verb *verb = bound->binding->verbs; verb && verb->name; verb++)
            if (strcmp(verb->name, verb_name) == 0)
                return stf_fleet_call(visit->fleet, &visit->host, verb, bound->self, args, result, err);
    }
    return stf_err_set(err, STF_UNSUPPORTED, 0, "doctor", verb_name, "this program has no %s", verb_name);
}

static const char *remedy_of_reach(const struct stf_host *host)
{
    return strcmp(stf_cli_text(host->config, "transport"), "openssh") == 0
               ? "try `ssh HOST staffetta version` by hand: keys and host keys are ssh's; staffetta must be there"
           : host->netns ? "`staffetta lab up` makes the namespaces of the lab"
                         : "the host's part of site.lua says how it is reached";
}

/* Whether the host can be asked at all. */
static bool look_at_system(struct visit *visit)
{
    struct stf_err err;
    json_t *facts = NULL, *none = json_object();
    char path[300];
    bool is_elsewhere = json_object_get(visit->host.config, "transport") != NULL, is_reached = true;
    if (is_elsewhere) {
        is_reached = call(visit, "system.facts", none, &facts, &err) == STF_OK;
        find(visit->findings, visit->host.name, "reachable", is_reached ? "ok" : "missing",
             is_reached ? stf_cli_text(facts, "hostname") : err.message, remedy_of_reach(&visit->host));
        if (is_reached)
            tell_facts(visit->findings, visit->host.name, facts);
    } else if (visit->host.netns) {
        snprintf(path, sizeof path, "/run/netns/%s", visit->host.netns);
        is_reached = access(path, F_OK) == 0;
        find(visit->findings, visit->host.name, "network namespace", is_reached ? "ok" : "missing", visit->host.netns,
             remedy_of_reach(&visit->host));
    }
    json_decref(facts);
    json_decref(none);
    return is_reached;
}

static void look_at_ipsec(struct visit *visit)
{
    struct stf_err err;
    json_t *found = NULL, *none = json_object();
    const char *vici = stf_cli_text(json_object_get(visit->host.config, "ipsec"), "vici");
    bool is_windows = strcmp(stf_cli_text(json_object_get(visit->host.config, "ipsec"), "driver"), "windows") == 0;
    bool is_ok = call(visit, is_windows ? "ipsec.windows_check" : "ipsec.capabilities", none, &found, &err) == STF_OK;
    find(visit->findings, visit->host.name, is_windows ? "Windows IPsec" : "VICI socket", is_ok ? "ok" : "missing",
         is_ok ? (*vici ? vici : "answers") : err.message,
         is_windows ? "see bindings/ipsec/README.md for what a Windows host needs"
                    : "is the daemon up (systemctl start strongswan), and is ipsec.vici its socket?");
    json_decref(found);
    json_decref(none);
}

static void look_at_registry(struct visit *visit)
{
    const char *root;
    json_t *store;
    json_object_foreach ((json_t *)json_object_get(visit->host.config, "registry"), root, store) {
        struct stf_err err;
        json_t *found = NULL, *args = json_pack("{s:s}", "key", root);
        bool is_ok = call(visit, "registry.list", args, &found, &err) == STF_OK;
        find(visit->findings, visit->host.name, "registry", is_ok ? "ok" : "missing",
             is_ok ? json_string_value(store) : err.message, "`staffetta registry about` tells more of the store");
        json_decref(found);
        json_decref(args);
    }
}

static void *look_at_host(void *argument)
{
    struct visit *visit = argument;
    if (!look_at_system(visit))
        return NULL;
    if (json_object_get(visit->host.config, "ipsec"))
        look_at_ipsec(visit);
    if (json_object_get(visit->host.config, "registry"))
        look_at_registry(visit);
    return NULL;
}

static enum stf_kind open_fleet(struct stf_runtime *rt, struct stf_fleet **fleet, struct stf_err *err)
{
    static const char *const needs[] = {"system.read", "ipsec.read", "registry.read"};
    const struct stf_fleet_config config = {.version = stf_version(),
                                            .machine = "doctor",
                                            .operator_name = stf_operator_name(),
                                            .state_dir = rt->state_dir};
    enum stf_kind kind = stf_runtime_open_fleet(rt, &config, fleet, err);
    for (size_t i = 0; !kind && i < sizeof needs / sizeof *needs; i++)
        kind = stf_fleet_grant(*fleet, needs[i], err);
    return kind;
}

static int compare_visits(const void *left, const void *right)
{
    return strcmp(((const struct visit *)left)->host.name, ((const struct visit *)right)->host.name);
}

static enum stf_kind look_at_hosts(struct stf_runtime *rt, const json_t *hosts, const json_t *limit, json_t *findings,
                                   struct stf_err *err)
{
    size_t count = 0;
    const char *name;
    json_t *config;
    struct stf_fleet *fleet = NULL;
    struct visit *visits = calloc(json_object_size(hosts) + 1, sizeof *visits);
    if (!visits)
        return stf_err_set(err, STF_NO_MEMORY, 0, "doctor", NULL, "not enough memory");
    enum stf_kind kind = open_fleet(rt, &fleet, err);
    if (kind != STF_OK)
        goto out;
    json_object_foreach ((json_t *)hosts, name, config) {
        if (limit && !json_object_get(limit, name))
            continue;
        const char *netns = json_string_value(json_object_get(config, "netns"));
        visits[count++] = (struct visit){
            .rt = rt, .fleet = fleet, .host = {name, netns, config, rt->site_dir}, .findings = json_array()};
    }
    qsort(visits, count, sizeof *visits, compare_visits);
    for (size_t i = 0; i < count; i++) {
        visits[i].has_thread = pthread_create(&visits[i].thread, NULL, look_at_host, &visits[i]) == 0;
        if (!visits[i].has_thread)
            look_at_host(&visits[i]);
    }
    for (size_t i = 0; i < count; i++) {
        if (visits[i].has_thread)
            pthread_join(visits[i].thread, NULL);
        json_array_extend(findings, visits[i].findings);
        json_decref(visits[i].findings);
    }
out:
    stf_fleet_close(fleet);
    free(visits);
    return kind;
}

static void tell_site_error(json_t *findings, const struct stf_err *err)
{
    char found[sizeof err->message + sizeof "; expected " + sizeof err->expected];
    snprintf(found, sizeof found, "%s%s%s", err->message, *err->expected ? "; expected " : "", err->expected);
    find(findings, "the site", "site.lua", "missing", found, err->remedy);
}

static void look_at_machine(struct stf_runtime *rt, json_t *findings)
{
    struct stf_err err;
    json_t *facts = NULL, *none = json_object();
    const struct visit here = {.rt = rt, .host = {.name = "this machine", .config = none, .site_dir = "/"}};
    bool is_root = geteuid() == 0;
    find(findings, "this machine", "rights", is_root ? "ok" : "missing", is_root ? "root" : "not root",
         "network namespaces, captures and daemons' sockets need root: use sudo");
    if (call(&here, "system.facts", none, &facts, &err) == STF_OK)
        tell_facts(findings, "this machine", facts);
    look_for_tools(findings);
    look_for_capture(findings);
    look_at_state_dir(findings, rt);
    json_decref(facts);
    json_decref(none);
}

/* ---- the end ---- */

static size_t count_of(const json_t *findings, const char *verdict)
{
    size_t count = 0, index;
    json_t *each;
    json_array_foreach ((json_t *)findings, index, each)
        count += strcmp(stf_cli_text(each, "verdict"), verdict) == 0;
    return count;
}

/* `is_quiet`: without those that are ok. */
static void print_findings(const json_t *findings, bool is_quiet)
{
    static const struct stf_table table = {
        .indent = 2,
        .group = "about",
        .columns = {{.key = "verdict", .is_verdict = true}, {.key = "what"}, {.key = "found", .is_wrapped = true}}};
    size_t index;
    json_t *each, *shown = json_array();
    json_array_foreach ((json_t *)findings, index, each) {
        if (is_quiet && strcmp(stf_cli_text(each, "verdict"), "ok") == 0)
            continue;
        if (*stf_cli_text(each, "remedy"))
            json_object_set_new(each, "below", json_pack("[O]", json_object_get(each, "remedy")));
        json_array_append(shown, each);
    }
    stf_table_print(stdout, &table, shown);
    json_decref(shown);
    printf("\n%zu ok, %zu limited, %zu missing, %zu unknown\n", count_of(findings, "ok"), count_of(findings, "limited"),
           count_of(findings, "missing"), count_of(findings, "unknown"));
}

int stf_cmd_doctor(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_runtime *rt = NULL;
    struct stf_err err;
    const json_t *site = NULL;
    json_t *limit = NULL, *findings = json_array();
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    if (exit_code == -1 && !stf_cli_open(&cli, &rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code != -1)
        goto out;
    look_at_machine(rt, findings);
    enum stf_kind kind = stf_runtime_site(rt, &site, &err);
    if (kind == STF_OK && stf_runtime_limit(rt, cli.limit, &limit, &err) != STF_OK) {
        stf_cli_error(&cli, &err);
        exit_code = STF_EXIT_ERROR;
        goto out;
    }
    if (kind == STF_OK && site)
        kind = look_at_hosts(rt, json_object_get(site, "hosts"), limit, findings, &err);
    if (kind != STF_OK)
        tell_site_error(findings, &err);
    if (cli.is_json) {
        stf_output_json(findings);
    } else {
        json_t *printable = stf_output_printable(findings);
        print_findings(printable, cli.is_quiet);
        json_decref(printable);
    }
    if (kind == STF_OK && count_of(findings, "missing") == 0)
        stf_cli_next(&cli, site ? (const char *[]){"rehearse", NULL} : (const char *[]){"new", "site", "mysite", NULL},
                     NULL);
    exit_code = count_of(findings, "missing")   ? STF_EXIT_FAILED
                : count_of(findings, "unknown") ? STF_EXIT_UNKNOWN
                                                : STF_EXIT_OK;
out:
    json_decref(limit);
    json_decref(findings);
    stf_runtime_close(rt);
    stf_cli_fini(&cli);
    return exit_code;
}
