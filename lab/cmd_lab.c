/* cmd_lab.c - the command `staffetta lab`: reads arguments, calls lab.h, prints for a person or a program.
 * Must never print anything but its result to standard output. SPDX-License-Identifier: MIT */
#include "cmd_lab.h"
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "lab.h"
#include "machine/machine.h"
#include "responder/responder.h"
#include "table.h"

enum { MAX_PORTS = 16 };

struct arguments {
    struct stf_cli cli;   /* "lab up" and so on, --output, --quiet and what follows the options */
    const char *site_dir; /* --site */
    const char *name;     /* --name */
    const char *pid;      /* --with-pid */
    const char *accel;    /* --accel */
    bool wants_vm;        /* --vm */
    const struct verb *verb;
};

struct verb {
    const char *name, *command, *help;
    int (*run)(const struct arguments *arguments);
};

/* ---------- help ---------- */

static const char lab_help[] =
    "usage: staffetta lab up|down|status|exec|fault|vm [OPTIONS]\n"
    "\n"
    "Builds a site's hosts on this machine, to rehearse on: each host is a network namespace on one\n"
    "switch, with a real IPsec daemon and real servers. `staffetta lab VERB --help` tells more.\n"
    "\n"
    "  up       build the lab of a site\n"
    "  down     take a lab down, or sweep what a killed one left\n"
    "  status   show what stands, and the commands to look at it\n"
    "  exec     run a command on a lab host\n"
    "  fault    latency, loss, a cut cable or a killed daemon, and their end\n"
    "  vm       run a command in a virtual machine whose kernel has ESP\n"
    "\n"
    "exit codes: 0 done, 1 failed or no such lab is up, 64 wrong usage\n";

static const char up_help[] =
    "usage: staffetta lab up --site DIR [--with-pid PID] [--quiet] [--output human|json]\n"
    "\n"
    "Builds the lab of the site in DIR and returns when it is complete. A guardian process stays and\n"
    "holds it until `staffetta lab down`. A lab that is up already is left as it is. Needs root. Where\n"
    "the kernel has no ESP, --vm has it all the same.\n"
    "\n"
    "  --site DIR        the folder with site.lua; hosts with a `netns` are built\n"
    "  --with-pid PID    take the lab down when this process ends, however it ends\n"
    "  --quiet           without a line for each thing that is built\n"
    "  --output FORMAT   human (default) or json\n"
    "  --vm              in a virtual machine, for as long as a shell in it: the same as\n"
    "                    `staffetta lab vm --site DIR`\n";

static const char down_help[] =
    "usage: staffetta lab down [--site DIR | --name NAME] [--output human|json]\n"
    "\n"
    "Ends the lab's processes, what `lab exec` started included, and removes its namespaces and files.\n"
    "Nothing that the lab did not make is touched. With no lab up there is nothing to do, which is no\n"
    "error. Without --site and --name it is the one lab that is up.\n";

static const char status_help[] =
    "usage: staffetta lab status [--site DIR | --name NAME] [--output human|json]\n"
    "\n"
    "Shows the hosts, daemons, virtual addresses and their holders, and how ESP is done: in the kernel,\n"
    "in the kernel of a virtual machine, or in userland where the kernel can not. Below that, commands to look at each "
    "part with. Exit\n"
    "code 1 when no lab is up.\n";

static const char exec_help[] =
    "usage: staffetta lab exec [--site DIR | --name NAME] HOST COMMAND [ARGUMENT...]\n"
    "\n"
    "Runs a command on a lab host, that is, in its network namespace, and ends with its exit code.\n"
    "STAFFETTA_LAB and STAFFETTA_LAB_HOST are set, and STRONGSWAN_CONF on a host with IPsec, so these\n"
    "work as they are:\n"
    "\n"
    "  staffetta lab exec fe1 swanctl --list-sas\n"
    "  staffetta lab exec fe1 ip xfrm policy\n"
    "  staffetta lab exec node-a tcpdump -ni eth0\n"
    "  staffetta lab exec witness bash\n";

