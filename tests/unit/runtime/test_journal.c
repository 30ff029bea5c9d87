/* test_journal.c - the journal through its public functions, on real SQLite files: what is written comes back, one
 * controller at a time, and damage of any kind is told, never acted on. SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "journal.h"
#include "statedir.h"

#include "../common/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cmocka.h>

static char scratch[64];
static char state_dir[96];
static struct stf_err err; /* of the main thread */

#define assert_ok(call)                                                                                                \
    do {                                                                                                               \
        if ((call) != STF_OK)                                                                                          \
            fail_msg("%s: %s: %s", #call, stf_kind_name(err.kind), err.message);                                       \
    } while (0)

/* A folder of its own for each test. */
static int set_up(void **state)
{
    static int number;
    (void)state;
    snprintf(state_dir, sizeof state_dir, "%s/%d", scratch, ++number);
    return 0;
}

static struct stf_journal *open_journal(void)
{
    struct stf_journal *journal = NULL;
    assert_ok(stf_journal_open(state_dir, "rollout", &journal, &err));
    return journal;
}

static struct stf_journal *open_read(void)
{
    struct stf_journal *journal = NULL;
    assert_ok(stf_journal_open_read(state_dir, &journal, &err));
    return journal;
}

static int64_t begin_run(struct stf_journal *journal, int64_t undoes_run)
{
    json_t *params = json_pack("{s:s, s:i}", "policy", "mail-passwords", "max_crash_ms", 2000);
    const struct stf_run_data data = {
        .playbook = "rollout",
        .mode = "apply",
        .site_name = "example",
        .site_dir = "/etc/staffetta/example",
        .params = params,
        .operator_name = "anna",
        .program_version = "0.1.0",
    };
    int64_t run = 0;
    assert_ok(stf_journal_run_begin(journal, &data, &run, &err));
    if (undoes_run != 0)
        assert_ok(stf_journal_run_undoes(journal, run, undoes_run, &err));
    json_decref(params);
    return run;
}

static void add_host(struct stf_journal *journal, int64_t run, const char *name)
{
    json_t *config = json_pack("{s:s, s:s}", "role", "node", "netns", name);
    const struct stf_host host = {.name = name, .netns = name, .config = config, .site_dir = "/etc/site"};
    assert_ok(stf_journal_add_host(journal, run, &host, &err));
    json_decref(config);
}

static enum stf_kind try_intent(struct stf_journal *journal, int64_t run, const char *host, int number, int64_t undoes,
                                int64_t *change, struct stf_err *why)
{
    json_t *id = json_pack("{s:i}", "number", number);
    json_t *before = json_null();
    json_t *after = json_pack("{s:i, s:s%}", "value", number, "text", "a\0b", (size_t)3);
    const struct stf_change_id change_id = {run, "permit", host, "fake.thing", id, undoes};
    const struct stf_change_data data = {before, after};
    enum stf_kind kind = stf_journal_change_intent(journal, &change_id, &data, change, why);
    json_decref(id);
    json_decref(after);
    return kind;
}

static int64_t intend(struct stf_journal *journal, int64_t run, const char *host, int number, int64_t undoes)
{
    int64_t change = 0;
    assert_ok(try_intent(journal, run, host, number, undoes, &change, &err));
    return change;
}

/* A journal with one finished run of `count` changes, closed; gives what stf_journal_load says of it. */
static json_t *make_history(int count)
{
    json_t *doc = NULL;
    struct stf_journal *journal = open_journal();
    int64_t run = begin_run(journal, 0);
    add_host(journal, run, "node1");
    for (int i = 1; i <= count; i++)
        assert_ok(stf_journal_change_done(journal, intend(journal, run, "node1", i, 0), &err));
    assert_ok(stf_journal_run_end(journal, run, STF_RUN_DONE, NULL, &err));
    assert_ok(stf_journal_load(journal, run, &doc, &err));
    stf_journal_close(journal);
    return doc;
}

static json_t *member(json_t *doc, const char *list, size_t index, const char *key)
{
    return json_object_get(json_array_get(json_object_get(doc, list), index), key);
}

static json_t *load(struct stf_journal *journal, int64_t run)
{
    json_t *doc = NULL;
    assert_ok(stf_journal_load(journal, run, &doc, &err));
    return doc;
}

/* The state that the list of runs shows for `run`. */
static const char *listed_state(struct stf_journal *journal, int64_t run)
{
    static char state[32];
    json_t *runs = NULL;
    size_t index;
    json_t *each;
    assert_ok(stf_journal_list(journal, &runs, &err));
    state[0] = '\0';
    json_array_foreach (runs, index, each)
        if (json_integer_value(json_object_get(each, "run")) == run)
            snprintf(state, sizeof state, "%s", json_string_value(json_object_get(each, "state")));
    json_decref(runs);
    return state;
}

static char *journal_file(const char *suffix)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/journal.db%s", state_dir, suffix);
    return path;
}

