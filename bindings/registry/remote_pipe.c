/* remote_pipe.c - starts staffetta-winreg, speaks frames with it under a deadline, and ends it.
 * Must never outlive its helper nor leave it behind, nor let a password get into an argument, an error or a file.
 * SPDX-License-Identifier: MIT */
#include "registry/remote_pipe.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/process.h"
#include "registry/remote_login.h"
#include "registry/remote_prompt.h"

enum { DEFAULT_DEADLINE_MS = 10000, GOODBYE_MS = 2000, READ_STEP = 65536 };

struct stf_remote_pipe {
    char *host;
    char *helper; /* the program's path */
    int64_t deadline_ms;
    uint32_t next_id;
    pid_t pid;
    int pidfd;
    int fd;        /* the helper's standard input and output; does not block */
    int errors_fd; /* a file in memory: its standard error */
    bool is_lost;
    uint8_t *received; /* what came and was not taken yet, from `taken` to `received_size` */
    size_t received_size;
    size_t received_capacity;
    size_t taken;
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "remote", NULL, "memory is out");
}

const char *stf_remote_pipe_host(const struct stf_remote_pipe *pipe)
{
    return pipe->host;
}

/* ---- NTSTATUS ---- */

/* MS-ERREF 2.3: what a logon, a connection or a call may end with. */
static enum stf_kind kind_of_status(uint32_t status)
{
    switch (status) {
    case 0xc0000022: /* ACCESS_DENIED */
    case 0xc0000064: /* NO_SUCH_USER */
    case 0xc000006a: /* WRONG_PASSWORD */
    case 0xc000006d: /* LOGON_FAILURE */
    case 0xc000006e: /* ACCOUNT_RESTRICTION */
    case 0xc000006f: /* INVALID_LOGON_HOURS */
    case 0xc0000070: /* INVALID_WORKSTATION */
    case 0xc0000071: /* PASSWORD_EXPIRED */
    case 0xc0000072: /* ACCOUNT_DISABLED */
    case 0xc000015b: /* LOGON_TYPE_NOT_GRANTED */
    case 0xc0000193: /* ACCOUNT_EXPIRED */
    case 0xc0000224: /* PASSWORD_MUST_CHANGE */
    case 0xc0000234: /* ACCOUNT_LOCKED_OUT */
        return STF_DENIED;
    case 0xc00000b5: /* IO_TIMEOUT */
        return STF_TIMEOUT;
    case 0xc00000be: /* BAD_NETWORK_PATH */
    case 0xc00000c4: /* UNEXPECTED_NETWORK_ERROR */
    case 0xc00000c9: /* NETWORK_NAME_DELETED */
    case 0xc00000ac: /* PIPE_NOT_AVAILABLE */
    case 0xc00000b0: /* PIPE_DISCONNECTED */
    case 0xc000013b: /* LOCAL_DISCONNECT */
    case 0xc000013c: /* REMOTE_DISCONNECT */
    case 0xc000013d: /* REMOTE_RESOURCES */
    case 0xc000014b: /* PIPE_BROKEN */
    case 0xc000005e: /* NO_LOGON_SERVERS */
    case 0xc0000203: /* USER_SESSION_DELETED */
    case 0xc000020c: /* CONNECTION_DISCONNECTED */
    case 0xc000020d: /* CONNECTION_RESET */
    case 0xc0000236: /* CONNECTION_REFUSED */
    case 0xc000023a: /* CONNECTION_INVALID */
    case 0xc000023c: /* NETWORK_UNREACHABLE */
    case 0xc000023d: /* HOST_UNREACHABLE */
    case 0xc0000241: /* CONNECTION_ABORTED */
        return STF_UNREACHABLE;
    case 0xc0000034: /* OBJECT_NAME_NOT_FOUND: there is no such pipe */
    case 0xc00000bb: /* NOT_SUPPORTED */
    case 0xc002002e: /* RPC_PROCNUM_OUT_OF_RANGE */
    case 0xc003000c: /* RPC_BAD_STUB_DATA: Samba, of a name with an unpaired surrogate */
        return STF_UNSUPPORTED;
    }
    return STF_IO;
}

