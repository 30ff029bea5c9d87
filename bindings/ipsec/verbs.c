/* verbs.c - asks charon what stands there, initiates and terminates, watches events; answers are typed documents.
 * Must never alter a connection or secret: that is what the resources are for. SPDX-License-Identifier: MIT */
#include "ipsec/verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/doc.h"
#include "common/handles.h"
#include "ipsec/guard.h"
#include "ipsec/kernel_verbs.h"
#include "ipsec/strongswan.h"
#include "ipsec/takeover.h"
#include "ipsec/watch.h"
#include "ipsec/windows_host.h"
#include "ipsec/windows_verbs.h"

enum { INITIATE_MS = 10000, TERMINATE_MS = 5000, TIMEOUT_MAX_MS = 600000 };

static const char *const no_members[] = {NULL};

static enum stf_kind no_memory(const char *op, struct stf_err *err)
{
    return stf_err_set(err, STF_NO_MEMORY, 0, op, NULL, "no memory for the answer");
}

/* ---------- the daemon ---------- */

static enum stf_kind ask(const struct stf_host *host, const json_t *args, const char *command, json_t **result,
                         struct stf_err *err)
{
    struct stf_strongswan daemon = {0};
    enum stf_kind kind = stf_doc_check_keys(args, no_members, command, err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind)
        kind = stf_vici_request(daemon.client, command, NULL, STF_CHARON_ANSWER_MS, result, err);
    stf_strongswan_close(&daemon);
    return kind;
}

static enum stf_kind version(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                             struct stf_err *err)
{
    (void)self;
    return ask(host, args, "version", result, err);
}

static enum stf_kind stats(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                           struct stf_err *err)
{
    (void)self;
    return ask(host, args, "stats", result, err);
}

static enum stf_kind capabilities(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    struct stf_strongswan daemon = {0};
    struct stf_ipsec_engine engine = {0};
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, no_members, "capabilities", err);
    if (!kind && stf_windows_is_driver(host)) {
        *result = json_pack("{s:s, s:[s, s]}", "engine", "windows", "modes", "transport", "tunnel");
        return *result ? STF_OK : no_memory("capabilities", err);
    }
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind)
        kind = stf_strongswan_engine(&daemon, &engine, err);
    stf_strongswan_close(&daemon);
    if (kind)
        return kind;
    *result = engine.is_userland ? json_pack("{s:s, s:[s]}", "engine", "userland", "modes", "tunnel")
                                 : json_pack("{s:s, s:[s, s]}", "engine", "kernel", "modes", "transport", "tunnel");
    return *result ? STF_OK : no_memory("capabilities", err);
}

/* What setting a connection would refuse, told before any host is changed. */
static enum stf_kind check(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                           struct stf_err *err)
{
    static const char *const known[] = {"name", "document", NULL};
    struct stf_strongswan daemon = {0};
    struct stf_ipsec_engine engine = {0};
    const char *name = NULL;
    const json_t *document = json_object_get(args, "document");
    json_t *tree = NULL;

    if (stf_windows_is_driver(host))
        return stf_windows_verb_check(self, host, args, result, err);
    enum stf_kind kind = stf_doc_check_keys(args, known, "check", err);
    if (!kind)
        kind = stf_doc_string(args, "name", &name, err);
    if (!kind)
        kind = stf_connection_validate(document, err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind)
        kind = stf_strongswan_engine(&daemon, &engine, err);
    if (!kind)
        kind = stf_connection_render(name, document, &engine, &tree, err);
    stf_strongswan_close(&daemon);
    json_decref(tree);
    if (kind)
        return kind;
    *result = json_pack("{s:o}", "left_out", stf_connection_left_out(document));
    return *result ? STF_OK : no_memory("check", err);
}

/* ---------- lists ---------- */

/* One document for one section of an event; NULL means that memory is out. */
typedef json_t *(*section_to_document)(const char *name, const json_t *section);

