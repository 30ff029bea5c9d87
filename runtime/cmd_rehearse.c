/* cmd_rehearse.c - a site's own rollout and drills in a lab made from its site.lua. Every stage is a command of this
 * program, run as a person would. Must never reach a host of the site, nor leave anything behind.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "common/clock.h"
#include "common/process.h"
#include "journal.h"
#include "run.h"
#include "whole_file.h"

const char stf_rehearse_help[] =
    "Builds a lab from the site's own site.lua: the same hosts, addresses, clusters, policies and scripts, each host "
    "a\n"
    "network namespace on this machine. There: plan, rollout, verify, drill, rollback, and a comparison of every host\n"
    "with what it was before, as ip, nft and swanctl see it. The lab goes away at the end, also after Ctrl-C. No host\n"
    "of the site is reached. --keep leaves the lab and the journal of its runs. Needs root.\n"
    "\n"
    "Exit code: 0 when all stages passed, else that of the first one that did not; 5 when a host differs afterwards.\n";

struct rehearsal {
    const struct stf_cli *cli;
    struct stf_runtime *rt;
    char program[PATH_MAX];
    char work[512];      /* a folder of its own: site/, state/, before, after */
    char name[32];       /* the lab's */
    char site_dir[544];  /* work + "/site" */
    char state_dir[544]; /* work + "/state" */
    json_t *notes;       /* what is not as on the site */
    json_t *stages;      /* [{stage, exit_code, duration_ms}] */
    int exit_code;
    bool has_lab;
};

/* ---- children ---- */

static volatile sig_atomic_t stop_signal, child_pid;

static void on_stop(int signal)
{
    stop_signal = signal;
    if (child_pid > 0)
        kill((pid_t)child_pid, signal);
}

static void heed_stops(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* Runs `argv` to its end. It has a process group of its own: Ctrl-C reaches it once, through us. */
static int run_child(const char *const *argv, int output_fd)
{
    fflush(stdout);
    sigset_t stops, old;
    sigemptyset(&stops);
    sigaddset(&stops, SIGINT);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGHUP);
    sigprocmask(SIG_BLOCK, &stops, &old); /* a stop between fork and child_pid must not be lost */
    pid_t pid = fork();
    if (pid == 0) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        setpgid(0, 0);
        for (int signal = 1; signal < NSIG; signal++)
            if (sigismember(&stops, signal) == 1)
                (void)!sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        sigprocmask(SIG_SETMASK, &old, NULL);
        if (null_fd >= 0 && dup2(null_fd, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0)
            execv(argv[0], (char *const *)argv);
        _exit(STF_EXIT_ERROR);
    }
    child_pid = pid;
    sigprocmask(SIG_SETMASK, &old, NULL);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    child_pid = 0;
    if (pid < 0 || !WIFEXITED(status))
        return pid < 0 ? STF_EXIT_ERROR : 128 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

/* Runs this program with a list of words. What it prints is for a person: in the way of a document it goes to standard
 * error. */
static int run_self(const struct rehearsal *rehearsal, const json_t *words)
{
    size_t count = json_array_size(words);
    const char **argv = calloc(count + 2, sizeof *argv);
    if (!argv)
        return STF_EXIT_ERROR;
    argv[0] = rehearsal->program;
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = json_string_value(json_array_get(words, i));
    int exit_code = run_child(argv, rehearsal->cli->is_json ? STDERR_FILENO : STDOUT_FILENO);
    free(argv);
    return exit_code;
}

/* A path need not be UTF-8. */
static void add_word(json_t *words, const char *word)
{
    json_array_append_new(words, json_string_nocheck(word));
}

static void add_option(json_t *words, const char *option, const char *value)
{
    add_word(words, option);
    add_word(words, value);
}

/* ---- parameters ---- */

static bool has_param(const struct rehearsal *rehearsal, const char *playbook, const char *name)
{
    json_t *description = NULL;
    struct stf_err err;
    bool has_it = stf_trusted_describe(rehearsal->rt, "playbook", playbook, &description, &err) == STF_OK &&
                  json_object_get(json_object_get(description, "params"), name);
    json_decref(description);
    return has_it;
}

/* Each is for one of the playbooks, or it is a mistake. */
static enum stf_kind check_params(const struct rehearsal *rehearsal, struct stf_err *err)
{
    json_t *value;
    const char *name;
    json_object_foreach (rehearsal->cli->params, name, value) {
        if (!has_param(rehearsal, "rollout", name) && !has_param(rehearsal, "verify", name) &&
            !has_param(rehearsal, "drill", name))
            return stf_err_set(err, STF_INVALID_DATA, 0, "rehearse", name,
                               "neither rollout nor verify nor drill has a parameter '%s'; `staffetta scripts show "
                               "playbook/rollout` lists those of one",
                               name);
    }
    return STF_OK;
}

/* ---- the site of the rehearsal ---- */

static enum stf_kind run_tool(const char *const *argv, struct stf_err *err)
{
    struct stf_process_result result;
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 60000};
    enum stf_kind kind = stf_process_run(&id, &result, err);
    if (kind == STF_OK && result.exit_code != 0)
        kind = stf_err_set(err, STF_IO, result.exit_code, "rehearse", argv[0], "%s", result.errors);
    stf_process_result_fini(&result);
    return kind;
}