static enum stf_kind status_failed(const struct stf_remote_pipe *pipe, uint32_t status, const uint8_t *text,
                                   size_t size, const char *doing, struct stf_err *err)
{
    const char *hint = status == 0xc0000034 ? "; its remote registry service does not run" : "";

    return stf_err_set(err, kind_of_status(status), (int)status, "remote", pipe->host, "%s %s failed: %.*s (0x%08x)%s",
                       doing, pipe->host, (int)size, (const char *)text, status, hint);
}

/* ---- the helper process ---- */

/* The end of what the helper has printed, on one line. */
static void last_words(const struct stf_remote_pipe *pipe, char words[256])
{
    off_t end = lseek(pipe->errors_fd, 0, SEEK_END);
    off_t start = end > 250 ? end - 250 : 0;
    ssize_t size = pread(pipe->errors_fd, words, 250, start);

    while (size > 0 && words[size - 1] == '\n')
        size--;
    words[size > 0 ? size : 0] = '\0';
    for (char *at = words; *at != '\0'; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
}

/* Ends the helper: by the end of its input when `is_gentle`, else at once. How it ended goes to *status. */
static void end_helper(struct stf_remote_pipe *pipe, bool is_gentle, int *status)
{
    struct pollfd ended = {pipe->pidfd, POLLIN, 0};

    if (pipe->fd >= 0) {
        close(pipe->fd);
        pipe->fd = -1;
    }
    if (pipe->pid <= 0)
        return;
    if (!is_gentle || poll(&ended, 1, GOODBYE_MS) <= 0)
        kill(-pipe->pid, SIGKILL); /* not reaped yet, so the group is still ours */
    while (waitpid(pipe->pid, status, 0) < 0 && errno == EINTR) {
    }
    pipe->pid = 0;
}

static enum stf_kind helper_died(struct stf_remote_pipe *pipe, struct stf_err *err)
{
    char how[64] = "by itself";
    char words[256];
    int status = 0;

    end_helper(pipe, true, &status);
    pipe->is_lost = true;
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        snprintf(how, sizeof(how), "with exit code %d", WEXITSTATUS(status));
    last_words(pipe, words);
    return stf_err_set(err, STF_IO, 0, "remote", pipe->host,
                       "the helper %s ended %s while it was needed for the registry of %s%s%s", pipe->helper, how,
                       pipe->host, *words != '\0' ? ": " : "", words);
}

static enum stf_kind helper_talks_nonsense(struct stf_remote_pipe *pipe, const char *what, struct stf_err *err)
{
    int status;

    end_helper(pipe, false, &status);
    pipe->is_lost = true;
    return stf_err_set(err, STF_INVALID_DATA, 0, "remote", pipe->host,
                       "%s is not the helper of this version of Staffetta: it sent %s, and was ended", pipe->helper,
                       what);
}

static enum stf_kind helper_hangs(struct stf_remote_pipe *pipe, struct stf_err *err)
{
    int status;

    end_helper(pipe, false, &status);
    pipe->is_lost = true;
    return stf_err_set(err, STF_TIMEOUT, 0, "remote", pipe->host,
                       "the registry of %s did not answer within %lld ms; whether it did the last thing asked of it is "
                       "not known",
                       pipe->host, (long long)pipe->deadline_ms);
}

/* The helper's path, malloc'ed: as named, else beside this program, else where it is installed. */
static char *find_helper(const struct stf_registry_remote *remote)
{
    char path[4096];
    ssize_t size;
    char *slash;

    if (remote->helper != NULL)
        return strdup(remote->helper);
    size = readlink("/proc/self/exe", path, sizeof(path) - sizeof("staffetta-winreg"));
    path[size > 0 ? size : 0] = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL) {
        strcpy(slash + 1, "staffetta-winreg");
        if (access(path, X_OK) == 0)
            return strdup(path);
    }
    return strdup(STF_LIBEXECDIR "/staffetta-winreg");
}

static enum stf_kind start_helper(struct stf_remote_pipe *pipe, struct stf_err *err)
{
    int fds[2] = {-1, -1};
    int errnum = 0;