static mode_t permissions(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void only_the_owner_can_look(void **state)
{
    (void)state;
    mode_t old = umask(0);
    strcat(state_dir, "/deep/er");
    struct stf_journal *journal = open_journal();
    begin_run(journal, 0);
    assert_int_equal(permissions(state_dir), 0700);
    assert_int_equal(permissions(journal_file("")), 0600);
    assert_int_equal(permissions(journal_file("-wal")), 0600);
    assert_int_equal(permissions(journal_file("-shm")), 0600);
    stf_journal_close(journal);
    umask(old);
}

static void what_is_written_comes_back(void **state)
{
    (void)state;
    int64_t now_unix_ms = stf_clock_unix_ms();
    struct stf_journal *journal = open_journal();
    int64_t run = begin_run(journal, 0);
    add_host(journal, run, "node1");
    add_host(journal, run, "fe1");
    const struct stf_script_data script = {"playbook", "rollout", "bundled", "00ff"};
    assert_ok(stf_journal_add_script(journal, run, &script, &err));
    json_t *evidence = json_pack("{s:i, s:f}", "esp", 12, "share", 0.1);
    const struct stf_check_data check = {.name = "no-clear-text", .verdict = "pass", .evidence = evidence};
    assert_ok(stf_journal_add_check(journal, run, &check, &err));
    assert_ok(stf_journal_add_event(journal, run, "ipsec.initiate", evidence, &err));
    int64_t first = intend(journal, run, "node1", 1, 0);
    int64_t second = intend(journal, run, "fe1", 2, 0);
    int64_t third = intend(journal, run, "node1", 3, 0);
    assert_ok(stf_journal_change_done(journal, first, &err));
    assert_ok(stf_journal_change_failed(journal, second, "it broke", &err));
    assert_ok(stf_journal_run_end(journal, run, STF_RUN_FAILED, evidence, &err));
    stf_journal_close(journal);

    journal = open_read();
    json_t *doc = load(journal, run);
    json_t *head = json_object_get(doc, "run");
    json_t *expected = json_pack("{s:s, s:i}", "policy", "mail-passwords", "max_crash_ms", 2000);
    assert_true(json_equal(json_object_get(head, "params"), expected));
    assert_string_equal(json_string_value(json_object_get(head, "operator")), "anna");
    assert_string_equal(json_string_value(json_object_get(head, "state")), "failed");
    assert_true(json_equal(json_object_get(head, "summary"), evidence));
    assert_true(json_integer_value(json_object_get(head, "started_unix_ms")) >= now_unix_ms);
    assert_int_equal(json_integer_value(json_object_get(head, "changes")), 3);
    assert_int_equal(json_array_size(json_object_get(doc, "hosts")), 2);
    assert_string_equal(json_string_value(member(doc, "hosts", 1, "name")), "node1");
    assert_string_equal(json_string_value(json_object_get(member(doc, "hosts", 1, "config"), "netns")), "node1");
    assert_string_equal(json_string_value(member(doc, "scripts", 0, "sha256")), "00ff");
    assert_true(json_equal(member(doc, "checks", 0, "evidence"), evidence));
    assert_true(json_is_null(member(doc, "checks", 0, "host")));
    assert_true(json_equal(member(doc, "events", 0, "data"), evidence));
    assert_true(json_is_null(member(doc, "changes", 0, "before")));
    assert_int_equal(json_string_length(json_object_get(member(doc, "changes", 0, "after"), "text")), 3);
    assert_string_equal(json_string_value(member(doc, "changes", 1, "error")), "it broke");

    struct stf_change_list list;
    assert_ok(stf_journal_changes(journal, run, &list, &err));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.items[0].change, third);
    assert_int_equal(list.items[0].state, STF_CHANGE_INTENT);
    assert_int_equal(list.items[1].state, STF_CHANGE_FAILED);
    assert_int_equal(list.items[2].state, STF_CHANGE_DONE);
    assert_int_equal(list.items[2].seq, 1);
    assert_int_equal(stf_journal_run_of(list.items[2].change), run);
    assert_string_equal(list.items[1].host, "fe1");
    stf_change_list_fini(&list);
    assert_int_equal(stf_journal_changes(journal, run + 1, &list, &err), STF_NOT_FOUND);
    stf_change_list_fini(&list);
    assert_int_equal(stf_journal_run_end(journal, run, STF_RUN_DONE, NULL, &err), STF_DENIED);
    json_decref(expected);
    json_decref(evidence);
    json_decref(doc);
    stf_journal_close(journal);
}

