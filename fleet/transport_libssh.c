/* transport_libssh.c - a command on another host over an SSH session of this program's own. Must never go on with a
 * host key that the operator has not seen. SPDX-License-Identifier: MIT */
#include "fleet/transport_libssh.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/dl.h"
#include "fleet/said.h"

enum {
    STEP_TIMEOUT_S = 15,      /* of each step of connecting, unless the operator's ConnectTimeout says otherwise */
    LOST_AFTER_S = 15,        /* a way on which nothing is acknowledged */
    PATIENCE_MS = 2000,       /* at the close, for the other side to end */
    WINDOW_POLL_MS = 10,      /* a writer looks again: the reader may have taken the answer it waits for */
    WRITE_SIZE = 128 * 1024,  /* what is handed to libssh at once */
    DISCARD_SIZE = 16 * 1024, /* what is read at once when nobody wants it */
};

/* ---------- the library ---------- */

struct ssh_functions {
    __typeof__(ssh_new) *new;
    __typeof__(ssh_free) *free;
    __typeof__(ssh_options_set) *options_set;
    __typeof__(ssh_options_get) *options_get;
    __typeof__(ssh_options_parse_config) *options_parse_config;
    __typeof__(ssh_connect) *connect;
    __typeof__(ssh_disconnect) *disconnect;
    __typeof__(ssh_is_connected) *is_connected;
    __typeof__(ssh_get_error) *get_error;
    __typeof__(ssh_get_fd) *get_fd;
    __typeof__(ssh_get_poll_flags) *get_poll_flags;
    __typeof__(ssh_set_blocking) *set_blocking;
    __typeof__(ssh_blocking_flush) *blocking_flush;
    __typeof__(ssh_session_is_known_server) *session_is_known_server;
    __typeof__(ssh_get_server_publickey) *get_server_publickey;
    __typeof__(ssh_get_publickey_hash) *get_publickey_hash;
    __typeof__(ssh_get_fingerprint_hash) *get_fingerprint_hash;
    __typeof__(ssh_clean_pubkey_hash) *clean_pubkey_hash;
    __typeof__(ssh_pki_export_pubkey_base64) *pki_export_pubkey_base64;
    __typeof__(ssh_key_free) *key_free;
    __typeof__(ssh_string_free_char) *string_free_char;
    __typeof__(ssh_userauth_publickey_auto) *userauth_publickey_auto;
    __typeof__(ssh_channel_new) *channel_new;
    __typeof__(ssh_channel_free) *channel_free;
    __typeof__(ssh_channel_open_session) *channel_open_session;
    __typeof__(ssh_channel_request_exec) *channel_request_exec;
    __typeof__(ssh_channel_read_nonblocking) *channel_read_nonblocking;
    __typeof__(ssh_channel_write) *channel_write;
    __typeof__(ssh_channel_poll) *channel_poll;
    __typeof__(ssh_channel_send_eof) *channel_send_eof;
    __typeof__(ssh_channel_is_closed) *channel_is_closed;
    __typeof__(ssh_channel_get_exit_status) *channel_get_exit_status;
};

static struct ssh_functions ssh;

#define SYMBOL(name)                                                                                                   \
    {                                                                                                                  \
        "ssh_" #name, offsetof(struct ssh_functions, name)                                                             \
    }