    pipe->errors_fd = memfd_create("errors", MFD_CLOEXEC);
    if (pipe->errors_fd < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return stf_err_errno(err, errno, "remote", pipe->host, "cannot make a pipe to the helper");
    pipe->fd = fds[0];
    errnum = stf_process_spawn((const char *const[]){pipe->helper, NULL},
                               (const int[]){fds[1], fds[1], pipe->errors_fd}, &pipe->pid);
    if (errnum != 0)
        pipe->pid = 0;
    close(fds[1]);
    if (errnum == ENOENT) {
        return stf_err_set(err, STF_UNSUPPORTED, errnum, "remote", pipe->host,
                           "the helper %s, which reaches the registries of other hosts, is not installed",
                           pipe->helper);
    }
    if (errnum != 0)
        return stf_err_errno(err, errnum, "remote", pipe->helper, "cannot start the helper");
    pipe->pidfd = pidfd_open(pipe->pid, 0);
    return pipe->pidfd >= 0 ? STF_OK : stf_err_errno(err, errno, "remote", pipe->helper, "cannot watch the helper");
}

/* ---- frames ---- */

/* Frames on their way to the helper. */
struct outgoing {
    const uint8_t *bytes;
    size_t size;
    size_t sent;
};

static enum stf_kind send_some(struct stf_remote_pipe *pipe, struct outgoing *outgoing, struct stf_err *err)
{
    ssize_t sent =
        send(pipe->fd, outgoing->bytes + outgoing->sent, outgoing->size - outgoing->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return helper_died(pipe, err);
    outgoing->sent += sent > 0 ? (size_t)sent : 0;
    return STF_OK;
}

static enum stf_kind receive_some(struct stf_remote_pipe *pipe, struct stf_err *err)
{
    ssize_t got;

    if (pipe->taken > 0) {
        pipe->received_size -= pipe->taken;
        memmove(pipe->received, pipe->received + pipe->taken, pipe->received_size);
        pipe->taken = 0;
    }
    if (pipe->received_capacity - pipe->received_size < READ_STEP) {
        size_t capacity = 2 * pipe->received_capacity + READ_STEP;
        uint8_t *received = realloc(pipe->received, capacity);
        if (received == NULL)
            return no_memory(err);
        pipe->received = received;
        pipe->received_capacity = capacity;
    }
    got = recv(pipe->fd, pipe->received + pipe->received_size, pipe->received_capacity - pipe->received_size,
               MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        return helper_died(pipe, err);
    pipe->received_size += got > 0 ? (size_t)got : 0;
    return STF_OK;
}

/* Takes a frame off what was received; *payload, until the next receive, stays NULL when no whole one is there yet. */
static enum stf_kind take_frame(struct stf_remote_pipe *pipe, struct stf_remote_header *header, const uint8_t **payload,
                                struct stf_err *err)
{
    const uint8_t *bytes;
    size_t size = pipe->received_size - pipe->taken;