/* site.lua of the lab in a copy of the site's folder. */
static enum stf_kind write_site(struct rehearsal *rehearsal, struct stf_err *err)
{
    struct stf_runtime *rt = rehearsal->rt;
    const json_t *site;
    json_t *made = NULL;
    char from[PATH_MAX], path[PATH_MAX];
    enum stf_kind kind = stf_runtime_site(rt, &site, err);
    if (kind == STF_OK && !site) {
        kind = stf_err_set(err, STF_NOT_FOUND, 0, "rehearse", NULL, "there is no site: name its folder with --site");
        stf_err_remedy(err, "staffetta new site DIR");
    }
    if (kind != STF_OK)
        return kind;
    snprintf(from, sizeof from, "%s/.", rt->site_dir);
    kind = run_tool((const char *[]){"cp", "-R", "--preserve=mode", from, rehearsal->site_dir, NULL}, err);
    bool has_servers = access("/usr/sbin/dovecot", X_OK) == 0 && access("/usr/sbin/nginx", X_OK) == 0;
    json_t *input = json_pack("{s:O, s:s, s:s}", "site", site, "name", rehearsal->name, "servers",
                              has_servers ? "real" : "responder");
    if (kind == STF_OK)
        kind = stf_trusted_tool(rt, "rehearsal.luac", input, &made, err);
    const char *text = stf_cli_text(made, "text");
    snprintf(path, sizeof path, "%s/site.lua", rehearsal->site_dir);
    if (kind == STF_OK)
        kind = stf_whole_file_write(path, text, strlen(text), err);
    rehearsal->notes = json_incref(json_object_get(made, "notes"));
    json_decref(input);
    json_decref(made);
    return kind;
}

static enum stf_kind prepare(struct rehearsal *rehearsal, struct stf_err *err)
{
    ssize_t length = readlink("/proc/self/exe", rehearsal->program, sizeof rehearsal->program - 1);
    const char *folder = getenv("TMPDIR");
    folder = folder && *folder == '/' ? folder : "/tmp";
    int size = snprintf(rehearsal->work, sizeof rehearsal->work, "%s/staffetta-rehearse-XXXXXX", folder);
    if (length < 0 || size >= (int)sizeof rehearsal->work || !mkdtemp(rehearsal->work)) {
        rehearsal->work[0] = '\0';
        return stf_err_errno(err, errno, "rehearse", folder, "cannot make a folder to work in");
    }
    snprintf(rehearsal->name, sizeof rehearsal->name, "rehearsal-%ld", (long)getpid());
    snprintf(rehearsal->site_dir, sizeof rehearsal->site_dir, "%s/site", rehearsal->work);
    snprintf(rehearsal->state_dir, sizeof rehearsal->state_dir, "%s/state", rehearsal->work);
    umask(umask(0) | S_IWGRP | S_IWOTH); /* what others could write would not be loaded */
    if (mkdir(rehearsal->site_dir, 0755) != 0)
        return stf_err_errno(err, errno, "rehearse", rehearsal->site_dir, "cannot make a folder to work in");
    return write_site(rehearsal, err);
}

