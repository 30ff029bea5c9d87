/* test_lab.c - the lab comes up complete, and goes without a trace, in whatever way it ends.
 * Must never depend on, or disturb, a lab that a person has up: each test's sites have names of their own.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"
#include "parts.h"
#include "registry/registry.h"

enum { COMMAND_TIMEOUT_MS = 30000, CLEAN_TIMEOUT_MS = 15000, MAX_NAMESPACES = 8 };

/* A site of a test: the example site under a name of its own. */
struct site {
    char name[24];
    char dir[64];
    ino_t namespaces[MAX_NAMESPACES]; /* of the lab, remembered while it is up: a process may outlive their names */
    size_t namespace_count;
};

/* ---------- running commands ---------- */

/* `argv` is ended by NULL; the result is the caller's to fini. */
static struct stf_process_result run_command(const char *const argv[])
{
    struct stf_process_result result;
    struct stf_err err;
    if (stf_process_run(&(struct stf_process_id){.argv = argv, .timeout_ms = COMMAND_TIMEOUT_MS}, &result, &err))
        fail_msg("%s: %s", argv[0], err.message);
    return result;
}

#define RUN(...) run_command((const char *const[]){__VA_ARGS__, NULL})
#define LAB(...) RUN(LAB_MAIN, "lab", __VA_ARGS__)
/* A shell command on a lab host. */
#define ON(site, host, command) LAB("exec", "--name", (site)->name, host, "bash", "-c", command)

static void expect_code(struct stf_process_result result, int code)
{
    if (result.exit_code != code)
        fail_msg("exit code %d (signal %d) instead of %d\n%s%s", result.exit_code, result.signal, code, result.output,
                 result.errors);
    stf_process_result_fini(&result);
}

static void expect_output(struct stf_process_result result, const char *part)
{
    if (!strstr(result.output, part) || result.exit_code != 0)
        fail_msg("expected '%s' and exit code 0, found code %d and\n%s%s", part, result.exit_code, result.output,
                 result.errors);
    stf_process_result_fini(&result);
}

static void expect_error(struct stf_process_result result, int code, const char *part)
{
    if (!strstr(result.errors, part) || result.exit_code != code)
        fail_msg("expected the error '%s' and exit code %d, found code %d and\n%s%s", part, code, result.exit_code,
                 result.output, result.errors);
    stf_process_result_fini(&result);
}

static json_t *status_of(const struct site *site)
{
    json_t *status = NULL;
    struct stf_err err;
    if (stf_lab_status(site->name, &status, &err))
        fail_msg("%s", err.message);
    return status;
}

static pid_t guardian_of(const struct site *site)
{
    json_t *status = status_of(site);
    pid_t pid = (pid_t)json_integer_value(json_object_get(json_object_get(status, "guardian"), "pid"));
    json_decref(status);
    return pid;
}

static const json_t *find_daemon(const json_t *status, const char *host, const char *name)
{
    size_t i;
    json_t *daemon;
    json_array_foreach (json_object_get(status, "daemons"), i, daemon)
        if (strcmp(stf_lab_text(daemon, "host"), host) == 0 && strcmp(stf_lab_text(daemon, "name"), name) == 0)
            return daemon;
    fail_msg("no %s on %s", name, host);
    return NULL;
}

/* ---------- sites ---------- */

/* Frees `text`. */
static char *replaced(char *text, const char *from, const char *to)
{
    const char *place = strstr(text, from);
    char *result = malloc(strlen(text) + strlen(to) + 1);
    assert_non_null(place);
    assert_non_null(result);
    sprintf(result, "%.*s%s%s", (int)(place - text), text, to, place + strlen(from));
    free(text);
    return result;
}

static char *read_text(const char *path)
{
    enum { ROOM = 64 << 10 };
    char *text = calloc(1, ROOM);
    FILE *file = fopen(path, "re");
    assert_non_null(text);
    assert_non_null(file);
    assert_in_range(fread(text, 1, ROOM - 1, file), 1, ROOM - 2);
    fclose(file);
    return text;
}