/* `message` may be NULL: no arguments. */
static enum stf_kind list(const struct stf_host *host, const json_t *args, const char *command, const char *event_name,
                          const struct stf_vici_message *message, section_to_document convert, json_t **result,
                          struct stf_err *err)
{
    struct stf_strongswan daemon = {0};
    json_t *events = NULL, *answer = NULL, *documents = json_array(), *event, *section;
    const char *name;
    size_t index;

    enum stf_kind kind = documents ? stf_doc_check_keys(args, no_members, command, err) : no_memory(command, err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind)
        kind =
            stf_vici_stream(daemon.client, command, event_name, message, STF_CHARON_ANSWER_MS, &events, &answer, err);
    stf_strongswan_close(&daemon);
    json_array_foreach (events, index, event) {
        json_object_foreach (event, name, section)
            if (json_is_object(section) && json_array_append_new(documents, convert(name, section)) < 0)
                kind = no_memory(command, err);
    }
    json_decref(events);
    json_decref(answer);
    if (kind)
        json_decref(documents);
    else
        *result = documents;
    return kind;
}

static json_t *connection_document(const char *name, const json_t *section)
{
    json_t *document = json_pack("{s:s}", "name", name);
    if (document && json_object_update_missing(document, (json_t *)section) < 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

static enum stf_kind connections(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    (void)self;
    return list(host, args, "list-conns", "list-conn", NULL, connection_document, result, err);
}

static const char *text(const json_t *section, const char *key)
{
    return json_string_value(json_object_get(section, key));
}

/* charon leaves out what it does not know yet: null then, not zero. */
static json_t *number(const json_t *section, const char *key)
{
    const char *digits = text(section, key);
    return digits ? json_integer(strtoll(digits, NULL, 10)) : json_null();
}

static json_t *texts(const json_t *section, const char *key)
{
    json_t *found = json_object_get(section, key);
    return json_is_array(found) ? json_incref(found) : json_array();
}

static json_t *child_document(const json_t *child)
{
    return json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(child, "name"),
                     "state", text(child, "state"), "mode", text(child, "mode"), "spi_in", text(child, "spi-in"),
                     "spi_out", text(child, "spi-out"), "bytes_in", number(child, "bytes-in"), "bytes_out",
                     number(child, "bytes-out"), "packets_in", number(child, "packets-in"), "packets_out",
                     number(child, "packets-out"), "local_ts", texts(child, "local-ts"), "remote_ts",
                     texts(child, "remote-ts"));
}

static json_t *sa_document(const char *name, const json_t *sa)
{
    const char *key;
    json_t *child, *children = json_array();
    const char *initiator = text(sa, "initiator");

    json_object_foreach (json_object_get(sa, "child-sas"), key, child) {
        if (json_array_append_new(children, child_document(child)) < 0) {
            json_decref(children);
            return NULL;
        }
    }
    return json_pack("{s:s, s:o, s:s?, s:s?, s:s?, s:b, s:o}", "connection", name, "id", number(sa, "uniqueid"),
                     "state", text(sa, "state"), "local_address", text(sa, "local-host"), "remote_address",
                     text(sa, "remote-host"), "initiator", initiator && strcmp(initiator, "yes") == 0, "children",
                     children);
}

static enum stf_kind sas(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                         struct stf_err *err)
{
    (void)self;
    return list(host, args, "list-sas", "list-sa", NULL, sa_document, result, err);
}

/* `mode` is what the kernel does: "tunnel", "transport", "pass", "drop". */
static json_t *policy_document(const char *name, const json_t *section)
{
    char mode[16] = "";
    (void)name; /* "connection/child" */
    const char *words = text(section, "mode");
    for (size_t i = 0; words && words[i] && i < sizeof mode - 1; i++) {
        mode[i] = (char)tolower((unsigned char)words[i]);
        mode[i + 1] = '\0';
    }
    return json_pack("{s:s?, s:s?, s:s, s:o, s:o}", "connection", text(section, "ike"), "child", text(section, "child"),
                     "mode", mode, "local_ts", texts(section, "local-ts"), "remote_ts", texts(section, "remote-ts"));
}

static enum stf_kind policies(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                              struct stf_err *err)
{
    static const char *const kinds[] = {"trap", "pass", "drop"};
    struct stf_vici_message message = {0};
    (void)self;
    for (int i = 0; i < 3; i++)
        stf_vici_add_text(&message, kinds[i], "yes");
    enum stf_kind kind = list(host, args, "list-policies", "list-policy", &message, policy_document, result, err);
    stf_vici_message_fini(&message);
    return kind;
}

static json_t *certificate_document(const json_t *section)
{
    return json_pack("{s:s?, s:s?, s:b, s:s?}", "type", text(section, "type"), "flag", text(section, "flag"),
                     "has_private_key", text(section, "has_privkey") != NULL, "data", text(section, "data"));
}

/* ---------- what charon has ---------- */

/* list-certs puts the members of a certificate into the event itself, not into a section. */
static enum stf_kind certificates(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                  struct stf_err *err)
{
    struct stf_strongswan daemon = {0};
    json_t *events = NULL, *answer = NULL, *documents = json_array(), *event;
    size_t index;
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, no_members, "certificates", err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind)
        kind = stf_vici_stream(daemon.client, "list-certs", "list-cert", NULL, STF_CHARON_ANSWER_MS, &events, &answer,
                               err);
    stf_strongswan_close(&daemon);
    json_array_foreach (events, index, event)
        json_array_append_new(documents, certificate_document(event));
    json_decref(events);
    json_decref(answer);
    if (kind)
        json_decref(documents);
    else
        *result = documents;
    return kind;
}

