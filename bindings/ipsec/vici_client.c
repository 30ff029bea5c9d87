/* vici_client.c - frames on charon's Unix socket: request and answer, streamed answers, events.
 * Must never wait without a deadline, nor put a message's content into an error. SPDX-License-Identifier: MIT */
#include "ipsec/vici_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

enum frame_type {
    CMD_REQUEST,
    CMD_RESPONSE,
    CMD_UNKNOWN,
    EVENT_REGISTER,
    EVENT_UNREGISTER,
    EVENT_CONFIRM,
    EVENT_UNKNOWN,
    EVENT,
};

enum {
    FRAME_MAX = STF_VICI_MESSAGE_MAX + 2 + STF_VICI_NAME_MAX,
    STREAM_MAX = 64 * 1024 * 1024, /* bytes of one streamed answer */
    REST_OF_FRAME_MS = 5000,       /* an event that has begun to arrive must end within this */
};

struct stf_vici_client {
    int fd;
    bool is_broken;
    json_t *early; /* events that came while stf_vici_listen was registering: array of [name, document]; may be NULL */
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
};

struct frame {
    enum frame_type type;
    char name[STF_VICI_NAME_MAX + 1]; /* of an event; else empty */
    uint8_t *bytes;                   /* the whole frame, malloc'ed */
    const uint8_t *message;
    size_t message_size;
};

static int64_t deadline_after(int64_t timeout_ms)
{
    return stf_clock_ns() + timeout_ms * 1000000;
}

/* ---------- waiting, sending, receiving ---------- */

/* The only place that marks the connection as out of step. */
static enum stf_kind give_up(struct stf_vici_client *client, enum stf_kind kind)
{
    client->is_broken = true;
    return kind;
}

static enum stf_kind timed_out(struct stf_vici_client *client, const char *op, struct stf_err *err)
{
    return give_up(client, stf_err_set(err, STF_TIMEOUT, 0, op, client->path,
                                       "charon at %s did not answer '%s' in time", client->path, op));
}

static enum stf_kind hung_up(struct stf_vici_client *client, const char *op, struct stf_err *err)
{
    return give_up(client, stf_err_set(err, STF_UNREACHABLE, 0, op, client->path,
                                       "charon at %s closed the connection during '%s'; did it stop or crash? its log "
                                       "says why",
                                       client->path, op));
}

static enum stf_kind not_vici(struct stf_vici_client *client, const char *op, const char *what, struct stf_err *err)
{
    return give_up(client, stf_err_set(err, STF_INVALID_DATA, 0, op, client->path,
                                       "%s does not speak VICI: %s, in answer to '%s'; is it charon's socket?",
                                       client->path, what, op));
}

static enum stf_kind broken(const struct stf_vici_client *client, const char *op, struct stf_err *err)
{
    return stf_err_set(err, STF_UNREACHABLE, 0, op, client->path,
                       "the connection to %s was given up after an earlier error; open a new one", client->path);
}

