/* fleet.c - one link a host, made when it is first needed (fleet.h). Must never carry a call out here that is for an
 * agent. SPDX-License-Identifier: MIT */
#include "fleet/fleet.h"

#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/hash.h"
#include "fleet/channel.h"
#include "fleet/files.h"
#include "fleet/install.h"
#include "fleet/reach.h"
#include "fleet/transport_here.h"

enum {
    HELLO_TIMEOUT_MS = 30 * 1000,
    CONTROLLER_DIGITS = 12,
    CALL_TIMEOUT_MS = 10 * 60 * 1000, /* bindings have deadlines of their own; this one is for agents that hang */
    TIMEOUT_HERE_MS = INT32_MAX,      /* an agent in this program can not be given up: it is waited for */
};

/* A channel that some calls use and that the link has, or has given up. */
struct shared_channel {
    struct stf_channel *channel;
    bool is_here;         /* the agent is a thread of this program */
    int users;            /* under the link's mutex */
    size_t granted_count; /* needs that its agent was told; under the link's mutex */
    bool is_holding;      /* its agent was told to keep others from the host; under the link's mutex */
};

struct link {
    char *host;
    _Atomic int64_t deadline_ns; /* of all that is asked; 0: none */
    pthread_mutex_t mutex;
    struct shared_channel *current; /* NULL: to be opened */
};

struct stf_fleet {
    const char *version;
    char *machine, *operator_name;
    int64_t confirm_within_ms;
    char controller[CONTROLLER_DIGITS + 1]; /* of the journal whose runs these are */
    char *undo_dir;                         /* of hosts that are reached in this program */
    struct stf_opened opened;               /* what serves those */
    const struct stf_binding *bindings[STF_OPENED_MAX + 1];
    pthread_mutex_t mutex; /* of what follows */
    void *links;           /* struct link by host, a tree of search.h's */
    json_t *needs;         /* all that were granted, in order */
    json_t *holder;        /* of all hosts that are reached from now on; NULL: none is held */
};

static enum stf_kind no_memory(struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, "connect", NULL, "not enough memory");
}

/* ---------- links ---------- */

static struct link *new_link(const char *host)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link || !(link->host = strdup(host))) {
        free(link);
        return NULL;
    }
    pthread_mutex_init(&link->mutex, NULL);
    return link;
}

static void free_link(struct link *link)
{
    pthread_mutex_destroy(&link->mutex);
    free(link->host);
    free(link);
}

static int compare_links(const void *left, const void *right)
{
    return strcmp(((const struct link *)left)->host, ((const struct link *)right)->host);
}

/* With the fleet's mutex held. */
static struct link *add_link(struct stf_fleet *fleet, const char *host)
{
    struct link *link = new_link(host);
    if (link && !tsearch(link, &fleet->links, compare_links)) {
        free_link(link);
        link = NULL;
    }
    return link;
}

/* NULL when memory is out. */
static struct link *link_of(struct stf_fleet *fleet, const char *host)
{
    const struct link wanted = {.host = (char *)host};
    pthread_mutex_lock(&fleet->mutex);
    struct link **found = tfind(&wanted, &fleet->links, compare_links);
    struct link *link = found ? *found : add_link(fleet, host);
    pthread_mutex_unlock(&fleet->mutex);
    return link;
}

static void free_shared(struct shared_channel *shared)
{
    stf_channel_close(shared->channel);
    free(shared);
}

/* How long an answer may take: `usual_ms`, or what is left to the link's deadline. */
static int64_t patience_ms(const struct link *link, const struct shared_channel *shared, int64_t usual_ms)
{
    if (shared->is_here)
        return TIMEOUT_HERE_MS;
    int64_t deadline_ns = link->deadline_ns;
    int64_t left_ms = deadline_ns ? stf_clock_left_ms(deadline_ns) : usual_ms;
    return left_ms < usual_ms ? left_ms : usual_ms;
}

static enum stf_kind start_agent(const struct stf_fleet *fleet, const struct link *link, const struct stf_host *host,
                                 const json_t *hello, struct shared_channel *shared, struct stf_err *err)
{
    const struct stf_agent_config here = {
        .opened = &fleet->opened, .program_version = fleet->version, .undo_dir = fleet->undo_dir};
    struct stf_transport *transport;
    shared->is_here = !json_object_get(host->config, "transport");
    enum stf_kind kind = shared->is_here ? stf_transport_here(&here, host->name, &transport, err)
                                         : stf_reach_host(host, fleet->version, &transport, err);
    return kind == STF_OK ? stf_channel_open(transport, host->name, hello, patience_ms(link, shared, HELLO_TIMEOUT_MS),
                                             &shared->channel, NULL, err)
                          : kind;
}