/* ---- stages ---- */

static void say(const struct rehearsal *rehearsal, const char *stage, const char *what)
{
    if (!rehearsal->cli->is_json)
        printf("\n== %s: %s\n", stage, what);
}

static bool is_over(const struct rehearsal *rehearsal)
{
    return rehearsal->exit_code != STF_EXIT_OK || stop_signal;
}

/* The --param options that the playbook takes. */
static void add_params(const struct rehearsal *rehearsal, json_t *words, const char *playbook)
{
    json_t *value;
    const char *name;
    json_object_foreach (rehearsal->cli->params, name, value) {
        if (!has_param(rehearsal, playbook, name))
            continue;
        add_word(words, "--param");
        json_array_append_new(words, json_sprintf("%s=%s", name, json_string_value(value)));
    }
}

struct stage {
    const char *command;
    const char *playbook; /* that gets the parameters, or NULL */
    const char *operand;  /* or NULL */
    const char *what;     /* for a person */
    int allowed;          /* an exit code that is as good as 0 */
};

static void run_stage(struct rehearsal *rehearsal, const struct stage *stage)
{
    if (is_over(rehearsal))
        return;
    say(rehearsal, stage->command, stage->what);
    json_t *words = json_array();
    add_word(words, stage->command);
    if (stage->operand)
        add_word(words, stage->operand);
    add_option(words, "--site", rehearsal->site_dir);
    add_option(words, "--state", rehearsal->state_dir);
    if (stage->playbook)
        add_params(rehearsal, words, stage->playbook);
    if (rehearsal->cli->scripts_dir)
        add_option(words, "--dev", rehearsal->cli->scripts_dir);
    int64_t start_ns = stf_clock_ns();
    int exit_code = run_self(rehearsal, words);
    json_array_append_new(rehearsal->stages,
                          json_pack("{s:s, s:i, s:I}", "stage", stage->command, "exit_code", exit_code, "duration_ms",
                                    (json_int_t)((stf_clock_ns() - start_ns) / 1000000)));
    if (exit_code != STF_EXIT_OK && exit_code != stage->allowed)
        rehearsal->exit_code = exit_code;
    json_decref(words);
}

static void lab_up(struct rehearsal *rehearsal)
{
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    say(rehearsal, "lab", "the site's hosts as network namespaces");
    size_t index;
    json_t *note;
    json_array_foreach (rehearsal->cli->is_json ? NULL : rehearsal->notes, index, note)
        printf("  %s\n", json_string_value(note));
    json_t *words = json_pack("[s, s]", "lab", "up");
    add_option(words, "--site", rehearsal->site_dir);
    if (!rehearsal->cli->is_kept)
        add_option(words, "--with-pid", pid);
    rehearsal->has_lab = true;
    int exit_code = run_self(rehearsal, words);
    json_decref(words);
    json_array_append_new(rehearsal->stages, json_pack("{s:s, s:i}", "stage", "lab up", "exit_code", exit_code));
    rehearsal->exit_code = exit_code;
}

/* The number of the newest run, as text. */
static void find_rollout(struct rehearsal *rehearsal, char *number, size_t size)
{
    struct stf_journal *journal = NULL;
    struct stf_err err;
    json_t *runs = NULL;
    *number = '\0';
    if (is_over(rehearsal))
        return;
    if (stf_journal_open_read(rehearsal->state_dir, &journal, &err) == STF_OK &&
        stf_journal_list(journal, &runs, &err) == STF_OK)
        snprintf(number, size, "%lld", (long long)json_integer_value(json_object_get(json_array_get(runs, 0), "run")));
    json_decref(runs);
    stf_journal_close(journal);
}

/* ---- what other programs see of the lab's hosts ---- */