/* The names of all connections and pre-shared keys, and the ids of all private keys, also those of others. */
static enum stf_kind loaded(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                            struct stf_err *err)
{
    static const struct {
        const char *command, *member, *name;
    } lists[] = {
        {"get-conns", "conns", "connections"}, {"get-shared", "keys", "secrets"}, {"get-keys", "keys", "keys"}};
    struct stf_strongswan daemon = {0};
    json_t *found = json_object();
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, no_members, "loaded", err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    for (size_t i = 0; i < sizeof lists / sizeof *lists && !kind; i++) {
        json_t *names = NULL;
        kind = stf_strongswan_names(&daemon, lists[i].command, lists[i].member, &names, err);
        if (!kind)
            json_object_set_new(found, lists[i].name, names);
    }
    stf_strongswan_close(&daemon);
    if (kind)
        json_decref(found);
    else
        *result = found;
    return kind;
}

/* "ike-init-in-req" is ike_init_in_req for a script. */
static json_t *counter_document(const json_t *section)
{
    const char *key;
    json_t *value, *document = json_object();
    json_object_foreach ((json_t *)section, key, value) {
        char name[STF_VICI_NAME_MAX + 1];
        snprintf(name, sizeof name, "%s", key);
        for (char *at = name; *at; at++)
            *at = *at == '-' ? '_' : *at;
        json_object_set_new(document, name, number(section, key));
    }
    return document;
}

/* IKE's message counters: of one connection, or, without one, of the whole daemon. */
static enum stf_kind counters(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                              struct stf_err *err)
{
    static const char *const known[] = {"connection", NULL};
    struct stf_strongswan daemon = {0};
    struct stf_vici_message message = {0};
    const char *connection = NULL;
    json_t *answer = NULL;
    (void)self;