static const char fault_help[] =
    "usage: staffetta lab fault [--site DIR | --name NAME] HOST FAULT\n"
    "\n"
    "Disturbs a lab host. Latency, loss and the cut lie on its cable, so the host itself is as it was.\n"
    "`clear` and `lab down` end every fault.\n"
    "\n"
    "  latency 20ms      what reaches the host comes later (us, ms, s); needs a kernel with netem\n"
    "  loss 5%           of what reaches the host; may follow a latency: latency 20ms loss 5%\n"
    "  cut               the cable is pulled\n"
    "  kill DAEMON       with SIGKILL, as `lab status` names it: charon, dovecot, nginx\n"
    "  clear             no latency or loss, the cable in, every daemon started again that has ended;\n"
    "                    `staffetta run reload` gives a restarted charon its connections back\n";

static const char vm_help[] =
    "usage: staffetta lab vm [--site DIR] [--accel kvm|tcg] [COMMAND [ARGUMENT...]]\n"
    "\n"
    "Boots a virtual machine (QEMU) with Debian's kernel, runs the command in it, and ends with its exit\n"
    "code; without a command it is a shell. With --site the site's lab stands there first, with ESP in the\n"
    "kernel and in transport mode, whatever this machine's kernel can:\n"
    "\n"
    "  staffetta lab vm --site mysite staffetta rollout --site mysite\n"
    "  staffetta lab vm --site mysite\n"
    "\n"
    "The machine has this machine's files. What it writes stays in its memory and is gone with it; /run\n"
    "is its own. The command has the same working directory, and no input but in a shell.\n"
    "\n"
    "  --site DIR        the site whose lab is to stand\n"
    "  --accel NAME      kvm, or tcg: an emulated processor, 10 to 30 times slower. Default: kvm if it works\n";

static const char responder_help[] = "usage: staffetta lab responder BANNER PORT...\n";

/* ---------- arguments ---------- */

static int fail(const struct arguments *arguments, const struct stf_err *err)
{
    stf_cli_error(&arguments->cli, err);
    return STF_EXIT_ERROR;
}

static int take_option(void *user, int option, const char *name)
{
    struct arguments *arguments = user;
    char wanted[32];
    snprintf(wanted, sizeof wanted, "--%s", name);
    if (option != 'h' && !strstr(arguments->verb->help, wanted))
        return stf_cli_usage_error(arguments->cli.command, "%s has no option %s", arguments->cli.command, wanted);
    switch (option) {
    case 's':
        arguments->site_dir = optarg;
        return -1;
    case 'n':
        arguments->name = optarg;
        return -1;
    case 'p':
        arguments->pid = optarg;
        return -1;
    case 'v':
        arguments->wants_vm = true;
        return -1;
    case 'q':
        arguments->cli.is_quiet = true;
        return -1;
    case 'a':
        arguments->accel = optarg;
        if (strcmp(optarg, "kvm") == 0 || strcmp(optarg, "tcg") == 0)
            return -1;
        return stf_cli_usage_value(arguments->cli.command, "--accel", "kvm or tcg", optarg);
    case 'o':
        return stf_cli_take_output(&arguments->cli, optarg);
    default:
        fputs(arguments->verb->help, stdout);
        return STF_EXIT_OK;
    }
}

/* Options end at the first word that is none, so that those of exec's command stay its own. */
static int parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"site", required_argument, NULL, 's'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"with-pid", required_argument, NULL, 'p'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"accel", required_argument, NULL, 'a'},
                                            {"vm", no_argument, NULL, 'v'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    return stf_cli_options(&arguments->cli, argc, argv, "+:h", options, take_option, arguments);
}