static void undoing_an_undoing_makes_the_change_stand_again(void **state)
{
    (void)state;
    struct stf_journal *journal = open_journal();
    int64_t change = 0;
    for (int64_t run = 1; run <= 4; run++) { /* 2 undoes 1, 3 undoes 2, 4 undoes 3 */
        assert_int_equal(begin_run(journal, run - 1), run);
        add_host(journal, run, "node1");
        change = intend(journal, run, "node1", 1, change);
        assert_ok(stf_journal_change_done(journal, change, &err));
        assert_ok(stf_journal_run_end(journal, run, STF_RUN_DONE, NULL, &err));
        if (run > 1)
            assert_ok(stf_journal_run_rolled_back(journal, run - 1, run, &err));
        for (int64_t each = 1; each <= run; each++) {
            bool is_standing = (run - each) % 2 == 0;
            json_t *doc = load(journal, each);
            assert_string_equal(json_string_value(member(doc, "changes", 0, "state")), is_standing ? "done" : "undone");
            assert_int_equal(json_integer_value(member(doc, "changes", 0, "undone_by_run")),
                             is_standing ? 0 : each + 1);
            assert_string_equal(listed_state(journal, each), is_standing ? "done" : "rolled_back");
            json_decref(doc);
        }
    }
    stf_journal_close(journal);
}

static void a_change_needs_its_run_and_host(void **state)
{
    (void)state;
    int64_t change = 0;
    struct stf_journal *journal = open_journal();
    int64_t run = begin_run(journal, 0);
    assert_int_equal(try_intent(journal, run, "node1", 1, 0, &change, &err), STF_NOT_FOUND);
    assert_int_equal(try_intent(journal, run + 1, "node1", 1, 0, &change, &err), STF_NOT_FOUND);
    assert_int_equal(stf_journal_change_done(journal, 99, &err), STF_NOT_FOUND);
    assert_int_equal(stf_journal_add_event(journal, run, "caf\xe9", NULL, &err), STF_INVALID_DATA);
    add_host(journal, run, "node1");
    intend(journal, run, "node1", 1, 0);
    stf_journal_close(journal);
}