/* The example site, with `from` changed to `to` unless NULL. */
static void site_init(struct site *site, const char *suffix, const char *from, const char *to)
{
    struct stf_err err;
    char path[96], line[64];
    *site = (struct site){0};
    snprintf(site->name, sizeof site->name, "t%d%s", (int)getpid(), suffix);
    snprintf(site->dir, sizeof site->dir, "/tmp/stf-%s", site->name);
    snprintf(path, sizeof path, "%s/site.lua", site->dir);
    snprintf(line, sizeof line, "local name = \"%s\"", site->name);
    char *text = read_text(EXAMPLE_SITE);
    text = replaced(text, "local name = \"example\"", line);
    if (from)
        text = replaced(text, from, to);
    assert_int_equal(mkdir(site->dir, 0755), 0);
    assert_int_equal(stf_lab_write_file(path, text, strlen(text), 0644, &err), STF_OK);
    free(text);
}

static void remember_namespaces(struct site *site)
{
    json_t *status = status_of(site), *host;
    size_t i;
    char path[320];
    struct stat found;
    json_array_foreach (json_object_get(status, "hosts"), i, host) {
        snprintf(path, sizeof path, "/run/netns/%s", stf_lab_text(host, "netns"));
        if (site->namespace_count < MAX_NAMESPACES && stat(path, &found) == 0)
            site->namespaces[site->namespace_count++] = found.st_ino;
    }
    json_decref(status);
}

static void lab_up(struct site *site)
{
    expect_code(LAB("up", "--site", site->dir), 0);
    remember_namespaces(site);
}

/* ---------- traces ---------- */

static bool file_contains(const char *path, const char *word)
{
    char bytes[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    return size > 0 && memmem(bytes, (size_t)size, word, strlen(word)) != NULL;
}

/* By its command line, its environment, or the namespace that it is in. */
static bool is_of_site(const struct site *site, pid_t pid)
{
    char path[64];
    struct stat found;
    int64_t start_ticks;
    if (pid == getpid() || !stf_lab_process_start(pid, &start_ticks))
        return false;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    bool is = file_contains(path, site->name);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    is = is || file_contains(path, site->name);
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (!is && stat(path, &found) == 0)
        for (size_t i = 0; i < site->namespace_count; i++)
            is = is || site->namespaces[i] == found.st_ino;
    return is;
}

/* How many processes of the site there are; notes one of them in `trace`. */
static size_t count_processes(const struct site *site, char *trace, size_t size)
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (isdigit((unsigned char)entry->d_name[0]) && is_of_site(site, (pid_t)atoi(entry->d_name))) {
            snprintf(trace, size, "process %s", entry->d_name);
            count++;
        }
    closedir(folder);
    return count;
}

static bool has_namespaces(const struct site *site, char *trace, size_t size)
{
    bool has = false;
    char prefix[64];
    snprintf(prefix, sizeof prefix, "stf-%s-", site->name);
    DIR *folder = opendir("/run/netns");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            snprintf(trace, size, "namespace %s", entry->d_name);
            has = true;
        }
    if (folder)
        closedir(folder);
    return has;
}

static bool has_traces(const struct site *site, char *trace, size_t size)
{
    char run_dir[96];
    snprintf(run_dir, sizeof run_dir, STF_LAB_ROOT "/%s", site->name);
    snprintf(trace, size, "%s", run_dir);
    return access(run_dir, F_OK) == 0 || has_namespaces(site, trace, size) || count_processes(site, trace, size) > 0;
}

/* A lab that was not told to go ends on its own in a moment. */
static void expect_no_trace(const struct site *site)
{
    char trace[320];
    int64_t deadline_ns = stf_clock_ns() + (int64_t)CLEAN_TIMEOUT_MS * 1000000;
    while (has_traces(site, trace, sizeof trace)) {
        if (stf_clock_ns() > deadline_ns)
            fail_msg("left: %s", trace);
        usleep(10000);
    }
}

