/* processes.c - telling the lab's processes from all others, and ending them.
 * Must never signal a process that the lab did not start. SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "parts.h"

enum { MAX_ANCESTORS = 64, END_TIMEOUT_MS = 5000, ROUND_MS = 2 };

struct process {
    pid_t pid, parent, session;
    int64_t start_ticks;
};

/* ---------- reading /proc ---------- */

static bool read_process(pid_t pid, struct process *process)
{
    char path[64], line[1024], status;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, line, sizeof line - 1);
    close(fd);
    if (size <= 0)
        return false;
    line[size] = '\0';
    /* "pid (name) state ppid pgrp session ... starttime ...": the name may hold anything, so look from its end. */
    const char *rest = strrchr(line, ')');
    int parent, session;
    long long start_ticks;
    if (!rest || sscanf(rest + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
                        &status, &parent, &session, &start_ticks) != 4)
        return false;
    *process = (struct process){pid, (pid_t)parent, (pid_t)session, start_ticks};
    return status != 'Z' && status != 'X';
}

bool stf_lab_process_start(pid_t pid, int64_t *start_ticks)
{
    struct process process;
    if (!read_process(pid, &process))
        return false;
    *start_ticks = process.start_ticks;
    return true;
}

static pid_t pid_of(const json_t *object)
{
    return (pid_t)json_integer_value(json_object_get(object, "pid"));
}

bool stf_lab_process_is(const json_t *object)
{
    int64_t start_ticks;
    return pid_of(object) > 0 && stf_lab_process_start(pid_of(object), &start_ticks) &&
           start_ticks == json_integer_value(json_object_get(object, "start_ticks"));
}

/* A pidfd names one process for good: opened first and checked then, it cannot reach a later owner of the pid. */
static int open_process(pid_t pid, int64_t start_ticks)
{
    int64_t found_ticks;
    int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (fd >= 0 && stf_lab_process_start(pid, &found_ticks) && found_ticks == start_ticks)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int stf_lab_process_open(const json_t *object)
{
    return open_process(pid_of(object), json_integer_value(json_object_get(object, "start_ticks")));
}

/* ---------- whose process is it ---------- */

/* What marks the lab's processes, collected once a round. */
struct marks {
    const json_t *state;
    char variable[64];       /* "STAFFETTA_LAB=example" */
    struct stat *namespaces; /* those of the lab that still stand */
    size_t namespace_count;
    pid_t spared[MAX_ANCESTORS];
    size_t spared_count;
};

static void add_namespace(struct marks *marks, const char *netns)
{
    char path[320];
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    if (stat(path, &marks->namespaces[marks->namespace_count]) == 0)
        marks->namespace_count++;
}

static enum stf_kind marks_init(struct marks *marks, const json_t *state, pid_t spared, struct stf_err *err)
{
    const json_t *hosts = json_object_get(state, "hosts");
    size_t i;
    json_t *host;
    *marks = (struct marks){.state = state};
    marks->namespaces = calloc(json_array_size(hosts) + 1, sizeof *marks->namespaces);
    if (!marks->namespaces)
        return stf_err_set(err, STF_NO_MEMORY, 0, "lab", NULL, "no memory");
    snprintf(marks->variable, sizeof marks->variable, "STAFFETTA_LAB=%s", stf_lab_text(state, "name"));
    add_namespace(marks, stf_lab_text(state, "switch"));
    json_array_foreach (hosts, i, host)
        add_namespace(marks, stf_lab_text(host, "netns"));

    struct process process;
    marks->spared[marks->spared_count++] = getpid();
    while (spared > 1 && marks->spared_count < MAX_ANCESTORS && read_process(spared, &process)) {
        marks->spared[marks->spared_count++] = spared;
        spared = process.parent;
    }
    return STF_OK;
}

static bool is_spared(const struct marks *marks, pid_t pid)
{
    for (size_t i = 0; i < marks->spared_count; i++)
        if (marks->spared[i] == pid)
            return true;
    return false;
}

static bool is_in_namespace(const struct marks *marks, pid_t pid)
{
    char path[64];
    struct stat own;
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (stat(path, &own) < 0)
        return false;
    for (size_t i = 0; i < marks->namespace_count; i++)
        if (marks->namespaces[i].st_ino == own.st_ino && marks->namespaces[i].st_dev == own.st_dev)
            return true;
    return false;
}

static bool has_variable(const struct marks *marks, pid_t pid)
{
    char path[64];
    char *variable = NULL;
    size_t capacity = 0;
    bool has = false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    FILE *environment = fopen(path, "re");
    if (!environment)
        return false;
    while (!has && getdelim(&variable, &capacity, '\0', environment) > 0)
        has = strcmp(variable, marks->variable) == 0;
    free(variable);
    fclose(environment);
    return has;
}

/* Daemons lead sessions of their own, which their descendants keep even when they clean their environment. */
static bool is_of_daemon(const struct marks *marks, const struct process *process, bool *is_daemon)
{
    size_t i;
    json_t *daemon;
    *is_daemon = false;
    json_array_foreach (json_object_get(marks->state, "daemons"), i, daemon) {
        if (process->pid == pid_of(daemon) &&
            process->start_ticks == json_integer_value(json_object_get(daemon, "start_ticks")))
            *is_daemon = true;
        if (*is_daemon || process->session == pid_of(daemon))
            return true;
    }
    return false;
}

static bool is_the_labs(const struct marks *marks, const struct process *process)
{
    bool is_daemon;
    bool is_descendant = is_of_daemon(marks, process, &is_daemon);
    if (is_spared(marks, process->pid))
        return false;
    return is_daemon || (is_in_namespace(marks, process->pid) && (is_descendant || has_variable(marks, process->pid)));
}

/* ---------- ending ---------- */

/* Gives how many of the lab's processes were still there. */
static size_t end_round(const struct marks *marks)
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        struct process process;
        if (!isdigit((unsigned char)entry->d_name[0]) || !read_process((pid_t)atoi(entry->d_name), &process) ||
            !is_the_labs(marks, &process))
            continue;
        count++;
        int fd = open_process(process.pid, process.start_ticks);
        if (fd >= 0) {
            pidfd_send_signal(fd, SIGKILL, NULL, 0);
            close(fd);
        }
    }
    if (folder)
        closedir(folder);
    return count;
}

enum stf_kind stf_lab_end_processes(const json_t *state, pid_t spared, struct stf_err *err)
{
    struct marks marks;
    enum stf_kind kind = marks_init(&marks, state, spared, err);
    if (kind)
        return kind;
    int64_t deadline_ns = stf_clock_ns() + (int64_t)END_TIMEOUT_MS * 1000000;
    size_t count;
    while ((count = end_round(&marks)) > 0 && stf_clock_ns() < deadline_ns)
        usleep(ROUND_MS * 1000);
    if (count > 0)
        kind = stf_err_set(err, STF_TIMEOUT, 0, "lab", stf_lab_text(state, "name"),
                           "%zu of the lab's processes did not end within %d ms of SIGKILL", count, END_TIMEOUT_MS);
    free(marks.namespaces);
    return kind;
}