/* Which lab is meant: by --name, by the site's name, or the only one. *name is malloc'ed. */
static enum stf_kind find_name(const struct arguments *arguments, char **name, struct stf_err *err)
{
    json_t *document = NULL;
    const char *found = arguments->name;
    enum stf_kind kind = STF_OK;
    if (!found && arguments->site_dir) {
        kind = stf_site_load(arguments->site_dir, &document, err);
        found = json_string_value(json_object_get(document, "name"));
        if (!kind && !found)
            kind = stf_err_set(err, STF_INVALID_DATA, 0, "site", arguments->site_dir, "the site has no `name`");
    } else if (!found) {
        kind = stf_lab_list(&document, err);
        found = json_string_value(json_array_get(document, 0));
        if (!kind && !found)
            kind = stf_err_set(err, STF_NOT_FOUND, 0, "lab", NULL, "no lab is up");
        else if (!kind && json_array_size(document) > 1)
            kind = stf_err_set(err, STF_CONFLICT, 0, "labs", NULL,
                               "%zu labs are up (below %s): say which with --name or --site", json_array_size(document),
                               STF_LAB_ROOT);
    }
    *name = kind ? NULL : strdup(found);
    if (!kind && !*name)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    json_decref(document);
    return kind;
}

/* ---------- output ---------- */

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "-";
}

/* A new text: the daemons of one host. */
static json_t *daemons_in_words(const json_t *status, const char *host)
{
    size_t i;
    json_t *daemon, *words = json_string("");
    json_array_foreach (json_object_get(status, "daemons"), i, daemon) {
        if (strcmp(text(daemon, "host"), host) != 0)
            continue;
        json_t *longer =
            json_sprintf("%s%s%s %lld%s", json_string_value(words), json_string_length(words) ? ", " : "",
                         text(daemon, "name"), (long long)json_integer_value(json_object_get(daemon, "pid")),
                         json_is_true(json_object_get(daemon, "is_alive")) ? "" : " (HAS ENDED)");
        json_decref(words);
        words = longer;
    }
    return words;
}

static void print_clusters(const json_t *status)
{
    size_t i, j;
    json_t *cluster, *holder;
    json_array_foreach (json_object_get(status, "clusters"), i, cluster) {
        const json_t *holders = json_object_get(cluster, "holders");
        printf("  cluster %s: virtual IP %s held by", text(cluster, "name"), text(cluster, "virtual_ip"));
        json_array_foreach (holders, j, holder)
            printf(" %s", json_string_value(holder));
        puts(json_array_size(holders) ? "" : " nobody");
    }
}

static void print_hosts(const json_t *status)
{
    static const struct stf_table table = {.indent = 2,
                                           .columns = {{.key = "name", .heading = "host"},
                                                       {.key = "role", .heading = "role"},
                                                       {.key = "address", .heading = "address"},
                                                       {.key = "netns", .heading = "namespace"},
                                                       {.key = "daemons", .heading = "daemons", .is_wrapped = true}}};
    size_t i;
    json_t *host, *hive, *hosts = json_object_get(status, "hosts");
    json_array_foreach (hosts, i, host)
        json_object_set_new(host, "daemons", daemons_in_words(status, text(host, "name")));
    stf_table_print(stdout, &table, hosts);
    print_clusters(status);
    json_array_foreach (json_object_get(status, "hives"), i, hive)
        printf("  %s: %s in %s\n", text(hive, "host"), text(hive, "mount"), text(hive, "path"));
}

static const char *esp_words(const json_t *status)
{
    if (strcmp(text(status, "esp"), "kernel") != 0)
        return "ESP in userland (tunnel in UDP)";
    return json_is_true(json_object_get(status, "in_vm")) ? "ESP in the kernel of a virtual machine (transport mode)"
                                                          : "ESP in the kernel (transport mode)";
}

static void print_status(const json_t *status)
{
    size_t i;
    json_t *command;
    const json_t *guardian = json_object_get(status, "guardian");
    printf("lab %s: %s, %s, files in %s\n", text(status, "name"), text(status, "phase"), esp_words(status),
           text(status, "run_dir"));
    printf("  guardian %lld", (long long)json_integer_value(json_object_get(guardian, "pid")));
    if (json_object_get(status, "owner_pid"))
        printf(", ends with process %lld", (long long)json_integer_value(json_object_get(status, "owner_pid")));
    putchar('\n');
    print_hosts(status);
    puts("look at it with");
    json_array_foreach (json_object_get(status, "look"), i, command)
        printf("  %s\n", json_string_value(command));
}