static void expect_no_process(const struct site *site)
{
    char trace[320];
    int64_t deadline_ns = stf_clock_ns() + (int64_t)CLEAN_TIMEOUT_MS * 1000000;
    while (count_processes(site, trace, sizeof trace) > 0) {
        if (stf_clock_ns() > deadline_ns)
            fail_msg("left: %s", trace);
        usleep(10000);
    }
}

/* What a lab might have changed outside its namespaces: routing rules, packet filter, IPsec policies. */
static char *outside(void)
{
    char *text;
    struct stf_process_result rules = RUN("ip", "rule"), filter = RUN("nft", "list", "ruleset"),
                              policies = RUN("ip", "xfrm", "policy");
    assert_true(asprintf(&text, "%s%s%s", rules.output, filter.output, policies.output) >= 0);
    stf_process_result_fini(&rules);
    stf_process_result_fini(&filter);
    stf_process_result_fini(&policies);
    return text;
}

/* Whatever the test has come to, nothing stays. */
static void site_fini(struct site *site)
{
    struct stf_err err;
    if (stf_lab_down(site->name, NULL, &err))
        fail_msg("%s", err.message);
    stf_lab_remove_tree(site->dir, false, &err);
}

/* ---------- the text of templates, and plans ---------- */

static void test_template_fails_on_an_unknown_placeholder(void **state)
{
    (void)state;
    const struct stf_lab_value values[] = {{"HOST", "fe1"}, {"DIR", "/run"}, {NULL, NULL}};
    struct stf_err err;
    char *text;
    assert_int_equal(stf_lab_substitute("@HOST@ at @DIR@@HOST@ a@b.c @", values, &text, &err), STF_OK);
    assert_string_equal(text, "fe1 at /runfe1 a@b.c @");
    free(text);
    assert_int_equal(stf_lab_substitute("x @PORT@", values, &text, &err), STF_INVALID_DATA);
    assert_null(text);
    assert_non_null(strstr(err.message, "@PORT@"));
}

static void expect_plan_error(const char *site, const char *part)
{
    struct stf_err err;
    json_t *document = json_loads(site, 0, NULL), *planned = NULL;
    assert_non_null(document);
    assert_int_equal(stf_lab_plan(document, "/tmp", &planned, &err), STF_INVALID_DATA);
    assert_null(planned);
    if (!strstr(err.message, part))
        fail_msg("expected '%s', found '%s'", part, err.message);
    json_decref(document);
}

static void test_plan_names_what_is_wrong(void **state)
{
    (void)state;
    const char *const head = "{\"name\":\"x\",\"hosts\":{\"a\":{\"role\":\"node\",\"netns\":\"stf-x-a\","
                             "\"address\":\"10.9.0.1\",\"interface\":\"eth0\"}},";
    char site[512];
    expect_plan_error("{\"name\":\"../etc\",\"hosts\":{}}", "'../etc'");
    expect_plan_error("{\"name\":\"x\",\"hosts\":{}}", "no host of the site has a `netns`");
    expect_plan_error("{\"name\":\"x\",\"hosts\":{\"a\":{\"role\":\"node\",\"netns\":\"../a\",\"interface\":\"eth0\","
                      "\"address\":\"10.9.0.1\"}}}",
                      "'../a'");
    expect_plan_error("{\"name\":\"x\",\"hosts\":{\"a\":{\"role\":\"node\",\"netns\":\"a\\nlink del eth0\","
                      "\"interface\":\"eth0\",\"address\":\"10.9.0.1\"}}}",
                      "is no name of a network namespace");
    expect_plan_error("{\"name\":\"x\",\"hosts\":{\"a\":{\"role\":\"node\",\"netns\":\"stf-x-sw\",\"address\":"
                      "\"10.9.0.1\",\"interface\":\"eth0\"}}}",
                      "'stf-x-sw'");
    expect_plan_error("{\"name\":\"x\",\"hosts\":{\"a\":{\"role\":\"node\",\"netns\":\"n\",\"address\":\"10.9.0.256\","
                      "\"interface\":\"eth0\"}}}",
                      "host 'a' of the site: expected an IPv4 address");
    snprintf(site, sizeof site,
             "%s\"clusters\":{\"m\":{\"virtual_ip\":\"10.9.0.9\",\"interface\":\"eth0\",\"nodes\":[\"b\"]}}}", head);
    expect_plan_error(site, "the node 'b'");
    snprintf(site, sizeof site, "%s\"lab\":{\"servers\":\"toys\"}}", head);
    expect_plan_error(site, "\"toys\"");
}

