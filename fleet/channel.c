/* channel.c - requests and answers over one transport (channel.h). Must never act on an answer that nobody asked for.
 * SPDX-License-Identifier: MIT */
#include "fleet/channel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/doc.h"
#include "fleet/message.h"

enum { READ_SIZE = 64 * 1024 };

struct waiter {
    struct waiter *next;
    json_int_t id;
    json_t *answer;
};

struct stf_channel {
    struct stf_transport *transport;
    char *subject;
    pthread_mutex_t writing;
    json_int_t last_id; /* under `writing` */
    struct stf_buffer out;

    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    bool is_reading; /* somebody reads; `in` is theirs */
    struct stf_buffer in;
    struct waiter *waiters;
    struct stf_err lost; /* why there will be no more answers; kind STF_OK: there will be */
};

/* ---------- reading for everybody ---------- */

static enum stf_kind broken(const struct stf_channel *channel, const char *what, struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "read", channel->subject, "the agent of %s breaks the protocol: %s",
                       channel->subject, what);
}

/* Steals the answer. */
static enum stf_kind hand_out(struct stf_channel *channel, json_t *answer, struct stf_err *err)
{
    const json_t *id = json_object_get(answer, "id");
    pthread_mutex_lock(&channel->mutex);
    struct waiter *waiter = channel->waiters;
    while (waiter && (waiter->answer || !json_is_integer(id) || waiter->id != json_integer_value(id)))
        waiter = waiter->next;
    if (waiter)
        waiter->answer = answer;
    pthread_mutex_unlock(&channel->mutex);
    if (waiter)
        return STF_OK;
    json_decref(answer);
    return broken(channel, "it answers what was not asked", err);
}

static enum stf_kind hand_out_all(struct stf_channel *channel, struct stf_err *err)
{
    size_t taken = 0;
    json_t *answer;
    enum stf_kind kind;
    while ((kind = stf_message_next(&channel->in, &taken, &answer, err)) == STF_OK && answer) {
        kind = hand_out(channel, answer, err);
        if (kind != STF_OK)
            return kind;
    }
    stf_buffer_drop(&channel->in, taken);
    return kind;
}

static enum stf_kind read_some(struct stf_channel *channel, int64_t deadline_ns, struct stf_err *err)
{
    size_t got;
    char *at = stf_buffer_reserve(&channel->in, READ_SIZE);
    if (!at)
        return stf_err_set(err, STF_NO_MEMORY, 0, "read", channel->subject, "not enough memory");
    enum stf_kind kind = channel->transport->ops->read(channel->transport, at, READ_SIZE, deadline_ns, &got, err);
    if (kind != STF_OK)
        return kind;
    if (got == 0)
        return STF_UNREACHABLE; /* err says why */
    channel->in.size += got;
    return hand_out_all(channel, err);
}

/* With the mutex held. STF_OK once the waiter has its answer. */
static enum stf_kind await_answer(struct stf_channel *channel, struct waiter *waiter, int64_t deadline_ns,
                                  struct stf_err *err)
{
    while (!waiter->answer && channel->lost.kind == STF_OK) {
        if (channel->is_reading) {
            stf_cond_wait_until(&channel->changed, &channel->mutex, deadline_ns);
            if (!waiter->answer && channel->lost.kind == STF_OK && stf_clock_ns() >= deadline_ns)
                stf_err_set(&channel->lost, STF_TIMEOUT, 0, "read", channel->subject, "%s does not answer",
                            channel->subject);
            continue;
        }
        struct stf_err why = {0};
        channel->is_reading = true;
        pthread_mutex_unlock(&channel->mutex);
        enum stf_kind kind = read_some(channel, deadline_ns, &why);
        pthread_mutex_lock(&channel->mutex);
        channel->is_reading = false;
        if (kind != STF_OK)
            channel->lost = why;
        pthread_cond_broadcast(&channel->changed);
    }
    if (waiter->answer)
        return STF_OK;
    if (err)
        *err = channel->lost;
    return channel->lost.kind;
}

/* ---------- asking ---------- */

static enum stf_kind send_message(struct stf_channel *channel, const json_t *message, int64_t deadline_ns,
                                  struct stf_err *err)
{
    channel->out.size = 0;
    enum stf_kind kind = stf_message_append(&channel->out, message, err);
    if (kind != STF_OK)
        return kind; /* nothing was sent: only this request has failed */
    struct stf_err why = {0};
    kind = channel->transport->ops->write(channel->transport, channel->out.bytes, channel->out.size, deadline_ns, &why);
    if (kind == STF_OK || kind == STF_UNREACHABLE)
        return STF_OK; /* the other side has ended: whoever reads learns why */
    pthread_mutex_lock(&channel->mutex);
    if (channel->lost.kind == STF_OK)
        channel->lost = why;
    if (err)
        *err = channel->lost;
    kind = channel->lost.kind;
    pthread_cond_broadcast(&channel->changed);
    pthread_mutex_unlock(&channel->mutex);
    return kind;
}

static void add_waiter(struct stf_channel *channel, struct waiter *waiter)
{
    pthread_mutex_lock(&channel->mutex);
    waiter->next = channel->waiters;
    channel->waiters = waiter;
    pthread_mutex_unlock(&channel->mutex);
}

