/* machine.c - boots QEMU on the host's files, read-only, and relays what its command prints.
 * Must never leave a machine or a file: QEMU dies with this process, and its files have no names.
 * SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "parts.h"

/* A processor that KVM really runs gets to the memory disk's program within a second or two. */
enum { KVM_BOOT_TIMEOUT_MS = 10000, MAX_NEWS = 64, MAX_LAST_WORDS = 400 };

/* What the machine writes to, each a virtio port of its own: /dev/vport0p1 to p3 in it. */
enum port { PORT_OUTPUT, PORT_ERRORS, PORT_NEWS, PORT_COUNT };

struct machine {
    const struct stf_machine_options *options;
    struct stf_machine_kernel kernel;
    int initramfs_fd;
    int console_fd;           /* what the kernel says, in memory */
    int read_fds[PORT_COUNT]; /* -1 at its end */
    char news[MAX_NEWS];      /* "up\nexit 0\n" */
};

const struct stf_embedded *stf_machine_script(const char *name)
{
    const struct stf_embedded *script = stf_machine_scripts;
    while (strcmp(script->name, name) != 0)
        script++;
    return script;
}

/* ---------- the command ---------- */

static void put_quoted(FILE *out, const char *word)
{
    fputc('\'', out);
    for (; *word; word++)
        fputs(*word == '\'' ? "'\\''" : (const char[]){*word, '\0'}, out);
    fputs("' ", out);
}

static void put_terminal_size(FILE *out)
{
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
        fprintf(out, "stty rows %d cols %d\n", size.ws_row, size.ws_col);
}

/* A shell script: this program is in its PATH, the working directory is the caller's, the site's lab stands. */
static enum stf_kind make_command(const struct stf_machine_options *options, char **command, struct stf_err *err)
{
    char cwd[PATH_MAX], self_dir[PATH_MAX];
    size_t size;
    FILE *out = open_memstream(command, &size);
    if (!out)
        return stf_err_set(err, STF_NO_MEMORY, 0, "vm", NULL, "no memory");
    snprintf(self_dir, sizeof self_dir, "%s", options->self_path);
    fputs("export PATH=\"$PATH\":", out);
    put_quoted(out, dirname(self_dir));
    fputs("\ncd ", out);
    put_quoted(out, getcwd(cwd, sizeof cwd) ? cwd : "/");
    fputs("|| exit\n", out);
    if (options->site_dir) {
        put_quoted(out, options->self_path);
        fputs("lab up --site ", out);
        put_quoted(out, options->site_dir);
        fputs(">/dev/null || exit\n", out);
    }
    if (!options->argv[0]) {
        put_terminal_size(out);
        fputs("exec bash", out);
    } else {
        fputs("exec ", out);
        for (size_t i = 0; options->argv[i]; i++)
            put_quoted(out, options->argv[i]);
    }
    fputc('\n', out);
    return fclose(out) == 0 ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "vm", NULL, "no memory");
}

/* ---------- QEMU ---------- */

