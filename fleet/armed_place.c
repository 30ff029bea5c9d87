/* armed_place.c - the file of an armed undo and the process that waits for it (armed_place.h). Must never touch what is
 * in the file. SPDX-License-Identifier: MIT */
#include "fleet/armed_place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum stf_kind stf_armed_place_lock(struct stf_armed_place *place, bool makes_it, struct stf_err *err)
{
    struct stat stat;
    place->fd = open(place->path, (makes_it ? O_CREAT : 0) | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    if (place->fd < 0 || flock(place->fd, LOCK_EX) < 0)
        return stf_err_errno(err, errno, "arm", place->path, "can not open the armed undo");
    if (fstat(place->fd, &stat) < 0 || stat.st_nlink == 0)
        return stf_err_set(err, STF_NOT_FOUND, 0, "arm", place->path, "the armed undo is gone");
    return STF_OK;
}

enum stf_kind stf_armed_place_remove(const struct stf_armed_place *place, struct stf_err *err)
{
    return unlink(place->path) == 0 ? STF_OK
                                    : stf_err_errno(err, errno, "arm", place->path, "can not remove the armed undo");
}

enum stf_kind stf_armed_place_start_waiting(const char *path, struct stf_err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    char *const argv[] = {"staffetta", "undo", (char *)path, NULL};
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
    int failed = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed ? stf_err_errno(err, failed, "arm", path, "can not start the process that waits") : STF_OK;
}

int64_t stf_armed_place_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void stf_armed_place_boot_id(char id[STF_BOOT_ID_SIZE])
{
    id[0] = '\0';
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file)
        return;
    if (!fgets(id, STF_BOOT_ID_SIZE, file))
        id[0] = '\0';
    id[strcspn(id, "\n")] = '\0';
    fclose(file);
}