static const struct stf_dl_symbol symbols[] = {
    SYMBOL(new),
    SYMBOL(free),
    SYMBOL(options_set),
    SYMBOL(options_get),
    SYMBOL(options_parse_config),
    SYMBOL(connect),
    SYMBOL(disconnect),
    SYMBOL(is_connected),
    SYMBOL(get_error),
    SYMBOL(get_fd),
    SYMBOL(get_poll_flags),
    SYMBOL(set_blocking),
    SYMBOL(blocking_flush),
    SYMBOL(session_is_known_server),
    SYMBOL(get_server_publickey),
    SYMBOL(get_publickey_hash),
    SYMBOL(get_fingerprint_hash),
    SYMBOL(clean_pubkey_hash),
    SYMBOL(pki_export_pubkey_base64),
    SYMBOL(key_free),
    SYMBOL(string_free_char),
    SYMBOL(userauth_publickey_auto),
    SYMBOL(channel_new),
    SYMBOL(channel_free),
    SYMBOL(channel_open_session),
    SYMBOL(channel_request_exec),
    SYMBOL(channel_read_nonblocking),
    SYMBOL(channel_write),
    SYMBOL(channel_poll),
    SYMBOL(channel_send_eof),
    SYMBOL(channel_is_closed),
    SYMBOL(channel_get_exit_status),
    {NULL, 0},
};

static struct stf_dl library = {.soname = "libssh.so.4", .package = "libssh-4", .symbols = symbols};

/* ---------- one session ---------- */

struct session {
    struct stf_transport base;
    char *subject;
    pthread_mutex_t mutex; /* of the session: libssh serves one thread at a time */
    ssh_session ssh;
    ssh_channel channel;
    struct stf_said said;
    int fd;          /* of the session, a duplicate: it may be waited on without the mutex */
    bool is_awaited; /* the reader waits for `fd` and `wake` */
    int wake;        /* an eventfd: the writer took something from the socket that is for the reader */
};

static void drain_errors(struct session *session)
{
    char bytes[1024];
    int size;
    while ((size = ssh.channel_read_nonblocking(session->channel, bytes, sizeof bytes, true)) > 0)
        stf_said_add(&session->said, bytes, (size_t)size);
}

/* With the mutex held: what still comes is of no use, but the exit status that follows it is; asking for that also
 * takes what comes after the end of the output, which reading does not. */
static void await_end(struct session *session, int patience_ms)
{
    char bytes[DISCARD_SIZE];
    struct pollfd fd = {.fd = session->fd, .events = POLLIN};
    int64_t ends_ns = stf_clock_ns() + (int64_t)patience_ms * 1000000;
    bool is_over = false;
    while (!is_over) {
        int size, left_ms = stf_clock_left_ms(ends_ns);
        while ((size = ssh.channel_read_nonblocking(session->channel, bytes, sizeof bytes, false)) > 0)
            continue;
        drain_errors(session);
        is_over = ssh.channel_get_exit_status(session->channel) >= 0 || left_ms == 0 || size == SSH_ERROR ||
                  !ssh.is_connected(session->ssh) || ssh.channel_is_closed(session->channel);
        if (!is_over)
            poll(&fd, 1, left_ms);
    }
}

/* With the mutex held: nothing more will come, and this is why. */
static enum stf_kind ended(struct session *session, struct stf_err *err)
{
    await_end(session, PATIENCE_MS / 10);
    int status = ssh.channel_get_exit_status(session->channel);
    bool is_cut = status < 0 && (!ssh.channel_is_closed(session->channel) || !ssh.is_connected(session->ssh));
    stf_err_set(err, STF_UNREACHABLE, status > 0 ? status : 0, "connect", session->subject, "%s: %s", session->subject,
                stf_said_text(&session->said, is_cut ? "the connection is lost" : "the agent ended without a word"));
    return STF_OK;
}