static const char *terminal_type(void)
{
    const char *type = getenv("TERM");
    return type && type[strspn(type, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+.")] == '\0'
               ? type
               : "linux";
}

/* Becomes QEMU; gives the errno when that failed. */
static int exec_qemu(const struct machine *machine, const char *acceleration, const int write_fds[PORT_COUNT])
{
    bool has_terminal = !machine->options->argv[0];
    char initrd[32], console[64], append[2 * STF_MACHINE_PATH], ports[PORT_COUNT][64];
    snprintf(initrd, sizeof initrd, "/proc/self/fd/%d", machine->initramfs_fd);
    snprintf(console, sizeof console, "file,id=console,path=/proc/self/fd/%d", machine->console_fd);
    snprintf(append, sizeof append,
             "console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on tsc=reliable "
             "KERNEL_DIR=%s TERMINAL=%s TERM=%s",
             machine->kernel.dir, has_terminal ? "yes" : "no", terminal_type());
    for (size_t i = 0; i < PORT_COUNT; i++)
        snprintf(ports[i], sizeof ports[i], "file,id=port%zu,path=/proc/self/fd/%d", i + 1, write_fds[i]);
    /* The serial device comes first: the kernel numbers the ports by it. */
    /* clang-format off */
    const char *const argv[] = {
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot",
        "-accel", acceleration, "-cpu", "max", "-smp", "2", "-m", "2048", "-display", "none",
        "-kernel", machine->kernel.image, "-initrd", initrd, "-append", append,
        "-chardev", console, "-serial", "chardev:console",
        "-device", "virtio-serial-pci",
        "-chardev", ports[PORT_OUTPUT], "-device", "virtserialport,nr=1,chardev=port1",
        "-chardev", ports[PORT_ERRORS], "-device", "virtserialport,nr=2,chardev=port2",
        "-chardev", ports[PORT_NEWS], "-device", "virtserialport,nr=3,chardev=port3",
        "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
        "-device", "virtio-9p-pci,fsdev=host,mount_tag=host",
        "-device", "virtio-rng-pci",
        has_terminal ? "-chardev" : NULL, "stdio,id=terminal,signal=off",
        "-device", "virtconsole,nr=0,chardev=terminal",
        NULL};
    /* clang-format on */
    execvp(argv[0], (char *const *)argv);
    return errno;
}

/* QEMU is this process's child and dies with it. Its ends of the ports are closed here, so that they end with it. */
static enum stf_kind start_qemu(struct machine *machine, const char *acceleration, pid_t *pid, struct stf_err *err)
{
    int write_fds[PORT_COUNT];
    pid_t parent = getpid();
    for (size_t i = 0; i < PORT_COUNT; i++) {
        int fds[2];
        if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[1], F_SETFD, 0) < 0)
            return stf_err_errno(err, errno, "vm", NULL, "cannot make a pipe");
        machine->read_fds[i] = fds[0];
        write_fds[i] = fds[1];
    }
    *pid = fork();
    if (*pid == 0) {
        int errnum = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent
                         ? ESRCH
                         : exec_qemu(machine, acceleration, write_fds);
        fprintf(stderr, "staffetta lab: cannot run qemu-system-x86_64: %s (install Debian's qemu-system-x86)\n",
                strerror(errnum));
        _exit(127);
    }
    int errnum = errno;
    for (size_t i = 0; i < PORT_COUNT; i++)
        close(write_fds[i]);
    return *pid < 0 ? stf_err_errno(err, errnum, "vm", NULL, "cannot make a process") : STF_OK;
}

/* ---------- relaying ---------- */

static void put_all(int fd, const char *bytes, size_t size)
{
    for (ssize_t put; size > 0; bytes += put, size -= (size_t)put)
        if ((put = write(fd, bytes, size)) <= 0)
            return; /* the reader is gone: the command goes on, as it would with `|| true` */
}

static void note_news(struct machine *machine, const char *bytes, size_t size)
{
    size_t used = strlen(machine->news), room = MAX_NEWS - 1 - used;
    memcpy(machine->news + used, bytes, size < room ? size : room);
}

/* One read of a port; false at its end. */
static bool relay_port(struct machine *machine, enum port port)
{
    char bytes[65536];
    ssize_t size = read(machine->read_fds[port], bytes, sizeof bytes);
    if (size <= 0)
        return size < 0 && errno == EINTR;
    if (port == PORT_NEWS)
        note_news(machine, bytes, (size_t)size);
    else
        put_all(port == PORT_OUTPUT ? STDOUT_FILENO : STDERR_FILENO, bytes, (size_t)size);
    return true;
}

/* Until QEMU has closed all ports. False when the machine has said nothing before the deadline (0: none). */
static bool relay(struct machine *machine, int64_t deadline_ns)
{
    for (int open_count = PORT_COUNT; open_count > 0;) {
        struct pollfd polled[PORT_COUNT];
        int64_t left_ms = machine->news[0] || !deadline_ns ? -1 : (deadline_ns - stf_clock_ns()) / 1000000;
        if (deadline_ns && !machine->news[0] && left_ms < 0)
            return false;
        for (size_t i = 0; i < PORT_COUNT; i++)
            polled[i] = (struct pollfd){machine->read_fds[i], POLLIN, 0};
        if (poll(polled, PORT_COUNT, (int)left_ms) < 0)
            continue;
        for (enum port port = 0; port < PORT_COUNT; port++) {
            if (!polled[port].revents || relay_port(machine, port))
                continue;
            close(machine->read_fds[port]);
            machine->read_fds[port] = -1;
            open_count--;
        }
    }
    return true;
}

