/* spawn_bench.c - times whole processes in turns: spawn_bench RUNS NAME ARGV... [-- NAME ARGV...]...
 * Prints the median, the ratio to the first command and the peak of resident memory. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_COMMANDS = 16 };

extern char **environ;

static long long now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long run_once(char **argv, long *peak_kib)
{
    struct rusage usage;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    long long start_ns = now_ns();
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0 || wait4(pid, &status, 0, &usage) != pid ||
        !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "spawn_bench: %s failed\n", argv[0]);
        exit(1);
    }
    long long end_ns = now_ns();
    posix_spawn_file_actions_destroy(&actions);
    *peak_kib = usage.ru_maxrss > *peak_kib ? usage.ru_maxrss : *peak_kib;
    return end_ns - start_ns;
}

static int compare(const void *left, const void *right)
{
    long long a = *(const long long *)left, b = *(const long long *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 64;
    size_t runs = strtoul(argv[1], NULL, 10), count = 0;
    char **commands[MAX_COMMANDS] = {NULL};
    long peaks_kib[MAX_COMMANDS] = {0};
    commands[count++] = argv + 2;
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], "--") == 0 && count < MAX_COMMANDS) {
            argv[i] = NULL;
            commands[count++] = argv + i + 1;
        }
    long long *times = calloc(count * runs, sizeof *times);
    for (size_t run = 0; times && run < runs; run++)
        for (size_t c = 0; c < count; c++) {
            long long elapsed_ns = run_once(commands[c] + 1, &peaks_kib[c]);
            times[c * runs + run] = elapsed_ns;
        }
    double first = 0;
    for (size_t c = 0; times && c < count; c++) {
        qsort(times + c * runs, runs, sizeof *times, compare);
        double median_ms = (double)times[c * runs + runs / 2] / 1e6;
        first = c == 0 ? median_ms : first;
        printf("%-36s median %6.3f ms   p90 %6.3f ms   ratio %.3f   peak %7ld KiB\n", commands[c][0], median_ms,
               (double)times[c * runs + runs * 9 / 10] / 1e6, median_ms / first, peaks_kib[c]);
    }
    free(times);
    return 0;
}