    enum stf_kind kind = stf_doc_check_keys(args, known, "counters", err);
    if (!kind)
        kind = stf_doc_opt_string(args, "connection", NULL, &connection, err);
    if (!kind)
        kind = stf_strongswan_open(&daemon, host, err);
    if (!kind && connection)
        stf_vici_add_text(&message, "name", connection);
    if (!kind)
        kind = stf_strongswan_command(&daemon, "get-counters", &message, connection ? connection : host->name,
                                      STF_CHARON_ANSWER_MS, &answer, err);
    stf_strongswan_close(&daemon);
    if (kind)
        return kind;
    const json_t *found = json_object_iter_value(json_object_iter(json_object_get(answer, "counters")));
    *result = counter_document(found);
    json_decref(answer);
    return *result ? STF_OK : no_memory("counters", err);
}

static enum stf_kind reload(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                            struct stf_err *err)
{
    (void)self;
    enum stf_kind kind = stf_doc_check_keys(args, no_members, "reload", err);
    return kind ? kind : stf_strongswan_reload(host, result, err);
}

/* ---------- commands for a connection ---------- */

/* What these verbs are given; each takes some of it. */
struct command {
    const char *connection, *child; /* the child's name is the connection's when left out */
    int64_t timeout_ms;
    bool is_forced, has_child;
};

/* Reads the members that are in `known` and connects; `timeout_ms` is the default. Close the daemon also after an
 * error. */
static enum stf_kind open_for(struct stf_strongswan *daemon, const struct stf_host *host, const json_t *args,
                              const char *const known[], const char *op, struct command *command, struct stf_err *err)
{
    enum stf_kind kind = stf_doc_check_keys(args, known, op, err);
    if (!kind)
        kind = stf_doc_string(args, "connection", &command->connection, err);
    if (!kind)
        kind = stf_strongswan_check_name(command->connection, err);
    if (!kind)
        kind = stf_doc_opt_string(args, "child", command->connection, &command->child, err);
    if (!kind)
        kind = stf_doc_opt_bool(args, "force", false, &command->is_forced, err);
    if (!kind)
        kind = stf_doc_opt_int(args, "timeout_ms", 1, TIMEOUT_MAX_MS, command->timeout_ms, &command->timeout_ms, err);
    command->has_child = json_object_get(args, "child") != NULL;
    return kind ? kind : stf_strongswan_open(daemon, host, err);
}

static enum stf_kind initiate(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                              struct stf_err *err)
{
    static const char *const known[] = {"connection", "child", "timeout_ms", NULL};
    struct stf_strongswan daemon = {0};
    struct command command = {.timeout_ms = INITIATE_MS};
    (void)self;

    enum stf_kind kind = open_for(&daemon, host, args, known, "initiate", &command, err);
    int64_t began_ns = stf_clock_ns();
    if (!kind)
        kind = stf_strongswan_initiate(&daemon, command.connection, command.has_child ? command.child : NULL,
                                       command.timeout_ms, err);
    int64_t took_ms = (stf_clock_ns() - began_ns) / 1000000;
    stf_strongswan_close(&daemon);
    if (kind)
        return kind;
    *result = json_pack("{s:I}", "took_ms", (json_int_t)took_ms);
    return *result ? STF_OK : no_memory("initiate", err);
}

static enum stf_kind terminate(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    static const char *const known[] = {"connection", "force", "timeout_ms", NULL};
    struct stf_strongswan daemon = {0};
    struct command command = {.timeout_ms = TERMINATE_MS};
    int64_t count = 0;
    (void)self;

    enum stf_kind kind = open_for(&daemon, host, args, known, "terminate", &command, err);
    if (!kind)
        kind = stf_strongswan_terminate(&daemon, command.connection,
                                        command.is_forced ? STF_CHARON_FORCE : command.timeout_ms, &count, err);
    stf_strongswan_close(&daemon);
    if (kind)
        return kind;
    *result = json_pack("{s:I}", "terminated", (json_int_t)count);
    return *result ? STF_OK : no_memory("terminate", err);
}