static enum stf_kind session_read(struct stf_transport *base, char *bytes, size_t room, int64_t deadline_ns,
                                  size_t *got, struct stf_err *err)
{
    struct session *session = (struct session *)base;
    uint64_t woken;
    bool is_cut = false;
    *got = 0;
    for (;;) {
        pthread_mutex_lock(&session->mutex);
        session->is_awaited = false;
        drain_errors(session);
        /* last, for each call of libssh may take in what the next one is asked for, and poll would not tell of it */
        int size = ssh.channel_read_nonblocking(session->channel, bytes, (uint32_t)room, false);
        if ((size < 0 && size != SSH_AGAIN) || (size <= 0 && (is_cut || !ssh.is_connected(session->ssh)))) {
            enum stf_kind kind = ended(session, err);
            pthread_mutex_unlock(&session->mutex);
            return kind;
        }
        short events = POLLIN | (ssh.get_poll_flags(session->ssh) & SSH_WRITE_PENDING ? POLLOUT : 0);
        session->is_awaited = size <= 0;
        pthread_mutex_unlock(&session->mutex);
        if (size > 0) {
            *got = (size_t)size;
            return STF_OK;
        }
        struct pollfd fds[] = {{.fd = session->fd, .events = events}, {.fd = session->wake, .events = POLLIN}};
        if (poll(fds, 2, stf_clock_left_ms(deadline_ns)) == 0)
            return stf_err_set(err, STF_TIMEOUT, 0, "read", session->subject, "%s does not answer", session->subject);
        is_cut = fds[0].revents & (POLLERR | POLLHUP);
        if (fds[1].revents && read(session->wake, &woken, sizeof woken) < 0 && errno != EAGAIN)
            return stf_err_errno(err, errno, "read", session->subject, "can not wait for the agent");
    }
}

/* With the mutex held: as much as goes at once. False when nothing more can be written. */
static bool write_some(struct session *session, const char **bytes, size_t *size, bool *is_done)
{
    if (*size > 0) {
        int written = ssh.channel_write(session->channel, *bytes, *size > WRITE_SIZE ? WRITE_SIZE : (uint32_t)*size);
        if (written < 0 && written != SSH_AGAIN)
            return false;
        if (written > 0) {
            *bytes += written;
            *size -= (size_t)written;
        }
    }
    *is_done = *size == 0 && !(ssh.get_poll_flags(session->ssh) & SSH_WRITE_PENDING);
    if (*is_done)
        return true;
    int flushed = ssh.blocking_flush(session->ssh, 0);
    *is_done = *size == 0 && flushed == SSH_OK;
    return flushed != SSH_ERROR && ssh.is_connected(session->ssh);
}

/* With the mutex held: writing may have read what the reader waits for. One that does not wait yet looks itself. */
static void wake_reader(struct session *session)
{
    static const uint64_t one = 1;
    if (!session->is_awaited)
        return;
    bool has_news = ssh.channel_poll(session->channel, false) != 0 || ssh.channel_poll(session->channel, true) != 0;
    if (has_news && write(session->wake, &one, sizeof one) < 0)
        return; /* it is full of news already */
}

static enum stf_kind session_write(struct stf_transport *base, const char *bytes, size_t size, int64_t deadline_ns,
                                   struct stf_err *err)
{
    struct session *session = (struct session *)base;
    bool is_done = false;
    for (;;) {
        pthread_mutex_lock(&session->mutex);
        bool is_ok = write_some(session, &bytes, &size, &is_done);
        wake_reader(session);
        short events = POLLIN | (ssh.get_poll_flags(session->ssh) & SSH_WRITE_PENDING ? POLLOUT : 0);
        pthread_mutex_unlock(&session->mutex);
        if (!is_ok)
            return STF_UNREACHABLE;
        if (is_done)
            return STF_OK;
        if (stf_clock_ns() >= deadline_ns)
            return stf_err_set(err, STF_TIMEOUT, 0, "write", session->subject, "%s does not read", session->subject);
        struct pollfd fd = {.fd = session->fd, .events = events};
        poll(&fd, 1, WINDOW_POLL_MS);
    }
}

/* ---------- connecting ---------- */

static enum stf_kind failed(const struct session *session, enum stf_kind kind, const char *what, struct stf_err *err)
{
    return stf_err_set(err, kind, 0, "connect", session->subject, "%s: %s: %s", session->subject, what,
                       ssh.get_error(session->ssh));
}