static void show_status(const struct arguments *arguments, const json_t *status)
{
    if (arguments->cli.is_json) {
        stf_output_json(status);
        return;
    }
    json_t *printable = stf_output_printable(status);
    print_status(printable);
    json_decref(printable);
}

/* ---------- verbs ---------- */

static void print_progress(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "lab: %s\n", line);
}

static bool parse_pid(const char *given, pid_t *pid)
{
    char *end;
    errno = 0;
    long number = strtol(given, &end, 10);
    *pid = (pid_t)number;
    return !errno && *given && !*end && number > 0 && number <= INT_MAX;
}

static int run_status(const struct arguments *arguments)
{
    struct stf_err err;
    char *name;
    json_t *status = NULL;
    enum stf_kind kind = find_name(arguments, &name, &err);
    if (!kind)
        kind = stf_lab_status(name, &status, &err);
    free(name);
    if (kind)
        return fail(arguments, &err);
    show_status(arguments, status);
    json_decref(status);
    return STF_EXIT_OK;
}

static void print_machine_progress(const char *line)
{
    print_progress(NULL, line);
}

static int run_vm(const struct arguments *arguments)
{
    struct stf_err err;
    char self_path[PATH_MAX] = "", site_dir[PATH_MAX] = "";
    int code = STF_EXIT_ERROR;
    if (!arguments->cli.operands[0] && !isatty(STDIN_FILENO))
        return stf_cli_usage_value("lab vm", "COMMAND", "a command, or a terminal for a shell", NULL);
    if (readlink("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        return fail(arguments,
                    (stf_err_errno(&err, errno, "readlink", "/proc/self/exe", "cannot find this program"), &err));
    if (arguments->site_dir && !realpath(arguments->site_dir, site_dir))
        return fail(arguments, (stf_err_errno(&err, errno, "lab", arguments->site_dir, "cannot find the site"), &err));
    const struct stf_machine_options options = {.argv = (const char *const *)arguments->cli.operands,
                                                .site_dir = arguments->site_dir ? site_dir : NULL,
                                                .self_path = self_path,
                                                .acceleration = arguments->accel,
                                                .progress = print_machine_progress};
    return stf_machine_run(&options, &code, &err) ? fail(arguments, &err) : code;
}

static int run_up(const struct arguments *arguments)
{
    struct stf_err err;
    char self_path[PATH_MAX] = "";
    bool was_up = false;
    json_t *site = NULL, *status = NULL;
    struct stf_lab_options options = {.site_dir = arguments->site_dir,
                                      .progress = arguments->cli.is_quiet ? NULL : print_progress};
    if (!arguments->site_dir)
        return stf_cli_usage_value("lab up", "--site", "the folder with site.lua", NULL);
    if (arguments->wants_vm)
        return run_vm(arguments);
    if (arguments->pid && !parse_pid(arguments->pid, &options.owner_pid))
        return stf_cli_usage_value("lab up", "--with-pid", "the number of a process", arguments->pid);

    int64_t start_ns = stf_clock_ns();
    enum stf_kind kind = STF_OK;
    if (readlink("/proc/self/exe", self_path, sizeof self_path - 1) < 0)
        kind = stf_err_errno(&err, errno, "readlink", "/proc/self/exe", "cannot find this program");
    if (!kind)
        kind = stf_site_load(arguments->site_dir, &site, &err);
    options.site = site;
    options.self_path = self_path;
    if (!kind)
        kind = stf_lab_up(&options, &was_up, &err);
    if (!kind)
        kind = stf_lab_status(json_string_value(json_object_get(site, "name")), &status, &err);
    json_decref(site);
    if (kind)
        return fail(arguments, &err);
    json_object_set_new(status, "was_up", json_boolean(was_up));
    if (was_up && !arguments->cli.is_json)
        puts("the lab was up already:");
    else if (!was_up && options.progress)
        fprintf(stderr, "lab: complete after %lld ms\n", (long long)((stf_clock_ns() - start_ns) / 1000000));
    show_status(arguments, status);
    json_decref(status);
    return STF_EXIT_OK;
}

static int run_down(const struct arguments *arguments)
{
    struct stf_err err;
    char *name;
    bool was_up = false;
    enum stf_kind kind = find_name(arguments, &name, &err);
    if (!kind)
        kind = stf_lab_down(name, &was_up, &err);
    else if (kind == STF_NOT_FOUND && !arguments->site_dir)
        kind = STF_OK; /* nothing is up */
    if (kind) {
        free(name);
        return fail(arguments, &err);
    }
    if (arguments->cli.is_json) {
        json_t *doc = json_pack("{s:s?, s:b}", "name", name, "was_up", was_up);
        stf_output_json(doc);
        json_decref(doc);
    } else if (was_up) {
        printf("the lab %s is down\n", name);
    } else {
        puts("no lab was up");
    }
    free(name);
    return STF_EXIT_OK;
}

static int run_exec(const struct arguments *arguments)
{
    struct stf_err err;
    char *name;
    if (!arguments->cli.operands[0] || !arguments->cli.operands[1])
        return stf_cli_usage_value("lab exec", "HOST COMMAND", "a host of the lab, and what to run there", NULL);
    enum stf_kind kind = find_name(arguments, &name, &err);
    if (!kind)
        stf_lab_exec(name, arguments->cli.operands[0], (const char *const *)arguments->cli.operands + 1, &err);
    free(name);
    return fail(arguments, &err);
}

static int run_fault(const struct arguments *arguments)
{
    struct stf_err err;
    char *name;
    if (!arguments->cli.operands[0] || !arguments->cli.operands[1])
        return stf_cli_usage_value("lab fault", "HOST FAULT",
                                   "a host of the lab, and latency, loss, cut, kill or clear", NULL);
    enum stf_kind kind = find_name(arguments, &name, &err);
    if (!kind)
        kind = stf_lab_fault(name, arguments->cli.operands[0], (const char *const *)arguments->cli.operands + 1, &err);
    free(name);
    if (kind == STF_INVALID_DATA)
        return stf_cli_usage_error("lab fault", "%s", err.message);
    return kind ? fail(arguments, &err) : STF_EXIT_OK;
}

static int run_responder(const struct arguments *arguments)
{
    struct stf_err err;
    uint16_t ports[MAX_PORTS];
    size_t count = 0;
    char **rest = arguments->cli.operands;
    for (char **port = rest[0] ? rest + 1 : rest; *port && count < MAX_PORTS; port++) {
        pid_t number;
        if (!parse_pid(*port, &number) || number > UINT16_MAX)
            return stf_cli_usage_value("lab responder", "PORT", "1 to 65535", *port);
        ports[count++] = (uint16_t)number;
    }
    if (count == 0)
        return stf_cli_usage_value("lab responder", "BANNER PORT", "what to say, and where", NULL);
    return stf_responder_run(rest[0], ports, count, &err) ? fail(arguments, &err) : STF_EXIT_OK;
}

int stf_cmd_lab(int argc, char **argv)
{
    static const struct verb verbs[] = {{"up", "lab up", up_help, run_up},
                                        {"down", "lab down", down_help, run_down},
                                        {"status", "lab status", status_help, run_status},
                                        {"exec", "lab exec", exec_help, run_exec},
                                        {"fault", "lab fault", fault_help, run_fault},
                                        {"vm", "lab vm", vm_help, run_vm},
                                        {"responder", "lab responder", responder_help, run_responder}};
    static const char verb_names[] = "up, down, status, exec, fault or vm";
    if (argc < 2)
        return stf_cli_usage_value("lab", "the verb", verb_names, NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return fputs(lab_help, stdout) < 0 ? STF_EXIT_ERROR : STF_EXIT_OK;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, argv[1]) != 0)
            continue;
        struct arguments arguments = {.verb = &verbs[i], .cli.command = verbs[i].command};
        int exit_code = parse(argc - 1, argv + 1, &arguments);
        return exit_code == -1 ? verbs[i].run(&arguments) : exit_code;
    }
    return stf_cli_usage_value("lab", "the verb", verb_names, argv[1]);
}