static enum stf_kind command_child(const struct stf_host *host, const json_t *args, const char *name, json_t **answer,
                                   struct stf_err *err)
{
    static const char *const known[] = {"connection", "child", NULL};
    struct stf_strongswan daemon = {0};
    struct stf_vici_message message = {0};
    struct command command = {.timeout_ms = STF_CHARON_ANSWER_MS};

    enum stf_kind kind = open_for(&daemon, host, args, known, name, &command, err);
    if (!kind) {
        stf_vici_add_text(&message, "child", command.child);
        stf_vici_add_text(&message, "ike", command.connection);
        kind = stf_strongswan_command(&daemon, name, &message, command.connection, command.timeout_ms, answer, err);
    }
    stf_strongswan_close(&daemon);
    return kind;
}

/* Begins to rekey the child's SAs; the event child-rekey tells when it is done. */
static enum stf_kind rekey(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                           struct stf_err *err)
{
    json_t *answer = NULL;
    (void)self;
    enum stf_kind kind = command_child(host, args, "rekey", &answer, err);
    if (kind)
        return kind;
    *result = json_pack("{s:o}", "matches", number(answer, "matches"));
    json_decref(answer);
    return *result ? STF_OK : no_memory("rekey", err);
}

/* The child's trap policy, until the daemon ends or the connection is loaded again. */
static enum stf_kind install(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                             struct stf_err *err)
{
    (void)self;
    enum stf_kind kind = command_child(host, args, "install", NULL, err);
    if (!kind)
        *result = json_pack("{s:b}", "installed", 1);
    return kind;
}

static enum stf_kind uninstall(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                               struct stf_err *err)
{
    (void)self;
    enum stf_kind kind = command_child(host, args, "uninstall", NULL, err);
    if (!kind)
        *result = json_pack("{s:b}", "installed", 0);
    return kind;
}

/* ---------- watches ---------- */

static void end_watch(void *watch)
{
    json_t *unread = NULL;
    if (stf_ipsec_watch_stop(watch, &unread, NULL) == STF_OK)
        json_decref(unread);
}

void *stf_ipsec_open(void)
{
    struct stf_ipsec *ipsec = calloc(1, sizeof *ipsec);
    if (!ipsec)
        return NULL;
    ipsec->watches = stf_handles_new(end_watch);
    ipsec->kernel_watches = stf_handles_new(stf_kernel_watch_end);
    if (ipsec->watches && ipsec->kernel_watches)
        return ipsec;
    stf_ipsec_close(ipsec);
    return NULL;
}

void stf_ipsec_close(void *self)
{
    struct stf_ipsec *ipsec = self;
    stf_handles_free(ipsec->watches);
    stf_handles_free(ipsec->kernel_watches);
    free(ipsec);
}

static enum stf_kind watch_start(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                 struct stf_err *err)
{
    static const char *const known[] = {"log", NULL};
    struct stf_ipsec *ipsec = self;
    struct stf_vici_client *client = NULL;
    struct stf_ipsec_watch *watch = NULL;
    bool with_log = false;

    enum stf_kind kind = stf_doc_check_keys(args, known, "watch_start", err);
    if (!kind)
        kind = stf_doc_opt_bool(args, "log", false, &with_log, err);
    if (!kind)
        kind = stf_strongswan_connect(host, &client, err);
    if (!kind)
        kind = stf_ipsec_watch_start(client, with_log, &watch, err);
    if (kind)
        return kind;
    int64_t handle = stf_handles_put(ipsec->watches, watch);
    if (!handle) {
        end_watch(watch);
        return no_memory("watch_start", err);
    }
    *result = json_pack("{s:I}", "handle", (json_int_t)handle);
    return *result ? STF_OK : no_memory("watch_start", err);
}

static enum stf_kind watch_stop(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                                struct stf_err *err)
{
    static const char *const known[] = {"handle", NULL};
    struct stf_ipsec *ipsec = self;
    void *watch = NULL;
    int64_t handle = 0;
    (void)host;