/* With the link's mutex held. */
static enum stf_kind open_channel(struct stf_fleet *fleet, struct link *link, const struct stf_host *host,
                                  struct stf_err *err)
{
    json_t *hello = json_pack("{s:s, s:s, s:s*, s:s*, s:O}", "program", fleet->version, "host", host->name, "netns",
                              host->netns, "site_dir", host->site_dir, "config", host->config);
    struct shared_channel *shared = calloc(1, sizeof *shared);
    struct stf_err why = {0};
    enum stf_kind kind = hello && shared ? start_agent(fleet, link, host, hello, shared, &why) : no_memory(&why);
    if (kind == STF_UNREACHABLE && why.code == STF_INSTALL_MISSING) {
        kind = stf_install_agent(host, fleet->version, &why);
        if (kind == STF_OK)
            kind = start_agent(fleet, link, host, hello, shared, &why);
    }
    json_decref(hello);
    if (kind == STF_OK) {
        link->current = shared;
        return STF_OK;
    }
    free(shared);
    if (kind == STF_UNREACHABLE && !why.remedy[0])
        stf_err_remedy(&why, "staffetta doctor tells what every host of the site lacks");
    if (err)
        *err = why;
    return kind;
}

/* With the link's mutex held: the needs that were granted since the agent was told, and their end; NULL: none. */
static json_t *new_grants(struct stf_fleet *fleet, const struct shared_channel *shared, size_t *end)
{
    json_t *needs = NULL;
    pthread_mutex_lock(&fleet->mutex);
    *end = json_array_size(fleet->needs);
    if (shared->granted_count < *end)
        needs = json_array();
    for (size_t i = shared->granted_count; needs && i < *end; i++)
        json_array_append(needs, json_array_get(fleet->needs, i));
    pthread_mutex_unlock(&fleet->mutex);
    return needs;
}

/* Steals the request. */
static enum stf_kind tell_agent(const struct link *link, struct shared_channel *shared, json_t *request,
                                struct stf_err *err)
{
    json_t *answer = NULL;
    enum stf_kind kind = request ? stf_channel_request(shared->channel, request,
                                                       patience_ms(link, shared, HELLO_TIMEOUT_MS), &answer, err)
                                 : no_memory(err);
    json_decref(answer);
    json_decref(request);
    return kind;
}

/* With the link's mutex held; each call comes here, so nothing is made when there is nothing to say. */
static enum stf_kind send_grants(struct stf_fleet *fleet, const struct link *link, struct shared_channel *shared,
                                 struct stf_err *err)
{
    size_t end;
    json_t *needs = new_grants(fleet, shared, &end);
    enum stf_kind kind =
        needs ? tell_agent(link, shared, json_pack("{s:s, s:o}", "op", "grant", "needs", needs), err) : STF_OK;
    if (needs && kind == STF_OK)
        shared->granted_count = end;
    return kind;
}

/* The same for the holder. */
static enum stf_kind send_hold(struct stf_fleet *fleet, const struct link *link, struct shared_channel *shared,
                               struct stf_err *err)
{
    if (shared->is_holding)
        return STF_OK;
    pthread_mutex_lock(&fleet->mutex);
    json_t *holder = json_incref(fleet->holder);
    pthread_mutex_unlock(&fleet->mutex);
    if (!holder)
        return STF_OK;
    enum stf_kind kind = tell_agent(link, shared, json_pack("{s:s, s:o}", "op", "hold", "holder", holder), err);
    shared->is_holding = kind == STF_OK;
    return kind;
}

static void drop_user(struct link *link, struct shared_channel *shared, bool is_lost)
{
    pthread_mutex_lock(&link->mutex);
    if (is_lost && link->current == shared)
        link->current = NULL;
    bool is_unused = --shared->users == 0 && link->current != shared;
    pthread_mutex_unlock(&link->mutex);
    if (is_unused)
        free_shared(shared);
}

static enum stf_kind add_user(struct stf_fleet *fleet, struct link *link, const struct stf_host *host,
                              struct shared_channel **shared, struct stf_err *err)
{
    pthread_mutex_lock(&link->mutex);
    enum stf_kind kind = link->current ? STF_OK : open_channel(fleet, link, host, err);
    *shared = kind == STF_OK ? link->current : NULL;
    if (kind == STF_OK) {
        link->current->users++;
        kind = send_grants(fleet, link, link->current, err);
        if (kind == STF_OK)
            kind = send_hold(fleet, link, link->current, err);
    }
    pthread_mutex_unlock(&link->mutex);
    if (kind != STF_OK && *shared)
        drop_user(link, *shared, true);
    return kind;
}

