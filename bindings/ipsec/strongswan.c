/* strongswan.c - the way to a host's charon: configuration, connection, and the commands that several parts use.
 * Must never touch a connection or secret whose name is not ours. SPDX-License-Identifier: MIT */
#include "ipsec/strongswan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/doc.h"
#include "ipsec/windows_host.h"

enum { NAME_MAX_BYTES = 64, CERTIFICATE_MAX = 60000 };
static const char ours[] = "staffetta-";

static enum stf_kind not_configured(const struct stf_host *host, const char *member, const char *example,
                                    struct stf_err *err)
{
    return stf_err_set(err, STF_INVALID_DATA, 0, "configure", host->name,
                       "host '%s' has no ipsec.%s in site.lua; add for instance ipsec = { %s = \"%s\" }", host->name,
                       member, member, example);
}

static enum stf_kind socket_path(const struct stf_host *host, const char **path, struct stf_err *err)
{
    const json_t *ipsec = json_object_get(host->config, "ipsec");
    enum stf_kind kind = stf_windows_refuse(host, "charon", err);
    if (kind)
        return kind;
    if (!json_object_get(ipsec, "vici"))
        return not_configured(host, "vici", "/run/charon.vici", err);
    return stf_doc_string(ipsec, "vici", path, err);
}

enum stf_kind stf_strongswan_connect(const struct stf_host *host, struct stf_vici_client **client, struct stf_err *err)
{
    const char *path = NULL;
    enum stf_kind kind = socket_path(host, &path, err);
    return kind ? kind : stf_vici_open(path, STF_CHARON_ANSWER_MS, client, err);
}

enum stf_kind stf_strongswan_open(struct stf_strongswan *daemon, const struct stf_host *host, struct stf_err *err)
{
    const json_t *ipsec = json_object_get(host->config, "ipsec");
    const char *conf_dir = NULL;

    *daemon = (struct stf_strongswan){.name = host->name, .site_dir = host->site_dir};
    if (ipsec && !json_object_get(ipsec, "conf_dir"))
        return not_configured(host, "conf_dir", "/etc/swanctl/conf.d", err);
    enum stf_kind kind = stf_strongswan_connect(host, &daemon->client, err);
    if (!kind)
        kind = stf_doc_string(ipsec, "conf_dir", &conf_dir, err);
    if (!kind)
        kind = stf_doc_opt_bool(ipsec, "allow_tunnel", false, &daemon->allow_tunnel, err);
    if (kind)
        return kind;
    daemon->conf_dir = stf_doc_path(host->site_dir, conf_dir);
    return daemon->conf_dir ? STF_OK
                            : stf_err_set(err, STF_NO_MEMORY, 0, "configure", host->name, "no memory for a path");
}

void stf_strongswan_close(struct stf_strongswan *daemon)
{
    stf_vici_close(daemon->client);
    free(daemon->conf_dir);
    daemon->client = NULL;
    daemon->conf_dir = NULL;
}

enum stf_kind stf_strongswan_check_name(const char *name, struct stf_err *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *rest = name + sizeof ours - 1;

    if (strncmp(name, ours, sizeof ours - 1) != 0)
        return stf_err_set(err, STF_DENIED, 0, "name", name,
                           "'%s' is not ours to touch: only names that begin with \"%s\" are", name, ours);
    if (!*rest || strspn(rest, allowed) != strlen(rest) || strlen(name) > NAME_MAX_BYTES)
        return stf_err_set(err, STF_INVALID_DATA, 0, "name", name,
                           "the name '%s' must be \"%s\" and then letters, digits, '-' or '_', at most %d in all", name,
                           ours, NAME_MAX_BYTES);
    return STF_OK;
}

enum stf_kind stf_strongswan_id_name(const json_t *id, const char **name, struct stf_err *err)
{
    static const char *const known[] = {"name", NULL};
    enum stf_kind kind = stf_doc_check_keys(id, known, "id", err);
    if (!kind)
        kind = stf_doc_string(id, "name", name, err);
    return kind ? kind : stf_strongswan_check_name(*name, err);
}

