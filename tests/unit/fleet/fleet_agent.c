/* fleet_agent.c - an agent with one small binding, as a program: what the tests of the channel talk to.
 * SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fleet/agent.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static json_t *item; /* the state of the one thing there is */

/* Gives its argument back, after "wait_ms". */
static enum stf_kind echo(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                          struct stf_err *err)
{
    json_int_t wait_ms = json_integer_value(json_object_get(args, "wait_ms"));
    const struct timespec pause = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * 1000000};
    (void)self;
    (void)err;
    nanosleep(&pause, NULL);
    *result = json_pack("{s:O, s:s, s:s, s:O}", "args", args, "host", host->name, "site_dir", host->site_dir, "config",
                        host->config);
    return STF_OK;
}

static enum stf_kind refuse(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                            struct stf_err *err)
{
    (void)self;
    (void)args;
    (void)result;
    return stf_err_set(err, STF_BUSY, 17, "box", host->name, "the box is in use");
}

static enum stf_kind end_at_once(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    (void)self;
    (void)host;
    (void)args;
    (void)result;
    (void)err;
    fputs("the box has caught fire\n", stderr);
    _exit(1);
}

static enum stf_kind read_item(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                               struct stf_err *err)
{
    (void)self;
    (void)host;
    (void)id;
    (void)err;
    pthread_mutex_lock(&mutex);
    *state = item ? json_incref(item) : json_null();
    pthread_mutex_unlock(&mutex);
    return STF_OK;
}

static enum stf_kind write_item(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                struct stf_err *err)
{
    (void)self;
    (void)host;
    (void)id;
    (void)err;
    pthread_mutex_lock(&mutex);
    json_decref(item);
    item = json_deep_copy(state);
    pthread_mutex_unlock(&mutex);
    return STF_OK;
}

static const struct stf_verb verbs[] = {
    {"box.echo", "box.read", echo},
    {"box.refuse", "box.read", refuse},
    {"box.end", "box.read", end_at_once},
    {NULL, NULL, NULL},
};
static const struct stf_resource resources[] = {
    {"box.item", "box.write", read_item, write_item, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static const struct stf_binding box = {.name = "box", .verbs = verbs, .resources = resources};

int main(void)
{
    const struct stf_binding *const bindings[] = {&box, NULL};
    struct stf_opened opened;
    const struct stf_agent_config config = {stf_transport_stdio(), &opened, "9.9", "/nonexistent"};
    struct stf_err err;
    stf_opened_init(&opened, bindings);
    enum stf_kind kind = stf_agent_serve(&config, &err);
    stf_opened_fini(&opened);
    json_decref(item);
    if (kind != STF_OK)
        fprintf(stderr, "%s\n", err.message);
    return kind == STF_OK ? 0 : 1;
}
