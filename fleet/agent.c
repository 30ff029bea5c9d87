/* agent.c - serves one controller (agent.h). A few threads take turns at reading, so that a call that waits holds
 * nobody up. Must never carry out a call whose need was not granted. SPDX-License-Identifier: MIT */
#include "fleet/agent.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/doc.h"
#include "common/offer.h"
#include "common/thread.h"
#include "fleet/armed.h"
#include "fleet/hold.h"
#include "fleet/message.h"

enum {
    THREADS = 64, /* at most; one more starts when all others are busy */
    READ_SIZE = 64 * 1024,
};

struct agent {
    const struct stf_agent_config *config;
    json_t *hello;
    struct stf_host host;  /* points into `hello` */
    struct stf_hold *hold; /* of the host for the controller; NULL: not asked for yet. Used under `reading` alone */

    pthread_mutex_t reading; /* of what follows */
    struct stf_buffer received;
    json_int_t last_id;
    json_t *granted; /* need -> true; read under `reading` alone, as requests are taken in order */
    bool is_over;
    struct stf_err why; /* kind STF_OK: the input has ended */
    pthread_t threads[THREADS - 1];
    int thread_count;
    atomic_int busy_count; /* of those and the first one */

    pthread_mutex_t writing;
};

/* One request, looked up and allowed while it is read, carried out after. */
struct job {
    json_int_t id;
    json_t *request;
    const struct stf_verb *verb;
    const struct stf_resource *resource;
    bool is_write;
    bool is_arm, is_confirm; /* of the undo */
    void *self;
    enum stf_kind kind; /* of taking it */
    struct stf_err err;
};

/* ---------- answers ---------- */

/* A controller that is gone is noticed where the next request is read. */
static void send_message(struct agent *agent, const struct stf_buffer *message)
{
    struct stf_transport *transport = agent->config->transport;
    struct stf_err ignored;
    pthread_mutex_lock(&agent->writing);
    transport->ops->write(transport, message->bytes, message->size, INT64_MAX, &ignored);
    pthread_mutex_unlock(&agent->writing);
}

static void send_error(struct agent *agent, json_int_t id, const struct stf_err *err)
{
    struct stf_buffer out = {0};
    json_t *answer = json_pack("{s:I, s:o}", "id", id, "error", stf_doc_from_err(err));
    if (answer && stf_message_append(&out, answer, NULL) == STF_OK)
        send_message(agent, &out);
    else
        agent->config->transport->ops->close(agent->config->transport);
    json_decref(answer);
    stf_buffer_fini(&out);
}

static void send_result(struct agent *agent, json_int_t id, const json_t *result)
{
    struct stf_buffer out = {0};
    struct stf_err err = {.kind = STF_NO_MEMORY};
    json_t *answer = json_pack("{s:I, s:O}", "id", id, "result", result);
    if (answer && stf_message_append(&out, answer, &err) == STF_OK)
        send_message(agent, &out);
    else
        send_error(agent, id, &err); /* too large to be sent, for instance */
    json_decref(answer);
    stf_buffer_fini(&out);
}

/* ---------- taking requests ---------- */

/* With `reading` held: the next whole message, or NULL at the end and after an error. */
static json_t *next_message(struct agent *agent, struct stf_err *err)
{
    struct stf_transport *transport = agent->config->transport;
    for (;;) {
        size_t taken = 0, got;
        json_t *message;
        struct stf_err ignored; /* of an input that has ended */
        if (stf_message_next(&agent->received, &taken, &message, err) != STF_OK)
            return NULL;
        stf_buffer_drop(&agent->received, taken);
        if (message)
            return message;
        char *at = stf_buffer_reserve(&agent->received, READ_SIZE);
        if (!at) {
            stf_err_set(err, STF_NO_MEMORY, 0, "read", NULL, "not enough memory for a request");
            return NULL;
        }
        if (transport->ops->read(transport, at, READ_SIZE, INT64_MAX, &got, &ignored) != STF_OK || got == 0)
            return NULL;
        agent->received.size += got;
    }
}

static enum stf_kind check_granted(const struct agent *agent, const char *need, const char *what, struct stf_err *err)
{
    if (json_object_get(agent->granted, need))
        return STF_OK;
    return stf_err_set(err, STF_DENIED, 0, "agent", what, "%s needs '%s', which was not granted to this run", what,
                       need);
}

static enum stf_kind find_verb(const struct agent *agent, const char *name, struct job *job)
{
    size_t index;
    job->verb = stf_opened_verb(agent->config->opened, name, &index);
    if (!job->verb)
        return stf_err_set(&job->err, STF_UNSUPPORTED, 0, "agent", name, "this agent has no verb %s", name);
    job->self = agent->config->opened->selves[index];
    return check_granted(agent, job->verb->need, name, &job->err);
}