/* ---------- a lab that is up ---------- */

static void expect_answers(const struct site *site)
{
    expect_output(ON(site, "fe1", "exec 3<>/dev/tcp/10.9.0.100/110; timeout 5 head -n1 <&3"), "+OK node-a ready");
    expect_output(ON(site, "fe1", "exec 3<>/dev/tcp/10.9.0.100/143; timeout 5 head -n1 <&3"), "node-a ready");
    expect_output(ON(site, "fe1", "exec 3<>/dev/tcp/10.9.0.100/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"),
                  "node-a");
    expect_output(ON(site, "witness", "exec 3<>/dev/tcp/10.9.0.12/110; timeout 5 head -n1 <&3"), "+OK node-b ready");
}

static void expect_hive(const struct site *site)
{
    static const char oakley[] = "ControlSet001\\Services\\PolicyAgent\\Oakley";
    char path[128];
    struct stf_err err;
    struct stf_registry *registry;
    struct stf_registry_value value;
    snprintf(path, sizeof path, STF_LAB_ROOT "/%s/win-fe1/SYSTEM", site->name);
    assert_int_equal(stf_registry_open(&stf_registry_backend_hive, &(struct stf_registry_place){.path = path},
                                       STF_REGISTRY_READ, &registry, &err),
                     STF_OK);
    assert_int_equal(stf_registry_get(registry, "Select", "Current", &value, &err), STF_OK);
    assert_int_equal(value.type, STF_REG_DWORD);
    assert_memory_equal(value.data, "\1\0\0\0", 4);
    stf_registry_value_fini(&value);
    assert_int_equal(stf_registry_get(registry, oakley, "EnableLogging", &value, &err), STF_OK);
    stf_registry_value_fini(&value);
    assert_int_equal(stf_registry_get(registry, oakley, "NLBSFlags", &value, &err), STF_NOT_FOUND);
    stf_registry_close(registry);
}

static void expect_secret(const struct site *site)
{
    char path[128];
    struct stat found;
    snprintf(path, sizeof path, STF_LAB_ROOT "/%s/mail.psk", site->name);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_mode & 07777, 0600);
    assert_int_equal(found.st_size, 44); /* 32 bytes in base64 */
}