/* With the mutex held. */
static void remove_waiter(struct stf_channel *channel, const struct waiter *waiter)
{
    struct waiter **link = &channel->waiters;
    while (*link != waiter)
        link = &(*link)->next;
    *link = waiter->next;
}

/* Steals the answer. */
static enum stf_kind take_result(const struct stf_channel *channel, json_t *answer, json_t **result,
                                 struct stf_err *err)
{
    const json_t *error = json_object_get(answer, "error");
    json_t *found = json_object_get(answer, "result");
    enum stf_kind kind = STF_OK;
    if (json_is_object(error)) {
        struct stf_err said;
        stf_doc_to_err(error, &said);
        if (err)
            *err = said;
        kind = said.kind;
    } else if (!found) {
        kind = broken(channel, "an answer has neither result nor error", err);
    } else {
        *result = json_incref(found);
    }
    json_decref(answer);
    return kind;
}

enum stf_kind stf_channel_request(struct stf_channel *channel, json_t *request, int64_t timeout_ms, json_t **result,
                                  struct stf_err *err)
{
    int64_t deadline_ns = stf_clock_ns() + timeout_ms * 1000000;
    struct waiter waiter = {0};
    *result = NULL;
    pthread_mutex_lock(&channel->writing);
    waiter.id = ++channel->last_id;
    add_waiter(channel, &waiter);
    enum stf_kind kind = json_object_set_new(request, "id", json_integer(waiter.id)) == 0
                             ? send_message(channel, request, deadline_ns, err)
                             : stf_err_set(err, STF_NO_MEMORY, 0, "write", channel->subject, "not enough memory");
    pthread_mutex_unlock(&channel->writing);
    pthread_mutex_lock(&channel->mutex);
    if (kind == STF_OK)
        kind = await_answer(channel, &waiter, deadline_ns, err);
    remove_waiter(channel, &waiter);
    pthread_mutex_unlock(&channel->mutex);
    return kind == STF_OK ? take_result(channel, waiter.answer, result, err) : kind;
}

bool stf_channel_is_lost(struct stf_channel *channel)
{
    pthread_mutex_lock(&channel->mutex);
    bool is_lost = channel->lost.kind != STF_OK;
    pthread_mutex_unlock(&channel->mutex);
    return is_lost;
}

/* ---------- beginning and end ---------- */

/* `what` is how the agent says that it is of another version. */
static enum stf_kind fail_protocol(const struct stf_channel *channel, const char *what, struct stf_err *err)
{
    return stf_err_set(err, STF_UNSUPPORTED, 0, "connect", channel->subject,
                       "%s: %s, and this program protocol %d: install the same version there, or leave ssh.program out "
                       "of site.lua, so that it is sent",
                       channel->subject, what, STF_PROTOCOL);
}

static enum stf_kind check_protocol(const struct stf_channel *channel, const json_t *said, struct stf_err *err)
{
    char what[64];
    json_int_t protocol = json_integer_value(json_object_get(said, "protocol"));
    snprintf(what, sizeof what, "its agent speaks protocol %lld", (long long)protocol);
    return protocol == STF_PROTOCOL ? STF_OK : fail_protocol(channel, what, err);
}

static enum stf_kind say_hello(struct stf_channel *channel, const json_t *hello, int64_t timeout_ms, json_t **answer,
                               struct stf_err *err)
{
    json_t *request = json_copy((json_t *)hello), *said = NULL;
    struct stf_err why = {0};
    if (!request || json_object_set_new(request, "protocol", json_integer(STF_PROTOCOL)) != 0) {
        json_decref(request);
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", channel->subject, "not enough memory");
    }
    enum stf_kind kind = stf_channel_request(channel, request, timeout_ms, &said, &why);
    if (kind == STF_OK)
        kind = check_protocol(channel, said, err);
    else if (kind == STF_UNSUPPORTED)
        kind = fail_protocol(channel, why.message, err);
    else if (err)
        *err = why;
    if (answer)
        *answer = json_incref(said);
    json_decref(said);
    json_decref(request);
    return kind;
}

enum stf_kind stf_channel_open(struct stf_transport *transport, const char *subject, const json_t *hello,
                               int64_t timeout_ms, struct stf_channel **channel, json_t **answer, struct stf_err *err)
{
    *channel = NULL;
    struct stf_channel *made = calloc(1, sizeof *made);
    if (!made || !(made->subject = strdup(subject))) {
        free(made);
        transport->ops->close(transport);
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", subject, "not enough memory");
    }
    made->transport = transport;
    pthread_mutex_init(&made->writing, NULL);
    pthread_mutex_init(&made->mutex, NULL);
    stf_cond_init(&made->changed);
    enum stf_kind kind = say_hello(made, hello, timeout_ms, answer, err);
    if (kind != STF_OK) {
        stf_channel_close(made);
        return kind;
    }
    *channel = made;
    return STF_OK;
}

void stf_channel_close(struct stf_channel *channel)
{
    if (!channel)
        return;
    channel->transport->ops->close(channel->transport);
    pthread_cond_destroy(&channel->changed);
    pthread_mutex_destroy(&channel->mutex);
    pthread_mutex_destroy(&channel->writing);
    stf_buffer_fini(&channel->in);
    stf_buffer_fini(&channel->out);
    free(channel->subject);
    free(channel);
}
