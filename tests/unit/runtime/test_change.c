/* test_change.c - the change engine and rollback through the public functions, on a real journal and hosts that are
 * files: nothing is written that is not recorded, and what a run wrote is put back or refused. SPDX-License-Identifier:
 * MIT
 */
#include "change.h"
#include "fake_host.h"

#include "../common/scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { HOSTS = 3 };

static char scratch[64];
static char state_dir[96];
static struct fake fake;
static struct stf_err err; /* of the main thread */
static json_t *config;
static struct stf_host hosts[HOSTS] = {{.name = "fe1"}, {.name = "node1"}, {.name = "node2"}};
static struct stf_journal *journal;
static struct stf_engine *engine;
static int64_t run;

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if ((call) != STF_OK)                                                                                          \
            fail_msg("%s: %s: %s", #call, stf_kind_name(err.kind), err.message);                                       \
    } while (0)

static int set_up(void **state)
{
    static int number;
    (void)state;
    fake = (struct fake){.mutex = PTHREAD_MUTEX_INITIALIZER};
    snprintf(fake.dir, sizeof fake.dir, "%s/hosts%d", scratch, ++number);
    snprintf(state_dir, sizeof state_dir, "%s/state%d", scratch, number);
    if (mkdir(scratch, 0700) < 0 && errno != EEXIST)
        return -1;
    if (mkdir(fake.dir, 0700) < 0)
        return -1;
    config = json_pack("{s:s, s:s}", "role", "node", "netns", "stf-node");
    for (int i = 0; i < HOSTS; i++) {
        hosts[i].config = config;
        hosts[i].netns = "stf-node";
        hosts[i].site_dir = "/etc/site";
    }
    return stf_journal_open(state_dir, "rollout", &journal, &err) == STF_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    stf_engine_close(engine);
    stf_journal_close(journal);
    json_decref(config);
    engine = NULL;
    journal = NULL;
    return 0;
}

static void open_engine(enum stf_engine_mode mode)
{
    const struct stf_engine_binding bindings[] = {{&fake_binding, &fake}};
    const struct stf_engine_config engine_config = {
        .mode = mode, .journal = journal, .run = run, .bindings = bindings, .binding_count = 1};
    stf_engine_close(engine);
    assert_ok(stf_engine_open(&engine_config, &engine, &err));
}

/* A run that applies, its hosts recorded when `is_adding_hosts`, with its engine. */
static void begin(bool is_adding_hosts)
{
    assert_ok(stf_journal_run_begin(journal, &fake_run, &run, &err));
    for (int i = 0; is_adding_hosts && i < HOSTS; i++)
        assert_ok(stf_journal_add_host(journal, run, &hosts[i], &err));
    open_engine(STF_ENGINE_APPLY);
}

static void end(enum stf_run_state state)
{
    assert_ok(stf_journal_run_end(journal, run, state, NULL, &err));
}

/* NULL text: absent. */
static json_t *state_of(const char *text)
{
    return text ? json_string(text) : json_null();
}

static enum stf_kind try_change(const struct stf_host *host, const char *name, const char *after, json_t **result)
{
    json_t *id = json_pack("{s:s}", "name", name);
    json_t *state = state_of(after);
    enum stf_kind kind = stf_engine_change(engine, "permit", host, "fake.thing", id, state, result, &err);
    json_decref(id);
    json_decref(state);
    return kind;
}

/* Did it change? */
static bool change(const struct stf_host *host, const char *name, const char *after)
{
    json_t *result = NULL;
    assert_ok(try_change(host, name, after, &result));
    bool is_changed = json_is_true(json_object_get(result, "changed"));
    json_decref(result);
    return is_changed;
}

/* What stands on the host, "" for absent. */
static const char *standing(const char *host, const char *name)
{
    static char text[64];
    json_t *things = fake_load(&fake, host);
    const char *found = json_string_value(json_object_get(things, name));
    snprintf(text, sizeof text, "%s", found ? found : "");
    json_decref(things);
    return text;
}

static void set(const char *host, const char *name, const char *text)
{
    json_t *state = state_of(text);
    fake_set(&fake, host, name, state);
    json_decref(state);
}