static void test_up_is_complete_and_down_leaves_nothing(void **state)
{
    (void)state;
    static const char *const hosts[] = {"fe1", "node-a", "node-b"};
    struct site site;
    char *before = outside();
    site_init(&site, "a", NULL, NULL);
    expect_no_trace(&site);
    lab_up(&site);

    expect_answers(&site);
    expect_hive(&site);
    expect_secret(&site);
    for (size_t i = 0; i < 3; i++)
        expect_output(LAB("exec", "--name", site.name, hosts[i], "swanctl", "--stats"), "uptime:");
    expect_output(ON(&site, "fe1", "swanctl --list-conns | wc -l"), "0\n");
    expect_output(ON(&site, "fe1", "echo $STAFFETTA_LAB $STAFFETTA_LAB_HOST"), " fe1\n");
    expect_code(ON(&site, "fe1", "exit 7"), 7);
    expect_output(LAB("up", "--site", site.dir), "the lab was up already");
    expect_output(LAB("status", "--site", site.dir), "held by node-a\n");

    json_t *status = status_of(&site);
    assert_string_equal(stf_lab_text(status, "phase"), "up");
    assert_int_equal(json_array_size(json_object_get(status, "daemons")), 3 + 2 * 2);
    json_decref(status);

    expect_output(LAB("down", "--site", site.dir), "is down");
    char trace[320];
    if (has_traces(&site, trace, sizeof trace))
        fail_msg("left: %s", trace);
    expect_output(LAB("down", "--site", site.dir), "no lab was up");
    expect_error(LAB("status", "--site", site.dir), 1, "no lab");
    expect_error(LAB("up"), 64, "--site");
    char *after = outside();
    assert_string_equal(before, after);
    free(before);
    free(after);
    site_fini(&site);
}

/* The daemons' settings are good for real ESP between the front end and the holder of the virtual IP. */
static void test_daemons_negotiate(void **state)
{
    (void)state;
    static const char connection[] =
        "cat > $D/t.conf <<E\n"
        "connections { t { version = 2\n mobike = no\n encap = yes\n local_addrs = $ME\n remote_addrs = $PEER\n"
        "local { auth = psk\n id = $MY_ID }\n remote { auth = psk\n id = $PEER_ID }\n"
        "children { t { mode = tunnel\n local_ts = dynamic[tcp]\n remote_ts = dynamic[tcp] } } } }\n"
        "secrets { ike-t { id-1 = fe1\n id-2 = mail\n secret = $(cat $R/mail.psk) } }\n"
        "E\n"
        "swanctl --load-all --noprompt --file $D/t.conf && ${THEN:-true}";
    struct site site;
    char front_end[1024], node[1024];
    site_init(&site, "n", NULL, NULL);
    lab_up(&site);
    snprintf(node, sizeof node, "R=%s/%s D=$R/node-a ME=10.9.0.100 PEER=10.9.0.1 MY_ID=mail PEER_ID=fe1; %s",
             STF_LAB_ROOT, site.name, connection);
    snprintf(
        front_end, sizeof front_end,
        "R=%s/%s D=$R/fe1 ME=10.9.0.1 PEER=10.9.0.100 MY_ID=fe1 PEER_ID=mail THEN='swanctl --initiate --child t'; %s",
        STF_LAB_ROOT, site.name, connection);
    expect_output(ON(&site, "node-a", node), "successfully loaded 1 connections");
    expect_output(ON(&site, "fe1", front_end), "initiate completed successfully");
    expect_answers(&site);
    struct stf_process_result sas = ON(&site, "fe1", "swanctl --list-sas --raw");
    const char *bytes = strstr(sas.output, "bytes-in=");
    assert_non_null(bytes);
    assert_true(atoll(bytes + strlen("bytes-in=")) > 0);
    stf_process_result_fini(&sas);
    site_fini(&site);
    expect_no_trace(&site);
}

static void test_responders_stand_in_for_servers(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, "r", "servers = \"real\"", "servers = \"responder\"");
    lab_up(&site);
    expect_output(ON(&site, "fe1", "exec 3<>/dev/tcp/10.9.0.100/110; timeout 5 head -n1 <&3"), "+OK node-a ready");
    expect_output(ON(&site, "fe1", "exec 3<>/dev/tcp/10.9.0.100/143; timeout 5 head -n1 <&3"), "* OK node-a ready");
    site_fini(&site);
    expect_no_trace(&site);
}

static void test_two_labs_stand_side_by_side(void **state)
{
    (void)state;
    struct site one, two;
    site_init(&one, "one", NULL, NULL);
    site_init(&two, "two", NULL, NULL);
    lab_up(&one);
    lab_up(&two);
    expect_answers(&one);
    expect_answers(&two);
    expect_code(LAB("down", "--name", one.name), 0);
    expect_no_trace(&one);
    expect_answers(&two);
    site_fini(&two);
    expect_no_trace(&two);
    site_fini(&one);
}

