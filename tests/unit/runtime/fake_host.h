/* fake_host.h - a binding whose hosts are files: one JSON object a host, name -> state. It survives a kill of the
 * program, counts what is done to it, and fails where a test says so. SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <staffetta/binding.h>

#include "journal.h"

/* Who begins the runs on these hosts, as the journal has it. */
static const struct stf_run_data fake_run = {
    .playbook = "rollout",
    .mode = "apply",
    .site_name = "example",
    .site_dir = "/etc/site",
    .operator_name = "anna",
    .program_version = "0.1.0",
};

struct fake {
    char dir[256];
    pthread_mutex_t mutex;
    int write_count;
    const char *failing_thing;    /* its writes fail */
    const char *lying_thing;      /* its writes leave something else */
    const char *unreadable_host;  /* its reads fail */
    void (*on_write)(void *data); /* before each write */
    void *data;
    char seen_site_dir[64]; /* of the last read */
    char seen_netns[64];
    const char *unsettled_thing; /* can not be settled */
    char settled[256];           /* "host.name=state " of all that was */
};

static inline void fake_path(const struct fake *fake, const char *host, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.json", fake->dir, host);
}

/* All things of a host; an empty object where there is no file. The caller's. */
static inline json_t *fake_load(const struct fake *fake, const char *host)
{
    char path[512];
    fake_path(fake, host, path, sizeof path);
    json_t *things = json_load_file(path, JSON_ALLOW_NUL, NULL);
    return things ? things : json_object();
}

static inline void fake_store(const struct fake *fake, const char *host, const json_t *things)
{
    char path[512];
    char new_path[520];
    fake_path(fake, host, path, sizeof path);
    snprintf(new_path, sizeof new_path, "%s.new", path);
    if (json_dump_file(things, new_path, JSON_SORT_KEYS) < 0 || rename(new_path, path) < 0) {
        perror(path);
        abort();
    }
}

static inline void fake_set(const struct fake *fake, const char *host, const char *name, const json_t *state)
{
    json_t *things = fake_load(fake, host);
    if (json_is_null(state))
        json_object_del(things, name);
    else
        json_object_set(things, name, (json_t *)state);
    fake_store(fake, host, things);
    json_decref(things);
}

static inline enum stf_kind fake_read(void *self, const struct stf_host *host, const json_t *id, json_t **state,
                                      struct stf_err *err)
{
    struct fake *fake = self;
    if (fake->unreadable_host && strcmp(fake->unreadable_host, host->name) == 0)
        return stf_err_set(err, STF_UNREACHABLE, 0, "read", host->name, "%s does not answer", host->name);
    pthread_mutex_lock(&fake->mutex);
    snprintf(fake->seen_site_dir, sizeof fake->seen_site_dir, "%s", host->site_dir ? host->site_dir : "-");
    snprintf(fake->seen_netns, sizeof fake->seen_netns, "%s", host->netns ? host->netns : "-");
    json_t *things = fake_load(fake, host->name);
    json_t *found = json_object_get(things, json_string_value(json_object_get(id, "name")));
    *state = found ? json_incref(found) : json_null();
    json_decref(things);
    pthread_mutex_unlock(&fake->mutex);
    return STF_OK;
}

static inline enum stf_kind fake_write(void *self, const struct stf_host *host, const json_t *id, const json_t *state,
                                       struct stf_err *err)
{
    struct fake *fake = self;
    const char *name = json_string_value(json_object_get(id, "name"));
    if (fake->on_write)
        fake->on_write(fake->data);
    if (fake->failing_thing && strcmp(fake->failing_thing, name) == 0)
        return stf_err_set(err, STF_IO, 5, "write", name, "%s can not be written", name);
    pthread_mutex_lock(&fake->mutex);
    fake->write_count++;
    json_t *lie = json_string("something else");
    bool is_lying = fake->lying_thing && strcmp(fake->lying_thing, name) == 0;
    fake_set(fake, host->name, name, is_lying ? lie : state);
    json_decref(lie);
    pthread_mutex_unlock(&fake->mutex);
    return STF_OK;
}

static inline char *fake_describe(const json_t *id, const json_t *state)
{
    char text[128];
    snprintf(text, sizeof text, "%s", json_string_value(state ? state : json_object_get(id, "name")));
    return strdup(text);
}

static const struct stf_resource fake_resources[] = {
    {"fake.thing", "fake.write", fake_read, fake_write, fake_describe},
    {"fake.plain", "fake.write", fake_read, fake_write, NULL},
    {0},
};

static inline enum stf_kind fake_settle(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                        struct stf_err *err)
{
    struct fake *fake = self;
    const char *name = json_string_value(json_object_get(json_object_get(args, "id"), "name"));
    const char *state = json_string_value(json_object_get(args, "state"));
    size_t used = strlen(fake->settled);
    (void)result;
    if (fake->unsettled_thing && strcmp(fake->unsettled_thing, name) == 0)
        return stf_err_set(err, STF_TIMEOUT, 0, "settle", name, "%s does not settle", name);
    snprintf(fake->settled + used, sizeof fake->settled - used, "%s.%s=%s ", host->name, name,
             state ? state : "absent");
    return STF_OK;
}

static const struct stf_verb fake_verbs[] = {
    {"fake.settle", "fake.write", fake_settle},
    {0},
};
static const struct stf_binding fake_binding = {
    .name = "fake", .verbs = fake_verbs, .resources = fake_resources, .settles = "fake.thing", .settle = "fake.settle"};