static json_t *all_hosts(void)
{
    json_t *all = json_object();
    for (int i = 0; i < HOSTS; i++)
        json_object_set_new(all, hosts[i].name, fake_load(&fake, hosts[i].name));
    return all;
}

static void assert_hosts_equal(const json_t *expected)
{
    json_t *now = all_hosts();
    assert_true(json_equal(now, expected));
    json_decref(now);
}

static struct stf_change_list changes_of(int64_t which)
{
    struct stf_change_list list;
    assert_ok(stf_journal_changes(journal, which, &list, &err));
    return list;
}

static enum stf_kind roll_back(int64_t which, bool is_forced, json_t **summary)
{
    const struct stf_rollback rollback = {.run = which, .is_forced = is_forced};
    return stf_engine_rollback(engine, &rollback, summary, &err);
}

static int64_t count_of(const json_t *doc, const char *key)
{
    return json_integer_value(json_object_get(doc, key));
}

/* "undo" and so on of the plan's item `index`. */
static const char *verdict_of(const json_t *plan, size_t index)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(plan, "items"), index), "verdict"));
}

static json_t *rollback_plan(int64_t which)
{
    json_t *plan = NULL;
    assert_ok(stf_engine_rollback_plan(engine, which, NULL, &plan, &err));
    return plan;
}

/* ---- changing ---- */

static void look_at_intent(void *data)
{
    int *seen = data;
    struct stf_journal *reader = NULL;
    struct stf_change_list list;
    assert_ok(stf_journal_open_read(state_dir, &reader, &err));
    assert_ok(stf_journal_changes(reader, run, &list, &err));
    *seen = (int)list.count;
    assert_int_equal(list.items[0].state, STF_CHANGE_INTENT);
    assert_string_equal(list.items[0].host, "fe1");
    stf_change_list_fini(&list);
    stf_journal_close(reader);
}

static void the_intent_is_in_the_journal_before_the_write(void **state)
{
    (void)state;
    int seen = 0;
    json_t *result = NULL;
    begin(true);
    set("fe1", "a", "old");
    fake.on_write = look_at_intent;
    fake.data = &seen;
    assert_ok(try_change(&hosts[0], "a", "new", &result));
    json_t *expected = json_pack("{s:b, s:s, s:s}", "changed", 1, "before", "old", "after", "new");
    assert_true(json_equal(result, expected));
    assert_int_equal(seen, 1);
    assert_string_equal(standing("fe1", "a"), "new");
    struct stf_change_list list = changes_of(run);
    assert_int_equal(list.items[0].state, STF_CHANGE_DONE);
    assert_string_equal(json_string_value(list.items[0].before), "old");
    stf_change_list_fini(&list);
    json_decref(expected);
    json_decref(result);
}

static void the_second_time_is_no_change(void **state)
{
    (void)state;
    begin(true);
    assert_true(change(&hosts[0], "a", "new"));
    assert_false(change(&hosts[0], "a", "new"));
    assert_false(change(&hosts[0], "b", NULL));
    assert_int_equal(fake.write_count, 1);
    struct stf_change_list list = changes_of(run);
    assert_int_equal(list.count, 1);
    stf_change_list_fini(&list);
}

static void a_failed_write_stays_in_the_journal(void **state)
{
    (void)state;
    json_t *result = NULL;
    begin(true);
    fake.failing_thing = "a";
    assert_int_equal(try_change(&hosts[0], "a", "new", &result), STF_IO);
    assert_null(result);
    assert_int_equal(err.code, 5);
    assert_string_equal(err.message, "a can not be written");
    fake.lying_thing = "b";
    assert_int_equal(try_change(&hosts[0], "b", "new", &result), STF_CONFLICT);
    assert_non_null(strstr(err.message, "reads back as something else, not as new"));
    struct stf_change_list list = changes_of(run);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.items[0].state, STF_CHANGE_FAILED);
    assert_string_equal(list.items[0].error, err.message);
    assert_int_equal(list.items[1].state, STF_CHANGE_FAILED);
    assert_string_equal(list.items[1].error, "a can not be written");
    stf_change_list_fini(&list);
}

