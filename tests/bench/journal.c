/* journal.c - what recording a change costs, for journal.sh: one by one beside an append and fdatasync to a
 * preallocated file, in turns, and by 50 hosts at once. Writes only to the folder it is given. SPDX-License-Identifier:
 * MIT */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "journal.h"

enum { LONE_CHANGES = 2000, RECORD_SIZE = 512, HOSTS = 50, CHANGES_EACH = 200 };

static struct stf_journal *journal;
static int64_t run;

static void check(enum stf_kind kind, const struct stf_err *err)
{
    if (kind != STF_OK) {
        fprintf(stderr, "bench_journal: %s\n", err->message);
        exit(1);
    }
}

static void begin(const char *state_dir)
{
    struct stf_err err;
    const struct stf_run_data data = {
        .playbook = "bench",
        .mode = "apply",
        .site_name = "bench",
        .site_dir = "",
        .operator_name = "bench",
        .program_version = "0",
    };
    json_t *config = json_object();
    check(stf_journal_open(state_dir, "bench", &journal, &err), &err);
    check(stf_journal_run_begin(journal, &data, &run, &err), &err);
    for (int i = 0; i < HOSTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "host-%d", i);
        check(stf_journal_add_host(journal, run, &(struct stf_host){.name = name, .config = config}, &err), &err);
    }
    json_decref(config);
}

/* As a rollout would record it: intended, then done. */
static void record_change(int host, int number)
{
    struct stf_err err;
    char name[16];
    int64_t change;
    snprintf(name, sizeof name, "host-%d", host);
    json_t *id = json_pack("{s:s, s:s, s:s+}", "key", "HKLM\\SYSTEM\\CurrentControlSet\\Services\\PolicyAgent\\Oakley",
                           "store", "hive:SYSTEM", "name", "Value ", name);
    json_t *before = json_null();
    json_t *after = json_pack("{s:s, s:i}", "type", "dword", "value", number);
    const struct stf_change_id change_id = {run, "bench", name, "registry.value", id, 0};
    const struct stf_change_data data = {before, after};
    check(stf_journal_change_intent(journal, &change_id, &data, &change, &err), &err);
    check(stf_journal_change_done(journal, change, &err), &err);
    json_decref(id);
    json_decref(after);
}

/* ---- one by one ---- */

static int preallocate(const char *path)
{
    static const char zeros[RECORD_SIZE];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (int i = 0; i < LONE_CHANGES; i++) {
        if (fd < 0 || write(fd, zeros, sizeof zeros) != sizeof zeros) {
            perror(path);
            exit(1);
        }
    }
    if (fsync(fd) < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static void append(int fd, int number)
{
    char record[RECORD_SIZE];
    memset(record, 'a' + number % 26, sizeof record);
    if (pwrite(fd, record, sizeof record, (off_t)number * RECORD_SIZE) != sizeof record || fdatasync(fd) < 0) {
        perror("append");
        exit(1);
    }
}

static int compare(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static double print_times(const char *what, int64_t times_ns[LONE_CHANGES], double peer_us)
{
    qsort(times_ns, LONE_CHANGES, sizeof *times_ns, compare);
    double median_us = (double)times_ns[LONE_CHANGES / 2] / 1e3;
    printf("%-36s median %.1f us   p90 %.1f us   ratio %.2f\n", what, median_us,
           (double)times_ns[LONE_CHANGES * 9 / 10] / 1e3, peer_us > 0 ? median_us / peer_us : 1.0);
    return median_us;
}

static void compare_lone_changes(const char *path)
{
    static int64_t appends_ns[LONE_CHANGES], changes_ns[LONE_CHANGES];
    int fd = preallocate(path);
    for (int i = 0; i < LONE_CHANGES; i++) {
        int64_t begun_ns = stf_clock_ns();
        append(fd, i);
        appends_ns[i] = stf_clock_ns() - begun_ns;
        begun_ns = stf_clock_ns();
        record_change(0, i);
        changes_ns[i] = stf_clock_ns() - begun_ns;
    }
    close(fd);
    double append_us = print_times("append and fdatasync, preallocated", appends_ns, 0);
    print_times("a change, intended and done", changes_ns, append_us);
}

/* ---- all at once ---- */

static void *record_changes(void *host)
{
    for (int i = 0; i < CHANGES_EACH; i++)
        record_change((int)(intptr_t)host, i);
    return NULL;
}

static void share_commits(void)
{
    pthread_t threads[HOSTS];
    int64_t begun_ns = stf_clock_ns();
    for (int i = 0; i < HOSTS; i++) {
        if (pthread_create(&threads[i], NULL, record_changes, (void *)(intptr_t)i) != 0) {
            perror("thread");
            exit(1);
        }
    }
    for (int i = 0; i < HOSTS; i++)
        pthread_join(threads[i], NULL);
    double seconds = (double)(stf_clock_ns() - begun_ns) / 1e9;
    printf("%d hosts at once: %.0f changes a second\n", HOSTS, HOSTS * CHANGES_EACH / seconds);
}

int main(int argc, char **argv)
{
    char state_dir[512], path[512];
    if (argc != 2) {
        fputs("usage: bench_journal FOLDER\n", stderr);
        return 64;
    }
    snprintf(state_dir, sizeof state_dir, "%s/state", argv[1]);
    snprintf(path, sizeof path, "%s/preallocated", argv[1]);
    begin(state_dir);
    compare_lone_changes(path);
    share_commits();
    stf_journal_close(journal);
    return 0;
}