/* What the configuration says comes first, what site.lua says wins. */
static enum stf_kind configure(struct session *session, const struct stf_ssh_target *target, struct stf_err *err)
{
    static const int yes = 1;
    static const long timeout_s = STEP_TIMEOUT_S;
    unsigned port = target->port;
    bool is_ok = ssh.options_set(session->ssh, SSH_OPTIONS_HOST, target->host) == SSH_OK &&
                 ssh.options_set(session->ssh, SSH_OPTIONS_TIMEOUT, &timeout_s) == SSH_OK &&
                 ssh.options_parse_config(session->ssh, target->config) == SSH_OK &&
                 ssh.options_set(session->ssh, SSH_OPTIONS_STRICTHOSTKEYCHECK, &yes) == SSH_OK &&
                 ssh.options_set(session->ssh, SSH_OPTIONS_NODELAY, &yes) == SSH_OK;
    if (is_ok && target->user)
        is_ok = ssh.options_set(session->ssh, SSH_OPTIONS_USER, target->user) == SSH_OK;
    if (is_ok && port)
        is_ok = ssh.options_set(session->ssh, SSH_OPTIONS_PORT, &port) == SSH_OK;
    if (is_ok && target->key)
        is_ok = ssh.options_set(session->ssh, SSH_OPTIONS_IDENTITY, target->key) == SSH_OK;
    return is_ok ? STF_OK : failed(session, STF_INVALID_DATA, "the ssh configuration", err);
}

/* "SHA256:..." of the host's key; NULL when there is none. To be freed with string_free_char. */
static char *fingerprint_of(const struct session *session)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t size;
    char *text = NULL;
    if (ssh.get_server_publickey(session->ssh, &key) == SSH_OK &&
        ssh.get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == 0)
        text = ssh.get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
    ssh.clean_pubkey_hash(&hash);
    ssh.key_free(key);
    return text;
}

/* libssh passes "@revoked" lines over. A key that one has is refused, whatever hosts the line is for. */
static bool file_revokes(const char *path, const char *key_base64)
{
    static const char marker[] = "@revoked";
    char *line = NULL;
    size_t room = 0;
    bool is_revoked = false;
    FILE *file = fopen(path, "re");
    while (file && !is_revoked && getline(&line, &room, file) >= 0)
        is_revoked = strncmp(line + strspn(line, " \t"), marker, sizeof marker - 1) == 0 && strstr(line, key_base64);
    free(line);
    if (file)
        fclose(file);
    return is_revoked;
}

/* True also when the key can not be had. */
static bool is_revoked(const struct session *session)
{
    static const enum ssh_options_e files[] = {SSH_OPTIONS_KNOWNHOSTS, SSH_OPTIONS_GLOBAL_KNOWNHOSTS};
    ssh_key key = NULL;
    char *text = NULL, *path;
    bool is_refused =
        ssh.get_server_publickey(session->ssh, &key) != SSH_OK || ssh.pki_export_pubkey_base64(key, &text) != SSH_OK;
    for (size_t i = 0; i < sizeof files / sizeof *files && !is_refused; i++) {
        if (ssh.options_get(session->ssh, files[i], &path) != SSH_OK)
            continue;
        is_refused = file_revokes(path, text);
        ssh.string_free_char(path);
    }
    ssh.string_free_char(text);
    ssh.key_free(key);
    return is_refused;
}

static const char *host_key_fault(enum ssh_known_hosts_e known)
{
    switch (known) {
    case SSH_KNOWN_HOSTS_OK:
        return "is revoked in known_hosts";
    case SSH_KNOWN_HOSTS_ERROR:
        return "can not be looked up";
    case SSH_KNOWN_HOSTS_CHANGED:
    case SSH_KNOWN_HOSTS_OTHER:
        return "is not the one in known_hosts: somebody may stand in between. Ask whoever runs the host; "
               "`ssh-keygen -R HOST` forgets the old key";
    default:
        return "is not known. Compare it with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the "
               "host, and accept it by an `ssh` to it";
    }
}

