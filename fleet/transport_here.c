/* transport_here.c - two pipes in memory with an agent between them (transport_here.h). Must never share with the agent
 * what did not go through a pipe. SPDX-License-Identifier: MIT */
#include "fleet/transport_here.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cond.h"
#include "common/thread.h"
#include "fleet/message.h"

struct pipe {
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    struct stf_buffer bytes;
    size_t taken; /* of `bytes`, from the first */
    bool is_closed;
};

struct end {
    struct stf_transport base;
    struct pipe *in, *out;
    const char *subject;
};

struct here {
    struct end near, far;
    struct pipe requests, answers;
    struct stf_agent_config agent;
    pthread_t thread;
    char *subject;
};

/* ---------- pipes ---------- */

static void pipe_init(struct pipe *pipe)
{
    pthread_mutex_init(&pipe->mutex, NULL);
    stf_cond_init(&pipe->changed);
}

static void pipe_fini(struct pipe *pipe)
{
    pthread_cond_destroy(&pipe->changed);
    pthread_mutex_destroy(&pipe->mutex);
    stf_buffer_fini(&pipe->bytes);
}

static void pipe_close(struct pipe *pipe)
{
    pthread_mutex_lock(&pipe->mutex);
    pipe->is_closed = true;
    pthread_cond_broadcast(&pipe->changed);
    pthread_mutex_unlock(&pipe->mutex);
}

/* With the mutex held: as much as is there. */
static size_t pipe_take(struct pipe *pipe, char *bytes, size_t room)
{
    size_t left = pipe->bytes.size - pipe->taken, size = left < room ? left : room;
    if (size > 0)
        memcpy(bytes, pipe->bytes.bytes + pipe->taken, size);
    pipe->taken += size;
    if (pipe->taken == pipe->bytes.size)
        pipe->taken = pipe->bytes.size = 0;
    return size;
}

static enum stf_kind end_read(struct stf_transport *base, char *bytes, size_t room, int64_t deadline_ns, size_t *got,
                              struct stf_err *err)
{
    const struct end *end = (struct end *)base;
    bool is_late = false;
    pthread_mutex_lock(&end->in->mutex);
    while ((*got = pipe_take(end->in, bytes, room)) == 0 && !end->in->is_closed && !is_late) {
        stf_cond_wait_until(&end->in->changed, &end->in->mutex, deadline_ns);
        is_late = stf_clock_ns() >= deadline_ns;
    }
    bool is_closed = end->in->is_closed;
    pthread_mutex_unlock(&end->in->mutex);
    if (*got == 0 && is_closed)
        stf_err_set(err, STF_UNREACHABLE, 0, "connect", end->subject, "%s: the agent has ended", end->subject);
    return *got > 0 || is_closed
               ? STF_OK
               : stf_err_set(err, STF_TIMEOUT, 0, "read", end->subject, "%s does not answer", end->subject);
}

static enum stf_kind end_write(struct stf_transport *base, const char *bytes, size_t size, int64_t deadline_ns,
                               struct stf_err *err)
{
    const struct end *end = (struct end *)base;
    (void)deadline_ns;
    pthread_mutex_lock(&end->out->mutex);
    char *room = stf_buffer_reserve(&end->out->bytes, size);
    if (room) {
        memcpy(room, bytes, size);
        end->out->bytes.size += size;
    } else {
        end->out->is_closed = true; /* whoever reads would wait for what is lost */
    }
    pthread_cond_signal(&end->out->changed);
    pthread_mutex_unlock(&end->out->mutex);
    return room ? STF_OK : stf_err_set(err, STF_NO_MEMORY, 0, "write", end->subject, "not enough memory");
}

/* ---------- beginning and end ---------- */

static void *serve(void *data)
{
    struct here *here = data;
    struct stf_err ignored; /* the other end has been told */
    stf_agent_serve(&here->agent, &ignored);
    pipe_close(&here->answers);
    return NULL;
}

static void free_here(struct here *here)
{
    pipe_fini(&here->requests);
    pipe_fini(&here->answers);
    free(here->subject);
    free(here);
}

static void far_close(struct stf_transport *base)
{
    pipe_close(((struct end *)base)->out);
}

static void near_close(struct stf_transport *base)
{
    struct here *here = (struct here *)base;
    pipe_close(&here->requests);
    pthread_join(here->thread, NULL);
    free_here(here);
}

static const struct stf_transport_ops near_ops = {end_read, end_write, near_close};
static const struct stf_transport_ops far_ops = {end_read, end_write, far_close};

enum stf_kind stf_transport_here(const struct stf_agent_config *agent, const char *subject,
                                 struct stf_transport **transport, struct stf_err *err)
{
    struct here *here = calloc(1, sizeof *here);
    *transport = NULL;
    if (!here || !(here->subject = strdup(subject))) {
        free(here);
        return stf_err_set(err, STF_NO_MEMORY, 0, "connect", subject, "not enough memory");
    }
    pipe_init(&here->requests);
    pipe_init(&here->answers);
    here->near = (struct end){{&near_ops}, &here->answers, &here->requests, here->subject};
    here->far = (struct end){{&far_ops}, &here->requests, &here->answers, here->subject};
    here->agent = *agent;
    here->agent.transport = &here->far.base;
    int failed = stf_thread_start(&here->thread, serve, here);
    if (failed) {
        free_here(here);
        return stf_err_errno(err, failed, "connect", subject, "can not start the agent");
    }
    *transport = &here->near.base;
    return STF_OK;
}