static const char snapshot_script[] =
    "for namespace in $(ip netns list | cut -d' ' -f1 | grep \"^stf-$1-\" | sort); do\n"
    "  echo \"## $namespace\"\n"
    "  ip -n $namespace -o address | awk '{print $2, $4}' | sort\n"
    "  ip netns exec $namespace nft -s list ruleset\n"
    "  ip -n $namespace xfrm policy | grep -v '^[[:space:]]*socket'\n"
    "done\n"
    "for socket in /run/staffetta-lab/$1/*/charon.vici; do\n"
    "  [ -S \"$socket\" ] || continue\n"
    "  echo \"## $socket\"\n"
    "  find \"${socket%/*}/conf.d\" \"${socket%/*}/strongswan.d\" -type f | sort | xargs -r sha256sum\n"
    "  swanctl --list-conns --uri unix://$socket; swanctl --list-sas --uri unix://$socket\n"
    "done\n"
    "for hive in $(find /run/staffetta-lab/$1 -name 'hive-*' | sort); do\n"
    "  echo \"## $hive\"\n"
    "  \"$2\" registry export hive:$hive\n"
    "done\n"
    "true\n";

static const char host_mark[] = "## stf-";

static size_t count_hosts(const char *snapshot)
{
    size_t count = 0;
    for (const char *at = snapshot; (at = strstr(at, host_mark)); at++)
        count++;
    return count;
}

static enum stf_kind take_snapshot(const struct rehearsal *rehearsal, char **text, struct stf_err *err)
{
    struct stf_process_result result;
    const char *argv[] = {"sh", "-c", snapshot_script, "sh", rehearsal->name, rehearsal->program, NULL};
    const struct stf_process_id id = {.argv = argv, .timeout_ms = 60000};
    enum stf_kind kind = stf_process_run(&id, &result, err);
    *text = kind == STF_OK ? strdup(result.output) : NULL;
    if (kind == STF_OK && !*text)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "rehearse", NULL, "not enough memory");
    else if (kind == STF_OK && !strstr(*text, host_mark)) /* two snapshots of nothing are equal too */
        kind = stf_err_set(err, STF_IO, 0, "rehearse", rehearsal->name, "the lab's hosts can not be looked at: %s",
                           result.errors);
    stf_process_result_fini(&result);
    return kind;
}

static enum stf_kind show_difference(const struct rehearsal *rehearsal, const char *before, const char *after,
                                     struct stf_err *err)
{
    char old_path[PATH_MAX], new_path[PATH_MAX];
    snprintf(old_path, sizeof old_path, "%s/before", rehearsal->work);
    snprintf(new_path, sizeof new_path, "%s/after", rehearsal->work);
    enum stf_kind kind = stf_whole_file_write(old_path, before, strlen(before), err);
    if (kind == STF_OK)
        kind = stf_whole_file_write(new_path, after, strlen(after), err);
    if (kind == STF_OK)
        run_child((const char *[]){"/usr/bin/diff", "-u", old_path, new_path, NULL}, STDERR_FILENO);
    return kind;
}

static enum stf_kind compare(struct rehearsal *rehearsal, const char *before, struct stf_err *err)
{
    char *after = NULL;
    if (is_over(rehearsal))
        return STF_OK;
    say(rehearsal, "comparison", "every host with what it was before");
    enum stf_kind kind = take_snapshot(rehearsal, &after, err);
    bool is_equal = kind == STF_OK && strcmp(before, after) == 0;
    if (kind == STF_OK && !is_equal) {
        rehearsal->exit_code = STF_EXIT_NEEDS_HUMAN;
        kind = show_difference(rehearsal, before, after, err);
    } else if (kind == STF_OK && !rehearsal->cli->is_json) {
        printf("ip, nft and swanctl see %zu namespaces exactly as before\n", count_hosts(after));
    }
    json_array_append_new(rehearsal->stages, json_pack("{s:s, s:i}", "stage", "comparison", "exit_code",
                                                       is_equal ? STF_EXIT_OK : STF_EXIT_NEEDS_HUMAN));
    free(after);
    return kind;
}

/* ---- the whole ---- */