static enum stf_kind check_host_key(const struct session *session, struct stf_err *err)
{
    enum ssh_known_hosts_e known = ssh.session_is_known_server(session->ssh);
    if (known == SSH_KNOWN_HOSTS_OK && !is_revoked(session))
        return STF_OK;
    char *fingerprint = fingerprint_of(session);
    enum stf_kind kind = stf_err_set(err, STF_DENIED, 0, "connect", session->subject, "%s: its host key %s %s",
                                     session->subject, fingerprint ? fingerprint : "", host_key_fault(known));
    ssh.string_free_char(fingerprint);
    return kind;
}

/* A cut way is noticed in this time, also while nothing is being sent. Means nothing to a ProxyCommand's pipe. */
static void keep_alive(int fd)
{
    static const int on = 1, interval_s = LOST_AFTER_S / 3, probes = 3, lost_after_ms = LOST_AFTER_S * 1000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_after_ms, sizeof lost_after_ms);
}

static enum stf_kind connect_session(struct session *session, const struct stf_ssh_target *target, const char *command,
                                     struct stf_err *err)
{
    enum stf_kind kind = configure(session, target, err);
    if (kind != STF_OK)
        return kind;
    if (ssh.connect(session->ssh) != SSH_OK)
        return failed(session, STF_UNREACHABLE, "no connection", err);
    fcntl(ssh.get_fd(session->ssh), F_SETFD, FD_CLOEXEC);
    keep_alive(ssh.get_fd(session->ssh));
    kind = check_host_key(session, err);
    if (kind != STF_OK)
        return kind;
    if (ssh.userauth_publickey_auto(session->ssh, NULL, NULL) != SSH_AUTH_SUCCESS)
        return failed(session, STF_DENIED, "no key of ours lets us in", err);
    session->channel = ssh.channel_new(session->ssh);
    if (!session->channel || ssh.channel_open_session(session->channel) != SSH_OK ||
        ssh.channel_request_exec(session->channel, command) != SSH_OK)
        return failed(session, STF_UNREACHABLE, "it starts no command", err);
    ssh.set_blocking(session->ssh, 0);
    session->fd = fcntl(ssh.get_fd(session->ssh), F_DUPFD_CLOEXEC, 0);
    session->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return session->fd >= 0 && session->wake >= 0
               ? STF_OK
               : stf_err_errno(err, errno, "connect", session->subject, "can not wait for the agent");
}

/* ---------- beginning and end ---------- */

static void free_session(struct session *session)
{
    if (session->channel)
        ssh.channel_free(session->channel);
    ssh.disconnect(session->ssh);
    ssh.free(session->ssh);
    if (session->fd >= 0)
        close(session->fd);
    if (session->wake >= 0)
        close(session->wake);
    pthread_mutex_destroy(&session->mutex);
    free(session->subject);
    free(session);
}

/* The other side ends when its input does. */
static void session_close(struct stf_transport *base)
{
    struct session *session = (struct session *)base;
    ssh.channel_send_eof(session->channel);
    await_end(session, PATIENCE_MS);
    free_session(session);
}

static const struct stf_transport_ops session_ops = {session_read, session_write, session_close};

enum stf_kind stf_transport_libssh(const struct stf_ssh_target *target, const char *command, const char *subject,
                                   struct stf_transport **transport, struct stf_err *err)
{
    *transport = NULL;
    enum stf_kind kind = stf_dl_open(&library, &ssh, err);
    if (kind != STF_OK)
        return kind;
    struct session *session = calloc(1, sizeof *session);
    if (!session || !(session->subject = strdup(subject)) || !(session->ssh = ssh.new())) {
        if (session)
            free(session->subject);
        free(session);
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", subject, "not enough memory");
    }
    session->base.ops = &session_ops;
    session->fd = session->wake = -1;
    pthread_mutex_init(&session->mutex, NULL);
    kind = connect_session(session, target, command, err);
    if (kind != STF_OK) {
        free_session(session);
        return kind;
    }
    *transport = &session->base;
    return STF_OK;
}