/* Who may change it may look at it, too: a rollback has no other need. */
static enum stf_kind find_resource(const struct agent *agent, const char *name, struct job *job)
{
    size_t index;
    job->resource = stf_opened_resource(agent->config->opened, name, &index);
    if (!job->resource)
        return stf_err_set(&job->err, STF_UNSUPPORTED, 0, "agent", name, "this agent has no resource %s", name);
    job->self = agent->config->opened->selves[index];
    const char *read_need = stf_binding_read_need(agent->config->opened->bindings[index], job->resource);
    bool may_look = !job->is_write && !job->is_arm && json_object_get(agent->granted, read_need);
    return may_look ? STF_OK : check_granted(agent, job->resource->need, name, &job->err);
}

static enum stf_kind grant(struct agent *agent, const json_t *needs, struct stf_err *err)
{
    size_t index;
    json_t *need;
    json_array_foreach ((json_t *)needs, index, need)
        if (!json_is_string(need) || json_object_set_new(agent->granted, json_string_value(need), json_true()) != 0)
            return stf_err_set(err, STF_INVALID_DATA, 0, "agent", "grant", "a need is a text");
    return STF_OK;
}

/* Until the controller, or the way to it, is gone. */
static enum stf_kind hold_host(struct agent *agent, const json_t *holder, struct stf_err *err)
{
    if (!json_is_object(holder))
        return stf_err_set(err, STF_INVALID_DATA, 0, "agent", "hold", "'holder' is no object");
    return agent->hold ? STF_OK : stf_hold_take(&agent->host, holder, &agent->hold, err);
}

static enum stf_kind take_request(struct agent *agent, struct job *job)
{
    const char *op, *name = "";
    enum stf_kind kind = stf_doc_string(job->request, "op", &op, &job->err);
    if (kind == STF_OK && strcmp(op, "grant") == 0)
        return grant(agent, json_object_get(job->request, "needs"), &job->err);
    if (kind == STF_OK && strcmp(op, "hold") == 0)
        return hold_host(agent, json_object_get(job->request, "holder"), &job->err);
    if (kind == STF_OK && (job->is_confirm = strcmp(op, "confirm") == 0))
        return STF_OK;
    if (kind == STF_OK)
        kind = stf_doc_string(job->request, "name", &name, &job->err);
    if (kind == STF_OK && !json_is_object(json_object_get(job->request, "document")))
        kind = stf_err_set(&job->err, STF_INVALID_DATA, 0, "agent", name, "'document' is no object");
    if (kind != STF_OK)
        return kind;
    job->is_write = strcmp(op, "write") == 0;
    if (job->is_write && !json_object_get(job->request, "state"))
        return stf_err_set(&job->err, STF_INVALID_DATA, 0, "agent", name, "there is no 'state' to write");
    if (strcmp(op, "call") == 0)
        return find_verb(agent, name, job);
    job->is_arm = strcmp(op, "arm") == 0;
    if (job->is_write || job->is_arm || strcmp(op, "read") == 0)
        return find_resource(agent, name, job);
    return stf_err_set(&job->err, STF_UNSUPPORTED, 0, "agent", op, "this agent has no operation '%s'", op);
}

static void *serve(void *data);

/* With `reading` held, by a thread that is going to carry something out: somebody else reads meanwhile. */
static void keep_reading(struct agent *agent)
{
    bool is_last = atomic_fetch_add(&agent->busy_count, 1) == agent->thread_count;
    if (is_last && agent->thread_count < THREADS - 1 &&
        stf_thread_start(&agent->threads[agent->thread_count], serve, agent) == 0)
        agent->thread_count++;
}

/* The next request; false when there is none any more. */
static bool take_job(struct agent *agent, struct job *job)
{
    *job = (struct job){0};
    pthread_mutex_lock(&agent->reading);
    if (!agent->is_over)
        job->request = next_message(agent, &agent->why);
    job->id = json_integer_value(json_object_get(job->request, "id"));
    if (job->request && job->id <= agent->last_id) {
        stf_err_set(&agent->why, STF_INVALID_DATA, 0, "read", NULL, "request %d came after request %d", (int)job->id,
                    (int)agent->last_id);
        json_decref(job->request);
        job->request = NULL;
    }
    if (job->request) {
        agent->last_id = job->id;
        job->kind = take_request(agent, job);
        keep_reading(agent);
    } else {
        agent->is_over = true;
    }
    pthread_mutex_unlock(&agent->reading);
    return job->request;
}

/* ---------- carrying them out ---------- */