static void nothing_is_written_without_its_record(void **state)
{
    (void)state;
    json_t *result = NULL;
    begin(false);
    assert_int_equal(try_change(&hosts[0], "a", "new", &result), STF_NOT_FOUND); /* the host was not recorded */
    struct stf_journal *writer = journal;
    assert_ok(stf_journal_open_read(state_dir, &journal, &err));
    open_engine(STF_ENGINE_APPLY);
    assert_int_equal(try_change(&hosts[0], "a", "new", &result), STF_DENIED);
    assert_int_equal(fake.write_count, 0);
    assert_string_equal(standing("fe1", "a"), "");
    stf_journal_close(journal);
    journal = writer;
}

static void an_unknown_resource_is_told(void **state)
{
    (void)state;
    json_t *result = NULL;
    json_t *id = json_object();
    begin(true);
    assert_int_equal(stf_engine_change(engine, "s", &hosts[0], "fake.none", id, id, &result, &err), STF_UNSUPPORTED);
    assert_int_equal(stf_engine_read(engine, &hosts[0], "fake.none", id, &result, &err), STF_UNSUPPORTED);
    assert_non_null(strstr(err.message, "fake.none"));
    json_decref(id);
}

static void a_plan_writes_nothing_and_sees_what_is_planned(void **state)
{
    (void)state;
    json_t *id = json_pack("{s:s}", "name", "a");
    json_t *now = NULL;
    json_t *plan = NULL;
    set("fe1", "a", "one");
    json_t *before = all_hosts();
    run = 0;
    open_engine(STF_ENGINE_PLAN);
    assert_true(change(&hosts[0], "a", "two"));
    assert_true(change(&hosts[1], "a", "two"));
    assert_false(change(&hosts[0], "a", "two"));
    assert_true(change(&hosts[0], "a", NULL));
    assert_ok(stf_engine_read(engine, &hosts[0], "fake.thing", id, &now, &err));
    assert_true(json_is_null(now));
    json_decref(now);
    assert_ok(stf_engine_read(engine, &hosts[0], "fake.plain", id, &now, &err));
    assert_string_equal(json_string_value(now), "one");
    json_decref(now);

    assert_ok(stf_engine_plan(engine, &plan, &err));
    assert_int_equal(count_of(plan, "unchanged"), 1);
    json_t *changes = json_object_get(plan, "changes");
    assert_int_equal(json_array_size(changes), 3);
    json_t *expected = json_pack("{s:s, s:s, s:s, s:{s:s}, s:s, s:n, s:{s:s, s:s, s:s}}", "step", "permit", "host",
                                 "fe1", "resource", "fake.thing", "id", "name", "a", "before", "two", "after",
                                 "describe", "what", "a", "before", "two", "after", "absent");
    assert_true(json_equal(json_array_get(changes, 2), expected));
    assert_int_equal(fake.write_count, 0);
    assert_hosts_equal(before);
    json_t *runs = NULL;
    assert_ok(stf_journal_list(journal, &runs, &err));
    assert_int_equal(json_array_size(runs), 0);
    json_decref(runs);
    json_decref(expected);
    json_decref(plan);
    json_decref(before);
    json_decref(id);
}

static void what_has_no_words_is_shown_as_it_is(void **state)
{
    (void)state;
    json_t *plan = NULL;
    json_t *result = NULL;
    json_t *id = json_pack("{s:s, s:i}", "name", "a", "index", 1);
    json_t *after = json_pack("{s:i}", "value", 1);
    run = 0;
    open_engine(STF_ENGINE_PLAN);
    assert_ok(stf_engine_change(engine, "s", &hosts[0], "fake.plain", id, after, &result, &err));
    json_object_set_new(after, "value", json_integer(2)); /* the plan keeps what it was told */
    json_decref(result);
    assert_ok(stf_engine_change(engine, "s", &hosts[0], "fake.plain", id, after, &result, &err));
    json_decref(result);
    assert_ok(stf_engine_plan(engine, &plan, &err));
    const json_t *describe = json_object_get(json_array_get(json_object_get(plan, "changes"), 1), "describe");
    assert_string_equal(json_string_value(json_object_get(describe, "what")), "{\"index\":1,\"name\":\"a\"}");
    assert_string_equal(json_string_value(json_object_get(describe, "before")), "{\"value\":1}");
    json_decref(plan);
    json_decref(after);
    json_decref(id);
}