    *payload = NULL;
    if (size < STF_REMOTE_HEADER_SIZE)
        return STF_OK;
    bytes = pipe->received + pipe->taken;
    if (!stf_remote_header_get(bytes, header))
        return helper_talks_nonsense(pipe, "something else than a frame", err);
    if (size - STF_REMOTE_HEADER_SIZE >= header->size) {
        *payload = bytes + STF_REMOTE_HEADER_SIZE;
        pipe->taken += STF_REMOTE_HEADER_SIZE + header->size;
    }
    return STF_OK;
}

/* Sends, while it may, and waits for the next frame of the helper, until the deadline. */
static enum stf_kind next_frame(struct stf_remote_pipe *pipe, struct outgoing *outgoing,
                                struct stf_remote_header *header, const uint8_t **payload, struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + pipe->deadline_ms * 1000000;
    enum stf_kind kind = take_frame(pipe, header, payload, err);

    while (kind == STF_OK && *payload == NULL) {
        bool is_sending = outgoing->sent < outgoing->size;
        struct pollfd polled = {pipe->fd, (short)(POLLIN | (is_sending ? POLLOUT : 0)), 0};
        int64_t left_ms = (deadline_ns - stf_clock_ns() + 999999) / 1000000;
        if (left_ms <= 0)
            return helper_hangs(pipe, err);
        if (poll(&polled, 1, left_ms > 60000 ? 60000 : (int)left_ms) < 0 && errno != EINTR)
            return stf_err_errno(err, errno, "remote", pipe->host, "cannot wait for the helper");
        if ((polled.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            kind = receive_some(pipe, err);
            if (kind == STF_OK)
                kind = take_frame(pipe, header, payload, err);
        } else if ((polled.revents & POLLOUT) != 0) {
            kind = send_some(pipe, outgoing, err);
        }
    }
    return kind;
}

static void put_frame(struct stf_bytes_out *out, uint16_t message, uint32_t id, uint32_t value, const void *payload,
                      size_t size)
{
    struct stf_remote_header header = {message, id, value, (uint32_t)size};
    uint8_t bytes[STF_REMOTE_HEADER_SIZE];

    stf_remote_header_put(bytes, &header);
    stf_bytes_put(out, bytes, sizeof(bytes));
    stf_bytes_put(out, payload, size);
}

/* ---- connecting ---- */

static enum stf_kind await_hello(struct stf_remote_pipe *pipe, struct stf_err *err)
{
    struct outgoing nothing = {0};
    struct stf_remote_header header;
    const uint8_t *payload;
    enum stf_kind kind = next_frame(pipe, &nothing, &header, &payload, err);

    if (kind == STF_OK && header.message != STF_REMOTE_HELLO)
        kind = helper_talks_nonsense(pipe, "no greeting", err);
    return kind;
}

static enum stf_kind put_text(char to[STF_REMOTE_TEXT_MAX], const char *from, const char *what, struct stf_err *err)
{
    if (from != NULL && strlen(from) >= STF_REMOTE_TEXT_MAX)
        return stf_err_set(err, STF_INVALID_DATA, 0, "remote", NULL, "the %s is too long", what);
    strcpy(to, from != NULL ? from : "");
    return STF_OK;
}

static enum stf_kind fill_connect(const struct stf_registry_remote *remote, int64_t deadline_ms,
                                  struct stf_remote_connect *connect, struct stf_err *err)
{
    enum stf_kind kind = put_text(connect->host, remote->host, "host", err);

    connect->port = remote->port;
    connect->use_kerberos = remote->use_kerberos;
    connect->deadline_ms = deadline_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)deadline_ms;
    if (kind != STF_OK || remote->use_kerberos)
        return kind;
    if (remote->credentials_file != NULL)
        return stf_remote_login_read(remote->credentials_file, connect, err);
    if (remote->user == NULL && remote->may_ask)
        return stf_remote_prompt(connect, err);
    if (remote->user == NULL) {
        return stf_err_set(err, STF_DENIED, 0, "remote", remote->host,
                           "the registry of %s needs a file of credentials, or Kerberos", remote->host);
    }
    kind = put_text(connect->user, remote->user, "name of the user", err);
    if (kind == STF_OK)
        kind = put_text(connect->domain, remote->domain, "domain", err);
    return kind == STF_OK ? put_text(connect->password, remote->password, "password", err) : kind;
}

static enum stf_kind send_connect(struct stf_remote_pipe *pipe, const struct stf_remote_connect *connect,
                                  struct stf_err *err)
{
    struct stf_bytes_out payload = {0};
    struct stf_bytes_out frame = {0};
    struct stf_remote_header header;
    const uint8_t *answer;
    enum stf_kind kind = STF_OK;

    stf_remote_connect_put(&payload, connect);
    put_frame(&frame, STF_REMOTE_CONNECT, 0, 0, payload.bytes, payload.size);
    if (payload.has_failed || frame.has_failed) {
        kind = no_memory(err);
    } else {
        struct outgoing outgoing = {frame.bytes, frame.size, 0};
        kind = next_frame(pipe, &outgoing, &header, &answer, err);
    }
    stf_bytes_out_fini(&payload);
    stf_bytes_out_fini(&frame);
    if (kind == STF_OK && header.message == STF_REMOTE_FAILED)
        kind = status_failed(pipe, header.value, answer, header.size, "connecting to", err);
    else if (kind == STF_OK && header.message != STF_REMOTE_CONNECTED)
        kind = helper_talks_nonsense(pipe, "no answer to the connection", err);
    return kind;
}

enum stf_kind stf_remote_pipe_open(const struct stf_registry_remote *remote, struct stf_remote_pipe **out,
                                   struct stf_err *err)
{
    struct stf_remote_connect connect = {0};
    struct stf_remote_pipe *pipe = calloc(1, sizeof(*pipe));
    enum stf_kind kind;