static void test_an_ended_daemon_shows_and_the_lab_stays(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, "d", NULL, NULL);
    lab_up(&site);
    json_t *status = status_of(&site);
    const json_t *charon = find_daemon(status, "node-b", "charon");
    assert_true(json_is_true(json_object_get(charon, "is_alive")));
    kill((pid_t)json_integer_value(json_object_get(charon, "pid")), SIGKILL);
    for (int i = 0; i < 500 && json_is_true(json_object_get(charon, "is_alive")); i++) {
        usleep(10000);
        json_decref(status);
        status = status_of(&site);
        charon = find_daemon(status, "node-b", "charon");
    }
    assert_true(json_is_false(json_object_get(charon, "is_alive")));
    assert_string_equal(stf_lab_text(status, "phase"), "up");
    json_decref(status);
    expect_answers(&site);
    site_fini(&site);
    expect_no_trace(&site);
}

/* Paths of the site outside the lab's run folder: made when missing, and then removed; what was there stays. */
static void test_files_outside_the_run_folder(void **state)
{
    (void)state;
    struct site site;
    struct stf_err err;
    char secrets[96], hives[96], hive[128];
    site_init(&site, "p", "secret = run .. \"/mail.psk\"", "secret = \"secrets/deep/mail.psk\"");
    snprintf(secrets, sizeof secrets, "%s/secrets", site.dir);
    snprintf(hives, sizeof hives, "%s/hives", site.dir);
    snprintf(hive, sizeof hive, "%s/SYSTEM", hives);
    char path[96], *text;
    snprintf(path, sizeof path, "%s/site.lua", site.dir);
    text = replaced(read_text(path), "run .. \"/win-fe1/SYSTEM\"", "\"hives/SYSTEM\"");
    assert_int_equal(stf_lab_write_file(path, text, strlen(text), 0644, &err), STF_OK);
    free(text);
    assert_int_equal(mkdir(hives, 0755), 0);
    assert_int_equal(stf_lab_write_file(hive, "the operator's", 14, 0600, &err), STF_OK);

    lab_up(&site);
    assert_int_equal(access(secrets, F_OK), 0);
    expect_code(LAB("down", "--site", site.dir), 0);
    assert_int_not_equal(access(secrets, F_OK), 0);
    text = read_text(hive);
    assert_string_equal(text, "the operator's");
    free(text);
    expect_no_trace(&site);
    site_fini(&site);
}

/* ---------- the ways to die ---------- */

/* Starts `lab up` and gives its standard error. */
static pid_t start_up(const struct site *site, FILE **errors)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY), 1);
        dup2(fds[1], 2);
        execl(LAB_MAIN, LAB_MAIN, "lab", "up", "--site", site->dir, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    *errors = fdopen(fds[0], "re");
    assert_non_null(*errors);
    return pid;
}

static void test_second_up_waits_for_the_first(void **state)
{
    (void)state;
    struct site site;
    FILE *errors;
    char line[512];
    int status;
    site_init(&site, "w", NULL, NULL);
    pid_t pid = start_up(&site, &errors);
    assert_non_null(fgets(line, sizeof line, errors));
    expect_output(LAB("up", "--site", site.dir), "the lab was up already");
    while (fgets(line, sizeof line, errors))
        continue;
    fclose(errors);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    remember_namespaces(&site);
    site_fini(&site);
    expect_no_trace(&site);
}

/* Kills `lab up` when it has printed `lines` lines and `delay_ms` have passed. A lab that was complete by then stays.
 */