enum stf_kind stf_strongswan_place_open(struct stf_strongswan_place *place, const struct stf_host *host,
                                        const json_t *id, const char *suffix, bool is_writer, struct stf_err *err)
{
    *place = (struct stf_strongswan_place){.files.dir_fd = -1};
    enum stf_kind kind = stf_strongswan_id_name(id, &place->name, err);
    if (!kind)
        kind = stf_strongswan_open(&place->daemon, host, err);
    if (!kind)
        kind = stf_durable_open(&place->files, place->daemon.conf_dir, is_writer, err);
    if (kind)
        return kind;
    snprintf(place->file, sizeof place->file, "%s%s", place->name, suffix);
    snprintf(place->path, sizeof place->path, "%s/%s", place->daemon.conf_dir, place->file);
    return STF_OK;
}

void stf_strongswan_place_close(struct stf_strongswan_place *place)
{
    stf_durable_close(&place->files);
    stf_strongswan_close(&place->daemon);
}

enum stf_kind stf_strongswan_place_check(const struct stf_strongswan_place *place, const char *what, bool is_live,
                                         bool has_file, struct stf_err *err)
{
    if (!is_live || has_file)
        return STF_OK;
    return stf_err_set(err, STF_CONFLICT, 0, "read", place->name,
                       "charon on '%s' has a %s '%s' that Staffetta did not load (there is no %s); remove it there, or "
                       "use another name",
                       place->daemon.name, what, place->name, place->path);
}

enum stf_kind stf_strongswan_place_state(const struct stf_strongswan_place *place, json_t *kept, bool is_loaded,
                                         json_t **state, struct stf_err *err)
{
    *state = kept ? json_incref(kept) : json_null();
    if (!kept || is_loaded || json_object_set_new(*state, "loaded", json_false()) == 0)
        return STF_OK;
    json_decref(*state);
    return stf_err_set(err, STF_NO_MEMORY, 0, "read", place->name, "no memory for the state");
}

enum stf_kind stf_strongswan_command(struct stf_strongswan *daemon, const char *command,
                                     struct stf_vici_message *message, const char *subject, int64_t timeout_ms,
                                     json_t **answer, struct stf_err *err)
{
    json_t *response = NULL;
    enum stf_kind kind = stf_vici_request(daemon->client, command, message, timeout_ms, &response, err);
    if (!kind)
        kind = stf_vici_check_success(response, command, subject, err);
    stf_vici_message_fini(message);
    if (kind || !answer)
        json_decref(response);
    else
        *answer = response;
    return kind;
}

enum stf_kind stf_strongswan_engine(struct stf_strongswan *daemon, struct stf_ipsec_engine *engine, struct stf_err *err)
{
    json_t *stats = NULL, *plugin;
    size_t index;

    *engine = (struct stf_ipsec_engine){.allow_tunnel = daemon->allow_tunnel, .site_dir = daemon->site_dir};
    enum stf_kind kind = stf_vici_request(daemon->client, "stats", NULL, STF_CHARON_ANSWER_MS, &stats, err);
    if (kind)
        return kind;
    const json_t *plugins = json_object_get(stats, "plugins");
    json_array_foreach (plugins, index, plugin)
        if (strcmp(json_string_value(plugin), "kernel-libipsec") == 0)
            engine->is_userland = true;
    if (json_array_size(plugins) == 0)
        kind = stf_err_set(err, STF_INVALID_DATA, 0, "stats", daemon->name,
                           "charon on '%s' does not say which plugins it has loaded", daemon->name);
    json_decref(stats);
    return kind;
}

/* ---------- connections ---------- */

static enum stf_kind read_certificate(const char *path, json_t **text, struct stf_err *err)
{
    char what[320], bytes[CERTIFICATE_MAX + 1];
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    int errnum = !file || ferror(file) ? errno : 0;
    if (file)
        fclose(file);
    snprintf(what, sizeof what, "read the certificate %.280s", path);
    if (errnum)
        return stf_err_errno(err, errnum, "read", path, what);
    bool is_pem = size <= CERTIFICATE_MAX && memmem(bytes, size, "-----BEGIN ", 11);
    *text = is_pem ? json_stringn(bytes, size) : NULL;
    return *text ? STF_OK
                 : stf_err_set(err, STF_INVALID_DATA, 0, "read", path,
                               "%s is not a certificate in PEM (-----BEGIN CERTIFICATE-----) of at most %d bytes", path,
                               CERTIFICATE_MAX);
}