static enum stf_kind run_stages(struct rehearsal *rehearsal, struct stf_err *err)
{
    char *before = NULL, rollout[24];
    const struct stage stages[] = {
        {"plan", "rollout", NULL, "what a rollout would change", STF_EXIT_PENDING},
        {"rollout", "rollout", NULL, "stage by stage, proved on the wire", STF_EXIT_OK},
        {"verify", "verify", NULL, "does it stand, and does it protect?", STF_EXIT_OK},
        {"drill", "drill", NULL, "the virtual IP moves, measured from a front end", STF_EXIT_OK},
        {"rollback", NULL, rollout, "every change of the rollout is put back", STF_EXIT_OK},
    };
    lab_up(rehearsal);
    enum stf_kind kind = is_over(rehearsal) ? STF_OK : take_snapshot(rehearsal, &before, err);
    if (kind != STF_OK)
        return kind;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        run_stage(rehearsal, &stages[i]);
        if (strcmp(stages[i].command, "rollout") == 0)
            find_rollout(rehearsal, rollout, sizeof rollout);
    }
    kind = compare(rehearsal, before, err);
    free(before);
    return kind;
}

static void clean_up(const struct rehearsal *rehearsal)
{
    if (rehearsal->cli->is_kept && rehearsal->has_lab) {
        fprintf(rehearsal->cli->is_json ? stderr : stdout,
                "\nThe lab is still up: staffetta lab status --name %s\n"
                "Its site and journal:   %s, %s\n"
                "End it with:            staffetta lab down --name %s\n",
                rehearsal->name, rehearsal->site_dir, rehearsal->state_dir, rehearsal->name);
        return;
    }
    if (rehearsal->has_lab)
        run_child((const char *[]){rehearsal->program, "lab", "down", "--name", rehearsal->name, NULL}, STDERR_FILENO);
    if (rehearsal->work[0]) {
        struct stf_err ignored;
        (void)!run_tool((const char *[]){"rm", "-rf", rehearsal->work, NULL}, &ignored);
    }
}

static void tell_end(const struct rehearsal *rehearsal, int64_t duration_ms)
{
    const char *verdict = rehearsal->exit_code == STF_EXIT_OK ? "pass" : "fail";
    if (rehearsal->cli->is_json) {
        json_t *doc = json_pack("{s:s, s:O, s:O, s:I}", "verdict", verdict, "notes", rehearsal->notes, "stages",
                                rehearsal->stages, "duration_ms", (json_int_t)duration_ms);
        stf_output_json(doc);
        json_decref(doc);
        return;
    }
    printf("\nrehearsal: %s  (%lld.%03lld s)\n", verdict, (long long)duration_ms / 1000, (long long)duration_ms % 1000);
    if (rehearsal->exit_code == STF_EXIT_OK)
        stf_cli_next(rehearsal->cli, (const char *[]){"plan", NULL}, rehearsal->cli->params);
}

int stf_cmd_rehearse(int argc, char **argv)
{
    struct stf_cli cli;
    struct stf_err err;
    int exit_code = stf_cli_parse(&cli, argc, argv, 0);
    struct rehearsal rehearsal = {.cli = &cli, .stages = json_array()};
    if (exit_code == -1 && !stf_cli_open(&cli, &rehearsal.rt))
        exit_code = STF_EXIT_ERROR;
    if (exit_code != -1)
        goto out;
    int64_t start_ns = stf_clock_ns();
    heed_stops();
    setenv(stf_cli_rehearsal, "1", true);
    enum stf_kind kind = check_params(&rehearsal, &err);
    if (kind == STF_OK)
        kind = prepare(&rehearsal, &err);
    if (kind == STF_OK)
        kind = run_stages(&rehearsal, &err);
    if (kind != STF_OK) {
        stf_cli_error(&cli, &err);
        rehearsal.exit_code = STF_EXIT_ERROR;
    }
    if (stop_signal)
        rehearsal.exit_code = STF_EXIT_INTERRUPTED;
    clean_up(&rehearsal);
    unsetenv(stf_cli_rehearsal);
    if (kind == STF_OK)
        tell_end(&rehearsal, (stf_clock_ns() - start_ns) / 1000000);
    exit_code = rehearsal.exit_code;
out:
    json_decref(rehearsal.stages);
    json_decref(rehearsal.notes);
    stf_runtime_close(rehearsal.rt);
    stf_cli_fini(&cli);
    return exit_code;
}