/* ---- rollback ---- */

/* A run over all hosts with several changes of one thing, some of which fail; gives the hosts before it. */
static json_t *make_run(void)
{
    json_t *result = NULL;
    set("fe1", "a", "one");
    set("node1", "b", "old");
    json_t *before = all_hosts();
    begin(true);
    assert_true(change(&hosts[0], "a", "two"));
    assert_true(change(&hosts[1], "b", NULL));
    assert_true(change(&hosts[0], "a", "three"));
    fake.failing_thing = "c";
    assert_int_equal(try_change(&hosts[2], "c", "new", &result), STF_IO);
    fake.failing_thing = NULL;
    assert_true(change(&hosts[2], "d", "new"));
    assert_true(change(&hosts[0], "a", "two")); /* back, in the same run */
    assert_true(change(&hosts[0], "a", "four"));
    end(STF_RUN_FAILED);
    return before;
}

static void a_run_is_put_back_in_reverse_order(void **state)
{
    (void)state;
    json_t *summary = NULL;
    json_t *before = make_run();
    json_t *between = all_hosts();
    int64_t first = run;
    begin(false);
    int writes = fake.write_count;

    json_t *plan = rollback_plan(first);
    const char *const verdicts[] = {"undo", "undo", "undo", "nothing", "undo", "undo", "undo"};
    for (size_t i = 0; i < 7; i++)
        assert_string_equal(verdict_of(plan, i), verdicts[i]);
    assert_int_equal(count_of(plan, "undo"), 6);
    assert_int_equal(count_of(plan, "nothing"), 1);
    json_decref(plan);
    assert_int_equal(fake.write_count, writes);
    assert_hosts_equal(between);

    assert_ok(roll_back(first, false, &summary));
    assert_int_equal(count_of(summary, "undone"), 6);
    assert_int_equal(count_of(summary, "failed"), 0);
    assert_int_equal(fake.write_count, writes + 6);
    assert_hosts_equal(before);
    assert_string_equal(fake.seen_site_dir, "/etc/site"); /* as recorded: this run was given no hosts */
    assert_string_equal(fake.seen_netns, "stf-node");
    end(STF_RUN_DONE);
    struct stf_change_list undoing = changes_of(run);
    assert_int_equal(undoing.count, 6);
    assert_string_equal(json_string_value(undoing.items[5].after), "two"); /* the newest was undone first */
    assert_string_equal(json_string_value(undoing.items[5].before), "four");
    stf_change_list_fini(&undoing);
    json_decref(summary);

    assert_ok(roll_back(first, false, &summary)); /* a second time there is nothing left */
    assert_int_equal(count_of(summary, "undone"), 0);
    assert_int_equal(count_of(summary, "nothing"), 7);
    json_decref(summary);
    json_decref(between);
    json_decref(before);
}

static void what_a_run_has_changed_back_is_not_done_again(void **state)
{
    (void)state;
    json_t *summary = NULL;
    set("fe1", "a", "one");
    json_t *before = all_hosts();
    begin(true);
    for (int i = 0; i < 3; i++) {
        assert_true(change(&hosts[0], "a", "two"));
        assert_true(change(&hosts[0], "a", "one"));
    }
    assert_true(change(&hosts[0], "a", "three"));
    int writes = fake.write_count;
    assert_ok(roll_back(run, false, &summary));
    assert_int_equal(count_of(summary, "undone"), 1);
    assert_int_equal(fake.write_count, writes + 1);
    assert_hosts_equal(before);
    json_decref(summary);
    end(STF_RUN_ROLLED_BACK);
    json_decref(before);
}