/* Replaces each path in the list by what is in the file. */
static enum stf_kind read_certificates(json_t *paths, struct stf_err *err)
{
    enum stf_kind kind = STF_OK;
    for (size_t i = 0; i < json_array_size(paths) && !kind; i++) {
        json_t *text = NULL;
        kind = read_certificate(json_string_value(json_array_get(paths, i)), &text, err);
        if (!kind)
            json_array_set_new(paths, i, text);
    }
    return kind;
}

enum stf_kind stf_strongswan_add_connection(struct stf_vici_message *message, const json_t *tree, struct stf_err *err)
{
    json_t *copy = json_deep_copy(tree);
    json_t *connection = json_object_iter_value(json_object_iter(copy));
    enum stf_kind kind = read_certificates(json_object_get(json_object_get(connection, "local"), "certs"), err);
    if (!kind)
        kind = read_certificates(json_object_get(json_object_get(connection, "remote"), "cacerts"), err);
    if (!kind)
        stf_vici_add_tree(message, copy);
    json_decref(copy);
    return kind;
}

enum stf_kind stf_strongswan_list_connections(struct stf_strongswan *daemon, const char *name, json_t **connections,
                                              struct stf_err *err)
{
    struct stf_vici_message message = {0};
    json_t *events = NULL, *answer = NULL, *found = json_object(), *event;
    size_t index;

    if (name)
        stf_vici_add_text(&message, "ike", name);
    enum stf_kind kind = stf_vici_stream(daemon->client, "list-conns", "list-conn", &message, STF_CHARON_ANSWER_MS,
                                         &events, &answer, err);
    json_array_foreach (events, index, event)
        json_object_update_missing(found, event);
    json_decref(events);
    json_decref(answer);
    stf_vici_message_fini(&message);
    if (kind)
        json_decref(found);
    else
        *connections = found;
    return kind;
}

enum stf_kind stf_strongswan_names(struct stf_strongswan *daemon, const char *command, const char *member,
                                   json_t **names, struct stf_err *err)
{
    json_t *answer = NULL;
    enum stf_kind kind = stf_vici_request(daemon->client, command, NULL, STF_CHARON_ANSWER_MS, &answer, err);
    json_t *found = json_object_get(answer, member);
    if (!kind)
        *names = json_is_array(found) ? json_incref(found) : json_array();
    json_decref(answer);
    return kind;
}

/* ---------- associations ---------- */

/* With force charon (5.9.8) must be given no time-out: it would wait for it, drop the SAs, and report a failure. */
static void add_terminate(struct stf_vici_message *message, const char *connection, int64_t timeout_ms)
{
    char number[24];
    stf_vici_add_text(message, "ike", connection);
    if (timeout_ms == STF_CHARON_FORCE) {
        stf_vici_add_text(message, "force", "yes");
    } else {
        snprintf(number, sizeof number, "%" PRId64, timeout_ms);
        stf_vici_add_text(message, "timeout", number);
    }
}

enum stf_kind stf_strongswan_terminate(struct stf_strongswan *daemon, const char *connection, int64_t timeout_ms,
                                       int64_t *count, struct stf_err *err)
{
    struct stf_vici_message message = {0};
    json_t *answer = NULL;
    int64_t terminated = 0;

    add_terminate(&message, connection, timeout_ms);
    enum stf_kind kind =
        stf_vici_request(daemon->client, "terminate", &message, timeout_ms + STF_CHARON_ANSWER_MS, &answer, err);
    stf_vici_message_fini(&message);
    if (kind)
        return kind;
    kind = stf_vici_check_success(answer, "terminate", connection, err);
    const char *digits = json_string_value(json_object_get(answer, "terminated"));
    if (!kind && digits)
        terminated = strtoll(digits, NULL, 10);
    json_decref(answer);
    if (kind == STF_DENIED && timeout_ms != STF_CHARON_FORCE)
        return stf_err_set(err, STF_TIMEOUT, 0, "terminate", connection,
                           "the peer of %s did not confirm the end of its SAs in %" PRId64
                           " ms; terminate by force to drop them without its answer",
                           connection, timeout_ms);
    if (count)
        *count = terminated;
    return kind == STF_NOT_FOUND ? STF_OK : kind;
}
