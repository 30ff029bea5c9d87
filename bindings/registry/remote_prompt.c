/* remote_prompt.c - asks the terminal for a login, without echo where it is the password's turn. Must never leave the
 * terminal without echo, nor a password in memory that it does not own. SPDX-License-Identifier: MIT */
#include "registry/remote_prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "remote", NULL, "memory is out");
}

/* ---- what was typed ---- */

struct login {
    struct login *next;
    struct stf_remote_connect typed; /* host, user, domain and password */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct login *logins;

static struct login **place_of(const char *host)
{
    struct login **at = &logins;

    while (*at != NULL && strcmp((*at)->typed.host, host) != 0)
        at = &(*at)->next;
    return at;
}

static void wipe(struct login *login)
{
    explicit_bzero(login, sizeof(*login));
    free(login);
}

static void forget(const char *host)
{
    struct login **at = place_of(host);
    struct login *login = *at;

    if (login != NULL) {
        *at = login->next;
        wipe(login);
    }
}

static void forget_all(void)
{
    pthread_mutex_lock(&lock);
    while (logins != NULL)
        forget(logins->typed.host);
    pthread_mutex_unlock(&lock);
}

void stf_remote_prompt_forget(const char *host)
{
    pthread_mutex_lock(&lock);
    forget(host);
    pthread_mutex_unlock(&lock);
}

/* ---- the terminal ---- */

/* SIGTSTP, the last one, is ignored meanwhile: a program that is stopped can not put the terminal in order. */
static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { SIGNAL_COUNT = sizeof(signals) / sizeof(signals[0]) };

struct terminal {
    int fd;
    struct termios before;
    struct sigaction old[SIGNAL_COUNT];
};

/* A signal may come to any thread: the one that asks is told by `wake_fd`, and does the rest. */
static int wake_fd = -1;
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    int errnum = errno;

    caught = number;
    eventfd_write(wake_fd, 1);
    errno = errnum;
}

static enum stf_kind terminal_open(struct terminal *terminal, const char *host, struct stf_err *err)
{
    struct sigaction action = {.sa_handler = on_signal};

    terminal->fd = isatty(STDIN_FILENO) ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
    if (terminal->fd < 0 || tcgetattr(terminal->fd, &terminal->before) != 0) {
        if (terminal->fd >= 0)
            close(terminal->fd);
        return stf_err_set(err, STF_DENIED, 0, "remote", host,
                           "the registry of %s needs a file of credentials, or Kerberos; there is no terminal to type "
                           "a password at",
                           host);
    }
    wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        close(terminal->fd);
        return stf_err_errno(err, errno, "remote", host, "cannot ask for a password");
    }
    caught = 0;
    sigfillset(&action.sa_mask);
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        sigaction(signals[i], NULL, &terminal->old[i]);
        if (signals[i] == SIGTSTP)
            action.sa_handler = SIG_IGN;
        if (terminal->old[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    return STF_OK;
}

/* Everything is as it was; then what was caught is delivered. */
static void terminal_close(const struct terminal *terminal)
{
    tcsetattr(terminal->fd, TCSAFLUSH, &terminal->before);
    for (int i = 0; i < SIGNAL_COUNT; i++)
        sigaction(signals[i], &terminal->old[i], NULL);
    close(terminal->fd);
    close(wake_fd);
    wake_fd = -1;
    if (caught != 0)
        kill(getpid(), caught);
}

static void say(const struct terminal *terminal, const char *text)
{
    if (write(terminal->fd, text, strlen(text)) < 0)
        return; /* the terminal is gone: reading says so */
}

/* One line, without its end. False when a signal, the end of the input or a line that is too long stops it. */
static bool read_line(const struct terminal *terminal, char line[STF_REMOTE_TEXT_MAX])
{
    size_t size = 0;
    char byte = '\0';
    bool is_whole = false;

    while (!is_whole && size < STF_REMOTE_TEXT_MAX) {
        struct pollfd polled[] = {{terminal->fd, POLLIN, 0}, {wake_fd, POLLIN, 0}};
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            break;
        if (caught != 0 || (polled[0].revents != 0 && read(terminal->fd, &byte, 1) != 1))
            break;
        if (polled[0].revents != 0) {
            is_whole = byte == '\n';
            line[size++] = is_whole ? '\0' : byte;
        }
    }
    if (!is_whole)
        explicit_bzero(line, STF_REMOTE_TEXT_MAX);
    return is_whole;
}

static bool ask(const struct terminal *terminal, const char *question, const char *host, bool is_shown,
                char answer[STF_REMOTE_TEXT_MAX])
{
    struct termios mode = terminal->before;
    bool is_answered;

    if (!is_shown) {
        mode.c_lflag &= ~(tcflag_t)ECHO;
        mode.c_lflag |= ECHONL;
    }
    if (tcsetattr(terminal->fd, TCSAFLUSH, &mode) != 0)
        return false;
    say(terminal, question);
    say(terminal, host);
    say(terminal, ": ");
    is_answered = read_line(terminal, answer);
    if (!is_answered)
        say(terminal, "\n");
    return is_answered;
}

/* "OFFICE\root" is root of the domain OFFICE. */
static void split_domain(struct stf_remote_connect *connect)
{
    char *backslash = strchr(connect->user, '\\');

    if (backslash != NULL) {
        *backslash = '\0';
        strcpy(connect->domain, connect->user);
        memmove(connect->user, backslash + 1, strlen(backslash + 1) + 1);
    }
}

static enum stf_kind ask_for_login(struct stf_remote_connect *typed, struct stf_err *err)
{
    struct terminal terminal;
    bool is_answered;
    enum stf_kind kind = terminal_open(&terminal, typed->host, err);

    if (kind != STF_OK)
        return kind;
    is_answered = ask(&terminal, "User (or DOMAIN\\user) on ", typed->host, true, typed->user) &&
                  *typed->user != '\0' && ask(&terminal, "Password on ", typed->host, false, typed->password);
    terminal_close(&terminal);
    if (!is_answered) {
        return stf_err_set(err, STF_DENIED, 0, "remote", typed->host,
                           "the registry of %s needs a login, and none was typed", typed->host);
    }
    split_domain(typed);
    return STF_OK;
}

static enum stf_kind add_login(const char *host, struct stf_err *err)
{
    static bool is_registered;
    struct login *login = calloc(1, sizeof(*login));
    enum stf_kind kind;

    if (login == NULL)
        return no_memory(err);
    strcpy(login->typed.host, host);
    kind = ask_for_login(&login->typed, err);
    if (kind == STF_OK && !is_registered) {
        is_registered = atexit(forget_all) == 0;
        kind = is_registered ? STF_OK : no_memory(err);
    }
    if (kind != STF_OK) {
        wipe(login);
        return kind;
    }
    login->next = logins;
    logins = login;
    return STF_OK;
}

enum stf_kind stf_remote_prompt(struct stf_remote_connect *connect, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;

    pthread_mutex_lock(&lock);
    if (*place_of(connect->host) == NULL)
        kind = add_login(connect->host, err);
    if (kind == STF_OK) {
        const struct stf_remote_connect *typed = &(*place_of(connect->host))->typed;
        strcpy(connect->user, typed->user);
        strcpy(connect->domain, typed->domain);
        strcpy(connect->password, typed->password);
    }
    pthread_mutex_unlock(&lock);
    return kind;
}