static void what_is_put_back_is_settled_once(void **state)
{
    (void)state;
    json_t *summary = NULL;
    set(hosts[0].name, "mail", "old");
    begin(true);
    change(&hosts[0], "mail", "one");
    change(&hosts[1], "web", "new");
    change(&hosts[0], "mail", "two");
    change(&hosts[0], "stuck", "new");
    fake.unsettled_thing = "stuck";
    fake.settled[0] = '\0';
    assert_ok(roll_back(run, false, &summary));
    char expected[64];
    snprintf(expected, sizeof expected, "%s.web=absent %s.mail=old ", hosts[1].name, hosts[0].name);
    assert_string_equal(fake.settled, expected);
    const json_t *stuck = json_array_get(json_object_get(summary, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(stuck, "unsettled")), "stuck does not settle");
    json_decref(summary);
    fake.unsettled_thing = NULL;
}

static void a_rollback_can_be_rolled_back(void **state)
{
    (void)state;
    json_t *before = make_run();
    json_t *after = all_hosts();
    int64_t first = run;
    for (int64_t which = first; which < first + 4; which++) {
        json_t *summary = NULL;
        begin(false);
        assert_ok(roll_back(which, false, &summary));
        assert_int_equal(count_of(summary, "undone"), 6);
        end(STF_RUN_DONE);
        assert_hosts_equal((which - first) % 2 == 0 ? before : after);
        json_decref(summary);
    }
    json_decref(before);
    json_decref(after);
}

static void a_run_can_roll_itself_back(void **state)
{
    (void)state;
    json_t *summary = NULL;
    set("fe1", "a", "one");
    json_t *before = all_hosts();
    begin(true);
    assert_true(change(&hosts[0], "a", "two"));
    assert_true(change(&hosts[1], "a", "two"));
    assert_ok(roll_back(run, false, &summary));
    assert_int_equal(count_of(summary, "undone"), 2);
    json_decref(summary);
    end(STF_RUN_ROLLED_BACK);
    assert_hosts_equal(before);

    int64_t first = run;
    int writes = fake.write_count;
    begin(false);
    assert_ok(roll_back(first, false, &summary));
    assert_int_equal(count_of(summary, "nothing"), 2);
    assert_int_equal(fake.write_count, writes);
    json_decref(summary);
    json_decref(before);
}

static void what_others_changed_is_not_overwritten_unless_forced(void **state)
{
    (void)state;
    json_t *summary = NULL;
    json_t *before = make_run();
    int64_t first = run;
    set("node1", "b", "somebody's");
    json_t *touched = all_hosts();
    begin(false);
    int writes = fake.write_count;

    assert_int_equal(roll_back(first, false, &summary), STF_CONFLICT);
    assert_non_null(strstr(err.message, "b on node1: was old, the run wrote absent, now somebody's"));
    assert_int_equal(count_of(summary, "conflict"), 1);
    assert_int_equal(fake.write_count, writes);
    assert_hosts_equal(touched);
    struct stf_change_list list = changes_of(run);
    assert_int_equal(list.count, 0);
    stf_change_list_fini(&list);
    json_decref(summary);

    assert_ok(roll_back(first, true, &summary));
    assert_int_equal(count_of(summary, "undone"), 6);
    assert_hosts_equal(before);
    end(STF_RUN_DONE);
    int64_t second = run;
    json_decref(summary);

    begin(false); /* and what was overwritten comes back */
    assert_ok(roll_back(second, false, &summary));
    assert_hosts_equal(touched);
    json_decref(summary);
    json_decref(touched);
    json_decref(before);
}

static void a_long_list_of_conflicts_is_cut_and_counted(void **state)
{
    (void)state;
    json_t *summary = NULL;
    begin(true);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "a rather long name %d", i);
        assert_true(change(&hosts[0], name, "ours"));
        set("fe1", name, "somebody's");
    }
    assert_int_equal(roll_back(run, false, &summary), STF_CONFLICT);
    assert_non_null(strstr(err.message, "a rather long name 39 on fe1"));
    assert_non_null(strstr(err.message, " more"));
    assert_true(strlen(err.message) < sizeof err.message - 1);
    assert_int_equal(count_of(summary, "conflict"), 40);
    json_decref(summary);
}

