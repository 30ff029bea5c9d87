/* install.c - sends this program to hosts that have no agent (install.h). Must never let a file run that is not, byte
 * for byte, this program. SPDX-License-Identifier: MIT */
#include "fleet/install.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/hash.h"
#include "fleet/reach.h"

#define FOLDER "$HOME/.cache/staffetta"

enum {
    SEND_TIMEOUT_MS = 5 * 60 * 1000,
    NAME_DIGITS = 12, /* of the hash, in the folder's name */
    CANNOT_RUN = 91,  /* exit status of the install script */
};

/* This program's own file, read once and kept: every host may need it. */
static struct {
    const char *bytes;
    size_t size;
    char sha256[STF_SHA256_TEXT_SIZE];
} program;

static void read_program(void)
{
    struct stat about;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &about) == 0) {
        void *bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED) {
            program.bytes = bytes;
            program.size = (size_t)about.st_size;
            stf_sha256_of_bytes(bytes, program.size, program.sha256);
        }
    }
    if (fd >= 0)
        close(fd);
}

static enum stf_kind know_program(struct stf_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_program);
    return program.bytes ? STF_OK
                         : stf_err_set(err, STF_IO, 0, "install", "/proc/self/exe", "this program can not be read");
}

/* No script has a single quote or a line's end inside: sh -c '...' means the same to every login shell, csh too. */
enum stf_kind stf_install_command(const char *version, char command[STF_INSTALL_COMMAND_SIZE], struct stf_err *err)
{
    enum stf_kind kind = know_program(err);
    if (kind != STF_OK)
        return kind;
    snprintf(command, STF_INSTALL_COMMAND_SIZE,
             "sh -c '"
             "case \"$(staffetta version 2>/dev/null)\" in \"staffetta %s \"*) exec staffetta agent; esac; "
             "p=\"" FOLDER "/%s-%.*s/staffetta\"; "
             "echo \"%s  $p\" | sha256sum --status -c - 2>/dev/null && exec \"$p\" agent; "
             "echo \"there is no staffetta %s\" >&2; exit %d'",
             version, version, NAME_DIGITS, program.sha256, program.sha256, version, STF_INSTALL_MISSING);
    return STF_OK;
}

/* Runs a command that says "done" when all went well; `bytes` are its input. */
static enum stf_kind run(const struct stf_host *host, const char *command, const char *bytes, size_t size,
                         struct stf_err *err)
{
    struct stf_transport *transport;
    char said[16];
    size_t got = 0;
    int64_t deadline_ns = stf_clock_ns() + (int64_t)SEND_TIMEOUT_MS * 1000000;
    enum stf_kind kind = stf_reach_command(host, command, &transport, err);
    if (kind != STF_OK)
        return kind;
    kind = transport->ops->write(transport, bytes, size, deadline_ns, err);
    if (kind == STF_OK || kind == STF_UNREACHABLE) /* it may have ended before it read all: it says why */
        kind = transport->ops->read(transport, said, sizeof said, deadline_ns, &got, err);
    if (kind == STF_OK && got == 0)
        kind = err->kind;
    else if (kind == STF_OK && strncmp(said, "done", got) != 0)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "install", host->name, "%s: its shell says more than was asked",
                           host->name);
    transport->ops->close(transport);
    return kind;
}

/* cmd.exe can not write what comes over its input into a file, and this program does not run there. */
static enum stf_kind fail_on_windows(const struct stf_host *host, const char *path, struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "install", host->name,
                       "there is no %s on %s, and no agent is sent to Windows: copy staffetta.exe of this version "
                       "there, for instance with scp, or name its path in hosts['%s'].ssh.program",
                       path, host->name, host->name);
}

enum stf_kind stf_install_agent(const struct stf_host *host, const char *version, struct stf_err *err)
{
    struct utsname us;
    char command[2048];
    const char *windows_path = stf_reach_windows_program(host);
    if (windows_path)
        return fail_on_windows(host, windows_path, err);
    enum stf_kind kind = know_program(err);
    if (kind != STF_OK)
        return kind;
    uname(&us);
    snprintf(command, sizeof command,
             "sh -c '"
             "set -e; umask 077; "
             "[ \"$(uname -m)\" = %s ] || { echo \"it is $(uname -m), this program is for %s\" >&2; exit %d; }; "
             "d=\"" FOLDER "/%s-%.*s\"; mkdir -p \"$d\"; t=\"$d/new.$$\"; trap \"rm -f \\\"$t\\\"\" EXIT; "
             "head -c %zu >\"$t\"; "
             "echo \"%s  $t\" | sha256sum --status -c - || { echo \"it arrived damaged\" >&2; exit 1; }; "
             "chmod 700 \"$t\"; "
             "\"$t\" version >/dev/null || exit %d; "
             "mv \"$t\" \"$d/staffetta\"; printf done'",
             us.machine, us.machine, CANNOT_RUN, version, NAME_DIGITS, program.sha256, program.size, program.sha256,
             CANNOT_RUN);
    struct stf_err why = {0};
    kind = run(host, command, program.bytes, program.size, &why);
    if (kind == STF_UNREACHABLE && why.code == CANNOT_RUN)
        return stf_err_set(
            err, STF_UNSUPPORTED, 0, "install", host->name,
            "%s; this program does not run there: build Staffetta for that system, or install this one where "
            "programs may run (the home may be mounted noexec), and name it in hosts['%s'].ssh.program",
            why.message, host->name);
    if (kind != STF_OK && err)
        *err = why;
    return kind;
}

enum stf_kind stf_install_remove(const struct stf_host *host, struct stf_err *err)
{
    struct stf_err why = {0};
    if (stf_reach_windows_program(host))
        return stf_err_set(err, STF_UNSUPPORTED, 0, "install", host->name,
                           "no agent was sent to %s: it is Windows, where staffetta.exe is put and removed by hand",
                           host->name);
    enum stf_kind kind = run(host, "sh -c 'rm -rf -- \"" FOLDER "\" && printf done'", "", 0, &why);
    if (kind != STF_OK && err)
        *err = why;
    return kind;
}