    if (pipe == NULL)
        return no_memory(err);
    pipe->fd = pipe->pidfd = pipe->errors_fd = -1;
    pipe->deadline_ms = remote->deadline_ms > 0 ? remote->deadline_ms : DEFAULT_DEADLINE_MS;
    pipe->host = strdup(remote->host);
    pipe->helper = find_helper(remote);
    kind = pipe->host != NULL && pipe->helper != NULL ? STF_OK : no_memory(err);
    if (kind == STF_OK)
        kind = fill_connect(remote, pipe->deadline_ms, &connect, err);
    if (kind == STF_OK)
        kind = start_helper(pipe, err);
    if (kind == STF_OK)
        kind = await_hello(pipe, err);
    if (kind == STF_OK) {
        kind = send_connect(pipe, &connect, err);
        if (kind == STF_DENIED)
            stf_remote_prompt_forget(pipe->host);
    }
    explicit_bzero(&connect, sizeof(connect));
    if (kind != STF_OK) {
        pipe->is_lost = true;
        stf_remote_pipe_close(pipe);
        return kind;
    }
    *out = pipe;
    return STF_OK;
}

void stf_remote_pipe_close(struct stf_remote_pipe *pipe)
{
    int status;

    if (pipe == NULL)
        return;
    end_helper(pipe, !pipe->is_lost, &status);
    if (pipe->pidfd >= 0)
        close(pipe->pidfd);
    if (pipe->errors_fd >= 0)
        close(pipe->errors_fd);
    free(pipe->received);
    free(pipe->helper);
    free(pipe->host);
    free(pipe);
}

/* ---- calls ---- */

/* Fails when the helper does; a call that the other side refused has no `out` afterwards. */
static enum stf_kind take_answer(struct stf_remote_pipe *pipe, struct stf_remote_call *call, uint32_t id,
                                 const struct stf_remote_header *header, const uint8_t *payload, enum stf_kind *refusal,
                                 struct stf_err *err)
{
    if (header->id != id || (header->message != STF_REMOTE_REPLY && header->message != STF_REMOTE_FAILED))
        return helper_talks_nonsense(pipe, "an answer to something else", err);
    if (header->message == STF_REMOTE_FAILED) {
        if (*refusal == STF_OK)
            *refusal = status_failed(pipe, header->value, payload, header->size, "a call to the registry of", err);
        return STF_OK;
    }
    call->out = malloc((size_t)header->size + 1);
    if (call->out == NULL) {
        pipe->is_lost = true;
        return no_memory(err);
    }
    memcpy(call->out, payload, header->size);
    call->out_size = header->size;
    return STF_OK;
}

enum stf_kind stf_remote_pipe_call(struct stf_remote_pipe *pipe, struct stf_remote_call *calls, size_t count,
                                   struct stf_err *err)
{
    uint32_t first_id = pipe->next_id + 1;
    struct stf_bytes_out frames = {0};
    enum stf_kind refusal = STF_OK;
    enum stf_kind kind = STF_OK;

    if (pipe->is_lost) {
        return stf_err_set(err, STF_UNREACHABLE, 0, "remote", pipe->host,
                           "the connection to the registry of %s was lost; open it again", pipe->host);
    }
    for (size_t i = 0; i < count; i++) {
        put_frame(&frames, STF_REMOTE_CALL, ++pipe->next_id, calls[i].operation, calls[i].in.bytes, calls[i].in.size);
        frames.has_failed = frames.has_failed || calls[i].in.has_failed;
    }
    if (frames.has_failed) {
        kind = no_memory(err);
    } else {
        struct outgoing outgoing = {frames.bytes, frames.size, 0};
        for (size_t i = 0; i < count && kind == STF_OK; i++) {
            struct stf_remote_header header;
            const uint8_t *payload;
            kind = next_frame(pipe, &outgoing, &header, &payload, err);
            if (kind == STF_OK)
                kind = take_answer(pipe, &calls[i], first_id + (uint32_t)i, &header, payload, &refusal, err);
        }
    }
    stf_bytes_out_fini(&frames);
    return kind == STF_OK ? refusal : kind;
}
