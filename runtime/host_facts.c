/* host_facts.c - a file in the state folder for the facts of each host (host_facts.h). Must never give facts that are
 * older than was asked for. SPDX-License-Identifier: MIT */
#include "host_facts.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/offer.h"
#include "fleet/fleet.h"
#include "run.h"
#include "whole_file.h"

static const char verb_name[] = "system.facts";

struct visit {
    pthread_t thread;
    bool has_thread;
    struct stf_fleet *fleet;
    struct stf_host host;
    const struct stf_verb *verb;
    void *self;
    char *path;
    json_t *found; /* of the result */
};

/* STATE/facts/HASH.json: what site.lua says of the host is in the name, so that facts of another one are not found. */
static char *path_of(const struct stf_runtime *rt, const struct stf_host *host)
{
    char hash[STF_SHA256_TEXT_SIZE], *path = NULL;
    json_t *identity = json_pack("[s, s, O]", rt->site_dir, host->name, host->config);
    bool is_ok =
        identity && stf_sha256_of_doc(identity, hash) && asprintf(&path, "%s/facts/%s.json", rt->state_dir, hash) >= 0;
    json_decref(identity);
    return is_ok ? path : NULL;
}

/* NULL: none are kept, or they are too old, or from a clock that was ahead of now. */
static json_t *remembered(const char *path, int64_t max_age_ms)
{
    json_t *found = NULL, *kept = json_load_file(path, 0, NULL);
    const json_t *facts = json_object_get(kept, "facts"), *gathered = json_object_get(kept, "gathered_unix_ms");
    int64_t age_ms = stf_clock_unix_ms() - json_integer_value(gathered);
    if (json_is_object(facts) && json_is_integer(gathered) && age_ms >= 0 && age_ms <= max_age_ms)
        found = json_pack("{s:O, s:I}", "facts", facts, "age_ms", (json_int_t)age_ms);
    json_decref(kept);
    return found;
}

/* Facts that can not be kept are asked for again the next time. */
static void remember(const char *path, const json_t *facts)
{
    struct stf_err ignored;
    json_t *kept = json_pack("{s:O, s:I}", "facts", facts, "gathered_unix_ms", (json_int_t)stf_clock_unix_ms());
    char *text = kept ? json_dumps(kept, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (text)
        stf_whole_file_write(path, text, strlen(text), &ignored);
    free(text);
    json_decref(kept);
}

static void *ask(void *argument)
{
    struct visit *visit = argument;
    struct stf_err err;
    json_t *facts = NULL, *none = json_object();
    if (stf_fleet_call(visit->fleet, &visit->host, visit->verb, visit->self, none, &facts, &err) == STF_OK) {
        visit->found = json_pack("{s:O, s:i}", "facts", facts, "age_ms", 0);
        remember(visit->path, facts);
    } else {
        visit->found = json_pack("{s:s}", "error", err.message);
    }
    json_decref(facts);
    json_decref(none);
    return NULL;
}

static const struct stf_verb *find_verb(const struct stf_runtime *rt, void **self)
{
    const struct stf_verb *verb = NULL;
    for (size_t i = 0; i < rt->bound_count && !verb; i++) {
        verb = stf_binding_verb(rt->bound[i].binding, verb_name);
        *self = rt->bound[i].self;
    }
    return verb;
}

static enum stf_kind open_fleet(const struct stf_runtime *rt, struct stf_fleet **fleet, struct stf_err *err)
{
    const struct stf_fleet_config config = {
        .version = stf_version(), .machine = "facts", .operator_name = stf_operator_name(), .state_dir = rt->state_dir};
    enum stf_kind kind = stf_runtime_open_fleet(rt, &config, fleet, err);
    return kind == STF_OK ? stf_fleet_grant(*fleet, "system.read", err) : kind;
}

/* All that are not remembered, side by side: an unreachable one keeps its thread waiting. */
static void visit_all(struct visit *visits, size_t count, int64_t max_age_ms)
{
    for (size_t i = 0; i < count; i++) {
        visits[i].found = remembered(visits[i].path, max_age_ms);
        if (visits[i].found)
            continue;
        visits[i].has_thread = pthread_create(&visits[i].thread, NULL, ask, &visits[i]) == 0;
        if (!visits[i].has_thread)
            ask(&visits[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (visits[i].has_thread)
            pthread_join(visits[i].thread, NULL);
}

static enum stf_kind make_folder(const struct stf_runtime *rt, struct stf_err *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/facts", rt->state_dir);
    bool is_made = (mkdir(rt->state_dir, 0700) == 0 || errno == EEXIST) && (mkdir(path, 0700) == 0 || errno == EEXIST);
    return is_made ? STF_OK : stf_err_errno(err, errno, "facts", path, "cannot make the folder for facts");
}

enum stf_kind stf_host_facts(struct stf_runtime *rt, const json_t *limit, int64_t max_age_ms, json_t **facts,
                             struct stf_err *err)
{
    void *self = NULL, *at;
    size_t count = 0;
    struct stf_fleet *fleet = NULL;
    json_t *hosts = json_object_get(rt->site, "hosts");
    const struct stf_verb *verb = find_verb(rt, &self);
    struct visit *visits = calloc(json_object_size(hosts) + 1, sizeof *visits);
    *facts = json_object();
    enum stf_kind kind = visits && *facts ? make_folder(rt, err)
                                          : stf_err_set(err, STF_NO_MEMORY, 0, "facts", NULL, "not enough memory");
    if (kind == STF_OK)
        kind = open_fleet(rt, &fleet, err);
    for (at = json_object_iter(hosts); kind == STF_OK && at; at = json_object_iter_next(hosts, at)) {
        const char *name = json_object_iter_key(at);
        const json_t *config = json_object_iter_value(at);
        if (limit && !json_object_get(limit, name))
            continue;
        struct visit *visit = &visits[count++];
        visit->host =
            (struct stf_host){name, json_string_value(json_object_get(config, "netns")), config, rt->site_dir};
        visit->fleet = fleet;
        visit->verb = verb;
        visit->self = self;
        visit->path = path_of(rt, &visit->host);
        if (!visit->path)
            kind = stf_err_set(err, STF_NO_MEMORY, 0, "facts", name, "not enough memory");
    }
    if (kind == STF_OK)
        visit_all(visits, count, max_age_ms);
    for (size_t i = 0; i < count; i++) {
        json_object_set_new(*facts, visits[i].host.name, visits[i].found);
        free(visits[i].path);
    }
    stf_fleet_close(fleet);
    free(visits);
    return kind;
}