    enum stf_kind kind = stf_doc_check_keys(args, known, "watch_stop", err);
    if (!kind)
        kind = stf_doc_int(args, "handle", 1, INT64_MAX, &handle, err);
    if (!kind)
        kind = stf_handles_take(ipsec->watches, handle, &watch, err);
    return kind ? kind : stf_ipsec_watch_stop(watch, result, err);
}

/* After a rollback of a vip.address: the holder of an address that was put back negotiates, since the peers may have
 * given up meanwhile; a node that lost it again forgets. A host without a charon has nothing to settle. */
static enum stf_kind settle(void *self, const struct stf_host *host, const json_t *args, json_t **result,
                            struct stf_err *err)
{
    static const char *const known[] = {"id", "state", NULL};
    const json_t *ipsec = json_object_get(host->config, "ipsec");
    const char *address = NULL;
    (void)self;
    (void)result;

    enum stf_kind kind = stf_doc_check_keys(args, known, "settle", err);
    if (!kind)
        kind = stf_doc_string(json_object_get(args, "id"), "address", &address, err);
    if (kind || !json_object_get(ipsec, "vici"))
        return kind;
    bool lets_go = json_is_null(json_object_get(args, "state"));
    return stf_strongswan_take_over(json_string_value(json_object_get(ipsec, "vici")), address, lets_go, err);
}

const struct stf_verb stf_ipsec_verbs[] = {
    {"ipsec.version", "ipsec.read", version},
    {"ipsec.stats", "ipsec.read", stats},
    {"ipsec.capabilities", "ipsec.read", capabilities},
    {"ipsec.check", "ipsec.read", check},
    {"ipsec.connections", "ipsec.read", connections},
    {"ipsec.sas", "ipsec.read", sas},
    {"ipsec.policies", "ipsec.read", policies},
    {"ipsec.certificates", "ipsec.read", certificates},
    {"ipsec.loaded", "ipsec.read", loaded},
    {"ipsec.counters", "ipsec.read", counters},
    {"ipsec.connection_edit", "ipsec.read", stf_ipsec_verb_connection_edit},
    {"ipsec.watch_start", "ipsec.read", watch_start},
    {"ipsec.watch_stop", "ipsec.read", watch_stop},
    {"ipsec.guard_counters", "ipsec.read", stf_guard_counters},
    {"ipsec.kernel_policies", "ipsec.read", stf_kernel_verb_policies},
    {"ipsec.kernel_sas", "ipsec.read", stf_kernel_verb_sas},
    {"ipsec.kernel_stats", "ipsec.read", stf_kernel_verb_stats},
    {"ipsec.kernel_snapshot", "ipsec.read", stf_kernel_verb_snapshot},
    {"ipsec.kernel_compare", "ipsec.read", stf_kernel_verb_compare},
    {"ipsec.kernel_watch_start", "ipsec.read", stf_kernel_verb_watch_start},
    {"ipsec.kernel_watch_stop", "ipsec.read", stf_kernel_verb_watch_stop},
    {"ipsec.windows_scripts", "ipsec.read", stf_windows_verb_scripts},
    {"ipsec.windows_check", "ipsec.read", stf_windows_verb_check},
    {"ipsec.windows_capabilities", "ipsec.read", stf_windows_verb_capabilities},
    {"ipsec.windows_read", "ipsec.read", stf_windows_verb_read},
    {"ipsec.initiate", "ipsec.initiate", initiate},
    {"ipsec.terminate", "ipsec.initiate", terminate},
    {"ipsec.rekey", "ipsec.initiate", rekey},
    {"ipsec.install", "ipsec.initiate", install},
    {"ipsec.uninstall", "ipsec.initiate", uninstall},
    {"ipsec.reload", "ipsec.write", reload},
    {"ipsec.settle", "ipsec.initiate", settle},
    {NULL, NULL, NULL},
};