/* ---------- the whole ---------- */

static enum stf_kind judge(const struct machine *machine, int *exit_code, struct stf_err *err)
{
    char last_words[MAX_LAST_WORDS + 1];
    const char *told = strstr(machine->news, "exit ");
    if (told && sscanf(told, "exit %d", exit_code) == 1)
        return STF_OK;
    off_t size = lseek(machine->console_fd, 0, SEEK_END);
    ssize_t got =
        pread(machine->console_fd, last_words, MAX_LAST_WORDS, size > MAX_LAST_WORDS ? size - MAX_LAST_WORDS : 0);
    last_words[got > 0 ? got : 0] = '\0';
    return stf_err_set(err, STF_IO, 0, "vm", machine->kernel.version,
                       "the machine ended before its command did; its console says: %s", last_words);
}

/* STF_TIMEOUT when the machine gave no sign of life within the time (0: whenever). */
static enum stf_kind boot(struct machine *machine, const char *acceleration, int timeout_ms, int *exit_code,
                          struct stf_err *err)
{
    pid_t pid = -1;
    memset(machine->news, 0, sizeof machine->news);
    enum stf_kind kind = start_qemu(machine, acceleration, &pid, err);
    if (kind)
        return kind;
    bool is_alive = relay(machine, timeout_ms ? stf_clock_ns() + (int64_t)timeout_ms * 1000000 : 0);
    if (!is_alive)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    for (size_t i = 0; i < PORT_COUNT; i++)
        if (machine->read_fds[i] >= 0)
            close(machine->read_fds[i]);
    return is_alive
               ? judge(machine, exit_code, err)
               : stf_err_set(err, STF_TIMEOUT, 0, "vm", NULL, "the machine did not start within %d ms", timeout_ms);
}

static enum stf_kind boot_fastest(struct machine *machine, int *exit_code, struct stf_err *err)
{
    static const char tcg[] = "tcg,thread=multi";
    const char *wanted = machine->options->acceleration;
    if (wanted)
        return boot(machine, strcmp(wanted, "tcg") == 0 ? tcg : wanted, 0, exit_code, err);
    if (access("/dev/kvm", R_OK | W_OK) == 0) {
        enum stf_kind kind = boot(machine, "kvm", KVM_BOOT_TIMEOUT_MS, exit_code, err);
        if (kind != STF_TIMEOUT)
            return kind;
        machine->options->progress("KVM does not start a machine here: its processor is emulated, which is slow");
    }
    return boot(machine, tcg, 0, exit_code, err);
}

enum stf_kind stf_machine_run(const struct stf_machine_options *options, int *exit_code, struct stf_err *err)
{
    struct machine machine = {.options = options, .initramfs_fd = -1, .console_fd = -1};
    char *modules = NULL, *command = NULL;
    enum stf_kind kind = stf_machine_kernel_find(options, &machine.kernel, err);
    if (!kind)
        kind = stf_machine_kernel_modules(&machine.kernel, &modules, err);
    if (!kind)
        kind = make_command(options, &command, err);
    if (!kind)
        kind = stf_machine_initramfs(modules, command, &machine.initramfs_fd, err);
    if (!kind && (machine.console_fd = memfd_create("console", 0)) < 0)
        kind = stf_err_errno(err, errno, "vm", NULL, "cannot keep the machine's console");
    if (!kind)
        kind = boot_fastest(&machine, exit_code, err);
    if (machine.initramfs_fd >= 0)
        close(machine.initramfs_fd);
    if (machine.console_fd >= 0)
        close(machine.console_fd);
    free(command);
    free(modules);
    return kind;
}