static enum stf_kind arm_or_confirm(struct agent *agent, struct job *job, const json_t *change)
{
    struct stf_armed armed;
    enum stf_kind kind =
        stf_doc_opt_string(agent->host.config, "undo_dir", agent->config->undo_dir, &armed.dir, &job->err);
    if (kind == STF_OK)
        kind = stf_doc_string(job->request, "token", &armed.token, &job->err);
    if (kind == STF_OK && strpbrk(armed.token, "/\\:"))
        kind = stf_err_set(&job->err, STF_INVALID_DATA, 0, "agent", "token", "a token is no path");
    if (kind == STF_OK && job->is_confirm)
        return stf_armed_confirm(&armed, &job->err);
    if (kind == STF_OK)
        kind = stf_doc_int(job->request, "confirm_within_ms", 1, INT32_MAX, &armed.confirm_within_ms, &job->err);
    return kind == STF_OK ? stf_armed_add(&armed, &agent->host, change, &job->err) : kind;
}

static enum stf_kind carry_out(struct agent *agent, struct job *job, json_t **result)
{
    const json_t *document = json_object_get(job->request, "document");
    if (job->is_arm || job->is_confirm)
        return arm_or_confirm(agent, job, document);
    if (job->verb)
        return job->verb->call(job->self, &agent->host, document, result, &job->err);
    if (job->resource && job->is_write)
        return job->resource->write(job->self, &agent->host, document, json_object_get(job->request, "state"),
                                    &job->err);
    if (job->resource)
        return job->resource->read(job->self, &agent->host, document, result, &job->err);
    return STF_OK; /* a grant, a hold */
}

static void *serve(void *data)
{
    struct agent *agent = data;
    struct job job;
    while (take_job(agent, &job)) {
        json_t *result = NULL;
        if (job.kind == STF_OK)
            job.kind = carry_out(agent, &job, &result);
        if (job.kind == STF_OK)
            send_result(agent, job.id, result ? result : json_null());
        else
            send_error(agent, job.id, &job.err);
        json_decref(result);
        json_decref(job.request);
        atomic_fetch_sub(&agent->busy_count, 1);
    }
    return NULL;
}

/* ---------- beginning and end ---------- */

static enum stf_kind read_hello(struct agent *agent, struct stf_err *err)
{
    int64_t protocol;
    enum stf_kind kind = stf_doc_int(agent->hello, "protocol", STF_PROTOCOL, STF_PROTOCOL, &protocol, err);
    if (kind != STF_OK)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "hello", NULL, "this agent is Staffetta %s and speaks protocol %d",
                           agent->config->program_version, STF_PROTOCOL);
    kind = stf_doc_string(agent->hello, "host", &agent->host.name, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(agent->hello, "netns", NULL, &agent->host.netns, err);
    if (kind == STF_OK)
        kind = stf_doc_opt_string(agent->hello, "site_dir", "/", &agent->host.site_dir, err);
    agent->host.config = json_object_get(agent->hello, "config");
    if (kind == STF_OK && !json_is_object(agent->host.config))
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "hello", NULL, "'config' is no object");
    return kind;
}

/* Answers the first message; the controller reads why when it can not be served. */
static enum stf_kind take_hello(struct agent *agent, struct stf_err *err)
{
    agent->hello = next_message(agent, err);
    if (!agent->hello)
        return err->kind != STF_OK ? err->kind
                                   : stf_err_set(err, STF_INVALID_DATA, 0, "hello", NULL,
                                                 "the input ended before a controller said hello");
    agent->last_id = json_integer_value(json_object_get(agent->hello, "id"));
    enum stf_kind kind = read_hello(agent, err);
    if (kind != STF_OK) {
        send_error(agent, agent->last_id, err);
        return kind;
    }
    json_t *self = json_pack("{s:i, s:s, s:i}", "protocol", STF_PROTOCOL, "program", agent->config->program_version,
                             "pid", (int)getpid());
    send_result(agent, agent->last_id, self);
    json_decref(self);
    return STF_OK;
}

static void serve_all(struct agent *agent)
{
    serve(agent);
    while (agent->thread_count > 0)
        pthread_join(agent->threads[--agent->thread_count], NULL);
}

enum stf_kind stf_agent_serve(const struct stf_agent_config *config, struct stf_err *err)
{
    struct agent agent = {.config = config, .granted = json_object()};
    *err = (struct stf_err){0};
    pthread_mutex_init(&agent.reading, NULL);
    pthread_mutex_init(&agent.writing, NULL);
    enum stf_kind kind = take_hello(&agent, err);
    if (kind == STF_OK) {
        serve_all(&agent);
        *err = agent.why;
        kind = agent.why.kind;
        if (kind != STF_OK)
            send_error(&agent, 0, err);
    }
    stf_hold_release(agent.hold);
    stf_buffer_fini(&agent.received);
    json_decref(agent.hello);
    json_decref(agent.granted);
    pthread_mutex_destroy(&agent.writing);
    pthread_mutex_destroy(&agent.reading);
    return kind;
}