static void meddle(void *data, const json_t *item)
{
    (void)data, (void)item;
    set("fe1", "b", "three");
}

static void what_is_changed_under_a_rollback_stays(void **state)
{
    (void)state;
    json_t *summary = NULL;
    begin(true);
    set("fe1", "b", "one");
    assert_true(change(&hosts[0], "b", "two"));
    assert_true(change(&hosts[0], "a", "two"));
    const struct stf_rollback rollback = {.run = run, .progress = meddle};
    assert_int_equal(stf_engine_rollback(engine, &rollback, &summary, &err), STF_CONFLICT);
    assert_non_null(strstr(err.message, "was one, the run wrote two, now three"));
    assert_string_equal(standing("fe1", "b"), "three");
    assert_int_equal(count_of(summary, "undone"), 1);
    assert_int_equal(count_of(summary, "failed"), 1);
    json_decref(summary);
}

static void collect(void *data, const json_t *item)
{
    json_array_append(data, json_object_get(item, "outcome"));
}

static void a_silent_host_refuses_and_force_goes_on_over_it(void **state)
{
    (void)state;
    json_t *summary = NULL;
    json_t *before = make_run();
    int64_t first = run;
    begin(false);
    int writes = fake.write_count;
    fake.unreadable_host = "node1";
    assert_int_equal(roll_back(first, false, &summary), STF_UNREACHABLE);
    assert_non_null(strstr(err.message, "now node1 does not answer"));
    assert_int_equal(count_of(summary, "unknown"), 1);
    assert_int_equal(fake.write_count, writes);
    json_decref(summary);

    json_t *outcomes = json_array();
    const struct stf_rollback forced = {.run = first, .is_forced = true, .progress = collect, .data = outcomes};
    assert_int_equal(stf_engine_rollback(engine, &forced, &summary, &err), STF_UNREACHABLE);
    assert_non_null(strstr(err.message, "1 of 7 changes"));
    assert_int_equal(count_of(summary, "undone"), 5);
    assert_int_equal(count_of(summary, "failed"), 1);
    json_t *expected = json_pack("[sssssss]", "undone", "undone", "undone", "nothing", "undone", "failed", "undone");
    assert_true(json_equal(outcomes, expected));
    end(STF_RUN_FAILED);
    json_decref(summary);

    fake.unreadable_host = NULL;
    begin(false);
    assert_ok(roll_back(first, false, &summary));
    assert_int_equal(count_of(summary, "undone"), 1);
    assert_int_equal(count_of(summary, "nothing"), 6);
    assert_hosts_equal(before);
    json_decref(summary);
    json_decref(expected);
    json_decref(outcomes);
    json_decref(before);
}

static void a_failing_undo_does_not_stop_the_others(void **state)
{
    (void)state;
    json_t *summary = NULL;
    json_t *before = make_run();
    int64_t first = run;
    begin(false);
    fake.failing_thing = "a";
    assert_int_equal(roll_back(first, false, &summary), STF_IO);
    assert_int_equal(count_of(summary, "failed"), 4); /* all of "a": the older ones rest on the newest */
    assert_int_equal(count_of(summary, "undone"), 2);
    assert_string_equal(standing("fe1", "a"), "four");
    assert_string_equal(standing("node1", "b"), "old");
    json_decref(summary);
    fake.failing_thing = NULL;
    begin(false);
    assert_ok(roll_back(first, false, &summary));
    assert_hosts_equal(before);
    json_decref(summary);
    json_decref(before);
}

static void a_plan_undoes_nothing(void **state)
{
    (void)state;
    json_t *summary = NULL;
    json_decref(make_run());
    json_t *standing_now = all_hosts();
    open_engine(STF_ENGINE_PLAN);
    json_t *plan = rollback_plan(run);
    assert_int_equal(count_of(plan, "undo"), 6);
    json_decref(plan);
    assert_int_equal(roll_back(run, false, &summary), STF_DENIED);
    assert_null(summary);
    assert_int_equal(stf_engine_rollback_plan(engine, 99, NULL, &plan, &err), STF_NOT_FOUND);
    assert_hosts_equal(standing_now);
    json_decref(standing_now);
}