static void kill_up_after(int lines, int delay_ms)
{
    struct site site;
    FILE *errors;
    char line[512];
    int status;
    site_init(&site, "k", NULL, NULL);
    pid_t pid = start_up(&site, &errors);
    for (int i = 0; i < lines; i++)
        assert_non_null(fgets(line, sizeof line, errors));
    usleep((useconds_t)delay_ms * 1000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool is_complete = false;
    while (fgets(line, sizeof line, errors))
        is_complete = is_complete || strstr(line, "complete");
    fclose(errors);
    if (is_complete || !WIFSIGNALED(status))
        expect_code(LAB("down", "--name", site.name), 0);
    expect_no_trace(&site);
    site_fini(&site);
}

static void test_killed_up_leaves_nothing(void **state)
{
    (void)state;
    for (int lines = 0; lines <= 3; lines++)
        for (int delay_ms = 0; delay_ms <= 12; delay_ms += 4)
            kill_up_after(lines, delay_ms);
}

/* The maker notices, and sweeps before it reports. */
static void test_guardian_killed_while_it_builds_leaves_nothing(void **state)
{
    (void)state;
    for (int delay_ms = 0; delay_ms <= 40; delay_ms += 5) {
        struct site site;
        FILE *errors;
        char line[512];
        int status;
        site_init(&site, "b", NULL, NULL);
        pid_t pid = start_up(&site, &errors);
        assert_non_null(fgets(line, sizeof line, errors));
        usleep((useconds_t)delay_ms * 1000);
        kill(guardian_of(&site), SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        bool is_told = false;
        while (fgets(line, sizeof line, errors))
            is_told = is_told || strstr(line, "the guardian was killed");
        fclose(errors);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 0)
            expect_code(LAB("down", "--name", site.name), 0);
        else
            assert_true(is_told);
        expect_no_trace(&site);
        site_fini(&site);
    }
}

static void test_killed_guardian_leaves_no_process(void **state)
{
    (void)state;
    struct site site;
    char trace[320];
    site_init(&site, "g", NULL, NULL);
    lab_up(&site);
    assert_int_equal(kill(guardian_of(&site), SIGKILL), 0);
    expect_no_process(&site);
    assert_true(has_namespaces(&site, trace, sizeof trace));
    json_t *status = status_of(&site);
    assert_string_equal(stf_lab_text(status, "phase"), "dead");
    json_decref(status);
    expect_output(LAB("down", "--name", site.name), "is down");
    assert_false(has_traces(&site, trace, sizeof trace));
    site_fini(&site);
}

static void test_up_sweeps_what_a_killed_guardian_left(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, "s", NULL, NULL);
    lab_up(&site);
    assert_int_equal(kill(guardian_of(&site), SIGKILL), 0);
    expect_no_process(&site);
    expect_error(LAB("up", "--site", site.dir), 0, "swept what a killed lab");
    expect_answers(&site);
    site_fini(&site);
    expect_no_trace(&site);
}

static void test_lab_ends_with_its_owner(void **state)
{
    (void)state;
    struct site site;
    char owner[16];
    site_init(&site, "o", NULL, NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        for (;;)
            pause();
    snprintf(owner, sizeof owner, "%d", (int)pid);
    expect_code(LAB("up", "--site", site.dir, "--with-pid", owner), 0);
    remember_namespaces(&site);
    expect_answers(&site);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    expect_no_trace(&site);
    expect_error(LAB("up", "--site", site.dir, "--with-pid", owner), 1, "own the lab");
    expect_no_trace(&site);
    site_fini(&site);
}

/* ---------- what is not the lab's ---------- */

static void test_foreign_namespace_is_refused_and_kept(void **state)
{
    (void)state;
    struct site site;
    char netns[64], path[96];
    site_init(&site, "f", NULL, NULL);
    snprintf(netns, sizeof netns, "stf-%s-node-b", site.name);
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    expect_code(RUN("ip", "netns", "add", netns), 0);
    struct stf_process_result refused = LAB("up", "--site", site.dir);
    bool is_kept = access(path, F_OK) == 0;
    expect_code(RUN("ip", "netns", "del", netns), 0);
    assert_true(is_kept);
    expect_error(refused, 1, netns);
    expect_no_trace(&site);
    site_fini(&site);
}

static pid_t start_sleeper(const char *const argv[])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    return pid;
}