/* Longer where the call has been given a time of its own. */
static int64_t usual_ms(const json_t *request)
{
    const json_t *own_ms = json_object_get(json_object_get(request, "document"), "timeout_ms");
    return CALL_TIMEOUT_MS + json_integer_value(own_ms);
}

/* Steals the request. */
static enum stf_kind ask(struct stf_fleet *fleet, const struct stf_host *host, json_t *request, json_t **result,
                         struct stf_err *err)
{
    struct shared_channel *shared;
    struct link *link = link_of(fleet, host->name);
    *result = NULL;
    if (!request || !link) {
        json_decref(request);
        return no_memory(err);
    }
    enum stf_kind kind = add_user(fleet, link, host, &shared, err);
    if (kind == STF_OK) {
        kind = stf_channel_request(shared->channel, request, patience_ms(link, shared, usual_ms(request)), result, err);
        drop_user(link, shared, stf_channel_is_lost(shared->channel));
    }
    json_decref(request);
    return kind;
}

/* The same where nothing is told back. Steals the request. */
static enum stf_kind order(struct stf_fleet *fleet, const struct stf_host *host, json_t *request, struct stf_err *err)
{
    json_t *nothing = NULL;
    enum stf_kind kind = ask(fleet, host, request, &nothing, err);
    json_decref(nothing);
    return kind;
}

/* ---------- the interface ---------- */

/* The same for all runs of one journal, so that a later command finds what an earlier one has armed. */
static bool name_controller(struct stf_fleet *fleet, const struct stf_fleet_config *config)
{
    char sum[STF_SHA256_TEXT_SIZE];
    json_t *identity = json_pack("[s, s]", config->machine, config->state_dir);
    bool is_ok = identity && stf_sha256_of_doc(identity, sum);
    json_decref(identity);
    if (is_ok)
        memcpy(fleet->controller, sum, CONTROLLER_DIGITS);
    return is_ok;
}

enum stf_kind stf_fleet_open(const struct stf_fleet_config *config, struct stf_fleet **fleet, struct stf_err *err)
{
    *fleet = NULL;
    enum stf_kind kind = stf_files_make_room(config->host_count, err);
    if (kind != STF_OK)
        return kind;
    struct stf_fleet *made = calloc(1, sizeof *made);
    if (!made)
        return no_memory(err);
    made->version = config->version;
    made->opened.bindings = made->bindings;
    made->confirm_within_ms = config->confirm_within_ms;
    pthread_mutex_init(&made->mutex, NULL);
    made->needs = json_array();
    made->undo_dir = stf_doc_path(config->state_dir, "armed");
    made->machine = strdup(config->machine);
    made->operator_name = strdup(config->operator_name);
    if (!made->needs || !made->undo_dir || !made->machine || !made->operator_name || !name_controller(made, config)) {
        stf_fleet_close(made);
        return no_memory(err);
    }
    *fleet = made;
    return STF_OK;
}

void stf_fleet_close(struct stf_fleet *fleet)
{
    if (!fleet)
        return;
    while (fleet->links) {
        struct link *link = *(struct link **)fleet->links; /* a node begins with what it holds */
        tdelete(link, &fleet->links, compare_links);
        if (link->current)
            free_shared(link->current);
        free_link(link);
    }
    json_decref(fleet->needs);
    json_decref(fleet->holder);
    free(fleet->undo_dir);
    free(fleet->operator_name);
    free(fleet->machine);
    pthread_mutex_destroy(&fleet->mutex);
    free(fleet);
}

enum stf_kind stf_fleet_grant(struct stf_fleet *fleet, const char *need, struct stf_err *err)
{
    size_t index;
    json_t *known;
    enum stf_kind kind = STF_OK;
    if (!fleet)
        return STF_OK;
    pthread_mutex_lock(&fleet->mutex);
    json_array_foreach (fleet->needs, index, known)
        if (strcmp(json_string_value(known), need) == 0)
            break;
    if (index == json_array_size(fleet->needs) && json_array_append_new(fleet->needs, json_string(need)) != 0)
        kind = no_memory(err);
    pthread_mutex_unlock(&fleet->mutex);
    return kind;
}

enum stf_kind stf_fleet_add_binding(struct stf_fleet *fleet, const struct stf_binding *binding, void *self,
                                    struct stf_err *err)
{
    size_t count = 0;
    while (fleet->bindings[count])
        count++;
    if (count == STF_OPENED_MAX)
        return stf_err_set(err, STF_UNSUPPORTED, 0, "add binding", binding->name, "at most %d bindings",
                           STF_OPENED_MAX);
    fleet->opened.selves[count] = self;
    fleet->bindings[count] = binding;
    return STF_OK;
}