static enum stf_kind wait_for(struct stf_vici_client *client, short events, int64_t deadline_ns, const char *op,
                              struct stf_err *err)
{
    for (;;) {
        int64_t left_ns = deadline_ns - stf_clock_ns();
        if (left_ns <= 0)
            return timed_out(client, op, err);
        struct timespec left = {.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
        struct pollfd poll_fd = {.fd = client->fd, .events = events};
        int ready = ppoll(&poll_fd, 1, &left, NULL);
        if (ready > 0)
            return STF_OK;
        if (ready < 0 && errno != EINTR)
            return give_up(client, stf_err_errno(err, errno, op, client->path, "poll"));
    }
}

static enum stf_kind send_all(struct stf_vici_client *client, const void *bytes, size_t size, int64_t deadline_ns,
                              const char *op, struct stf_err *err)
{
    const uint8_t *at = bytes;
    while (size) {
        enum stf_kind kind = wait_for(client, POLLOUT, deadline_ns, op, err);
        if (kind)
            return kind;
        ssize_t sent = send(client->fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += sent;
            size -= (size_t)sent;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return hung_up(client, op, err);
        } else if (errno != EINTR && errno != EAGAIN) {
            return give_up(client, stf_err_errno(err, errno, op, client->path, "send"));
        }
    }
    return STF_OK;
}

static enum stf_kind receive_all(struct stf_vici_client *client, void *bytes, size_t size, int64_t deadline_ns,
                                 const char *op, struct stf_err *err)
{
    uint8_t *at = bytes;
    while (size) {
        enum stf_kind kind = wait_for(client, POLLIN, deadline_ns, op, err);
        if (kind)
            return kind;
        ssize_t received = recv(client->fd, at, size, MSG_DONTWAIT);
        if (received > 0) {
            at += received;
            size -= (size_t)received;
        } else if (received == 0 || errno == ECONNRESET) {
            return hung_up(client, op, err);
        } else if (errno != EINTR && errno != EAGAIN) {
            return give_up(client, stf_err_errno(err, errno, op, client->path, "receive"));
        }
    }
    return STF_OK;
}

/* ---------- frames ---------- */

static void frame_fini(struct frame *frame)
{
    free(frame->bytes);
    *frame = (struct frame){0};
}

enum { HEAD_MAX = 4 + 2 + STF_VICI_NAME_MAX };

/* What comes before the message of a frame; returns its size. */
static size_t make_head(uint8_t head[static HEAD_MAX], enum frame_type type, const char *name,
                        const struct stf_vici_message *message)
{
    size_t name_size = strnlen(name, STF_VICI_NAME_MAX);
    uint32_t length = htonl((uint32_t)(2 + name_size + (message ? message->size : 0)));
    memcpy(head, &length, 4);
    head[4] = (uint8_t)type;
    head[5] = (uint8_t)name_size;
    memcpy(head + 6, name, name_size);
    return 6 + name_size;
}

static enum stf_kind send_frame(struct stf_vici_client *client, enum frame_type type, const char *name,
                                const struct stf_vici_message *message, int64_t deadline_ns, struct stf_err *err)
{
    uint8_t head[HEAD_MAX];
    enum stf_kind kind = send_all(client, head, make_head(head, type, name, message), deadline_ns, name, err);
    if (!kind && message && message->size)
        kind = send_all(client, message->bytes, message->size, deadline_ns, name, err);
    return kind;
}

static bool parse_frame(struct frame *frame, size_t length)
{
    const uint8_t *bytes = frame->bytes;
    size_t head = 1;
    if (bytes[0] > EVENT)
        return false;
    frame->type = (enum frame_type)bytes[0];
    if (frame->type == EVENT) {
        if (length < 2 || length < 2u + bytes[1])
            return false;
        memcpy(frame->name, bytes + 2, bytes[1]);
        head += 1u + bytes[1];
    }
    frame->message = bytes + head;
    frame->message_size = length - head;
    return true;
}

static enum stf_kind receive_frame(struct stf_vici_client *client, struct frame *frame, int64_t deadline_ns,
                                   const char *op, struct stf_err *err)
{
    uint32_t length = 0;
    *frame = (struct frame){0};
    enum stf_kind kind = receive_all(client, &length, sizeof length, deadline_ns, op, err);
    if (kind)
        return kind;
    length = ntohl(length);
    if (length == 0 || length > FRAME_MAX)
        return not_vici(client, op, "a frame has an impossible length", err);
    frame->bytes = malloc(length);
    if (!frame->bytes)
        return give_up(client, stf_err_set(err, STF_NO_MEMORY, 0, op, client->path, "no memory for an answer"));
    kind = receive_all(client, frame->bytes, length, deadline_ns, op, err);
    if (!kind && !parse_frame(frame, length))
        kind = not_vici(client, op, "a frame has no known type", err);
    if (kind)
        frame_fini(frame);
    return kind;
}

/* ---------- connecting ---------- */

static enum stf_kind connect_error(int errnum, const char *path, struct stf_err *err)
{
    if (errnum == ENOENT || errnum == ECONNREFUSED)
        return stf_err_set(err, STF_UNREACHABLE, errnum, "connect", path,
                           "no charon answers at %s (%s); is it running on this host? start it (systemctl start "
                           "strongswan), or correct ipsec.vici of this host in site.lua",
                           path, strerror(errnum));
    if (errnum == ENOTSOCK)
        return stf_err_set(err, STF_INVALID_DATA, errnum, "connect", path,
                           "%s is not a socket; correct ipsec.vici of this host in site.lua", path);
    return stf_err_errno(err, errnum, "connect", path, "connect to charon");
}

/* A full backlog makes connect fail with EAGAIN at once: try again until the deadline. */
static enum stf_kind connect_until(struct stf_vici_client *client, int64_t deadline_ns, struct stf_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, client->path, sizeof address.sun_path);
    while (connect(client->fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return connect_error(errno, client->path, err);
        if (stf_clock_ns() >= deadline_ns)
            return timed_out(client, "connect", err);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return STF_OK;
}

enum stf_kind stf_vici_open(const char *socket_path, int64_t timeout_ms, struct stf_vici_client **client,
                            struct stf_err *err)
{
    static const char scheme[] = "unix://";
    const char *path =
        strncmp(socket_path, scheme, sizeof scheme - 1) == 0 ? socket_path + sizeof scheme - 1 : socket_path;
    enum stf_kind kind;

    struct stf_vici_client *opened = calloc(1, sizeof *opened);
    if (!opened)
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", path, "no memory for a connection");
    opened->fd = -1;
    size_t size = strlen(path);
    if (size == 0 || size >= sizeof opened->path) {
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "connect", path,
                           "the path of charon's socket has %zu bytes, expected 1 to %zu: '%s'", size,
                           sizeof opened->path - 1, path);
        goto out;
    }
    memcpy(opened->path, path, size);
    opened->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    kind = opened->fd < 0 ? stf_err_errno(err, errno, "connect", path, "socket")
                          : connect_until(opened, deadline_after(timeout_ms), err);
out:
    if (kind)
        stf_vici_close(opened);
    else
        *client = opened;
    return kind;
}

void stf_vici_close(struct stf_vici_client *client)
{
    if (!client)
        return;
    if (client->fd >= 0)
        close(client->fd);
    json_decref(client->early);
    free(client);
}

enum stf_kind stf_vici_peer(const struct stf_vici_client *client, pid_t *pid, struct stf_err *err)
{
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return stf_err_errno(err, errno, "peer", client->path, "cannot learn which process charon is");
    *pid = peer.pid;
    return peer.pid > 0 ? STF_OK
                        : stf_err_set(err, STF_UNSUPPORTED, 0, "peer", client->path,
                                      "charon at %s runs where its process can not be seen from here", client->path);
}

/* ---------- requests ---------- */

/* Where the events go that arrive before an answer. */
struct stream {
    const char *event; /* the only one expected; NULL: any, kept as [name, document] */
    json_t *events;    /* NULL: none is expected */
    size_t size_bytes;
};

static enum stf_kind keep_event(struct stf_vici_client *client, struct stream *stream, const struct frame *frame,
                                const char *op, struct stf_err *err)
{
    json_t *event = NULL;
    if (!stream->events || (stream->event && strcmp(frame->name, stream->event) != 0))
        return not_vici(client, op, "an event came that was not asked for", err);
    stream->size_bytes += frame->message_size;
    if (stream->size_bytes > STREAM_MAX)
        return not_vici(client, op, "the answer is over 64 MiB", err);
    enum stf_kind kind = stf_vici_decode(frame->message, frame->message_size, &event, err);
    if (kind)
        return give_up(client, kind);
    if (!stream->event)
        event = json_pack("[s, o]", frame->name, event);
    if (json_array_append_new(stream->events, event) < 0)
        return give_up(client, stf_err_set(err, STF_NO_MEMORY, 0, op, client->path, "no memory for an event"));
    return STF_OK;
}

/* Sends one frame and waits for the one that answers it, keeping the events in between. */
static enum stf_kind transact(struct stf_vici_client *client, enum frame_type type, const char *name,
                              const struct stf_vici_message *message, struct stream *stream, int64_t deadline_ns,
                              struct frame *answer, struct stf_err *err)
{
    enum stf_kind kind = send_frame(client, type, name, message, deadline_ns, err);
    while (!kind) {
        kind = receive_frame(client, answer, deadline_ns, name, err);
        if (kind || answer->type != EVENT)
            return kind;
        kind = keep_event(client, stream, answer, name, err);
        frame_fini(answer);
    }
    return kind;
}

static enum stf_kind read_answer(struct stf_vici_client *client, const char *command, const struct frame *frame,
                                 json_t **answer, struct stf_err *err)
{
    if (frame->type == CMD_RESPONSE) {
        enum stf_kind kind = stf_vici_decode(frame->message, frame->message_size, answer, err);
        return kind ? give_up(client, kind) : STF_OK;
    }
    if (frame->type == CMD_UNKNOWN)
        return stf_err_set(err, STF_UNSUPPORTED, 0, command, client->path,
                           "charon at %s does not know the command '%s'; it is too old, or a plugin is not loaded",
                           client->path, command);
    return not_vici(client, command, "a frame of the wrong type", err);
}

static enum stf_kind command_until(struct stf_vici_client *client, const char *command,
                                   const struct stf_vici_message *message, struct stream *stream, int64_t deadline_ns,
                                   json_t **answer, struct stf_err *err)
{
    struct frame frame = {0};
    enum stf_kind kind = transact(client, CMD_REQUEST, command, message, stream, deadline_ns, &frame, err);
    if (kind)
        return kind;
    kind = read_answer(client, command, &frame, answer, err);
    frame_fini(&frame);
    return kind;
}

static enum stf_kind subscribe(struct stf_vici_client *client, enum frame_type type, const char *event,
                               struct stream *stream, int64_t deadline_ns, struct stf_err *err)
{
    struct frame frame = {0};
    enum stf_kind kind = transact(client, type, event, NULL, stream, deadline_ns, &frame, err);
    if (kind)
        return kind;
    if (frame.type == EVENT_UNKNOWN)
        kind = stf_err_set(err, STF_UNSUPPORTED, 0, "register", event, "charon at %s does not know the event '%s'",
                           client->path, event);
    else if (frame.type != EVENT_CONFIRM)
        kind = not_vici(client, event, "a frame of the wrong type", err);
    frame_fini(&frame);
    return kind;
}

static enum stf_kind check_ready(const struct stf_vici_client *client, const char *op,
                                 const struct stf_vici_message *message, struct stf_err *err)
{
    if (client->is_broken)
        return broken(client, op, err);
    return message ? stf_vici_message_check(message, err) : STF_OK;
}

enum stf_kind stf_vici_request(struct stf_vici_client *client, const char *command,
                               const struct stf_vici_message *message, int64_t timeout_ms, json_t **answer,
                               struct stf_err *err)
{
    struct stream none = {0};
    enum stf_kind kind = check_ready(client, command, message, err);
    if (kind)
        return kind;
    return command_until(client, command, message, &none, deadline_after(timeout_ms), answer, err);
}

enum stf_kind stf_vici_stream(struct stf_vici_client *client, const char *command, const char *event,
                              const struct stf_vici_message *message, int64_t timeout_ms, json_t **events,
                              json_t **answer, struct stf_err *err)
{
    struct stream stream = {.event = event, .events = json_array()};
    int64_t deadline_ns = deadline_after(timeout_ms);
    json_t *response = NULL;

    enum stf_kind kind = check_ready(client, command, message, err);
    if (!kind && !stream.events)
        kind = stf_err_set(err, STF_NO_MEMORY, 0, command, client->path, "no memory for the answer");
    if (kind)
        goto out;
    kind = subscribe(client, EVENT_REGISTER, event, &stream, deadline_ns, err);
    if (kind)
        goto out;
    kind = command_until(client, command, message, &stream, deadline_ns, &response, err);
    if (!client->is_broken) {
        enum stf_kind ended = subscribe(client, EVENT_UNREGISTER, event, &stream, deadline_ns, kind ? NULL : err);
        kind = kind ? kind : ended;
    }
out:
    if (kind) {
        json_decref(response);
        json_decref(stream.events);
        return kind;
    }
    *events = stream.events;
    *answer = response;
    return STF_OK;
}

/* ---------- several commands in flight ---------- */

enum { IN_FLIGHT_MAX = 64 };

struct pipeline {
    struct stf_vici_call *calls;
    size_t count;
    stf_vici_prepare prepare;
    void *user;
    size_t sent;     /* calls whose frames are in `bytes` or were sent before */
    size_t answered; /* of those, how many are done with */
    uint8_t *bytes;  /* frames on their way; wiped, since they may hold a secret */
    size_t size, capacity, at;
};

static void pipeline_fini(struct pipeline *pipeline)
{
    if (pipeline->bytes)
        explicit_bzero(pipeline->bytes, pipeline->size);
    free(pipeline->bytes);
}

/* realloc would leave a copy of the old bytes behind, unwiped. */
static enum stf_kind reserve(struct pipeline *pipeline, size_t more, struct stf_err *err)
{
    size_t capacity = pipeline->capacity ? pipeline->capacity : 64 * 1024;
    while (capacity < pipeline->size + more)
        capacity *= 2;
    if (capacity == pipeline->capacity)
        return STF_OK;
    uint8_t *bytes = malloc(capacity);
    if (!bytes)
        return stf_err_set(err, STF_NO_MEMORY, 0, "pipeline", NULL, "no memory for %zu bytes of commands", capacity);
    if (pipeline->size)
        memcpy(bytes, pipeline->bytes, pipeline->size);
    pipeline_fini(pipeline);
    pipeline->bytes = bytes;
    pipeline->capacity = capacity;
    return STF_OK;
}

static enum stf_kind add_call(struct pipeline *pipeline, struct stf_err *err)
{
    uint8_t head[HEAD_MAX];
    size_t index = pipeline->sent;
    struct stf_vici_call *call = &pipeline->calls[index];
    enum stf_kind kind = pipeline->prepare ? pipeline->prepare(pipeline->user, index, err) : STF_OK;
    if (!kind && call->message)
        kind = stf_vici_message_check(call->message, err);
    if (kind || !call->command) {
        pipeline->sent += !kind;
        return kind;
    }
    size_t head_size = make_head(head, CMD_REQUEST, call->command, call->message);
    size_t message_size = call->message ? call->message->size : 0;
    kind = reserve(pipeline, head_size + message_size, err);
    if (kind)
        return kind;
    memcpy(pipeline->bytes + pipeline->size, head, head_size);
    if (message_size)
        memcpy(pipeline->bytes + pipeline->size + head_size, call->message->bytes, message_size);
    pipeline->size += head_size + message_size;
    pipeline->sent++;
    return STF_OK;
}

/* The next calls as frames, when the last ones have gone: few system calls, and charon always has work. */
static enum stf_kind fill(struct pipeline *pipeline, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    if (pipeline->at < pipeline->size || pipeline->sent - pipeline->answered > IN_FLIGHT_MAX / 2)
        return STF_OK;
    if (pipeline->size)
        explicit_bzero(pipeline->bytes, pipeline->size);
    pipeline->size = pipeline->at = 0;
    while (!kind && pipeline->sent < pipeline->count && pipeline->sent - pipeline->answered < IN_FLIGHT_MAX)
        kind = add_call(pipeline, err);
    return kind;
}

/* Calls that were not sent need no answer. */
static void pass_by(struct pipeline *pipeline)
{
    while (pipeline->answered < pipeline->sent && !pipeline->calls[pipeline->answered].command)
        pipeline->answered++;
}

static enum stf_kind send_some(struct stf_vici_client *client, struct pipeline *pipeline, struct stf_err *err)
{
    ssize_t sent = pipeline->at < pipeline->size ? send(client->fd, pipeline->bytes + pipeline->at,
                                                        pipeline->size - pipeline->at, MSG_NOSIGNAL | MSG_DONTWAIT)
                                                 : 0;
    if (sent >= 0)
        pipeline->at += (size_t)sent;
    else if (errno == EPIPE || errno == ECONNRESET)
        return hung_up(client, "pipeline", err);
    else if (errno != EINTR && errno != EAGAIN)
        return give_up(client, stf_err_errno(err, errno, "pipeline", client->path, "send"));
    return STF_OK;
}

/* Waits until there is room to send or an answer; takes the answer. */
static enum stf_kind step(struct stf_vici_client *client, struct pipeline *pipeline, int64_t deadline_ns,
                          enum stf_kind *refusal, struct stf_err *err)
{
    struct stf_vici_call *call = &pipeline->calls[pipeline->answered];
    struct frame frame = {0};
    bool has_more = pipeline->at < pipeline->size;
    enum stf_kind kind = wait_for(client, (short)(POLLIN | (has_more ? POLLOUT : 0)), deadline_ns, call->command, err);
    if (!kind && has_more)
        kind = send_some(client, pipeline, err);
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (kind || poll(&poll_fd, 1, 0) <= 0)
        return kind;
    kind = receive_frame(client, &frame, deadline_ns, call->command, err);
    if (kind)
        return kind;
    pipeline->answered++;
    struct stf_err failure;
    kind = read_answer(client, call->command, &frame, &call->answer, &failure);
    frame_fini(&frame);
    if (kind && err && (client->is_broken || !*refusal))
        *err = failure;
    if (client->is_broken)
        return kind;
    *refusal = *refusal ? *refusal : kind;
    return STF_OK;
}

enum stf_kind stf_vici_pipeline(struct stf_vici_client *client, struct stf_vici_call *calls, size_t count,
                                stf_vici_prepare prepare, void *user, int64_t timeout_ms, struct stf_err *err)
{
    struct pipeline pipeline = {.calls = calls, .count = count, .prepare = prepare, .user = user};
    enum stf_kind kind = check_ready(client, "pipeline", NULL, err), refusal = STF_OK;
    int64_t deadline_ns = deadline_after(timeout_ms);

    while (!kind && pipeline.answered < count) {
        size_t before = pipeline.answered;
        kind = fill(&pipeline, err);
        pass_by(&pipeline);
        if (!kind && pipeline.answered < pipeline.sent)
            kind = step(client, &pipeline, deadline_ns, &refusal, err);
        if (pipeline.answered > before)
            deadline_ns = deadline_after(timeout_ms);
    }
    if (kind && pipeline.sent > pipeline.answered)
        give_up(client, kind); /* answers to nobody are under way */
    pipeline_fini(&pipeline);
    return kind ? kind : refusal;
}

enum stf_kind stf_vici_check_success(const json_t *answer, const char *command, const char *subject,
                                     struct stf_err *err)
{
    static const struct {
        const char *words;
        enum stf_kind kind;
    } meanings[] = {
        {"no counters", STF_NOT_FOUND},         {"not found", STF_NOT_FOUND},       {"no matching", STF_NOT_FOUND},
        {"not established after", STF_TIMEOUT}, {"not deleted after", STF_TIMEOUT}, {"timeout", STF_TIMEOUT},
        {"invalid", STF_INVALID_DATA},          {"missing", STF_INVALID_DATA},      {"unsupported", STF_UNSUPPORTED},
    };
    const char *success = json_string_value(json_object_get(answer, "success"));
    if (!success || strcmp(success, "no") != 0)
        return STF_OK;
    const char *message = json_string_value(json_object_get(answer, "errmsg"));
    enum stf_kind kind = STF_DENIED;
    for (size_t i = 0; message && i < sizeof meanings / sizeof *meanings; i++) {
        if (strstr(message, meanings[i].words)) {
            kind = meanings[i].kind;
            break;
        }
    }
    return stf_err_set(err, kind, 0, command, subject, "charon refused '%s' for %s: %s", command, subject,
                       message ? message : "it did not say why; its log does");
}

/* ---------- events ---------- */

enum stf_kind stf_vici_listen(struct stf_vici_client *client, const char *const events[], int64_t timeout_ms,
                              struct stf_err *err)
{
    int64_t deadline_ns = deadline_after(timeout_ms);
    enum stf_kind kind = check_ready(client, "register", NULL, err);
    if (!kind && !client->early && !(client->early = json_array()))
        kind = stf_err_set(err, STF_NO_MEMORY, 0, "register", client->path, "no memory for events");
    struct stream stream = {.events = client->early};
    for (; !kind && *events; events++)
        kind = subscribe(client, EVENT_REGISTER, *events, &stream, deadline_ns, err);
    return kind;
}

static json_t *take_early(struct stf_vici_client *client, char name[static STF_VICI_NAME_MAX + 1])
{
    json_t *pair = json_array_get(client->early, 0);
    if (!pair)
        return NULL;
    snprintf(name, STF_VICI_NAME_MAX + 1, "%s", json_string_value(json_array_get(pair, 0)));
    json_t *event = json_incref(json_array_get(pair, 1));
    json_array_remove(client->early, 0);
    return event;
}

static enum stf_kind read_event(struct stf_vici_client *client, char name[static STF_VICI_NAME_MAX + 1], json_t **event,
                                struct stf_err *err)
{
    struct frame frame;
    enum stf_kind kind = receive_frame(client, &frame, deadline_after(REST_OF_FRAME_MS), "listen", err);
    if (kind)
        return kind;
    if (frame.type == EVENT) {
        memcpy(name, frame.name, sizeof frame.name);
        kind = stf_vici_decode(frame.message, frame.message_size, event, err);
        if (kind)
            give_up(client, kind);
    } else {
        kind = not_vici(client, "listen", "a frame that is no event", err);
    }
    frame_fini(&frame);
    return kind;
}

enum stf_kind stf_vici_next_event(struct stf_vici_client *client, int wake_fd, char name[static STF_VICI_NAME_MAX + 1],
                                  json_t **event, struct stf_err *err)
{
    struct pollfd poll_fds[] = {{.fd = wake_fd, .events = POLLIN}, {.fd = client->fd, .events = POLLIN}};

    enum stf_kind kind = check_ready(client, "listen", NULL, err);
    if (kind)
        return kind;
    *event = take_early(client, name);
    if (*event)
        return STF_OK;
    while (poll(poll_fds, 2, -1) < 0)
        if (errno != EINTR)
            return give_up(client, stf_err_errno(err, errno, "listen", client->path, "poll"));
    if (poll_fds[0].revents)
        return STF_OK;
    return read_event(client, name, event, err);
}