/* ---- many threads ---- */

enum { THREADS = 8, ROUNDS = 12 };

static void *work(void *data)
{
    const int *number = data;
    const struct stf_host *host = &hosts[*number % HOSTS];
    char own[16];
    struct stf_err why;
    bool is_ok = true;
    snprintf(own, sizeof own, "own%d", *number);
    for (int i = 0; i < ROUNDS; i++) {
        const char *const names[] = {"shared", own};
        for (int n = 0; n < 2; n++) {
            char text[32];
            json_t *result = NULL;
            snprintf(text, sizeof text, "%d.%d", *number, i);
            json_t *id = json_pack("{s:s}", "name", names[n]);
            json_t *after = json_string(text);
            is_ok = stf_engine_change(engine, "s", host, "fake.thing", id, after, &result, &why) == STF_OK && is_ok;
            json_decref(result);
            json_decref(after);
            json_decref(id);
        }
    }
    return is_ok ? data : NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    int ok_count = 0;
    for (int i = 0; i < THREADS; i++) {
        void *answer = NULL;
        pthread_join(threads[i], &answer);
        ok_count += answer != NULL;
    }
    assert_int_equal(ok_count, THREADS);
}

/* Each change's before is what the change before it left: else two of them had run through each other. */
static void changes_of_one_thing_wait_for_each_other(void **state)
{
    (void)state;
    json_t *summary = NULL;
    set("fe1", "shared", "first");
    json_t *before = all_hosts();
    begin(true);
    run_threads();
    struct stf_change_list list = changes_of(run);
    assert_int_equal(list.count, THREADS * ROUNDS * 2);
    json_t *last = json_object();
    for (size_t i = list.count; i-- > 0;) {
        const struct stf_change *each = &list.items[i];
        char key[64];
        snprintf(key, sizeof key, "%s %s", each->host, json_string_value(json_object_get(each->id, "name")));
        const json_t *left = json_object_get(last, key);
        assert_true(!left || json_equal(left, each->before));
        json_object_set(last, key, (json_t *)each->after);
    }
    json_decref(last);
    stf_change_list_fini(&list);
    assert_ok(roll_back(run, false, &summary));
    assert_hosts_equal(before);
    json_decref(summary);
    json_decref(before);
}

static void threads_share_one_plan(void **state)
{
    (void)state;
    json_t *plan = NULL;
    run = 0;
    open_engine(STF_ENGINE_PLAN);
    run_threads();
    assert_ok(stf_engine_plan(engine, &plan, &err));
    assert_int_equal(json_array_size(json_object_get(plan, "changes")), THREADS * ROUNDS * 2);
    assert_int_equal(fake.write_count, 0);
    json_decref(plan);
}

int main(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/stf-test-change-%d", getpid());
    scratch_start("rm -rf %s", scratch);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_intent_is_in_the_journal_before_the_write),
        TEST(the_second_time_is_no_change),
        TEST(a_failed_write_stays_in_the_journal),
        TEST(nothing_is_written_without_its_record),
        TEST(an_unknown_resource_is_told),
        TEST(a_plan_writes_nothing_and_sees_what_is_planned),
        TEST(what_has_no_words_is_shown_as_it_is),
        TEST(a_run_is_put_back_in_reverse_order),
        TEST(what_a_run_has_changed_back_is_not_done_again),
        TEST(what_is_put_back_is_settled_once),
        TEST(a_rollback_can_be_rolled_back),
        TEST(a_run_can_roll_itself_back),
        TEST(what_others_changed_is_not_overwritten_unless_forced),
        TEST(a_long_list_of_conflicts_is_cut_and_counted),
        TEST(what_is_changed_under_a_rollback_stays),
        TEST(a_silent_host_refuses_and_force_goes_on_over_it),
        TEST(a_failing_undo_does_not_stop_the_others),
        TEST(a_plan_undoes_nothing),
        TEST(changes_of_one_thing_wait_for_each_other),
        TEST(threads_share_one_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