/* Starts another process that opens the folder, begins a run with a change, and stays. */
static pid_t start_holder(void)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct stf_journal *journal = NULL;
        if (stf_journal_open(state_dir, "rollout --site /etc/other", &journal, &err) != STF_OK)
            _exit(1);
        int64_t run = begin_run(journal, 0);
        add_host(journal, run, "node1");
        intend(journal, run, "node1", 1, 0);
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void kill_holder(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_controller_at_a_time(void **state)
{
    (void)state;
    struct stf_journal *journal = NULL;
    char pid_text[32];
    pid_t pid = start_holder();
    snprintf(pid_text, sizeof pid_text, "pid %d,", pid);

    assert_int_equal(stf_journal_open(state_dir, "rollback", &journal, &err), STF_BUSY);
    assert_null(journal);
    assert_non_null(strstr(err.message, pid_text));
    assert_non_null(strstr(err.message, "rollout --site /etc/other"));
    assert_true(err.is_retryable);

    journal = open_read();
    assert_string_equal(listed_state(journal, 1), "running");
    kill_holder(pid);
    assert_string_equal(listed_state(journal, 1), "interrupted");
    stf_journal_close(journal);

    journal = open_journal();
    json_t *doc = load(journal, 1);
    assert_string_equal(listed_state(journal, 1), "interrupted");
    assert_string_equal(json_string_value(member(doc, "changes", 0, "state")), "intent");
    json_decref(doc);
    stf_journal_close(journal);
}

/* A holder that is killed while it starts a child: the child has the lock until it becomes another program. */
static void a_child_of_a_dead_holder_is_waited_for(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct stf_journal *journal = NULL;
        if (stf_journal_open(state_dir, "rollout", &journal, &err) != STF_OK)
            _exit(1);
        if (fork() == 0) {
            usleep(300000);
            execlp("sleep", "sleep", "0", (char *)NULL);
            _exit(127);
        }
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    kill_holder(pid);
    assert_true(stf_statelock_is_held(state_dir));
    stf_journal_close(open_journal());
}

static void a_reader_needs_a_journal(void **state)
{
    (void)state;
    struct stf_journal *journal = NULL;
    assert_int_equal(stf_journal_open_read(state_dir, &journal, &err), STF_NOT_FOUND);
    assert_int_equal(access(state_dir, F_OK), -1);
    stf_journal_close(journal);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(journal_file(""), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void assert_refused(enum stf_kind expected)
{
    struct stf_journal *journal = NULL;
    assert_int_equal(stf_journal_open(state_dir, "rollout", &journal, &err), expected);
    assert_null(journal);
    assert_true(strlen(err.message) > 40);
}

static void other_versions_and_foreign_databases_are_refused(void **state)
{
    (void)state;
    struct stf_journal *journal = NULL;
    json_decref(make_history(1));
    for (int version = 1; version <= 3; version += 2) {
        char set_version[64];
        snprintf(set_version, sizeof set_version, "PRAGMA user_version = %d", version);
        sql(set_version);
        assert_refused(STF_UNSUPPORTED);
        assert_int_equal(stf_journal_open_read(state_dir, &journal, &err), STF_UNSUPPORTED);
    }
    sql("PRAGMA user_version = 2");
    stf_journal_close(open_journal());
    assert_int_equal(unlink(journal_file("")), 0);
    sql("CREATE TABLE mine (a)");
    assert_refused(STF_INVALID_DATA);
    scratch_sh("rm %s", journal_file(""));
    sql("PRAGMA user_version = 2"); /* ours, and no table in it */
    assert_refused(STF_INVALID_DATA);
    scratch_sh("echo 'not a database at all' > %s", journal_file(""));
    assert_refused(STF_INVALID_DATA);
    scratch_sh("rm %s && ln -s journal.db %s", journal_file(""), journal_file(""));
    assert_refused(STF_CONFLICT); /* what can not be looked at is not taken for missing, and replaced */
}

static unsigned char *read_all(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void write_all(const char *path, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void a_truncated_database_is_refused(void **state)
{
    (void)state;
    size_t size;
    json_decref(make_history(40));
    unsigned char *bytes = read_all(journal_file(""), &size);
    for (size_t left = 0; left < size; left += left < 200 ? 50 : 2999) {
        write_all(journal_file(""), bytes, left);
        assert_refused(STF_INVALID_DATA);
        assert_int_equal(access(journal_file("-wal"), F_OK), -1);
    }
    write_all(journal_file(""), bytes, size);
    stf_journal_close(open_journal());
    free(bytes);
}

/* One flipped bit anywhere: either it is noticed, or it lies where nothing is stored and everything reads as it was. */
static void a_flipped_bit_is_noticed_or_harmless(void **state)
{
    (void)state;
    size_t size;
    int noticed = 0;
    int harmless = 0;
    json_t *doc = make_history(25);
    unsigned char *bytes = read_all(journal_file(""), &size);
    for (size_t at = 0; at < size; at += at < 100 ? 1 : 61) {
        struct stf_journal *journal = NULL;
        json_t *now = NULL;
        bytes[at] ^= 1u << (at % 8);
        write_all(journal_file(""), bytes, size);
        unlink(journal_file("-wal"));
        bytes[at] ^= 1u << (at % 8);
        enum stf_kind kind = stf_journal_open(state_dir, "rollout", &journal, &err);
        if (kind == STF_OK)
            kind = stf_journal_load(journal, 1, &now, &err);
        if (kind == STF_OK) {
            if (!json_equal(now, doc))
                fail_msg("a flipped bit at byte %zu changed the history unnoticed", at);
            harmless++;
        } else {
            if (kind != STF_INVALID_DATA && kind != STF_UNSUPPORTED && kind != STF_DENIED)
                fail_msg("a flipped bit at byte %zu: %s: %s", at, stf_kind_name(kind), err.message);
            noticed++;
        }
        json_decref(now);
        stf_journal_close(journal);
    }
    print_message("flipped bits: %d noticed, %d harmless\n", noticed, harmless);
    assert_true(noticed > 100);
    free(bytes);
    json_decref(doc);
}

/* SQLite takes a damaged log for one that ends earlier; the lock file knows better. */
static void a_journal_that_lost_its_end_is_refused(void **state)
{
    (void)state;
    size_t size;
    json_decref(make_history(3));
    kill_holder(start_holder());
    unsigned char *log = read_all(journal_file("-wal"), &size);
    assert_true(size > 4096);

    log[24 + 32 + 100] ^= 1;
    write_all(journal_file("-wal"), log, size);
    assert_refused(STF_INVALID_DATA);
    free(log);
    assert_int_equal(unlink(journal_file("")), 0);
    assert_refused(STF_INVALID_DATA);
    assert_int_equal(access(journal_file(""), F_OK), -1);
}

/* Mounts made from here on are this process's own and end with it. */
static bool may_mount(void)
{
    static int answer = -1;
    if (answer < 0)
        answer = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (!answer)
        print_message("SKIP: no right to mount file systems here\n");
    return answer;
}

static void a_full_disk_is_told_before_anything_is_done(void **state)
{
    (void)state;
    int64_t change = 0;
    char filler[160];
    if (!may_mount())
        skip();
    assert_int_equal(mkdir(state_dir, 0700), 0);
    assert_int_equal(mount("none", state_dir, "tmpfs", 0, "size=1m"), 0);
    struct stf_journal *journal = open_journal();
    int64_t run = begin_run(journal, 0);
    add_host(journal, run, "node1");
    int64_t first = intend(journal, run, "node1", 1, 0);

    snprintf(filler, sizeof filler, "%s/filler", state_dir);
    scratch_sh("dd if=/dev/zero of=%s bs=4k status=none 2>/dev/null", filler);
    enum stf_kind kind = STF_OK;
    for (int i = 2; i < 100 && kind == STF_OK; i++) /* the log's last page may have room for a while */
        kind = try_intent(journal, run, "node1", i, 0, &change, &err);
    assert_int_equal(kind, STF_IO);
    assert_non_null(strstr(err.message, "disk is full"));
    assert_int_equal(unlink(filler), 0);
    assert_ok(stf_journal_change_done(journal, first, &err));
    assert_ok(try_intent(journal, run, "node1", 200, 0, &change, &err));
    stf_journal_close(journal);
    stf_journal_close(open_journal());

    scratch_sh("rm -f %s/journal.db* %s/lock; dd if=/dev/zero of=%s bs=4k status=none 2>/dev/null", state_dir,
               state_dir, filler);
    assert_refused(STF_IO);
    assert_int_equal(umount(state_dir), 0);
}

static void a_read_only_folder_can_be_looked_at(void **state)
{
    (void)state;
    if (!may_mount())
        skip();
    json_t *doc = make_history(2);
    assert_int_equal(mount(state_dir, state_dir, NULL, MS_BIND, NULL), 0);
    assert_int_equal(mount(NULL, state_dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
    assert_refused(STF_DENIED);
    struct stf_journal *journal = open_read();
    json_t *now = load(journal, 1);
    assert_true(json_equal(now, doc));
    stf_journal_close(journal);
    assert_int_equal(umount(state_dir), 0);
    json_decref(now);
    json_decref(doc);
}

enum { THREADS = 8, CHANGES_EACH = 25 };

struct worker {
    struct stf_journal *journal;
    int64_t run;
    bool is_ok;
};

static void *work(void *data)
{
    struct worker *worker = data;
    struct stf_err why;
    worker->is_ok = true;
    for (int i = 0; i < CHANGES_EACH; i++) {
        int64_t change;
        worker->is_ok = worker->is_ok &&
                        try_intent(worker->journal, worker->run, "node1", i, 0, &change, &why) == STF_OK &&
                        stf_journal_add_event(worker->journal, worker->run, "tick", NULL, &why) == STF_OK &&
                        stf_journal_change_done(worker->journal, change, &why) == STF_OK;
    }
    return NULL;
}

/* Its changes are of no run, and none of them is recorded, nor takes one of the others along. */
static void *stray(void *data)
{
    struct worker *worker = data;
    struct stf_err why;
    worker->is_ok = true;
    for (int i = 0; i < CHANGES_EACH; i++) {
        int64_t change;
        worker->is_ok = worker->is_ok && try_intent(worker->journal, 77, "node1", i, 0, &change, &why) == STF_NOT_FOUND;
    }
    return NULL;
}

static void many_threads_share_one_journal(void **state)
{
    (void)state;
    pthread_t threads[THREADS + 1];
    struct worker workers[THREADS + 1];
    struct stf_journal *journal = open_journal();
    int64_t run = begin_run(journal, 0);
    add_host(journal, run, "node1");
    for (int i = 0; i <= THREADS; i++) {
        workers[i] = (struct worker){journal, run, false};
        assert_int_equal(pthread_create(&threads[i], NULL, i < THREADS ? work : stray, &workers[i]), 0);
    }
    int ok_count = 0;
    for (int i = 0; i <= THREADS; i++) {
        pthread_join(threads[i], NULL);
        ok_count += workers[i].is_ok;
    }
    assert_int_equal(ok_count, THREADS + 1);
    struct stf_change_list list;
    assert_ok(stf_journal_changes(journal, run, &list, &err));
    assert_int_equal(list.count, THREADS * CHANGES_EACH);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(list.items[i].seq, list.count - i);
        assert_int_equal(list.items[i].state, STF_CHANGE_DONE);
    }
    stf_change_list_fini(&list);
    stf_journal_close(journal);
}

int main(void)
{
    snprintf(scratch, sizeof scratch, "/tmp/stf-test-journal-%d", getpid());
    scratch_start("rm -rf %s", scratch);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_the_owner_can_look, set_up),
        cmocka_unit_test_setup(what_is_written_comes_back, set_up),
        cmocka_unit_test_setup(undoing_an_undoing_makes_the_change_stand_again, set_up),
        cmocka_unit_test_setup(a_change_needs_its_run_and_host, set_up),
        cmocka_unit_test_setup(one_controller_at_a_time, set_up),
        cmocka_unit_test_setup(a_child_of_a_dead_holder_is_waited_for, set_up),
        cmocka_unit_test_setup(a_reader_needs_a_journal, set_up),
        cmocka_unit_test_setup(other_versions_and_foreign_databases_are_refused, set_up),
        cmocka_unit_test_setup(a_truncated_database_is_refused, set_up),
        cmocka_unit_test_setup(a_flipped_bit_is_noticed_or_harmless, set_up),
        cmocka_unit_test_setup(a_journal_that_lost_its_end_is_refused, set_up),
        cmocka_unit_test_setup(a_full_disk_is_told_before_anything_is_done, set_up),
        cmocka_unit_test_setup(a_read_only_folder_can_be_looked_at, set_up),
        cmocka_unit_test_setup(many_threads_share_one_journal, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