static void await_command(pid_t pid, const char *word)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    for (int i = 0; i < 500 && !file_contains(path, word); i++)
        usleep(10000);
    assert_true(file_contains(path, word));
}

/* In the same namespace: one that `lab exec` started, and one that a person started without it. */
static void test_down_ends_what_exec_started_and_nothing_else(void **state)
{
    (void)state;
    struct site site;
    char netns[64];
    int status;
    site_init(&site, "x", NULL, NULL);
    lab_up(&site);
    snprintf(netns, sizeof netns, "stf-%s-fe1", site.name);
    pid_t ours =
        start_sleeper((const char *const[]){LAB_MAIN, "lab", "exec", "--name", site.name, "fe1", "sleep", "300", NULL});
    pid_t foreign = start_sleeper((const char *const[]){"ip", "netns", "exec", netns, "sleep", "300", NULL});
    await_command(ours, "sleep");
    await_command(foreign, "sleep");
    expect_code(LAB("down", "--name", site.name), 0);
    pid_t ended = waitpid(ours, &status, 0);
    bool is_foreign_alive = waitpid(foreign, NULL, WNOHANG) == 0;
    kill(foreign, SIGKILL);
    waitpid(foreign, NULL, 0);
    assert_int_equal(ended, ours);
    assert_true(WIFSIGNALED(status));
    assert_true(is_foreign_alive);
    expect_no_trace(&site);
    site_fini(&site);
}

/* A person inside a lab host may end the lab from there: the shell lives on. */
static void test_down_from_inside_spares_the_one_who_asked(void **state)
{
    (void)state;
    struct site site;
    char command[512];
    site_init(&site, "i", NULL, NULL);
    lab_up(&site);
    snprintf(command, sizeof command, "%s lab down --name %s && echo still here", LAB_MAIN, site.name);
    expect_output(ON(&site, "fe1", command), "still here");
    expect_no_trace(&site);
    site_fini(&site);
}

int main(void)
{
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(test_template_fails_on_an_unknown_placeholder),
        cmocka_unit_test(test_plan_names_what_is_wrong),
    };
    const struct CMUnitTest as_root[] = {
        cmocka_unit_test(test_up_is_complete_and_down_leaves_nothing),
        cmocka_unit_test(test_daemons_negotiate),
        cmocka_unit_test(test_responders_stand_in_for_servers),
        cmocka_unit_test(test_two_labs_stand_side_by_side),
        cmocka_unit_test(test_an_ended_daemon_shows_and_the_lab_stays),
        cmocka_unit_test(test_files_outside_the_run_folder),
        cmocka_unit_test(test_second_up_waits_for_the_first),
        cmocka_unit_test(test_killed_up_leaves_nothing),
        cmocka_unit_test(test_guardian_killed_while_it_builds_leaves_nothing),
        cmocka_unit_test(test_killed_guardian_leaves_no_process),
        cmocka_unit_test(test_up_sweeps_what_a_killed_guardian_left),
        cmocka_unit_test(test_lab_ends_with_its_owner),
        cmocka_unit_test(test_foreign_namespace_is_refused_and_kept),
        cmocka_unit_test(test_down_ends_what_exec_started_and_nothing_else),
        cmocka_unit_test(test_down_from_inside_spares_the_one_who_asked),
    };
    int failed = cmocka_run_group_tests_name("plans", plain, NULL, NULL);
    if (geteuid() != 0) {
        puts("SKIP: network namespaces need root");
        return failed;
    }
    return failed + cmocka_run_group_tests_name("labs", as_root, NULL, NULL);
}
