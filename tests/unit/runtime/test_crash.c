/* test_crash.c - kills the program at every fault point there is, at each time it is reached, in a run and in its
 * rollback; afterwards the journal opens and rolling back restores the hosts. SPDX-License-Identifier: MIT */
#include "change.h"
#include "fake_host.h"
#include "fault.h"

#include "../common/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#ifdef STAFFETTA_FAULTS

static char scratch[64];
static char state_dir[96];
static struct fake fake = {.mutex = PTHREAD_MUTEX_INITIALIZER};
static struct stf_err err;
static struct stf_host hosts[] = {{.name = "fe1", .site_dir = "/etc/site"}, {.name = "node1", .site_dir = "/etc/site"}};

/* These run in the child as well, where cmocka's asserts would unwind into the parent's tests. */
static void must(enum stf_kind kind)
{
    if (kind != STF_OK) {
        fprintf(stderr, "%s: %s\n", stf_kind_name(kind), err.message);
        abort();
    }
}

static int64_t begin_run(struct stf_journal *journal)
{
    int64_t run;
    must(stf_journal_run_begin(journal, &fake_run, &run, &err));
    return run;
}

static struct stf_engine *open_engine(struct stf_journal *journal, int64_t run)
{
    struct stf_engine *engine;
    const struct stf_engine_binding bindings[] = {{&fake_binding, &fake}};
    const struct stf_engine_config config = {
        .mode = STF_ENGINE_APPLY, .journal = journal, .run = run, .bindings = bindings, .binding_count = 1};
    must(stf_engine_open(&config, &engine, &err));
    return engine;
}

static enum stf_kind change(struct stf_engine *engine, const struct stf_host *host, const char *name, const char *after)
{
    json_t *result = NULL;
    json_t *id = json_pack("{s:s}", "name", name);
    json_t *state = after ? json_string(after) : json_null();
    enum stf_kind kind = stf_engine_change(engine, "permit", host, "fake.thing", id, state, &result, &err);
    json_decref(result);
    json_decref(state);
    json_decref(id);
    return kind;
}

static void roll_back(struct stf_journal *journal, int64_t which)
{
    json_t *summary = NULL;
    int64_t run = begin_run(journal);
    struct stf_engine *engine = open_engine(journal, run);
    const struct stf_rollback rollback = {.run = which};
    must(stf_engine_rollback(engine, &rollback, &summary, &err));
    must(stf_journal_run_end(journal, run, STF_RUN_DONE, summary, &err));
    json_decref(summary);
    stf_engine_close(engine);
}

/* Everything that the journal can record and the engine can do: a run with a change that fails, and its rollback. */
static void live_a_life(void)
{
    struct stf_journal *journal;
    must(stf_journal_open(state_dir, "rollout", &journal, &err));
    int64_t run = begin_run(journal);
    for (int i = 0; i < 2; i++)
        must(stf_journal_add_host(journal, run, &hosts[i], &err));
    const struct stf_script_data script = {"playbook", "rollout", "bundled", "00ff"};
    must(stf_journal_add_script(journal, run, &script, &err));
    struct stf_engine *engine = open_engine(journal, run);
    must(change(engine, &hosts[0], "a", "two"));
    must(change(engine, &hosts[1], "b", NULL));
    must(change(engine, &hosts[0], "a", "three"));
    fake.failing_thing = "c";
    if (change(engine, &hosts[1], "c", "new") != STF_IO)
        abort();
    fake.failing_thing = NULL;
    const struct stf_check_data check = {.name = "ready", .verdict = "fail"};
    must(stf_journal_add_check(journal, run, &check, &err));
    must(stf_journal_add_event(journal, run, "drill", NULL, &err));
    stf_engine_close(engine);
    must(stf_journal_run_end(journal, run, STF_RUN_HELD, NULL, &err));
    must(stf_journal_run_resume(journal, run, &err));
    must(stf_journal_run_end(journal, run, STF_RUN_FAILED, NULL, &err));
    roll_back(journal, run);
    stf_journal_close(journal);
}

static json_t *all_hosts(void)
{
    return json_pack("{s:o, s:o}", "fe1", fake_load(&fake, "fe1"), "node1", fake_load(&fake, "node1"));
}

static void set_up_hosts(void)
{
    json_t *fe1 = json_pack("{s:s, s:s}", "a", "one", "z", "not ours");
    json_t *node1 = json_pack("{s:s}", "b", "old");
    scratch_sh("rm -rf %s && mkdir -m 700 -p %s", scratch, scratch);
    fake_store(&fake, "fe1", fe1);
    fake_store(&fake, "node1", node1);
    json_decref(fe1);
    json_decref(node1);
}

/* Lives in a child that is to be killed at `fault`; false when it got through to its end. */
static bool is_killed_at(const char *fault)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        setenv("STAFFETTA_FAULT", fault, 1);
        live_a_life();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    assert_int_equal(WTERMSIG(status), SIGKILL);
    return true;
}

static void recover(void)
{
    json_t *runs = NULL;
    struct stf_journal *journal;
    must(stf_journal_open(state_dir, "rollback", &journal, &err));
    must(stf_journal_list(journal, &runs, &err));
    size_t index;
    json_t *each;
    json_array_foreach (runs, index, each) {
        const char *state = json_string_value(json_object_get(each, "state"));
        assert_string_not_equal(state, "running");
        bool is_rollback = json_integer_value(json_object_get(each, "undoes_run")) != 0;
        if (!is_rollback && strcmp(state, "rolled_back") != 0)
            roll_back(journal, json_integer_value(json_object_get(each, "run")));
    }
    json_decref(runs);
    stf_journal_close(journal);
}

static void every_crash_can_be_rolled_back(void **state)
{
    (void)state;
    int kills = 0;
    set_up_hosts();
    json_t *before = all_hosts();
    for (int point = 0; point < STF_FAULT_COUNT; point++) {
        const char *name = stf_fault_name((enum stf_fault_point)point);
        for (int hit = 1;; hit++) {
            char fault[64];
            snprintf(fault, sizeof fault, "%s:%d", name, hit);
            set_up_hosts();
            bool is_killed = is_killed_at(fault);
            if (is_killed)
                recover();
            json_t *after = all_hosts();
            if (!json_equal(after, before))
                fail_msg("killed at %s the hosts were not restored", fault);
            json_decref(after);
            if (!is_killed) {
                if (hit == 1)
                    fail_msg("the fault point %s is never reached", name);
                break;
            }
            kills++;
        }
    }
    print_message("%d fault points, %d kills, hosts restored after each\n", STF_FAULT_COUNT, kills);
    json_decref(before);
}

int main(void)
{
    /* In memory: a killed process loses nothing that it wrote, and the disk would take most of the time. */
    snprintf(scratch, sizeof scratch, "/dev/shm/stf-test-crash-%d", getpid());
    snprintf(state_dir, sizeof state_dir, "%s/state", scratch);
    snprintf(fake.dir, sizeof fake.dir, "%s", scratch);
    hosts[0].config = hosts[1].config = json_object();
    scratch_start("rm -rf %s", scratch);
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_crash_can_be_rolled_back)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref((json_t *)hosts[0].config);
    return failed;
}

#else

int main(void)
{
    puts("SKIP: this build has no fault points (STAFFETTA_FAULTS is off)");
    return 0;
}

#endif