enum stf_kind stf_fleet_call(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_verb *verb,
                             void *self, const json_t *args, json_t **result, struct stf_err *err)
{
    if (!fleet)
        return verb->call(self, host, args, result, err);
    return ask(fleet, host, json_pack("{s:s, s:s, s:O}", "op", "call", "name", verb->name, "document", args), result,
               err);
}

enum stf_kind stf_fleet_read(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_resource *resource,
                             void *self, const json_t *id, json_t **state, struct stf_err *err)
{
    if (!fleet)
        return resource->read(self, host, id, state, err);
    return ask(fleet, host, json_pack("{s:s, s:s, s:O}", "op", "read", "name", resource->name, "document", id), state,
               err);
}

enum stf_kind stf_fleet_write(struct stf_fleet *fleet, const struct stf_host *host, const struct stf_resource *resource,
                              void *self, const json_t *id, const json_t *state, struct stf_err *err)
{
    if (!fleet)
        return resource->write(self, host, id, state, err);
    return order(
        fleet, host,
        json_pack("{s:s, s:s, s:O, s:O}", "op", "write", "name", resource->name, "document", id, "state", state), err);
}

void stf_fleet_limit(struct stf_fleet *fleet, const char *host, int64_t deadline_ns)
{
    struct link *link = link_of(fleet, host);
    if (link)
        link->deadline_ns = deadline_ns;
}

/* ---------- one controller at a time ---------- */

static enum stf_kind name_holder(struct stf_fleet *fleet, int64_t run, struct stf_err *err)
{
    pthread_mutex_lock(&fleet->mutex);
    if (!fleet->holder)
        fleet->holder = json_pack("{s:s, s:s, s:i, s:s, s:I, s:I}", "controller", fleet->controller, "machine",
                                  fleet->machine, "pid", (int)getpid(), "operator", fleet->operator_name, "run",
                                  (json_int_t)run, "since_unix_ms", (json_int_t)stf_clock_unix_ms());
    bool is_named = fleet->holder;
    pthread_mutex_unlock(&fleet->mutex);
    return is_named ? STF_OK : no_memory(err);
}

/* Reaching an agent tells it. */
enum stf_kind stf_fleet_hold(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, struct stf_err *err)
{
    struct shared_channel *shared;
    if (!fleet)
        return STF_OK;
    struct link *link = link_of(fleet, host->name);
    enum stf_kind kind = link ? name_holder(fleet, run, err) : no_memory(err);
    if (kind != STF_OK)
        return kind;
    kind = add_user(fleet, link, host, &shared, err);
    if (kind == STF_OK)
        drop_user(link, shared, false);
    return kind == STF_BUSY ? kind : STF_OK; /* what else is wrong with it is said when it is needed */
}

/* ---------- armed undos ---------- */

enum { TOKEN_SIZE = 256 };

static enum stf_kind name_armed(const struct stf_fleet *fleet, int64_t run, const struct stf_host *host,
                                char token[TOKEN_SIZE], struct stf_err *err)
{
    int size = snprintf(token, TOKEN_SIZE, "%s-%lld-%s", fleet->controller, (long long)run, host->name);
    return size < TOKEN_SIZE ? STF_OK
                             : stf_err_set(err, STF_INVALID_DATA, 0, "arm", host->name, "the name is too long");
}

enum stf_kind stf_fleet_arm(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, const json_t *change,
                            struct stf_err *err)
{
    char token[TOKEN_SIZE];
    if (!fleet || fleet->confirm_within_ms == 0)
        return STF_OK;
    enum stf_kind kind = name_armed(fleet, run, host, token, err);
    if (kind != STF_OK)
        return kind;
    return order(fleet, host,
                 json_pack("{s:s, s:O, s:O, s:s, s:I}", "op", "arm", "name", json_object_get(change, "resource"),
                           "document", change, "token", token, "confirm_within_ms",
                           (json_int_t)fleet->confirm_within_ms),
                 err);
}

enum stf_kind stf_fleet_confirm(struct stf_fleet *fleet, int64_t run, const struct stf_host *host, struct stf_err *err)
{
    char token[TOKEN_SIZE];
    if (!fleet || fleet->confirm_within_ms == 0)
        return STF_OK;
    enum stf_kind kind = name_armed(fleet, run, host, token, err);
    if (kind != STF_OK)
        return kind;
    return order(fleet, host, json_pack("{s:s, s:s}", "op", "confirm", "token", token), err);
}
